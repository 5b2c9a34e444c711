//! Questions to a whole network: the gateway asks for names (NetBIOS) or for agents (SNMP), and
//! whoever knows answers from an address of its own.

use super::{End, Ingress, Script};
use crate::random::Random;
use crate::world::{Host, World};
use kinwall_terms::Family;
use kinwall_wire::emit::{Packet, Udp};
use std::net::{IpAddr, Ipv4Addr};

/// Well known ports: names of the Windows network, and network management.
const PORTS: [u16; 2] = [137, 161];

/// What is asked; kernels do not look at it.
const QUESTION: &[u8] = b"\x5a\x1c\x01\x10\0\x01\0\0\0\0\0\0 \
    CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x20\0\x01";

/// A question or two, and answers from that network and from elsewhere.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let near = world.host(random, Family::Ipv4);
    let own = world.gateway_towards(near);
    let gateway = End { address: own.address, ingress: Ingress::Local };
    let everybody = everybody(random, own.address);
    let service = random.pick(&PORTS);
    let asked = if random.percent(12) { random.port() } else { service };
    let port = if random.percent(25) { service } else { random.between(1024, 65535) as u16 };
    // Broadcasts that pass through are none of the gateway's.
    let asker = if random.percent(12) { host(near) } else { gateway };
    for _ in 0..1 + random.below(2) {
        say(script, asker, [port, asked], asker.address, everybody, QUESTION);
        for _ in 0..1 + random.below(4) {
            answer(random, world, script, near, asker.address, [asked, port]);
        }
    }
}

/// The address that everybody behind an interface listens to, or one that only looks like it.
fn everybody(random: &mut Random, own: IpAddr) -> IpAddr {
    let IpAddr::V4(own) = own else { return own };
    let [a, b, c, d] = own.octets();
    let address = match random.below(12) {
        0 => Ipv4Addr::BROADCAST,
        1 => Ipv4Addr::new(a, b, c.wrapping_add(1), 255),
        2 => Ipv4Addr::new(224, 0, 0, 251),
        3 => Ipv4Addr::new(a, b, c, d.wrapping_add(4)),
        _ => Ipv4Addr::new(a, b, c, 255),
    };
    address.into()
}

/// An answer: mostly from a host of the network that was asked, from the port that was asked.
fn answer(
    random: &mut Random,
    world: &World,
    script: &mut Script,
    near: Host,
    to: IpAddr,
    ports: [u16; 2],
) {
    let [asked, port] = ports;
    let mut from = host(near);
    if random.percent(25) {
        from = host(world.host(random, Family::Ipv4));
    }
    if random.percent(8) {
        // In the name of the one that was asked, but from another side.
        from.ingress = Ingress::Interface(world.host(random, Family::Ipv4).interface);
    }
    let sport = if random.percent(15) { random.port() } else { asked };
    let dport = if random.percent(8) { port.wrapping_add(1) } else { port };
    say(script, from, [sport, dport], from.address, to, b"an answer");
    if random.percent(20) {
        let back = End { address: to, ingress: Ingress::Local };
        say(script, back, [dport, sport], to, from.address, b"and now to you alone");
    }
}

fn host(host: Host) -> End {
    End { address: host.address, ingress: Ingress::Interface(host.interface) }
}

fn say(script: &mut Script, from: End, ports: [u16; 2], src: IpAddr, dst: IpAddr, payload: &[u8]) {
    let header = Udp::new(ports[0], ports[1]);
    script.say(from, &Packet::new(src, dst, header).payload(payload));
}
