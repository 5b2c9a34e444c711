//! What is wrong is named, with its place and what would be right; the exit status is 2 for
//! usage and 1 for failure; nothing half-written stays.

mod common;

use common::{folder, root, run};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The command, its exit status, and what it says.
type Row<'a> = (&'a str, i32, &'a [&'a str]);

fn check(dir: &Path, rows: &[Row<'_>]) {
    for (line, status, says) in rows {
        let ran = run(line, dir, &[]);
        assert_eq!(ran.status, *status, "{line}\n{}", ran.err);
        for wanted in *says {
            assert!(ran.err.contains(wanted), "{line}\nno {wanted:?} in\n{}", ran.err);
        }
    }
}

#[test]
fn flags() {
    let capture = "examples/ftp/capture.pcapng";
    let rows: [(&str, i32, &[&str]); 23] = [
        ("--set foo", 2, &["`foo` is not of the form KEY=VALUE"]),
        ("--set nf_conntrack_tcp_lose=0", 2, &["did you mean nf_conntrack_tcp_loose?"]),
        ("--set net.netfilter.nf_conntrack_lose=0", 2, &["unknown setting"]),
        ("--set nf_conntrack_ftp.loose=maybe", 2, &["expected 1 or 0"]),
        ("--set nf_conntrack_ftp.lose=1", 2, &["has no option `lose`; it has ports, loose"]),
        ("--set guard.ftp.port=1", 2, &["is no guard; there are guard.HELPER.min_port"]),
        (
            "--set nf_conntrack_helper=1",
            2,
            &["Linux 6.18 has no nf_conntrack_helper", "; --kernel 5.10 answers for a Linux that"],
        ),
        ("--set-at x:nf_conntrack_ftp.loose=1", 2, &["`x` is no packet number"]),
        ("--set-at 0:nf_conntrack_ftp.loose=1", 2, &["packets count from 1"]),
        ("--set-at 3:nope=1", 2, &["before packet 3: unknown setting"]),
        ("--set-at 3", 2, &["write PACKET:KEY=VALUE"]),
        ("--kernel four", 2, &["a kernel version is written MAJOR.MINOR"]),
        ("--clock froze", 2, &["a similar value exists: 'frozen'"]),
        ("--packet 0", 2, &["packets count from 1"]),
        ("--packet 1000", 2, &["the captures hold 267 packets"]),
        ("--ingress eth1=other", 2, &["that capture is not among the arguments"]),
        ("--ingress eth1", 2, &["write NAME=CAPTURE"]),
        ("--define 1a=b", 2, &["is not a name"]),
        ("--write -", 2, &["packets are kept in a file"]),
        ("--write examples/ftp/capture.pcapng", 2, &["that is the capture to be read"]),
        ("--write DIR/a --write-dropped DIR/a", 2, &["name the same file"]),
        ("--rules examples/ftp/rules.v4 --assume 7", 2, &["write LINE=match, LINE=no-match"]),
        ("--rules examples/ftp/rules.v4 --assume 3=match", 2, &["no rule stands on that line"]),
    ];
    let dir = folder("flags");
    for (flags, status, says) in rows {
        check(&dir, &[(&format!("replay --summary {capture} {flags}"), status, says)]);
    }
    let known = "replay --topology examples/ftp/topology.toml --rules examples/ftp/rules.v4";
    check(
        &dir,
        &[
            (&format!("{known} {capture} --ingress eth7={capture}"), 2, &["it has eth0, eth1"]),
            (
                &format!("{known} {capture} --set nf_conntrack_ftp.ports=2121"),
                1,
                &["rules.v4:8:78", "no helper is called `ftp`; there are amanda, ftp-2121,"],
            ),
            ("replay", 2, &["<CAPTURE>..."]),
            ("rules fmt examples/ftp/rules.v4 examples/ftp/rules.v6", 2, &["add --only ipv4"]),
            ("helpers nobody", 2, &["no helper is called `nobody`; there are"]),
        ],
    );
    assert_eq!(fs::read_dir(&dir).expect("a folder").count(), 0, "nothing was written");
}

#[test]
fn packets_typed() {
    let rows: [(&str, &[&str]); 9] = [
        ("", &["no packet was typed: write one such as 'in eth0 tcp "]),
        ("udp 1.2.3.4:5 -> 1.2.3.5", &["udp goes to a port: write 1.2.3.5:80", "^^^^^^^"]),
        ("icmp 1.2.3.4:5 -> 1.2.3.5", &["icmp has no ports: write 1.2.3.4"]),
        ("tcp", &["the packet ends where a source address belongs"]),
        ("tcp 1.2.3.4 - 1.2.3.5", &["`->` belongs here", "              ^"]),
        ("tcp 1.2.3.4:5 -> [::1]:9", &["different families"]),
        ("udp 1.2.3.4:5 -> 1.2.3.5:9 syn", &["`syn` means nothing here; words are"]),
        ("tcp 1.2.3.4:5 -> 1.2.3.5:9 related by nobody", &["no helper is called `nobody`"]),
        ("in eth9 tcp 10.1.0.2:5 -> 1.2.3.5:9", &["it has eth0, eth1"]),
    ];
    for (packet, says) in rows {
        let line = format!("explain --topology examples/ftp/topology.toml '{packet}'");
        check(&root(), &[(&line, 2, says)]);
    }
}

#[test]
fn captures() {
    let dir = folder("captures");
    let whole = fs::read(root().join("examples/ftp/capture.pcapng")).expect("read");
    let noise: Vec<u8> =
        (0..9999_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let files: [(&str, &[u8]); 4] = [
        ("cut.pcapng", &whole[..5000]),
        ("empty", &[]),
        ("noise", &noise),
        ("text", b"packets, please"),
    ];
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).expect("written");
    }
    check(
        &dir,
        &[
            (
                "replay DIR/cut.pcapng --write DIR/kept.pcap",
                1,
                &["cut.pcapng: packet 36, byte 4956: the file ends within a packet"],
            ),
            ("replay DIR/empty", 1, &["it is empty; captures are pcap or pcapng files"]),
            ("replay DIR/noise", 1, &["noise: it is no pcap or pcapng capture: it begins with"]),
            ("replay DIR/text", 1, &["text: it is text: rules are given with --rules"]),
            ("replay DIR", 1, &["Is a directory"]),
            ("replay DIR/none", 1, &["none: No such file"]),
            ("replay - -", 2, &["the standard input can be read only once"]),
        ],
    );
    assert!(dir.join("kept.pcap").exists(), "what could be read was kept");
    // Damage anywhere is met with words, whatever they are.
    for at in (0..whole.len()).step_by(whole.len() / 25) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let ran = run("replay --summary -", &dir, &bytes);
        assert!((0..=1).contains(&ran.status), "byte {at}: {}", ran.err);
    }
}

#[test]
fn nothing_half_written_stays() {
    let dir = folder("partial");
    let capture = "examples/ftp/capture.pcapng";
    check(
        &dir,
        &[
            (&format!("replay --write DIR/a --set-at 50:nope=1 {capture}"), 2, &["packet 50"]),
            (&format!("replay --write DIR/a --packet 5000 {capture}"), 2, &["267"]),
            (&format!("replay --write DIR/a --write-dropped DIR/no/b {capture}"), 1, &["No such"]),
        ],
    );
    assert_eq!(fs::read_dir(&dir).expect("a folder").count(), 0);
}

#[test]
fn rule_files() {
    let dir = folder("rules");
    let long =
        format!("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j {}\nCOMMIT\n", "x".repeat(1 << 20));
    let files: [(&str, &[u8]); 6] = [
        ("many.v4", MANY),
        ("binary.v4", b"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j \xff\nCOMMIT\n"),
        ("long.v4", long.as_bytes()),
        ("shell.sh", b"iptables -A INPUT -j ACCEPT\nrm -rf /\n"),
        ("mark.v4", b"\xef\xbb\xbf*filter\r\n:INPUT ACCEPT [0:0]\r\nCOMMIT\r\n"),
        ("open.v4", b"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\n"),
    ];
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).expect("written");
    }
    check(
        &dir,
        &[
            (
                "rules check DIR/many.v4",
                1,
                &[
                    "many.v4:3:13",
                    "help: write `! -s 10.0.0.0/8`",
                    "many.v4:4:25",
                    "did you mean ftp?",
                    "NOPE is neither a target nor a chain",
                    "host names are refused",
                    "it needs -p dccp or -p sctp or -p tcp or -p udp before it",
                    "5 mistakes in the rules",
                ],
            ),
            ("rules check DIR/binary.v4", 1, &["line 3 is not text: byte 41 is not UTF-8"]),
            ("rules check DIR/shell.sh", 1, &["shell.sh:2:1"]),
            ("rules check DIR/open.v4", 1, &["each table ends with a line COMMIT"]),
            ("rules check DIR", 1, &["Is a directory"]),
            ("rules check DIR/mark.v4", 0, &[]),
            ("rules check DIR/none", 1, &["No such file"]),
        ],
    );
    let said = run("rules check DIR/long.v4", &dir, &[]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(said.err.len() < 4000, "a long word is not shown whole: {} bytes", said.err.len());
}

/// Five mistakes.
const MANY: &[u8] = b"*filter
:INPUT ACCEPT [0:0]
-A INPUT -s ! 10.0.0.0/8 -j DROP
-A INPUT -p tcp --dport htp -j ACCEPT
-A INPUT -j NOPE
-A INPUT -s example.com -j ACCEPT
-A INPUT --dport 80 -j ACCEPT
COMMIT
";

#[test]
fn topologies() {
    let dir = folder("topologies");
    let rows = [
        ("x = [1,\n", "unknown key `x`"),
        ("[[interface]]\nname = \"eth0\"\naddresses = [\"10.0.0.300/24\"]\n", ":3:14"),
        ("[[interface]]\nname = \"a\"\n[[interface]]\nname = \"a\"\n", "a second interface"),
        ("[sysctl]\n\"net.netfilter.nf_conntrack_lose\" = 1\n", "t.toml:2:1"),
        (
            "[modules.nf_conntrack_ftp]\nlose = 1\n",
            "has no option `lose`; it has ports, loose\n --> ",
        ),
        ("[modules.nf_conntrack_ftp]\nloose = 1\nports = [70000]\n", "t.toml:3:1"),
    ];
    for (text, says) in rows {
        fs::write(dir.join("t.toml"), text).expect("written");
        let line = "replay --topology DIR/t.toml examples/ftp/capture.pcapng";
        check(&dir, &[(line, 1, &["t.toml", says])]);
    }
}

/// `| head`, `2>&1 | head`: whoever read has gone away, and that is no failure to speak of.
#[test]
fn a_closed_pipe_is_silent() {
    let lines: [&[&str]; 3] =
        [&["helpers"], &["replay", "examples/ftp/capture.pcapng"], &["rules", "check", "none"]];
    for arguments in lines {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kinwall"))
            .args(arguments)
            .current_dir(root())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kinwall runs");
        drop(child.stdout.take());
        drop(child.stderr.take());
        let status = child.wait().expect("kinwall ends").code();
        assert!(matches!(status, Some(0 | 1)), "{arguments:?}: {status:?}");
    }
}
