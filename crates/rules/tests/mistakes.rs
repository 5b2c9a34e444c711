//! What is said of mistakes, and where; and that no text makes the readers panic.

use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::print;
use kinwall_terms::Family;
use proptest::prelude::*;
use proptest::sample::select;

/// The mistakes of `text` as `LINE:COLUMN LENGTH message | help`.
fn mistakes(text: &str, family: Option<Family>) -> Vec<String> {
    let source = Source { name: "rules", text, family };
    let Err(list) = load(&[source], &Defines::default()) else { return Vec::new() };
    let show = |m: kinwall_rules::diagnostic::Diagnostic| {
        let help = m.help.map_or(String::new(), |help| format!(" | {help}"));
        format!("{}:{} {} {}{help}", m.span.line, m.span.column, m.span.length, m.message)
    };
    list.into_iter().map(show).collect()
}

#[test]
fn every_mistake_is_named_with_its_place_and_what_would_be_right() {
    let rows = [
        ("-s ! 10.0.0.0/8", "3:13 1 the ! must stand before the option | write `! -s 10.0.0.0/8`"),
        ("-p ! tcp", "3:13 1 the ! must stand before the option | write `! -p tcp`"),
        ("-p tcp --dport ! 22", "3:25 1 the ! must stand before the option | write `! --dport 22`"),
        ("-p tpc -j DROP", "3:13 3 no protocol is called \"tpc\" | did you mean tcp?"),
        (
            "--dport 22",
            "3:10 7 --dport is not known here | it needs -p dccp or -p sctp or -p tcp or -p udp before it",
        ),
        ("-p tcp --dprt 22", "3:17 6 --dprt is not known here | did you mean --dport?"),
        ("-m contrack", "3:13 8 no match is called \"contrack\" | did you mean conntrack?"),
        (
            "-m state --state RELATD",
            "3:27 6 \"RELATD\" is not one of the words known here \
             | one of INVALID, NEW, RELATED, ESTABLISHED, UNTRACKED",
        ),
        (
            "-j LOGDROP",
            "3:13 7 LOGDROP is neither a target nor a chain of table filter \
             | declare it before: `:LOGDROP -` in a file, `-N LOGDROP` in a script",
        ),
        (
            "-j DORP",
            "3:13 4 DORP is neither a target nor a chain of table filter | did you mean DROP?",
        ),
        ("-j QUEUE", "3:13 5 QUEUE is a target of the past | write -j NFQUEUE --queue-num 0"),
        (
            "-s www.example.com",
            "3:13 15 \"www.example.com\" is not an address \
             | host names are refused: what they stand for can change; write the address",
        ),
        (
            "-s 2001:db8::1",
            "3:13 11 2001:db8::1 is an ipv6 address in an ipv4 rule \
             | move the rule to the ipv6 rule set",
        ),
        (
            "-p tcp --dport 22,23",
            "3:25 5 \"22,23\" is not a port \
             | a list of ports needs -m multiport --dports (or --sports, --ports)",
        ),
        ("-p tcp --dport 20-25", "3:25 5 \"20-25\" is not a port | a range is written 20:25"),
        ("-p tcp --dport 25:20", "3:25 5 the range 25:20 ends before it begins | write 20:25"),
        (
            "-m comment --comment 'two words'",
            "3:36 6 \"words'\" is not expected here | only double quotes group words here",
        ),
        (
            "-m comment --comment \"two",
            "3:31 4 this quote is never closed \
             | add the closing \"; inside quotes write \\\" for a quote itself",
        ),
        ("-o eth0", "3:10 2 -o cannot be used in INPUT | the packet is not routed yet there"),
        (
            "-j REJECT --reject-with tcp-reset",
            "3:20 13 tcp-reset answers only TCP | add -p tcp to the rule",
        ),
        ("-j CT", "3:10 5 CT is not allowed in table filter | allowed in raw"),
        ("-j ACCEPT -j DROP", "3:20 2 -j stands twice | keep one of them"),
        ("-s 10.0.0.0/8 -s 11.0.0.0/8", "3:24 2 -s stands twice | several addresses: -s A,B"),
        ("-ptcp", "3:10 5 these must be two words | write -p tcp"),
        (
            "--source=1.2.3.4",
            "3:10 16 this option and its value must be two words | write --source 1.2.3.4",
        ),
        (
            "-t nat",
            "3:10 2 -t cannot stand within a table | the table is that of the *NAME line above",
        ),
        ("-j", "3:10 2 -j needs a value | add it behind"),
        ("! -j DROP", "3:12 2 -j cannot be negated | remove the !"),
        (
            "-p tcp -m multiport --dports 1 --frob",
            "3:41 6 --frob is not known here | multiport has --sports, --dports, --ports; \
             tcp has --sport, --dport, --tcp-flags, --syn, --tcp-option",
        ),
        (
            "--frob",
            "3:10 6 --frob is not known here | a -m NAME or -j NAME before it brings options",
        ),
    ];
    for (rule, expected) in rows {
        let text = format!("*filter\n:x - [0:0]\n-A INPUT {rule}\nCOMMIT\n");
        assert_eq!(mistakes(&text, Some(Family::Ipv4)), [expected], "{rule}");
    }
}

#[test]
fn files_and_tables_have_mistakes_of_their_own() {
    let rows: &[(&str, &[&str])] = &[
        (
            "*filer\nCOMMIT\n",
            &["1:1 6 no table is called \"filer\" | one of raw, mangle, nat, filter, security"],
        ),
        (
            "*filter\n-A INPUT -j DROP\n",
            &["2:1 1 COMMIT is missing at the end | each table ends with a line COMMIT"],
        ),
        (
            "*filter\n*nat\nCOMMIT\n",
            &["2:1 1 the table before has no COMMIT | add a line COMMIT before this one"],
        ),
        (
            "-A INPUT -j DROP\n",
            &["1:1 1 this line stands outside of every table \
               | a table begins with a line such as *filter and ends with COMMIT"],
        ),
        (
            "*filter\n:INPUT\nCOMMIT\n",
            &["2:2 5 this chain has no policy \
               | such as `:INPUT ACCEPT [0:0]`, or `:NAME - [0:0]` for a user chain"],
        ),
        (
            "*filter\n:INPUT DORP\nCOMMIT\n",
            &["2:8 4 \"DORP\" is not a chain policy | ACCEPT or DROP"],
        ),
        (
            "*filter\n[1:2 -A INPUT\nCOMMIT\n",
            &["2:1 4 these are no counters | [PACKETS:BYTES] before the rule, or nothing"],
        ),
        (
            "*filter\n-A INPTU -j DROP\nCOMMIT\n",
            &["2:4 5 table filter has no chain INPTU | did you mean INPUT?"],
        ),
        (
            "*filter\n-A POSTROUTING\nCOMMIT\n",
            &["2:4 11 table filter has no chain POSTROUTING | table mangle has it"],
        ),
        (
            "*filter\n-I INPUT 5\nCOMMIT\n",
            &["2:10 1 INPUT has only 0 rules | positions count from 1"],
        ),
        (
            "*filter\n-P x DROP\n-N x\n-P x DROP\nCOMMIT\n",
            &[
                "2:4 1 table filter has no chain x \
                 | declare it before: `:x -` in a file, `-N x` in a script",
                "4:4 1 x is not a built-in chain \
                 | only built-in chains have a policy; end a user chain with a rule",
            ],
        ),
        (
            "*filter\n:a -\n:b -\n-A INPUT -j a\n-A a -j b\n-A b -j a\nCOMMIT\n",
            &["5:1 1 chain b comes back to itself \
               | a walk through it would never end: remove one of the jumps"],
        ),
        (
            "*raw\n:x -\n-A OUTPUT -j x\n-A x -m rpfilter\nCOMMIT\n",
            &[
                "4:1 1 rpfilter is reached from OUTPUT, where it is not allowed | allowed from PREROUTING",
            ],
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(&mistakes(text, Some(Family::Ipv4)), expected, "{text}");
    }
}

/// Rules that translate: what the tools refuse is refused with its place and what would be right.
#[test]
fn translations_that_cannot_be() {
    let (v4, v6) = (Family::Ipv4, Family::Ipv6);
    let rows = [
        (
            "nat",
            "PREROUTING",
            v4,
            "-j DNAT --to-destination 10.0.0.300",
            "2:40 10 \"10.0.0.300\" is not an ipv4 address or range \
             | such as 192.0.2.1, 192.0.2.1-192.0.2.9 or 192.0.2.1:80",
        ),
        (
            "nat",
            "PREROUTING",
            v4,
            "-p tcp -j DNAT --to-destination 10.0.0.1:20-10",
            "2:47 14 the range 20-10 ends before it begins \
             | write 10-20",
        ),
        (
            "nat",
            "PREROUTING",
            v4,
            "-p tcp -j DNAT --to-destination 10.0.0.1:70000",
            "2:47 14 \"70000\" is not a port \
             | a number from 0 to 65535 or a known service name",
        ),
        (
            "nat",
            "PREROUTING",
            v4,
            "-j DNAT --to-destination 10.0.0.1:80",
            "2:23 16 a port needs to know the protocol \
             | add -p tcp, udp, sctp or dccp to the rule",
        ),
        (
            "nat",
            "PREROUTING",
            v4,
            "-j DNAT --to-destination fd00::1",
            "2:40 7 fd00::1 is an ipv6 address in an ipv4 rule \
             | move the rule to the ipv6 rule set",
        ),
        (
            "nat",
            "PREROUTING",
            v6,
            "-j DNAT --to-destination 10.0.0.1",
            "2:40 8 10.0.0.1 is an ipv4 address in an ipv6 rule \
             | move the rule to the ipv4 rule set",
        ),
        (
            "nat",
            "PREROUTING",
            v4,
            "-j DNAT --to-destination 10.0.0.1-fd00::1",
            "2:40 16 fd00::1 is an ipv6 address in an ipv4 rule \
             | move the rule to the ipv6 rule set",
        ),
        (
            "nat",
            "PREROUTING",
            v4,
            "-j DNAT --to-destination 10.0.0.0/24",
            "2:40 11 \"10.0.0.0/24\" is not an ipv4 address or range \
             | such as 192.0.2.1, 192.0.2.1-192.0.2.9 or 192.0.2.1:80",
        ),
        (
            "nat",
            "PREROUTING",
            v4,
            "-j SNAT --to-source 10.0.0.1",
            "2:15 7 SNAT is not allowed in chain PREROUTING \
             | allowed in INPUT, POSTROUTING",
        ),
        (
            "nat",
            "POSTROUTING",
            v4,
            "-j DNAT --to-destination 10.0.0.1",
            "2:16 7 DNAT is not allowed in chain POSTROUTING \
             | allowed in PREROUTING, OUTPUT",
        ),
        (
            "nat",
            "PREROUTING",
            v4,
            "-j MASQUERADE",
            "2:15 13 MASQUERADE is not allowed in chain PREROUTING \
             | allowed in POSTROUTING",
        ),
        (
            "nat",
            "POSTROUTING",
            v4,
            "-j REDIRECT",
            "2:16 11 REDIRECT is not allowed in chain POSTROUTING \
             | allowed in PREROUTING, OUTPUT",
        ),
        (
            "nat",
            "POSTROUTING",
            v4,
            "-j MASQUERADE --to-ports 80",
            "2:30 10 a port needs to know the protocol \
             | add -p tcp, udp, sctp or dccp to the rule",
        ),
        (
            "nat",
            "POSTROUTING",
            v4,
            "-p tcp -j MASQUERADE --to-ports 2000-1000",
            "2:48 9 the range 2000-1000 ends before it begins \
             | write 1000-2000",
        ),
        (
            "nat",
            "POSTROUTING",
            v4,
            "-j NETMAP --to fd00::/64",
            "2:31 9 fd00:: is an ipv6 address in an ipv4 rule \
             | move the rule to the ipv6 rule set",
        ),
        (
            "nat",
            "POSTROUTING",
            v4,
            "-j NETMAP --to 10.0.0.0/255.0.255.0",
            "2:31 20 \"10.0.0.0/255.0.255.0\" is not such a network \
             | an address and a length, such as 192.0.2.0/24",
        ),
        (
            "nat",
            "POSTROUTING",
            v4,
            "-j SNAT",
            "2:16 7 SNAT needs --to-source \
             | add --to-source with its value",
        ),
        (
            "filter",
            "FORWARD",
            v4,
            "-j SNAT --to-source 10.0.0.1",
            "2:12 7 SNAT is not allowed in table filter \
             | allowed in nat",
        ),
        (
            "mangle",
            "PREROUTING",
            v4,
            "-j REDIRECT",
            "2:15 11 REDIRECT is not allowed in table mangle \
             | allowed in nat",
        ),
        (
            "mangle",
            "PREROUTING",
            v6,
            "-j DNPT --src-pfx fd00::/65 --dst-pfx 2001:db8::/64",
            "2:33 9 fd00::/65 is not such a prefix \
             | an address and a length from 1 to 64, the other bits zero: fd00::/64",
        ),
        (
            "mangle",
            "PREROUTING",
            v6,
            "-j DNPT --src-pfx fd00::1/64 --dst-pfx 2001:db8::/64",
            "2:33 10 fd00::1/64 is not such a prefix \
             | an address and a length from 1 to 64, the other bits zero: fd00::/64",
        ),
        (
            "mangle",
            "PREROUTING",
            v6,
            "-j SNPT --src-pfx fd00::/64 --dst-pfx 2001:db8::/64",
            "2:15 7 SNPT is not allowed in chain PREROUTING \
             | allowed in INPUT, POSTROUTING",
        ),
        (
            "nat",
            "PREROUTING",
            v6,
            "-j DNPT --src-pfx fd00::/64 --dst-pfx 2001:db8::/64",
            "2:15 7 DNPT is not allowed in table nat \
             | allowed in mangle",
        ),
        (
            "mangle",
            "PREROUTING",
            v4,
            "-j DNPT --src-pfx fd00::/64 --dst-pfx 2001:db8::/64",
            "2:18 4 the target DNPT does not exist for ipv4 \
             | it belongs to the other family's rules",
        ),
    ];
    for (table, chain, family, rule, expected) in rows {
        let text = format!("*{table}\n-A {chain} {rule}\nCOMMIT\n");
        assert_eq!(mistakes(&text, Some(family)), [expected], "{table} {rule}");
    }
    // By way of a chain of one's own.
    let text = "*nat\n:out - [0:0]\n-A PREROUTING -j out\n-A out -j MASQUERADE\nCOMMIT\n";
    let expected = "4:1 1 MASQUERADE is reached from PREROUTING, where it is not allowed \
             | allowed from POSTROUTING";
    assert_eq!(mistakes(text, Some(v4)), [expected]);
}

#[test]
fn mistakes_of_all_sources_come_together() {
    let good = Source { name: "a.v4", text: "*filter\n-A INPUT -j DROP\nCOMMIT\n", family: None };
    let bad = Source { name: "b.v6", text: "*filter\n-A INPUT -s 1.2.3.4\nCOMMIT\n", family: None };
    let script = Source { name: "c.sh", text: "iptables -A INPUT -s ::1\nfrob\n", family: None };
    let found = load(&[good, bad, script], &Defines::default()).unwrap_err();
    let places: Vec<_> = found.iter().map(|m| (m.file, m.span.line, m.span.column)).collect();
    assert_eq!(places, [(1, 2, 13), (2, 1, 22), (2, 2, 1)]);
}

/// Words that belong to the language, and some that do not.
fn word() -> impl Strategy<Value = String> {
    let known = vec![
        "-A",
        "-I",
        "-D",
        "-P",
        "-N",
        "-X",
        "-E",
        "-R",
        "-F",
        "INPUT",
        "FORWARD",
        "x",
        "y",
        "!",
        "-s",
        "-d",
        "-p",
        "tcp",
        "udp",
        "-m",
        "-j",
        "-g",
        "-i",
        "-o",
        "-f",
        "-c",
        "-t",
        "conntrack",
        "--ctstate",
        "NEW",
        "multiport",
        "--dports",
        "1:2",
        "1,2",
        "--dport",
        "22",
        "ACCEPT",
        "DROP",
        "LOG",
        "CT",
        "REJECT",
        "10.0.0.0/8",
        "::1",
        "\"",
        "\"a b\"",
        "'",
        "\\",
        "$X",
        "${",
        "=",
        "--",
        "-",
        "*filter",
        ":x",
        "[1:2]",
        "COMMIT",
        "\n",
        "\n",
        "\n",
        "iptables",
        "ip6tables",
        "echo",
        ">",
        "modprobe",
        "#",
        "/proc/sys/a",
        "X=1",
        "é",
        "\0",
        "99999999999999999999",
        "-4",
        "--tcp-flags",
        "SYN",
        "helper",
    ];
    prop_oneof![8 => select(known).prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_readers_panic(words in prop::collection::vec(word(), 0..60), head in any::<bool>()) {
        let text = (if head { "*filter\n" } else { "" }).to_owned() + &words.join(" ").replace(" \n ", "\n");
        for family in [None, Some(Family::Ipv6)] {
            let source = Source { name: "rules", text: &text, family };
            match load(&[source], &Defines::default()) {
                Ok(loaded) => for ruleset in loaded.rulesets.iter().flatten() {
                    let printed = print::ruleset(ruleset, print::Options { counters: true });
                    let source = Source { name: "rules", text: &printed, family: Some(ruleset.family) };
                    let again = load(&[source], &Defines::default()).unwrap();
                    let again = again.ruleset(ruleset.family).unwrap();
                    prop_assert_eq!(print::ruleset(again, print::Options { counters: true }), printed);
                },
                Err(mistakes) => for mistake in mistakes {
                    prop_assert!(!mistake.render("rules", &text).is_empty());
                },
            }
        }
    }
}
