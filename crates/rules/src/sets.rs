//! Named sets of addresses, networks, ports and so on, as ipset keeps them.
//!
//! [`Sets::read`] takes what `ipset save` writes. A set is asked with a [`Query`], which holds
//! what a packet offers for each dimension. Elements are found by hash; networks by trying the
//! prefix lengths the set has, the longest first, as Linux does, so that the most specific
//! element decides.
//!
//! Timeouts count from the first question. No set grows beyond its `maxelem`, and all together
//! not beyond [`ELEMENTS_MAX`].

mod change;
mod element;
mod members;
mod query;
mod read;
mod set;

use crate::keyed::Keyed;
use crate::targets::set::Element;
pub use change::Overview;
use kinwall_terms::{Family, Time};
pub use members::{MEMBERS_MAX, Member};
pub use query::Query;
pub use set::{Counts, Info};
use set::{Dimension, Entry, Extra, Life, Set};
use std::collections::BTreeMap;

/// The most elements of all sets together.
pub const ELEMENTS_MAX: usize = 4_000_000;
/// The most sets.
pub const SETS_MAX: usize = 65_536;

/// All sets, by name.
#[derive(Clone, Debug, Default)]
pub struct Sets {
    names: BTreeMap<Box<str>, u32>,
    sets: Vec<Set>,
    /// Elements of all sets.
    count: usize,
    /// When the sets were first asked: timeouts count from there.
    started: Option<Time>,
}

/// Why a set is asked in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The set has more dimensions than the rule names sides.
    Dimensions {
        /// Of the set.
        has: usize,
        /// By the rule.
        named: usize,
    },
    /// The set holds addresses of this family, the other than the rule's.
    Family(Family),
}

/// What is asked of the element beside its being there.
#[derive(Clone, Copy, Default)]
pub struct Ask<'a> {
    /// Whether it is exceptions (`nomatch`) that match, in sets of networks.
    pub exceptions: bool,
    /// Whether the element's counters stay as they are.
    pub keep_counters: bool,
    /// Whether the counters of the sets in a list of sets stay as they are.
    pub keep_subcounters: bool,
    /// What the counters must be, this packet included; not asked of sets without counters.
    pub counters: Option<&'a dyn Fn(Counts) -> bool>,
}

impl Sets {
    /// With elements that are found under this key.
    pub(crate) fn keyed(mut self, key: Keyed) -> Sets {
        self.sets.iter_mut().for_each(|set| set.rekey(key));
        self
    }

    /// Whether there is a set of that name.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The number of the set of that name.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    /// The names of all sets, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|name| &**name)
    }

    /// Why packets of `family` never fall into the set that `element` names; `None` when they
    /// may, or there is no such set.
    pub fn misfit(&self, element: &Element, family: Family) -> Option<Misfit> {
        let set = self.sets.get(self.index(&element.set)? as usize)?;
        let (has, named) = (set.kind.dimensions.len(), element.sides.len());
        if named < has {
            return Some(Misfit::Dimensions { has, named });
        }
        set.family.filter(|of| *of != family).map(Misfit::Family)
    }

    /// Whether the packet is in set number `at`, and what its element gives to packets. `None`:
    /// there is no such set, or what would tell is not known of the packet.
    pub fn test(&mut self, at: u32, query: &Query<'_>, ask: &Ask<'_>) -> Option<Option<Info>> {
        let started = *self.started.get_or_insert(query.now);
        let list = self.sets.get(at as usize)?;
        if !list.kind.is_list() {
            return self.sets.get_mut(at as usize)?.test(query, ask, started);
        }
        if !list.fits(query) {
            return Some(None);
        }
        // Of the sets in a list the counters are not compared.
        let keep_counters = ask.keep_counters || ask.keep_subcounters;
        let inner = Ask { counters: None, keep_counters, ..*ask };
        let mut unknown = false;
        for number in 0..list.members.len() {
            let (member, entry) = self.sets.get(at as usize)?.members.get(number)?;
            let (member, is_live) = (*member, entry.is_live(query.now, started));
            match self.sets.get_mut(member as usize)?.test(query, &inner, started) {
                Some(Some(_)) if is_live => {
                    let list = self.sets.get_mut(at as usize)?;
                    let (counts, (_, entry)) = (list.counts, list.members.get_mut(number)?);
                    if accepts(entry, counts, query, ask) {
                        return Some(Some(info_of(entry)));
                    }
                }
                Some(_) => {}
                None => unknown = true,
            }
        }
        (!unknown).then_some(None)
    }

    /// Adds the packet's element. One that is there already is replaced only if `again`. Of a list
    /// of sets the first that takes it.
    pub fn add(&mut self, at: u32, query: &Query<'_>, timeout_s: Option<u32>, again: bool) {
        let started = *self.started.get_or_insert(query.now);
        for number in 0.. {
            let Some(at) = self.nth(at, number) else { return };
            let room = self.count < ELEMENTS_MAX;
            let Some(set) = self.sets.get_mut(at as usize) else { return };
            if !set.fits(query) {
                continue;
            }
            let before = set.elements.len();
            let taken = set.add(query, timeout_s, again, started, room);
            self.count = self.count + set.elements.len() - before;
            if taken {
                return;
            }
        }
    }

    /// Takes the packet's element away; of a list of sets from the first that has it.
    pub fn remove(&mut self, at: u32, query: &Query<'_>) {
        let started = *self.started.get_or_insert(query.now);
        for number in 0.. {
            let Some(at) = self.nth(at, number) else { return };
            let Some(set) = self.sets.get_mut(at as usize) else { return };
            let key = set.key_to_add(query).filter(|_| set.fits(query)).map(|found| found.0);
            let live = |entry: &Entry| entry.is_live(query.now, started);
            if let Some(key) = key.filter(|key| set.elements.get(key).is_some_and(live)) {
                set.remove(&key);
                self.count -= 1;
                return;
            }
        }
    }

    /// The set itself, or one of the sets of a list.
    fn nth(&self, at: u32, number: usize) -> Option<u32> {
        match self.sets.get(at as usize) {
            Some(list) if list.kind.is_list() => list.members.get(number).map(|member| member.0),
            _ => (number == 0).then_some(at),
        }
    }
}

impl Set {
    fn test(&mut self, query: &Query<'_>, ask: &Ask<'_>, started: Time) -> Option<Option<Info>> {
        if !self.fits(query) {
            return Some(None);
        }
        let learns = self.kind.dimensions.ends_with(&[Dimension::MacToLearn]);
        let mac = query.side(1).map(|side| query.macs[side]);
        let (counts, exceptions) = (self.counts, self.kind.has_exceptions() && ask.exceptions);
        let mut found = None;
        let mut unknown = false;
        self.look_up(query, &mut |entry: &mut Entry| {
            if learns {
                match mac {
                    Some(query::Offer::Known(mac)) if entry.learns(mac) => {}
                    Some(query::Offer::Unknown) => {
                        unknown = true;
                        return true;
                    }
                    _ => return true,
                }
            }
            if !entry.is_live(query.now, started) || !accepts(entry, counts, query, ask) {
                return false;
            }
            found = (entry.exception == exceptions).then(|| info_of(entry));
            true
        })?;
        (!unknown).then_some(found)
    }

    /// Adds the packet's element; whether it is new, or was replaced.
    fn add(
        &mut self,
        query: &Query<'_>,
        timeout_s: Option<u32>,
        again: bool,
        started: Time,
        room: bool,
    ) -> bool {
        let Some((key, mac)) = self.key_to_add(query) else { return false };
        let inside = |(first, last): (u128, u128)| match self.kind.dimensions {
            [Dimension::BarePort] => (first..=last).contains(&u128::from(key.port)),
            _ => (first..=last).contains(&key.addresses[0]),
        };
        if !self.range.is_none_or(inside) {
            return false;
        }
        let known = self.elements.get(&key);
        if known.is_some_and(|entry| entry.is_live(query.now, started)) && !again {
            return false;
        }
        if known.is_none() && self.elements.len() >= self.max {
            self.remove_dead(query.now, started);
            let other = self.elements.keys().next().copied().filter(|_| self.makes_way);
            if let Some(other) = other.filter(|_| self.elements.len() >= self.max) {
                self.remove(&other);
            }
        }
        let is_new = !self.elements.contains_key(&key);
        if is_new && (self.elements.len() >= self.max || !room) {
            return false;
        }
        let mut entry = Entry::default();
        let timeout_s = timeout_s.or(self.timeout_s).filter(|s| *s > 0 && self.timeout_s.is_some());
        if let Some(seconds) = timeout_s {
            entry.life = Life::Until(query.now.after_s(seconds));
        }
        if self.counts {
            entry.extra_mut().counts = Counts { packets: 1, bytes: query.length };
        }
        if mac.is_some() {
            entry.extra_mut().mac = mac;
        }
        self.insert(key, entry);
        true
    }
}

impl Entry {
    /// Whether the link-layer address is the element's; one without takes it.
    fn learns(&mut self, mac: [u8; 6]) -> bool {
        let mac = set::mac_number(mac);
        mac != 0 && *self.extra_mut().mac.get_or_insert(mac) == mac
    }
}

/// Counts the packet, and compares the counters.
fn accepts(entry: &mut Entry, counts: bool, query: &Query<'_>, ask: &Ask<'_>) -> bool {
    if !counts {
        return true;
    }
    let Extra { counts, .. } = entry.extra_mut();
    if !ask.keep_counters {
        counts.packets = counts.packets.saturating_add(1);
        counts.bytes = counts.bytes.saturating_add(query.length);
    }
    ask.counters.is_none_or(|holds| holds(*counts))
}

fn info_of(entry: &Entry) -> Info {
    entry.extra.as_ref().map(|extra| extra.info).unwrap_or_default()
}

#[cfg(test)]
mod tests;
