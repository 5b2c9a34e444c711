//! Call signalling: Q.931 messages with H.225.0 in their user-user element, in TPKT frames.

use super::bits::{Bits, encoded, extended};
use super::parts::{
    address, aliases, call_identifier, endpoint, guid, non_standard, protocol, strange_address,
    trimmed,
};
use crate::random::Random;
use std::net::SocketAddr;

/// Which message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A call begins.
    #[default]
    Setup,
    /// It is on its way.
    CallProceeding,
    /// It rings.
    Alerting,
    /// It is taken.
    Connect,
    /// Anything else.
    Facility,
    /// It goes on, but not over H.323.
    Progress,
    /// More digits.
    Information,
    /// It is over.
    ReleaseComplete,
    /// A Facility whose body is empty.
    Empty,
}

/// A message of a call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Which.
    pub kind: Kind,
    /// The call reference.
    pub reference: u16,
    /// It comes from the party that was called.
    pub from_called: bool,
    /// `h245Address`.
    pub h245: Option<SocketAddr>,
    /// Elements of `fastStart`.
    pub fast_start: Vec<Vec<u8>>,
    /// Elements of `h245Control`.
    pub tunnelled: Vec<Vec<u8>>,
    /// In a Facility, `alternativeAddress` and the reason `callForwarded`.
    pub forwarded: Option<SocketAddr>,
    /// Addresses that only translation cares for.
    pub signalling: Option<SocketAddr>,
    /// Only what every version of the standard has.
    pub plain: bool,
}

/// A frame around `message`.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let [high, low] = (message.len() as u16 + 4).to_be_bytes();
    let mut frame = vec![3, 0, high, low];
    frame.extend_from_slice(message);
    frame
}

/// The message, without a frame.
pub fn message(random: &mut Random, call: &Call) -> Vec<u8> {
    let [high, low] = (call.reference & 0x7fff).to_be_bytes();
    let flag = if call.from_called { 0x80 } else { 0 };
    let kind = match call.kind {
        Kind::Setup => 0x05,
        Kind::CallProceeding => 0x02,
        Kind::Alerting => 0x01,
        Kind::Connect => 0x07,
        Kind::Facility | Kind::Empty => 0x62,
        Kind::Progress => 0x03,
        Kind::Information => 0x7b,
        Kind::ReleaseComplete => 0x5a,
    };
    let mut message = vec![8, 2, high | flag, low, kind];
    elements(random, call.kind, &mut message);
    let information = user_information(random, call);
    let [high, low] = (information.len() as u16 + 1).to_be_bytes();
    message.extend([0x7e, high, low, 5]);
    message.extend(information);
    message
}

/// Elements of Q.931 that stand before the user-user one.
fn elements(random: &mut Random, kind: Kind, message: &mut Vec<u8>) {
    match kind {
        Kind::Setup => {
            if random.percent(20) {
                // Sending complete: a single byte.
                message.push(0xa1);
            }
            message.extend([0x04, 3, 0x88, 0x93, 0xa5]);
            if random.percent(60) {
                message.extend(b"\x28\x05alice");
            }
            if random.percent(40) {
                message.extend(b"\x6c\x03\x01\x8042");
                message.pop();
                message.extend(b"\x70\x02\x8142");
                message.pop();
            }
        }
        Kind::ReleaseComplete => message.extend([0x08, 2, 0x80, 0x90]),
        Kind::Connect | Kind::Alerting if random.percent(40) => {
            message.extend(b"\x28\x03bob");
        }
        Kind::Progress => message.extend([0x1e, 2, 0x80, 0x88]),
        _ => {}
    }
}

fn user_information(random: &mut Random, call: &Call) -> Vec<u8> {
    let tunnelled = (!call.tunnelled.is_empty()).then(|| list(&call.tunnelled));
    let tunnelling = tunnelled.is_some() || random.percent(40);
    let supplementary = random.percent(5) && !call.plain;
    let mut additions = vec![
        supplementary.then(|| list(&[vec![0xa1, 2, 3, 4]])),
        (!call.plain || tunnelling).then(|| vec![if tunnelling { 0x80 } else { 0 }]),
        tunnelled,
    ];
    if random.percent(25) && !call.plain {
        let mut control = vec![None; 6];
        control[0] = random.percent(20).then(|| {
            encoded(|bits| {
                bits.length(1);
                non_standard(random, bits);
            })
        });
        additions.extend(control);
    }
    let standard = random.percent(5) && !call.plain;
    encoded(|bits| {
        // H323-UserInformation without user data, and the unit within.
        bits.head(Some(false), &[false]);
        bits.head(extended(&additions), &[standard]);
        body(random, bits, call);
        if standard {
            non_standard(random, bits);
        }
        bits.additions(&additions);
    })
}

/// A SEQUENCE OF OCTET STRING.
fn list(items: &[Vec<u8>]) -> Vec<u8> {
    encoded(|bits| {
        bits.length(items.len());
        items.iter().for_each(|item| {
            bits.open(item);
        });
    })
}

fn body(random: &mut Random, bits: &mut Bits, call: &Call) {
    match call.kind {
        Kind::Setup => setup(random, bits, call),
        Kind::CallProceeding => proceeding(random, bits, call, 1, 9),
        Kind::Connect => connect(random, bits, call),
        Kind::Alerting => proceeding(random, bits, call, 3, 14),
        Kind::Information => {
            let additions = [Some(call_identifier(random)), None, None];
            bits.plain(4, 7).head(extended(&additions), &[]);
            protocol(random, bits);
            bits.additions(&additions);
        }
        Kind::ReleaseComplete => {
            let reason = random.percent(70);
            let additions = [Some(call_identifier(random))];
            bits.plain(5, 7).head(extended(&additions), &[reason]);
            protocol(random, bits);
            match random.below(12) {
                _ if !reason => {}
                0 => {
                    bits.other(3, &[0]);
                }
                at => {
                    bits.plain(at as u32, 12);
                }
            }
            bits.additions(&additions);
        }
        Kind::Facility => facility(random, bits, call),
        Kind::Progress => {
            let progress = encoded(|bits| progress(random, bits, call));
            bits.other(0, &progress);
        }
        Kind::Empty => {
            bits.other(1, &[0]);
        }
    }
}

fn fast_start(call: &Call) -> Option<Vec<u8>> {
    (!call.fast_start.is_empty()).then(|| list(&call.fast_start))
}

/// The h245Address, or now and then one that is no IP address.
fn h245_address(random: &mut Random, bits: &mut Bits, call: &Call) {
    match call.h245 {
        Some(h245) => address(bits, h245),
        None => strange_address(random, bits),
    }
}

fn setup(random: &mut Random, bits: &mut Bits, call: &Call) {
    let mut odd = |percent| random.percent(percent) && !call.plain;
    let there = [
        call.h245.is_some() || odd(5),
        odd(70),
        odd(70),
        call.signalling.is_some(),
        odd(5),
        odd(5),
        odd(10),
    ];
    let source = call.signalling.map(|at| encoded(|bits| address(bits, at)));
    let mut additions = vec![
        source.filter(|_| odd(70)),
        None,
        Some(call_identifier(random)),
        None,
        None,
        None,
        fast_start(call),
        Some(vec![0x00]),
        Some(vec![0x00]),
    ];
    if random.percent(40) && !call.plain {
        additions.extend([None, Some(vec![0x00]), Some(vec![0x80])]);
        additions.extend(vec![None; 15]);
    }
    let additions = if call.plain { additions } else { trimmed(random, additions) };
    bits.plain(0, 7).head(extended(&additions), &there);
    protocol(random, bits);
    if there[0] {
        h245_address(random, bits, call);
    }
    if there[1] {
        aliases(random, bits);
    }
    endpoint(random, bits);
    if there[2] {
        aliases(random, bits);
    }
    call.signalling.iter().for_each(|at| address(bits, *at));
    if there[4] {
        aliases(random, bits);
    }
    if there[5] {
        bits.length(2).two(1).two(2);
    }
    bits.flag(false);
    guid(random, bits);
    match random.below(4) {
        0 => bits.other(1, &[0]),
        at => bits.plain(at as u32 - 1, 3),
    };
    if there[6] {
        bits.flag(false).bits(0, 7).flag(false).bits(0, 2);
    }
    bits.plain(random.below(4) as u32, 4).additions(&additions);
}

/// CallProceeding and Alerting: alternative `index`, and so many additions known.
fn proceeding(random: &mut Random, bits: &mut Bits, call: &Call, index: u32, known: usize) {
    let mut additions = vec![Some(call_identifier(random)), None, None, None, fast_start(call)];
    additions.extend([Some(vec![0x00]), Some(vec![0x00])]);
    additions.resize(known, None);
    if call.plain {
        additions.truncate(5);
    } else {
        additions = trimmed(random, additions);
    }
    let h245 = call.h245.is_some() || (random.percent(5) && !call.plain);
    bits.plain(index, 7).head(extended(&additions), &[h245]);
    protocol(random, bits);
    endpoint(random, bits);
    if h245 {
        h245_address(random, bits, call);
    }
    bits.additions(&additions);
}

fn connect(random: &mut Random, bits: &mut Bits, call: &Call) {
    let mut additions = vec![Some(call_identifier(random)), None, None, None, fast_start(call)];
    additions.extend([Some(vec![0x00]), Some(vec![0x80])]);
    additions.resize(15, None);
    additions[11] = random.percent(10).then(|| vec![0x00]);
    if call.plain {
        additions.truncate(5);
    } else {
        additions = trimmed(random, additions);
    }
    let h245 = call.h245.is_some() || (random.percent(5) && !call.plain);
    bits.plain(2, 7).head(extended(&additions), &[h245]);
    protocol(random, bits);
    if h245 {
        h245_address(random, bits, call);
    }
    endpoint(random, bits);
    guid(random, bits);
    bits.additions(&additions);
}

fn facility(random: &mut Random, bits: &mut Bits, call: &Call) {
    let h245 = call.h245.map(|at| encoded(|bits| address(bits, at)));
    let mut additions =
        vec![Some(call_identifier(random)), None, None, None, None, None, h245, fast_start(call)];
    additions.extend(vec![None; 8]);
    let additions = trimmed(random, additions);
    let aliased = random.percent(20);
    let there = [call.forwarded.is_some(), aliased, random.percent(20)];
    bits.plain(6, 7).head(extended(&additions), &there);
    protocol(random, bits);
    call.forwarded.iter().for_each(|at| address(bits, *at));
    if aliased {
        aliases(random, bits);
    }
    if there[2] {
        guid(random, bits);
    }
    match (call.forwarded, random.below(4)) {
        (Some(_), 1..) => bits.plain(1, 4),
        (_, 0) => bits.other(random.below(8) as u32, &[0]),
        (_, 1) => bits.plain(1, 4),
        _ => bits.plain(3, 4),
    };
    bits.additions(&additions);
}

fn progress(random: &mut Random, bits: &mut Bits, call: &Call) {
    let tokens = random.percent(20) && !call.plain;
    let crypto = random.percent(20) && !call.plain;
    let security = random.percent(15) && !call.plain;
    let fast = fast_start(call);
    let additions = trimmed(random, vec![Some(vec![0x00]), Some(vec![0x00]), None]);
    let there = [call.h245.is_some(), security, tokens, crypto, fast.is_some()];
    bits.head(extended(&additions), &there);
    protocol(random, bits);
    endpoint(random, bits);
    call.h245.iter().for_each(|at| address(bits, *at));
    bits.flag(false);
    guid(random, bits);
    if security {
        match random.below(2) {
            0 => bits.plain(1, 4),
            // tls without anything.
            _ => bits.plain(2, 4).flag(false).flag(false).plain(1, 3).plain(1, 3).plain(2, 3),
        };
    }
    if tokens {
        bits.length(1);
        clear_token(random, bits);
    }
    if crypto {
        bits.length(1);
        crypto_token(random, bits);
    }
    fast.iter().for_each(|list| {
        bits.octets(list);
    });
    bits.additions(&additions);
}

/// ClearToken (H.235).
fn clear_token(random: &mut Random, bits: &mut Bits) {
    let there: Vec<bool> = (0..8).map(|_| random.percent(30)).collect();
    bits.head(Some(false), &there).oid(&[0x00, 0x08, 0x81, 0x6b]);
    let fields: [fn(&mut Bits); 8] = [
        |bits| {
            bits.long(1_700_000_000);
        },
        |bits| {
            bits.wide("secret", 7);
        },
        |bits| {
            bits.flag(false);
            (0..3).for_each(|at| {
                bits.two(12 + at).octets(&[0xff]).bits(9, 4 + u32::from(at));
            });
        },
        |bits| {
            bits.bits(0, 7).octets(&[7; 8]);
        },
        |bits| {
            bits.open(&[1, 2]);
        },
        |bits| {
            bits.flag(false).oid(&[0x2a, 3]).open(&[9; 5]);
        },
        |bits| {
            bits.wide("me", 7);
        },
        |bits| {
            bits.oid(&[0x2a, 4]).open(&[8; 3]);
        },
    ];
    for (field, _) in fields.iter().zip(&there).filter(|(_, there)| **there) {
        field(bits);
    }
}

/// CryptoH323Token: a hash, or an encrypted password.
fn crypto_token(random: &mut Random, bits: &mut Bits) {
    let parameters = |bits: &mut Bits| {
        bits.head(Some(false), &[true, false]).open(&[0x11, 0x22]);
    };
    match random.below(3) {
        // cryptoEPPwdHash
        0 => {
            bits.plain(0, 8).plain(1, 2).wide("alice", 8).long(1_700_000_000);
            bits.oid(&[0x2a, 5]);
            parameters(bits);
            bits.length(96).octets(&[0x5a; 12]);
        }
        // cryptoEPPwdEncr
        1 => {
            bits.plain(2, 8).oid(&[0x2a, 6]);
            parameters(bits);
            bits.open(&[0x33; 16]);
        }
        // nestedcryptoToken: cryptoHashedToken
        _ => {
            bits.plain(7, 8).plain(2, 4).oid(&[0x2a, 7]);
            clear_token(random, bits);
            bits.oid(&[0x2a, 8]);
            parameters(bits);
            bits.length(20).octets(&[0x5a, 0x5a]).bits(5, 4);
        }
    }
}
