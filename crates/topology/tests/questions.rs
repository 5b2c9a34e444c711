//! What a topology answers: routes, address types, the reverse path, input routing.

use ipnet::IpNet;
use kinwall_terms::{InterfaceName, Reason};
use kinwall_topology::{
    AddressTypes, Destination, Interface, Parts, Route, RouteKind, RpfilterOptions, StaticRoute,
    Topology, Value,
};
use proptest::prelude::*;
use std::net::IpAddr;

const GATEWAY: &str = r#"
[[interface]]
name = "in0"
addresses = ["10.1.0.1/24", "fd00:1::1/64"]
networks = ["10.7.0.0/16", "fd00:7::/48"]

[[interface]]
name = "in1"
addresses = ["10.2.0.1/24"]

[[interface]]
name = "up"
addresses = ["192.0.2.2/24", "fd00:9::2/64", "fe80::2/64"]
default = true

[[interface]]
name = "bare"
networks = ["172.16.0.0/12"]

[[route]]
destination = "10.7.9.0/24"
kind = "blackhole"

[[route]]
destination = "10.8.0.0/16"
interface = ["in0", "in1"]

[[route]]
destination = "10.9.0.0/16"
kind = "throw"

[[route]]
destination = "fd00:bad::/32"
kind = "unreachable"

[[route]]
destination = "198.51.100.0/24"
kind = "local"
interface = "lo"
"#;

fn gateway(sysctl: &[(&str, i64)]) -> Topology {
    let mut topology = Topology::from_toml(GATEWAY, "gateway.toml").unwrap();
    for (name, value) in sysctl {
        topology.set_sysctl(name, Value::Integer(*value)).unwrap();
    }
    topology
}

/// The router of the kernel's own run: two networks and no default route.
fn without_default() -> Topology {
    let mut parts = gateway(&[]).parts().clone();
    parts.interfaces[2].default = kinwall_topology::Defaults::NONE;
    Topology::new(parts).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn name(name: &str) -> InterfaceName {
    InterfaceName::new(name).unwrap()
}

#[test]
fn the_longest_prefix_wins_and_own_addresses_come_first() {
    use RouteKind::*;
    let rows = [
        ("10.1.0.9", Unicast, Some("in0"), Some("in0")),
        ("10.1.0.1", Local, Some("in0"), None),
        ("10.1.0.255", Broadcast, Some("in0"), None),
        ("10.1.0.0", Unicast, Some("in0"), Some("in0")),
        ("10.7.1.1", Unicast, Some("in0"), Some("in0")),
        ("10.7.9.1", Blackhole, None, None),
        ("10.8.1.1", Unicast, Some("in0"), Some("in0")),
        ("10.9.1.1", Unreachable, None, None),
        ("8.8.8.8", Unicast, Some("up"), Some("up")),
        ("127.0.0.5", Local, Some("lo"), None),
        ("127.255.255.255", Broadcast, Some("lo"), None),
        ("198.51.100.77", Local, Some("lo"), None),
        ("224.0.0.5", Multicast, None, None),
        ("255.255.255.255", Broadcast, None, None),
        ("172.16.3.4", Unicast, Some("bare"), Some("bare")),
        ("fd00:1::1", Local, Some("in0"), None),
        ("fd00:1::", Anycast, Some("in0"), None),
        ("fd00:1::5", Unicast, Some("in0"), Some("in0")),
        ("fd00:7::5", Unicast, Some("in0"), Some("in0")),
        ("fd00:bad::5", Unreachable, None, None),
        ("2001:db8::1", Unicast, Some("up"), Some("up")),
        ("fe80::2", Local, Some("up"), None),
        ("fe80::77", Unicast, None, None),
        ("ff02::1", Multicast, None, None),
        ("::1", Local, Some("lo"), None),
    ];
    let topology = gateway(&[]);
    for (address, kind, out, behind) in rows {
        let out = out.map(name);
        assert_eq!(topology.route(ip(address)), Route { kind, out }, "{address}");
        assert_eq!(topology.interface_behind(ip(address)), behind.map(name), "{address}");
        assert_eq!(topology.is_local(ip(address)), kind == Local, "{address}");
    }
    assert_eq!(topology.interface_behind(ip("0.0.0.0")), None);
    assert_eq!(topology.interface_behind(ip("::")), None);
    assert_eq!(topology.interface_of(ip("fd00:9::2")), Some(name("up")));
}

#[test]
fn a_broadcast_address_belongs_to_a_network_of_its_interface() {
    let text = "[[interface]]\nname = \"in0\"\n\
        addresses = [\"fd00::1/64\", \"10.1.2.1/16\", \"10.1.3.1/24\", \"10.9.0.0/31\"]\n\
        [[interface]]\nname = \"in1\"\naddresses = [\"10.2.0.1/24\"]\n";
    let topology = Topology::from_toml(text, "topology.toml").unwrap();
    let rows = [
        ("in0", "10.1.255.255", Some("10.1.0.0/16")),
        // Within the wider network, and the narrower one's own.
        ("in0", "10.1.3.255", Some("10.1.3.0/24")),
        ("in0", "10.1.4.255", None),
        ("in0", "10.1.3.7", None),
        ("in0", "10.9.0.1", None),
        ("in0", "10.2.0.255", None),
        ("in1", "10.2.0.255", Some("10.2.0.0/24")),
        ("in1", "255.255.255.255", None),
        ("in2", "10.2.0.255", None),
    ];
    for (interface, address, network) in rows {
        let found = topology.broadcast_network(name(interface), address.parse().unwrap());
        let found = found.map(|network| network.to_string());
        assert_eq!(found.as_deref(), network, "{interface} {address}");
    }
}

#[test]
fn addresses_have_types() {
    // Address, `--limit-iface`, types, whether the match matches.
    let rows = [
        ("10.1.0.1", None, "LOCAL", true),
        ("10.1.0.1", Some("in0"), "LOCAL", true),
        ("10.1.0.1", Some("up"), "LOCAL", false),
        ("10.1.0.1", Some("up"), "UNICAST", true),
        ("10.1.0.1", None, "UNICAST", false),
        ("10.1.0.1", None, "UNICAST|LOCAL", true),
        ("10.1.0.255", None, "BROADCAST", true),
        ("255.255.255.255", None, "BROADCAST", true),
        ("0.0.0.0", None, "BROADCAST", true),
        ("0.0.0.7", None, "UNICAST", true),
        ("239.1.1.1", None, "MULTICAST", true),
        ("8.8.8.8", None, "UNICAST", true),
        ("10.7.9.1", None, "BLACKHOLE", false),
        ("10.7.9.1", None, "UNICAST", true),
        ("127.0.0.1", None, "LOCAL", true),
        ("fd00:1::1", None, "LOCAL", true),
        ("fd00:1::1", None, "LOCAL|UNICAST", true),
        ("fd00:1::1", Some("up"), "LOCAL", false),
        ("fd00:1::", None, "ANYCAST", true),
        ("fd00:1::9", None, "UNICAST", true),
        ("fd00:1::9", None, "UNICAST|LOCAL", false),
        ("fd00:1::9", None, "UNICAST|MULTICAST", false),
        ("fd00:bad::1", None, "UNREACHABLE", true),
        ("ff02::1", None, "MULTICAST", true),
        ("ff02::1", None, "UNICAST", false),
        ("::", None, "UNSPEC", true),
        ("::1", None, "LOCAL", true),
    ];
    let topology = gateway(&[]);
    for (address, on, types, expected) in rows {
        let types = types.split('|').map(|kind| AddressTypes::from_type_name(kind).unwrap());
        let types = types.fold(AddressTypes::empty(), AddressTypes::union);
        let matched = topology.matches_address_type(ip(address), on.map(name), types);
        assert_eq!(matched, expected, "{address} {on:?} {types:?}");
    }
    assert_eq!(AddressTypes::from_type_name("local"), None);
}

#[test]
fn rpfilter_matches_what_came_the_right_way() {
    // Source, destination, input; strict, loose, accept-local, loose and accept-local.
    let rows = [
        ("10.1.0.5", "8.8.8.8", "in0", [true, true, true, true]),
        ("10.2.0.9", "8.8.8.8", "in0", [false, true, false, true]),
        ("10.1.0.1", "8.8.8.8", "in0", [false, false, true, true]),
        ("10.2.0.1", "8.8.8.8", "in0", [false, false, false, true]),
        ("127.0.0.1", "8.8.8.8", "in0", [false, false, false, true]),
        ("127.0.0.1", "127.0.0.1", "lo", [true, true, true, true]),
        ("224.1.1.1", "8.8.8.8", "in0", [false; 4]),
        ("255.255.255.255", "8.8.8.8", "in0", [false; 4]),
        ("10.1.0.255", "8.8.8.8", "in0", [false; 4]),
        ("8.8.4.4", "10.1.0.5", "up", [false; 4]),
        ("10.7.9.1", "8.8.8.8", "in0", [false; 4]),
        ("10.9.0.1", "8.8.8.8", "in0", [false; 4]),
        ("10.8.0.1", "8.8.8.8", "in0", [true, true, true, true]),
        ("10.8.0.1", "8.8.8.8", "in1", [true, true, true, true]),
        ("10.8.0.1", "8.8.8.8", "up", [false, true, false, true]),
        ("0.0.0.0", "255.255.255.255", "in0", [true; 4]),
        ("0.0.0.0", "224.0.0.22", "in0", [true; 4]),
        ("0.0.0.0", "224.0.1.1", "in0", [false; 4]),
        ("0.0.0.0", "10.1.0.1", "in0", [false; 4]),
        ("fd00:1::5", "2001:db8::1", "in0", [true; 4]),
        ("fd00:1::5", "2001:db8::1", "in1", [false, true, false, true]),
        ("fd00:1::1", "2001:db8::1", "in1", [false, false, true, true]),
        ("fd00:1::", "2001:db8::1", "in0", [false; 4]),
        ("fd00:bad::1", "2001:db8::1", "in0", [false; 4]),
        ("2001:db8::9", "fd00:1::5", "up", [false; 4]),
        ("::", "ff02::1", "in0", [true; 4]),
        ("fe80::77", "ff02::1", "in0", [true; 4]),
        ("fe80::2", "ff02::1", "up", [false, false, true, true]),
        ("fe80:1::77", "ff02::1", "in0", [false; 4]),
    ];
    check_rpfilter(&without_default(), &rows);
    // The match asks the tables only: what no prefix holds lives behind the default route,
    // whatever kind of address it is.
    let rows = [
        ("224.1.1.1", "8.8.8.8", "up", [true; 4]),
        ("255.255.255.255", "8.8.8.8", "up", [true; 4]),
        ("0.0.0.0", "10.1.0.1", "up", [true; 4]),
        ("240.0.0.1", "8.8.8.8", "up", [true; 4]),
        ("224.1.1.1", "8.8.8.8", "in0", [false, true, false, true]),
        ("10.1.0.255", "8.8.8.8", "up", [false; 4]),
        ("fe80:1::77", "ff02::1", "up", [true; 4]),
        ("fe80:1::77", "ff02::1", "in0", [false; 4]),
    ];
    check_rpfilter(&gateway(&[]), &rows);
}

fn check_rpfilter(topology: &Topology, rows: &[(&str, &str, &str, [bool; 4])]) {
    for &(src, dst, input, expected) in rows {
        for (at, expected) in expected.into_iter().enumerate() {
            let options = RpfilterOptions { loose: at & 1 != 0, accept_local: at & 2 != 0 };
            let passed = topology.rpfilter(ip(src), ip(dst), Some(name(input)), options);
            assert_eq!(passed, expected, "{src} {dst} {input} {options:?}");
        }
    }
}

#[test]
fn the_rp_filter_sysctl_refuses_after_prerouting() {
    use Reason::{Martian, ReversePath};
    // Source, input, and the answer for the values 0, 1 and 2.
    let rows = [
        ("10.1.0.5", "in0", [Ok(()), Ok(()), Ok(())]),
        ("10.2.0.9", "in0", [Ok(()), Err(ReversePath), Ok(())]),
        ("8.8.4.4", "in0", [Ok(()), Err(ReversePath), Err(ReversePath)]),
        ("10.1.0.1", "in0", [Err(Martian), Err(Martian), Err(Martian)]),
        ("10.1.0.255", "in0", [Ok(()), Err(Martian), Err(Martian)]),
        ("10.7.9.1", "in0", [Ok(()), Err(ReversePath), Err(ReversePath)]),
        // An interface without an IPv4 address passes only what lives behind it.
        ("172.16.1.1", "bare", [Ok(()), Ok(()), Ok(())]),
        ("10.2.0.9", "bare", [Ok(()), Err(ReversePath), Err(ReversePath)]),
        ("fd00:1::1", "in1", [Ok(()), Ok(()), Ok(())]),
    ];
    for (src, input, expected) in rows {
        for (value, expected) in expected.into_iter().enumerate() {
            let mut topology = without_default();
            let all = Value::Integer(value as i64);
            topology.set_sysctl("net.ipv4.conf.all.rp_filter", all).unwrap();
            assert_eq!(topology.rp_filter(ip(src), name(input)), expected, "{src} {input} {value}");
        }
    }
    let accepting = gateway(&[("net.ipv4.conf.in0.accept_local", 1)]);
    assert_eq!(accepting.rp_filter(ip("10.1.0.1"), name("in0")), Ok(()));
    assert_eq!(accepting.rp_filter(ip("10.1.0.1"), name("in1")), Err(Martian));
}

#[test]
fn input_routing_delivers_forwards_or_drops() {
    use Reason::{Martian, NoRoute, ReversePath};
    let forward = |out: &str| Ok(Destination::Forward(Some(name(out))));
    let local = Ok(Destination::Local);
    let rows: Vec<(&str, &str, &str, Result<Destination, Reason>)> = vec![
        ("10.1.0.5", "8.8.8.8", "in0", forward("up")),
        ("8.8.8.8", "10.1.0.5", "up", forward("in0")),
        ("10.1.0.5", "192.0.2.2", "in0", local),
        ("10.1.0.5", "10.1.0.255", "in0", local),
        ("10.1.0.5", "255.255.255.255", "in0", local),
        ("0.0.0.0", "255.255.255.255", "in0", local),
        ("0.0.0.0", "0.0.0.0", "in0", local),
        ("0.0.0.0", "10.2.0.5", "in0", Err(Martian)),
        ("10.1.0.5", "0.0.0.0", "in0", Err(Martian)),
        ("224.0.0.1", "8.8.8.8", "in0", Err(Martian)),
        ("127.0.0.1", "8.8.8.8", "in0", Err(Martian)),
        ("10.1.0.5", "127.0.0.1", "in0", Err(Martian)),
        ("127.0.0.1", "127.0.0.1", "lo", local),
        ("10.1.0.5", "224.0.0.1", "in0", local),
        ("10.1.0.5", "224.0.0.5", "in0", Err(NoRoute)),
        ("10.1.0.5", "10.7.9.9", "in0", Err(NoRoute)),
        ("10.1.0.5", "10.9.9.9", "in0", Err(NoRoute)),
        ("10.2.0.5", "8.8.8.8", "in0", Err(ReversePath)),
        ("10.1.0.1", "8.8.8.8", "in0", Err(Martian)),
        ("fd00:1::5", "2001:db8::1", "in0", forward("up")),
        ("fd00:1::5", "fd00:9::2", "in0", local),
        ("fd00:1::5", "fd00:1::", "in0", local),
        ("fd00:1::5", "ff02::1", "in0", local),
        ("fd00:1::5", "ff02::1:ff00:1", "in0", local),
        ("fd00:1::5", "ff02::1:ff00:9", "in0", Err(NoRoute)),
        ("fd00:1::5", "ff02::fb", "in0", Err(NoRoute)),
        ("fd00:1::5", "fd00:bad::1", "in0", Err(NoRoute)),
        ("fe80::9", "2001:db8::1", "in0", Err(Martian)),
        ("::", "2001:db8::1", "in0", Err(Martian)),
        ("fe80::9", "fe80::2", "up", local),
    ];
    let topology = gateway(&[("net.ipv4.conf.in0.rp_filter", 1)]);
    for (src, dst, input, expected) in rows {
        let got = topology.route_input(ip(src), ip(dst), Some(name(input)));
        assert_eq!(got, expected, "{src} {dst} {input}");
    }
    let host = gateway(&[("net.ipv4.ip_forward", 0), ("net.ipv6.conf.all.forwarding", 0)]);
    for (src, dst) in [("10.1.0.5", "8.8.8.8"), ("fd00:1::5", "2001:db8::1")] {
        assert_eq!(host.route_input(ip(src), ip(dst), Some(name("in0"))), Err(NoRoute));
    }
    let arrivals = [
        ("ff02::1", "fd00:1::5", true),
        ("::1", "fd00:1::5", true),
        ("fd00:1::5", "ff01::1", true),
        ("fd00:1::5", "fd00:1::1", false),
        ("224.0.0.1", "10.1.0.1", false),
    ];
    for (src, dst, refused) in arrivals {
        let reason = topology.refused_on_arrival(ip(src), ip(dst), Some(name("in0")));
        assert_eq!(reason.is_some(), refused, "{src} {dst}");
    }
    let outputs = [
        ("10.1.0.1", "10.1.0.5", Ok(Some("in0"))),
        ("10.1.0.1", "10.2.0.1", Ok(Some("lo"))),
        ("10.1.0.1", "10.9.0.1", Err(NoRoute)),
        ("10.1.0.1", "224.0.0.251", Ok(Some("in0"))),
        ("10.1.0.1", "255.255.255.255", Ok(Some("in0"))),
        ("0.0.0.0", "224.0.0.251", Ok(Some("up"))),
        // By the interface whose address is the source.
        ("fd00:1::1", "ff02::1", Ok(Some("in0"))),
        ("fe80::2", "ff02::1", Ok(Some("up"))),
        ("fe80::2", "fe80::9", Ok(Some("up"))),
        ("fd00:77::1", "ff02::1", Ok(Some("up"))),
    ];
    for (src, dst, out) in outputs {
        let got = topology.route_output(ip(src), ip(dst));
        assert_eq!(got, out.map(|out| out.map(name)), "{src} {dst}");
    }
}

#[test]
fn the_empty_topology_forwards_everything() {
    let topology = Topology::default();
    let in0 = Some(name("in0"));
    for (src, dst) in [("10.0.0.1", "8.8.8.8"), ("fd00::1", "2001:db8::1")] {
        assert_eq!(topology.route_input(ip(src), ip(dst), in0), Ok(Destination::Forward(None)));
        assert_eq!(topology.rp_filter(ip(src), name("in0")), Ok(()));
        assert!(topology.rpfilter(ip(src), ip(dst), in0, RpfilterOptions::default()));
        assert_eq!(topology.interface_behind(ip(src)), None);
        assert!(!topology.is_local(ip(src)));
    }
    assert_eq!(topology.route_input(ip("127.0.0.1"), ip("8.8.8.8"), in0), Err(Reason::Martian));
    assert!(topology.is_empty());
}

fn prefix() -> impl Strategy<Value = IpNet> {
    // Few distinct bits, so that prefixes nest, touch and repeat.
    let v4 = (0u32..16, 0u8..=32).prop_map(|(bits, length)| {
        IpNet::V4(ipnet::Ipv4Net::new((0x0a00_0000 | bits << 26 | bits).into(), length).unwrap())
    });
    let v6 = (0u128..16, 0u8..=128).prop_map(|(bits, length)| {
        let address = (0xfd << 120) | bits << 60 | bits;
        IpNet::V6(ipnet::Ipv6Net::new(address.into(), length).unwrap())
    });
    prop_oneof![v4, v6].prop_map(|net| net.trunc())
}

fn kind() -> impl Strategy<Value = RouteKind> {
    prop::sample::select(vec![
        RouteKind::Unicast,
        RouteKind::Local,
        RouteKind::Broadcast,
        RouteKind::Anycast,
        RouteKind::Blackhole,
    ])
}

/// The longest prefix of the local table, else of the main one.
fn naive(routes: &[StaticRoute], address: IpAddr) -> Option<&StaticRoute> {
    let local = |route: &&StaticRoute| {
        matches!(route.kind, RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast)
    };
    let holds = || routes.iter().filter(|route| route.destination.contains(&address));
    let longest = |route: &&StaticRoute| route.destination.prefix_len();
    holds()
        .filter(local)
        .max_by_key(longest)
        .or_else(|| holds().filter(|route| !local(route)).max_by_key(longest))
}

proptest! {
    #[test]
    fn the_tables_agree_with_a_naive_search(
        drafts in prop::collection::vec((prefix(), kind()), 1..24),
        probes in prop::collection::vec(prefix(), 1..16),
    ) {
        let mut routes: Vec<StaticRoute> = Vec::new();
        for (destination, kind) in drafts {
            let local = |k: RouteKind| {
                matches!(k, RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast)
            };
            let same = |known: &StaticRoute| {
                known.destination == destination && local(known.kind) == local(kind)
            };
            let reserved = destination.contains(&ip("127.0.0.1"))
                || destination.contains(&ip("::1"));
            if !(routes.iter().any(same) || reserved && local(kind)) {
                let interfaces = if kind.has_interface() { vec![name("a")] } else { Vec::new() };
                routes.push(StaticRoute { destination, kind, interfaces });
            }
        }
        let interfaces = vec![Interface::new(name("a"))];
        let parts = Parts { interfaces, routes: routes.clone(), ..Parts::default() };
        let topology = Topology::new(parts).unwrap();
        for probe in probes {
            let last: IpAddr = probe.broadcast();
            for address in [probe.addr(), last] {
                let special = address.is_multicast() || address.is_loopback()
                    || address == ip("255.255.255.255")
                    || matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
                if special || matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 127) {
                    continue;
                }
                let expected = naive(&routes, address).map_or(RouteKind::Unreachable, |r| r.kind);
                prop_assert_eq!(topology.route(address).kind, expected, "{}", address);
            }
        }
    }
}
