//! All connections and expectations as plain data, for a table that is to live on elsewhere.
//!
//! [`Conntrack::snapshot`] copies the table out (`copy.rs`), [`Conntrack::restore`] fills an empty
//! one. What is copied holds no handle: connections are known by their serial numbers, and
//! everybody keeps his own. Instants are told as what is left of them at the moment of the copy;
//! the time until the restoration has passed for connections, too.
//!
//! A copy comes from a file that somebody may have damaged or written himself: whatever it says,
//! a table is either filled as one that could have come about, or refused and left empty.

use crate::expect::{Expectation, Met, is_of_one_family};
use crate::key::AnyKey;
use crate::proto::ProtoState;
use crate::sequence::Moved;
use crate::slab::Slab;
use crate::store::{Body, Slot};
use crate::table::CONNECTIONS_MAX;
use crate::view::{Announcement, Master, Saved};
use crate::{ConnId, Conntrack, ExpId, HelperId, PolicyId};
use kinwall_terms::ct::Counter;
use kinwall_terms::expectation::{ExpectationFlags, Expected};
use kinwall_terms::{
    Direction, Family, InterfaceName, KeymapRule, L4Proto, Status, Time, Tuple, Zone,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A connection table at one moment. `S` is what helpers remember of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableSnapshot<S> {
    /// The moment.
    pub taken: Time,
    /// The serial number given to a connection last.
    pub last_serial: u64,
    /// The serial number given to an expectation last.
    pub last_expectation: u64,
    /// Where the numbers stand that are chosen by chance.
    pub chance: u64,
    /// The connections, by serial number.
    pub connections: Vec<ConnectionSnapshot<S>>,
    /// The expectations, by serial number.
    pub expectations: Vec<ExpectationSnapshot>,
    /// The call ids of PPTP, in the order in which they became known.
    pub calls: Vec<CallSnapshot>,
}

impl<S> TableSnapshot<S> {
    /// Packets may have passed unseen since it was taken: TCP windows are learned anew from the
    /// next segments, as those of a connection that is joined in the middle.
    pub fn forget_windows(&mut self) {
        for connection in &mut self.connections {
            if let ProtoState::Tcp(state) = &mut connection.state {
                state.miss();
            }
        }
    }
}

/// A confirmed connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConnectionSnapshot<S> {
    /// Its serial number.
    pub serial: u64,
    /// Tuple of its first packet.
    pub original: Tuple,
    /// Tuple of the answers.
    pub reply: Tuple,
    /// Its zone.
    pub zone: Zone,
    /// Status bits.
    pub status: Status,
    /// What its tracker remembers; instants in it are those of the table.
    pub state: ProtoState,
    /// How long it would live on, in nanoseconds.
    pub left_ns: u64,
    /// connmark.
    pub mark: u32,
    /// Its timeout policy.
    pub policy: Option<PolicyId>,
    /// Packets and bytes by direction, where they are counted.
    pub counters: Option<[Counter; 2]>,
    /// The helper of its own.
    pub helper: Option<HelperId>,
    /// What that remembers.
    pub scratch: Option<S>,
    /// What it keeps of the connection that announced it.
    pub master: Option<MasterSnapshot>,
    /// How far its sequence numbers are moved.
    pub moved: Option<[Moved; 2]>,
    /// The interface whose address it shows.
    pub masqueraded_by: Option<InterfaceName>,
}

/// What a child keeps of its master: see [`Master`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterSnapshot {
    /// The master's serial number; it may be gone.
    pub serial: u64,
    /// The master's helper.
    pub helper: Option<HelperId>,
    /// Serial number of the expectation.
    pub expectation: u64,
    /// Class of the expectation.
    pub class: u8,
    /// The helper the expectation had for the child.
    pub child_helper: Option<HelperId>,
    /// Where the child was announced.
    pub announced: Announcement,
    /// What was named before translation.
    pub saved: Option<Saved>,
}

/// An expectation: see [`Expectation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectationSnapshot {
    /// Its serial number.
    pub serial: u64,
    /// Serial number of the connection that announced it.
    pub master: u64,
    /// What is expected.
    pub expected: Expected,
    /// Class within the helper.
    pub class: u8,
    /// Flags.
    pub flags: ExpectationFlags,
    /// How long it would wait on, in nanoseconds.
    pub left_ns: u64,
    /// How long it was to wait at first, in seconds.
    pub timeout_s: u32,
    /// Most expectations of its class, when it was made.
    pub class_limit: u8,
    /// The helper that announced it.
    pub helper: HelperId,
    /// The helper the child gets.
    pub child_helper: Option<HelperId>,
    /// Where it was announced.
    pub announced: Announcement,
    /// Who announced it.
    pub announcer: IpAddr,
    /// What was named before translation.
    pub saved: Option<Saved>,
    /// The same expectation of another master is no clash.
    pub skip_master: bool,
    /// Serial number of the expectation that its match removes, too.
    pub partner: Option<u64>,
}

/// The ids of a PPTP call in one direction: see [`Conntrack::add_keymap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSnapshot {
    /// Serial number of the control connection.
    pub master: u64,
    /// How many of its calls are remembered.
    pub rule: KeymapRule,
    /// Direction of the packets.
    pub direction: Direction,
    /// Their tuple.
    pub tuple: Tuple,
}

/// Why a table was not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// There are connections in the table already.
    #[error("connections are tracked already; only an empty table can be restored")]
    NotEmpty,
    /// More than any table holds.
    #[error("more than {CONNECTIONS_MAX} connections")]
    TooMany,
    /// Serial numbers do not ascend, or are higher than the highest.
    #[error("connection {0} is out of order")]
    Order(u64),
    /// Its tuples are not of one family, or not of one protocol.
    #[error("the tuples of connection {0} do not belong together")]
    Tuples(u64),
    /// It is not confirmed, or is said to be dying.
    #[error("connection {0} has a status that none in a table has")]
    Status(u64),
    /// Its state is that of another protocol.
    #[error("connection {0} has the state of another protocol")]
    State(u64),
    /// Another connection has one of its tuples.
    #[error("connection {0} has a tuple of another one")]
    Twice(u64),
    /// Its master comes after it.
    #[error("connection {0} is older than its master")]
    Master(u64),
    /// An expectation out of order, with addresses of two families, or that another one clashes
    /// with.
    #[error("expectation {0} is none that could be made")]
    Expectation(u64),
    /// The connection that announced it is not there, or has no helper.
    #[error("the master of expectation {0} is not there, or has no helper")]
    NoMaster(u64),
    /// A call of a control connection that is not there, or that has another one.
    #[error("a call of connection {0} is none that could be known")]
    Call(u64),
}

impl<H> Conntrack<H> {
    /// Fills an empty table. What has expired since the copy was made is removed at once, and
    /// what ends with it; of an instant before the copy it is believed that no time has passed.
    /// Of none of this events tell. A number of connections beyond `nf_conntrack_max` is kept
    /// all the same. `scratch` makes what a helper remembers.
    ///
    /// # Errors
    ///
    /// Why the table was not restored; it is empty then.
    pub fn restore<S>(
        &mut self,
        now: Time,
        snapshot: TableSnapshot<S>,
        scratch: impl Fn(S) -> H,
    ) -> Result<(), RestoreError> {
        self.reap();
        if self.stores.len() > 0 {
            return Err(RestoreError::NotEmpty);
        }
        let told = std::mem::take(&mut self.events.on);
        let stats = self.stats.clone();
        let restored = self.fill(now, snapshot, scratch);
        match restored {
            Ok(()) => _ = self.collect(now, usize::MAX),
            Err(_) => {
                self.flush();
                self.stats = stats;
            }
        }
        self.reap();
        self.events.on = told;
        restored
    }

    fn fill<S>(
        &mut self,
        now: Time,
        snapshot: TableSnapshot<S>,
        scratch: impl Fn(S) -> H,
    ) -> Result<(), RestoreError> {
        let TableSnapshot { taken, connections, expectations, calls, .. } = snapshot;
        if connections.len() > CONNECTIONS_MAX as usize {
            return Err(RestoreError::TooMany);
        }
        let clock = Clock { taken, base: taken.min(now), now };
        let mut known = Known::default();
        let mut last = 0;
        for connection in connections {
            let serial = connection.serial;
            if serial <= last || serial > snapshot.last_serial || serial as u32 == 0 {
                return Err(RestoreError::Order(serial));
            }
            let slot = self.restore_connection(clock, &known, connection, &scratch)?;
            last = serial;
            known.connections.push((serial, self.id(slot)));
        }
        self.last_serial = self.last_serial.max(snapshot.last_serial);
        last = 0;
        for expectation in &expectations {
            let serial = expectation.serial;
            if serial <= last || serial > snapshot.last_expectation || serial as u32 == 0 {
                return Err(RestoreError::Expectation(serial));
            }
            let id = self.restore_expectation(clock, &known, expectation)?;
            last = serial;
            known.expectations.push((serial, id));
        }
        self.expectations.last_serial = snapshot.last_expectation;
        for ExpectationSnapshot { serial, partner, .. } in expectations {
            let other = partner.and_then(|partner| find(&known.expectations, partner));
            if let (Some(one), Some(other)) = (find(&known.expectations, serial), other) {
                self.removes(one, other);
            }
        }
        for CallSnapshot { master, rule, direction, tuple } in calls {
            let Some(id) = find(&known.connections, master) else {
                return Err(RestoreError::Call(master));
            };
            // What ends calls is looked for only where a connection has ties.
            if !self.resolve(id).is_some_and(|slot| self.stores.body(slot).has_ties()) {
                return Err(RestoreError::Call(master));
            }
            let added = self.add_keymap(id, rule, direction, &tuple);
            added.map_err(|_| RestoreError::Call(master))?;
        }
        self.translations.set_chance(snapshot.chance);
        Ok(())
    }

    fn restore_connection<S>(
        &mut self,
        clock: Clock,
        known: &Known,
        connection: ConnectionSnapshot<S>,
        scratch: impl Fn(S) -> H,
    ) -> Result<Slot, RestoreError> {
        let serial = connection.serial;
        check(&connection)?;
        let tuples = [connection.original, connection.reply];
        let keys =
            Direction::ALL.map(|to| AnyKey::new(&tuples[to.index()], connection.zone.id_for(to)));
        let zones = Direction::ALL.map(|direction| connection.zone.id_for(direction));
        let entered: &[Direction] = match connection.status.contains(Status::NAT_CLASH) {
            true => &[Direction::Reply],
            false => &Direction::ALL,
        };
        let probes = keys.map(|key| self.stores.probe(key));
        for direction in entered {
            let only = (zones[0] != zones[1]).then_some(*direction);
            if self.stores.find(&probes[direction.index()], only).is_some() {
                return Err(RestoreError::Twice(serial));
            }
        }
        let mut state = connection.state;
        state.shift(clock.shift());
        let body = Body {
            serial,
            state,
            mark: connection.mark,
            status: connection.status,
            policy: connection.policy.map_or(0, |PolicyId(policy)| policy.saturating_add(1)),
            ..Body::default()
        };
        let slot = self.stores.insert(keys[0], keys[1], body);
        for direction in entered {
            self.stores.enter(slot, *direction, &probes[direction.index()]);
        }
        self.stores.set_deadline(slot, clock.deadline(connection.left_ns), clock.now);
        if let Some(counters) = connection.counters {
            self.stores.begin_counting(slot);
            self.stores.set_counters(slot, counters);
        }
        if connection.status.contains(Status::SRC_NAT) {
            self.note_source(slot);
        }
        if let Some(by) = connection.masqueraded_by {
            self.translations.masqueraded.insert(slot, by);
        }
        if connection.helper.is_some() || connection.moved.is_some() {
            let extra = self.extra_or_new(slot);
            extra.helper = connection.helper;
            extra.scratch = connection.scratch.map(|kept| Box::new(scratch(kept)));
            extra.moved = connection.moved.map(Box::new);
        }
        match connection.master {
            Some(master) if master.serial >= serial => return Err(RestoreError::Master(serial)),
            Some(master) => self.restore_master(slot, known, &master),
            None => {}
        }
        Ok(slot)
    }

    fn restore_master(&mut self, slot: Slot, known: &Known, master: &MasterSnapshot) {
        let id = find(&known.connections, master.serial);
        let kept = Master {
            id: id.unwrap_or(ConnId::NONE),
            serial: master.serial,
            helper: master.helper,
            expectation: master.expectation,
            class: master.class,
            child_helper: master.child_helper,
            announced: master.announced,
            saved: master.saved,
        };
        match id.and_then(|id| self.resolve(id)) {
            Some(master) => self.adopt(slot, master, kept),
            None => self.extra_or_new(slot).master = Some(kept),
        }
    }

    fn restore_expectation(
        &mut self,
        clock: Clock,
        known: &Known,
        kept: &ExpectationSnapshot,
    ) -> Result<ExpId, RestoreError> {
        let serial = kept.serial;
        let master = find(&known.connections, kept.master);
        let slot = master.and_then(|master| self.resolve(master));
        let (Some(master), Some(slot)) = (master, slot) else {
            return Err(RestoreError::NoMaster(serial));
        };
        if self.extra(slot).is_none_or(|extra| extra.helper.is_none()) {
            return Err(RestoreError::NoMaster(serial));
        }
        let request = Expectation {
            expected: kept.expected,
            class: kept.class,
            flags: kept.flags,
            timeout_s: kept.timeout_s,
            class_limit: kept.class_limit,
            helper: kept.helper,
            child_helper: kept.child_helper,
            announced: kept.announced,
            announcer: kept.announcer,
            saved: kept.saved,
            skip_master: kept.skip_master,
        };
        let zone = self.zone(slot).id;
        let hasher = self.stores.hasher();
        let is_sound = is_of_one_family(&request.expected)
            && self.expectations.meet(hasher, &request, master, zone, clock.base) == Met::Nothing;
        if !is_sound {
            return Err(RestoreError::Expectation(serial));
        }
        self.expectations.last_serial = serial - 1;
        let Conntrack { extras, stores, expectations, .. } = self;
        let holding = holding(extras, stores.body(slot).extra, kept.class);
        let holding = holding.ok_or(RestoreError::NoMaster(serial))?;
        let owner = (master, kept.master);
        let made = expectations.insert(stores.hasher(), request, owner, zone, clock.now, holding);
        expectations.set_deadline(made, clock.deadline(kept.left_ns), clock.now);
        Ok(expectations.id(made))
    }
}

/// The expectations of a class that the connection with this extra has.
fn holding<H>(
    extras: &mut Slab<crate::table::Extra<H>>,
    extra: u32,
    class: u8,
) -> Option<&mut crate::expect::Holding> {
    let extra = extras.get_mut(extra.checked_sub(1)?)?;
    extra.holdings.get_mut(crate::announce::class_index(class))
}

/// From the instants of the copy to those of the table.
#[derive(Clone, Copy)]
struct Clock {
    taken: Time,
    /// The instant of the copy, in the table's time.
    base: Time,
    now: Time,
}

impl Clock {
    fn deadline(self, left_ns: u64) -> Time {
        Time(self.base.0.saturating_add(left_ns))
    }

    /// By how many nanoseconds instants move.
    fn shift(self) -> i64 {
        let back = self.taken.0.saturating_sub(self.base.0);
        i64::try_from(back).map_or(i64::MIN, |back| -back)
    }
}

/// What was restored so far, in order of serial numbers.
#[derive(Default)]
struct Known {
    connections: Vec<(u64, ConnId)>,
    expectations: Vec<(u64, ExpId)>,
}

/// The one with this serial number.
fn find<T: Copy>(known: &[(u64, T)], serial: u64) -> Option<T> {
    let at = known.binary_search_by_key(&serial, |(serial, _)| *serial).ok()?;
    known.get(at).map(|(_, id)| *id)
}

/// Whether what a connection says of itself agrees.
fn check<S>(connection: &ConnectionSnapshot<S>) -> Result<(), RestoreError> {
    let ConnectionSnapshot { serial, original, reply, status, state, .. } = *connection;
    let family = original.family();
    let addresses = [original.src, original.dst, reply.src, reply.dst];
    let is_of_family = |address: &IpAddr| Family::of(*address) == family;
    if !addresses.iter().all(is_of_family) || original.proto != reply.proto {
        return Err(RestoreError::Tuples(serial));
    }
    if !status.contains(Status::CONFIRMED) || status.contains(Status::DYING) {
        return Err(RestoreError::Status(serial));
    }
    match tracks(&state, original.proto) {
        true => Ok(()),
        false => Err(RestoreError::State(serial)),
    }
}

/// Whether a connection of this protocol may have such a state.
fn tracks(state: &ProtoState, proto: L4Proto) -> bool {
    match state {
        ProtoState::Tcp(_) => proto == L4Proto::TCP,
        ProtoState::Udp(_) => proto == L4Proto::UDP,
        ProtoState::UdpLite => proto == L4Proto::UDPLITE,
        ProtoState::Icmp | ProtoState::Icmpv6 => {
            matches!(proto, L4Proto::ICMP | L4Proto::ICMPV6)
        }
        ProtoState::Sctp(_) => proto == L4Proto::SCTP,
        ProtoState::Gre(_) => proto == L4Proto::GRE,
        ProtoState::Dccp(_) => proto == L4Proto::DCCP,
        // DCCP has no tracker of its own in newer versions.
        ProtoState::Generic => !matches!(
            proto,
            L4Proto::TCP
                | L4Proto::UDP
                | L4Proto::UDPLITE
                | L4Proto::ICMP
                | L4Proto::ICMPV6
                | L4Proto::SCTP
                | L4Proto::GRE
        ),
    }
}
