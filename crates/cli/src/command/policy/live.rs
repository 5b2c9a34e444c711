//! The rules and sysctls in force, beside those of a policy.

use super::diff::{EXTRA, MISSING};
use crate::failure::Failure;
use crate::settings_file;
use crate::source::Text;
use crate::tool;
use kinwall_policy::compile::{File, Target};
use kinwall_terms::Family;
use std::collections::BTreeMap;
use std::io::Write;

/// A sysctl that is not as the policy has it.
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) wanted: String,
    pub(super) found: String,
}

/// The rules in force: of both families for iptables, of the policy's own table for nftables.
/// Where nft is asked, `written` is loaded into a network namespace of its own first, so that
/// both are as the kernel prints them; the second text is that one.
pub(super) fn rules(target: Target, written: &[File]) -> Result<Vec<Text>, Failure> {
    let text = |name: &str, text, family| Text { name: name.to_owned(), text, family };
    match target {
        Target::Iptables => {
            let v4 = tool::run("iptables-save", &[], "")?;
            let v6 = tool::run("ip6tables-save", &[], "")?;
            Ok(vec![
                text("iptables-save", v4, Some(Family::Ipv4)),
                text("ip6tables-save", v6, Some(Family::Ipv6)),
            ])
        }
        Target::Nftables => {
            let all = tool::run("nft", &["-s", "list", "ruleset"], "")?;
            let rules = written.iter().find(|file| file.name == "rules.nft");
            let rules = rules.map_or("", |file| file.text.as_str());
            let script = "nft -f - && nft -s list table inet kinwall";
            let wanted = tool::run("unshare", &["-n", "sh", "-c", script], rules)?;
            Ok(vec![text("nft", own_table(&all), None), text("policy", wanted, None)])
        }
    }
}

/// The policy's table, of everything that nft lists.
fn own_table(all: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in all.lines().skip_while(|line| *line != "table inet kinwall {") {
        lines.push(line);
        if line == "}" {
            break;
        }
    }
    lines.join("\n")
}

/// Prints what differs between the tables of [`rules`], block by block; says whether any does.
pub(super) fn of_nftables(_written: &[File], found: &[Text]) -> Result<bool, Failure> {
    let [found, wanted] = found else { return Ok(false) };
    let (found, wanted) = (blocks(&found.text), blocks(&wanted.text));
    let mut out = anstream::stdout().lock();
    let mut differ = false;
    let mut names: Vec<&String> = wanted.keys().chain(found.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let of = |all: &BTreeMap<String, Vec<String>>| all.get(name).cloned().unwrap_or_default();
        let (wanted, found) = (of(&wanted), of(&found));
        if wanted == found {
            continue;
        }
        differ = true;
        writeln!(out, "{name}")?;
        let missing = without(&wanted, &found);
        let extra = without(&found, &wanted);
        for line in &missing {
            writeln!(out, "{MISSING}+ {line}{MISSING:#}")?;
        }
        for line in &extra {
            writeln!(out, "{EXTRA}- {line}{EXTRA:#}")?;
        }
        if missing.is_empty() && extra.is_empty() {
            writeln!(out, "  its lines stand in another order")?;
        }
    }
    out.flush()?;
    Ok(differ)
}

/// The lines of each block, by the heads of the blocks around it.
fn blocks(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut heads: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line == "}" {
            heads.pop();
        } else if let Some(head) = line.strip_suffix(" {") {
            heads.push(head);
            blocks.entry(heads.join(", ")).or_default();
        } else {
            blocks.entry(heads.join(", ")).or_default().push(line.to_owned());
        }
    }
    blocks
}

/// The lines of `these` that are not among `those`, each as often as it is missing there.
fn without<'a>(these: &'a [String], those: &[String]) -> Vec<&'a String> {
    let mut those: Vec<&String> = those.iter().collect();
    let left = these.iter().filter(|line| match those.iter().position(|other| other == line) {
        Some(at) => {
            those.swap_remove(at);
            false
        }
        None => true,
    });
    left.collect()
}

/// The sysctls in force that are not as the policy has them.
pub(super) fn settings(written: &[File]) -> Vec<Setting> {
    let wanted = written.iter().find(|file| file.name == "sysctl.conf");
    let wanted = settings_file::assignments(wanted.map_or("", |file| file.text.as_str()));
    let each = wanted.into_iter().filter_map(|(name, wanted)| {
        let found = settings_file::in_force(&name).unwrap_or_else(|| "not there".to_owned());
        (found != wanted).then_some(Setting { name, wanted, found })
    });
    each.collect()
}
