//! `kinwall audit`: its formats, its exit statuses, and where it takes settings from.

mod common;

use common::{folder, run};
use serde_json::Value;
use std::fs;

const CARELESS: &str = "*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
*raw
-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp
COMMIT
";

#[test]
fn the_exit_status_says_the_worst_severity() {
    let dir = folder("audit-status");
    let rules = [
        ("empty.v4", "*nat\nCOMMIT\n", 0),
        ("warning.v4", "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", 3),
        ("error.v4", CARELESS, 4),
        ("broken.v4", "*filter\n-A NOPE\nCOMMIT\n", 1),
    ];
    for (name, text, status) in rules {
        fs::write(dir.join(name), text).expect("written");
        let ran = run(&format!("audit DIR/{name}"), &dir, &[]);
        assert_eq!(ran.status, status, "{name}\n{}{}", ran.out, ran.err);
    }
    for (line, status) in [("audit", 2), ("audit --explain KW999", 2), ("audit --explain kw004", 0)]
    {
        assert_eq!(run(line, &dir, &[]).status, status, "{line}");
    }
}

#[test]
fn settings_come_from_files_and_flags() {
    let dir = folder("audit-settings");
    fs::write(dir.join("rules.v4"), CARELESS).expect("written");
    let sysctl = "# comment\nvm.swappiness = 1\nnet.netfilter.nf_conntrack_helper=1\n";
    fs::write(dir.join("sysctl.conf"), sysctl).expect("written");
    fs::write(dir.join("ftp.conf"), "options nf_conntrack_ftp loose=1\n").expect("written");
    for (flags, code) in [
        ("--kernel 5.10 --sysctl DIR/sysctl.conf", "KW010"),
        ("--sysctl DIR/sysctl.conf", "KW045"),
        ("--modprobe DIR/ftp.conf", "KW012"),
        ("--set nf_conntrack_ftp.loose=1", "KW012"),
        ("--kernel 5.10 --set nf_conntrack_ftp.ports=2121", "KW011"),
    ] {
        let ran = run(&format!("audit DIR/rules.v4 {flags}"), &dir, &[]);
        assert!(ran.out.contains(code), "{flags}: no {code} in\n{}{}", ran.out, ran.err);
        assert!(!run("audit DIR/rules.v4", &dir, &[]).out.contains(code), "{code}");
    }
}

#[test]
fn json_lines_follow_their_schema_and_sarif_names_the_line() {
    let dir = folder("audit-json");
    let schema = fs::read_to_string(common::root().join("docs/audit.schema.json")).expect("there");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let ran = run("audit --format json -", &dir, CARELESS.as_bytes());
    let lines: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        assert!(schema.is_valid(line), "{line}");
    }
    let at = |code: &str| lines.iter().find(|l| l["code"] == code).map(|l| l["line"].clone());
    assert_eq!(at("KW001"), Some(3.into()));
    assert_eq!(at("KW013"), Some(6.into()));
    let ran = run("audit --format sarif -", &dir, CARELESS.as_bytes());
    let log: Value = serde_json::from_str(&ran.out).expect("JSON");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let lines: Vec<&Value> = results
        .iter()
        .map(|r| &r["locations"][0]["physicalLocation"]["region"]["startLine"])
        .collect();
    assert!(lines.contains(&&Value::from(3)), "{lines:?}");
}
