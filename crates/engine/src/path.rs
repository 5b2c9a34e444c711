//! The path of a packet, stage by stage.
//!
//! `received` and `sent` are the whole story: each line is a stage, and a stage that ends the
//! packet's life returns a [`Stop`]. The order is that of the netfilter hook priorities:
//! defragmentation -400, raw -300, tracking -200, mangle -150, filter 0, security 50, and at the
//! very end helpers and confirmation.

use crate::engine::Engine;
use crate::help::HelpState;
use crate::outcome::{Path, RuleAt};
use crate::packet::{Ingress, Packet, Presumed};
use crate::trace::{Step, Trace};
use kinwall_conntrack::defrag::{Defragmented, Place};
use kinwall_conntrack::{Conntrack, HelperId, PacketCt, Tracked};
use kinwall_rules::eval::Decision;
use kinwall_rules::facts::{Connections, Facts, Owner, PacketState};
use kinwall_terms::ct::CtFacts;
use kinwall_terms::{
    CtState, Direction, Family, Hook, InterfaceName, Reason, RejectWith, Table, Time, Tuple,
    Verdict, Zone,
};
use kinwall_topology::{Destination, RouteKind};
use kinwall_wire::Headers;
use std::borrow::Cow;

/// A packet under way: what the stages have found out so far.
pub(crate) struct Passage<'p, 'b, 't> {
    pub(crate) now: Time,
    pub(crate) packet: &'p mut Packet<'b>,
    pub(crate) headers: Headers,
    pub(crate) path: Path,
    pub(crate) in_iface: Option<InterfaceName>,
    pub(crate) out_iface: Option<InterfaceName>,
    /// What rules changed.
    pub(crate) state: PacketState,
    /// What tracking said; `None` before it.
    pub(crate) ct: Option<PacketCt>,
    /// What rules may ask of its connection, once one has been reached that could.
    pub(crate) known: Option<Known>,
    /// What tracking shall say, instead of looking.
    pub(crate) presumed: Option<&'t Presumed>,
    /// The last rule that decided something.
    pub(crate) rule: Option<RuleAt>,
    /// The queue a rule handed the packet to.
    pub(crate) queued: Option<u16>,
    pub(crate) trace: Option<&'t mut Trace>,
}

/// What rules may ask of a connection, but for the name of its master's helper.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    facts: CtFacts<'static>,
    master_helper: Option<HelperId>,
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
        self.rules(p, Table::Raw, Hook::Prerouting)?;
        self.track(p, Hook::Prerouting)?;
        self.rules(p, Table::Mangle, Hook::Prerouting)?;
        self.route(p)?;
        if p.path == Path::Delivered {
            self.rules(p, Table::Mangle, Hook::Input)?;
            self.rules(p, Table::Filter, Hook::Input)?;
            self.rules(p, Table::Security, Hook::Input)?;
        } else {
            self.rules(p, Table::Mangle, Hook::Forward)?;
            self.rules(p, Table::Filter, Hook::Forward)?;
            self.rules(p, Table::Security, Hook::Forward)?;
            self.rules(p, Table::Mangle, Hook::Postrouting)?;
        }
        self.help(p).inspect_err(|_| p.rule = None)?;
        self.confirm(p).inspect_err(|_| p.rule = None)
    }

    /// A packet that the gateway itself sends.
    pub(crate) fn sent(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        self.route_sent(p)?;
        self.defragment(p, Hook::Output)?;
        self.rules(p, Table::Raw, Hook::Output)?;
        self.track(p, Hook::Output)?;
        self.rules(p, Table::Mangle, Hook::Output)?;
        self.rules(p, Table::Filter, Hook::Output)?;
        self.rules(p, Table::Security, Hook::Output)?;
        self.rules(p, Table::Mangle, Hook::Postrouting)?;
        if self.is_for_everybody(p) {
            // The copy that the gateway keeps of a broadcast is the first to be through.
            self.confirm(p).inspect_err(|_| p.rule = None)?;
        }
        self.help(p).inspect_err(|_| p.rule = None)?;
        self.confirm(p).inspect_err(|_| p.rule = None)
    }

    /// What the IP input path of Linux refuses before any hook.
    fn arrive(&self, p: &Passage<'_, '_, '_>) -> Stage {
        // `nf_conntrack_checksum=0` is said of captures whose checksums were left to the network
        // card: theirs is the header's too. A length left out of a header was never summed.
        if self.settings.tracking.tunables.checksum
            && !p.headers.length_missing
            && !p.headers.verify_network_checksum(&p.packet.bytes)
        {
            return Err(Stop::drop(Reason::BadNetworkChecksum));
        }
        match self.topology.refused_on_arrival(p.headers.src, p.headers.dst, p.in_iface) {
            Some(reason) => Err(Stop::drop(reason)),
            None => Ok(()),
        }
    }

    /// Holds fragments until their datagram is complete, and goes on with that.
    fn defragment(&mut self, p: &mut Passage<'_, '_, '_>, hook: Hook) -> Stage {
        if p.headers.fragment.is_none() {
            return Ok(());
        }
        // Before the raw table no rule has named a zone yet.
        let place = Place { hook, interface: p.in_iface, zone: 0 };
        match self.defragmenter.take(p.now, p.packet.number, place, &p.headers, &p.packet.bytes) {
            Defragmented::Whole => Ok(()),
            Defragmented::Held => Err(Stop { verdict: Verdict::Consume, reason: None }),
            Defragmented::Dropped(reason) => Err(Stop::drop(reason)),
            Defragmented::Complete { datagram, .. } => {
                p.headers =
                    Headers::parse(&datagram).map_err(|error| Stop::drop(error.reason()))?;
                p.packet.bytes = Cow::Owned(datagram);
                let length = p.headers.total_length;
                p.note(|| Step::Reassembled { length });
                Ok(())
            }
        }
    }

    /// Walks the chain that `table` has at `hook`.
    fn rules(&mut self, p: &mut Passage<'_, '_, '_>, table: Table, hook: Hook) -> Stage {
        let family = p.headers.family;
        let Some(program) = &self.programs[family.index()] else { return Ok(()) };
        if !program.has_chain(table, hook) {
            return Ok(());
        }
        if p.known.is_none() {
            p.known = p.ct.and_then(|ct| known_of(&self.conntrack, p, ct));
        }
        let name = |helper: HelperId| Some(self.settings.instances.get(helper.0)?.name.as_str());
        let ct_facts = p.known.map(|known| CtFacts {
            master_helper: known.master_helper.and_then(name),
            ..known.facts
        });
        let facts = Facts {
            headers: &p.headers,
            bytes: &p.packet.bytes,
            link: &p.packet.link,
            hook,
            in_iface: if sees_in(hook) { p.in_iface } else { None },
            out_iface: if sees_out(hook) { p.out_iface } else { None },
            local: matches!(p.packet.ingress, Ingress::Local { .. }),
            ct_state: p.ct.map_or(CtState::Invalid, |ct| ct.state),
            ct: ct_facts.as_ref(),
            now: p.now,
            topology: &self.topology,
            others: &Others { conntrack: &self.conntrack, now: p.now },
            owner: p.owner(),
        };
        let mut steps = p.trace.as_ref().map(|_| kinwall_rules::eval::Trace::default());
        let walk = program.walk(table, &facts, &mut p.state, &mut self.memory, steps.as_mut());
        if let (Some(mark), Some(id)) = (p.state.connmark, p.ct.and_then(|ct| ct.conn)) {
            self.conntrack.set_mark(id, mark);
            if let Some(known) = &mut p.known {
                known.facts.mark = mark;
            }
        }
        p.note(|| Step::Chain { family, table, hook, walk, steps: steps.unwrap_or_default() });
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
                if let (RejectWith::TcpReset, Some(id)) = (with, p.ct.and_then(|ct| ct.conn)) {
                    self.conntrack.close(id, p.now);
                }
                p.end_by(rule, Verdict::Reject(with), Some(Reason::Rule))
            }
            Decision::Unknown => p.end_by(rule, Verdict::Unknown, None),
        }
    }

    /// Finds the packet's connection, or begins one.
    fn track(&mut self, p: &mut Passage<'_, '_, '_>, hook: Hook) -> Stage {
        let template = p.state.ct.take().unwrap_or_default();
        let ct = if template.notrack {
            PacketCt::UNTRACKED
        } else if let Some(presumed) = p.presumed {
            presumed.packet_ct()
        } else {
            let prerouting = hook == Hook::Prerouting;
            let bytes = &p.packet.bytes;
            match self.conntrack.track(p.now, &p.headers, bytes, prerouting, template.zone) {
                Tracked::Drop(reason) => return Err(Stop::drop(reason)),
                Tracked::Packet(ct) => ct,
            }
        };
        p.ct = Some(ct);
        if p.trace.is_some() {
            let connection = ct.conn.and_then(|id| self.connection_facts(id, ct.direction));
            p.note(|| Step::Tracked { ct, connection });
        }
        if ct.new {
            self.assign_helper(p, ct, &template);
        }
        Ok(())
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
                if p.state.ttl <= 1 {
                    return Err(Stop::drop(Reason::HopLimit));
                }
                // Linux counts down before the FORWARD chains: their rules see the new value.
                p.state.ttl -= 1;
                Ok(())
            }
        }
    }

    /// The way out of a packet of the gateway's own.
    fn route_sent(&self, p: &mut Passage<'_, '_, '_>) -> Stage {
        p.path = Path::Sent;
        p.out_iface = self.topology.route_output(p.headers.dst).map_err(Stop::drop)?;
        let out = p.out_iface;
        p.note(|| Step::Routed { path: Path::Sent, out });
        Ok(())
    }

    /// Whether a packet of the gateway's own goes to all hosts of a network, itself among them.
    fn is_for_everybody(&self, p: &Passage<'_, '_, '_>) -> bool {
        p.headers.family == Family::Ipv4
            && self.topology.route(p.headers.dst).kind == RouteKind::Broadcast
    }

    /// The connection enters the table: its first packet survived.
    fn confirm(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        let Some(PacketCt { conn: Some(id), new: true, .. }) = p.ct else { return Ok(()) };
        let id = self.conntrack.confirm(p.now, id).map_err(Stop::drop)?;
        p.ct = p.ct.map(|ct| PacketCt { conn: Some(id), new: false, ..ct });
        p.note(|| Step::Confirmed);
        Ok(())
    }
}

impl Passage<'_, '_, '_> {
    /// Adds a step to the trace, when there is one.
    pub(crate) fn note(&mut self, step: impl FnOnce() -> Step) {
        if let Some(trace) = &mut self.trace {
            trace.steps.push(step());
        }
    }

    fn end_by(&mut self, rule: Option<RuleAt>, verdict: Verdict, reason: Option<Reason>) -> Stage {
        self.rule = rule;
        Err(Stop { verdict, reason })
    }

    fn owner(&self) -> Option<Owner> {
        match self.packet.ingress {
            Ingress::Local { owner } => owner,
            Ingress::Interface(_) => None,
        }
    }
}

/// Whether rules at `hook` may ask for the interface a packet came in by.
fn sees_in(hook: Hook) -> bool {
    matches!(hook, Hook::Prerouting | Hook::Input | Hook::Forward)
}

/// Whether rules at `hook` may ask for the interface a packet leaves by.
fn sees_out(hook: Hook) -> bool {
    matches!(hook, Hook::Forward | Hook::Output | Hook::Postrouting)
}

/// The connection table as connlimit asks it.
struct Others<'a> {
    conntrack: &'a Conntrack<HelpState>,
    now: Time,
}

impl Connections for Others<'_> {
    fn is_open(&self, original: &Tuple, zone: Zone) -> bool {
        self.conntrack.is_live(original, zone, self.now)
    }
}

/// What rules may ask of the packet's connection.
fn known_of(
    conntrack: &Conntrack<HelpState>,
    p: &Passage<'_, '_, '_>,
    ct: PacketCt,
) -> Option<Known> {
    let Some(presumed) = p.presumed else {
        let id = ct.conn?;
        let facts = conntrack.facts(id, ct.direction, p.now, &|_| None)?;
        let master = if facts.has_master { conntrack.master(id) } else { None };
        return Some(Known { facts, master_helper: master.and_then(|master| master.helper) });
    };
    if !presumed.has_connection() {
        return None;
    }
    let (sport, dport) = p.headers.ports().unwrap_or_default();
    let Headers { src, dst, proto, .. } = p.headers;
    let own = Tuple { src, dst, sport, dport, proto };
    let other = own.invert().unwrap_or(own);
    let (original, reply) = match presumed.direction {
        Direction::Original => (own, other),
        Direction::Reply => (other, own),
    };
    let facts = CtFacts {
        direction: presumed.direction,
        status: presumed.status(),
        original,
        reply,
        mark: 0,
        expires_s: 0,
        has_master: presumed.master_helper.is_some(),
        master_helper: None,
        counters: None,
        zone: [0; 2],
    };
    Some(Known { facts, master_helper: presumed.master_helper })
}
