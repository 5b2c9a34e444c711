//! The recorded examples: what `kinwall replay` says of them, against what the kernel of the
//! gateway counted on every rule and expected while they were recorded.

use kinwall_replay::{Input, Source};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A recording: its folder, its name, the rules that were loaded, and the settings.
struct Recording<'a> {
    folder: &'a str,
    capture: &'a str,
    rules: &'a [&'a str],
    set: &'a [&'a str],
}

const LOOSE: &[&str] = &["nf_conntrack_ftp.loose=1"];

const RECORDINGS: &[Recording<'_>] = &[
    Recording { folder: "ftp", capture: "capture", rules: &["rules.v4", "rules.v6"], set: &[] },
    Recording { folder: "tftp", capture: "capture", rules: &["rules.v4", "rules.v6"], set: &[] },
    Recording { folder: "irc-dcc", capture: "capture", rules: &["rules.v4"], set: &[] },
    Recording { folder: "pptp", capture: "capture", rules: &["rules.v4"], set: &[] },
    Recording { folder: "amanda", capture: "capture", rules: &["rules.v4"], set: &[] },
    Recording { folder: "netbios-ns", capture: "capture", rules: &["rules.v4"], set: &[] },
    Recording { folder: "sane", capture: "capture", rules: &["rules.v4", "rules.v6"], set: &[] },
    Recording { folder: "snmp", capture: "capture", rules: &["rules.v4"], set: &[] },
    Recording { folder: "sip", capture: "capture", rules: &["rules.v4", "rules.v6"], set: &[] },
    Recording { folder: "sip", capture: "refused", rules: &["careless.v4", "rules.v6"], set: &[] },
    Recording {
        folder: "sip",
        capture: "direct",
        rules: &["careless.v4", "rules.v6"],
        set: &["nf_conntrack_sip.sip_direct_media=0"],
    },
    Recording {
        folder: "ftp-bounce-attack",
        capture: "capture",
        rules: &["careless.v4"],
        set: LOOSE,
    },
    Recording {
        folder: "ftp-bounce-attack",
        capture: "refused",
        rules: &["careless.v4"],
        set: &[],
    },
    Recording { folder: "ftp-bounce-attack", capture: "careful", rules: &["rules.v4"], set: LOOSE },
    Recording { folder: "ftp-forged-port", capture: "capture", rules: &["careless.v4"], set: &[] },
    Recording { folder: "ftp-forged-port", capture: "refused", rules: &["rules.v4"], set: &[] },
    Recording {
        folder: "masquerade",
        capture: "arriving",
        rules: &["rules.v4", "rules.v6"],
        set: &[],
    },
    BOTH_SIDES,
];

/// Recorded on both sides of a gateway that translates.
const BOTH_SIDES: Recording<'_> = Recording {
    folder: "masquerade",
    capture: "both",
    rules: &["random.v4", "rules.v6"],
    set: &[],
};

/// Packets by the rule that decided, as `ipv4 filter FORWARD 3`; `policy` for chain policies.
type Counts = BTreeMap<String, u64>;

#[test]
fn every_rule_decides_as_often_as_in_the_kernel() {
    for recording in RECORDINGS {
        let lines = recording.replay();
        let mut ours = Counts::new();
        for packet in of_type(&lines, "packet") {
            let rule = &packet["rule"];
            let by = if rule.is_null() {
                assert_eq!(packet["reason"], "chain-policy", "{packet}");
                if recording.asks_everybody() && packet["out"].is_null() {
                    continue;
                }
                "policy".to_owned()
            } else {
                let word = |field| rule[field].as_str().expect("a word");
                let number = &rule["number"];
                format!("{} {} {} {number}", word("family"), word("table"), word("chain"))
            };
            *ours.entry(by).or_default() += 1;
        }
        assert_eq!(ours, recording.kernel_counts(), "{}", recording.name());
    }
}

#[test]
fn the_expectations_are_the_kernel_s() {
    for recording in RECORDINGS {
        let lines = recording.replay();
        let ours: Vec<String> = of_type(&lines, "expectation")
            .filter(|line| line["event"] == "new")
            .map(|line| {
                let word = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
                format!(
                    "{} {}/{} port {}/{} to {}/{} port {}/{}",
                    word("helper"),
                    word("src"),
                    word("src_mask"),
                    line["sport"],
                    line["sport_mask"],
                    word("dst"),
                    word("dst_mask"),
                    line["dport"],
                    line["dport_mask"],
                )
            })
            .collect();
        assert_eq!(ours, recording.kernel_expectations(), "{}", recording.name());
    }
}

#[test]
fn every_related_packet_names_the_one_that_announced_it() {
    for recording in RECORDINGS {
        let lines = recording.replay();
        for packet in of_type(&lines, "packet").filter(|packet| packet["ctstate"] == "RELATED") {
            let announced = &packet["announced_by"];
            assert!(announced["packet"].as_u64() < packet["packet"].as_u64(), "{packet}");
            assert!(announced["length"].is_u64(), "{packet}");
        }
    }
}

/// What the gateway sent is in the capture, too: it has the gateway's own link-layer addresses.
#[test]
fn what_is_kept_is_what_left_the_gateway() {
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("left.pcap");
    BOTH_SIDES.run(&["--summary", "--write", &kept.display().to_string()]);
    let is_own = |frame: &Vec<u8>| {
        let source = &frame[6..12];
        source == [2, 0, 0, 0, 0, 1] || source == [2, 0, 0, 0, 0, 2]
    };
    let packet = |frame: &Vec<u8>| frame[14..].to_vec();
    let (left, came): (Vec<_>, Vec<_>) =
        frames(&BOTH_SIDES.path("both.pcapng")).into_iter().partition(is_own);
    let left: Vec<_> = left.iter().map(packet).collect();
    assert!(left.len() > 200 && left != came.iter().map(packet).collect::<Vec<_>>());
    assert_eq!(frames(&kept).iter().map(packet).collect::<Vec<_>>(), left);
}

/// The frames of a capture.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    let mut source = Source::open(&[Input::new(path)]).expect("a capture");
    let mut frames = Vec::new();
    while let Some(frame) = source.next() {
        frames.push(frame.bytes.to_vec());
    }
    frames
}

/// The attack of the README: the same capture, refused as soon as one of the two is right.
#[test]
fn the_bounce_needs_both_mistakes() {
    let rows: [(&[&str], _, _, _); 4] = [
        (&["careless.v4"], LOOSE, "accept", "RELATED"),
        (&["careless.v4"], &[], "drop", "NEW"),
        (&["rules.v4"], LOOSE, "drop", "RELATED"),
        (&["rules.v4"], &[], "drop", "NEW"),
    ];
    for (rules, set, verdict, state) in rows {
        let recording = Recording { folder: "ftp-bounce-attack", capture: "capture", rules, set };
        let lines = recording.replay();
        let mut to_database = of_type(&lines, "packet")
            .filter(|packet| packet["in"] == "eth2" && packet["out"] == "eth1");
        let first = to_database.next().expect("the server connects to the database");
        assert_eq!((&first["verdict"], &first["ctstate"]), (&verdict.into(), &state.into()));
        assert!(to_database.all(|packet| packet["verdict"] == verdict), "{rules:?} {set:?}");
    }
}

/// The guard of every helper, by its name or everybody's: what it refuses is no expectation, is
/// told where it stands, and is counted.
#[test]
fn guards_refuse_what_each_helper_announces() {
    let rows = [
        ("amanda", "amanda", true),
        ("ftp", "ftp", true),
        ("h323", "Q.931", false),
        ("h323", "RAS", false),
        ("h323", "*", true),
        ("irc-dcc", "irc", true),
        ("netbios-ns", "netbios-ns", true),
        ("pptp", "*", true),
        ("pptp", "pptp", true),
        ("sane", "sane", true),
        ("sip", "sip", true),
        ("snmp", "snmp", true),
        ("tftp", "tftp", true),
    ];
    for (folder, helper, all) in rows {
        for (limit, reason) in
            [("networks=198.51.100.0/24", "guard-network"), ("min_port=65535", "guard-port")]
        {
            // The guard of ports is for TCP and UDP.
            if folder == "pptp" && reason == "guard-port" {
                continue;
            }
            let setting = format!("guard.{helper}.{limit}");
            assert_refuses(folder, &setting, reason, all);
        }
    }
    for folder in ["amanda", "pptp", "sip"] {
        assert_refuses(folder, "guard.*.per_master=1", "guard-limit", false);
        assert_refuses(folder, "guard.*.per_peer=1", "guard-limit", false);
    }
}

fn assert_refuses(folder: &str, setting: &str, reason: &str, all: bool) {
    let recording = Recording { folder, capture: "capture", rules: &["rules.v4"], set: &[setting] };
    let lines = recording.replay();
    let summary = of_type(&lines, "summary").next().expect("a summary");
    let refused = summary["not_believed"][reason].as_u64().unwrap_or(0);
    assert!(refused > 0, "{folder} {setting}: {summary}");
    let expected = of_type(&lines, "expectation").filter(|line| line["event"] == "new").count();
    // In the captures of both families the rules of the other are not given, so all is by IPv4.
    assert!(!all || expected == 0, "{folder} {setting}: {expected} expectations");
    let text = recording.run(&["--why"]);
    let told = text.matches("did not believe bytes ").count();
    assert!(text.contains(reason) && told > 0, "{folder} {setting}: {text}");
}

impl Recording<'_> {
    /// Whether the gateway itself asks a whole network: Linux hears that itself, and drops it in
    /// INPUT; no capture shows it.
    fn asks_everybody(&self) -> bool {
        ["netbios-ns", "snmp"].contains(&self.folder)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.folder, self.capture)
    }

    fn path(&self, file: &str) -> PathBuf {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
        PathBuf::from(root).join(self.folder).join(file)
    }

    fn read(&self, suffix: &str) -> String {
        let path = self.path(&format!("{}.{suffix}", self.capture));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    }

    /// The JSON lines of the replay.
    fn replay(&self) -> Vec<Value> {
        self.run(&["--format", "json"])
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    /// What the replay prints.
    fn run(&self, options: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kinwall"));
        command.arg("replay").args(options).arg("--topology").arg(self.path("topology.toml"));
        for rules in self.rules {
            command.arg("--rules").arg(self.path(rules));
        }
        for setting in self.set {
            command.args(["--set", setting]);
        }
        let output = command.arg(self.path(&format!("{}.pcapng", self.capture))).output();
        let output = output.expect("kinwall runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", self.name());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The counters of the rules that decide: all of filter, and what raw drops.
    fn kernel_counts(&self) -> Counts {
        let mut counts = Counts::new();
        for rules in self.rules {
            let (family, suffix) = match rules.ends_with("v6") {
                true => ("ipv6", "counters.v6"),
                false => ("ipv4", "counters.v4"),
            };
            let mut table = String::new();
            let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
            for line in self.read(suffix).lines() {
                if let Some(name) = line.strip_prefix('*') {
                    name.clone_into(&mut table);
                    numbers.clear();
                } else if let Some(chain) = line.strip_prefix(':') {
                    let heard_itself = self.asks_everybody() && chain.starts_with("INPUT ");
                    if chain.contains(" DROP [") && !heard_itself {
                        add(&mut counts, "policy".into(), packets(chain));
                    }
                } else if let Some((_, rule)) = line.split_once("] -A ") {
                    let chain = rule.split(' ').next().expect("a chain");
                    let number = numbers.entry(chain.into()).or_default();
                    *number += 1;
                    let decides = rule.ends_with("-j DROP")
                        || (table == "filter" && rule.ends_with("-j ACCEPT"));
                    if decides {
                        add(
                            &mut counts,
                            format!("{family} {table} {chain} {number}"),
                            packets(line),
                        );
                    }
                }
            }
        }
        counts
    }

    /// The births in `conntrack -E expect`, in the words of our own test.
    fn kernel_expectations(&self) -> Vec<String> {
        let text = self.read("expectations");
        let births = text.lines().filter(|line| line.starts_with("[NEW]"));
        births
            .map(|line| {
                // The names come several times: tuple, mask, master.
                let all = |name: &str| -> Vec<&str> {
                    let prefix = format!("{name}=");
                    line.split(' ').filter_map(|word| word.strip_prefix(&prefix)).collect()
                };
                let one = |name: &str| all(name)[0];
                // Ports, or the call ids of GRE in hexadecimal.
                let ports = |port: &str, key: &str| {
                    let is_gre = !all(key).is_empty();
                    let found = all(if is_gre { key } else { port });
                    let number = |text: &str| match text.strip_prefix("0x") {
                        Some(hex) => u16::from_str_radix(hex, 16).expect("a key"),
                        None => text.parse().expect("a port"),
                    };
                    format!("{}/{}", number(found[0]), number(found[1]))
                };
                format!(
                    "{} {}/{} port {} to {}/{} port {}",
                    one("helper"),
                    one("src"),
                    one("mask-src"),
                    ports("sport", "srckey"),
                    one("dst"),
                    one("mask-dst"),
                    ports("dport", "dstkey"),
                )
            })
            .collect()
    }
}

fn of_type<'a>(lines: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["type"] == kind)
}

/// The packets in `[packets:bytes]`.
fn packets(text: &str) -> u64 {
    let counters = text.split_once('[').and_then(|(_, rest)| rest.split_once(':'));
    counters.and_then(|(packets, _)| packets.parse().ok()).expect("[packets:bytes]")
}

fn add(counts: &mut Counts, name: String, packets: u64) {
    if packets > 0 {
        *counts.entry(name).or_default() += packets;
    }
}
