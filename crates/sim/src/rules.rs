//! Random rule sets, as `iptables-save` writes them.
//!
//! Only matches that answer from the packet and its connection are used: nothing here lives by
//! the clock or by chance, so two engines that are right give the same verdicts. Values are
//! taken from the [`World`] and from what its hosts send, so that rules do match.

mod matches;
mod nat;
mod targets;

use crate::{Random, World};
use kinwall_terms::{Family, Hook, Table};
use std::fmt::Write;

/// What a rule may say depends on where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) family: Family,
    pub(crate) table: Table,
    /// The built-in chain from which the rule is reached; user chains are each reached from
    /// one only.
    pub(crate) hook: Hook,
    pub(crate) user_chain: bool,
}

/// A random rule set of one family: 1 to about 80 rules in up to five tables.
pub fn ruleset(random: &mut Random, world: &World, family: Family) -> String {
    let mut text = String::new();
    for (table, percent) in
        [(Table::Raw, 60), (Table::Mangle, 50), (Table::Filter, 100), (Table::Security, 10)]
    {
        if random.percent(percent) {
            write_table(&mut text, random, world, family, table);
        }
    }
    // By chances of its own: whatever else a seed makes stays as it is.
    let seed = text.bytes().fold(1, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x1b3));
    let own = &mut Random::new(seed);
    if own.percent(60) {
        write_table(&mut text, own, world, family, Table::Nat);
    }
    text
}

/// The sets that rules may ask, as `ipset restore` reads them.
pub const SETS: &str = "\
create hosts4 hash:ip family inet
add hosts4 10.1.0.5
add hosts4 203.0.113.9
add hosts4 172.16.5.99
create hosts6 hash:ip family inet6
add hosts6 fd00:1::5
add hosts6 2001:db8::9
create nets4 hash:net family inet
add nets4 10.7.0.0/16
add nets4 198.51.100.0/24
add nets4 198.51.100.3 nomatch
create nets6 hash:net family inet6
add nets6 fd00:2::/64
add nets6 2001:db8:9::/48
create ports bitmap:port range 0-65535
add ports 21
add ports 69
add ports 1024-20000
create services4 hash:ip,port family inet
add services4 203.0.113.9,tcp:21
add services4 10.1.0.5,udp:69
create services6 hash:ip,port family inet6
add services6 fd00:1::5,tcp:21
";

/// Sysctls that somebody might set: how the trackers judge, and how long they remember.
pub fn settings(random: &mut Random) -> Vec<(String, String)> {
    const CHOICES: [(&str, &[&str]); 16] = [
        ("net.netfilter.nf_conntrack_tcp_loose", &["0", "1"]),
        ("net.netfilter.nf_conntrack_tcp_be_liberal", &["0", "1"]),
        ("net.netfilter.nf_conntrack_tcp_ignore_invalid_rst", &["0", "1"]),
        ("net.netfilter.nf_conntrack_tcp_max_retrans", &["0", "1", "3", "5"]),
        ("net.netfilter.nf_conntrack_checksum", &["0", "1"]),
        ("net.netfilter.nf_conntrack_acct", &["0", "1"]),
        ("net.netfilter.nf_conntrack_tcp_timeout_syn_sent", &["60", "120"]),
        ("net.netfilter.nf_conntrack_tcp_timeout_established", &["7200", "432000"]),
        ("net.netfilter.nf_conntrack_tcp_timeout_unacknowledged", &["100", "300"]),
        ("net.netfilter.nf_conntrack_udp_timeout", &["45", "30"]),
        ("net.netfilter.nf_conntrack_icmp_timeout", &["40"]),
        ("net.netfilter.nf_conntrack_generic_timeout", &["300"]),
        ("net.netfilter.nf_conntrack_gre_timeout", &["50"]),
        ("net.ipv4.conf.eth0.rp_filter", &["0", "1", "2"]),
        ("net.ipv4.conf.eth1.rp_filter", &["0", "1", "2"]),
        ("net.ipv4.conf.all.rp_filter", &["0", "0", "1", "2"]),
    ];
    let chosen = CHOICES.iter().filter(|_| random.percent(12)).copied().collect::<Vec<_>>();
    chosen.iter().map(|(name, values)| (name.to_string(), random.pick(values).into())).collect()
}

fn write_table(
    text: &mut String,
    random: &mut Random,
    world: &World,
    family: Family,
    table: Table,
) {
    let mut rules = String::new();
    let mut chains = String::new();
    let user_chains: Vec<(String, Hook)> =
        (0..random.below(4)).map(|n| (format!("user_{n}"), random.pick(table.hooks()))).collect();
    for &hook in table.hooks() {
        // A table that drops what it does not know hides what the others say.
        let drops = table == Table::Filter && random.percent(30);
        let policy = if drops { "DROP" } else { "ACCEPT" };
        line(&mut chains, format_args!(":{hook} {policy} [0:0]"));
    }
    for (name, _) in &user_chains {
        line(&mut chains, format_args!(":{name} - [0:0]"));
    }
    if table == Table::Raw {
        helper_rules(&mut rules, random, family);
    }
    if table == Table::Filter && random.percent(60) {
        usual_rules(&mut rules, random);
    }
    for &hook in table.hooks() {
        let place = Place { family, table, hook, user_chain: false };
        let reachable: Vec<&str> =
            user_chains.iter().filter(|(_, h)| *h == hook).map(|(n, _)| n.as_str()).collect();
        for _ in 0..random.below(8) {
            let rule = rule(random, world, place, &reachable);
            line(&mut rules, format_args!("-A {hook}{rule}"));
        }
    }
    for (at, (name, hook)) in user_chains.iter().enumerate() {
        let place = Place { family, table, hook: *hook, user_chain: true };
        // Only to chains further on: no rule set with a loop is accepted.
        let further: Vec<&str> = user_chains[at + 1..]
            .iter()
            .filter(|(_, h)| h == hook)
            .map(|(n, _)| n.as_str())
            .collect();
        for _ in 0..random.below(6) {
            let rule = rule(random, world, place, &further);
            line(&mut rules, format_args!("-A {name}{rule}"));
        }
    }
    let _ = write!(text, "*{table}\n{chains}{rules}COMMIT\n");
}

/// Helpers: protocol, name, and the ports that sessions use.
const HELPERS: &[(&str, &str, &[u16])] = &[
    ("tcp", "ftp", &[21, 2121]),
    ("udp", "tftp", &[69]),
    ("tcp", "irc", &[6667]),
    ("tcp", "pptp", &[1723]),
    ("udp", "sip", &[5060]),
    ("tcp", "sip", &[5060]),
    ("udp", "amanda", &[10080]),
    ("tcp", "sane", &[6566]),
    ("udp", "netbios-ns", &[137]),
    ("udp", "snmp", &[161]),
    ("udp", "RAS", &[1719]),
    ("tcp", "Q.931", &[1720]),
];

/// The helpers that children get: no rule assigns them.
const OF_CHILDREN: &[&str] = &["H.245"];

/// Those that ip6tables does not know.
const ONLY_IPV4: &[&str] = &["irc", "pptp", "netbios-ns", "snmp"];

/// A rule set that gives connections their helpers and does nothing else: what trackers and
/// helpers do is then not hidden behind rules.
pub fn only_helpers(family: Family) -> String {
    let mut rules = String::new();
    for (proto, helper, ports) in helpers(family) {
        for port in ports {
            assign(&mut rules, proto, helper, *port);
        }
    }
    format!("*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n")
}

/// Protocol, name and the ports that sessions use, of the helpers of a family.
fn helpers(family: Family) -> impl Iterator<Item = (&'static str, &'static str, &'static [u16])> {
    let exists = move |helper| family == Family::Ipv4 || !ONLY_IPV4.contains(&helper);
    HELPERS.iter().copied().filter(move |(_, helper, _)| exists(*helper))
}

/// The way helpers are given to connections, in most rule sets.
fn helper_rules(rules: &mut String, random: &mut Random, family: Family) {
    for (proto, helper, ports) in helpers(family) {
        if random.percent(70) {
            assign(rules, proto, helper, random.pick(ports));
        }
    }
}

fn assign(rules: &mut String, proto: &str, helper: &str, port: u16) {
    for hook in ["PREROUTING", "OUTPUT"] {
        line(rules, format_args!("-A {hook} -p {proto} --dport {port} -j CT --helper {helper}"));
    }
}

/// What most filters begin with: connections go on, and what helpers announced may begin.
fn usual_rules(rules: &mut String, random: &mut Random) {
    for chain in ["INPUT", "FORWARD", "OUTPUT"] {
        line(rules, format_args!("-A {chain} -m conntrack --ctstate ESTABLISHED -j ACCEPT"));
        for helper in HELPERS.iter().map(|(_, helper, _)| helper).chain(OF_CHILDREN) {
            if random.percent(80) {
                line(
                    rules,
                    format_args!(
                        "-A {chain} -m conntrack --ctstate RELATED -m helper --helper {helper} \
                         -j ACCEPT"
                    ),
                );
            }
        }
        let news = random.pick(&[
            "-i eth1 -m conntrack --ctstate NEW -j ACCEPT",
            "-m conntrack --ctstate NEW -j ACCEPT",
        ]);
        if chain == "FORWARD" {
            line(rules, format_args!("-A {chain} {news}"));
        }
    }
}

fn rule(random: &mut Random, world: &World, place: Place, chains: &[&str]) -> String {
    let (matches, proto) = matches::matches(random, world, place);
    let target = match place.table {
        Table::Nat => nat::target(random, place, proto, chains),
        _ => targets::target(random, place, proto, chains),
    };
    format!("{matches}{target}")
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{words}");
}
