//! IPv6 (RFC 8200): the fixed header. Extension headers are in [`crate::ipv6_ext`].

use crate::headers::{Headers, L4, ParseError, parse_l4};
use crate::ipv6_ext::{self, NO_NEXT_HEADER};
use crate::reader::array_at;
use kinwall_terms::{Family, L4Proto};
use std::net::Ipv6Addr;

/// Length of the fixed header, in bytes.
pub const HEADER_LENGTH: usize = 40;

/// Reads an IPv6 packet; the version was looked at by the caller.
#[inline]
pub(crate) fn parse(bytes: &[u8]) -> Result<Headers, ParseError> {
    let Some(fixed) = array_at::<HEADER_LENGTH>(bytes, 0) else {
        let available = bytes.len() as u16;
        return Err(ParseError::HeaderTruncated { needed: HEADER_LENGTH as u16, available });
    };
    let claimed = HEADER_LENGTH + usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    if claimed > bytes.len() {
        let available = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        return Err(ParseError::TotalLength { claimed: claimed as u32, available });
    }
    // A length of zero is true of a packet without next header only; elsewhere the sender's
    // hardware was to fill it in, or a jumbogram tells it in an option.
    let length_missing =
        claimed == HEADER_LENGTH && fixed[6] != NO_NEXT_HEADER && bytes.len() > HEADER_LENGTH;
    let total_length = if length_missing { bytes.len() } else { claimed };
    let packet = bytes.get(..total_length).unwrap_or(&[]);
    let chain = ipv6_ext::walk(packet, L4Proto(fixed[6]))?;
    let l4 = if chain.broken || chain.fragment.is_some_and(|fragment| fragment.offset != 0) {
        L4::Truncated
    } else {
        let transport = packet.get(usize::from(chain.end)..).unwrap_or(&[]);
        parse_l4(chain.proto, Family::Ipv6, transport)
    };
    Ok(Headers {
        family: Family::Ipv6,
        src: address_at(fixed, 8).into(),
        dst: address_at(fixed, 24).into(),
        proto: chain.proto,
        ttl: fixed[7],
        tos: fixed[0] << 4 | fixed[1] >> 4,
        dont_fragment: false,
        length_missing,
        identification: 0,
        total_length: u32::try_from(total_length).unwrap_or(u32::MAX),
        fragment: chain.fragment,
        header_length: chain.end,
        extensions: chain.extensions,
        l4,
    })
}

/// The flow label of the IPv6 header at the beginning of `bytes`: 20 bits.
pub fn flow_label(bytes: &[u8]) -> Option<u32> {
    array_at::<4>(bytes, 0).map(|first| u32::from_be_bytes(*first) & 0xf_ffff)
}

fn address_at(fixed: &[u8; HEADER_LENGTH], offset: usize) -> Ipv6Addr {
    array_at::<16>(fixed, offset).map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// fd00::1 to fd00::2 with `next` and `payload`, whose length is stated as `stated`.
    fn packet(next: u8, stated: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x6a, 0xb1, 0x23, 0x45];
        bytes.extend(stated.to_be_bytes());
        bytes.extend([next, 64]);
        bytes.extend("fd00::1".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend("fd00::2".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn parse() {
        let bytes = packet(253, 4, &[1, 2, 3, 4, 5]);
        let headers = Headers::parse(&bytes).unwrap();
        assert_eq!(headers.src.to_string(), "fd00::1");
        assert_eq!(headers.dst.to_string(), "fd00::2");
        assert_eq!((headers.tos, headers.ttl, headers.total_length), (0xab, 64, 44));
        assert_eq!((headers.proto, headers.header_length), (L4Proto(253), 40));
        assert_eq!(headers.payload(&bytes), [1, 2, 3, 4]);
        assert_eq!(flow_label(&bytes), Some(0x1_2345));
    }

    #[test]
    fn malformed() {
        let whole = packet(6, 20, &[0; 20]);
        assert_eq!(
            Headers::parse(&whole[..39]),
            Err(ParseError::HeaderTruncated { needed: 40, available: 39 })
        );
        assert_eq!(
            Headers::parse(&whole[..59]),
            Err(ParseError::TotalLength { claimed: 60, available: 59 })
        );
    }

    #[test]
    fn a_missing_length_takes_what_is_there() {
        let rows = [(6, 20, 60, true), (6, 0, 40, false), (59, 6, 40, false)];
        for (next, available, total_length, missing) in rows {
            let headers = Headers::parse(&packet(next, 0, &vec![0; available])).unwrap();
            assert_eq!((headers.total_length, headers.length_missing), (total_length, missing));
        }
    }
}
