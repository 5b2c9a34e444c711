//! Registrations (RFC 3261, section 10): a phone asks to be called at its own address, and its
//! registrar says for how long.

use super::Letter;
use super::value::{self, Contact};
use crate::effects::{Activation, ClassSet, Effect, Effects, OnRefusal, Proposal};
use crate::registry::HelperKind;
use crate::rewrite::{Following, Form, Named};
use crate::sip::rewrite::following;
use crate::sip::{DIRECT_SIGNALLING, SIGNALLING};
use kinwall_terms::expectation::{ExpectationFlags, Expected, Span};
use kinwall_terms::{Direction, Reason};
use serde::{Deserialize, Serialize};

/// For how long a registration is believed at most, whatever the registrar says.
const REGISTRATION_MAX_S: u32 = 86_400;

/// For how long when nobody says (RFC 3261, section 10.2).
const REGISTRATION_DEFAULT_S: u32 = 3600;

/// What a REGISTER asks for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Registration {
    /// The port of the phone's own contact, when it names one.
    port: Option<u16>,
    expires: Option<u32>,
}

/// What a REGISTER asks for, when the phone is the originator of a connection of its own.
/// Of a translated connection its calls are expected from here on, inactive: `written` becomes
/// where the contact stands that says so.
pub(super) fn asked(
    letter: &Letter<'_>,
    written: &mut Option<usize>,
    effects: &mut Effects,
) -> Option<Registration> {
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
            own = own.or(Some((line, contact)));
        }
    }
    let expires = own.and_then(|(_, contact)| contact.expires).or(letter.message.expires);
    if let Some((line, contact)) = own.filter(|_| segment.translated && expires != Some(0)) {
        *written = Some(name_anew(letter, line, &contact, effects));
    }
    Some(Registration { port: own.map(|(_, contact)| contact.port), expires })
}

/// Expects calls to a contact at a port that is free where the registrar knows the phone, and has
/// the contact name that. Where it stands.
fn name_anew(letter: &Letter<'_>, line: usize, contact: &Contact, effects: &mut Effects) -> usize {
    let segment = letter.segment;
    let [own, back] = [segment.tuple(), segment.opposite()];
    let port = if contact.port == own.sport { back.dport } else { contact.port };
    let registrar = segment.options.flag(DIRECT_SIGNALLING).then_some(back.src);
    let expected = Expected::new(registrar, None, back.dst, port, own.proto);
    let place = announcement(letter, line, contact);
    let named = Some(Named { span: place, form: Form::Endpoint });
    let following = following(segment, (contact.address, contact.port), false);
    effects.push(Effect::Expect(Proposal {
        class: SIGNALLING,
        flags: ExpectationFlags::PERMANENT | ExpectationFlags::INACTIVE,
        child: Some(HelperKind::Sip),
        port: contact.port_at.map(|(at, length)| letter.span(line + at, length)),
        on_refusal: OnRefusal::Ignore,
        following: Some(Following { named, ..following }),
        ..Proposal::new(expected, place)
    }));
    line + contact.address_at.0
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
    if segment.translated {
        return activate(letter, asked, effects);
    }
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

/// Brings to life what the REGISTER of a translated phone has made expected: the contact that is
/// listed, which bears the name that it got there. Nothing else is expected any more.
fn activate(letter: &Letter<'_>, asked: &Registration, effects: &mut Effects) {
    let tuple = letter.segment.tuple();
    let lives = |contact: &Contact| {
        let expires = contact.expires.or(letter.message.expires).or(asked.expires);
        expires.unwrap_or(REGISTRATION_DEFAULT_S).min(REGISTRATION_MAX_S)
    };
    let granted: Vec<Contact> = contacts(letter)
        .map(|(_, contact)| contact)
        .filter(|contact| contact.address == tuple.dst && lives(contact) > 0)
        .take(GRANTED_MAX_COUNT)
        .collect();
    for (i, contact) in granted.iter().enumerate() {
        effects.push(Effect::Activate(Activation {
            class: SIGNALLING,
            dst: contact.address,
            dport: contact.port,
            proto: tuple.proto,
            timeout_s: lives(contact),
            skip_when_found: u8::try_from(granted.len() - i).unwrap_or(u8::MAX),
        }));
    }
    effects.push(Effect::Flush(ClassSet::of(&[SIGNALLING])));
}

/// Contacts of an answer that are compared with what is expected.
const GRANTED_MAX_COUNT: usize = 64;

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
pub(super) fn contacts<'a>(letter: &'a Letter<'_>) -> impl Iterator<Item = (usize, Contact)> + 'a {
    let (family, proto) = (letter.segment.family(), letter.segment.original.proto);
    let lines = letter.message.contacts.iter();
    lines.flat_map(move |line| {
        let value = letter.message.bytes.get(line.clone()).unwrap_or_default();
        value::contacts(value, family, proto).map(move |contact| (line.start, contact))
    })
}
