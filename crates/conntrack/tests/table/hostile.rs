//! Packets that were bent, at times that jump: nothing panics, and limits hold.

use crate::support::{START, Wall, expect, gre, icmp, ip, raw, tcp, udp, udplite, zone};
use kinwall_conntrack::{Expectation, HelperId, Tracked};
use kinwall_terms::expectation::Expected;
use kinwall_terms::{EndsToo, KeymapRule, L4Proto, Time, Tuple, ZoneScope};
use kinwall_wire::Headers;
use kinwall_wire::emit::{Dccp, Icmp, Packet, Sctp, icmp_error, sctp_chunk};
use proptest::prelude::*;

const MAX: u32 = 12;

#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    ends: (u8, u8),
    /// Bytes of the packet to overwrite.
    edits: Vec<(usize, u8)>,
    cut: usize,
    time: u8,
    verdict: u8,
}

fn packet(kind: u8, (src, dst): (u8, u8)) -> Packet {
    let v6 = kind & 0x10 != 0;
    let address = |number: u8| match v6 {
        true => format!("fd00::{}", number % 3),
        false => format!("10.0.0.{}", number % 3),
    };
    let (src, dst) = (address(src), address(dst));
    let end = |address: &str| if v6 { format!("[{address}]:7") } else { format!("{address}:7") };
    let (from, to) = (end(&src), end(&dst));
    match kind % 16 {
        0 => tcp(&from, &to, "S", 1, 0),
        1 => tcp(&from, &to, "SA", 1, 2),
        2 => tcp(&from, &to, "A", 2, 2),
        3 => tcp(&from, &to, "FA", 2, 2),
        4 => tcp(&from, &to, "R", 2, 2),
        5 => udp(&from, &to),
        6 => udplite(&from, &to),
        7 => icmp(&src, &dst, if v6 { 128 } else { 8 }, 7),
        8 => icmp(&src, &dst, if v6 { 129 } else { 0 }, 7),
        9 => {
            let inner = udp(&to, &from).build();
            icmp_error(ip(&src), ip(&dst), Icmp::new(if v6 { 1 } else { 3 }, 0), &inner)
        }
        10 => gre(&src, &dst, 7),
        11 => raw(&src, &dst, 47),
        12 => {
            let chunk = sctp_chunk(1, 0, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
            Packet::new(ip(&src), ip(&dst), Sctp::new(7, 7, 0)).payload(chunk)
        }
        13 => {
            let dccp = Dccp { sport: 7, dport: 7, kind: 0, seq: 1, ack: 0, options: vec![0; 4] };
            Packet::new(ip(&src), ip(&dst), dccp)
        }
        14 => raw(&src, &dst, 132),
        _ => raw(&src, &dst, 255),
    }
}

fn moment(now: Time, time: u8) -> Time {
    match time {
        0 => Time(0),
        1 => Time(u64::MAX),
        2 => Time(now.0.wrapping_sub(1_000_000_000)),
        3 => START,
        other => Time(now.0.wrapping_add(u64::from(other) << 26)),
    }
}

fn run(wall: &mut Wall, step: &Step) {
    let mut bytes = packet(step.kind, step.ends).build();
    for (place, value) in &step.edits {
        let length = bytes.len();
        bytes[place % length] = *value;
    }
    bytes.truncate(bytes.len().saturating_sub(step.cut));
    wall.now = moment(wall.now, step.time);
    wall.prerouting = step.verdict & 0x10 != 0;
    wall.template =
        zone(u16::from(step.verdict >> 6), [ZoneScope::Both, ZoneScope::Reply][step.cut % 2]);
    let now = wall.now;
    let Ok(headers) = Headers::parse(&bytes) else { return };
    let tracked = wall.ct.track(now, &headers, &bytes, wall.prerouting, wall.template);
    let Tracked::Packet(ct) = tracked else { return };
    let Some(id) = ct.conn else { return };
    match step.verdict % 8 {
        0 => wall.ct.abandon(id),
        1 => {
            wall.ct.kill(id);
        }
        2 => {
            wall.ct.set_helper(id, HelperId(1), 0);
            let expected = Expected::new(None, None, headers.src, 7, L4Proto(step.cut as u8));
            let request = Expectation { class: step.kind, ..expect(expected) };
            let _ = wall.ct.expect(now, id, request);
            let _ = wall.ct.confirm(now, id);
        }
        3 => {
            wall.ct.expire(now, step.cut);
            let _ = wall.ct.confirm(now, id);
        }
        4 => {
            // Calls of its own, and an end that takes others with it.
            wall.ct.set_ends_too(ends_too);
            wall.ct.set_helper(id, HelperId(1), step.cut as u32);
            let rule = [KeymapRule::OneCall, KeymapRule::EveryCall][step.cut % 2];
            if let Some(view) = wall.ct.connection(id) {
                let _ = wall.ct.add_keymap(id, rule, ct.direction, &view.original);
                wall.ct.remove_keymap(id, (step.cut > 40).then_some(&view.reply));
            }
            let _ = wall.ct.confirm(now, id);
        }
        _ => {
            let _ = wall.ct.confirm(now, id);
        }
    }
    if ct.new && wall.ct.connection(id).is_some_and(|view| view.deadline.is_none()) {
        wall.ct.abandon(id);
    }
}

fn ends_too(scratch: &u32, tuples: &[Tuple; 2]) -> EndsToo {
    match scratch % 3 {
        0 => EndsToo::Children,
        1 => EndsToo::Nothing,
        _ => EndsToo::Holders(tuples.map(|tuple| Tuple { proto: L4Proto::GRE, ..tuple })),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let edit = (any::<usize>(), any::<u8>());
    let parts = (
        0u8..32,
        any::<(u8, u8)>(),
        prop::collection::vec(edit, 0..3),
        prop_oneof![4 => Just(0usize), 1 => 0usize..60],
        any::<u8>(),
        any::<u8>(),
    );
    let step = parts.prop_map(|(kind, ends, edits, cut, time, verdict)| Step {
        kind,
        ends,
        edits,
        cut,
        time,
        verdict,
    });
    prop::collection::vec(step, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn survives(kernel in prop_oneof![Just("6.18"), Just("6.12")], steps in steps()) {
        let limits = [("nf_conntrack_max", "12"), ("nf_conntrack_expect_max", "4")];
        let mut wall = Wall::of(kernel, &limits);
        wall.ct.set("nf_conntrack_acct", "1").expect("set");
        wall.ct.set_events(true);
        for step in &steps {
            run(&mut wall, step);
            prop_assert!(wall.ct.count() <= MAX);
            prop_assert!(wall.ct.expectation_count() <= 4);
        }
        let events = wall.ct.drain_events().count();
        prop_assert!(events <= kinwall_conntrack::EVENTS_MAX);
        wall.ct.flush();
        prop_assert_eq!((wall.ct.count(), wall.ct.expectation_count()), (0, 0));
        prop_assert_eq!(wall.ct.next_deadline(), None);
    }
}
