//! The index: from the hash of a tuple to the slot of its connection.
//!
//! ```text
//! one bucket, 64 bytes, one cache line:  10 tags of 16 bits | 10 slots of 32 bits | passed 32
//! one slot                               slot and direction, plus one; 0 is empty
//! ```
//!
//! Open addressing: an entry lives in the bucket its hash names, or in the next one with room.
//! The tag is 16 other bits of the hash, so that a record is read only when it is almost surely
//! the right one. `passed` counts the entries that wanted to be in this bucket or before it and
//! went further: where it is zero a search ends.
//!
//! Growth: at 80 % the index doubles. The new one comes zeroed from the system and is touched
//! only where it is used; each insertion carries one bucket over, and until that is done a
//! search looks in both. No insertion ever waits for a copy of the whole.

use kinwall_prefetch::prefetch;
use kinwall_terms::Direction;

const ENTRIES: usize = 10;
/// 32-bit words to a bucket.
const WORDS: usize = 16;
/// Where in a bucket the slots begin, behind the tags.
const SLOTS: usize = ENTRIES / 2;
/// Where in a bucket the entries that passed it are counted.
const PASSED: usize = SLOTS + ENTRIES;
const BUCKETS_MIN: usize = 2;

type Bucket = [u32; WORDS];

/// What a place in `words` that does not exist would hold.
const EMPTY: Bucket = [0; WORDS];

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

    /// Asks for the bucket that a search for `hash` begins in.
    #[inline]
    pub(crate) fn ask(&self, hash: u64) {
        prefetch(self.current.bucket(self.current.home(hash)));
    }

    /// The first entry with the right tag in the bucket that a search for `hash` begins in.
    #[inline]
    pub(crate) fn locate(&self, hash: u64) -> Option<(u32, Direction)> {
        let bucket = self.current.bucket(self.current.home(hash));
        let place = places(bucket, tag(hash)).next()?;
        Some(unpack(bucket[SLOTS + place]))
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
        // What passed this bucket stays counted: the search must go on to what is behind.
        for place in 0..ENTRIES {
            let packed = clear(bucket, place);
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
    fn bucket(&self, at: usize) -> &Bucket {
        let first = self.start + (at & self.mask) * WORDS;
        self.words.get(first..).and_then(<[u32]>::first_chunk).unwrap_or(&EMPTY)
    }

    #[inline]
    fn bucket_mut(&mut self, at: usize) -> &mut Bucket {
        let first = self.start + (at & self.mask) * WORDS;
        let found = self.words.get_mut(first..).and_then(<[u32]>::first_chunk_mut);
        found.expect("every bucket under the mask is there")
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
                let (slot, direction) = unpack(bucket[SLOTS + place]);
                if is_it(slot, direction) {
                    return Some((slot, direction));
                }
            }
            if bucket[PASSED] == 0 {
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
            if let Some(place) = (0..ENTRIES).find(|place| bucket[SLOTS + place] == 0) {
                bucket[place / 2] |= u32::from(tag(hash)) << (16 * (place % 2));
                bucket[SLOTS + place] = pack(slot, direction);
                return;
            }
            bucket[PASSED] += 1;
        }
    }

    fn remove(&mut self, hash: u64, slot: u32, direction: Direction) -> bool {
        let home = self.home(hash);
        let wanted = pack(slot, direction);
        for step in 0..=self.mask {
            let bucket = self.bucket_mut(home + step);
            if let Some(place) = (0..ENTRIES).find(|place| bucket[SLOTS + place] == wanted) {
                clear(bucket, place);
                // It had gone so many buckets beyond its own, and is no more.
                for step in 0..step {
                    self.bucket_mut(home + step)[PASSED] -= 1;
                }
                return true;
            }
            if bucket[PASSED] == 0 {
                return false;
            }
        }
        false
    }

    fn around(&self, hash: u64, count: usize) -> impl Iterator<Item = (u32, Direction)> + '_ {
        let home = self.home(hash);
        let slots = (0..count.min(self.len()))
            .flat_map(move |step| &self.bucket(home + step)[SLOTS..PASSED]);
        slots.filter(|packed| **packed != 0).map(|packed| unpack(*packed))
    }
}

/// Empties a place; what it held.
fn clear(bucket: &mut Bucket, place: usize) -> u32 {
    bucket[place / 2] &= !(0xffff << (16 * (place % 2)));
    std::mem::take(&mut bucket[SLOTS + place])
}

/// The places in a bucket that have this tag: four tags at a time, as the lanes of one word.
#[inline]
fn places(bucket: &Bucket, tag: u16) -> impl Iterator<Item = usize> + use<> {
    const ONES: u64 = 0x0001_0001_0001_0001;
    const LOW_BITS: u64 = 0x7fff * ONES;
    let pattern = u64::from(tag) * ONES;
    let lanes_with_tag = |lanes: u64| {
        // The top bit of a lane stays zero only where the whole lane is.
        let different = lanes ^ pattern;
        !(((different & LOW_BITS) + LOW_BITS) | different | LOW_BITS) >> 15
    };
    let &[a, b, c, d, e, ..] = bucket;
    let pair = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    let words = [pair(a, b), pair(c, d), u64::from(e)].map(lanes_with_tag);
    // One bit a place: the number of its word, and that of its lane 16 bits apart.
    let mut found = words[0] | words[1] << 1 | words[2] << 2;
    std::iter::from_fn(move || {
        if found == 0 {
            return None;
        }
        let bit = found.trailing_zeros() as usize;
        found &= found - 1;
        Some(4 * (bit % 16) + bit / 16)
    })
}

/// Never zero, so that no empty entry has it.
#[inline]
fn tag(hash: u64) -> u16 {
    (hash >> 48) as u16 | 1
}

/// Never zero.
#[inline]
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
        for slot in 0..520 {
            index.insert(hash_of(slot, Direction::Original), slot, Direction::Original, hash_of);
        }
        assert!(index.old.is_some());
        let mut slots: Vec<u32> = index.around(0, usize::MAX).map(|(slot, _)| slot).collect();
        slots.sort_unstable();
        assert_eq!(slots, (0..520).collect::<Vec<u32>>());
    }
}
