//! `kinwall policy`: what it writes is taken by the real tools, lets the recorded sessions pass,
//! and refuses the recorded attacks.

mod common;

use common::{folder, run};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The gateway of the recordings.
const SEGMENTS: &str = include_str!("../../../tests/policy/segments.toml");

fn intent(service: &str, from: &str, to: &str, rest: &str) -> String {
    format!("[[intent]]\nservice = \"{service}\"\nfrom = \"{from}\"\nto = \"{to}\"\n{rest}\n")
}

/// Compiles the segments with an intent.
fn compile(dir: &Path, intent: &str) {
    std::fs::write(dir.join("policy.toml"), format!("{SEGMENTS}\n{intent}")).expect("a file");
    let ran = run("policy compile DIR/policy.toml --target iptables -o DIR", dir, b"");
    assert_eq!(ran.status, 0, "{}", ran.err);
}

/// What the rules in `dir` do with each packet of a recording.
fn replayed(dir: &Path, recording: &str, set: &str) -> Vec<Value> {
    let line = format!(
        "replay --format json --rules DIR/rules.v4 --rules DIR/rules.v6 --topology \
         DIR/topology.toml {set} examples/{recording}.pcapng"
    );
    packets(&line, dir)
}

fn packets(line: &str, dir: &Path) -> Vec<Value> {
    let ran = run(line, dir, b"");
    assert_eq!(ran.status, 0, "{line}\n{}", ran.err);
    let lines = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.filter(|line: &Value| line["type"] == "packet").collect()
}

#[test]
fn sessions_pass_as_by_the_rules_they_were_recorded_with() {
    let active = "active = true";
    // Two exchanges that call each other directly, and a gatekeeper.
    let h323 = intent("h323", "client", "gatekeeper", "media = \"exchange\"")
        + &intent("h323", "exchange", "client", "");
    let rows = [
        ("ftp", intent("ftp", "lan", "wan", active), true),
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
        let dir = folder(&format!("policy-{example}"));
        compile(&dir, &intent);
        let ours = replayed(&dir, &format!("{example}/capture"), "");
        let v6 = if v6 { format!("--rules examples/{example}/rules.v6") } else { String::new() };
        let line = format!(
            "replay --format json --rules examples/{example}/rules.v4 {v6} --topology \
             examples/{example}/topology.toml examples/{example}/capture.pcapng"
        );
        let theirs = packets(&line, &dir);
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let passes = |packet: &Value| packet["verdict"] == "accept";
            assert_eq!(passes(ours), passes(theirs), "{example}\n{ours}\n{theirs}");
        }
        let related = ours.iter().filter(|packet| packet["ctstate"] == "RELATED");
        let passed = related.filter(|packet| packet["verdict"] == "accept").count();
        assert!(passed > 0, "{example}: nothing announced passed");
    }
}

#[test]
fn attacks_are_refused() {
    let loose = "--set nf_conntrack_ftp.loose=1";
    let bounce = intent("ftp", "wan", "own-server", "active = true");
    let forged = intent("ftp", "lan", "wan", "active = true");
    for (recording, intent, set, target) in [
        ("ftp-bounce-attack/capture", &bounce, "", "10.1.0.5:5432"),
        ("ftp-bounce-attack/capture", &bounce, loose, "10.1.0.5:5432"),
        ("ftp-forged-port/capture", &forged, "", "10.1.0.2:5432"),
        ("ftp-forged-port/capture", &forged, loose, "10.1.0.2:5432"),
    ] {
        let dir = folder("policy-attack");
        compile(&dir, intent);
        let line = format!(
            "replay --rules DIR/rules.v4 --topology DIR/topology.toml {set} \
             examples/{recording}.pcapng"
        );
        let ran = run(&line, &dir, b"");
        let to_target: Vec<&str> =
            ran.out.lines().filter(|line| line.contains(&format!("> {target}"))).collect();
        assert!(!to_target.is_empty(), "{recording}: {}", ran.out);
        for line in to_target {
            assert!(line.contains(" drop "), "{recording} {set}: {line}");
        }
    }
}

/// Loads what is written into the tools' parsers, in a network namespace.
#[test]
fn the_real_tools_take_the_example() {
    let dir = folder("policy-real");
    let ran = run("policy compile examples/policy/office.toml -o DIR", &dir, b"");
    assert_eq!(ran.status, 0, "{}", ran.err);
    let listed = ["rules.v4", "rules.v6", "sysctl.conf", "modprobe.conf", "explain.md"];
    assert!(listed.iter().all(|name| ran.out.contains(name)), "{}", ran.out);
    if !can_run() {
        return;
    }
    for (tool, file) in [("iptables-restore", "rules.v4"), ("ip6tables-restore", "rules.v6")] {
        let output = Command::new("unshare")
            .args(["-n", tool, "--test"])
            .arg(dir.join(file))
            .output()
            .expect("unshare runs");
        assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string("../../examples/policy/office.toml").expect("the example");
    let lan = "name = \"lan\"\n";
    let asymmetric = text.replace(lan, &format!("{lan}asymmetric = true\n"));
    for text in [text.replace("default = true", "default = true\nasymmetric = true"), asymmetric] {
        std::fs::write(dir.join("policy.toml"), text).expect("a file");
        let ran = run("policy compile DIR/policy.toml --target nftables -o DIR", &dir, b"");
        assert_eq!(ran.status, 0, "{}", ran.err);
        nft_takes(&dir);
    }
    let line = "policy compile examples/policy/office.toml --target nftables -o DIR";
    assert_eq!(run(line, &dir, b"").status, 0);
    nft_takes(&dir);
}

fn nft_takes(dir: &Path) {
    let output = Command::new("unshare")
        .args(["-n", "nft", "-c", "-f"])
        .arg(dir.join("rules.nft"))
        .output()
        .expect("unshare runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Whether the real tools can be asked.
fn can_run() -> bool {
    let output = Command::new("unshare").args(["-n", "iptables-save", "--version"]).output();
    let found = output.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("\n*** NOT RUN: the real iptables. It needs root and the package iptables\n");
    }
    found
}

#[test]
fn the_audit_and_the_rules_check_find_nothing() {
    let dir = folder("policy-audit");
    let compiled = run("policy compile examples/policy/office.toml -o DIR", &dir, b"");
    assert_eq!(compiled.status, 0, "{}", compiled.err);
    let ran = run(
        "audit DIR/rules.v4 DIR/rules.v6 --topology DIR/topology.toml --sysctl DIR/sysctl.conf \
         --modprobe DIR/modprobe.conf",
        &dir,
        b"",
    );
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.ends_with("0 errors, 0 warnings, 1 note\n"), "{}", ran.out);
    let ran = run("rules check DIR/rules.v4 DIR/rules.v6", &dir, b"");
    assert_eq!(ran.status, 0, "{}", ran.err);
}

#[test]
fn mistakes_are_shown_at_their_place() {
    let dir = folder("policy-mistakes");
    let text = format!("{SEGMENTS}\n{}", intent("ftp", "lna", "wan", ""));
    std::fs::write(dir.join("p.toml"), &text).expect("a file");
    let ran = run("policy compile DIR/p.toml", &dir, b"");
    assert_eq!(ran.status, 1, "{}", ran.out);
    let line = text.lines().position(|line| line.contains("lna")).expect("the line") + 1;
    for word in [
        "no segment, host or group is called `lna`",
        &format!("p.toml:{line}:8"),
        "did you mean `lan`?",
        "1 mistake in the policy",
    ] {
        assert!(ran.err.contains(word), "{word}\n{}", ran.err);
    }
}

#[test]
fn differences_from_the_rules_in_force() {
    let dir = folder("policy-diff");
    let compiled = run("policy compile examples/policy/office.toml -o DIR", &dir, b"");
    assert_eq!(compiled.status, 0, "{}", compiled.err);
    let diff = "policy diff examples/policy/office.toml DIR/rules.v4 DIR/rules.v6";
    let ran = run(diff, &dir, b"");
    assert_eq!((ran.status, ran.out.as_str()), (0, "nothing differs\n"), "{}", ran.err);

    let path = dir.join("rules.v4");
    let rules = std::fs::read_to_string(&path).expect("rules");
    let wide = "-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT";
    let invalid = "-A FORWARD -m conntrack --ctstate INVALID -j DROP";
    std::fs::write(&path, rules.replace(invalid, wide)).expect("a file");
    let ran = run(diff, &dir, b"");
    let expected = format!("ipv4 filter\n+ {invalid}\n- {wide}\n");
    assert_eq!((ran.status, ran.out.as_str()), (3, expected.as_str()), "{}", ran.err);

    let established = "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT";
    let turned = rules.replace(invalid, "@").replace(established, invalid);
    std::fs::write(&path, turned.replace('@', established)).expect("a file");
    let ran = run(diff, &dir, b"");
    let expected = "ipv4 filter\n  FORWARD has its rules in another order\n";
    assert_eq!((ran.status, ran.out.as_str()), (3, expected), "{}", ran.err);

    std::fs::write(&path, &rules).expect("a file");
    if !can_run() {
        return;
    }
    // What the kernel has after loading them is what the policy says.
    for (tool, file) in [("iptables", "rules.v4"), ("ip6tables", "rules.v6")] {
        let path = dir.join(file);
        let script = format!("{tool}-restore < {0} && {tool}-save > {0}.now", path.display());
        let output = Command::new("unshare").args(["-n", "sh", "-c", &script]).output();
        let output = output.expect("unshare runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let line = "policy diff examples/policy/office.toml DIR/rules.v4.now DIR/rules.v6.now";
    let ran = run(line, &dir, b"");
    assert_eq!((ran.status, ran.out.as_str()), (0, "nothing differs\n"), "{}", ran.err);
}

#[test]
fn a_policy_to_begin_with_compiles() {
    let dir = folder("policy-init");
    for topology in ["examples/ftp", "examples/ftp-bounce-attack", "tests/attacks/gateway"] {
        let ran = run(&format!("policy init --topology {topology}/topology.toml"), &dir, b"");
        assert_eq!(ran.status, 0, "{}", ran.err);
        assert!(ran.out.contains("interfaces = [\"eth1\"]"), "{}", ran.out);
        let compiled = run("policy compile -", &dir, ran.out.as_bytes());
        assert_eq!(compiled.status, 0, "{}{}", ran.out, compiled.err);
        assert!(compiled.out.contains("--comment browse-web -j ACCEPT"), "{}", compiled.out);
    }
}
