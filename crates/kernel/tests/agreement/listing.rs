//! What `conntrack` prints of the kernel's connections and expectations, and what we print of ours,
//! after the same packets: the same lines. Only the seconds left may differ by one, as the two
//! clocks are not read at once.

use super::both::Both;
use super::generated;
use kinwall_engine::{Engine, Settings};
use kinwall_kernel::{Case, Follower, Gateway, tier};
use kinwall_sim::{World, rules};
use kinwall_state::import::import;
use kinwall_state::show::{Options, connection, expectation};
use kinwall_terms::{Family, KernelVersion, Profile, Time};
use kinwall_topology::Topology;
use std::collections::BTreeSet;

/// After how many packets tables are compared, again and again.
const EVERY: usize = 40;
/// Seeds of the generated cases.
const SEEDS: u64 = 4;

#[test]
fn tables_and_events_are_told_in_the_same_lines() {
    if !tier::is_wanted() {
        return;
    }
    let mut both = Both::default();
    let mut wrong = Wrong::default();
    for seed in 7000..7000 + SEEDS {
        for only_helpers in [true, false] {
            let mut case = generated(seed);
            if only_helpers {
                case.rules4 = Some(rules::only_helpers(Family::Ipv4));
                case.rules6 = Some(rules::only_helpers(Family::Ipv6));
                case.sysctls = vec![("net.netfilter.nf_conntrack_acct".into(), "1".into())];
            }
            super::ours::Ours::remove_refused(&mut case);
            check(&mut both, &case, &mut wrong);
        }
    }
    assert!(wrong.told.is_empty(), "{}", wrong.told.join("\n"));
    let unseen: Vec<_> = WORDS.iter().filter(|word| !wrong.seen.contains(*word)).collect();
    assert!(unseen.is_empty(), "no line was compared that has {unseen:?}");
}

/// What lines must have had among them, for the comparison to say anything.
const WORDS: [&str; 21] = [
    "tcp ",
    "udp ",
    "icmp ",
    "icmpv6 ",
    "sctp ",
    "gre ",
    "ipv4 ",
    "ipv6 ",
    "SYN_SENT2 ",
    "[UNREPLIED]",
    "[ASSURED]",
    "packets=",
    "helper=",
    "use=2",
    "srckey=0x",
    "class=1",
    "INACTIVE",
    "PERMANENT",
    "[NEW]",
    "[UPDATE]",
    "[DESTROY]",
];

/// What differed.
#[derive(Default)]
struct Wrong {
    /// Which of the [`WORDS`] were there.
    seen: BTreeSet<&'static str>,
    told: Vec<String>,
}

impl Wrong {
    /// Notes lines that only one side has.
    fn compare(&mut self, what: &str, theirs: &[String], ours: &[String]) {
        let mut left: Vec<&String> = ours.iter().filter(|line| is_certain(line)).collect();
        for line in theirs.iter().filter(|line| is_certain(line)) {
            self.seen.extend(WORDS.iter().filter(|word| line.contains(*word)));
            match left.iter().position(|other| is_same(line, other)) {
                Some(at) => drop(left.remove(at)),
                None => self.told.push(format!("{what}: kernel:  {line}")),
            }
        }
        self.told.extend(left.iter().map(|line| format!("{what}: kinwall: {line}")));
    }
}

fn check(both: &mut Both, case: &Case, wrong: &mut Wrong) {
    let mut followers: Option<[Follower; 2]> = None;
    let mut told = [Vec::new(), Vec::new()];
    let count = case.packets.len();
    let mut after = |at: usize, gateway: &Gateway, ours: &mut super::ours::Ours| {
        if at == 0 {
            let follow = |words: &[&str]| gateway.follow(words).expect("conntrack follows");
            followers = Some([follow(&[]), follow(&["expect"])]);
        }
        if at.is_multiple_of(EVERY) || at == count {
            for (options, words) in [
                (Options::default(), &["-L"][..]),
                (Options { extended: true, ..Options::default() }, &["-L", "-o", "extended"]),
            ] {
                let [connections, _] = ours.listed(options);
                let theirs = lines(gateway, words);
                let what = format!("{} after {at} packets", case.name);
                wrong.compare(&what, &theirs, &connections);
            }
            let [_, expectations] = ours.listed(Options::default());
            let mut theirs = lines(gateway, &["-L", "expect"]);
            theirs.extend(lines(gateway, &["-L", "expect", "-f", "ipv6"]));
            wrong.compare(&format!("{}, expected", case.name), &theirs, &expectations);
        }
        if at == count {
            taken_over(&case.name, gateway, wrong);
        }
        told.clone_from(ours.told());
    };
    both.compare_and(case, &mut after).expect("a case that both accept");
    for ((follower, ours), what) in
        followers.iter_mut().flatten().zip(&told).zip(["events", "expectations told"])
    {
        wrong.compare(&format!("{}, {what}", case.name), &follower.lines(), ours);
    }
}

/// The kernel's tables, read, restored and printed, are the kernel's tables. Who announced whom is
/// not told, and so neither is how many children there are.
fn taken_over(name: &str, gateway: &Gateway, wrong: &mut Wrong) {
    let without_use = |line: &String| match line.rsplit_once(" use=") {
        Some((line, _)) => line.to_owned(),
        None => line.clone(),
    };
    let mut connections = lines(gateway, &["-L", "-o", "extended"]);
    let mut expectations = lines(gateway, &["-L", "expect"]);
    expectations.extend(lines(gateway, &["-L", "expect", "-f", "ipv6"]));
    let now = Time(1_000_000_000_000);
    let imported = import(&connections.join("\n"), &expectations.join("\n"), now);
    let imported = imported.expect("lines that can be read");
    let left_out: BTreeSet<&String> = imported.left_out.iter().map(|left| &left.line).collect();
    let is_sctp = |line: &&String| line.contains(" sctp ");
    let unexpected: Vec<_> = left_out.iter().filter(|line| !is_sctp(line)).collect();
    assert!(unexpected.is_empty(), "{name}: {unexpected:?}");
    connections.retain(|line| !left_out.contains(line));
    let settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    let topology = Topology::from_toml(World::new().topology(), "world").expect("a topology");
    let mut engine = Engine::new(topology, settings, [None, None], 1);
    engine.restore(now, imported.snapshot).unwrap_or_else(|why| panic!("{name}: {why}"));
    let table = engine.conntrack();
    let options = Options { extended: true, ..Options::default() };
    let printed: Vec<_> =
        table.connections(now).map(|view| connection(&engine, &view, now, options)).collect();
    let [theirs, ours] = [&connections, &printed].map(|l| l.iter().map(without_use).collect());
    let (theirs, ours): (Vec<_>, Vec<_>) = (theirs, ours);
    wrong.compare(&format!("{name}, taken over"), &theirs, &ours);
    let printed: Vec<_> = table
        .expectations(now)
        .map(|view| expectation(&engine, &view, now, Options::default()))
        .collect();
    wrong.compare(&format!("{name}, expectations taken over"), &expectations, &printed);
}

fn lines(gateway: &Gateway, words: &[&str]) -> Vec<String> {
    let text = gateway.conntrack(words).unwrap_or_else(|error| panic!("{error}"));
    text.lines().map(str::to_owned).collect()
}

/// Whether nothing in a line depends on chance or on the moment: the kernel renews expectations
/// of broadcast questions by chance, and who is about to end is gone for one side first.
fn is_certain(line: &str) -> bool {
    let is_broadcast = line.contains("PERMANENT") && line.contains("helper=netbios-ns");
    let is_broadcast = is_broadcast || line.contains("PERMANENT class=0 helper=snmp");
    let mut words = line.split_whitespace();
    let numbers = words.by_ref().take_while(|word| !word.contains('='));
    let numbers: Vec<u64> = numbers.filter_map(|word| word.parse().ok()).collect();
    // The protocol's number, and that of the family, may stand before the seconds.
    let has_ended = line.starts_with("[DESTROY]") && numbers.len() < 2 && !line.contains("proto=");
    !is_broadcast && !has_ended && numbers.last().is_some_and(|seconds| *seconds > 2)
}

/// Whether two lines say the same, the seconds left aside by one.
fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.split(' '), other.split(' '));
    let mut seconds = 0;
    let mut words = 0;
    let is_same = |(one, other): (&str, &str)| {
        words += 1;
        let numbers = (one.parse::<u64>(), other.parse::<u64>());
        match numbers {
            _ if one == other => true,
            (Ok(one), Ok(other)) => {
                seconds += 1;
                one.abs_diff(other) <= 1 && seconds == 1
            }
            _ => false,
        }
    };
    one.clone().count() == other.clone().count() && one.zip(other).all(is_same)
}
