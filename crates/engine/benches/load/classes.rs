//! Rules and packets as ClassBench makes them (Taylor and Turner, 2005): prefixes that nest, of
//! the lengths that firewalls have, the five classes of ports, and packets drawn from the rules.

use super::{Draw, Packets};
use kinwall_terms::Direction;
use kinwall_wire::TcpFlags;
use kinwall_wire::emit::{self, Tcp, Udp};
use std::fmt::Write;
use std::net::Ipv4Addr;

/// A rule: what it asks of a packet.
#[derive(Clone, Copy)]
struct Class {
    src: (u32, u32),
    dst: (u32, u32),
    proto: Proto,
    sport: (u16, u16),
    dport: (u16, u16),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Proto {
    Any,
    Tcp,
    Udp,
}

/// Prefix lengths, with weights.
const SOURCES: &[(u32, u32)] = &[(0, 12), (8, 4), (16, 14), (24, 32), (28, 8), (32, 30)];
const DESTINATIONS: &[(u32, u32)] = &[(0, 4), (16, 10), (24, 36), (27, 4), (30, 6), (32, 40)];

/// Rules that share a site, on average.
const RULES_A_SITE: u32 = 40;

/// `count` rules of a filter, the packets of which are accepted one way or another; and as many
/// first packets as wanted, each of a connection of its own that some rule asks for.
pub(crate) fn classes(count: u32, packets: u32) -> (String, Packets) {
    let mut draw = Draw(0x6b69_6e77);
    let sites = (count / RULES_A_SITE).max(1);
    let mut rules: Vec<Class> = (0..count).map(|_| Class::new(&mut draw, sites)).collect();
    // As people order them: what is said of few comes before what is said of many.
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.src.1 + rule.dst.1));
    let mut text = "*filter\n:FORWARD ACCEPT [0:0]\n\
        -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
        .to_owned();
    for rule in &rules {
        rule.write(&mut text);
    }
    text.push_str("COMMIT\n");
    let mut made = Packets::default();
    for _ in 0..packets {
        let rule = &rules[draw.below(count) as usize];
        made.push(&rule.packet(&mut draw), Direction::Original);
    }
    (text, made)
}

impl Class {
    fn new(draw: &mut Draw, sites: u32) -> Class {
        // Behind the gateway 10 to 99, before it 128 to 191: neither is its own.
        let src = prefix(draw, (10 << 24, 90 << 24), sites, SOURCES);
        let dst = prefix(draw, (128 << 24, 64 << 24), sites, DESTINATIONS);
        let proto = match draw.below(20) {
            0..3 => Proto::Any,
            3..16 => Proto::Tcp,
            _ => Proto::Udp,
        };
        let any = (0, u16::MAX);
        let high = (1024, u16::MAX);
        let exact = |port: u32| (port as u16, port as u16);
        let (sport, dport) = match proto {
            Proto::Any => (any, any),
            _ => {
                let sport = match draw.below(100) {
                    0..90 => any,
                    90..98 => high,
                    _ => exact(draw.below(1024)),
                };
                let dport = match draw.below(100) {
                    0..50 => exact(1 + draw.below(1024)),
                    50..75 => any,
                    75..85 => high,
                    85..90 => (0, 1023),
                    _ => {
                        let first = draw.below(60_000) as u16;
                        (first, first + 1 + draw.below(2_000) as u16)
                    }
                };
                (sport, dport)
            }
        };
        Class { src, dst, proto, sport, dport }
    }

    fn write(&self, text: &mut String) {
        text.push_str("-A FORWARD");
        for (option, (address, length)) in [("-s", self.src), ("-d", self.dst)] {
            if length > 0 {
                let _ = write!(text, " {option} {}/{length}", Ipv4Addr::from_bits(address));
            }
        }
        let name = match self.proto {
            Proto::Any => "",
            Proto::Tcp => "tcp",
            Proto::Udp => "udp",
        };
        if self.proto != Proto::Any {
            let _ = write!(text, " -p {name} -m {name}");
        }
        for (option, (first, last)) in [("--sport", self.sport), ("--dport", self.dport)] {
            if first == last {
                let _ = write!(text, " {option} {first}");
            } else if (first, last) != (0, u16::MAX) {
                let _ = write!(text, " {option} {first}:{last}");
            }
        }
        text.push_str(" -j ACCEPT\n");
    }

    fn packet(&self, draw: &mut Draw) -> emit::Packet {
        // Of a prefix of length 0, a place that is behind the interface in question.
        let within = |draw: &mut Draw, (address, length): (u32, u32), first: u32| {
            let (address, length) = if length == 0 { (first, 8) } else { (address, length) };
            let free = u32::MAX.checked_shr(length).unwrap_or(0);
            Ipv4Addr::from_bits(address | draw.next() as u32 & free)
        };
        let port = |draw: &mut Draw, (first, last): (u16, u16)| {
            first + draw.below(u32::from(last - first) + 1) as u16
        };
        let src = within(draw, self.src, 10 << 24);
        let dst = within(draw, self.dst, 130 << 24);
        let (sport, dport) = (port(draw, self.sport), port(draw, self.dport));
        match self.proto {
            Proto::Udp => emit::Packet::new(src, dst, Udp::new(sport, dport)),
            _ => emit::Packet::new(src, dst, Tcp::new(sport, dport).flags(TcpFlags::SYN).seq(1)),
        }
    }
}

/// A prefix in one of the sites (networks of 16 bits) of a range.
fn prefix(
    draw: &mut Draw,
    (first, size): (u32, u32),
    sites: u32,
    lengths: &[(u32, u32)],
) -> (u32, u32) {
    let all = lengths.iter().map(|(_, weight)| weight).sum();
    let mut left = draw.below(all);
    let mut length = 0;
    for (candidate, weight) in lengths {
        length = *candidate;
        match left.checked_sub(*weight) {
            Some(less) => left = less,
            None => break,
        }
    }
    let site = super::scatter(draw.below(sites)) % (size >> 16);
    let address = first + (site << 16) + draw.below(1 << 16);
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    (address & mask, length)
}
