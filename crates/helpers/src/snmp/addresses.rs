//! Addresses within messages, where connections are translated: what net-snmp and RFC 2962 call
//! basic address translation.
//!
//! A manager that asks through a gateway, or an agent that sends a trap, names itself in values of
//! the type IpAddress. Where the originator of a connection is translated, each such value that is
//! its own address becomes the one by which the responder knows it; nothing else changes, so
//! that lengths stay. `linux` looks at what comes from an agent's port only when it is an answer,
//! at what goes to a manager's only when it opens, at everything else in either direction, and
//! drops what it cannot read: version 3, and traps of version 1 among it. `strict` leaves that as
//! it is.

use crate::effects::{Effects, span};
use crate::grammar::ber::{Reader, Tag};
use crate::helper::Segment;
use kinwall_terms::expectation::Span;
use kinwall_terms::{Direction, Profile, Reason};
use std::net::IpAddr;

/// Agents answer from here.
const AGENT_PORT: u16 = 161;

/// Managers wait for traps here.
const MANAGER_PORT: u16 = 162;

/// `IpAddress`: `[APPLICATION 0] IMPLICIT OCTET STRING (SIZE (4))`.
const ADDRESS: Tag = Tag(0x40);

/// A message of version 3.
const VERSION_3: &[u8] = &[3];

/// A trap of version 1.
const TRAP: Tag = Tag(0xa4);

/// Writes the addresses of a translated connection anew.
pub(super) fn rewrite(profile: Profile, segment: &Segment<'_>, effects: &mut Effects) {
    if !segment.translated || !is_read(segment) {
        return;
    }
    let whole = span(0, segment.payload.len());
    let (IpAddr::V4(from), IpAddr::V4(to)) = (segment.original.src, segment.reply.dst) else {
        return;
    };
    if segment.behind_length > 0 {
        return refuse(profile, whole, effects);
    }
    if from == to {
        return;
    }
    let mut places = Vec::new();
    let read = match profile {
        Profile::Linux => super::decoder::addresses(segment.payload, &mut places),
        Profile::Strict => addresses(segment.payload, &mut places),
    };
    if read.is_none() {
        return refuse(profile, whole, effects);
    }
    let octets = |place: &usize| segment.payload.get(*place..*place + 4);
    places.retain(|place| octets(place) == Some(&from.octets()));
    let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) else {
        return;
    };
    let mut text = segment.payload.get(first..last + 4).unwrap_or_default().to_vec();
    for place in places {
        if let Some(octets) = text.get_mut(place - first..place - first + 4) {
            octets.copy_from_slice(&to.octets());
        }
    }
    effects.overwrite(span(first, text.len()), |out| out.extend_from_slice(&text));
}

/// Whether what goes this way between these ports is looked at.
fn is_read(segment: &Segment<'_>) -> bool {
    let leaves = segment.opposite();
    let is_original = segment.direction == Direction::Original;
    !(leaves.dport == AGENT_PORT && is_original || leaves.sport == MANAGER_PORT && !is_original)
}

fn refuse(profile: Profile, whole: Span, effects: &mut Effects) {
    match profile {
        Profile::Linux => effects.drop(Reason::HelperMalformed, whole),
        Profile::Strict => effects.note(Reason::HelperMalformed, whole),
    }
}

/// Where the addresses of a whole message stand; `None` when it breaks the grammar.
fn addresses(payload: &[u8], places: &mut Vec<usize>) -> Option<()> {
    let mut whole = Reader::new(payload);
    let mut message = whole.enter(Tag::SEQUENCE)?;
    whole.end()?;
    match message.take(Tag::INTEGER)? {
        [0] | [1] => {}
        // What it holds may be encrypted.
        VERSION_3 => return Some(()),
        _ => return None,
    }
    message.take(Tag::OCTET_STRING)?;
    let (kind, mut pdu) = message.enter_any()?;
    message.end()?;
    if kind == TRAP {
        pdu.take(Tag::OBJECT_IDENTIFIER)?;
        address(&mut pdu, places)?;
        pdu.take(Tag::INTEGER)?;
        pdu.take(Tag::INTEGER)?;
        pdu.read()?;
    } else {
        for _ in 0..3 {
            pdu.take(Tag::INTEGER)?;
        }
    }
    let mut variables = pdu.enter(Tag::SEQUENCE)?;
    pdu.end()?;
    while variables.end().is_none() {
        let mut variable = variables.enter(Tag::SEQUENCE)?;
        variable.take(Tag::OBJECT_IDENTIFIER)?;
        match variable.peek() {
            Some(ADDRESS) => address(&mut variable, places)?,
            _ => drop(variable.read()?),
        }
        variable.end()?;
    }
    Some(())
}

/// Notes where the address stands that is next.
fn address(reader: &mut Reader<'_>, places: &mut Vec<usize>) -> Option<()> {
    let value = reader.take(ADDRESS)?;
    places.push(reader.offset() - value.len());
    (value.len() == 4).then_some(())
}
