//! irc as the kernel reads it: one segment at a time, the first command in it.

use super::{Offer, propose};
use crate::effects::{Effects, span};
use crate::grammar::{line, number};
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::{Direction, Reason};
use std::net::{IpAddr, Ipv4Addr};

/// Bytes of a segment that are looked at.
const SEARCH_MAX_BYTES: usize = 4095;

/// What ` :`, CTCP and the shortest offer take together: with no more than this left, the search
/// for ` :` ends.
const OFFER_MIN_BYTES: usize = 26;

/// What address, port and line end take at least after the blank that ends the name.
const PARAMETERS_MIN_BYTES: usize = 12;

const KINDS: [&[u8]; 5] = [b"SEND ", b"CHAT ", b"MOVE ", b"TSEND ", b"SCHAT "];

/// Reads one segment.
pub(super) fn inspect(segment: &Segment<'_>, _: &mut Scratch, effects: &mut Effects) {
    if segment.direction == Direction::Reply || !segment.established {
        return;
    }
    let bytes = segment.payload.get(..SEARCH_MAX_BYTES).unwrap_or(segment.payload);
    let blank = |byte: &u8| matches!(byte, b' ' | b'\r' | b'\n');
    let Some(start) = bytes.iter().position(|byte| !blank(byte)) else { return };
    let line = bytes.get(start..).unwrap_or_default();
    if !line::starts_with_any_case(line, b"PRIVMSG ") {
        return;
    }
    let mut at = start + b"PRIVMSG ".len();
    while bytes.len().saturating_sub(at) > OFFER_MIN_BYTES {
        let Some(rest) = bytes.get(at..) else { return };
        if !rest.starts_with(b" :") {
            at += 1;
            continue;
        }
        at += 2;
        let ctcp = b"\x01DCC ";
        if !bytes.get(at..).is_some_and(|rest| rest.starts_with(ctcp)) {
            return;
        }
        at += ctcp.len();
        let rest = bytes.get(at..).unwrap_or_default();
        if let Some(kind) = KINDS.iter().find(|kind| rest.starts_with(kind)) {
            offer(segment, bytes, start, at + kind.len(), effects);
            return;
        }
    }
}

/// Reads `name address port` from offset `at` on; the announcement began at `start`.
fn offer(segment: &Segment<'_>, bytes: &[u8], start: usize, at: usize, effects: &mut Effects) {
    let Some(Parameters { address, port, address_at, port_at }) = parameters(bytes, at) else {
        effects.note(Reason::HelperMalformed, span(start, at - start));
        return;
    };
    let address_span = span(address_at.0, address_at.1);
    let port_span = span(port_at.0, port_at.1);
    let own = [segment.original.src, segment.reply.dst];
    if !own.contains(&IpAddr::from(Ipv4Addr::from(address))) {
        effects.note(Reason::HelperForeignAddress, address_span);
    } else if port == 0 {
        effects.note(Reason::HelperBadPort, port_span);
    } else {
        let span = span(start, port_at.0 + port_at.1 - start);
        propose(segment, &Offer { port, span, address_span, port_span }, effects);
    }
}

/// Where address and port stand, as offset and length, and what they hold.
struct Parameters {
    address: u32,
    port: u16,
    address_at: (usize, usize),
    port_at: (usize, usize),
}

fn parameters(bytes: &[u8], at: usize) -> Option<Parameters> {
    let name_length = bytes.get(at..)?.iter().position(|&byte| byte == b' ')?;
    let name_end = at + name_length;
    if name_length > 0 && bytes.len() - name_end < PARAMETERS_MIN_BYTES {
        return None;
    }
    let address_start = name_end + 1;
    if !bytes.get(address_start..)?.contains(&b'\n') {
        return None;
    }
    let (address, address_length) = number::wrapping(bytes.get(address_start..)?);
    let blanks_start = address_start + address_length;
    let blanks = bytes.get(blanks_start..)?.iter().position(|&byte| byte != b' ')?;
    let port_start = blanks_start + blanks;
    let (port, port_length) = number::wrapping(bytes.get(port_start..)?);
    Some(Parameters {
        address: u32::try_from(address & u64::from(u32::MAX)).ok()?,
        port: u16::try_from(port & u64::from(u16::MAX)).ok()?,
        address_at: (address_start, address_length),
        port_at: (port_start, port_length),
    })
}
