//! IPv4 (RFC 791): the header and its options.

use crate::headers::{Fragment, Headers, L4, ParseError, parse_l4};
use crate::ipv6_ext::Ipv6Extensions;
use crate::reader::{Reader, array_at};
use kinwall_terms::{Family, L4Proto};
use std::net::Ipv4Addr;

/// Length of a header without options, in bytes.
pub const HEADER_LENGTH: usize = 20;

/// Don't fragment, in the flags and offset field.
pub(crate) const DONT_FRAGMENT: u16 = 0x4000;
/// More fragments follow.
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;
/// The offset, in units of 8 bytes.
pub(crate) const OFFSET_MASK: u16 = 0x1fff;

/// Reads an IPv4 packet; the version was looked at by the caller.
#[inline]
pub(crate) fn parse(bytes: &[u8]) -> Result<Headers, ParseError> {
    let Some(fixed) = array_at::<HEADER_LENGTH>(bytes, 0) else {
        return Err(truncated(HEADER_LENGTH, bytes));
    };
    let words = fixed[0] & 0x0f;
    let header_length = usize::from(words) * 4;
    if words < 5 {
        return Err(ParseError::HeaderLength(words));
    }
    if header_length > bytes.len() {
        return Err(truncated(header_length, bytes));
    }
    let claimed = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    let (total_length, length_missing) = match claimed {
        0 => (bytes.len(), true),
        _ if claimed < header_length || claimed > bytes.len() => {
            let available = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            return Err(ParseError::TotalLength { claimed: claimed as u32, available });
        }
        _ => (claimed, false),
    };
    let identification = u16::from_be_bytes([fixed[4], fixed[5]]);
    let flags = u16::from_be_bytes([fixed[6], fixed[7]]);
    let fragment = (flags & (MORE_FRAGMENTS | OFFSET_MASK) != 0).then_some(Fragment {
        offset: (flags & OFFSET_MASK) << 3,
        more: flags & MORE_FRAGMENTS != 0,
        id: u32::from(identification),
    });
    let proto = L4Proto(fixed[9]);
    let l4 = if flags & OFFSET_MASK == 0 {
        let transport = bytes.get(header_length..total_length).unwrap_or(&[]);
        parse_l4(proto, Family::Ipv4, transport)
    } else {
        L4::Truncated
    };
    Ok(Headers {
        family: Family::Ipv4,
        src: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]).into(),
        dst: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]).into(),
        proto,
        ttl: fixed[8],
        tos: fixed[1],
        dont_fragment: flags & DONT_FRAGMENT != 0,
        length_missing,
        identification,
        total_length: total_length as u32,
        fragment,
        header_length: header_length as u16,
        extensions: Ipv6Extensions::NONE,
        l4,
    })
}

fn truncated(needed: usize, bytes: &[u8]) -> ParseError {
    let available = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    ParseError::HeaderTruncated { needed: needed as u16, available }
}

/// One option of an IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Option<'a> {
    /// Copied flag, class and number in one byte: 7 record route, 68 timestamp, 130 security,
    /// 131 loose source route, 136 stream id, 137 strict source route, 148 router alert.
    pub kind: u8,
    /// What follows kind and length; empty for a no-operation.
    pub content: &'a [u8],
}

/// The options of the IPv4 header at the beginning of `bytes`, up to the end of the list or to
/// an option that does not fit into the header. No-operations are reported.
pub fn options(bytes: &[u8]) -> impl Iterator<Item = Ipv4Option<'_>> {
    let length = bytes.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    let list = bytes.get(HEADER_LENGTH..length).unwrap_or(&[]);
    let mut reader = Reader::new(list);
    std::iter::from_fn(move || match reader.u8()? {
        0 => None,
        kind @ 1 => Some(Ipv4Option { kind, content: &[] }),
        kind => {
            let length = usize::from(reader.u8()?).checked_sub(2)?;
            Some(Ipv4Option { kind, content: reader.take(length)? })
        }
    })
    .fuse()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10.0.0.1 to 10.0.0.2, protocol 253, with `edits` applied and cut to `length` bytes.
    fn packet(length: usize, edits: &[(usize, u8)]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..20].copy_from_slice(&[
            0x45, 0x10, 0, 28, 0xab, 0xcd, 0, 0, 63, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]);
        for (offset, value) in edits {
            bytes[*offset] = *value;
        }
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn parse() {
        let headers = Headers::parse(&packet(60, &[])).unwrap();
        assert_eq!(headers.src, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(headers.dst, Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!((headers.ttl, headers.tos, headers.identification), (63, 0x10, 0xabcd));
        assert_eq!((headers.total_length, headers.header_length), (28, 20));
        assert_eq!((headers.fragment, headers.dont_fragment), (None, false));
        assert_eq!((headers.proto, headers.l4), (L4Proto(253), L4::Other));
        // Link padding is no payload.
        assert_eq!(headers.payload(&packet(60, &[])).len(), 8);
        assert_eq!(headers.packet(&packet(60, &[])).len(), 28);
    }

    #[test]
    fn malformed() {
        type Row<'a> = (usize, &'a [(usize, u8)], ParseError);
        let rows: &[Row] = &[
            (0, &[], ParseError::Empty),
            (19, &[], ParseError::HeaderTruncated { needed: 20, available: 19 }),
            (60, &[(0, 0x55)], ParseError::Version(5)),
            (60, &[(0, 0x44)], ParseError::HeaderLength(4)),
            (23, &[(0, 0x46)], ParseError::HeaderTruncated { needed: 24, available: 23 }),
            (60, &[(3, 61)], ParseError::TotalLength { claimed: 61, available: 60 }),
            (60, &[(3, 19)], ParseError::TotalLength { claimed: 19, available: 60 }),
            (27, &[], ParseError::TotalLength { claimed: 28, available: 27 }),
        ];
        for (length, edits, error) in rows {
            assert_eq!(Headers::parse(&packet(*length, edits)), Err(*error), "{length} {edits:?}");
        }
    }

    #[test]
    fn a_missing_length_takes_what_is_there() {
        let headers = Headers::parse(&packet(60, &[(3, 0)])).unwrap();
        assert_eq!((headers.total_length, headers.length_missing), (60, true));
    }

    #[test]
    fn fragments() {
        let fragment = |offset, more| Some(Fragment { offset, more, id: 0xabcd });
        let rows = [
            ([0x00, 0], None, L4::Other),
            ([0x40, 0], None, L4::Other),
            ([0x20, 0], fragment(0, true), L4::Other),
            ([0x20, 1], fragment(8, true), L4::Truncated),
            ([0x1f, 0xff], fragment(65528, false), L4::Truncated),
        ];
        for ([high, low], fragment, l4) in rows {
            let headers = Headers::parse(&packet(60, &[(6, high), (7, low)])).unwrap();
            assert_eq!((headers.fragment, headers.l4), (fragment, l4), "{high:x} {low:x}");
            assert_eq!(headers.dont_fragment, high == 0x40);
        }
    }

    #[test]
    fn option_lists() {
        let list = |edits: &[(usize, u8)]| {
            let edits = [&[(0, 0x48), (3, 40)], edits].concat();
            let bytes = packet(60, &edits);
            assert!(Headers::parse(&bytes).is_ok());
            options(&bytes).map(|o| (o.kind, o.content.to_vec())).collect::<Vec<_>>()
        };
        let alert = [(20, 1), (21, 148), (22, 4), (25, 7), (26, 3)];
        assert_eq!(list(&alert), [(1, vec![]), (148, vec![0, 0]), (7, vec![0])]);
        assert_eq!(list(&[(20, 7), (21, 1)]), []);
        assert_eq!(list(&[(20, 7), (21, 13)]), []);
        assert_eq!(list(&[(20, 7), (21, 12)]), [(7, vec![0; 10])]);
        assert_eq!(list(&[]), []);
    }
}
