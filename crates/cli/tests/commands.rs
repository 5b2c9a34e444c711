//! The commands of the README and of the examples, and what each flag does: exit status and the
//! lines that a person looks for.

mod common;

use common::{folder, root, run};
use std::fs;

/// The command, what its standard output holds, what its standard error holds.
type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

const BOUNCE: &str = "replay --topology examples/ftp-bounce-attack/topology.toml \
                      --rules examples/ftp-bounce-attack/careless.v4 \
                      examples/ftp-bounce-attack/capture.pcapng";
const FTP: &str = "replay --topology examples/ftp/topology.toml --rules examples/ftp/rules.v4 \
                   --rules examples/ftp/rules.v6";
const EXPLAIN: &str = "explain --topology examples/ftp/topology.toml --rules examples/ftp/rules.v4";

fn check(name: &str, rows: &[Row<'_>]) {
    let dir = folder(name);
    fs::write(dir.join("script.sh"), SCRIPT).expect("written");
    fs::write(dir.join("unknown.v4"), UNKNOWN).expect("written");
    fs::write(dir.join("port.v4"), PORT).expect("written");
    for (line, out, err) in rows {
        let ran = run(line, &dir, &[]);
        assert_eq!(ran.status, 0, "{line}\n{}", ran.err);
        for wanted in *out {
            assert!(ran.out.contains(wanted), "{line}\nno {wanted:?} in\n{}", ran.out);
        }
        for wanted in *err {
            assert!(ran.err.contains(wanted), "{line}\nno {wanted:?} in\n{}", ran.err);
        }
        assert!(!err.is_empty() || ran.err.is_empty(), "{line}\n{}", ran.err);
    }
}

const SCRIPT: &str = "#!/bin/sh
modprobe nf_conntrack_ftp ports=21,2121
iptables -t raw -A PREROUTING -p tcp --dport 2121 -d $SERVER -j CT --helper ftp-2121
ip6tables -t raw -A PREROUTING -p tcp --dport 2121 -d $SERVER -j CT --helper ftp-2121
iptables -A FORWARD -m conntrack --ctstate RELATED \\
    -m helper --helper ftp-2121 -j ACCEPT
";

/// TPROXY cannot be evaluated.
const UNKNOWN: &str = "*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 21 -j TPROXY --on-port 3128 --on-ip 0.0.0.0
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 21 -j CT --timeout slow
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
";

const PORT: &str = "*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp-0
COMMIT
";

#[test]
fn the_readme_s_attack() {
    let rows: &[Row<'_>] = &[
        (
            &format!("{BOUNCE} --set nf_conntrack_ftp.loose=1"),
            &[
                "10.1.0.5:5432 by FORWARD 1\n",
                "  announced by packet 23, bytes 0..19: \"PORT 10,1,0,5,21,56\" (ftp)\n",
                "  accepted                                         42",
            ],
            &[],
        ),
        (
            &format!("{BOUNCE} --set nf_conntrack_ftp.loose=1 --packet 26 --why"),
            &[
                "   26     0.010610 accept  RELATED     eth2>eth1 tcp 10.2.0.10:40463",
                "      - PREROUTING 2 (line 6): -p tcp -m tcp --dport 21 -j CT --helper ftp\n\
                \x20         [not: -m tcp --dport 21]\n",
                "child of connection 1, announced by packet 23, bytes 0..19\n",
                "  ACCEPT: leaves by eth1, by filter FORWARD rule 1 (line 12)",
            ],
            &[],
        ),
        (
            &format!("{BOUNCE} --set nf_conntrack_ftp.loose=1 --compare-profiles"),
            &[
                "   23     0.009875 eth0> tcp 192.0.2.66:40058 > 10.2.0.10:21\n",
                "    linux  accept  ESTABLISHED by FORWARD 1\n\
                \x20          ftp expects tcp 10.2.0.10:* > 10.1.0.5:5432\n",
                "           ftp did not believe bytes 0..19: guard-address\n",
                "    linux  accept  RELATED by FORWARD 1, announced by packet 23\n\
                \x20   strict drop    NEW by policy\n\
                \x20          ftp did not believe bytes 0..19 of packet 23: guard-address\n\n",
                "  accepted                                         42             33\n",
                "  guard-address                                     0              1\n",
                "packets treated differently                        10\n",
            ],
            &[],
        ),
        (BOUNCE, &["drop    NEW         eth2>eth1 tcp 10.2.0.10:40463 > 10.1.0.5:5432"], &[]),
    ];
    check("attack", rows);
}

#[test]
fn the_flags_of_replay() {
    let capture = "examples/ftp/capture.pcapng";
    let rows: &[Row<'_>] = &[
        (
            &format!("{FTP} {capture}"),
            &["by raw PREROUTING 1", " by policy\n", "  RELATED   "],
            &[],
        ),
        (&format!("{FTP} {capture} --summary"), &["packets                        "], &[]),
        (&format!("{FTP} {capture} {capture} --summary"), &["           534"], &[]),
        (
            &format!("{FTP} {capture} --compare-profiles"),
            &["differently                         0"],
            &[],
        ),
        (&format!("{FTP} {capture} --summary --top 0"), &["  dropped   "], &[]),
        (&format!("{FTP} {capture} --clock frozen --summary"), &["at the end   "], &[]),
        (&format!("{FTP} {capture} --events"), &["expectation 1 new: ftp tcp 10.1.0.2:* > "], &[]),
        (&format!("{FTP} {capture} --summary --ingress eth1={capture}"), &["INVALID"], &[]),
        (
            &format!("{FTP} {capture} --summary --set-at 2000:nf_conntrack_ftp.loose=1"),
            &[],
            &["the captures hold 267 packets; it was never set"],
        ),
        (
            &format!("{FTP} {capture} --profile strict --summary"),
            &["  matched                                           9"],
            &[],
        ),
        // By port, from the 100th packet on, in a Linux that has the switch.
        (
            &format!("replay --kernel 5.10 --summary --set-at 100:nf_conntrack_helper=1 {capture}"),
            &["expectations   "],
            &["no rules for ipv4", "no rules for ipv6"],
        ),
        (
            &format!("replay --kernel 4.4 --set nf_conntrack_helper=1 --summary {capture}"),
            &["expectations                                        9"],
            &["no rules for ipv4"],
        ),
        (
            &format!(
                "replay --rules DIR/port.v4 --set nf_conntrack_ftp.ports=0 --summary {capture}"
            ),
            &["expectations                                        7"],
            &["no rules for ipv6 were given"],
        ),
        (
            &format!("replay --rules examples/ftp/rules.v4 --summary {capture}"),
            &["dropped"],
            &["without --topology it is not known", "-o matches none: lines 19, 20, 21"],
        ),
        (
            &format!("replay --rules DIR/unknown.v4 --summary {capture}"),
            &["  unknown                                          70"],
            &[
                "address translation is not applied; rules of the nat table: line 11",
                "CT --timeout",
                "unknown.v4:3 (mangle PREROUTING 1) cannot be evaluated: TPROXY; settle it with \
                 --assume 3=match",
            ],
        ),
        (
            &format!("replay --rules DIR/unknown.v4 --assume 3=no-match --summary {capture}"),
            &["  accepted                                        267"],
            &["nat table"],
        ),
    ];
    check("flags", rows);
}

#[test]
fn explain_answers_the_source_document_s_questions() {
    let rows: &[Row<'_>] = &[
        (
            &format!("{EXPLAIN} 'in eth0 tcp 192.0.2.10:20 -> 10.1.0.2:40000 related by ftp'"),
            &[
                "  tracking    RELATED, original (presumed)",
                "  ACCEPT: leaves by eth1, by filter FORWARD rule 4",
            ],
            &[],
        ),
        (
            &format!("{EXPLAIN} 'in eth0 tcp 192.0.2.10:20 -> 10.1.0.2:400 related by ftp'"),
            &["[not: -m tcp --dport 1024:65535]", "  DROP, by the chain's policy"],
            &[],
        ),
        (
            &format!("{EXPLAIN} 'in eth0 tcp 192.0.2.10:20 -> 10.1.0.2:40000'"),
            &["NEW", "DROP"],
            &[],
        ),
        (
            &format!("{EXPLAIN} 'in eth0 tcp 10.1.0.3:20 -> 10.1.0.2:40000'"),
            &["+ PREROUTING 1 (line 7): -m rpfilter --invert", "DROP, by raw PREROUTING rule 1"],
            &[],
        ),
        (
            &format!("{EXPLAIN} --brief 'tcp 10.1.0.2:4000 -> 192.0.2.10:21 syn'"),
            &["helper      ftp assigned by a CT rule", "by filter FORWARD rule 5 (line 21)"],
            &[],
        ),
        (
            &format!("{EXPLAIN} 'tcp 10.1.0.2:4000 -> 192.0.2.10:22 established reply'"),
            &["ESTABLISHED, reply (presumed)", "ACCEPT"],
            &[],
        ),
    ];
    check("explain", rows);
}

#[test]
fn the_nat_table_is_applied_where_that_is_wanted() {
    let dir = folder("nat");
    fs::write(dir.join("nat.v4"), NAT).expect("written");
    let line = |more: &str, packet: &str| {
        format!(
            "explain --topology examples/ftp/topology.toml --rules DIR/nat.v4 {more} '{packet}'"
        )
    };
    let out = "in eth1 tcp 10.1.0.2:4000 -> 203.0.113.9:80 syn";
    let plain = run(&line("--nat ignore", out), &dir, &[]);
    assert!(plain.err.contains("address translation is not applied"), "{}", plain.err);
    assert!(!plain.out.contains("translation"), "{}", plain.out);
    let told = run(&line("", out), &dir, &[]);
    assert_eq!((told.status, told.err.as_str()), (0, ""));
    let becomes = "the source of the connection becomes 192.0.2.77 port 4000, by POSTROUTING 1";
    assert!(told.out.contains(becomes), "{}", told.out);
    let json = run(&line("--nat apply --format json", out), &dir, &[]);
    assert!(json.out.contains(r#""address":"192.0.2.77""#), "{}", json.out);
}

const NAT: &str = "*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 10.1.0.0/24 -j SNAT --to-source 192.0.2.77
COMMIT
";

#[test]
fn explain_answers_for_every_helper() {
    let dir = folder("each-helper");
    let rows = run("helpers --format json", &dir, &[]).out;
    let names: std::collections::BTreeSet<String> = rows
        .lines()
        .filter_map(|row| serde_json::from_str::<serde_json::Value>(row).ok())
        .filter_map(|row| Some(row["helper"].as_str()?.to_owned()))
        .collect();
    assert!(names.len() > 3, "{rows}");
    let mut rules = "*filter\n:FORWARD DROP [0:0]\n".to_owned();
    for name in &names {
        let accept = "-m conntrack --ctstate RELATED -m helper --helper";
        rules.push_str(&format!("-A FORWARD {accept} {name} -j ACCEPT\n"));
    }
    fs::write(dir.join("rules.v4"), rules + "COMMIT\n").expect("written");
    for (number, name) in (1..).zip(&names) {
        let ask = |words: &str| {
            let packet = format!("'udp 10.0.0.1 -> 10.0.0.2:5000 {words}'");
            run(&format!("explain --brief --rules DIR/rules.v4 {packet}"), &dir, &[]).out
        };
        let wanted = format!("  ACCEPT, by filter FORWARD rule {number} (line {})\n", number + 2);
        assert!(ask(&format!("related by {name}")).ends_with(&wanted), "{name}");
        assert!(ask(&format!("established by {name}")).contains("DROP"), "{name}");
        assert!(ask("related").contains("DROP"), "{name}");
    }
}

#[test]
fn rules_and_helpers() {
    let defines = "--define SERVER=192.0.2.10,2001:db8::10";
    let rows: &[Row<'_>] = &[
        ("rules check examples/ftp/rules.v4", &["ipv4: 8 rules in raw, filter"], &[]),
        (
            &format!("rules check DIR/script.sh {defines}"),
            &["ipv4: 2 rules", "ipv6: 1 rule in", "\n1 setting\n"],
            &[],
        ),
        (
            &format!("rules fmt --only ipv6 DIR/script.sh {defines}"),
            &[
                "-A PREROUTING -d 2001:db8::10/128 -p tcp -m tcp --dport 2121 -j CT --helper ftp-2121\n",
            ],
            &[],
        ),
        (
            "helpers",
            &[
                "ftp         PORT, EPRT, 227; loose = 0 (default)\n\
                \x20           Fixed          0-65535        Fixed          In CMD         TCP\n\
                \x20 document:                               In CMD\n",
                "irc         DCC; IPv4 only\n            Full ",
            ],
            &[],
        ),
        (
            "helpers ftp",
            &[
                "Secure use",
                "ftp  PORT, EPRT   loose = 0 (default)\n",
                "[document: In CMD]",
                "    ports = 21\n",
                "    guard.ftp.min_port = 1024          no destination port below it\n",
            ],
            &[],
        ),
        ("helpers tftp", &["tftp  RRQ, WRQ   strict profile only\n"], &[]),
        ("--help", &["Walk one packet through the rules"], &[]),
        ("replay --help", &["Exit status: 0 when"], &[]),
    ];
    check("rules", rows);
}

#[test]
fn what_fmt_prints_is_what_it_prints_of_that() {
    let dir = folder("fmt");
    for example in ["ftp", "tftp", "irc-dcc", "ftp-bounce-attack"] {
        let once = run(&format!("rules fmt examples/{example}/rules.v4"), &dir, &[]).out;
        let again = run("rules fmt -", &dir, once.as_bytes()).out;
        assert!(once.starts_with("*raw\n") && once.ends_with("COMMIT\n"), "{once}");
        assert_eq!(once, again, "{example}");
    }
}

#[test]
fn tables_for_people_fit_a_terminal() {
    let table = run("helpers", &root(), &[]).out;
    let names = table.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let names: Vec<&str> = names.filter_map(|line| line.split_once("  ")).map(|(a, _)| a).collect();
    assert!(names.contains(&"irc") && names.contains(&"tftp"), "{table}");
    let each = names.iter().map(|name| format!("helpers {name}"));
    for line in each.chain(["helpers".to_owned()]) {
        for row in run(&line, &root(), &[]).out.lines() {
            assert!(row.chars().count() <= 80, "{line}: {row}");
        }
    }
}

#[test]
fn captures_are_read_from_the_standard_input() {
    let capture = fs::read(root().join("examples/ftp/capture.pcapng")).expect("read");
    let ran = run(&format!("{FTP} --summary -"), &root(), &capture);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("  accepted                                        264"));
}

#[test]
fn packets_are_kept_by_verdict() {
    let dir = folder("keep");
    let line = format!(
        "{FTP} --summary --write DIR/a.pcap --write-dropped DIR/d.pcapng \
         examples/ftp/capture.pcapng"
    );
    assert_eq!(run(&line, &dir, &[]).status, 0);
    for (name, packets) in [("a.pcap", 264), ("d.pcapng", 3)] {
        let ran = run(&format!("replay --summary DIR/{name}"), &dir, &[]);
        let wanted = format!("packets{packets:>46}\n");
        assert!(ran.out.starts_with(&wanted), "{name}\n{}", ran.out);
    }
    let files = fs::read_dir(&dir).expect("a folder").count();
    assert_eq!(files, 2, "nothing else was left");
}
