//! A table is copied: at once, or in steps between which packets pass.
//!
//! A copy in steps is no moment of the table. What ended after it was copied is in it, and what
//! began behind the place that was reached is not; [`TableSnapshot::settle`] takes out what then
//! cannot be together.

use crate::snapshot::{
    CallSnapshot, ConnectionSnapshot, ExpectationSnapshot, MasterSnapshot, TableSnapshot,
};
use crate::store::Slot;
use crate::{ConnId, ConnectionCursor, Conntrack, PolicyId};
use kinwall_terms::{Direction, Status, Time, Tuple};
use std::collections::{HashMap, HashSet};

/// A copy under way.
#[derive(Debug)]
pub struct Copying<S> {
    table: TableSnapshot<S>,
    next: ConnectionCursor,
}

impl<S> Copying<S> {
    /// A copy that begins now.
    pub fn new(now: Time) -> Copying<S> {
        Copying { table: TableSnapshot::empty(now), next: ConnectionCursor::default() }
    }
}

impl<S> TableSnapshot<S> {
    /// A table without anything in it.
    pub fn empty(taken: Time) -> TableSnapshot<S> {
        TableSnapshot {
            taken,
            last_serial: 0,
            last_expectation: 0,
            chance: 0,
            connections: Vec::new(),
            expectations: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// Makes of a copy that was taken in steps one that can be restored: of connections that share
    /// a tuple the youngest stays, and expectations and calls whose master is not there go.
    pub fn settle(&mut self) {
        self.connections.sort_unstable_by_key(|connection| connection.serial);
        let mut holders: HashMap<(Tuple, u16), u64> = HashMap::new();
        let keys = |connection: &ConnectionSnapshot<S>| {
            let zone = connection.zone;
            let reply = (connection.reply, zone.id_for(Direction::Reply));
            // One that is known by its answers alone shares the other tuple.
            match connection.status.contains(Status::NAT_CLASH) {
                true => [reply; 2],
                false => [(connection.original, zone.id_for(Direction::Original)), reply],
            }
        };
        for connection in &self.connections {
            holders.extend(keys(connection).map(|key| (key, connection.serial)));
        }
        self.connections.retain(|connection| {
            let holds = |key| holders.get(&key) == Some(&connection.serial);
            keys(connection).into_iter().all(holds)
        });
        drop(holders);
        let with_helper = self.connections.iter().filter(|connection| connection.helper.is_some());
        let masters: HashSet<u64> = with_helper.map(|connection| connection.serial).collect();
        self.expectations.retain(|expectation| masters.contains(&expectation.master));
        self.calls.retain(|call| masters.contains(&call.master));
    }
}

impl<H> Conntrack<H> {
    /// Copies the table, after everything that has expired was removed from it. `scratch` copies
    /// what a helper remembers.
    pub fn snapshot<S>(&mut self, now: Time, scratch: impl Fn(&H) -> S) -> TableSnapshot<S> {
        self.expire(now, usize::MAX);
        let mut copying = Copying::new(now);
        self.copy_on(&mut copying, now, usize::MAX, scratch);
        let mut table = self.copied(copying, now);
        table.connections.sort_unstable_by_key(|connection| connection.serial);
        table
    }

    /// Copies on, `budget` connections at most; whether all were seen.
    pub fn copy_on<S>(
        &self,
        copying: &mut Copying<S>,
        now: Time,
        budget: usize,
        scratch: impl Fn(&H) -> S,
    ) -> bool {
        let mut left = budget;
        for slot in self.stores.slots_from(copying.next.0) {
            if left == 0 {
                return false;
            }
            left -= 1;
            copying.next = ConnectionCursor(slot.next());
            if self.lives(slot) && !self.has_expired(slot, now) {
                let taken = copying.table.taken;
                let connection = self.connection_snapshot(slot, taken, &scratch);
                copying.table.connections.push(connection);
            }
        }
        true
    }

    /// The copy, with expectations and calls as they are now.
    pub fn copied<S>(&self, copying: Copying<S>, now: Time) -> TableSnapshot<S> {
        let mut table = copying.table;
        let is_there = |master: ConnId| self.resolve(master).is_some_and(|slot| self.lives(slot));
        let slots = self.expectations.slots().filter(|&slot| {
            let entry = self.expectations.entry(slot);
            entry.deadline > now && is_there(entry.master)
        });
        let expectations = slots.map(|slot| self.expectation_snapshot(slot, table.taken));
        table.expectations = expectations.collect();
        table.expectations.sort_unstable_by_key(|expectation| expectation.serial);
        let calls = self.keymap.calls().filter_map(|(master, rule, direction, tuple)| {
            let master = self.resolve(master).filter(|&slot| self.lives(slot))?;
            let master = self.stores.body(master).serial;
            Some(CallSnapshot { master, rule, direction, tuple })
        });
        table.calls = calls.collect();
        table.last_serial = self.last_serial;
        table.last_expectation = self.expectations.last_serial;
        table.chance = self.translations.chance();
        table
    }

    fn lives(&self, slot: Slot) -> bool {
        let body = self.stores.body(slot);
        body.is_confirmed() && !body.is_dying()
    }

    fn connection_snapshot<S>(
        &self,
        slot: Slot,
        taken: Time,
        scratch: impl Fn(&H) -> S,
    ) -> ConnectionSnapshot<S> {
        let body = self.stores.body(slot);
        let extra = self.extra(slot);
        ConnectionSnapshot {
            serial: body.serial,
            original: self.stores.tuple(slot, Direction::Original),
            reply: self.stores.tuple(slot, Direction::Reply),
            zone: self.zone(slot),
            status: body.status,
            state: body.state,
            left_ns: body.deadline.0.saturating_sub(taken.0),
            mark: body.mark,
            policy: body.policy.checked_sub(1).map(PolicyId),
            counters: self.stores.counters(slot),
            helper: extra.and_then(|extra| extra.helper),
            scratch: extra.and_then(|extra| extra.scratch.as_deref()).map(scratch),
            master: extra.and_then(|extra| extra.master).map(|master| MasterSnapshot {
                serial: master.serial,
                helper: master.helper,
                expectation: master.expectation,
                class: master.class,
                child_helper: master.child_helper,
                announced: master.announced,
                saved: master.saved,
            }),
            moved: extra.and_then(|extra| extra.moved.as_deref()).cloned(),
            masqueraded_by: self.translations.masqueraded.get(&slot).copied(),
        }
    }

    fn expectation_snapshot(&self, slot: u32, taken: Time) -> ExpectationSnapshot {
        let entry = self.expectations.entry(slot);
        let request = &entry.request;
        let partner = entry.partner.and_then(|partner| self.expectations.resolve(partner));
        ExpectationSnapshot {
            serial: entry.serial,
            master: entry.master_serial,
            expected: request.expected,
            class: request.class,
            flags: request.flags,
            left_ns: entry.deadline.0.saturating_sub(taken.0),
            timeout_s: request.timeout_s,
            class_limit: request.class_limit,
            helper: request.helper,
            child_helper: request.child_helper,
            announced: request.announced,
            announcer: request.announcer,
            saved: request.saved,
            skip_master: request.skip_master,
            partner: partner.map(|slot| self.expectations.entry(slot).serial),
        }
    }
}
