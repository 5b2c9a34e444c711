//! Rule sets of nftables: `nft -f` for the kernel, what `nft -j list ruleset` then prints for
//! kinwall, and the same packets through both.

use super::both::{Both, Refusal};
use kinwall_kernel::{Agreement, Case, Ingress, tier};
use kinwall_sim::{Random, World, traffic};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Random rule sets.
const CASES: u64 = 8;
/// Sessions in one case.
const SESSIONS: usize = 25;
/// Rules in one chain.
const RULES: usize = 14;
/// The share of packets on which both must agree.
const AGREEMENT_MIN: f64 = 0.999;

/// What rules ask, of hosts and networks of the [`World`]; some of one family.
const TESTS: &[&str] = &[
    "ip saddr 10.1.0.0/24",
    "ip saddr != { 10.1.0.5, 203.0.113.0/24 }",
    "ip saddr @nets",
    "ip daddr { 10.1.0.5-10.1.0.6, 198.51.100.3, 172.16.5.0/24 }",
    "ip daddr != 10.1.0.6",
    "ip daddr & 255.255.0.0 == 10.1.0.0",
    "ip saddr . ip daddr { 203.0.113.9 . 10.1.0.5, 10.1.0.5 . 203.0.113.9 }",
    "ip saddr . tcp dport @services",
    "ip protocol { icmp, tcp }",
    "ip6 saddr fd00:1::/64",
    "ip6 daddr { fd00:1::5, 2001:db8:9::/48 }",
    "ip6 saddr != fd00:2::/64",
    "iifname \"eth0\"",
    "iifname { \"eth1\", \"eth2\" }",
    "iifname != { \"eth0\", \"lo\" }",
    "iifname \"eth*\"",
    "iif eth1",
    "meta l4proto { tcp, udp } th dport { 21, 53, 80-1000 }",
    "meta l4proto != tcp",
    "meta l4proto { icmp, ipv6-icmp }",
    "meta nfproto ipv4",
    "tcp dport { 21, 80, 1024-65535 }",
    "tcp dport != { 21, 22 }",
    "tcp sport 1024-65535",
    "tcp flags & (fin | syn | rst | ack) == syn",
    "tcp flags syn,rst",
    "tcp flags & (syn | ack) != syn",
    "udp dport 1-1023",
    "udp sport != 53",
    "icmp type { echo-request, destination-unreachable }",
    "icmp type echo-request icmp code 0",
    "icmp type != echo-reply",
    "icmpv6 type { echo-request, nd-neighbor-solicit, packet-too-big }",
    "icmpv6 type . icmpv6 code { 128 . 0, 1 . 4 }",
    "ct state established,related",
    "ct state new",
    "ct state != new",
    "ct state { invalid, untracked }",
    "ct direction reply",
    "ct status seen-reply",
    "ct status assured",
    "ct helper \"ftp\"",
    "ct helper != \"ftp\"",
    "ct state related ct helper { \"ftp\", \"sip\", \"tftp\" }",
    "ct original ip saddr 10.1.0.0/24",
    "ct original protocol tcp ct original proto-dst 21",
    "ct mark 3",
    "meta mark & 0xf == 1",
    "meta mark != 0x20",
    "fib daddr type local",
    "fib saddr . iif oif exists",
    "ether saddr != 02:00:00:00:00:99",
    "ip ttl != 1",
    "ip6 hoplimit 64",
    "meta length 0-200",
    "",
];

/// What rules do.
const ACTIONS: &[&str] = &[
    "accept",
    "accept",
    "drop",
    "jump one",
    "jump two",
    "goto one",
    "return",
    "counter",
    "meta mark set 1",
    "meta mark set meta mark | 0x20",
    "ct mark set 3",
    "ct mark set meta mark",
    "log prefix \"seen\" accept",
    "meta mark set 5 accept",
    "reject with icmpx admin-prohibited",
    "ct state vmap { invalid : drop, established : accept }",
    "iifname vmap { \"eth0\" : jump one, \"eth1\" : accept, \"eth2\" : goto two }",
    "tcp dport vmap { 21 : accept, 22-80 : drop, 1000-2000 : jump two }",
    "ip saddr . tcp dport vmap { 10.1.0.5 . 21 : accept, 10.1.0.6 . 80 : drop }",
];

/// Rules before connection tracking; there is nothing yet to reject.
const EARLY: &[&str] = &[
    "ip saddr 198.51.100.3 drop",
    "fib saddr . iif oif missing drop",
    "iifname \"eth2\" udp dport 53 notrack",
    "iifname \"eth1\" ip saddr { 10.1.0.0/24, 10.7.0.0/16 } accept",
    "meta mark set 1",
    "ip6 saddr fd00:2::5 accept",
];

/// Rules that give out helpers, and what may keep packets from them.
const HELPERS: &[&str] = &[
    "tcp dport 21 ct helper set \"ftp-tcp\"",
    "iifname \"eth1\" udp dport 69 ct helper set \"tftp-udp\" accept",
    "udp dport 5060 ct state new ct helper set \"sip-udp\"",
    "ip saddr 10.1.0.6 accept",
    "ct state established accept",
    "iifname \"eth2\" drop",
    "tcp dport { 21, 6667 } jump three",
];

const HEAD: &str = "\
table inet t {
	ct helper ftp-tcp { type \"ftp\" protocol tcp; }
	ct helper tftp-udp { type \"tftp\" protocol udp; }
	ct helper sip-udp { type \"sip\" protocol udp; }
	set nets { type ipv4_addr; flags interval; elements = { 10.7.0.0/16, 192.0.2.9 } }
	set services { type ipv4_addr . inet_service; elements = { 203.0.113.9 . 21, 10.1.0.5 . 21 } }
	chain three { ip saddr 10.7.0.0/16 return; ct helper set \"ftp-tcp\"; accept; }
";

fn pick<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from[random.below(from.len())]
}

fn chain(random: &mut Random, head: &str, actions: &[&str], count: usize) -> String {
    let mut text = format!("\tchain {head}");
    for _ in 0..count {
        let tests = 1 + random.below(2);
        let tests: Vec<&str> = (0..tests).map(|_| pick(random, TESTS)).collect();
        text += &format!("\t\t{} {}\n", tests.join(" "), pick(random, actions));
    }
    text + "\t}\n"
}

fn few(random: &mut Random, head: &str, from: &[&str]) -> String {
    let mut text = format!("\tchain {head}");
    for _ in 0..2 + random.below(from.len()) {
        text += &format!("\t\t{}\n", pick(random, from));
    }
    text + "\t}\n"
}

/// A random rule set: two base chains at most hooks.
fn ruleset(random: &mut Random) -> String {
    let base = |hook: &str, priority: &str, policy: &str| {
        format!("{{\n\t\ttype filter hook {hook} priority {priority}; policy {policy};\n")
    };
    let simple: Vec<&str> = ACTIONS
        .iter()
        .copied()
        .filter(|action| !["one", "two"].iter().any(|chain| action.contains(chain)))
        .collect();
    let mut text = HEAD.to_owned();
    text += &chain(random, "two {\n", &simple, 4);
    let leads: Vec<&str> = simple.iter().copied().chain(["jump two", "goto two"]).collect();
    text += &chain(random, "one {\n", &leads, 5);
    text += &few(random, &format!("early {}", base("prerouting", "raw", "accept")), EARLY);
    for (name, hook, priority) in
        [("pre", "prerouting", "mangle"), ("give", "output", "mangle"), ("late", "input", "-5")]
    {
        text += &few(random, &format!("{name} {}", base(hook, priority, "accept")), HELPERS);
    }
    for hook in ["input", "forward", "output"] {
        let policy = if random.below(3) == 0 { "drop" } else { "accept" };
        let head = format!("{hook} {}", base(hook, "filter", policy));
        text += &chain(random, &head, ACTIONS, RULES);
    }
    text += "}\ntable ip other {\n";
    let simple: Vec<&str> = simple.into_iter().filter(|a| !a.contains("icmpx")).collect();
    let head = format!("more {}", base("forward", "10", "accept"));
    let mut more = chain(random, &head, &simple, 4);
    for named in ["@nets", "@services"] {
        more = more.replace(named, "10.1.0.5");
    }
    more = more.replace("ip saddr . tcp dport 10.1.0.5", "ip saddr 10.1.0.5");
    let six = |line: &&str| !line.contains("ip6") && !line.contains("icmpv6");
    text += &more.lines().filter(six).map(|line| format!("{line}\n")).collect::<String>();
    text + "}\n"
}

/// What nft prints of a rule set, in a namespace with the world's interfaces.
pub(crate) fn listing(script: &str) -> Result<String, String> {
    let make = "for i in eth0 eth1 eth2; do ip tuntap add dev $i mode tap; done; \
                nft -f - && nft -j list ruleset";
    let mut child = Command::new("unshare")
        .args(["-n", "sh", "-c", make])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}\n{error}", tier::NOTICE));
    child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("an end");
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).expect("text")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The rule set without the lines that nft refuses (tests of two protocols), and its listing.
fn accepted(mut script: String) -> (String, String) {
    for _ in 0..50 {
        let refused = match listing(&script) {
            Ok(listing) => return (script, listing),
            Err(refused) => refused,
        };
        let places = refused.lines().filter_map(|line| line.strip_prefix("/dev/stdin:"));
        let lines: Vec<usize> =
            places.filter_map(|place| place.split(':').next()?.parse().ok()).collect();
        assert!(!lines.is_empty(), "{refused}\n{script}");
        let kept = script.lines().zip(1..).filter(|(_, number)| !lines.contains(number));
        script = kept.map(|(line, _)| format!("{line}\n")).collect();
    }
    panic!("nft refuses\n{script}");
}

#[test]
fn random_rules_of_nftables_do_what_their_translation_does() {
    if !tier::is_wanted() {
        return;
    }
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let first = number("KINWALL_SEED", 1);
    let mut both = Both::default();
    let mut total = Agreement::default();
    for seed in first..first + number("KINWALL_CASES", CASES) {
        let world = World::new();
        let mut random = Random::new(seed);
        let script = ruleset(&mut random);
        let (script, listing) = accepted(script);
        let packets = traffic::traffic(&mut random, &world, SESSIONS, None)
            .into_iter()
            .map(|sent| match sent.ingress {
                traffic::Ingress::Interface(name) => (Ingress::Interface(name), sent.bytes),
                traffic::Ingress::Local => (Ingress::Local, sent.bytes),
            })
            .collect();
        let case = Case {
            name: format!("nft-{seed}"),
            topology: world.topology().to_string(),
            nft: Some(script),
            listing: Some(listing),
            packets,
            ..Case::default()
        };
        match both.compare(&case) {
            Ok(agreement) => {
                if !agreement.disagreements.is_empty() {
                    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&case.name);
                    case.write(&folder).expect("writing a case");
                }
                total.merge(agreement);
            }
            Err(Refusal::Kernel(text) | Refusal::Ours(text)) => panic!("seed {seed}: {text}"),
        }
    }
    println!("{total}");
    assert!(total.packets > 500, "only {} packets", total.packets);
    assert!(total.figure() >= AGREEMENT_MIN, "agreement {:.5}", total.figure());
}
