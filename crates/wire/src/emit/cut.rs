//! Packets made from packets: fragments, ICMP errors, frames.

use super::packet::{Packet, put};
use super::transport::Icmp;
use crate::checksum::internet;
use crate::headers::{Headers, ParseError};
use crate::ipv6_ext::ExtensionKind;
use crate::{ipv4, ipv6};
use kinwall_terms::Family;
use std::net::IpAddr;

/// Cuts the packet `bytes` into fragments that carry up to `unit` bytes each, in order. `unit`
/// is rounded down to a multiple of 8, and is at least 8. An IPv6 fragment header goes behind the
/// hop-by-hop and routing headers.
///
/// # Errors
///
/// When `bytes` is no packet.
pub fn fragment(bytes: &[u8], unit: u16, id: u32) -> Result<Vec<Vec<u8>>, ParseError> {
    let headers = Headers::parse(bytes)?;
    let length = headers.total_length.min(0xffff) as usize - head_length(&headers, bytes);
    let unit = usize::from(unit & !7).max(8);
    let pieces = (0..length.max(1)).step_by(unit).map(|start| {
        let end = (start + unit).min(length);
        fragment_piece(bytes, start as u16, end as u16, end < length, id)
    });
    pieces.collect()
}

/// One fragment of the packet `bytes`: its payload bytes `start..end` (what is there of them),
/// stated to stand at `start`, a multiple of 8. Nothing keeps it from overlapping others.
///
/// # Errors
///
/// When `bytes` is no packet.
pub fn fragment_piece(
    bytes: &[u8],
    start: u16,
    end: u16,
    more: bool,
    id: u32,
) -> Result<Vec<u8>, ParseError> {
    let headers = Headers::parse(bytes)?;
    let packet = headers.packet(bytes);
    let (head, body) = packet.split_at_checked(head_length(&headers, bytes)).unwrap_or_default();
    let end = usize::from(end).min(body.len());
    let piece = body.get(usize::from(start).min(end)..end).unwrap_or(&[]);
    let mut fragment = head.to_vec();
    match headers.family {
        Family::Ipv4 => {
            let flags = start >> 3 | if more { ipv4::MORE_FRAGMENTS } else { 0 };
            put(&mut fragment, 4, &(id as u16).to_be_bytes());
            put(&mut fragment, 6, &flags.to_be_bytes());
            put(&mut fragment, 10, &[0, 0]);
            let total = head.len() + piece.len();
            put(&mut fragment, 2, &(total as u16).to_be_bytes());
            let checksum = internet(&fragment);
            put(&mut fragment, 10, &checksum.to_be_bytes());
        }
        Family::Ipv6 => {
            let place = next_header_place(&headers, head);
            let next = fragment.get(place).copied().unwrap_or(0);
            put(&mut fragment, place, &[ExtensionKind::Fragment.number()]);
            fragment.extend([next, 0]);
            fragment.extend((start & !7 | u16::from(more)).to_be_bytes());
            fragment.extend(id.to_be_bytes());
            let length = fragment.len() + piece.len() - ipv6::HEADER_LENGTH;
            put(&mut fragment, 4, &(length as u16).to_be_bytes());
        }
    }
    fragment.extend_from_slice(piece);
    Ok(fragment)
}

/// How many bytes every fragment repeats.
fn head_length(headers: &Headers, bytes: &[u8]) -> usize {
    match headers.family {
        Family::Ipv4 => usize::from(headers.header_length),
        Family::Ipv6 => [ExtensionKind::HopByHop, ExtensionKind::Routing]
            .into_iter()
            .filter_map(|kind| headers.extensions.offset(kind))
            .map(|offset| {
                let offset = usize::from(offset);
                let units = bytes.get(offset + 1).copied().unwrap_or(0);
                offset + (usize::from(units) + 1) * 8
            })
            .fold(ipv6::HEADER_LENGTH, usize::max)
            .min(usize::from(headers.header_length)),
    }
}

/// Where, within the repeated bytes, the number of the first header behind them stands.
fn next_header_place(headers: &Headers, head: &[u8]) -> usize {
    let last = ExtensionKind::ALL
        .into_iter()
        .filter_map(|kind| headers.extensions.offset(kind))
        .map(usize::from)
        .filter(|offset| *offset < head.len())
        .max();
    last.unwrap_or(6)
}

/// An ICMP or ICMPv6 error from `src` to `dst` about the packet `inner`, of which as much is
/// quoted as RFC 1812 and RFC 4443 recommend.
pub fn icmp_error(
    src: impl Into<IpAddr>,
    dst: impl Into<IpAddr>,
    icmp: Icmp,
    inner: &[u8],
) -> Packet {
    let packet = Packet::new(src, dst, icmp);
    // 576 and 1280 bytes, less the headers around.
    let limit = if packet.src.is_ipv4() { 548 } else { 1232 };
    packet.payload(inner.get(..limit).unwrap_or(inner))
}

/// An Ethernet frame around `bytes`, with these VLAN tags (each its tag protocol and its value).
pub fn frame(
    src: [u8; 6],
    dst: [u8; 6],
    tags: &[(u16, u16)],
    ethertype: u16,
    bytes: &[u8],
) -> Vec<u8> {
    let mut frame = [dst, src].concat();
    frame.extend(tags.iter().flat_map(|(kind, value)| [*kind, *value]).flat_map(u16::to_be_bytes));
    frame.extend(ethertype.to_be_bytes());
    frame.extend(bytes);
    frame
}
