//! ICMP (RFC 792) and ICMPv6 (RFC 4443): eight bytes of header each.

use crate::reader::array_at;

/// An ICMP or ICMPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The checksum field.
    pub checksum: u16,
    /// Bytes 4 and 5: the identifier of a query; unused in most errors.
    pub id: u16,
    /// Bytes 6 and 7: the sequence number of a query; the MTU in an IPv4 "fragmentation needed".
    pub sequence: u16,
}

impl Icmp {
    /// Length of the header, in bytes; an error's inner packet follows it.
    pub const LENGTH: usize = 8;

    /// Reads the header at the beginning of `transport`; `None` when it is cut short.
    #[inline]
    pub fn parse(transport: &[u8]) -> Option<Icmp> {
        let header = array_at::<{ Icmp::LENGTH }>(transport, 0)?;
        Some(Icmp {
            kind: header[0],
            code: header[1],
            checksum: u16::from_be_bytes([header[2], header[3]]),
            id: u16::from_be_bytes([header[4], header[5]]),
            sequence: u16::from_be_bytes([header[6], header[7]]),
        })
    }

    /// Bytes 4 to 7 as one number: the gateway of an IPv4 redirect, the MTU of an ICMPv6
    /// "packet too big", the pointer of an ICMPv6 "parameter problem".
    pub fn rest(&self) -> u32 {
        u32::from(self.id) << 16 | u32::from(self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse() {
        let bytes = [8, 1, 0xab, 0xcd, 0, 7, 0, 9, 1];
        let icmp = Icmp { kind: 8, code: 1, checksum: 0xabcd, id: 7, sequence: 9 };
        assert_eq!(Icmp::parse(&bytes), Some(icmp));
        assert_eq!(icmp.rest(), 0x7_0009);
        assert_eq!(Icmp::parse(&bytes[..7]), None);
    }
}
