//! Which connection gets a helper, and what becomes of what helpers announce.

use crate::script::{CASE, Case, USUAL, check};
use kinwall_terms::Profile;

const BOTH_WAYS: &[&str] = &["iptables -P FORWARD ACCEPT"];

#[test]
fn a_connection_gets_its_helper() {
    check(&[
        Case {
            name: "by rule, passing through",
            script: "c:4000 > s:21 S = accept own:ftp assigned:rule HELPER
                     c:4001 > s:22 S = accept -own:ftp -HELPER
                     udp c:4000 > s:69 \"\\0\\1a\\0octet\\0\" = accept own:tftp",
            ..CASE
        },
        Case {
            name: "by rule, from the gateway itself",
            script: "h:4000 > s:21 S = accept sent own:ftp assigned:rule out:eth0
                     s:21 > h:4000 SA = accept delivered ESTABLISHED
                     h:4000 > s:21 A = accept sent",
            ..CASE
        },
        Case {
            name: "a rule for PREROUTING is not one for OUTPUT",
            rules: &["iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp"],
            script: "h:4000 > s:21 S = accept sent -own:ftp",
            ..CASE
        },
        Case {
            name: "an ACCEPT before it in raw keeps the rule from being reached",
            rules: &[
                "iptables -t raw -A PREROUTING -s 10.1.0.2 -j ACCEPT",
                "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
            ],
            script: "c:4000 > s:21 S = accept -own:ftp
                     d:4000 > s:21 S = accept own:ftp",
            ..CASE
        },
        Case {
            name: "the first CT rule decides",
            rules: &[
                "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper irc",
                "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
            ],
            script: "c:4000 > s:21 S = accept own:irc",
            ..CASE
        },
        Case {
            name: "a later packet of a connection changes nothing",
            rules: &["iptables -t raw -A PREROUTING -p tcp --dport 21 ! --syn -j CT --helper ftp"],
            script: "open c:4000 s:21
                     c:4000 > s:21 \"NOOP\\r\\n\" = accept -own:ftp",
            ..CASE
        },
        Case {
            name: "by port, where the version does so by default",
            kernel: "4.4",
            settings: &["nf_conntrack_helper=1"],
            profiles: &[Profile::Linux],
            rules: BOTH_WAYS,
            script: "c:4000 > s:21 S = accept own:ftp assigned:port -HELPER
                     c:4000 > s:2121 S = accept -own:ftp
                     x:4000 > c:21 S = accept own:ftp",
            ..CASE
        },
        Case {
            name: "not by port where the switch is off",
            kernel: "4.4",
            settings: &["nf_conntrack_helper=0"],
            rules: BOTH_WAYS,
            script: "c:4000 > s:21 S = accept -own:ftp",
            ..CASE
        },
        Case {
            name: "the switch at run time: connections keep what they have",
            kernel: "4.4",
            settings: &["nf_conntrack_helper=1"],
            rules: BOTH_WAYS,
            script: "open c:4000 s:21
                     set nf_conntrack_helper=0
                     open c:4001 s:21
                     s:21 > c:4000 \"220 ready\\r\\n\" = own:ftp
                     s:21 > c:4001 \"220 ready\\r\\n\" = -own:ftp
                     set net.netfilter.nf_conntrack_helper=1
                     c:4001 > s:21 \"NOOP\\r\\n\" = -own:ftp
                     open c:4002 s:21
                     c:4002 > s:21 \"NOOP\\r\\n\" = own:ftp",
            ..CASE
        },
        Case {
            name: "a rule comes before the port",
            kernel: "4.4",
            settings: &["nf_conntrack_helper=1"],
            rules: &["iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper irc"],
            script: "c:4000 > s:21 S = own:irc assigned:rule",
            ..CASE
        },
        Case {
            name: "strict has the switch in every version",
            profiles: &[Profile::Strict],
            settings: &["nf_conntrack_helper=1"],
            rules: BOTH_WAYS,
            script: "c:4000 > s:21 S = own:ftp assigned:port",
            ..CASE
        },
        Case {
            name: "ports= renames",
            kernel: "4.4",
            settings: &["nf_conntrack_helper=1", "nf_conntrack_ftp.ports=21,2121"],
            rules: BOTH_WAYS,
            script: "c:4000 > s:21 S = own:ftp
                     c:4000 > s:2121 S = own:ftp-2121",
            ..CASE
        },
        Case {
            name: "ports=0: by rule only, under another name",
            kernel: "4.4",
            settings: &["nf_conntrack_helper=1", "nf_conntrack_ftp.ports=0"],
            rules: &["iptables -t raw -A PREROUTING -p tcp --dport 2100 -j CT --helper ftp-0"],
            script: "c:4000 > s:21 S = -own:ftp -own:ftp-0
                     c:4000 > s:2100 S = own:ftp-0 assigned:rule",
            ..CASE
        },
    ]);
}

/// FTP up to `USER`; with `strict`, nothing before it is believed.
macro_rules! login {
    () => {
        "open c:4000 s:21
         s:21 > c:4000 \"220 ready\\r\\n\"
         c:4000 > s:21 \"USER a\\r\\n\"
         s:21 > c:4000 \"331 password\\r\\n\"
         "
    };
}
pub(crate) use login;

#[test]
fn what_is_announced_is_related() {
    check(&[
        Case {
            name: "active",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept expect:tcp:10.1.0.2:1025
                 expectations 1
                 s:20 > c:1025 S = accept RELATED EXPECTED by:ftp master:1 #2 at:0+17 -own:ftp
                 expectations 0
                 c:1025 > s:20 SA = accept ESTABLISHED by:ftp reply
                 s:20 > c:1025 A = accept ESTABLISHED by:ftp
                 s:20 > c:1026 S = drop NEW chain-policy"
            ),
            ..CASE
        },
        Case {
            name: "passive: the answer only counts to who asked",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PASV\\r\\n\" = accept
                 s:21 > c:4000 \"227 Entering (192,0,2,9,8,0)\\r\\n\" = expect:tcp:192.0.2.9:2048
                 c:5000 > s:2048 S = accept RELATED master:1 by:ftp"
            ),
            ..CASE
        },
        Case {
            name: "IPv6, extended",
            script: "open c6:4000 s6:21
                 s6:21 > c6:4000 \"220 ready\\r\\n\"
                 c6:4000 > s6:21 \"USER a\\r\\n\"
                 s6:21 > c6:4000 \"331 password\\r\\n\"
                 c6:4000 > s6:21 \"EPRT |2|fd00:1::2|1025|\\r\\n\" = expect:tcp:fd00:1::2:1025
                 s6:20 > c6:1025 S = accept RELATED by:ftp master:1",
            ..CASE
        },
        Case {
            name: "a child that the rules drop has used its expectation up",
            rules: &[
                "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
                "iptables -A FORWARD -m conntrack --ctstate RELATED -j DROP",
            ],
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = expect:tcp:10.1.0.2:1025
                 s:20 > c:1025 S = drop RELATED rule
                 expectations 0
                 connections 1
                 s:20 > c:1025 S = accept NEW"
            ),
            ..CASE
        },
        Case {
            name: "a child before its master's helper has expired, and one after",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept
                 wait 299
                 s:20 > c:1025 S = accept RELATED
                 c:4000 > s:21 \"PORT 10,1,0,2,4,2\\r\\n\" = accept
                 wait 300
                 s:20 > c:1026 S = drop NEW"
            ),
            settings: &["nf_conntrack_tcp_timeout_unacknowledged=1000"],
            ..CASE
        },
        Case {
            name: "one class holds one: the next announcement takes its place",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept
                 c:4000 > s:21 \"PORT 10,1,0,2,4,2\\r\\n\" = accept
                 expectations 1
                 s:20 > c:1025 S = drop NEW
                 s:20 > c:1026 S = accept RELATED"
            ),
            ..CASE
        },
        Case {
            name: "-m helper: another name, a shorter one, the name itself",
            settings: &["nf_conntrack_ftp.ports=2121"],
            kernel: "4.4",
            rules: &[
                "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp-2121",
                "iptables -A FORWARD -m helper --helper tftp -j DROP",
                "iptables -A FORWARD -m helper --helper ftp-21 -j DROP",
                "iptables -A FORWARD -m helper --helper ftp-2121 -j ACCEPT",
            ],
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept
                 s:20 > c:1025 S = RELATED by:ftp-2121 accept rule:FORWARD:3"
            ),
            ..CASE
        },
        Case {
            name: "-m helper: the helper's name need only be the beginning of the rule's",
            rules: &[
                "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
                "iptables -A FORWARD -m helper --helper ftp-2121 -j ACCEPT",
                "iptables -A FORWARD -m conntrack --ctstate RELATED -j DROP",
            ],
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept
                 s:20 > c:1025 S = RELATED accept rule:FORWARD:1"
            ),
            ..CASE
        },
        Case {
            name: "mark and master are inherited",
            rules: &[
                "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
                "iptables -t mangle -A PREROUTING -p tcp --dport 21 -j CONNMARK --set-mark 7",
                "iptables -t mangle -A PREROUTING -j CONNMARK --restore-mark",
                "iptables -A FORWARD -m connmark ! --mark 7 -j DROP",
            ],
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept connmark:7
                 s:20 > c:1025 S = accept RELATED connmark:7 mark:7 master:1
                 d:4000 > s:80 S = drop"
            ),
            ..CASE
        },
        Case {
            name: "tftp answers from a new port",
            script: "udp c:4000 > s:69 \"\\0\\1file\\0octet\\0\" = accept expect:udp:10.1.0.2:4000
                     udp x:5000 > c:4000 \"\\0\\3\\0\\1\" = drop NEW
                     udp s:5000 > c:4000 \"\\0\\3\\0\\1\" = accept RELATED by:tftp",
            ..CASE
        },
        Case {
            name: "a request in fragments is read whole",
            script: "udp c:4000 > s:69 \"\\0\\1a-long-name\\0octet\\0\" frag=8 = accept own:tftp \
                         reassembled expect:udp:10.1.0.2:4000
                     udp s:5000 > c:4000 \"\\0\\3\\0\\1\" = accept RELATED
                     udp c6:4000 > s6:69 \"\\0\\1a-long-name\\0octet\\0\" frag=16 = accept \
                         own:tftp reassembled expect:udp:fd00:1::2:4000",
            ..CASE
        },
        Case {
            name: "an expectation that is gone with its master",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept
                 set nf_conntrack_tcp_timeout_established=600
                 c:4000 > s:21 R = accept
                 wait 20
                 expectations 0
                 s:20 > c:1025 S = drop NEW"
            ),
            ..CASE
        },
    ]);
}

#[test]
fn loose_believes_foreign_addresses() {
    let script = concat!(
        login!(),
        "c:4000 > s:21 \"PORT 10,1,0,3,4,1\\r\\n\" = accept expect:tcp:10.1.0.3:1025
         s:20 > d:1025 S = accept RELATED by:ftp"
    );
    let refused = concat!(
        login!(),
        "c:4000 > s:21 \"PORT 10,1,0,3,4,1\\r\\n\" = accept -expect:tcp:10.1.0.3:1025
         expectations 0
         s:20 > d:1025 S = drop NEW"
    );
    let linux = Case { profiles: &[Profile::Linux], rules: USUAL, ..CASE };
    check(&[
        Case { name: "loose=1", settings: &["nf_conntrack_ftp.loose=1"], script, ..linux },
        Case { name: "loose=0", settings: &["nf_conntrack_ftp.loose=0"], script: refused, ..linux },
        Case {
            name: "the guard of strict refuses what loose=1 would believe",
            profiles: &[Profile::Strict],
            settings: &["nf_conntrack_ftp.loose=1"],
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,3,4,1\\r\\n\" = accept note:guard-address
                 expectations 0"
            ),
            ..CASE
        },
        Case {
            name: "unless it is taken away",
            profiles: &[Profile::Strict],
            settings: &["nf_conntrack_ftp.loose=1", "guard.ftp.peer_only=0"],
            script,
            ..CASE
        },
    ]);
}
