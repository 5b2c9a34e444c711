//! What rules remember from packet to packet.
//!
//! The engine owns one [`Memory`] and passes it to every walk of both families. A match that
//! counts (limit, quota, statistic) keeps its state in the [`Slot`] of its own rule; what rules
//! share by name (recent, hashlimit, connlimit, sets) lives in tables of its own, each bounded
//! by the limits named in the file of its match.

use crate::eval::RuleId;
use crate::keyed::Keyed;
use crate::log_line::LogBook;
use crate::matches::{Match, connlimit, hashlimit, limit, recent};
use crate::program::Program;
use crate::ruleset::Counters;
use crate::sets::Sets;
use kinwall_terms::Family;

/// The place of one match or target of one rule in [`Memory`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// What one match or target of one rule remembers.
#[derive(Clone, Debug, Default)]
pub enum Remembered {
    /// Nothing yet.
    #[default]
    Nothing,
    /// `limit`.
    Limit(limit::Bucket),
    /// `quota`: bytes left.
    Quota(u64),
    /// `statistic`: packets counted.
    Nth(u32),
    /// `connlimit`.
    Connlimit(Box<connlimit::Counted>),
    /// `hashlimit`, `recent`: which of the tables that rules share by name.
    Shared(u32),
}

/// What there is to learn from the walks of one packet: see [`Memory::lesson`].
#[derive(Debug, Default)]
struct Lesson {
    matched: Vec<RuleId>,
    /// A rule was tried whose answer the next packet of the connection need not get.
    is_lost: bool,
}

/// Rules that match in a lesson, at most.
const LESSON_MAX: usize = 32;

/// What all rules remember.
#[derive(Debug, Default)]
pub struct Memory {
    slots: [Vec<Remembered>; 2],
    counters: [Vec<Counters>; 2],
    seed: u64,
    lesson: Lesson,
    /// The key of its hash tables.
    pub(crate) key: Keyed,
    /// The lists of `recent`.
    pub recent: recent::Lists,
    /// The tables of `hashlimit`.
    pub hashlimit: hashlimit::Tables,
    /// The sets of `set` and `SET`. None is known unless they are given.
    pub sets: Sets,
    /// The lines of LOG.
    pub log: LogBook,
}

impl Memory {
    /// Empty, with room for the rules of `programs` (at most one a family). `seed` decides what
    /// rules that live by chance (`statistic --mode random`) do.
    pub fn new(programs: &[&Program], seed: u64) -> Memory {
        let mut memory = Memory { seed, key: Keyed(seed), ..Memory::default() };
        memory.recent.key = memory.key;
        memory.hashlimit.key = memory.key;
        for program in programs {
            let family = program.family().index();
            memory.slots[family].resize(program.slots(), Remembered::Nothing);
            memory.counters[family].resize(program.len(), Counters::default());
            let rules = program.rule_ids().filter_map(|id| program.rule(id));
            for found in rules.flat_map(|rule| &rule.matches) {
                match found {
                    Match::Recent(recent) => _ = memory.recent.declare(recent),
                    Match::Hashlimit(limit) => {
                        _ = memory.hashlimit.declare(program.family(), limit);
                    }
                    _ => {}
                }
            }
        }
        memory
    }

    /// Takes these sets, instead of those it has.
    pub fn take_sets(&mut self, sets: Sets) {
        self.sets = sets.keyed(self.key);
    }

    /// Which shared table the match at `slot` uses; `find` is asked the first time.
    pub(crate) fn shared(
        &mut self,
        family: Family,
        slot: Slot,
        find: impl FnOnce(&mut Memory) -> u32,
    ) -> u32 {
        if let Remembered::Shared(at) = self.slot(family, slot) {
            return *at;
        }
        let at = find(self);
        *self.slot(family, slot) = Remembered::Shared(at);
        at
    }

    /// What `slot` of `family` remembers; room is made for a slot that is new.
    pub fn slot(&mut self, family: Family, slot: Slot) -> &mut Remembered {
        let slots = &mut self.slots[family.index()];
        let index = slot.0 as usize;
        if index >= slots.len() {
            slots.resize(index + 1, Remembered::Nothing);
        }
        &mut slots[index]
    }

    /// Forgets the lesson: another packet comes.
    #[inline]
    pub fn begin_lesson(&mut self) {
        self.lesson.matched.clear();
        self.lesson.is_lost = false;
    }

    /// The rules that matched since the beginning of the lesson, in order, if every packet with
    /// the same addresses, ports, protocol and interfaces that has the same ct states as it goes
    /// its way must match them and no others: all rules that were tried ask for nothing else,
    /// and for nothing that may change but the topology.
    pub fn lesson(&self) -> Option<&[RuleId]> {
        (!self.lesson.is_lost).then_some(&self.lesson.matched)
    }

    /// How many rules matched since the beginning of the lesson.
    #[inline]
    pub fn lesson_length(&self) -> usize {
        self.lesson.matched.len()
    }

    /// A rule was tried from which nothing can be learnt.
    #[inline]
    pub(crate) fn lose_lesson(&mut self) {
        self.lesson.is_lost = true;
    }

    /// Counts one packet of `bytes` for a rule that matched.
    #[inline]
    pub(crate) fn count(&mut self, family: Family, rule: RuleId, bytes: u64) {
        match self.lesson.matched.len() {
            0..LESSON_MAX => self.lesson.matched.push(rule),
            _ => self.lesson.is_lost = true,
        }
        self.count_only(family, rule, bytes);
    }

    /// Counts one packet of `bytes` for rules that are known to match.
    #[inline]
    pub fn count_all(&mut self, family: Family, rules: &[RuleId], bytes: u32) {
        for rule in rules {
            self.count_only(family, *rule, bytes.into());
        }
    }

    #[inline]
    fn count_only(&mut self, family: Family, rule: RuleId, bytes: u64) {
        if let Some(counters) = self.counters[family.index()].get_mut(rule.0 as usize) {
            counters.packets += 1;
            counters.bytes += bytes;
        }
    }

    /// What a rule counted so far.
    pub fn counters(&self, family: Family, rule: RuleId) -> Counters {
        self.counters[family.index()].get(rule.0 as usize).copied().unwrap_or_default()
    }

    /// The next number of the chance generator (SplitMix64, a public-domain sequence).
    pub fn chance(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
