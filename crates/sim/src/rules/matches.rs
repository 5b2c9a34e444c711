//! The matches of a random rule.

use super::Place;
use crate::random::Random;
use crate::world::{INTERFACES, NETWORKS4, NETWORKS6, World};
use kinwall_terms::{Family, Hook, Table};

/// What a rule says of the protocol, as far as its other parts depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proto {
    Any,
    Tcp,
    /// TCP with SYN in the flags test.
    TcpSyn,
    Udp,
    Udplite,
    Sctp,
    Icmp,
    Other,
}

/// A match: where it may stand, and what it writes.
type Match = (fn(Place, Proto) -> bool, fn(&mut Random, &World, Place) -> String);

/// Matches that need no more than a place and a protocol.
const MATCHES: &[Match] = &[
    (always, conntrack),
    (always, conntrack),
    (always, conntrack),
    (always, state),
    (always, helper),
    (always, mark),
    (always, connmark),
    (|_, proto| has_ports(proto), multiport),
    (always, iprange),
    (always, addrtype),
    (always, length),
    (always, ttl),
    (always, dscp),
    (always, tos),
    (always, pkttype),
    (always, comment),
    (always, string),
    (|_, proto| matches!(proto, Proto::Tcp | Proto::TcpSyn), tcpmss),
    (|_, proto| matches!(proto, Proto::Tcp | Proto::TcpSyn), ecn),
    (|place, _| place.hook == Hook::Prerouting && is_early(place.table), rpfilter),
    (|place, _| place.family == Family::Ipv6, extension_header),
    (|place, _| !matches!(place.hook, Hook::Output | Hook::Postrouting), mac),
    (always, policy),
    (always, connbytes),
    (always, recent),
    (counts, nth),
    (counts, quota),
    (always, set),
    (|_, proto| matches!(proto, Proto::Other), security_header),
];

fn always(_: Place, _: Proto) -> bool {
    true
}

/// What counts packets would count those that the kernel sends of its own accord as well: multicast
/// listener reports and neighbour discovery.
fn counts(_: Place, proto: Proto) -> bool {
    has_ports(proto)
}

fn is_early(table: Table) -> bool {
    matches!(table, Table::Raw | Table::Mangle)
}

fn has_ports(proto: Proto) -> bool {
    matches!(proto, Proto::Tcp | Proto::TcpSyn | Proto::Udp | Proto::Udplite | Proto::Sctp)
}

/// The words before the target, and what they say of the protocol.
pub(super) fn matches(random: &mut Random, world: &World, place: Place) -> (String, Proto) {
    let mut text = String::new();
    for (flag, percent) in [("-s", 25), ("-d", 25)] {
        if random.percent(percent) {
            let network = network(random, world, place.family);
            // The tools refuse "not everything".
            let not = if network.ends_with("/0") { "" } else { not(random, 15) };
            text += &format!(" {not}{flag} {network}");
        }
    }
    text += &interfaces(random, place.hook);
    let (words, proto) = protocol(random, place.family);
    text += &words;
    if place.family == Family::Ipv4 && random.percent(2) {
        text += if random.percent(50) { " -f" } else { " ! -f" };
    }
    for _ in 0..random.below(3) {
        let (may, write) = random.pick(MATCHES);
        if may(place, proto) {
            text += &write(random, world, place);
        }
    }
    (text, proto)
}

fn not(random: &mut Random, percent: u32) -> &'static str {
    if random.percent(percent) { "! " } else { "" }
}

fn network(random: &mut Random, world: &World, family: Family) -> String {
    if random.percent(50) {
        return random.pick(&world.addresses(family)).to_string();
    }
    match family {
        Family::Ipv4 => random.pick(&NETWORKS4).to_string(),
        Family::Ipv6 => random.pick(&NETWORKS6).to_string(),
    }
}

fn interfaces(random: &mut Random, hook: Hook) -> String {
    let mut text = String::new();
    let incoming = matches!(hook, Hook::Prerouting | Hook::Input | Hook::Forward);
    let outgoing = matches!(hook, Hook::Forward | Hook::Output | Hook::Postrouting);
    for (flag, may) in [("-i", incoming), ("-o", outgoing)] {
        if may && random.percent(25) {
            let name = if random.percent(10) { "eth+" } else { random.pick(&INTERFACES) };
            text += &format!(" {}{flag} {name}", not(random, 15));
        }
    }
    text
}

fn protocol(random: &mut Random, family: Family) -> (String, Proto) {
    let icmp = if family == Family::Ipv4 { "icmp" } else { "ipv6-icmp" };
    match random.below(14) {
        0..=3 => tcp(random),
        4..=6 => {
            let mut text = String::from(" -p udp");
            if random.percent(60) {
                text += &format!(" -m udp{}", ports(random));
            }
            (text, Proto::Udp)
        }
        7..=8 => {
            let mut text = format!(" -p {icmp}");
            if random.percent(60) {
                text += &icmp_type(random, family);
            }
            (text, Proto::Icmp)
        }
        9 => (format!(" ! -p {}", random.pick(&["tcp", "udp", icmp])), Proto::Any),
        10 => match random.below(4) {
            0 => (String::from(" -p udplite"), Proto::Udplite),
            1 => (format!(" -p sctp -m sctp{}", ports(random)), Proto::Sctp),
            2 => (format!(" -p {}", random.pick(&["gre", "253"])), Proto::Any),
            _ => (String::from(" -p esp"), Proto::Other),
        },
        _ => (String::new(), Proto::Any),
    }
}

fn tcp(random: &mut Random) -> (String, Proto) {
    let mut text = String::from(" -p tcp");
    if random.percent(70) {
        text += " -m tcp";
        if random.percent(60) {
            text += &ports(random);
        }
        if random.percent(10) {
            text += &format!(" {}--tcp-option {}", not(random, 30), random.pick(&[2, 3, 4, 5, 8]));
        }
        match random.below(5) {
            0 => {
                text += " --syn";
                return (text, Proto::TcpSyn);
            }
            1 => {
                const FLAGS: [&str; 7] =
                    ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "FIN,SYN,RST,ACK"];
                let (mask, set) = (random.pick(&FLAGS), random.pick(&FLAGS));
                let set = if random.percent(50) { mask } else { set };
                text += &format!(" {}--tcp-flags {mask},{set} {set}", not(random, 25));
            }
            _ => {}
        }
    }
    (text, Proto::Tcp)
}

fn ports(random: &mut Random) -> String {
    let mut text = String::new();
    for flag in ["--sport", "--dport"] {
        if random.percent(60) {
            text += &format!(" {}{flag} {}", not(random, 15), port_range(random));
        }
    }
    text
}

fn port_range(random: &mut Random) -> String {
    match random.below(5) {
        0 => String::from("1024:65535"),
        1 => String::from("0:1023"),
        2 => {
            let low = random.port();
            format!("{low}:{}", random.between(u32::from(low), 65535))
        }
        _ => random.port().to_string(),
    }
}

fn icmp_type(random: &mut Random, family: Family) -> String {
    let not = not(random, 15);
    match family {
        Family::Ipv4 => {
            let kinds = ["0", "3", "3/1", "3/3", "3/4", "4", "5", "8", "11", "12", "13", "any"];
            format!(" -m icmp {not}--icmp-type {}", random.pick(&kinds))
        }
        Family::Ipv6 => {
            let kinds = ["1", "1/4", "2", "3", "4", "128", "129", "134", "135", "136"];
            format!(" -m icmp6 {not}--icmpv6-type {}", random.pick(&kinds))
        }
    }
}

/// A comma list of one to three of `items`.
fn list(random: &mut Random, items: &[&'static str]) -> String {
    let mut chosen: Vec<&str> = items.iter().copied().filter(|_| random.percent(35)).collect();
    if chosen.is_empty() {
        chosen.push(random.pick(items));
    }
    chosen.join(",")
}

const STATES: [&str; 5] = ["INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED"];

fn conntrack(random: &mut Random, world: &World, place: Place) -> String {
    let mut text = String::from(" -m conntrack");
    let plain = text.len();
    if random.percent(75) {
        text += &format!(" {}--ctstate {}", not(random, 15), list(random, &STATES));
    }
    if random.percent(10) {
        let proto = random.pick(&["6", "17", "1", "58", "132"]);
        text += &format!(" {}--ctproto {proto}", not(random, 20));
    }
    for flag in ["--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst"] {
        if random.percent(6) {
            let network = network(random, world, place.family);
            let not = if network.ends_with("/0") { "" } else { not(random, 20) };
            text += &format!(" {not}{flag} {network}");
        }
    }
    for flag in ["--ctorigsrcport", "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport"] {
        if random.percent(5) {
            text += &format!(" {}{flag} {}", not(random, 20), port_range(random));
        }
    }
    if random.percent(15) {
        let status = ["NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"];
        text += &format!(" {}--ctstatus {}", not(random, 20), list(random, &status));
    }
    if text.len() == plain || random.percent(10) {
        text += &format!(" --ctdir {}", random.pick(&["ORIGINAL", "REPLY"]));
    }
    text
}

fn state(random: &mut Random, _: &World, _: Place) -> String {
    format!(" -m state {}--state {}", not(random, 15), list(random, &STATES))
}

fn helper(random: &mut Random, _: &World, _: Place) -> String {
    let names = ["ftp", "ftp", "ftp-2121", "tftp", "irc", "ft", "\"\"", "sip"];
    format!(" -m helper {}--helper {}", not(random, 15), random.pick(&names))
}

fn mark(random: &mut Random, _: &World, _: Place) -> String {
    format!(" -m mark {}--mark {}", not(random, 20), mark_value(random))
}

fn connmark(random: &mut Random, _: &World, _: Place) -> String {
    format!(" -m connmark {}--mark {}", not(random, 20), mark_value(random))
}

pub(super) fn mark_value(random: &mut Random) -> String {
    let value = random.below(4);
    if random.percent(40) {
        format!("{value:#x}/{:#x}", random.pick(&[1, 2, 3, 0xff]))
    } else {
        format!("{value:#x}")
    }
}

fn multiport(random: &mut Random, _: &World, _: Place) -> String {
    let flag = random.pick(&["--sports", "--dports", "--ports"]);
    let ports: Vec<String> = (0..1 + random.below(5)).map(|_| port_range(random)).collect();
    format!(" -m multiport {}{flag} {}", not(random, 15), ports.join(","))
}

fn iprange(random: &mut Random, world: &World, place: Place) -> String {
    let addresses = world.addresses(place.family);
    let (a, b) = (random.pick(&addresses), random.pick(&addresses));
    let (low, high) = (a.min(b), a.max(b));
    let flag = random.pick(&["--src-range", "--dst-range"]);
    format!(" -m iprange {}{flag} {low}-{high}", not(random, 15))
}

fn addrtype(random: &mut Random, _: &World, place: Place) -> String {
    let flag = random.pick(&["--src-type", "--dst-type"]);
    let kinds: &[&str] = match place.family {
        Family::Ipv4 => &["UNICAST", "LOCAL", "BROADCAST", "MULTICAST", "UNSPEC", "UNREACHABLE"],
        Family::Ipv6 => &["UNICAST", "LOCAL", "MULTICAST"],
    };
    let mut text = format!(" -m addrtype {}{flag} {}", not(random, 20), random.pick(kinds));
    if random.percent(15) {
        match place.hook {
            Hook::Prerouting | Hook::Input => text += " --limit-iface-in",
            Hook::Output | Hook::Postrouting => text += " --limit-iface-out",
            Hook::Forward => {}
        }
    }
    text
}

fn length(random: &mut Random, _: &World, _: Place) -> String {
    let low = random.between(20, 200);
    format!(" -m length {}--length {low}:{}", not(random, 20), random.between(low, 1500))
}

fn ttl(random: &mut Random, _: &World, place: Place) -> String {
    let (name, flags) = match place.family {
        Family::Ipv4 => ("ttl", ["--ttl-eq", "--ttl-lt", "--ttl-gt"]),
        Family::Ipv6 => ("hl", ["--hl-eq", "--hl-lt", "--hl-gt"]),
    };
    format!(" -m {name} {} {}", random.pick(&flags), random.pick(&[1, 10, 63, 64, 128, 255]))
}

fn dscp(random: &mut Random, _: &World, _: Place) -> String {
    let value = random.pick(&[0, 0x08, 0x10, 0x2e]);
    format!(" -m dscp {}--dscp {value:#04x}", not(random, 30))
}

fn tos(random: &mut Random, _: &World, _: Place) -> String {
    let value = random.pick(&[0, 0x08, 0x10, 0xb8]);
    format!(" -m tos {}--tos {value:#04x}/0x{}", not(random, 30), random.pick(&["ff", "3f", "fc"]))
}

fn pkttype(random: &mut Random, _: &World, _: Place) -> String {
    let kind = random.pick(&["unicast", "broadcast", "multicast"]);
    format!(" -m pkttype {}--pkt-type {kind}", not(random, 20))
}

fn comment(random: &mut Random, _: &World, _: Place) -> String {
    format!(" -m comment --comment {}", random.pick(&["here", "\"two words\""]))
}

fn string(random: &mut Random, _: &World, _: Place) -> String {
    let pattern = random.pick(&["PORT", "USER", "DCC", "octet", "x"]);
    let case = if random.percent(20) { " --icase" } else { "" };
    let not = not(random, 20);
    let algo = random.pick(&["bm", "kmp"]);
    let mut text = format!(" -m string {not}--string \"{pattern}\" --algo {algo}");
    if random.percent(30) {
        text += &format!(" --from {} --to {}", random.below(40), 40 + random.below(200));
    }
    text + case
}

fn tcpmss(random: &mut Random, _: &World, _: Place) -> String {
    let low = random.between(500, 1400);
    format!(" -m tcpmss {}--mss {low}:{}", not(random, 20), random.between(low, 1460))
}

fn ecn(random: &mut Random, _: &World, _: Place) -> String {
    let flag = random.pick(&["--ecn-tcp-cwr", "--ecn-tcp-ece"]);
    format!(" -m ecn {}{flag}", not(random, 20))
}

fn rpfilter(random: &mut Random, _: &World, _: Place) -> String {
    let mut text = String::from(" -m rpfilter");
    for (flag, percent) in
        [("--loose", 30), ("--validmark", 10), ("--accept-local", 20), ("--invert", 50)]
    {
        if random.percent(percent) {
            text += &format!(" {flag}");
        }
    }
    text
}

fn extension_header(random: &mut Random, _: &World, _: Place) -> String {
    let not = not(random, 20);
    match random.below(6) {
        // The whole range cannot be turned around.
        0 => format!(" -m frag {not}--fragid 0:4294967294"),
        1 => String::from(" -m frag --fragfirst"),
        2 => format!(" -m rt {not}--rt-type {}", random.below(4)),
        3 => format!(" -m hbh {not}--hbh-len {}", 8 * (1 + random.below(2))),
        4 => format!(" -m dst {not}--dst-len {}", 8 * (1 + random.below(2))),
        _ => {
            let headers = ["hop-by-hop", "ipv6-opts", "ipv6-route", "ipv6-frag", "ipv6-nonxt"];
            let soft = if random.percent(50) { " --soft" } else { "" };
            format!(" -m ipv6header {not}--header {}{soft}", list(random, &headers))
        }
    }
}

fn mac(random: &mut Random, _: &World, _: Place) -> String {
    let address = random.pick(&["02:6b:77:ff:00:01", "52:54:00:12:34:56"]);
    format!(" -m mac {}--mac-source {address}", not(random, 20))
}

fn policy(random: &mut Random, _: &World, place: Place) -> String {
    let direction = match place.hook {
        Hook::Prerouting | Hook::Input => "in",
        Hook::Output | Hook::Postrouting => "out",
        Hook::Forward => random.pick(&["in", "out"]),
    };
    format!(" -m policy --dir {direction} --pol {}", random.pick(&["none", "ipsec"]))
}

fn connbytes(random: &mut Random, _: &World, _: Place) -> String {
    let low = random.below(6);
    let dir = random.pick(&["original", "reply", "both"]);
    let mode = random.pick(&["packets", "bytes", "avgpkt"]);
    let low = if mode == "packets" { low } else { low * 60 };
    format!(
        " -m connbytes {}--connbytes {low}:{} --connbytes-mode {mode} --connbytes-dir {dir}",
        not(random, 20),
        low + random.below(500),
    )
}

/// Without seconds: nothing is ever too old.
fn recent(random: &mut Random, _: &World, _: Place) -> String {
    let verb = random.pick(&["--set", "--rcheck", "--update", "--remove"]);
    let hits = matches!(verb, "--rcheck" | "--update") && random.percent(40);
    let hits = if hits { format!(" --hitcount {}", 1 + random.below(4)) } else { String::new() };
    let name = random.pick(&["here", "there"]);
    let end = random.pick(&["--rsource", "--rdest"]);
    format!(" -m recent {}{verb}{hits} --name {name} {end}", not(random, 15))
}

fn nth(random: &mut Random, _: &World, _: Place) -> String {
    let every = 1 + random.below(5);
    let packet = random.below(every);
    format!(" -m statistic --mode nth {}--every {every} --packet {packet}", not(random, 20))
}

fn quota(random: &mut Random, _: &World, _: Place) -> String {
    format!(" -m quota {}--quota {}", not(random, 20), random.below(5000))
}

fn set(random: &mut Random, _: &World, place: Place) -> String {
    let (name, ends) = random.pick(&SETS);
    let version = if place.family == Family::Ipv4 { 4 } else { 6 };
    let ends = random.pick(ends);
    let name = if name == "ports" { String::from(name) } else { format!("{name}{version}") };
    format!(" -m set {}--match-set {name} {ends}", not(random, 20))
}

/// The sets of [`super::SETS`], and the directions that each takes.
const SETS: [(&str, &[&str]); 4] = [
    ("hosts", &["src", "dst"]),
    ("nets", &["src", "dst"]),
    ("ports", &["src", "dst"]),
    ("services", &["src,dst", "dst,dst", "dst,src"]),
];

fn security_header(random: &mut Random, _: &World, _: Place) -> String {
    format!(" -m esp {}--espspi 0:{}", not(random, 20), random.bits() as u32)
}
