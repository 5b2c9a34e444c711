//! ICMP errors: whose packet they quote.
//!
//! The quoted packet is cut short by nature. What is needed of it is its network header and the
//! first bytes of its transport header, as many as its tuple takes (four for ports). Neither
//! its length nor its checksum is believed or needed.

use crate::key;
use crate::keymap::Keymap;
use kinwall_terms::{Family, KernelVersion, L4Proto, Reason, Tuple};
use kinwall_wire::ipv6_ext::skip_quoted;
use kinwall_wire::reader::array_at;
use kinwall_wire::{Headers, L4};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an ICMP packet is to tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoted {
    /// Not an error.
    Query,
    /// Neighbour discovery and multicast listener discovery: never tracked.
    Untracked,
    /// An error about a packet with this tuple.
    Tuple(Tuple),
    /// An error that tells nothing that can be believed.
    Invalid(Reason),
}

/// ICMP and ICMPv6 header, in bytes; the quoted packet follows it.
const HEADER_LENGTH: usize = 8;
/// ICMPv6 redirect message (RFC 4861 section 4.5) without options, in bytes.
const REDIRECT_LENGTH: usize = 40;
/// The redirected header option before the quoted packet, in bytes.
const REDIRECTED_HEADER_LENGTH: usize = 8;
const REDIRECTED_HEADER: u8 = 4;
/// Shortest redirected header option that can be believed, in units of 8 bytes.
const REDIRECTED_HEADER_UNITS_MIN: u8 = 4;

/// Unreachable, source quench, redirect, time exceeded, parameter problem (RFC 792).
const ICMP_ERRORS: [u8; 5] = [3, 4, 5, 11, 12];
/// ICMPv6 types from here on inform (RFC 4443 section 2.1).
const ICMPV6_INFORMATION: u8 = 128;
const ICMPV6_REDIRECT: u8 = 137;

/// Reads the packet quoted by an ICMP or ICMPv6 error.
pub(crate) fn quoted(
    headers: &Headers,
    bytes: &[u8],
    keymap: &Keymap,
    kernel: KernelVersion,
) -> Quoted {
    let L4::Icmp(icmp) = headers.l4 else { return Quoted::Query };
    let message = headers.transport(bytes);
    let offset = match (headers.family, icmp.kind) {
        (Family::Ipv4, kind) if ICMP_ERRORS.contains(&kind) => HEADER_LENGTH,
        (Family::Ipv4, _) => return Quoted::Query,
        (Family::Ipv6, 130..=136 | 143 | 151 | 152) => return Quoted::Untracked,
        (Family::Ipv6, ICMPV6_REDIRECT) => {
            if !is_believable_redirect(headers, icmp.code, message) {
                return Quoted::Invalid(Reason::IcmpInner);
            }
            REDIRECT_LENGTH + REDIRECTED_HEADER_LENGTH
        }
        (Family::Ipv6, ICMPV6_INFORMATION..) => return Quoted::Query,
        (Family::Ipv6, _) => HEADER_LENGTH,
    };
    let quote = message.get(offset..).unwrap_or(&[]);
    let tuple = match headers.family {
        Family::Ipv4 => ipv4_tuple(quote, keymap, kernel),
        Family::Ipv6 => ipv6_tuple(quote, keymap, kernel),
    };
    tuple.map_or(Quoted::Invalid(Reason::IcmpInner), Quoted::Tuple)
}

/// Sent by a neighbour (RFC 4861 section 8.1), and its first option is the redirected packet.
fn is_believable_redirect(headers: &Headers, code: u8, message: &[u8]) -> bool {
    let is_link_local = match headers.src {
        IpAddr::V6(src) => src.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    };
    let option = array_at::<2>(message, REDIRECT_LENGTH);
    let is_quoted = option.is_some_and(|&[kind, units]| {
        kind == REDIRECTED_HEADER && units >= REDIRECTED_HEADER_UNITS_MIN
    });
    headers.ttl == 255 && is_link_local && code == 0 && is_quoted
}

fn ipv4_tuple(quote: &[u8], keymap: &Keymap, kernel: KernelVersion) -> Option<Tuple> {
    const OFFSET_MASK: u16 = 0x1fff;
    let header = array_at::<20>(quote, 0)?;
    let later_fragment = u16::from_be_bytes([header[6], header[7]]) & OFFSET_MASK != 0;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    if later_fragment || header_length < header.len() {
        return None;
    }
    let address = |at| array_at::<4>(header, at).map(|octets| Ipv4Addr::from(*octets));
    let (src, dst) = (IpAddr::V4(address(12)?), IpAddr::V4(address(16)?));
    let transport = quote.get(header_length..)?;
    let proto = L4Proto(header[9]);
    let ids = key::ids(proto, Family::Ipv4, src, dst, transport, keymap, kernel);
    let (sport, dport) = ids.ok()?;
    Some(Tuple { src, dst, sport, dport, proto })
}

fn ipv6_tuple(quote: &[u8], keymap: &Keymap, kernel: KernelVersion) -> Option<Tuple> {
    let header = array_at::<40>(quote, 0)?;
    let address = |at| array_at::<16>(header, at).map(|octets| Ipv6Addr::from(*octets));
    let (src, dst) = (IpAddr::V6(address(8)?), IpAddr::V6(address(24)?));
    let (proto, transport) = skip_quoted(header[6], quote.get(40..)?)?;
    let ids = key::ids(proto, Family::Ipv6, src, dst, transport, keymap, kernel);
    let (sport, dport) = ids.ok()?;
    Some(Tuple { src, dst, sport, dport, proto })
}
