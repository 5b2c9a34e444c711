//! The index: from the hash of a tuple to the slot of its connection.
//!
//! ```text
//! one bucket, 64 bytes, one cache line:  8 tags of 32 bits | 8 slots of 32 bits
//! one tag                                [ passed 8 | tag 24 ]
//! one slot                               slot and direction, plus one; 0 is empty
//! ```
//!
//! Open addressing: an entry lives in the bucket its hash names, or in the next one with room.
//! The tag is 24 other bits of the hash, so that a record is read only when it is almost surely
//! the right one. `passed`, above the first tag, counts the entries that wanted to be in this
//! bucket or before it and went further: where it is zero a search ends.
//!
//! Growth: at 80 % the index doubles. The new one comes zeroed from the system and is touched
//! only where it is used; each insertion carries one bucket over, and until that is done a
//! search looks in both. No insertion ever waits for a copy of the whole.

use kinwall_terms::Direction;

const ENTRIES: usize = 8;
/// 32-bit words to a bucket.
const WORDS: usize = 2 * ENTRIES;
const BUCKETS_MIN: usize = 2;
const TAG_MASK: u32 = 0x00ff_ffff;
const PASSED_SHIFT: u32 = 24;
const PASSED_MAX: u32 = 255;

/// The index of one store.
#[derive(Debug)]
pub(crate) struct Index {
    current: Buckets,
    /// What the current buckets replace, and the first of them not yet carried over.
    old: Option<(Buckets, usize)>,
    len: usize,
}

impl Index {
    pub(crate) fn new() -> Index {
        Index { current: Buckets::new(BUCKETS_MIN), old: None, len: 0 }
    }

    /// The entry with this hash for which `is_it` holds.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: u64,
        mut is_it: impl FnMut(u32, Direction) -> bool,
    ) -> Option<(u32, Direction)> {
        let found = self.current.find(hash, &mut is_it);
        match &self.old {
            Some((old, _)) if found.is_none() => old.find(hash, &mut is_it),
            _ => found,
        }
    }

    /// The first slot with the right tag in the bucket that a search for `hash` begins in.
    #[inline]
    pub(crate) fn locate(&self, hash: u64) -> Option<u32> {
        let bucket = self.current.bucket(self.current.home(hash));
        let place = places(bucket, tag(hash)).next()?;
        Some(unpack(bucket[ENTRIES + place]).0)
    }

    /// Adds an entry. `hash_of` tells the hash of entries that have to move.
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        slot: u32,
        direction: Direction,
        hash_of: impl Fn(u32, Direction) -> u64,
    ) {
        let capacity = self.current.len() * ENTRIES;
        if self.old.is_none() && self.len >= capacity / 5 * 4 {
            let larger = Buckets::new(self.current.len() * 2);
            self.old = Some((std::mem::replace(&mut self.current, larger), 0));
        }
        self.carry_over(hash_of);
        self.current.insert(hash, slot, direction);
        self.len += 1;
    }

    /// Takes an entry out, if it is there.
    pub(crate) fn remove(&mut self, hash: u64, slot: u32, direction: Direction) {
        let removed = self.current.remove(hash, slot, direction)
            || self.old.as_mut().is_some_and(|(old, _)| old.remove(hash, slot, direction));
        self.len -= usize::from(removed);
    }

    /// The entries in `count` buckets from the one `hash` names.
    pub(crate) fn around(
        &self,
        hash: u64,
        count: usize,
    ) -> impl Iterator<Item = (u32, Direction)> + '_ {
        let old = self.old.as_ref().map(|(old, _)| old.around(hash, count));
        self.current.around(hash, count).chain(old.into_iter().flatten())
    }

    /// Bytes of address space in use; what was never used takes no memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        let old = self.old.as_ref().map_or(0, |(old, _)| old.len());
        (self.current.len() + old) * WORDS * size_of::<u32>()
    }

    /// Moves one old bucket's entries into the current ones.
    fn carry_over(&mut self, hash_of: impl Fn(u32, Direction) -> u64) {
        let Some((old, next)) = &mut self.old else {
            return;
        };
        let bucket = old.bucket_mut(*next);
        for place in 0..ENTRIES {
            let packed = std::mem::take(&mut bucket[ENTRIES + place]);
            // What passed this bucket stays counted: the search must go on to what is behind.
            bucket[place] &= !TAG_MASK;
            if packed != 0 {
                let (slot, direction) = unpack(packed);
                self.current.insert(hash_of(slot, direction), slot, direction);
            }
        }
        *next += 1;
        if *next == old.len() {
            self.old = None;
        }
    }
}

/// A power of two of buckets.
#[derive(Debug)]
struct Buckets {
    words: Vec<u32>,
    /// Where in `words` the first whole cache line begins.
    start: usize,
    mask: usize,
}

impl Buckets {
    fn new(count: usize) -> Buckets {
        let words = vec![0; count * WORDS + WORDS - 1];
        let offset = words.as_ptr().align_offset(WORDS * size_of::<u32>());
        let start = if offset < WORDS { offset } else { 0 };
        Buckets { words, start, mask: count - 1 }
    }

    fn len(&self) -> usize {
        self.mask + 1
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        hash as usize & self.mask
    }

    #[inline]
    fn bucket(&self, at: usize) -> &[u32] {
        let first = self.start + (at & self.mask) * WORDS;
        &self.words[first..first + WORDS]
    }

    #[inline]
    fn bucket_mut(&mut self, at: usize) -> &mut [u32] {
        let first = self.start + (at & self.mask) * WORDS;
        &mut self.words[first..first + WORDS]
    }

    #[inline]
    fn find(
        &self,
        hash: u64,
        is_it: &mut impl FnMut(u32, Direction) -> bool,
    ) -> Option<(u32, Direction)> {
        let (home, tag) = (self.home(hash), tag(hash));
        for step in 0..=self.mask {
            let bucket = self.bucket(home + step);
            for place in places(bucket, tag) {
                let (slot, direction) = unpack(bucket[ENTRIES + place]);
                if is_it(slot, direction) {
                    return Some((slot, direction));
                }
            }
            if bucket[0] >> PASSED_SHIFT == 0 {
                return None;
            }
        }
        None
    }

    /// There is always room: the caller grows the index long before it is full.
    fn insert(&mut self, hash: u64, slot: u32, direction: Direction) {
        let home = self.home(hash);
        for step in 0..=self.mask {
            let bucket = self.bucket_mut(home + step);
            if let Some(place) = (0..ENTRIES).find(|place| bucket[ENTRIES + place] == 0) {
                bucket[place] |= tag(hash);
                bucket[ENTRIES + place] = pack(slot, direction);
                return;
            }
            // A count that reached its maximum stays there: it can no longer be trusted.
            if bucket[0] >> PASSED_SHIFT != PASSED_MAX {
                bucket[0] += 1 << PASSED_SHIFT;
            }
        }
    }

    fn remove(&mut self, hash: u64, slot: u32, direction: Direction) -> bool {
        let home = self.home(hash);
        let wanted = pack(slot, direction);
        for step in 0..=self.mask {
            let bucket = self.bucket_mut(home + step);
            if let Some(place) = (0..ENTRIES).find(|place| bucket[ENTRIES + place] == wanted) {
                bucket[place] &= !TAG_MASK;
                bucket[ENTRIES + place] = 0;
                self.forget_passing(home, step);
                return true;
            }
            if bucket[0] >> PASSED_SHIFT == 0 {
                return false;
            }
        }
        false
    }

    /// An entry that had gone `steps` buckets beyond its own is no more.
    fn forget_passing(&mut self, home: usize, steps: usize) {
        for step in 0..steps {
            let bucket = self.bucket_mut(home + step);
            if (1..PASSED_MAX).contains(&(bucket[0] >> PASSED_SHIFT)) {
                bucket[0] -= 1 << PASSED_SHIFT;
            }
        }
    }

    fn around(&self, hash: u64, count: usize) -> impl Iterator<Item = (u32, Direction)> + '_ {
        let home = self.home(hash);
        let slots =
            (0..count.min(self.len())).flat_map(move |step| &self.bucket(home + step)[ENTRIES..]);
        slots.filter(|packed| **packed != 0).map(|packed| unpack(*packed))
    }
}

/// The places in a bucket that have this tag: one comparison of eight, no branches.
#[inline]
fn places(bucket: &[u32], tag: u32) -> impl Iterator<Item = usize> + use<> {
    let tags: &[u32; ENTRIES] = bucket.first_chunk().unwrap_or(&[0; ENTRIES]);
    let mut found = 0u32;
    for (place, other) in tags.iter().enumerate() {
        found |= u32::from(other & TAG_MASK == tag) << place;
    }
    std::iter::from_fn(move || {
        let place = found.trailing_zeros() as usize;
        found &= found.wrapping_sub(1);
        (place < ENTRIES).then_some(place)
    })
}

/// Never zero, so that no empty entry has it.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 40) as u32 | 1
}

/// Never zero.
fn pack(slot: u32, direction: Direction) -> u32 {
    (slot << 1 | direction as u32) + 1
}

#[inline]
fn unpack(packed: u32) -> (u32, Direction) {
    let packed = packed.wrapping_sub(1);
    let direction = if packed & 1 == 0 { Direction::Original } else { Direction::Reply };
    (packed >> 1, direction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Few home buckets, so that entries pass one another.
    fn hash_of(slot: u32, direction: Direction) -> u64 {
        let spread = u64::from(slot) * 2 + direction as u64;
        spread.wrapping_mul(0x9e37_79b9_7f4a_7c15) & !0x3f | u64::from(slot % 5)
    }

    #[test]
    fn a_bucket_is_one_cache_line() {
        let buckets = Buckets::new(64);
        assert_eq!(buckets.bucket(0).as_ptr().align_offset(64), 0);
        assert_eq!(buckets.bucket(64), buckets.bucket(0));
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), 0u32..1500), 1..4000)) {
            let mut index = Index::new();
            let mut map = HashMap::new();
            let direction = |slot: u32| Direction::ALL[slot as usize % 2];
            for (insert, slot) in steps {
                let (direction, present) = (direction(slot), map.contains_key(&slot));
                let hash = hash_of(slot, direction);
                if insert && !present {
                    index.insert(hash, slot, direction, hash_of);
                    map.insert(slot, ());
                } else if !insert {
                    index.remove(hash, slot, direction);
                    map.remove(&slot);
                }
                prop_assert_eq!(index.len, map.len());
            }
            for slot in 0..1500 {
                let hash = hash_of(slot, direction(slot));
                let found = index.find(hash, |other, _| other == slot);
                let wanted = map.contains_key(&slot).then_some((slot, direction(slot)));
                prop_assert_eq!(found, wanted);
            }
        }
    }

    #[test]
    fn everything_around_is_seen_while_it_grows() {
        let mut index = Index::new();
        for slot in 0..420 {
            index.insert(hash_of(slot, Direction::Original), slot, Direction::Original, hash_of);
        }
        assert!(index.old.is_some());
        let mut slots: Vec<u32> = index.around(0, usize::MAX).map(|(slot, _)| slot).collect();
        slots.sort_unstable();
        assert_eq!(slots, (0..420).collect::<Vec<u32>>());
    }
}
