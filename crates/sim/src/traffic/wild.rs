//! TCP and SCTP as no implementation speaks them: every number near an edge, every flag and chunk
//! at any time. What a tracker answers is then seldom the usual.

use super::{End, Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_wire::emit::{Checksum, Packet, Sctp, Tcp, TcpOptions, sctp_chunk};
use kinwall_wire::tcp::TcpFlags;

/// Segments of one connection, without rhyme or reason but for their numbers.
pub(super) fn tcp(random: &mut Random, world: &World, script: &mut Script) {
    let (a, b) = pair(random, world);
    let ends = [a, b];
    let ports = [random.between(1024, 65535) as u16, random.port()];
    // The next sequence number of each end.
    let mut seqs = [random.bits() as u32, random.bits() as u32];
    if random.percent(70) {
        for (from, flags) in [(0, SYN), (1, SYN | ACK), (0, ACK)] {
            let segment = segment(random, ports, seqs, from, flags);
            script
                .say(ends[from], &Packet::new(ends[from].address, ends[1 - from].address, segment));
            seqs[from] = seqs[from].wrapping_add(u32::from(flags.contains(SYN)));
        }
    }
    for _ in 0..5 + random.below(25) {
        let from = random.below(2);
        let flags = flags(random);
        let mut segment = segment(random, ports, seqs, from, flags);
        segment.seq = near(random, segment.seq);
        segment.ack = near(random, segment.ack);
        if random.percent(10) {
            segment.options = malformed_options(random);
        }
        let length = random.pick(&[0, 0, 0, 1, 10, 100, 1400]);
        let takes = length + u32::from(flags.intersects(SYN | FIN));
        // The sender goes on from here, mostly.
        if random.percent(70) {
            seqs[from] = segment.seq.wrapping_add(takes);
        }
        let packet = Packet::new(ends[from].address, ends[1 - from].address, segment);
        script.say(ends[from], &packet.payload(vec![b'w'; length as usize]));
    }
}

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags::FIN;
const RST: TcpFlags = TcpFlags::RST;

fn flags(random: &mut Random) -> TcpFlags {
    let usual =
        [ACK, ACK, ACK, ACK, ACK | TcpFlags::PSH, FIN | ACK, SYN, SYN | ACK, RST, RST | ACK];
    match random.below(12) {
        0 => TcpFlags::from_bits_truncate(random.byte()),
        _ => random.pick(&usual),
    }
}

fn segment(
    random: &mut Random,
    ports: [u16; 2],
    seqs: [u32; 2],
    from: usize,
    flags: TcpFlags,
) -> Tcp {
    let to = 1 - from;
    let acknowledged = if flags.contains(ACK) || random.percent(5) { seqs[to] } else { 0 };
    let mut options = TcpOptions::new();
    if flags.contains(SYN) {
        if random.percent(60) {
            options = options.window_scale(random.pick(&[0, 1, 7, 14, 15, 255]));
        }
        if random.percent(60) {
            options = options.sack_permitted();
        }
    } else if random.percent(15) {
        let blocks: Vec<(u32, u32)> = (0..1 + random.below(4))
            .map(|_| (near(random, seqs[to]), near(random, seqs[to])))
            .collect();
        options = options.sack(&blocks);
    }
    if random.percent(30) {
        options = TcpOptions::new().timestamps(random.bits() as u32, 0);
    }
    Tcp::new(ports[from], ports[to])
        .flags(flags)
        .seq(seqs[from])
        .ack(acknowledged)
        .window(random.pick(&[0, 1, 2, 500, 8192, 65535]))
        .options(options)
}

/// `number`, or one at a distance that makes a difference: a byte, a window, the 66,000 bytes by
/// which old acknowledgements may lag, half of all numbers.
fn near(random: &mut Random, number: u32) -> u32 {
    let distance = match random.below(12) {
        0..=5 => 0,
        6 => 1,
        7 => random.below(3000) as u32,
        8 => random.pick(&[65_534, 65_535, 65_536, 66_000, 66_001]),
        9 => random.between(60_000, 200_000),
        10 => 1 << 31,
        _ => random.bits() as u32,
    };
    if random.percent(50) { number.wrapping_add(distance) } else { number.wrapping_sub(distance) }
}

/// Options whose lengths are wrong, or that end too early.
fn malformed_options(random: &mut Random) -> Vec<u8> {
    let sets: [&[u8]; 7] = [
        &[3, 0],
        &[3, 1, 3, 3],
        &[5, 40, 0, 0],
        &[1, 1, 1, 3],
        &[5, 9, 0, 0, 0, 1, 0, 0, 0],
        &[0, 3, 3, 7],
        &[4, 3, 0, 3, 3, 7],
    ];
    random.pick(&sets).to_vec()
}

/// Chunk types (RFC 9260, section 3.2; 9 ERROR, 12 and 13 ECN), and two that do not exist.
const CHUNKS: [u8; 17] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x7f, 0xc1];

/// Chunks of one association, in any order and any company.
pub(super) fn sctp(random: &mut Random, world: &World, script: &mut Script) {
    let (a, b) = pair(random, world);
    let ends = [a, b];
    let ports = [random.between(1024, 65535) as u16, random.port()];
    let tags = [random.bits() as u32 | 1, random.bits() as u32 | 1];
    if random.percent(70) {
        for (from, kind) in [(0, 1), (1, 2), (0, 10), (1, 11)] {
            chunks(random, script, ends, ports, tags, from, &[kind]);
        }
    }
    for _ in 0..3 + random.below(15) {
        let kinds: Vec<u8> = (0..1 + random.below(3)).map(|_| random.pick(&CHUNKS)).collect();
        let kinds = if random.percent(70) { &kinds[..1] } else { &kinds };
        let from = random.below(2);
        chunks(random, script, ends, ports, tags, from, kinds);
    }
}

fn chunks(
    random: &mut Random,
    script: &mut Script,
    ends: [End; 2],
    ports: [u16; 2],
    tags: [u32; 2],
    from: usize,
    kinds: &[u8],
) {
    let to = 1 - from;
    let usual = if kinds.first() == Some(&1) { 0 } else { tags[to] };
    let tag = match random.below(12) {
        0 => tags[from],
        1 => 0,
        2 => random.bits() as u32,
        _ => usual,
    };
    let mut payload = Vec::new();
    for &kind in kinds {
        let content: Vec<u8> = match kind {
            1 | 2 => {
                let own = if random.percent(90) { tags[from] } else { random.bits() as u32 };
                let mut content = own.to_be_bytes().to_vec();
                content.extend([0, 1, 0, 0, 0, 5, 0, 5, 0, 0, 0, 1]);
                content.truncate(if random.percent(5) { random.below(16) } else { 16 });
                content
            }
            0 => vec![7; 16],
            _ => vec![0; random.pick(&[0, 4, 8])],
        };
        let flags = random.pick(&[0, 0, 1, 3]);
        payload.extend(sctp_chunk(kind, flags, &content));
    }
    match random.below(30) {
        // The first chunk says it is shorter than its header, or longer than the packet.
        0 => payload[3] = random.below(4) as u8,
        1 => payload[2] = 1,
        2 => payload.truncate(random.below(payload.len())),
        3 => payload.clear(),
        _ => {}
    }
    let header = Sctp::new(ports[from], ports[to], tag);
    let mut packet = Packet::new(ends[from].address, ends[to].address, header).payload(payload);
    if random.percent(3) {
        packet = packet.checksum(Checksum::Wrong);
    }
    script.say(ends[from], &packet);
}
