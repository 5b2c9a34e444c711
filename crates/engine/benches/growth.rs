//! How the cost of a packet grows, each time with one thing: connections, rules, expectations that
//! wait, payload. A line of JSON for each point: nanoseconds a packet, the best of a few rounds.
//!
//! `cargo bench -p kinwall-engine --bench growth`; `cargo xtask bench --curves` draws it.

mod load;

use kinwall_engine::Engine;
use kinwall_terms::{Direction, Time};
use kinwall_wire::TcpFlags;
use load::classes::classes;
use load::{Packets, START, engine_with, filled, scatter, segment, tftp_request, traffic};
use std::time::Instant;

/// Packets a round.
const PACKETS: u32 = 1 << 19;
const ROUNDS: usize = 3;
/// Connections where they are not what grows.
const CONNECTIONS: u32 = 1_000;
/// First packets a round.
const FIRST: u32 = 100_000;

fn main() {
    for count in [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
        let mut engine = filled(count, 100);
        tell("connections", count, best(&mut engine, &traffic(count, PACKETS)));
    }
    for count in [10, 100, 1_000, 10_000, 100_000] {
        tell("rules", count, first_packets(count));
    }
    for count in [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
        let mut engine = filled(2 * count.max(CONNECTIONS), 100);
        let mut requests = Packets::default();
        (0..count).for_each(|number| requests.push(&tftp_request(number), Direction::Original));
        requests.run(&mut engine, START, true);
        assert_eq!(engine.conntrack().expectation_count(), count);
        tell("expectations", count, best(&mut engine, &traffic(CONNECTIONS, PACKETS)));
    }
    for length in [1, 64, 256, 512, 1_024, 1_400] {
        let mut engine = filled(CONNECTIONS, 100);
        let mut packets = Packets::default();
        for number in 0..PACKETS / 4 {
            let ack = segment(scatter(number) % CONNECTIONS, Direction::Original, TcpFlags::ACK);
            packets.push(&ack.payload(vec![0; length as usize]), Direction::Original);
        }
        tell("payload", length, best(&mut engine, &packets));
    }
}

fn tell(curve: &str, at: u32, ns: f64) {
    println!("{{\"curve\":\"{curve}\",\"at\":{at},\"ns_per_packet\":{ns:.1}}}");
}

/// The best of a few rounds of the same packets.
fn best(engine: &mut Engine, packets: &Packets) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        let count = packets.run(engine, START, true);
        start.elapsed().as_nanos() as f64 / count as f64
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// First packets can come only once: each round has a table of its own.
fn first_packets(rules: u32) -> f64 {
    let (text, packets) = classes(rules, FIRST);
    let rounds = (0..ROUNDS).map(|_| {
        let mut engine = engine_with(2 * FIRST, &text);
        let start = Instant::now();
        packets.run_some(&mut engine, [START, Time(0)], FIRST as usize);
        start.elapsed().as_nanos() as f64 / f64::from(FIRST)
    });
    rounds.fold(f64::INFINITY, f64::min)
}
