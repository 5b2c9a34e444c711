//! Storage in chunks: growth never moves what is already there, so it never stalls, and a
//! slot's number stays valid for as long as the slot is taken.

use std::ops::{Index, IndexMut};

/// Items to a chunk: few enough to be made in passing, many enough that the list of chunks stays
/// in the first-level cache.
const CHUNK_LENGTH: usize = 1024;

/// An array that grows by whole chunks.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Box<[T]>>,
}

impl<T: Default> Chunks<T> {
    pub(crate) fn new() -> Chunks<T> {
        Chunks { chunks: Vec::new() }
    }

    /// Makes `slot` valid.
    pub(crate) fn reach(&mut self, slot: u32) {
        while slot as usize >= self.chunks.len() * CHUNK_LENGTH {
            self.chunks.push((0..CHUNK_LENGTH).map(|_| T::default()).collect());
        }
    }

    /// `None` when `slot` was never reached.
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        let slot = slot as usize;
        self.chunks.get(slot / CHUNK_LENGTH)?.get(slot % CHUNK_LENGTH)
    }

    /// `None` when `slot` was never reached.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let slot = slot as usize;
        self.chunks.get_mut(slot / CHUNK_LENGTH)?.get_mut(slot % CHUNK_LENGTH)
    }

    /// Bytes of heap in use.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.chunks.len() * CHUNK_LENGTH * size_of::<T>()
            + self.chunks.capacity() * size_of::<Box<[T]>>()
    }
}

impl<T> Index<u32> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: u32) -> &T {
        &self.chunks[slot as usize / CHUNK_LENGTH][slot as usize % CHUNK_LENGTH]
    }
}

impl<T> IndexMut<u32> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        &mut self.chunks[slot as usize / CHUNK_LENGTH][slot as usize % CHUNK_LENGTH]
    }
}

/// Items with slot numbers that are given out and taken back. The slot freed last is given out
/// first, while it is still in the cache.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    items: Chunks<T>,
    free: Vec<u32>,
    /// Slots below this one were given out at least once.
    reached: u32,
}

impl<T: Default> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab { items: Chunks::new(), free: Vec::new(), reached: 0 }
    }

    /// Items in it.
    pub(crate) fn len(&self) -> u32 {
        self.reached - self.free.len() as u32
    }

    /// One past the highest slot that was ever given out.
    pub(crate) fn reached(&self) -> u32 {
        self.reached
    }

    /// Puts `item` in and says where.
    pub(crate) fn insert(&mut self, item: T) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.items.reach(self.reached);
            self.reached += 1;
            self.reached - 1
        });
        self.items[slot] = item;
        slot
    }

    /// Takes the item out; its slot holds the default again.
    pub(crate) fn remove(&mut self, slot: u32) -> T {
        self.free.push(slot);
        std::mem::take(&mut self.items[slot])
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.items.get(slot)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.items.get_mut(slot)
    }

    /// Bytes of heap in use.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.items.memory_bytes() + self.free.capacity() * size_of::<u32>()
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: u32) -> &T {
        &self.items[slot]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        &mut self.items[slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_reused_and_keep_their_numbers() {
        let mut slab = Slab::new();
        let slots: Vec<u32> = (0..600u64).map(|n| slab.insert(n + 1)).collect();
        assert_eq!(slots, (0..600).collect::<Vec<u32>>());
        assert_eq!(slab.remove(300), 301);
        assert_eq!((slab.len(), slab[300], slab[299]), (599, 0, 300));
        assert_eq!(slab.insert(7), 300);
        assert_eq!((slab.len(), slab.reached()), (600, 600));
        assert_eq!(slab.get(5000), None);
    }
}
