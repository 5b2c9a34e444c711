//! The rules of the nat table: a host at another address, and sources that are not shown.
//!
//! The kernel asks them for the first packet of a connection only. What a helper announces follows
//! its master, by the helper's translating part, and needs no rule of its own.

use super::sides::{pairs, pairs_of};
use super::wanted::{ends, firsts};
use super::{Action, Chain, Plan, Rule, Serves, Test};
use crate::intent::{Policy, SourceTo};
use kinwall_terms::Family;

/// What the intent of index `n` publishes.
pub(super) fn destination(policy: &Policy, n: usize, family: Family, plan: &mut Plan) {
    let Some(intent) = policy.intents.get(n) else { return };
    let Some(published) = &intent.published else { return };
    if !intent.families.contains(&family) {
        return;
    }
    let serves = Serves::Intent(n);
    let mut add = |chain, why: &str, test, action| {
        plan.add(Rule { chain, family, serves, why: why.to_owned(), test, action });
    };
    for (wanted, role) in firsts(intent, family) {
        for (from, to) in pairs_of(policy, intent, &intent.from, ends(intent, role), family) {
            let Some(host) = to.nets.first().map(ipnet::IpNet::addr) else { continue };
            let is_back = from.interfaces.len() == 1 && from.interfaces == to.interfaces;
            let outside = published.outside().map(|port| vec![(port, port)]);
            let test = Test {
                input: from.interfaces.clone(),
                src: from.nets.clone(),
                dst: published.nets(family),
                proto: wanted.proto,
                dports: outside.unwrap_or_else(|| wanted.dports.clone()),
                icmp: wanted.icmp,
                ..Test::default()
            };
            let action = Action::Destination(host, published.inside());
            add(Chain::TranslateDestination, "the host is found at this address", test, action);
            if !is_back {
                continue;
            }
            let test = Test {
                output: to.interfaces.clone(),
                src: from.nets,
                dst: to.nets,
                proto: wanted.proto,
                dports: wanted.dports.clone(),
                icmp: wanted.icmp,
                translated: true,
                ..Test::default()
            };
            let why = "who lives beside the host is answered through the gateway, which knows the \
                       address that was asked";
            let action = Action::Source(SourceTo::Masquerade, false);
            add(Chain::TranslateSource, why, test, action);
        }
    }
}

/// What the translation of index `n` comes to.
pub(super) fn source(policy: &Policy, n: usize, family: Family, plan: &mut Plan) {
    let Some(translation) = policy.translations.get(n) else { return };
    if !translation.families.contains(&family) {
        return;
    }
    for (from, to) in pairs(policy, &translation.from, &translation.to, family) {
        let test = Test { output: to.interfaces, src: from.nets, dst: to.nets, ..Test::default() };
        let why = match translation.source {
            SourceTo::Masquerade => "the gateway's own address stands for the source",
            SourceTo::Addresses(..) => "this address stands for the source",
            SourceTo::Unchanged => "the source stays as it is",
        };
        let action = Action::Source(translation.source, translation.random);
        let (chain, why, serves) = (Chain::TranslateSource, why.to_owned(), Serves::Translation(n));
        plan.add(Rule { chain, family, serves, why, test, action });
    }
}

impl Plan {
    /// Whether anything is translated in `family`.
    pub fn translates(&self, family: Family) -> bool {
        Chain::NAT.into_iter().any(|chain| self.of_chain(chain, family).next().is_some())
    }
}
