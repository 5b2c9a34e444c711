//! Single packets that a firewall should meet before its users do.

use super::{End, Script, pair};
use crate::random::Random;
use crate::world::World;
use kinwall_terms::{Family, L4Proto};
use kinwall_wire::emit::{Checksum, Icmp, Packet, Tcp, Transport, Udp};
use kinwall_wire::ipv6_ext::ExtensionKind;
use kinwall_wire::tcp::TcpFlags;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Some oddities between the same two ends.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    let (a, b) = pair(random, world);
    for _ in 0..1 + random.below(4) {
        let packet = match random.below(12) {
            0 => flags(random, a, b),
            1 => lengths(random, a, b),
            2 => extensions(random, a, b),
            3 => spoofed(random, world, a, b),
            4 => unknown_icmp(random, a, b),
            5 => checksums(random, a, b),
            6 => short(random, a, b),
            7 => groups(random, a),
            8 => options(random, a, b),
            9 => lives(random, a, b),
            _ => Packet::new(a.address, b.address, plain(random)).payload(*b"odd"),
        };
        script.say(a, &packet);
    }
}

fn plain(random: &mut Random) -> Transport {
    let (sport, dport) = (random.port(), random.port());
    if random.percent(50) {
        Udp::new(sport, dport).into()
    } else {
        Tcp::new(sport, dport).flags(TcpFlags::SYN).seq(random.bits() as u32).into()
    }
}

fn flags(random: &mut Random, a: End, b: End) -> Packet {
    let header = Tcp::new(random.port(), random.port())
        .flags(TcpFlags::from_bits_truncate(random.byte()))
        .seq(random.bits() as u32)
        .ack(random.bits() as u32);
    Packet::new(a.address, b.address, header)
}

/// UDP that states another length, or none, or port 0.
fn lengths(random: &mut Random, a: End, b: End) -> Packet {
    let (sport, dport) = (random.port(), random.port());
    let header = match random.below(4) {
        0 => Udp::new(sport, dport).length(0),
        1 => Udp::new(sport, dport).length(random.below(40) as u16),
        2 => Udp::new(0, dport),
        _ => Udp::new(sport, 0),
    };
    Packet::new(a.address, b.address, header).payload(*b"length")
}

/// IPv6 extension headers; IPv4 just says something.
fn extensions(random: &mut Random, a: End, b: End) -> Packet {
    let mut packet = Packet::new(a.address, b.address, plain(random)).payload(*b"extended");
    if a.family() == Family::Ipv4 {
        return packet;
    }
    let kinds = [ExtensionKind::HopByHop, ExtensionKind::Destination, ExtensionKind::Routing];
    for kind in kinds {
        if random.percent(40) {
            // Zeroes are padding as options, and a routing header without segments left.
            packet = packet.extension(kind, vec![0; random.pick(&[6, 14])]);
        }
    }
    if random.percent(25) {
        packet = packet.fragment(random.bits() as u32, 0, false);
    }
    packet
}

/// A source address that lives elsewhere, or that is the gateway's.
fn spoofed(random: &mut Random, world: &World, a: End, b: End) -> Packet {
    let family = a.family();
    let src = if random.percent(80) {
        world.host(random, family).address
    } else {
        random.pick(&world.addresses(family))
    };
    Packet::new(src, b.address, plain(random)).payload(*b"spoofed")
}

fn unknown_icmp(random: &mut Random, a: End, b: End) -> Packet {
    match random.below(4) {
        // The other family's ICMP.
        0 => {
            let proto = if a.family() == Family::Ipv4 { L4Proto::ICMPV6 } else { L4Proto::ICMP };
            Packet::new(a.address, b.address, proto).payload([8, 0, 0xf7, 0xff, 0, 0, 0, 0])
        }
        1 if a.family() == Family::Ipv6 => {
            let kind = random.pick(&[133, 134, 135, 136, 137, 143, 151, 152]);
            Packet::new(a.address, b.address, Icmp::new(kind, 0)).payload([0; 16]).ttl(255)
        }
        _ => Packet::new(a.address, b.address, Icmp::new(random.byte(), 0)).payload([0; 8]),
    }
}

fn checksums(random: &mut Random, a: End, b: End) -> Packet {
    let packet = Packet::new(a.address, b.address, plain(random)).payload(*b"sum");
    if random.percent(80) {
        packet.checksum(Checksum::Wrong)
    } else {
        packet.checksum(Checksum::Zero)
    }
}

/// A transport header that is cut.
fn short(random: &mut Random, a: End, b: End) -> Packet {
    let proto = random.pick(&[
        L4Proto::TCP,
        L4Proto::UDP,
        L4Proto::ICMP,
        L4Proto::SCTP,
        L4Proto::GRE,
        L4Proto::UDPLITE,
        L4Proto::DCCP,
    ]);
    Packet::new(a.address, b.address, proto).payload(vec![0x50; random.below(20)])
}

/// To everybody, or to a group.
fn groups(random: &mut Random, a: End) -> Packet {
    let dst: IpAddr = match a.family() {
        Family::Ipv4 => {
            let addresses = [
                Ipv4Addr::BROADCAST,
                Ipv4Addr::new(10, 1, 0, 255),
                Ipv4Addr::new(172, 16, 5, 255),
                Ipv4Addr::new(224, 0, 0, 251),
                Ipv4Addr::new(239, 1, 2, 3),
            ];
            (random.pick(&addresses)).into()
        }
        Family::Ipv6 => {
            let addresses = [
                Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 0x101),
            ];
            (random.pick(&addresses)).into()
        }
    };
    Packet::new(a.address, dst, Udp::new(random.port(), random.port())).payload(*b"all")
}

/// IPv4 options: padding, record route, router alert.
fn options(random: &mut Random, a: End, b: End) -> Packet {
    let options: [&[u8]; 3] = [&[1, 1, 1, 0], &[7, 7, 4, 0, 0, 0, 0, 0], &[148, 4, 0, 0]];
    Packet::new(a.address, b.address, plain(random)).ipv4_options(random.pick(&options))
}

/// Packets near their end.
fn lives(random: &mut Random, a: End, b: End) -> Packet {
    let ttl = random.pick(&[0, 1, 2, 255]);
    Packet::new(a.address, b.address, plain(random)).ttl(ttl).payload(*b"old")
}
