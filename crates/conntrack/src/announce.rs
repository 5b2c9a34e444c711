//! Masters, their expectations and their children.

use crate::expect::{CLASSES_MAX, ExpId, Expectation, Met, Refusal, is_of_one_family};
use crate::store::Slot;
use crate::view::{ExpectationView, Master};
use crate::{ConnId, ConnectionEnd, Conntrack, Event, ExpectationEnd, HelperId};
use kinwall_terms::expectation::ExpectationFlags;
use kinwall_terms::{Time, Tuple, Zone};
use std::net::IpAddr;

/// How many expired expectations a full table collects before it refuses.
const COLLECT_WHEN_FULL: usize = 64;

impl<H> Conntrack<H> {
    /// Expects a child of `master`. In this order: the same one of the same class is replaced,
    /// an overlapping one refuses it, a full class drops its oldest, and a full table refuses.
    ///
    /// # Errors
    ///
    /// Why nothing is expected.
    pub fn expect(
        &mut self,
        now: Time,
        master: ConnId,
        request: Expectation,
    ) -> Result<ExpId, Refusal> {
        let expected = self.try_expect(now, master, request);
        match expected {
            Ok(_) => self.stats.expectations_created += 1,
            Err(_) => self.stats.expectations_refused += 1,
        }
        expected
    }

    fn try_expect(
        &mut self,
        now: Time,
        master: ConnId,
        request: Expectation,
    ) -> Result<ExpId, Refusal> {
        let slot = self.resolve(master).ok_or(Refusal::NoMaster)?;
        let has_helper = self.extra(slot).is_some_and(|extra| extra.helper.is_some());
        if self.stores.body(slot).is_dying() || !has_helper {
            return Err(Refusal::NoMaster);
        }
        if !is_of_one_family(&request.expected) {
            return Err(Refusal::MixedFamilies);
        }
        let zone = self.zone(slot).id;
        loop {
            match self.expectations.meet(self.stores.hasher(), &request, master, zone, now) {
                Met::Nothing => break,
                Met::Same(same) => self.end_expectation(same, ExpectationEnd::Replaced, true),
                Met::Refused(refusal, by) => {
                    if !self.end_expired_master(by, now) {
                        return Err(refusal);
                    }
                }
            }
        }
        self.make_room_in_class(slot, &request, now);
        if self.expectations.len() >= self.settings.expect_max {
            self.collect(now, COLLECT_WHEN_FULL);
        }
        if self.expectations.len() >= self.settings.expect_max {
            return Err(Refusal::TableFull);
        }
        let owner = (master, self.stores.body(slot).serial);
        let place = self.stores.body(slot).extra - 1;
        let holding = &mut self.extras[place].holdings[class_index(request.class)];
        let hasher = self.stores.hasher();
        let slot = self.expectations.insert(hasher, request, owner, zone, now, holding);
        if self.events.on {
            self.events.push(Event::ExpectationNew(self.expectations.view(slot)));
        }
        Ok(self.expectations.id(slot))
    }

    /// Drops a master's expired expectations of a full class or, when there are none, its oldest.
    fn make_room_in_class(&mut self, master: Slot, request: &Expectation, now: Time) {
        let class = class_index(request.class);
        let limit = u32::from(request.class_limit);
        let Some(holding) = self.extra(master).map(|extra| extra.holdings[class]) else { return };
        if limit == 0 || holding.count < limit {
            return;
        }
        let mut next = holding.newest();
        let mut left = holding.count;
        while let Some(slot) = next {
            next = self.expectations.next_held(slot);
            if self.expectations.entry(slot).deadline <= now {
                self.end_expectation(slot, ExpectationEnd::Timeout, true);
                left -= 1;
            }
        }
        let oldest = self.extra(master).and_then(|extra| extra.holdings[class].oldest());
        if let (true, Some(oldest)) = (left >= limit, oldest) {
            self.end_expectation(oldest, ExpectationEnd::Evicted, true);
        }
    }

    /// An expectation that is still in the table, expired ones included.
    pub fn expectation(&self, id: ExpId) -> Option<ExpectationView> {
        self.expectations.resolve(id).map(|slot| self.expectations.view(slot))
    }

    /// All expectations that have not expired, in no particular but a repeatable order.
    pub fn expectations(&self, now: Time) -> impl Iterator<Item = ExpectationView> + '_ {
        let views = self.expectations.slots().map(|slot| self.expectations.view(slot));
        views.filter(move |view| {
            let master = self.resolve(view.master);
            view.deadline > now && master.is_some_and(|master| !self.has_expired(master, now))
        })
    }

    /// The expectations of one master that have not expired, by class, the newest first.
    pub fn expectations_of(
        &self,
        master: ConnId,
        now: Time,
    ) -> impl Iterator<Item = ExpectationView> + '_ {
        let extra = self.resolve(master).and_then(|slot| self.extra(slot));
        let newest = extra.into_iter().flat_map(|extra| extra.holdings.iter());
        newest
            .flat_map(|holding| {
                std::iter::successors(holding.newest(), |&slot| self.expectations.next_held(slot))
            })
            .map(|slot| self.expectations.view(slot))
            .filter(move |view| view.deadline > now)
    }

    /// How many connections that are there a connection has announced.
    pub fn child_count(&self, master: ConnId) -> usize {
        let extra = self.resolve(master).and_then(|slot| self.extra(slot));
        let at = |place: u32| self.extras.get(place.checked_sub(1)?);
        let first = extra.and_then(|extra| at(extra.first_child));
        std::iter::successors(first, |child| at(child.next_sibling)).count()
    }

    /// How many expectations that have not expired `announcer` has announced, over all masters.
    pub fn expectation_count_from(&self, announcer: IpAddr, now: Time) -> usize {
        let announced = self.expectations.announced_by(self.stores.hasher(), announcer);
        announced.filter(|&slot| self.expectations.entry(slot).deadline > now).count()
    }

    /// The newest expectation that a packet with `tuple` in `zone` would fulfil, were it active.
    pub fn pending_expectation(
        &self,
        tuple: &Tuple,
        zone: Zone,
        now: Time,
    ) -> Option<ExpectationView> {
        let slot = self.expectations.find_pending(self.stores.hasher(), tuple, zone.id, now);
        slot.map(|slot| self.expectations.view(slot))
    }

    /// Takes an expectation back; false when it is gone already.
    pub fn remove_expectation(&mut self, id: ExpId) -> bool {
        let slot = self.expectations.resolve(id);
        if let Some(slot) = slot {
            self.end_expectation(slot, ExpectationEnd::Removed, true);
        }
        slot.is_some()
    }

    /// Takes back the expectation that a packet with `tuple` in `zone` would fulfil, whoever
    /// announced it; false when there is none.
    pub fn remove_expectation_of(&mut self, tuple: &Tuple, zone: Zone, now: Time) -> bool {
        let slot = self.expectations.find(self.stores.hasher(), tuple, zone.id, now);
        if let Some(slot) = slot {
            self.end_expectation(slot, ExpectationEnd::Removed, true);
        }
        slot.is_some()
    }

    /// Takes back a master's expectations of the classes that `of_class` holds for.
    pub fn remove_expectations(&mut self, master: ConnId, of_class: impl Fn(u8) -> bool) {
        if let Some(slot) = self.resolve(master) {
            self.remove_held(slot, of_class, ExpectationEnd::Removed);
        }
    }

    /// Takes back every expectation that `helper` announced, or has for a child.
    pub fn remove_expectations_of_helper(&mut self, helper: HelperId) {
        let slots: Vec<u32> = self
            .expectations
            .slots()
            .filter(|&slot| {
                let request = &self.expectations.entry(slot).request;
                request.helper == helper || request.child_helper == Some(helper)
            })
            .collect();
        for slot in slots {
            self.end_expectation(slot, ExpectationEnd::Removed, true);
        }
    }

    /// Lets an inactive expectation match from now on, for `timeout_s` seconds; an active one
    /// gets the new timeout. False when it is gone.
    pub fn activate(&mut self, id: ExpId, now: Time, timeout_s: u32) -> bool {
        let slot = self.expectations.resolve(id);
        if let Some(slot) = slot {
            self.expectations.entry_mut(slot).request.flags -= ExpectationFlags::INACTIVE;
            self.expectations.set_deadline(slot, now.after_s(timeout_s), now);
        }
        slot.is_some()
    }

    /// From now on a match of `one` removes `other`.
    pub fn removes(&mut self, one: ExpId, other: ExpId) {
        if let Some(slot) = self.expectations.resolve(one) {
            self.expectations.entry_mut(slot).partner = Some(other);
        }
    }

    /// The expectation that a packet without a connection fulfils, and its master. A one-shot
    /// one is used up, whatever becomes of the packet.
    pub(crate) fn take_expectation(
        &mut self,
        now: Time,
        tuple: &Tuple,
        zone: Zone,
    ) -> Option<(Slot, Master)> {
        if self.expectations.len() == 0 {
            return None;
        }
        let slot = loop {
            let slot = self.expectations.find(self.stores.hasher(), tuple, zone.id, now)?;
            if !self.end_expired_master(slot, now) {
                break slot;
            }
        };
        let entry = self.expectations.entry(slot);
        let (master_id, partner) = (entry.master, entry.partner);
        let request = entry.request;
        let master = self.resolve(master_id)?;
        let body = self.stores.body(master);
        if !body.is_confirmed() || body.is_dying() {
            return None;
        }
        let kept = Master {
            id: master_id,
            serial: body.serial,
            helper: self.extra(master).and_then(|extra| extra.helper),
            expectation: self.expectations.entry(slot).serial,
            class: request.class,
            child_helper: request.child_helper,
            announced: request.announced,
            saved: request.saved,
        };
        self.stats.expectations_matched += 1;
        if self.events.on {
            let view = self.expectations.view(slot);
            self.events.push(Event::ExpectationMatched(view, self.next_serial()));
        }
        if !request.flags.contains(ExpectationFlags::PERMANENT) {
            self.end_expectation(slot, ExpectationEnd::Matched, true);
        }
        if let Some(partner) = partner.and_then(|partner| self.expectations.resolve(partner)) {
            self.end_expectation(partner, ExpectationEnd::PairMatched, true);
        }
        Some((master, kept))
    }

    /// Binds a new connection to its master.
    pub(crate) fn adopt(&mut self, child: Slot, master: Slot, kept: Master) {
        self.extra_or_new(child).master = Some(kept);
        let place = self.stores.body(child).extra;
        let parent = self.extra_or_new(master);
        let first = std::mem::replace(&mut parent.first_child, place);
        self.extras[place - 1].next_sibling = first;
        if first != 0 {
            self.extras[first - 1].prev_sibling = place;
        }
    }

    /// Forgets which children a master has, and returns them.
    pub(crate) fn part_children(&mut self, master: Slot) -> Vec<Slot> {
        let Some(extra) = self.extra_mut(master) else { return Vec::new() };
        let mut next = std::mem::take(&mut extra.first_child);
        let mut children = Vec::new();
        while next != 0 {
            let child = &mut self.extras[next - 1];
            next = std::mem::take(&mut child.next_sibling);
            child.prev_sibling = 0;
            let id = child.connection;
            children.extend(self.resolve(id));
        }
        children
    }

    /// Takes a child out of its master's list.
    pub(crate) fn part_from_siblings(&mut self, child: Slot) {
        let place = self.stores.body(child).extra;
        let Some(extra) = self.extra_mut(child) else { return };
        let next = std::mem::take(&mut extra.next_sibling);
        let prev = std::mem::take(&mut extra.prev_sibling);
        let master = extra.master.map(|master| master.id);
        if next != 0 {
            self.extras[next - 1].prev_sibling = prev;
        }
        if prev != 0 {
            self.extras[prev - 1].next_sibling = next;
        } else if let Some(master) = master.and_then(|id| self.resolve(id)) {
            // The master's list may have been given up before.
            if let Some(parent) = self.extra_mut(master).filter(|p| p.first_child == place) {
                parent.first_child = next;
            }
        }
    }

    pub(crate) fn remove_held(
        &mut self,
        master: Slot,
        of_class: impl Fn(u8) -> bool,
        end: ExpectationEnd,
    ) {
        for class in 0..CLASSES_MAX {
            if !of_class(class as u8) {
                continue;
            }
            while let Some(slot) =
                self.extra(master).and_then(|extra| extra.holdings[class].oldest())
            {
                self.end_expectation(slot, end, true);
            }
        }
    }

    /// Ends the master of an expectation if it has expired, and the expectation with it.
    fn end_expired_master(&mut self, slot: u32, now: Time) -> bool {
        let master = self.resolve(self.expectations.entry(slot).master);
        let expired = master.filter(|&master| self.has_expired(master, now));
        if let Some(master) = expired {
            self.end(master, ConnectionEnd::Timeout);
        }
        expired.is_some()
    }

    /// Collects expectations that have expired.
    pub(crate) fn expire_expectations(&mut self, now: Time, budget: usize) -> usize {
        let mut left = budget;
        while let Some(slot) = self.expectations.pop_expired(now, &mut left) {
            self.end_expectation(slot, ExpectationEnd::Timeout, false);
        }
        left
    }

    /// Removes an expectation. `waits`: it is still in the wheel.
    fn end_expectation(&mut self, slot: u32, end: ExpectationEnd, waits: bool) {
        if self.events.on {
            self.events.push(Event::ExpectationDestroyed(self.expectations.view(slot), end));
        }
        let entry = self.expectations.entry(slot);
        let (master, class) = (entry.master, class_index(entry.request.class));
        let holding = self
            .resolve(master)
            .and_then(|master| self.stores.body(master).extra.checked_sub(1))
            .map(|place| &mut self.extras[place].holdings[class]);
        debug_assert!(holding.is_some(), "expectations do not outlive their master");
        if let Some(holding) = holding {
            self.expectations.remove(slot, holding, waits);
        }
    }
}

pub(crate) fn class_index(class: u8) -> usize {
    usize::from(class).min(CLASSES_MAX - 1)
}
