//! States, zones, marks, limits: what rules see of the connection table.

use crate::script::{CASE, Case, Gateway, USUAL, check};
use kinwall_terms::Profile;

const LINUX: Case = Case { profiles: &[Profile::Linux], rules: &[], ..CASE };

#[test]
fn states() {
    check(&[
        Case {
            name: "tcp",
            script: "c:4000 > s:80 S = NEW original CONFIRMED
                     c:4000 > s:80 S @-1 = NEW #1
                     s:80 > c:4000 SA = ESTABLISHED reply SEEN_REPLY #1
                     c:4000 > s:80 A = ESTABLISHED ASSURED
                     c:4000 > s:80 SF = INVALID tcp-flags
                     c:4000 > s:80 \"late\" @-99999 = accept
                     connections 1",
            ..LINUX
        },
        Case {
            name: "picked up in the middle, and not",
            script: "c:4000 > s:80 A = NEW
                     set nf_conntrack_tcp_loose=0
                     c:4001 > s:80 A = INVALID tcp-not-opening accept
                     connections 1",
            ..LINUX
        },
        Case {
            name: "a bad checksum belongs to no connection, unless nobody looks",
            script: "c:4000 > s:80 S bad = INVALID bad-checksum
                     set nf_conntrack_checksum=0
                     c:4000 > s:80 S bad = NEW",
            ..LINUX
        },
        Case {
            name: "errors are related to what they are about, and to nothing else",
            script: "c:4000 > s:80 S = NEW
                     icmp r > c unreachable about tcp c:4000 > s:80 = RELATED accept #1
                     icmp r > d unreachable about tcp c:4000 > s:80 = INVALID icmp-wrong-receiver
                     icmp r > c unreachable about tcp c:4001 > s:80 = INVALID icmp-unknown-connection
                     c6:4000 > s6:80 S = NEW
                     icmp s6 > c6 unreachable about tcp c6:4000 > s6:80 = RELATED
                     icmp c > s echo = NEW
                     icmp s > c reply = ESTABLISHED
                     icmp x > c reply = INVALID",
            ..LINUX
        },
        Case {
            name: "untracked, by each of its names",
            rules: &[
                "iptables -t raw -A PREROUTING -p tcp --dport 80 -j NOTRACK",
                "iptables -t raw -A PREROUTING -p tcp --dport 81 -j CT --notrack",
                "iptables -A FORWARD -m conntrack ! --ctstate UNTRACKED -j DROP",
            ],
            script: "c:4000 > s:80 S = accept UNTRACKED
                     c:4000 > s:81 S = accept UNTRACKED
                     c:4000 > s:82 S = drop NEW
                     connections 0",
            ..LINUX
        },
        Case {
            name: "neighbour discovery is never tracked",
            script: "c6:4000 > s6:80 S = NEW
                     connections 1",
            ..LINUX
        },
        Case {
            name: "a RST that a rule answers with ends the connection",
            rules: &[
                "iptables -A FORWARD -p tcp --dport 80 -m length --length 44 \
                 -j REJECT --reject-with tcp-reset",
            ],
            script: "open c:4000 s:80
                     c:4000 > s:80 \"evil\" = reject tcp-reset
                     wait 20
                     connections 0",
            ..LINUX
        },
        Case {
            name: "one that answers an INVALID packet ends a connection that nobody has answered",
            rules: &[
                "iptables -A FORWARD -p tcp -m conntrack --ctstate INVALID \
                 -j REJECT --reject-with tcp-reset",
            ],
            script: "c:4000 > s:80 S = NEW
                     connections 1
                     c:4000 > s:80 A = reject tcp-reset INVALID
                     connections 0",
            ..LINUX
        },
    ]);
}

#[test]
fn zones() {
    check(&[
        Case {
            name: "two zones, two connections with one tuple",
            rules: &["iptables -t raw -A PREROUTING -i eth2 -j CT --zone 9"],
            script: "c:4000 > s:80 S = NEW #1
                     c:4000 > s:80 S @-1 via=eth2 = NEW #2
                     connections 2",
            ..LINUX
        },
        Case {
            name: "a zone of the original direction only is answered from outside of it",
            rules: &["iptables -t raw -A PREROUTING -i eth1 -j CT --zone-orig 9"],
            script: "c:4000 > s:80 S = NEW #1
                     s:80 > c:4000 SA = ESTABLISHED #1",
            ..LINUX
        },
        Case {
            name: "a zone of both is not",
            rules: &["iptables -t raw -A PREROUTING -i eth1 -j CT --zone 9"],
            script: "c:4000 > s:80 S = NEW #1
                     s:80 > c:4000 SA = INVALID",
            ..LINUX
        },
        Case {
            name: "a zone of the reply direction",
            rules: &[
                "iptables -t raw -A PREROUTING -i eth1 -j CT --zone-reply 9",
                "iptables -t raw -A PREROUTING -i eth0 -j CT --zone 9",
            ],
            script: "c:4000 > s:80 S = NEW #1
                     s:80 > c:4000 SA = ESTABLISHED #1",
            ..LINUX
        },
        Case {
            name: "an expectation stays in the zone of its master",
            rules: &[
                "iptables -t raw -A PREROUTING -i eth1 -p tcp -j CT --zone 9 --helper ftp",
                "iptables -t raw -A PREROUTING -i eth0 -p tcp --sport 21 -j CT --zone 9",
                "iptables -t raw -A PREROUTING -i eth0 -p tcp --sport 20 -j CT --zone 9",
            ],
            script: concat!(
                crate::helpers::login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = expect:tcp:10.1.0.2:1025
                 s:30 > c:1025 S = NEW
                 s:20 > c:1025 S = RELATED"
            ),
            ..LINUX
        },
    ]);
}

#[test]
fn settings_at_run_time() {
    check(&[Case {
        name: "a sysctl by the names it has",
        script: "set net.netfilter.nf_conntrack_tcp_loose=0
                     c:4000 > s:80 A = INVALID
                     set /proc/sys/net/netfilter/nf_conntrack_tcp_loose=1
                     c:4000 > s:80 A = NEW
                     set nf_conntrack_max=1
                     c:4001 > s:80 S = accept
                     connections 1",
        ..LINUX
    }]);
}

#[test]
fn a_parameter_of_the_module_is_a_sysctl_too() {
    let mut gateway = Gateway::new(&LINUX, Profile::Linux);
    gateway.plain.set("nf_conntrack.acct", "1").expect("a setting");
    assert!(gateway.plain.conntrack().settings().acct);
}

#[test]
fn marks() {
    check(&[Case {
        name: "a mark is saved and restored",
        rules: &[
            "iptables -t mangle -A PREROUTING -i eth1 -p tcp --syn -j MARK --set-mark 5",
            "iptables -t mangle -A PREROUTING -i eth1 -p tcp --syn -j CONNMARK --save-mark",
            "iptables -t mangle -A PREROUTING -j CONNMARK --restore-mark",
            "iptables -A FORWARD -m mark ! --mark 5 -j DROP",
        ],
        script: "c:4000 > s:80 S = accept mark:5 connmark:5
                 s:80 > c:4000 SA = accept mark:5
                 x:4000 > c:80 S = drop mark:0",
        ..LINUX
    }]);
}

#[test]
fn full_tables() {
    check(&[
        Case {
            name: "a full table drops who is not assured, and then the packet",
            settings: &["nf_conntrack_max=2"],
            script: "open c:4000 s:80
                     open c:4001 s:80
                     c:4002 > s:80 S = drop table-full
                     connections 2",
            ..LINUX
        },
        Case {
            name: "the expectation table",
            settings: &["nf_conntrack_expect_max=1"],
            rules: USUAL,
            script: "udp c:4000 > s:69 \"\\0\\1a\\0octet\\0\" = accept expect:udp:10.1.0.2:4000
                     udp c:4001 > s:69 \"\\0\\1a\\0octet\\0\" = drop helper-refused \
                         refused:expectation-table-full
                     expectations 1
                     connections 1",
            ..CASE
        },
    ]);
}
