//! Rules of no tool in particular: what a policy comes to, before iptables or nftables writes it.
//!
//! Everything that makes helpers safe is decided here, so that every target has it: a helper is
//! assigned to one protocol, port and destination; what it announces passes by its name, between
//! the addresses that its degrees of freedom leave, to unprivileged ports; nothing else that is
//! RELATED passes but ICMP errors, by type and rate; forged sources are dropped before tracking.

mod base;
mod sides;
mod translated;
mod wanted;

use crate::intent::{Policy, Rate, SourceTo};
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName, L4Proto};
use std::net::IpAddr;

/// The rules of both families, in the order of evaluation.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// All rules; those of one chain and family in order.
    pub rules: Vec<Rule>,
}

impl Plan {
    /// What `policy` comes to.
    pub fn of(policy: &Policy) -> Plan {
        let mut plan = Plan::default();
        for family in Family::ALL {
            base::before(policy, family, &mut plan);
            for (n, intent) in policy.intents.iter().enumerate() {
                if intent.families.contains(&family) {
                    wanted::signalling(policy, n, family, &mut plan);
                }
            }
            for (n, intent) in policy.intents.iter().enumerate() {
                if intent.families.contains(&family) {
                    wanted::related(policy, n, family, &mut plan);
                }
            }
            for (n, intent) in policy.intents.iter().enumerate() {
                if intent.families.contains(&family) {
                    wanted::new(policy, n, family, &mut plan);
                }
            }
            base::after(policy, family, &mut plan);
            for n in 0..policy.intents.len() {
                translated::destination(policy, n, family, &mut plan);
            }
            for n in 0..policy.translations.len() {
                translated::source(policy, n, family, &mut plan);
            }
        }
        plan
    }

    /// The rules of a chain, in one family.
    pub fn of_chain(&self, chain: Chain, family: Family) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.chain == chain && rule.family == family)
    }

    /// Adds a rule, unless an earlier one does the same.
    fn add(&mut self, rule: Rule) {
        let same = |known: &Rule| {
            (known.chain, known.family, &known.test, &known.action)
                == (rule.chain, rule.family, &rule.test, &rule.action)
        };
        if !self.rules.iter().any(same) {
            self.rules.push(rule);
        }
    }
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chain {
    /// Before connection tracking: who may send from where.
    AntiSpoofing,
    /// Before connection tracking, arriving packets: which connections a helper reads.
    AssignArriving,
    /// Before connection tracking, the gateway's own packets: the same.
    AssignOwn,
    /// To the gateway.
    Input,
    /// Through the gateway.
    Forward,
    /// From the gateway.
    Output,
    /// Before routing, the first packet of a connection: what its destination becomes.
    TranslateDestination,
    /// On the way out, the first packet of a connection: what its source becomes.
    TranslateSource,
}

impl Chain {
    /// The chains of the filter table.
    pub const FILTER: [Chain; 3] = [Chain::Input, Chain::Forward, Chain::Output];

    /// The chains of the nat table.
    pub const NAT: [Chain; 2] = [Chain::TranslateDestination, Chain::TranslateSource];
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Where it stands.
    pub chain: Chain,
    /// Its family.
    pub family: Family,
    /// What it serves.
    pub serves: Serves,
    /// What it is for.
    pub why: String,
    /// What it asks of a packet.
    pub test: Test,
    /// What it does.
    pub action: Action,
}

/// What a rule is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// Every policy has it.
    Every,
    /// The intent of this index.
    Intent(usize),
    /// The translation of this index.
    Translation(usize),
}

impl Serves {
    /// Its name in the policy; none for what every policy has.
    pub fn name(self, policy: &Policy) -> Option<&str> {
        match self {
            Serves::Every => None,
            Serves::Intent(n) => policy.intents.get(n).map(|intent| intent.name.as_str()),
            Serves::Translation(n) => policy.translations.get(n).map(|one| one.name.as_str()),
        }
    }
}

/// What a rule asks of a packet; empty parts ask nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Test {
    /// By which interface it came, one of these.
    pub input: Vec<InterfaceName>,
    /// By which interface it goes, one of these.
    pub output: Vec<InterfaceName>,
    /// Its source is in one of these.
    pub src: Vec<IpNet>,
    /// Its destination is in one of these.
    pub dst: Vec<IpNet>,
    /// Its destination is in none of these.
    pub dst_except: Vec<IpNet>,
    /// Its protocol.
    pub proto: Option<L4Proto>,
    /// Its source port.
    pub sport: Option<u16>,
    /// Its destination ports, first and last.
    pub dports: Vec<(u16, u16)>,
    /// ICMP type of its family, with its name and number.
    pub icmp: Option<Icmp>,
    /// Its hop limit is 255: it comes from the link and was not forwarded.
    pub on_link: bool,
    /// The first packet of a TCP connection: SYN alone.
    pub syn: bool,
    /// Its ct state.
    pub state: Option<State>,
    /// The helper of its master.
    pub helper: Option<&'static str>,
    /// Its connection began towards one of these, and was translated.
    pub began_to: Vec<IpNet>,
    /// Its connection began towards this port, and was translated.
    pub began_to_port: Option<u16>,
    /// The destination of its connection was translated.
    pub translated: bool,
    /// It leaves by the interface it came by.
    pub hairpin: bool,
    /// The way back to its source leads by another interface than it came by.
    pub reverse_path_fails: bool,
    /// How often.
    pub limit: Option<Limit>,
}

/// An ICMP type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Its name in RFC 792 or RFC 4443.
    pub name: &'static str,
    /// The number.
    pub number: u8,
    /// The code, where it counts.
    pub code: Option<u8>,
}

/// A ct state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// NEW.
    New,
    /// ESTABLISHED.
    Established,
    /// RELATED.
    Related,
    /// INVALID.
    Invalid,
}

impl State {
    /// The word of iptables.
    pub fn name(self) -> &'static str {
        match self {
            State::New => "NEW",
            State::Established => "ESTABLISHED",
            State::Related => "RELATED",
            State::Invalid => "INVALID",
        }
    }
}

/// How often a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// In all.
    Total(Rate),
    /// For each source address; the name of its table.
    PerSource(Rate, String),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The packet may pass.
    Accept,
    /// It may not.
    Drop,
    /// The source is one that may come from there: on with the other rules.
    Genuine,
    /// Its connection gets this helper.
    Assign(&'static str),
    /// It is logged, with these words before it.
    Log(String),
    /// Its destination becomes this address, and this port where one is given.
    Destination(IpAddr, Option<u16>),
    /// Its source becomes this; with `true` the port is chosen by chance.
    Source(SourceTo, bool),
}
