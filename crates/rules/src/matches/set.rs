//! `-m set --match-set blocked src,dst`: the packet's addresses and ports are in a set of ipset.
//!
//! The set's type says what each dimension is; each `src` or `dst` says which side of the packet
//! it takes. A set that was not given cannot be asked; one of the other family, or of more
//! dimensions than are named, holds nothing. The element's counters count the packet before they
//! are compared; a set without counters is not asked for them.

use crate::eval::{Answer, Scene};
use crate::memory::Memory;
use crate::option::{Args, Spec, Test, flag, value, words};
use crate::print::Line;
use crate::sets::{Ask, Counts, Query};
use crate::targets::set::{Element, element, side_names};
use crate::value::number_u64;

/// What the match declares.
pub const SPEC: Spec = Spec::new("set").stateful().options(&[
    words("match-set", 2).alias(&["set"]).invert().required(),
    flag("return-nomatch"),
    flag("update-counters").invert(),
    flag("update-subcounters").invert(),
    value("packets-eq").invert().excludes(&["packets-lt", "packets-gt"]),
    value("packets-lt").excludes(&["packets-gt"]),
    value("packets-gt"),
    value("bytes-eq").invert().excludes(&["bytes-lt", "bytes-gt"]),
    value("bytes-lt").excludes(&["bytes-gt"]),
    value("bytes-gt"),
]);

/// Which set, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The set and the sides.
    pub element: Test<Element>,
    /// Whether it is the exceptions (`nomatch`) of the set that match.
    pub return_nomatch: bool,
    /// Whether the element's counters stay as they are.
    pub keep_counters: bool,
    /// Whether the counters of the sets in a list of sets stay as they are.
    pub keep_subcounters: bool,
    /// What the element's packet counter must be.
    pub packets: Option<Count>,
    /// What the element's byte counter must be.
    pub bytes: Option<Count>,
}

/// A test of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Equal to it.
    Equal(Test<u64>),
    /// Less.
    Less(u64),
    /// Greater.
    Greater(u64),
}

impl Count {
    /// Whether `count` passes.
    pub fn holds(&self, count: u64) -> bool {
        match self {
            Count::Equal(test) => test.holds(|wanted| count == *wanted),
            Count::Less(than) => count < *than,
            Count::Greater(than) => count > *than,
        }
    }

    fn print(&self, what: &str, out: &mut Line) {
        match self {
            Count::Equal(test) => out.not(test.invert).value(&format!("{what}-eq"), test.value),
            Count::Less(than) => out.value(&format!("{what}-lt"), than),
            Count::Greater(than) => out.value(&format!("{what}-gt"), than),
        };
    }
}

impl Set {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Set> {
        let invert = args.flag("match-set")?;
        let element = element(args, "match-set")?;
        let packets = count(args, ["packets-eq", "packets-lt", "packets-gt"]);
        let bytes = count(args, ["bytes-eq", "bytes-lt", "bytes-gt"]);
        Some(Set {
            element: Test { invert, value: element },
            return_nomatch: args.has("return-nomatch"),
            keep_counters: args.flag("update-counters") == Some(true),
            keep_subcounters: args.flag("update-subcounters") == Some(true),
            packets,
            bytes,
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let Test { invert, value: element } = &self.element;
        out.not(*invert).value("match-set", &element.set).word(side_names(&element.sides));
        out.flag("return-nomatch", self.return_nomatch);
        out.not(self.keep_counters).flag("update-counters", self.keep_counters);
        out.not(self.keep_subcounters).flag("update-subcounters", self.keep_subcounters);
        for (what, count) in [("packets", &self.packets), ("bytes", &self.bytes)] {
            if let Some(count) = count {
                count.print(what, out);
            }
        }
    }

    /// Looks the packet up.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let Element { set, sides } = &self.element.value;
        let query = Query::new(scene.facts, sides, scene.state.mark);
        let find = |memory: &mut Memory| memory.sets.index(set).unwrap_or(u32::MAX);
        let at = scene.memory.shared(scene.family, scene.slot, find);
        let counted = |counts: Counts| {
            self.packets.is_none_or(|test| test.holds(counts.packets))
                && self.bytes.is_none_or(|test| test.holds(counts.bytes))
        };
        let ask = Ask {
            exceptions: self.return_nomatch,
            keep_counters: self.keep_counters,
            keep_subcounters: self.keep_subcounters,
            counters: Some(&counted),
        };
        match scene.memory.sets.test(at, &query, &ask) {
            Some(found) => (found.is_some() != self.element.invert).into(),
            None => Answer::Unknown,
        }
    }
}

fn count(args: &mut Args<'_>, [equal, less, greater]: [&str; 3]) -> Option<Count> {
    let equal = args.read(equal, number_u64).map(Count::Equal);
    let less = args.plain(less, number_u64).map(Count::Less);
    equal.or(less).or(args.plain(greater, number_u64).map(Count::Greater))
}
