//! ICMP errors belong to the connection whose packet they quote.

use crate::support::{START, Wall, icmp, ip, tcp, udp};
use kinwall_wire::emit::{Checksum, Icmp, Packet, icmp_error};

const A: &str = "10.0.0.1:1000";
const B: &str = "10.0.0.2:53";
const ROUTER: &str = "192.0.2.1";

fn error(dst: &str, kind: u8, inner: &[u8]) -> Packet {
    let src = if dst.contains(':') { "2001:db8::1" } else { ROUTER };
    icmp_error(ip(src), ip(dst), Icmp::new(kind, 0), inner)
}

/// A table in which A asked B, unanswered.
fn asked() -> Wall {
    let mut wall = Wall::new();
    assert_eq!(wall.pass(&udp(A, B)), "NEW 1 >");
    wall
}

#[test]
fn about_known_and_unknown_connections() {
    let (question, answer) = (udp(A, B).build(), udp(B, A).build());
    let rows = [
        // From any router, to the sender of what it quotes.
        (error("10.0.0.1", 3, &question), "RELATED 1 <"),
        (error("10.0.0.1", 4, &question), "RELATED 1 <"),
        (error("10.0.0.1", 5, &question), "RELATED 1 <"),
        (error("10.0.0.1", 11, &question), "RELATED 1 <"),
        (error("10.0.0.1", 12, &question), "RELATED 1 <"),
        (error("10.0.0.2", 3, &answer), "RELATED 1 >"),
        (error("10.0.0.2", 3, &question), "INVALID icmp-wrong-receiver"),
        (error("10.0.0.9", 3, &question), "INVALID icmp-wrong-receiver"),
        (error("10.0.0.1", 3, &udp(A, "10.0.0.2:54").build()), "INVALID icmp-unknown-connection"),
        // Four bytes of transport header are enough, three are not.
        (error("10.0.0.1", 3, &question[..24]), "RELATED 1 <"),
        (error("10.0.0.1", 3, &question[..23]), "INVALID icmp-inner"),
        (error("10.0.0.1", 3, &[]), "INVALID icmp-inner"),
        (error("10.0.0.1", 3, &udp(A, B).fragment(1, 8, true).build()), "INVALID icmp-inner"),
        // An error about an error.
        (error("10.0.0.1", 3, &error("10.0.0.2", 3, &question).build()), "INVALID not-invertible"),
        (error("10.0.0.1", 3, &question).checksum(Checksum::Wrong), "INVALID bad-checksum"),
    ];
    let mut wall = asked();
    for (row, (packet, wanted)) in rows.iter().enumerate() {
        assert_eq!(wall.pass(packet), *wanted, "row {row}");
    }
}

#[test]
fn an_error_changes_nothing() {
    let mut wall = asked();
    let before = wall.ct.connection(wall.id(1));
    wall.wait(20);
    let answer = error("10.0.0.2", 3, &udp(B, A).build());
    let question = error("10.0.0.1", 3, &udp(A, B).build());
    assert_eq!(wall.pass(&answer), "RELATED 1 >");
    assert_eq!(wall.pass(&question), "RELATED 1 <");
    assert_eq!(wall.ct.connection(wall.id(1)), before);
    assert_eq!(before.and_then(|view| view.deadline), Some(START.after_s(30)));
    wall.wait(10);
    assert_eq!(wall.pass(&question), "INVALID icmp-unknown-connection");
}

#[test]
fn about_an_unconfirmed_connection() {
    let mut wall = Wall::new();
    wall.track(&tcp(A, B, "S", 1, 0));
    let packet = error("10.0.0.1", 3, &tcp(A, B, "S", 1, 0).build());
    assert_eq!(wall.pass(&packet), "INVALID icmp-unknown-connection");
}

#[test]
fn about_a_query() {
    let mut wall = Wall::new();
    let ping = icmp("10.0.0.1", "10.0.0.2", 8, 7);
    wall.pass(&ping);
    assert_eq!(wall.pass(&error("10.0.0.1", 11, &ping.build())), "RELATED 1 <");
    assert_eq!(wall.pass(&error("10.0.0.1", 11, &ping.build()[..27])), "INVALID icmp-inner");
}

#[test]
fn ipv6() {
    let (a, b) = ("[fd00::1]:1000", "[fd00::2]:53");
    let mut wall = Wall::new();
    wall.pass(&udp(a, b));
    let question = udp(a, b);
    let options = kinwall_wire::ExtensionKind::Destination;
    let routed = udp(a, b).extension(options, *b"\x01\x04\0\0\0\0").build();
    let fragment = udp(a, b).fragment(7, 0, true).build();
    let later = udp(a, b).fragment(7, 64, true).build();
    let question = question.build();
    let rows = [
        (error("fd00::1", 1, &question), "RELATED 1 <"),
        (error("fd00::1", 2, &question), "RELATED 1 <"),
        (error("fd00::1", 100, &question), "RELATED 1 <"),
        (error("fd00::1", 1, &question[..44]), "RELATED 1 <"),
        (error("fd00::1", 1, &question[..43]), "INVALID icmp-inner"),
        (error("fd00::1", 1, &routed), "RELATED 1 <"),
        (error("fd00::1", 1, &routed[..47]), "INVALID icmp-inner"),
        (error("fd00::1", 1, &fragment), "RELATED 1 <"),
        (error("fd00::1", 1, &later), "INVALID icmp-inner"),
        (error("fd00::2", 1, &question), "INVALID icmp-wrong-receiver"),
    ];
    for (row, (packet, wanted)) in rows.iter().enumerate() {
        assert_eq!(wall.pass(packet), *wanted, "row {row}");
    }
}

#[test]
fn redirects() {
    let (a, b) = ("[fd00::1]:1000", "[fd00::2]:53");
    let mut wall = Wall::new();
    wall.pass(&udp(a, b));
    let quoted = udp(a, b).build();
    let redirect = |src: &str, option: u8, units: u8| {
        let mut payload = [[0; 16], [0; 16]].concat();
        payload.extend([option, units, 0, 0, 0, 0, 0, 0]);
        payload.extend(&quoted);
        Packet::new(ip(src), ip("fd00::1"), Icmp::new(137, 0)).payload(payload).ttl(255)
    };
    let good = || redirect("fe80::1", 4, 7);
    let coded = Packet { transport: Icmp::new(137, 1).into(), ..good() };
    let rows = [
        (good(), "RELATED 1 <"),
        (good().ttl(254), "INVALID icmp-inner"),
        (redirect("fd00::9", 4, 7), "INVALID icmp-inner"),
        (redirect("fe80::1", 2, 7), "INVALID icmp-inner"),
        (redirect("fe80::1", 4, 3), "INVALID icmp-inner"),
        (coded, "INVALID icmp-inner"),
    ];
    for (row, (packet, wanted)) in rows.iter().enumerate() {
        assert_eq!(wall.pass(packet), *wanted, "row {row}");
    }
}
