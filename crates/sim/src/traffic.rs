//! What the hosts of the world say to each other.
//!
//! Each session is a short script that knows its protocol: it says what a real pair of hosts
//! would say, and now and then something that they would not. [`crate::faults`] then loses,
//! repeats, delays and damages packets, as networks and attackers do.

mod amanda;
mod broadcast;
mod datagram;
mod dcc;
mod ftp;
mod gre;
mod h323;
mod icmp;
mod odd;
mod pptp;
mod sane;
mod sctp;
mod sip;
mod tcp;
mod tftp;
mod wild;

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
    /// Damages payloads before they are sent, so that no checksum tells.
    damage: Option<Random>,
}

impl Script {
    /// `end` sends `packet`.
    pub(crate) fn say(&mut self, end: End, packet: &Packet) {
        let mut packet = packet.clone();
        if let Some(random) = &mut self.damage
            && !packet.payload.is_empty()
            && random.percent(50)
        {
            faults::spoil(random, &mut packet.payload);
        }
        let bytes = packet.build();
        self.lines.push((end.ingress, bytes));
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
/// of time. `only` names the one kind of session there is, such as `ftp`; a name that does not
/// exist gives no packets.
pub fn traffic(
    random: &mut Random,
    world: &World,
    sessions: usize,
    only: Option<&str>,
) -> Vec<Sent> {
    let mut all = Vec::new();
    for _ in 0..sessions {
        let mut own = random.fork();
        let script = session(&mut own, world, only);
        let start = own.below(sessions * SESSION_GAP_US) as u64;
        let sent = faults::send(&mut own, script, start);
        all.extend(sent);
    }
    all.sort_by_key(|sent: &Sent| sent.time);
    all
}

/// Packets of `sessions` sessions, one after another and none lost, but with bytes of their
/// payloads changed now and then, as somebody does who looks for the mistakes of a reader.
pub fn spoiled(
    random: &mut Random,
    world: &World,
    sessions: usize,
    only: Option<&str>,
) -> Vec<Sent> {
    let mut all = Vec::new();
    for _ in 0..sessions {
        let mut own = random.fork();
        let mut script = Script { damage: Some(own.fork()), ..Script::default() };
        write_session(&mut own, world, only, &mut script);
        all.extend(script.lines);
    }
    let sent = |(at, (ingress, bytes))| Sent { time: Time(at as u64), ingress, bytes };
    all.into_iter().enumerate().map(sent).collect()
}

/// How long after one another sessions start, in microseconds.
const SESSION_GAP_US: usize = 8_000;

/// Writes one session of its kind.
type Session = fn(&mut Random, &World, &mut Script);

/// Kinds of sessions: name, how many of all there are, and who writes them.
const KINDS: &[(&str, usize, Session)] = &[
    ("tcp", 10, tcp::session),
    ("ftp", 6, ftp::session),
    ("irc", 4, dcc::session),
    ("tftp", 4, tftp::session),
    ("pptp", 6, pptp::session),
    ("amanda", 4, amanda::session),
    ("sane", 4, sane::session),
    ("broadcast", 4, broadcast::session),
    ("h323", 6, h323::session),
    ("datagram", 6, datagram::session),
    ("gre", 2, gre::session),
    ("icmp", 4, icmp::session),
    ("sctp", 2, sctp::session),
    ("sip", 6, sip::session),
    ("odd", 4, odd::session),
    ("tcp-wild", 2, wild::tcp),
    ("sctp-wild", 1, wild::sctp),
];

fn session(random: &mut Random, world: &World, only: Option<&str>) -> Script {
    let mut script = Script::default();
    write_session(random, world, only, &mut script);
    if random.percent(20) {
        icmp::errors_about(random, world, &mut script);
    }
    script
}

fn write_session(random: &mut Random, world: &World, only: Option<&str>, script: &mut Script) {
    let kinds: Vec<_> =
        KINDS.iter().filter(|(name, ..)| only.is_none_or(|only| only == *name)).collect();
    let mut chosen = random.below(kinds.iter().map(|(_, share, _)| share).sum());
    for (_, share, write) in kinds {
        if chosen < *share {
            write(random, world, script);
            break;
        }
        chosen -= share;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_packets() {
        let world = World::new();
        let make = |seed| traffic(&mut Random::new(seed), &world, 20, None);
        assert_eq!(make(7), make(7));
        assert_ne!(make(7), make(8));
        assert!(make(7).is_sorted_by_key(|sent| sent.time));
    }

    #[test]
    fn every_kind_says_something() {
        let world = World::new();
        for (name, ..) in KINDS {
            let sent = traffic(&mut Random::new(1), &world, 5, Some(name));
            assert!(sent.len() > 5, "{name}: {} packets", sent.len());
        }
        assert!(traffic(&mut Random::new(1), &world, 5, Some("gopher")).is_empty());
    }
}
