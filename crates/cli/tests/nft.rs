//! Rule sets of nftables on the command line: what a policy becomes for nftables is as safe as what
//! it becomes for iptables, and opens the same.

mod common;

use common::{folder, root, run};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// What nft prints of a rule file, loaded in a namespace of its own; `None`, said loudly: this
/// needs root and nft.
fn listing(script: &Path) -> Option<Vec<u8>> {
    let load = "nft -f \"$1\" && nft -j list ruleset";
    let output = Command::new("unshare")
        .args(["-n", "sh", "-c", load, "sh"])
        .arg(script)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        eprintln!("\n*** NOT RUN: rules of nftables. It needs root and nft; found {said:?}\n");
        return None;
    }
    Some(output.stdout)
}

/// What a proof says, without the places of rules: they differ from language to language.
fn proved(line: &str) -> Vec<String> {
    let ran = run(line, &root(), b"");
    assert_eq!(ran.status, 0, "{line}\n{}", ran.err);
    let mut said: Vec<String> = ran
        .out
        .lines()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line).expect("JSON");
            strip(&mut value);
            value.to_string()
        })
        .collect();
    said.sort();
    said
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // The tables of rates have names of their own too.
            for key in ["rules", "rule", "translated_by", "remedy", "witness", "match"] {
                members.remove(key);
            }
            members.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

#[test]
fn a_policy_opens_the_same_in_both_languages() {
    let dir = folder("nft-policy");
    let words = |target: &str, out: &str| {
        format!("policy compile examples/policy/office.toml --target {target} -o {out}")
    };
    let (nft, iptables) = (dir.join("nft"), dir.join("iptables"));
    for (target, out) in [("nftables", &nft), ("iptables", &iptables)] {
        let ran = run(&words(target, &out.display().to_string()), &dir, b"");
        assert_eq!(ran.status, 0, "{}", ran.err);
    }
    let Some(listing) = listing(&nft.join("rules.nft")) else { return };
    std::fs::write(nft.join("rules.json"), listing).expect("written");
    let settings = "--topology DIR/nft/topology.toml --sysctl DIR/nft/sysctl.conf --modprobe \
                    DIR/nft/modprobe.conf";
    let ran = run(&format!("audit DIR/nft/rules.json {settings}"), &dir, b"");
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("0 errors, 0 warnings"), "{}", ran.out);
    let dir = dir.display();
    let topology = format!("--topology {dir}/nft/topology.toml --format json");
    let ours = proved(&format!("prove --rules {dir}/nft/rules.json {topology}"));
    let theirs = proved(&format!(
        "prove --rules4 {dir}/iptables/rules.v4 --rules6 {dir}/iptables/rules.v6 {topology}"
    ));
    assert!(ours.len() > 50, "{} lines", ours.len());
    let differing = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
    assert_eq!(differing, None);
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn a_finding_names_chain_and_handle_in_the_words_of_nft() {
    let ran = run("audit tests/nft/openwrt.json", &root(), b"");
    assert_eq!(ran.status, 4, "{}", ran.err);
    let place = "error KW001 tests/nft/openwrt.json:29 (ipv4 inet fw4 forward 1, handle 28)";
    assert!(ran.out.contains(place), "{}", ran.out);
    assert!(ran.out.contains("ct state vmap { established : accept, related : accept }"));
    assert!(ran.out.contains("ct state related ct helper \"NAME\""), "{}", ran.out);
    assert!(!ran.err.contains("inet fw4 srcnat"), "{}", ran.err);
}

#[test]
fn a_comment_in_a_rule_of_nftables_allows_a_finding() {
    let text = std::fs::read_to_string(root().join("tests/nft/workstation.json")).expect("rules");
    let rule = r#""handle": 5, "expr""#;
    assert!(text.contains(rule), "{text}");
    let allowed = r#""handle": 5, "comment": "kinwall:allow KW001 one host only", "expr""#;
    let ran = run("audit -", &root(), text.replace(rule, allowed).as_bytes());
    assert!(ran.out.contains("allowed KW001 standard input"), "{}", ran.out);
    assert!(ran.out.contains("one host only"), "{}", ran.out);
}

#[test]
fn the_running_machine_is_audited() {
    let kinwall = env!("CARGO_BIN_EXE_kinwall");
    let script = format!(
        "nft -f tests/nft/workstation.nft && iptables-nft -A FORWARD -j DROP && echo ready && \
         {kinwall} audit --live"
    );
    let ran = Command::new("unshare")
        .args(["-n", "sh", "-c", &script])
        .current_dir(root())
        .output()
        .expect("unshare");
    let [out, err] = [&ran.stdout, &ran.stderr].map(|said| String::from_utf8_lossy(said));
    if !out.starts_with("ready") {
        eprintln!("\n*** NOT RUN: --live. It needs root, nft and iptables; found {err:?}\n");
        return;
    }
    let both = "the rules of this machine, from iptables-nft-save, nft -j list ruleset";
    assert!(err.contains(both), "{err}");
    assert!(out.contains("inet filter input: ct state established,related accept"), "{out}");
    assert!(!out.contains("KW042"), "the chain of iptables is closed: {out}");
}
