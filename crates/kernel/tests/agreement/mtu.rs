//! Rewritten payload that no longer fits the way out: the kernel and kinwall refuse the same
//! packets, those that may not be cut and that fitted before.

use super::nat::Pair;
use super::ours::Ours;
use super::rewrite::{End, Talk};
use kinwall_kernel::{Case, Gateway, Scenario, tier};
use kinwall_sim::World;
use kinwall_topology::Topology;
use kinwall_wire::TcpFlags;

const RULES: &str = "*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p tcp --dport 21 -j CT --helper ftp
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
";

/// The shortest that IPv6 allows.
const MTU: usize = 1280;
/// Headers of IPv6 and TCP.
const HEADERS: usize = 60;
/// By how much the address in `EPRT` grows.
const GROWTH: usize = "fd00:0001:0000:0000:0000:0000:0000:0005".len() - "fd00:1::5".len();

#[test]
fn a_rewrite_that_does_not_fit() {
    if !tier::is_wanted() {
        return;
    }
    let world = World::new();
    let topology = Topology::from_toml(world.topology(), "world").expect("a topology");
    let mtu = format!("name = \"eth0\"\nmtu = {MTU}");
    let described = world.topology().replacen("name = \"eth0\"", &mtu, 1);
    let case = Case {
        name: "mtu".to_owned(),
        topology: described,
        rules6: Some(RULES.to_owned()),
        ..Case::default()
    };
    let scenario = Scenario { rules6: Some(RULES), ..Scenario::new(&topology) };
    for (length, passes) in
        [(200, true), (MTU - GROWTH, true), (MTU - GROWTH + 1, false), (MTU, false)]
    {
        let mut kernel = Gateway::new(&scenario).unwrap_or_else(|error| panic!("{error}"));
        kernel.ip(&["link", "set", "eth0", "mtu", &MTU.to_string()]).expect("an MTU");
        let mut both = Pair::new(&mut kernel, Ours::new(&case).expect("rules"));
        let client = End::opener("eth1", ("fd00:1::5", 4000), ("2001:db8:9::77", 21));
        let mut talk =
            Talk { both: &mut both, is_tcp: true, ends: [Some(client), None], last: None };
        talk.hello();
        talk.send(0, TcpFlags::ACK, Vec::new(), b"USER anna\r\n");
        talk.last = None;
        let mut text = b"EPRT |2|fd00:1::5|2001|\r\n".to_vec();
        text.resize(length - HEADERS, b'x');
        talk.send(0, TcpFlags::ACK, Vec::new(), &text);
        assert_eq!(talk.last.is_some(), passes, "{length}: the kernel");
        // The kernel refuses it behind the last hook, all of which it has passed.
        let behind = ": verdict: kernel Accept, kinwall Drop";
        let refused = both.wrong.iter().any(|difference| difference.ends_with(behind));
        assert_eq!(refused, !passes, "{length}: kinwall");
        both.wrong.retain(|d| passes || !d.ends_with(behind) && !d.contains(": out: "));
        assert!(both.wrong.is_empty(), "{length}: {}", both.wrong.join("\n"));
    }
}
