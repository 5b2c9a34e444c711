//! Sets of packets, exactly.
//!
//! A [`Set`] is a binary decision diagram over the bits of the fields' numbers (see
//! [`crate::cuts`]): the diagrams of all sets share their nodes, equal sets are the same node,
//! and what was computed once is remembered. Behind the fields come the *unknowns*, one bit for
//! each thing that rules ask and the analysis cannot know: a set may depend on them.
//!
//! Diagrams were chosen by measurement; `docs/prove.md` has the figures.

use crate::field::Field;
use oxidd::bdd::{BDDFunction, BDDManagerRef};
use oxidd::util::AllocResult;
use oxidd::{
    BooleanFunction, BooleanFunctionQuant, Function, FunctionSubst, HasLevel, Manager, ManagerRef,
    Node, Subst,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;

/// A set of packets. Two are equal when they hold the same packets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Set(BDDFunction);

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a set of {} nodes", self.0.node_count())
    }
}

/// An unknown: its position among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unknown(pub u32);

/// The analysis needs more memory than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the sets of packets need more than {NODES_MAX_COUNT} nodes: the rules tell too many packets \
     apart to be analysed at once"
)]
pub struct TooLarge;

/// Nodes of all sets together, at most: with all tables below 4 GiB, of which an analysis takes
/// what it needs. Beyond it an analysis ends with [`TooLarge`].
pub const NODES_MAX_COUNT: usize = 1 << 26;

/// Results of operations that are remembered.
const RESULTS_MAX_COUNT: usize = 1 << 20;

/// Ranges of a list of numbers whose set is kept, at most.
const KEPT_RANGES_MAX_COUNT: usize = 4;

/// Ranges of the numbers of one field, ascending, inclusive and apart.
pub type Ranges = Vec<(u32, u32)>;

/// Where sets are made.
pub struct Space {
    manager: BDDManagerRef,
    /// By [`Field::index`].
    fields: [FieldBits; Field::ALL.len()],
    unknowns: u32,
    nothing: Set,
    everything: Set,
    exhausted: Cell<bool>,
    /// The variables that were forgotten together so far, as sets.
    cubes: RefCell<HashMap<Vec<u32>, Set>>,
    /// The numbers of a field that were asked for so far.
    kept: RefCell<HashMap<(Field, Ranges), Set>>,
}

/// Where a field's number stands.
#[derive(Clone, Debug, Default)]
struct FieldBits {
    /// Its variables, the highest bit first.
    vars: Range<u32>,
    /// How many numbers it has. Bit patterns beyond the last number mean the last number.
    count: u32,
}

impl Space {
    /// A space whose fields have so many numbers each, in the order of [`Field::ALL`].
    pub fn new(counts: [u32; Field::ALL.len()]) -> Space {
        let mut first = 0;
        let fields = counts.map(|count| {
            let width = u32::BITS - count.saturating_sub(1).leading_zeros();
            let vars = first..first + width;
            first = vars.end;
            FieldBits { vars, count }
        });
        let manager = oxidd::bdd::new_manager(NODES_MAX_COUNT, RESULTS_MAX_COUNT, 1);
        manager.with_manager_exclusive(|manager| manager.add_vars(first));
        let [nothing, everything] =
            manager.with_manager_shared(|m| [Set(BDDFunction::f(m)), Set(BDDFunction::t(m))]);
        let exhausted = Cell::new(false);
        let (cubes, kept) = (RefCell::default(), RefCell::default());
        Space { manager, fields, unknowns: 0, nothing, everything, exhausted, cubes, kept }
    }

    /// Fails when an operation since the beginning did not have the memory it needs: what it gave
    /// means nothing then.
    pub fn check(&self) -> Result<(), TooLarge> {
        if self.exhausted.get() { Err(TooLarge) } else { Ok(()) }
    }

    /// How many nodes there are at the moment.
    pub fn node_count(&self) -> usize {
        self.manager.with_manager_shared(|manager| manager.num_inner_nodes())
    }

    /// No packet.
    pub fn nothing(&self) -> Set {
        self.nothing.clone()
    }

    /// Every packet.
    pub fn everything(&self) -> Set {
        self.everything.clone()
    }

    /// Whether no packet is in `set`, whatever the unknowns.
    pub fn is_empty(&self, set: &Set) -> bool {
        *set == self.nothing
    }

    /// Packets in both.
    pub fn and(&self, a: &Set, b: &Set) -> Set {
        self.made(a.0.and(&b.0))
    }

    /// Packets in either.
    pub fn or(&self, a: &Set, b: &Set) -> Set {
        self.made(a.0.or(&b.0))
    }

    /// Packets not in `set`.
    pub fn not(&self, set: &Set) -> Set {
        self.made(set.0.not())
    }

    /// Packets in `a` and not in `b`.
    pub fn minus(&self, a: &Set, b: &Set) -> Set {
        // Not b, and a.
        self.made(b.0.imp_strict(&a.0))
    }

    /// Packets of `yes` where they are in `set`, of `no` elsewhere.
    pub fn choose(&self, set: &Set, yes: &Set, no: &Set) -> Set {
        self.made(set.0.ite(&yes.0, &no.0))
    }

    /// `set`, or all but it.
    pub fn held(&self, set: Set, invert: bool) -> Set {
        if invert { self.not(&set) } else { set }
    }

    /// Packets in all of these.
    pub fn all_of<'s>(&self, sets: impl IntoIterator<Item = &'s Set>) -> Set {
        sets.into_iter().fold(self.everything(), |all, set| self.and(&all, set))
    }

    /// Packets in any of these.
    pub fn any_of<'s>(&self, sets: impl IntoIterator<Item = &'s Set>) -> Set {
        // In pairs, and pairs of pairs: the large unions are made last, and once.
        let mut sets: Vec<Set> = sets.into_iter().cloned().collect();
        while sets.len() > 1 {
            let pair = |pair: &[Set]| match pair {
                [a, b] => self.or(a, b),
                alone => alone.first().map_or_else(|| self.nothing(), Set::clone),
            };
            sets = sets.chunks(2).map(pair).collect();
        }
        sets.pop().unwrap_or_else(|| self.nothing())
    }

    /// Packets whose number in `field` is in `ranges`, which ascend and are apart.
    pub fn numbers(&self, field: Field, ranges: &[(u32, u32)]) -> Set {
        // Rules name the same few ranges again and again; long lists are not worth keeping.
        if ranges.len() > KEPT_RANGES_MAX_COUNT {
            return self.make_numbers(field, ranges);
        }
        let key = (field, ranges.to_vec());
        if let Some(known) = self.kept.borrow().get(&key) {
            return known.clone();
        }
        let made = self.make_numbers(field, ranges);
        self.kept.borrow_mut().insert(key, made.clone());
        made
    }

    fn make_numbers(&self, field: Field, ranges: &[(u32, u32)]) -> Set {
        let bits = &self.fields[field.index()];
        let span = 1u64 << bits.vars.len();
        // What lies beyond the last number means the last number.
        let end = |last: u32| if last + 1 >= bits.count { span } else { u64::from(last) + 1 };
        let ranges: Vec<(u64, u64)> =
            ranges.iter().map(|(first, last)| (u64::from(*first), end(*last))).collect();
        self.block(bits.vars.clone(), 0, span, &ranges)
    }

    fn block(&self, vars: Range<u32>, base: u64, span: u64, ranges: &[(u64, u64)]) -> Set {
        let end = base + span;
        let from = ranges.partition_point(|range| range.1 <= base);
        let to = ranges.partition_point(|range| range.0 < end);
        let Some(inside) = ranges.get(from..to).filter(|inside| !inside.is_empty()) else {
            return self.nothing();
        };
        if matches!(inside, [(first, last)] if *first <= base && *last >= end) {
            return self.everything();
        }
        let half = span / 2;
        let below = vars.start + 1..vars.end;
        let low = self.block(below.clone(), base, half, inside);
        let high = self.block(below, base + half, half, inside);
        self.choose(&self.bit(vars.start), &high, &low)
    }

    /// Packets in whose number in `field` this bit (0 is the lowest) is set.
    pub fn field_bit(&self, field: Field, bit: u32) -> Set {
        let vars = &self.fields[field.index()].vars;
        if bit < vars.len() as u32 { self.bit(vars.end - 1 - bit) } else { self.nothing() }
    }

    /// Whether an unknown is so.
    pub fn unknown(&self, unknown: Unknown) -> Set {
        self.bit(self.first_unknown() + unknown.0)
    }

    /// One unknown more.
    pub fn add_unknown(&mut self) -> Unknown {
        self.manager.with_manager_exclusive(|manager| manager.add_vars(1));
        self.unknowns += 1;
        Unknown(self.unknowns - 1)
    }

    fn first_unknown(&self) -> u32 {
        self.fields.last().map_or(0, |bits| bits.vars.end)
    }

    fn bit(&self, var: u32) -> Set {
        self.made(self.manager.with_manager_shared(|manager| BDDFunction::var(manager, var)))
    }

    fn made(&self, result: AllocResult<BDDFunction>) -> Set {
        result.map(Set).unwrap_or_else(|_| {
            self.exhausted.set(true);
            self.nothing()
        })
    }

    /// These variables, as a set.
    fn cube(&self, vars: impl Iterator<Item = u32>) -> Set {
        let vars: Vec<u32> = vars.collect();
        if let Some(known) = self.cubes.borrow().get(&vars) {
            return known.clone();
        }
        let from_below = vars.iter().rev();
        let cube = from_below.fold(self.everything(), |all, var| self.and(&self.bit(*var), &all));
        self.cubes.borrow_mut().insert(vars, cube.clone());
        cube
    }

    fn vars_of<'f>(
        &'f self,
        fields: &'f [Field],
    ) -> impl DoubleEndedIterator<Item = u32> + use<'f> {
        fields.iter().flat_map(|field| self.fields[field.index()].vars.clone())
    }

    /// Packets that are in `set` with some other value in `fields`.
    pub fn forget(&self, set: &Set, fields: &[Field]) -> Set {
        self.made(set.0.exists(&self.cube(self.vars_of(fields)).0))
    }

    /// Packets that are in `set` for some answer to the unknowns.
    pub fn possible(&self, set: &Set) -> Set {
        let first = self.first_unknown();
        self.made(set.0.exists(&self.cube(first..first + self.unknowns).0))
    }

    /// Packets that are in `set` whatever the unknowns.
    pub fn certain(&self, set: &Set) -> Set {
        let first = self.first_unknown();
        self.made(set.0.forall(&self.cube(first..first + self.unknowns).0))
    }

    /// The unknowns on which `set` depends.
    pub fn unknowns_of(&self, set: &Set) -> Vec<Unknown> {
        let first = self.first_unknown();
        let mut found = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![set.clone()];
        while let Some(set) = open.pop() {
            if let Some((high, low)) = set.0.cofactors()
                && seen.insert(set.clone())
            {
                found.extend(self.level(&set).and_then(|level| level.checked_sub(first)));
                open.extend([Set(high), Set(low)]);
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(Unknown).collect()
    }

    /// Moves the values of fields to other fields: packets whose `to` is what the `from` of a
    /// packet in `set` is, for each pair. No field may be named twice on one side, the two
    /// fields of a pair have the same numbers, and a field of `to` that is not in `from` must be
    /// without bearing on `set`.
    pub fn rename(&self, set: &Set, pairs: &[(Field, Field)]) -> Set {
        let (mut vars, mut replacements) = (Vec::new(), Vec::new());
        for (from, to) in pairs {
            let [from, to] = [from, to].map(|field| self.fields[field.index()].vars.clone());
            for (old, new) in from.zip(to).filter(|(old, new)| old != new) {
                vars.push(old);
                replacements.push(self.bit(new).0);
            }
        }
        self.made(set.0.substitute(&Subst::new(vars, replacements)))
    }

    /// Packets whose two fields, which have the same numbers, are equal.
    pub fn equal(&self, one: Field, other: Field) -> Set {
        let [one, other] = [one, other].map(|field| self.fields[field.index()].vars.clone());
        one.zip(other).fold(self.everything(), |all, (a, b)| {
            let same = self.made(self.bit(a).0.equiv(&self.bit(b).0));
            self.and(&all, &same)
        })
    }

    fn level(&self, set: &Set) -> Option<u32> {
        set.0.with_manager_shared(|manager, edge| match manager.get_node(edge) {
            Node::Inner(node) => Some(node.level()),
            Node::Terminal(_) => None,
        })
    }

    /// The parts of `set` by the values of `field`: numbers, and what `set` is for them. Parts
    /// are not empty, and no two are equal. `set` must not depend on an earlier field.
    pub fn split(&self, set: &Set, field: Field) -> Vec<(Ranges, Set)> {
        let bits = &self.fields[field.index()];
        let mut pieces = Vec::new();
        self.descend(set, bits.vars.clone(), 0, 1 << bits.vars.len(), &mut pieces);
        let mut parts: Vec<(Ranges, Set)> = Vec::new();
        let mut index: HashMap<Set, usize> = HashMap::new();
        for (first, last, rest) in pieces {
            let last = last.min(u64::from(bits.count) - 1) as u32;
            let first = first as u32;
            if first > last {
                continue;
            }
            let at = *index.entry(rest.clone()).or_insert(parts.len());
            match parts.get_mut(at) {
                None => parts.push((vec![(first, last)], rest)),
                Some((ranges, _)) => match ranges.last_mut() {
                    Some(before) if before.1 + 1 == first => before.1 = last,
                    _ => ranges.push((first, last)),
                },
            }
        }
        parts
    }

    fn descend(
        &self,
        set: &Set,
        vars: Range<u32>,
        base: u64,
        span: u64,
        pieces: &mut Vec<(u64, u64, Set)>,
    ) {
        if self.is_empty(set) {
            return;
        }
        let level = self.level(set).unwrap_or(u32::MAX);
        if level >= vars.end || vars.is_empty() {
            pieces.push((base, base + span - 1, set.clone()));
            return;
        }
        let (high, low) = match set.0.cofactors() {
            Some((high, low)) if level == vars.start => (Set(high), Set(low)),
            _ => (set.clone(), set.clone()),
        };
        let half = span / 2;
        let below = vars.start + 1..vars.end;
        self.descend(&low, below.clone(), base, half, pieces);
        self.descend(&high, below, base + half, half, pieces);
    }

    /// One packet of `set`: a number for each field, in the order of [`Field::ALL`], and the
    /// answers to the unknowns. `None` when it is empty.
    pub fn pick(&self, set: &Set) -> Option<([u32; Field::ALL.len()], Vec<bool>)> {
        let mut values: HashMap<u32, bool> = HashMap::new();
        let mut at = set.clone();
        while let Some((high, low)) = at.0.cofactors() {
            let level = self.level(&at)?;
            let take_low = !self.is_empty(&Set(low.clone()));
            values.insert(level, !take_low);
            at = Set(if take_low { low } else { high });
        }
        if self.is_empty(&at) {
            return None;
        }
        let bit = |var: u32| values.get(&var).copied().unwrap_or(false);
        let number = |bits: &FieldBits| {
            let value = bits.vars.clone().fold(0, |value, var| value << 1 | u32::from(bit(var)));
            value.min(bits.count.saturating_sub(1))
        };
        let numbers = std::array::from_fn(|at| number(&self.fields[at]));
        let first = self.first_unknown();
        Some((numbers, (first..first + self.unknowns).map(bit).collect()))
    }

    /// Whether the packet with these numbers is in `set`, with these answers to the unknowns.
    pub fn contains(
        &self,
        set: &Set,
        numbers: &[u32; Field::ALL.len()],
        unknowns: impl Fn(Unknown) -> bool,
    ) -> bool {
        let first = self.first_unknown();
        let fields = self.fields.iter().zip(numbers).flat_map(|(bits, number)| {
            let end = bits.vars.end;
            bits.vars.clone().map(move |var| (var, number >> (end - 1 - var) & 1 == 1))
        });
        let answers = (0..self.unknowns).map(|n| (first + n, unknowns(Unknown(n))));
        set.0.eval(fields.chain(answers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts: protocols 3, ports 5, addresses 6, link 1, interfaces 3, flags 64.
    fn space() -> Space {
        Space::new([3, 5, 6, 6, 1, 3, 5, 64])
    }

    #[test]
    fn ranges_of_numbers_come_back_as_they_were_put_in() {
        let space = space();
        let rows: &[&[(u32, u32)]] =
            &[&[(0, 5)], &[(0, 0)], &[(5, 5)], &[(1, 2), (4, 5)], &[(0, 1), (3, 3)], &[]];
        for ranges in rows {
            let set = space.numbers(Field::Dst, ranges);
            let parts = space.split(&set, Field::Dst);
            match ranges {
                [] => assert!(parts.is_empty()),
                _ => assert_eq!(parts[0].0, *ranges),
            }
            // And through a complement.
            assert_eq!(space.not(&space.not(&set)), set);
            let numbers = |dst| [0, 0, dst, 0, 0, 0, 0, 0];
            for dst in 0..6 {
                let inside = ranges.iter().any(|(first, last)| (*first..=*last).contains(&dst));
                assert_eq!(space.contains(&set, &numbers(dst), |_| false), inside, "{dst}");
            }
        }
    }

    #[test]
    fn sets_are_sets() {
        let mut space = space();
        let src = space.numbers(Field::Src, &[(1, 3)]);
        let dst = space.numbers(Field::Dst, &[(2, 5)]);
        let both = space.and(&src, &dst);
        assert_eq!(space.minus(&src, &dst), space.minus(&src, &both));
        assert_eq!(space.forget(&both, &[Field::Src]), dst);
        let swapped = space.rename(&both, &[(Field::Src, Field::Dst), (Field::Dst, Field::Src)]);
        let expected =
            space.and(&space.numbers(Field::Dst, &[(1, 3)]), &space.numbers(Field::Src, &[(2, 5)]));
        assert!(swapped == expected);
        let unknown = space.add_unknown();
        let perhaps = space.and(&src, &space.unknown(unknown));
        assert!(space.possible(&perhaps) == src);
        assert!(space.is_empty(&space.certain(&perhaps)));
        assert!(space.certain(&space.or(&perhaps, &dst)) == dst);
        assert_eq!(space.unknowns_of(&perhaps), [unknown]);
        assert_eq!(space.check(), Ok(()));
    }

    #[test]
    fn a_picked_packet_is_in_the_set() {
        let space = space();
        let set = space.and(
            &space.numbers(Field::Sport, &[(4, 4)]),
            &space.minus(&space.everything(), &space.numbers(Field::Proto, &[(0, 1)])),
        );
        let (numbers, unknowns) = space.pick(&set).unwrap();
        assert!(space.contains(&set, &numbers, |n| unknowns[n.0 as usize]));
        assert_eq!((numbers[0], numbers[6]), (2, 4));
        assert!(space.pick(&space.nothing()).is_none());
    }
}
