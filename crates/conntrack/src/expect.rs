//! The expectation table.
//!
//! Two expectations can only meet when destination, protocol and zone are equal. An expectation
//! with an exact source address is found by its hash with that address, any other (wide) one by
//! its hash without: a packet needs at most two searches, whatever the number of expectations,
//! because expectations under one hash that overlap refuse one another.
//!
//! ```text
//! matching    by dst, dport, proto, zone, and by src for exact ones: what a packet is looked up in
//! sharing     exact ones by dst, dport, proto, zone: what a new wide one must not overlap
//! announced   by the announcer's address: how many one peer has pending
//! holdings    by master and class, in order of age: limits, eviction, removal
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

/// The lists an expectation is in, each with a table of first members.
const MATCHING: usize = 0;
const SHARING: usize = 1;
const ANNOUNCED: usize = 2;
const LISTS: usize = 3;

/// A handle of an expectation; stale handles are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpId {
    slot: u32,
    serial: u32,
}

impl ExpId {
    /// A handle that was always stale.
    pub const NONE: ExpId = ExpId { slot: NONE, serial: 0 };
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
    /// Who announced it: the sender of that packet.
    pub announcer: IpAddr,
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
    /// The hash under which it stands in each list; `None` where it does not.
    hashes: [Option<u64>; LISTS],
    links: [Link; LISTS],
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
            announcer: nobody,
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
            hashes: [None; LISTS],
            links: [UNLINKED; LISTS],
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
    /// Refused by the expectation in this slot.
    Refused(Refusal, u32),
}

/// The table.
#[derive(Debug)]
pub(crate) struct Expectations {
    entries: Slab<Entry>,
    /// Slot plus one of the first member, by list and hash; 0 for none.
    heads: [Vec<u32>; LISTS],
    /// How many are wide.
    wide: u32,
    wheel: Wheel,
    pub(crate) last_serial: u64,
}

impl Expectations {
    pub(crate) fn new(expect_max: u32) -> Expectations {
        Expectations {
            entries: Slab::new(),
            heads: empty_heads(expect_max),
            wide: 0,
            wheel: Wheel::new(),
            last_serial: 0,
        }
    }

    /// Adapts the table to another limit.
    pub(crate) fn resize(&mut self, expect_max: u32) {
        let heads = empty_heads(expect_max);
        if heads[MATCHING].len() <= self.heads[MATCHING].len() {
            return;
        }
        self.heads = heads;
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
        self.newest(hasher, tuple, zone, |entry| {
            entry.deadline > now && !entry.request.flags.contains(ExpectationFlags::INACTIVE)
        })
    }

    /// The same, an inactive one included.
    pub(crate) fn find_pending(
        &self,
        hasher: &Hasher,
        tuple: &Tuple,
        zone: u16,
        now: Time,
    ) -> Option<u32> {
        self.newest(hasher, tuple, zone, |entry| entry.deadline > now)
    }

    fn newest(
        &self,
        hasher: &Hasher,
        tuple: &Tuple,
        zone: u16,
        counts: impl Fn(&Entry) -> bool,
    ) -> Option<u32> {
        let is_it = |slot: &u32| {
            let entry = &self.entries[*slot];
            entry.zone == zone && counts(entry) && meets(&entry.request.expected, tuple)
        };
        let exact = (self.len() > self.wide)
            .then(|| self.list(MATCHING, hash_exact(hasher, tuple, zone)).find(is_it));
        let wide = (self.wide > 0)
            .then(|| self.list(MATCHING, hash_wide(hasher, tuple, zone)).find(is_it));
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
        let exact = match is_exact {
            true => self.list(MATCHING, hash_exact(hasher, tuple, zone)),
            false => self.list(SHARING, hash_sharing(hasher, tuple, zone)),
        };
        let wide = (self.wide > 0).then(|| self.list(MATCHING, hash_wide(hasher, tuple, zone)));
        for slot in exact.chain(wide.into_iter().flatten()) {
            let entry = &self.entries[slot];
            if entry.zone != zone || entry.deadline <= now {
                continue;
            }
            let other = &entry.request;
            let is_ours = entry.master == master;
            if other.expected == request.expected && (is_ours || request.skip_master) {
                let same = is_ours && other.class == request.class;
                return if same { Met::Same(slot) } else { Met::Refused(Refusal::Already, slot) };
            }
            if overlap(&other.expected, &request.expected) {
                return Met::Refused(Refusal::Clash, slot);
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
        let is_exact = is_exact(&request.expected);
        let matching = match is_exact {
            true => hash_exact(hasher, tuple, zone),
            false => hash_wide(hasher, tuple, zone),
        };
        let sharing = is_exact.then(|| hash_sharing(hasher, tuple, zone));
        let announced = hash_announcer(hasher, request.announcer);
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
            hashes: [Some(matching), sharing, Some(announced)],
            held: Link { next: holding.head, prev: NONE },
            ..Entry::default()
        });
        self.entries[slot].place = self.wheel.insert(slot, deadline, now);
        self.wide += u32::from(!is_exact);
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

    /// The expectations that `announcer` has announced, on whatever connection.
    pub(crate) fn announced_by(
        &self,
        hasher: &Hasher,
        announcer: IpAddr,
    ) -> impl Iterator<Item = u32> + '_ {
        let list = self.list(ANNOUNCED, hash_announcer(hasher, announcer));
        list.filter(move |&slot| self.entries[slot].request.announcer == announcer)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let heads: usize = self.heads.iter().map(Vec::capacity).sum();
        self.entries.memory_bytes() + self.wheel.memory_bytes() + heads * size_of::<u32>()
    }

    /// The members that stand under `hash`, and others by chance, the newest first.
    fn list(&self, list: usize, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let heads = &self.heads[list];
        let first = heads[hash as usize & (heads.len() - 1)].checked_sub(1);
        std::iter::successors(first, move |&slot| some(self.entries[slot].links[list].next))
    }

    /// Puts an expectation at the head of its lists.
    fn link(&mut self, slot: u32) {
        for list in 0..LISTS {
            let Some(hash) = self.entries[slot].hashes[list] else { continue };
            let first = self.replace_head(list, hash, Some(slot));
            self.entries[slot].links[list] = Link { next: first.unwrap_or(NONE), prev: NONE };
            if let Some(first) = first {
                self.entries[first].links[list].prev = slot;
            }
        }
    }

    fn unlink(&mut self, slot: u32) {
        for list in 0..LISTS {
            let Some(hash) = self.entries[slot].hashes[list] else { continue };
            let Link { next, prev } = self.entries[slot].links[list];
            if next != NONE {
                self.entries[next].links[list].prev = prev;
            }
            if prev != NONE {
                self.entries[prev].links[list].next = next;
            } else {
                self.replace_head(list, hash, some(next));
            }
        }
    }

    fn replace_head(&mut self, list: usize, hash: u64, slot: Option<u32>) -> Option<u32> {
        let heads = &mut self.heads[list];
        let place = hash as usize & (heads.len() - 1);
        std::mem::replace(&mut heads[place], slot.map_or(0, |slot| slot + 1)).checked_sub(1)
    }
}

fn empty_heads(expect_max: u32) -> [Vec<u32>; LISTS] {
    let count = expect_max.clamp(HEADS_MIN, HEADS_MAX).next_power_of_two() as usize;
    std::array::from_fn(|_| vec![0; count])
}

fn some(slot: u32) -> Option<u32> {
    (slot != NONE).then_some(slot)
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

fn hash_exact(hasher: &Hasher, tuple: &Tuple, zone: u16) -> u64 {
    hash(hasher, tuple, zone, bits(tuple.src), 1)
}

fn hash_wide(hasher: &Hasher, tuple: &Tuple, zone: u16) -> u64 {
    hash(hasher, tuple, zone, 0, 2)
}

fn hash_sharing(hasher: &Hasher, tuple: &Tuple, zone: u16) -> u64 {
    hash(hasher, tuple, zone, 0, 3)
}

fn hash_announcer(hasher: &Hasher, announcer: IpAddr) -> u64 {
    let announcer = bits(announcer);
    hasher.hash([(announcer >> 64) as u64, announcer as u64])
}

fn hash(hasher: &Hasher, tuple: &Tuple, zone: u16, src: u128, kind: u64) -> u64 {
    let dst = bits(tuple.dst);
    let rest = u64::from(tuple.dport) << 48
        | u64::from(zone) << 32
        | u64::from(tuple.proto.0) << 16
        | (tuple.family().index() as u64) << 8
        | kind;
    hasher.hash([(dst >> 64) as u64, dst as u64, (src >> 64) as u64, src as u64, rest])
}
