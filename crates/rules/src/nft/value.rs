//! Values on the right side of a comparison.

use crate::matches::iprange::Addresses;
use crate::option::Test;
use crate::value::{Network, PortRange, parse_address, parse_number, parse_port, prefix_mask};
use kinwall_terms::{Family, L4Proto};
use serde_json::Value;
use std::net::IpAddr;

/// Addresses as a network, or from one to another.
pub(super) enum Stretch {
    Network(Network),
    Range(Addresses),
}

/// An address, a prefix or a range.
pub(super) fn addresses(value: &Value, family: Family) -> Option<Stretch> {
    if let Some(text) = value.as_str() {
        let (text, length) = match text.split_once('/') {
            Some((text, length)) => (text, length.parse().ok()?),
            None => (text, width(family)),
        };
        let address = parse_address(text, family)?;
        return Some(Stretch::Network(Network::new(address, prefix_mask(family, length)?)));
    }
    if let Some(prefix) = value.get("prefix") {
        let address = parse_address(prefix.get("addr")?.as_str()?, family)?;
        let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
        return Some(Stretch::Network(Network::new(address, prefix_mask(family, length)?)));
    }
    let (min, max) = ends(value)?;
    let [min, max] = [min, max].map(|end| parse_address(end.as_str()?, family));
    let range = Addresses { min: min?, max: max? };
    (range.min <= range.max).then_some(match as_network(&range) {
        Some(network) => Stretch::Network(network),
        None => Stretch::Range(range),
    })
}

fn width(family: Family) -> u8 {
    if family == Family::Ipv4 { 32 } else { 128 }
}

/// The network that holds just these addresses.
fn as_network(range: &Addresses) -> Option<Network> {
    let (family, first, last) = match (range.min, range.max) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (Family::Ipv4, u128::from(a.to_bits()), u128::from(b.to_bits()))
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => (Family::Ipv6, a.to_bits(), b.to_bits()),
        _ => return None,
    };
    let differ = first ^ last;
    let whole = differ & differ.wrapping_add(1) == 0 && first & differ == 0;
    let length = width(family) - (128 - differ.leading_zeros()) as u8;
    whole.then(|| prefix_mask(family, length)).flatten().map(|mask| Network::new(range.min, mask))
}

/// A mask of an address: `ip saddr & 255.255.255.0`.
pub(super) fn mask(value: &Value, family: Family) -> Option<IpAddr> {
    parse_address(value.as_str()?, family)
}

/// The two ends of a range.
pub(super) fn ends(value: &Value) -> Option<(&Value, &Value)> {
    match value.get("range")?.as_array()?.as_slice() {
        [min, max] => Some((min, max)),
        _ => None,
    }
}

/// A port or a range of ports.
pub(super) fn ports(value: &Value, proto: Option<L4Proto>) -> Option<PortRange> {
    let one = |value: &Value| match value {
        Value::String(text) => parse_port(text, proto),
        value => u16::try_from(value.as_u64()?).ok(),
    };
    match ends(value) {
        Some((min, max)) => Some(PortRange { min: one(min)?, max: one(max)? }),
        None => one(value).map(|port| PortRange { min: port, max: port }),
    }
}

/// A number, also one with a name out of `names`; a range of such.
pub(super) fn numbers(value: &Value, names: &[(&str, u8)]) -> Option<(u64, u64)> {
    let one = |value: &Value| number(value, names);
    match ends(value) {
        Some((min, max)) => Some((one(min)?, one(max)?)),
        None => one(value).map(|number| (number, number)),
    }
}

/// A number, also one with a name out of `names`.
pub(super) fn number(value: &Value, names: &[(&str, u8)]) -> Option<u64> {
    match value {
        Value::String(text) => {
            let named = names.iter().find(|(name, _)| name == text).map(|found| u64::from(found.1));
            named.or_else(|| parse_number(text))
        }
        value => value.as_u64(),
    }
}

/// A protocol of the transport layer.
pub(super) fn protocol(value: &Value) -> Option<L4Proto> {
    match value {
        Value::String(text) => match text.as_str() {
            "icmpv6" | "ipv6-icmp" => Some(L4Proto::ICMPV6),
            text => crate::protocols::from_name(text).or_else(|| text.parse().ok().map(L4Proto)),
        },
        value => u8::try_from(value.as_u64()?).ok().map(L4Proto),
    }
}

/// A link-layer address.
pub(super) fn mac(value: &Value) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = value.as_str()?.split(':');
    for octet in &mut octets {
        *octet = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

/// A word or a list of words as bits.
pub(super) fn bits(value: &Value, names: &[(&str, u32)]) -> Option<u32> {
    match value {
        Value::Array(list) => list.iter().try_fold(0, |all, one| Some(all | bits(one, names)?)),
        Value::Object(_) => match super::text::only(value)? {
            ("set" | "|", inner) => bits(inner, names),
            _ => None,
        },
        Value::String(name) => names.iter().find(|(known, _)| known == name).map(|found| found.1),
        value => u32::try_from(value.as_u64()?).ok(),
    }
}

/// `value`, or all but it.
pub(super) fn test<T>(value: T, invert: bool) -> Test<T> {
    Test { invert, value }
}

/// Types of ICMP.
pub(super) const ICMP_TYPES: &[(&str, u8)] = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];

/// Types of ICMPv6.
pub(super) const ICMPV6_TYPES: &[(&str, u8)] = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("mld-listener-reduction", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
];

/// Codes of ICMP that say why a destination is not reached.
pub(super) const ICMP_CODES: &[(&str, u8)] = &[
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("frag-needed", 4),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
];

/// The same of ICMPv6.
pub(super) const ICMPV6_CODES: &[(&str, u8)] = &[
    ("no-route", 0),
    ("admin-prohibited", 1),
    ("addr-unreachable", 3),
    ("port-unreachable", 4),
    ("policy-fail", 5),
    ("reject-route", 6),
];

/// Flags of TCP.
pub(super) const TCP_FLAGS: &[(&str, u32)] =
    &[("fin", 0x01), ("syn", 0x02), ("rst", 0x04), ("psh", 0x08), ("ack", 0x10), ("urg", 0x20)];
