//! RAS as it should be read: answers to questions.
//!
//! The endpoint is whoever sent first. What it registers becomes an expectation when the gatekeeper
//! has confirmed it, and lives as long as the confirmation says; where a call may go, when it was
//! asked for. A confirmation answers a request of the other end by its number, or it is nothing.

use super::{DEFAULT_RRQ_TTL, GKROUTED_ONLY, TIMEOUT_S, rewrite, time_to_live};
use crate::effects::{Activation, ClassSet, Effect, Effects, Proposal};
use crate::h323::address::{Address, Message, Opening, addresses, expect};
use crate::h323::marks::Mark;
use crate::h323::per::{Findings, Found, Mode, walk};
use crate::h323::rewrite::{Renaming, is_renamed, is_rewritten};
use crate::h323::tables::RAS_MESSAGE;
use crate::helper::Segment;
use crate::registry::{HelperKind, Scratch};
use crate::rewrite::Ports;
use kinwall_terms::expectation::{ExpectationFlags, Expected};
use kinwall_terms::{Direction, L4Proto, Reason};
use serde::{Deserialize, Serialize};

/// Requests without an answer that are remembered; a further one takes the place of the oldest.
const ASKED_MAX_COUNT: usize = 6;

/// Longest that a registration is believed to live, in seconds: a day.
const TTL_MAX_S: u32 = 86_400;

/// How long a connection lives after a URQ, in seconds: until it was answered.
const URQ_TIMEOUT_S: u32 = 30;

/// What is remembered of an endpoint and its gatekeeper.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    asked: [Option<Asked>; ASKED_MAX_COUNT],
    /// Of the last RRQ: the port at which calls are taken, and how long it is to live.
    call_port: u16,
    ttl_s: u32,
}

/// A request without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    answer: Answer,
    by: Direction,
    number: u16,
}

/// What answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    Gatekeeper,
    Registration,
    Admission,
    Location,
}

/// Reads one datagram.
pub(super) fn inspect(
    segment: &Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> usize {
    let length = segment.payload.len();
    let Scratch::Ras(scratch) = scratch else { return length };
    let message = Message { segment, bytes: segment.payload, at: 0 };
    let mut findings = Findings::new();
    match walk(Mode::Exact, &RAS_MESSAGE, segment.payload, &mut findings) {
        Ok(()) => {
            if let Some((kind, found)) = findings.list().split_first() {
                let super::Scratch { strict, ports, .. } = scratch;
                strict.message(&message, kind.mark, (found, ports), effects);
            }
        }
        Err(_) => effects.note(Reason::HelperMalformed, message.span()),
    }
    length
}

/// What is said to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    No,
}

/// The request that a message of this kind answers, and how.
fn answer(kind: Mark) -> Option<(Answer, Said)> {
    Some(match kind {
        Mark::GatekeeperConfirm => (Answer::Gatekeeper, Said::Yes),
        Mark::RegistrationConfirm => (Answer::Registration, Said::Yes),
        Mark::AdmissionConfirm => (Answer::Admission, Said::Yes),
        Mark::LocationConfirm => (Answer::Location, Said::Yes),
        Mark::GatekeeperReject => (Answer::Gatekeeper, Said::No),
        Mark::RegistrationReject => (Answer::Registration, Said::No),
        Mark::AdmissionReject => (Answer::Admission, Said::No),
        Mark::LocationReject => (Answer::Location, Said::No),
        _ => return None,
    })
}

impl Session {
    fn message(
        &mut self,
        message: &Message<'_>,
        kind: Mark,
        (found, ports): (&[Found], &mut Ports),
        effects: &mut Effects,
    ) {
        if let Some((answer, said)) = answer(kind) {
            let asked = self.take(answer, message, found);
            if !asked && said == Said::Yes {
                effects.note(Reason::HelperOrder, message.span());
                return;
            }
        }
        match kind {
            Mark::GatekeeperRequest => self.ask(Answer::Gatekeeper, message, found),
            Mark::AdmissionRequest => self.ask(Answer::Admission, message, found),
            Mark::LocationRequest => self.ask(Answer::Location, message, found),
            Mark::RegistrationRequest => self.register(message, found, ports, effects),
            Mark::GatekeeperConfirm => gatekeeper_elsewhere(message, found, effects),
            Mark::RegistrationConfirm => self.registered(message, found, ports, effects),
            Mark::AdmissionConfirm | Mark::LocationConfirm => {
                call_elsewhere(message, found, effects);
            }
            Mark::UnregistrationRequest => {
                effects.push(Effect::Flush(ClassSet::ALL));
                effects.push(Effect::Refresh { seconds: URQ_TIMEOUT_S });
            }
            _ => {}
        }
        rewrite::message(message, kind, found, ports, effects);
    }

    fn ask(&mut self, answer: Answer, message: &Message<'_>, found: &[Found]) {
        let number = number(message, found);
        let asked = Asked { answer, by: message.segment.direction, number };
        self.forget(asked);
        self.asked.rotate_left(1);
        if let Some(last) = self.asked.last_mut() {
            *last = Some(asked);
        }
    }

    /// Whether the message answers a request of the other end; that is done with then.
    fn take(&mut self, answer: Answer, message: &Message<'_>, found: &[Found]) -> bool {
        let number = number(message, found);
        let asked = Asked { answer, by: message.segment.direction.opposite(), number };
        self.forget(asked)
    }

    /// Whether it was asked; it is not remembered any more.
    fn forget(&mut self, asked: Asked) -> bool {
        let place = self.asked.iter_mut().find(|place| **place == Some(asked));
        place.is_some_and(|place| place.take().is_some())
    }

    /// RRQ: remembers where the endpoint takes calls.
    fn register(
        &mut self,
        message: &Message<'_>,
        found: &[Found],
        ports: &mut Ports,
        effects: &mut Effects,
    ) {
        let segment = message.segment;
        if segment.direction != Direction::Original {
            effects.note(Reason::HelperOrder, message.span());
            return;
        }
        let own = addresses(message, found, Mark::CallSignalAddress)
            .find(|address| address.ip == segment.tuple().src);
        match own {
            Some(address) if address.port == 0 => address.note_port(effects),
            None => effects.note(Reason::HelperForeignAddress, message.span()),
            Some(_) => {}
        }
        let before = std::mem::replace(&mut self.call_port, own.map_or(0, |address| address.port));
        if let Some(address) = own.filter(|address| is_rewritten(segment) && address.port != 0) {
            if before != address.port {
                ports.forget_signalling();
            }
            expect(message, &address, &calls(segment, ExpectationFlags::INACTIVE), effects);
        }
        let default = segment.options.number(DEFAULT_RRQ_TTL);
        self.ttl_s = time_to_live(found).unwrap_or(default);
        self.ask(Answer::Registration, message, found);
    }

    /// RCF: expects calls at the port that was registered.
    fn registered(
        &self,
        message: &Message<'_>,
        found: &[Found],
        ports: &Ports,
        effects: &mut Effects,
    ) {
        let segment = message.segment;
        let ttl_s = time_to_live(found).unwrap_or(self.ttl_s).min(TTL_MAX_S);
        if ttl_s > 0 {
            effects.push(Effect::Refresh { seconds: ttl_s });
        }
        if self.call_port == 0 {
            return;
        }
        // From the gatekeeper, who sent this, to the endpoint.
        let gatekeeper = segment.tuple();
        let mut dport = self.call_port;
        let mut timeout_s = ttl_s;
        if is_rewritten(segment) {
            // It was chosen when the request was rewritten, and is there, but inactive.
            dport = ports.signalling(Direction::Reply);
            timeout_s = if ttl_s > 0 { ttl_s } else { TIMEOUT_S };
        }
        let proto = L4Proto::TCP;
        if !is_rewritten(segment) {
            let src = segment.options.flag(GKROUTED_ONLY).then_some(gatekeeper.src);
            let expected = Expected::new(src, None, gatekeeper.dst, dport, proto);
            effects.push(Effect::Expect(Proposal {
                flags: ExpectationFlags::PERMANENT,
                child: Some(HelperKind::Q931),
                ..Proposal::new(expected, message.span())
            }));
        }
        if timeout_s > 0 && dport > 0 {
            effects.push(Effect::Activate(Activation {
                class: 0,
                dst: gatekeeper.dst,
                dport,
                proto,
                timeout_s,
                skip_when_found: 0,
            }));
        }
    }
}

/// Calls to an endpoint that registers.
fn calls(segment: &Segment<'_>, flags: ExpectationFlags) -> Opening {
    Opening {
        from_receiver: segment.options.flag(GKROUTED_ONLY),
        flags: flags | ExpectationFlags::PERMANENT,
        child: Some(HelperKind::Q931),
        renaming: Renaming::Calls(None),
        ..Opening::to_sender(L4Proto::TCP)
    }
}

/// GCF: the endpoint registers at another address than the one that answers.
fn gatekeeper_elsewhere(message: &Message<'_>, found: &[Found], effects: &mut Effects) {
    let segment = message.segment;
    let Some(address) = addresses(message, found, Mark::RasAddress).next() else { return };
    let own = segment.tuple();
    if segment.expected || (address.ip, address.port) == (own.src, own.sport) {
        return;
    }
    if address.port == 0 {
        address.note_port(effects);
        return;
    }
    let opening = to_named(segment, &address, HelperKind::Ras, L4Proto::UDP);
    expect(message, &address, &opening, effects);
}

/// ACF and LCF: whoever asked may call there once. Its own address is the answer to somebody who
/// takes a call.
fn call_elsewhere(message: &Message<'_>, found: &[Found], effects: &mut Effects) {
    let segment = message.segment;
    let address = addresses(message, found, Mark::CallSignalAddress).next();
    let Some(address) = address.filter(|address| address.ip != segment.tuple().dst) else { return };
    if address.port == 0 {
        address.note_port(effects);
        return;
    }
    let opening = to_named(segment, &address, HelperKind::Q931, L4Proto::TCP);
    expect(message, &address, &opening, effects);
}

/// To the address that is named: where that is the sender's own, and its receiver knows it by
/// another one, to the sender by that.
fn to_named(
    segment: &Segment<'_>,
    address: &Address,
    child: HelperKind,
    proto: L4Proto,
) -> Opening {
    let child = Some(child);
    let opening = Opening { child, ..Opening::to_sender(proto) };
    match is_renamed(segment) && address.ip == segment.tuple().src {
        true => opening,
        false => Opening { to_named: true, renaming: Renaming::Nothing, ..opening },
    }
}

/// The number of a request, or of the request that is answered.
fn number(message: &Message<'_>, found: &[Found]) -> u16 {
    let found = found.iter().find(|found| found.mark == Mark::RequestSeqNum);
    found.map_or(0, |found| message.number(found))
}
