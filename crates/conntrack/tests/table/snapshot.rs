//! Tables that are copied and restored: what becomes of time, and what is refused.

use crate::support::{START, Wall, expect, expected, tcp, udp};
use kinwall_conntrack::snapshot::{CallSnapshot, ExpectationSnapshot, RestoreError, TableSnapshot};
use kinwall_conntrack::{ConnId, Copying, Tracked};
use kinwall_terms::{
    Direction, EndsToo, InterfaceName, KeymapRule, L4Proto, Manip, NatRange, Status, Time, Tuple,
};

const CLIENT: &str = "10.0.0.1:1000";
const SERVER: &str = "10.0.0.2:21";
const OUTSIDE: [u8; 4] = [192, 0, 2, 1];

/// A control connection (1), its child (2), what it expects yet (2), and a query (3).
fn filled() -> Wall {
    let mut wall = Wall::new();
    let master = wall.master(&tcp(CLIENT, SERVER, "S", 1, 0));
    for port in ["10.0.0.1:2000", "10.0.0.1:2001"] {
        let mut child = expect(expected("10.0.0.2:0", port, L4Proto::UDP));
        child.class_limit = 2;
        wall.ct.expect(wall.now, master, child).expect("expected");
    }
    assert_eq!(wall.pass(&udp("10.0.0.2:20", "10.0.0.1:2000")), "RELATED 2 >");
    assert_eq!(wall.pass(&udp("10.0.0.3:53", "10.0.0.2:53")), "NEW 3 >");
    wall
}

fn copy(wall: &mut Wall) -> TableSnapshot<u32> {
    wall.ct.snapshot(wall.now, |scratch| *scratch)
}

/// A table that was restored `passed_s` seconds later.
fn restored(snapshot: TableSnapshot<u32>, passed_s: u32) -> Wall {
    let mut wall = Wall::new();
    wall.wait(passed_s);
    wall.ct.restore(wall.now, snapshot, |scratch| scratch).expect("restored");
    wall
}

#[test]
fn time_passes_while_nobody_looks() {
    // Seconds, connections and expectations left.
    let rows =
        [(0, &[1, 2, 3][..], 1), (29, &[1, 2, 3], 1), (31, &[1], 1), (119, &[1], 1), (121, &[], 0)];
    for (passed_s, serials, expectations) in rows {
        let wall = restored(copy(&mut filled()), passed_s);
        let mut left: Vec<_> = wall.ct.connections(wall.now).map(|view| view.serial).collect();
        left.sort_unstable();
        assert_eq!(left, serials, "{passed_s} s");
        assert_eq!(wall.ct.count() as usize, serials.len(), "{passed_s} s");
        assert_eq!(wall.ct.expectation_count(), expectations, "{passed_s} s");
    }
}

#[test]
fn a_clock_that_was_set_back_costs_nobody_his_life() {
    let mut wall = filled();
    wall.wait(10);
    let snapshot = copy(&mut wall);
    let early = Time(START.0 / 2);
    let mut wall = Wall::new();
    wall.ct.restore(early, snapshot, |scratch| scratch).expect("restored");
    let left = |wall: &Wall, serial| {
        let view = wall.ct.connections(early).find(|view| view.serial == serial);
        view.and_then(|view| view.deadline).map(|deadline| deadline.since(early).as_secs())
    };
    assert_eq!([1, 2, 3].map(|serial| left(&wall, serial)), [Some(110), Some(20), Some(20)]);
}

#[test]
fn numbers_go_on() {
    let mut wall = restored(copy(&mut filled()), 1);
    assert_eq!(wall.pass(&udp("10.0.0.2:21", "10.0.0.1:2001")), "RELATED 4 >");
    assert_eq!(wall.ct.master(wall.id(4)).map(|master| master.serial), Some(1));
    assert_eq!(wall.ct.master(wall.id(2)).map(|master| master.id), Some(wall.id(1)));
    assert_eq!(wall.pass(&udp("10.0.0.2:53", "10.0.0.3:53")), "ESTABLISHED 3 <");
}

#[test]
fn what_ends_with_a_master_that_expired_meanwhile_ends_too() {
    let mut master = filled();
    let id = master.id(2);
    master.ct.refresh(id, master.now, 5000);
    for (children_end, left) in [(false, 1), (true, 0)] {
        let mut wall = Wall::new();
        if children_end {
            wall.ct.set_ends_too(|_, _| EndsToo::Children);
        }
        wall.wait(200);
        wall.ct.restore(wall.now, copy(&mut master), |scratch| scratch).expect("restored");
        assert_eq!(wall.ct.count(), left);
    }
}

/// A connection from a host inside, shown as from outside, by the interface `eth0`.
fn hidden(wall: &mut Wall, host: &str, to: &str) -> ConnId {
    let Tracked::Packet(ct) = wall.track(&udp(host, to)) else { panic!("dropped") };
    let id = ct.conn.expect("a connection");
    let range = NatRange::address(OUTSIDE.into());
    wall.ct.bind(wall.now, id, Manip::Source, &range, None);
    wall.ct.set_masqueraded(id, InterfaceName::new("eth0").expect("a name"));
    wall.ct.confirm(wall.now, id).expect("confirmed")
}

#[test]
fn translations_stay() {
    let mut wall = Wall::new();
    hidden(&mut wall, "10.0.0.1:53", "203.0.113.1:53");
    let shown = |wall: &Wall, id| wall.ct.connection(id).map(|view| view.reply.dport);
    let second = hidden(&mut wall, "10.0.0.2:53", "203.0.113.1:53");
    let port = shown(&wall, second);
    assert_ne!(port, Some(53), "taken");
    let mut wall = restored(copy(&mut wall), 1);
    let third = hidden(&mut wall, "10.0.0.2:53", "203.0.113.2:53");
    assert_eq!(shown(&wall, third), port, "one source shows one port");
    let name = InterfaceName::new("eth0").expect("a name");
    assert_eq!(wall.ct.end_masqueraded(name, None), 3);
}

/// Something that no table says of itself.
type Lie = fn(&mut TableSnapshot<u32>);

#[test]
fn what_cannot_be_is_refused() {
    let rows: [(Lie, RestoreError); 16] = [
        (|s| s.connections[0].serial = 0, RestoreError::Order(0)),
        (|s| s.connections.swap(0, 1), RestoreError::Order(1)),
        (|s| s.last_serial = 2, RestoreError::Order(3)),
        (|s| s.connections[2].original.src = [0u16; 8].into(), RestoreError::Tuples(3)),
        (|s| s.connections[2].reply.dst = [0u16; 8].into(), RestoreError::Tuples(3)),
        (|s| s.connections[2].reply.proto = L4Proto::TCP, RestoreError::Tuples(3)),
        (|s| s.connections[1].status -= Status::CONFIRMED, RestoreError::Status(2)),
        (|s| s.connections[1].status |= Status::DYING, RestoreError::Status(2)),
        (|s| s.connections[1].state = s.connections[0].state, RestoreError::State(2)),
        (|s| s.connections[2].reply = s.connections[1].reply, RestoreError::Twice(3)),
        (|s| s.connections[2].original = s.connections[1].reply, RestoreError::Twice(3)),
        (
            |s| {
                if let Some(master) = &mut s.connections[1].master {
                    master.serial = 2;
                }
            },
            RestoreError::Master(2),
        ),
        (|s| s.expectations[0].master = 9, RestoreError::NoMaster(2)),
        (|s| s.connections[0].helper = None, RestoreError::NoMaster(2)),
        (|s| s.expectations[0].expected.tuple.src = [0u16; 8].into(), RestoreError::Expectation(2)),
        (
            |s| {
                let again = s.expectations[0];
                s.last_expectation = 9;
                s.expectations.push(ExpectationSnapshot { serial: 9, ..again });
            },
            RestoreError::Expectation(9),
        ),
    ];
    for (lie, why) in rows {
        let mut snapshot = copy(&mut filled());
        lie(&mut snapshot);
        refuse(snapshot, why);
    }
}

#[test]
fn calls_of_nobody_are_refused() {
    for (master, times) in [(3, 1), (9, 1), (1, 2)] {
        let mut snapshot = copy(&mut filled());
        let call = |n| CallSnapshot {
            master,
            rule: KeymapRule::OneCall,
            direction: Direction::Original,
            tuple: Tuple {
                src: [10, 0, 0, 1].into(),
                dst: [10, 0, 0, 2].into(),
                sport: n,
                dport: n,
                proto: L4Proto::GRE,
            },
        };
        snapshot.calls = (0..times).map(call).collect();
        refuse(snapshot, RestoreError::Call(master));
    }
}

/// Refused, the table is empty, and the next attempt may succeed.
fn refuse(snapshot: TableSnapshot<u32>, why: RestoreError) {
    let mut wall = Wall::new();
    let refused = wall.ct.restore(wall.now, snapshot, |scratch| scratch);
    assert_eq!(refused, Err(why));
    assert_eq!((wall.ct.count(), wall.ct.expectation_count()), (0, 0), "{why}");
    let again = wall.ct.restore(wall.now, copy(&mut filled()), |scratch| scratch);
    assert_eq!(again, Ok(()), "after {why}");
    let full = wall.ct.restore(wall.now, copy(&mut filled()), |scratch| scratch);
    assert_eq!(full, Err(RestoreError::NotEmpty));
    assert_eq!(wall.ct.count(), 3, "as it was");
}

/// What a copy in steps may hold at once: a connection that has ended meanwhile, and another with
/// its tuples; what was announced by one that was not copied.
#[test]
fn a_copy_in_steps_is_settled() {
    let mut wall = filled();
    assert_eq!(wall.pass(&udp("10.0.0.4:53", "10.0.0.2:53")), "NEW 4 >");
    let mut copying = Copying::new(wall.now);
    assert!(!wall.ct.copy_on(&mut copying, wall.now, 3, |scratch| *scratch));
    let old = wall.id(3);
    wall.ct.kill(old);
    wall.ct.expire(wall.now, 0);
    assert_eq!(wall.pass(&udp("10.0.0.9:9", "10.0.0.2:53")), "NEW 5 >", "in the old one's place");
    assert_eq!(wall.pass(&udp("10.0.0.2:53", "10.0.0.3:53")), "NEW 6 >", "the other way round");
    let late = wall.master(&tcp("10.0.0.8:1000", SERVER, "S", 1, 0));
    let child = expect(expected("10.0.0.2:0", "10.0.0.8:2000", L4Proto::UDP));
    wall.ct.expect(wall.now, late, child).expect("expected");
    assert!(wall.ct.copy_on(&mut copying, wall.now, usize::MAX, |scratch| *scratch));
    let mut table = wall.ct.copied(copying, wall.now);
    table.settle();
    let serials: Vec<_> = table.connections.iter().map(|connection| connection.serial).collect();
    assert_eq!(serials, [1, 2, 4, 6, 7]);
    let wall = restored(table, 0);
    assert_eq!((wall.ct.count(), wall.ct.expectation_count()), (5, 2));
}
