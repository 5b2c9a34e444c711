//! Interfaces that change: what is masqueraded by them ends, with an event that says why.

use crate::script::{CASE, Case, Gateway};
use kinwall_conntrack::{ConnectionEnd, Event};
use kinwall_engine::{Engine, Ingress, Packet};
use kinwall_terms::{InterfaceName, Profile, Reason, Time, Verdict};
use kinwall_wire::{LinkFacts, emit};
use std::borrow::Cow;
use std::net::IpAddr;

const RULES: &[&str] = &[
    "iptables -t nat -A POSTROUTING -o eth0 -p udp --dport 53 -j MASQUERADE",
    "iptables -t nat -A POSTROUTING -o eth0 -j SNAT --to-source 192.0.2.2",
    "iptables -t nat -A POSTROUTING -o eth2 -j MASQUERADE",
];

fn gateway() -> Engine {
    let mut engine = Gateway::new(&Case { rules: RULES, ..CASE }, Profile::Linux).plain;
    engine.set_translation(true);
    engine.set_events(true);
    engine
}

/// A datagram of 10.1.0.2 to this host and port.
fn send(engine: &mut Engine, dst: &str, port: u16) -> (Verdict, Option<Reason>) {
    let [src, dst]: [IpAddr; 2] = ["10.1.0.2", dst].map(|text| text.parse().expect("an address"));
    let bytes = emit::Packet::new(src, dst, emit::Udp::new(4000, port)).build();
    let mut packet = Packet {
        number: 1,
        ingress: Ingress::Interface(InterfaceName::new("eth1")),
        link: LinkFacts::default(),
        mark: 0,
        bytes: Cow::Borrowed(&bytes),
    };
    let outcome = engine.handle(Time(1_700_000_000_000_000_000), &mut packet);
    (outcome.verdict, outcome.reason)
}

/// The ports to which connections ended, and why.
fn ended(engine: &mut Engine) -> Vec<(u16, ConnectionEnd)> {
    let ended = |event| match event {
        Event::ConnectionDestroyed(view, why) => Some((view.original.dport, why)),
        _ => None,
    };
    engine.events().filter_map(ended).collect()
}

#[test]
fn what_is_masqueraded_ends_with_the_address_or_the_interface() {
    let why = ConnectionEnd::InterfaceChanged;
    let rows: &[(&str, &str, &[u16])] = &[
        ("interface.eth0.addresses", "192.0.2.3/24", &[53]),
        ("interface.eth0.addresses", "192.0.2.3/24, 192.0.2.2/24", &[]),
        ("interface.eth0.addresses", "", &[53]),
        ("interface.eth0.down", "1", &[53]),
        ("interface.eth2.addresses", "172.16.5.9/24", &[54]),
        ("interface.eth1.down", "1", &[]),
    ];
    for (key, value, ports) in rows {
        let mut engine = gateway();
        for (dst, port) in [("192.0.2.9", 53), ("192.0.2.9", 80), ("172.16.5.5", 54)] {
            assert_eq!(send(&mut engine, dst, port).0, Verdict::Accept);
        }
        engine.set(key, value).expect("a change");
        let expected: Vec<_> = ports.iter().map(|port| (*port, why)).collect();
        assert_eq!(ended(&mut engine), expected, "{key}={value}");
        let count = 3 - ports.len() as u32;
        engine.expire(Time(1_700_000_000_000_000_000), 10);
        assert_eq!(engine.conntrack().count(), count, "{key}={value}");
    }
}

#[test]
fn what_leaves_by_another_interface_ends() {
    let mut engine = gateway();
    send(&mut engine, "203.0.113.9", 53);
    send(&mut engine, "203.0.113.9", 80);
    // The default route is gone; the hosts are behind eth2 now.
    let mut parts = engine.topology().parts().clone();
    parts.interfaces[2].networks.push("203.0.113.0/24".parse().expect("a network"));
    engine.set_topology(kinwall_topology::Topology::new(parts).expect("no contradiction"));
    assert_eq!(ended(&mut engine), []);
    let strayed = (Verdict::Drop, Some(Reason::NatInterface));
    assert_eq!(send(&mut engine, "203.0.113.9", 53), strayed);
    assert_eq!(ended(&mut engine), [(53, ConnectionEnd::InterfaceChanged)]);
    assert_eq!(send(&mut engine, "203.0.113.9", 53).0, Verdict::Accept);
    assert_eq!(send(&mut engine, "203.0.113.9", 80).0, Verdict::Accept);
}

#[test]
fn changes_that_cannot_be() {
    let rows = [
        ("interface.eth9.down", "1", "no interface `eth9`"),
        ("interface.eth0.down", "0", "interface.NAME.down=1"),
        ("interface.eth0.addresses", "192.0.2.300", "interface.NAME.addresses="),
        ("interface.eth0.addresses", "10.1.0.1/24", "without contradicting"),
        ("interface.eth0.mtu", "1400", "interface.NAME.addresses="),
        ("interface.eth0", "1", "interface.NAME.addresses="),
    ];
    for (key, value, expected) in rows {
        let error = gateway().set(key, value).expect_err("refused").to_string();
        assert!(error.contains(expected), "{key}={value}: {error}");
    }
}
