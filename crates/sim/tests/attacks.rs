//! The attacks of `tests/attacks/` at the root of the repository, through the engine: as the
//! kernel's helpers see them (`linux`) and as ours do (`strict`), by default and with the
//! dangerous option.

mod gateway;

use gateway::{Gateway, Run};
use kinwall_policy::compile::{Target, compile};
use kinwall_policy::language;
use kinwall_sim::attack::{Attack, Deed, Hosts};
use std::path::Path;

#[test]
fn attacks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/attacks");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let hosts = Hosts::read(&read("gateway/hosts"), &read("gateway/topology.toml")).unwrap();
    let rules = read("gateway/rules");
    let names = attacks_in(&folder);
    let mut failures = Vec::new();
    for name in &names {
        let attack = Attack::read(name, &read(name), &hosts).unwrap_or_else(|e| panic!("{e}"));
        for run in Run::of(&attack) {
            failures.extend(failures_of(&attack, &run, &rules, &hosts));
        }
    }
    assert!(failures.is_empty(), "{} claims failed\n{}", failures.len(), failures.join("\n"));
    assert!(names.len() >= ATTACKS_MIN, "only {} attacks were found", names.len());
}

/// The same attacks on a gateway whose rules come from a policy: what they announce stays shut,
/// in the office and among the servers.
#[test]
fn a_policy_refuses_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/attacks");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let hosts = Hosts::read(&read("gateway/hosts"), &read("gateway/topology.toml")).unwrap();
    let policy = language::read(&read("gateway/policy.toml"), "policy.toml", None);
    let policy = policy.unwrap_or_else(|problems| panic!("{}", problems[0]));
    let files = compile(&policy, Target::Iptables, "policy.toml");
    let rules: Vec<(&str, &str)> = files
        .iter()
        .filter(|file| file.name.starts_with("rules."))
        .map(|file| (file.name, file.text.as_str()))
        .collect();
    let (mut tried, mut open) = (0, Vec::new());
    for name in attacks_in(&folder) {
        let attack = Attack::read(&name, &read(&name), &hosts).unwrap_or_else(|e| panic!("{e}"));
        for run in Run::of(&attack) {
            let mut gateway = Gateway::with_rules(&attack, &run, &rules, &hosts);
            for step in &attack.steps {
                match &step.deed {
                    Deed::Wait { seconds } => drop(gateway.wait(*seconds)),
                    Deed::Count => {}
                    Deed::Send { packets, tried: last, many } => {
                        let said = gateway.send(packets, *last, *many);
                        tried += usize::from(*last);
                        let passed = said.iter().any(|said| said.starts_with("accept"));
                        let step = format!("{name}: {}", step.text);
                        if *last && passed && !open.contains(&step) {
                            open.push(step);
                        }
                    }
                }
            }
        }
    }
    assert_eq!(open, GENUINE);
    assert!(tried >= TRIED_MIN, "only {tried} packets were tried");
}

/// What passes all the same: it comes from the peer that may send it, or from its address behind
/// the interface where it lives, which no rule can tell apart.
const GENUINE: [&str; 5] = [
    "netbios-forged-answer.txt: try udp client:137 -> gateway:40000 payload \\x5a\\x1c\\x85\\0",
    "pptp-call-id-collision.txt: try gre server -> client call 5",
    "pptp-call-id-guessing.txt: try in eth0 gre server -> client call 12345",
    "sip-media-taken-by-a-stranger.txt: try udp server:30000 -> client:20000",
    "snmp-forged-answer.txt: try udp client:161 -> gateway:40000 payload x",
];

/// Packets that the attacks try at least, over all runs.
const TRIED_MIN: usize = 150;

/// The names of the attacks, in order.
fn attacks_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.ends_with(".txt"))
        .collect();
    names.sort();
    names
}

/// Attacks there are at least.
const ATTACKS_MIN: usize = 35;

/// Runs an attack, and says where it goes otherwise than claimed.
fn failures_of(attack: &Attack, run: &Run, rules: &str, hosts: &Hosts) -> Vec<String> {
    let mut gateway = Gateway::new(attack, run, rules, hosts);
    let mut failures = Vec::new();
    for step in &attack.steps {
        let said = match &step.deed {
            Deed::Send { packets, tried, many } => gateway.send(packets, *tried, *many),
            Deed::Wait { seconds } => gateway.wait(*seconds),
            Deed::Count => vec![gateway.pending().to_string()],
        };
        let applies = |words: &[String]| words.iter().all(|word| run.is(word));
        let claims = step.claims.iter().filter(|claim| applies(&claim.runs));
        let claimed: Vec<&str> = claims.map(|claim| claim.what.as_str()).collect();
        let as_claimed = said.len() == claimed.len()
            && said.iter().zip(&claimed).all(|(said, claimed)| begins_with(said, claimed));
        if !as_claimed {
            failures.push(format!(
                "{}:{}: {} ({run})\n  claimed {claimed:?}\n  said    {said:?}",
                attack.name, step.line, step.text
            ));
        }
    }
    failures
}

/// Whether the words of `said` begin with those of `claimed`.
fn begins_with(said: &str, claimed: &str) -> bool {
    said.strip_prefix(claimed).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}
