//! Full tables.

use crate::support::{Wall, expect, expected, tcp, udp};
use kinwall_conntrack::{ConnectionEnd, Refusal};
use kinwall_terms::{L4Proto, Reason};

const B: &str = "10.0.0.2:53";

/// Opens a connection that is ASSURED.
fn assure(wall: &mut Wall, port: u16) {
    let a = format!("10.0.0.1:{port}");
    wall.pass(&tcp(&a, B, "S", 100, 0));
    wall.pass(&tcp(B, &a, "SA", 500, 101));
    wall.pass(&tcp(&a, B, "A", 101, 501));
}

#[test]
fn connections_that_were_not_answered_make_room() {
    let mut wall = Wall::with(&[("nf_conntrack_max", "8")]);
    for port in 1..=4 {
        assure(&mut wall, port);
    }
    for port in 10..50 {
        let seen = wall.pass(&udp(&format!("10.0.0.1:{port}"), B));
        assert!(seen.starts_with("NEW"), "{port}: {seen}");
        assert!(wall.ct.count() <= 8);
    }
    let stats = wall.ct.stats();
    assert_eq!(stats.ended(ConnectionEnd::EarlyDrop), 36);
    for port in 1..=4 {
        let seen = wall.pass(&tcp(&format!("10.0.0.1:{port}"), B, "A", 101, 501));
        assert!(seen.starts_with("ESTABLISHED"), "{port}: {seen}");
    }
}

#[test]
fn a_table_full_of_assured_connections_drops_the_newcomer() {
    let mut wall = Wall::with(&[("nf_conntrack_max", "4")]);
    for port in 1..=4 {
        assure(&mut wall, port);
    }
    assert_eq!(wall.pass(&udp("10.0.0.1:9", B)), "DROP table-full");
    assert_eq!(wall.ct.stats().dropped(Reason::TableFull), 1);
    // Closing ones may go.
    wall.pass(&tcp("10.0.0.1:3", B, "FA", 101, 501));
    assert_eq!(wall.pass(&udp("10.0.0.1:9", B)), "NEW 5 >");
    assert_eq!(wall.ct.count(), 4);
    // IPv6 competes for the same places.
    assert_eq!(wall.pass(&udp("[fd00::1]:9", "[fd00::2]:9")), "NEW 6 >");
    assert_eq!(wall.ct.count(), 4);
    wall.ct.set("nf_conntrack_max", "0").expect("no limit");
    assert_eq!(wall.pass(&udp("10.0.0.1:10", B)), "NEW 7 >");
    assert_eq!(wall.ct.count(), 5);
}

#[test]
fn expired_connections_make_room_first() {
    let mut wall = Wall::with(&[("nf_conntrack_max", "4")]);
    for port in 1..=4 {
        wall.pass(&udp(&format!("10.0.0.1:{port}"), B));
    }
    wall.wait(31);
    assert_eq!(wall.pass(&udp("10.0.0.1:9", B)), "NEW 5 >");
    let stats = wall.ct.stats();
    assert_eq!(stats.ended(ConnectionEnd::Timeout), 4);
    assert_eq!(stats.ended(ConnectionEnd::EarlyDrop), 0);
}

#[test]
fn unconfirmed_connections_take_a_place() {
    let mut wall = Wall::with(&[("nf_conntrack_max", "2")]);
    wall.track(&udp("10.0.0.1:1", B));
    wall.track(&udp("10.0.0.1:2", B));
    assert_eq!(wall.pass(&udp("10.0.0.1:3", B)), "DROP table-full");
}

#[test]
fn a_full_table_does_not_use_up_an_expectation() {
    let mut wall = Wall::with(&[("nf_conntrack_max", "1")]);
    assure(&mut wall, 1);
    let id = wall.id(1);
    wall.ct.set_helper(id, kinwall_conntrack::HelperId(1), 0);
    let child = expected("*", "10.0.0.1:2000", L4Proto::UDP);
    wall.ct.expect(wall.now, id, expect(child)).expect("expected");
    assert_eq!(wall.pass(&udp("10.0.0.9:9", "10.0.0.1:2000")), "DROP table-full");
    assert_eq!(wall.ct.expectation_count(), 1);
}

#[test]
fn the_expectation_table_has_a_limit() {
    let mut wall = Wall::with(&[("nf_conntrack_expect_max", "3")]);
    let master = wall.master(&udp("10.0.0.1:1", B));
    let child = |port: u16| {
        let dst = format!("10.0.0.1:{port}");
        kinwall_conntrack::Expectation {
            class_limit: 0,
            ..expect(expected("*", &dst, L4Proto::UDP))
        }
    };
    for port in 1..=3 {
        assert!(wall.ct.expect(wall.now, master, child(port)).is_ok());
    }
    assert_eq!(wall.ct.expect(wall.now, master, child(4)), Err(Refusal::TableFull));
    // The same again replaces the old one.
    assert!(wall.ct.expect(wall.now, master, child(3)).is_ok());
    // A class limit makes room.
    let limited = kinwall_conntrack::Expectation { class_limit: 3, ..child(4) };
    assert!(wall.ct.expect(wall.now, master, limited).is_ok());
    wall.ct.set("nf_conntrack_expect_max", "100000").expect("set");
    for port in 10..=2000 {
        assert!(wall.ct.expect(wall.now, master, child(port)).is_ok(), "{port}");
    }
    for port in 10..=2000 {
        let seen = wall.drop(&udp("10.0.0.9:9", &format!("10.0.0.1:{port}")));
        assert!(seen.starts_with("RELATED"), "{port} {seen}");
    }
}
