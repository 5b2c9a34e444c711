//! Any text as a topology: read, asked everything, and printed so that it reads the same.

#![no_main]

use kinwall_topology::{AddressTypes, RouteKind, RpfilterOptions, Topology};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

fuzz_target!(|bytes: &[u8]| {
    let Some((source, text)) = bytes.split_first_chunk::<20>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let topology = match Topology::from_toml(text, "fuzz") {
        Ok(topology) => topology,
        Err(problems) => {
            assert!(!problems.is_empty());
            let lines = text.bytes().filter(|&byte| byte == b'\n').count() + 1;
            assert!(problems.iter().all(|problem| (1..=lines).contains(&(problem.line as usize))));
            return;
        }
    };
    let printed = topology.to_toml();
    assert_eq!(Topology::from_toml(&printed, "printed").as_ref(), Ok(&topology), "{printed}");

    let [a, b, c, d, v6 @ ..] = *source;
    let own = topology.interfaces().iter().flat_map(|known| &known.addresses);
    let mut addresses: Vec<IpAddr> = own.map(|net| net.addr()).take(8).collect();
    addresses.extend([IpAddr::from([a, b, c, d]), IpAddr::from(v6)]);
    let input = topology.interfaces().first().map(|known| known.name);
    for &src in &addresses {
        let route = topology.route(src);
        assert_eq!(topology.is_local(src), route.kind == RouteKind::Local);
        if let Some(name) = topology.interface_behind(src) {
            assert_eq!(route.kind, RouteKind::Unicast);
            assert!(name.as_str() == "lo" || topology.interface(name).is_some());
        }
        let types = topology.address_type(src, None);
        assert!(src.is_ipv6() || types.bits().count_ones() == 1);
        topology.matches_address_type(src, input, AddressTypes::all());
        for &dst in &addresses {
            let _ = topology.route_input(src, dst, input);
            let loose = RpfilterOptions { loose: true, ..RpfilterOptions::default() };
            let strict = topology.rpfilter(src, dst, input, RpfilterOptions::default());
            assert!(!strict || topology.rpfilter(src, dst, input, loose));
        }
    }
});
