//! TFTP transfers: a request to port 69, and an answer from a port of its own.

use super::{End, Ingress, Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_wire::emit::{Packet, Udp};

/// A transfer or two from the same port.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (client, server) = pair(random, world);
    let port = random.between(1024, 65535) as u16;
    for _ in 0..1 + random.below(2) {
        let opcode = random.pick(&[1, 1, 2, 2, 3, 5]);
        let mut request = vec![0, opcode];
        request.extend(b"boot.img\0octet\0");
        if random.percent(10) {
            request.truncate(random.below(request.len()));
        }
        say(script, client, server, [port, 69], &request);
        if random.percent(15) {
            say(script, client, server, [port, 69], &request);
        }
        let mut from = server;
        if random.percent(12) {
            let other = world.host(random, client.family());
            from = End { address: other.address, ingress: Ingress::Interface(other.interface) };
        }
        let data_port = if random.percent(12) { 69 } else { random.between(1024, 65535) as u16 };
        let client_port = if random.percent(8) { port.wrapping_add(1) } else { port };
        for block in 1..=1 + random.below(3) as u8 {
            say(script, from, client, [data_port, client_port], &[0, 3, 0, block, 1, 2, 3]);
            say(script, client, from, [client_port, data_port], &[0, 4, 0, block]);
        }
    }
}

fn say(script: &mut Script, from: End, to: End, ports: [u16; 2], payload: &[u8]) {
    let header = Udp::new(ports[0], ports[1]);
    script.say(from, &Packet::new(from.address, to.address, header).payload(payload));
}
