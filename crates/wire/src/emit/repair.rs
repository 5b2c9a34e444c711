//! Lengths and checksums put right after bytes were changed.

use super::packet::put;
use crate::checksum::{Sum, internet};
use crate::headers::{Headers, L4, ParseError};
use crate::ipv6;
use crate::verify::sctp_checksum;
use kinwall_terms::Family;

/// Makes the packet state the length it has, `bytes` being all of it, and puts its checksums
/// right. For UDP the length field is set too.
///
/// # Errors
///
/// When the network header cannot be read.
pub fn repair(bytes: &mut [u8]) -> Result<(), ParseError> {
    let length = bytes.len();
    let family = match bytes.first() {
        None => return Err(ParseError::Empty),
        Some(first) => first >> 4,
    };
    match family {
        4 => put(bytes, 2, &(length as u16).to_be_bytes()),
        _ => put(bytes, 4, &(length.saturating_sub(ipv6::HEADER_LENGTH) as u16).to_be_bytes()),
    }
    let headers = Headers::parse(bytes)?;
    if let (L4::Udp(_), None) = (headers.l4, headers.fragment) {
        let stated = headers.transport(bytes).len() as u16;
        put(bytes, usize::from(headers.header_length) + 4, &stated.to_be_bytes());
    }
    repair_checksums(bytes)
}

/// Puts the checksums of the packet right: IPv4 header, and transport unless it is a fragment.
/// A UDP checksum of zero stays, because it means that there is none.
///
/// # Errors
///
/// When the network header cannot be read.
pub fn repair_checksums(bytes: &mut [u8]) -> Result<(), ParseError> {
    let headers = Headers::parse(bytes)?;
    if headers.family == Family::Ipv4 {
        put(bytes, 10, &[0, 0]);
        let checksum = bytes.get(..usize::from(headers.header_length)).map_or(0, internet);
        put(bytes, 10, &checksum.to_be_bytes());
    }
    if headers.fragment.is_none_or(|fragment| fragment.is_atomic()) {
        repair_transport(&headers, bytes);
    }
    Ok(())
}

fn repair_transport(headers: &Headers, bytes: &mut [u8]) {
    let start = usize::from(headers.header_length);
    let (at, covered) = match headers.l4 {
        L4::Tcp(_) => (16, 0),
        L4::Udp(udp) if udp.checksum == 0 => return,
        L4::Udp(_) => (6, 0),
        L4::UdpLite(udp) => (6, usize::from(udp.length)),
        L4::Icmp(_) => (2, 0),
        L4::Dccp(dccp) => match usize::from(dccp.coverage) {
            0 => (6, 0),
            words => (6, usize::from(dccp.data_offset) + (words - 1) * 4),
        },
        L4::Sctp(_) => {
            if let Some(right) = sctp_checksum(headers.transport(bytes)) {
                put(bytes, start + 8, &right.to_le_bytes());
            }
            return;
        }
        L4::Gre(_) | L4::Other | L4::Truncated => return,
    };
    put(bytes, start + at, &[0, 0]);
    let transport = headers.transport(bytes);
    let part = match covered {
        0 => transport,
        _ => transport.get(..covered).unwrap_or(transport),
    };
    let pseudo = match (headers.l4, headers.family) {
        (L4::Icmp(_), Family::Ipv4) => Sum::new(),
        _ => headers.pseudo_sum(transport),
    };
    let right = match (headers.l4, pseudo.add_bytes(part).checksum()) {
        // A sum of zero is sent as all ones (RFC 768).
        (L4::Udp(_) | L4::UdpLite(_), 0) => 0xffff,
        (_, right) => right,
    };
    put(bytes, start + at, &right.to_be_bytes());
}
