//! What the strict profile reads otherwise than Linux: streams, the course of a session, guards.

use crate::helpers::login;
use crate::script::{CASE, Case, check};
use kinwall_terms::Profile;

const STRICT: Case = Case { profiles: &[Profile::Strict], ..CASE };

#[test]
fn streams() {
    check(&[
        Case {
            name: "a command over two segments",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,\" = accept linux= helper-drop:helper-partial"
            ),
            profiles: &[Profile::Strict],
            ..CASE
        },
        Case {
            name: "a command over three segments, announced by the last",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PO\" = accept
                 c:4000 > s:21 \"RT 10,1,0,\" = accept
                 c:4000 > s:21 \"2,4,1\\r\\n\" = accept expect:tcp:10.1.0.2:1025 own:ftp
                 s:20 > c:1025 S = RELATED accept"
            ),
            ..STRICT
        },
        Case {
            name: "segments out of order",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"2,4,1\\r\\n\" @12 = accept -expect:tcp:10.1.0.2:1025
                 c:4000 > s:21 \"PORT 10,1,0,\" @-19 = accept expect:tcp:10.1.0.2:1025"
            ),
            ..STRICT
        },
        Case {
            name: "a retransmission announces once",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = expect:tcp:10.1.0.2:1025
                 s:20 > c:1025 S = RELATED
                 c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" @-19 = accept \
                     linux= expect:tcp:10.1.0.2:1025 strict= -expect:tcp:10.1.0.2:1025"
            ),
            ..CASE
        },
        Case {
            name: "an overlap with other bytes: blind",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,\" = accept
                 c:4000 > s:21 \"PORT 10,1,9,\" @-12 = accept blind:stream-conflict
                 c:4000 > s:21 \"2,4,1\\r\\n\" = accept
                 expectations 0"
            ),
            ..STRICT
        },
        Case {
            name: "several commands in one segment",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"NOOP\\r\\nPORT 10,1,0,2,4,1\\r\\nLIST\\r\\n\" = accept \
                     strict= expect:tcp:10.1.0.2:1025 at:6+17 linux= -expect:tcp:10.1.0.2:1025"
            ),
            profiles: &[Profile::Linux],
            ..CASE
        },
        Case {
            name: "several commands in one segment, strictly",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"NOOP\\r\\nPORT 10,1,0,2,4,1\\r\\nLIST\\r\\n\" = accept \
                     expect:tcp:10.1.0.2:1025
                 s:20 > c:1025 S = RELATED at:6+17"
            ),
            ..STRICT
        },
        Case {
            name: "picked up in the middle: not read",
            script: "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept NEW own:ftp
                     s:21 > c:4000 \"200 fine\\r\\n\" = accept ESTABLISHED
                     c:4000 > s:21 \"NOOP\\r\\n\" = accept own:ftp
                     c:4000 > s:21 \"PORT 10,1,0,2,4,2\\r\\n\" = accept \
                         linux= expect:tcp:10.1.0.2:1026 strict= -expect:tcp:10.1.0.2:1026",
            ..CASE
        },
        Case {
            name: "a line without end is not kept for ever",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\" = accept
                 expectations 0"
            ),
            ..STRICT
        },
    ]);
}

#[test]
fn the_course_of_a_session() {
    check(&[
        Case {
            name: "a command before 220",
            script: "open c:4000 s:21
                     c:4000 > s:21 \"NOOP\\r\\n\" = accept strict= blind:helper-order
                     c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept \
                         linux= expect:tcp:10.1.0.2:1025
                     s:20 > c:1025 S = linux= RELATED accept strict= NEW drop",
            ..CASE
        },
        Case {
            name: "PORT before USER",
            script: "open c:4000 s:21
                     s:21 > c:4000 \"220 ready\\r\\n\"
                     c:4000 > s:21 \"NOOP\\r\\n\"
                     c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept \
                         linux= expect:tcp:10.1.0.2:1025 strict= note:helper-order
                     expectations 1",
            profiles: &[Profile::Linux],
            ..CASE
        },
        Case {
            name: "PORT before USER, strictly",
            script: "open c:4000 s:21
                     s:21 > c:4000 \"220 ready\\r\\n\"
                     c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept note:helper-order
                     expectations 0",
            ..STRICT
        },
        Case {
            name: "227 without PASV",
            script: concat!(
                login!(),
                "s:21 > c:4000 \"227 (192,0,2,9,8,0)\\r\\n\" = accept \
                     linux= expect:tcp:192.0.2.9:2048 strict= note:helper-order"
            ),
            ..CASE
        },
        Case {
            name: "AUTH TLS: blind from here",
            script: concat!(
                login!(),
                "s:21 > c:4000 \"500 no\\r\\n\"
                 c:4000 > s:21 \"AUTH TLS\\r\\n\" = accept
                 s:21 > c:4000 \"234 go\\r\\n\" = accept blind:helper-encrypted
                 c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept
                 expectations 0"
            ),
            ..STRICT
        },
    ]);
}

#[test]
fn guards() {
    check(&[
        Case {
            name: "a privileged port",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,0,22\\r\\n\" = accept \
                     linux= expect:tcp:10.1.0.2:22 strict= note:guard-port
                 s:20 > c:22 S = linux= accept RELATED strict= drop NEW"
            ),
            ..CASE
        },
        Case {
            name: "min_port set in linux too",
            profiles: &[Profile::Linux],
            settings: &["guard.ftp.min_port=2000"],
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept note:guard-port
                 expectations 0"
            ),
            ..CASE
        },
        Case {
            name: "per_master",
            settings: &["guard.irc.per_master=1", "nf_conntrack_irc.max_dcc_channels=8"],
            profiles: &[Profile::Linux],
            script: "open c:4000 s:6667
                c:4000 > s:6667 \"PRIVMSG b :\\1DCC SEND f 167837698 2000\\1\\r\\n\" = \
                    expect:tcp:10.1.0.2:2000
                c:4000 > s:6667 \"PRIVMSG b :\\1DCC SEND f 167837698 2001\\1\\r\\n\" = \
                    accept note:guard-limit
                expectations 1",
            ..CASE
        },
        Case {
            name: "per_peer counts over the connections of one announcer",
            settings: &["guard.tftp.per_peer=2"],
            script: "udp c:4000 > s:69 \"\\0\\1a\\0octet\\0\" = expect:udp:10.1.0.2:4000
                udp c:4001 > s:69 \"\\0\\1a\\0octet\\0\" = expect:udp:10.1.0.2:4001
                udp c:4002 > s:69 \"\\0\\1a\\0octet\\0\" = accept note:guard-limit
                udp d:4002 > s:69 \"\\0\\1a\\0octet\\0\" = expect:udp:10.1.0.3:4002
                udp s:9000 > c:4000 \"\\0\\3\\0\\1\" = RELATED accept
                udp c:4003 > s:69 \"\\0\\1a\\0octet\\0\" = expect:udp:10.1.0.2:4003",
            ..CASE
        },
        Case {
            name: "networks",
            settings: &["guard.ftp.networks=10.9.0.0/16"],
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept note:guard-network
                 expectations 0"
            ),
            ..CASE
        },
    ]);
}
