//! Attacks on helpers, each in both profiles: what Linux answers, and what should be answered.

use crate::helpers::login;
use crate::script::{CASE, Case, check};
use kinwall_terms::Profile;

#[test]
fn ftp() {
    check(&[
        Case {
            name: "bounce: PORT to a third host",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,3,4,1\\r\\n\" = accept \
                     strict= note:helper-foreign-address
                 expectations 0
                 s:20 > d:1025 S = drop NEW"
            ),
            ..CASE
        },
        Case {
            name: "bounce: 227 with a third address",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PASV\\r\\n\"
                 s:21 > c:4000 \"227 (10,1,0,3,0,22)\\r\\n\" = accept
                 expectations 0"
            ),
            ..CASE
        },
        Case {
            name: "NAT pinning: a browser posts PORT to port 21",
            rules: crate::script::USUAL,
            script: "open c:4000 x:21
                     c:4000 > x:21 \"POST / HTTP/1.1\\r\\n\" = accept strict= blind:helper-not-protocol
                     c:4000 > x:21 \"PORT 10,1,0,2,0,22\\r\\n\" = accept \
                         linux= expect:tcp:10.1.0.2:22
                     x:20 > c:22 S = linux= accept RELATED strict= drop NEW",
            ..CASE
        },
        Case {
            name: "the server's bytes echoed as a command",
            script: "open c:4000 s:21
                     s:21 > c:4000 \"PORT 192,0,2,9,4,1\\r\\n\" = accept
                     expectations 0",
            ..CASE
        },
        Case {
            name: "a forged PORT outside the window",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" @900000 = drop INVALID tcp-window
                 expectations 0"
            ),
            rules: &[
                "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
                "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP",
            ],
            ..CASE
        },
        Case {
            name: "a forged PORT with a bad checksum",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" bad = INVALID bad-checksum
                 expectations 0"
            ),
            ..CASE
        },
        Case {
            name: "a forged PORT from the wrong interface",
            rules: &[
                "iptables -t raw -A PREROUTING -m rpfilter --invert -j DROP",
                "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
            ],
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" via=eth0 = drop rule
                 expectations 0"
            ),
            ..CASE
        },
        Case {
            name: "hijack: a third party cannot take the expectation",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept
                 x:20 > c:1025 S = drop NEW
                 expectations 1
                 s:20 > c:1025 S = accept RELATED
                 s:20 > c:1025 S @-1 = accept RELATED #3
                 s:22 > c:1025 S = drop NEW"
            ),
            ..CASE
        },
        Case {
            name: "clash: the first of two masters wins, the other is refused",
            script: concat!(
                login!(),
                "open c:4001 s:21
                 s:21 > c:4001 \"220 ready\\r\\n\"
                 c:4001 > s:21 \"USER a\\r\\n\"
                 c:4000 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = accept expect:tcp:10.1.0.2:1025
                 c:4001 > s:21 \"PORT 10,1,0,2,4,1\\r\\n\" = drop refused:expectation-clash \
                     helper-refused
                 expectations 1
                 s:20 > c:1025 S = master:1"
            ),
            ..CASE
        },
        Case {
            name: "a fragmented command is not a command in another packet",
            script: concat!(
                login!(),
                "c:4000 > s:21 \"NOOP PORT 10,1,0,2,4,1\\r\\n\" = accept
                 expectations 0"
            ),
            ..CASE
        },
    ]);
}

#[test]
fn irc() {
    const REGISTERED: &str = "open c:4000 s:6667
        c:4000 > s:6667 \"NICK a\\r\\nUSER a 0 * :a\\r\\n\"
        s:6667 > c:4000 \":s 001 a :welcome\\r\\n\"\n";
    let dcc = format!(
        "{REGISTERED}c:4000 > s:6667 \"PRIVMSG b :\\1DCC SEND f 167837698 2000\\1\\r\\n\" = accept \
             expect:tcp:10.1.0.2:2000
         x:5000 > c:2000 S = accept RELATED by:irc"
    );
    check(&[
        Case { name: "an honest offer, from whoever comes", script: dcc.leak(), ..CASE },
        Case {
            name: "an offer in a web page's POST",
            script: "open c:4000 x:6667
                c:4000 > x:6667 \"POST / HTTP/1.1\\r\\n\\r\\n\\1DCC SEND f 167837698 22\\1\\r\\n\" = \
                    accept strict= blind:helper-not-protocol
                x:5000 > c:22 S = strict= drop NEW",
            ..CASE
        },
        Case {
            name: "an offer echoed by PING",
            script: "open c:4000 x:6667
                x:6667 > c:4000 \"PING :\\1DCC SEND f 167837698 2000\\1\\r\\n\" = accept
                expectations 0
                c:4000 > x:6667 \"PONG :\\1DCC SEND f 167837698 2000\\1\\r\\n\" = accept
                x:5000 > c:2000 S = strict= drop NEW",
            ..CASE
        },
        Case {
            name: "an offer in the name of another host",
            script: "open c:4000 s:6667
                c:4000 > s:6667 \"NICK a\\r\\nUSER a 0 * :a\\r\\n\"
                s:6667 > c:4000 \":s 001 a :welcome\\r\\n\"
                c:4000 > s:6667 \"PRIVMSG b :\\1DCC SEND f 167837699 2000\\1\\r\\n\" = accept
                x:5000 > d:2000 S = drop NEW",
            ..CASE
        },
        Case {
            name: "an offer of a privileged port",
            script: "open c:4000 s:6667
                c:4000 > s:6667 \"NICK a\\r\\nUSER a 0 * :a\\r\\n\"
                s:6667 > c:4000 \":s 001 a :welcome\\r\\n\"
                c:4000 > s:6667 \"PRIVMSG b :\\1DCC SEND f 167837698 22\\1\\r\\n\" = accept \
                    linux= expect:tcp:10.1.0.2:22 strict= note:guard-port",
            ..CASE
        },
    ]);
}

#[test]
fn tftp() {
    check(&[
        Case {
            name: "an answer from another host",
            script: "udp c:4000 > s:69 \"\\0\\1a\\0octet\\0\" = accept
                     udp x:9000 > c:4000 \"\\0\\3\\0\\1\" = drop NEW
                     udp s:9000 > d:4000 \"\\0\\3\\0\\1\" = drop NEW
                     udp s:9000 > c:4001 \"\\0\\3\\0\\1\" = drop NEW
                     expectations 1",
            ..CASE
        },
        Case {
            name: "a repeated request renews, it does not add",
            script: "udp c:4000 > s:69 \"\\0\\2a\\0octet\\0\" = accept
                     udp c:4000 > s:69 \"\\0\\2a\\0octet\\0\" = accept
                     expectations 1",
            ..CASE
        },
        Case {
            name: "two bytes are no request",
            script: "udp c:4000 > s:69 \"\\0\\1\" = accept
                     expectations 1",
            profiles: &[Profile::Linux],
            ..CASE
        },
        Case {
            name: "two bytes are no request, strictly",
            script: "udp c:4000 > s:69 \"\\0\\1\" = accept
                     expectations 0",
            profiles: &[Profile::Strict],
            ..CASE
        },
    ]);
}
