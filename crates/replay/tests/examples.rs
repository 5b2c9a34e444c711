//! The recorded examples: what the gateway's kernel counted on each rule, and what its helpers
//! expected, against what a replay of the same packets does.

use kinwall_conntrack::{Event, ExpectationView};
use kinwall_engine::{Engine, Settings};
use kinwall_replay::{Clock, Input, Replay, Source};
use kinwall_rules::load::{self, Defines, Source as Text};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{Family, KernelVersion, L4Proto, Profile};
use kinwall_topology::Topology;
use std::fs;
use std::path::{Path, PathBuf};

/// Example, capture, rules and settings.
type Row =
    (&'static str, &'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

/// What is replayed; the counters are in `CAPTURE.counters.v4` and `.v6`.
const ROWS: &[Row] = &[
    ("ftp", "capture", &["rules.v4", "rules.v6"], &[]),
    ("tftp", "capture", &["rules.v4", "rules.v6"], &[]),
    ("h323", "capture", &["rules.v4", "rules.v6"], &[]),
    ("irc-dcc", "capture", &["rules.v4"], &[]),
    ("pptp", "capture", &["rules.v4"], &[]),
    ("amanda", "capture", &["rules.v4"], &[]),
    ("netbios-ns", "capture", &["rules.v4"], &[]),
    ("sane", "capture", &["rules.v4", "rules.v6"], &[]),
    ("snmp", "capture", &["rules.v4"], &[]),
    ("sip", "capture", &["rules.v4", "rules.v6"], &[]),
    ("sip", "refused", &["careless.v4", "rules.v6"], &[]),
    ("sip", "direct", &["careless.v4", "rules.v6"], &[("nf_conntrack_sip.sip_direct_media", "0")]),
    ("ftp-bounce-attack", "capture", &["careless.v4"], &[("nf_conntrack_ftp.loose", "1")]),
    ("ftp-bounce-attack", "refused", &["careless.v4"], &[]),
    ("ftp-bounce-attack", "careful", &["rules.v4"], &[("nf_conntrack_ftp.loose", "1")]),
    ("ftp-forged-port", "capture", &["careless.v4"], &[]),
    ("ftp-forged-port", "refused", &["rules.v4"], &[]),
];

/// Examples whose captures hold what the gateway itself sends.
const OWN: &[&str] = &["netbios-ns", "snmp"];

#[test]
fn a_replay_counts_on_every_rule_what_the_kernel_counted() {
    for (example, capture, rules, settings) in ROWS {
        let (replay, _) = replay(example, capture, rules, settings);
        // What the gateway itself sent and got is not in every capture.
        let is_told = |name: &str| OWN.contains(example) || !name.contains("PUT");
        for family in Family::ALL {
            let Some(program) = replay.engine().program(family) else { continue };
            let version = if family == Family::Ipv4 { "v4" } else { "v6" };
            let path = folder(example).join(format!("{capture}.counters.{version}"));
            let counted = counters(&fs::read_to_string(&path).unwrap());
            let ours: Vec<(String, u64)> = program
                .rule_ids()
                .map(|id| {
                    let place = program.reference(id).unwrap();
                    let packets = replay.engine().memory().counters(family, id).packets;
                    (format!("{} {} {}", place.table, place.chain, place.number), packets)
                })
                .filter(|(name, _)| is_told(name))
                .collect();
            let kernel: Vec<_> = counted.into_iter().filter(|(name, _)| is_told(name)).collect();
            assert_eq!(ours, kernel, "{example}/{capture} {family}");
        }
    }
}

#[test]
fn a_replay_expects_what_the_kernels_helpers_expected() {
    for (example, capture, rules, settings) in ROWS {
        let (_, expected) = replay(example, capture, rules, settings);
        let path = folder(example).join(format!("{capture}.expectations"));
        let text = fs::read_to_string(&path).unwrap();
        let kernel: Vec<String> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("[NEW] "))
            .map(|line| line[..line.find(" class=").unwrap_or(line.len())].to_owned())
            .collect();
        assert_eq!(expected, kernel, "{example}/{capture}");
    }
}

fn folder(example: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example)
}

/// The capture through the engine, and the expectations made, as `conntrack -E expect` prints
/// them.
fn replay(
    example: &str,
    capture: &str,
    rules: &[&str],
    settings: &[(&str, &str)],
) -> (Replay, Vec<String>) {
    let folder = folder(example);
    let text = fs::read_to_string(folder.join("topology.toml")).unwrap();
    let mut topology = Topology::from_toml(&text, "topology.toml").unwrap();
    let mut all = Settings::of(KernelVersion::DEFAULT, Profile::Linux, &mut topology).unwrap();
    for (key, value) in settings {
        all.set(&mut topology, key, value).unwrap();
    }
    let texts: Vec<String> =
        rules.iter().map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect();
    let sources: Vec<Text<'_>> =
        rules.iter().zip(&texts).map(|(name, text)| Text { name, text, family: None }).collect();
    let loaded = load::load(&sources, &Defines::default()).unwrap();
    let programs = Family::ALL.map(|family| {
        loaded.ruleset(family).map(|ruleset| Program::compile(ruleset, &Options::default()))
    });
    let mut engine = Engine::new(topology, all, programs, 1);
    engine.set_events(true);
    let mut replay = Replay::new(engine, Clock::Capture, Vec::new());
    let input = Input::new(folder.join(format!("{capture}.pcapng")));
    let mut source = Source::open(&[input]).unwrap();
    let mut expected = Vec::new();
    while let Some(frame) = source.next() {
        replay.frame(&frame).unwrap();
        let now = replay.now();
        let events: Vec<Event> = replay.engine_mut().events().collect();
        for event in events {
            if let Event::ExpectationNew(view) = event {
                let seconds = view.deadline.since(now).as_secs();
                expected.push(as_conntrack(replay.engine(), &view, seconds));
            }
        }
    }
    assert_eq!(source.damage_count(), 0, "{example}/{capture}");
    (replay, expected)
}

fn as_conntrack(engine: &Engine, view: &ExpectationView, seconds: u64) -> String {
    let (tuple, mask) = (view.expected.tuple, view.expected.mask);
    let exact = match tuple.dst {
        std::net::IpAddr::V4(_) => "255.255.255.255",
        std::net::IpAddr::V6(_) => "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    };
    let master = engine.conntrack().connection(view.master).unwrap().original;
    let ports = |sport: u16, dport: u16| match tuple.proto {
        L4Proto::GRE => format!("srckey={sport:#x} dstkey={dport:#x}"),
        _ => format!("sport={sport} dport={dport}"),
    };
    let flags: Vec<&str> = view.flags.iter_names().map(|(name, _)| name).collect();
    let flags = if flags.is_empty() { String::new() } else { format!(" {}", flags.join(",")) };
    format!(
        "{seconds} proto={} src={} dst={} {} mask-src={} mask-dst={exact} {} \
         master-src={} master-dst={} sport={} dport={}{flags}",
        tuple.proto.0,
        tuple.src,
        tuple.dst,
        ports(tuple.sport, tuple.dport),
        mask.address,
        ports(mask.port, 0xffff),
        master.src,
        master.dst,
        master.sport,
        master.dport,
    )
}

/// Table, chain and number of each rule in `iptables-save -c` text, with its packets.
fn counters(text: &str) -> Vec<(String, u64)> {
    let mut table = "";
    let mut rows: Vec<(String, u64)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        }
        let Some((count, rule)) = line.strip_prefix('[').and_then(|l| l.split_once("] -A ")) else {
            continue;
        };
        let chain = rule.split(' ').next().unwrap();
        let here = format!("{table} {chain} ");
        let number = rows.iter().filter(|(name, _)| name.starts_with(&here)).count() + 1;
        let packets = count.split(':').next().unwrap().parse().unwrap();
        rows.push((format!("{here}{number}"), packets));
    }
    // The tables in the order of their priority, as a program lists them.
    rows.sort_by_key(|(name, _)| {
        let order = ["raw", "mangle", "nat", "filter", "security"];
        order.iter().position(|table| name.starts_with(table))
    });
    rows
}
