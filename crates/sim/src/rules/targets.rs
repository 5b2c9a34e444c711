//! The target of a random rule.

use super::Place;
use super::matches::{Proto, mark_value};
use crate::random::Random;
use kinwall_terms::{Family, Hook, Table};

/// The words from `-j` on; empty for a rule that only counts.
pub(super) fn target(random: &mut Random, place: Place, proto: Proto, chains: &[&str]) -> String {
    if !chains.is_empty() && random.percent(30) {
        let flag = if random.percent(25) { "-g" } else { "-j" };
        return format!(" {flag} {}", random.pick(chains));
    }
    let own = match place.table {
        Table::Raw => 45,
        Table::Mangle => 60,
        _ => 20,
    };
    if random.percent(own) {
        return special(random, place, proto);
    }
    // What an early table drops, the later ones are never asked about.
    let drop = if place.table == Table::Filter { 25 } else { 6 };
    match random.below(100) {
        n if n < drop => String::from(" -j DROP"),
        0..=69 => String::from(" -j ACCEPT"),
        70..=84 if place.user_chain => String::from(" -j RETURN"),
        70..=84 => String::new(),
        _ => log(random),
    }
}

/// A target of the table's own trade.
fn special(random: &mut Random, place: Place, proto: Proto) -> String {
    match place.table {
        Table::Raw => ct(random, place, proto),
        Table::Mangle => change(random, place, proto),
        Table::Filter => match random.below(4) {
            0 => mark(random),
            1 => connmark(random),
            _ => reject(random, place.family, proto),
        },
        _ => connmark(random),
    }
}

fn log(random: &mut Random) -> String {
    match random.below(3) {
        0 => String::from(" -j LOG --log-prefix \"seen: \""),
        1 => format!(" -j NFLOG --nflog-group {}", random.below(3)),
        _ => String::from(" -j LOG"),
    }
}

fn mark(random: &mut Random) -> String {
    let option = random.pick(&["--set-mark", "--set-xmark"]);
    format!(" -j MARK {option} {}", mark_value(random))
}

fn connmark(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!(" -j CONNMARK --set-xmark {}", mark_value(random)),
        1 => String::from(" -j CONNMARK --save-mark"),
        2 => String::from(" -j CONNMARK --save-mark --nfmask 0x3 --ctmask 0x1"),
        _ => String::from(" -j CONNMARK --restore-mark"),
    }
}

fn ct(random: &mut Random, place: Place, proto: Proto) -> String {
    let ipv4 = place.family == Family::Ipv4;
    match (random.below(8), proto) {
        (0, _) => String::from(" -j CT --notrack"),
        (1, _) => String::from(" -j NOTRACK"),
        (2, Proto::Tcp | Proto::TcpSyn) if ipv4 => {
            format!(" -j CT --helper {}", random.pick(&["irc", "pptp"]))
        }
        (2 | 3, Proto::Tcp | Proto::TcpSyn) => {
            format!(" -j CT --helper {}", random.pick(&["ftp", "sip"]))
        }
        (2 | 3, Proto::Udp) => format!(" -j CT --helper {}", random.pick(&["tftp", "sip"])),
        (4, _) => {
            let option = random.pick(&["--zone", "--zone-orig", "--zone-reply"]);
            format!(" -j CT {option} {}", 1 + random.below(2))
        }
        (5, _) => mark(random),
        _ => String::new(),
    }
}

fn change(random: &mut Random, place: Place, proto: Proto) -> String {
    match (random.below(8), proto) {
        (0 | 1, _) => mark(random),
        (2 | 3, _) => connmark(random),
        (4, _) => format!(" -j DSCP --set-dscp {:#04x}", random.pick(&[0, 0x08, 0x2e])),
        (5, _) => format!(" -j TOS --set-tos {:#04x}/0xff", random.pick(&[0, 0x10, 0xb8])),
        (6, Proto::TcpSyn) if place.hook != Hook::Input => {
            format!(" -j TCPMSS --set-mss {}", random.between(536, 1460))
        }
        _ => match place.family {
            Family::Ipv4 => format!(" -j TTL --ttl-{}", random.pick(&["set 64", "inc 1", "dec 1"])),
            Family::Ipv6 => format!(" -j HL --hl-{}", random.pick(&["set 64", "inc 1", "dec 1"])),
        },
    }
}

fn reject(random: &mut Random, family: Family, proto: Proto) -> String {
    if matches!(proto, Proto::Tcp | Proto::TcpSyn) && random.percent(40) {
        return String::from(" -j REJECT --reject-with tcp-reset");
    }
    let kinds: &[&str] = match family {
        Family::Ipv4 => &[
            "icmp-net-unreachable",
            "icmp-host-unreachable",
            "icmp-proto-unreachable",
            "icmp-port-unreachable",
            "icmp-net-prohibited",
            "icmp-host-prohibited",
            "icmp-admin-prohibited",
        ],
        Family::Ipv6 => &[
            "icmp6-no-route",
            "icmp6-adm-prohibited",
            "icmp6-addr-unreachable",
            "icmp6-port-unreachable",
            "icmp6-policy-fail",
            "icmp6-reject-route",
        ],
    };
    format!(" -j REJECT --reject-with {}", random.pick(kinds))
}
