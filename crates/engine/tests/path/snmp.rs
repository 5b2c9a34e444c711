//! SNMP of translated connections: off until it is switched on; then the addresses that were
//! mapped, and the checksum, are all that changes.

use crate::script::{CASE, Case, Gateway, USUAL};
use kinwall_engine::{Engine, Ingress, Packet};
use kinwall_terms::{InterfaceName, Profile, Reason, Time, Verdict};
use kinwall_wire::{Headers, LinkFacts, emit};
use std::borrow::Cow;
use std::net::IpAddr;

const ON: &[&str] = &["guard.snmp_trap.no_mangle=0", "nf_conntrack_checksum=0"];

/// A trap of version 2c: a variable of another type, which puts what follows at an odd place or
/// not, then these addresses.
fn trap(other: &[u8], addresses: &[[u8; 4]]) -> Vec<u8> {
    let value = |tag: u8, bytes: &[u8]| [&[tag, bytes.len() as u8], bytes].concat();
    let name = value(6, &[0x2b, 6, 1]);
    let variable = |tag, bytes: &[u8]| value(0x30, &[&name[..], &value(tag, bytes)].concat());
    let mut list = variable(4, other);
    addresses.iter().for_each(|address| list.extend(variable(0x40, address)));
    let numbers = [value(2, &[7]), value(2, &[0]), value(2, &[0]), value(0x30, &list)].concat();
    value(0x30, &[value(2, &[1]), value(4, b"public"), value(0xa7, &numbers)].concat())
}

fn gateway(profile: Profile, settings: &'static [&'static str]) -> Engine {
    let mut rules = USUAL.to_vec();
    rules.push("iptables -t raw -A PREROUTING -p udp --dport 162 -j CT --helper snmp_trap");
    rules.push("iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE");
    let case = Case { rules: rules.leak(), settings, ..CASE };
    let mut engine = Gateway::new(&case, profile).plain;
    engine.set_translation(true);
    engine
}

/// What becomes of a trap of 10.1.0.2; `spoil` may damage the packet.
fn sent(
    engine: &mut Engine,
    payload: &[u8],
    spoil: impl FnOnce(&mut Vec<u8>),
) -> Result<Vec<u8>, Reason> {
    let [agent, manager]: [IpAddr; 2] = [[10, 1, 0, 2], [192, 0, 2, 9]].map(IpAddr::from);
    let udp = emit::Udp::new(4000, 162);
    let mut bytes = emit::Packet::new(agent, manager, udp).payload(payload).build();
    spoil(&mut bytes);
    let mut packet = Packet {
        number: 1,
        ingress: Ingress::Interface(InterfaceName::new("eth1")),
        link: LinkFacts::default(),
        mark: 0,
        bytes: Cow::Borrowed(&bytes),
    };
    let outcome = engine.handle(Time(1_700_000_000_000_000_000), &mut packet);
    match outcome.verdict {
        Verdict::Accept => Ok(packet.bytes.into_owned()),
        _ => Err(outcome.reason.expect("a reason")),
    }
}

const OWN: [u8; 4] = [10, 1, 0, 2];
const OTHER: [u8; 4] = [10, 1, 0, 3];
const SHOWN: [u8; 4] = [192, 0, 2, 2];

#[test]
fn its_own_addresses_are_mapped_and_nothing_else_changes() {
    for profile in Profile::ALL {
        for other in [&b"x"[..], b"xy", b""] {
            for list in [&[OWN][..], &[OTHER, OWN, OWN], &[OTHER], &[]] {
                let shown: Vec<_> =
                    list.iter().map(|a| if *a == OWN { SHOWN } else { *a }).collect();
                let mut engine = gateway(profile, ON);
                let left = sent(&mut engine, &trap(other, list), |_| ()).expect("it passes");
                let headers = Headers::parse(&left).expect("a packet");
                assert!(headers.verify_checksum(&left) && headers.verify_network_checksum(&left));
                assert_eq!(headers.payload(&left), trap(other, &shown), "{profile} {list:?}");
                // Without the setting only the header changes.
                let mut engine = gateway(profile, &[]);
                let left = sent(&mut engine, &trap(other, list), |_| ()).expect("it passes");
                let headers = Headers::parse(&left).expect("a packet");
                assert_eq!(headers.payload(&left), trap(other, list));
            }
        }
    }
}

#[test]
fn checksums_stay_what_they_were() {
    let text = trap(b"x", &[OWN]);
    let sum = |bytes: &[u8]| u16::from_be_bytes([bytes[26], bytes[27]]);
    for profile in Profile::ALL {
        let right = sent(&mut gateway(profile, ON), &text, |_| ()).expect("it passes");
        // None stays none; a wrong one stays wrong.
        let none = |bytes: &mut Vec<u8>| bytes[26..28].fill(0);
        let left = sent(&mut gateway(profile, ON), &text, none).expect("it passes");
        assert_eq!((sum(&left), &left[28..]), (0, &right[28..]));
        let wrong = |bytes: &mut Vec<u8>| bytes[26] ^= 0x55;
        let left = sent(&mut gateway(profile, ON), &text, wrong).expect("it passes");
        assert_ne!(sum(&left), sum(&right));
        assert!(!Headers::parse(&left).expect("a packet").verify_checksum(&left));
    }
}

#[test]
fn bytes_behind_the_stated_length() {
    let text = trap(b"x", &[OWN]);
    let short = |bytes: &mut Vec<u8>| {
        bytes[25] -= 1;
        bytes[26..28].fill(0);
    };
    let linux = sent(&mut gateway(Profile::Linux, ON), &text, short);
    assert_eq!(linux, Err(Reason::HelperMalformed));
    let strict = sent(&mut gateway(Profile::Strict, ON), &text, short).expect("it passes");
    assert_eq!(&strict[28..], text);
}
