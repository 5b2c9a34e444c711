//! The shape of a policy file.

use serde::Deserialize;
use toml::Spanned;

/// What may stand at the top of the file, for a message.
pub(super) const KEYS: &str = "a policy has kernel, log-dropped, and the tables [[segment]], \
     [[host]], [[group]], [[service]], [[intent]] and [[translate]]; docs/policy.md lists their \
     keys";

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) kernel: Option<Spanned<String>>,
    pub(super) log_dropped: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) segment: Vec<SegmentEntry>,
    #[serde(default)]
    pub(super) host: Vec<HostEntry>,
    #[serde(default)]
    pub(super) group: Vec<GroupEntry>,
    #[serde(default)]
    pub(super) service: Vec<ServiceEntry>,
    #[serde(default)]
    pub(super) intent: Vec<IntentEntry>,
    #[serde(default)]
    pub(super) translate: Vec<TranslateEntry>,
}

/// `[[segment]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SegmentEntry {
    pub(super) name: Spanned<String>,
    pub(super) interfaces: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) networks: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) addresses: Vec<Spanned<String>>,
    pub(super) default: Option<Spanned<Toggle>>,
    #[serde(default)]
    pub(super) asymmetric: bool,
}

/// `default = true` or `default = "ipv4"`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Toggle {
    Truth(bool),
    Family(String),
}

/// `[[host]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostEntry {
    pub(super) name: Spanned<String>,
    pub(super) addresses: Vec<Spanned<String>>,
    pub(super) segment: Option<Spanned<String>>,
}

/// `[[group]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupEntry {
    pub(super) name: Spanned<String>,
    pub(super) members: Vec<Spanned<String>>,
}

/// `[[service]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceEntry {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) tcp: Vec<Spanned<Ports>>,
    #[serde(default)]
    pub(super) udp: Vec<Spanned<Ports>>,
}

/// `8080` or `"5000-5010"`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Ports {
    One(i64),
    Range(String),
}

/// `[[intent]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct IntentEntry {
    pub(super) name: Option<Spanned<String>>,
    pub(super) service: Spanned<Names>,
    pub(super) from: Spanned<Names>,
    pub(super) to: Spanned<Names>,
    pub(super) media: Option<Spanned<Names>>,
    pub(super) port: Option<Spanned<i64>>,
    pub(super) active: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) log: bool,
    pub(super) limit: Option<Spanned<String>>,
    pub(super) limit_per_source: Option<Spanned<String>>,
    pub(super) family: Option<Spanned<String>>,
    pub(super) why: Option<String>,
}

/// `[[translate]]`: with `publish` a host at another address, else sources that are not shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TranslateEntry {
    pub(super) name: Option<Spanned<String>>,
    pub(super) from: Spanned<Names>,
    pub(super) to: Option<Spanned<Names>>,
    pub(super) source: Option<Spanned<String>>,
    pub(super) random: Option<Spanned<bool>>,
    pub(super) publish: Option<Spanned<String>>,
    pub(super) service: Option<Spanned<Names>>,
    pub(super) at: Option<Spanned<Names>>,
    pub(super) port: Option<Spanned<i64>>,
    pub(super) to_port: Option<Spanned<i64>>,
    pub(super) active: Option<Spanned<bool>>,
    pub(super) log: Option<Spanned<bool>>,
    pub(super) limit: Option<Spanned<String>>,
    pub(super) limit_per_source: Option<Spanned<String>>,
    pub(super) family: Option<Spanned<String>>,
    pub(super) why: Option<String>,
}

/// One name or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    /// The names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Names::One(name) => std::slice::from_ref(name),
            Names::Several(names) => names,
        }
        .iter()
        .map(String::as_str)
    }
}
