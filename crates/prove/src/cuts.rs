//! Values seen only through the constants that rules compare them with.
//!
//! Two addresses that no rule, route or question tells apart need no telling apart. [`Cuts`]
//! divides an ordered domain (addresses, ports) at every constant; a value is then known by the
//! number of its piece. [`Names`] does the same for values that are only compared for equality
//! (protocols, link-layer addresses): one number for each constant, and one for all others. The
//! order of an ordered domain is kept, so that a range of values is a range of numbers.

use std::collections::BTreeSet;

/// An ordered domain from 0 to a last value, cut into numbered pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// The first value of each piece, ascending, the first one 0.
    starts: Vec<u128>,
    last: u128,
}

/// Gathers constants.
#[derive(Clone, Debug)]
pub struct CutsBuilder {
    starts: BTreeSet<u128>,
    last: u128,
}

impl CutsBuilder {
    /// For a domain from 0 to `last`.
    pub fn new(last: u128) -> CutsBuilder {
        CutsBuilder { starts: BTreeSet::from([0]), last }
    }

    /// Keeps the values from `min` to `max` apart from the others.
    pub fn add(&mut self, min: u128, max: u128) {
        if min <= self.last {
            self.starts.insert(min);
        }
        if max < self.last {
            self.starts.insert(max + 1);
        }
    }

    /// Ready to be asked.
    pub fn build(self) -> Cuts {
        Cuts { starts: self.starts.into_iter().collect(), last: self.last }
    }
}

impl Cuts {
    /// How many pieces there are.
    pub fn count(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }

    /// The piece that holds `value`.
    pub fn piece(&self, value: u128) -> u32 {
        let after = self.starts.partition_point(|start| *start <= value);
        u32::try_from(after.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The pieces from that of `min` to that of `max`, both included. Exact when the two were
    /// added as constants.
    pub fn pieces(&self, min: u128, max: u128) -> (u32, u32) {
        (self.piece(min), self.piece(max))
    }

    /// First and last value of a piece.
    pub fn bounds(&self, piece: u32) -> (u128, u128) {
        let at = piece as usize;
        let first = self.starts.get(at).copied().unwrap_or(0);
        let last = self.starts.get(at + 1).map_or(self.last, |next| next - 1);
        (first, last)
    }

    /// Ranges of pieces as ranges of values; those that touch become one.
    pub fn values(&self, pieces: &[(u32, u32)]) -> Vec<(u128, u128)> {
        let mut values: Vec<(u128, u128)> = Vec::with_capacity(pieces.len());
        for (first, last) in pieces {
            let (min, max) = (self.bounds(*first).0, self.bounds(*last).1);
            match values.last_mut() {
                Some(before) if before.1.checked_add(1) == Some(min) => before.1 = max,
                _ => values.push((min, max)),
            }
        }
        values
    }
}

/// Constants of an unordered domain, and one number for everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names<T> {
    known: Vec<T>,
}

impl<T: Ord + Copy> Names<T> {
    /// Of these constants.
    pub fn new(known: BTreeSet<T>) -> Names<T> {
        Names { known: known.into_iter().collect() }
    }

    /// How many numbers there are: one more than constants.
    pub fn count(&self) -> u32 {
        u32::try_from(self.known.len() + 1).unwrap_or(u32::MAX)
    }

    /// The number of `value`; the last one for what is no constant.
    pub fn number(&self, value: T) -> u32 {
        let at = self.known.binary_search(&value).unwrap_or(self.known.len());
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// The constant with this number; `None` for the number of all others.
    pub fn value(&self, number: u32) -> Option<T> {
        self.known.get(number as usize).copied()
    }

    /// The constants, ascending.
    pub fn known(&self) -> &[T] {
        &self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_cut_at_its_constants() {
        let mut builder = CutsBuilder::new(0xffff);
        builder.add(21, 21);
        builder.add(1024, 0xffff);
        let cuts = builder.build();
        assert_eq!(cuts.count(), 4);
        let rows = [(0, 0), (20, 0), (21, 1), (22, 2), (1023, 2), (1024, 3), (0xffff, 3)];
        for (value, piece) in rows {
            assert_eq!(cuts.piece(value), piece, "{value}");
        }
        assert_eq!(cuts.pieces(21, 21), (1, 1));
        assert_eq!(cuts.bounds(2), (22, 1023));
        assert_eq!(cuts.values(&[(0, 0), (1, 1), (3, 3)]), [(0, 21), (1024, 0xffff)]);
    }

    #[test]
    fn the_last_value_of_the_widest_domain_is_a_piece_like_any_other() {
        let mut builder = CutsBuilder::new(u128::MAX);
        builder.add(u128::MAX, u128::MAX);
        let cuts = builder.build();
        assert_eq!(cuts.bounds(1), (u128::MAX, u128::MAX));
        assert_eq!(cuts.values(&[(0, 1)]), [(0, u128::MAX)]);
    }

    #[test]
    fn what_is_no_constant_is_the_last_name() {
        let names = Names::new(BTreeSet::from([6u8, 17]));
        assert_eq!([6, 17, 1].map(|proto| names.number(proto)), [0, 1, 2]);
        assert_eq!([0, 1, 2].map(|number| names.value(number)), [Some(6), Some(17), None]);
    }
}
