//! Translations of a policy: a host that is published with its helper, its neighbours among those
//! who ask, and clients whose addresses are not shown.

use super::{SEGMENTS, compiled};
use kinwall_kernel::{Answer, Gateway, Ingress, Scenario, tier};
use kinwall_policy::compile::{File, Target};
use kinwall_terms::{CtState, InterfaceName, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::emit::{Packet, Tcp};
use kinwall_wire::{Headers, L4, TcpFlags};
use std::net::{IpAddr, SocketAddr};

const POLICY: &str = r#"
[[intent]]
service = "http"
from = "lan"
to = "wan"

[[translate]]
from = "lan"
to = "wan"
source = "masquerade"

[[translate]]
name = "files"
publish = "own-server"
service = "ftp"
to-port = 2121
from = "wan"

[[translate]]
name = "pages"
publish = "own-server"
service = "http"
port = 8080
from = ["wan", "dmz"]
"#;

/// A segment of TCP as one end sends or sees it.
#[derive(Debug)]
struct Segment {
    interface: InterfaceName,
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

fn name(text: &str) -> InterfaceName {
    InterfaceName::new(text).expect("a name")
}

fn end(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

struct Kernel(Gateway);

impl Kernel {
    fn send(&mut self, by: &str, ends: (&str, &str), tcp: Tcp, payload: &str) -> Answer {
        let (from, to): (SocketAddr, SocketAddr) = (end(ends.0), end(ends.1));
        let tcp = Tcp { sport: from.port(), dport: to.port(), ..tcp };
        let packet = Packet::new(from.ip(), to.ip(), tcp).id(7).payload(payload.as_bytes());
        let sent = self.0.send(Ingress::Interface(name(by)), &packet.build());
        sent.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What leaves of a packet that passes.
    fn passes(&mut self, by: &str, ends: (&str, &str), tcp: Tcp, payload: &str) -> Segment {
        let answer = self.send(by, ends, tcp, payload);
        assert_eq!(answer.verdict, Verdict::Accept, "{ends:?} {:?}", answer.decided_by);
        let out = answer.out.unwrap_or_else(|| panic!("{ends:?} did not leave"));
        let left = answer.emitted.iter().find(|(name, _)| *name == out).expect("a packet");
        let headers = Headers::parse(&left.1).expect("a packet");
        let L4::Tcp(tcp) = headers.l4 else { panic!("{ends:?} left as something else") };
        let end = |address: IpAddr, port| SocketAddr::new(address, port);
        Segment {
            interface: out,
            from: end(headers.src, tcp.sport),
            to: end(headers.dst, tcp.dport),
            payload: left.1.iter().rev().take(payload.len() + 8).rev().copied().collect(),
        }
    }
}

fn check(segment: &Segment, interface: &str, from: &str, to: &str) {
    let found = (segment.interface, segment.from, segment.to);
    assert_eq!(found, (name(interface), end(from), end(to)));
}

fn kernel(files: &[File]) -> Kernel {
    let text = |name: &str| files.iter().find(|file| file.name == name).map(|f| f.text.as_str());
    let topology = text("topology.toml").expect("the topology");
    let topology = Topology::from_toml(topology, "topology.toml").expect("a topology");
    let scenario = Scenario {
        rules4: text("rules.v4"),
        rules6: text("rules.v6"),
        nft: text("rules.nft"),
        ..Scenario::new(&topology)
    };
    Kernel(Gateway::new(&scenario).unwrap_or_else(|error| panic!("{error}")))
}

#[test]
fn translated_as_the_policy_says() {
    if !tier::is_wanted() {
        return;
    }
    let syn = || Tcp::new(0, 0).flags(TcpFlags::SYN).seq(1000);
    let accept = || Tcp::new(0, 0).flags(TcpFlags::SYN | TcpFlags::ACK).seq(5000).ack(1001);
    let ack = |seq, ack| Tcp::new(0, 0).flags(TcpFlags::ACK).seq(seq).ack(ack);
    for target in [Target::Iptables, Target::Nftables] {
        let mut kernel = kernel(&compiled(&format!("{SEGMENTS}{POLICY}"), target));
        let (client, outside) = ("192.0.2.10:4000", "192.0.2.1:21");
        let inside = "10.2.0.10:2121";
        let begun = kernel.passes("eth0", (client, outside), syn(), "");
        check(&begun, "eth2", client, inside);
        let answered = kernel.passes("eth2", (inside, client), accept(), "");
        check(&answered, "eth0", outside, client);
        kernel.passes("eth0", (client, outside), ack(1001, 5001), "");
        let passive = "227 Entering Passive Mode (10,2,0,10,200,100).\r\n";
        // The helper believes a line behind the end of another.
        kernel.passes("eth2", (inside, client), ack(5001, 1001), "220 ready.\r\n");
        let said = kernel.passes("eth2", (inside, client), ack(5013, 1001), passive);
        let said = String::from_utf8_lossy(&said.payload).into_owned();
        assert!(said.contains("(192,0,2,1,200,100)"), "{target:?} {said}");
        // The data connection is led to the host, others are not.
        let data = kernel.passes("eth0", ("192.0.2.10:4001", "192.0.2.1:51300"), syn(), "");
        check(&data, "eth2", "192.0.2.10:4001", "10.2.0.10:51300");
        for refused in ["192.0.2.1:51301", "10.2.0.10:2121", "10.2.0.10:80", "192.0.2.1:80"] {
            let answer = kernel.send("eth0", ("192.0.2.10:4002", refused), syn(), "");
            assert_eq!(answer.verdict, Verdict::Drop, "{target:?} {refused}");
            assert_eq!(answer.ct_state, Some(CtState::New), "{target:?} {refused}");
        }
        // A neighbour of the host is answered through the gateway.
        let beside = kernel.passes("eth2", ("10.2.0.30:4000", "192.0.2.1:8080"), syn(), "");
        check(&beside, "eth2", "10.2.0.1:4000", "10.2.0.10:80");
        let back = kernel.passes("eth2", ("10.2.0.10:80", "10.2.0.1:4000"), accept(), "");
        check(&back, "eth2", "192.0.2.1:8080", "10.2.0.30:4000");
        // The client inside is not shown.
        let hidden = kernel.passes("eth1", ("10.1.0.2:4000", "192.0.2.10:80"), syn(), "");
        check(&hidden, "eth0", "192.0.2.1:4000", "192.0.2.10:80");
    }
}
