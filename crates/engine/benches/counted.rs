//! Work to be counted in instructions, which do not depend on what else the machine does. What
//! a packet costs is the difference of two runs, of one round and of two, by [`ROUND`].
//!
//! `cargo xtask bench --check` runs it under Valgrind; by hand, and for a profile:
//! `cargo bench -p kinwall-engine --bench counted -- established 100`

mod load;

use kinwall_terms::{Direction, Time};
use kinwall_wire::TcpFlags;
use load::classes::classes;
use load::{Packets, START, engine, engine_with, filled, scatter, segment, tftp_request, traffic};

/// Packets a round.
const ROUND: u32 = 1 << 16;
/// Rounds for which packets are made where each packet can come only once.
const ROUNDS_MAX: u32 = 2;
/// Connections in the table.
const CONNECTIONS: u32 = 20_000;
const MANY: u32 = 1_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [scenario, rounds] = arguments.as_slice() else {
        eprintln!("usage: counted SCENARIO ROUNDS, as `cargo xtask bench --check` does it");
        return;
    };
    let rounds: u32 = rounds.parse().expect("a number of rounds");
    let first = |number, flags| segment(number, Direction::Original, flags);
    match scenario.as_str() {
        "established" => established(CONNECTIONS, ROUND, rounds),
        "established-million" => established(MANY, 16 * ROUND, rounds),
        "new" => opened(rounds, |number| first(scatter(number), TcpFlags::SYN)),
        "churn" => churn(CONNECTIONS, ROUND, rounds),
        "churn-million" => churn(MANY, 16 * ROUND, rounds),
        "expected" => opened(rounds, tftp_request),
        "rules-10" => classified(10, rounds),
        "rules-1000" => classified(1_000, rounds),
        "rules-10000" => classified(10_000, rounds),
        "rules-100000" => classified(100_000, rounds),
        other => panic!("there is no scenario {other}"),
    }
}

/// Packets of open connections met at random, with 100 rules.
fn established(connections: u32, packets: u32, rounds: u32) {
    let mut engine = filled(connections, 100);
    let traffic = traffic(connections, packets);
    for _ in 0..rounds {
        traffic.run(&mut engine, START, true);
    }
}

/// First packets of TCP connections while as many others expire: so many are always there.
fn churn(connections: u32, packets: u32, rounds: u32) {
    let mut engine = engine(2 * connections, 100);
    // A connection of which a SYN was seen lives for two minutes.
    let apart = Time(120_000_000_000 / u64::from(connections));
    let mut now = START;
    let mut number = 0;
    let fill = 2 * connections.div_ceil(packets);
    // As many are composed whatever the number of rounds: that is not what is counted.
    for round in 0..fill + rounds.max(ROUNDS_MAX) {
        let mut first = Packets::default();
        for _ in 0..packets {
            first.push(&segment(number, Direction::Original, TcpFlags::SYN), Direction::Original);
            number += 1;
        }
        if round >= fill + rounds {
            continue;
        }
        let start = std::time::Instant::now();
        first.run_some(&mut engine, [now, apart], packets as usize);
        now.0 += apart.0 * u64::from(packets);
        let each = start.elapsed().as_nanos() as f64 / f64::from(packets);
        let (live, memory) = (engine.conntrack().count(), engine.conntrack().memory_bytes());
        eprintln!("{each:.0} ns each; {live} live, {} bytes each", memory / live as usize);
    }
}

/// First packets that so many rules decide on.
fn classified(count: u32, rounds: u32) {
    let (text, packets) = classes(count, ROUNDS_MAX * ROUND);
    let mut engine = engine_with(2 * ROUNDS_MAX * ROUND, &text);
    packets.run_some(&mut engine, [START, Time(0)], (rounds * ROUND) as usize);
}

/// Packets each of which opens a connection, with 100 rules.
fn opened(rounds: u32, packet: impl Fn(u32) -> kinwall_wire::emit::Packet) {
    let mut engine = engine(2 * ROUNDS_MAX * ROUND, 100);
    let made: Vec<Packets> = (0..ROUNDS_MAX)
        .map(|round| {
            let mut packets = Packets::default();
            for number in round * ROUND..(round + 1) * ROUND {
                packets.push(&packet(number), Direction::Original);
            }
            packets
        })
        .collect();
    for packets in made.iter().take(rounds as usize) {
        packets.run(&mut engine, START, true);
    }
}
