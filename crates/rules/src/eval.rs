//! What a walk through rules answers, and what matches and targets see of it.

use crate::facts::{Facts, PacketState};
use crate::memory::{Memory, Slot};
use crate::option::Test;
use crate::ruleset::Rule;
use crate::value::{InterfacePattern, Network};
use kinwall_terms::{Family, Reason, RejectWith, Table};

/// The answer of one match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The packet matches.
    Yes,
    /// It does not.
    No,
    /// The match found the packet malformed: it is dropped at once.
    HotDrop,
    /// The match cannot be evaluated.
    Unknown,
}

impl From<bool> for Answer {
    fn from(matched: bool) -> Answer {
        if matched { Answer::Yes } else { Answer::No }
    }
}

/// What a target does with the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The next rule is tried.
    Continue,
    /// The walk ends.
    Decide(Decision),
}

/// How a walk through the chains of a table ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The table lets the packet pass.
    Accept,
    /// It is dropped: by a rule, a chain policy, or a match that found it malformed.
    Drop(Reason),
    /// It is dropped, and the sender told.
    Reject(RejectWith),
    /// It goes to a user-space queue.
    Queue {
        /// Number of the queue.
        num: u16,
        /// Whether it passes when nobody reads the queue.
        bypass: bool,
    },
    /// A rule that cannot be evaluated was reached.
    Unknown,
    /// It does not end yet: the rule gives the packet another address
    /// ([`Target::prefix_change`](crate::targets::Target::prefix_change)), and
    /// [`Program::go_on`](crate::program::Program::go_on) walks on with that.
    Readdress,
}

/// A rule of a program: its position in the program's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// A rule by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef {
    /// Family of the rule set.
    pub family: Family,
    /// Table.
    pub table: Table,
    /// Name of the chain.
    pub chain: String,
    /// Position in the chain, from 1.
    pub number: u32,
    /// Index of the source it was written in.
    pub file: u16,
    /// Line of the source, from 1.
    pub line: u32,
}

/// The result of one walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// How it ended.
    pub decision: Decision,
    /// The rule that decided; `None` when the chain's policy did.
    pub rule: Option<RuleId>,
}

/// What a match or target works on.
pub struct Scene<'a, 'f> {
    /// The packet.
    pub facts: &'a Facts<'f>,
    /// What earlier rules changed, and this one may change.
    pub state: &'a mut PacketState,
    /// What rules remember from packet to packet.
    pub memory: &'a mut Memory,
    /// The family of the rule set.
    pub family: Family,
    /// The place in the memory that belongs to this match or target of this rule alone.
    pub slot: Slot,
    /// The rule, for what a target records.
    pub rule: RuleId,
}

/// A chain of a program: its position in the program's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub u32);

/// Why a rule did not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `-s`.
    Source,
    /// `-d`.
    Destination,
    /// `-i`.
    InInterface,
    /// `-o`.
    OutInterface,
    /// `-p`.
    Protocol,
    /// `-f`.
    Fragment,
    /// The match at this position.
    Match(u16),
}

/// One step of a walk, for those who want to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A rule was reached, and did not match because of this part.
    Missed(RuleId, Part),
    /// A rule matched.
    Matched(RuleId),
    /// A rule was reached whose match (at this position) cannot be evaluated.
    Unknown(RuleId, Part),
    /// A rule matched by assumption, or was passed over by assumption.
    Assumed(RuleId, bool),
    /// The walk entered this chain.
    Enter(ChainId),
    /// The walk came back to this chain, by RETURN or the end of another.
    Return(ChainId),
    /// The policy of this built-in chain decided.
    Policy(ChainId),
}

/// The steps of a walk. Tracing a walk tries every rule in order; without it, rules that cannot
/// match are passed over unseen.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// Whether the packet passes what the rule itself tests (`-s -d -i -o -p -f`); else the first
/// part it fails.
pub(crate) fn base(rule: &Rule, facts: &Facts<'_>) -> Option<Part> {
    let headers = facts.headers;
    let fails = |test: &Option<Test<Network>>, address| {
        test.is_some_and(|test| !test.holds(|network| network.contains(address)))
    };
    let other = |test: &Option<Test<InterfacePattern>>, interface| {
        test.is_some_and(|test| !test.holds(|pattern| pattern.matches(interface)))
    };
    if fails(&rule.src, headers.src) {
        return Some(Part::Source);
    }
    if fails(&rule.dst, headers.dst) {
        return Some(Part::Destination);
    }
    if other(&rule.in_iface, facts.in_iface) {
        return Some(Part::InInterface);
    }
    if other(&rule.out_iface, facts.out_iface) {
        return Some(Part::OutInterface);
    }
    if rule.proto.is_some_and(|test| !test.holds(|proto| *proto == headers.proto)) {
        return Some(Part::Protocol);
    }
    if rule.fragment.is_some_and(|invert| headers.is_later_fragment() == invert) {
        return Some(Part::Fragment);
    }
    None
}

/// What became of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It matched.
    Matched,
    /// It did not, because of this part.
    Missed(Part),
    /// A match found the packet malformed.
    HotDrop,
    /// It cannot be said, because of this match.
    Unknown(Part),
    /// It was decided by assumption.
    Assumed(bool),
}

/// Tries one rule. `assume` stands in for the answer of matches that cannot be evaluated. Once
/// one of them is unknown, matches that remember are left alone, and the others are still asked:
/// one No settles the rule.
pub(crate) fn rule(
    rule: &Rule,
    first_slot: Slot,
    assume: Option<bool>,
    scene: &mut Scene<'_, '_>,
) -> Outcome {
    match base(rule, scene.facts) {
        Some(part) => Outcome::Missed(part),
        None => matches(rule, 0, first_slot, assume, scene),
    }
}

/// Tries the matches of a rule from the one at `from` on; those before it hold, and remember
/// nothing.
pub(crate) fn matches(
    rule: &Rule,
    from: usize,
    first_slot: Slot,
    assume: Option<bool>,
    scene: &mut Scene<'_, '_>,
) -> Outcome {
    let mut unknown = None;
    let mut slot = first_slot;
    for (index, found) in rule.matches.iter().enumerate().skip(from) {
        let part = Part::Match(index.min(usize::from(u16::MAX)) as u16);
        let remembers = found.kind().spec().stateful;
        scene.slot = slot;
        slot.0 += u32::from(remembers);
        if unknown.is_some() && assume.is_none() && remembers {
            continue;
        }
        match (found.eval(scene), assume) {
            (Answer::Yes, _) => {}
            (Answer::No, _) => return Outcome::Missed(part),
            // What is cut off, nftables takes for something else.
            (Answer::HotDrop, _) if rule.native.is_some() => return Outcome::Missed(part),
            (Answer::HotDrop, _) => return Outcome::HotDrop,
            (Answer::Unknown, Some(false)) => return Outcome::Assumed(false),
            (Answer::Unknown, _) => unknown = unknown.or(Some(part)),
        }
    }
    match (unknown, assume) {
        (None, _) => Outcome::Matched,
        (Some(_), Some(answer)) => Outcome::Assumed(answer),
        (Some(part), None) => Outcome::Unknown(part),
    }
}

/// Does what the target of a rule that matched does. A target that cannot be evaluated is passed
/// over when the rule is assumed not to match.
pub(crate) fn target(rule: &Rule, assume: Option<bool>, scene: &mut Scene<'_, '_>) -> Effect {
    let Some(target) = &rule.target else { return Effect::Continue };
    let unknown = || target.kind().is_some_and(|kind| !kind.spec().evaluated);
    match assume {
        Some(false) if unknown() => Effect::Continue,
        _ => target.eval(scene),
    }
}
