//! Registrations (RFC 3261, section 10): a phone asks to be called at its own address, and its
//! registrar says for how long.

use super::Letter;
use super::value::{self, Contact};
use crate::effects::{Activation, ClassSet, Effect, Effects, OnRefusal, Proposal};
use crate::registry::HelperKind;
use crate::sip::{DIRECT_SIGNALLING, SIGNALLING};
use kinwall_terms::expectation::{ExpectationFlags, Expected, Span};
use kinwall_terms::{Direction, Reason};

/// For how long a registration is believed at most, whatever the registrar says.
const REGISTRATION_MAX_S: u32 = 86_400;

/// For how long when nobody says (RFC 3261, section 10.2).
const REGISTRATION_DEFAULT_S: u32 = 3600;

/// What a REGISTER asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registration {
    /// The port of the phone's own contact, when it names one.
    port: Option<u16>,
    expires: Option<u32>,
}

/// What a REGISTER asks for, when the phone is the originator of a connection of its own.
pub(super) fn asked(letter: &Letter<'_>, effects: &mut Effects) -> Option<Registration> {
    let segment = letter.segment;
    if segment.direction != Direction::Original || segment.expected {
        effects.note(Reason::HelperOrder, letter.whole());
        return None;
    }
    let phone = segment.tuple().src;
    let mut own = None;
    for (line, contact) in contacts(letter) {
        let (at, length) = contact.address_at;
        if contact.address != phone {
            effects.note(Reason::HelperForeignAddress, letter.span(line + at, length));
        } else if contact.port < PORT_MIN {
            let (at, length) = contact.port_at.unwrap_or(contact.address_at);
            effects.note(Reason::HelperBadPort, letter.span(line + at, length));
        } else {
            own = own.or(Some(contact));
        }
    }
    let expires = own.and_then(|contact| contact.expires).or(letter.message.expires);
    Some(Registration { port: own.map(|contact| contact.port), expires })
}

/// Least port at which calls are expected.
const PORT_MIN: u16 = 1024;

/// The registrar's answer: 2xx lists what is registered now.
pub(super) fn answered(
    letter: &Letter<'_>,
    code: u16,
    asked: &Registration,
    effects: &mut Effects,
) {
    if !(200..=299).contains(&code) {
        return;
    }
    let segment = letter.segment;
    let phone = [segment.original.src, segment.tuple().dst];
    let granted = contacts(letter)
        .find(|(_, contact)| phone.contains(&contact.address) && Some(contact.port) == asked.port);
    let expires = granted.and_then(|(_, contact)| contact.expires).or(letter.message.expires);
    let expires = expires.or(asked.expires).unwrap_or(REGISTRATION_DEFAULT_S);
    match granted {
        Some((line, contact)) if expires > 0 => {
            expect_calls(letter, line, &contact, expires.min(REGISTRATION_MAX_S), effects);
        }
        _ => effects.push(Effect::Flush(ClassSet::of(&[SIGNALLING]))),
    }
}

/// Expects calls from the registrar to the phone; the phone's address is the connection's own.
fn expect_calls(
    letter: &Letter<'_>,
    line: usize,
    contact: &Contact,
    timeout_s: u32,
    effects: &mut Effects,
) {
    let segment = letter.segment;
    let span = |(at, length): (usize, usize)| letter.span(line + at, length);
    let tuple = segment.tuple();
    let registrar = segment.options.flag(DIRECT_SIGNALLING).then_some(tuple.src);
    let expected = Expected::new(registrar, None, tuple.dst, contact.port, tuple.proto);
    effects.push(Effect::Expect(Proposal {
        class: SIGNALLING,
        flags: ExpectationFlags::PERMANENT | ExpectationFlags::INACTIVE,
        child: Some(HelperKind::Sip),
        port: contact.port_at.map(span),
        on_refusal: OnRefusal::Ignore,
        ..Proposal::new(expected, announcement(letter, line, contact))
    }));
    effects.push(Effect::Activate(Activation {
        class: SIGNALLING,
        dst: expected.tuple.dst,
        dport: expected.tuple.dport,
        proto: expected.tuple.proto,
        timeout_s,
        skip_when_found: 0,
    }));
}

/// From the address to the port.
fn announcement(letter: &Letter<'_>, line: usize, contact: &Contact) -> Span {
    let (from, length) = contact.address_at;
    let end = contact.port_at.map_or(from + length, |(at, digits)| at + digits);
    letter.span(line + from, end - from)
}

/// The contacts of a message that can be read, with the offset of their values.
fn contacts<'a>(letter: &'a Letter<'_>) -> impl Iterator<Item = (usize, Contact)> + 'a {
    let (family, proto) = (letter.segment.family(), letter.segment.original.proto);
    let lines = letter.message.contacts.iter();
    lines.flat_map(move |line| {
        let value = letter.message.bytes.get(line.clone()).unwrap_or_default();
        value::contacts(value, family, proto).map(move |contact| (line.start, contact))
    })
}
