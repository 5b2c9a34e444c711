//! Random rule sets: several chains of many rules of every shape.

use kinwall_terms::Family;
use proptest::prelude::*;
use proptest::sample::select;

/// One rule behind `-A CHAIN`, for the chain with this number: it may jump to later ones.
fn rule(family: Family, chain: usize) -> impl Strategy<Value = String> {
    let network = move || {
        let length = match family {
            Family::Ipv4 => 32_u8,
            Family::Ipv6 => 128,
        };
        let some = (address(family), prop_oneof![Just(length), Just(length / 4), 1..=length]);
        prop_oneof![
            2 => Just(None),
            3 => some.prop_map(|(address, length)| Some(format!("{address}/{length}"))),
        ]
    };
    let not = || select(vec!["", "", "", "! "]);
    let interface = || select(vec!["", "", "eth0", "eth1", "eth+", "et+", "tun0"]);
    let target = match chain {
        0..=2 => {
            select(vec!["-j ACCEPT", "-j DROP", "-j RETURN", "-j LOG", "-j c3", "-g c3", "", ""])
        }
        _ => select(vec!["-j ACCEPT", "-j DROP", "-j RETURN", "-j LOG", "", "", "", ""]),
    };
    let jump = prop_oneof![3 => target.prop_map(str::to_owned), 1 => (chain..4).prop_map(|to| {
        if to >= 3 { "-j REJECT".to_owned() } else { format!("-j c{}", to + 1) }
    })];
    (
        (not(), network(), not(), network()),
        (not(), interface(), not(), interface()),
        matches(),
        state(),
        jump,
    )
        .prop_map(|((ns, src, nd, dst), (ni, input, no, output), matches, state, jump)| {
            let mut text = String::new();
            let mut add = |not: &str, option: &str, value: &str| {
                if !value.is_empty() {
                    text.push_str(&format!("{not}{option} {value} "));
                }
            };
            add(ns, "-s", src.as_deref().unwrap_or_default());
            add(nd, "-d", dst.as_deref().unwrap_or_default());
            add(ni, "-i", input);
            add(no, "-o", output);
            format!("{text}{state}{matches} {jump}")
        })
}

fn matches() -> impl Strategy<Value = String> {
    let port = || select(vec!["21", "22", "53", "1024:", ":1023", "20:25", "1:65535", "1000:3001"]);
    let not = || select(vec!["", "", "! "]);
    let list = select(vec!["21,22", "20:25,53", "1024:65535,22", "1,2,3,4,5"]);
    prop_oneof![
        Just(String::new()),
        select(vec!["-p tcp", "-p udp", "-p icmp", "! -p tcp", "-p 47"]).prop_map(str::to_owned),
        (
            select(vec!["-p tcp -m tcp", "-p udp -m udp", "! -p udp -m udp"]),
            not(),
            port(),
            not(),
            port()
        )
            .prop_map(|(p, ns, s, nd, d)| format!("{p} {ns}--sport {s} {nd}--dport {d}")),
        (select(vec!["tcp", "udp"]), not(), port())
            .prop_map(|(p, n, port)| format!("-p {p} {n}--dport {port}")),
        (not(), select(vec!["sports", "dports", "ports"]), list)
            .prop_map(|(n, side, list)| format!("-p tcp -m multiport {n}--{side} {list}")),
        select(vec![
            "-p tcp --syn",
            "-p tcp -m tcp",
            "-p udp -m udp",
            "-p tcp --tcp-option 2",
            "-p tcp --dport 22 --tcp-option 5"
        ])
        .prop_map(str::to_owned),
    ]
}

fn state() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "-m conntrack --ctstate NEW ", "-m state --state RELATED,ESTABLISHED "])
}

pub(crate) fn address(family: Family) -> BoxedStrategy<std::net::IpAddr> {
    match family {
        Family::Ipv4 => (0..4_u8, 0..3_u8, 0..6_u8)
            .prop_map(|(a, b, c)| std::net::Ipv4Addr::new(10 + a % 2, a, b, c).into())
            .boxed(),
        Family::Ipv6 => (0..4_u16, 0..3_u16, 0..6_u16)
            .prop_map(|(a, b, c)| std::net::Ipv6Addr::new(0xfd00, a, 0, b, 0, 0, 0, c).into())
            .boxed(),
    }
}

/// A filter table with three user chains.
pub(crate) fn ruleset(family: Family) -> impl Strategy<Value = String> {
    let chain = move |number| prop::collection::vec(rule(family, number), 0..70);
    (chain(0), chain(1), chain(2), chain(3)).prop_map(|(forward, c1, c2, c3)| {
        let mut text = "*filter\n:FORWARD DROP [0:0]\n:c1 -\n:c2 -\n:c3 -\n".to_owned();
        for (name, rules) in [("FORWARD", forward), ("c1", c1), ("c2", c2), ("c3", c3)] {
            rules.iter().for_each(|rule| text.push_str(&format!("-A {name} {rule}\n")));
        }
        text + "COMMIT\n"
    })
}
