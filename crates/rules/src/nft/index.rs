//! A listing, found by name.

use super::json::{self, Listing};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Family, table and name of a chain.
pub(super) type ChainKey<'a> = (&'a str, &'a str, &'a str);

/// Everything of a listing, found by name.
pub(super) struct Index<'a> {
    pub(super) listing: &'a Listing,
    pub(super) chains: HashMap<ChainKey<'a>, &'a json::Chain>,
    pub(super) rules: HashMap<ChainKey<'a>, Vec<&'a json::Rule>>,
    /// The sets that packets change.
    pub(super) changing: HashSet<(&'a str, &'a str, String)>,
    /// The chains that give out helpers, or lead to one that does.
    helping: HashSet<ChainKey<'a>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(listing: &'a Listing) -> Index<'a> {
        let mut index = Index {
            listing,
            chains: HashMap::new(),
            rules: HashMap::new(),
            changing: HashSet::new(),
            helping: HashSet::new(),
        };
        for chain in &listing.chains {
            index.chains.insert((&chain.family, &chain.table, &chain.name), chain);
        }
        for rule in &listing.rules {
            let key = (rule.family.as_str(), rule.table.as_str(), rule.chain.as_str());
            index.rules.entry(key).or_default().push(rule);
            for set in rule.expr.iter().filter_map(changed_set) {
                index.changing.insert((&rule.family, &rule.table, set.to_owned()));
            }
        }
        index.find_helping();
        index
    }

    fn find_helping(&mut self) {
        loop {
            let before = self.helping.len();
            let found: Vec<ChainKey<'a>> = self
                .rules
                .iter()
                .filter(|(_, rules)| rules.iter().any(|rule| self.helps(rule)))
                .map(|(key, _)| *key)
                .collect();
            self.helping.extend(found);
            if self.helping.len() == before {
                return;
            }
        }
    }

    /// Whether a rule gives out a helper, or leads to one that does.
    pub(super) fn helps(&self, rule: &json::Rule) -> bool {
        rule.expr.iter().any(|statement| statement.get("ct helper").is_some())
            || leads_to(self.listing, rule)
                .iter()
                .any(|to| self.helping.contains(&(rule.family.as_str(), rule.table.as_str(), *to)))
    }

    pub(super) fn gives_helpers(&self, base: &json::Chain) -> bool {
        self.helping.contains(&(base.family.as_str(), base.table.as_str(), base.name.as_str()))
    }
}

/// The chains that a rule may lead to.
pub(super) fn leads_to<'v>(listing: &'v Listing, rule: &'v json::Rule) -> Vec<&'v str> {
    let mut found = Vec::new();
    for statement in &rule.expr {
        targets(statement, &mut found);
        let map = statement.get("vmap").and_then(|map| map.get("data")).and_then(Value::as_str);
        let name = map.and_then(|name| name.strip_prefix('@'));
        let own = |set: &&json::Set| {
            (&set.family, &set.table) == (&rule.family, &rule.table) && Some(&*set.name) == name
        };
        for set in listing.sets.iter().filter(own) {
            set.elem.iter().for_each(|element| targets(element, &mut found));
        }
    }
    found
}

fn targets<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                match inner.get("target").and_then(Value::as_str) {
                    Some(target) if key == "jump" || key == "goto" => found.push(target),
                    _ => targets(inner, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| targets(inner, found)),
        _ => {}
    }
}

/// The set that a statement puts something into, or takes something out of.
fn changed_set(statement: &Value) -> Option<&str> {
    let inner = statement.get("set").or_else(|| statement.get("map"))?;
    inner.get("set").or_else(|| inner.get("map"))?.as_str()?.strip_prefix('@')
}

/// A chain's name with its family and table.
pub(super) fn label(family: &str, table: &str, chain: &str) -> String {
    format!("{family} {table} {chain}")
}
