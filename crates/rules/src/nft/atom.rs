//! Tests as the model has them, and rules that grow by one test after another.

use super::field::message_of;
use super::value::test;
use crate::matches::Match;
use crate::matches::icmp::Message;
use crate::matches::iprange::{Addresses, Iprange};
use crate::option::Test;
use crate::ruleset::Rule;
use crate::value::{InterfacePattern, Network, Range};
use kinwall_terms::{Family, InterfaceName, L4Proto};
use std::net::IpAddr;

/// One test.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Atom {
    /// Every packet passes.
    Always,
    /// No packet does.
    Never,
    /// `-s`.
    Src(Test<Network>),
    /// `-d`.
    Dst(Test<Network>),
    /// `-i`.
    In(Test<InterfacePattern>),
    /// `-o`.
    Out(Test<InterfacePattern>),
    /// `-p`.
    Proto(Test<L4Proto>),
    /// The code of an ICMP message, whose type another test gives.
    Code(Test<Range<u8>>),
    /// A match.
    Match(Match),
}

/// What a statement asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// One test.
    One(Atom),
    /// One of these must hold, each with all of its tests.
    Any(Vec<Vec<Atom>>),
    /// None of these may hold.
    NoneOf(Vec<Vec<Atom>>),
}

/// How a rule took a test.
pub(super) enum Added {
    /// It has it.
    Taken,
    /// No packet passes all its tests.
    Impossible,
    /// There is no room for a second test of this kind.
    NoRoom,
}

/// Adds a test to a rule.
pub(super) fn add(rule: &mut Rule, atom: &Atom, family: Family) -> Added {
    match atom {
        Atom::Always => Added::Taken,
        Atom::Never => Added::Impossible,
        Atom::Src(test) => network(rule, test, true),
        Atom::Dst(test) => network(rule, test, false),
        Atom::In(test) => interface(&mut rule.in_iface, test),
        Atom::Out(test) => interface(&mut rule.out_iface, test),
        Atom::Proto(test) => proto(rule, test),
        Atom::Code(codes) => code(rule, codes, family),
        Atom::Match(found) => {
            // Port tests of TCP need its `-p`; one of these alone also says the protocol.
            if !rule.matches.contains(found) {
                rule.matches.push(found.clone());
            }
            Added::Taken
        }
    }
}

/// Of two tests of an interface one says all, unless both have a `!`, or a name is cut out of all
/// that begin alike.
fn interface(slot: &mut Option<Test<InterfacePattern>>, test: &Test<InterfacePattern>) -> Added {
    let Some(known) = *slot else {
        *slot = Some(*test);
        return Added::Taken;
    };
    let meant = |test: &Test<InterfacePattern>| InterfaceName::new(test.value.stem());
    let is_one = |test: &Test<InterfacePattern>| !test.invert && !test.value.is_prefix();
    let passes = |name: &Test<InterfacePattern>, by: &Test<InterfacePattern>| {
        by.holds(|pattern| pattern.matches(meant(name)))
    };
    if known == *test {
        return Added::Taken;
    }
    if is_one(&known) {
        return if passes(&known, test) { Added::Taken } else { Added::Impossible };
    }
    if is_one(test) {
        *slot = Some(*test);
        return if passes(test, &known) { Added::Taken } else { Added::Impossible };
    }
    Added::NoRoom
}

fn proto(rule: &mut Rule, test: &Test<L4Proto>) -> Added {
    match rule.proto {
        None => rule.proto = Some(*test),
        Some(known) if !known.invert => {
            if !test.holds(|proto| *proto == known.value) {
                return Added::Impossible;
            }
        }
        Some(known) if !test.invert => {
            if !known.holds(|proto| *proto == test.value) {
                return Added::Impossible;
            }
            rule.proto = Some(*test);
        }
        Some(known) if known == *test => {}
        Some(_) => return Added::NoRoom,
    }
    Added::Taken
}

/// A second network is asked for as a range of addresses, of which a rule may name several.
fn network(rule: &mut Rule, network: &Test<Network>, source: bool) -> Added {
    let slot = if source { &mut rule.src } else { &mut rule.dst };
    if slot.is_none() || *slot == Some(*network) {
        *slot = Some(*network);
        return Added::Taken;
    }
    let Some(range) = range_of(&network.value) else { return Added::NoRoom };
    let range = Some(test(range, network.invert));
    let (src, dst) = if source { (range, None) } else { (None, range) };
    rule.matches.push(Match::Iprange(Iprange { src, dst }));
    Added::Taken
}

fn range_of(network: &Network) -> Option<Addresses> {
    network.prefix_length()?;
    let max = match (network.address, network.mask) {
        (IpAddr::V4(first), IpAddr::V4(mask)) => IpAddr::V4(first | !mask),
        (IpAddr::V6(first), IpAddr::V6(mask)) => IpAddr::V6(first | !mask),
        _ => return None,
    };
    Some(Addresses { min: network.address, max })
}

/// Type and code are one test of the model.
fn code(rule: &mut Rule, codes: &Test<Range<u8>>, family: Family) -> Added {
    for found in &mut rule.matches {
        let message = match found {
            Match::Icmp(icmp) => &mut icmp.message,
            Match::Icmp6(icmp) => &mut icmp.message,
            _ => continue,
        };
        if message.invert || message.value.kind.is_none() {
            continue;
        }
        if !codes.invert {
            message.value.codes = codes.value;
            return Added::Taken;
        }
        let other = Message { codes: codes.value, ..message.value };
        let other = message_of(test(other, true), family);
        return add(rule, &other, family);
    }
    Added::NoRoom
}
