//! Logical channels, in messages of H.245, in fast start and in tunnels: what they announce.

use super::address::{Address, Message, Opening, expect, expect_media};
use super::marks::Mark;
use super::per::{Found, Mode};
use super::rewrite;
use crate::effects::{Effect, Effects, Pair};
use kinwall_terms::expectation::ExpectationFlags;
use kinwall_terms::{L4Proto, Reason};
use serde::{Deserialize, Serialize};

/// Channels announced by one OpenLogicalChannel or its Ack: media and control, forward and
/// reverse, so at most four addresses.
const MEDIA_MAX_COUNT: usize = 4;

/// What one OpenLogicalChannel or OpenLogicalChannelAck announces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Channel {
    media: [Option<Address>; MEDIA_MAX_COUNT],
    stack: Option<Address>,
    /// An Ack, or a channel for T.120 over a connection of its own.
    opens_stack: bool,
    is_ack: bool,
    number: u16,
}

impl Channel {
    /// Reads the next channel off the front of `found`: from [`Mark::OpenChannel`] or
    /// [`Mark::OpenChannelAck`] up to what does not belong to it.
    pub(super) fn next(message: &Message<'_>, found: &mut &[Found]) -> Option<Channel> {
        let (head, mut rest) = found.split_first()?;
        let is_ack = head.mark == Mark::OpenChannelAck;
        let mut channel = Channel { opens_stack: is_ack, is_ack, ..Channel::default() };
        let mut whose = None;
        while let Some((mark, after)) = rest.split_first() {
            match mark.mark {
                Mark::MediaChannel | Mark::MediaControlChannel | Mark::SeparateStack => {
                    whose = Some(mark.mark);
                }
                Mark::ChannelNumber => channel.number = message.number(mark),
                Mark::T120 => channel.opens_stack = true,
                Mark::Ipv4 | Mark::Ipv6 => {
                    let address = message.address(mark);
                    match whose.take() {
                        Some(Mark::SeparateStack) => channel.stack = address,
                        Some(_) => channel.add_media(address),
                        None => {}
                    }
                }
                _ => break,
            }
            rest = after;
        }
        *found = rest;
        Some(channel)
    }

    fn add_media(&mut self, address: Option<Address>) {
        if let Some(place) = self.media.iter_mut().find(|place| place.is_none()) {
            *place = address;
        }
    }

    /// Proposes what it announces: each media address is one of a pair of ports; T.120 is a
    /// connection that may be made again and again. When the message is read exactly, a pair that
    /// was just proposed is not proposed again: callers offer many codecs at the same ports.
    pub(super) fn propose(&self, message: &Message<'_>, mode: Mode, effects: &mut Effects) {
        for address in self.media.iter().flatten() {
            if mode == Mode::Exact && is_just_proposed(message, address, effects) {
                rewrite::repeat_media(message.segment, address, effects);
            } else if address.is_own(message.segment, effects) {
                expect_media(message, address, effects);
            }
        }
        if let Some(address) = self.stack.filter(|_| self.opens_stack)
            && address.is_own(message.segment, effects)
        {
            let flags = ExpectationFlags::PERMANENT;
            let opening = Opening { flags, ..Opening::to_sender(L4Proto::TCP) };
            expect(message, &address, &opening, effects);
        }
    }
}

/// Proposals that are looked back on.
const JUST_PROPOSED_MAX_COUNT: usize = 16;

fn is_just_proposed(message: &Message<'_>, address: &Address, effects: &Effects) -> bool {
    let to = message.segment.opposite().dst;
    let is = |effect: &Effect| match effect {
        Effect::ExpectPair(Pair { first, .. }) => {
            let tuple = &first.expected.tuple;
            (tuple.dst, tuple.dport) == (to, address.port & !1)
        }
        _ => false,
    };
    effects.list().iter().rev().take(JUST_PROPOSED_MAX_COUNT).any(is)
}

/// Channels opened and not acknowledged that are remembered of either end; a further one takes
/// the place of the oldest.
const OPEN_MAX_COUNT: usize = 8;

/// The channels that wait for their Ack (`strict`).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Numbers by who opened the channel, oldest first.
    numbers: [[u16; OPEN_MAX_COUNT]; 2],
    counts: [u8; 2],
}

impl Waiting {
    /// Whether `channel`, announced by the sender of `message`, comes in its turn: an Ack answers
    /// what the other end opened. Says why not.
    fn takes(&mut self, channel: &Channel, message: &Message<'_>, effects: &mut Effects) -> bool {
        let sender = message.segment.direction.index();
        let right = if channel.is_ack {
            self.remove(1 - sender, channel.number)
        } else {
            self.push(sender, channel.number);
            true
        };
        if !right {
            effects.note(Reason::HelperOrder, message.span());
        }
        right
    }

    /// Proposes what the messages of H.245 in `found` announce, each in its turn.
    pub(super) fn propose_all(
        &mut self,
        message: &Message<'_>,
        found: &[Found],
        effects: &mut Effects,
    ) {
        let mut found = found;
        while let Some((first, rest)) = found.split_first() {
            if !matches!(first.mark, Mark::OpenChannel | Mark::OpenChannelAck) {
                found = rest;
                continue;
            }
            let Some(channel) = Channel::next(message, &mut found) else { return };
            if self.takes(&channel, message, effects) {
                channel.propose(message, Mode::Exact, effects);
            }
        }
    }

    fn push(&mut self, end: usize, number: u16) {
        let (Some(numbers), Some(count)) = (self.numbers.get_mut(end), self.counts.get_mut(end))
        else {
            return;
        };
        if usize::from(*count) == OPEN_MAX_COUNT {
            numbers.rotate_left(1);
            *count -= 1;
        }
        if let Some(place) = numbers.get_mut(usize::from(*count)) {
            *place = number;
            *count += 1;
        }
    }

    fn remove(&mut self, end: usize, number: u16) -> bool {
        let (Some(numbers), Some(count)) = (self.numbers.get_mut(end), self.counts.get_mut(end))
        else {
            return false;
        };
        let known = numbers.get_mut(..usize::from(*count)).unwrap_or_default();
        let Some(at) = known.iter().position(|waiting| *waiting == number) else { return false };
        known.get_mut(at..).unwrap_or_default().rotate_left(1);
        *count -= 1;
        true
    }
}
