//! What the tables cost: a packet of a known connection, a new connection, an expectation, and
//! how many bytes a connection takes.
//!
//! `cargo bench -p kinwall-conntrack --bench table`

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kinwall_conntrack::proto::Packet;
use kinwall_conntrack::{
    Announcement, ConnId, Conntrack, Expectation, HelperId, Settings, Template, Tracked,
};
use kinwall_terms::expectation::{ExpectationFlags, Expected, Span};
use kinwall_terms::{Direction, L4Proto, Time, Zone};
use kinwall_wire::emit::{self, Tcp, Udp};
use kinwall_wire::{Headers, TcpFlags};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const START: Time = Time(1_700_000_000_000_000_000);
/// Connections in the large table, and in a very large one.
const CONNECTIONS: u32 = 1_000_000;
const VERY_MANY: u32 = 4_000_000;
/// Packets a round.
const PACKETS: usize = 1 << 20;
const BATCH: usize = 32;

fn main() {
    // Filling two large tables takes a while: not when single benchmarks are asked for.
    if std::env::args().skip(1).all(|arg| arg.starts_with('-')) {
        report_memory();
    }
    divan::main();
}

fn report_memory() {
    for (name, v6) in [("IPv4", false), ("IPv6", true)] {
        let table = filled(v6, CONNECTIONS);
        let bytes = table.memory_bytes() as f64 / f64::from(table.count());
        println!("{name}: {bytes:.1} bytes a connection, {} connections", table.count());
    }
}

fn table(max: u32) -> Conntrack<u32> {
    let settings = Settings { max, expect_max: max, ..Settings::default() };
    Conntrack::new(settings, 0x5eed)
}

/// A cheap permutation: the order in which connections are met has nothing to do with the order
/// in which they were made.
fn scatter(number: u32, count: u32) -> u32 {
    (u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as u32 % count
}

fn ends(v6: bool, number: u32) -> (IpAddr, IpAddr, u16) {
    let port = 1024 + (number % 50_000) as u16;
    let host = number / 50_000;
    if v6 {
        let src = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 1, host as u16);
        (src.into(), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 2, 2).into(), port)
    } else {
        let src = Ipv4Addr::from_bits(0x0a00_0000 + host);
        (src.into(), Ipv4Addr::new(192, 0, 2, 2).into(), port)
    }
}

/// A segment of a TCP connection of the large table.
fn segment(v6: bool, number: u32, direction: Direction, flags: TcpFlags) -> Vec<u8> {
    let (src, dst, port) = ends(v6, number);
    let (seq, ack) = match (direction, flags) {
        (Direction::Original, TcpFlags::SYN) => (100, 0),
        (Direction::Original, _) => (101, 501),
        (Direction::Reply, flags) if flags.contains(TcpFlags::SYN) => (500, 101),
        (Direction::Reply, _) => (501, 101),
    };
    match direction {
        Direction::Original => {
            let tcp = Tcp::new(port, 80).flags(flags).seq(seq).ack(ack);
            emit::Packet::new(src, dst, tcp).build()
        }
        Direction::Reply => {
            let tcp = Tcp::new(80, port).flags(flags).seq(seq).ack(ack);
            emit::Packet::new(dst, src, tcp).build()
        }
    }
}

fn pass(table: &mut Conntrack<u32>, now: Time, bytes: &[u8]) -> Option<ConnId> {
    let headers = Headers::parse(bytes).expect("a packet");
    match table.track(now, &headers, bytes, false, Zone::default()) {
        Tracked::Packet(ct) => {
            let id = ct.conn?;
            if ct.new {
                table.confirm(now, id).expect("confirmed");
            }
            Some(id)
        }
        Tracked::Drop(_) => None,
    }
}

/// A table with established connections.
fn filled(v6: bool, count: u32) -> Conntrack<u32> {
    let mut table = table(count);
    for number in 0..count {
        let handshake = [
            (Direction::Original, TcpFlags::SYN),
            (Direction::Reply, TcpFlags::SYN | TcpFlags::ACK),
            (Direction::Original, TcpFlags::ACK),
        ];
        for (direction, flags) in handshake {
            pass(&mut table, START, &segment(v6, number, direction, flags));
        }
    }
    assert_eq!(table.count(), count);
    table
}

/// Packets of connections met at random, with their headers read.
fn random_packets(v6: bool, count: u32) -> Vec<(Headers, Vec<u8>)> {
    let packet = |number| {
        let direction = Direction::ALL[number as usize % 2];
        let bytes = segment(v6, scatter(number, count), direction, TcpFlags::ACK);
        (Headers::parse(&bytes).expect("a packet"), bytes)
    };
    // As many as there are connections are enough: a small table stays in the cache.
    (0..count.min(PACKETS as u32)).map(packet).collect()
}

/// Packets of known connections; with a thousand of them, all in the cache, what is left is the
/// work itself.
#[divan::bench(
    args = [(false, 1000), (false, CONNECTIONS), (false, VERY_MANY), (true, CONNECTIONS)],
    sample_count = 5,
    sample_size = 1
)]
fn established(bencher: Bencher<'_, '_>, (v6, count): (bool, u32)) {
    let (mut table, packets) = (filled(v6, count), random_packets(v6, count));
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| {
        for (headers, bytes) in packets.iter().cycle().take(PACKETS) {
            let tracked = table.track(START, headers, bytes, false, Zone::default());
            black_box(tracked);
        }
    });
}

/// As `established`, but packets come in batches whose memory is asked for ahead.
#[divan::bench(args = [false, true], sample_count = 5, sample_size = 1)]
fn established_in_batches(bencher: Bencher<'_, '_>, v6: bool) {
    let (mut table, packets) = (filled(v6, CONNECTIONS), random_packets(v6, CONNECTIONS));
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| {
        let mut prepared = Vec::with_capacity(BATCH);
        let mut located = Vec::with_capacity(BATCH);
        for batch in packets.chunks(BATCH).cycle().take(PACKETS / BATCH) {
            prepared.clear();
            let ready =
                batch.iter().map(|(headers, bytes)| table.prepare(headers, bytes, Zone::default()));
            prepared.extend(ready);
            prepared.iter().for_each(|one| table.ask_index(one));
            located.clear();
            located.extend(prepared.iter().filter_map(|one| table.locate(one)));
            located.iter().for_each(|one| table.ask_record(*one));
            for ((headers, bytes), one) in batch.iter().zip(&prepared) {
                let packet = Packet { headers, bytes, prerouting: false, now: START };
                black_box(table.track_prepared(&packet, Template::default(), one));
            }
        }
    });
}

/// New UDP connections, with those that expire collected as time goes by.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn new_connections(bencher: Bencher<'_, '_>) {
    let dst: IpAddr = [192, 0, 2, 2].into();
    let packet = |number: u32| {
        let src = Ipv4Addr::from_bits(0x0a00_0000 + number);
        let bytes = emit::Packet::new(src, dst, Udp::new(4000, 53)).build();
        (Headers::parse(&bytes).expect("a packet"), bytes)
    };
    let packets: Vec<_> = (0..PACKETS as u32).map(packet).collect();
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| {
        let (mut table, mut now) = (table(0), START);
        for (headers, bytes) in &packets {
            let tracked = table.track(now, headers, bytes, false, Zone::default());
            if let Tracked::Packet(ct) = tracked
                && let Some(id) = ct.conn
            {
                table.confirm(now, id).expect("confirmed");
            }
            // 10,000 connections a second: 300,000 are known at a time.
            now = Time(now.0 + 100_000);
            table.expire(now, 4);
        }
        black_box(table.count());
    });
}

/// Expectations of one master each, made and then met by their child.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn expectations(bencher: Bencher<'_, '_>) {
    const COUNT: u32 = 100_000;
    let client: IpAddr = [10, 0, 0, 1].into();
    let server = |number: u32| Ipv4Addr::from_bits(0x0b00_0000 + number);
    let mut table = table(CONNECTIONS);
    let masters: Vec<ConnId> = (0..COUNT)
        .map(|number| {
            let bytes = emit::Packet::new(client, server(number), Udp::new(1000, 21)).build();
            let id = pass(&mut table, START, &bytes).expect("a connection");
            table.set_helper(id, HelperId(0), 0);
            id
        })
        .collect();
    let child = |number: u32| {
        let bytes = emit::Packet::new(server(number), client, Udp::new(20, 2000)).build();
        (Headers::parse(&bytes).expect("a packet"), bytes)
    };
    let children: Vec<_> = (0..COUNT).map(child).collect();
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
        for (number, &master) in masters.iter().enumerate() {
            let src = Some(server(number as u32).into());
            let request = Expectation {
                expected: Expected::new(src, None, client, 2000, L4Proto::UDP),
                class: 0,
                flags: ExpectationFlags::empty(),
                timeout_s: 300,
                class_limit: 1,
                helper: HelperId(0),
                child_helper: None,
                announced: Announcement { packet: 1, span: Span { offset: 0, length: 1 } },
                announcer: client,
                saved: None,
                skip_master: false,
            };
            table.expect(START, master, request).expect("expected");
        }
        for (headers, bytes) in &children {
            let tracked = table.track(START, headers, bytes, false, Zone::default());
            if let Tracked::Packet(ct) = tracked
                && let Some(id) = ct.conn
            {
                table.abandon(id);
            }
        }
    });
}
