//! The stores: the records of all connections, one store a family, and their index and deadlines.
//!
//! A record is two cache lines for IPv4 and three for IPv6; the keys come first. What only few
//! connections have (a helper, a master) lies elsewhere, and what is not always counted
//! (packets and bytes) in a chunk of its own.

use crate::index::Index;
use crate::key::{AnyKey, Hasher, Key, Key4, Key6};
use crate::proto::ProtoState;
use crate::slab::{Chunks, Slab};
use crate::wheel::{Place, Wheel};
use kinwall_terms::ct::Counter;
use kinwall_terms::{Direction, Family, Status, Time, Tuple};

/// A slot of either store: the top bit is set for IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(u32);

impl Slot {
    const IPV6: u32 = 1 << 31;
    /// Never taken.
    pub(crate) const NONE: Slot = Slot(u32::MAX);

    #[inline]
    fn v4(slot: u32) -> Slot {
        Slot(slot)
    }

    #[inline]
    fn v6(slot: u32) -> Slot {
        Slot(slot | Slot::IPV6)
    }

    #[inline]
    pub(crate) fn family(self) -> Family {
        if self.0 & Slot::IPV6 == 0 { Family::Ipv4 } else { Family::Ipv6 }
    }

    #[inline]
    fn number(self) -> u32 {
        self.0 & !Slot::IPV6
    }

    /// The slot behind it.
    pub(crate) fn next(self) -> Slot {
        Slot(self.0.saturating_add(1))
    }

    #[cfg(test)]
    pub(crate) fn new(slot: u32) -> Slot {
        Slot(slot)
    }
}

bitflags::bitflags! {
    /// What is known of a record beside the connection's status.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Traits: u8 {
        /// It waits in the wheel.
        const WAITS = 1 << 0;
        /// Its packets are counted.
        const COUNTED = 1 << 1;
    }
}

/// All of a record but the keys.
#[derive(Debug)]
pub(crate) struct Body {
    /// When it expires; until confirmation, how long it will live, counted from zero.
    pub(crate) deadline: Time,
    /// Number in order of creation, from 1; 0 in a free slot.
    pub(crate) serial: u64,
    pub(crate) state: ProtoState,
    pub(crate) mark: u32,
    /// One more than the slot of what few connections have; 0 for nothing.
    pub(crate) extra: u32,
    pub(crate) status: Status,
    /// What the caller keeps with either direction.
    pub(crate) notes: [u16; 2],
    pub(crate) place: Place,
    pub(crate) traits: Traits,
    /// One more than the number of its timeout policy; 0 for the settings' timeouts.
    pub(crate) policy: u8,
}

impl Default for Body {
    fn default() -> Body {
        Body {
            deadline: Time(0),
            serial: 0,
            state: ProtoState::Generic,
            mark: 0,
            extra: 0,
            status: Status::empty(),
            notes: [0; 2],
            place: Place::default(),
            traits: Traits::empty(),
            policy: 0,
        }
    }
}

impl Body {
    #[inline]
    pub(crate) fn is_confirmed(&self) -> bool {
        self.status.contains(Status::CONFIRMED)
    }

    #[inline]
    pub(crate) fn is_dying(&self) -> bool {
        self.status.contains(Status::DYING)
    }

    /// Whether both its keys are in the index; false too where only one of them is.
    #[inline]
    fn is_in_index(&self) -> bool {
        let out = Status::DYING | Status::NAT_CLASH;
        self.status & (Status::CONFIRMED | out) == Status::CONFIRMED
    }

    /// Whether it has a helper, a master, expectations or children.
    #[inline]
    pub(crate) fn has_ties(&self) -> bool {
        self.extra != 0
    }

    #[inline]
    pub(crate) fn is_counted(&self) -> bool {
        self.traits.contains(Traits::COUNTED)
    }

    /// Moves the deadline of a confirmed connection to a later instant, which the wheel notices
    /// when the earlier one comes up; false, and nothing changes, where that is not all.
    #[inline]
    pub(crate) fn postpone(&mut self, deadline: Time) -> bool {
        let waits = self.is_confirmed() && self.traits.contains(Traits::WAITS);
        let is_later = deadline >= self.deadline && !self.status.contains(Status::FIXED_TIMEOUT);
        if waits && is_later {
            self.deadline = deadline;
        }
        waits && is_later
    }
}

/// Begins on a cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Record<K> {
    keys: [K; 2],
    body: Body,
}

/// What a packet is looked up by: its key and the hash of it, computed once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) key: AnyKey,
    pub(crate) hash: u64,
}

impl Probe {
    #[inline]
    pub(crate) fn new(key: AnyKey, hasher: &Hasher) -> Probe {
        Probe { key, hash: key.hash(hasher) }
    }
}

/// The connections of one family.
#[derive(Debug)]
struct Store<K> {
    records: Slab<Record<K>>,
    index: Index,
    wheel: Wheel,
    counters: Chunks<[Counter; 2]>,
}

impl<K: Key> Store<K> {
    fn new() -> Store<K> {
        Store {
            records: Slab::new(),
            index: Index::new(),
            wheel: Wheel::new(),
            counters: Chunks::new(),
        }
    }

    /// Where `key` is found, and in which direction; only in `only` when that is given.
    #[inline]
    fn find(&self, hash: u64, key: &K, only: Option<Direction>) -> Option<(u32, Direction)> {
        let found = self.index.find(hash, |slot, direction| {
            self.records[slot].keys[direction.index()] == *key
                && only.is_none_or(|only| only == direction)
        })?;
        // A connection of an end with itself has one key twice; its packets count as answers.
        match found {
            (slot, Direction::Original) if only.is_none() && self.is_mirror(slot) => {
                Some((slot, Direction::Reply))
            }
            found => Some(found),
        }
    }

    /// Whether the index leads from `key` to this slot and direction. When in doubt it says no.
    #[inline]
    fn is_at(&self, slot: u32, key: &K, direction: Direction) -> bool {
        self.records.get(slot).is_some_and(|Record { keys, body }| {
            keys[direction.index()] == *key
                && keys[direction.opposite().index()] != *key
                && body.is_in_index()
        })
    }

    #[inline]
    fn is_mirror(&self, slot: u32) -> bool {
        let [original, reply] = &self.records[slot].keys;
        original == reply
    }

    /// `hash` is that of the slot's key in `direction`.
    fn enter(&mut self, slot: u32, direction: Direction, hash: u64, hasher: &Hasher) {
        let records = &self.records;
        let hash_of = |slot, direction: Direction| {
            let record: &Record<K> = &records[slot];
            record.keys[direction.index()].hash(hasher)
        };
        self.index.insert(hash, slot, direction, hash_of);
    }

    fn leave(&mut self, slot: u32, hasher: &Hasher) {
        for direction in Direction::ALL {
            let hash = self.records[slot].keys[direction.index()].hash(hasher);
            self.index.remove(hash, slot, direction);
        }
    }

    /// Lets the slot's deadline be noticed in time.
    fn wait(&mut self, slot: u32, now: Time) {
        let body = &mut self.records[slot].body;
        if body.traits.contains(Traits::WAITS) {
            if !self.wheel.is_late(body.place, body.deadline) {
                return;
            }
            self.wheel.remove(slot, body.place);
        }
        body.place = self.wheel.insert(slot, body.deadline, now);
        body.traits |= Traits::WAITS;
    }

    fn stop_waiting(&mut self, slot: u32) {
        let body = &mut self.records[slot].body;
        if body.traits.contains(Traits::WAITS) {
            self.wheel.remove(slot, body.place);
            body.traits -= Traits::WAITS;
        }
    }

    /// The next slot whose deadline has passed. `budget` counts the slots looked at.
    fn pop_expired(&mut self, now: Time, budget: &mut usize) -> Option<u32> {
        while *budget > 0 {
            let slot = self.wheel.pop(now)?;
            *budget -= 1;
            let body = &mut self.records[slot].body;
            if body.deadline <= now {
                body.traits -= Traits::WAITS;
                return Some(slot);
            }
            body.place = self.wheel.insert(slot, body.deadline, now);
        }
        None
    }

    fn memory_bytes(&self) -> usize {
        self.records.memory_bytes()
            + self.index.memory_bytes()
            + self.wheel.memory_bytes()
            + self.counters.memory_bytes()
    }
}

/// The connections of both families.
#[derive(Debug)]
pub(crate) struct Stores {
    v4: Store<Key4>,
    v6: Store<Key6>,
    hasher: Hasher,
}

/// Does the same with the store of the slot's family.
macro_rules! in_store {
    ($self:ident, $slot:ident, |$store:ident, $number:ident| $body:expr) => {{
        let $number = $slot.number();
        match $slot.family() {
            Family::Ipv4 => {
                let $store = &$self.v4;
                $body
            }
            Family::Ipv6 => {
                let $store = &$self.v6;
                $body
            }
        }
    }};
    (mut $self:ident, $slot:ident, |$store:ident, $number:ident| $body:expr) => {{
        let $number = $slot.number();
        match $slot.family() {
            Family::Ipv4 => {
                let $store = &mut $self.v4;
                $body
            }
            Family::Ipv6 => {
                let $store = &mut $self.v6;
                $body
            }
        }
    }};
}

// Behind the macro that it uses.
mod ahead;

impl Stores {
    pub(crate) fn new(seed: u128) -> Stores {
        Stores { v4: Store::new(), v6: Store::new(), hasher: Hasher::new(seed) }
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Connections, unconfirmed and dying ones included.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.v4.records.len() + self.v6.records.len()
    }

    #[inline]
    pub(crate) fn probe(&self, key: AnyKey) -> Probe {
        Probe::new(key, &self.hasher)
    }

    /// The connection in the table that has the probe's tuple, and which of its two tuples that
    /// is; only as `only`, when that is given. Expired ones are found too.
    #[inline]
    pub(crate) fn find(&self, probe: &Probe, only: Option<Direction>) -> Option<(Slot, Direction)> {
        match &probe.key {
            AnyKey::V4(key) => {
                self.v4.find(probe.hash, key, only).map(|(slot, dir)| (Slot::v4(slot), dir))
            }
            AnyKey::V6(key) => {
                self.v6.find(probe.hash, key, only).map(|(slot, dir)| (Slot::v6(slot), dir))
            }
        }
    }

    /// The connection a search for `probe` would most likely find, by the index alone.
    #[inline]
    pub(crate) fn locate(&self, probe: &Probe) -> Option<(Slot, Direction)> {
        match &probe.key {
            AnyKey::V4(_) => {
                self.v4.index.locate(probe.hash).map(|(slot, dir)| (Slot::v4(slot), dir))
            }
            AnyKey::V6(_) => {
                self.v6.index.locate(probe.hash).map(|(slot, dir)| (Slot::v6(slot), dir))
            }
        }
    }

    /// Whether a search for `probe` ends at this slot and direction. When in doubt it says no.
    #[inline]
    pub(crate) fn is_at(&self, probe: &Probe, slot: Slot, direction: Direction) -> bool {
        match (&probe.key, slot.family()) {
            (AnyKey::V4(key), Family::Ipv4) => self.v4.is_at(slot.number(), key, direction),
            (AnyKey::V6(key), Family::Ipv6) => self.v6.is_at(slot.number(), key, direction),
            _ => false,
        }
    }

    /// Puts a connection in, not yet in the index. Both keys are of one family.
    pub(crate) fn insert(&mut self, original: AnyKey, reply: AnyKey, body: Body) -> Slot {
        match (original, reply) {
            (AnyKey::V4(original), AnyKey::V4(reply)) => {
                Slot::v4(self.v4.records.insert(Record { keys: [original, reply], body }))
            }
            (original, reply) => {
                let keys = [original.wide(), reply.wide()];
                Slot::v6(self.v6.records.insert(Record { keys, body }))
            }
        }
    }

    /// Frees the slot of a connection that is neither in the index nor in the wheel.
    pub(crate) fn free(&mut self, slot: Slot) {
        in_store!(mut self, slot, |store, number| {
            store.records.remove(number);
        });
    }

    /// `None` for a slot that was never taken; a free one has the serial 0.
    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&Body> {
        in_store!(self, slot, |store, number| store.records.get(number).map(|record| &record.body))
    }

    #[inline]
    pub(crate) fn body(&self, slot: Slot) -> &Body {
        in_store!(self, slot, |store, number| &store.records[number].body)
    }

    #[inline]
    pub(crate) fn body_mut(&mut self, slot: Slot) -> &mut Body {
        in_store!(mut self, slot, |store, number| &mut store.records[number].body)
    }

    pub(crate) fn tuple(&self, slot: Slot, direction: Direction) -> Tuple {
        in_store!(self, slot, |store, number| {
            store.records[number].keys[direction.index()].tuple()
        })
    }

    /// Zone id in force for `direction`.
    pub(crate) fn zone(&self, slot: Slot, direction: Direction) -> u16 {
        in_store!(self, slot, |store, number| {
            store.records[number].keys[direction.index()].zone()
        })
    }

    pub(crate) fn key(&self, slot: Slot, direction: Direction) -> AnyKey {
        let number = slot.number();
        match slot.family() {
            Family::Ipv4 => AnyKey::V4(self.v4.records[number].keys[direction.index()]),
            Family::Ipv6 => AnyKey::V6(self.v6.records[number].keys[direction.index()]),
        }
    }

    /// The probe for one of a connection's own tuples.
    pub(crate) fn probe_of(&self, slot: Slot, direction: Direction) -> Probe {
        self.probe(self.key(slot, direction))
    }

    /// Replaces the reply tuple of a connection that is not in the index; false, and nothing
    /// changes, when the family is another.
    pub(crate) fn set_reply(&mut self, slot: Slot, tuple: &Tuple) -> bool {
        let number = slot.number();
        let zone = self.zone(slot, Direction::Reply);
        let place = Direction::Reply.index();
        match (slot.family(), AnyKey::new(tuple, zone)) {
            (Family::Ipv4, AnyKey::V4(key)) => self.v4.records[number].keys[place] = key,
            (Family::Ipv6, AnyKey::V6(key)) => self.v6.records[number].keys[place] = key,
            _ => return false,
        }
        true
    }

    /// Lets packets in `direction` find the connection; `probe` is that of its key.
    pub(crate) fn enter(&mut self, slot: Slot, direction: Direction, probe: &Probe) {
        let hasher = self.hasher;
        in_store!(mut self, slot, |store, number| {
            store.enter(number, direction, probe.hash, &hasher);
        });
    }

    /// Takes the connection out of the index and the wheel.
    pub(crate) fn leave(&mut self, slot: Slot) {
        let hasher = self.hasher;
        in_store!(mut self, slot, |store, number| {
            store.leave(number, &hasher);
            store.stop_waiting(number);
        });
    }

    /// Moves the deadline of a confirmed connection.
    #[inline]
    pub(crate) fn set_deadline(&mut self, slot: Slot, deadline: Time, now: Time) {
        let body = self.body_mut(slot);
        if !body.postpone(deadline) {
            body.deadline = deadline;
            in_store!(mut self, slot, |store, number| store.wait(number, now));
        }
    }

    /// The next connection whose deadline has passed. `budget` counts the slots looked at.
    pub(crate) fn pop_expired(&mut self, now: Time, budget: &mut usize) -> Option<Slot> {
        match self.v4.pop_expired(now, budget) {
            Some(slot) => Some(Slot::v4(slot)),
            None => self.v6.pop_expired(now, budget).map(Slot::v6),
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        [self.v4.wheel.next_deadline(), self.v6.wheel.next_deadline()].into_iter().flatten().min()
    }

    /// Connections in `buckets` buckets from the one the hash names, of the family first.
    pub(crate) fn around(
        &self,
        hash: u64,
        family: Family,
        buckets: usize,
    ) -> impl Iterator<Item = Slot> + '_ {
        let slots = move |family| {
            let v4 = (family == Family::Ipv4)
                .then(|| self.v4.index.around(hash, buckets).map(|(slot, _)| Slot::v4(slot)));
            let v6 = (family == Family::Ipv6)
                .then(|| self.v6.index.around(hash, buckets).map(|(slot, _)| Slot::v6(slot)));
            v4.into_iter().flatten().chain(v6.into_iter().flatten())
        };
        let other = match family {
            Family::Ipv4 => Family::Ipv6,
            Family::Ipv6 => Family::Ipv4,
        };
        slots(family).chain(slots(other))
    }

    /// Every slot that is taken, IPv4 first, in order of slots.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.slots_from(Slot(0))
    }

    /// Every slot that is taken, from `first` on.
    pub(crate) fn slots_from(&self, first: Slot) -> impl Iterator<Item = Slot> + '_ {
        let (first4, first6) = match first.family() {
            Family::Ipv4 => (first.number(), 0),
            Family::Ipv6 => (u32::MAX, first.number()),
        };
        let v4 = (first4..self.v4.records.reached()).map(Slot::v4);
        let v6 = (first6..self.v6.records.reached()).map(Slot::v6);
        v4.chain(v6).filter(|&slot| self.body(slot).serial != 0)
    }

    /// Makes room for the counters of a connection.
    pub(crate) fn begin_counting(&mut self, slot: Slot) {
        self.body_mut(slot).traits |= Traits::COUNTED;
        in_store!(mut self, slot, |store, number| {
            store.counters.reach(number);
            store.counters[number] = Default::default();
        });
    }

    /// Counts a packet, if the connection's packets are counted.
    #[inline]
    pub(crate) fn count(&mut self, slot: Slot, direction: Direction, bytes: u32) {
        if self.body(slot).is_counted() {
            in_store!(mut self, slot, |store, number| {
                let counter = &mut store.counters[number][direction.index()];
                counter.packets += 1;
                counter.bytes += u64::from(bytes);
            });
        }
    }

    /// Replaces what was counted of a connection whose packets are counted.
    pub(crate) fn set_counters(&mut self, slot: Slot, counters: [Counter; 2]) {
        if self.body(slot).is_counted() {
            in_store!(mut self, slot, |store, number| store.counters[number] = counters);
        }
    }

    pub(crate) fn counters(&self, slot: Slot) -> Option<[Counter; 2]> {
        self.body(slot)
            .is_counted()
            .then(|| in_store!(self, slot, |store, number| store.counters[number]))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.v4.memory_bytes() + self.v6.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_whole_cache_lines() {
        assert_eq!(size_of::<Record<Key4>>(), 128);
        assert_eq!(size_of::<Record<Key6>>(), 192);
    }
}
