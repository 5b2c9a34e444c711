//! Rules that a policy comes to, in the real kernel, for iptables and for nftables: the recorded
//! sessions of real programs pass, and what attacks announce does not.

#[path = "agreement/recorded.rs"]
mod recorded;
#[path = "policy/translated.rs"]
mod translated;

use kinwall_kernel::{Answer, Case, Gateway, Ingress, Scenario, tier};
use kinwall_policy::compile::{File, Target, compile};
use kinwall_policy::language;
use kinwall_sim::attack::{Attack, Deed, Hosts, Step};
use kinwall_sim::traffic;
use kinwall_terms::{CtState, Verdict};
use kinwall_topology::Topology;
use std::path::{Path, PathBuf};

/// The gateway of the recordings.
const SEGMENTS: &str = include_str!("../../../tests/policy/segments.toml");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn compiled(policy: &str, target: Target) -> Vec<File> {
    let read = language::read(policy, "policy.toml", None);
    compile(&read.unwrap_or_else(|problems| panic!("{}", problems[0])), target, "policy.toml")
}

/// The kernel's answers to `packets` under rules; a family without a file has none.
fn answers(
    topology: &str,
    files: &[File],
    sysctls: &[(String, String)],
    packets: &[(Ingress, Vec<u8>)],
) -> Vec<Answer> {
    let text = |name: &str| files.iter().find(|file| file.name == name).map(|f| f.text.as_str());
    let topology = Topology::from_toml(topology, "topology.toml").expect("a topology");
    let scenario = Scenario {
        rules4: text("rules.v4"),
        rules6: text("rules.v6"),
        nft: text("rules.nft"),
        sysctls: sysctls.to_vec(),
        ..Scenario::new(&topology)
    };
    let mut gateway = Gateway::new(&scenario).unwrap_or_else(|error| panic!("{error}"));
    let sent = packets.iter().map(|(ingress, packet)| gateway.send(*ingress, packet));
    sent.map(|answer| answer.unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn intent(service: &str, from: &str, to: &str, rest: &str) -> String {
    format!("[[intent]]\nservice = \"{service}\"\nfrom = \"{from}\"\nto = \"{to}\"\n{rest}\n")
}

#[test]
fn recorded_sessions_pass() {
    if !tier::is_wanted() {
        return;
    }
    let h323 = intent("h323", "client", "gatekeeper", "media = \"exchange\"")
        + &intent("h323", "exchange", "client", "");
    let rows = [
        ("ftp", intent("ftp", "lan", "wan", "active = true"), true),
        ("tftp", intent("tftp", "lan", "server", ""), true),
        ("sip", intent("sip", "lan", "server", ""), true),
        ("h323", h323, true),
        ("pptp", intent("pptp", "lan", "server", ""), false),
        ("irc-dcc", intent("irc", "lan", "server", ""), false),
        ("amanda", intent("amanda", "client", "server", ""), false),
        ("sane", intent("sane", "lan", "server", ""), true),
        ("netbios-ns", intent("netbios-ns", "gateway", "lan", ""), false),
        ("snmp", intent("snmp", "gateway", "lan", ""), false),
    ];
    for (example, intent, v6) in rows {
        let rules: &[&str] = if v6 { &["rules.v4", "rules.v6"] } else { &["rules.v4"] };
        let directory = root().join("examples").join(example);
        let case = recorded::case(&directory, "capture.pcapng", rules, "");
        let recorded = |name, text: &Option<String>| {
            text.as_ref().map(|text| File { name, text: text.clone() })
        };
        let Case { topology, rules4, rules6, packets, .. } = &case;
        let files: Vec<File> =
            recorded("rules.v4", rules4).into_iter().chain(recorded("rules.v6", rules6)).collect();
        let theirs = answers(topology, &files, &[], packets);
        for target in [Target::Iptables, Target::Nftables] {
            let files = compiled(&format!("{SEGMENTS}\n{intent}"), target);
            let ours = answers(topology, &files, &[], packets);
            let passed = |answer: &Answer| answer.verdict == Verdict::Accept;
            for (n, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                let at = format!("{example}, {target:?}, packet {n}");
                assert_eq!(passed(ours), passed(theirs), "{at}: {:?}", ours.decided_by);
            }
            let related = ours.iter().filter(|answer| {
                passed(answer)
                    && answer.ct_state == Some(CtState::Related)
                    && answer.helper_of_master.is_some()
            });
            assert!(related.count() > 0, "{example}, {target:?}: nothing announced passed");
        }
    }
}

/// What passes all the same: it comes from the peer that may send it, or from its address behind
/// the interface where it lives, which no rule can tell apart.
const GENUINE: [&str; 5] = [
    "netbios-forged-answer",
    "pptp-call-id-collision",
    "pptp-call-id-guessing",
    "sip-media-taken-by-a-stranger",
    "snmp-forged-answer",
];

#[test]
fn attacks_are_refused() {
    if !tier::is_wanted() {
        return;
    }
    let folder = root().join("tests/attacks");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
    let topology = read("gateway/topology.toml");
    let hosts = Hosts::read(&read("gateway/hosts"), &topology).expect("hosts");
    let policy = read("gateway/policy.toml");
    let both =
        [Target::Iptables, Target::Nftables].map(|target| (target, compiled(&policy, target)));
    let entries = std::fs::read_dir(&folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let names = names.filter_map(Result::ok);
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".txt")).collect();
    names.sort();
    let (mut tried, mut open) = (0, Vec::new());
    for name in &names {
        let attack = Attack::read(name, &read(name), &hosts).unwrap_or_else(|e| panic!("{e}"));
        let Some((topology, sysctls)) = settings(&attack, &topology) else { continue };
        // The harness has no clock: an attack ends where time has to pass.
        let before_waiting = |step: &&Step| !matches!(step.deed, Deed::Wait { .. });
        let mut packets = Vec::new();
        let mut last = Vec::new();
        for step in attack.steps.iter().take_while(before_waiting) {
            let Deed::Send { packets: sent, tried, .. } = &step.deed else { continue };
            packets.extend(sent.iter().map(|(ingress, bytes)| match ingress {
                traffic::Ingress::Interface(name) => (Ingress::Interface(*name), bytes.clone()),
                traffic::Ingress::Local => (Ingress::Local, bytes.clone()),
            }));
            if *tried {
                last.push((packets.len() - 1, &step.text));
            }
        }
        for (target, files) in &both {
            let said = answers(&topology, files, &sysctls, &packets);
            tried += last.len();
            let passed = last.iter().filter(|(at, _)| said[*at].verdict == Verdict::Accept);
            open.extend(passed.map(|(_, text)| format!("{name}, {target:?}: {text}")));
        }
    }
    let is_genuine = |open: &String| GENUINE.iter().any(|known| open.starts_with(known));
    let (genuine, open): (Vec<String>, Vec<String>) = open.into_iter().partition(is_genuine);
    assert!(open.is_empty(), "{}", open.join("\n"));
    // What is seen to pass shows that a packet which passed would have been seen.
    for (target, _) in &both {
        let of_target = format!(", {target:?}: ");
        assert!(genuine.iter().any(|open| open.contains(&of_target)), "{genuine:?}");
    }
    assert!(tried >= TRIED_MIN, "only {tried} packets were tried");
}

/// Packets that the attacks try at least, over both tools.
const TRIED_MIN: usize = 60;

/// The topology with the options of an attack, and its sysctls; `None` where an option is one for
/// the whole machine. Guards are nothing the kernel has.
fn settings(attack: &Attack, topology: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut topology = topology.to_owned();
    let mut sysctls = Vec::new();
    for (key, value) in &attack.settings {
        match key.rsplit_once('.') {
            _ if key.starts_with("guard.") => {}
            _ if key.starts_with("net.") => sysctls.push((key.clone(), value.clone())),
            Some((module, option)) => {
                topology += &format!("[modules.{module}]\n{option} = {value}\n");
            }
            None => return None,
        }
    }
    Some((topology, sysctls))
}
