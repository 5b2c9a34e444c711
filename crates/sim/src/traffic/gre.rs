//! GRE of both versions, with every flag, whole and cut short (RFC 2784, RFC 2890, RFC 2637).

use super::{Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_terms::L4Proto;
use kinwall_wire::emit::Packet;

/// Some packets in both directions, of few kinds, so that they meet.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (a, b) = pair(random, world);
    for _ in 0..2 + random.below(8) {
        let (src, dst) = if random.percent(50) { (a, b) } else { (b, a) };
        let packet = Packet::new(src.address, dst.address, L4Proto::GRE).payload(header(random));
        script.say(src, &packet);
    }
}

fn header(random: &mut Random) -> Vec<u8> {
    let version = match random.below(8) {
        0..=2 => 0,
        3..=6 => 1,
        _ => random.byte() & 7,
    };
    let flags = random.pick(&[0x00, 0x20, 0x30, 0xb0, 0x40, 0xff]);
    let low = (random.byte() & 0xf8) | version;
    let protocol: [u8; 2] = random.pick(&[[0x88, 0x0b], [0x88, 0x0b], [0x08, 0x00], [0, 0]]);
    let mut bytes = vec![flags, if random.percent(70) { version } else { low }];
    bytes.extend(protocol);
    // Payload length and call id in version 1, a key or a checksum in version 0.
    bytes.extend([0, 4, 0, random.below(3) as u8]);
    bytes.extend(vec![0; random.below(24)]);
    if random.percent(15) {
        bytes.truncate(random.below(10));
    }
    bytes
}
