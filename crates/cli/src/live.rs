//! The rules of the running machine: those of both kinds of iptables, and those of nftables.

use crate::failure::Failure;
use crate::source::Text;
use crate::{say, tool};
use kinwall_terms::Family;
use std::path::Path;

/// What iptables of one kind and family is asked with, and where the kernel lists its tables.
struct Tool {
    family: Family,
    program: &'static str,
    is_legacy: bool,
}

const TOOLS: [Tool; 4] = [
    Tool { family: Family::Ipv4, program: "iptables-legacy-save", is_legacy: true },
    Tool { family: Family::Ipv6, program: "ip6tables-legacy-save", is_legacy: true },
    Tool { family: Family::Ipv4, program: "iptables-nft-save", is_legacy: false },
    Tool { family: Family::Ipv6, program: "ip6tables-nft-save", is_legacy: false },
];

/// The rules that the kernel holds, as texts.
///
/// # Errors
///
/// Not root; a tool that is needed is not there, or fails; both kinds of iptables hold rules of one
/// table.
pub(crate) fn rules() -> Result<Vec<Text>, Failure> {
    if !is_root() {
        return Err(Failure::Failed(String::from(
            "--live reads the rules of this machine, and only root may: run it as root, or give \
             files that root has saved (iptables-save, nft -j list ruleset)",
        )));
    }
    let mut texts = Vec::new();
    for tool in &TOOLS {
        if tool.is_legacy && legacy_tables(tool.family).is_empty() {
            continue;
        }
        match run(tool.program, &[])? {
            Some(text) if tables(&text).next().is_some() => {
                let family = Some(tool.family);
                texts.push(Text { name: tool.program.to_owned(), text, family });
            }
            Some(_) => {}
            None if tool.is_legacy => {
                return Err(missing(tool.program, "iptables", &legacy_tables(tool.family)));
            }
            None => {}
        }
    }
    one_kind(&texts)?;
    match run("nft", &["-j", "list", "ruleset"])? {
        Some(text) => {
            let name = String::from("nft -j list ruleset");
            texts.push(Text { name, text, family: None });
        }
        None if Path::new("/sys/module/nf_tables").exists() => {
            return Err(missing("nft", "nftables", "nf_tables is loaded"));
        }
        None => {}
    }
    let read: Vec<&str> = texts.iter().map(|text| text.name.as_str()).collect();
    match read.as_slice() {
        [] => Err(Failure::Failed(String::from(
            "neither iptables nor nft is there, and no rules can be read: install iptables or \
             nftables",
        ))),
        read => {
            say::note(format_args!("the rules of this machine, from {}", read.join(", ")));
            Ok(texts)
        }
    }
}

/// The sets that the kernel holds, where ipset is there to read them.
pub(crate) fn sets() -> Result<Option<Text>, Failure> {
    let text = run("ipset", &["save"])?;
    Ok(text.map(|text| Text { name: String::from("ipset save"), text, family: None }))
}

/// Both kinds of iptables may hold rules, but not of one table: which comes first, nobody can say.
fn one_kind(texts: &[Text]) -> Result<(), Failure> {
    for (at, text) in texts.iter().enumerate() {
        for other in texts.iter().skip(at + 1).filter(|other| other.family == text.family) {
            let both = tables(&text.text).find(|table| tables(&other.text).any(|t| t == *table));
            if let Some(table) = both {
                return Err(Failure::Failed(format!(
                    "{} and {} both hold rules of table {table}, and packets meet both: move them \
                     into one, or audit each by itself: {} | kinwall audit -",
                    text.name, other.name, text.name
                )));
            }
            say::note(format_args!("{} and {} both hold rules", text.name, other.name));
        }
    }
    Ok(())
}

/// The tables that a saved text holds rules or closed chains of.
fn tables(text: &str) -> impl Iterator<Item = &str> {
    let mut table = "";
    let found = text.lines().filter_map(move |line| {
        if let Some(name) = line.strip_prefix('*') {
            table = name.trim();
        }
        let closed = line.starts_with(':') && line.contains(" DROP ");
        (line.starts_with("-A") || closed).then_some(table)
    });
    let mut before = "";
    found.filter(move |table| std::mem::replace(&mut before, table) != *table)
}

/// The tables of the older kind of iptables that the kernel holds.
fn legacy_tables(family: Family) -> String {
    let path = match family {
        Family::Ipv4 => "/proc/net/ip_tables_names",
        Family::Ipv6 => "/proc/net/ip6_tables_names",
    };
    let names = std::fs::read_to_string(path).unwrap_or_default();
    names.split_whitespace().collect::<Vec<_>>().join(", ")
}

fn missing(program: &str, package: &str, because: &str) -> Failure {
    Failure::Failed(format!(
        "{program} is not there, and the kernel may hold rules that only it can read ({because}): \
         install {package}"
    ))
}

/// What a program prints; `None`: it is not there.
fn run(program: &str, arguments: &[&str]) -> Result<Option<String>, Failure> {
    match which(program) {
        true => tool::run(program, arguments, "").map(Some),
        false => Ok(None),
    }
}

/// Whether the program is there.
fn which(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).exists())
}

/// Whether this process has root's rights: its effective user id is 0 (proc_pid_status(5)).
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, text: &str) -> Text {
        Text { name: name.to_owned(), text: text.to_owned(), family: Some(Family::Ipv4) }
    }

    #[test]
    fn tables_that_hold_something_are_told() {
        let saved = "# by\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n\
                     -A INPUT -j ACCEPT\nCOMMIT\n*raw\n-A OUTPUT -j ACCEPT\nCOMMIT\n";
        assert_eq!(tables(saved).collect::<Vec<_>>(), ["filter", "raw"]);
    }

    #[test]
    fn two_kinds_of_iptables_may_not_share_a_table() {
        let filter = "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n";
        let raw = "*raw\n-A OUTPUT -j ACCEPT\nCOMMIT\n";
        let kinds = |one, two| one_kind(&[text("legacy", one), text("nft", two)]);
        assert!(kinds(filter, raw).is_ok());
        let refused = kinds(filter, filter).expect_err("both hold the filter table");
        assert!(matches!(refused, Failure::Failed(text) if text.contains("table filter")));
    }
}
