//! The target of a random rule of the nat table.

use super::Place;
use super::matches::Proto;
use crate::random::Random;
use kinwall_terms::{Family, Hook};

/// Addresses that sources become: of nobody, of the gateway, of hosts inside and outside.
const SOURCES4: &[&str] =
    &["192.0.2.70", "192.0.2.70-192.0.2.79", "192.0.2.2", "10.1.0.1", "203.0.113.200"];
const SOURCES6: &[&str] =
    &["2001:db8::70", "2001:db8::70-2001:db8::79", "2001:db8::2", "fd00:1::1"];

/// Addresses that destinations become.
const DESTINATIONS4: &[&str] =
    &["10.1.0.5", "10.1.0.5-10.1.0.6", "172.16.5.5", "203.0.113.9", "198.51.100.3", "10.1.0.1"];
const DESTINATIONS6: &[&str] =
    &["fd00:1::5", "fd00:1::5-fd00:1::6", "fd00:2::5", "2001:db8:9::77", "fd00:1::1"];

/// Networks that others become.
const NETWORKS4: &[&str] = &["10.1.0.0/24", "192.0.2.0/24", "172.16.5.0/28", "203.0.113.0/24"];
const NETWORKS6: &[&str] = &["fd00:1::/64", "2001:db8:9::/48", "fd00:2::/120"];

const PORTS: &[&str] = &["8080", "5000-5003", "1024-65535", "600-610"];

/// The words from `-j` on; empty for a rule that only counts.
pub(super) fn target(random: &mut Random, place: Place, proto: Proto, chains: &[&str]) -> String {
    if !chains.is_empty() && random.percent(30) {
        return format!(" -j {}", random.pick(chains));
    }
    match random.below(100) {
        0..=9 => String::from(" -j ACCEPT"),
        10..=14 if place.user_chain => String::from(" -j RETURN"),
        10..=19 => String::new(),
        20..=34 => netmap(random, place.family),
        35..=59 => near(random, place.hook, proto),
        _ => far(random, place, proto),
    }
}

fn netmap(random: &mut Random, family: Family) -> String {
    let networks = if family == Family::Ipv4 { NETWORKS4 } else { NETWORKS6 };
    format!(" -j NETMAP --to {}", random.pick(networks))
}

/// The gateway itself becomes the end.
fn near(random: &mut Random, hook: Hook, proto: Proto) -> String {
    let ports = match has_ports(proto) && random.percent(50) {
        true => format!(" --to-ports {}", random.pick(PORTS)),
        false => String::new(),
    };
    match hook {
        Hook::Prerouting | Hook::Output => format!(" -j REDIRECT{ports}{}", chance(random)),
        Hook::Postrouting => format!(" -j MASQUERADE{ports}{}", chance(random)),
        _ => String::from(" -j ACCEPT"),
    }
}

/// Another host becomes the end.
fn far(random: &mut Random, place: Place, proto: Proto) -> String {
    let is_source = matches!(place.hook, Hook::Postrouting | Hook::Input);
    let addresses = match (is_source, place.family) {
        (true, Family::Ipv4) => SOURCES4,
        (true, Family::Ipv6) => SOURCES6,
        (false, Family::Ipv4) => DESTINATIONS4,
        (false, Family::Ipv6) => DESTINATIONS6,
    };
    let address = random.pick(addresses);
    let to = match (has_ports(proto) && random.percent(50), place.family) {
        (false, _) => String::from(address),
        (true, Family::Ipv4) => format!("{address}:{}", random.pick(PORTS)),
        (true, Family::Ipv6) => format!("[{address}]:{}", random.pick(PORTS)),
    };
    let persistent = if random.percent(20) { " --persistent" } else { "" };
    let (target, option) = match is_source {
        true => ("SNAT", "to-source"),
        false => ("DNAT", "to-destination"),
    };
    format!(" -j {target} --{option} {to}{}{persistent}", chance(random))
}

fn chance(random: &mut Random) -> &'static str {
    if random.percent(20) { " --random" } else { "" }
}

fn has_ports(proto: Proto) -> bool {
    matches!(proto, Proto::Tcp | Proto::TcpSyn | Proto::Udp | Proto::Sctp)
}
