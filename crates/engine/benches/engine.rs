//! What a packet costs on its whole path, packets in memory, one core: established connections
//! met at random or again and again, new ones, expectations, and more and more rules.
//!
//! `cargo bench -p kinwall-engine --bench engine`

mod load;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kinwall_terms::{Direction, Time};
use kinwall_wire::TcpFlags;
use kinwall_wire::emit::{self, Udp};
use load::classes::classes;
use load::{
    Packets, START, engine, engine_with, filled, scatter, segment, tftp_client, tftp_request,
    traffic,
};
use std::net::Ipv4Addr;

/// Connections in the large table, in a very large one, and in one that stays in the cache.
const MANY: u32 = 1_000_000;
const VERY_MANY: u32 = 4_000_000;
const FEW: u32 = 1_000;
/// Packets a round.
const PACKETS: u32 = 1 << 20;
/// New connections, and expectations, a round.
const NEW: u32 = 200_000;
const EXPECTED: u32 = 50_000;

fn main() {
    // Filling the large table takes a while: not when single benchmarks are asked for.
    if std::env::args().skip(1).all(|arg| arg.starts_with('-')) {
        let engine = filled(MANY, 100);
        let table = engine.conntrack();
        let each = table.memory_bytes() as f64 / f64::from(table.count());
        println!("{} connections, {each:.1} bytes each, all tables included", table.count());
    }
    divan::main();
}

fn established(bencher: Bencher<'_, '_>, count: u32, rule_count: u32, foreseen: bool) {
    let mut engine = filled(count, rule_count);
    let packets = traffic(count, PACKETS);
    bencher
        .counter(ItemsCount::new(PACKETS))
        .bench_local(|| black_box(packets.run(&mut engine, START, foreseen)));
}

#[divan::bench(sample_count = 5, sample_size = 1, args = [FEW, MANY, VERY_MANY])]
fn established_one_by_one(bencher: Bencher<'_, '_>, connections: u32) {
    established(bencher, connections, 100, false);
}

#[divan::bench(sample_count = 5, sample_size = 1, args = [FEW, MANY, VERY_MANY])]
fn established_in_batches(bencher: Bencher<'_, '_>, connections: u32) {
    established(bencher, connections, 100, true);
}

/// First packets, each of a connection of its own, against so many rules, one of which decides.
#[divan::bench(sample_count = 5, sample_size = 1, args = [10, 1_000, 10_000, 100_000])]
fn first_packets(bencher: Bencher<'_, '_>, rule_count: u32) {
    let (text, packets) = classes(rule_count, NEW);
    bencher
        .counter(ItemsCount::new(NEW))
        .with_inputs(|| engine_with(2 * NEW, &text))
        .bench_local_values(|mut engine| {
            packets.run_some(&mut engine, [START, Time(0)], NEW as usize);
            engine
        });
}

/// Established connections without a helper, while so many others have one and wait for what it
/// announced: nothing of that is paid for.
#[divan::bench(sample_count = 5, sample_size = 1, args = [0, 1_000, 50_000])]
fn established_beside_helpers(bencher: Bencher<'_, '_>, helped: u32) {
    let mut engine = filled(EXPECTED, 100);
    let mut requests = Packets::default();
    for number in 0..helped {
        requests.push(&tftp_request(number), Direction::Original);
    }
    requests.run(&mut engine, START, false);
    assert_eq!(engine.conntrack().expectation_count(), helped);
    let packets = traffic(FEW, PACKETS);
    bencher
        .counter(ItemsCount::new(PACKETS))
        .bench_local(|| black_box(packets.run(&mut engine, START, false)));
}

/// First packets, each of a connection of its own.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn new_connections(bencher: Bencher<'_, '_>) {
    let mut packets = Packets::default();
    for number in 0..NEW {
        let direction = Direction::Original;
        packets.push(&segment(scatter(number) % MANY, direction, TcpFlags::SYN), direction);
    }
    bencher.counter(ItemsCount::new(NEW)).with_inputs(|| engine(2 * NEW, 100)).bench_local_values(
        |mut engine| {
            packets.run(&mut engine, START, true);
            engine
        },
    );
}

/// A tftp request, which makes a connection and an expectation, and its answer, which makes the
/// child.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn expectations_and_children(bencher: Bencher<'_, '_>) {
    let server = Ipv4Addr::new(192, 0, 2, 2);
    let mut packets = Packets::default();
    for number in 0..EXPECTED {
        packets.push(&tftp_request(number), Direction::Original);
        let (client, port) = tftp_client(number);
        let answer = emit::Packet::new(server, client, Udp::new(3000, port));
        packets.push(&answer.payload(*b"\0\x03\0\x01data"), Direction::Reply);
    }
    bencher
        .counter(ItemsCount::new(EXPECTED))
        .with_inputs(|| engine(4 * EXPECTED, 100))
        .bench_local_values(|mut engine| {
            packets.run(&mut engine, START, false);
            assert_eq!(engine.conntrack().stats().expectations_matched, u64::from(EXPECTED));
            engine
        });
}
