//! `-m recent --update --seconds 60 --hitcount 3 --name ssh --rsource`: addresses seen lately.
//!
//! A list has a name, shared by all rules of both families, and holds at most [`ENTRIES_MAX`]
//! addresses; a new one drives out the one that was updated longest ago. Of each address the
//! last moments are kept: as many as the largest hit count asked of the list, at least
//! [`MOMENTS_MIN`].

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::facts::Facts;
use crate::lex::Word;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{Network, number, parse_address, prefix_mask};
use kinwall_terms::{Family, Hook, Time};
use std::collections::HashMap;
use std::net::IpAddr;

/// What the match declares.
pub const SPEC: Spec = Spec::new("recent").stateful().options(&[
    flag("set").invert().excludes(&["rcheck", "update", "remove", "rttl"]),
    flag("rcheck").invert().excludes(&["update", "remove"]),
    flag("update").invert().excludes(&["remove"]),
    flag("remove").invert().excludes(&["rttl"]),
    value("seconds"),
    flag("reap").requires(&["seconds"]),
    value("hitcount"),
    flag("rttl"),
    value("name"),
    value("mask"),
    flag("rsource"),
    flag("rdest"),
]);

/// The most addresses of a list: Linux's default (`ip_list_tot`).
pub const ENTRIES_MAX: usize = 100;
/// How many moments of an address are kept at least.
pub const MOMENTS_MIN: usize = 32;
/// The largest hit count.
pub const HITS_MAX: u64 = 65_535;
/// The longest name of a list, in bytes.
pub const NAME_LENGTH_MAX: usize = 199;
/// The most lists; rules that name more share none and never match.
pub const LISTS_MAX: usize = 4096;

/// What is done with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// What is done; negated, the answer is turned around.
    pub act: Test<Act>,
    /// Only moments of the last so many seconds count; `None`: all.
    pub seconds: Option<u32>,
    /// Whether the address updated longest ago is forgotten when it is older than `seconds`.
    pub reap: bool,
    /// How many moments there must be; 0: any.
    pub hits: u32,
    /// Whether the hop count must be the same too.
    pub ttl: bool,
    /// The name of the list.
    pub name: Box<str>,
    /// Which bits of the address count.
    pub mask: IpAddr,
    /// Whether the destination is looked up, not the source.
    pub destination: bool,
}

/// What is done with the packet's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is added; matches always.
    Set,
    /// Matches when it is there.
    Check,
    /// Matches when it is there, and adds the moment.
    Update,
    /// Matches when it is there, and takes it away.
    Remove,
}

const ACTS: [(&str, Act); 4] =
    [("set", Act::Set), ("rcheck", Act::Check), ("update", Act::Update), ("remove", Act::Remove)];

impl Recent {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Recent> {
        if !args.one_of(&["set", "rcheck", "update", "remove"]) {
            return None;
        }
        let mut acts = ACTS.iter();
        let act =
            acts.find_map(|(name, act)| Some(Test { invert: args.flag(name)?, value: *act }))?;
        let family = args.context.family;
        let whole = prefix_mask(family, family.bits())?;
        let last = args.in_order().filter(|(name, _)| matches!(*name, "rsource" | "rdest")).last();
        let recent = Recent {
            act,
            seconds: args.plain("seconds", number(1..=u64::from(u32::MAX))).map(|s| s as u32),
            reap: args.has("reap"),
            hits: args.plain("hitcount", number(0..=HITS_MAX)).unwrap_or(0) as u32,
            ttl: args.has("rttl"),
            name: args.plain("name", name).unwrap_or_else(|| "DEFAULT".into()),
            mask: args.plain("mask", |word| mask(word, family)).unwrap_or(whole),
            destination: last.is_some_and(|(name, _)| name == "rdest"),
        };
        if matches!(act.value, Act::Set | Act::Remove) {
            for option in ["seconds", "hitcount"] {
                if args.has(option) {
                    let message = format!("--{option} does not go with this");
                    args.report_at(option, message, "only with --rcheck or --update");
                }
            }
        }
        Some(recent)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let name = ACTS.iter().find(|(_, act)| *act == self.act.value).map_or("", |act| act.0);
        out.not(self.act.invert).flag(name, true);
        if let Some(seconds) = self.seconds {
            out.value("seconds", seconds);
        }
        out.flag("reap", self.reap);
        if self.hits > 0 {
            out.value("hitcount", self.hits);
        }
        out.flag("rttl", self.ttl).value("name", &self.name).value("mask", self.mask);
        out.flag("rsource", !self.destination).flag("rdest", self.destination);
    }

    /// Looks the address up, and writes down what is to be written.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let facts = scene.facts;
        let address = if self.destination { facts.headers.dst } else { facts.headers.src };
        let address = Network::new(address, self.mask).address;
        let hops = hops(facts, scene.state.ttl);
        let Some(list) = scene.memory.recent.list(&self.name) else { return Answer::No };
        let wanted = if self.ttl { hops } else { 0 };
        let Some(at) = list.find(address, wanted) else {
            if self.act.value != Act::Set {
                return self.act.invert.into();
            }
            list.add(address, hops, facts.now);
            return (!self.act.invert).into();
        };
        let mut matched = self.act.invert;
        match self.act.value {
            Act::Set => matched = !matched,
            Act::Remove => {
                list.entries.remove(at);
                return (!matched).into();
            }
            Act::Check | Act::Update => {
                let since = self.since(facts.now);
                if list.entries[at].seen_since(since, self.hits) {
                    matched = !matched;
                }
            }
        }
        let updates = self.act.value == Act::Set || (self.act.value == Act::Update && matched);
        self.reap(list, at, updates, facts.now);
        if updates && let Some(at) = list.find(address, wanted) {
            list.update(at, hops, facts.now);
        }
        matched.into()
    }

    fn since(&self, now: Time) -> Time {
        match self.seconds {
            Some(seconds) => Time(now.0.saturating_sub(u64::from(seconds) * 1_000_000_000)),
            None => Time(0),
        }
    }

    /// Forgets the entry updated longest ago, when it is old, unless it is about to be updated.
    fn reap(&self, list: &mut List, at: usize, updates: bool, now: Time) {
        if !self.reap || (at == 0 && updates) {
            return;
        }
        let old = |entry: &Entry| entry.moments.last().is_some_and(|last| *last < self.since(now));
        if list.entries.first().is_some_and(old) {
            list.entries.remove(0);
        }
    }
}

/// The hop count as it was when the packet came in: on the way out it has been lowered by one.
fn hops(facts: &Facts<'_>, ttl: u8) -> u8 {
    let leaving = matches!(facts.hook, Hook::Forward | Hook::Output | Hook::Postrouting);
    if leaving && !facts.local { ttl.wrapping_add(1) } else { ttl }
}

/// All lists.
#[derive(Debug, Default)]
pub struct Lists {
    lists: HashMap<Box<str>, List>,
}

/// One list; the entry updated longest ago comes first.
#[derive(Debug)]
struct List {
    entries: Vec<Entry>,
    moments_max: usize,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    /// 0 for not known.
    hops: u8,
    /// The last moments, the latest last.
    moments: Vec<Time>,
}

impl Lists {
    /// Makes room for what `recent` will ask.
    pub(crate) fn declare(&mut self, recent: &Recent) {
        let hits = usize::try_from(recent.hits).unwrap_or(0).next_power_of_two();
        if let Some(list) = self.list(&recent.name) {
            list.moments_max = list.moments_max.max(hits);
        }
    }

    fn list(&mut self, name: &str) -> Option<&mut List> {
        if !self.lists.contains_key(name) {
            if self.lists.len() >= LISTS_MAX {
                return None;
            }
            let list = List { entries: Vec::new(), moments_max: MOMENTS_MIN };
            self.lists.insert(name.into(), list);
        }
        self.lists.get_mut(name)
    }
}

impl List {
    fn find(&self, address: IpAddr, hops: u8) -> Option<usize> {
        let same = |entry: &Entry| {
            entry.address == address && (hops == 0 || entry.hops == 0 || entry.hops == hops)
        };
        self.entries.iter().position(same)
    }

    fn add(&mut self, address: IpAddr, hops: u8, now: Time) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.remove(0);
        }
        self.entries.push(Entry { address, hops, moments: vec![now] });
    }

    fn update(&mut self, at: usize, hops: u8, now: Time) {
        let mut entry = self.entries.remove(at);
        if entry.moments.len() >= self.moments_max {
            entry.moments.remove(0);
        }
        entry.moments.push(now);
        entry.hops = hops;
        self.entries.push(entry);
    }
}

impl Entry {
    /// Whether at least `hits` moments (one, for 0) are not before `since`.
    fn seen_since(&self, since: Time, hits: u32) -> bool {
        let seen = self.moments.iter().filter(|moment| **moment >= since).count();
        seen >= usize::try_from(hits.max(1)).unwrap_or(usize::MAX)
    }
}

fn name(word: &Word) -> Result<Box<str>, Diagnostic> {
    let legal = |c: char| !c.is_whitespace() && c != '/';
    match word.text.as_str() {
        text if !text.is_empty() && text.len() <= NAME_LENGTH_MAX && text.chars().all(legal) => {
            Ok(text.into())
        }
        text => Err(word
            .mistake(format!("{text:?} cannot be the name of a list"))
            .help(format!("1 to {NAME_LENGTH_MAX} characters, no blank or /"))),
    }
}

fn mask(word: &Word, family: Family) -> Result<IpAddr, Diagnostic> {
    let whole = family == Family::Ipv6 || word.text.split('.').count() == 4;
    parse_address(&word.text, family).filter(|_| whole).ok_or_else(|| {
        let example = if family == Family::Ipv4 { "255.255.255.0" } else { "ffff:ffff::" };
        word.mistake(format!("{:?} is not a mask", word.text))
            .help(format!("written as an address, such as {example}"))
    })
}
