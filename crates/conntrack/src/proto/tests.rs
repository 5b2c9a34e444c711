//! What holds for every tracker.

use super::testing::{Bench, Seen};
use super::{ProtoState, Timeouts};
use kinwall_terms::{KernelVersion, L4Proto, Reason, Status};
use kinwall_wire::emit::{Packet, Tcp};
use kinwall_wire::{TcpFlags, emit};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn states_are_small() {
    assert_eq!(size_of::<super::tcp::State>(), 56);
    assert_eq!(size_of::<ProtoState>(), 56);
}

#[test]
fn generic() {
    let mut bench = Bench::new(KernelVersion::DEFAULT);
    let [a, b] = [[10, 0, 0, 1], [10, 0, 0, 2]];
    for (src, dst, seen) in [
        (a, b, Seen::New(600)),
        (b, a, Seen::Accepted(600)),
        (a, b, Seen::Accepted(600)),
        (b, a, Seen::Accepted(600)),
    ] {
        let esp = Packet::new(src, dst, L4Proto::ESP).payload([1, 2, 3, 4]);
        assert_eq!(bench.play(&esp), seen);
    }
    assert_eq!(bench.status(), Status::CONFIRMED | Status::SEEN_REPLY);
    assert_eq!(bench.state(), None);
}

/// Linux tracks DCCP as such up to 6.15.
#[test]
fn dccp_by_version() {
    let request = Packet::new([10, 0, 0, 1], [10, 0, 0, 2], dccp(0, 1, 0));
    for (kernel, seen, state) in [
        (KernelVersion::new(6, 15, 0), Seen::New(240), Some("REQUEST")),
        (KernelVersion::DEFAULT, Seen::New(600), None),
    ] {
        let mut bench = Bench::new(kernel);
        assert_eq!((bench.play(&request), bench.state()), (seen, state), "{kernel}");
    }
}

fn dccp(kind: u8, seq: u64, ack: u64) -> emit::Dccp {
    emit::Dccp { sport: 5001, dport: 5001, kind, seq, ack, options: Vec::new() }
}

#[test]
fn dccp_life() {
    let mut bench = Bench::new(KernelVersion::new(6, 12, 0));
    let dccp_reason = Seen::Invalid(Reason::Dccp);
    // Whether the client sends, type, sequence number, acknowledgement.
    let rows = [
        (true, 1, 1, 0, dccp_reason, None),
        (true, 0, 1, 0, Seen::New(240), Some("REQUEST")),
        (true, 3, 2, 9, dccp_reason, Some("REQUEST")),
        (false, 1, 100, 1, Seen::Accepted(480), Some("RESPOND")),
        (true, 3, 2, 100, Seen::Assured(480), Some("PARTOPEN")),
        (true, 2, 3, 0, dccp_reason, Some("PARTOPEN")),
        (false, 4, 101, 2, Seen::Accepted(43_200), Some("OPEN")),
        (true, 8, 4, 101, Seen::Passed, Some("OPEN")),
        (true, 5, 5, 101, dccp_reason, Some("OPEN")),
        (false, 5, 102, 5, Seen::Accepted(64), Some("CLOSEREQ")),
        (true, 6, 6, 102, Seen::Accepted(64), Some("CLOSING")),
        (false, 7, 103, 6, Seen::Accepted(240), Some("TIMEWAIT")),
        // The former server begins the next connection.
        (false, 0, 500, 0, Seen::Accepted(240), Some("REQUEST")),
        (true, 1, 900, 500, Seen::Accepted(480), Some("RESPOND")),
        (true, 10, 1, 1, dccp_reason, Some("RESPOND")),
    ];
    for (is_client, kind, seq, ack, seen, state) in rows {
        let [src, dst] = match is_client {
            true => [[10, 0, 0, 1], [10, 0, 0, 2]],
            false => [[10, 0, 0, 2], [10, 0, 0, 1]],
        };
        let packet = Packet::new(src, dst, dccp(kind, seq, ack));
        let found = (bench.play(&packet), bench.state());
        assert_eq!(found, (seen, state), "{packet:?}");
    }
}

#[test]
fn dccp_reset_as_the_only_answer() {
    let mut bench = Bench::new(KernelVersion::new(6, 12, 0));
    bench.play(&Packet::new([10, 0, 0, 1], [10, 0, 0, 2], dccp(0, 1, 0)));
    let reset = Packet::new([10, 0, 0, 2], [10, 0, 0, 1], dccp(7, 1, 1));
    assert_eq!(bench.play(&reset), Seen::Ended);
}

/// A segment near the numbers a conversation from 0 would use.
fn segment() -> impl Strategy<Value = Packet> {
    let number = prop_oneof![0..3_u32, 0..70_000_u32, any::<u32>()];
    let flags = any::<u8>().prop_map(TcpFlags::from_bits_retain);
    let usual = prop_oneof![
        Just(TcpFlags::SYN),
        Just(TcpFlags::SYN | TcpFlags::ACK),
        Just(TcpFlags::ACK),
        Just(TcpFlags::FIN | TcpFlags::ACK),
        Just(TcpFlags::RST),
    ];
    let flags = prop_oneof![8 => usual, 1 => flags];
    let numbers = (number.clone(), number);
    (any::<bool>(), flags, numbers, any::<u16>(), vec(any::<u8>(), 0..40), 0..2000_usize).prop_map(
        |(is_first, flags, (seq, ack), window, options, length)| {
            let ends = [([10, 0, 0, 1], 1), ([10, 0, 0, 2], 2)];
            let [(src, sport), (dst, dport)] = if is_first { ends } else { [ends[1], ends[0]] };
            let tcp = Tcp::new(sport, dport).flags(flags).seq(seq).ack(ack);
            Packet::new(src, dst, tcp.window(window).options(options)).payload(vec![0; length])
        },
    )
}

/// Any bytes under the number of a protocol that has a tracker.
fn noise() -> impl Strategy<Value = Packet> {
    let protos = [1, 6, 17, 33, 47, 50, 58, 132, 136].map(L4Proto);
    let proto = proptest::sample::select(protos.to_vec());
    (any::<bool>(), proto, vec(any::<u8>(), 0..80)).prop_map(|(is_first, proto, payload)| {
        let ends = [[10, 0, 0, 1], [10, 0, 0, 2]];
        let [src, dst] = if is_first { ends } else { [ends[1], ends[0]] };
        Packet::new(src, dst, proto).payload(payload)
    })
}

/// The longest timeout any judgement may name.
fn longest(timeouts: &Timeouts) -> u32 {
    timeouts.tcp.established_s.max(timeouts.dccp.open_s).max(timeouts.generic_s)
}

fn holds(packets: &[Packet], kernel: KernelVersion, checksum: bool) -> Result<(), TestCaseError> {
    let mut benches = [Bench::new(kernel), Bench::new(kernel)];
    for bench in &mut benches {
        bench.tunables.checksum = checksum;
    }
    for packet in packets {
        let [first, second] = benches.each_mut().map(|bench| bench.play(packet));
        prop_assert_eq!(first, second, "the same packets, judged twice");
        let timeout_s = match first {
            Seen::New(timeout_s)
            | Seen::Reopened(timeout_s)
            | Seen::Accepted(timeout_s)
            | Seen::Assured(timeout_s)
            | Seen::Cut(timeout_s) => timeout_s,
            Seen::Passed | Seen::Ended | Seen::Invalid(_) => 0,
        };
        prop_assert!(timeout_s <= longest(&benches[0].tunables.timeouts));
    }
    Ok(())
}

proptest! {
    #[test]
    fn segments_are_judged_alike(packets in vec(segment(), 1..30)) {
        holds(&packets, KernelVersion::DEFAULT, true)?;
    }

    #[test]
    fn noise_is_survived(packets in vec(noise(), 1..30), old in any::<bool>()) {
        let kernel = if old { KernelVersion::new(6, 1, 0) } else { KernelVersion::DEFAULT };
        holds(&packets, kernel, false)?;
    }
}
