//! Every check on rules that have what it looks for, and on the nearest rules that do not.

use kinwall_helpers::Instances;
use kinwall_policy::audit::{CHECKS, Check, Finding, Gateway, Refused, Severity, audit};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_terms::{Family, KernelVersion, Profile};
use kinwall_topology::Topology;

/// A gateway in text: `iptables-save` of both families, a topology, module options.
#[derive(Clone, Copy, Default)]
struct Case<'a> {
    v4: &'a str,
    v6: &'a str,
    topology: &'a str,
    options: &'a [(&'a str, &'a str)],
    automatic: bool,
}

/// The findings of `case` as `CODE:LINE` (`CODE` alone where no rule is at fault).
fn found(case: Case<'_>) -> Vec<String> {
    let findings = findings(case);
    let place = |finding: &Finding| match finding.origin() {
        Some(origin) => format!("{}:{}", finding.check.code, origin.line),
        None => finding.check.code.to_owned(),
    };
    findings.iter().filter(|finding| finding.allowed.is_none()).map(place).collect()
}

/// How bad the findings of `code` are.
fn severities(code: &str, case: Case<'_>) -> Vec<Severity> {
    let findings = findings(case);
    findings.iter().filter(|f| f.check.code == code).map(|f| f.severity).collect()
}

fn findings(case: Case<'_>) -> Vec<Finding> {
    let texts = [("rules.v4", case.v4), ("rules.v6", case.v6)];
    let sources: Vec<Source<'_>> = texts
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| Source { name, text, family: None })
        .collect();
    let loaded = load(&sources, &Defines::default()).expect("the rules are right");
    let topology = Topology::from_toml(case.topology, "topology").expect("the topology is right");
    let kernel = KernelVersion::new(5, 10, 0);
    let mut instances = Instances::new(kernel, Profile::Linux);
    for (key, value) in case.options {
        instances.set(key, value).expect("the option is right");
    }
    let gateway = Gateway {
        rulesets: Family::ALL.map(|family| loaded.ruleset(family)),
        topology: (!case.topology.is_empty()).then_some(&topology),
        instances: &instances,
        automatic_helpers: case.automatic,
        kernel,
        refused: &[],
    };
    audit(&gateway)
}

/// Checks that exactly these findings of `code` are there.
fn check(code: &str, case: Case<'_>, expected: &[&str]) {
    let all = found(case);
    let of_code: Vec<&str> =
        all.iter().filter(|found| found.starts_with(code)).map(String::as_str).collect();
    assert_eq!(of_code, expected, "all findings: {all:?}\n{}{}", case.v4, case.v6);
}

/// `rules` in the filter table of IPv4, the first on line 2.
fn filter(rules: &str) -> String {
    format!("*filter\n{rules}\nCOMMIT\n")
}

/// `rules` in the raw table of IPv4, the first on line 2.
fn raw(rules: &str) -> String {
    format!("*raw\n{rules}\nCOMMIT\n")
}

/// One row: rules of a table, and the lines at fault.
fn rows(code: &str, table: fn(&str) -> String, rows: &[(&str, &[u32])]) {
    for (rules, lines) in rows {
        let expected: Vec<String> = lines.iter().map(|line| format!("{code}:{line}")).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(code, Case { v4: &table(rules), ..Case::default() }, &expected);
    }
}

const RELATED: &str = "-A FORWARD -m conntrack --ctstate RELATED";

#[test]
fn related() {
    rows(
        "KW001",
        filter,
        &[
            ("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", &[2]),
            ("-A INPUT -m state --state RELATED -j ACCEPT", &[2]),
            (":own - [0:0]\n-A own -j ACCEPT\n-A FORWARD -m state --state RELATED -j own", &[3]),
            ("-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT", &[]),
            ("-A FORWARD -p icmp -m conntrack --ctstate RELATED -j ACCEPT", &[]),
            ("-A FORWARD -m conntrack --ctstate RELATED -m helper --helper ftp -j ACCEPT", &[]),
            ("-A OUTPUT -m conntrack --ctstate RELATED -j ACCEPT", &[]),
            ("-A FORWARD -m conntrack ! --ctstate INVALID,NEW -j ACCEPT", &[2]),
        ],
    );
    let helped = |rest: &str| format!("{RELATED} -m helper --helper ftp {rest} -j ACCEPT");
    for (rest, address, port) in [
        ("", true, true),
        ("-d 10.0.0.1/32", false, true),
        ("-o eth0 -p tcp -m tcp --dport 1024:65535", false, false),
        ("-p tcp -m tcp --dport 1024:65535", true, false),
        ("-d 10.0.0.1/32 -p tcp -m multiport --dports 1000:2000", false, true),
    ] {
        let text = filter(&helped(rest));
        let case = Case { v4: &text, ..Case::default() };
        check("KW002", case, if address { &["KW002:2"] } else { &[] });
        check("KW003", case, if port { &["KW003:2"] } else { &[] });
    }
    rows(
        "KW005",
        filter,
        &[
            ("-A FORWARD -p icmp -m conntrack --ctstate RELATED -j ACCEPT", &[2]),
            (
                "-A FORWARD -p icmp -m icmp --icmp-type 3 -m conntrack --ctstate RELATED -j ACCEPT",
                &[],
            ),
            (
                "-A FORWARD -p icmp -m conntrack --ctstate RELATED -m limit --limit 5/sec -j ACCEPT",
                &[],
            ),
        ],
    );
}

#[test]
fn assignment() {
    const CT: &str = "-A PREROUTING -d 10.0.0.1/32 -p tcp -m tcp --dport 21 -j CT --helper ftp";
    rows(
        "KW004",
        raw,
        &[
            (&format!("-A PREROUTING -i eth1 -s 10.1.0.0/16 -j ACCEPT\n{CT}"), &[3]),
            (&format!("-A PREROUTING -p udp -j ACCEPT\n{CT}"), &[]),
            (&format!("-A PREROUTING -i eth1 -j DROP\n{CT}"), &[]),
            (&format!("-A PREROUTING -d 10.0.0.2/32 -j CT --notrack\n{CT}"), &[]),
            (&format!("-A PREROUTING -d 10.0.0.0/24 -j CT --notrack\n{CT}"), &[3]),
            (&format!("{CT}\n-A PREROUTING -j ACCEPT"), &[]),
        ],
    );
    rows(
        "KW013",
        raw,
        &[
            ("-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp", &[2]),
            ("-A PREROUTING -i eth1 -p tcp -m tcp --dport 21 -j CT --helper ftp", &[]),
            ("-A OUTPUT -p tcp -m tcp --dport 21 -j CT --helper ftp", &[]),
            (CT, &[]),
        ],
    );
    rows(
        "KW014",
        raw,
        &[("-A PREROUTING -d 10.0.0.1/32 -p tcp -j CT --helper ftp", &[2]), (CT, &[])],
    );
    rows(
        "KW015",
        raw,
        &[
            ("-A PREROUTING -p tcp -m tcp --sport 21 -j CT --helper ftp", &[2]),
            ("-A PREROUTING -p tcp -m tcp --sport 1024:65535 --dport 21 -j CT --helper ftp", &[]),
        ],
    );
    rows(
        "KW017",
        raw,
        &[
            ("-A PREROUTING -p tcp -m tcp --dport 990 -j CT --helper ftp", &[2]),
            ("-A PREROUTING -p tcp -m multiport --dports 21,990 -j CT --helper ftp", &[2]),
            ("-A PREROUTING -p tcp -m tcp --dport 1024:65535 -j CT --helper ftp", &[]),
        ],
    );
    rows(
        "KW018",
        raw,
        &[
            ("-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp-2121", &[2]),
            ("-A PREROUTING -p udp -m udp --dport 21 -j CT --helper ftp", &[2]),
            (CT, &[]),
        ],
    );
    rows(
        "KW018",
        filter,
        &[
            (&format!("{RELATED} -m helper --helper nope -j ACCEPT"), &[2]),
            (&format!("{RELATED} -m helper --helper ftp-2121 -j ACCEPT"), &[]),
        ],
    );
}

#[test]
fn what_is_assigned_is_accepted_and_the_reverse() {
    let both = |filter: &str| {
        format!(
            "*raw\n-A PREROUTING -d 10.0.0.1/32 -p tcp -m tcp --dport 21 -j CT --helper \
             ftp\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n{filter}\nCOMMIT\n"
        )
    };
    let accepted = both(&format!("{RELATED} -m helper --helper ftp -j ACCEPT"));
    let other = both(&format!("{RELATED} -m helper --helper tftp -j ACCEPT"));
    for (text, vain, left) in [(&accepted, false, false), (&other, true, true)] {
        let case = Case { v4: text, ..Case::default() };
        check("KW019", case, if vain { &["KW019:2"] } else { &[] });
        check("KW020", case, if left { &["KW020:7"] } else { &[] });
    }
    let call = "*raw\n-A PREROUTING -d 10.0.0.1/32 -p tcp -m tcp --dport 1720 -j CT --helper \
                Q.931\nCOMMIT\n*filter\n-A FORWARD -d 10.0.0.1/32 -p udp -m udp --dport \
                1024:65535 -m conntrack --ctstate RELATED -m helper --helper H.245 -j \
                ACCEPT\nCOMMIT\n";
    check("KW020", Case { v4: call, ..Case::default() }, &[]);
    let own = both("-A OUTPUT -p tcp -m tcp --dport 21 -j ACCEPT");
    check("KW021", Case { v4: &own, ..Case::default() }, &["KW021:7"]);
    check("KW021", Case { v4: &accepted, ..Case::default() }, &[]);
    let open = both("-A FORWARD -p tcp -m tcp --dport 21 -j ACCEPT");
    check("KW016", Case { v4: &open, ..Case::default() }, &["KW016:7"]);
    let named = both("-A FORWARD -i eth1 -p tcp -m tcp --dport 21 -j ACCEPT");
    check("KW016", Case { v4: &named, ..Case::default() }, &[]);
}

#[test]
fn settings() {
    let empty = filter("");
    let case = Case { v4: &empty, ..Case::default() };
    check("KW010", case, &[]);
    check("KW010", Case { automatic: true, ..case }, &["KW010"]);
    check("KW011", case, &[]);
    let ports = [("nf_conntrack_ftp.ports", "21,2121")];
    check("KW011", Case { options: &ports, ..case }, &["KW011"]);
    check("KW012", case, &[]);
    check("KW012", Case { options: &[("nf_conntrack_ftp.loose", "1")], ..case }, &["KW012"]);
    let media = &[("nf_conntrack_sip.sip_direct_media", "0")];
    let sip = |ends: &str| {
        format!(
            "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n-A FORWARD {ends} -p udp -m udp \
             --dport 1024:65535 -m conntrack --ctstate RELATED -m helper --helper sip -j ACCEPT\n\
             COMMIT\n"
        )
    };
    for (ends, severity) in [
        ("-s 203.0.113.64/27 -d 10.3.0.0/24", Severity::Note),
        ("-s 203.0.113.64/27", Severity::Error),
        ("-d 10.3.0.0/24", Severity::Error),
    ] {
        let found = severities("KW012", Case { v4: &sip(ends), options: media, ..case });
        assert_eq!(found, [severity], "{ends}");
    }
}

#[test]
fn a_setting_of_another_kernel() {
    let instances = Instances::new(KernelVersion::DEFAULT, Profile::Linux);
    let refused = [Refused {
        key: String::from("net.netfilter.nf_conntrack_helper"),
        value: String::from("0"),
        why: String::from("it went in 6.0"),
    }];
    let gateway = Gateway {
        rulesets: [None, None],
        topology: None,
        instances: &instances,
        automatic_helpers: false,
        kernel: KernelVersion::DEFAULT,
        refused: &refused,
    };
    let codes: Vec<&str> = audit(&gateway).iter().map(|finding| finding.check.code).collect();
    assert_eq!(codes, ["KW045"]);
}

const TWO_SIDES: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.2/24", "2001:db8::2/64"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24", "fd00:1::1/64"]
"#;

#[test]
fn spoofing() {
    let topology = |rp_filter: u8| {
        format!("{TWO_SIDES}[sysctl]\n\"net.ipv4.conf.all.rp_filter\" = {rp_filter}\n")
    };
    let (off, strict, loose) = (topology(0), topology(1), topology(2));
    let lists = raw(
        "-A PREROUTING -s 10.1.0.0/24 -i eth0 -j DROP\n-A PREROUTING -s 192.0.2.2/32 -i eth0 -j \
         DROP\n-A PREROUTING -s 10.1.0.1/32 -i eth1 -j DROP\n-A PREROUTING -s 10.1.0.0/24 -i eth1 \
         -j ACCEPT\n-A PREROUTING -i eth1 -j DROP",
    );
    let open = lists.replace("-A PREROUTING -i eth1 -j DROP\n", "");
    let test = raw("-A PREROUTING -m rpfilter --invert -j DROP");
    for (v4, topology, expected) in [
        (&filter(""), &off, &["KW030", "KW030"][..]),
        (&filter(""), &strict, &[]),
        (&lists, &off, &[]),
        (&open, &off, &["KW030"]),
        (&test, &off, &[]),
    ] {
        check("KW030", Case { v4, topology, ..Case::default() }, expected);
    }
    check("KW031", Case { v4: &open, topology: &off, ..Case::default() }, &["KW031:5"]);
    check("KW031", Case { v4: &lists, topology: &off, ..Case::default() }, &[]);
    let (v4, v6) = (filter(""), filter(""));
    let case = Case { v4: &v4, v6: &v6, topology: &strict, ..Case::default() };
    check("KW032", case, &["KW032"]);
    check("KW032", Case { v6: &test, ..case }, &[]);
    check("KW033", Case { v4: &v4, topology: &loose, ..Case::default() }, &["KW033"]);
    check("KW033", Case { v4: &v4, topology: &strict, ..Case::default() }, &[]);
    let slack = raw("-A PREROUTING -m rpfilter --loose --invert -j DROP");
    check("KW033", Case { v4: &slack, ..Case::default() }, &["KW033:2"]);
    rows(
        "KW034",
        raw,
        &[
            (
                "-A PREROUTING -s 10.0.0.0/8 -j ACCEPT\n-A PREROUTING -m rpfilter --invert -j DROP",
                &[3],
            ),
            ("-A PREROUTING -m rpfilter --invert -j DROP\n-A PREROUTING -j ACCEPT", &[]),
        ],
    );
}

#[test]
fn the_rest() {
    const STATES: &str = "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT";
    rows("KW040", filter, &[(&format!(":FORWARD DROP [0:0]\n{STATES}"), &[])]);
    check("KW040", Case { v4: &filter(STATES), ..Case::default() }, &["KW040"]);
    let dropped = format!("-A FORWARD -m conntrack --ctstate INVALID -j DROP\n{STATES}");
    check("KW040", Case { v4: &filter(&dropped), ..Case::default() }, &[]);
    let (closed, open) = (filter(":INPUT DROP [0:0]"), filter(":INPUT ACCEPT [0:0]"));
    check("KW041", Case { v4: &closed, v6: &open, ..Case::default() }, &["KW041"]);
    check("KW041", Case { v4: &closed, v6: &closed, ..Case::default() }, &[]);
    check("KW042", Case { v4: &open, ..Case::default() }, &["KW042"]);
    check("KW042", Case { v4: &filter("-A FORWARD -j DROP"), ..Case::default() }, &[]);
    rows(
        "KW043",
        filter,
        &[
            ("-A INPUT -s 10.0.0.0/8 -j ACCEPT\n-A INPUT -s 10.1.0.0/16 -p tcp -j DROP", &[3]),
            (
                "-A INPUT -s 10.0.0.0/8 -p udp -j ACCEPT\n-A INPUT -s 10.1.0.0/16 -p tcp -j DROP",
                &[],
            ),
            ("-A INPUT -i eth+ -j ACCEPT\n-A INPUT -i eth0 -j DROP", &[3]),
            ("-A INPUT -j LOG\n-A INPUT -i eth0 -j DROP", &[]),
            (
                "-A INPUT -m limit --limit 5/sec -j ACCEPT\n-A INPUT -m limit --limit 5/sec -j DROP",
                &[],
            ),
            ("-A INPUT ! -s 10.0.0.0/8 -j DROP\n-A INPUT -s 192.0.2.0/24 -j ACCEPT", &[3]),
        ],
    );
    rows(
        "KW044",
        filter,
        &[
            (":own - [0:0]\n-A own -p tcp -j DROP\n-A INPUT -p udp -j own", &[3]),
            (":own - [0:0]\n-A own -p tcp -j DROP\n-A INPUT -p udp -j own\n-A FORWARD -j own", &[]),
            ("-A INPUT -m state --state NEW -m conntrack --ctstate ESTABLISHED -j ACCEPT", &[2]),
            ("-A INPUT -m state --state UNTRACKED -m helper --helper ftp -j ACCEPT", &[2]),
        ],
    );
}

#[test]
fn a_comment_allows_a_finding_and_no_other() {
    let rule = |code: &str| {
        filter(&format!("{RELATED} -m comment --comment \"kinwall:allow {code} wanted\" -j ACCEPT"))
    };
    check("KW001", Case { v4: &rule("KW001"), ..Case::default() }, &[]);
    check("KW001", Case { v4: &rule("KW002"), ..Case::default() }, &["KW001:2"]);
}

#[test]
fn codes_are_unique_and_in_order() {
    assert!(CHECKS.windows(2).all(|pair| pair[0].code < pair[1].code));
    let texts = |check: &Check| [check.title, check.why, check.exploit, check.nft];
    for check in CHECKS {
        assert!(texts(check).iter().all(|text| text.len() > 10), "{}", check.code);
    }
}

/// A gateway with an outside, and two networks inside.
const TWO_INSIDE: &str = "[[interface]]\nname = 'eth0'\naddresses = ['192.0.2.1/24']\n\
    default = true\n[[interface]]\nname = 'eth1'\naddresses = ['10.1.0.1/24']\n[[interface]]\n\
    name = 'eth2'\naddresses = ['10.2.0.1/24']\n";

/// Rules of the nat table, from line 2, then of the filter table.
fn nat(nat: &str, filter: &str) -> String {
    format!("*nat\n{nat}\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n{filter}\nCOMMIT\n")
}

/// Each row: rules of nat, of the filter table, and what is found of `code`.
fn translated(code: &str, rows: &[(&str, &str, &[&str])]) {
    for (before, behind, expected) in rows {
        let v4 = nat(before, behind);
        check(code, Case { v4: &v4, topology: TWO_INSIDE, ..Case::default() }, expected);
    }
}

const SSH: &str = "-A PREROUTING -d 192.0.2.1/32 -i eth0 -p tcp -m tcp --dport 2222 -j DNAT \
                   --to-destination 10.1.0.5:22";
const WEB: &str = "-A PREROUTING -d 192.0.2.1/32 -i eth0 -p tcp -m tcp --dport 80 -j DNAT \
                   --to-destination 10.1.0.5:8080";
const HOST: &str = "-A PREROUTING -d 192.0.2.9/32 -i eth0 -j DNAT --to-destination 10.1.0.5";
const TO_SSH: &str = "-A FORWARD -d 10.1.0.5/32 -i eth0 -p tcp -m tcp --dport 22 -m conntrack \
                      --ctstate NEW,ESTABLISHED -j ACCEPT";
const TO_8080: &str = "-A FORWARD -d 10.1.0.5/32 -p tcp -m tcp --dport 8080 -j ACCEPT";

#[test]
fn published() {
    let known = SSH.replace("-A PREROUTING", "-A PREROUTING -s 198.51.100.0/24");
    let from_inside = SSH.replace("-i eth0", "-i eth2");
    let narrow = TO_SSH.replace("-A FORWARD", "-A FORWARD -s 198.51.100.0/24");
    let all = "-A FORWARD -d 10.1.0.5/32 -j ACCEPT";
    translated(
        "KW050",
        &[
            (SSH, TO_SSH, &["KW050:2"]),
            (SSH, "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT", &["KW050:2"]),
            (&known, TO_SSH, &[]),
            (&from_inside, TO_SSH, &[]),
            (SSH, &narrow, &[]),
            (SSH, TO_8080, &[]),
            (WEB, TO_8080, &[]),
            (HOST, all, &["KW050:2"]),
            (HOST, TO_8080, &[]),
        ],
    );
    let open = nat(HOST, all);
    let case = Case { v4: &open, topology: TWO_INSIDE, ..Case::default() };
    assert_eq!(severities("KW050", case), [Severity::Error]);
    // Without a topology the rule's own interface is the outside.
    check("KW050", Case { v4: &nat(SSH, TO_SSH), ..Case::default() }, &["KW050:2"]);
}

#[test]
fn filtered_behind_translation() {
    let outside = "-A FORWARD -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j ACCEPT";
    let port = "-A FORWARD -d 10.1.0.5/32 -p tcp -m tcp --dport 80 -j ACCEPT";
    translated(
        "KW051",
        &[
            (WEB, outside, &["KW051:6"]),
            (WEB, port, &["KW051:6"]),
            (WEB, TO_8080, &[]),
            (WEB, &format!("{TO_8080}\n{port}"), &[]),
            (HOST, port, &[]),
        ],
    );
    let told = "-A FORWARD -d 10.1.0.5/32 -p tcp -m conntrack --ctstate NEW --ctorigdst 192.0.2.1 \
                -j ACCEPT";
    let wide = "-A FORWARD -d 10.1.0.5/32 -p tcp -j ACCEPT";
    let dnat = "-A FORWARD -d 10.1.0.5/32 -m conntrack --ctstate DNAT -j ACCEPT";
    translated(
        "KW052",
        &[
            (WEB, wide, &["KW052:6"]),
            (WEB, "-A FORWARD -d 10.1.0.0/24 -i eth0 -p tcp -j ACCEPT", &["KW052:6"]),
            (WEB, "-A FORWARD -d 10.1.0.5/32 -i eth2 -p tcp -j ACCEPT", &[]),
            (WEB, TO_8080, &[]),
            (&format!("{WEB}\n{SSH}"), &format!("{TO_8080}\n{TO_SSH}"), &[]),
            (WEB, told, &[]),
            (WEB, dnat, &[]),
            (HOST, wide, &[]),
        ],
    );
    // A test for translation is one that packets can pass.
    translated("KW044", &[(WEB, dnat, &[])]);
    translated("KW001", &[(WEB, dnat, &[])]);
}

#[test]
fn translated_sources() {
    let out = "-A POSTROUTING -o eth0 -j MASQUERADE";
    let all = "-A POSTROUTING -j MASQUERADE";
    let lan = "-A POSTROUTING -s 10.1.0.0/24 -j SNAT --to-source 192.0.2.1";
    let back = "-A POSTROUTING -s 10.1.0.0/24 -m conntrack --ctstate DNAT -j MASQUERADE";
    translated(
        "KW053",
        &[
            (out, "", &[]),
            (all, "", &["KW053:2"]),
            (lan, "", &["KW053:2"]),
            (&format!("-A POSTROUTING -d 10.0.0.0/8 -j ACCEPT\n{all}"), "", &[]),
            ("-A POSTROUTING -s 10.1.0.0/24 ! -d 10.0.0.0/8 -j MASQUERADE", "", &[]),
            ("-A POSTROUTING -d 10.1.0.5/32 -j MASQUERADE", "", &[]),
            (back, "", &[]),
        ],
    );
    check("KW053", Case { v4: &nat(all, ""), ..Case::default() }, &["KW053:2"]);
    check("KW053", Case { v4: &nat(lan, ""), ..Case::default() }, &["KW053:2"]);
    let forward = "-A FORWARD -i eth2 -o eth0 -j ACCEPT";
    translated(
        "KW054",
        &[
            (out, forward, &[]),
            ("-A POSTROUTING -s 10.1.0.0/24 -o eth0 -j MASQUERADE", forward, &["KW054"]),
            ("-A POSTROUTING -s 10.2.0.0/24 -o eth0 -j MASQUERADE", forward, &[]),
            ("", "-A FORWARD -i eth2 -o eth1 -j ACCEPT", &[]),
            ("", "-A FORWARD -i eth2 -o eth0 -d 198.51.100.9/32 -j ACCEPT", &[]),
        ],
    );
    let untranslated = nat("", forward);
    let case = Case { v4: &untranslated, topology: TWO_INSIDE, ..Case::default() };
    assert_eq!(severities("KW054", case), [Severity::Note]);
    let behind = TWO_INSIDE.replace("192.0.2.1", "192.168.0.2");
    check("KW054", Case { v4: &untranslated, topology: &behind, ..Case::default() }, &[]);
}

#[test]
fn helpers_and_translation() {
    let rules = |ct: &str| {
        let raw = raw(ct);
        let ftp = "-A PREROUTING -d 192.0.2.1/32 -i eth0 -p tcp -m tcp --dport 21 -j DNAT \
                   --to-destination 10.1.0.5:2121";
        format!("{raw}{}", nat(ftp, ""))
    };
    let inside = "-A PREROUTING -d 10.1.0.5/32 -p tcp -m tcp --dport 2121 -j CT --helper ftp";
    let outside = "-A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 21 -j CT --helper ftp";
    let other = "-A PREROUTING -d 10.1.0.9/32 -p tcp -m tcp --dport 2121 -j CT --helper ftp";
    for (ct, expected) in [
        (inside.to_owned(), &["KW055:2"][..]),
        (outside.to_owned(), &[]),
        (other.to_owned(), &[]),
        (format!("{inside}\n{outside}"), &[]),
    ] {
        check("KW055", Case { v4: &rules(&ct), ..Case::default() }, expected);
    }
}
