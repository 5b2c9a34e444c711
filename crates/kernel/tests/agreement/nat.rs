//! Address translation: rules of the nat table through the real kernel and through kinwall, with
//! peers that answer what they see. Packets must leave alike, byte by byte.

use super::ours::Ours;
use kinwall_kernel::{Case, Gateway, Ingress, Observed, Scenario, tier};
use kinwall_sim::World;
use kinwall_terms::{InterfaceName, L4Proto};
use kinwall_topology::Topology;
use kinwall_wire::checksum::update_u16;
use kinwall_wire::emit::{self, Packet, Transport};
use kinwall_wire::{Headers, L4, LinkFacts, TcpFlags};
use std::net::IpAddr;

/// Rules of the nat table, and who opens connections to whom.
struct Row {
    rules: &'static [&'static str],
    flows: &'static [(&'static str, &'static str, &'static str)],
}

const ROWS: &[Row] = &[
    Row {
        rules: &["-A POSTROUTING -o eth0 -j MASQUERADE"],
        flows: &[
            ("eth1", "10.1.0.5", "203.0.113.9"),
            ("eth1", "10.1.0.6", "203.0.113.9"),
            ("eth2", "172.16.5.5", "192.0.2.9"),
            ("eth1", "fd00:1::5", "2001:db8::9"),
            ("eth1", "10.1.0.5", "172.16.5.5"),
        ],
    },
    Row {
        rules: &["-A POSTROUTING -o eth0 -p tcp -j SNAT --to-source 192.0.2.77"],
        flows: &[("eth1", "10.1.0.5", "203.0.113.9"), ("eth1", "10.7.3.4", "203.0.113.77")],
    },
    Row {
        rules: &["-A POSTROUTING -o eth0 -j SNAT --to-source 192.0.2.70-192.0.2.79"],
        flows: &[
            ("eth1", "10.1.0.5", "203.0.113.9"),
            ("eth1", "10.1.0.5", "203.0.113.77"),
            ("eth1", "10.1.0.6", "203.0.113.9"),
            ("eth1", "10.7.3.4", "198.51.100.3"),
            ("eth2", "172.16.5.5", "192.0.2.9"),
        ],
    },
    Row {
        rules: &["-A POSTROUTING -o eth0 -j SNAT --to-source 192.0.2.70-192.0.2.79 --persistent"],
        flows: &[
            ("eth1", "10.1.0.5", "203.0.113.9"),
            ("eth1", "10.1.0.5", "203.0.113.77"),
            ("eth1", "10.1.0.6", "203.0.113.9"),
        ],
    },
    Row {
        rules: &["-A POSTROUTING -o eth0 -j SNAT --to-source 2001:db8::70-2001:db8::79"],
        flows: &[("eth1", "fd00:1::5", "2001:db8::9"), ("eth1", "fd00:1::6", "2001:db8:9::77")],
    },
    Row {
        rules: &[
            "-A PREROUTING -i eth0 -d 192.0.2.2 -p tcp -j DNAT --to-destination 10.1.0.5:8080",
            "-A PREROUTING -i eth0 -d 192.0.2.2 -p udp -j DNAT --to-destination 10.1.0.5-10.1.0.6",
        ],
        flows: &[("eth0", "203.0.113.9", "192.0.2.2"), ("eth0", "198.51.100.3", "192.0.2.2")],
    },
    Row {
        rules: &["-A PREROUTING -p tcp -j DNAT --to-destination 10.1.0.6:5000-5100/4000"],
        flows: &[("eth0", "203.0.113.9", "192.0.2.2")],
    },
    Row {
        rules: &[
            "-A PREROUTING -i eth1 -p tcp -j REDIRECT --to-ports 3128",
            "-A PREROUTING -p udp -j REDIRECT",
        ],
        flows: &[("eth1", "10.1.0.5", "203.0.113.9"), ("eth1", "fd00:1::5", "2001:db8::9")],
    },
    Row {
        rules: &[
            "-A PREROUTING -i eth0 -d 198.51.100.0/24 -j NETMAP --to 10.1.0.0/24",
            "-A POSTROUTING -s 10.1.0.0/24 -o eth0 -j NETMAP --to 192.0.2.0/24",
        ],
        flows: &[("eth0", "203.0.113.9", "198.51.100.5"), ("eth1", "10.1.0.6", "203.0.113.9")],
    },
    // Both ends of one connection; and a client that calls its neighbour by the outer address.
    Row {
        rules: &[
            "-A PREROUTING -d 192.0.2.2 -j DNAT --to-destination 10.1.0.6",
            "-A POSTROUTING -s 10.1.0.0/24 -d 10.1.0.0/24 -j MASQUERADE",
            "-A POSTROUTING -d 10.1.0.6 -j SNAT --to-source 10.1.0.1",
        ],
        flows: &[("eth1", "10.1.0.5", "192.0.2.2"), ("eth0", "203.0.113.9", "192.0.2.2")],
    },
    Row {
        rules: &["-A OUTPUT -d 203.0.113.9 -j DNAT --to-destination 172.16.5.5"],
        flows: &[("", "192.0.2.2", "203.0.113.9"), ("", "192.0.2.2", "192.0.2.9")],
    },
    // More clients than ports.
    Row {
        rules: &["-A POSTROUTING -o eth0 -p udp -j SNAT --to-source 192.0.2.77:5000-5001"],
        flows: &[
            ("eth1", "10.1.0.5", "203.0.113.9"),
            ("eth1", "10.1.0.6", "203.0.113.9"),
            ("eth1", "10.7.3.4", "203.0.113.9"),
            ("eth1", "10.7.3.4", "203.0.113.77"),
        ],
    },
    Row {
        rules: &[
            "-A POSTROUTING -o eth0 -p tcp -j MASQUERADE --random",
            "-A POSTROUTING -o eth0 -p udp -j MASQUERADE --to-ports 6000-6999 --random",
        ],
        flows: &[("eth1", "10.1.0.5", "203.0.113.9"), ("eth1", "10.1.0.5", "203.0.113.77")],
    },
    // A rule that lets pass, one of a user chain, and one that asks for the connection.
    Row {
        rules: &[
            "-N inside",
            "-A POSTROUTING -d 203.0.113.77 -j ACCEPT",
            "-A POSTROUTING -o eth0 -m conntrack --ctstate NEW --ctorigsrc 10.1.0.0/24 -j inside",
            "-A inside -p tcp -m tcp --dport 80 -j SNAT --to-source 192.0.2.80",
            "-A inside -p udp -j RETURN",
            "-A inside -j MASQUERADE",
        ],
        flows: &[("eth1", "10.1.0.5", "203.0.113.9"), ("eth1", "10.1.0.5", "203.0.113.77")],
    },
    Row {
        rules: &["-A INPUT -p tcp -j SNAT --to-source 10.1.0.77"],
        flows: &[("eth1", "10.1.0.5", "10.1.0.1")],
    },
];

/// Opening packets of a flow: each opens another connection.
pub(crate) fn openings(src: IpAddr, dst: IpAddr) -> Vec<Packet> {
    let query = if src.is_ipv4() { 8 } else { 128 };
    let syn = emit::Tcp::new(4000, 4050).flags(TcpFlags::SYN).seq(1000);
    let low = emit::Tcp::new(600, 80).flags(TcpFlags::SYN).seq(2000);
    let transports: [Transport; 6] = [
        syn.into(),
        low.into(),
        emit::Udp::new(4000, 53).into(),
        emit::Icmp::query(query, 77, 1).into(),
        emit::Sctp::new(4000, 80, 0).into(),
        L4Proto(253).into(),
    ];
    let init = [1, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1];
    transports
        .into_iter()
        .map(|transport| {
            let is_sctp = matches!(transport, Transport::Sctp(_));
            // Linux fills in an identification of 0 where a packet is sent.
            let packet = Packet::new(src, dst, transport).id(7);
            if is_sctp { packet.payload(init) } else { packet.payload(*b"payload") }
        })
        .collect()
}

/// What the peer answers to a packet that it sees.
fn answer(seen: &[u8]) -> Option<Packet> {
    let headers = Headers::parse(seen).ok()?;
    let transport: Transport = match headers.l4 {
        L4::Tcp(tcp) => emit::Tcp::new(tcp.dport, tcp.sport)
            .flags(TcpFlags::SYN | TcpFlags::ACK)
            .seq(5000)
            .ack(tcp.seq.wrapping_add(1))
            .into(),
        L4::Udp(udp) => emit::Udp::new(udp.dport, udp.sport).into(),
        L4::Icmp(icmp) => {
            let kind = if headers.src.is_ipv4() { 0 } else { 129 };
            emit::Icmp::query(kind, icmp.id, icmp.sequence).into()
        }
        L4::Sctp(_) => return None,
        _ => headers.proto.into(),
    };
    Some(Packet::new(headers.dst, headers.src, transport).id(8).payload(*b"answer"))
}

/// A router on the way says that it cannot be reached.
fn unreachable(seen: &[u8]) -> Option<Packet> {
    let headers = Headers::parse(seen).ok()?;
    let (router, kind): (IpAddr, u8) = match headers.src {
        IpAddr::V4(_) => ("192.0.2.250".parse().ok()?, 3),
        IpAddr::V6(_) => ("2001:db8::250".parse().ok()?, 1),
    };
    Some(emit::icmp_error(router, headers.src, emit::Icmp::new(kind, 1), seen))
}

#[test]
fn translated_connections() {
    if !tier::is_wanted() {
        return;
    }
    let world = World::new();
    let topology = Topology::from_toml(world.topology(), "world").expect("a topology");
    let mut gateway: Option<Gateway> = None;
    let mut wrong = Vec::new();
    let mut compared = 0;
    for row in ROWS {
        let case = case(row, &world);
        let scenario = Scenario {
            rules4: case.rules4.as_deref(),
            rules6: case.rules6.as_deref(),
            ..Scenario::new(&topology)
        };
        match &mut gateway {
            Some(gateway) => gateway.reset(&scenario).unwrap_or_else(|error| panic!("{error}")),
            None => gateway = Some(Gateway::new(&scenario).unwrap_or_else(|e| panic!("{e}"))),
        }
        let kernel = gateway.as_mut().expect("a gateway");
        let mut both = Pair::new(kernel, Ours::new(&case).expect("rules"));
        for (input, src, dst) in row.flows {
            let [src, dst]: [IpAddr; 2] = [src, dst].map(|text| text.parse().expect("an address"));
            let from = match *input {
                "" => Ingress::Local,
                name => Ingress::Interface(InterfaceName::new(name).expect("a name")),
            };
            for opening in openings(src, dst) {
                both.converse(from, &opening.build());
            }
        }
        let about = format!("{:?}", row.rules);
        wrong.extend(both.wrong.into_iter().map(|what| format!("{about}: {what}")));
        compared += both.compared;
    }
    println!("{compared} packets were compared, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 300, "only {compared} packets were compared");
}

fn case(row: &Row, world: &World) -> Case {
    let is_v6 = |rule: &str| rule.contains("2001:") || rule.contains("fd00:");
    let is_v4 = |rule: &str| rule.contains("0.") && !is_v6(rule);
    let table = |skip: &dyn Fn(&str) -> bool| {
        let rules = row.rules.iter().copied().filter(|rule| !skip(rule));
        let (chains, rules): (Vec<_>, Vec<_>) = rules.partition(|rule| rule.starts_with("-N"));
        let chains: String =
            chains.iter().map(|chain| chain.replace("-N ", ":") + " - [0:0]\n").collect();
        let rules = rules.join("\n");
        Some(format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             :POSTROUTING ACCEPT [0:0]\n{chains}{rules}\nCOMMIT\n"
        ))
    };
    Case {
        name: "nat".to_owned(),
        topology: world.topology().to_owned(),
        rules4: table(&is_v6),
        rules6: table(&is_v4),
        ..Case::default()
    }
}

/// Both gateways.
pub(crate) struct Pair<'g> {
    pub(crate) kernel: &'g mut Gateway,
    pub(crate) ours: Ours,
    pub(crate) wrong: Vec<String>,
    pub(crate) compared: usize,
    /// Packets whose payload is another when they leave.
    pub(crate) rewritten: usize,
}

impl Pair<'_> {
    pub(crate) fn new(kernel: &mut Gateway, ours: Ours) -> Pair<'_> {
        Pair { kernel, ours, wrong: Vec::new(), compared: 0, rewritten: 0 }
    }

    /// A connection is opened; its peer answers, the opener goes on, and a router complains.
    pub(crate) fn converse(&mut self, from: Ingress, opening: &[u8]) {
        let Some((out, seen)) = self.send("opening", from, opening) else { return };
        let back = Ingress::Interface(out);
        if let Some(answer) = answer(&seen) {
            self.send("answer", back, &answer.build());
        }
        self.send("again", from, opening);
        if let Some(error) = unreachable(&seen) {
            self.send("error", back, &error.build());
        }
    }

    /// Both get the packet. What the kernel let out, and where.
    pub(crate) fn send(
        &mut self,
        what: &str,
        from: Ingress,
        bytes: &[u8],
    ) -> Option<(InterfaceName, Vec<u8>)> {
        let link = match from {
            Ingress::Interface(name) => self.kernel.link_facts(name, bytes).expect("an interface"),
            Ingress::Local => LinkFacts::default(),
        };
        let theirs = self.kernel.send(from, bytes).unwrap_or_else(|error| panic!("{error}"));
        let left = theirs
            .out
            .and_then(|out| theirs.emitted.iter().find(|(name, _)| *name == out).cloned());
        if let Some((_, left)) = &left {
            self.ours.wish(left);
        }
        let ours = self.ours.send(from, link, bytes);
        let observed = Observed::from(&theirs);
        let about = Headers::parse(bytes).map_or(String::new(), |headers| {
            format!(
                "{from} {} -> {} {} {:?}",
                headers.src,
                headers.dst,
                headers.proto,
                headers.ports()
            )
        });
        for difference in observed.differences(&ours) {
            self.wrong.push(format!("{what} {about}: {difference}"));
        }
        if let Some((_, theirs)) = &left {
            let payload = |bytes: &[u8]| Headers::parse(bytes).map(|h| h.payload(bytes).to_vec());
            self.rewritten += usize::from(payload(bytes) != payload(theirs));
            let ours = forwarded(self.ours.left(), matches!(from, Ingress::Interface(_)));
            if *theirs != ours {
                self.wrong.push(format!(
                    "{what} {about}:\n  kernel  {}\n  kinwall {}",
                    hex(theirs),
                    hex(&ours)
                ));
            }
        }
        self.compared += 1;
        left
    }
}

/// The packet with a hop less, when it was forwarded.
fn forwarded(bytes: &[u8], hop: bool) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if hop {
        match bytes[0] >> 4 {
            4 => {
                let word = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
                let old = word(&bytes, 8);
                bytes[8] -= 1;
                let checksum = update_u16(word(&bytes, 10), old, word(&bytes, 8));
                bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
            }
            _ => bytes[7] -= 1,
        }
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
