//! Tracking: which connection a packet belongs to, and what that makes it.
//!
//! ```text
//! ICMP error            the connection its quoted packet belongs to      RELATED
//! tuple in the table    as the reply tuple                               ESTABLISHED
//!                       as the original tuple, answered                  ESTABLISHED
//!                       as the original tuple, of an announced child     RELATED
//!                       as the original tuple                            NEW
//! no entry              an expectation waits for it                      RELATED, a new entry
//!                       otherwise                                        NEW, a new entry
//! the tracker objects                                                    INVALID, no entry
//! ```
//!
//! The state is decided before the packet changes anything: the first answer is ESTABLISHED
//! because of its direction, not because of the answer it is. A new entry is not visible to
//! other packets until it is confirmed.

use crate::icmp_error::{self, Quoted};
use crate::key::{self, AnyKey, Hasher};
use crate::keymap::Keymap;
use crate::proto::{self, Judgement, Packet, Standing, icmp};
use crate::slab::Slab;
use crate::store::{Body, Probe, Slot};
use crate::table::Extra;
use crate::{Changes, ConnId, ConnectionEnd, Conntrack, PolicyId};
use kinwall_terms::{
    CtState, Direction, KernelVersion, L4Proto, Reason, Status, Time, Tuple, Zone,
};
use kinwall_wire::{Headers, L4};

/// What the raw table decided for a packet that may open a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// In which zone it is looked up, and its connection made.
    pub zone: Zone,
    /// The timeouts its connection gets.
    pub timeouts: Option<PolicyId>,
}

impl From<Zone> for Template {
    fn from(zone: Zone) -> Template {
        Template { zone, timeouts: None }
    }
}

/// What tracking says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracked {
    /// It goes on, as this.
    Packet(PacketCt),
    /// It must be dropped at once.
    Drop(Reason),
}

/// A packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketCt {
    /// What `--ctstate` matches.
    pub state: CtState,
    /// Its connection; `None` for INVALID and UNTRACKED.
    pub conn: Option<ConnId>,
    /// Its direction within the connection.
    pub direction: Direction,
    /// It opened the connection, which is to be confirmed or abandoned.
    pub new: bool,
    /// Its connection has what few have: a helper, a master, expectations or children.
    pub has_ties: bool,
    /// Why it is INVALID.
    pub reason: Option<Reason>,
}

impl PacketCt {
    /// A packet that is not tracked.
    pub const UNTRACKED: PacketCt = PacketCt {
        state: CtState::Untracked,
        conn: None,
        direction: Direction::Original,
        new: false,
        has_ties: false,
        reason: None,
    };

    fn invalid(reason: Reason) -> PacketCt {
        PacketCt { state: CtState::Invalid, reason: Some(reason), ..PacketCt::UNTRACKED }
    }
}

/// A packet's tuple with its hash, for [`Conntrack::track_prepared`].
#[derive(Clone, Copy, Debug)]
pub struct Prepared {
    probe: Result<Probe, Reason>,
}

/// Prepares packets for one table, without the table.
#[derive(Debug)]
pub struct Preparer {
    hasher: Hasher,
    kernel: KernelVersion,
    no_keymap: Keymap,
}

impl Preparer {
    /// As [`Conntrack::prepare`] in the default zone; `None` for GRE, the ids of whose headers
    /// mean what calls until then have made them mean.
    #[inline]
    pub fn prepare(&self, headers: &Headers, bytes: &[u8]) -> Option<Prepared> {
        if headers.proto == L4Proto::GRE {
            return None;
        }
        let zone = Zone::default().id_for(Direction::Original);
        let key = key::of_packet(headers, bytes, zone, &self.no_keymap, self.kernel);
        Some(Prepared { probe: key.map(|key| Probe::new(key, &self.hasher)) })
    }
}

/// A connection that a packet most likely belongs to, and the packet's direction in it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    slot: Slot,
    direction: Direction,
}

/// A connection found by a packet's tuple, and the packet's direction in it; good until the table
/// changes.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    slot: Slot,
    direction: Direction,
}

impl<H> Conntrack<H> {
    /// Finds the packet's connection or begins one, and judges the packet. `prerouting`: it came
    /// in from outside, so that its checksum counts. A fragment that was not reassembled is
    /// INVALID.
    ///
    /// A connection that the packet begins (`new`) is to be confirmed or abandoned before long:
    /// it takes a place in the table, and never expires.
    pub fn track(
        &mut self,
        now: Time,
        headers: &Headers,
        bytes: &[u8],
        prerouting: bool,
        template: impl Into<Template>,
    ) -> Tracked {
        let template = template.into();
        let prepared = self.prepare(headers, bytes, template.zone);
        self.track_prepared(&Packet { headers, bytes, prerouting, now }, template, &prepared)
    }

    /// The first part of [`Conntrack::track`], which touches no memory of the table.
    ///
    /// For a batch: prepare all, ask for the index for all, locate all, ask for the records of
    /// all, then track all, so that the memory each packet needs arrives while others are looked
    /// at.
    /// Only the order of the last step counts for the answers.
    #[inline]
    pub fn prepare(&self, headers: &Headers, bytes: &[u8], zone: Zone) -> Prepared {
        let kernel = self.settings.kernel();
        let zone = zone.id_for(Direction::Original);
        let key = key::of_packet(headers, bytes, zone, &self.keymap, kernel);
        Prepared { probe: key.map(|key| self.stores.probe(key)) }
    }

    /// What prepares packets elsewhere: in another thread, say.
    pub fn preparer(&self) -> Preparer {
        let (hasher, kernel) = (*self.stores.hasher(), self.settings.kernel());
        Preparer { hasher, kernel, no_keymap: Keymap::default() }
    }

    /// Asks for the place in the index where the search for a prepared packet begins.
    #[inline]
    pub fn ask_index(&self, prepared: &Prepared) {
        if let Ok(probe) = &prepared.probe {
            self.stores.ask_index(probe);
        }
    }

    /// Asks for the place where the answers to a prepared packet are entered, if it begins a
    /// connection.
    #[inline(never)]
    pub fn ask_answer(&self, prepared: &Prepared) {
        if let Ok(probe) = &prepared.probe {
            self.stores.ask_answer(probe);
        }
    }

    /// Finds by the index alone the connection that a prepared packet most likely belongs to.
    #[inline]
    pub fn locate(&self, prepared: &Prepared) -> Option<Candidate> {
        let (slot, direction) = self.stores.locate(prepared.probe.as_ref().ok()?)?;
        Some(Candidate { slot, direction })
    }

    /// Asks for the record of the connection that was located.
    #[inline]
    pub fn ask_record(&self, candidate: Candidate) {
        self.stores.ask_record(candidate.slot);
    }

    /// The second part of [`Conntrack::track`].
    pub fn track_prepared(
        &mut self,
        packet: &Packet<'_>,
        template: Template,
        prepared: &Prepared,
    ) -> Tracked {
        let probe = prepared.probe.as_ref().ok();
        let found = probe.and_then(|probe| self.find_in_zone(probe, template.zone));
        self.track_found(packet, template, prepared, found)
    }

    /// The connection in the default zone that a packet prepared for that belongs to by its
    /// tuple. Whether it has expired, and what the packet means for it, is another question.
    #[inline]
    pub fn find_prepared(&self, prepared: &Prepared) -> Option<Found> {
        self.find_in_zone(prepared.probe.as_ref().ok()?, Zone::default())
    }

    /// The same, looked for first where [`Conntrack::locate`] has said: whatever that was, and
    /// whatever has changed since, the answer does not depend on it.
    #[inline]
    pub fn find_near(&self, prepared: &Prepared, near: Option<Candidate>) -> Option<Found> {
        if let (Ok(probe), Some(Candidate { slot, direction })) = (&prepared.probe, near)
            && self.stores.is_at(probe, slot, direction)
        {
            return Some(Found { slot, direction });
        }
        self.find_prepared(prepared)
    }

    /// As [`Conntrack::track_prepared`], for a packet that was looked for since the table changed
    /// last.
    pub fn track_found(
        &mut self,
        packet: &Packet<'_>,
        template: Template,
        prepared: &Prepared,
        found: Option<Found>,
    ) -> Tracked {
        self.reap();
        if let L4::Icmp(_) = packet.headers.l4
            && let Some(ct) = self.track_icmp(packet, template.zone)
        {
            return self.decided(ct);
        }
        let probe = match &prepared.probe {
            Ok(probe) => probe,
            Err(reason) => return self.decided(PacketCt::invalid(*reason)),
        };
        let judged = match found {
            Some(Found { slot, .. }) if self.stores.body(slot).deadline <= packet.now => {
                self.end(slot, ConnectionEnd::Timeout);
                None
            }
            Some(Found { slot, direction }) => self.judge(slot, direction, packet),
            None => None,
        };
        match judged {
            Some(ct) => self.decided(ct),
            // There was no connection, or the packet has just ended it to open another.
            None => self.open(packet, template, probe),
        }
    }

    /// What the caller has noted with the connection, for packets in the direction in which it
    /// was found; 0 at first.
    #[inline]
    pub fn note(&self, found: Found) -> u16 {
        self.stores.body(found.slot).notes[found.direction.index()]
    }

    /// Whether the connection has what few have: see [`PacketCt::has_ties`].
    #[inline]
    pub fn has_ties(&self, found: Found) -> bool {
        self.stores.body(found.slot).has_ties()
    }

    /// Notes something with a connection, for packets in `direction`.
    pub fn set_note(&mut self, id: ConnId, direction: Direction, note: u16) {
        if let Some(slot) = self.resolve(id) {
            self.stores.body_mut(slot).notes[direction.index()] = note;
        }
    }

    /// An ICMP error, or what is never tracked; `None` for a query, which is tracked like any
    /// other packet.
    #[inline(never)]
    fn track_icmp(&mut self, packet: &Packet<'_>, zone: Zone) -> Option<PacketCt> {
        if let Err(reason) = icmp::check(packet, &self.settings.tunables) {
            return Some(PacketCt::invalid(reason));
        }
        let (keymap, kernel) = (&self.keymap, self.settings.kernel());
        match icmp_error::quoted(packet.headers, packet.bytes, keymap, kernel) {
            Quoted::Query => None,
            Quoted::Untracked => {
                self.stats.untracked += 1;
                Some(PacketCt::UNTRACKED)
            }
            Quoted::Invalid(reason) => Some(PacketCt::invalid(reason)),
            Quoted::Tuple(tuple) => Some(self.relate(packet, &tuple, zone)),
        }
    }

    /// An error about the packet with this tuple: the connection is found by the tuple of its
    /// answers, and the error's receiver must be the sender of the packet.
    fn relate(&mut self, packet: &Packet<'_>, quoted: &Tuple, zone: Zone) -> PacketCt {
        let Some(answer) = quoted.invert() else {
            return PacketCt::invalid(Reason::NotInvertible);
        };
        let found = self.find_tuple(&answer, zone);
        let Some((slot, direction)) =
            found.filter(|(slot, _)| self.stores.body(*slot).deadline > packet.now)
        else {
            return PacketCt::invalid(Reason::IcmpUnknownConnection);
        };
        if self.stores.tuple(slot, direction).dst != packet.headers.dst {
            return PacketCt::invalid(Reason::IcmpWrongReceiver);
        }
        self.stats.icmp_errors += 1;
        let conn = Some(self.id(slot));
        let has_ties = self.stores.body(slot).has_ties();
        PacketCt { state: CtState::Related, conn, direction, new: false, has_ties, reason: None }
    }

    /// The connection in the table, expired or not.
    #[inline]
    fn find_in_zone(&self, probe: &Probe, zone: Zone) -> Option<Found> {
        let [original, reply] = Direction::ALL.map(|direction| zone.id_for(direction));
        let found = if original == reply {
            self.stores.find(probe, None)
        } else {
            self.stores.find(probe, Some(Direction::Original)).or_else(|| {
                let probe = self.stores.probe(AnyKey::new(&probe.key.tuple(), reply));
                self.stores.find(&probe, Some(Direction::Reply))
            })
        };
        found.map(|(slot, direction)| Found { slot, direction })
    }

    /// Judges a packet of a known connection; `None` when it reopens that, which is then gone.
    #[inline]
    fn judge(&mut self, slot: Slot, direction: Direction, packet: &Packet<'_>) -> Option<PacketCt> {
        self.stats.found += 1;
        let tunables = &self.settings.tunables;
        let body = self.stores.body_mut(slot);
        let timeouts = match body.policy {
            0 => &tunables.timeouts,
            policy => self.policies.get(usize::from(policy) - 1).unwrap_or(&tunables.timeouts),
        };
        let before = body.status;
        let state = match direction {
            Direction::Reply => CtState::Established,
            Direction::Original if before.contains(Status::SEEN_REPLY) => CtState::Established,
            Direction::Original if before.contains(Status::EXPECTED) => CtState::Related,
            Direction::Original => CtState::New,
        };
        let moved = moved_of(&self.extras, body, direction, packet.headers);
        let standing = Standing { direction, status: before, deadline: body.deadline, moved };
        let judgement = proto::packet(&mut body.state, &standing, packet, tunables, timeouts);
        let (conn, has_ties) = (ConnId::of(slot, body.serial), body.has_ties());
        let mut changed = false;
        let mut refused = None;
        if let Judgement::Accept(change) | Judgement::Invalid(_, change) = judgement
            && change.assured
        {
            body.status |= Status::ASSURED;
        }
        if matches!(judgement, Judgement::Accept(_)) && direction == Direction::Reply {
            body.status |= Status::SEEN_REPLY;
        }
        match judgement {
            Judgement::Accept(change) => {
                changed = change.state;
                if let Some(seconds) = change.timeout_s {
                    let is_counted = body.is_counted();
                    if !body.postpone(packet.now.after_s(seconds)) {
                        self.refresh_slot(slot, packet.now, seconds);
                    }
                    if is_counted {
                        self.stores.count(slot, direction, packet.headers.total_length);
                    }
                }
            }
            Judgement::Invalid(reason, change) => {
                changed = change.state;
                refused = Some(reason);
                if let Some(seconds) = change.timeout_s {
                    self.refresh_slot(slot, packet.now, seconds);
                }
            }
            Judgement::Replace => {
                self.end(slot, ConnectionEnd::Reopened);
                return None;
            }
            Judgement::AcceptAndKill => self.reset(slot, direction, packet),
        }
        if self.events.on {
            self.tell_of(slot, before, changed);
        }
        Some(match refused {
            Some(reason) => PacketCt::invalid(reason),
            None => {
                let conn = Some(conn);
                PacketCt { state, conn, direction, new: false, has_ties, reason: None }
            }
        })
    }

    /// A packet of a connection ends it.
    #[inline(never)]
    fn reset(&mut self, slot: Slot, direction: Direction, packet: &Packet<'_>) {
        self.stores.count(slot, direction, packet.headers.total_length);
        // Its end is told before the answer counts as one.
        self.end(slot, ConnectionEnd::Reset);
        if direction == Direction::Reply {
            self.stores.body_mut(slot).status |= Status::SEEN_REPLY;
        }
    }

    /// Writes down how a packet has changed its connection, which had the status `before`.
    fn tell_of(&mut self, slot: Slot, before: Status, has_other_state: bool) {
        let gained = self.stores.body(slot).status - before;
        let mut changes = Changes::empty();
        changes.set(Changes::REPLY, gained.contains(Status::SEEN_REPLY));
        changes.set(Changes::ASSURED, gained.contains(Status::ASSURED));
        changes.set(Changes::STATE, has_other_state);
        if !changes.is_empty() {
            self.note_change(slot, changes);
        }
    }

    /// The first packet of a connection. Not inlined, as others that are seldom called: what they
    /// need of the stack would lie between what every packet needs.
    #[inline(never)]
    fn open(&mut self, packet: &Packet<'_>, template: Template, probe: &Probe) -> Tracked {
        let now = packet.now;
        let tuple = probe.key.tuple();
        let Some(reply) = tuple.invert() else {
            return self.decided(PacketCt::invalid(Reason::NotInvertible));
        };
        if !self.make_room(now, probe.hash, tuple.family()) {
            self.stats.count_dropped(Reason::TableFull);
            return Tracked::Drop(Reason::TableFull);
        }
        // Used up even if the tracker refuses the packet, as in Linux.
        let announced = self.take_expectation(now, &tuple, template.zone);
        let policy = template.timeouts.filter(|id| usize::from(id.0) < self.policies.len());
        let timeouts = match policy {
            Some(PolicyId(policy)) => &self.policies[usize::from(policy)],
            None => &self.settings.tunables.timeouts,
        };
        let opening = match proto::open(packet, &self.settings.tunables, timeouts) {
            Ok(opening) => opening,
            Err(reason) => return self.decided(PacketCt::invalid(reason)),
        };
        self.last_serial = self.next_serial();
        let body = Body {
            deadline: Time(0).after_s(opening.timeout_s),
            serial: self.last_serial,
            state: opening.state,
            policy: policy.map_or(0, |PolicyId(policy)| policy + 1),
            ..Body::default()
        };
        let reply = AnyKey::new(&reply, template.zone.id_for(Direction::Reply));
        let slot = self.stores.insert(probe.key, reply, body);
        self.opened = Some((self.id(slot), *probe));
        self.stats.created += 1;
        if self.settings.acct {
            self.stores.begin_counting(slot);
            self.stores.count(slot, Direction::Original, packet.headers.total_length);
        }
        let mut state = CtState::New;
        if let Some((master, kept)) = announced {
            state = CtState::Related;
            let mark = self.stores.body(master).mark;
            let body = self.stores.body_mut(slot);
            body.status |= Status::EXPECTED;
            body.mark = mark;
            self.adopt(slot, master, kept);
        }
        let conn = Some(self.id(slot));
        let direction = Direction::Original;
        let has_ties = announced.is_some();
        Tracked::Packet(PacketCt { state, conn, direction, new: true, has_ties, reason: None })
    }

    /// The serial number of the next connection: a handle holds its lower half, and 0 there
    /// means nothing.
    pub(crate) fn next_serial(&self) -> u64 {
        match self.last_serial + 1 {
            next if next as u32 == 0 => next + 1,
            next => next,
        }
    }

    fn decided(&mut self, ct: PacketCt) -> Tracked {
        if let Some(reason) = ct.reason {
            self.stats.count_invalid(reason);
        }
        Tracked::Packet(ct)
    }
}

/// How far what a packet in `direction` acknowledges was moved on its way to the packet's sender.
fn moved_of<H>(
    extras: &Slab<Extra<H>>,
    body: &Body,
    direction: Direction,
    headers: &Headers,
) -> u32 {
    let L4::Tcp(tcp) = headers.l4 else { return 0 };
    if !body.status.contains(Status::SEQ_ADJUST) {
        return 0;
    }
    let extra = body.extra.checked_sub(1).and_then(|place| extras.get(place));
    let moved = extra.and_then(|extra| extra.moved.as_deref());
    moved.map_or(0, |moved| moved[direction.opposite().index()].moved_back(tcp.ack))
}
