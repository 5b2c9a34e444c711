//! Q.931 as it should be read: frames of a stream, in the course of a call.
//!
//! A call begins with the Setup of whoever opened the connection, and ends with a ReleaseComplete;
//! what bears another reference, or comes before or after, is not believed. A message is what both
//! its Q.931 type and its H.225.0 body say, or nothing. The called party answers a fast start only
//! where the caller proposed one; only the called party forwards a call.

use super::same_side;
use crate::effects::{ClassSet, Effect, Effects};
use crate::h323::address::{Address, Message};
use crate::h323::channels::{Channel, Waiting};
use crate::h323::marks::Mark;
use crate::h323::per::{Findings, Found, Mode, walk};
use crate::h323::rewrite;
use crate::h323::stream::{self, Frames};
use crate::h323::tables::USER_INFORMATION;
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::{Direction, Reason};
use serde::{Deserialize, Serialize};

/// How far a call has come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    /// Its reference.
    call: Option<u16>,
    /// A Setup was seen.
    begun: bool,
    /// The caller proposed a fast start.
    fast_start: bool,
    /// Channels of tunnelled H.245.
    waiting: Waiting,
}

/// Reads the frames that are whole.
pub(super) fn inspect(
    segment: &Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> usize {
    let Scratch::Q931(scratch) = scratch else { return segment.payload.len() };
    stream::read(segment, &mut scratch.session, effects)
}

impl Frames for Session {
    fn message(&mut self, message: &Message<'_>, effects: &mut Effects) {
        let Some(header) = Header::read(message.bytes) else {
            self.malformed(message, effects);
            return;
        };
        // Messages of Q.931 without H.225.0 in them announce nothing.
        let Some((offset, bytes)) = header.user_information else {
            if !self.begun {
                self.malformed(message, effects);
            }
            return;
        };
        let mut findings = Findings::new();
        if walk(Mode::Exact, &USER_INFORMATION, bytes, &mut findings).is_err() {
            self.malformed(message, effects);
            return;
        }
        let found = findings.list();
        let body = found.first().map(|found| found.mark);
        if !header.is(body) {
            self.malformed(message, effects);
            return;
        }
        let inner = Message { bytes, at: message.at + offset, ..*message };
        if self.course(header.reference, body, message, effects) {
            self.propose(&inner, found, effects);
        }
    }
}

impl Session {
    fn malformed(&self, message: &Message<'_>, effects: &mut Effects) {
        if self.begun {
            effects.note(Reason::HelperMalformed, message.span());
        } else {
            effects.blind(Reason::HelperNotProtocol, message.span());
        }
    }

    /// Whether the message comes in its turn.
    fn course(
        &mut self,
        reference: u16,
        body: Option<Mark>,
        message: &Message<'_>,
        effects: &mut Effects,
    ) -> bool {
        let from_caller = message.segment.direction == Direction::Original;
        if body == Some(Mark::Setup) && from_caller {
            *self = Session { call: Some(reference), begun: true, ..Session::default() };
            return true;
        }
        if !self.begun {
            effects.blind(Reason::HelperOrder, message.span());
            return false;
        }
        if self.call != Some(reference) || body == Some(Mark::Setup) {
            effects.note(Reason::HelperOrder, message.span());
            return false;
        }
        if body == Some(Mark::ReleaseComplete) {
            self.call = None;
            effects.push(Effect::Flush(ClassSet::ALL));
            return false;
        }
        true
    }

    fn propose(&mut self, message: &Message<'_>, found: &[Found], effects: &mut Effects) {
        let tunnelled = found.iter().position(|found| found.mark == Mark::H245Control);
        let (body, tunnel) = found.split_at(tunnelled.unwrap_or(found.len()));
        if body.iter().any(|found| found.mark == Mark::CallForwarded) {
            self.forward(message, body, effects);
        } else {
            self.listen(message, body, effects);
        }
        self.waiting.propose_all(message, tunnel, effects);
    }

    /// The H.245 address and the channels of fast start.
    fn listen(&mut self, message: &Message<'_>, body: &[Found], effects: &mut Effects) {
        if let Some(address) = address_of(message, body, Mark::H245Address) {
            super::control_connection(message, &address, effects);
        }
        Session::name_ends(message, body, effects);
        let from_caller = message.segment.direction == Direction::Original;
        let mut found = body;
        while let Some((first, rest)) = found.split_first() {
            if first.mark != Mark::OpenChannel {
                found = rest;
                continue;
            }
            let Some(channel) = Channel::next(message, &mut found) else { return };
            if from_caller || self.fast_start {
                self.fast_start = true;
                channel.propose(message, Mode::Exact, effects);
            } else {
                effects.note(Reason::HelperOrder, message.span());
                return;
            }
        }
    }

    /// The ends of the connection, where the message names them and they have another address for
    /// its receiver.
    fn name_ends(message: &Message<'_>, body: &[Found], effects: &mut Effects) {
        let segment = message.segment;
        if !rewrite::is_rewritten(segment) {
            return;
        }
        let (own, ends) = (segment.tuple(), segment.opposite());
        let rows = [
            (Mark::DestinationAddress, own.dst, (ends.src, ends.sport)),
            (Mark::SourceAddress, own.src, (ends.dst, ends.dport)),
        ];
        for (whose, known, to) in rows {
            let address = address_of(message, body, whose).filter(|address| address.ip == known);
            if let Some(address) = address.filter(|_| known != to.0) {
                rewrite::write(message, &address, to, effects);
            }
        }
    }

    fn forward(&self, message: &Message<'_>, body: &[Found], effects: &mut Effects) {
        let Some(address) = address_of(message, body, Mark::AlternativeAddress) else { return };
        if message.segment.direction == Direction::Original {
            effects.note(Reason::HelperOrder, message.span());
        } else if !same_side(message, &address, effects) {
            super::forwarded_call(message, &address, effects);
        }
    }
}

/// The address that stands at `whose` mark.
fn address_of(message: &Message<'_>, found: &[Found], whose: Mark) -> Option<Address> {
    let at = found.iter().position(|found| found.mark == whose)?;
    message.address(found.get(at + 1)?)
}

/// What stands before the H.225.0 part (Q.931, section 4; H.225.0, section 7.2).
struct Header<'a> {
    /// Without the bit that says which side sends.
    reference: u16,
    kind: u8,
    user_information: Option<(usize, &'a [u8])>,
}

impl Header<'_> {
    fn read(message: &[u8]) -> Option<Header<'_>> {
        let &[8, 2, high, low, kind, ref elements @ ..] = message else { return None };
        let reference = u16::from_be_bytes([high & 0x7f, low]);
        let mut user_information = None;
        let mut rest = elements;
        while let &[id, ref after @ ..] = rest {
            rest = match id {
                // Elements of a single byte.
                0x80.. => after,
                0x7e => {
                    let &[high, low, ref after @ ..] = after else { return None };
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    let (contents, rest) = after.split_at_checked(length)?;
                    // X.208 and X.209 coded: the only discriminator of H.225.0.
                    let (5, bytes) = contents.split_first().map(|(d, b)| (*d, b))? else {
                        return None;
                    };
                    let offset = message.len() - after.len() + 1;
                    user_information.get_or_insert((offset, bytes));
                    rest
                }
                _ => {
                    let &[length, ref after @ ..] = after else { return None };
                    after.get(usize::from(length)..)?
                }
            };
        }
        Some(Header { reference, kind, user_information })
    }

    /// Whether the type of Q.931 is that of the body.
    fn is(&self, body: Option<Mark>) -> bool {
        let kind = match body {
            Some(Mark::Setup) => 0x05,
            Some(Mark::CallProceeding) => 0x02,
            Some(Mark::Alerting) => 0x01,
            Some(Mark::Connect) => 0x07,
            Some(Mark::Facility) => 0x62,
            Some(Mark::Progress) => 0x03,
            Some(Mark::ReleaseComplete) => 0x5a,
            _ => return true,
        };
        self.kind == kind
    }
}
