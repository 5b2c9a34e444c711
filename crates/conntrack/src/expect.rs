//! The expectation table.
//!
//! Two expectations can only meet when destination, protocol and zone are equal. An expectation
//! with an exact source address is found by its hash with that address, any other (wide) one by
//! its hash without: a packet needs at most two searches, whatever the number of expectations,
//! because expectations under one hash that overlap refuse one another.
//!
//! ```text
//! matching lists   hash of (dst, dport, proto, zone, src) for exact ones, without src for wide
//! sharing lists    hash of (dst, dport, proto, zone): the exact ones a new wide one must not meet
//! holdings         by master and class, in order of age: limits, eviction, removal
//! ```

use crate::key::Hasher;
use crate::slab::Slab;
use crate::view::{Announcement, ExpectationView, Saved};
use crate::wheel::{Place, Wheel};
use crate::{ConnId, HelperId};
use kinwall_terms::expectation::{ExpectationFlags, Expected};
use kinwall_terms::{Family, L4Proto, Reason, Time, Tuple};
use std::net::IpAddr;

/// Most classes a helper has.
pub const CLASSES_MAX: usize = 4;
const HEADS_MIN: u32 = 256;
const HEADS_MAX: u32 = 1 << 20;

/// A handle of an expectation; stale handles are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpId {
    slot: u32,
    serial: u32,
}

/// What is to be expected, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// What the first packet of the child must look like.
    pub expected: Expected,
    /// Class within the helper, below [`CLASSES_MAX`].
    pub class: u8,
    /// Flags.
    pub flags: ExpectationFlags,
    /// How long it waits, in seconds.
    pub timeout_s: u32,
    /// Most expectations of this class a master may have: the oldest makes room. 0: no limit.
    pub class_limit: u8,
    /// The helper that announces it.
    pub helper: HelperId,
    /// The helper the child gets.
    pub child_helper: Option<HelperId>,
    /// Where it was announced.
    pub announced: Announcement,
    /// What was named before translation.
    pub saved: Option<Saved>,
    /// The same expectation of another master is no clash but [`Refusal::Already`].
    pub skip_master: bool,
}

/// Why an expectation was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another expectation would match the same packets (EBUSY).
    #[error("another expectation matches the same packets")]
    Clash,
    /// The same is expected already, in another class or by another master (EALREADY).
    #[error("the same is expected already")]
    Already,
    /// The table is full (EMFILE).
    #[error("the expectation table is full")]
    TableFull,
    /// The master is gone, or has no helper.
    #[error("the master is gone or has no helper")]
    NoMaster,
    /// Source, mask and destination are not of one family.
    #[error("source, mask and destination are not of one family")]
    MixedFamilies,
}

impl Refusal {
    /// The reason to count it under.
    pub fn reason(self) -> Reason {
        match self {
            Refusal::Clash | Refusal::Already => Reason::ExpectationClash,
            Refusal::TableFull => Reason::ExpectationTableFull,
            Refusal::NoMaster | Refusal::MixedFamilies => Reason::HelperRefused,
        }
    }
}

const NONE: u32 = u32::MAX;

/// Neighbours in a list.
#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    prev: u32,
}

const UNLINKED: Link = Link { next: NONE, prev: NONE };

/// The expectations a master has in one class, the newest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    head: u32,
    tail: u32,
    pub(crate) count: u32,
}

impl Default for Holding {
    fn default() -> Holding {
        Holding { head: NONE, tail: NONE, count: 0 }
    }
}

impl Holding {
    pub(crate) fn newest(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    pub(crate) fn oldest(&self) -> Option<u32> {
        (self.tail != NONE).then_some(self.tail)
    }
}

/// An expectation in the table.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Number in order of creation, from 1; 0 in a free slot.
    pub(crate) serial: u64,
    pub(crate) master: ConnId,
    pub(crate) master_serial: u64,
    pub(crate) zone: u16,
    pub(crate) request: Expectation,
    pub(crate) deadline: Time,
    /// The other one of its pair, that a match removes too.
    pub(crate) partner: Option<ExpId>,
    place: Place,
    match_hash: u64,
    sharing_hash: u64,
    matching: Link,
    sharing: Link,
    held: Link,
}

impl Default for Entry {
    fn default() -> Entry {
        let nobody = IpAddr::from([0, 0, 0, 0]);
        let span = kinwall_terms::expectation::Span { offset: 0, length: 0 };
        let request = Expectation {
            expected: Expected::new(None, None, nobody, 0, L4Proto(0)),
            class: 0,
            flags: ExpectationFlags::empty(),
            timeout_s: 0,
            class_limit: 0,
            helper: HelperId(0),
            child_helper: None,
            announced: Announcement { packet: 0, span },
            saved: None,
            skip_master: false,
        };
        Entry {
            serial: 0,
            master: ConnId::NONE,
            master_serial: 0,
            zone: 0,
            request,
            deadline: Time(0),
            partner: None,
            place: Place::default(),
            match_hash: 0,
            sharing_hash: 0,
            matching: UNLINKED,
            sharing: UNLINKED,
            held: UNLINKED,
        }
    }
}

/// What a new expectation meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Nothing,
    /// The same of the same master and class: to be replaced.
    Same(u32),
    Refused(Refusal),
}

/// The table.
#[derive(Debug)]
pub(crate) struct Expectations {
    entries: Slab<Entry>,
    /// First of each matching and of each sharing list.
    matching: Vec<u32>,
    sharing: Vec<u32>,
    /// How many are wide.
    wide: u32,
    wheel: Wheel,
    last_serial: u64,
}

impl Expectations {
    pub(crate) fn new(expect_max: u32) -> Expectations {
        let heads = heads(expect_max);
        Expectations {
            entries: Slab::new(),
            matching: vec![0; heads],
            sharing: vec![0; heads],
            wide: 0,
            wheel: Wheel::new(),
            last_serial: 0,
        }
    }

    /// Adapts the table to another limit.
    pub(crate) fn resize(&mut self, expect_max: u32) {
        let heads = heads(expect_max);
        if heads <= self.matching.len() {
            return;
        }
        self.matching = vec![0; heads];
        self.sharing = vec![0; heads];
        // In order of age, so that the newest comes first again.
        let mut slots: Vec<u32> = self.slots().collect();
        slots.sort_unstable_by_key(|&slot| self.entries[slot].serial);
        for slot in slots {
            self.link(slot);
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.entries.len()
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.entries.reached()).filter(|&slot| self.entries[slot].serial != 0)
    }

    pub(crate) fn entry(&self, slot: u32) -> &Entry {
        &self.entries[slot]
    }

    pub(crate) fn entry_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.entries[slot]
    }

    pub(crate) fn id(&self, slot: u32) -> ExpId {
        ExpId { slot, serial: self.entries[slot].serial as u32 }
    }

    /// The slot of an expectation that is still there.
    pub(crate) fn resolve(&self, id: ExpId) -> Option<u32> {
        let entry = self.entries.get(id.slot)?;
        (entry.serial != 0 && entry.serial as u32 == id.serial).then_some(id.slot)
    }

    pub(crate) fn view(&self, slot: u32) -> ExpectationView {
        let entry = &self.entries[slot];
        let request = &entry.request;
        ExpectationView {
            id: self.id(slot),
            serial: entry.serial,
            expected: request.expected,
            master: entry.master,
            master_serial: entry.master_serial,
            zone: entry.zone,
            class: request.class,
            flags: request.flags,
            deadline: entry.deadline,
            helper: request.helper,
            child_helper: request.child_helper,
            announced: request.announced,
            saved: request.saved,
        }
    }

    /// The expectation that `tuple` is the child of: active, not expired, the newest.
    pub(crate) fn find(&self, hasher: &Hasher, tuple: &Tuple, zone: u16, now: Time) -> Option<u32> {
        let is_it = |slot: &u32| {
            let entry = &self.entries[*slot];
            entry.zone == zone
                && entry.deadline > now
                && !entry.request.flags.contains(ExpectationFlags::INACTIVE)
                && meets(&entry.request.expected, tuple)
        };
        let exact = (self.len() > self.wide)
            .then(|| self.list(match_hash(hasher, tuple, zone, Some(tuple.src))).find(is_it));
        let wide =
            (self.wide > 0).then(|| self.list(match_hash(hasher, tuple, zone, None)).find(is_it));
        let found = [exact.flatten(), wide.flatten()].into_iter().flatten();
        found.max_by_key(|&slot| self.entries[slot].serial)
    }

    /// What stands in the way of `request`; expired expectations do not.
    pub(crate) fn meet(
        &self,
        hasher: &Hasher,
        request: &Expectation,
        master: ConnId,
        zone: u16,
        now: Time,
    ) -> Met {
        let tuple = &request.expected.tuple;
        let is_exact = is_exact(&request.expected);
        let exact = is_exact.then(|| self.list(match_hash(hasher, tuple, zone, Some(tuple.src))));
        let sharing = (!is_exact).then(|| self.sharing_list(sharing_hash(hasher, tuple, zone)));
        let wide = (self.wide > 0).then(|| self.list(match_hash(hasher, tuple, zone, None)));
        let exact = exact.into_iter().flatten().chain(sharing.into_iter().flatten());
        for slot in exact.chain(wide.into_iter().flatten()) {
            let entry = &self.entries[slot];
            if entry.zone != zone || entry.deadline <= now {
                continue;
            }
            let other = &entry.request;
            let is_ours = entry.master == master;
            if other.expected == request.expected && (is_ours || request.skip_master) {
                let same = is_ours && other.class == request.class;
                return if same { Met::Same(slot) } else { Met::Refused(Refusal::Already) };
            }
            if overlap(&other.expected, &request.expected) {
                return Met::Refused(Refusal::Clash);
            }
        }
        Met::Nothing
    }

    /// Adds an expectation to the table and to its master's holding.
    pub(crate) fn insert(
        &mut self,
        hasher: &Hasher,
        request: Expectation,
        (master, master_serial): (ConnId, u64),
        zone: u16,
        now: Time,
        holding: &mut Holding,
    ) -> u32 {
        let tuple = &request.expected.tuple;
        let src = is_exact(&request.expected).then_some(tuple.src);
        self.last_serial += 1;
        // A handle holds 32 bits of it, and 0 there means nothing.
        if self.last_serial as u32 == 0 {
            self.last_serial += 1;
        }
        let deadline = now.after_s(request.timeout_s);
        let slot = self.entries.insert(Entry {
            serial: self.last_serial,
            master,
            master_serial,
            zone,
            request,
            deadline,
            match_hash: match_hash(hasher, tuple, zone, src),
            sharing_hash: sharing_hash(hasher, tuple, zone),
            held: Link { next: holding.head, prev: NONE },
            ..Entry::default()
        });
        self.entries[slot].place = self.wheel.insert(slot, deadline, now);
        self.wide += u32::from(src.is_none());
        self.link(slot);
        match holding.head {
            NONE => holding.tail = slot,
            head => self.entries[head].held.prev = slot,
        }
        holding.head = slot;
        holding.count += 1;
        slot
    }

    /// Removes an expectation. `waits`: it is still in the wheel.
    pub(crate) fn remove(&mut self, slot: u32, holding: &mut Holding, waits: bool) {
        self.unlink(slot);
        let entry = self.entries.remove(slot);
        if waits {
            self.wheel.remove(slot, entry.place);
        }
        self.wide -= u32::from(!is_exact(&entry.request.expected));
        let Link { next, prev } = entry.held;
        match next {
            NONE => holding.tail = prev,
            next => self.entries[next].held.prev = prev,
        }
        match prev {
            NONE => holding.head = next,
            prev => self.entries[prev].held.next = next,
        }
        holding.count -= 1;
    }

    /// Moves the deadline.
    pub(crate) fn set_deadline(&mut self, slot: u32, deadline: Time, now: Time) {
        let entry = &mut self.entries[slot];
        entry.deadline = deadline;
        if self.wheel.is_late(entry.place, deadline) {
            self.wheel.remove(slot, entry.place);
            entry.place = self.wheel.insert(slot, deadline, now);
        }
    }

    /// The next expectation whose deadline has passed; it is no longer in the wheel. `budget`
    /// counts the slots looked at.
    pub(crate) fn pop_expired(&mut self, now: Time, budget: &mut usize) -> Option<u32> {
        while *budget > 0 {
            let slot = self.wheel.pop(now)?;
            *budget -= 1;
            let entry = &mut self.entries[slot];
            if entry.deadline <= now {
                return Some(slot);
            }
            entry.place = self.wheel.insert(slot, entry.deadline, now);
        }
        None
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.wheel.next_deadline()
    }

    /// From one expectation of a holding to the next older one.
    pub(crate) fn next_held(&self, slot: u32) -> Option<u32> {
        let next = self.entries[slot].held.next;
        (next != NONE).then_some(next)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.entries.memory_bytes()
            + self.wheel.memory_bytes()
            + (self.matching.capacity() + self.sharing.capacity()) * size_of::<u32>()
    }

    fn list(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let first = head(&self.matching, hash);
        std::iter::successors(first, |&slot| next(self.entries[slot].matching))
    }

    fn sharing_list(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let first = head(&self.sharing, hash);
        std::iter::successors(first, |&slot| next(self.entries[slot].sharing))
    }

    /// Puts an entry at the head of its lists.
    fn link(&mut self, slot: u32) {
        let Entry { match_hash, sharing_hash, request, .. } = &self.entries[slot];
        let (match_hash, sharing_hash) = (*match_hash, *sharing_hash);
        let is_exact = is_exact(&request.expected);
        let first = replace_head(&mut self.matching, match_hash, Some(slot));
        self.entries[slot].matching = Link { next: first.unwrap_or(NONE), prev: NONE };
        if let Some(first) = first {
            self.entries[first].matching.prev = slot;
        }
        if is_exact {
            let first = replace_head(&mut self.sharing, sharing_hash, Some(slot));
            self.entries[slot].sharing = Link { next: first.unwrap_or(NONE), prev: NONE };
            if let Some(first) = first {
                self.entries[first].sharing.prev = slot;
            }
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Entry { match_hash, sharing_hash, matching, sharing, ref request, .. } =
            self.entries[slot];
        let is_exact = is_exact(&request.expected);
        if matching.next != NONE {
            self.entries[matching.next].matching.prev = matching.prev;
        }
        if matching.prev != NONE {
            self.entries[matching.prev].matching.next = matching.next;
        } else {
            replace_head(&mut self.matching, match_hash, next(matching));
        }
        if !is_exact {
            return;
        }
        if sharing.next != NONE {
            self.entries[sharing.next].sharing.prev = sharing.prev;
        }
        if sharing.prev != NONE {
            self.entries[sharing.prev].sharing.next = sharing.next;
        } else {
            replace_head(&mut self.sharing, sharing_hash, next(sharing));
        }
    }
}

fn heads(expect_max: u32) -> usize {
    expect_max.clamp(HEADS_MIN, HEADS_MAX).next_power_of_two() as usize
}

/// Heads are kept as slot plus one: zero is an empty list.
fn head(heads: &[u32], hash: u64) -> Option<u32> {
    heads[hash as usize & (heads.len() - 1)].checked_sub(1)
}

fn replace_head(heads: &mut [u32], hash: u64, slot: Option<u32>) -> Option<u32> {
    let place = hash as usize & (heads.len() - 1);
    std::mem::replace(&mut heads[place], slot.map_or(0, |slot| slot + 1)).checked_sub(1)
}

fn next(link: Link) -> Option<u32> {
    (link.next != NONE).then_some(link.next)
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Whether the whole source address counts.
fn is_exact(expected: &Expected) -> bool {
    let mask = bits(expected.mask.address);
    match expected.tuple.family() {
        Family::Ipv4 => mask == u128::from(u32::MAX),
        Family::Ipv6 => mask == u128::MAX,
    }
}

/// Whether source, mask and destination are of one family.
pub(crate) fn is_of_one_family(expected: &Expected) -> bool {
    let family = expected.tuple.family();
    Family::of(expected.tuple.src) == family && Family::of(expected.mask.address) == family
}

/// Whether `tuple` is what is expected.
fn meets(expected: &Expected, tuple: &Tuple) -> bool {
    same_end(&expected.tuple, tuple)
        && same_source(&expected.tuple, tuple, bits(expected.mask.address), expected.mask.port)
}

/// Whether some packet could be the child of both: sources equal where both masks count.
fn overlap(a: &Expected, b: &Expected) -> bool {
    let address = bits(a.mask.address) & bits(b.mask.address);
    same_end(&a.tuple, &b.tuple)
        && same_source(&a.tuple, &b.tuple, address, a.mask.port & b.mask.port)
}

fn same_end(a: &Tuple, b: &Tuple) -> bool {
    (a.dst, a.dport, a.proto) == (b.dst, b.dport, b.proto)
}

fn same_source(a: &Tuple, b: &Tuple, address: u128, port: u16) -> bool {
    (bits(a.src) ^ bits(b.src)) & address == 0 && (a.sport ^ b.sport) & port == 0
}

/// The hash under which an expectation is found: with the source address when that is exact.
fn match_hash(hasher: &Hasher, tuple: &Tuple, zone: u16, src: Option<IpAddr>) -> u64 {
    hash(hasher, tuple, zone, src.map_or(0, bits), if src.is_some() { 1 } else { 2 })
}

fn sharing_hash(hasher: &Hasher, tuple: &Tuple, zone: u16) -> u64 {
    hash(hasher, tuple, zone, 0, 3)
}

fn hash(hasher: &Hasher, tuple: &Tuple, zone: u16, src: u128, kind: u8) -> u64 {
    let mut bytes = [0; 39];
    bytes[..16].copy_from_slice(&bits(tuple.dst).to_le_bytes());
    bytes[16..32].copy_from_slice(&src.to_le_bytes());
    bytes[32..34].copy_from_slice(&tuple.dport.to_le_bytes());
    bytes[34..36].copy_from_slice(&zone.to_le_bytes());
    bytes[36] = tuple.proto.0;
    bytes[37] = tuple.family().index() as u8;
    bytes[38] = kind;
    hasher.hash(&bytes)
}
