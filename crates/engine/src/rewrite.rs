//! Payload that changes with the addresses: announcements of translated connections.
//!
//! Where a connection is translated, the address and port that its payload names are of no use
//! on the other side. The expectation gets a port that is free there, the payload names that and
//! the address that the connection itself shows, and the child that comes is translated like its
//! master, back to what was named at first ([`Saved`]). Of a TCP connection whose payload has
//! grown or shrunk, all later sequence numbers are moved.

use crate::engine::Engine;
use crate::path::{Passage, Stage, Stop};
use crate::trace::{Rewritten, Step};
use kinwall_conntrack::{
    ConnId, ExpId, Expectation, HelperId, Moved, PacketCt, Refusal, Saved, View,
};
use kinwall_helpers::Following;
use kinwall_rules::facts::Key;
use kinwall_terms::expectation::Span;
use kinwall_terms::{Direction, Manip, NatRange, Reason, Status, Time};
use kinwall_wire::rewrite::{CannotRewrite, move_numbers, with_payload};
use kinwall_wire::{Headers, L4};
use std::borrow::Cow;
use std::net::IpAddr;

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
        let (address, port) = (request.expected.tuple.dst, following.port);
        request.saved = Some(Saved { address, port, direction: following.direction });
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
        packet_at: u32,
        address: IpAddr,
    ) -> Result<Result<ExpId, Refusal>, Reason> {
        let (Ok(id), Some(named)) = (made, following.named) else { return Ok(made) };
        let expected = self.conntrack.expectation(id).map(|view| view.expected.tuple.dport);
        let (Some(port), Some(place)) = (expected, own_place(named.span, packet_at)) else {
            self.conntrack.remove_expectation(id);
            return Err(Reason::NatSplit);
        };
        self.edits.push(place, |text| named.form.write(address, port, text));
        Ok(made)
    }

    /// Whether payload of connections with this helper and connmark may be rewritten.
    pub(crate) fn may_rewrite(&self, helper: HelperId, mark: u32) -> bool {
        let instance = self.settings.instances.get(helper.0);
        instance.is_some_and(|instance| !instance.guard.forbids_rewriting(mark))
    }

    /// Translates the child of a translated master: its source becomes what the master's
    /// receiver is known by, its destination what was named before translation.
    pub(crate) fn follow_master(&mut self, p: &mut Passage<'_, '_, '_>, ct: PacketCt) {
        let Some(id) = ct.conn else { return };
        let Some(master) = self.conntrack.master(id) else { return };
        let (Some(saved), Some(view)) = (master.saved, self.conntrack.connection(master.id)) else {
            return;
        };
        let opposite = match saved.direction {
            Direction::Original => view.reply,
            Direction::Reply => view.original,
        };
        let source = NatRange::address(opposite.dst);
        let ports = Some([saved.port; 2]);
        let destination = NatRange { ports, ..NatRange::address(opposite.src) };
        for (manip, range) in [(Manip::Source, source), (Manip::Destination, destination)] {
            self.conntrack.bind(p.now, id, manip, &range, None);
            let to = self.conntrack.translation(id, Direction::Original, manip);
            p.note(|| Step::Bound { manip, rule: None, to });
        }
    }

    /// Makes the changes of payload that were collected, and notes by how much the segment grew.
    pub(crate) fn rewrite(&mut self, p: &mut Passage<'_, '_, '_>, ct: PacketCt) -> Stage {
        if self.edits.is_empty() {
            return Ok(());
        }
        let bytes = &p.packet.bytes;
        let new = with_payload(bytes, &p.headers, &self.edits).map_err(|error| match error {
            CannotRewrite::TooLong => Stop::drop(Reason::NatTooLong),
            CannotRewrite::Missing => Stop::drop(Reason::NatTruncated),
        })?;
        let edits = &self.edits;
        let payload = p.headers.payload(bytes);
        let rewritten = |(place, text): (std::ops::Range<usize>, &[u8])| Rewritten {
            offset: place.start,
            before: payload.get(place).unwrap_or_default().to_vec(),
            after: text.to_vec(),
        };
        let pieces: Vec<Rewritten> = match p.aids.trace {
            Some(_) => edits.iter().map(rewritten).collect(),
            None => Vec::new(),
        };
        let growth = edits.growth(0..payload.len());
        p.note(|| Step::Rewritten { pieces });
        if let (L4::Tcp(tcp), Some(id)) = (p.headers.l4, ct.conn) {
            // No packet grows by more than its own greatest length.
            let growth = i32::try_from(growth).unwrap_or_default();
            self.conntrack.grow(id, ct.direction, tcp.seq, growth);
        }
        p.replace(Cow::Owned(new))
    }

    /// Moves the sequence numbers of a connection whose payload was rewritten.
    pub(crate) fn adjust(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        let (L4::Tcp(tcp), Some(PacketCt { conn: Some(id), has_ties: true, direction, .. })) =
            (p.headers.l4, p.ct)
        else {
            return Ok(());
        };
        let Some(moved) = self.conntrack.moved(id) else { return Ok(()) };
        let own: Moved = moved[direction.index()];
        let other: Moved = moved[direction.opposite().index()];
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

/// Where a span of what a helper was shown lies in the packet's own payload, which begins at
/// `packet_at` of that; `None` when not all of it does.
pub(crate) fn own_place(span: Span, packet_at: u32) -> Option<std::ops::Range<usize>> {
    let start = span.offset.checked_sub(packet_at)? as usize;
    Some(start..start + span.length as usize)
}

impl Passage<'_, '_, '_> {
    /// Another packet in the place of this one.
    fn replace(&mut self, bytes: Cow<'static, [u8]>) -> Stage {
        self.packet.bytes = bytes;
        self.reread()
    }

    /// Reads anew a packet that was changed.
    pub(crate) fn reread(&mut self) -> Stage {
        let parsed = Headers::parse(&self.packet.bytes);
        self.headers = parsed.map_err(|error| Stop::drop(error.reason()))?;
        let state = self.ct.map_or(kinwall_terms::CtState::Invalid, |ct| ct.state);
        self.key = Key::new(&self.headers, &self.packet.bytes).tracked(state);
        self.translated = true;
        Ok(())
    }
}
