//! What happens to packets on their way: loss, repetition, reordering and damage.

use crate::random::Random;
use crate::traffic::{Script, Sent};
use kinwall_terms::Time;
use kinwall_wire::emit;

/// How often a thing happens, in percent.
struct Weather {
    lost: u32,
    repeated: u32,
    delayed: u32,
    damaged: u32,
    cut: u32,
    fragmented: u32,
}

const CALM: Weather =
    Weather { lost: 0, repeated: 0, delayed: 0, damaged: 0, cut: 0, fragmented: 2 };
const ROUGH: Weather =
    Weather { lost: 5, repeated: 5, delayed: 8, damaged: 2, cut: 1, fragmented: 4 };

/// Sends what the script says, from `start` (in microseconds) on.
pub(crate) fn send(random: &mut Random, script: Script, start: u64) -> Vec<Sent> {
    let weather = if random.percent(50) { CALM } else { ROUGH };
    let mut time_us = start;
    let mut sent = Vec::new();
    for (ingress, bytes) in script.lines {
        time_us += 50 + random.below(4_000) as u64;
        if random.percent(weather.lost) {
            continue;
        }
        let mut copies = vec![(time_us, bytes)];
        if random.percent(weather.repeated) {
            let later = time_us + random.below(20_000) as u64;
            copies.extend(copies.first().cloned().map(|(_, bytes)| (later, bytes)));
        }
        for (mut at_us, mut bytes) in copies {
            if random.percent(weather.delayed) {
                at_us += random.below(15_000) as u64;
            }
            if random.percent(weather.damaged) {
                damage(random, &mut bytes);
            }
            if random.percent(weather.cut) {
                cut(random, &mut bytes);
            }
            let pieces = if random.percent(weather.fragmented) {
                fragments(random, &bytes)
            } else {
                vec![bytes]
            };
            for (at, bytes) in pieces.into_iter().enumerate() {
                let time = Time((at_us + at as u64 * 10) * 1000);
                sent.push(Sent { time, ingress, bytes });
            }
        }
    }
    sent
}

/// Flips one bit behind the addresses; the checksum then tells, or the length does.
fn damage(random: &mut Random, bytes: &mut [u8]) {
    let start = if bytes.first().is_some_and(|b| b >> 4 == 4) { 20 } else { 40 };
    if bytes.len() > start {
        let at = start + random.below(bytes.len() - start);
        bytes[at] ^= 1 << random.below(8);
    }
}

/// Takes bytes off the end and makes the rest consistent.
fn cut(random: &mut Random, bytes: &mut Vec<u8>) {
    let start = if bytes.first().is_some_and(|b| b >> 4 == 4) { 20 } else { 40 };
    if bytes.len() > start {
        bytes.truncate(start + random.below(bytes.len() - start));
        // What cannot be read is sent as it is.
        let _ = emit::repair(bytes);
    }
}

/// The packet in pieces: in order or not, complete or not, sometimes overlapping.
fn fragments(random: &mut Random, bytes: &[u8]) -> Vec<Vec<u8>> {
    let unit = random.pick(&[8, 16, 64, 512]);
    let id = random.bits() as u32;
    let Ok(mut pieces) = emit::fragment(bytes, unit, id) else { return vec![bytes.to_vec()] };
    match random.below(8) {
        0 => pieces.reverse(),
        1 if pieces.len() > 1 => {
            pieces.remove(random.below(pieces.len()));
        }
        2 => {
            let again = random.pick(&pieces).clone();
            pieces.insert(random.below(pieces.len()), again);
        }
        3 => {
            let end = (unit + 8).min(bytes.len() as u16);
            pieces.extend(emit::fragment_piece(bytes, 0, end, true, id));
        }
        _ => {}
    }
    pieces.truncate(PIECES_MAX);
    pieces
}

/// The most fragments of one packet.
const PIECES_MAX: usize = 40;

/// Changes some bytes of a payload: single bits, bytes with a meaning, pieces moved, and now and
/// then the end cut off or repeated.
pub(crate) fn spoil(random: &mut Random, payload: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        if payload.is_empty() {
            return;
        }
        let at = random.below(payload.len());
        match random.below(10) {
            0..=3 => payload[at] ^= 1 << random.below(8),
            4..=5 => payload[at] = random.pick(&[0, 1, 0x7e, 0x7f, 0x80, 0xc0, 0xff]),
            6 => payload[at] = random.byte(),
            7 => {
                let from = random.below(payload.len());
                let length = random.below(payload.len() - from.max(at)).min(24);
                payload.copy_within(from..from + length, at);
            }
            8 if random.percent(40) => payload.truncate(at),
            8 => {
                let tail = payload.split_off(at);
                payload.extend_from_slice(&tail);
                payload.extend_from_slice(&tail);
            }
            _ => payload[at] = payload[at].wrapping_add(1),
        }
    }
}
