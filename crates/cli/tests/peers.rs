//! Real programs through the live gateway: the sessions of the examples are played with kinwall in
//! the kernel's place, and every rule must match packets where the kernel's did when they were
//! recorded, and none where it did not: in front of whom it should not, nothing opens.
//!
//! The tests need root, and a kernel with packet queues; `examples/live.sh` installs the programs.

mod common;

use common::root;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Rules by table, in order: how many packets each counted, and its text.
type Counted = BTreeMap<String, Vec<(u64, String)>>;

/// Sessions live by time: one is played at once.
static ONE: Mutex<()> = Mutex::new(());

/// Plays an example, and gives what was counted in each of its parts, by file name.
fn play(example: &str, profile: &str) -> Vec<(String, Counted)> {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = common::folder(&format!("peers-{profile}-{example}"));
    let output = Command::new(root().join("examples/live.sh"))
        .args(["--profile", profile])
        .arg(&dir)
        .arg(example)
        .env("KINWALL", env!("CARGO_BIN_EXE_kinwall"))
        .output()
        .expect("bash runs");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&said));
    let mut files: Vec<_> = fs::read_dir(dir.join(example)).expect("a folder").flatten().collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let named = files.iter().map(|file| (file.file_name().into_string().expect("a name"), file));
    let counters = named.filter(|(name, _)| name.contains(".counters."));
    counters.map(|(name, file)| (name, ours(&file.path()))).collect()
}

/// What kinwall counted.
fn ours(path: &Path) -> Counted {
    let mut counted = Counted::new();
    for line in fs::read_to_string(path).expect("counters").lines() {
        let rule: Value = serde_json::from_str(line).expect("JSON");
        let table = rule["table"].as_str().expect("a table").to_owned();
        let text = rule["rule"].as_str().expect("a rule").to_owned();
        let packets = rule["packets"].as_u64().expect("a count");
        counted.entry(table).or_default().push((packets, text));
    }
    counted
}

/// What the kernel counted when the example was recorded, as `iptables-save -c` prints it.
fn recorded(path: &Path) -> Option<Counted> {
    let mut counted = Counted::new();
    let mut table = String::new();
    for line in fs::read_to_string(path).ok()?.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.to_owned();
        }
        let rule = line.strip_prefix('[').and_then(|line| line.split_once("] "));
        if let Some((counters, text)) = rule {
            let packets = counters.split(':').next().and_then(|count| count.parse().ok());
            let rule = (packets.expect("a count"), text.to_owned());
            counted.entry(table.clone()).or_default().push(rule);
        }
    }
    Some(counted)
}

/// Every rule matched if the kernel's did, and only then.
fn as_in_the_kernel(example: &str, profile: &str) {
    let mut rules = 0;
    for (name, ours) in play(example, profile) {
        let path = root().join("examples").join(example).join(&name);
        let Some(kernel) = recorded(&path) else { continue };
        for (table, kernel) in &kernel {
            let ours = &ours[table];
            assert_eq!(ours.len(), kernel.len(), "{example}/{name} {table}");
            for ((count, text), (in_kernel, _)) in ours.iter().zip(kernel) {
                // Who ends before the last answer comes says so by ICMP: by chance.
                if text.contains("RELATED") && !text.contains("--helper") {
                    continue;
                }
                rules += 1;
                assert_eq!(
                    *count > 0,
                    *in_kernel > 0,
                    "{example}/{name} ({profile}): {text}\n{count} packets, in the kernel {in_kernel}"
                );
            }
        }
    }
    assert!(rules > 3, "{example}: {rules} rules");
}

macro_rules! sessions {
    ($($name:ident: $example:literal, $profile:literal;)*) => {
        $(
            #[test]
            fn $name() {
                as_in_the_kernel($example, $profile);
            }
        )*
    };
}

sessions! {
    ftp: "ftp", "strict";
    ftp_as_linux_reads_it: "ftp", "linux";
    tftp: "tftp", "strict";
    irc: "irc-dcc", "strict";
    pptp: "pptp", "strict";
    sane: "sane", "strict";
    snmp: "snmp", "strict";
    netbios: "netbios-ns", "strict";
    amanda: "amanda", "strict";
    sip: "sip", "linux";
    translated: "masquerade", "strict";
    bounce_as_linux_believes_it: "ftp-bounce-attack", "linux";
    forged_port_as_linux_believes_it: "ftp-forged-port", "linux";
}

/// The port of a database inside is announced by a client outside: Linux with `loose=1` expects the
/// server to connect there, the strict reading does not. (A port forged into somebody else's session
/// cannot be told from his own: against that stands anti-spoofing, as its session shows.)
#[test]
fn a_bounce_stays_outside() {
    let example = "ftp-bounce-attack";
    for (profile, is_believed) in [("linux", true), ("strict", false)] {
        play(example, profile);
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peers-{profile}-{example}"));
        let path = dir.join(example).join("capture.expectations");
        let text = fs::read_to_string(path).expect("expectations");
        let to_database = |line: &str| line.starts_with("[NEW]") && line.contains(" dst=10.1.0.5 ");
        assert_eq!(text.lines().any(to_database), is_believed, "{profile}:\n{text}");
    }
}
