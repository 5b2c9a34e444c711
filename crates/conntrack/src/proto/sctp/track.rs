//! The life of an association, chunk by chunk.

use super::chunks::{Chunk, Chunks, Kinds, kinds};
use super::settings::Timeouts;
use super::table::{SctpState, next, opening};
use crate::proto::{Change, Judgement, Opening, Packet, ProtoState, Standing, Tunables};
use kinwall_terms::{Direction, Reason};
use kinwall_wire::sctp::chunk;
use kinwall_wire::{L4, Sctp};
use serde::{Deserialize, Serialize};

/// Chunks that have a rule of their own for the tag; only packets without any of them must
/// carry the tag of their direction.
const OWN_TAG_RULE: [u8; 7] = [
    chunk::INIT,
    chunk::SHUTDOWN_COMPLETE,
    chunk::COOKIE_ECHO,
    chunk::ABORT,
    chunk::SHUTDOWN_ACK,
    chunk::HEARTBEAT,
    chunk::HEARTBEAT_ACK,
];

/// Chunks that never come out of the blue (RFC 9260, section 8.4).
const NEVER_FIRST: [u8; 3] = [chunk::ABORT, chunk::SHUTDOWN_COMPLETE, chunk::COOKIE_ACK];

/// What is remembered of an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The tag that packets of each direction carry; 0 while unknown.
    tags: [u32; 2],
    state: SctpState,
    /// Who sent an INIT that no COOKIE ACK has settled yet.
    init: [bool; 2],
    /// A HEARTBEAT of this direction carried an unknown tag: its peer's answer will tell.
    doubted_heartbeat: Option<Direction>,
}

impl State {
    /// The state's name as `conntrack -L` prints it.
    pub fn name(&self) -> &'static str {
        self.state.name()
    }

    /// The state.
    pub fn state(&self) -> SctpState {
        self.state
    }

    /// Whether a SHUTDOWN was seen.
    pub fn is_closing(&self) -> bool {
        self.state.is_closing()
    }
}

/// Judges the first packet of an association.
pub(crate) fn open(
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Result<Opening, Reason> {
    let header = header(packet, tunables)?;
    let transport = packet.transport();
    let kinds = kinds(transport)?;
    if kinds.contains_any(&NEVER_FIRST) {
        return Err(Reason::SctpChunk);
    }
    let tags = first_tags(header, transport)?;
    let state = State { tags, state: SctpState::Closed, init: [false; 2], doubted_heartbeat: None };
    check_tag(&state, Direction::Original, header, kinds)?;
    let mut walk = Walk::new(state, None, Direction::Original, header, kinds);
    walk.chunks(transport)?;
    let state = walk.state;
    Ok(Opening { state: ProtoState::Sctp(state), timeout_s: timeouts.of(state.state) })
}

/// The tags that the first packet tells; an error when one of its chunks opens no association.
fn first_tags(header: Sctp, transport: &[u8]) -> Result<[u32; 2], Reason> {
    let [mut original, mut reply] = [0; 2];
    for chunk in Chunks::new(transport) {
        opening(chunk.kind).ok_or(Reason::SctpChunk)?;
        match chunk.kind {
            chunk::INIT => reply = chunk.initiate_tag.ok_or(Reason::SctpChunk)?,
            chunk::HEARTBEAT => original = header.vtag,
            // Its answer repeats its own tag (RFC 9260, section 8.4, rule 5).
            chunk::SHUTDOWN_ACK => reply = header.vtag,
            _ => (),
        }
    }
    Ok([original, reply])
}

/// Whether a packet carries the tag of its direction, unless a chunk has a rule of its own.
fn check_tag(
    state: &State,
    direction: Direction,
    header: Sctp,
    kinds: Kinds,
) -> Result<(), Reason> {
    let holds = kinds.contains_any(&OWN_TAG_RULE) || header.vtag == state.tags[direction.index()];
    if holds { Ok(()) } else { Err(Reason::SctpTag) }
}

/// Judges a further packet.
pub(crate) fn packet(
    state: &mut State,
    standing: &Standing,
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Judgement {
    let transport = packet.transport();
    let (header, kinds) = match header(packet, tunables).and_then(|h| Ok((h, kinds(transport)?))) {
        Ok(read) => read,
        Err(reason) => return Judgement::invalid(reason),
    };
    let direction = standing.direction;
    if let Err(reason) = check_tag(state, direction, header, kinds) {
        return Judgement::invalid(reason);
    }
    let mut walk = Walk::new(*state, Some(state.state), direction, header, kinds);
    let outcome = walk.chunks(transport);
    let change = Change { timeout_s: None, assured: walk.assured, state: walk.changed };
    let is_quiet = walk.is_quiet;
    // What the chunks before a bad one have moved stays moved.
    *state = walk.state;
    match outcome {
        Err(reason) => Judgement::Invalid(reason, change),
        Ok(()) if is_quiet => Judgement::Accept(change),
        Ok(()) => {
            let timeout_s = Some(timeouts.of(state.state));
            Judgement::Accept(Change { timeout_s, ..change })
        }
    }
}

/// The checked header.
fn header(packet: &Packet<'_>, tunables: &Tunables) -> Result<Sctp, Reason> {
    let L4::Sctp(header) = packet.headers.l4 else {
        return Err(Reason::TruncatedTransportHeader);
    };
    if packet.has_bad_checksum(tunables) {
        return Err(Reason::BadChecksum);
    }
    Ok(header)
}

/// One packet's way through its chunks.
struct Walk {
    state: State,
    /// `None` before the first chunk of a first packet.
    current: Option<SctpState>,
    is_new: bool,
    direction: Direction,
    tag: u32,
    has_data: bool,
    /// The packet passes, but does not refresh the deadline.
    is_quiet: bool,
    /// The association became ASSURED.
    assured: bool,
    /// The state changed.
    changed: bool,
}

impl Walk {
    fn new(
        state: State,
        current: Option<SctpState>,
        direction: Direction,
        header: Sctp,
        kinds: Kinds,
    ) -> Walk {
        Walk {
            state,
            current,
            is_new: current.is_none(),
            direction,
            tag: header.vtag,
            has_data: kinds.contains_any(&[chunk::DATA]),
            is_quiet: false,
            assured: false,
            changed: false,
        }
    }

    fn chunks(&mut self, transport: &[u8]) -> Result<(), Reason> {
        Chunks::new(transport).try_for_each(|chunk| self.chunk(&chunk))
    }

    fn chunk(&mut self, chunk: &Chunk) -> Result<(), Reason> {
        if !self.check_tag(chunk)? {
            return Ok(());
        }
        let new = match self.current {
            None => opening(chunk.kind),
            Some(state) => next(self.direction, chunk.kind, state),
        };
        let new = new.ok_or(Reason::SctpChunk)?;
        match chunk.kind {
            chunk::INIT => self.init(chunk, new)?,
            chunk::INIT_ACK => self.init_ack(chunk)?,
            _ => (),
        }
        if self.current != Some(new) {
            self.changed = true;
            self.assured |= new == SctpState::Established;
        }
        self.current = Some(new);
        self.state.state = new;
        Ok(())
    }

    /// The tag rules of the chunks that have their own (RFC 9260, section 8.5.1). `false` when
    /// the chunk must not move the state.
    fn check_tag(&mut self, chunk: &Chunk) -> Result<bool, Reason> {
        let (this, other) = (self.direction.index(), self.direction.opposite().index());
        let holds = match chunk.kind {
            chunk::INIT => self.tag == 0,
            chunk::ABORT | chunk::SHUTDOWN_COMPLETE => {
                let expected = if chunk.reflects_tag { other } else { this };
                self.tag == self.state.tags[expected]
            }
            chunk::COOKIE_ECHO => self.tag == self.state.tags[this],
            chunk::COOKIE_ACK => {
                self.state.init = [false; 2];
                true
            }
            chunk::HEARTBEAT | chunk::HEARTBEAT_ACK => return self.check_heartbeat(chunk.kind),
            _ => true,
        };
        if holds { Ok(true) } else { Err(Reason::SctpTag) }
    }

    /// A HEARTBEAT may come over a second path before the association is known there, or after
    /// its peer began anew. One with an unknown tag passes without being believed; when the
    /// other end acknowledges it, the acknowledgement's tag is believed.
    fn check_heartbeat(&mut self, kind: u8) -> Result<bool, Reason> {
        let (this, other) = (self.direction.index(), self.direction.opposite().index());
        let known = self.state.tags[this];
        if known == 0 {
            self.state.tags[this] = self.tag;
            return Ok(true);
        }
        if known == self.tag {
            self.state.doubted_heartbeat = None;
            return Ok(true);
        }
        if self.has_data || self.is_quiet {
            return Err(Reason::SctpTag);
        }
        if kind == chunk::HEARTBEAT {
            self.state.doubted_heartbeat = Some(self.direction);
            self.is_quiet = true;
            return Ok(false);
        }
        if self.state.doubted_heartbeat != Some(self.direction.opposite()) {
            return Err(Reason::SctpTag);
        }
        self.state.doubted_heartbeat = None;
        self.state.tags[this] = self.tag;
        self.state.tags[other] = 0;
        Ok(true)
    }

    /// An INIT chooses the tag of the other direction.
    fn init(&mut self, chunk: &Chunk, new: SctpState) -> Result<(), Reason> {
        let (this, other) = (self.direction.index(), self.direction.opposite().index());
        let tag = chunk.initiate_tag.ok_or(Reason::SctpChunk)?;
        // An INIT that is repeated with its tag chooses nothing.
        if self.is_new || tag != self.state.tags[other] {
            if self.state.init == [true; 2] {
                self.state.init[other] = false;
            }
            self.state.init[this] = true;
            self.state.tags[other] = tag;
        }
        // A client that tries the same port again and again must not keep it forever.
        let again = self.current == Some(SctpState::Closed) && new == SctpState::Closed;
        self.is_quiet |= again && !self.is_new;
        Ok(())
    }

    /// An INIT ACK chooses the tag of the other direction, unless that is settled.
    fn init_ack(&mut self, chunk: &Chunk) -> Result<(), Reason> {
        let (this, other) = (self.direction.index(), self.direction.opposite().index());
        let tag = chunk.initiate_tag.ok_or(Reason::SctpChunk)?;
        let known = self.state.tags[other];
        let [mine, theirs] = [self.state.init[this], self.state.init[other]];
        // Without an INIT to answer, or when its sender sent one of its own (RFC 9260, section
        // 5.2.1), it must repeat the tag that is known.
        let is_settled = if theirs { mine } else { known != 0 };
        if is_settled && known != tag {
            return Err(Reason::SctpTag);
        }
        self.state.tags[other] = tag;
        Ok(())
    }
}
