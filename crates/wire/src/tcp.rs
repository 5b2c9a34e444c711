//! TCP (RFC 9293): the header and its options.

use crate::reader::{Reader, array_at};

bitflags::bitflags! {
    /// The flags of a TCP header, from FIN (bit 0) to CWR (bit 7).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TcpFlags: u8 {
        /// No more data from the sender.
        const FIN = 1 << 0;
        /// Synchronise sequence numbers.
        const SYN = 1 << 1;
        /// Reset the connection.
        const RST = 1 << 2;
        /// Push.
        const PSH = 1 << 3;
        /// The acknowledgement number counts.
        const ACK = 1 << 4;
        /// The urgent pointer counts.
        const URG = 1 << 5;
        /// ECN echo (RFC 3168).
        const ECE = 1 << 6;
        /// Congestion window reduced (RFC 3168).
        const CWR = 1 << 7;
    }
}

/// A TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Length of the header in bytes, as it states it: 0 to 60. Not checked against the packet.
    pub data_offset: u8,
    /// Flags.
    pub flags: TcpFlags,
    /// Window, not scaled.
    pub window: u16,
    /// The checksum field.
    pub checksum: u16,
    /// Urgent pointer.
    pub urgent: u16,
}

impl Tcp {
    /// Length of a header without options, in bytes.
    pub const LENGTH: usize = 20;

    /// Reads the header at the beginning of `transport`; `None` when it is cut short.
    #[inline]
    pub fn parse(transport: &[u8]) -> Option<Tcp> {
        let header = array_at::<{ Tcp::LENGTH }>(transport, 0)?;
        Some(Tcp {
            sport: u16::from_be_bytes([header[0], header[1]]),
            dport: u16::from_be_bytes([header[2], header[3]]),
            seq: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ack: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            data_offset: (header[12] >> 4) * 4,
            flags: TcpFlags::from_bits_retain(header[13]),
            window: u16::from_be_bytes([header[14], header[15]]),
            checksum: u16::from_be_bytes([header[16], header[17]]),
            urgent: u16::from_be_bytes([header[18], header[19]]),
        })
    }

    /// The options of this header, which stands at the beginning of `transport`.
    pub fn options<'a>(&self, transport: &'a [u8]) -> Options<'a> {
        options(transport)
    }
}

/// A TCP option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpOption<'a> {
    /// Padding (1).
    NoOperation,
    /// Maximum segment size, in bytes (2).
    Mss(u16),
    /// Window scale: the shift as stated, up to 255 (3, RFC 7323).
    WindowScale(u8),
    /// Selective acknowledgements may be sent (4, RFC 2018).
    SackPermitted,
    /// Selective acknowledgement blocks (5).
    Sack(SackBlocks<'a>),
    /// Timestamps: value and echo (8, RFC 7323).
    Timestamps(u32, u32),
    /// Another option, or one of the above with a length that is not its own.
    Other {
        /// Its kind.
        kind: u8,
        /// What follows kind and length.
        content: &'a [u8],
    },
}

impl TcpOption<'_> {
    /// The option's kind.
    pub fn kind(&self) -> u8 {
        match self {
            TcpOption::NoOperation => 1,
            TcpOption::Mss(_) => 2,
            TcpOption::WindowScale(_) => 3,
            TcpOption::SackPermitted => 4,
            TcpOption::Sack(_) => 5,
            TcpOption::Timestamps(..) => 8,
            TcpOption::Other { kind, .. } => *kind,
        }
    }
}

/// Selective acknowledgement blocks: left and right edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SackBlocks<'a>(&'a [u8]);

impl SackBlocks<'_> {
    /// The blocks as (left edge, right edge), in the order of the packet.
    pub fn blocks(&self) -> impl Iterator<Item = (u32, u32)> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || Some((reader.u32()?, reader.u32()?)))
    }
}

/// The options of a TCP header; ends silently at an end-of-list, or at an option that is
/// shorter than two bytes or does not fit into the header.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    reader: Reader<'a>,
}

/// The options of the TCP header at the beginning of `transport`; none when its data offset is
/// below 20 or beyond the packet.
pub fn options(transport: &[u8]) -> Options<'_> {
    let end = transport.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4);
    let list = transport.get(Tcp::LENGTH..end).unwrap_or(&[]);
    Options { reader: Reader::new(list) }
}

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<TcpOption<'a>> {
        let option = self.read();
        if option.is_none() {
            self.reader = Reader::new(&[]);
        }
        option
    }
}

impl<'a> Options<'a> {
    fn read(&mut self) -> Option<TcpOption<'a>> {
        let kind = match self.reader.u8()? {
            0 => return None,
            1 => return Some(TcpOption::NoOperation),
            kind => kind,
        };
        let length = usize::from(self.reader.u8()?).checked_sub(2)?;
        let content = self.reader.take(length)?;
        Some(match (kind, content) {
            (2, &[high, low]) => TcpOption::Mss(u16::from_be_bytes([high, low])),
            (3, &[shift]) => TcpOption::WindowScale(shift),
            (4, []) => TcpOption::SackPermitted,
            (5, blocks) if !blocks.is_empty() && blocks.len() % 8 == 0 => {
                TcpOption::Sack(SackBlocks(blocks))
            }
            (8, &[a, b, c, d, e, f, g, h]) => TcpOption::Timestamps(
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            ),
            _ => TcpOption::Other { kind, content },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 20] =
        [0x30, 0x39, 0, 21, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x12, 0x10, 0, 0xab, 0xcd, 0, 9];

    #[test]
    fn parse() {
        let tcp = Tcp {
            sport: 12345,
            dport: 21,
            seq: 0x0102_0304,
            ack: 0x0506_0708,
            data_offset: 20,
            flags: TcpFlags::SYN | TcpFlags::ACK,
            window: 4096,
            checksum: 0xabcd,
            urgent: 9,
        };
        assert_eq!(Tcp::parse(&HEADER), Some(tcp));
        assert_eq!(Tcp::parse(&HEADER[..19]), None);
    }

    fn list(bytes: &[u8]) -> Vec<u8> {
        let mut transport = HEADER.to_vec();
        transport.extend(bytes);
        transport.resize(20 + bytes.len().next_multiple_of(4), 0);
        transport[12] = (transport.len() as u8 / 4) << 4;
        transport
    }

    #[test]
    fn option_lists() {
        let transport =
            list(&[2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 30, 3, 9]);
        let found: Vec<_> = options(&transport).collect();
        let wanted = [
            TcpOption::Mss(1460),
            TcpOption::NoOperation,
            TcpOption::WindowScale(7),
            TcpOption::SackPermitted,
            TcpOption::Timestamps(1, 2),
            TcpOption::Other { kind: 30, content: &[9] },
        ];
        assert_eq!(found, wanted);
        let kinds: Vec<u8> = wanted.iter().map(TcpOption::kind).collect();
        assert_eq!(kinds, [2, 1, 3, 4, 8, 30]);
    }

    #[test]
    fn selective_acknowledgements() {
        let blocks = [5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 9];
        match options(&list(&blocks)).next() {
            Some(TcpOption::Sack(sack)) => assert!(sack.blocks().eq([(1, 2), (5, 9)])),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            options(&list(&[5, 6, 1, 2, 3, 4])).next(),
            Some(TcpOption::Other { kind: 5, content: &[1, 2, 3, 4] })
        );
    }

    #[test]
    fn malformed_lists_end_silently() {
        let rows: &[(&[u8], usize)] = &[
            (&[2, 4, 1, 2, 0, 2, 4, 1, 2], 1), // end of list
            (&[1, 2, 1, 1], 1),                // length below two
            (&[1, 3, 0, 1], 1),                // length zero
            (&[2, 5, 1, 2], 0),                // beyond the header
            (&[1, 1, 1, 2], 3),                // no length
        ];
        for (bytes, count) in rows {
            assert_eq!(options(&list(bytes)).count(), *count, "{bytes:?}");
        }
        let mut short = list(&[2, 4, 5, 0xb4]);
        short[12] = 0x70;
        assert_eq!(options(&short).count(), 0, "data offset beyond the packet");
        short[12] = 0x40;
        assert_eq!(options(&short).count(), 0, "data offset below the header");
    }
}
