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
use crate::key::{self, AnyKey};
use crate::proto::{self, Judgement, Packet, Standing, icmp};
use crate::store::{Body, Probe, Slot};
use crate::{Changes, ConnId, ConnectionEnd, Conntrack, PolicyId};
use kinwall_terms::{CtState, Direction, Reason, Status, Time, Tuple, Zone};
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
    candidate: Option<Slot>,
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
        self.track_prepared(now, headers, bytes, prerouting, template, &prepared)
    }

    /// The first part of [`Conntrack::track`], which touches no memory of the table.
    ///
    /// For a batch: prepare all, locate all, touch all, then track all, so that the memory each
    /// packet needs arrives while others are looked at. Only the order of the last step counts
    /// for the answers.
    #[inline]
    pub fn prepare(&self, headers: &Headers, bytes: &[u8], zone: Zone) -> Prepared {
        let kernel = self.settings.kernel();
        let tuple = key::tuple(headers, bytes, &self.keymap, kernel);
        let zone = zone.id_for(Direction::Original);
        Prepared { probe: tuple.map(|tuple| self.stores.probe(&tuple, zone)), candidate: None }
    }

    /// Reads the place in the index where the search for a prepared packet begins.
    #[inline]
    pub fn locate(&self, prepared: &mut Prepared) {
        if let Ok(probe) = &prepared.probe {
            prepared.candidate = self.stores.locate(probe);
        }
    }

    /// Reads the record that a located packet will most likely need. What it returns depends on
    /// the record and means nothing else.
    #[inline]
    pub fn touch(&self, prepared: &Prepared) -> bool {
        let body = prepared.candidate.and_then(|slot| self.stores.get(slot));
        // Both ends of the record: it is more than one cache line.
        body.is_some_and(|body| body.serial != 0 && body.policy == 0)
    }

    /// The second part of [`Conntrack::track`].
    pub fn track_prepared(
        &mut self,
        now: Time,
        headers: &Headers,
        bytes: &[u8],
        prerouting: bool,
        template: Template,
        prepared: &Prepared,
    ) -> Tracked {
        self.reap();
        let packet = Packet { headers, bytes, prerouting, now };
        if let L4::Icmp(_) = headers.l4
            && let Some(ct) = self.track_icmp(&packet, template.zone)
        {
            return self.decided(ct);
        }
        let probe = match &prepared.probe {
            Ok(probe) => probe,
            Err(reason) => return self.decided(PacketCt::invalid(*reason)),
        };
        let judged = match self.lookup(now, probe, template.zone) {
            Some((slot, direction)) => self.judge(slot, direction, &packet),
            None => None,
        };
        match judged {
            Some(ct) => self.decided(ct),
            // There was no connection, or the packet has just ended it to open another.
            None => self.open(&packet, template, probe),
        }
    }

    /// An ICMP error, or what is never tracked; `None` for a query, which is tracked like any
    /// other packet.
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
        PacketCt { state: CtState::Related, conn, direction, new: false, reason: None }
    }

    /// The connection in the table; an expired one is removed and not found.
    #[inline]
    fn lookup(&mut self, now: Time, probe: &Probe, zone: Zone) -> Option<(Slot, Direction)> {
        let [original, reply] = Direction::ALL.map(|direction| zone.id_for(direction));
        let found = if original == reply {
            self.stores.find(probe, None)
        } else {
            self.stores.find(probe, Some(Direction::Original)).or_else(|| {
                let probe = self.stores.probe(&probe.key.tuple(), reply);
                self.stores.find(&probe, Some(Direction::Reply))
            })
        };
        match found {
            Some((slot, _)) if self.stores.body(slot).deadline <= now => {
                self.end(slot, ConnectionEnd::Timeout);
                None
            }
            found => found,
        }
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
        let standing = Standing { direction, status: before, deadline: body.deadline };
        let judgement = proto::packet(&mut body.state, &standing, packet, tunables, timeouts);
        let conn = ConnId::of(slot, body.serial);
        let mut changed = false;
        let mut refused = None;
        match judgement {
            Judgement::Accept(change) => {
                if change.assured {
                    body.status |= Status::ASSURED;
                }
                changed = change.state;
                if let Some(seconds) = change.timeout_s {
                    self.stores.count(slot, direction, packet.headers.total_length);
                    self.refresh_slot(slot, packet.now, seconds);
                }
                self.see_reply(slot, direction);
            }
            Judgement::Invalid(reason, change) => {
                if change.assured {
                    body.status |= Status::ASSURED;
                }
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
            Judgement::AcceptAndKill => {
                self.stores.count(slot, direction, packet.headers.total_length);
                self.see_reply(slot, direction);
                self.end(slot, ConnectionEnd::Reset);
            }
        }
        if self.events.on {
            let gained = self.stores.body(slot).status - before;
            let mut changes = Changes::empty();
            changes.set(Changes::REPLY, gained.contains(Status::SEEN_REPLY));
            changes.set(Changes::ASSURED, gained.contains(Status::ASSURED));
            changes.set(Changes::STATE, changed);
            if !changes.is_empty() {
                self.note_change(slot, changes);
            }
        }
        Some(match refused {
            Some(reason) => PacketCt::invalid(reason),
            None => PacketCt { state, conn: Some(conn), direction, new: false, reason: None },
        })
    }

    #[inline]
    fn see_reply(&mut self, slot: Slot, direction: Direction) {
        if direction == Direction::Reply {
            self.stores.body_mut(slot).status |= Status::SEEN_REPLY;
        }
    }

    /// The first packet of a connection.
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
        Tracked::Packet(PacketCt { state, conn, direction, new: true, reason: None })
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
