//! What rules are there beside those of a policy, and which of those are missing.
//!
//! Rules are compared as `iptables-save` prints them, chain by chain, without counters.

use kinwall_rules::print;
use kinwall_rules::ruleset::{Chain, Ruleset};
use kinwall_terms::{Family, Table};
use std::collections::BTreeMap;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The family.
    pub family: Family,
    /// The table.
    pub table: Table,
    /// What differs.
    pub change: Change,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The policy has this line, the rules do not.
    Missing(String),
    /// The rules have this line, the policy does not.
    Extra(String),
    /// Both have the lines of this chain, in another order.
    Order(String),
}

/// What differs between what a policy `wanted` and what was `found`, by table and chain.
pub fn differences(wanted: &Ruleset, found: &Ruleset) -> Vec<Difference> {
    let family = wanted.family;
    let mut all = Vec::new();
    for table in Table::ALL {
        let chains = |rules: &Ruleset| -> BTreeMap<String, Vec<String>> {
            let chains = rules.table(table).into_iter().flat_map(|rules| &rules.chains);
            chains.map(|chain| (chain.name.clone(), lines(chain))).collect()
        };
        let (wanted, found) = (chains(wanted), chains(found));
        let mut names: Vec<&String> = wanted.keys().chain(found.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let of = |chains: &BTreeMap<String, Vec<String>>| {
                chains.get(name).cloned().unwrap_or_default()
            };
            let changes = of_chain(name, &of(&wanted), &of(&found));
            all.extend(changes.into_iter().map(|change| Difference { family, table, change }));
        }
    }
    all
}

/// A chain as lines: its policy, unless it is an empty chain that accepts, and its rules.
fn lines(chain: &Chain) -> Vec<String> {
    let policy = chain.policy.map_or("-", |policy| policy.name());
    let idle = chain.rules.is_empty() && policy == "ACCEPT";
    let declared = (!idle).then(|| format!(":{} {policy}", chain.name));
    let rules = chain.rules.iter().map(|rule| print::rule(&chain.name, rule));
    declared.into_iter().chain(rules).collect()
}

fn of_chain(name: &str, wanted: &[String], found: &[String]) -> Vec<Change> {
    let missing = without(wanted, found);
    let extra = without(found, wanted);
    let mut changes: Vec<Change> = Vec::new();
    changes.extend(missing.iter().map(|line| Change::Missing((*line).clone())));
    changes.extend(extra.iter().map(|line| Change::Extra((*line).clone())));
    // What only one side has says nothing about the order of the rest.
    if changes.is_empty() && wanted != found {
        changes.push(Change::Order(name.to_owned()));
    }
    changes
}

/// The lines of `these` that are not among `those`, each as often as it is missing there.
fn without<'a>(these: &'a [String], those: &[String]) -> Vec<&'a String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in those {
        *counts.entry(line).or_default() += 1;
    }
    let left = these.iter().filter(|line| match counts.get_mut(line.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    left.collect()
}
