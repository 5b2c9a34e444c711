//! The engine: one value, owned by one thread, that takes packets and instants.

use crate::course::Courses;
use crate::outcome::{Announced, ConnectionFacts, Outcome, Path};
use crate::packet::{Ingress, Packet, Presumed};
use crate::path::{Aids, Passage, Stop};
use crate::settings::{SettingError, Settings, module_parameter};
use crate::trace::Trace;
use kinwall_conntrack::defrag::Defragmenter;
use kinwall_conntrack::settings::Settings as TrackingSettings;
use kinwall_conntrack::{ConnId, Conntrack, Event, HelperId, PacketCt};
use kinwall_helpers::{Effects, Instances};
use kinwall_rules::log_line::LogLine;
use kinwall_rules::memory::Memory;
use kinwall_rules::program::Program;
use kinwall_rules::sets::Sets;
use kinwall_terms::{
    CtState, Direction, Family, InterfaceName, Reason, Time, Tuple, Verdict, Zone,
};
use kinwall_topology::Topology;
use kinwall_wire::rewrite::Edits;
use kinwall_wire::{Headers, ParseError};

use crate::help::HelpState;
use crate::visit::Visits;
use std::net::IpAddr;

/// A stateful firewall without I/O, clock, threads or globals: what it answers depends on its
/// arguments alone.
///
/// Hand it packets in the order of their time with [`Engine::handle`]; ask
/// [`Engine::next_deadline`] when [`Engine::expire`] has work; drain [`Engine::events`].
pub struct Engine {
    pub(crate) topology: Topology,
    pub(crate) settings: Settings,
    /// The rules of each family, by [`Family::index`].
    pub(crate) programs: [Option<Program>; 2],
    pub(crate) memory: Memory,
    pub(crate) conntrack: Conntrack<HelpState>,
    pub(crate) defragmenter: Defragmenter,
    /// What the helper under way wants; kept for its memory.
    pub(crate) effects: Effects,
    /// What becomes of the payload under way; kept for its memory.
    pub(crate) edits: Edits,
    /// The address at which the stream is expected that the packet under way announced last.
    pub(crate) media: Option<IpAddr>,
    /// The port at which the packet under way is delivered, if it is another one.
    pub(crate) deliver_at: Option<u16>,
    /// What helpers were not believed in, by reason.
    pub(crate) doubts: Vec<u64>,
    /// What guards refused, by helper.
    pub(crate) guarded: Vec<u64>,
    pub(crate) courses: Courses,
    next_deadline: Time,
    /// Whether answers tell of the packet's connection.
    pub(crate) details: bool,
    /// By [`Family::index`]: whether connections are translated.
    pub(crate) translates: [bool; 2],
    /// Whether interfaces have changed since the beginning.
    pub(crate) was_rewired: bool,
    /// Whether rules may give packets other prefixes.
    pub(crate) readdresses: bool,
    /// The ports (source, destination) that the next packet leaves with.
    pub(crate) wish: Option<[u16; 2]>,
    /// As what the next packet left, in truth.
    pub(crate) observed: Option<Tuple>,
    /// Packets between their visits.
    pub(crate) visits: Visits,
}

/// How many seconds packets may come without a look for what has expired.
const EXPIRE_EVERY_S: u32 = 1;

/// Expired connections and expectations looked at per packet, at most.
const EXPIRE_PER_PACKET: usize = 64;

impl Engine {
    /// An engine with empty tables. `seed` keys its hash tables and decides what rules that live
    /// by chance do: the same seed and packets give the same answers. A rule that asks how much
    /// a connection has carried switches accounting on, as in Linux.
    pub fn new(
        topology: Topology,
        mut settings: Settings,
        programs: [Option<Program>; 2],
        seed: u64,
    ) -> Engine {
        settings.tracking.acct |= programs.iter().flatten().any(Program::needs_accounting);
        let loaded: Vec<&Program> = programs.iter().flatten().collect();
        let memory = Memory::new(&loaded, seed);
        let mut conntrack = Conntrack::new(settings.tracking.clone(), u128::from(seed) << 64 | 1);
        conntrack.set_ends_too(HelpState::ends_too(settings.profile));
        let tracking = &settings.tracking;
        let defragmenter =
            Defragmenter::new(tracking.ipv4_fragments, tracking.ipv6_fragments, seed.into());
        Engine {
            topology,
            settings,
            programs,
            memory,
            conntrack,
            defragmenter,
            effects: Effects::new(),
            edits: Edits::default(),
            media: None,
            deliver_at: None,
            doubts: vec![0; Reason::ALL.len()],
            guarded: Vec::new(),
            courses: Courses::default(),
            next_deadline: Time(0),
            details: true,
            translates: [false; 2],
            readdresses: false,
            was_rewired: false,
            wish: None,
            observed: None,
            visits: Visits::default(),
        }
    }

    /// The same with these sets, for `-m set` and `-j SET`.
    pub fn with_sets(mut self, sets: Sets) -> Engine {
        self.memory.take_sets(sets);
        self
    }

    /// Takes one packet through the whole path. `now` never goes back: an earlier instant than
    /// the last counts as the last.
    pub fn handle(&mut self, now: Time, packet: &mut Packet<'_>) -> Outcome {
        let headers = Headers::parse(&packet.bytes);
        self.run(now, packet, headers.as_ref(), Aids::default())
    }

    /// As [`Engine::handle`], with every step written down in `trace`.
    pub fn handle_traced(
        &mut self,
        now: Time,
        packet: &mut Packet<'_>,
        trace: &mut Trace,
    ) -> Outcome {
        let headers = Headers::parse(&packet.bytes);
        let aids = Aids { trace: Some(trace), ..Aids::default() };
        self.run(now, packet, headers.as_ref(), aids)
    }

    /// Takes a packet through the rules as if tracking had said what is presumed. Nothing is
    /// remembered of its connection.
    pub fn suppose(
        &mut self,
        now: Time,
        packet: &mut Packet<'_>,
        presumed: &Presumed,
        trace: &mut Trace,
    ) -> Outcome {
        let headers = Headers::parse(&packet.bytes);
        let presumed = Some(presumed);
        let aids = Aids { trace: Some(trace), presumed, ..Aids::default() };
        self.run(now, packet, headers.as_ref(), aids)
    }

    fn run(
        &mut self,
        now: Time,
        packet: &mut Packet<'_>,
        headers: Result<&Headers, &ParseError>,
        aids: Aids<'_>,
    ) -> Outcome {
        self.expire_what_is_due(now);
        self.take(now, packet, headers, aids)
    }

    /// Removes a little of what has expired, now and then.
    #[inline]
    pub(crate) fn expire_what_is_due(&mut self, now: Time) {
        if now >= self.next_deadline {
            self.expire(now, EXPIRE_PER_PACKET);
        }
    }

    /// Takes a packet along the path.
    pub(crate) fn take(
        &mut self,
        now: Time,
        packet: &mut Packet<'_>,
        headers: Result<&Headers, &ParseError>,
        aids: Aids<'_>,
    ) -> Outcome {
        let in_iface = match packet.ingress {
            Ingress::Interface(name) => name,
            Ingress::Local { .. } => None,
        };
        let headers = match headers {
            Ok(headers) => headers,
            Err(error) => return Outcome::unread(in_iface, packet.bytes.len(), error.reason()),
        };
        let prepared;
        let aids = match aids {
            Aids { presumed: None, trace: None, prepared: None, .. } => {
                prepared = self.conntrack.prepare(headers, &packet.bytes, Zone::default());
                Aids { prepared: Some(&prepared), ..aids }
            }
            aids => aids,
        };
        let mut passage = Passage::new(now, packet, headers, aids);
        let end = match (passage.aids.tracked, passage.packet.ingress) {
            (Some(tracked), _) => self.rejoin(&mut passage, tracked),
            (None, Ingress::Interface(_)) => self.received(&mut passage),
            (None, Ingress::Local { .. }) => self.sent(&mut passage),
        };
        let outcome = self.conclude(&passage, end.err());
        self.wish = None;
        self.observed = None;
        outcome
    }

    /// Whether answers tell of the packet's connection, on at first: who only counts verdicts
    /// has no use for it.
    pub fn set_details(&mut self, on: bool) {
        self.details = on;
    }

    /// Applies the nat table from now on, or not, and so DNPT and SNPT; off at first. Where there
    /// is none, nothing is translated.
    pub fn set_translation(&mut self, on: bool) {
        self.readdresses = on;
        self.translates = Family::ALL.map(|family| on && self.has_nat(family));
        self.courses.forget();
    }

    /// Writes the lines of LOG from now on, or not; off at first. Whoever switches it on fetches
    /// them ([`Engine::log_lines`]).
    pub fn set_log(&mut self, on: bool) {
        self.memory.log.set(on);
        self.courses.forget();
    }

    /// The lines that LOG has written since the last call, and how many more there were than are
    /// kept ([`kinwall_rules::log_line::LINES_MAX`]).
    pub fn log_lines(&mut self) -> (Vec<LogLine>, u64) {
        self.memory.log.take()
    }

    /// Whether the rules of a family have a nat table.
    pub fn has_nat(&self, family: Family) -> bool {
        self.program(family).is_some_and(Program::has_nat)
    }

    /// Translates connections from now on as their first packets leave in truth, where that is
    /// known ([`Engine::observe`]), and as the nat table says where it is not.
    pub fn set_observation(&mut self) {
        self.readdresses = true;
        self.translates = [true; 2];
        self.courses.forget();
    }

    /// Says as what the next packet leaves in truth: a connection that it begins is translated so,
    /// whatever the nat table says, and so are those that helpers expect.
    pub fn observe(&mut self, left: Tuple) {
        self.observed = Some(left);
    }

    /// Whether the nat table of a family is applied.
    pub fn translates(&self, family: Family) -> bool {
        self.translates[family.index()]
    }

    /// Says with which ports (or identifiers) the next packet leaves, where that is known: Linux
    /// chooses some by chance, and a capture of what left tells which.
    pub fn wish_ports(&mut self, ports: [u16; 2]) {
        self.wish = Some(ports);
    }

    /// Removes what has expired, at most `budget` entries of each table; false when more is due.
    pub fn expire(&mut self, now: Time, budget: usize) -> bool {
        let done = self.conntrack.expire(now, budget);
        self.defragmenter.expire(now, |_| {});
        // Packets in between may bring earlier deadlines.
        let soon = now.after_s(EXPIRE_EVERY_S);
        self.next_deadline = self.next_deadline().map_or(soon, |deadline| deadline.min(soon));
        done
    }

    /// When [`Engine::expire`] has something to do next.
    pub fn next_deadline(&self) -> Option<Time> {
        let deadlines = [self.conntrack.next_deadline(), self.defragmenter.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Writes events down from now on, or stops doing so. Off at first.
    pub fn set_events(&mut self, on: bool) {
        self.conntrack.set_events(on);
    }

    /// Whether [`Engine::events`] has something to tell.
    pub fn has_events(&self) -> bool {
        self.conntrack.has_events()
    }

    /// What happened to connections and expectations since the last call, in order.
    pub fn events(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.conntrack.drain_events()
    }

    /// Changes a setting while connections are tracked; they keep what they have (a connection
    /// its helper). `interface.NAME.addresses` and `interface.NAME.down` change an interface as
    /// [`Engine::set_topology`] does.
    ///
    /// # Errors
    ///
    /// The setting is unknown, its value wrong, or it can only be set at the start (`ports=`).
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        if key.ends_with(".ports") {
            return Err(SettingError::OnlyAtStart(key.to_owned()));
        }
        if let Some(interface) = key.strip_prefix("interface.") {
            return self.set_interface(interface, value);
        }
        self.settings.set(&mut self.topology, key, value)?;
        self.courses.forget();
        let key = module_parameter(key).unwrap_or(key);
        // A switch that only `strict` has in this version is none of the table's.
        if TrackingSettings::knows(key) && self.settings.tracking.get(key).is_ok() {
            self.conntrack.set(key, value).map_err(SettingError::Sysctl)?;
            let tracking = &self.settings.tracking;
            self.defragmenter.set_limits(tracking.ipv4_fragments, tracking.ipv6_fragments);
        }
        Ok(())
    }

    /// The topology.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The helpers as they are registered.
    pub fn instances(&self) -> &Instances {
        &self.settings.instances
    }

    /// How often helpers, their guards and the expectation table refused to believe a payload
    /// for this reason.
    pub fn doubts(&self, reason: Reason) -> u64 {
        self.doubts.get(reason as usize).copied().unwrap_or(0)
    }

    /// How often the guard of a helper refused what a payload announced.
    pub fn guarded(&self, helper: HelperId) -> u64 {
        self.guarded.get(usize::from(helper.0)).copied().unwrap_or(0)
    }

    /// The name of a helper.
    pub fn helper_name(&self, helper: HelperId) -> &str {
        self.settings.instances.get(helper.0).map_or("", |instance| &instance.name)
    }

    /// The rules of a family.
    pub fn program(&self, family: Family) -> Option<&Program> {
        self.programs[family.index()].as_ref()
    }

    /// What rules remember, their counters among it.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The connection and expectation tables.
    pub fn conntrack(&self) -> &Conntrack<HelpState> {
        &self.conntrack
    }

    /// What is told of a connection after a packet.
    pub(crate) fn connection_facts(
        &self,
        id: ConnId,
        direction: Direction,
    ) -> Option<ConnectionFacts> {
        let summary = self.conntrack.summary(id)?;
        let master = summary.master;
        Some(ConnectionFacts {
            number: summary.serial,
            direction,
            status: summary.status,
            mark: summary.mark,
            master: master.map(|master| master.serial),
            master_helper: master.and_then(|master| master.helper),
            own_helper: summary.helper,
            announced: master.map(|master| Announced {
                expectation: master.expectation,
                packet: master.announced.packet,
                offset: master.announced.span.offset,
                length: master.announced.span.length,
            }),
        })
    }

    /// Composes the answer. A connection whose first packet did not survive never was.
    pub(crate) fn conclude(&mut self, p: &Passage<'_, '_, '_>, stop: Option<Stop>) -> Outcome {
        let told = p.ct.filter(|ct| self.details && ct.state != CtState::Untracked);
        let connection = told.and_then(|ct| self.connection_facts(ct.conn?, ct.direction));
        if stop.is_some()
            && let Some(PacketCt { conn: Some(id), new: true, .. }) = p.ct
        {
            self.conntrack.abandon(id);
        }
        let invalid = p.ct.and_then(|ct| ct.reason);
        let verdict = match (stop, p.queued) {
            (Some(stop), _) => stop.verdict,
            (None, Some(queue)) => Verdict::Queue(queue),
            (None, None) => Verdict::Accept,
        };
        Outcome {
            verdict,
            path: p.path,
            in_iface: p.in_iface,
            out_iface: p.out_iface,
            ct_state: p.ct.map(|ct| ct.state),
            reason: stop.and_then(|stop| stop.reason).or(invalid),
            invalid,
            rule: p.rule,
            connection,
            mark: p.state.mark,
            length: p.headers.total_length,
            translated: p.translated,
        }
    }
}

impl Outcome {
    /// A packet whose network header cannot be read.
    pub(crate) fn unread(
        in_iface: Option<InterfaceName>,
        length: usize,
        reason: Reason,
    ) -> Outcome {
        Outcome {
            verdict: Verdict::Drop,
            path: Path::Unrouted,
            in_iface,
            out_iface: None,
            ct_state: None,
            reason: Some(reason),
            invalid: None,
            rule: None,
            connection: None,
            mark: 0,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            translated: false,
        }
    }
}
