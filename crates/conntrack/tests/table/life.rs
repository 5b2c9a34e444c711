//! How connections begin, live and end.

use crate::support::{START, Wall, icmp, tcp, udp};
use kinwall_conntrack::{ConnectionEnd, HelperId, Timeouts, Tracked};
use kinwall_terms::ct::Counter;
use kinwall_terms::{Direction, KernelVersion, L4Proto, Reason, Status, Time, Tuple, Zone};

const A: &str = "10.0.0.1:1000";
const B: &str = "10.0.0.2:53";

#[test]
fn the_timeout_starts_at_confirmation() {
    let mut wall = Wall::new();
    let Tracked::Packet(ct) = wall.track(&udp(A, B)) else { panic!("dropped") };
    let id = ct.conn.expect("a connection");
    assert_eq!(wall.ct.connection(id).expect("there").deadline, None);
    wall.wait(1000);
    wall.ct.confirm(wall.now, id).expect("confirmed");
    let deadline = wall.ct.connection(id).expect("there").deadline;
    assert_eq!(deadline, Some(START.after_s(1030)));
}

#[test]
fn what_has_expired_is_absent_before_it_is_collected() {
    let mut wall = Wall::new();
    wall.ct.set_events(true);
    wall.pass(&udp(A, B));
    wall.pass(&udp("10.0.0.1:7", B));
    wall.events();
    wall.now = Time(START.after_s(30).0 - 1);
    assert_eq!(wall.pass(&udp(A, B)), "NEW 1 >");
    wall.now = START.after_s(60);
    assert_eq!(wall.ct.connections(wall.now).count(), 0);
    let tuple = wall.ct.connection(wall.id_of_any(1)).expect("there").original;
    assert_eq!(wall.ct.find(&tuple, Zone::default(), wall.now), None);
    assert!(!is_open(&wall, &tuple));
    assert_eq!(wall.pass(&udp(B, A)), "NEW 3 >");
    assert_eq!(wall.events(), ["end 1 timeout", "new 3"]);
    assert_eq!(wall.ct.count(), 2);
    assert!(wall.ct.expire(wall.now, 10));
    assert_eq!((wall.ct.count(), wall.events()), (1, vec!["end 2 timeout".to_string()]));
}

impl Wall {
    /// The handle of a connection, expired or not.
    fn id_of_any(&self, serial: u64) -> kinwall_conntrack::ConnId {
        let views = self.ct.connections(Time(0));
        views.into_iter().find(|view| view.serial == serial).expect("there").id
    }
}

#[test]
fn collecting_has_a_budget_and_a_deadline() {
    let mut wall = Wall::new();
    assert_eq!(wall.ct.next_deadline(), None);
    for port in 1..=100 {
        wall.pass(&udp(&format!("10.0.0.1:{port}"), B));
    }
    let mut rounds = 0;
    while let Some(deadline) = wall.ct.next_deadline() {
        wall.now = wall.now.max(deadline);
        wall.ct.expire(wall.now, 30);
        rounds += 1;
    }
    assert_eq!(wall.ct.count(), 0);
    assert!(rounds >= 4, "{rounds}");
    assert!(wall.now >= START.after_s(30));
    assert!(wall.now.since(START.after_s(30)).as_millis() < 200, "{:?}", wall.now);
    assert_eq!(wall.ct.stats().ended(ConnectionEnd::Timeout), 100);
}

#[test]
fn a_frozen_clock_ends_nothing() {
    let mut wall = Wall::new();
    for port in 1..=100 {
        wall.pass(&udp(&format!("10.0.0.1:{port}"), B));
        assert!(wall.ct.expire(wall.now, usize::MAX));
    }
    assert_eq!(wall.ct.count(), 100);
}

#[test]
fn timeouts_follow_the_settings_in_force() {
    let mut wall = Wall::with(&[("nf_conntrack_icmp_timeout", "5")]);
    let ping = icmp("10.0.0.1", "10.0.0.2", 8, 7);
    wall.pass(&ping);
    assert_eq!(wall.ct.next_deadline().map(|deadline| deadline.since(START).as_secs()), Some(5));
    wall.ct.set("nf_conntrack_icmp_timeout", "50").expect("set");
    wall.pass(&ping);
    let view = wall.ct.connection(wall.id(1)).expect("there");
    assert_eq!(view.deadline, Some(START.after_s(50)));
}

#[test]
fn a_policy_replaces_the_timeouts() {
    let mut wall = Wall::new();
    let mut timeouts = Timeouts::new(KernelVersion::DEFAULT);
    timeouts.udp.one_way_s = 3;
    let policy = wall.ct.add_timeout_policy(timeouts);
    wall.template.timeouts = policy;
    wall.pass(&udp(A, B));
    wall.template.timeouts = None;
    wall.pass(&udp(A, B));
    wall.pass(&udp(B, "10.0.0.3:3"));
    let deadline = |serial| wall.ct.connection(wall.id(serial)).expect("there").deadline;
    assert_eq!(deadline(1), Some(START.after_s(3)));
    assert_eq!(deadline(2), Some(START.after_s(30)));
}

#[test]
fn a_syn_reopens_a_closed_connection() {
    let mut wall = Wall::new();
    let rows = [
        (tcp(A, B, "S", 100, 0), "NEW 1 >"),
        (tcp(B, A, "SA", 500, 101), "ESTABLISHED 1 <"),
        (tcp(A, B, "A", 101, 501), "ESTABLISHED 1 >"),
        (tcp(A, B, "FA", 101, 501), "ESTABLISHED 1 >"),
        (tcp(B, A, "FA", 501, 102), "ESTABLISHED 1 <"),
        (tcp(A, B, "A", 102, 502), "ESTABLISHED 1 >"),
        (tcp(A, B, "S", 9000, 0), "NEW 2 >"),
    ];
    for (packet, wanted) in rows {
        assert_eq!(wall.pass(&packet), wanted);
    }
    assert_eq!(wall.ct.count(), 1);
    assert_eq!(wall.ct.stats().ended(ConnectionEnd::Reopened), 1);
}

#[test]
fn a_rst_as_only_answer_ends_it() {
    let mut wall = Wall::with(&[("nf_conntrack_acct", "1")]);
    wall.pass(&tcp(A, B, "S", 100, 0));
    let Tracked::Packet(ct) = wall.track(&tcp(B, A, "RA", 0, 101)) else { panic!("dropped") };
    let id = ct.conn.expect("a connection");
    // The rules still see the connection of the packet that ended it.
    let view = wall.ct.connection(id).expect("there");
    assert!(view.status.contains(Status::DYING | Status::SEEN_REPLY));
    assert_eq!(view.counters.expect("counted")[1].packets, 1);
    assert_eq!((wall.ct.count(), wall.ct.connections(wall.now).count()), (0, 0));
    assert_eq!(wall.ct.confirm(wall.now, id), Ok(id));
    assert_eq!(wall.pass(&udp(A, B)), "NEW 2 >");
    assert_eq!(wall.ct.connection(id), None, "stale with the next packet");
    assert!(!wall.ct.set_mark(id, 1));
    assert_eq!(wall.pass(&tcp(A, B, "S", 100, 0)), "NEW 3 >");
}

#[test]
fn clashes_on_confirmation() {
    // Two first packets are under way; the first is confirmed before the second.
    type Row = (fn(&str, &str) -> kinwall_wire::emit::Packet, bool, Result<u64, Reason>);
    let syn = |src: &str, dst: &str| tcp(src, dst, "S", 1, 0);
    let rows: &[Row] = &[
        (udp, false, Ok(1)),
        (udp, true, Ok(1)),
        (syn, false, Err(Reason::Clash)),
        (syn, true, Err(Reason::Clash)),
    ];
    for (row, (packet, mirrored, wanted)) in rows.iter().enumerate() {
        let mut wall = Wall::new();
        let second = if *mirrored { packet(B, A) } else { packet(A, B) };
        let [first, second] = [packet(A, B), second].map(|packet| match wall.track(&packet) {
            Tracked::Packet(ct) => ct.conn.expect("a connection"),
            Tracked::Drop(reason) => panic!("{reason}"),
        });
        assert_eq!(wall.ct.confirm(wall.now, first), Ok(first));
        let found = wall.ct.confirm(wall.now, second);
        let found = found.map(|id| wall.ct.connection(id).expect("there").serial);
        assert_eq!(found, *wanted, "row {row}");
        assert_eq!(wall.ct.count(), 1, "row {row}");
    }
}

#[test]
fn a_clash_of_the_original_tuple_alone_lives_on_for_its_answer() {
    let mut wall = Wall::new();
    let [first, second] = [(), ()].map(|()| match wall.track(&udp(A, B)) {
        Tracked::Packet(ct) => ct.conn.expect("a connection"),
        Tracked::Drop(reason) => panic!("{reason}"),
    });
    // Translation sends the second one elsewhere.
    let elsewhere = Tuple {
        src: [10, 0, 0, 9].into(),
        dst: [10, 0, 0, 1].into(),
        sport: 53,
        dport: 1000,
        proto: L4Proto::UDP,
    };
    assert!(wall.ct.set_reply_tuple(second, &elsewhere));
    assert_eq!(wall.ct.confirm(wall.now, first), Ok(first));
    assert_eq!(wall.ct.confirm(wall.now, second), Ok(second));
    assert!(!wall.ct.set_reply_tuple(second, &elsewhere), "too late");
    let view = wall.ct.connection(second).expect("there");
    assert!(view.status.contains(Status::NAT_CLASH | Status::FIXED_TIMEOUT));
    assert_eq!(wall.pass(&udp(A, B)), "NEW 1 >");
    assert_eq!(wall.pass(&udp("10.0.0.9:53", A)), "ESTABLISHED 2 <");
    wall.wait(1);
    assert!(wall.ct.expire(wall.now.after_s(1), 10));
    assert_eq!(wall.ct.count(), 1);
    assert_eq!(wall.pass(&udp(A, B)), "NEW 1 >");
}

#[test]
fn translated_replies_find_their_connection() {
    let mut wall = Wall::new();
    let Tracked::Packet(ct) = wall.track(&udp(A, B)) else { panic!("dropped") };
    let id = ct.conn.expect("a connection");
    let reply = Tuple {
        src: [10, 0, 0, 2].into(),
        dst: [192, 0, 2, 1].into(),
        sport: 53,
        dport: 40000,
        proto: L4Proto::UDP,
    };
    assert!(wall.ct.set_reply_tuple(id, &reply));
    wall.ct.confirm(wall.now, id).expect("confirmed");
    // Its answers would be taken for packets of the first.
    assert_eq!(wall.pass(&udp(B, A)), "NEW 2 >, dropped: clash");
    assert_eq!(wall.pass(&udp(B, "192.0.2.1:40000")), "ESTABLISHED 1 <");
    assert_eq!(wall.pass(&udp(A, B)), "ESTABLISHED 1 >");
}

#[test]
fn accounting() {
    let mut wall = Wall::with(&[("nf_conntrack_acct", "1")]);
    wall.pass(&udp(A, B));
    wall.pass(&udp(A, B));
    wall.pass(&udp(B, A));
    wall.ct.set("nf_conntrack_acct", "0").expect("set");
    wall.pass(&udp(A, B));
    wall.pass(&udp("10.0.0.1:7", B));
    let counters = |serial| wall.ct.connection(wall.id(serial)).expect("there").counters;
    let counter = |packets| Counter { packets, bytes: packets * 29 };
    assert_eq!(counters(1), Some([counter(3), counter(1)]));
    assert_eq!(counters(2), None, "created with accounting off");
}

#[test]
fn facts_for_rules() {
    let mut wall = Wall::new();
    let name = |helper: HelperId| (helper == HelperId(1)).then_some("ftp");
    let Tracked::Packet(ct) = wall.track(&udp(A, B)) else { panic!("dropped") };
    let id = ct.conn.expect("a connection");
    let facts = wall.ct.facts(id, ct.direction, wall.now, &name).expect("there");
    assert_eq!((facts.expires_s, facts.has_master, facts.zone), (0, false, [0, 0]));
    wall.ct.confirm(wall.now, id).expect("confirmed");
    wall.now = Time(wall.now.0 + 1);
    wall.ct.set_helper(id, HelperId(1), 9);
    let facts = wall.ct.facts(id, Direction::Reply, wall.now, &name).expect("there");
    assert_eq!((facts.expires_s, facts.direction), (29, Direction::Reply));
    assert_eq!(facts.master_helper, None, "its own helper is not its master's");
    assert_eq!(wall.ct.helper_scratch_mut(id), Some((HelperId(1), &mut 9)));
}

#[test]
fn events() {
    let mut wall = Wall::new();
    wall.pass(&udp(A, B));
    assert!(wall.events().is_empty(), "off at first");
    wall.ct.flush();
    wall.ct.set_events(true);
    wall.pass(&tcp(A, B, "S", 100, 0));
    wall.pass(&tcp(B, A, "SA", 500, 101));
    wall.pass(&tcp(A, B, "A", 101, 501));
    wall.pass(&tcp(A, B, "A", 101, 501));
    wall.drop(&udp(A, B));
    let id = wall.id(2);
    wall.ct.set_mark(id, 5);
    wall.ct.set_mark(id, 5);
    wall.ct.kill(id);
    wall.ct.kill(id);
    let wanted = [
        "new 2",
        "update 2 REPLY,STATE",
        "update 2 ASSURED,STATE",
        "update 2 MARK",
        "end 2 killed",
    ];
    assert_eq!(wall.events(), wanted);
}

#[test]
fn closed_connections_do_not_count_as_live() {
    let mut wall = Wall::new();
    wall.pass(&tcp(A, B, "S", 100, 0));
    wall.pass(&tcp(B, A, "SA", 500, 101));
    let tuple = wall.ct.connection(wall.id(1)).expect("there").original;
    assert!(is_open(&wall, &tuple));
    wall.pass(&tcp(A, B, "R", 101, 0));
    assert_eq!(wall.ct.connection(wall.id(1)).expect("there").state, Some("CLOSE"));
    assert!(!is_open(&wall, &tuple));
    assert!(wall.ct.find(&tuple, Zone::default(), wall.now).is_some());
}

/// Whether a connection is there and not over.
fn is_open(wall: &Wall, tuple: &Tuple) -> bool {
    let listed = wall.ct.listed(tuple, Zone::default(), wall.now);
    listed.is_some_and(|listed| !listed.is_closed)
}
