//! `kinwall prove`: its formats, and what it says of half a question.

mod common;

use common::{Ran, folder, root, run};
use serde_json::Value;
use std::fs;

const TOPOLOGY: &str = "[[interface]]
name = 'eth0'
addresses = ['192.0.2.1/24', '2001:db8::1/64']
default = true
[[interface]]
name = 'eth1'
addresses = ['10.1.0.1/24', 'fd00:1::1/64']
";

/// The LAN may go out; nothing holds outsiders from calling themselves a host of the LAN.
const RULES: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A FORWARD -i eth0 -s 10.1.0.8/30 -p udp -j ACCEPT
-A FORWARD -i eth0 -s 10.1.0.16 -m limit --limit 3/sec -j ACCEPT
-A FORWARD -i eth1 -m mac --mac-source 02:00:00:00:00:02 -j ACCEPT
COMMIT
";

/// Objects printed by `prove --format json`, each as the schema has it.
fn objects(ran: &Ran) -> Vec<Value> {
    let schema = fs::read_to_string(root().join("docs/prove.schema.json")).expect("read");
    let schema = serde_json::from_str(&schema).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let lines = ran.out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
    let objects: Vec<Value> = lines.collect();
    for object in &objects {
        let errors: Vec<String> = validator.iter_errors(object).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{object}: {errors:?}");
    }
    objects
}

#[test]
fn json_lines_say_what_passes_and_by_which_rules() {
    let dir = folder("prove-json");
    fs::write(dir.join("topology.toml"), TOPOLOGY).expect("written");
    fs::write(dir.join("rules.v4"), RULES.replace("-i eth1 -m", "-i eth1 -s 10.1.0.0/24 -m"))
        .expect("written");
    let line = "prove --format json --rules4 DIR/rules.v4 --topology DIR/topology.toml";
    let ran = run(line, &dir, &[]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let found = objects(&ran);
    assert_eq!(found.len(), 3, "{}", ran.out);
    let [powers, eth0, eth1] = [&found[0], &found[1], &found[2]];
    assert_eq!(powers["type"], "powers");
    assert_eq!((&eth0["in"], &eth0["proved"]), (&Value::from("eth0"), &Value::from(false)));
    assert_eq!(eth0["passes"], serde_json::json!(["10.1.0.8/30"]));
    assert_eq!(eth0["undecided"], serde_json::json!(["10.1.0.16/32"]));
    assert_eq!(eth0["depends_on"][0]["match"], "-m limit --limit 3/sec");
    let lines: Vec<&Value> =
        eth0["rules"].as_array().expect("rules").iter().map(|rule| &rule["line"]).collect();
    assert_eq!(lines, [5, 6]);
    assert_eq!((&eth1["in"], &eth1["proved"]), (&Value::from("eth1"), &Value::from(true)));
}

#[test]
fn text_says_proved_or_names_sources_and_rules() {
    let dir = folder("prove-text");
    fs::write(dir.join("topology.toml"), TOPOLOGY).expect("written");
    fs::write(dir.join("rules.v4"), RULES.replace("-i eth1 -m", "-i eth1 -s 10.1.0.0/24 -m"))
        .expect("written");
    let ran = run("prove --rules4 DIR/rules.v4 --topology DIR/topology.toml", &dir, &[]);
    let expected = "ipv4: spoofing
  eth0  passes 10.1.0.8/30
        may pass 10.1.0.16
        by FORWARD 1 (line 5), FORWARD 2 (line 6)
        depends on -m limit --limit 3/sec in FORWARD 2 (line 6)
  eth1  none: proved
ipv4: exposure
  none: proved
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    assert!(ran.err.contains("no rules for ipv6 were given"), "{}", ran.err);
}

#[test]
fn masked_senders_are_different_ones() {
    let dir = folder("prove-masked");
    fs::write(dir.join("topology.toml"), TOPOLOGY).expect("written");
    let rules = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A FORWARD -i eth0 -m mac --mac-source XX:XX:XX:XX:XX:XX -j DROP
-A FORWARD -i eth0 -s 10.1.0.9 -m mac --mac-source XX:XX:XX:XX:XX:XX -j ACCEPT
COMMIT
";
    fs::write(dir.join("rules.v4"), rules).expect("written");
    let line = "prove --format json --rules4 DIR/rules.v4 --topology DIR/topology.toml";
    let ran = run(line, &dir, &[]);
    let found = objects(&ran);
    assert_eq!(found[1]["passes"], serde_json::json!(["10.1.0.9/32"]), "{}", ran.out);
    assert!(ran.err.contains("2 link-layer addresses are masked out"), "{}", ran.err);
}

#[test]
fn exposure_names_signalling_child_and_rules() {
    let line = "prove --format json --rules4 examples/ftp/rules.v4 --rules6 examples/ftp/rules.v6 \
                --topology examples/ftp/topology.toml";
    let ran = run(line, &folder("prove-exposure"), &[]);
    let found = objects(&ran);
    let exposures: Vec<&Value> = found.iter().filter(|o| o["type"] == "exposure").collect();
    let shown: Vec<_> = exposures
        .iter()
        .map(|e| (e["family"].as_str().unwrap(), e["hostile"].as_str().unwrap()))
        .collect();
    let both = [("ipv4", "client"), ("ipv4", "server"), ("ipv6", "client"), ("ipv6", "server")];
    assert_eq!(shown, both);
    let child = serde_json::json!({
        "in": "eth0", "out": "eth1", "src": ["0.0.0.0/0"], "dst": ["10.1.0.0/24"],
        "at_home": true, "proto": "tcp", "sport": [[0, 65535]], "dport": [[1024, 65535]],
        "but_new": false,
    });
    assert_eq!(exposures[0]["child"], child);
    let lines: Vec<&Value> =
        exposures[0]["rules"].as_array().unwrap().iter().map(|rule| &rule["line"]).collect();
    assert_eq!(lines, [8, 20]);
}

/// With the lines of the remedies in front nothing is left, of any helper.
#[test]
fn remedies_close_what_is_exposed() {
    for (rules, more) in [
        ("examples/ftp/rules.v4", "--topology examples/ftp/topology.toml"),
        ("examples/sip/rules.v4", "--topology examples/sip/topology.toml"),
        ("examples/h323/rules.v4", "--topology examples/h323/topology.toml"),
    ] {
        let line = format!("prove --remedy --format json --rules4 {rules} {more}");
        let ran = run(&line, &folder("prove-remedy"), &[]);
        let found = objects(&ran);
        let exposures: Vec<&Value> = found.iter().filter(|o| o["type"] == "exposure").collect();
        assert!(!exposures.is_empty(), "{rules}: {}", ran.err);
        for exposure in exposures {
            let remedy = &exposure["remedy"];
            assert_eq!(remedy["after"], serde_json::json!([]), "{rules}: {exposure}");
            let lines = remedy["rules"].as_array().expect("rules");
            assert!(!lines.is_empty(), "{exposure}");
            let helper = exposure["helper"].as_str().expect("a name");
            let names_it = |line: &Value| {
                let line = line.as_str().expect("a rule");
                line.starts_with("iptables -I ") && line.contains(&format!("--helper {helper} "))
            };
            assert!(lines.iter().all(names_it), "{exposure}");
        }
    }
}

const FTP: &str = "--rules4 examples/ftp/rules.v4 --topology examples/ftp/topology.toml";

#[test]
fn questions_are_answered_with_a_packet_that_explain_takes_the_same_way() {
    let dir = folder("prove-ask");
    let rows = [
        ("can wan reach lan on tcp 445 via ftp?", "no", None),
        ("can wan reach lan on tcp 5000 via ftp?", "yes", Some("FORWARD rule 4")),
        ("can wan reach lan on tcp 5000", "no", None),
        ("can 10.1.0.7 reach 203.0.113.0/24 on tcp 21", "yes", Some("FORWARD rule 5")),
        ("can eth1 reach eth0 on udp via ftp", "no", None),
        ("can gateway reach wan on udp 53", "yes", Some("OUTPUT")),
    ];
    for (question, answer, by) in rows {
        let ran = run(&format!("prove --format json {FTP} '{question}'"), &dir, &[]);
        let found = objects(&ran);
        assert_eq!(found.len(), 1, "{question}: {}{}", ran.out, ran.err);
        assert_eq!(found[0]["answer"], answer, "{question}");
        assert_eq!(found[0]["witness"].is_string(), answer == "yes", "{question}");
        if let (Some(packet), Some(by)) = (found[0]["witness"].as_str(), by) {
            let ran = run(&format!("explain {FTP} '{packet}'"), &dir, &[]);
            assert!(ran.out.contains("ACCEPT") && ran.out.contains(by), "{packet}: {}", ran.out);
        }
    }
}

#[test]
fn an_assertion_that_fails_shows_its_packet() {
    let dir = folder("prove-assert");
    let file = "# what must hold\nsmb: cannot wan reach lan on tcp 445 via ftp\n\
                can lan reach wan on tcp 21\n";
    fs::write(dir.join("good"), file).expect("written");
    fs::write(dir.join("bad"), format!("{file}high: cannot wan reach lan on tcp via ftp\n"))
        .expect("written");
    fs::write(dir.join("ugly"), "a: can wan reach eth9\n").expect("written");
    let ran = run(&format!("prove {FTP} --assert DIR/good"), &dir, &[]);
    let expected = "holds smb: cannot wan reach lan on tcp 445 via ftp\n\
                    holds can lan reach wan on tcp 21\n";
    assert_eq!((ran.status, ran.out.as_str()), (0, expected), "{}", ran.err);
    let ran = run(&format!("prove --format json {FTP} --assert DIR/bad"), &dir, &[]);
    let found = objects(&ran);
    assert_eq!(ran.status, 1);
    assert_eq!((&found[2]["name"], &found[2]["holds"]), (&"high".into(), &false.into()));
    let packet = found[2]["witness"].as_str().expect("a packet");
    let ran = run(&format!("explain {FTP} '{packet}'"), &dir, &[]);
    assert!(ran.out.contains("ACCEPT"), "{packet}: {}", ran.out);
    let ran = run(&format!("prove {FTP} --assert DIR/ugly"), &dir, &[]);
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("`eth9` is no address and no interface"), "{}", ran.err);
}

#[test]
fn witnesses_are_captures_that_replay_confirms() {
    let dir = folder("prove-witness");
    let line = format!("prove --format json {FTP} --witness DIR/shown");
    let ran = run(&line, &dir, &[]);
    let found = objects(&ran);
    let shown: Vec<&Value> = found.iter().filter(|o| o["type"] == "exposure").collect();
    assert_eq!(shown.len(), 2, "{}", ran.out);
    for exposure in shown {
        assert_eq!(exposure["confirmed"], true, "{exposure}");
        let file = exposure["witness"].as_str().expect("a file");
        let ran = run(&format!("replay --format json {FTP} {file}"), &dir, &[]);
        let packets = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let packets: Vec<Value> = packets.filter(|line: &Value| line["type"] == "packet").collect();
        let last = packets.last().expect("packets");
        assert_eq!((&last["ctstate"], &last["verdict"]), (&"RELATED".into(), &"accept".into()));
    }
    fs::write(dir.join("bad"), "high: cannot wan reach lan on tcp via ftp\n").expect("written");
    let line = format!("prove --format json {FTP} --assert DIR/bad --witness DIR/shown");
    let ran = run(&line, &dir, &[]);
    let found = objects(&ran);
    assert_eq!((ran.status, &found[0]["confirmed"]), (1, &true.into()), "{}", ran.out);
    assert!(dir.join("shown/ipv4-assertion-high.pcapng").exists());
}

#[test]
fn half_a_question_is_no_proof() {
    let dir = folder("prove-half");
    fs::write(dir.join("topology.toml"), TOPOLOGY).expect("written");
    fs::write(dir.join("rules.v4"), RULES.replace("-i eth1", "-i eth9")).expect("written");
    let ran = run("prove --rules4 DIR/rules.v4", &dir, &[]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("give --topology FILE"), "{}", ran.err);
    let ran = run("prove --rules4 DIR/rules.v4 --topology DIR/topology.toml", &dir, &[]);
    assert!(ran.err.contains("eth9 (line 7)"), "{}", ran.err);
}

#[test]
fn the_matrix_is_told_and_drawn() {
    let dir = folder("prove-matrix");
    let line = "prove --rules4 examples/masquerade/rules.v4 \
                --topology examples/masquerade/topology.toml --matrix 'tcp 21' \
                --matrix 'tcp 40000' --svg DIR/matrix.svg";
    let text = run(line, &dir, &[]);
    assert_eq!(text.status, 0, "{}", text.err);
    let published =
        "tcp eth0 0.0.0.0/0 (as far as it lives there) any port > eth1 10.1.0.10 port 21";
    assert!(text.out.contains(published), "{}", text.out);
    let ran = run(&format!("{line} --format json"), &dir, &[]);
    let found = objects(&ran);
    let cell = |port: u16, from: &str, to: &str| {
        let is =
            |o: &&Value| o["service"]["dport"][0][0] == port && o["from"] == from && o["to"] == to;
        found.iter().find(is).cloned().unwrap_or_default()
    };
    assert_eq!(
        cell(21, "eth0", "eth1")["translated"][0]["dst"],
        serde_json::json!(["10.1.0.10/32"])
    );
    assert_eq!(cell(40_000, "eth0", "eth1")["related"][0]["helper"], "ftp");
    assert_eq!(cell(40_000, "eth0", "eth1")["new"], serde_json::json!([]));
    let picture = fs::read_to_string(dir.join("matrix.svg")).expect("drawn");
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"), "{picture}");
    for what in ["eth0 &gt; eth1: announced by a helper", "ipv4: tcp 40000", "gateway"] {
        assert!(picture.contains(what), "{what}: {picture}");
    }
    let wrong = run(&line.replace("tcp 21", "tcp"), &dir, &[]);
    assert_eq!(wrong.status, 0, "{}", wrong.err);
    let wrong = run(&line.replace("tcp 21", "ftp 21"), &dir, &[]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.err.contains("--matrix `ftp 21`: `ftp` is no protocol"), "{}", wrong.err);
}

#[test]
fn what_no_intent_wants_is_told() {
    let dir = folder("prove-policy");
    let policy = "examples/policy/office.toml";
    let compiled = run(&format!("policy compile {policy} -o {}", dir.display()), &dir, &[]);
    assert_eq!(compiled.status, 0, "{}", compiled.err);
    let line = format!(
        "prove --policy {policy} --rules4 DIR/rules.v4 --rules6 DIR/rules.v6 \
         --topology DIR/topology.toml --format json"
    );
    let ran = run(&line, &dir, &[]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let found = objects(&ran);
    let of = |found: &[Value], kind: &str| -> Vec<Value> {
        found.iter().filter(|o| o["type"] == kind).cloned().collect()
    };
    let exposures = of(&found, "exposure");
    assert!(exposures.len() > 20 && of(&found, "missing").is_empty(), "{}", exposures.len());
    let by = |o: &Value| o["intended_by"].as_array().map_or(0, Vec::len);
    assert!(exposures.iter().all(|o| by(o) > 0));
    assert!(exposures.iter().any(|o| o["intended_by"][0] == "ftp-out"), "{}", exposures[0]);

    // One rule more, of the kind that is found everywhere, and an intent's rules gone.
    let rules = fs::read_to_string(dir.join("rules.v4")).expect("compiled");
    let careless = "-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT\nCOMMIT";
    let end = rules.rfind("COMMIT").expect("a table");
    let without: String = rules[..end]
        .lines()
        .filter(|line| !line.contains("--helper irc"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(dir.join("rules.v4"), format!("{without}COMMIT\n")).expect("written");
    let ran = run(&line, &dir, &[]);
    let missing = of(&objects(&ran), "missing");
    assert!(missing.iter().any(|o| o["helper"] == "irc"), "{missing:?}");
    assert!(missing.iter().all(|o| o["intended_by"][0] == "chat"), "{missing:?}");
    fs::write(dir.join("rules.v4"), format!("{without}{careless}\n")).expect("written");
    let ran = run(&line, &dir, &[]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.err.contains("something is open that no intent wants"), "{}", ran.err);
    let found = objects(&ran);
    let unwanted: Vec<Value> = of(&found, "exposure").into_iter().filter(|o| by(o) == 0).collect();
    let is_careless =
        |o: &Value| o["rules"].to_string().contains("-A FORWARD -m conntrack --ctstate RELATED -j");
    assert!(unwanted.iter().any(is_careless), "{unwanted:?}");
    let text = run(&line.replace("--format json", ""), &dir, &[]);
    assert!(text.out.contains("no intent wants it"), "{}", text.out);
    assert!(text.out.contains("intended: "), "{}", text.out);
}
