//! Fields that rules write into packets: type of service, time to live, maximum segment size.
//!
//! Checksums are brought up to date from what they were (RFC 1624).

use crate::checksum::update;
use crate::{Headers, L4};
use kinwall_terms::Family;

/// Gives a packet with these headers this type of service (traffic class) and this time to live
/// (hop limit). What is not there is not changed.
pub fn set(bytes: &mut [u8], headers: &Headers, tos: u8, ttl: u8) {
    match (headers.family, bytes) {
        (Family::Ipv4, [version, class, rest @ ..]) if rest.len() >= 18 => {
            let old = [*version, *class, rest[6], rest[7]];
            *class = tos;
            rest[6] = ttl;
            let new = [*version, *class, rest[6], rest[7]];
            let sum = update(u16::from_be_bytes([rest[8], rest[9]]), &old, &new);
            rest[8..10].copy_from_slice(&sum.to_be_bytes());
        }
        (Family::Ipv6, [version, flow, rest @ ..]) if rest.len() >= 38 => {
            *version = *version & 0xf0 | tos >> 4;
            *flow = *flow & 0x0f | tos << 4;
            rest[5] = ttl;
        }
        _ => {}
    }
}

/// Writes `mss` into the maximum segment size option of a SYN, where it has one (RFC 9293 section
/// 3.2). True if it has.
pub fn set_mss(bytes: &mut [u8], headers: &Headers, mss: u16) -> bool {
    let L4::Tcp(tcp) = headers.l4 else { return false };
    let end = bytes.len().min(headers.total_length as usize);
    let Some(segment) = bytes.get_mut(usize::from(headers.header_length)..end) else {
        return false;
    };
    let Some(at) = mss_at(segment, usize::from(tcp.data_offset)) else { return false };
    let old = segment.to_vec();
    let (Some(field), Some(sum)) = (old.get(at..at + 2), old.get(16..18)) else { return false };
    let sum = u16::from_be_bytes([sum[0], sum[1]]);
    // The sum is of words: one that begins at an odd place counts with its bytes swapped.
    let swapped = |bytes: [u8; 2]| if at % 2 == 0 { bytes } else { [bytes[1], bytes[0]] };
    let (old, new) = (swapped([field[0], field[1]]), swapped(mss.to_be_bytes()));
    let sum = update(sum, &old, &new);
    segment[at..at + 2].copy_from_slice(&mss.to_be_bytes());
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    true
}

/// Where the value of the option stands.
fn mss_at(segment: &[u8], header: usize) -> Option<usize> {
    let mut at = 20;
    while at < header {
        match (*segment.get(at)?, segment.get(at + 1)) {
            (0, _) => return None,
            (1, _) => at += 1,
            (2, Some(4)) if at + 4 <= header => return Some(at + 2),
            (_, Some(length)) if *length >= 2 => at += usize::from(*length),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::{Packet, Tcp, TcpOptions};
    use crate::tcp::TcpFlags;
    use std::net::IpAddr;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_the_checksums_stay_right() {
        let rows = [
            ("192.0.2.1", "198.51.100.1", TcpOptions::new().mss(1460)),
            ("192.0.2.1", "198.51.100.1", TcpOptions::new().raw(254, &[7]).mss(1460)),
            ("2001:db8::1", "2001:db8::2", TcpOptions::new().sack_permitted().mss(9000)),
        ];
        for (src, dst, options) in rows {
            let syn = Tcp::new(1024, 80).flags(TcpFlags::SYN).options(options);
            let packet = Packet::new(address(src), address(dst), syn);
            let mut bytes = packet.build();
            let headers = Headers::parse(&bytes).unwrap();
            set(&mut bytes, &headers, 0xb8, 7);
            assert!(set_mss(&mut bytes, &headers, 1200), "{src}");
            let headers = Headers::parse(&bytes).unwrap();
            assert_eq!((headers.tos, headers.ttl), (0xb8, 7), "{src}");
            assert!(headers.verify_network_checksum(&bytes), "{src}");
            assert!(headers.verify_checksum(&bytes), "{src}");
            assert!(bytes.windows(4).any(|option| option == [2, 4, 0x04, 0xb0]), "{src}");
        }
    }

    #[test]
    fn a_segment_without_the_option_stays() {
        let packet = Packet::new(
            address("192.0.2.1"),
            address("192.0.2.2"),
            Tcp::new(1024, 80).flags(TcpFlags::SYN),
        );
        let mut bytes = packet.build();
        let before = bytes.clone();
        let headers = Headers::parse(&bytes).unwrap();
        assert!(!set_mss(&mut bytes, &headers, 1200));
        assert_eq!(bytes, before);
    }
}
