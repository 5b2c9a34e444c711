//! The kernel tier: the same packets and rules through the real kernel and through kinwall.
//!
//! | variable | meaning |
//! |---|---|
//! | `KINWALL_SEED`, `KINWALL_CASES` | the first seed, and how many from there on |
//! | `KINWALL_SESSIONS` | sessions in one case |
//! | `KINWALL_TRAFFIC` | only sessions of this kind: `sip`, `pptp`, `gre`, `ftp` (see `sim`) |
//! | `KINWALL_RULES=helpers` | rules that give connections their helpers, and nothing else |
//! | `KINWALL_CASE` | folders, each with a capture, rules and a topology, separated by colons |
//!
//! kinwall's clock stands still. On a slow machine cases should be short: after two seconds the
//! kernel takes the UDP connections of a case for streams.

#[path = "agreement/attacks.rs"]
mod attacks;
#[path = "agreement/both.rs"]
mod both;
#[path = "agreement/h323.rs"]
mod h323;
#[path = "agreement/h323_nat.rs"]
mod h323_nat;
#[path = "agreement/interfaces.rs"]
mod interfaces;
#[path = "agreement/line.rs"]
mod line;
#[path = "agreement/listing.rs"]
mod listing;
#[path = "agreement/mtu.rs"]
mod mtu;
#[path = "agreement/nat.rs"]
mod nat;
#[path = "agreement/nat_nft.rs"]
mod nat_nft;
#[path = "agreement/nft.rs"]
mod nft;
#[path = "agreement/npt.rs"]
mod npt;
#[path = "agreement/ours.rs"]
mod ours;
#[path = "agreement/peers.rs"]
mod peers;
#[path = "agreement/pptp.rs"]
mod pptp;
#[path = "agreement/recorded.rs"]
mod recorded;
#[path = "agreement/rewrite.rs"]
mod rewrite;
#[path = "agreement/sip.rs"]
mod sip;
#[path = "agreement/sip_nat.rs"]
mod sip_nat;
#[path = "agreement/sip_words.rs"]
mod sip_words;
#[path = "agreement/smaller.rs"]
mod smaller;
#[path = "agreement/snmp.rs"]
mod snmp;

use both::{Both, Refusal};
use kinwall_kernel::{Agreement, Case, Disagreement, Ingress, tier};
use kinwall_sim::{Random, World, rules, traffic};
use kinwall_terms::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Sessions in one generated case, unless `KINWALL_SESSIONS` says otherwise.
const SESSIONS: usize = 30;
/// Generated cases, unless `KINWALL_CASES` says otherwise.
const CASES: u64 = 24;
/// The share of packets on which both must agree.
const AGREEMENT_MIN: f64 = 0.999;

/// Generated traffic through generated rules.
#[test]
fn generated_traffic_and_rules() {
    if !tier::is_wanted() {
        return;
    }
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let first: u64 = number("KINWALL_SEED", 1);
    let mut both = Both::default();
    let mut total = Agreement::default();
    let mut told_about = BTreeMap::new();
    let mut refused = Vec::new();
    let mut rules_refused: BTreeMap<String, u64> = BTreeMap::new();
    for seed in first..first + number("KINWALL_CASES", CASES) {
        let mut case = generated(seed);
        for rule in ours::Ours::remove_refused(&mut case) {
            *rules_refused.entry(rule).or_default() += 1;
        }
        match both.compare(&case) {
            Ok(agreement) => {
                for shown in kinds(&agreement, &mut told_about) {
                    let (small, shown) = smaller::smaller(&mut both, &case, &shown);
                    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&case.name);
                    small.write(&directory).expect("writing a case");
                    println!("{}", told(&small, &shown));
                }
                total.merge(agreement);
            }
            Err(refusal) => refused.push((seed, refusal)),
        }
    }
    println!("{total}");
    for (seed, refusal) in &refused {
        match refusal {
            Refusal::Kernel(text) => println!("seed {seed}: the tools refuse: {text}"),
            Refusal::Ours(text) => println!("seed {seed}: kinwall refuses: {text}"),
        }
    }
    for (rule, count) in &rules_refused {
        println!("kinwall refuses {count} times: {rule}");
    }
    assert!(rules_refused.is_empty(), "{} rules were refused", rules_refused.len());
    assert!(refused.is_empty(), "{} cases were refused", refused.len());
    assert!(total.figure() >= AGREEMENT_MIN, "agreement {:.5}", total.figure());
}

/// The first disagreement of each kind, a kind being the fields that differ; a few of each are
/// enough to find the cause.
fn kinds(agreement: &Agreement, told: &mut BTreeMap<Vec<&str>, u32>) -> Vec<Disagreement> {
    let mut seen = BTreeSet::new();
    let mut is_news = |disagreement: &&Disagreement| {
        let fields: Vec<&str> = disagreement.differences.iter().map(|d| d.field).collect();
        let count = told.entry(fields.clone()).or_default();
        let news = seen.insert(fields) && *count < KIND_MAX;
        *count += u32::from(news);
        news
    };
    agreement.disagreements.iter().filter(|d| is_news(d)).cloned().collect()
}

/// Disagreements of one kind that are made smaller and told.
const KIND_MAX: u32 = 3;

/// Example, capture, rules and module options.
const EXAMPLES: &[(&str, &str, &[&str], &str)] = &[
    ("ftp", "capture.pcapng", &["rules.v4", "rules.v6"], ""),
    ("tftp", "capture.pcapng", &["rules.v4", "rules.v6"], ""),
    ("h323", "capture.pcapng", &["rules.v4", "rules.v6"], ""),
    ("irc-dcc", "capture.pcapng", &["rules.v4"], ""),
    ("pptp", "capture.pcapng", &["rules.v4"], ""),
    ("amanda", "capture.pcapng", &["rules.v4"], ""),
    ("netbios-ns", "capture.pcapng", &["rules.v4"], ""),
    ("sane", "capture.pcapng", &["rules.v4", "rules.v6"], ""),
    ("snmp", "capture.pcapng", &["rules.v4"], ""),
    ("ftp-bounce-attack", "capture.pcapng", &["careless.v4"], LOOSE),
    ("ftp-bounce-attack", "refused.pcapng", &["careless.v4"], ""),
    ("ftp-bounce-attack", "careful.pcapng", &["rules.v4"], LOOSE),
    ("ftp-forged-port", "capture.pcapng", &["careless.v4"], ""),
    ("ftp-forged-port", "refused.pcapng", &["rules.v4"], ""),
];

const LOOSE: &str = "[modules.nf_conntrack_ftp]\nloose = true";

/// Captures of real programs: the examples, and those in the folders that `KINWALL_CASE` names
/// (`topology.toml`, `rules.v4`, `rules.v6`, `capture.pcap`).
#[test]
fn recorded_captures() {
    if !tier::is_wanted() {
        return;
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut cases: Vec<Case> = EXAMPLES
        .iter()
        .map(|(name, capture, rules, options)| {
            recorded::case(&examples.join(name), capture, rules, options)
        })
        .collect();
    if let Ok(directories) = std::env::var("KINWALL_CASE") {
        for directory in directories.split(':').map(Path::new) {
            let mut rules = vec!["rules.v4", "rules.v6"];
            rules.retain(|rules| directory.join(rules).exists());
            cases.push(recorded::case(directory, "capture.pcap", &rules, ""));
        }
    }
    let mut both = Both::default();
    let mut wrong = Vec::new();
    for case in cases {
        let agreement = both.compare(&case).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        println!("{}: {agreement}", case.name);
        if !agreement.disagreements.is_empty() {
            wrong.push(format!("{}: {agreement}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The case of a seed.
fn generated(seed: u64) -> Case {
    let world = World::new();
    let mut random = Random::new(seed);
    let [rules4, rules6] = Family::ALL.map(|family| match std::env::var("KINWALL_RULES") {
        Ok(only) if only == "helpers" => rules::only_helpers(family),
        _ => rules::ruleset(&mut random, &world, family),
    });
    let sysctls = rules::settings(&mut random);
    let only = std::env::var("KINWALL_TRAFFIC").ok();
    let sessions = std::env::var("KINWALL_SESSIONS").ok().and_then(|text| text.parse().ok());
    let sessions = sessions.unwrap_or(SESSIONS);
    let packets = traffic::traffic(&mut random, &world, sessions, only.as_deref())
        .into_iter()
        .map(|sent| match sent.ingress {
            traffic::Ingress::Interface(name) => (Ingress::Interface(name), sent.bytes),
            traffic::Ingress::Local => (Ingress::Local, sent.bytes),
        })
        .collect();
    Case {
        name: format!("seed-{seed}"),
        topology: world.topology().to_string(),
        rules4: Some(rules4),
        rules6: Some(rules6),
        sysctls,
        ipsets: Some(rules::SETS.to_string()),
        packets,
        ..Case::default()
    }
}

/// A small case and its difference, as somebody who looks for the cause wants to read it.
fn told(case: &Case, shown: &Disagreement) -> String {
    let mut text = format!("---- {} packet {}: {}\n", case.name, shown.packet, shown.about);
    for difference in &shown.differences {
        text += &format!("  {difference}\n");
    }
    for (name, value) in &case.sysctls {
        text += &format!("  {name}={value}\n");
    }
    for rules in [&case.rules4, &case.rules6].into_iter().flatten() {
        let lines =
            rules.lines().filter(|line| line.starts_with(['-', '*']) || line.contains("DROP"));
        text += &lines.map(|line| format!("  | {line}\n")).collect::<String>();
    }
    for (at, (ingress, bytes)) in case.packets.iter().enumerate() {
        let hex: String = bytes.iter().take(120).map(|byte| format!("{byte:02x}")).collect();
        text += &format!("  {} {ingress} {hex}\n", at + 1);
    }
    text
}
