//! Addresses in a message, and what they may open.

use super::marks::Mark;
use super::per::Found;
use super::rewrite::{self, Renaming};
use crate::effects::{Effect, Effects, Pair, Proposal, span};
use crate::helper::Segment;
use crate::registry::HelperKind;
use crate::rewrite::Following;
use kinwall_terms::expectation::{ExpectationFlags, Expected, Span};
use kinwall_terms::{Family, L4Proto, Reason};
use std::net::{IpAddr, Ipv6Addr};

/// A message within what the helper was shown.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) segment: &'a Segment<'a>,
    pub(super) bytes: &'a [u8],
    /// Offset of its first byte in the payload.
    pub(super) at: usize,
}

impl Message<'_> {
    /// All of it.
    pub(super) fn span(&self) -> Span {
        span(self.at, self.bytes.len())
    }

    /// The number of two bytes that was found.
    pub(super) fn number(&self, found: &Found) -> u16 {
        let at = usize::try_from(found.value).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(at..).and_then(|rest| rest.get(..2));
        bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_be_bytes)
    }

    /// The address that was found, if it is one.
    pub(super) fn address(&self, found: &Found) -> Option<Address> {
        let offset = usize::try_from(found.value).ok()?;
        let rest = self.bytes.get(offset..)?;
        let (ip, length): (IpAddr, usize) = match found.mark {
            Mark::Ipv4 => (<[u8; 4]>::try_from(rest.get(..4)?).ok()?.into(), 4),
            Mark::Ipv6 => (Ipv6Addr::from(<[u8; 16]>::try_from(rest.get(..16)?).ok()?).into(), 16),
            _ => return None,
        };
        let &[high, low] = rest.get(length..length + 2)? else { return None };
        let at = self.at + offset;
        Some(Address {
            ip,
            port: u16::from_be_bytes([high, low]),
            ip_span: span(at, length),
            port_span: span(at + length, 2),
        })
    }
}

/// An address and a port in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    ip_span: Span,
    port_span: Span,
}

/// Bytes of an IPv4 address and a port.
const IPV4_BYTES: u32 = 6;

impl Address {
    /// Whether it can be reached over the connection's own family.
    pub(super) fn is_of(&self, segment: &Segment<'_>) -> bool {
        Family::of(self.ip) == segment.family()
    }

    /// Whether it is the sender's own and has a port; says why not.
    pub(super) fn is_own(&self, segment: &Segment<'_>, effects: &mut Effects) -> bool {
        let reason = if self.ip != segment.tuple().src {
            (Reason::HelperForeignAddress, self.ip_span)
        } else if self.port == 0 {
            (Reason::HelperBadPort, self.port_span)
        } else {
            return true;
        };
        effects.note(reason.0, reason.1);
        false
    }

    /// Address and port together, if they are IPv4.
    pub(super) fn both(&self) -> Option<Span> {
        let Span { offset, .. } = self.ip_span;
        self.ip.is_ipv4().then_some(Span { offset, length: IPV4_BYTES })
    }

    /// The note that a port of 0 deserves.
    pub(super) fn note_port(&self, effects: &mut Effects) {
        effects.note(Reason::HelperBadPort, self.port_span);
    }
}

/// The addresses under `whose` mark, of the connection's family.
pub(super) fn addresses<'a>(
    message: &'a Message<'a>,
    found: &'a [Found],
    whose: Mark,
) -> impl Iterator<Item = Address> + 'a {
    let from = found.iter().position(|found| found.mark == whose).map_or(found.len(), |i| i + 1);
    found
        .iter()
        .skip(from)
        .map_while(|found| message.address(found))
        .filter(|address| address.is_of(message.segment))
}

/// What an announcement opens.
#[derive(Clone, Copy)]
pub(super) struct Opening {
    pub(super) proto: L4Proto,
    /// Only from the receiver of the message, or from anybody.
    pub(super) from_receiver: bool,
    /// To the address in the message, or to the sender, who has that address.
    pub(super) to_named: bool,
    pub(super) flags: ExpectationFlags,
    pub(super) child: Option<HelperKind>,
    /// What becomes of it when the connection is translated.
    pub(super) renaming: Renaming,
}

impl Opening {
    /// From the receiver of the message to its sender, once.
    pub(super) const fn to_sender(proto: L4Proto) -> Opening {
        let flags = ExpectationFlags::empty();
        let renaming = Renaming::SenderOnly(None);
        Opening { proto, from_receiver: true, to_named: false, flags, child: None, renaming }
    }
}

/// Expects somebody at `address`.
pub(super) fn expect(
    message: &Message<'_>,
    address: &Address,
    opening: &Opening,
    effects: &mut Effects,
) {
    let mut proposal = proposal(message, address, address.port, opening);
    if let Some(following) = rewrite::following(message.segment, address, opening) {
        rewrite::follow(message.segment, following, &mut proposal);
    }
    effects.push(Effect::Expect(proposal));
}

/// Expects RTP at the even port of the pair that `address` belongs to, and RTCP at the odd one.
pub(super) fn expect_media(message: &Message<'_>, address: &Address, effects: &mut Effects) {
    let opening = Opening::to_sender(L4Proto::UDP);
    let at = |port| proposal(message, address, port, &opening);
    let (mut first, mut second) = (at(address.port & !1), at(address.port | 1));
    if let Some(following) = rewrite::following_media(message.segment, address) {
        let next = Following::master(following.direction, address.port | 1, None);
        rewrite::follow(message.segment, following, &mut first);
        rewrite::follow(message.segment, next, &mut second);
    }
    effects.push(Effect::ExpectPair(Pair { first, second, keymap: None }));
}

fn proposal(message: &Message<'_>, address: &Address, port: u16, opening: &Opening) -> Proposal {
    let ends = message.segment.opposite();
    let src = opening.from_receiver.then_some(ends.src);
    let dst = if opening.to_named { address.ip } else { ends.dst };
    let expected = Expected::new(src, None, dst, port, opening.proto);
    Proposal {
        flags: opening.flags,
        child: opening.child,
        address: Some(address.ip_span),
        port: Some(address.port_span),
        ..Proposal::new(expected, message.span())
    }
}
