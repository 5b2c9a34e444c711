//! What the hosts of the world say to each other.
//!
//! Each session is a short script that knows its protocol: it says what a real pair of hosts
//! would say, and now and then something that they would not. [`crate::faults`] then loses,
//! repeats, delays and damages packets, as networks and attackers do.

mod datagram;
mod dcc;
mod ftp;
mod icmp;
mod odd;
mod sctp;
mod tcp;
mod tftp;

use crate::faults;
use crate::random::Random;
use crate::world::{Host, World};
use kinwall_terms::{Family, InterfaceName, Time};
use kinwall_wire::emit::Packet;
use std::net::IpAddr;

/// Where a packet enters the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ingress {
    /// It arrives at this interface.
    Interface(InterfaceName),
    /// The gateway sends it itself.
    Local,
}

/// A packet, and when and where it reaches the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub time: Time,
    /// Where.
    pub ingress: Ingress,
    /// The packet, from its network header on.
    pub bytes: Vec<u8>,
}

/// One end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) address: IpAddr,
    pub(crate) ingress: Ingress,
}

impl End {
    fn host(host: Host) -> End {
        End { address: host.address, ingress: Ingress::Interface(host.interface) }
    }

    fn family(&self) -> Family {
        Family::of(self.address)
    }
}

/// What is said in one session, in order.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) lines: Vec<(Ingress, Vec<u8>)>,
}

impl Script {
    /// `end` sends `packet`.
    pub(crate) fn say(&mut self, end: End, packet: &Packet) {
        self.lines.push((end.ingress, packet.build()));
    }
}

/// Two ends of one family: mostly hosts on different sides, sometimes the gateway itself.
fn pair(random: &mut Random, world: &World) -> (End, End) {
    let family = random.pick(&[Family::Ipv4, Family::Ipv4, Family::Ipv6]);
    let a = world.host(random, family);
    let b = world.peer(random, a);
    let own = |host: Host| {
        let gateway = world.gateway_towards(host);
        End { address: gateway.address, ingress: Ingress::Local }
    };
    match random.below(10) {
        0 => (End::host(a), own(a)),
        1 => (own(a), End::host(a)),
        _ => (End::host(a), End::host(b)),
    }
}

/// Packets of `sessions` sessions that run at the same time, damaged as networks do, in order
/// of time.
pub fn traffic(random: &mut Random, world: &World, sessions: usize) -> Vec<Sent> {
    let mut all = Vec::new();
    for _ in 0..sessions {
        let mut own = random.fork();
        let script = session(&mut own, world);
        let start = own.below(sessions * SESSION_GAP_US) as u64;
        let sent = faults::send(&mut own, script, start);
        all.extend(sent);
    }
    all.sort_by_key(|sent: &Sent| sent.time);
    all
}

/// How long after one another sessions start, in microseconds.
const SESSION_GAP_US: usize = 8_000;

fn session(random: &mut Random, world: &World) -> Script {
    let mut script = Script::default();
    match random.below(20) {
        0..=4 => tcp::session(random, world, &mut script),
        5..=7 => ftp::session(random, world, &mut script),
        8..=9 => dcc::session(random, world, &mut script),
        10..=11 => tftp::session(random, world, &mut script),
        12..=14 => datagram::session(random, world, &mut script),
        15..=16 => icmp::session(random, world, &mut script),
        17 => sctp::session(random, world, &mut script),
        _ => odd::session(random, world, &mut script),
    }
    if random.percent(20) {
        icmp::errors_about(random, world, &mut script);
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_packets() {
        let world = World::new();
        let make = |seed| traffic(&mut Random::new(seed), &world, 20);
        assert_eq!(make(7), make(7));
        assert_ne!(make(7), make(8));
        assert!(make(7).is_sorted_by_key(|sent| sent.time));
    }
}
