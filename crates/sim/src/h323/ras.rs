//! RAS: registration, admission and status, one message in a datagram.

use super::bits::{Bits, encoded, extended};
use super::parts::{
    address, aliases, call_identifier, endpoint, guid, non_standard, protocol, strange_address,
    trimmed, vendor,
};
use crate::random::Random;
use std::net::SocketAddr;

/// Which message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// GRQ.
    #[default]
    GatekeeperRequest,
    /// GCF.
    GatekeeperConfirm,
    /// RRQ.
    RegistrationRequest,
    /// RCF.
    RegistrationConfirm,
    /// RRJ.
    RegistrationReject,
    /// URQ.
    UnregistrationRequest,
    /// UCF.
    UnregistrationConfirm,
    /// ARQ.
    AdmissionRequest,
    /// ACF.
    AdmissionConfirm,
    /// LRQ.
    LocationRequest,
    /// LCF.
    LocationConfirm,
    /// IRR.
    InfoRequestResponse,
}

/// A message between an endpoint and its gatekeeper.
#[derive(Clone, Debug, Default)]
pub struct Ras {
    /// Which.
    pub kind: Kind,
    /// The number of the request.
    pub number: u16,
    /// Where calls are to be sent.
    pub calls: Vec<SocketAddr>,
    /// Where RAS messages are to be sent.
    pub ras: Vec<SocketAddr>,
    /// How long the registration lives, in seconds.
    pub ttl_s: Option<u32>,
}

/// The message.
pub fn message(random: &mut Random, ras: &Ras) -> Vec<u8> {
    encoded(|bits| match ras.kind {
        Kind::GatekeeperRequest => discovery(random, bits, ras, 0),
        Kind::GatekeeperConfirm => discovery(random, bits, ras, 1),
        Kind::RegistrationRequest => registration(random, bits, ras),
        Kind::RegistrationConfirm => registered(random, bits, ras),
        Kind::RegistrationReject => {
            bits.plain(5, 25).head(Some(false), &[false, false]).two(ras.number);
            protocol(random, bits);
            bits.plain(2, 8);
        }
        Kind::UnregistrationRequest => {
            bits.plain(6, 25).head(Some(false), &[false, false, random.percent(60)]);
            bits.two(ras.number);
            list(random, bits, &ras.calls);
            bits.wide("ep", 7);
        }
        Kind::UnregistrationConfirm => {
            bits.plain(7, 25).head(Some(false), &[false]).two(ras.number);
        }
        Kind::AdmissionRequest => admission(random, bits, ras),
        Kind::AdmissionConfirm => {
            bits.plain(10, 25).head(Some(false), &[random.percent(30), false]).two(ras.number);
            bits.long(1280).plain(random.below(2) as u32, 2);
            one(random, bits, &ras.calls);
            bits.two(240);
        }
        Kind::LocationRequest => {
            let there = [random.percent(20), random.percent(20)];
            bits.plain(18, 25).head(Some(false), &there).two(ras.number);
            if there[0] {
                bits.wide("endpoint", 7);
            }
            aliases(random, bits);
            if there[1] {
                non_standard(random, bits);
            }
            one(random, bits, &ras.ras);
        }
        Kind::LocationConfirm => {
            bits.plain(19, 25).head(Some(false), &[false]).two(ras.number);
            one(random, bits, &ras.calls);
            one(random, bits, &ras.ras);
        }
        Kind::InfoRequestResponse => {
            let standard = random.percent(20);
            bits.plain(22, 25).head(Some(false), &[standard, false, false]);
            if standard {
                non_standard(random, bits);
            }
            bits.two(ras.number);
            endpoint(random, bits);
            bits.wide("endpoint", 7);
            one(random, bits, &ras.ras);
            list(random, bits, &ras.calls);
        }
    })
}

fn one(random: &mut Random, bits: &mut Bits, addresses: &[SocketAddr]) {
    match addresses.first() {
        Some(at) => address(bits, *at),
        None => strange_address(random, bits),
    }
}

/// A SEQUENCE OF TransportAddress.
fn list(random: &mut Random, bits: &mut Bits, addresses: &[SocketAddr]) {
    let strange = random.percent(5);
    bits.length(addresses.len() + usize::from(strange));
    if strange {
        strange_address(random, bits);
    }
    addresses.iter().for_each(|at| address(bits, *at));
}

/// GRQ and GCF.
fn discovery(random: &mut Random, bits: &mut Bits, ras: &Ras, index: u32) {
    let standard = random.percent(20);
    let identified = random.percent(50);
    let confirm = index == 1;
    let there: &[bool] =
        if confirm { &[standard, identified] } else { &[standard, identified, false, true] };
    let additions = if confirm { vec![] } else { vec![None, None] };
    bits.plain(index, 25).head(extended(&additions), there).two(ras.number);
    protocol(random, bits);
    if standard {
        non_standard(random, bits);
    }
    if confirm && identified {
        bits.wide("gatekeeper", 7);
    }
    one(random, bits, &ras.ras);
    if !confirm {
        endpoint(random, bits);
        if identified {
            bits.wide("gatekeeper", 7);
        }
        aliases(random, bits);
    }
}

/// The time to live as an addition: INTEGER (1..4294967295).
fn time_to_live(ttl_s: u32) -> Vec<u8> {
    encoded(|bits| {
        bits.long(ttl_s.wrapping_sub(1));
    })
}

fn registration(random: &mut Random, bits: &mut Bits, ras: &Ras) {
    let mut additions = vec![None, ras.ttl_s.map(time_to_live)];
    if random.percent(70) {
        additions.extend([None, None, None, Some(vec![0x00]), None, Some(vec![0x00])]);
    }
    let additions = trimmed(random, additions);
    let there = [random.percent(15), random.percent(70), random.percent(50)];
    bits.plain(3, 25).head(extended(&additions), &there).two(ras.number);
    protocol(random, bits);
    if there[0] {
        non_standard(random, bits);
    }
    bits.flag(true);
    list(random, bits, &ras.calls);
    list(random, bits, &ras.ras);
    endpoint(random, bits);
    if there[1] {
        aliases(random, bits);
    }
    if there[2] {
        bits.wide("gatekeeper", 7);
    }
    vendor(random, bits);
    bits.additions(&additions);
}

fn registered(random: &mut Random, bits: &mut Bits, ras: &Ras) {
    let mut additions = vec![None, ras.ttl_s.map(time_to_live)];
    if random.percent(70) {
        additions.extend([None, None, None, Some(vec![0x80])]);
    }
    let additions = trimmed(random, additions);
    let there = [false, random.percent(70), random.percent(50)];
    bits.plain(4, 25).head(extended(&additions), &there).two(ras.number);
    protocol(random, bits);
    list(random, bits, &ras.calls);
    if there[1] {
        aliases(random, bits);
    }
    if there[2] {
        bits.wide("gatekeeper", 7);
    }
    bits.wide("endpoint 1", 7).additions(&additions);
}

fn admission(random: &mut Random, bits: &mut Bits, ras: &Ras) {
    let additions = [Some(vec![0x00]), Some(call_identifier(random))];
    let destination = ras.calls.first();
    let source = ras.calls.get(1);
    let there = [
        random.percent(30),
        random.percent(60),
        destination.is_some(),
        false,
        source.is_some(),
        false,
        false,
    ];
    bits.plain(9, 25).head(extended(&additions), &there).two(ras.number).plain(0, 4);
    if there[0] {
        bits.plain(1, 2);
    }
    bits.wide("endpoint 1", 7);
    if there[1] {
        aliases(random, bits);
    }
    destination.iter().for_each(|at| address(bits, **at));
    aliases(random, bits);
    source.iter().for_each(|at| address(bits, **at));
    bits.long(1280).two(17);
    guid(random, bits);
    bits.flag(false).flag(false).additions(&additions);
}
