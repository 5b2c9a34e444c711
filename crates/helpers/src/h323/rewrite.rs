//! Addresses of translated connections: what is written in their place, and how the children
//! that they announce follow. IPv4 only; an address and its port keep their six bytes.

use super::address::{Address, Message, Opening};
use crate::effects::{Effect, Effects, OnRefusal, Proposal};
use crate::helper::Segment;
use crate::rewrite::{Following, Form, Ledger, Named};
use kinwall_terms::{ChildNat, Family, Reason};
use std::net::IpAddr;

/// What becomes of an announcement when its connection is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renaming {
    /// Nothing: the address is taken as it stands.
    Nothing,
    /// The sender's address becomes what the receiver knows it by, where that is another one; the
    /// port is remembered there.
    SenderOnly(Option<Ledger>),
    /// The same for any translated connection, for calls; this address, the first of a list,
    /// becomes the same.
    Calls(Option<Address>),
    /// Another party gets the sender's address.
    Forwarded,
}

/// Whether IPv4 payload of this connection is rewritten at all.
pub(super) fn is_rewritten(segment: &Segment<'_>) -> bool {
    segment.translated && segment.family() == Family::Ipv4
}

/// Whether the receiver knows the sender by another address.
pub(super) fn is_renamed(segment: &Segment<'_>) -> bool {
    let [own, shown] = segment.sender();
    is_rewritten(segment) && own != shown
}

/// How the child of an announcement follows its master; `None`: it does not.
pub(super) fn following(
    segment: &Segment<'_>,
    address: &Address,
    opening: &Opening,
) -> Option<Following> {
    let (ledger, nat, also) = match opening.renaming {
        Renaming::SenderOnly(ledger) if is_renamed(segment) => (ledger, ChildNat::Master, None),
        Renaming::Forwarded if is_renamed(segment) => (None, ChildNat::Forwarded(address.ip), None),
        Renaming::Calls(also) if is_rewritten(segment) => {
            let nat = match opening.from_receiver {
                true => ChildNat::Master,
                false => ChildNat::Caller,
            };
            (Some(Ledger::Signalling), nat, also)
        }
        _ => return None,
    };
    let named = Named { span: address.both()?, form: Form::Octets };
    let also = also.and_then(|address| address.both());
    let following = Following::master(segment.direction.opposite(), address.port, Some(named));
    Some(Following { nat, ledger, also, ..following })
}

/// How the first port of a pair for media follows.
pub(super) fn following_media(segment: &Segment<'_>, address: &Address) -> Option<Following> {
    if !is_renamed(segment) {
        return None;
    }
    let ledger = Some(Ledger::Media);
    let port = address.port & !1;
    let direction = segment.direction.opposite();
    Some(Following { ledger, ..Following::master(direction, port, Some(media(address)?)) })
}

/// A port of a pair: what is remembered is the even one.
pub(super) fn media(address: &Address) -> Option<Named> {
    let form = match address.port & 1 {
        0 => Form::Octets,
        _ => Form::NextOctets,
    };
    Some(Named { span: address.both()?, form })
}

/// Names a pair again that this message has announced before.
pub(super) fn repeat_media(segment: &Segment<'_>, address: &Address, effects: &mut Effects) {
    if is_renamed(segment)
        && address.ip == segment.tuple().src
        && let Some(named) = media(address)
    {
        effects.push(Effect::WriteKept { named, port: address.port & !1 });
    }
}

/// Lets a proposal follow. Where no port is free the message passes as it is.
pub(super) fn follow(segment: &Segment<'_>, following: Following, proposal: &mut Proposal) {
    proposal.following = Some(following);
    proposal.on_refusal = OnRefusal::Ignore;
    if let ChildNat::Forwarded(_) = following.nat {
        proposal.expected.tuple.dst = segment.opposite().dst;
    }
}

/// Writes another address and port in the place of one.
pub(super) fn write(
    message: &Message<'_>,
    address: &Address,
    (ip, port): (IpAddr, u16),
    effects: &mut Effects,
) {
    let Some(span) = address.both() else { return };
    if span.offset < message.segment.packet_at {
        return effects.note(Reason::NatSplit, span);
    }
    effects.write(span, |text| Form::Octets.write(ip, port, text));
}
