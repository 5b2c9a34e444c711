//! The path of a packet, stage by stage.
//!
//! `received`, `pass` and `sent` are the whole story: each line is a stage, and a stage that ends
//! the packet's life returns a [`Stop`]. A packet that follows the course of others (see
//! [`crate::course`]) takes the same stages without walking the rules. The order is that of the
//! netfilter hook priorities: defragmentation -400, raw -300, tracking -200, mangle -150, filter
//! 0, security 50, and at the very end helpers and confirmation.

use crate::engine::Engine;
use crate::known::Known;
use crate::outcome::{Path, RuleAt};
use crate::packet::{Ingress, Packet, Presumed};
use crate::trace::{Step, Trace};
use kinwall_conntrack::defrag::{Defragmented, Place};
use kinwall_conntrack::proto::Packet as Arrived;
use kinwall_conntrack::{Candidate, Found, PacketCt, Prepared, Tracked};
use kinwall_rules::eval::{Decision, Walk};
use kinwall_rules::facts::{CtTemplate, Facts, Key, LazyCt, PacketState};
use kinwall_terms::{
    CtState, Family, Hook, InterfaceName, Reason, RejectWith, Status, Table, Time, Verdict, Zone,
};
use kinwall_topology::{Destination, RouteKind};
use kinwall_wire::ipv6::HEADER_LENGTH;
use kinwall_wire::{ExtensionKind, Headers, L4, ipv6_ext};
use std::borrow::Cow;

/// A packet under way: what the stages have found out so far.
pub(crate) struct Passage<'p, 'b, 't> {
    pub(crate) now: Time,
    pub(crate) packet: &'p mut Packet<'b>,
    pub(crate) headers: Headers,
    pub(crate) path: Path,
    pub(crate) in_iface: Option<InterfaceName>,
    pub(crate) out_iface: Option<InterfaceName>,
    /// What most rules compare, but for the interfaces.
    pub(crate) key: Key,
    /// What rules changed.
    pub(crate) state: PacketState,
    /// What tracking said; `None` before it.
    pub(crate) ct: Option<PacketCt>,
    /// The last rule that decided something.
    pub(crate) rule: Option<RuleAt>,
    /// The queue a rule handed the packet to.
    pub(crate) queued: Option<u16>,
    /// Its connection in the default zone, if there is one, once that was looked for.
    pub(crate) sought: Option<Option<Found>>,
    /// Whether its addresses or ports were translated.
    pub(crate) translated: bool,
    /// How many rules matched before tracking.
    pub(crate) rules_before: usize,
    /// The packets that its datagram was made of.
    pub(crate) pieces: Vec<u64>,
    pub(crate) aids: Aids<'t>,
}

/// What comes with a packet besides the packet.
#[derive(Default)]
pub(crate) struct Aids<'t> {
    /// What tracking shall say, instead of looking.
    pub(crate) presumed: Option<&'t Presumed>,
    /// Where its connection is looked for, as long as it is the packet that came.
    pub(crate) prepared: Option<&'t Prepared>,
    /// The connection that this most likely is.
    pub(crate) near: Option<Candidate>,
    /// What tracking has said of it, when it was tracked already.
    pub(crate) tracked: Option<Tracked>,
    /// Where its steps are written down.
    pub(crate) trace: Option<&'t mut Trace>,
    /// What is known of its checksums, as long as it is the packet that came.
    pub(crate) sums: Sums,
}

/// What is known of the checksums of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sums {
    /// They have to be verified.
    #[default]
    Unknown,
    /// That of the network header is right, and so is that of the transport header.
    Right,
}

impl Sums {
    /// Verifies those of the commonest packets; what is not right is left to the path, which
    /// knows what is verified and when.
    #[inline]
    pub(crate) fn of(headers: &Headers, bytes: &[u8]) -> Sums {
        let is_common = headers.fragment.is_none()
            && !headers.length_missing
            && matches!(headers.l4, L4::Tcp(_) | L4::Udp(_) | L4::Icmp(_));
        match is_common && headers.verify_network_checksum(bytes) && headers.verify_checksum(bytes)
        {
            true => Sums::Right,
            false => Sums::Unknown,
        }
    }
}

/// The end of a packet's life before the end of its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) verdict: Verdict,
    pub(crate) reason: Option<Reason>,
}

impl Stop {
    pub(crate) fn drop(reason: Reason) -> Stop {
        Stop { verdict: Verdict::Drop, reason: Some(reason) }
    }
}

pub(crate) type Stage = Result<(), Stop>;

impl Engine {
    /// A packet that came in by an interface.
    pub(crate) fn received(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        self.arrive(p)?;
        self.defragment(p, Hook::Prerouting)?;
        match self.recall(p) {
            Some(course) => self.follow(p, course)?,
            None => {
                self.memory.begin_lesson();
                self.rules(p, Table::Raw, Hook::Prerouting)?;
                p.rules_before = self.memory.lesson_length();
                self.track(p, Hook::Prerouting)?;
                self.pass(p)?;
                self.learn(p);
            }
        }
        self.finish(p)
    }

    /// Behind the rules.
    pub(crate) fn finish(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        let length = p.headers.total_length;
        self.help(p).inspect_err(|_| p.rule = None)?;
        self.adjust(p).inspect_err(|_| p.rule = None)?;
        self.confirm(p).inspect_err(|_| p.rule = None)?;
        match p.headers.total_length > length {
            true => self.fits(p, length).inspect_err(|_| p.rule = None),
            false => Ok(()),
        }
    }

    /// From tracking to the end of the rules.
    pub(crate) fn pass(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        self.rules(p, Table::Mangle, Hook::Prerouting)?;
        self.translate(p, Hook::Prerouting)?;
        self.route(p)?;
        if p.path == Path::Delivered {
            self.rules(p, Table::Mangle, Hook::Input)?;
            self.rules(p, Table::Filter, Hook::Input)?;
            self.rules(p, Table::Security, Hook::Input)?;
            self.translate(p, Hook::Input)
        } else {
            self.rules(p, Table::Mangle, Hook::Forward)?;
            self.rules(p, Table::Filter, Hook::Forward)?;
            self.rules(p, Table::Security, Hook::Forward)?;
            self.rules(p, Table::Mangle, Hook::Postrouting)?;
            self.translate(p, Hook::Postrouting)
        }
    }

    /// A packet that the gateway itself sends.
    pub(crate) fn sent(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        self.route_sent(p)?;
        self.defragment(p, Hook::Output)?;
        self.rules(p, Table::Raw, Hook::Output)?;
        self.track(p, Hook::Output)?;
        let was_for = p.headers.dst;
        self.rules(p, Table::Mangle, Hook::Output)?;
        self.translate(p, Hook::Output)?;
        // The rules behind it at this hook see the way out that there was.
        let rerouted = (p.headers.dst != was_for)
            .then(|| self.topology.route_output(p.headers.src, p.headers.dst))
            .transpose()
            .map_err(Stop::drop)?;
        self.rules(p, Table::Filter, Hook::Output)?;
        self.rules(p, Table::Security, Hook::Output)?;
        p.out_iface = rerouted.unwrap_or(p.out_iface);
        self.rules(p, Table::Mangle, Hook::Postrouting)?;
        self.translate(p, Hook::Postrouting)?;
        if self.is_for_everybody(p) {
            // The copy that the gateway keeps of a broadcast is the first to be through.
            self.confirm(p).inspect_err(|_| p.rule = None)?;
        }
        self.finish(p)
    }

    /// What the IP input path of Linux refuses before any hook.
    pub(crate) fn arrive(&self, p: &Passage<'_, '_, '_>) -> Stage {
        // `nf_conntrack_checksum=0` is said of captures whose checksums were left to the network
        // card: theirs is the header's too. A length left out of a header was never summed.
        if self.settings.tracking.tunables.checksum
            && p.aids.sums == Sums::Unknown
            && !p.headers.length_missing
            && !p.headers.verify_network_checksum(&p.packet.bytes)
        {
            return Err(Stop::drop(Reason::BadNetworkChecksum));
        }
        // On arrival Linux reads these options alone, and only where they come first.
        if p.headers.extensions.offset(ExtensionKind::HopByHop) == Some(HEADER_LENGTH as u16)
            && !ipv6_ext::accepts_options(p.headers.packet(&p.packet.bytes))
        {
            return Err(Stop::drop(Reason::MalformedNetworkHeader));
        }
        match self.topology.refused_on_arrival(p.headers.src, p.headers.dst, p.in_iface) {
            Some(reason) => Err(Stop::drop(reason)),
            None => Ok(()),
        }
    }

    /// Holds fragments until their datagram is complete, and goes on with that.
    pub(crate) fn defragment(&mut self, p: &mut Passage<'_, '_, '_>, hook: Hook) -> Stage {
        if p.headers.fragment.is_none() {
            return Ok(());
        }
        // Before the raw table no rule has named a zone yet.
        let place = Place { hook, interface: p.in_iface, zone: 0 };
        match self.defragmenter.take(p.now, p.packet.number, place, &p.headers, &p.packet.bytes) {
            Defragmented::Whole => Ok(()),
            Defragmented::Held => Err(Stop { verdict: Verdict::Consume, reason: None }),
            Defragmented::Dropped(reason) => Err(Stop::drop(reason)),
            Defragmented::Complete { datagram, packets } => {
                p.pieces = packets;
                p.headers =
                    Headers::parse(&datagram).map_err(|error| Stop::drop(error.reason()))?;
                p.packet.bytes = Cow::Owned(datagram);
                p.aids.prepared = None;
                p.aids.sums = Sums::Unknown;
                p.key = Key::new(&p.headers, &p.packet.bytes);
                let length = p.headers.total_length;
                p.note(|| Step::Reassembled { length });
                Ok(())
            }
        }
    }

    /// Walks the chain that `table` has at `hook`.
    #[inline]
    pub(crate) fn rules(&mut self, p: &mut Passage<'_, '_, '_>, table: Table, hook: Hook) -> Stage {
        let Some(program) = &self.programs[p.headers.family.index()] else { return Ok(()) };
        let walks = match p.aids.trace {
            Some(_) => program.has_chain(table, hook),
            None => program.has_rules(table, hook),
        };
        if walks { self.walk(p, table, hook) } else { Ok(()) }
    }

    fn walk(&mut self, p: &mut Passage<'_, '_, '_>, table: Table, hook: Hook) -> Stage {
        match self.walked(p, table, hook) {
            Some(walk) => self.obey(p, table, walk),
            None => Ok(()),
        }
    }

    /// What a walk through the chain that `table` has at `hook` decides.
    pub(crate) fn walked(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        table: Table,
        hook: Hook,
    ) -> Option<Walk> {
        let walk = self.walk_once(p, table, hook)?;
        match walk.decision {
            Decision::Readdress => self.walk_readdressed(p, (table, hook), walk),
            _ => Some(walk),
        }
    }

    /// The same up to where the packet becomes another, or from there on.
    pub(crate) fn walk_once(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        table: Table,
        hook: Hook,
    ) -> Option<Walk> {
        let program = self.programs[p.headers.family.index()].as_ref()?;
        let in_iface = p.in_iface.filter(|_| sees_in(hook));
        let out_iface = p.out_iface.filter(|_| sees_out(hook));
        let key = p.key.at(in_iface.as_ref(), out_iface.as_ref());
        let length = p.headers.total_length;
        let paused = p.state.paused.take();
        let from = match p.aids.trace {
            Some(_) => None,
            None if paused.is_some() => None,
            None => match program.glance(table, hook, &key, &mut self.memory, length) {
                Ok(walk) => return Some(walk),
                Err(place) => Some(place),
            },
        };
        let known = Known {
            conntrack: &self.conntrack,
            instances: &self.settings.instances,
            headers: &p.headers,
            // Before tracking, and without it, there is no connection to presume anything of.
            presumed: p.aids.presumed.filter(|_| p.ct.is_some_and(|ct| ct != PacketCt::UNTRACKED)),
            ct: p.ct.unwrap_or(PacketCt::UNTRACKED),
            now: p.now,
        };
        let ask = || known.facts();
        let ct = LazyCt::new(&ask);
        let facts = Facts {
            headers: &p.headers,
            bytes: &p.packet.bytes,
            link: &p.packet.link,
            hook,
            in_iface,
            out_iface,
            local: matches!(p.packet.ingress, Ingress::Local { .. }),
            ct_state: p.ct.map_or(CtState::Invalid, |ct| ct.state),
            ct: known.has_connection().then_some(&ct),
            now: p.now,
            topology: &self.topology,
            others: &known,
            owner: p.owner(),
        };
        let (state, memory) = (&mut p.state, &mut self.memory);
        let walk = match from {
            Some(place) => program.walk_on(place, &key, &facts, state, memory, None),
            None => {
                let mut steps = kinwall_rules::eval::Trace::default();
                let trace = p.aids.trace.is_some().then_some(&mut steps);
                let walk = match paused {
                    Some(paused) => program.go_on(*paused, &key, &facts, state, memory, trace),
                    None => program.walk(table, &facts, state, memory, trace),
                };
                let family = p.headers.family;
                p.note(|| Step::Chain { family, table, hook, walk, steps });
                walk
            }
        };
        if let (Some(mark), Some(id)) = (p.state.connmark, p.ct.and_then(|ct| ct.conn)) {
            self.conntrack.set_mark(id, mark);
        }
        Some(walk)
    }

    /// Does with the packet what a walk through `table` has decided.
    #[inline]
    pub(crate) fn obey(&mut self, p: &mut Passage<'_, '_, '_>, table: Table, walk: Walk) -> Stage {
        let family = p.headers.family;
        let rule = walk.rule.map(|rule| RuleAt { family, rule });
        match walk.decision {
            Decision::Accept => {
                if table == Table::Filter {
                    p.rule = rule;
                }
                Ok(())
            }
            Decision::Queue { num, .. } => {
                p.rule = rule;
                p.queued = Some(num);
                Ok(())
            }
            Decision::Drop(reason) => p.end_by(rule, Verdict::Drop, Some(reason)),
            Decision::Reject(with) => {
                if with == RejectWith::TcpReset {
                    self.reset(p);
                }
                p.end_by(rule, Verdict::Reject(with), Some(Reason::Rule))
            }
            Decision::Unknown | Decision::Readdress => p.end_by(rule, Verdict::Unknown, None),
        }
    }

    /// Finds the packet's connection, or begins one.
    pub(crate) fn track(&mut self, p: &mut Passage<'_, '_, '_>, hook: Hook) -> Stage {
        let template = p.state.ct.take();
        let ct = if template.as_ref().is_some_and(|template| template.notrack) {
            PacketCt::UNTRACKED
        } else if let Some(presumed) = p.aids.presumed {
            presumed.packet_ct()
        } else {
            let zone = template.as_ref().map_or(Zone::default(), |template| template.zone);
            match self.look_up(p, zone, hook == Hook::Prerouting) {
                Tracked::Drop(reason) => return Err(Stop::drop(reason)),
                Tracked::Packet(ct) => ct,
            }
        };
        self.set_tracked(p, ct, template.as_ref());
        Ok(())
    }

    /// What comes of it that a packet is tracked.
    pub(crate) fn set_tracked(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        ct: PacketCt,
        template: Option<&CtTemplate>,
    ) {
        p.ct = Some(ct);
        p.key = p.key.tracked(ct.state);
        if p.aids.trace.is_some() {
            let connection = ct.conn.and_then(|id| self.connection_facts(id, ct.direction));
            p.note(|| Step::Tracked { ct, connection });
        }
        if ct.new {
            self.assign_helper(p, ct, template);
            self.follow_master(p, ct);
        }
    }

    /// The packet's connection by the table, by what is known of it already where that still holds.
    fn look_up(&mut self, p: &Passage<'_, '_, '_>, zone: Zone, prerouting: bool) -> Tracked {
        let (headers, bytes) = (&p.headers, &*p.packet.bytes);
        let prerouting = prerouting && p.aids.sums == Sums::Unknown;
        let packet = Arrived { headers, bytes, prerouting, now: p.now };
        match (p.aids.prepared, p.sought) {
            (Some(prepared), Some(found)) if zone == Zone::default() => {
                self.conntrack.track_found(&packet, zone.into(), prepared, found)
            }
            (Some(prepared), None) if zone == Zone::default() => {
                self.conntrack.track_prepared(&packet, zone.into(), prepared)
            }
            _ => self.conntrack.track(p.now, headers, bytes, prerouting, zone),
        }
    }

    /// The course that the packet's connection has noted.
    fn recall(&mut self, p: &mut Passage<'_, '_, '_>) -> Option<u16> {
        let prepared = p.aids.prepared.filter(|_| p.may_follow())?;
        let found = self.conntrack.find_near(prepared, p.aids.near);
        p.sought = Some(found);
        let number = self.conntrack.note(found?);
        let course = self.courses.get(number)?;
        (course.in_iface == p.in_iface).then_some(number)
    }

    /// Takes a packet along a course. One that is not of an open connection after all leaves it
    /// after tracking: up to there no more than its addresses has been asked for.
    fn follow(&mut self, p: &mut Passage<'_, '_, '_>, number: u16) -> Stage {
        let (family, length) = (p.headers.family, p.headers.total_length);
        let Some(course) = self.courses.get(number) else { return Ok(()) };
        self.memory.count_all(family, &course.before, length);
        self.track(p, Hook::Prerouting)?;
        let Some(PacketCt { state: CtState::Established, .. }) = p.ct else {
            return self.pass(p);
        };
        let Some(course) = self.courses.get(number) else { return Ok(()) };
        let (path, out_iface, rule) = (course.path, course.out_iface, course.rule);
        p.path = path;
        self.translate(p, Hook::Prerouting)?;
        if path == Path::Forwarded {
            p.out_iface = out_iface;
            p.count_down()?;
        }
        p.rule = rule.map(|rule| RuleAt { family, rule });
        if let Some(course) = self.courses.get(number) {
            self.memory.count_all(family, &course.after, length);
        }
        match path {
            Path::Forwarded => self.translate(p, Hook::Postrouting),
            _ => self.translate(p, Hook::Input),
        }
    }

    /// Notes with an open connection the way its packet took, if all that come after it in this
    /// direction must take the same.
    fn learn(&mut self, p: &Passage<'_, '_, '_>) {
        let Some(PacketCt { state: CtState::Established, conn: Some(id), has_ties, .. }) = p.ct
        else {
            return;
        };
        if has_ties || p.queued.is_some() || !p.may_follow() {
            return;
        }
        let Some(rules) = self.memory.lesson() else { return };
        let ends = [p.in_iface, p.out_iface];
        let rule = p.rule.map(|at| at.rule);
        let number = self.courses.number(ends, p.path, rule, rules, p.rules_before);
        if let (Some(number), Some(ct)) = (number, p.ct) {
            self.conntrack.set_note(id, ct.direction, number);
        }
    }

    /// Decides between INPUT and FORWARD, as routing does between the hooks.
    fn route(&self, p: &mut Passage<'_, '_, '_>) -> Stage {
        match self.topology.route_input(p.headers.src, p.headers.dst, p.in_iface) {
            Err(reason) => Err(Stop::drop(reason)),
            Ok(Destination::Local) => {
                p.path = Path::Delivered;
                p.note(|| Step::Routed { path: Path::Delivered, out: None });
                Ok(())
            }
            Ok(Destination::Forward(out)) => {
                p.path = Path::Forwarded;
                p.out_iface = out;
                p.note(|| Step::Routed { path: Path::Forwarded, out });
                p.count_down()
            }
        }
    }

    /// The way out of a packet of the gateway's own.
    pub(crate) fn route_sent(&self, p: &mut Passage<'_, '_, '_>) -> Stage {
        p.path = Path::Sent;
        p.out_iface =
            self.topology.route_output(p.headers.src, p.headers.dst).map_err(Stop::drop)?;
        let out = p.out_iface;
        p.note(|| Step::Routed { path: Path::Sent, out });
        Ok(())
    }

    /// Whether a packet of the gateway's own goes to all hosts of a network, itself among them.
    pub(crate) fn is_for_everybody(&self, p: &Passage<'_, '_, '_>) -> bool {
        p.headers.family == Family::Ipv4
            && self.topology.route(p.headers.dst).kind == RouteKind::Broadcast
    }

    /// The connection enters the table: its first packet survived.
    pub(crate) fn confirm(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        let Some(PacketCt { conn: Some(id), new: true, .. }) = p.ct else { return Ok(()) };
        let status = self.conntrack.summary(id).map(|summary| summary.status);
        let id = self.conntrack.confirm(p.now, id).map_err(|reason| match (reason, status) {
            // Packets come one after the other: what was chosen for it was all taken.
            (Reason::Clash, Some(status)) if status.intersects(TRANSLATED) => {
                Stop::drop(Reason::NatNoPort)
            }
            (reason, _) => Stop::drop(reason),
        })?;
        p.ct = p.ct.map(|ct| PacketCt { conn: Some(id), new: false, ..ct });
        p.note(|| Step::Confirmed);
        Ok(())
    }
}

/// Either end of the connection is translated.
const TRANSLATED: Status = Status::SRC_NAT.union(Status::DST_NAT);

/// Whether rules at `hook` may ask for the interface a packet came in by.
fn sees_in(hook: Hook) -> bool {
    matches!(hook, Hook::Prerouting | Hook::Input | Hook::Forward)
}

/// Whether rules at `hook` may ask for the interface a packet leaves by.
fn sees_out(hook: Hook) -> bool {
    matches!(hook, Hook::Forward | Hook::Output | Hook::Postrouting)
}
