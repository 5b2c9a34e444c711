//! What a state costs: how long packets wait while it is copied, and how long a start takes; time
//! for as many connections as are counted, and bytes of the file for each.
//!
//! `cargo bench -p kinwall-state --bench state`

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kinwall_engine::table::ConnectionSnapshot;
use kinwall_engine::{Engine, ProtoState, Settings, Snapshot};
use kinwall_state::{decode, encode};
use kinwall_terms::{KernelVersion, L4Proto, Profile, Status, Time, Tuple, Zone};
use kinwall_topology::Topology;
use std::net::{IpAddr, Ipv4Addr};

const NOW: Time = Time(1_700_000_000_000_000_000);
const CONNECTIONS: u32 = 1_000_000;

fn main() {
    let bytes = encode(&filled()).expect("a state").len();
    println!("bytes a connection: {:.1}", bytes as f64 / f64::from(CONNECTIONS));
    divan::main();
}

fn engine() -> Engine {
    let topology = Topology::from_toml("", "topology").unwrap_or_default();
    Engine::new(topology, Settings::new(KernelVersion::DEFAULT, Profile::Linux), [None, None], 1)
}

/// Established TCP connections of as many hosts.
fn filled() -> Snapshot {
    let mut snapshot = Snapshot::empty(NOW);
    let state = ProtoState::told(L4Proto::TCP, Some("ESTABLISHED"), true, NOW);
    let state = state.expect("a state of TCP");
    let dst = IpAddr::from([192, 0, 2, 2]);
    let connection = |number: u32| {
        let src = Ipv4Addr::from_bits(0x0a00_0000 + number).into();
        let original = Tuple { src, dst, sport: 40_000, dport: 443, proto: L4Proto::TCP };
        ConnectionSnapshot {
            serial: number.into(),
            original,
            reply: original.invert().expect("TCP inverts"),
            zone: Zone::default(),
            status: Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED,
            state,
            left_ns: 1_000_000_000 * u64::from(1 + number % 432_000),
            mark: 0,
            policy: None,
            counters: None,
            helper: None,
            scratch: None,
            master: None,
            moved: None,
            masqueraded_by: None,
        }
    };
    snapshot.table.connections = (1..=CONNECTIONS).map(connection).collect();
    snapshot.table.last_serial = CONNECTIONS.into();
    snapshot
}

/// Packets wait for this.
#[divan::bench(sample_count = 5)]
fn copy(bencher: Bencher<'_, '_>) {
    let mut engine = engine();
    engine.restore(NOW, filled()).expect("restored");
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| engine.snapshot(NOW));
}

/// Another thread may do this.
#[divan::bench(sample_count = 5)]
fn write(bencher: Bencher<'_, '_>) {
    let snapshot = filled();
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench(|| encode(black_box(&snapshot)));
}

#[divan::bench(sample_count = 5)]
fn read(bencher: Bencher<'_, '_>) {
    let bytes = encode(&filled()).expect("a state");
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench(|| decode(black_box(&bytes)));
}

#[divan::bench(sample_count = 5)]
fn restore(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(CONNECTIONS)).with_inputs(filled).bench_local_values(
        |snapshot| {
            let mut engine = engine();
            engine.restore(NOW, snapshot).expect("restored");
            engine
        },
    );
}
