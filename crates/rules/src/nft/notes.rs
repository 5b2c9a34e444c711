//! What is said once of rules of nftables: what is not followed, and what is not known.

use super::atom::{Atom, Literal};
use super::emit::View;
use super::index::{Index, label};
use super::steps::Step;
use crate::matches::Match;
use crate::ruleset::Native;
use serde_json::Value;
use std::collections::BTreeMap;

/// Remarks, and what they are made of.
#[derive(Default)]
pub(super) struct Notes {
    /// Expressions without a counterpart, with the rules they stand in.
    unknown: BTreeMap<String, Vec<String>>,
    /// Rules that give out a helper before connection tracking.
    early: Vec<String>,
    /// Rules that the model has no words for.
    undecided: Vec<String>,
    /// Tables that were read from another text.
    left_out: Vec<(String, String)>,
}

/// Places that one remark names.
const NAMED_MAX: usize = 8;

impl Notes {
    /// Notes what of a rule is not known.
    pub(super) fn look_at(&mut self, steps: &[Step], native: &Native, view: View) {
        let place = || place(native);
        for step in steps {
            match step {
                Step::Ask(Literal::One(Atom::Match(Match::Nft(asked)))) => {
                    push(self.unknown.entry(asked.expression.clone()).or_default(), place());
                }
                Step::Helper(_) if view == View::Before => push(&mut self.early, place()),
                _ => {}
            }
        }
    }

    /// Of this table nothing is to be said.
    pub(super) fn leave_out(&mut self, family: &str, table: &str) {
        self.left_out.push((family.to_owned(), table.to_owned()));
    }

    pub(super) fn undecided(&mut self, rules: Vec<String>) {
        rules.into_iter().for_each(|rule| push(&mut self.undecided, rule));
    }

    /// What a listing itself calls for.
    fn of_listing(&self, index: &Index<'_>) -> Vec<String> {
        let listing = index.listing;
        let is_read = |family: &str, table: &str| {
            let here =
                |left: &(String, String)| (left.0.as_str(), left.1.as_str()) == (family, table);
            is_of_ip(family) && !self.left_out.iter().any(here)
        };
        let mut remarks = Vec::new();
        let mut say = |places: Vec<String>, what: &str| {
            let mut all = Vec::new();
            places.into_iter().for_each(|place| push(&mut all, place));
            if !all.is_empty() {
                remarks.push(format!("{what}: {}", named(&all)));
            }
        };
        let other = listing.chains.iter().filter(|chain| !is_of_ip(&chain.family));
        let tables = other.map(|chain| format!("{} {}", chain.family, chain.table)).collect();
        say(tables, "tables of other families than ip, ip6 and inet are not looked at");
        let chains = || listing.chains.iter().filter(|chain| is_read(&chain.family, &chain.table));
        let name = |chain: &super::json::Chain| label(&chain.family, &chain.table, &chain.name);
        let edge =
            chains().filter(|chain| matches!(chain.hook.as_deref(), Some("ingress" | "egress")));
        say(edge.map(name).collect(), "chains at the device itself are not looked at");
        let rules = |key: &str| -> Vec<String> {
            let has = |value: &Value| value.get(key).is_some();
            let rules = listing.rules.iter().filter(|rule| is_read(&rule.family, &rule.table));
            let found = rules.filter(|rule| rule.expr.iter().any(has));
            found
                .map(|rule| {
                    let at = label(&rule.family, &rule.table, &rule.chain);
                    rule.handle.map_or(at.clone(), |handle| format!("{at} handle {handle}"))
                })
                .collect()
        };
        say(
            rules("flow"),
            "flows that a flowtable has taken over no longer come to the rules; answers hold for \
             packets before that",
        );
        say(
            rules("ct expectation"),
            "expectations that rules themselves make (ct expectation set) are not followed: what \
             they announce is RELATED too",
        );
        let tables = rules("xt")
            .iter()
            .map(|at| at.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        say(
            tables,
            "these tables are kept by iptables-nft, and nft does not say what their rules ask: \
             read them with iptables-nft-save and ip6tables-nft-save instead",
        );
        say(timed_sets(index), "elements with a timeout are taken as they are now");
        remarks
    }

    /// The remarks on a listing.
    pub(super) fn remarks(self, index: &Index<'_>) -> Vec<String> {
        let mut remarks = self.of_listing(index);
        for (expression, places) in self.unknown {
            remarks.push(format!(
                "`{expression}` is not understood: both cases are answered for, or the packet is \
                 unknown ({})",
                named(&places)
            ));
        }
        if !self.undecided.is_empty() {
            remarks.push(format!(
                "rules that have no counterpart, and may drop or not: {}",
                named(&self.undecided)
            ));
        }
        if !self.early.is_empty() {
            remarks.push(format!(
                "a helper is given out before connection tracking, where it has no effect: the \
                 chain's priority must be above -200 ({})",
                named(&self.early)
            ));
        }
        remarks
    }
}

fn push(list: &mut Vec<String>, what: String) {
    if !list.contains(&what) {
        list.push(what);
    }
}

fn place(native: &Native) -> String {
    match native.handle {
        None => format!("{} rule {}", native.chain, native.number),
        Some(handle) => format!("{} handle {handle}", native.chain),
    }
}

fn named(places: &[String]) -> String {
    let shown = places.get(..NAMED_MAX.min(places.len())).unwrap_or_default().join(", ");
    let more = if places.len() > NAMED_MAX { ", ..." } else { "" };
    format!("{shown}{more}")
}

/// The sets with elements that will expire.
fn timed_sets(index: &Index<'_>) -> Vec<String> {
    let has =
        |element: &Value| element.get("elem").is_some_and(|elem| elem.get("expires").is_some());
    let sets = index.listing.sets.iter();
    let timed = sets.filter(|set| !is_changing(index, set) && set.elem.iter().any(has));
    timed.map(|set| format!("{} {} @{}", set.family, set.table, set.name)).collect()
}

fn is_changing(index: &Index<'_>, set: &super::json::Set) -> bool {
    index.changing.contains(&(&set.family, &set.table, set.name.clone()))
}

/// Whether a table of that family sees packets of IP on their way through the hooks of IP.
pub(super) fn is_of_ip(family: &str) -> bool {
    matches!(family, "ip" | "ip6" | "inet")
}
