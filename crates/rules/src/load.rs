//! Sources to rule sets: every file read, every mistake reported.
//!
//! A source is `iptables-save` text of one family, a script of commands of both, or the JSON of
//! `nft -j list ruleset`. Sources are
//! read in order: a later one adds to what an earlier one made, or replaces the tables it names.

use crate::check::check;
use crate::diagnostic::{Diagnostic, Mistakes, Origin, Span};
use crate::ruleset::Ruleset;
use crate::{file, nft, shell};
use kinwall_terms::Family;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One source text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name, for messages and as a hint of its family (`*.v6`, `ip6tables`).
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Its family, when the user said so; a script then must hold no command of the other.
    pub family: Option<Family>,
}

/// What `$NAME` stands for in scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defines(pub(crate) BTreeMap<String, String>);

impl Defines {
    /// Adds `NAME=VALUE`. A value may be a list of addresses of both families, with commas.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let legal = |name: &str| {
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        };
        match text.split_once('=') {
            Some((name, value)) if legal(name) => {
                self.0.insert(name.to_owned(), value.to_owned());
                Ok(())
            }
            Some((name, _)) => Err(format!(
                "{name:?} is not a name: letters, digits and _, not beginning with a digit"
            )),
            None => Err(format!("{text:?} is not NAME=VALUE")),
        }
    }
}

/// A setting made by a line of a script: `modprobe`, `echo` or `sysctl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingLine {
    /// The sysctl in dotted form, or `MODULE.OPTION`.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
    /// The words, for a mistake about it.
    pub span: Span,
}

/// What the sources say.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The rule sets by family; `None` where no source speaks of the family.
    pub rulesets: [Option<Ruleset>; 2],
    /// The settings of scripts, in order: the last of a key holds.
    pub settings: Vec<SettingLine>,
    /// The modules that scripts load without options, in order.
    pub modules: Vec<String>,
    /// What is to be said of rules of nftables.
    pub remarks: Vec<Remark>,
}

/// What is said once of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Index of the source in the list that was loaded.
    pub file: u16,
    /// What is said.
    pub text: String,
}

impl Loaded {
    /// The rule set of `family`.
    pub fn ruleset(&self, family: Family) -> Option<&Ruleset> {
        self.rulesets[family.index()].as_ref()
    }

    pub(crate) fn ruleset_mut(&mut self, family: Family) -> &mut Ruleset {
        self.rulesets[family.index()].get_or_insert_with(|| Ruleset::new(family))
    }
}

/// Reads all sources, in order.
///
/// # Errors
/// All mistakes of all sources, by source and place.
pub fn load(sources: &[Source<'_>], defines: &Defines) -> Result<Loaded, Vec<Diagnostic>> {
    let mut mistakes = Mistakes::default();
    let mut loaded = Loaded::default();
    for (index, source) in sources.iter().enumerate() {
        mistakes.file = u16::try_from(index).unwrap_or(u16::MAX);
        if nft::is_json(source.text) {
            continue;
        }
        match is_script(source.text) {
            true => shell::read(source, &defines.0, &mut loaded, &mut mistakes),
            false => {
                let ruleset = loaded.ruleset_mut(family(source));
                file::read(source.text, ruleset, &mut mistakes);
            }
        }
    }
    // Chains of nftables come in among those of iptables, which must all be there.
    for (index, source) in sources.iter().enumerate().filter(|(_, s)| nft::is_json(s.text)) {
        mistakes.file = u16::try_from(index).unwrap_or(u16::MAX);
        nft::read(source, &mut loaded, &mut mistakes);
    }
    // What nftables allows where, its own tool has checked.
    let written = |source: &Source<'_>| !nft::is_json(source.text);
    if sources.iter().all(written) {
        for ruleset in loaded.rulesets.iter().flatten() {
            check(ruleset, &mut mistakes);
        }
    }
    match mistakes.into_sorted() {
        list if list.is_empty() => Ok(loaded),
        list => Err(list),
    }
}

/// Whether the text is a script: its first line with content does not begin as a line of
/// `iptables-save` does.
pub fn is_script(text: &str) -> bool {
    let content = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let first = text.lines().find(content);
    first.is_some_and(|line| {
        !line.trim_start().starts_with(['*', ':', '[', '-']) && line.trim() != "COMMIT"
    })
}

/// The family of `iptables-save` text: what the user said, else the tool named in a comment,
/// else the name of the source, else the addresses it holds, else IPv4.
pub fn family(source: &Source<'_>) -> Family {
    let from_comment = || {
        let mut comments = source.text.lines().filter(|line| line.starts_with('#'));
        comments.find_map(|line| match line {
            line if line.contains("ip6tables-save") => Some(Family::Ipv6),
            line if line.contains("iptables-save") => Some(Family::Ipv4),
            _ => None,
        })
    };
    let from_name = || {
        let name = source.name.to_ascii_lowercase();
        let is = |marks: &[&str]| marks.iter().any(|mark| name.ends_with(mark));
        match () {
            () if is(&[".v6", ".ipv6", "6.rules", "rules6"]) || name.contains("ip6tables") => {
                Some(Family::Ipv6)
            }
            () if is(&[".v4", ".ipv4"]) || name.contains("iptables") => Some(Family::Ipv4),
            () => None,
        }
    };
    let found = source.family.or_else(from_comment).or_else(from_name);
    found.or_else(|| from_words(source.text)).unwrap_or(Family::Ipv4)
}

/// The family of the first address, or of the first word that only one family has.
fn from_words(text: &str) -> Option<Family> {
    let lines = text.lines().filter(|line| !line.starts_with(['#', ':']));
    let words = lines.flat_map(|line| line.split([' ', '\t', ',']));
    words.into_iter().find_map(|word| {
        let host = word.split('/').next().unwrap_or_default();
        match word {
            "icmpv6" | "ipv6-icmp" | "icmp6" | "--icmpv6-type" | "hl" | "HL" => Some(Family::Ipv6),
            "icmp" | "--icmp-type" => Some(Family::Ipv4),
            _ if word.starts_with("icmp6-") => Some(Family::Ipv6),
            _ if host.parse::<Ipv4Addr>().is_ok() => Some(Family::Ipv4),
            _ if host.contains(':') && host.parse::<Ipv6Addr>().is_ok() => Some(Family::Ipv6),
            _ => None,
        }
    })
}
