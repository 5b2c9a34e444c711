//! Addresses in RAS messages of translated connections: what either end calls its own.
//!
//! | message | becomes what the other end knows |
//! |---|---|
//! | GRQ, RRQ, LRQ, IRR | the sender's own RAS address, that of the connection |
//! | RCF, URQ, IRR, ACF to who is called | the address at which calls are taken, of either end |
//! | ARQ | the sender's own address, as caller or called party |

use crate::effects::Effects;
use crate::h323::address::{Address, Message, addresses};
use crate::h323::marks::Mark;
use crate::h323::per::Found;
use crate::h323::rewrite::{is_rewritten, write};
use crate::rewrite::Ports;

/// Rewrites a message; what an RRQ registers is rewritten where it is expected.
pub(super) fn message(
    message: &Message<'_>,
    kind: Mark,
    found: &[Found],
    ports: &Ports,
    effects: &mut Effects,
) {
    if !is_rewritten(message.segment) {
        return;
    }
    match kind {
        Mark::GatekeeperRequest | Mark::RegistrationRequest | Mark::LocationRequest => {
            ras_address(message, found, effects);
        }
        Mark::RegistrationConfirm | Mark::UnregistrationRequest => {
            call_address(message, found, ports, effects);
        }
        Mark::AdmissionConfirm => {
            let address = addresses(message, found, Mark::CallSignalAddress).next();
            if address.is_some_and(|address| address.ip == message.segment.tuple().dst) {
                call_address(message, found, ports, effects);
            }
        }
        Mark::InfoRequestResponse => {
            ras_address(message, found, effects);
            call_address(message, found, ports, effects);
        }
        Mark::AdmissionRequest => admission(message, found, ports, effects),
        _ => {}
    }
}

/// The first RAS address that is the sender's end of the connection.
fn ras_address(message: &Message<'_>, found: &[Found], effects: &mut Effects) {
    let (own, ends) = (message.segment.tuple(), message.segment.opposite());
    let is_own = |address: &Address| (address.ip, address.port) == (own.src, own.sport);
    if let Some(address) = addresses(message, found, Mark::RasAddress).find(is_own) {
        write(message, &address, (ends.dst, ends.dport), effects);
    }
}

/// The first address at which an end of the connection takes calls, as its sender knows it.
fn call_address(message: &Message<'_>, found: &[Found], ports: &Ports, effects: &mut Effects) {
    let segment = message.segment;
    let (own, ends) = (segment.tuple(), segment.opposite());
    let known = ports.signalling(segment.direction);
    let port = ports.signalling(segment.direction.opposite());
    let all = || addresses(message, found, Mark::CallSignalAddress);
    let is_known = |address: &Address| {
        address.port == known && (address.ip == own.src || address.ip == own.dst)
    };
    let Some(address) = all().find(is_known) else { return };
    if address.ip == own.src {
        // One program lists a loopback address first, which is then taken for this one.
        let first = all().next().filter(|first| first.ip.is_loopback());
        write(message, &first.unwrap_or(address), (ends.dst, port), effects);
    } else {
        write(message, &address, (ends.src, port), effects);
    }
}

/// An endpoint asks whether it may take a call, or make one.
fn admission(message: &Message<'_>, found: &[Found], ports: &Ports, effects: &mut Effects) {
    let segment = message.segment;
    let own = |whose| {
        let address = addresses(message, found, whose).next();
        address.filter(|address| address.ip == segment.tuple().src)
    };
    let ip = segment.opposite().dst;
    let called = own(Mark::DestinationAddress)
        .filter(|address| address.port == ports.signalling(segment.direction));
    if let Some(address) = called {
        let port = ports.signalling(segment.direction.opposite());
        write(message, &address, (ip, port), effects);
    } else if let Some(address) = own(Mark::SourceAddress) {
        write(message, &address, (ip, address.port), effects);
    }
}
