//! The lists of `recent`: addresses found by hash, in the order of their last update.

use super::{ENTRIES_MAX, LISTS_MAX, MOMENTS_MIN, Recent};
use crate::keyed::{Keyed, KeyedMap};
use crate::value::Network;
use kinwall_terms::{Family, Time};
use std::collections::VecDeque;
use std::net::IpAddr;

/// All lists.
#[derive(Debug, Default)]
pub struct Lists {
    lists: Vec<List>,
    pub(crate) key: Keyed,
}

/// One list. Entries are linked twice: by age, and with others of the same address, which differ
/// in their hop counts.
#[derive(Debug)]
pub(super) struct List {
    name: Box<str>,
    /// Which bits of an address count, for each family that asks.
    masks: [Option<IpAddr>; 2],
    entries: Vec<Entry>,
    /// Places in `entries` that are free.
    free: Vec<u32>,
    /// The first entry of each address.
    first: KeyedMap<IpAddr, u32>,
    /// Updated longest ago.
    oldest: u32,
    /// Updated last.
    newest: u32,
    moments_max: usize,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    /// 0 for not known.
    hops: u8,
    /// The last moments, the latest last.
    moments: VecDeque<Time>,
    older: u32,
    newer: u32,
    /// The next entry of the same address.
    next: u32,
}

/// No entry.
const NONE: u32 = u32::MAX;

impl Lists {
    /// The list of a rule, by its position, with room for what the rule asks. The first rule
    /// that names it makes it; beyond [`LISTS_MAX`] there is none.
    pub(crate) fn declare(&mut self, recent: &Recent) -> u32 {
        let found = self.lists.iter().position(|list| list.name == recent.name);
        let at = found.unwrap_or(self.lists.len());
        if at == self.lists.len() && at < LISTS_MAX {
            self.lists.push(List::new(recent.name.clone(), self.key));
        }
        if let Some(list) = self.lists.get_mut(at) {
            let hits = usize::try_from(recent.hits).unwrap_or(0).next_power_of_two();
            list.moments_max = list.moments_max.max(hits);
            list.masks[Family::of(recent.mask).index()].get_or_insert(recent.mask);
        }
        at as u32
    }

    pub(super) fn list(&mut self, at: u32) -> Option<&mut List> {
        self.lists.get_mut(at as usize)
    }
}

impl List {
    fn new(name: Box<str>, key: Keyed) -> List {
        List {
            name,
            masks: [None; 2],
            entries: Vec::new(),
            free: Vec::new(),
            first: KeyedMap::with_hasher(key),
            oldest: NONE,
            newest: NONE,
            moments_max: MOMENTS_MIN,
        }
    }

    /// The bits of an address that count.
    pub(super) fn masked(&self, address: IpAddr) -> IpAddr {
        match self.masks[Family::of(address).index()] {
            Some(mask) => Network::new(address, mask).address,
            None => address,
        }
    }

    /// The entry of an address; of several, the first whose hop count is the same, 0 being any.
    pub(super) fn find(&self, address: IpAddr, hops: u8) -> Option<u32> {
        let mut at = *self.first.get(&address)?;
        loop {
            let entry = self.entries.get(at as usize)?;
            if hops == 0 || entry.hops == 0 || entry.hops == hops {
                return Some(at);
            }
            at = entry.next;
        }
    }

    /// Adds an entry; the one updated longest ago makes way when the list is full.
    pub(super) fn add(&mut self, address: IpAddr, hops: u8, now: Time) {
        if self.entries.len() - self.free.len() >= ENTRIES_MAX {
            self.remove(self.oldest);
        }
        let mut moments = VecDeque::with_capacity(1);
        moments.push_back(now);
        let entry = Entry { address, hops, moments, older: NONE, newer: NONE, next: NONE };
        let at = match self.free.pop() {
            Some(at) => at,
            None => self.entries.len() as u32,
        };
        match self.entries.get_mut(at as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        match self.first.get(&address).copied() {
            None => _ = self.first.insert(address, at),
            Some(first) => {
                let last = self.last_of(first);
                self.entries[last as usize].next = at;
            }
        }
        self.make_newest(at);
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, at: u32) {
        let Some(entry) = self.entries.get_mut(at as usize) else { return };
        let (address, next) = (entry.address, entry.next);
        entry.moments = VecDeque::new();
        self.unlink(at);
        match self.first.get(&address).copied() {
            Some(first) if first == at && next == NONE => _ = self.first.remove(&address),
            Some(first) if first == at => _ = self.first.insert(address, next),
            Some(first) => {
                let mut before = first;
                while self.entries[before as usize].next != at {
                    before = self.entries[before as usize].next;
                }
                self.entries[before as usize].next = next;
            }
            None => {}
        }
        self.free.push(at);
    }

    /// Writes a moment down.
    pub(super) fn update(&mut self, at: u32, hops: u8, now: Time) {
        let Some(entry) = self.entries.get_mut(at as usize) else { return };
        if entry.moments.len() >= self.moments_max {
            entry.moments.pop_front();
        }
        entry.moments.push_back(now);
        entry.hops = hops;
        self.unlink(at);
        self.make_newest(at);
    }

    /// Whether at least `hits` moments (one, for 0) of an entry are not before `since`.
    pub(super) fn seen_since(&self, at: u32, since: Time, hits: u32) -> bool {
        let Some(entry) = self.entries.get(at as usize) else { return false };
        let wanted = usize::try_from(hits.max(1)).unwrap_or(usize::MAX);
        entry.moments.iter().rev().filter(|moment| **moment >= since).nth(wanted - 1).is_some()
    }

    /// Forgets the entry updated longest ago, when that was before `since`, unless it is `kept`;
    /// which it was.
    pub(super) fn reap(&mut self, since: Time, kept: Option<u32>) -> Option<u32> {
        let at = self.oldest;
        let last = *self.entries.get(at as usize)?.moments.back()?;
        if kept == Some(at) || last >= since {
            return None;
        }
        self.remove(at);
        Some(at)
    }

    fn last_of(&self, first: u32) -> u32 {
        let mut at = first;
        while let Some(entry) = self.entries.get(at as usize).filter(|entry| entry.next != NONE) {
            at = entry.next;
        }
        at
    }

    fn unlink(&mut self, at: u32) {
        let Entry { older, newer, .. } = self.entries[at as usize];
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
    }

    fn make_newest(&mut self, at: u32) {
        let newest = std::mem::replace(&mut self.newest, at);
        let entry = &mut self.entries[at as usize];
        (entry.older, entry.newer) = (newest, NONE);
        match self.entries.get_mut(newest as usize) {
            Some(entry) => entry.newer = at,
            None => self.oldest = at,
        }
    }
}
