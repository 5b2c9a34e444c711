//! Prefixes that become others (DNPT, SNPT): packets of every kind, their answers, and errors about
//! them, through the real kernel and through kinwall. Packets must leave alike, byte by byte.

use super::nat::{Pair, openings};
use super::ours::Ours;
use kinwall_kernel::{Case, Gateway, Ingress, Scenario, tier};
use kinwall_sim::{Random, World};
use kinwall_terms::InterfaceName;
use kinwall_topology::Topology;
use std::net::{IpAddr, Ipv6Addr};

/// Prefixes inside and outside.
const PREFIXES: &[(&str, &str)] = &[
    ("fd00:1::/48", "2001:db8:7::/48"),
    ("fd00:1::/64", "2001:db8:7:8::/64"),
    ("fd00:1::/64", "2001:db8:7::/48"),
    ("fd00:1::/32", "2001:db8:7:1::/64"),
    ("fd00:1::/49", "2001:db8:7::/50"),
    ("fd00::/8", "2000::/3"),
    ("fd00:1::/63", "2001:db8::/62"),
];

/// Rules around those that change the prefixes: `IN` and `OUT` stand for them.
const RULES: &[&[&str]] = &[
    &[
        "-A PREROUTING -i eth0 -d OUT -j DNPT --src-pfx OUT --dst-pfx IN",
        "-A POSTROUTING -o eth0 -s IN -j SNPT --src-pfx IN --dst-pfx OUT",
    ],
    // Whatever the address; and what later rules see.
    &[
        "-A PREROUTING -i eth0 -j DNPT --src-pfx OUT --dst-pfx IN",
        "-A PREROUTING -d IN -p tcp -j MARK --set-mark 0x7",
        "-A PREROUTING -d OUT -p udp -j DROP",
        "-A POSTROUTING -o eth0 -j SNPT --src-pfx IN --dst-pfx OUT",
        "-A POSTROUTING -s OUT -p tcp -j MARK --set-mark 0x9",
    ],
    // In a chain of its own, twice, and back to the rules behind.
    &[
        "-N prefix",
        "-A PREROUTING -i eth0 -j prefix",
        "-A PREROUTING -d IN -j MARK --set-mark 0x5",
        "-A prefix -d OUT -j DNPT --src-pfx OUT --dst-pfx IN",
        "-A prefix -d IN -p udp -j DNPT --src-pfx IN --dst-pfx IN",
        "-A prefix -d OUT -j DROP",
        "-A INPUT -s OUT -j SNPT --src-pfx OUT --dst-pfx IN",
    ],
    &["-A OUTPUT -d OUT -j DNPT --src-pfx OUT --dst-pfx IN"],
];

#[test]
fn prefixes_of_packets() {
    if !tier::is_wanted() {
        return;
    }
    let world = World::new();
    let topology = Topology::from_toml(world.topology(), "world").expect("a topology");
    let mut gateway: Option<Gateway> = None;
    let mut random = Random::new(1);
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (prefixes, rules) in PREFIXES.iter().flat_map(|p| RULES.iter().map(move |r| (*p, *r))) {
        for untracked in [true, false] {
            let case = case(&world, rules, prefixes, untracked);
            let rules6 = case.rules6.as_deref();
            let scenario = Scenario { rules6, ..Scenario::new(&topology) };
            match &mut gateway {
                Some(gateway) => gateway.reset(&scenario).unwrap_or_else(|e| panic!("{e}")),
                None => gateway = Some(Gateway::new(&scenario).unwrap_or_else(|e| panic!("{e}"))),
            }
            let kernel = gateway.as_mut().expect("a gateway");
            let mut both = Pair::new(kernel, Ours::new(&case).expect("rules"));
            for (from, src, dst) in flows(&mut random, prefixes.1) {
                for opening in openings(src, dst) {
                    both.converse(from, &opening.build());
                }
            }
            let about = format!("{prefixes:?} {rules:?}");
            wrong.extend(both.wrong.into_iter().map(|what| format!("{about}: {what}")));
            compared += both.compared;
        }
    }
    println!("{compared} packets were compared, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 1000, "only {compared} packets were compared");
}

/// Who sends to whom: hosts inside to the outside and back, with words that are all ones too.
fn flows(random: &mut Random, outside: &str) -> Vec<(Ingress, IpAddr, IpAddr)> {
    let interface = |name| Ingress::Interface(InterfaceName::new(name).expect("a name"));
    let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    let (prefix, _) = outside.split_once('/').expect("a prefix");
    let host = |prefix: &str, random: &mut Random| {
        let mut words = address(prefix).segments();
        words[7] = random.bits() as u16;
        if random.percent(30) {
            words[4] = 0xffff;
        }
        IpAddr::from(words)
    };
    let peer: IpAddr = address("2001:db8:9::77").into();
    let own: IpAddr = address("2001:db8::2").into();
    let mut flows = Vec::new();
    for _ in 0..2 {
        flows.push((interface("eth1"), host("fd00:1::", random), peer));
        flows.push((interface("eth0"), peer, host(prefix, random)));
        flows.push((Ingress::Local, own, host(prefix, random)));
        flows.push((interface("eth0"), host(prefix, random), own));
    }
    flows
}

fn case(world: &World, rules: &[&str], (inside, outside): (&str, &str), untracked: bool) -> Case {
    let named = |word: &str| match word {
        "IN" => inside.to_owned(),
        "OUT" => outside.to_owned(),
        word => word.to_owned(),
    };
    let spelt = |rule: &&str| rule.split(' ').map(named).collect::<Vec<_>>().join(" ");
    let (chains, rules): (Vec<_>, Vec<_>) =
        rules.iter().map(spelt).partition(|rule| rule.starts_with("-N"));
    let chains: String =
        chains.iter().map(|chain| chain.replace("-N ", ":") + " - [0:0]\n").collect();
    let raw = match untracked {
        true => "-A PREROUTING -j NOTRACK\n-A OUTPUT -j NOTRACK\n",
        false => "",
    };
    let rules6 = format!(
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{raw}COMMIT\n*mangle\n\
         :PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n\
         :OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n{chains}{}\nCOMMIT\n",
        rules.join("\n")
    );
    Case {
        name: "npt".to_owned(),
        topology: world.topology().to_owned(),
        rules6: Some(rules6),
        ..Case::default()
    }
}
