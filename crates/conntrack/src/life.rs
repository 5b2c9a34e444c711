//! The life of a connection after its first packet was tracked: confirmed or abandoned, and how
//! it ends.

use crate::proto::ProtoState;
use crate::store::{Probe, Slot};
use crate::table::CONNECTIONS_MAX;
use crate::{ConnId, ConnectionEnd, Conntrack, Event, ExpectationEnd};
use kinwall_terms::{Direction, EndsToo, Family, Reason, Status, Time, Tuple, Zone};

/// How many buckets a full table searches for a connection to drop.
const EARLY_DROP_BUCKETS: usize = 8;
/// How many connections it looks at, at most.
const EARLY_DROP_CANDIDATES: usize = 32;
/// How many expired connections a full table collects before it drops anything.
const COLLECT_WHEN_FULL: usize = 64;
/// How long a connection lives that is known in the reply direction only, in seconds.
const CLASH_TIMEOUT_S: u32 = 1;

impl<H> Conntrack<H> {
    /// The first packet survived: its connection becomes visible, and its timeout starts. To be
    /// called for packets in the original direction only; a connection that is already
    /// confirmed stays as it is. Returns the connection the packet belongs to from now on, which
    /// differs from `id` when another packet with the same tuples was faster.
    ///
    /// # Errors
    ///
    /// The packet must be dropped: another connection took one of the tuples in the meantime.
    /// The unconfirmed connection is then gone.
    pub fn confirm(&mut self, now: Time, id: ConnId) -> Result<ConnId, Reason> {
        let Some(slot) = self.resolve(id) else { return Ok(id) };
        let body = self.stores.body(slot);
        if body.is_confirmed() {
            return Ok(id);
        }
        if body.is_dying() {
            return Err(Reason::Clash);
        }
        let original = match self.opened.take() {
            Some((opened, probe)) if opened == id => probe,
            _ => self.stores.probe_of(slot, Direction::Original),
        };
        let probes = [original, self.stores.probe_of(slot, Direction::Reply)];
        let [original, reply] = Direction::ALL
            .map(|direction| self.holder(now, slot, direction, &probes[direction.index()]));
        if original.is_some() || reply.is_some() {
            return self.resolve_clash(now, slot, original, reply);
        }
        let lifetime = self.stores.body(slot).deadline.since(Time(0));
        for direction in Direction::ALL {
            self.stores.enter(slot, direction, &probes[direction.index()]);
        }
        self.begin(slot, now.after(lifetime), now);
        Ok(id)
    }

    /// The first packet did not survive: its connection never was. Connections that are already
    /// confirmed stay.
    pub fn abandon(&mut self, id: ConnId) {
        if let Some(slot) = self.resolve(id)
            && !self.stores.body(slot).is_confirmed()
        {
            self.forget(slot);
        }
    }

    /// Removes what has expired, looking at `budget` connections and expectations at most.
    /// Expired ones behave as absent in any case: this only gives back their memory and tells
    /// of their end. Returns whether everything due was seen.
    pub fn expire(&mut self, now: Time, budget: usize) -> bool {
        self.reap();
        let left = self.collect(now, budget);
        self.reap();
        left > 0
    }

    /// When [`Conntrack::expire`] has something to do next; `None`: nothing will expire.
    pub fn next_deadline(&self) -> Option<Time> {
        let deadlines = [self.stores.next_deadline(), self.expectations.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Ends what has expired; what a packet under way may ask about stays until the next one.
    /// Returns what is left of the budget.
    pub(crate) fn collect(&mut self, now: Time, budget: usize) -> usize {
        self.stores.ask_expired();
        let mut left = self.expire_expectations(now, budget);
        while let Some(slot) = self.stores.pop_expired(now, &mut left) {
            self.end(slot, ConnectionEnd::Timeout);
        }
        left
    }

    /// Whether a connection behaves as absent because its deadline has passed.
    pub(crate) fn has_expired(&self, slot: Slot, now: Time) -> bool {
        let body = self.stores.body(slot);
        body.is_confirmed() && body.deadline <= now
    }

    /// Frees what was removed while a packet could still ask about it.
    #[inline]
    pub(crate) fn reap(&mut self) {
        while let Some(slot) = self.dying.pop() {
            self.free(slot);
        }
    }

    /// Takes a connection out of the table. Its record stays until the next packet.
    #[inline(never)]
    pub(crate) fn end(&mut self, slot: Slot, end: ConnectionEnd) {
        // Children may have children of their own: a list, not a recursion.
        let mut children = self.end_one(slot, end);
        while let Some(child) = children.pop() {
            children.extend(self.end_one(child, ConnectionEnd::MasterEnded));
        }
    }

    /// Returns the children that must end with it.
    fn end_one(&mut self, slot: Slot, end: ConnectionEnd) -> Vec<Slot> {
        let body = self.stores.body(slot);
        if body.is_dying() {
            return Vec::new();
        }
        let was_confirmed = body.is_confirmed();
        if was_confirmed {
            self.stores.leave(slot);
            self.stats.count_ended(end);
        }
        self.stores.body_mut(slot).status |= Status::DYING;
        if was_confirmed && self.events.on {
            let view = self.view(slot);
            self.events.push(Event::ConnectionDestroyed(view, end));
        }
        self.dying.push(slot);
        let too = if was_confirmed { self.ends_too(slot) } else { EndsToo::Nothing };
        let children = self.let_go(slot);
        match too {
            EndsToo::Nothing => Vec::new(),
            EndsToo::Children => children,
            EndsToo::Holders(tuples) => {
                let zone = self.zone(slot);
                tuples.iter().filter_map(|tuple| self.holder_to_end(tuple, zone)).collect()
            }
        }
    }

    /// What its helper wants to end with a connection.
    fn ends_too(&self, slot: Slot) -> EndsToo {
        let scratch = self.extra(slot).and_then(|extra| extra.scratch.as_deref());
        let tuples = || Direction::ALL.map(|direction| self.stores.tuple(slot, direction));
        scratch.map_or(EndsToo::Nothing, |scratch| (self.ends_too)(scratch, &tuples()))
    }

    /// The connection that has `tuple`. Where there is none, the expectation of it ends here.
    fn holder_to_end(&mut self, tuple: &Tuple, zone: Zone) -> Option<Slot> {
        let found = self.find_tuple(tuple, zone).map(|(slot, _)| slot);
        if found.is_none() {
            // An expired one may go as well.
            self.remove_expectation_of(tuple, zone, Time(0));
        }
        found
    }

    /// Makes room for one more connection, whose original tuple hashes to `hash`.
    pub(crate) fn make_room(&mut self, now: Time, hash: u64, family: Family) -> bool {
        let limit = match self.settings.max {
            0 => CONNECTIONS_MAX,
            max => max.min(CONNECTIONS_MAX),
        };
        if self.stores.len() < limit {
            return true;
        }
        self.expire(now, COLLECT_WHEN_FULL);
        if self.stores.len() < limit {
            return true;
        }
        let Some(victim) = self.early_drop_victim(now, hash, family) else {
            return false;
        };
        self.end(victim, ConnectionEnd::EarlyDrop);
        self.reap();
        true
    }

    /// A connection near the new one's place that may go: one that is not ASSURED, or else one
    /// that is closing. (Linux removes closing ones in the background, a little later.)
    fn early_drop_victim(&self, now: Time, hash: u64, family: Family) -> Option<Slot> {
        let mut closing = None;
        let candidates = self.stores.around(hash, family, EARLY_DROP_BUCKETS);
        for slot in candidates.take(EARLY_DROP_CANDIDATES) {
            let body = self.stores.body(slot);
            if !body.status.contains(Status::ASSURED) || body.deadline <= now {
                return Some(slot);
            }
            if closing.is_none() && body.state.may_drop_early() {
                closing = Some(slot);
            }
        }
        closing
    }

    /// The connection in the table that has the tuple of `slot` in `direction`, which is that of
    /// `probe`. Zones are compared direction by direction: where they differ, so do the tables.
    fn holder(
        &mut self,
        now: Time,
        slot: Slot,
        direction: Direction,
        probe: &Probe,
    ) -> Option<Slot> {
        let [original, reply] = Direction::ALL.map(|direction| self.stores.zone(slot, direction));
        let only = (original != reply).then_some(direction);
        let (holder, _) = self.stores.find(probe, only)?;
        if self.stores.body(holder).deadline <= now {
            self.end(holder, ConnectionEnd::Timeout);
            return None;
        }
        Some(holder)
    }

    /// A connection that has entered the index is alive.
    fn begin(&mut self, slot: Slot, deadline: Time, now: Time) {
        self.stores.body_mut(slot).status |= Status::CONFIRMED;
        self.stores.set_deadline(slot, deadline, now);
        self.stats.confirmed += 1;
        if self.events.on {
            let view = self.view(slot);
            self.events.push(Event::ConnectionNew(view));
        }
    }

    /// Somebody else holds a tuple of an unconfirmed connection. Where its protocol allows it,
    /// the packet goes over to a connection with the same tuples, or, when only the original
    /// tuple is taken, its connection lives on for its answers alone, for a moment.
    fn resolve_clash(
        &mut self,
        now: Time,
        slot: Slot,
        original: Option<Slot>,
        reply: Option<Slot>,
    ) -> Result<ConnId, Reason> {
        if !self.stores.body(slot).state.allows_clash() {
            self.forget(slot);
            return Err(Reason::Clash);
        }
        let keys = |slot| Direction::ALL.map(|direction| self.stores.probe_of(slot, direction).key);
        let [own_original, own_reply] = keys(slot);
        let same = [original, reply].into_iter().flatten().find(|&other| {
            let [original, reply] = keys(other);
            (original == own_original && reply == own_reply)
                || (original == own_reply && reply == own_original)
        });
        match (same, reply) {
            (Some(winner), _) => {
                self.stats.clashes_resolved += 1;
                self.forget(slot);
                Ok(self.id(winner))
            }
            (None, None) => {
                self.stats.clashes_resolved += 1;
                self.stores.body_mut(slot).status |= Status::FIXED_TIMEOUT | Status::NAT_CLASH;
                let probe = self.stores.probe_of(slot, Direction::Reply);
                self.stores.enter(slot, Direction::Reply, &probe);
                self.begin(slot, now.after_s(CLASH_TIMEOUT_S), now);
                Ok(self.id(slot))
            }
            (None, Some(_)) => {
                self.forget(slot);
                Err(Reason::Clash)
            }
        }
    }

    /// Removes an unconfirmed connection, as if it had never been.
    fn forget(&mut self, slot: Slot) {
        if self.stores.body(slot).is_dying() {
            return;
        }
        self.let_go(slot);
        self.free(slot);
    }

    fn free(&mut self, slot: Slot) {
        self.unbind(slot);
        if let Some(extra) = self.stores.body(slot).extra.checked_sub(1) {
            self.extras.remove(extra);
        }
        self.stores.free(slot);
    }

    /// Undoes what binds a connection to others. Returns the children it had.
    fn let_go(&mut self, slot: Slot) -> Vec<Slot> {
        if self.stores.body(slot).extra == 0 {
            return Vec::new();
        }
        self.remove_held(slot, |_| true, ExpectationEnd::MasterEnded);
        self.keymap.remove(self.id(slot));
        let is_gre = matches!(self.stores.body(slot).state, ProtoState::Gre(_));
        let master = self.extra(slot).and_then(|extra| extra.master);
        if let (true, Some(master)) = (is_gre, master) {
            let tuples = Direction::ALL.map(|direction| self.stores.tuple(slot, direction));
            self.keymap.child_ended(master.id, &tuples);
        }
        self.part_from_siblings(slot);
        self.part_children(slot)
    }
}
