//! `-m recent --update --seconds 60 --hitcount 3 --name ssh --rsource`: addresses seen lately.
//!
//! A list has a name, shared by all rules of both families; the first of them says which bits of
//! addresses count. It holds at most [`ENTRIES_MAX`] addresses; a new one drives out the one that
//! was updated longest ago. Of each address the last moments are kept: as many as the largest hit
//! count asked of the list, at least [`MOMENTS_MIN`].

mod list;

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::facts::Facts;
use crate::lex::Word;
use crate::memory::Memory;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{number, parse_address, prefix_mask};
use kinwall_terms::{Family, Hook, Time};
pub use list::Lists;
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
        let hops = hops(facts, scene.state.ttl);
        let declare = |memory: &mut Memory| memory.recent.declare(self);
        let at = scene.memory.shared(scene.family, scene.slot, declare);
        let Some(list) = scene.memory.recent.list(at) else { return Answer::No };
        let address = list.masked(address);
        let wanted = if self.ttl { hops } else { 0 };
        let Some(at) = list.find(address, wanted) else {
            if self.act.value != Act::Set {
                return self.act.invert.into();
            }
            list.add(address, hops, facts.now);
            return (!self.act.invert).into();
        };
        let matched = match self.act.value {
            Act::Set => !self.act.invert,
            Act::Remove => {
                list.remove(at);
                return (!self.act.invert).into();
            }
            Act::Check | Act::Update => {
                list.seen_since(at, self.since(facts.now), self.hits) != self.act.invert
            }
        };
        let updates = self.act.value == Act::Set || (self.act.value == Act::Update && matched);
        let reaps = self.reap && matches!(self.act.value, Act::Check | Act::Update);
        let gone = reaps && list.reap(self.since(facts.now), updates.then_some(at)) == Some(at);
        if updates && !gone {
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
}

/// The hop count as it was when the packet came in: on the way out it has been lowered by one.
fn hops(facts: &Facts<'_>, ttl: u8) -> u8 {
    let leaving = matches!(facts.hook, Hook::Forward | Hook::Output | Hook::Postrouting);
    if leaving && !facts.local { ttl.wrapping_add(1) } else { ttl }
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
