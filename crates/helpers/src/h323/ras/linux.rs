//! RAS as the kernel reads it: any message, from either end.

use super::{DEFAULT_RRQ_TTL, GKROUTED_ONLY, rewrite, time_to_live};
use crate::effects::{Activation, ClassSet, Effect, Effects};
use crate::h323::address::{Address, Message, Opening, addresses, expect};
use crate::h323::marks::Mark;
use crate::h323::per::{Findings, Found, Mode, walk};
use crate::h323::rewrite::{Renaming, is_rewritten};
use crate::h323::tables::RAS_MESSAGE;
use crate::helper::Segment;
use crate::registry::{HelperKind, Scratch};
use crate::rewrite::Ports;
use kinwall_terms::expectation::ExpectationFlags;
use kinwall_terms::{L4Proto, Reason};
use serde::{Deserialize, Serialize};

/// How long a connection lives after a URQ, in seconds: until it was answered.
const URQ_TIMEOUT_S: u32 = 30;

/// What is remembered of a registration.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Registration {
    /// How long it lives, in seconds.
    ttl_s: u32,
}

/// Reads one datagram.
pub(super) fn inspect(segment: &Segment<'_>, scratch: &mut Scratch, effects: &mut Effects) {
    let Scratch::Ras(scratch) = scratch else { return };
    let super::Scratch { linux: registration, ports, .. } = scratch;
    if segment.payload.is_empty() {
        return;
    }
    let message = Message { segment, bytes: segment.payload, at: 0 };
    let mut findings = Findings::new();
    if walk(Mode::Linux, &RAS_MESSAGE, segment.payload, &mut findings).is_err() {
        effects.note(Reason::HelperMalformed, message.span());
        return;
    }
    let Some((kind, found)) = findings.list().split_first() else { return };
    if kind.mark != Mark::RegistrationRequest {
        rewrite::message(&message, kind.mark, found, ports, effects);
    }
    match kind.mark {
        Mark::GatekeeperConfirm => gatekeeper_elsewhere(&message, found, effects),
        Mark::RegistrationRequest => registration.request(&message, found, ports, effects),
        Mark::RegistrationConfirm => registration.confirm(&message, found, ports, effects),
        Mark::UnregistrationRequest => {
            ports.forget_signalling();
            effects.push(Effect::Flush(ClassSet::ALL));
            effects.push(Effect::Refresh { seconds: URQ_TIMEOUT_S });
        }
        Mark::AdmissionConfirm => {
            let address = addresses(&message, found, Mark::CallSignalAddress).next();
            // The requester's own: it asked whether it may take the call.
            if let Some(address) = address.filter(|a| a.ip != segment.tuple().dst) {
                call_elsewhere(&message, &address, effects);
            }
        }
        Mark::LocationConfirm => {
            if let Some(address) = addresses(&message, found, Mark::CallSignalAddress).next() {
                call_elsewhere(&message, &address, effects);
            }
        }
        _ => {}
    }
}

impl Registration {
    /// RRQ: the first address of the sender's own is where it takes calls.
    fn request(
        &mut self,
        message: &Message<'_>,
        found: &[Found],
        ports: &mut Ports,
        effects: &mut Effects,
    ) {
        let segment = message.segment;
        let own = |a: &Address| a.ip == segment.tuple().src && a.port != 0;
        let address = addresses(message, found, Mark::CallSignalAddress).find(own);
        if let Some(address) = address {
            let opening = Opening {
                from_receiver: segment.options.flag(GKROUTED_ONLY),
                flags: ExpectationFlags::PERMANENT,
                child: Some(HelperKind::Q931),
                renaming: Renaming::Calls(loopback_before(message, found, &address)),
                ..Opening::to_sender(L4Proto::TCP)
            };
            expect(message, &address, &opening, effects);
            if !is_rewritten(segment) {
                ports.set_signalling(segment.direction, address.port);
            }
        }
        rewrite::message(message, Mark::RegistrationRequest, found, ports, effects);
        let default = segment.options.number(DEFAULT_RRQ_TTL);
        self.ttl_s = time_to_live(found).unwrap_or(default);
    }

    /// RCF: the connection lives as long as the registration. So does the expectation of calls,
    /// but the kernel looks for one that anybody may fulfil: of one for the gatekeeper alone, which
    /// is the default, nothing comes.
    fn confirm(
        &mut self,
        message: &Message<'_>,
        found: &[Found],
        ports: &Ports,
        effects: &mut Effects,
    ) {
        let segment = message.segment;
        self.ttl_s = time_to_live(found).unwrap_or(self.ttl_s);
        if self.ttl_s == 0 {
            return;
        }
        effects.push(Effect::Refresh { seconds: self.ttl_s });
        if segment.options.flag(GKROUTED_ONLY) {
            return;
        }
        let port = ports.signalling(segment.direction.opposite());
        effects.push(Effect::Activate(Activation {
            class: 0,
            dst: segment.tuple().dst,
            dport: port,
            proto: L4Proto::TCP,
            timeout_s: self.ttl_s,
            skip_when_found: 0,
        }));
    }
}

/// GCF: the sender registers at another address than the one that answers.
fn gatekeeper_elsewhere(message: &Message<'_>, found: &[Found], effects: &mut Effects) {
    let segment = message.segment;
    let Some(address) = addresses(message, found, Mark::RasAddress).next() else { return };
    let own = segment.tuple();
    if segment.expected || (address.ip, address.port) == (own.src, own.sport) {
        return;
    }
    let child = Some(HelperKind::Ras);
    let renaming = Renaming::Nothing;
    let opening = Opening { to_named: true, child, renaming, ..Opening::to_sender(L4Proto::UDP) };
    expect(message, &address, &opening, effects);
}

/// The receiver may call another party.
fn call_elsewhere(message: &Message<'_>, address: &Address, effects: &mut Effects) {
    let opening = Opening {
        to_named: true,
        flags: ExpectationFlags::PERMANENT,
        child: Some(HelperKind::Q931),
        renaming: Renaming::Nothing,
        ..Opening::to_sender(L4Proto::TCP)
    };
    expect(message, address, &opening, effects);
}

/// The first address, where it is a loopback one and another than `own`: one program lists that
/// first, and the kernel gives it what the other becomes.
fn loopback_before(message: &Message<'_>, found: &[Found], own: &Address) -> Option<Address> {
    let first = addresses(message, found, Mark::CallSignalAddress).next();
    first.filter(|first| first.ip.is_loopback() && first != own)
}
