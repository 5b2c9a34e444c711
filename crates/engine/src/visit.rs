//! A packet that is seen twice, because somebody else routes it.
//!
//! Behind a queue of Linux the kernel asks for a verdict where packets come in, routes them by
//! itself, and asks once more where they go on. [`Engine::first_visit`] takes a packet from its
//! arrival to the translation of its destination (one of the gateway's own: to the end of the
//! OUTPUT chains) and notes it under a token; [`Engine::second_visit`] goes on with the token and
//! the way the kernel chose. Both together answer as [`Engine::handle`] does where the kernel
//! routes as the topology says.
//!
//! Packets of one connection may overtake its beginning: two queries sent at once both have their
//! first visit before either has its second. The later one joins the connection of the earlier.

use crate::engine::Engine;
use crate::outcome::{Outcome, Path, RuleAt};
use crate::packet::{Ingress, Packet};
use crate::path::{Aids, Passage, Stage, Stop, Sums};
use crate::trace::Trace;
use kinwall_conntrack::{ConnId, PacketCt, Tracked};
use kinwall_rules::facts::{Key, PacketState};
use kinwall_terms::{Direction, Family, Hook, InterfaceName, L4Proto, Manip, Reason, Table, Time};
use kinwall_wire::{Headers, LinkFacts};
use std::borrow::Cow;
use std::net::IpAddr;

/// The name under which a packet waits for its second visit: from 1.
pub type Token = u16;

/// The highest token but those that an embedder keeps for purposes of its own.
pub const TOKENS_MAX: Token = u16::MAX - 31;

/// How long a packet is waited for, in seconds. The kernel takes no longer between two hooks than
/// its queue holds packets; what it drops between them never comes.
const WAIT_S: u32 = 5;

/// Packets come back in the order in which they left: one that left so many before another that
/// is back was lost. A few may overtake, such as those for the gateway itself.
const OVERTAKEN: u64 = 256;

/// How many tokens in a row are tried for one that is free.
const TRIES: usize = 32;

/// What the embedder knows of a packet besides the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its checksum is left to a network card: it is not verified.
    pub is_unfinished: bool,
    /// The interface that one of the gateway's own is to leave by; `None`: as the topology says.
    pub out: Option<InterfaceName>,
    /// Its steps are wanted.
    pub is_traced: bool,
}

/// What the first visit answers.
#[derive(Debug)]
pub struct FirstVisit {
    /// The answer so far: final without a token.
    pub outcome: Outcome,
    /// The packet is to be routed, and to come back with this.
    pub token: Option<Token>,
    /// The numbers of the fragments that its bytes were made of, its own last; empty for a packet
    /// that came whole.
    pub pieces: Vec<u64>,
    /// The steps of a packet whose way ends here, if they are wanted.
    pub trace: Option<Trace>,
}

/// The way that a packet was routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// For the gateway itself.
    In,
    /// Out by an interface.
    Out(Option<InterfaceName>),
}

/// A packet between its visits.
#[derive(Debug)]
struct Waiting {
    since: Time,
    /// Its number among those that left.
    sequence: u64,
    number: u64,
    ingress: Ingress,
    link: LinkFacts,
    /// As it came.
    headers: Headers,
    state: PacketState,
    path: Path,
    in_iface: Option<InterfaceName>,
    ct: Option<PacketCt>,
    rule: Option<RuleAt>,
    queued: Option<u16>,
    translated: bool,
    /// The whole of which only fragments come back.
    datagram: Option<Vec<u8>>,
    /// Which packets may come back with the token.
    ends: Ends,
    /// Its steps so far.
    trace: Option<Trace>,
}

/// What a packet that comes back must have kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    src: IpAddr,
    dst: IpAddr,
    proto: L4Proto,
}

impl Ends {
    fn of(headers: &Headers) -> Ends {
        Ends { src: headers.src, dst: headers.dst, proto: headers.proto }
    }
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Free,
    Waits(Box<Waiting>),
    /// Other fragments of a datagram and the copies of a broadcast get the same answer.
    Answered(Ends, Outcome),
}

/// The packets between their visits: a bounded table in which the oldest make room.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    places: Vec<Place>,
    next: usize,
    limit: usize,
    /// How many have left.
    left: u64,
    /// The latest that is back.
    back: u64,
    /// The steps of the packet that was back last.
    traced: Option<Trace>,
}

impl Visits {
    /// The index of a place that may be taken now, and the connection that waited there in vain.
    fn room(&mut self, now: Time) -> Option<(usize, Option<ConnId>)> {
        let overtaken = OVERTAKEN.min(self.limit as u64 / 4);
        for _ in 0..TRIES.min(self.limit) {
            let at = self.next % self.limit;
            self.next = at + 1;
            if at >= self.places.len() {
                self.places.push(Place::Free);
                return Some((self.places.len() - 1, None));
            }
            match &self.places[at] {
                Place::Free | Place::Answered(..) => return Some((at, None)),
                Place::Waits(old)
                    if old.sequence + overtaken < self.back || old.since.after_s(WAIT_S) <= now =>
                {
                    let new = old.ct.filter(|ct| ct.new);
                    return Some((at, new.and_then(|ct| ct.conn)));
                }
                Place::Waits(_) => {}
            }
        }
        None
    }
}

impl Engine {
    /// Sets how many packets may be between their visits, at most [`TOKENS_MAX`]; none at first.
    /// Those that are under way are forgotten.
    pub fn set_visits(&mut self, limit: Token) {
        for place in std::mem::take(&mut self.visits.places) {
            if let Place::Waits(waiting) = place
                && let Some(PacketCt { conn: Some(id), new: true, .. }) = waiting.ct
            {
                self.conntrack.abandon(id);
            }
        }
        self.visits = Visits { limit: limit.min(TOKENS_MAX).into(), ..Visits::default() };
    }

    /// Takes a packet as far as its way can be chosen. The packet's bytes are what is to be routed.
    pub fn first_visit(&mut self, now: Time, packet: &mut Packet<'_>, told: Told) -> FirstVisit {
        self.expire_what_is_due(now);
        let headers = match Headers::parse(&packet.bytes) {
            Ok(headers) => headers,
            Err(error) => {
                let outcome = Outcome::unread(None, packet.bytes.len(), error.reason());
                return FirstVisit { outcome, token: None, pieces: Vec::new(), trace: None };
            }
        };
        let sums = if told.is_unfinished { Sums::Right } else { Sums::Unknown };
        let mut trace = told.is_traced.then(Trace::default);
        let aids = Aids { sums, trace: trace.as_mut(), ..Aids::default() };
        let mut p = Passage::new(now, packet, &headers, aids);
        let ended = self.arrive_and_wait(&mut p, told.out);
        let (stop, token) = match ended {
            Ok(token) => (None, Some(token)),
            Err(stop) => (Some(stop), None),
        };
        let outcome = self.conclude(&p, stop);
        imprint(&mut p);
        let pieces = p.pieces;
        if let Some(token) = token
            && let Some(Place::Waits(waiting)) =
                self.visits.places.get_mut(usize::from(token).wrapping_sub(1))
        {
            waiting.trace = trace.take();
        }
        FirstVisit { outcome, token, pieces, trace }
    }

    fn arrive_and_wait(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        out: Option<InterfaceName>,
    ) -> Result<Token, Stop> {
        self.memory.begin_lesson();
        let came_as = match p.packet.ingress {
            Ingress::Interface(_) => self.first_of_received(p)?,
            Ingress::Local { .. } => self.first_of_sent(p, out)?,
        };
        let room = self.visits.room(p.now).ok_or(Stop::drop(Reason::TableFull))?;
        let (at, abandoned) = room;
        if let Some(id) = abandoned {
            self.conntrack.abandon(id);
        }
        let comes_in_pieces = p.headers.family == Family::Ipv6 && !p.pieces.is_empty();
        self.visits.left += 1;
        self.visits.places[at] = Place::Waits(Box::new(Waiting {
            since: p.now,
            sequence: self.visits.left,
            number: p.packet.number,
            ingress: p.packet.ingress,
            link: p.packet.link,
            headers: came_as,
            state: p.state.clone(),
            path: p.path,
            in_iface: p.in_iface,
            ct: p.ct,
            rule: p.rule,
            queued: p.queued,
            translated: p.translated,
            datagram: comes_in_pieces.then(|| p.packet.bytes.to_vec()),
            ends: Ends::of(&p.headers),
            trace: None,
        }));
        Ok(at as Token + 1)
    }

    /// Up to routing; the headers before translation.
    fn first_of_received(&mut self, p: &mut Passage<'_, '_, '_>) -> Result<Headers, Stop> {
        self.arrive(p)?;
        self.defragment(p, Hook::Prerouting)?;
        self.rules(p, Table::Raw, Hook::Prerouting)?;
        self.track(p, Hook::Prerouting)?;
        self.rules(p, Table::Mangle, Hook::Prerouting)?;
        let headers = p.headers;
        self.translate(p, Hook::Prerouting)?;
        Ok(headers)
    }

    /// Up to the end of the OUTPUT chains: there the kernel looks for another way if need be.
    fn first_of_sent(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        out: Option<InterfaceName>,
    ) -> Result<Headers, Stop> {
        match out {
            None => self.route_sent(p)?,
            out => (p.path, p.out_iface) = (Path::Sent, out),
        }
        self.defragment(p, Hook::Output)?;
        self.rules(p, Table::Raw, Hook::Output)?;
        self.track(p, Hook::Output)?;
        self.rules(p, Table::Mangle, Hook::Output)?;
        let headers = p.headers;
        self.translate(p, Hook::Output)?;
        self.rules(p, Table::Filter, Hook::Output)?;
        self.rules(p, Table::Security, Hook::Output)?;
        Ok(headers)
    }

    /// Goes on with a packet that has been routed: `bytes` as it comes back, its hop counted
    /// where it is forwarded. `None`: no packet waits under this token, or another one.
    pub fn second_visit(
        &mut self,
        now: Time,
        token: Token,
        way: Way,
        bytes: &mut Cow<'_, [u8]>,
    ) -> Option<Outcome> {
        self.expire_what_is_due(now);
        let at = usize::from(token).checked_sub(1)?;
        let ends = Ends::of(&Headers::parse(bytes).ok()?);
        let waiting = match self.visits.places.get_mut(at)? {
            Place::Answered(whose, outcome) if *whose == ends => return Some(*outcome),
            Place::Waits(waiting) if waiting.ends == ends => {
                match std::mem::take(&mut self.visits.places[at]) {
                    Place::Waits(waiting) => *waiting,
                    _ => return None,
                }
            }
            _ => return None,
        };
        self.visits.back = self.visits.back.max(waiting.sequence);
        let outcome = self.resume(now, waiting, way, bytes)?;
        self.visits.places[at] = Place::Answered(ends, outcome);
        Some(outcome)
    }

    /// The steps of the packet that had its second visit last, if they are wanted.
    pub fn take_trace(&mut self) -> Option<Trace> {
        self.visits.traced.take()
    }

    fn resume(
        &mut self,
        now: Time,
        waiting: Waiting,
        way: Way,
        bytes: &mut Cow<'_, [u8]>,
    ) -> Option<Outcome> {
        let is_datagram = waiting.datagram.is_some();
        let bytes_now = match waiting.datagram {
            Some(datagram) => Cow::Owned(datagram),
            None => Cow::Borrowed(&**bytes),
        };
        let headers = Headers::parse(&bytes_now).ok()?;
        let Waiting { number, ingress, link, mut state, mut trace, .. } = waiting;
        let mut packet = Packet { number, ingress, link, mark: state.mark, bytes: bytes_now };
        state.ttl = headers.ttl;
        let aids = Aids { trace: trace.as_mut(), ..Aids::default() };
        let mut p = Passage::new(now, &mut packet, &headers, aids);
        p.state = state;
        p.in_iface = waiting.in_iface;
        p.ct = waiting.ct;
        p.rule = waiting.rule;
        p.queued = waiting.queued;
        p.translated = waiting.translated;
        p.key = waiting.ct.map_or(p.key, |ct| p.key.tracked(ct.state));
        p.path = match (way, waiting.path) {
            (Way::Out(_), Path::Sent) => Path::Sent,
            (Way::Out(_), _) => Path::Forwarded,
            (Way::In, _) => Path::Delivered,
        };
        if let Way::Out(out) = way {
            p.out_iface = out;
        }
        self.memory.begin_lesson();
        let end = self.join(&mut p, &waiting.headers).and_then(|()| self.depart(&mut p));
        let outcome = self.conclude(&p, end.err());
        if p.state.mss.is_some() || p.state.tos != p.headers.tos || p.state.ttl != p.headers.ttl {
            imprint(&mut p);
        }
        self.visits.traced = trace;
        let changed = match packet.bytes {
            Cow::Owned(changed) if !is_datagram => Some(changed),
            _ => None,
        };
        if let Some(changed) = changed {
            *bytes = Cow::Owned(changed);
        }
        Some(outcome)
    }

    /// From routing to the end of the path.
    fn depart(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        match p.path {
            Path::Delivered => {
                self.rules(p, Table::Mangle, Hook::Input)?;
                self.rules(p, Table::Filter, Hook::Input)?;
                self.rules(p, Table::Security, Hook::Input)?;
                self.translate(p, Hook::Input)?;
            }
            Path::Sent => {
                self.rules(p, Table::Mangle, Hook::Postrouting)?;
                self.translate(p, Hook::Postrouting)?;
                if self.is_for_everybody(p) {
                    self.confirm(p).inspect_err(|_| p.rule = None)?;
                }
            }
            Path::Forwarded | Path::Unrouted => {
                self.rules(p, Table::Mangle, Hook::Forward)?;
                self.rules(p, Table::Filter, Hook::Forward)?;
                self.rules(p, Table::Security, Hook::Forward)?;
                self.rules(p, Table::Mangle, Hook::Postrouting)?;
                self.translate(p, Hook::Postrouting)?;
            }
        }
        self.finish(p)
    }

    /// Where another packet has opened the connection in the meantime that this one wanted to
    /// open, it joins that; if both would have been sent elsewhere, it cannot.
    fn join(&mut self, p: &mut Passage<'_, '_, '_>, came_as: &Headers) -> Stage {
        let Some(PacketCt { conn: Some(own), new: true, .. }) = p.ct else { return Ok(()) };
        let Some(view) = self.conntrack.connection(own) else {
            // What it opened was ended by hand.
            return Err(Stop::drop(Reason::Clash));
        };
        let other = self.conntrack.find(&view.original, view.zone, p.now);
        let Some((other, _)) = other.filter(|(other, _)| *other != own) else { return Ok(()) };
        let goes_to = self.conntrack.translation(other, Direction::Original, Manip::Destination);
        if goes_to.is_some_and(|(address, _)| address != p.headers.dst)
            || (goes_to.is_none() && came_as.dst != p.headers.dst)
        {
            return Err(Stop::drop(Reason::Clash));
        }
        self.conntrack.abandon(own);
        match self.conntrack.track(p.now, came_as, &p.packet.bytes, false, view.zone) {
            Tracked::Drop(reason) => {
                p.ct = None;
                Err(Stop::drop(reason))
            }
            Tracked::Packet(ct) => {
                p.ct = Some(ct);
                p.key = Key::new(&p.headers, &p.packet.bytes).tracked(ct.state);
                Ok(())
            }
        }
    }
}

/// Writes into the packet what rules changed of it.
fn imprint(p: &mut Passage<'_, '_, '_>) {
    let (tos, ttl, mss) = (p.state.tos, p.state.ttl, p.state.mss);
    if tos == p.headers.tos && ttl == p.headers.ttl && mss.is_none() {
        return;
    }
    let bytes = p.packet.bytes.to_mut();
    kinwall_wire::fields::set(bytes, &p.headers, tos, ttl);
    if let Some(mss) = mss {
        kinwall_wire::fields::set_mss(bytes, &p.headers, mss);
    }
}
