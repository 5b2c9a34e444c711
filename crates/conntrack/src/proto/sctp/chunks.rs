//! The chunks of a packet, and the checks that need nothing but the packet.

use kinwall_terms::Reason;
use kinwall_wire::Sctp;
use kinwall_wire::reader::Reader;
use kinwall_wire::sctp::chunk;

/// A chunk, by the fields the tracker reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) kind: u8,
    /// The T bit: the sender had no association, and uses the tag of the packet it answers.
    pub(super) reflects_tag: bool,
    /// As stated, in bytes.
    length: u16,
    /// The tag an INIT or INIT ACK chooses; `None` when its fixed part is cut short.
    pub(super) initiate_tag: Option<u32>,
}

/// Length of the fixed part of INIT and INIT ACK behind the chunk header, in bytes.
const INIT_LENGTH: usize = 16;

/// The chunks in order, as far as their headers are there. A length below 4 moves on by 4 bytes
/// all the same; one of 0 is refused by [`kinds`], which therefore comes first.
pub(super) struct Chunks<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Chunks<'a> {
    /// The chunks behind the common header at the beginning of `transport`.
    pub(super) fn new(transport: &'a [u8]) -> Chunks<'a> {
        Chunks { rest: transport.get(Sctp::LENGTH..) }
    }
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let bytes = self.rest?;
        let mut reader = Reader::new(bytes);
        let &[kind, flags] = reader.array()?;
        let length = reader.u16()?;
        let initiate_tag = match reader.remaining() >= INIT_LENGTH {
            true => reader.u32(),
            false => None,
        };
        self.rest = bytes.get(usize::from(length.max(1)).next_multiple_of(4)..);
        Some(Chunk { kind, reflects_tag: flags & 1 != 0, length, initiate_tag })
    }
}

/// The kinds of chunks in a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    /// One bit for each of the kinds 0 to 31; the tracker asks for none above.
    bits: u32,
}

impl Kinds {
    pub(super) fn contains_any(self, kinds: &[u8]) -> bool {
        kinds.iter().any(|&kind| self.bits & bit(kind) != 0)
    }
}

fn bit(kind: u8) -> u32 {
    1_u32.checked_shl(u32::from(kind)).unwrap_or(0)
}

/// Which chunks there are. INIT, INIT ACK and SHUTDOWN COMPLETE must be alone (RFC 9260,
/// section 6.10), COOKIE ECHO and COOKIE ACK must come first, and there must be a chunk.
pub(super) fn kinds(transport: &[u8]) -> Result<Kinds, Reason> {
    let mut kinds = Kinds::default();
    let mut is_first = true;
    let mut must_be_alone = false;
    for Chunk { kind, length, .. } in Chunks::new(transport) {
        must_be_alone |= matches!(kind, chunk::INIT | chunk::INIT_ACK | chunk::SHUTDOWN_COMPLETE);
        let must_be_first = matches!(kind, chunk::COOKIE_ECHO | chunk::COOKIE_ACK);
        if ((must_be_alone || must_be_first) && !is_first) || length == 0 {
            return Err(Reason::SctpChunk);
        }
        kinds.bits |= bit(kind);
        is_first = false;
    }
    if is_first { Err(Reason::SctpChunk) } else { Ok(kinds) }
}
