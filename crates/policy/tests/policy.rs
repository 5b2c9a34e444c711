//! Policies: what cannot be had is said with its place, and what can be had is written so that
//! the audit finds nothing.

use kinwall_helpers::Instances;
use kinwall_policy::audit::{Gateway, Severity, audit};
use kinwall_policy::compile::{File, Target, compile};
use kinwall_policy::language;
use kinwall_rules::load::{Defines, Source, load};
use kinwall_terms::{Family, KernelVersion, Profile};
use kinwall_topology::Topology;

const OFFICE: &str = include_str!("../../../examples/policy/office.toml");

/// Segments that most rows of a table share; 14 lines.
const SEGMENTS: &str = "[[segment]]\nname = \"wan\"\ninterfaces = [\"eth0\"]\ndefault = true\n\
    [[segment]]\nname = \"lan\"\ninterfaces = [\"eth1\"]\nnetworks = [\"10.1.0.0/24\"]\n\
    addresses = [\"10.1.0.1/24\"]\n[[host]]\nname = \"server\"\naddresses = [\"203.0.113.10\"]\n\n";

fn text_of<'a>(files: &'a [File], name: &str) -> &'a str {
    &files.iter().find(|file| file.name == name).expect("the file").text
}

fn written(text: &str, kernel: &str) -> Vec<File> {
    let kernel = Some(kernel.parse().expect("a version"));
    let policy = language::read(text, "policy.toml", kernel).unwrap_or_else(|problems| {
        let problems: Vec<String> = problems.iter().map(|problem| problem.to_string()).collect();
        panic!("{}", problems.join("\n"))
    });
    compile(&policy, Target::Iptables, "policy.toml")
}

#[test]
fn nftables_has_what_iptables_has() {
    let policy = language::read(OFFICE, "policy.toml", None).expect("the example is right");
    let files = compile(&policy, Target::Nftables, "policy.toml");
    let rules = text_of(&files, "rules.nft");
    for part in [
        "\tct helper ftp-tcp {\n\t\ttype \"ftp\" protocol tcp;\n",
        "\tct helper ras-udp {\n\t\ttype \"RAS\" protocol udp;\n",
        "iifname \"eth0\" ip daddr 10.2.0.10 tcp dport 2121 ct helper set \"ftp-tcp\"",
        "meta nfproto ipv6 fib saddr . iif oif missing drop",
        "ip saddr @net-lan-4 tcp dport 1024-65535 ct state related ct helper \"ftp\" accept",
        "\t\tiifname . oifname vmap {\n\t\t\t\"eth1\" . \"eth0\" : jump forward-1,",
        "update @rate-ftp-in-4 { ip saddr limit rate over 30/minute burst 10 packets } drop",
    ] {
        assert!(rules.contains(part), "{part}\n{rules}");
    }
    let at = |part: &str| rules.find(part).unwrap_or_else(|| panic!("{part}"));
    let (dhcp, dropped) = (at("ip saddr 0.0.0.0"), at("meta nfproto ipv4 fib saddr"));
    assert!(dhcp < dropped, "who asks for an address has none yet");
    let lines: Vec<&str> = rules.lines().collect();
    let page = text_of(&files, "explain.md");
    let explained = page.lines().filter_map(|line| line.strip_prefix("  - ")?.split_once(": `"));
    let mut count = 0;
    for (number, rule) in explained {
        let number: usize = number.parse().expect("a line number");
        assert_eq!(lines[number - 1].trim(), rule.trim_end_matches('`'));
        count += 1;
    }
    assert!(count > 50, "{count} rules are explained");
}

/// Each row: what stands behind the segments, and `LINE:COLUMN: message` of every mistake.
fn wrong(before: &str, rows: &[(&str, &[&str])]) {
    for (text, expected) in rows {
        let text = format!("{before}{text}");
        let problems = language::read(&text, "p", None).err().unwrap_or_default();
        let found: Vec<String> = problems
            .iter()
            .map(|problem| format!("{}:{}: {}", problem.line, problem.column, problem.message))
            .collect();
        assert_eq!(found, *expected, "{text}");
        assert!(problems.iter().all(|problem| problem.help.is_some()), "{text}");
    }
}

#[test]
fn mistakes_of_segments_and_hosts() {
    let segment = |name: &str, rest: &str| {
        format!("[[segment]]\nname = \"{name}\"\ninterfaces = [\"{name}0\"]\n{rest}\n")
    };
    let two = |a: &str, b: &str| format!("{}{}", segment("a", a), segment("b", b));
    wrong("", &[("", &["1:1: the policy has no segment"])]);
    wrong(
        "",
        &[
            (
                &two("default = true", "default = \"ipv4\""),
                &["8:11: a second default route for ipv4; segment `a` has it on line 4"],
            ),
            (&two("default = \"ipv6\"", "default = \"ipv4\""), &[]),
            (
                &two("networks = [\"10.0.0.0/8\"]", "networks = [\"10.1.0.0/24\"]"),
                &["8:13: 10.1.0.0/24 overlaps 10.0.0.0/8 of segment `a`"],
            ),
            (
                &two("networks = [\"10.1.0.1/24\"]", "networks = [\"::/0\", \"10.1\"]"),
                &[
                    "4:13: 10.1.0.1/24 has bits set beyond its length",
                    "8:13: ::/0 is the default route",
                    "8:21: `10.1` is no address with its length",
                ],
            ),
            (&segment("gateway", "default = true"), &["2:8: `gateway` cannot name a segment"]),
            (&segment("a", ""), &["2:8: nobody lives in segment `a`"]),
            (
                &format!("{}[[hots]]\n", segment("a", "default = true")),
                &["5:3: unknown field `hots`, expected one of `kernel`, `log-dropped`, \
                   `segment`, `host`, `group`, `service`, `intent`, `translate`"],
            ),
        ],
    );
    let host = |rest: &str| format!("[[host]]\nname = \"h\"\n{rest}\n");
    wrong(
        SEGMENTS,
        &[
            (
                &host("segment = \"lan\"\naddresses = [\"fd00:1::5\"]"),
                &["17:14: fd00:1::5 cannot live in segment `lan`, which has no ipv6"],
            ),
            (
                &host("segment = \"lan\"\naddresses = [\"203.0.113.5\"]"),
                &["17:14: 203.0.113.5 lives in segment `wan`, not in `lan`"],
            ),
            (
                &host("segment = \"wam\"\naddresses = [\"10.1.0.5\"]"),
                &["16:11: no segment is called `wam`"],
            ),
            (
                &host("addresses = [\"10.1.0.5/24\", \"x\"]"),
                &["16:14: 10.1.0.5/24 is neither a host nor a network", "16:29: `x` is no address"],
            ),
        ],
    );
}

#[test]
fn mistakes_of_intents() {
    let intent = |service: &str, from: &str, to: &str, rest: &str| {
        format!("[[intent]]\nservice = \"{service}\"\nfrom = \"{from}\"\nto = \"{to}\"\n{rest}\n")
    };
    wrong(
        SEGMENTS,
        &[
            (&intent("ftp", "lan", "wan", ""), &[]),
            (
                &intent("ftp", "lna", "wan", ""),
                &["16:8: no segment, host or group is called `lna`"],
            ),
            (&intent("ftpp", "lan", "wan", ""), &["15:11: no service is called `ftpp`"]),
            (&intent("ftp", "lan", "lan", ""), &["17:6: both ends live in segment `lan`"]),
            (
                &intent("pptp", "lan", "wan", ""),
                &["17:6: pptp to all of `wan`: the servers have no names"],
            ),
            (
                &intent("snmp", "lan", "server", ""),
                &["16:8: the snmp helper reads broadcasts, which are not forwarded"],
            ),
            (&intent("pptp", "lan", "server", "family = \"ipv6\""), &["18:10: pptp has no ipv6"]),
            (
                &intent("ssh", "lan", "wan", "family = \"ipv6\""),
                &["17:6: no packet can do this: the two ends have no family in common that ssh \
                   has (ipv6)"],
            ),
            (
                &intent("ssh", "lan", "wan", "port = 22\nlimit = \"often\""),
                &["18:8: `port` is for protocols with a helper", "19:9: `often` is no rate"],
            ),
            (
                &intent("ftp", "wan", "gateway", ""),
                &["17:6: the gateway's own addresses in that segment are not known"],
            ),
        ],
    );
}

#[test]
fn the_audit_finds_nothing_in_what_is_written() {
    let direct = OFFICE.replace("media = [\"provider\", \"media-farm\"]", "");
    let asymmetric = OFFICE.replace("default = true", "default = true\nasymmetric = true");
    let inside = OFFICE.replace("name = \"lan\"\n", "name = \"lan\"\nasymmetric = true\n");
    let policies = [OFFICE, &direct, &asymmetric, &inside];
    for text in policies {
        for kernel in ["6.18", "5.10", "3.5"] {
            let files = written(text, kernel);
            let found = findings(&files, kernel.parse().expect("a version"));
            let worse: Vec<&String> =
                found.iter().filter(|(s, _)| *s != Severity::Note).map(|(_, text)| text).collect();
            assert!(worse.is_empty(), "{kernel}: {worse:#?}");
        }
    }
}

/// What the audit finds in the files.
fn findings(files: &[File], kernel: KernelVersion) -> Vec<(Severity, String)> {
    let sources = ["rules.v4", "rules.v6"].map(|name| Source {
        name,
        text: text_of(files, name),
        family: None,
    });
    let loaded = load(&sources, &Defines::default()).expect("rules");
    let topology = text_of(files, "topology.toml");
    let topology = Topology::from_toml(topology, "topology.toml").expect("a topology");
    let mut instances = Instances::new(kernel, Profile::Linux);
    let options = text_of(files, "modprobe.conf").lines().filter_map(|line| {
        line.strip_prefix("options ").filter(|line| !line.contains("nf_conntrack_helper"))
    });
    for line in options {
        let (module, rest) = line.split_once(' ').expect("options");
        for option in rest.split(' ') {
            let (name, value) = option.split_once('=').expect("an option");
            instances.set(&format!("{module}.{name}"), value).expect("an option of the module");
        }
    }
    let gateway = Gateway {
        rulesets: Family::ALL.map(|family| loaded.ruleset(family)),
        topology: Some(&topology),
        instances: &instances,
        automatic_helpers: false,
        kernel,
        refused: &[],
    };
    let text = |finding: &kinwall_policy::audit::Finding| {
        format!("{} {} {:?}", finding.check.code, finding.message, finding.rule)
    };
    audit(&gateway).iter().map(|finding| (finding.severity, text(finding))).collect()
}

#[test]
fn the_kernel_decides_what_is_set() {
    for (kernel, sysctl, modprobe) in [
        ("6.18", "\n# net.netfilter.nf_conntrack_helper does not exist", false),
        ("5.10", "\nnet.netfilter.nf_conntrack_helper = 0\n", true),
    ] {
        let files = written(OFFICE, kernel);
        assert!(text_of(&files, "sysctl.conf").contains(sysctl), "{kernel}");
        let options = text_of(&files, "modprobe.conf");
        assert_eq!(options.contains("nf_conntrack nf_conntrack_helper=0"), modprobe, "{kernel}");
    }
}

#[test]
fn every_rule_is_explained_by_its_intent() {
    let files = written(OFFICE, "6.18");
    let page = text_of(&files, "explain.md");
    for name in ["rules.v4", "rules.v6"] {
        let rules = text_of(&files, name).lines().zip(1..);
        let rules = rules.filter(|(line, _)| line.starts_with("-A"));
        for (line, number) in rules.filter(|(line, _)| *line != "-A PREROUTING -j anti-spoofing") {
            assert!(page.contains(&format!("  - {number}: `{line}`\n")), "{name}:{number} {line}");
        }
    }
    for heading in ["## ftp-out", "## phones", "## What every policy has"] {
        assert!(page.contains(heading), "{heading}");
    }
}
