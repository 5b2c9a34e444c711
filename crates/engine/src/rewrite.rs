//! Payload that changes with the addresses: announcements of translated connections.
//!
//! Where a connection is translated, the address and port that its payload names are of no use
//! on the other side. The expectation gets a port that is free there, the payload names that and
//! the address that the connection itself shows, and the child that comes is translated like its
//! master, back to what was named at first ([`Saved`]). Of a TCP connection whose payload has
//! grown or shrunk, all later sequence numbers are moved.

use crate::engine::Engine;
use crate::help::Work;
use crate::path::{Passage, Stage, Stop};
use crate::trace::{Rewritten, Step};
use kinwall_conntrack::{
    ConnId, ExpId, Expectation, Growth, HelperId, PacketCt, REWRITES_MAX, Refusal, Saved, View,
};
use kinwall_helpers::Following;
use kinwall_rules::facts::Key;
use kinwall_terms::expectation::Span;
use kinwall_terms::{
    ChildNat, CtState, Direction, Family, Manip, NatRange, Profile, Reason, Status, Time, Tuple,
};
use kinwall_wire::rewrite::{CannotRewrite, Edits, move_numbers, with_payload};
use kinwall_wire::{Headers, L4};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;
use std::ops::Range;

/// Ports that are tried after the one that was named.
const ATTEMPTS_MAX: u16 = 128;

impl Engine {
    /// Whether the connection is translated: what it announces would otherwise be of no use.
    pub(crate) fn is_translated(view: &View) -> bool {
        view.status.intersects(Status::SRC_NAT | Status::DST_NAT)
    }

    /// Expects the child of a translated connection, at the port that was named or at another
    /// one that nobody else waits at.
    pub(crate) fn expect_following(
        &mut self,
        now: Time,
        master: ConnId,
        mut request: Expectation,
        following: &Following,
    ) -> Result<ExpId, Refusal> {
        let first = request.expected.tuple.dport;
        request.saved = Some(saved(&request, following));
        let range = u16::MAX - first;
        let mut left = match following.named {
            Some(_) => range.min(ATTEMPTS_MAX),
            None => 0,
        };
        loop {
            match self.conntrack.expect(now, master, request) {
                Err(Refusal::Clash) if left > 0 => {
                    left -= 1;
                    let port = first.saturating_add(self.conntrack.chance_below(range));
                    request.expected.tuple.dport = port;
                }
                done => return done,
            }
        }
    }

    /// Writes what an expectation became into the payload, with the address by which its receiver
    /// knows the sender. It is taken back when a part of that place has left with an earlier
    /// packet.
    pub(crate) fn name_anew(
        &mut self,
        made: Result<ExpId, Refusal>,
        following: &Following,
        own: Own,
        address: IpAddr,
    ) -> Result<Result<ExpId, Refusal>, Reason> {
        let (Ok(id), Some(named)) = (made, following.named) else { return Ok(made) };
        let view = self.conntrack.expectation(id);
        let port = view.map(|view| view.expected.tuple.dport);
        if let (Some(port), Some(saved)) = (port, view.and_then(|view| view.saved))
            && !named.form.is_written((saved.address, saved.port), (address, port))
        {
            return Ok(made);
        }
        let (Some(port), Some(place)) = (port, own.place(named.span)) else {
            self.conntrack.remove_expectation(id);
            return Err(Reason::NatSplit);
        };
        self.edits.push(place, |text| named.form.write(address, port, text));
        if let Some(place) = following.also.and_then(|also| own.place(also)) {
            self.edits.push(place, |text| named.form.write(address, port, text));
        }
        Ok(made)
    }

    /// Puts `text` in the place of a part of the payload.
    pub(crate) fn write(&mut self, work: Work, span: Span, text: &[u8]) -> Result<(), Reason> {
        let place = work.own.place(span).ok_or(Reason::NatSplit)?;
        self.edits.push(place, |out| out.extend_from_slice(text));
        Ok(())
    }

    /// Writes how long the part `of` of the payload has become.
    pub(crate) fn write_length(&mut self, work: Work, span: Span, of: Span) -> Result<(), Reason> {
        let place = work.own.place(span).ok_or(Reason::NatSplit)?;
        let part = work.own.place(of).ok_or(Reason::NatSplit)?;
        let length = part.len().saturating_add_signed(self.edits.growth(part));
        // Writing to a vector does not fail.
        self.edits.push(place, |out| drop(write!(out, "{length}")));
        Ok(())
    }

    /// Whether payload of connections with this helper and connmark may be rewritten.
    pub(crate) fn may_rewrite(&self, helper: HelperId, mark: u32) -> bool {
        let instance = self.settings.instances.get(helper.0);
        instance.is_some_and(|instance| !instance.guard.forbids_rewriting(mark))
    }

    /// Translates the child of a translated master: its source becomes what the master's
    /// receiver is known by, its destination what was named before translation.
    pub(crate) fn follow_master(&mut self, p: &mut Passage<'_, '_, '_>, ct: PacketCt) {
        // What is seen of the child itself says more than what it should follow.
        let Some(id) = ct.conn.filter(|_| self.observed.is_none()) else { return };
        let Some(master) = self.conntrack.master(id) else { return };
        let (Some(saved), Some(view)) = (master.saved, self.conntrack.connection(master.id)) else {
            return;
        };
        let Some(child) = self.conntrack.connection(id) else { return };
        let ranges = match saved.nat {
            ChildNat::Announced { address, is_media } => {
                let destination =
                    NatRange { ports: Some([saved.port; 2]), ..NatRange::address(address) };
                let source = self.source_of_announced(p.now, &saved, is_media, &view, &child);
                [Some((Manip::Destination, destination)), source.map(|s| (Manip::Source, s))]
            }
            _ => {
                let [source, destination] = child_ranges(&saved, &view, &child);
                [Some((Manip::Source, source)), Some((Manip::Destination, destination))]
            }
        };
        for (manip, range) in ranges.into_iter().flatten() {
            let wish = self.wish.map(|[source, destination]| match manip {
                Manip::Source => source,
                Manip::Destination => destination,
            });
            self.conntrack.bind(p.now, id, manip, &range, wish);
            let to = self.conntrack.translation(id, Direction::Original, manip);
            p.note(|| Step::Bound { manip, rule: None, to });
        }
    }

    /// Makes the changes of payload that were collected, `repeats` once more, and notes by how
    /// much the segment grew.
    pub(crate) fn rewrite(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        ct: PacketCt,
        repeats: &Edits,
    ) -> Stage {
        if let Some(port) = self.deliver_at {
            self.deliver(p, port)?;
        }
        if self.edits.is_empty() && repeats.is_empty() {
            return Ok(());
        }
        if let (L4::Tcp(tcp), Some(id)) = (p.headers.l4, ct.conn) {
            self.note_growth(id, ct.direction, tcp.seq);
        }
        for (place, text) in repeats.iter() {
            self.edits.push(place, |out| out.extend_from_slice(text));
        }
        let bytes = &p.packet.bytes;
        let new = with_payload(bytes, &p.headers, &self.edits).map_err(|error| match error {
            CannotRewrite::TooLong => Stop::drop(Reason::NatTooLong),
            CannotRewrite::Missing => Stop::drop(Reason::NatTruncated),
        })?;
        if p.aids.trace.is_some() {
            let payload = p.headers.payload(bytes);
            let rewritten = |(place, text): (Range<usize>, &[u8])| Rewritten {
                offset: place.start,
                before: payload.get(place).unwrap_or_default().to_vec(),
                after: text.to_vec(),
            };
            let pieces = self.edits.iter().map(rewritten).collect();
            p.note(|| Step::Rewritten { pieces });
        }
        p.packet.bytes = Cow::Owned(new);
        p.reread()
    }

    /// Whether a packet that has grown still fits the way out, where its MTU is known. One that
    /// may not be cut is dropped; what was noted of it stays. A packet that was too long before,
    /// `length` bytes, is one of those that the network card cuts later.
    pub(crate) fn fits(&self, p: &Passage<'_, '_, '_>, length: u32) -> Stage {
        let out = p.out_iface.and_then(|name| self.topology.interface(name));
        let Some(mtu) = out.and_then(|out| out.mtu) else { return Ok(()) };
        let may_be_cut = p.headers.family == Family::Ipv4 && !p.headers.dont_fragment;
        match length <= mtu && mtu < p.headers.total_length && !may_be_cut {
            true => Err(Stop::drop(Reason::NatTooLong)),
            false => Ok(()),
        }
    }

    /// Notes by how much the segment at `seq` grows. A reader of streams reads it once: what
    /// becomes of it is kept for when it is repeated.
    fn note_growth(&mut self, id: ConnId, direction: Direction, seq: u32) {
        let Some(bounds) = self.edits.bounds() else { return };
        // No packet grows by more than its own greatest length.
        let bytes = i32::try_from(self.edits.growth(bounds.clone())).unwrap_or_default();
        if self.settings.profile == Profile::Linux {
            self.conntrack.grow(id, direction, Growth { place: seq, bytes, from: None });
            return;
        }
        let from = seq.wrapping_add(bounds.start as u32);
        let place = seq.wrapping_add(bounds.end as u32).wrapping_sub(1);
        self.conntrack.grow(id, direction, Growth { place, bytes, from: Some(from) });
        let Some((_, state)) = self.conntrack.helper_scratch_mut(id) else { return };
        let of_direction = |kept: &Kept| kept.direction == direction;
        if state.rewritten.iter().filter(|kept| of_direction(kept)).count() >= REWRITES_MAX
            && let Some(oldest) = state.rewritten.iter().position(of_direction)
        {
            state.rewritten.remove(oldest);
        }
        state.rewritten.push(Kept { direction, seq, bounds, edits: self.edits.clone() });
    }

    /// What of the packet was rewritten before, and has to be again.
    pub(crate) fn repeats(&mut self, p: &Passage<'_, '_, '_>, ct: PacketCt) -> Result<Edits, Stop> {
        let mut repeats = Edits::default();
        let (L4::Tcp(tcp), Some(id)) = (p.headers.l4, ct.conn) else { return Ok(repeats) };
        let Some((_, state)) = self.conntrack.helper_scratch_mut(id) else { return Ok(repeats) };
        let length = p.headers.payload(&p.packet.bytes).len() as i64;
        for kept in state.rewritten.iter().filter(|kept| kept.direction == ct.direction) {
            // Where the segment that was rewritten begins in this one.
            let ahead = i64::from(kept.seq.wrapping_sub(tcp.seq) as i32);
            let [start, end] =
                [kept.bounds.start, kept.bounds.end].map(|bound| ahead + bound as i64);
            if end <= 0 || length <= start {
                continue;
            }
            if start < 0 || length < end {
                return Err(Stop::drop(Reason::NatSplit));
            }
            for (place, text) in kept.edits.iter() {
                let [start, end] =
                    [place.start, place.end].map(|bound| (ahead + bound as i64) as usize);
                repeats.push(start..end, |out| out.extend_from_slice(text));
            }
        }
        Ok(repeats)
    }

    /// Moves the sequence numbers of a connection whose payload was rewritten.
    pub(crate) fn adjust(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        let (L4::Tcp(tcp), Some(PacketCt { conn: Some(id), has_ties: true, direction, .. })) =
            (p.headers.l4, p.ct)
        else {
            return Ok(());
        };
        let Some(moved) = self.conntrack.moved(id) else { return Ok(()) };
        let own = &moved[direction.index()];
        let other = &moved[direction.opposite().index()];
        let distance = own.distance(tcp.seq);
        let headers = p.headers;
        let acknowledged = |ack| other.acknowledged(ack);
        if !move_numbers(p.packet.bytes.to_mut(), &headers, distance, acknowledged) {
            return Err(Stop::drop(Reason::NatTcpOptions));
        }
        let ack = acknowledged(tcp.ack).wrapping_sub(tcp.ack);
        p.note(|| Step::Adjusted { seq: distance as i32, ack: ack as i32 });
        p.reread()
    }
}

/// What was named before translation.
pub(crate) fn saved(request: &Expectation, following: &Following) -> Saved {
    let Following { direction, nat, port, .. } = *following;
    let address = match nat {
        ChildNat::Announced { address, .. } => address,
        _ => request.expected.tuple.dst,
    };
    Saved { address, port, direction, nat }
}

/// What source and destination of a child become.
fn child_ranges(saved: &Saved, master: &View, child: &View) -> [NatRange; 2] {
    let is_original = saved.direction == Direction::Original;
    let other_way = |view: &View| if is_original { view.reply } else { view.original };
    let Tuple { src: to, dst: shown, .. } = other_way(master);
    let [source, destination] = match saved.nat {
        ChildNat::Master | ChildNat::CallData => [shown, to],
        ChildNat::Caller | ChildNat::Announced { .. } => [other_way(child).src, to],
        ChildNat::Forwarded(to) => [other_way(child).src, to],
    };
    let at_source = saved.nat == ChildNat::CallData && is_original;
    let range = |address, saved_port: Option<u16>| NatRange {
        ports: saved_port.map(|port| [port; 2]),
        ..NatRange::address(address)
    };
    let port = Some(saved.port);
    [range(source, port.filter(|_| at_source)), range(destination, port.filter(|_| !at_source))]
}

/// A rewrite of a segment that may be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    direction: Direction,
    /// Sequence number of the segment.
    seq: u32,
    /// From the first byte of its payload that was replaced to the last.
    bounds: Range<usize>,
    edits: Edits,
}

/// A [`Kept`] as plain data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeptSnapshot {
    direction: Direction,
    seq: u32,
    /// Where each piece of the payload begins and ends, and what comes there.
    pieces: Vec<(u16, u16, Vec<u8>)>,
}

impl Kept {
    /// Copies it. No payload is longer than its places can say.
    pub(crate) fn snapshot(&self) -> KeptSnapshot {
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        let piece =
            |(at, text): (Range<usize>, &[u8])| (place(at.start), place(at.end), text.to_vec());
        let pieces = self.edits.iter().map(piece).collect();
        KeptSnapshot { direction: self.direction, seq: self.seq, pieces }
    }
}

impl KeptSnapshot {
    /// `None` where nothing was rewritten.
    pub(crate) fn restore(self) -> Option<Kept> {
        let mut edits = Edits::default();
        for (start, end, text) in self.pieces {
            let place = usize::from(start)..usize::from(end.max(start));
            edits.push(place, |out| out.extend_from_slice(&text));
        }
        let bounds = edits.bounds()?;
        Some(Kept { direction: self.direction, seq: self.seq, bounds, edits })
    }
}

/// Where the packet's own payload lies in what its helper was shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    /// Where it begins; below 0 when some of it was read before.
    pub(crate) at: i64,
    /// How many bytes it has.
    pub(crate) length: usize,
}

impl Own {
    /// Where these bytes of what was shown stand in the packet's payload; `None` when not all of
    /// them do.
    pub(crate) fn place(self, span: Span) -> Option<Range<usize>> {
        let start = usize::try_from(i64::from(span.offset) - self.at).ok()?;
        let end = start.checked_add(span.length as usize)?;
        (end <= self.length).then_some(start..end)
    }
}

impl Passage<'_, '_, '_> {
    /// Reads anew a packet that was changed.
    pub(crate) fn reread(&mut self) -> Stage {
        let parsed = Headers::parse(&self.packet.bytes);
        self.headers = parsed.map_err(|error| Stop::drop(error.reason()))?;
        let state = self.ct.map_or(CtState::Invalid, |ct| ct.state);
        self.key = Key::new(&self.headers, &self.packet.bytes).tracked(state);
        self.translated = true;
        Ok(())
    }
}
