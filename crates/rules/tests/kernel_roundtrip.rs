//! The rows of `tests/rules/*.t` and generated rule sets through the real tools: what
//! `iptables-save` prints after `iptables-restore` is what we print, and what it refuses we
//! refuse. Each file is loaded in a network namespace of its own.
//!
//! Needs root and iptables 1.8.9 with the nf_tables backend (Debian 12); says so loudly when it
//! cannot run.

#![allow(clippy::disallowed_methods, reason = "the rows are files, and the real tool is a program")]

mod common;
#[path = "common/mixed.rs"]
mod mixed;
#[path = "common/random.rs"]
mod random;

use common::{Row, rows};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::{matches, print, targets};
use kinwall_terms::{Family, Table};
use proptest::prelude::prop;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

const VERSION: &str = "v1.8.9 (nf_tables)";

fn tool(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    }
}

/// Whether the real tools can be asked.
fn can_run() -> bool {
    let output = Command::new("unshare").args(["-n", "iptables-save", "--version"]).output();
    let version = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    let found = version.as_ref().is_ok_and(|version| version.contains(VERSION));
    if !found {
        eprintln!(
            "\n*** NOT RUN: comparison with the real iptables. It needs root and iptables \
             {VERSION}; found {version:?}\n"
        );
    }
    found
}

/// What the tool prints, from `*TABLE` to COMMIT, after loading `file`; or what it says.
fn real(family: Family, table: &str, file: &str) -> Result<String, String> {
    saved(family, &format!("-t {table}"), file)
}

/// What the tool prints of the tables that `which` says, without its comments.
fn saved(family: Family, which: &str, file: &str) -> Result<String, String> {
    let tool = tool(family);
    let sets = if file.contains("-set ") { sets(family) } else { String::new() };
    let script = format!("{sets}{tool}-restore >&2 && {tool}-save {which}");
    let mut child = Command::new("unshare")
        .args(["-n", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("unshare runs");
    child.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect())
}

/// Makes the sets that rows name: the tool asks for them.
fn sets(family: Family) -> String {
    let inet = match family {
        Family::Ipv4 => "inet",
        Family::Ipv6 => "inet6",
    };
    let create = |set: &str| format!("ipset create {set} family {inet} timeout 0 && ");
    let sets = ["foo hash:ip,port", "bar hash:ip", "a hash:ip", "b hash:ip,port", "n6 hash:net"];
    let counting = create("c hash:ip,port").replace(" timeout 0", " counters");
    sets.into_iter().map(create).chain([counting]).collect()
}

fn ours(family: Family, table: &str, file: &str) -> Result<String, String> {
    let source = Source { name: "file", text: file, family: Some(family) };
    let loaded = load(&[source], &Defines::default()).map_err(|mistakes| {
        mistakes.iter().map(|mistake| mistake.render("file", file)).collect::<String>()
    })?;
    let rules = loaded.ruleset(family).and_then(|r| r.table(Table::from_name(table)?));
    Ok(rules.map_or(String::new(), |rules| print::table(rules, print::Options::default())))
}

#[test]
fn the_real_tool_prints_and_refuses_the_rows_as_we_do() {
    if !can_run() {
        return;
    }
    let mut wrong = Vec::new();
    let rows = rows();
    let mut alone: Vec<&Row> = rows.iter().filter(|row| !row.untried).collect();
    // What must be accepted is loaded many at a time; what does not come out as it must, again
    // by itself.
    let mut good: BTreeMap<(Family, &str, &str), Vec<&Row>> = BTreeMap::new();
    for row in alone.extract_if(.., |row| row.expected.is_some()) {
        good.entry((row.family, &row.table, &row.chain)).or_default().push(row);
    }
    for ((family, table, chain), rows) in good {
        for rows in rows.chunks(ROWS_AT_ONCE) {
            if !many_come_out(family, table, chain, rows) {
                alone.extend(rows);
            }
        }
    }
    for row in alone {
        let Row { place, family, table, chain, .. } = row;
        let file = row.file();
        match (real(*family, table, &file), row.line()) {
            (Ok(text), Some(line)) if text.lines().any(|found| found == line) => {}
            (Err(_), None) => {}
            (Ok(_), None) if row.strict => {}
            (found, expected) => wrong.push(format!(
                "{place} ({family}, {chain}): {found:?}, expected {expected:?}\n{file}"
            )),
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// How many rows are loaded in one file.
const ROWS_AT_ONCE: usize = 40;

/// Whether the tool prints all these rows of one chain as they must be printed, in their order.
fn many_come_out(family: Family, table: &str, chain: &str, rows: &[&Row]) -> bool {
    let lines: String = rows.iter().map(|row| format!("-A {chain} {}\n", row.input)).collect();
    let file = format!("*{table}\n:chain - [0:0]\n{lines}COMMIT\n");
    let expected: Option<Vec<String>> = rows.iter().map(|row| row.line()).collect();
    real(family, table, &file).is_ok_and(|text| {
        let found = text.lines().filter(|line| line.starts_with("-A "));
        expected.is_some_and(|expected| found.eq(expected.iter().map(String::as_str)))
    })
}

#[test]
fn the_real_tool_prints_whole_files_as_we_do() {
    if !can_run() {
        return;
    }
    let mut wrong = Vec::new();
    for (family, table, file) in files() {
        match (real(family, table, &file), ours(family, table, &file)) {
            (Ok(real), Ok(ours)) if real == ours => {}
            (Err(_), Err(_)) => {}
            (real, ours) => wrong.push(format!("{file}real: {real:?}\nours: {ours:?}\n")),
        }
    }
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

/// Libraries of the tool that are no extension of iptables: with their reasons.
const NO_EXTENSIONS: &[&str] = &[
    // ACCEPT, DROP, RETURN and the jumps: part of the grammar.
    "xt_standard",
    // One library under the names SNAT, DNAT, MASQUERADE, REDIRECT and NETMAP.
    "xt_NAT",
];

#[test]
fn every_extension_of_the_real_tool_is_known() {
    if !can_run() {
        return;
    }
    let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    let files = folders.filter_map(|folder| std::fs::read_dir(folder.path().join("xtables")).ok());
    let names = files.flatten().flatten().filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        Some(name.strip_prefix("lib")?.strip_suffix(".so")?.to_owned())
    });
    let of_iptables = |name: &String| {
        ["xt_", "ipt_", "ip6t_"].iter().any(|family| name.starts_with(family))
            && !NO_EXTENSIONS.contains(&name.as_str())
    };
    let names: Vec<String> = names.filter(of_iptables).collect();
    assert!(names.len() > 100, "only {} extensions of the tool were found", names.len());
    let unknown = |name: &&String| {
        let (module, name) = name.split_once('_').expect("a family");
        let families: &[Family] = match module {
            "ipt" => &[Family::Ipv4],
            "ip6t" => &[Family::Ipv6],
            _ => &Family::ALL,
        };
        let is_target = name.starts_with(|c: char| c.is_ascii_uppercase());
        !families.iter().any(|family| match is_target {
            true => targets::registry::Kind::from_name(name, *family).is_some(),
            false => matches::registry::Kind::from_name(name, *family).is_some(),
        })
    };
    let unknown: Vec<&String> = names.iter().filter(unknown).collect();
    assert!(unknown.is_empty(), "not known: {unknown:?}");
}

/// How many random rule sets of each family are compared.
const RANDOM_RULESETS: usize = 12;

#[test]
fn the_real_tool_prints_random_rule_sets_as_we_do() {
    if !can_run() {
        return;
    }
    let mut runner = TestRunner::deterministic();
    for family in Family::ALL {
        for _ in 0..RANDOM_RULESETS {
            let file = random::ruleset(family).new_tree(&mut runner).unwrap().current();
            let (real, ours) = (real(family, "filter", &file), ours(family, "filter", &file));
            let (real, ours) = (real.expect(&file), ours.expect(&file));
            let differing = real.lines().zip(ours.lines()).find(|(real, ours)| real != ours);
            assert_eq!(differing, None, "{file}");
            assert_eq!(real.lines().count(), ours.lines().count(), "{file}");
        }
    }
}

/// Rules that ask what other rules of the file measure.
fn estimators() -> String {
    let measure = |name: &str| {
        format!(
            "-A INPUT -j RATEEST --rateest-name {name} --rateest-interval 250ms --rateest-ewmalog \
             500ms\n"
        )
    };
    let asked = [
        "--rateest RE1 --rateest-lt --rateest-bps 8bit",
        "--rateest RE1 --rateest-eq --rateest-pps 5",
        "--rateest RE1 ! --rateest-gt --rateest-pps 5",
        "--rateest1 RE1 --rateest-lt --rateest-bps --rateest2 RE2",
        "--rateest1 RE1 --rateest-delta --rateest-pps1 0 --rateest-lt --rateest-pps2 42 \
         --rateest2 RE2",
        "--rateest-delta --rateest RE1 --rateest-bps1 100mbit --rateest-gt --rateest-bps2 2kbps",
    ];
    let asked: String = asked.iter().map(|ask| format!("-A INPUT -m rateest {ask}\n")).collect();
    measure("RE1") + &measure("RE2") + &asked
}

/// Random mixtures of the rows of each chain, judged by both: what both accept, in one file,
/// and rule by rule what we refuse.
#[test]
fn the_real_tool_prints_and_refuses_mixed_rows_as_we_do() {
    if !can_run() {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let mut wrong = Vec::new();
    for ((family, table, chain), inputs) in mixed::inputs(&rows()) {
        let rules = prop::collection::vec(mixed::mixed(family, inputs), RULES_MIXED);
        let rules = rules.new_tree(&mut runner).unwrap().current();
        let file = |rules: &[String]| {
            let lines: String = rules.iter().map(|rule| format!("-A {chain} {rule}\n")).collect();
            format!("*{table}\n:chain - [0:0]\n{lines}COMMIT\n")
        };
        let alone = |rule: &String| file(std::slice::from_ref(rule));
        let (good, bad): (Vec<String>, Vec<String>) =
            rules.into_iter().partition(|rule| ours(family, &table, &alone(rule)).is_ok());
        let file = file(&good);
        match (real(family, &table, &file), ours(family, &table, &file)) {
            (Ok(real), Ok(ours)) => {
                let pairs = real.lines().zip(ours.lines()).filter(|(real, ours)| real != ours);
                wrong.extend(pairs.map(|(real, ours)| format!("real: {real}\nours: {ours}")));
            }
            (real, ours) => wrong.push(format!("{file}{real:?}\n{ours:?}")),
        }
        for rule in bad.iter().take(REFUSED_MIXED) {
            if let Ok(real) = real(family, &table, &alone(rule)) {
                wrong.push(format!("we refuse {family} {table} {chain} {rule}: {real}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} mixed rules:\n{}", wrong.len(), wrong.join("\n"));
}

/// Mixed rules of each chain, and how many of those that we refuse the tool is asked about.
const RULES_MIXED: usize = 40;
const REFUSED_MIXED: usize = 6;

#[test]
fn the_real_tool_prints_all_tables_as_we_do() {
    if !can_run() {
        return;
    }
    let tables = ["security", "raw", "nat", "filter", "mangle"];
    let rule = "-A OUTPUT -p udp -m udp --dport 53 -j ACCEPT";
    let file: String = tables.map(|table| format!("*{table}\n{rule}\nCOMMIT\n")).concat();
    for family in Family::ALL {
        let source = Source { name: "file", text: &file, family: Some(family) };
        let loaded = load(&[source], &Defines::default()).expect("rules");
        let ours = print::ruleset(loaded.ruleset(family).unwrap(), print::Options::default());
        assert_eq!(saved(family, "", &file).expect("rules"), ours);
    }
}

/// Two rules that share a table of rates.
fn measured(one: &str, two: &str) -> String {
    let rule =
        |rate| format!("-A INPUT -m hashlimit --hashlimit-name shared --hashlimit-above {rate}\n");
    rule(one) + &rule(two)
}

/// Files about the grammar around the rules.
fn files() -> Vec<(Family, &'static str, String)> {
    let deep = |count: usize| {
        let chains: String = (0..count).map(|n| format!(":c{n} - [0:0]\n")).collect();
        let jumps: String = (1..count).map(|n| format!("-A c{} -j c{n}\n", n - 1)).collect();
        format!("{chains}-A INPUT -j c0\n{jumps}")
    };
    let bodies = [
        String::new(),
        ":INPUT DROP [5:6]\n".into(),
        ":zz - [0:0]\n:aa - [1:2]\n:Aa -\n:a-b ACCEPT [0:0]\n-A zz -j aa\n-A INPUT -g zz\n".into(),
        "-A INPUT -j later\n:later -\n".into(),
        ":x -\n-A x -j DROP\n:x -\n".into(),
        ":x -\n:y -\n-A x -j y\n-A y -j x\n".into(),
        ":x -\n:y -\n-A x -j y\n-A y -j x\n-A INPUT -j x\n".into(),
        ":x -\n-N x\n".into(),
        ":x -\n-N y\n-A x -j y\n-A INPUT -j x\n".into(),
        ":x -\n-P x DROP\n".into(),
        "-P INPUT DROP\n-P FORWARD QUEUE\n".into(),
        "-P OUTPUT DROP\n".into(),
        measured("5/s", "5/s --hashlimit-rate-match"),
        measured("5/s --hashlimit-rate-match", "5/s"),
        measured("5/s --hashlimit-rate-match", "7/s --hashlimit-rate-match"),
        measured("5/s", "7kb/s"),
        "-A nosuch -j DROP\n".into(),
        format!(":{} -\n", "a".repeat(28)),
        format!(":{} -\n", "a".repeat(29)),
        ":ACCEPT -\n".into(),
        ":x\n".into(),
        ":INPUT REJECT\n".into(),
        ":PREROUTING ACCEPT [0:0]\n".into(),
        "[1:2] -A INPUT -j DROP\n[1:2]-A INPUT -j ACCEPT\n".into(),
        "  -A INPUT -j DROP\n\n# comment\n".into(),
        "  # comment\n".into(),
        "-I INPUT 3 -j DROP\n".into(),
        "-I INPUT -j DROP\n-I INPUT -j ACCEPT\n-I INPUT 2 -j RETURN\n".into(),
        "-I INPUT -s 1.2.3.4,5.6.7.8 -d 9.9.9.9,8.8.8.8 -j DROP\n".into(),
        "-A INPUT -s 1.2.3.4,5.6.7.8 -d 9.9.9.9,8.8.8.8 -j DROP\n".into(),
        "-A INPUT -j DROP\n-D INPUT -j ACCEPT\n".into(),
        "-A INPUT -4 -j DROP\n-A INPUT -6 -j ACCEPT\n".into(),
        "-A INPUT -p tcp -m comment --comment first --dport 22 -m comment --comment second\n"
            .into(),
        "-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -m conntrack --ctstate NEW\n"
            .into(),
        "*nat\nCOMMIT\n".into(),
        estimators(),
        deep(15),
        deep(16),
        deep(17),
    ];
    bodies
        .into_iter()
        .map(|body| (Family::Ipv4, "filter", format!("*filter\n{body}COMMIT\n")))
        .chain([
            (Family::Ipv4, "filter", "*filter\n-A INPUT -j DROP\n".into()),
            (Family::Ipv4, "filter", "-A INPUT -j DROP\n".into()),
            (Family::Ipv4, "nofilter", "*nofilter\nCOMMIT\n".into()),
            (Family::Ipv4, "nat", "*nat\n:INPUT DROP [0:0]\n:x -\nCOMMIT\n".into()),
            (Family::Ipv6, "mangle", "*mangle\n:x -\n-A POSTROUTING -j x\nCOMMIT\n".into()),
            (Family::Ipv6, "raw", "*raw\n-A OUTPUT -j NOTRACK\nCOMMIT\n".into()),
            (Family::Ipv6, "security", "*security\n-A FORWARD -j ACCEPT\nCOMMIT\n".into()),
        ])
        .collect()
}
