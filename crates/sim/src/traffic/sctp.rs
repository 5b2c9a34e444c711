//! SCTP associations.

use super::{End, Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_wire::emit::{Packet, Sctp, sctp_chunk};

/// Chunk types (RFC 9260, section 3.2).
const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

/// The usual course, with some steps left out and some out of place.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (a, b) = pair(random, world);
    let ends = [a, b];
    let ports = [random.between(1024, 65535) as u16, random.port()];
    // What each end wants to see in packets to it.
    let tags = [random.bits() as u32 | 1, random.bits() as u32 | 1];
    let course: [(usize, u8); 12] = [
        (0, INIT),
        (1, INIT_ACK),
        (0, COOKIE_ECHO),
        (1, COOKIE_ACK),
        (0, DATA),
        (1, DATA),
        (0, HEARTBEAT),
        (1, HEARTBEAT_ACK),
        (0, SHUTDOWN),
        (1, SHUTDOWN_ACK),
        (0, SHUTDOWN_COMPLETE),
        (1, ABORT),
    ];
    let last = course.len() - random.below(5);
    for &(from, kind) in course.iter().take(last) {
        if random.percent(6) {
            continue;
        }
        let kind = if random.percent(3) { random.byte() % 15 } else { kind };
        say(random, script, ends, ports, tags, from, kind);
    }
}

fn say(
    random: &mut Random,
    script: &mut Script,
    ends: [End; 2],
    ports: [u16; 2],
    tags: [u32; 2],
    from: usize,
    kind: u8,
) {
    let to = 1 - from;
    let content: Vec<u8> = match kind {
        INIT | INIT_ACK => {
            let mut content = tags[from].to_be_bytes().to_vec();
            content.extend([0, 1, 0, 0, 0, 5, 0, 5, 0, 0, 0, 1]);
            content
        }
        DATA => vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, b'd', b'a', b't', b'a'],
        SHUTDOWN => vec![0, 0, 0, 1],
        COOKIE_ECHO => b"cookie!!".to_vec(),
        _ => Vec::new(),
    };
    let mut tag = if kind == INIT { 0 } else { tags[to] };
    if random.percent(4) {
        tag = random.bits() as u32;
    }
    let mut chunks = sctp_chunk(kind, 0, &content);
    if random.percent(5) {
        chunks.extend(sctp_chunk(DATA, 3, &[0; 13]));
    }
    let header = Sctp::new(ports[from], ports[to], tag);
    let packet = Packet::new(ends[from].address, ends[to].address, header).payload(chunks);
    script.say(ends[from], &packet);
}
