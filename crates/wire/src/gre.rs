//! GRE version 0 (RFC 2784, RFC 2890) and version 1, the enhanced GRE of PPTP (RFC 2637).

use crate::reader::Reader;

/// The payload protocol of PPTP.
pub const PROTOCOL_PPP: u16 = 0x880b;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
pub(crate) const KEY: u16 = 0x2000;
pub(crate) const SEQUENCE: u16 = 0x1000;
pub(crate) const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

/// A GRE header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gre {
    /// Flags and version, as they stand in the first two bytes.
    pub flags: u16,
    /// Ethertype of what is carried.
    pub protocol: u16,
    /// Version 0: the key. `None` when there is none, or when it is cut short.
    pub key: Option<u32>,
    /// Version 1: the call id of the receiver. `None` when it is cut short.
    pub call_id: Option<u16>,
}

impl Gre {
    /// Length of the shortest header, in bytes.
    pub const LENGTH: usize = 4;

    /// Reads the header at the beginning of `transport`; `None` when its first four bytes are
    /// not all there.
    pub fn parse(transport: &[u8]) -> Option<Gre> {
        let mut reader = Reader::new(transport);
        let mut gre =
            Gre { flags: reader.u16()?, protocol: reader.u16()?, key: None, call_id: None };
        match gre.version() {
            0 if gre.flags & KEY != 0 => {
                let has_checksum = gre.flags & (CHECKSUM | ROUTING) != 0;
                if !has_checksum || reader.skip(4).is_some() {
                    gre.key = reader.u32();
                }
            }
            // The payload length stands before the call id.
            1 => gre.call_id = reader.u32().map(|word| word as u16),
            _ => {}
        }
        Some(gre)
    }

    /// The version: 0, or 1 for PPTP; others are not defined.
    pub fn version(&self) -> u8 {
        (self.flags & VERSION) as u8
    }

    /// Whether a sequence number is present.
    pub fn has_sequence(&self) -> bool {
        self.flags & SEQUENCE != 0
    }

    /// Length of the header in bytes, by its flags. Source routing (RFC 1701) is not followed.
    pub fn header_length(&self) -> u16 {
        let count = |mask: u16| u16::from(self.flags & mask != 0) * 4;
        match self.version() {
            1 => 8 + count(SEQUENCE) + count(ACKNOWLEDGEMENT),
            _ => 4 + count(CHECKSUM | ROUTING) + count(KEY) + count(SEQUENCE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse() {
        type Row<'a> = (&'a [u8], Option<(u8, u16, Option<u32>, Option<u16>, u16)>);
        let rows: &[Row] = &[
            (&[0, 0, 8, 0], Some((0, 0x800, None, None, 4))),
            (&[0x20, 0, 8, 0, 0, 0, 0, 7], Some((0, 0x800, Some(7), None, 8))),
            (&[0xa0, 0, 8, 0, 9, 9, 0, 0, 0, 0, 0, 7], Some((0, 0x800, Some(7), None, 12))),
            (&[0x20, 0, 8, 0, 0, 0, 0], Some((0, 0x800, None, None, 8))),
            (&[0x30, 0x81, 0x88, 0x0b, 0, 4, 1, 2], Some((1, PROTOCOL_PPP, None, Some(258), 16))),
            (&[0x20, 0x01, 0x88, 0x0b, 0, 4, 1], Some((1, PROTOCOL_PPP, None, None, 8))),
            (&[0, 0, 8], None),
        ];
        for (bytes, wanted) in rows {
            let found = Gre::parse(bytes)
                .map(|g| (g.version(), g.protocol, g.key, g.call_id, g.header_length()));
            assert_eq!(found, *wanted, "{bytes:x?}");
        }
    }
}
