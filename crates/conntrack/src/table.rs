//! The connection table: handles, what is known of a connection, and what may be changed.

use crate::events::Events;
use crate::expect::{CLASSES_MAX, Expectations, Holding};
use crate::key::AnyKey;
use crate::keymap::Keymap;
use crate::proto::{ProtoState, Timeouts, tcp::TcpState};
use crate::sequence::Moved;
use crate::settings::{SettingError, Settings};
use crate::slab::Slab;
use crate::store::{Body, Probe, Slot, Stores};
use crate::translate::Translations;
use crate::view::{Master, Summary, View};
use crate::{Changes, ConnectionEnd, Event, KeymapTaken, Stats};
use kinwall_terms::ct::{CtFacts, Listed};
use kinwall_terms::{Direction, EndsToo, KeymapRule, Status, Time, Tuple, Zone, ZoneScope};
use serde::{Deserialize, Serialize};

/// Most connections, whatever `nf_conntrack_max` says: 3 GiB of IPv4 connections.
pub const CONNECTIONS_MAX: u32 = 1 << 24;

/// Most timeout policies.
pub const POLICIES_MAX: usize = u8::MAX as usize;

/// A place in the list of connections; the default is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCursor(pub(crate) Slot);

/// A handle of a connection; stale handles are recognised, and everything asked of one is
/// answered as if the connection had never been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    slot: Slot,
    /// The low half of the connection's serial number, never 0.
    serial: u32,
}

impl ConnId {
    #[cfg(test)]
    pub(crate) fn new(slot: u32, serial: u32) -> ConnId {
        ConnId { slot: Slot::new(slot), serial }
    }

    pub(crate) fn of(slot: Slot, serial: u64) -> ConnId {
        ConnId { slot, serial: serial as u32 }
    }

    /// A handle that was always stale.
    pub const NONE: ConnId = ConnId { slot: Slot::NONE, serial: 0 };
}

/// The number of a helper in the caller's list of helpers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HelperId(pub u8);

/// The number of a timeout policy (`CT --timeout`), from [`Conntrack::add_timeout_policy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PolicyId(pub(crate) u8);

/// What only few connections have: a helper, a master, expectations, children.
#[derive(Debug)]
pub(crate) struct Extra<H> {
    pub(crate) connection: ConnId,
    pub(crate) helper: Option<HelperId>,
    pub(crate) scratch: Option<Box<H>>,
    pub(crate) master: Option<Master>,
    /// How far its sequence numbers are moved.
    pub(crate) moved: Option<Box<[Moved; 2]>>,
    pub(crate) holdings: [Holding; CLASSES_MAX],
    /// One more than the slot of the first child's extra; 0 for none. Likewise the neighbours
    /// among its master's children.
    pub(crate) first_child: u32,
    pub(crate) next_sibling: u32,
    pub(crate) prev_sibling: u32,
}

impl<H> Default for Extra<H> {
    fn default() -> Extra<H> {
        Extra {
            connection: ConnId::NONE,
            helper: None,
            scratch: None,
            master: None,
            moved: None,
            holdings: Default::default(),
            first_child: 0,
            next_sibling: 0,
            prev_sibling: 0,
        }
    }
}

/// Connections and expectations. `H` is what a helper remembers of one connection.
#[derive(Debug)]
pub struct Conntrack<H> {
    pub(crate) settings: Settings,
    pub(crate) stores: Stores,
    pub(crate) extras: Slab<Extra<H>>,
    pub(crate) expectations: Expectations,
    pub(crate) keymap: Keymap,
    pub(crate) translations: Translations,
    pub(crate) policies: Vec<Timeouts>,
    pub(crate) events: Events,
    pub(crate) stats: Stats,
    pub(crate) last_serial: u64,
    /// What ends with a connection that has a helper.
    pub(crate) ends_too: fn(&H, &[Tuple; 2]) -> EndsToo,
    /// The connection begun last, with the probe for its original tuple: most are confirmed
    /// before the next one begins.
    pub(crate) opened: Option<(ConnId, Probe)>,
    /// Out of the table, but the packet that is under way may still ask about them.
    pub(crate) dying: Vec<Slot>,
}

impl<H> Conntrack<H> {
    /// An empty table. `seed` keys its hashes: a secret where senders are hostile, any constant
    /// where answers must be repeatable.
    pub fn new(settings: Settings, seed: u128) -> Conntrack<H> {
        let expectations = Expectations::new(settings.expect_max);
        Conntrack {
            settings,
            stores: Stores::new(seed),
            extras: Slab::new(),
            expectations,
            keymap: Keymap::default(),
            translations: Translations::new(seed),
            ends_too: |_, _| EndsToo::Nothing,
            policies: Vec::new(),
            events: Events::default(),
            stats: Stats::default(),
            last_serial: 0,
            opened: None,
            dying: Vec::new(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes a setting by its sysctl name, from the next packet on.
    ///
    /// # Errors
    ///
    /// As [`Settings::set`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        self.settings.set(name, value)?;
        self.expectations.resize(self.settings.expect_max);
        Ok(())
    }

    /// Adds a named set of timeouts that templates may ask for; `None` when there are
    /// [`POLICIES_MAX`] already. Policies stay.
    pub fn add_timeout_policy(&mut self, timeouts: Timeouts) -> Option<PolicyId> {
        if self.policies.len() == POLICIES_MAX {
            return None;
        }
        self.policies.push(timeouts);
        Some(PolicyId(self.policies.len() as u8 - 1))
    }

    /// Switches events on or off; off at first.
    pub fn set_events(&mut self, on: bool) {
        self.events.on = on;
    }

    /// Whether there are events to drain.
    pub fn has_events(&self) -> bool {
        self.events.has_some()
    }

    /// Takes what happened since the last call, in order.
    pub fn drain_events(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.events.drain()
    }

    /// Counters since the beginning.
    pub fn stats(&self) -> Stats {
        self.stats.clone().with_events_lost(self.events.lost)
    }

    /// Expectations ever made: one of [`Conntrack::stats`].
    #[inline]
    pub fn expectations_created(&self) -> u64 {
        self.stats.expectations_created
    }

    /// Connections, unconfirmed ones included: `nf_conntrack_count`.
    pub fn count(&self) -> u32 {
        self.stores.len() - self.dying.len() as u32
    }

    /// Expectations.
    pub fn expectation_count(&self) -> u32 {
        self.expectations.len()
    }

    /// Bytes of memory all tables take together, not counting helpers' scratch behind `H`.
    pub fn memory_bytes(&self) -> usize {
        self.stores.memory_bytes()
            + self.extras.memory_bytes()
            + self.expectations.memory_bytes()
            + self.events.memory_bytes()
            + self.keymap.len() * 128
            + self.translations.memory_bytes()
            + self.dying.capacity() * size_of::<Slot>()
    }

    /// A connection, confirmed or not; one that was just removed is known until the next packet.
    pub fn connection(&self, id: ConnId) -> Option<View> {
        self.resolve(id).map(|slot| self.view(slot))
    }

    /// The same without tuples, state, deadline and counters.
    pub fn summary(&self, id: ConnId) -> Option<Summary> {
        let slot = self.resolve(id)?;
        let body = self.stores.body(slot);
        let extra = self.extra(slot);
        Some(Summary {
            serial: body.serial,
            status: body.status,
            mark: body.mark,
            helper: extra.and_then(|extra| extra.helper),
            master: extra.and_then(|extra| extra.master),
        })
    }

    /// All connections, in no particular but a repeatable order; unconfirmed ones included,
    /// expired ones not.
    pub fn connections(&self, now: Time) -> impl Iterator<Item = View> + '_ {
        self.connections_from(ConnectionCursor::default(), now).map(|(_, view)| view)
    }

    /// The same from a place on, each with the place behind it: for who lists a large table in
    /// several steps. What comes and goes in between is listed or is not; what stays is, once.
    pub fn connections_from(
        &self,
        from: ConnectionCursor,
        now: Time,
    ) -> impl Iterator<Item = (ConnectionCursor, View)> + '_ {
        let lives = move |slot: &Slot| {
            let body = self.stores.body(*slot);
            !body.is_dying() && (!body.is_confirmed() || body.deadline > now)
        };
        let slots = self.stores.slots_from(from.0).filter(lives);
        slots.map(|slot| (ConnectionCursor(slot.next()), self.view(slot)))
    }

    /// The connection in the table that has `tuple` in one of its directions.
    pub fn find(&self, tuple: &Tuple, zone: Zone, now: Time) -> Option<(ConnId, Direction)> {
        let (slot, direction) = self.find_tuple(tuple, zone)?;
        let body = self.stores.body(slot);
        (body.deadline > now).then(|| (self.id(slot), direction))
    }

    /// The connection to which `tuple` belongs in either direction, unless it has expired.
    pub fn listed(&self, tuple: &Tuple, zone: Zone, now: Time) -> Option<Listed> {
        let (slot, _) = self.find_tuple(tuple, zone)?;
        let body = self.stores.body(slot);
        let is_closed = match &body.state {
            ProtoState::Tcp(tcp) => {
                matches!(tcp.state(), TcpState::TimeWait | TcpState::Close)
            }
            _ => false,
        };
        (body.deadline > now).then(|| Listed {
            original: self.stores.tuple(slot, Direction::Original),
            is_assured: body.status.contains(Status::ASSURED),
            is_closed,
        })
    }

    /// What rules may ask of the connection, for a packet in `direction`. `helper_name` names
    /// the helpers.
    pub fn facts<'a>(
        &self,
        id: ConnId,
        direction: Direction,
        now: Time,
        helper_name: &dyn Fn(HelperId) -> Option<&'a str>,
    ) -> Option<CtFacts<'a>> {
        let slot = self.resolve(id)?;
        let body = self.stores.body(slot);
        let master = self.extra(slot).and_then(|extra| extra.master);
        let left_ns = if body.is_confirmed() { body.deadline.since(now).as_secs() } else { 0 };
        Some(CtFacts {
            direction,
            status: body.status,
            original: self.stores.tuple(slot, Direction::Original),
            reply: self.stores.tuple(slot, Direction::Reply),
            mark: body.mark,
            expires_s: u32::try_from(left_ns).unwrap_or(u32::MAX),
            has_master: master.is_some(),
            master_helper: master.and_then(|master| master.helper).and_then(helper_name),
            counters: self.stores.counters(slot),
            zone: Direction::ALL.map(|direction| self.stores.zone(slot, direction)),
        })
    }

    /// Sets the connmark; false for a stale handle.
    pub fn set_mark(&mut self, id: ConnId, mark: u32) -> bool {
        let Some(slot) = self.resolve(id) else { return false };
        let body = self.stores.body_mut(slot);
        if body.mark != mark {
            body.mark = mark;
            self.note_change(slot, Changes::MARK);
        }
        true
    }

    /// The connmark.
    pub fn mark(&self, id: ConnId) -> Option<u32> {
        self.resolve(id).map(|slot| self.stores.body(slot).mark)
    }

    /// Sets status bits that are decided outside: HELPER, and those of address translation.
    /// Others are ignored.
    pub fn add_status(&mut self, id: ConnId, status: Status) {
        let outside = Status::HELPER
            | Status::SRC_NAT
            | Status::DST_NAT
            | Status::SEQ_ADJUST
            | Status::SRC_NAT_DONE
            | Status::DST_NAT_DONE
            | Status::FIXED_TIMEOUT;
        if let Some(slot) = self.resolve(id) {
            self.stores.body_mut(slot).status |= status & outside;
        }
    }

    /// Gives the connection a helper and what it remembers; false for a stale handle. Another
    /// helper it had is gone, but the expectations stay.
    pub fn set_helper(&mut self, id: ConnId, helper: HelperId, scratch: H) -> bool {
        let Some(slot) = self.resolve(id) else { return false };
        let extra = self.extra_or_new(slot);
        extra.helper = Some(helper);
        extra.scratch = Some(Box::new(scratch));
        self.note_change(slot, Changes::HELPER);
        true
    }

    /// Takes the connection's helper away, with what it remembers and its expectations.
    pub fn clear_helper(&mut self, id: ConnId) {
        let Some(slot) = self.resolve(id) else { return };
        self.remove_held(slot, |_| true, crate::ExpectationEnd::Removed);
        if let Some(extra) = self.extra_mut(slot) {
            extra.helper = None;
            extra.scratch = None;
            self.note_change(slot, Changes::HELPER);
        }
    }

    /// What the connection keeps of its master, if it has one.
    pub fn master(&self, id: ConnId) -> Option<Master> {
        self.extra(self.resolve(id)?)?.master
    }

    /// The connection's own helper.
    pub fn helper(&self, id: ConnId) -> Option<HelperId> {
        self.extra(self.resolve(id)?)?.helper
    }

    /// The connection's helper and what it remembers.
    pub fn helper_scratch_mut(&mut self, id: ConnId) -> Option<(HelperId, &mut H)> {
        let slot = self.resolve(id)?;
        let extra = self.extra_mut(slot)?;
        Some((extra.helper?, extra.scratch.as_deref_mut()?))
    }

    /// Replaces the reply tuple of a connection that is not yet confirmed, for address
    /// translation; false when it is, or for a tuple of the other family.
    pub fn set_reply_tuple(&mut self, id: ConnId, reply: &Tuple) -> bool {
        match self.resolve(id) {
            Some(slot) if !self.stores.body(slot).is_confirmed() => {
                self.stores.set_reply(slot, reply)
            }
            _ => false,
        }
    }

    /// Moves the deadline to `seconds` from now, as helpers do; not under FIXED_TIMEOUT. False
    /// when the connection is gone or has expired.
    pub fn refresh(&mut self, id: ConnId, now: Time, seconds: u32) -> bool {
        let Some(slot) = self.resolve(id) else { return false };
        let body = self.stores.body(slot);
        let lives = !body.is_dying() && (!body.is_confirmed() || body.deadline > now);
        if lives {
            self.refresh_slot(slot, now, seconds);
        }
        lives
    }

    /// A rule has answered a packet of the connection with a RST, which Linux takes for its end: a
    /// TCP connection moves to CLOSE, with that state's timeout, whatever it was in.
    pub fn close(&mut self, id: ConnId, now: Time) {
        let Some(slot) = self.resolve(id) else { return };
        let body = self.stores.body_mut(slot);
        if body.is_dying() || !body.is_confirmed() {
            return;
        }
        let policy = body.policy;
        let ProtoState::Tcp(tcp) = &mut body.state else { return };
        tcp.close();
        let timeouts = match policy {
            0 => &self.settings.tunables.timeouts,
            policy => self
                .policies
                .get(usize::from(policy) - 1)
                .unwrap_or(&self.settings.tunables.timeouts),
        };
        let seconds = timeouts.tcp.close_s;
        self.refresh_slot(slot, now, seconds);
        self.note_change(slot, Changes::STATE);
    }

    /// Asks `ends_too` of what a helper remembers, and of the tuples of its connection (original
    /// and reply), what ends with that connection. Without it, nothing does.
    pub fn set_ends_too(&mut self, ends_too: fn(&H, &[Tuple; 2]) -> EndsToo) {
        self.ends_too = ends_too;
    }

    /// Removes a connection, its expectations, and what [ends with
    /// it](Conntrack::set_ends_too).
    pub fn kill(&mut self, id: ConnId) -> bool {
        let Some(slot) = self.resolve(id) else { return false };
        self.end(slot, ConnectionEnd::Killed);
        true
    }

    /// Removes every connection and expectation.
    pub fn flush(&mut self) {
        let slots: Vec<Slot> = self.stores.slots().collect();
        for slot in slots {
            self.end(slot, ConnectionEnd::Killed);
        }
    }

    /// Remembers the call ids of a PPTP call for GRE packets in one direction: `tuple` is that
    /// of the packets, with the sender's call id as source port and the receiver's as
    /// destination port. Forgotten with the master, and by `rule` with its GRE children.
    ///
    /// # Errors
    ///
    /// The master has another call in that direction already.
    pub fn add_keymap(
        &mut self,
        master: ConnId,
        rule: KeymapRule,
        direction: Direction,
        tuple: &Tuple,
    ) -> Result<(), KeymapTaken> {
        match self.resolve(master) {
            Some(_) => self.keymap.add(master, rule, direction, tuple),
            None => Err(KeymapTaken),
        }
    }

    /// Forgets the call ids a master has left: those of `tuple`, or all.
    pub fn remove_keymap(&mut self, master: ConnId, only: Option<&Tuple>) {
        match only {
            Some(tuple) => self.keymap.remove_call(master, tuple),
            None => self.keymap.remove(master),
        }
    }

    #[inline]
    pub(crate) fn resolve(&self, id: ConnId) -> Option<Slot> {
        let serial = self.stores.get(id.slot)?.serial;
        (serial != 0 && serial as u32 == id.serial).then_some(id.slot)
    }

    #[inline]
    pub(crate) fn id(&self, slot: Slot) -> ConnId {
        ConnId::of(slot, self.stores.body(slot).serial)
    }

    pub(crate) fn find_tuple(&self, tuple: &Tuple, zone: Zone) -> Option<(Slot, Direction)> {
        let [original, reply] = Direction::ALL.map(|direction| zone.id_for(direction));
        let probe = |zone| self.stores.probe(AnyKey::new(tuple, zone));
        if original == reply {
            return self.stores.find(&probe(original), None);
        }
        let find = |zone, direction| self.stores.find(&probe(zone), Some(direction));
        find(original, Direction::Original).or_else(|| find(reply, Direction::Reply))
    }

    #[inline]
    pub(crate) fn extra(&self, slot: Slot) -> Option<&Extra<H>> {
        self.extras.get(self.stores.body(slot).extra.checked_sub(1)?)
    }

    pub(crate) fn extra_mut(&mut self, slot: Slot) -> Option<&mut Extra<H>> {
        self.extras.get_mut(self.stores.body(slot).extra.checked_sub(1)?)
    }

    pub(crate) fn extra_or_new(&mut self, slot: Slot) -> &mut Extra<H> {
        if self.stores.body(slot).extra == 0 {
            let connection = self.id(slot);
            let place = self.extras.insert(Extra { connection, ..Extra::default() });
            self.stores.body_mut(slot).extra = place + 1;
        }
        let place = self.stores.body(slot).extra - 1;
        &mut self.extras[place]
    }

    pub(crate) fn zone(&self, slot: Slot) -> Zone {
        let [original, reply] = Direction::ALL.map(|direction| self.stores.zone(slot, direction));
        match (original, reply) {
            (id, reply) if id == reply => Zone { id, scope: ZoneScope::Both },
            (id, 0) => Zone { id, scope: ZoneScope::Original },
            (_, id) => Zone { id, scope: ZoneScope::Reply },
        }
    }

    pub(crate) fn view(&self, slot: Slot) -> View {
        let body: &Body = self.stores.body(slot);
        let extra = self.extra(slot);
        View {
            id: self.id(slot),
            serial: body.serial,
            original: self.stores.tuple(slot, Direction::Original),
            reply: self.stores.tuple(slot, Direction::Reply),
            status: body.status,
            mark: body.mark,
            deadline: body.is_confirmed().then_some(body.deadline),
            zone: self.zone(slot),
            helper: extra.and_then(|extra| extra.helper),
            master: extra.and_then(|extra| extra.master),
            state: body.state.name(),
            counters: self.stores.counters(slot),
        }
    }

    /// Tells whoever listens that a confirmed connection changed.
    pub(crate) fn note_change(&mut self, slot: Slot, changes: Changes) {
        let body = self.stores.body(slot);
        if self.events.on && body.is_confirmed() && !body.is_dying() {
            let view = self.view(slot);
            self.events.push(Event::ConnectionUpdate(view, changes));
        }
    }

    /// Moves the deadline, unless it is fixed; of an unconfirmed connection, the timeout.
    #[inline]
    pub(crate) fn refresh_slot(&mut self, slot: Slot, now: Time, seconds: u32) {
        let body = self.stores.body_mut(slot);
        if body.status.contains(Status::FIXED_TIMEOUT) {
            return;
        }
        if body.is_confirmed() {
            self.stores.set_deadline(slot, now.after_s(seconds), now);
        } else {
            body.deadline = Time(0).after_s(seconds);
        }
    }
}
