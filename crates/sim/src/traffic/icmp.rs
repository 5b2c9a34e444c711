//! Echoes and other queries, and errors about what somebody said.

use super::{Ingress, Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_terms::Family;
use kinwall_wire::emit::{Checksum, Icmp, Packet, icmp_error};
use std::net::IpAddr;

/// Queries and their replies, and replies that nobody asked for.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (a, b) = pair(random, world);
    let (query, reply) = match a.family() {
        Family::Ipv4 => random.pick(&[(8, 0), (8, 0), (8, 0), (13, 14), (17, 18), (10, 9)]),
        Family::Ipv6 => random.pick(&[(128, 129), (128, 129), (139, 140), (130, 131)]),
    };
    let id = random.bits() as u16;
    for sequence in 0..1 + random.below(3) as u16 {
        let say = |kind, id| Icmp::query(kind, id, sequence);
        if random.percent(85) {
            let packet = Packet::new(a.address, b.address, say(query, id)).payload(*b"ping");
            script.say(a, &packet);
        }
        let id = if random.percent(10) { id.wrapping_add(1) } else { id };
        let packet = Packet::new(b.address, a.address, say(reply, id)).payload(*b"ping");
        script.say(b, &packet);
    }
}

/// Errors about packets of the script: from a router or the receiver, to the sender or to
/// somebody who has nothing to do with it.
pub(super) fn errors_about(random: &mut Random, world: &World, script: &mut Script) {
    for _ in 0..1 + random.below(2) {
        if script.lines.is_empty() {
            return;
        }
        let (_, inner) = random.pick(&script.lines).clone();
        let Some((src, dst)) = ends(&inner) else { continue };
        let family = Family::of(src);
        let router = world.host(random, family);
        // An error travels against the packet it is about: it comes from where that went.
        let (from, ingress) = match interface_of(world, dst) {
            Some(interface) if random.percent(60) => (dst, interface),
            Some(interface) => (router.address, interface),
            None => (router.address, Ingress::Interface(router.interface)),
        };
        let to = if random.percent(85) { src } else { world.host(random, family).address };
        let (kind, code) = match family {
            Family::Ipv4 => {
                random.pick(&[(3, 1), (3, 3), (3, 4), (4, 0), (5, 1), (11, 0), (12, 0)])
            }
            Family::Ipv6 => random.pick(&[(1, 0), (1, 4), (2, 0), (3, 0), (4, 0)]),
        };
        let quoted = if random.percent(20) { inner.len().min(28) } else { inner.len() };
        let mut error = icmp_error(from, to, Icmp::new(kind, code), &inner[..quoted]);
        if random.percent(4) {
            error = error.checksum(Checksum::Wrong);
        }
        script.lines.insert(random.below(script.lines.len()) + 1, (ingress, error.build()));
    }
}

/// Source and destination of a packet.
fn ends(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let headers = kinwall_wire::Headers::parse(packet).ok()?;
    Some((headers.src, headers.dst))
}

fn interface_of(world: &World, address: IpAddr) -> Option<Ingress> {
    world.host_at(address).map(|host| Ingress::Interface(host.interface))
}
