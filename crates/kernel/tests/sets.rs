//! Sets of ipset: the same files, rules and packets through the kernel and through kinwall.

#[allow(dead_code, reason = "the comparison of whole cases uses the rest")]
#[path = "agreement/ours.rs"]
mod ours;
#[allow(dead_code, reason = "other scenes have no sets")]
#[path = "agreement/scene.rs"]
mod scene;

use kinwall_terms::L4Proto;
use kinwall_wire::emit::{Icmp, Packet, Tcp, Transport, Udp};
use kinwall_wire::tcp::TcpFlags;
use scene::{Step, compare_with_sets, rules};
use std::net::IpAddr;

const INSIDE: &str = "10.1.0.5";
const OTHER: &str = "10.1.0.6";
const OUTSIDE: &str = "203.0.113.9";

fn packet(source: &str, transport: impl Into<Transport>) -> Step {
    let ends: [IpAddr; 2] = [source, OUTSIDE].map(|text| text.parse().expect("an address"));
    let bytes = Packet::new(ends[0], ends[1], transport).payload([7; 60]).build();
    Step { wait_ms: 0, from: "eth1", bytes }
}

fn tcp(source: &str, dport: u16) -> Step {
    packet(source, Tcp::new(1000, dport).flags(TcpFlags::SYN))
}

fn udp(source: &str, dport: u16) -> Step {
    packet(source, Udp::new(1000, dport))
}

/// Packets of several protocols from two hosts.
fn packets() -> Vec<Step> {
    let mut steps = Vec::new();
    for source in [INSIDE, OTHER, "10.7.3.4"] {
        steps.extend([80, 81, 443, 8080].map(|port| tcp(source, port)));
        steps.extend([53, 80].map(|port| udp(source, port)));
        steps.push(packet(source, Icmp::query(8, 1, 1)));
        steps.push(packet(source, Transport::Raw(L4Proto::ESP)));
    }
    steps
}

/// Compares what the packets meet in `sets`, asked by each of `asked`.
fn compare(name: &str, sets: &str, asked: &[&str], steps: &[Step]) {
    let asked: Vec<String> = asked.iter().map(|ask| format!("-m set {ask}")).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    compare_with_sets(name, &rules(&asked, ""), Some(sets), steps);
}

#[test]
fn addresses_and_ports() {
    let sets = "create ip hash:ip\nadd ip 10.1.0.5\nadd ip 203.0.113.0/28\n\
        create masked hash:ip netmask 30\nadd masked 10.1.0.6\n\
        create bits hash:ip bitmask 255.0.0.255\nadd bits 10.9.9.6\n\
        create ipport hash:ip,port\nadd ipport 10.1.0.5,tcp:80-81\nadd ipport 10.1.0.5,icmp:8/0\n\
        add ipport 10.1.0.6,esp:0\nadd ipport 203.0.113.9,udp:53\n\
        create ipportip hash:ip,port,ip\nadd ipportip 10.1.0.5,tcp:80,203.0.113.9\n\
        create bip bitmap:ip range 10.1.0.0/24\nadd bip 10.1.0.6\n\
        create bmasked bitmap:ip range 10.0.0.0/8 netmask 24\nadd bmasked 10.1.0.0\n\
        create bport bitmap:port range 50-500\nadd bport 80\nadd bport 53\n\
        create bmac bitmap:ip,mac range 10.1.0.0/24\nadd bmac 10.1.0.5\n\
        add bmac 10.1.0.6,00:11:22:33:44:55\n";
    let asked = [
        "--match-set ip src",
        "--match-set ip dst",
        "! --match-set ip src,dst,dst",
        "--match-set masked src",
        "--match-set bits src",
        "--match-set ipport src,dst",
        "--match-set ipport dst,dst",
        "--match-set ipport src,src",
        "--match-set ipport src",
        "--match-set ipportip src,dst,dst",
        "--match-set bip src",
        "--match-set bip dst",
        "--match-set bmasked src",
        "--match-set bport dst",
        "--match-set bport src",
        "--match-set bmac src,src",
        "--match-set bmac src,dst",
        "--match-set ip src --return-nomatch",
    ];
    compare("addresses_and_ports", sets, &asked, &packets());
}

#[test]
fn networks_and_exceptions() {
    let sets = "create net hash:net\nadd net 10.0.0.0/8\nadd net 10.1.0.4/30 nomatch\n\
        add net 10.1.0.6\nadd net 203.0.113.8-203.0.113.20\n\
        create netport hash:net,port\nadd netport 10.0.0.0/8,tcp:80\n\
        add netport 10.1.0.0/24,tcp:80 nomatch\nadd netport 10.1.0.0/24,udp:0-100\n\
        create ipportnet hash:ip,port,net\nadd ipportnet 10.1.0.5,tcp:80,203.0.113.0/24\n\
        add ipportnet 10.1.0.5,tcp:443,203.0.0.0/16\n\
        add ipportnet 10.1.0.5,tcp:443,203.0.113.0/24 nomatch\n\
        create netif hash:net,iface\nadd netif 10.0.0.0/8,eth1\nadd netif 10.7.0.0/16,eth0\n\
        add netif 0.0.0.0/0,eth0\nadd netif 10.1.0.6,et wildcard\nadd netif 10.1.0.5,eth1 nomatch\n\
        create phys hash:net,iface\nadd phys 10.0.0.0/8,physdev:eth1\n\
        create list list:set\nadd list netport\nadd list net\n";
    let asked = [
        "--match-set net src",
        "--match-set net dst",
        "--match-set net src --return-nomatch",
        "! --match-set net src --return-nomatch",
        "--match-set netport src,dst",
        "--match-set netport src,dst --return-nomatch",
        "--match-set ipportnet src,dst,dst",
        "--match-set ipportnet src,dst,dst --return-nomatch",
        "--match-set netif src,src",
        "--match-set netif src,dst",
        "--match-set netif dst,dst",
        "--match-set netif src,src --return-nomatch",
        "--match-set phys src,src",
        "--match-set list src,dst",
        "--match-set list src,dst --return-nomatch",
        "--match-set list src",
    ];
    compare("networks_and_exceptions", sets, &asked, &packets());
}

#[test]
fn counters() {
    let sets = "create c hash:ip counters\nadd c 10.1.0.5 packets 2 bytes 1000\nadd c 10.1.0.6\n\
        create n hash:ip\nadd n 10.1.0.5\n\
        create k hash:net counters\nadd k 10.0.0.0/8 packets 7\nadd k 10.1.0.0/24\n\
        create l list:set counters\nadd l c packets 4\nadd l k\n";
    let asked = [
        "--match-set c src ! --update-counters --packets-gt 3",
        "--match-set c src --packets-lt 6",
        "--match-set c src ! --update-counters --bytes-gt 1500",
        "--match-set c src ! --update-counters ! --packets-eq 4",
        "--match-set n src --packets-gt 99",
        "--match-set k src --packets-gt 6",
        "--match-set l src --packets-gt 6",
        "--match-set l src ! --update-subcounters --bytes-lt 1000",
        "--match-set c src ! --update-counters --packets-eq 9",
    ];
    compare("counters", sets, &asked, &packets());
}

#[test]
fn timeouts() {
    let sets = "create t hash:ip timeout 0\nadd t 10.1.0.5 timeout 2\nadd t 10.1.0.6\n\
        create l list:set timeout 0\nadd l t timeout 3\n";
    let mut steps = vec![tcp(INSIDE, 80), tcp(OTHER, 80)];
    for wait_ms in [1000, 2500] {
        steps.push(Step { wait_ms, ..tcp(INSIDE, 80) });
        steps.push(tcp(OTHER, 80));
    }
    compare("timeouts", sets, &["--match-set t src", "--match-set l src"], &steps);
}

#[test]
fn packets_change_sets_and_sets_change_packets() {
    let sets = "create seen hash:ip timeout 1 maxelem 1024 counters\n\
        create nets hash:net\nadd nets 172.16.0.0/12\n\
        create fresh hash:net,port\n\
        create ports bitmap:port range 80-90\n\
        create one hash:ip,port maxelem 2\n\
        create l list:set\nadd l ports\nadd l one\n\
        create marks hash:ip skbinfo\nadd marks 10.1.0.5 skbmark 0x100000/0x300000\n\
        add marks 10.1.0.6 skbmark 0x1000000\n";
    let asked = [
        "--match-set seen src ! --update-counters",
        "--match-set seen src ! --update-counters --packets-eq 1",
        "--match-set seen src ! --update-counters --bytes-gt 80",
        "--match-set nets src",
        "--match-set fresh src,dst",
        "--match-set ports dst",
        "--match-set one src,dst",
        "--match-set l src,dst",
    ];
    let asked: Vec<String> = asked.iter().map(|ask| format!("-m set {ask}")).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let changes = "-A FORWARD -j SET --map-set marks src --map-mark\n\
        -A FORWARD -p tcp --dport 80 -j SET --add-set seen src\n\
        -A FORWARD -p tcp --dport 81 -j SET --add-set seen src --exist --timeout 3\n\
        -A FORWARD -p tcp --dport 443 -j SET --del-set seen src --add-set nets src\n\
        -A FORWARD -p udp -j SET --add-set fresh src,dst --del-set nets src\n\
        -A FORWARD -p tcp -j SET --add-set l dst,dst\n\
        -A FORWARD -p tcp --dport 8080 -j SET --del-set l dst,dst\n";
    let text = rules(&asked, "").replacen("COMMIT\n", &format!("{changes}COMMIT\n"), 1);
    let ports = [80, 80, 81, 80, 443, 80, 8080, 443, 81];
    let mut steps: Vec<Step> = ports.map(|port| tcp(INSIDE, port)).into();
    steps.extend(packets());
    steps.push(Step { wait_ms: 1500, ..tcp(INSIDE, 81) });
    steps.push(Step { wait_ms: 2000, ..tcp(INSIDE, 81) });
    steps.extend(packets());
    compare_with_sets("packets_change_sets", &text, Some(sets), &steps);
}
