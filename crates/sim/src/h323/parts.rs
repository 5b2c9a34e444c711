//! What several messages are made of.

use super::bits::{Bits, encoded, extended};
use crate::random::Random;
use std::net::{IpAddr, SocketAddr};

/// Object identifiers of protocol versions: H.225.0 (2) to (7).
pub fn protocol(random: &mut Random, bits: &mut Bits) {
    let version = random.between(2, 7) as u8;
    bits.oid(&[0x00, 0x08, 0x91, 0x4a, 0x00, version]);
}

/// TransportAddress of H.225.0.
pub fn address(bits: &mut Bits, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => bits.plain(0, 7).octets(&ip.octets()).two(address.port()),
        IpAddr::V6(ip) => bits.plain(3, 7).flag(false).octets(&ip.octets()).two(address.port()),
    };
}

/// A TransportAddress that is no IP address.
pub fn strange_address(random: &mut Random, bits: &mut Bits) {
    match random.below(6) {
        0 => {
            bits.plain(1, 7).flag(false).octets(&[10, 1, 0, 5]).two(1720);
            bits.length(1).octets(&[10, 1, 0, 1]).plain(random.below(2) as u32, 2);
        }
        1 => {
            bits.plain(2, 7).octets(&[1, 2, 3, 4, 5, 6]).octets(&[7; 4]).octets(&[8, 9]);
        }
        2 => {
            bits.plain(4, 7).octets(b"0123456789abcdef");
        }
        3 => {
            let length = random.between(1, 20);
            bits.plain(5, 7).bits(length - 1, 5).octets(&vec![0x47; length as usize]);
        }
        4 => {
            bits.plain(6, 7);
            non_standard(random, bits);
        }
        _ => {
            bits.other(random.below(9) as u32, &vec![0x55; 1 + random.below(9)]);
        }
    }
}

/// NonStandardParameter of H.225.0.
pub fn non_standard(random: &mut Random, bits: &mut Bits) {
    if random.percent(50) {
        bits.plain(0, 2).oid(&[0x2a, 0x86, 0x48]);
    } else {
        bits.plain(1, 2).flag(false).octets(&[0xb5, 0]).two(0x534c);
    }
    bits.open(&vec![0xa5; random.pick(&[0, 1, 7, 130])]);
}

/// AliasAddress.
pub fn alias(random: &mut Random, bits: &mut Bits) {
    match random.below(5) {
        0 | 1 => bits.plain(0, 2).digits(random.pick(&["1", "42", "5551234#", "0"])),
        2 | 3 => bits.plain(1, 2).wide(random.pick(&["a", "alice", "room 7"]), 8),
        _ => {
            let other = encoded(|bits| {
                bits.two(4).octets(b"h323:");
            });
            bits.other(random.pick(&[0, 2]), &other)
        }
    };
}

/// A SEQUENCE OF AliasAddress.
pub fn aliases(random: &mut Random, bits: &mut Bits) {
    let count = random.pick(&[1, 1, 2, 3, 0]);
    bits.length(count);
    (0..count).for_each(|_| alias(random, bits));
}

/// VendorIdentifier.
pub fn vendor(random: &mut Random, bits: &mut Bits) {
    let optional = [random.percent(50), random.percent(50)];
    bits.head(Some(false), &optional);
    bits.flag(false).octets(&[0xb5, 0]).two(0x534c);
    for _ in optional.iter().filter(|&&there| there) {
        bits.align().bits(8, 8).octets(b"simulator");
    }
}

/// EndpointType.
pub fn endpoint(random: &mut Random, bits: &mut Bits) {
    let set = encoded(|bits| {
        bits.octets(&[0x80, 0, 0, 0]);
    });
    let additions = [Some(set).filter(|_| random.percent(15)), None];
    let additions = if random.percent(30) { additions.to_vec() } else { vec![None] };
    let kind = random.below(4);
    let optional = [random.percent(10), random.percent(60), kind == 0, kind == 1, kind == 2, true];
    bits.head(extended(&additions), &optional);
    let [non_standard_data, has_vendor, gatekeeper, gateway, mcu, _] = optional;
    if non_standard_data {
        non_standard(random, bits);
    }
    if has_vendor {
        vendor(random, bits);
    }
    if gatekeeper {
        info(random, bits);
    }
    if gateway {
        gateway_info(random, bits);
    }
    if mcu {
        info(random, bits);
    }
    info(random, bits);
    bits.flag(random.percent(10)).flag(false).additions(&additions);
}

/// GatekeeperInfo, McuInfo and TerminalInfo.
fn info(random: &mut Random, bits: &mut Bits) {
    let there = random.percent(10);
    bits.head(Some(false), &[there]);
    if there {
        non_standard(random, bits);
    }
}

fn gateway_info(random: &mut Random, bits: &mut Bits) {
    bits.head(Some(false), &[true, false]).length(2);
    // H.323 without more, and voice with rates and prefixes, which are additions.
    bits.plain(5, 9).head(Some(false), &[false]);
    let prefixes = encoded(|bits| {
        bits.length(0);
    });
    let additions = [None, Some(prefixes).filter(|_| random.percent(60))];
    bits.plain(7, 9).head(extended(&additions), &[false]).additions(&additions);
}

/// A GloballyUniqueID.
pub fn guid(random: &mut Random, bits: &mut Bits) {
    let guid: Vec<u8> = (0..16).map(|_| random.byte()).collect();
    bits.octets(&guid);
}

/// CallIdentifier, as an addition.
pub fn call_identifier(random: &mut Random) -> Vec<u8> {
    encoded(|bits| {
        bits.flag(false);
        guid(random, bits);
    })
}

/// Cuts the list behind its last entry, or leaves it as a newer version of the standard has it.
pub fn trimmed(random: &mut Random, mut list: Vec<Option<Vec<u8>>>) -> Vec<Option<Vec<u8>>> {
    match random.below(4) {
        0 | 1 => {
            while list.len() > 1 && list.last().is_some_and(Option::is_none) {
                list.pop();
            }
        }
        2 => {
            let more = random.below(3);
            list.extend((0..more).map(|_| None));
        }
        _ => {}
    }
    list
}
