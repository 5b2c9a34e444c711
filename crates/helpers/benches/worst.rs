//! The slowest packets that can be made of the transcripts: every message in `tests/helpers/` and
//! pieces of it, repeated until a packet is full, shown to its helper; the slowest of each helper
//! is told.
//!
//! `cargo bench -p kinwall-helpers --bench worst`

#[path = "../tests/session/mod.rs"]
mod session;
mod shown;

use kinwall_helpers::{Effects, HelperKind};
use kinwall_terms::{L4Proto, Profile};
use session::definitions::messages;
use shown::{Packet, Shown, inspect_all};
use std::time::{Duration, Instant};

/// What fills a segment that crosses an Ethernet whole, and how many are shown.
const PACKET_BYTES: usize = 1460;
const PACKETS: usize = 20;

/// Letters of the slowest packet that are told.
const TOLD: usize = 100;

fn main() {
    // `cargo test --benches` runs it too, and has no use for the figures.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    println!("MB/s of payload, and how the slowest packet begins");
    for kind in HelperKind::ALL {
        for profile in Profile::ALL {
            for l4 in kind.helper().l4 {
                let (rate, packet) = slowest(*kind, profile, *l4);
                let begins: String = packet.escape_ascii().map(char::from).take(TOLD).collect();
                println!("{:10} {profile:6} {l4} {rate:8.0}  {begins}", kind.helper().name);
            }
        }
    }
}

/// The slowest packet, and MB/s.
fn slowest(kind: HelperKind, profile: Profile, l4: L4Proto) -> (f64, Vec<u8>) {
    let shown = Shown::new(kind, profile);
    let mut slowest = (f64::MAX, Vec::new());
    for (opening, (direction, message)) in messages(kind.helper().name) {
        for packet in packets(&message) {
            let mut packets = opening.clone();
            packets.extend(vec![(direction, packet.clone()); PACKETS]);
            let rate = rate(&shown, l4, &packets);
            if rate < slowest.0 {
                slowest = (rate, packet);
            }
        }
    }
    slowest
}

/// Full packets: the message, or what it begins with, and its end again and again.
fn packets(message: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let length = message.len();
    let ends = [length, length / 2, length / 3, 7, 3].map(|end| end.clamp(1, length));
    ends.into_iter().flat_map(move |end| {
        let (head, end) = message.split_at(length - end);
        [head, &[]].map(|head| {
            let whole = PACKET_BYTES.max(length);
            head.iter().chain(end.iter().cycle()).copied().take(whole).collect()
        })
    })
}

/// MB/s, at best.
fn rate(shown: &Shown, l4: L4Proto, packets: &[Packet]) -> f64 {
    let bytes: usize = packets.iter().map(|(_, payload)| payload.len()).sum();
    let mut effects = Effects::new();
    let mut once = || {
        let start = Instant::now();
        inspect_all(shown, Some(l4), packets, &mut effects);
        start.elapsed()
    };
    let best: Duration = (0..5).map(|_| once()).min().unwrap_or_default();
    bytes as f64 / best.as_secs_f64().max(f64::MIN_POSITIVE) / 1e6
}
