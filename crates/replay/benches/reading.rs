//! Reading alone: packets a second of captures in memory and on disk.

use divan::{Bencher, counter::ItemsCount};
use kinwall_replay::{Input, Source};
use std::io::{Cursor, Read};

/// Packets of a capture, of 60 bytes each.
const PACKETS: u32 = 1_000_000;

fn main() {
    divan::main();
}

/// A classic capture, times rising by a microsecond.
fn classic() -> Vec<u8> {
    let mut file = Vec::with_capacity(24 + 76 * PACKETS as usize);
    file.extend([0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([0, 0, 4, 0, 1, 0, 0, 0]);
    for n in 0..PACKETS {
        let header = [n / 1_000_000, n % 1_000_000, 60, 60];
        file.extend(header.into_iter().flat_map(u32::to_le_bytes));
        file.extend([n as u8; 60]);
    }
    file
}

/// The same as pcapng.
fn blocks() -> Vec<u8> {
    let mut file = Vec::with_capacity(48 + 92 * PACKETS as usize);
    let words = |file: &mut Vec<u8>, words: &[u32]| {
        file.extend(words.iter().copied().flat_map(u32::to_le_bytes));
    };
    words(&mut file, &[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]);
    words(&mut file, &[1, 20, 1, 0, 20]);
    for n in 0..PACKETS {
        words(&mut file, &[6, 92, 0, 0, n, 60, 60]);
        file.extend([n as u8; 60]);
        words(&mut file, &[92]);
    }
    file
}

fn read(mut source: Source) -> u64 {
    let mut bytes = 0;
    while let Some(frame) = source.next() {
        bytes += frame.bytes.len() as u64 + u64::from(frame.bytes[0]);
    }
    bytes
}

fn of(files: &[&[u8]]) -> Source {
    let stream = |file: &[u8]| Box::new(Cursor::new(file.to_vec())) as Box<dyn Read + Send>;
    let named = files.iter().map(|file| ("bench".to_owned(), None, stream(file)));
    Source::from_streams(named.collect()).expect("it is a capture")
}

#[divan::bench(sample_count = 10)]
fn pcap(bencher: Bencher<'_, '_>) {
    let file = classic();
    bencher.counter(ItemsCount::new(PACKETS)).with_inputs(|| of(&[&file])).bench_values(read);
}

#[divan::bench(sample_count = 10)]
fn pcap_file(bencher: Bencher<'_, '_>) {
    let path = std::env::temp_dir().join("kinwall-bench-reading.pcap");
    std::fs::write(&path, classic()).expect("there is room for a temporary file");
    bencher
        .counter(ItemsCount::new(PACKETS))
        .with_inputs(|| Source::open(&[Input::new(&path)]).expect("it is a capture"))
        .bench_values(read);
    let _ = std::fs::remove_file(path);
}

#[divan::bench(sample_count = 10)]
fn pcapng(bencher: Bencher<'_, '_>) {
    let file = blocks();
    bencher.counter(ItemsCount::new(PACKETS)).with_inputs(|| of(&[&file])).bench_values(read);
}

#[divan::bench(sample_count = 10)]
fn four_merged(bencher: Bencher<'_, '_>) {
    let file = classic();
    bencher
        .counter(ItemsCount::new(4 * PACKETS))
        .with_inputs(|| of(&[&file, &file, &file, &file]))
        .bench_values(read);
}
