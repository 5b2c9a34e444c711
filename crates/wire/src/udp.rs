//! UDP (RFC 768) and UDPlite (RFC 3828), whose headers differ in the meaning of one field.

use crate::reader::array_at;

/// A UDP or UDPlite header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// UDP: length of header and payload, in bytes. UDPlite: how many bytes the checksum covers,
    /// 0 for all. Not checked against the packet.
    pub length: u16,
    /// The checksum field; 0 in UDP means none.
    pub checksum: u16,
}

impl Udp {
    /// Length of the header, in bytes.
    pub const LENGTH: usize = 8;

    /// Reads the header at the beginning of `transport`; `None` when it is cut short.
    #[inline]
    pub fn parse(transport: &[u8]) -> Option<Udp> {
        let header = array_at::<{ Udp::LENGTH }>(transport, 0)?;
        Some(Udp {
            sport: u16::from_be_bytes([header[0], header[1]]),
            dport: u16::from_be_bytes([header[2], header[3]]),
            length: u16::from_be_bytes([header[4], header[5]]),
            checksum: u16::from_be_bytes([header[6], header[7]]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse() {
        let bytes = [0x30, 0x39, 0, 69, 0, 9, 0xab, 0xcd, 1];
        let udp = Udp { sport: 12345, dport: 69, length: 9, checksum: 0xabcd };
        assert_eq!(Udp::parse(&bytes), Some(udp));
        assert_eq!(Udp::parse(&bytes[..7]), None);
    }
}
