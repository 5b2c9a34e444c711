//! SCTP (RFC 9260): the common header and the chunks that follow it.

use crate::reader::{Reader, array_at};

/// An SCTP common header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sctp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Verification tag.
    pub vtag: u32,
    /// The CRC32c field, as a big-endian number.
    pub checksum: u32,
}

impl Sctp {
    /// Length of the common header, in bytes.
    pub const LENGTH: usize = 12;

    /// Reads the header at the beginning of `transport`; `None` when it is cut short.
    pub fn parse(transport: &[u8]) -> Option<Sctp> {
        let mut reader = Reader::new(array_at::<{ Sctp::LENGTH }>(transport, 0)?);
        Some(Sctp {
            sport: reader.u16()?,
            dport: reader.u16()?,
            vtag: reader.u32()?,
            checksum: reader.u32()?,
        })
    }

    /// The chunks of this packet, whose common header stands at the beginning of `transport`.
    pub fn chunks<'a>(&self, transport: &'a [u8]) -> Chunks<'a> {
        chunks(transport)
    }
}

/// Chunk types (RFC 9260 section 3.2).
pub mod chunk {
    /// Payload data.
    pub const DATA: u8 = 0;
    /// Initiation.
    pub const INIT: u8 = 1;
    /// Initiation acknowledgement.
    pub const INIT_ACK: u8 = 2;
    /// Selective acknowledgement.
    pub const SACK: u8 = 3;
    /// Heartbeat request.
    pub const HEARTBEAT: u8 = 4;
    /// Heartbeat acknowledgement.
    pub const HEARTBEAT_ACK: u8 = 5;
    /// Abort.
    pub const ABORT: u8 = 6;
    /// Shutdown.
    pub const SHUTDOWN: u8 = 7;
    /// Shutdown acknowledgement.
    pub const SHUTDOWN_ACK: u8 = 8;
    /// Operation error.
    pub const ERROR: u8 = 9;
    /// State cookie.
    pub const COOKIE_ECHO: u8 = 10;
    /// Cookie acknowledgement.
    pub const COOKIE_ACK: u8 = 11;
    /// Shutdown complete.
    pub const SHUTDOWN_COMPLETE: u8 = 14;
}

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Type.
    pub kind: u8,
    /// Flags; bit 0 is the T bit of ABORT and SHUTDOWN COMPLETE.
    pub flags: u8,
    /// Length as stated: the four bytes of the chunk header included, padding not.
    pub length: u16,
    /// What follows the chunk header, up to the stated length or the end of the packet.
    pub content: &'a [u8],
}

impl Chunk<'_> {
    /// Whether the whole chunk is in the packet.
    pub fn is_whole(&self) -> bool {
        usize::from(self.length) == self.content.len() + 4
    }

    /// The initiate tag of an INIT or INIT ACK chunk.
    pub fn initiate_tag(&self) -> Option<u32> {
        array_at(self.content, 0).map(|&bytes| u32::from_be_bytes(bytes))
    }
}

/// The chunks of an SCTP packet, in order. A chunk that states a length of zero is reported once
/// and ends the list, so that a reader can tell it; one with a length of 1 to 3 likewise. A chunk
/// header that is cut short ends the list.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    transport: &'a [u8],
    at: usize,
}

/// The chunks behind the common header at the beginning of `transport`.
pub fn chunks(transport: &[u8]) -> Chunks<'_> {
    Chunks { transport, at: Sctp::LENGTH }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let &[kind, flags, high, low] = array_at::<4>(self.transport, self.at)?;
        let length = u16::from_be_bytes([high, low]);
        let start = self.at + 4;
        let end = (self.at + usize::from(length)).clamp(start, self.transport.len());
        let content = self.transport.get(start..end).unwrap_or(&[]);
        self.at = match length {
            0..4 => self.transport.len(),
            _ => self.at + usize::from(length).next_multiple_of(4),
        };
        Some(Chunk { kind, flags, length, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 12] = [0x0b, 0x80, 0x0b, 0x81, 1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn parse() {
        let sctp = Sctp { sport: 2944, dport: 2945, vtag: 0x0102_0304, checksum: 0x0506_0708 };
        assert_eq!(Sctp::parse(&HEADER), Some(sctp));
        assert_eq!(Sctp::parse(&HEADER[..11]), None);
    }

    #[test]
    fn chunk_lists() {
        type Row<'a> = (&'a [u8], &'a [(u8, u16, bool)]);
        let rows: &[Row] = &[
            (&[], &[]),
            (&[11, 0, 0, 4], &[(11, 4, true)]),
            (&[4, 0, 0, 5, 9, 0, 0, 0, 0, 0, 0, 4], &[(4, 5, true), (0, 4, true)]),
            (&[10, 0, 0, 9, 1, 2], &[(10, 9, false)]),
            (&[0, 0, 0, 0, 11, 0, 0, 4], &[(0, 0, false)]),
            (&[7, 0, 0, 3, 11, 0, 0, 4], &[(7, 3, false)]),
            (&[11, 0, 0], &[]),
            (&[11, 0, 0xff, 0xff], &[(11, 0xffff, false)]),
        ];
        for (bytes, wanted) in rows {
            let transport = [&HEADER, *bytes].concat();
            let found: Vec<_> =
                chunks(&transport).map(|c| (c.kind, c.length, c.is_whole())).collect();
            assert_eq!(found, *wanted, "{bytes:?}");
        }
        let init = [&HEADER[..], &[1, 0, 0, 8, 0, 0, 0, 7]].concat();
        assert_eq!(chunks(&init).next().and_then(|c| c.initiate_tag()), Some(7));
        assert!(chunks(&HEADER[..3]).next().is_none());
    }
}
