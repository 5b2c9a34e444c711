//! H.245 as the kernel reads it: the frames of one segment.

use crate::effects::Effects;
use crate::h323::address::Message;
use crate::h323::channels::Channel;
use crate::h323::marks::Mark;
use crate::h323::per::{Findings, Mode, walk};
use crate::h323::tables::CONTROL_MESSAGE;
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::{L4Proto, Reason};

/// Bytes of a UDP header, and those of a TCP header without options.
const UDP_HEADER_BYTES: usize = 8;
const TCP_HEADER_BYTES: usize = 20;

/// Reads one segment.
pub(super) fn inspect(segment: &Segment<'_>, scratch: &mut Scratch, effects: &mut Effects) {
    let Scratch::H245(scratch) = scratch else { return };
    if !segment.established {
        return;
    }
    let Some(skip) = tcp_payload(segment) else { return };
    let payload = segment.payload.get(skip..).unwrap_or_default();
    let Some(segments) = scratch.segments.get_mut(segment.direction.index()) else { return };
    let mut frame = segments.first(payload);
    while let Some(this) = frame {
        let message = Message { segment, bytes: this.message, at: skip + this.at };
        if !read(&message, effects) {
            return;
        }
        frame = segments.next(payload, this);
    }
}

/// Where the kernel takes the TCP payload to begin. In a datagram (a rule may assign this helper to
/// UDP) it reads the length of a TCP header in the payload; where that ends within the UDP header,
/// nothing can follow.
fn tcp_payload(segment: &Segment<'_>) -> Option<usize> {
    if segment.original.proto == L4Proto::TCP {
        return Some(0);
    }
    if segment.payload.len() + UDP_HEADER_BYTES < TCP_HEADER_BYTES {
        return None;
    }
    let words = usize::from(segment.payload.get(4)? >> 4);
    (words * 4).checked_sub(UDP_HEADER_BYTES)
}

/// Reads one message; whether it could be read.
fn read(message: &Message<'_>, effects: &mut Effects) -> bool {
    let mut findings = Findings::new();
    if walk(Mode::Linux, &CONTROL_MESSAGE, message.bytes, &mut findings).is_err() {
        effects.note(Reason::HelperMalformed, message.span());
        return false;
    }
    let mut found = findings.list();
    while let Some((first, rest)) = found.split_first() {
        if matches!(first.mark, Mark::OpenChannel | Mark::OpenChannelAck) {
            if let Some(channel) = Channel::next(message, &mut found) {
                channel.propose(message, Mode::Linux, effects);
            }
        } else {
            found = rest;
        }
    }
    true
}
