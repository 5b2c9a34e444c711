//! What a packet is, by what came before it.

use crate::support::{START, Wall, expect, expected, gre, icmp, raw, tcp, udp, udplite};
use kinwall_conntrack::Tracked;
use kinwall_conntrack::proto::Packet as Arrived;
use kinwall_terms::{CtState, L4Proto, Status};
use kinwall_wire::emit::{Checksum, Packet};

const A: &str = "10.0.0.1:1000";
const B: &str = "10.0.0.2:53";
const A6: &str = "[fd00::1]:1000";
const B6: &str = "[fd00::2]:53";

/// Passes the packets in order and compares what each one is.
fn check(wall: &mut Wall, rows: &[(Packet, &str)]) {
    for (row, (packet, wanted)) in rows.iter().enumerate() {
        assert_eq!(wall.pass(packet), *wanted, "row {row}: {packet:?}");
    }
}

#[test]
fn a_conversation() {
    for (a, b) in [(A, B), (A6, B6)] {
        // Linux finds fault with the checksum of every UDPlite packet.
        check(
            &mut Wall::with(&[("nf_conntrack_checksum", "0")]),
            &[
                (udp(a, b), "NEW 1 >"),
                (udp(a, b), "NEW 1 >"),
                (udp(b, a), "ESTABLISHED 1 <"),
                (udp(a, b), "ESTABLISHED 1 >"),
                (udplite(a, b), "NEW 2 >"),
                (udplite(b, a), "ESTABLISHED 2 <"),
            ],
        );
    }
}

#[test]
fn a_tcp_connection() {
    for (a, b) in [(A, B), (A6, B6)] {
        let mut wall = Wall::new();
        check(
            &mut wall,
            &[
                (tcp(a, b, "S", 100, 0), "NEW 1 >"),
                (tcp(b, a, "SA", 500, 101), "ESTABLISHED 1 <"),
                (tcp(a, b, "A", 101, 501), "ESTABLISHED 1 >"),
                (tcp(a, b, "SF", 101, 501), "INVALID tcp-flags"),
                (tcp(b, a, "R", 9, 0), "INVALID tcp-reset"),
            ],
        );
        let view = wall.ct.connection(wall.id(1)).expect("there");
        assert_eq!(view.state, Some("ESTABLISHED"));
        assert_eq!(view.status, Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED);
        assert_eq!(view.deadline, Some(START.after_s(432_000)));
    }
}

#[test]
fn opening_out_of_order() {
    check(
        &mut Wall::new(),
        &[
            (tcp(A, B, "SA", 1, 1), "INVALID tcp-not-opening"),
            (tcp(A, B, "R", 1, 0), "INVALID tcp-not-opening"),
            (tcp(A, B, "A", 1, 1), "NEW 1 >"),
            (tcp("10.0.0.1:9", B, "S", 1, 1).checksum(Checksum::Wrong), "INVALID bad-checksum"),
        ],
    );
    check(
        &mut Wall::with(&[("nf_conntrack_tcp_loose", "0")]),
        &[(tcp(A, B, "A", 1, 1), "INVALID tcp-not-opening")],
    );
}

#[test]
fn checksums_count_on_the_way_in_only() {
    let mut wall = Wall::new();
    wall.prerouting = false;
    check(&mut wall, &[(udp(A, B).checksum(Checksum::Wrong), "NEW 1 >")]);
    let mut wall = Wall::with(&[("nf_conntrack_checksum", "0")]);
    check(&mut wall, &[(udp(A, B).checksum(Checksum::Wrong), "NEW 1 >")]);
}

#[test]
fn protocols_without_ports() {
    check(
        &mut Wall::new(),
        &[
            (raw("10.0.0.1", "10.0.0.2", 50), "NEW 1 >"),
            (raw("10.0.0.2", "10.0.0.1", 50), "ESTABLISHED 1 <"),
            (raw("10.0.0.1", "10.0.0.2", 51), "NEW 2 >"),
            // Without a keymap each direction of PPTP data is a connection of its own.
            (gre("10.0.0.1", "10.0.0.2", 7), "NEW 3 >"),
            (gre("10.0.0.2", "10.0.0.1", 9), "NEW 4 >"),
            (gre("10.0.0.1", "10.0.0.2", 7), "NEW 3 >"),
        ],
    );
}

#[test]
fn queries() {
    check(
        &mut Wall::new(),
        &[
            (icmp("10.0.0.1", "10.0.0.2", 8, 7), "NEW 1 >"),
            (icmp("10.0.0.2", "10.0.0.1", 0, 8), "INVALID icmp-type"),
            (icmp("10.0.0.2", "10.0.0.1", 0, 7), "ESTABLISHED 1 <"),
            (icmp("10.0.0.1", "10.0.0.2", 8, 7), "ESTABLISHED 1 >"),
            (icmp("10.0.0.2", "10.0.0.1", 8, 7), "NEW 2 >"),
            (icmp("10.0.0.1", "10.0.0.2", 10, 7), "INVALID not-invertible"),
            (icmp("10.0.0.1", "10.0.0.2", 42, 7), "INVALID icmp-type"),
            (icmp("fd00::1", "fd00::2", 128, 7), "NEW 3 >"),
            (icmp("fd00::2", "fd00::1", 129, 7), "ESTABLISHED 3 <"),
            (icmp("fd00::1", "fd00::2", 200, 7), "INVALID not-invertible"),
            // ICMP of the other family.
            (raw("fd00::1", "fd00::2", 1), "INVALID icmp-type"),
            (raw("10.0.0.1", "10.0.0.2", 58), "INVALID icmp-type"),
        ],
    );
}

#[test]
fn discovery_is_never_tracked() {
    let mut wall = Wall::new();
    for kind in [130, 131, 132, 133, 134, 135, 136, 143, 151, 152] {
        assert_eq!(wall.pass(&icmp("fe80::1", "ff02::1", kind, 0)), "UNTRACKED", "{kind}");
    }
    assert_eq!((wall.ct.stats().untracked, wall.ct.count()), (10, 0));
}

#[test]
fn fragments_that_were_not_reassembled() {
    let mut wall = Wall::new();
    let later = udp(A, B).fragment(1, 8, true);
    assert_eq!(wall.pass(&later), "INVALID truncated-transport-header");
}

#[test]
fn a_child_is_related_until_it_is_answered() {
    let mut wall = Wall::new();
    let master = wall.master(&tcp(A, "10.0.0.2:21", "S", 1, 0));
    wall.ct.set_mark(master, 77);
    let child = expected("10.0.0.2:0", "10.0.0.1:2000", L4Proto::UDP);
    wall.ct.expect(wall.now, master, expect(child)).expect("expected");
    let (from, to) = ("10.0.0.2:20", "10.0.0.1:2000");
    check(
        &mut wall,
        &[
            (udp(from, to), "RELATED 2 >"),
            (udp(from, to), "RELATED 2 >"),
            (udp(to, from), "ESTABLISHED 2 <"),
            (udp(from, to), "ESTABLISHED 2 >"),
            (udp("10.0.0.2:21", to), "NEW 3 >"),
        ],
    );
    let view = wall.ct.connection(wall.id(2)).expect("there");
    assert!(view.status.contains(Status::EXPECTED));
    assert_eq!(view.mark, 77);
    let kept = view.master.expect("a master");
    assert_eq!((kept.id, kept.serial, kept.expectation), (master, 1, 1));
    assert_eq!((kept.announced.packet, kept.announced.span.offset), (9, 5));
}

#[test]
fn a_first_packet_is_invisible_until_it_is_confirmed() {
    let mut wall = Wall::new();
    let Tracked::Packet(first) = wall.track(&udp(A, B)) else { panic!("dropped") };
    let Tracked::Packet(second) = wall.track(&udp(A, B)) else { panic!("dropped") };
    assert_eq!((first.state, second.state), (CtState::New, CtState::New));
    assert_ne!(first.conn, second.conn);
    assert_eq!(wall.ct.count(), 2);
    let [first, second] = [first, second].map(|ct| ct.conn.expect("a connection"));
    wall.ct.abandon(first);
    assert_eq!((wall.ct.connection(first), wall.ct.count()), (None, 1));
    assert_eq!(wall.ct.confirm(wall.now, second), Ok(second));
    wall.ct.abandon(second);
    assert_eq!(wall.pass(&udp(B, A)), "ESTABLISHED 2 <");
}

#[test]
fn a_dropped_first_packet_leaves_nothing() {
    let mut wall = Wall::new();
    assert_eq!(wall.drop(&udp(A, B)), "NEW 1 >");
    assert_eq!(wall.pass(&udp(B, A)), "NEW 2 >");
    assert_eq!(wall.pass(&udp(A, B)), "ESTABLISHED 2 <");
}

#[test]
fn an_end_that_talks_to_itself() {
    let mut wall = Wall::new();
    let own = udp("10.0.0.1:5", "10.0.0.1:5");
    check(&mut wall, &[(own.clone(), "NEW 1 >"), (own, "ESTABLISHED 1 <")]);
    wall.ct.kill(wall.id(1));
    assert_eq!(wall.ct.count(), 0);
}

#[test]
fn dccp_by_version() {
    let packets = [raw("10.0.0.1", "10.0.0.2", 33), raw("10.0.0.2", "10.0.0.1", 33)];
    let rows = [("6.18", ["NEW 1 >", "ESTABLISHED 1 <"]), ("6.12", ["INVALID", "INVALID"])];
    for (kernel, wanted) in rows {
        let mut wall = Wall::of(kernel, &[]);
        for (packet, wanted) in packets.iter().zip(wanted) {
            assert!(wall.pass(packet).starts_with(wanted), "{kernel}");
        }
    }
}

#[test]
fn preparing_ahead_changes_nothing() {
    let mut wall = Wall::new();
    let packets = [udp(A, B), udp(B, A), icmp("10.0.0.1", "10.0.0.2", 8, 7), udp(A6, B6)];
    let bytes: Vec<Vec<u8>> = packets.iter().map(Packet::build).collect();
    let headers: Vec<_> =
        bytes.iter().map(|bytes| kinwall_wire::Headers::parse(bytes).expect("a packet")).collect();
    let prepared: Vec<_> = headers
        .iter()
        .zip(&bytes)
        .map(|(headers, bytes)| wall.ct.prepare(headers, bytes, wall.template.zone))
        .collect();
    let mut seen = Vec::new();
    for ((headers, bytes), prepared) in headers.iter().zip(&bytes).zip(&prepared) {
        wall.ct.ask_index(prepared);
        if let Some(candidate) = wall.ct.locate(prepared) {
            wall.ct.ask_record(candidate);
        }
        let packet = Arrived { headers, bytes, prerouting: true, now: wall.now };
        let tracked = wall.ct.track_prepared(&packet, wall.template, prepared);
        seen.push(wall.describe(tracked));
        if let Tracked::Packet(ct) = tracked {
            wall.ct.confirm(wall.now, ct.conn.expect("a connection")).expect("confirmed");
        }
    }
    assert_eq!(seen, ["NEW 1 >", "ESTABLISHED 1 <", "NEW 2 >", "NEW 3 >"]);
}

#[test]
fn where_it_was_looked_for_first_changes_nothing() {
    let mut wall = Wall::new();
    let packets = [
        udp(A, B),
        udp(B, A),
        udp(A, A),
        udp(A6, B6),
        udp(B6, A6),
        icmp("10.0.0.1", "10.0.0.2", 8, 7),
    ];
    let bytes: Vec<Vec<u8>> = packets.iter().map(Packet::build).collect();
    let mut prepared = Vec::new();
    for (packet, bytes) in packets.iter().zip(&bytes) {
        let headers = kinwall_wire::Headers::parse(bytes).expect("a packet");
        prepared.push(wall.ct.prepare(&headers, bytes, wall.template.zone));
        wall.pass(packet);
    }
    let near: Vec<_> = prepared.iter().map(|prepared| wall.ct.locate(prepared)).collect();
    assert!(near.iter().all(Option::is_some));
    let check = |wall: &Wall, is_found: bool| {
        for packet in &prepared {
            let right = wall.ct.find_prepared(packet).map(|found| format!("{found:?}"));
            assert_eq!(right.is_some(), is_found);
            for near in near.iter().copied().chain([None]) {
                let found = wall.ct.find_near(packet, near).map(|found| format!("{found:?}"));
                assert_eq!(found, right, "near {near:?}");
            }
        }
    };
    check(&wall, true);
    wall.ct.expire(wall.now.after_s(1_000_000), usize::MAX);
    check(&wall, false);
}
