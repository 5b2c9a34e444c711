//! DCCP (RFC 4340): the generic header.

use crate::reader::{Reader, array_at};

/// A DCCP generic header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dccp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Packet type: 0 Request, 1 Response, 2 Data, 3 Ack, 4 DataAck, 5 CloseReq, 6 Close,
    /// 7 Reset, 8 Sync, 9 SyncAck.
    pub kind: u8,
    /// Checksum coverage: 0 for the whole packet, otherwise header and options and
    /// `(coverage - 1) * 4` bytes of payload.
    pub coverage: u8,
    /// Whether sequence numbers have 48 bits (the X bit).
    pub extended: bool,
    /// Length of header and options in bytes, as stated: 0 to 1020. Not checked.
    pub data_offset: u16,
    /// The checksum field.
    pub checksum: u16,
    /// The sequence number: 48 bits when `extended`, else its low 24.
    pub seq: u64,
}

impl Dccp {
    /// Length of the shortest generic header, in bytes.
    pub const LENGTH: usize = 12;

    /// Reads the header at the beginning of `transport`; `None` when it is cut short.
    pub fn parse(transport: &[u8]) -> Option<Dccp> {
        let mut reader = Reader::new(transport);
        let [sport, dport] = [reader.u16()?, reader.u16()?];
        let &[data_offset, coverage] = reader.array()?;
        let checksum = reader.u16()?;
        let flags = reader.u8()?;
        let extended = flags & 1 == 1;
        let low = reader.u24()?;
        let seq = if extended {
            // The byte before holds nothing, and the high 16 bits are those just read.
            u64::from(low & 0xffff) << 32 | u64::from(reader.u32()?)
        } else {
            u64::from(low)
        };
        Some(Dccp {
            sport,
            dport,
            kind: flags >> 1 & 0x0f,
            coverage: coverage & 0x0f,
            extended,
            data_offset: u16::from(data_offset) * 4,
            checksum,
            seq,
        })
    }

    /// The acknowledgement number of the packet at the beginning of `transport`; `None` for the
    /// kinds that have none (Request, Data), and where it is cut short.
    pub fn acknowledgement(&self, transport: &[u8]) -> Option<u64> {
        if matches!(self.kind, 0 | 2) {
            return None;
        }
        if self.extended {
            let &[_, _, high @ .., a, b, c, d] = array_at::<8>(transport, 16)?;
            let high = u16::from_be_bytes(high);
            let low = u32::from_be_bytes([a, b, c, d]);
            Some(u64::from(high) << 32 | u64::from(low))
        } else {
            let &[_, a, b, c] = array_at::<4>(transport, 12)?;
            Some(u64::from(u32::from_be_bytes([0, a, b, c])))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse() {
        let long =
            [0, 1, 0, 2, 6, 0x21, 0xab, 0xcd, 0x03, 0, 1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12];
        let dccp = Dccp {
            sport: 1,
            dport: 2,
            kind: 1,
            coverage: 1,
            extended: true,
            data_offset: 24,
            checksum: 0xabcd,
            seq: 0x0102_0304_0506,
        };
        assert_eq!(Dccp::parse(&long), Some(dccp));
        assert_eq!(dccp.acknowledgement(&long), Some(0x0708_090a_0b0c));
        assert_eq!(dccp.acknowledgement(&long[..23]), None);
        assert_eq!(Dccp::parse(&long[..15]), None);
    }

    #[test]
    fn short_sequence_numbers() {
        let short = [0, 1, 0, 2, 4, 0, 0, 0, 3 << 1, 1, 2, 3, 0, 4, 5, 6];
        let dccp = Dccp::parse(&short).unwrap();
        assert_eq!((dccp.kind, dccp.seq, dccp.extended), (3, 0x01_0203, false));
        assert_eq!(dccp.acknowledgement(&short), Some(0x04_0506));
        assert_eq!(Dccp::parse(&short[..11]), None);
        let data = Dccp::parse(&[0, 1, 0, 2, 3, 0, 0, 0, 2 << 1, 1, 2, 3]).unwrap();
        assert_eq!(data.acknowledgement(&short), None);
    }
}
