//! Rule sets of nftables, as `nft -j list ruleset` prints them, in the model of this crate.
//!
//! The model stays that of iptables, so that whatever takes packets through rules, or reasons about
//! them, serves both: a rule of nftables becomes one rule or several, exactly, and each of them
//! knows what it was written as ([`Native`](crate::ruleset::Native)). What the model has no words
//! for becomes a match that nobody can decide ([`crate::matches::nft`]), and is said.
//!
//! * `translate`: statements that translate addresses;
//! * `steps`: a rule as what it asks and does, in its order; `field`: the left side of a
//!   comparison; `value`: the right one;
//! * `emit`: steps as rules, `atom`: a rule that grows;
//! * `index`: the listing, found by name;
//! * `build`: base chains in the order of the packet's path, and the chains below them;
//! * `behind`: chains of iptables before chains of nftables;
//! * `notes`: what is said once.

mod atom;
mod behind;
mod build;
mod emit;
mod field;
mod index;
mod json;
mod notes;
mod steps;
mod text;
mod translate;
mod value;

use crate::diagnostic::{Diagnostic, Mistakes, Span};
use crate::load::{Loaded, Remark, Source};
use crate::program::JUMP_DEPTH_MAX;
use crate::ruleset::Ruleset;
use build::{Base, Builder};
use index::{ChainKey, Index, label, leads_to};
use kinwall_terms::{Family, Hook, Table};
use notes::Notes;
use serde_json::Value;
use std::collections::HashMap;

/// Whether the text is JSON.
pub(crate) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Reads a listing, and puts it behind the rules that are there.
pub(crate) fn read(source: &Source<'_>, loaded: &mut Loaded, mistakes: &mut Mistakes) {
    let before = mistakes.count();
    let listing = json::read(source.text, mistakes);
    let index = Index::new(&listing);
    check(&index, mistakes);
    if mistakes.count() > before {
        return;
    }
    let mut notes = Notes::default();
    let asked = Family::ALL.into_iter().filter(|family| source.family.is_none_or(|f| f == *family));
    for family in asked {
        let mut bases = bases(&index, family);
        let ruleset = loaded.ruleset_mut(family);
        bases.retain(|base| {
            let is_there = is_there(ruleset, base);
            if is_there {
                notes.leave_out(&base.chain.family, &base.chain.table);
            }
            !is_there
        });
        let mut builder = Builder::new(&index, family, &mut notes, ruleset);
        builder.build(&bases);
    }
    let file = mistakes.file;
    let remarks = notes.remarks(&index).into_iter();
    loaded.remarks.extend(remarks.map(|text| Remark { file, text }));
}

/// The base chains whose verdicts packets of `family` meet, in the order of their priority.
fn bases<'a>(index: &Index<'a>, family: Family) -> Vec<Base<'a>> {
    let own = match family {
        Family::Ipv4 => "ip",
        Family::Ipv6 => "ip6",
    };
    let mut bases: Vec<Base<'a>> = index
        .listing
        .chains
        .iter()
        .filter(|chain| [own, "inet"].contains(&chain.family.as_str()))
        .filter_map(|chain| {
            let hook = match chain.hook.as_deref()? {
                "prerouting" => Hook::Prerouting,
                "input" => Hook::Input,
                "forward" => Hook::Forward,
                "output" => Hook::Output,
                "postrouting" => Hook::Postrouting,
                _ => return None,
            };
            Some(Base { chain, hook, priority: priority(chain.prio.as_ref()) })
        })
        .collect();
    bases.sort_by_key(|base| base.priority);
    bases
}

/// Whether the chain is one of iptables' own, kept in nftables, and was read from its own text.
fn is_there(ruleset: &Ruleset, base: &Base<'_>) -> bool {
    let table = Table::from_name(&base.chain.table);
    base.chain.name == base.hook.chain()
        && base.chain.family != "inet"
        && table.is_some_and(|table| ruleset.table(table).is_some())
}

/// A priority: a number, or one of the names with what is added to it.
fn priority(value: Option<&Value>) -> i64 {
    const NAMES: [(&str, i64); 6] = [
        ("raw", -300),
        ("mangle", -150),
        ("dstnat", -100),
        ("filter", 0),
        ("security", 50),
        ("srcnat", 100),
    ];
    match value {
        Some(Value::String(text)) => {
            let found = NAMES.iter().find_map(|(name, at)| Some((text.strip_prefix(name)?, at)));
            let (rest, at) = found.unwrap_or((text, &0));
            let rest: String = rest.chars().filter(|c| !c.is_whitespace() && *c != '+').collect();
            at.saturating_add(rest.parse().unwrap_or(0))
        }
        Some(number) => number.as_i64().unwrap_or(0),
        None => 0,
    }
}

/// Jumps must lead somewhere, and a walk must end.
fn check(index: &Index<'_>, mistakes: &mut Mistakes) {
    let mut depths = HashMap::new();
    for chain in &index.listing.chains {
        let key = (chain.family.as_str(), chain.table.as_str(), chain.name.as_str());
        let mut open = Vec::new();
        depth(index, key, &mut open, &mut depths, mistakes);
    }
}

/// How many chains may be entered from this one, one within the other, itself included.
fn depth<'a>(
    index: &Index<'a>,
    key: ChainKey<'a>,
    open: &mut Vec<ChainKey<'a>>,
    depths: &mut HashMap<ChainKey<'a>, usize>,
    mistakes: &mut Mistakes,
) -> usize {
    if let Some(known) = depths.get(&key) {
        return *known;
    }
    open.push(key);
    let mut deepest = 0;
    for rule in index.rules.get(&key).into_iter().flatten() {
        for to in leads_to(index.listing, rule) {
            let next = (key.0, key.1, to);
            let span = Span { line: rule.origin.line, column: 1, length: 1 };
            let mut wrong = |what: String, help: &str| {
                mistakes.push(Diagnostic::new(span, what).help(help));
            };
            let handle = rule.handle.map_or(String::new(), |handle| format!(" (handle {handle})"));
            let from = label(key.0, key.1, key.2);
            if !index.chains.contains_key(&next) {
                let help = "list the whole rule set: nft -j list ruleset";
                wrong(format!("{from}{handle} leads to {to}, and there is no such chain"), help);
            } else if open.contains(&next) {
                let help = "a walk through it would never end: remove one of the jumps";
                wrong(format!("{from}{handle} leads to {to}, which comes back to itself"), help);
            } else if open.len() >= JUMP_DEPTH_MAX {
                let help = "Linux allows 16 chains one within the other";
                wrong(format!("{from}{handle} is reached through too many jumps"), help);
                return deepest + 1;
            } else {
                deepest = deepest.max(depth(index, next, open, depths, mistakes));
            }
        }
    }
    open.pop();
    depths.insert(key, deepest + 1);
    deepest + 1
}
