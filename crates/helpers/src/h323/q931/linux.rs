//! Q.931 as the kernel reads it: the frames of one segment.

use super::same_side;
use crate::effects::{Effects, span};
use crate::h323::address::{Address, Message};
use crate::h323::channels::Channel;
use crate::h323::marks::Mark;
use crate::h323::per::{Findings, Found, Mode, walk};
use crate::h323::rewrite;
use crate::h323::tables::USER_INFORMATION;
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::Reason;

/// Reads one segment.
pub(super) fn inspect(segment: &Segment<'_>, scratch: &mut Scratch, effects: &mut Effects) {
    let Scratch::Q931(scratch) = scratch else { return };
    if !segment.established {
        return;
    }
    let Some(segments) = scratch.segments.get_mut(segment.direction.index()) else { return };
    let mut frame = segments.first(segment.payload);
    while let Some(this) = frame {
        let (at, length) = (this.at, this.message.len());
        let mut findings = Findings::new();
        let message = user_information(this.message).and_then(|(offset, bytes)| {
            walk(Mode::Linux, &USER_INFORMATION, bytes, &mut findings).ok()?;
            Some(Message { segment, bytes, at: at + offset })
        });
        let Some(message) = message else {
            effects.note(Reason::HelperMalformed, span(at, length));
            return;
        };
        propose(&message, findings.list(), effects);
        frame = segments.next(segment.payload, this);
    }
}

/// What the user-user element holds, and where. The kernel takes every other element for one
/// with a length byte, but passes a first one that has its high bit set.
fn user_information(message: &[u8]) -> Option<(usize, &[u8])> {
    let &[8, call_reference, ref rest @ ..] = message else { return None };
    let &[_, ref elements @ ..] = rest.get(call_reference.into()..)? else { return None };
    let mut rest = match elements {
        [first, after @ ..] if first & 0x80 != 0 => after,
        _ => elements,
    };
    loop {
        match *rest {
            [0x7e, high, low, ref after @ ..] => {
                let contents = after.get(..u16::from_be_bytes([high, low]).into())?;
                let (_discriminator, bytes) = contents.split_first()?;
                let offset = message.len() - after.len() + 1;
                return (!bytes.is_empty()).then_some((offset, bytes));
            }
            [0x7e, ..] => return None,
            [_, length, ref after @ ..] => rest = after.get(length.into()..)?,
            _ => return None,
        }
    }
}

fn propose(message: &Message<'_>, findings: &[Found], effects: &mut Effects) {
    let forwarded = findings.iter().any(|found| found.mark == Mark::CallForwarded);
    let mut tunnelled = false;
    let mut whose = None;
    let mut found = findings;
    while let Some((first, rest)) = found.split_first() {
        match first.mark {
            Mark::H245Control => tunnelled = true,
            Mark::OpenChannel | Mark::OpenChannelAck => {
                let channel = Channel::next(message, &mut found);
                // Of a Facility that forwards the call, the kernel reads nothing else.
                if let Some(channel) = channel.filter(|_| tunnelled || !forwarded) {
                    channel.propose(message, Mode::Linux, effects);
                }
                continue;
            }
            Mark::Ipv4 | Mark::Ipv6 => {
                let address = message.address(first);
                match (whose, address) {
                    (
                        Some(mark @ (Mark::DestinationAddress | Mark::SourceAddress)),
                        Some(address),
                    ) => {
                        name_ends(message, mark, &address, effects);
                    }
                    (Some(Mark::H245Address), Some(address)) if !forwarded => {
                        super::control_connection(message, &address, effects);
                    }
                    (Some(Mark::AlternativeAddress), Some(address))
                        if forwarded && !same_side(message, &address, effects) =>
                    {
                        super::forwarded_call(message, &address, effects);
                    }
                    _ => {}
                }
            }
            mark => whose = Some(mark),
        }
        found = rest;
    }
}

/// A Setup names the ends of its connection, whatever it named before.
fn name_ends(message: &Message<'_>, mark: Mark, address: &Address, effects: &mut Effects) {
    let segment = message.segment;
    if !rewrite::is_rewritten(segment) || !address.is_of(segment) {
        return;
    }
    let ends = segment.opposite();
    let (ip, port) = match mark {
        Mark::DestinationAddress => (ends.src, ends.sport),
        _ => (ends.dst, ends.dport),
    };
    if address.ip != ip {
        rewrite::write(message, address, (ip, port), effects);
    }
}
