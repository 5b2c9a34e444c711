//! Expectations: what they match, what they refuse, and how they end.

use crate::support::{START, Wall, expect, expected, gre, tcp, udp};
use kinwall_conntrack::{ConnId, Expectation, HelperId, KeymapTaken, Refusal, Tracked};
use kinwall_terms::expectation::{ExpectationFlags, Expected};
use kinwall_terms::{CtState, Direction, EndsToo, KeymapRule, L4Proto, Status, Time, Tuple, Zone};

const CLIENT: &str = "10.0.0.1:1000";
const SERVER: &str = "10.0.0.2:21";
const UDP: L4Proto = L4Proto::UDP;

/// A table with one master.
fn wall() -> (Wall, ConnId) {
    let mut wall = Wall::new();
    let master = wall.master(&tcp(CLIENT, SERVER, "S", 1, 0));
    (wall, master)
}

fn child(src: &str, dst: &str) -> Expectation {
    expect(expected(src, dst, UDP))
}

#[test]
fn what_matches() {
    let network = Expected::from_network(
        [10, 0, 9, 255].into(),
        [255, 255, 255, 0].into(),
        137,
        [10, 0, 0, 1].into(),
        2000,
        UDP,
    );
    let exact = expected("10.0.0.2:20", "10.0.0.1:2000", UDP);
    let half = expected("10.0.0.2:0", "10.0.0.1:2000", UDP);
    let any = expected("*", "10.0.0.1:2000", UDP);
    let v6 = expected("[fd00::2]:0", "[fd00::1]:2000", UDP);
    let any6 = expected("*", "[fd00::1]:2000", UDP);
    let rows = [
        (exact, "10.0.0.2:20", "10.0.0.1:2000", true),
        (exact, "10.0.0.2:21", "10.0.0.1:2000", false),
        (exact, "10.0.0.3:20", "10.0.0.1:2000", false),
        (half, "10.0.0.2:9", "10.0.0.1:2000", true),
        (half, "10.0.0.3:9", "10.0.0.1:2000", false),
        (half, "10.0.0.2:9", "10.0.0.1:2001", false),
        (half, "10.0.0.2:9", "10.0.0.9:2000", false),
        (any, "192.0.2.9:9", "10.0.0.1:2000", true),
        (any, "192.0.2.9:9", "10.0.0.1:2001", false),
        (network, "10.0.9.77:137", "10.0.0.1:2000", true),
        (network, "10.0.9.77:138", "10.0.0.1:2000", false),
        (network, "10.0.8.77:137", "10.0.0.1:2000", false),
        (v6, "[fd00::2]:9", "[fd00::1]:2000", true),
        (v6, "[fd00::3]:9", "[fd00::1]:2000", false),
        (any6, "[fd00::3]:9", "[fd00::1]:2000", true),
        (any6, "10.0.0.3:9", "10.0.0.1:2000", false),
    ];
    for (row, (expected, src, dst, matches)) in rows.into_iter().enumerate() {
        let (mut wall, master) = wall();
        wall.ct.expect(wall.now, master, expect(expected)).expect("expected");
        let wanted = if matches { "RELATED 2 >" } else { "NEW 2 >" };
        assert_eq!(wall.pass(&udp(src, dst)), wanted, "row {row}");
        assert_eq!(wall.ct.expectation_count(), u32::from(!matches), "row {row}");
        // Another protocol never does.
        assert_eq!(wall.pass(&tcp(src, dst, "S", 1, 0)), "NEW 3 >", "row {row}");
    }
}

#[test]
fn what_is_refused() {
    let skip = |request| Expectation { skip_master: true, ..request };
    let class = |class, request| Expectation { class, class_limit: 0, ..request };
    let a = "10.0.0.1:2000";
    let (exact, half, any) = ("10.0.0.2:20", "10.0.0.2:0", "*");
    let (ok, clash, already) = (Ok(()), Err(Refusal::Clash), Err(Refusal::Already));
    // What is there, of which master; what comes, of which master.
    let rows = [
        (1, class(0, child(half, a)), 1, class(0, child(half, a)), ok),
        (1, class(0, child(half, a)), 1, class(1, child(half, a)), already),
        (1, class(0, child(half, a)), 2, class(0, child(half, a)), clash),
        (1, class(0, child(half, a)), 2, skip(class(0, child(half, a))), already),
        (1, class(0, child(half, a)), 1, skip(class(0, child(half, a))), ok),
        (1, class(0, child(half, a)), 1, class(0, child(exact, a)), clash),
        (1, class(0, child(exact, a)), 1, class(0, child(half, a)), clash),
        (1, class(0, child(exact, a)), 2, class(0, child(any, a)), clash),
        (1, class(0, child(any, a)), 2, class(0, child(exact, a)), clash),
        (1, class(0, child(any, a)), 2, class(0, child(any, a)), clash),
        (1, class(0, child(any, a)), 1, class(0, child("*", "10.0.0.1:2001")), ok),
        (1, class(0, child(half, a)), 1, class(0, child("10.0.0.3:0", a)), ok),
        (1, class(0, child(exact, a)), 1, class(0, child("10.0.0.2:22", a)), ok),
        (1, class(0, child(any, a)), 1, class(0, child("*", "10.0.0.9:2000")), ok),
    ];
    for (row, (first, there, second, comes, wanted)) in rows.into_iter().enumerate() {
        let (mut wall, one) = wall();
        let two = wall.master(&tcp("10.0.0.5:1000", SERVER, "S", 1, 0));
        let master = |number| if number == 1 { one } else { two };
        let there = wall.ct.expect(wall.now, master(first), there).expect("expected");
        let found = wall.ct.expect(wall.now, master(second), comes).map(|_| ());
        assert_eq!(found, wanted, "row {row}");
        // Inactive ones take part all the same.
        if wanted == ok {
            continue;
        }
        wall.ct.remove_expectation(there);
        let flags = ExpectationFlags::INACTIVE;
        let inactive = Expectation { flags, ..class(0, comes) };
        let _ = wall.ct.expect(wall.now, one, inactive).expect("expected");
        let again = class(1, comes);
        let found = wall.ct.expect(wall.now, one, again).map(|_| ());
        assert_eq!(found, already, "row {row}, inactive");
        // Expired ones do not.
        wall.wait(300);
        assert!(wall.ct.expect(wall.now, master(second), comes).is_ok(), "row {row}, expired");
    }
}

#[test]
fn refusals_without_a_master() {
    let (mut wall, master) = wall();
    let request = child("*", "10.0.0.1:2000");
    let mixed = Expected::new(Some([10, 0, 0, 1].into()), None, [0; 16].into(), 1, UDP);
    assert_eq!(wall.ct.expect(wall.now, master, expect(mixed)), Err(Refusal::MixedFamilies));
    wall.ct.clear_helper(master);
    assert_eq!(wall.ct.expect(wall.now, master, request), Err(Refusal::NoMaster));
    wall.ct.set_helper(master, HelperId(1), 0);
    assert!(wall.ct.expect(wall.now, master, request).is_ok());
    wall.ct.kill(master);
    assert_eq!(wall.ct.expect(wall.now, master, request), Err(Refusal::NoMaster));
    assert_eq!(wall.ct.expectation_count(), 0, "gone with its master");
    assert_eq!(wall.ct.stats().expectations_refused, 3);
}

#[test]
fn one_shot_and_permanent() {
    let (mut wall, master) = wall();
    let dst = "10.0.0.1:2000";
    wall.ct.expect(wall.now, master, child("*", dst)).expect("expected");
    // A child that the rules drop has used it up.
    assert_eq!(wall.drop(&udp("10.0.0.9:1", dst)), "RELATED 2 >");
    assert_eq!(wall.drop(&udp("10.0.0.9:1", dst)), "NEW 3 >");
    let flags = ExpectationFlags::PERMANENT;
    let request = Expectation { flags, ..child("*", dst) };
    wall.ct.expect(wall.now, master, request).expect("expected");
    assert_eq!(wall.pass(&udp("10.0.0.9:1", dst)), "RELATED 4 >");
    assert_eq!(wall.pass(&udp("10.0.0.9:2", dst)), "RELATED 5 >");
    wall.wait(300);
    assert_eq!(wall.pass(&udp("10.0.0.9:3", dst)), "NEW 6 >");
}

#[test]
fn a_child_that_its_tracker_refuses_has_used_it_up() {
    let (mut wall, master) = wall();
    let request = expect(expected("*", "10.0.0.1:2000", L4Proto::TCP));
    wall.ct.expect(wall.now, master, request).expect("expected");
    let reset = tcp("10.0.0.9:1", "10.0.0.1:2000", "R", 1, 0);
    assert_eq!(wall.pass(&reset), "INVALID tcp-not-opening");
    assert_eq!(wall.ct.expectation_count(), 0);
    assert_eq!(wall.ct.count(), 1);
}

#[test]
fn an_existing_connection_wins() {
    let (mut wall, master) = wall();
    let packet = udp("10.0.0.9:1", "10.0.0.1:2000");
    assert_eq!(wall.pass(&packet), "NEW 2 >");
    wall.ct.expect(wall.now, master, child("*", "10.0.0.1:2000")).expect("expected");
    assert_eq!(wall.pass(&packet), "NEW 2 >");
    assert_eq!(wall.ct.expectation_count(), 1);
}

#[test]
fn inactive_until_activated() {
    let (mut wall, master) = wall();
    let dst = "10.0.0.1:5060";
    let flags = ExpectationFlags::INACTIVE | ExpectationFlags::PERMANENT;
    let request = Expectation { flags, timeout_s: 180, ..child("*", dst) };
    let id = wall.ct.expect(wall.now, master, request).expect("expected");
    assert_eq!(wall.drop(&udp("10.0.0.9:1", dst)), "NEW 2 >");
    assert!(wall.ct.activate(id, wall.now, 3600));
    assert!(wall.ct.refresh(master, wall.now, 3700));
    wall.wait(3599);
    assert_eq!(wall.drop(&udp("10.0.0.9:1", dst)), "RELATED 3 >");
    assert!(wall.ct.activate(id, wall.now, 1), "closer than before");
    assert!(wall.ct.expire(wall.now.after_s(2), 10));
    assert!(!wall.ct.activate(id, wall.now, 1));
    wall.wait(101);
    assert!(!wall.ct.refresh(master, wall.now, 100), "it has expired");
}

#[test]
fn only_confirmed_masters_that_live() {
    let mut wall = Wall::new();
    let Tracked::Packet(ct) = wall.track(&tcp(CLIENT, SERVER, "S", 1, 0)) else {
        panic!("dropped")
    };
    let master = ct.conn.expect("a connection");
    wall.ct.set_helper(master, HelperId(1), 0);
    wall.ct.expect(wall.now, master, child("*", "10.0.0.1:2000")).expect("expected");
    let packet = udp("10.0.0.9:1", "10.0.0.1:2000");
    assert_eq!(wall.drop(&packet), "NEW 2 >");
    assert_eq!(wall.ct.expectation_count(), 1);
    wall.ct.confirm(wall.now, master).expect("confirmed");
    assert_eq!(wall.drop(&packet), "RELATED 3 >");
    wall.ct.expect(wall.now, master, child("*", "10.0.0.1:2000")).expect("expected");
    wall.now = START.after_s(120);
    assert_eq!(wall.drop(&packet), "NEW 4 >", "expired, though not collected");
    assert!(wall.ct.expire(wall.now.after_s(1), 10));
    assert_eq!(wall.ct.expectation_count(), 0);
}

#[test]
fn the_newest_of_several_is_taken() {
    let (mut wall, master) = wall();
    let dst = "10.0.0.1:2000";
    let network = |netmask| {
        let address = [10, 0, 9, 9].into();
        expect(Expected::from_network(address, netmask, 137, [10, 0, 0, 1].into(), 2000, UDP))
    };
    // Disjoint when made: nothing overlapping gets in, so the packet decides.
    let first = Expectation { class_limit: 0, ..network([255, 255, 255, 255].into()) };
    wall.ct.expect(wall.now, master, first).expect("expected");
    let wide = Expectation { class_limit: 0, ..network([255, 255, 255, 0].into()) };
    assert_eq!(wall.ct.expect(wall.now, master, wide), Err(Refusal::Clash));
    let seen = wall.pass(&udp("10.0.9.9:137", dst));
    assert_eq!(seen, "RELATED 2 >");
}

#[test]
fn a_full_class_drops_its_oldest() {
    let (mut wall, master) = wall();
    wall.ct.set_events(true);
    let request = |port: u16, class, class_limit| {
        let dst = format!("10.0.0.1:{port}");
        Expectation { class, class_limit, ..child("*", &dst) }
    };
    for port in 1..=3 {
        wall.ct.expect(wall.now, master, request(port, 0, 2)).expect("expected");
    }
    wall.ct.expect(wall.now, master, request(9, 1, 2)).expect("expected");
    // The same again is young again.
    wall.ct.expect(wall.now, master, request(2, 0, 2)).expect("expected");
    wall.ct.expect(wall.now, master, request(4, 0, 2)).expect("expected");
    let wanted = [
        "expect 1",
        "expect 2",
        "unexpect 1 evicted",
        "expect 3",
        "expect 4",
        "unexpect 2 replaced",
        "expect 5",
        "unexpect 3 evicted",
        "expect 6",
    ];
    assert_eq!(wall.events(), wanted);
    let held: Vec<u64> =
        wall.ct.expectations_of(master, wall.now).map(|view| view.serial).collect();
    assert_eq!(held, [6, 5, 4]);
    wall.ct.remove_expectations(master, |class| class == 1);
    let all: Vec<u64> = wall.ct.expectations(wall.now).map(|view| view.serial).collect();
    assert_eq!(all.len(), 2);
    wall.ct.remove_expectations_of_helper(HelperId(1));
    assert_eq!(wall.ct.expectation_count(), 0);
}

#[test]
fn events_of_a_child() {
    let (mut wall, master) = wall();
    wall.ct.set_events(true);
    wall.ct.expect(wall.now, master, child("*", "10.0.0.1:2000")).expect("expected");
    wall.pass(&udp("10.0.0.9:1", "10.0.0.1:2000"));
    wall.ct.expect(wall.now, master, child("*", "10.0.0.1:2001")).expect("expected");
    wall.ct.kill(master);
    let wanted = [
        "expect 1",
        "match 1 2",
        "unexpect 1 matched",
        "new 2",
        "expect 2",
        "end 1 killed",
        "unexpect 2 master-ended",
    ];
    assert_eq!(wall.events(), wanted);
    wall.ct.set_events(true);
    let master = wall.master(&tcp(CLIENT, SERVER, "S", 9, 0));
    wall.ct.expect(wall.now, master, child("*", "10.0.0.1:2001")).expect("expected");
    wall.events();
    wall.ct.expire(wall.now.after_s(3000), 10);
    let mut ends = wall.events();
    ends.sort();
    assert_eq!(ends, ["end 2 timeout", "end 3 timeout", "unexpect 3 timeout"]);
}

#[test]
fn a_child_remembers_its_master() {
    let (mut wall, master) = wall();
    let request = Expectation { child_helper: Some(HelperId(4)), ..child("*", "10.0.0.1:2000") };
    wall.ct.expect(wall.now, master, request).expect("expected");
    let packet = udp("10.0.0.9:1", "10.0.0.1:2000");
    assert_eq!(wall.pass(&packet), "RELATED 2 >");
    let id = wall.id(2);
    assert_eq!(wall.ct.master(id).expect("a master").child_helper, Some(HelperId(4)));
    assert_eq!(wall.ct.helper(id), None, "the caller gives it");
    wall.ct.kill(master);
    assert_eq!(wall.pass(&packet), "RELATED 2 >");
    let name = |helper: HelperId| (helper == HelperId(1)).then_some("ftp");
    let facts = wall.ct.facts(id, Direction::Original, wall.now, &name).expect("there");
    assert_eq!((facts.has_master, facts.master_helper), (true, Some("ftp")));
    assert!(facts.status.contains(Status::EXPECTED));
    assert!(wall.ct.connection(master).is_none());
}

#[test]
fn children_end_with_a_master_they_are_tied_to() {
    for tied in [false, true] {
        let (mut wall, master) = wall();
        for port in 2000..2005 {
            let dst = format!("10.0.0.1:{port}");
            wall.ct.expect(wall.now, master, child("*", &dst)).expect("expected");
            wall.pass(&udp("10.0.0.9:1", &dst));
        }
        // One leaves by itself.
        wall.ct.kill(wall.id(4));
        if tied {
            wall.ct.set_ends_too(|_, _| EndsToo::Children);
        }
        wall.ct.kill(master);
        assert_eq!(wall.ct.count(), if tied { 0 } else { 4 });
        wall.ct.flush();
        assert_eq!(wall.ct.count(), 0);
    }
}

#[test]
fn what_ends_too_may_be_anybodys() {
    let (mut wall, master) = wall();
    wall.ct.set_ends_too(|_, &[forth, _]| {
        let gre = |sport, dport| Tuple { sport, dport, proto: L4Proto::GRE, ..forth };
        EndsToo::Holders([gre(0, 7), gre(8, 9)])
    });
    // No child of anybody's, found by either of its tuples.
    assert_eq!(wall.pass(&gre("10.0.0.1", "10.0.0.2", 7)), "NEW 2 >");
    let other = wall.master(&tcp("10.0.0.1:1001", SERVER, "S", 1, 0));
    let [forth, _] = call();
    let Tuple { src, dst, proto, .. } = forth;
    for dport in [9, 10] {
        let exact = expect(Expected::new(Some(src), Some(8), dst, dport, proto));
        let request = Expectation { class_limit: 0, ..exact };
        wall.ct.expect(wall.now, other, request).expect("expected");
    }
    wall.ct.set_events(true);
    wall.ct.kill(master);
    assert_eq!(wall.events(), ["end 1 killed", "unexpect 1 removed", "end 2 master-ended"]);
    let awaited = Tuple { sport: 8, dport: 10, ..forth };
    for there in [true, false] {
        let removed = wall.ct.remove_expectation_of(&awaited, Zone::default(), wall.now);
        assert_eq!(removed, there);
    }
    assert_eq!(wall.ct.expectation_count(), 0);
}

/// The two directions of a PPTP call.
fn call() -> [Tuple; 2] {
    let [pns, pac] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
    let forth = Tuple { src: pns, dst: pac, sport: 5, dport: 9, proto: L4Proto::GRE };
    [forth, Tuple { src: pac, dst: pns, sport: 9, dport: 5, proto: L4Proto::GRE }]
}

#[test]
fn a_pptp_call() {
    let (mut wall, master) = wall();
    wall.ct.set_events(true);
    let [forth, back] = call();
    for (direction, tuple) in [(Direction::Original, &forth), (Direction::Reply, &back)] {
        wall.ct.add_keymap(master, KeymapRule::OneCall, direction, tuple).expect("added");
        let another = Tuple { dport: 77, ..*tuple };
        assert_eq!(
            wall.ct.add_keymap(master, KeymapRule::OneCall, direction, &another),
            Err(KeymapTaken)
        );
    }
    let exact = |tuple: Tuple| {
        let Tuple { src, dst, sport, dport, proto } = tuple;
        Expectation {
            class_limit: 2,
            ..expect(Expected::new(Some(src), Some(sport), dst, dport, proto))
        }
    };
    let one = wall.ct.expect(wall.now, master, exact(forth)).expect("expected");
    let other = wall.ct.expect(wall.now, master, exact(back)).expect("expected");
    wall.ct.removes(one, other);
    wall.ct.removes(other, one);
    wall.ct.set_ends_too(|_, _| EndsToo::Children);
    wall.events();
    assert_eq!(wall.pass(&gre("10.0.0.2", "10.0.0.1", 5)), "RELATED 2 >");
    assert_eq!(wall.pass(&gre("10.0.0.1", "10.0.0.2", 9)), "ESTABLISHED 2 <");
    let wanted =
        ["match 2 2", "unexpect 2 matched", "unexpect 1 pair-matched", "new 2", "update 2 REPLY"];
    assert_eq!(wall.events(), wanted);
    assert_eq!(wall.ct.expectation_count(), 0);
    wall.ct.kill(master);
    assert_eq!(wall.events(), ["end 1 killed", "end 2 master-ended"]);
    // Without the keymap the directions part again.
    assert_eq!(wall.pass(&gre("10.0.0.2", "10.0.0.1", 5)), "NEW 3 >");
    assert_eq!(wall.pass(&gre("10.0.0.1", "10.0.0.2", 9)), "NEW 4 >");
}

#[test]
fn the_keymap_goes_with_a_gre_child() {
    let (mut wall, master) = wall();
    let [forth, _] = call();
    wall.ct.add_keymap(master, KeymapRule::OneCall, Direction::Original, &forth).expect("added");
    let any = Expected::new(None, None, forth.dst, forth.dport, L4Proto::GRE);
    wall.ct.expect(wall.now, master, expect(any)).expect("expected");
    let packet = gre("10.0.0.1", "10.0.0.2", 9);
    assert_eq!(wall.pass(&packet), "RELATED 2 >");
    let original = wall.ct.connection(wall.id(2)).expect("there").original;
    assert_eq!((original.sport, original.dport), (5, 9));
    wall.ct.kill(wall.id(2));
    assert_eq!(wall.pass(&packet), "NEW 3 >");
    let original = wall.ct.connection(wall.id(3)).expect("there").original;
    assert_eq!((original.sport, original.dport), (0, 9));
}

#[test]
fn counting_what_an_address_announced() {
    let (mut wall, master) = wall();
    for (port, announcer) in [(1, "10.0.0.2"), (2, "10.0.0.2"), (3, "10.0.0.3")] {
        let request = child("*", &format!("10.0.0.1:{port}"));
        let announcer = announcer.parse().expect("an address");
        let request = Expectation { class_limit: 0, timeout_s: port, announcer, ..request };
        wall.ct.expect(wall.now, master, request).expect("expected");
    }
    let count = |wall: &Wall, after| {
        let now = Time(START.after_s(after).0);
        wall.ct.expectation_count_from([10, 0, 0, 2].into(), now)
    };
    assert_eq!([0, 1, 2].map(|after| count(&wall, after)), [2, 1, 0]);
}

#[test]
fn a_flood_of_expectations_stays_cheap() {
    // As many masters as expectations, all announcing the same port of one client: no search
    // walks them.
    let mut wall = Wall::with(&[("nf_conntrack_expect_max", "20000")]);
    for server in 0..20_000u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + server);
        let master = wall.master(&udp(CLIENT, &format!("{address}:21")));
        let request = child(&format!("{address}:0"), "10.0.0.1:2000");
        wall.ct.expect(wall.now, master, request).expect("expected");
    }
    for server in (0..20_000u32).rev() {
        let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + server);
        let packet = udp(&format!("{address}:20"), "10.0.0.1:2000");
        let Tracked::Packet(ct) = wall.track(&packet) else { panic!("dropped") };
        assert_eq!(ct.state, CtState::Related);
        wall.ct.abandon(ct.conn.expect("a connection"));
    }
    assert_eq!(wall.ct.expectation_count(), 0);
}
