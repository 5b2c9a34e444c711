//! Packets of open connections that follow the course of an earlier one, and what takes one of
//! them off it. The gateway that writes a trace walks every packet through the rules; the other
//! must say the same, and count the same for every rule.

use crate::script::{CASE, Case, check};
use kinwall_terms::Profile;

const LINUX: Case = Case { profiles: &[Profile::Linux], ..CASE };

/// Two packets each way, so that the second follows, and one more.
const TALK: &str = "open c:4000 s:80
    c:4000 > s:80 A \"a\" = accept
    s:80 > c:4000 A \"b\" = accept
    c:4000 > s:80 A \"c\" = accept
    s:80 > c:4000 A \"d\" = accept";

#[test]
fn what_each_packet_answers_for_itself() {
    check(&[
        Case {
            name: "hop limit, checksum, window",
            rules: &[
                "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP",
                "iptables -A FORWARD -j ACCEPT",
            ],
            script: "open c:4000 s:80
                     c:4000 > s:80 A \"a\" = accept rule:FORWARD:2 out:eth0
                     c:4000 > s:80 A \"b\" = accept rule:FORWARD:2 out:eth0
                     c:4000 > s:80 A \"b\" ttl=1 = drop hop-limit forwarded
                     c:4000 > s:80 A \"b\" bad = drop INVALID rule:FORWARD:1
                     open c:4001 s:80
                     c:4001 > s:80 A = accept
                     c:4001 > s:80 A \"c\" @1000000000 = drop INVALID rule:FORWARD:1",
            ..LINUX
        },
        Case {
            name: "the interface",
            rules: &["iptables -A FORWARD -i eth1 -j ACCEPT", "iptables -P FORWARD DROP"],
            script: "c:4000 > s:80 S = accept
                     s:80 > c:4000 SA = drop chain-policy
                     s:80 > c:4000 SA @-1 via=eth1 = accept
                     c:4000 > s:80 A = accept ESTABLISHED
                     c:4000 > s:80 A = accept ESTABLISHED
                     c:4000 > s:80 A via=eth2 = drop chain-policy",
            ..LINUX
        },
        Case {
            name: "helpers read on",
            script: "open c:4000 s:21
                     c:4000 > s:21 \"USER a\\r\\n\" = accept
                     c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept
                     expectations 1
                     s:20 > c:1025 S = accept RELATED by:ftp
                     c:1025 > s:20 SA = accept ESTABLISHED by:ftp
                     s:20 > c:1025 A = accept ESTABLISHED by:ftp
                     s:20 > c:1025 A = accept ESTABLISHED by:ftp",
            ..LINUX
        },
    ]);
}

#[test]
fn matches_that_see_the_packet_itself() {
    // Each of these rules answers otherwise for the last packet of the talk, or only now and
    // then: the rule after it must be reached by the same packets as in a walk.
    const MATCHES: &[&str] = &[
        "-m length --length 41:60",
        "-m tcp --tcp-flags PSH PSH",
        "-m statistic --mode nth --every 2 --packet 0",
        "-m quota --quota 100",
        "-m limit --limit 1/hour --limit-burst 2",
        "-m hashlimit --hashlimit-above 1/hour --hashlimit-mode srcip --hashlimit-name h",
        "-m recent --set --name r --rsource",
        "-m connbytes --connbytes 3 --connbytes-dir both --connbytes-mode packets",
        "-m conntrack --ctexpire 1:1000",
        "-m connmark --mark 0",
        "-m mark --mark 0",
        "-m time --datestart 2023-11-14T22:13:25",
        "-m string --string c --algo bm",
        "-m ttl --ttl-eq 63",
        "-m tos --tos 0",
        "-m u32 --u32 0x0=0x0",
    ];
    for text in MATCHES {
        let rules: [&'static str; 2] = [
            format!("iptables -t mangle -A FORWARD -p tcp {text}").leak(),
            "iptables -A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
        ];
        check(&[Case { name: text, rules: rules.to_vec().leak(), script: TALK, ..LINUX }]);
    }
}

#[test]
fn targets_that_do_something_to_each() {
    const TARGETS: &[&str] = &[
        "MARK --set-mark 1",
        "CONNMARK --set-mark 1",
        "TOS --set-tos 8",
        "TTL --ttl-dec 1",
        "LOG",
        "NFQUEUE --queue-num 3",
    ];
    for text in TARGETS {
        let rules: [&'static str; 2] = [
            format!("iptables -t mangle -A FORWARD -s 192.0.2.9 -j {text}").leak(),
            "iptables -A FORWARD -j ACCEPT",
        ];
        let script = "c:4000 > s:80 S = accept
                      s:80 > c:4000 SA
                      c:4000 > s:80 A \"a\" = accept
                      s:80 > c:4000 A \"b\"
                      c:4000 > s:80 A \"c\" = accept
                      s:80 > c:4000 A \"d\"";
        check(&[Case { name: text, rules: rules.to_vec().leak(), script, ..LINUX }]);
    }
}

#[test]
fn what_is_set_while_packets_pass() {
    check(&[
        Case {
            name: "rp_filter",
            settings: &["net.ipv4.conf.eth2.rp_filter=0"],
            rules: &["iptables -A FORWARD -j ACCEPT"],
            script: "c:4000 > x:80 S = accept
                     x:80 > c:4000 SA via=eth2 = accept
                     x:80 > c:4000 A via=eth2 = accept
                     x:80 > c:4000 A via=eth2 = accept
                     set net.ipv4.conf.eth2.rp_filter=1
                     x:80 > c:4000 A via=eth2 = drop reverse-path
                     set net.ipv4.conf.eth2.rp_filter=0
                     x:80 > c:4000 A via=eth2 = accept",
            ..LINUX
        },
        Case {
            name: "automatic helpers are for those who come after",
            kernel: "5.10",
            rules: &["iptables -A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT"],
            script: "open c:4000 s:21
                     c:4000 > s:21 \"USER a\\r\\n\" = accept -own:ftp
                     set nf_conntrack_helper=1
                     c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept -own:ftp
                     expectations 0
                     open c:4001 s:21
                     c:4001 > s:21 \"USER a\\r\\n\" = accept own:ftp
                     c:4001 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept own:ftp
                     expectations 1",
            ..LINUX
        },
    ]);
}
