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
fn interfaces_that_the_topology_lacks_are_said() {
    let dir = folder("audit-interfaces");
    let rules = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -i eth9 -j DROP\nCOMMIT\n";
    fs::write(dir.join("rules.v4"), rules).expect("written");
    let ran = run("audit DIR/rules.v4 --topology examples/ftp/topology.toml", &dir, &[]);
    let said = "ipv4: the rules name interfaces that the topology does not have, and no packet \
                comes or goes there: eth9 (line 3); add them to the topology";
    assert!(ran.err.contains(said), "{}", ran.err);
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

fn schema() -> jsonschema::Validator {
    let text = fs::read_to_string(common::root().join("docs/audit.schema.json")).expect("there");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

#[test]
fn json_lines_follow_their_schema_and_sarif_names_the_line() {
    let dir = folder("audit-json");
    let schema = schema();
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

/// Rules, the question, the exit status, and words of the answer.
const QUESTIONS: &[(&str, &str, i32, &[&str])] = &[
    (
        "{CT}{RELATED}",
        "ftp from eth1 to 192.0.2.10",
        0,
        &["helped: a CT rule", "RELATED is accepted"],
    ),
    ("{CT}{RELATED}", "ftp from 10.1.0.9 to 192.0.2.10:21", 0, &["10.1.0.9:40000", "in by eth1"]),
    ("{CT}{RELATED}", "ftp from 10.1.0.0/24 to 192.0.2.10", 0, &["10.1.0.2:40000"]),
    (
        "{CT}{IN VAIN}",
        "ftp from eth1 to 192.0.2.10",
        3,
        &["in vain", "--ctstate RELATED -m helper"],
    ),
    (
        "{CT}{RELATED}",
        "ftp from eth1 to 192.0.2.10:2121",
        3,
        &["does not match: -m tcp --dport 21"],
    ),
    (
        "{CT}{RELATED}",
        "irc from eth1 to 192.0.2.10",
        3,
        &["no CT rule", "--dport 6667 -j CT --helper irc"],
    ),
    (
        "{CT}{RELATED}",
        "ftp from gateway to 192.0.2.10",
        3,
        &["raw OUTPUT", "one stands in PREROUTING"],
    ),
    (
        "{SPOOF}{CT}{RELATED}",
        "ftp from eth1 to 192.0.2.10",
        3,
        &["ends the table before", ":3 (raw", ":4 (raw"],
    ),
    ("{NOTRACK}{CT}{RELATED}", "ftp from eth1 to 192.0.2.10", 3, &["not tracked", "-j NOTRACK"]),
    ("{OTHER}{RELATED}", "ftp from eth1 to 192.0.2.10", 3, &["another helper, irc"]),
    ("{CT}{REFUSED}", "ftp from eth1 to 192.0.2.10", 3, &["refuses the connection itself"]),
    ("{CT}", "ftp from eth1", 2, &["the word `to` is missing"]),
    ("{CT}", "ftp from eth1 to 192.0.2.10 now", 2, &["`now` is not expected"]),
    ("{CT}", "ftp from eth1 to nowhere", 2, &["`nowhere` is not an address"]),
    ("{CT}", "ftp from eth9 to 192.0.2.10", 2, &["no interface `eth9`; it has eth0, eth1"]),
    ("{CT}", "nfs from eth1 to 192.0.2.10", 2, &["no helper is called `nfs`"]),
    ("{CT}", "ftp from 2001:db8::5 to 192.0.2.10", 2, &["different families"]),
];

#[test]
fn the_rule_that_takes_a_helper_away_is_named() {
    let (dir, schema) = (folder("audit-why-not"), schema());
    let topology = common::root().join("examples/ftp/topology.toml");
    fs::copy(topology, dir.join("topology.toml")).expect("copied");
    let parts = [
        ("{SPOOF}", "-A PREROUTING -s 10.1.0.0/24 -i eth1 -j ACCEPT\n"),
        ("{NOTRACK}", "-A PREROUTING -i eth1 -j NOTRACK\n"),
        ("{CT}", "-A PREROUTING -i eth1 -p tcp -m tcp --dport 21 -j CT --helper ftp\n"),
        ("{OTHER}", "-A PREROUTING -i eth1 -p tcp -m tcp --dport 21 -j CT --helper irc\n"),
        ("{REFUSED}", "COMMIT\n*filter\n-A FORWARD -m conntrack --ctstate NEW -j DROP\n"),
        ("{IN VAIN}", "COMMIT\n*filter\n-A FORWARD -m conntrack --ctstate RELATED -j DROP\n"),
        (
            "{RELATED}",
            "COMMIT\n*filter\n-A FORWARD -m conntrack --ctstate RELATED -m helper --helper ftp -j ACCEPT\n",
        ),
    ];
    for (rules, question, status, words) in QUESTIONS {
        let mut text = String::from("*raw\n:PREROUTING ACCEPT [0:0]\n");
        for (name, lines) in parts {
            if rules.contains(name) {
                text += lines;
            }
        }
        text += "COMMIT\n";
        fs::write(dir.join("rules.v4"), &text).expect("written");
        let gateway = "audit --rules4 DIR/rules.v4 --topology DIR/topology.toml";
        let ran = run(&format!("{gateway} --why-not '{question}'"), &dir, &[]);
        if *status != 2 {
            let ran = run(&format!("{gateway} --why-not '{question}' --format json"), &dir, &[]);
            let line: Value = serde_json::from_str(&ran.out).expect("a line of JSON");
            assert!(schema.is_valid(&line), "{line}");
            assert_eq!(line["has"], Value::from(*status == 0), "{line}");
        }
        assert_eq!(ran.status, *status, "{rules} {question}\n{}{}", ran.out, ran.err);
        for word in *words {
            let said = ran.out.contains(word) || ran.err.contains(word);
            assert!(said, "{rules} {question}: no {word} in\n{}{}", ran.out, ran.err);
        }
    }
}

#[test]
fn rules_whose_link_layer_addresses_were_masked_are_audited() {
    let dir = folder("audit-masked");
    let rules = "*filter\n:FORWARD ACCEPT [0:0]\n\
        -A FORWARD -m mac --mac-source XX:XX:XX:XX:XX:XX -j ACCEPT\nCOMMIT\n";
    fs::write(dir.join("rules.v4"), rules).expect("written");
    let ran = run("audit DIR/rules.v4", &dir, &[]);
    assert_eq!(ran.status, 3, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("1 link-layer address"), "{}", ran.err);
}
