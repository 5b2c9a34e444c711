//! Rules that ask sets and fill them: `--sets` in replay, explain and `rules check`.

mod common;

use common::{folder, run};
use std::fs;

const SETS: &str = "\
create clients hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x5f6f7a6b
add clients 10.1.0.0/24
create servers hash:ip,port family inet counters
add servers 192.0.2.10,tcp:21
create seen hash:ip timeout 300
create both list:set size 8
add both clients
create v6 hash:ip family inet6
add v6 fd00::1
";

/// A client in `both` that asks a server in `servers` is put into `seen`, which decides.
const RULES: &str = "\
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -m set --match-set servers dst,dst -m set --match-set both src -j SET --add-set seen src
-A FORWARD -m set --match-set seen src -j ACCEPT
COMMIT
";

const WRONG: &str = "\
*filter
:FORWARD DROP [0:0]
-A FORWARD -m set --match-set server dst,dst -j ACCEPT
-A FORWARD -j SET --add-set nope src
COMMIT
";

const VAIN: &str = "\
*filter
:FORWARD DROP [0:0]
-A FORWARD -m set --match-set servers dst -j ACCEPT
-A FORWARD -m set --match-set v6 dst -j ACCEPT
COMMIT
";

/// Everything that may be wrong with a file of sets.
const BAD: &str = "\
create x hash:ipp
add y 1.2.3.4
create z hash:ip family inet7
foo
add
create q hash:ip maxelem 1
add q 1.1.1.1
add q 1.1.1.2
add q 10.0.0.0/1
create r hash:net timeout
create s hash:net
add s fd00::/64
add s 10.0.0.0/24,tcp:80
add s \"10.0.0.0/24
";

/// Half of the connections carry more than 700 bytes.
const BYTES: &str = "\
*filter
:FORWARD DROP [0:0]
-A FORWARD -m connbytes --connbytes 700 --connbytes-dir both --connbytes-mode bytes -j DROP
-A FORWARD -j ACCEPT
COMMIT
";

const EXPLAIN: &str = "explain --topology examples/ftp/topology.toml --rules DIR/rules.v4";
const REPLAY: &str = "replay --summary --topology examples/ftp/topology.toml";
const ASKED: &str = "'tcp 10.1.0.2:4000 -> 192.0.2.10:21'";
const CAPTURE: &str = "examples/ftp/capture.pcapng";

/// The command, its exit status, what its standard output and standard error hold.
type Row<'a> = (String, i32, &'a [&'a str], &'a [&'a str]);

#[test]
fn sets_decide_where_they_are_given() {
    let dir = folder("sets");
    let files = [
        ("sets", SETS),
        ("rules.v4", RULES),
        ("wrong.v4", WRONG),
        ("vain.v4", VAIN),
        ("bad", BAD),
        ("bytes.v4", BYTES),
    ];
    for (name, text) in files {
        fs::write(dir.join(name), text).expect("written");
    }
    let rows: &[Row<'_>] = &[
        (
            format!("{EXPLAIN} --sets DIR/sets {ASKED}"),
            0,
            &["+ FORWARD 2 (line 4): ", "ACCEPT: leaves by eth0, by filter FORWARD rule 3"],
            &[],
        ),
        (
            format!("{EXPLAIN} --sets DIR/sets 'tcp 10.1.0.2:4000 -> 192.0.2.10:22'"),
            0,
            &["[not: -m set --match-set servers dst,dst]", "DROP, by the chain's policy"],
            &[],
        ),
        (
            format!("{EXPLAIN} {ASKED}"),
            0,
            &["  UNKNOWN, by filter FORWARD rule 2 (line 4)"],
            &["1 packet is unknown: ", "set servers (give it with --sets FILE), set both"],
        ),
        (
            format!("{REPLAY} --rules DIR/rules.v4 --sets DIR/sets {CAPTURE}"),
            0,
            &["  accepted                                        254\n  dropped     "],
            &["no rules for ipv6"],
        ),
        (
            format!("{REPLAY} --rules DIR/rules.v4 --assume 4=match {CAPTURE}"),
            0,
            &["  unknown   "],
            &["rules.v4:5 (filter FORWARD 3) cannot be evaluated: set seen (give it"],
        ),
        (
            format!("{REPLAY} --rules DIR/wrong.v4 --sets DIR/sets {CAPTURE}"),
            1,
            &[],
            &[
                "there is no set server\n --> DIR/wrong.v4:3:31",
                "there is no set nope\n --> DIR/wrong.v4:4:29",
                "the files of --sets hold both, clients, seen, servers, v6",
            ],
        ),
        (
            "rules check DIR/vain.v4 --sets DIR/sets".to_owned(),
            0,
            &["ipv4: 2 rules in filter"],
            &[
                "no packet falls into set servers at line 3: it has 2 dimensions",
                "no packet falls into set v6 at line 4: it is one of ipv6",
            ],
        ),
        ("rules check DIR/wrong.v4".to_owned(), 0, &["2 rules in filter"], &[]),
        (
            "rules check DIR/rules.v4 --sets DIR/bad".to_owned(),
            1,
            &[],
            &[
                "\"hash:ipp\" is not a type of set\n --> DIR/bad:1:10",
                "there is no set y",
                "DIR/bad:3:25",
                "\"foo\" is not understood in a file of sets",
                "add needs a name and an element behind it",
                "q is full",
                "this range is too large\n --> DIR/bad:9:7",
                "timeout needs a value",
                "\"fd00::\" is not an ipv4 address",
                "this element has 2 parts",
                "this quote is never closed",
                "11 mistakes in the sets",
            ],
        ),
        (format!("{REPLAY} --sets DIR/none {CAPTURE}"), 1, &[], &["DIR/none: No such file"]),
        // Linux counts connections as soon as a rule asks.
        (
            format!("{REPLAY} --rules DIR/bytes.v4 {CAPTURE}"),
            0,
            &["  ipv4 filter FORWARD 1 (line 3)   "],
            &["no rules for ipv6"],
        ),
    ];
    for (line, status, out, err) in rows {
        let ran = run(line, &dir, &[]);
        assert_eq!(ran.status, *status, "{line}\n{}", ran.err);
        let whole = |text: &str| text.replace("DIR", &dir.display().to_string());
        for (wanted, said) in [(out, &ran.out), (err, &ran.err)] {
            for wanted in *wanted {
                assert!(said.contains(&whole(wanted)), "{line}\nno {wanted:?} in\n{said}");
            }
        }
        assert!(!err.is_empty() || ran.err.is_empty(), "{line}\n{}", ran.err);
    }
}
