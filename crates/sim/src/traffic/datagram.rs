//! Questions and answers without connections: UDP, UDPlite, GRE, and protocols without a tracker,
//! DCCP among them.

use super::{Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_terms::L4Proto;
use kinwall_wire::emit::{Checksum, Dccp, Gre, Packet, Transport, Udp, UdpLite};

/// Some packets in both directions.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (a, b) = pair(random, world);
    let ports = [random.between(1024, 65535) as u16, random.port()];
    let kind = random.below(10);
    let call = [random.bits() as u16, random.bits() as u16];
    for round in 0..1 + random.below(5) {
        let from = if round == 0 { 0 } else { random.below(2) };
        let (src, dst) = if from == 0 { (a, b) } else { (b, a) };
        let (sport, dport) = (ports[from], ports[1 - from]);
        let transport: Transport = match kind {
            0 => UdpLite { coverage: random.pick(&[0, 8, 12, 4]), ..UdpLite::new(sport, dport) }
                .into(),
            1 => Gre::new(0x0800).into(),
            2 => Gre::pptp(call[1 - from], round as u32).into(),
            3 => random.pick(&[L4Proto::ESP, L4Proto(253), L4Proto(4)]).into(),
            4 => dccp(random, sport, dport),
            _ => Udp::new(sport, dport).into(),
        };
        let mut packet = Packet::new(src.address, dst.address, transport)
            .payload(vec![b'u'; random.below(200)])
            .tos(random.pick(&[0, 0, 0, 0x10, 0xb8]));
        if random.percent(5) {
            packet = packet.checksum(Checksum::Zero);
        }
        if random.percent(3) {
            packet = packet.checksum(Checksum::Wrong);
        }
        script.say(src, &packet);
    }
}

/// A packet of any type: Request, Response, Data, Ack, ... Reset.
fn dccp(random: &mut Random, sport: u16, dport: u16) -> Transport {
    let kind = random.below(10) as u8;
    let (seq, ack) = (random.bits() >> 16, random.bits() >> 16);
    Dccp { sport, dport, kind, seq, ack, options: vec![0; 4] }.into()
}
