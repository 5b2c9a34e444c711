//! The hooks a packet passes: local traffic, routing, spoofing, fragments, rules that end it.

use crate::script::{CASE, Case, check};
use kinwall_terms::Profile;

const LINUX: Case = Case { profiles: &[Profile::Linux], rules: &[], ..CASE };

#[test]
fn ways_through_the_gateway() {
    check(&[
        Case {
            name: "INPUT and OUTPUT have chains of their own",
            rules: &[
                "iptables -A INPUT -p tcp --dport 22 -j ACCEPT",
                "iptables -P INPUT DROP",
                "iptables -A OUTPUT -p tcp --sport 22 -j ACCEPT",
                "iptables -P OUTPUT DROP",
                "iptables -P FORWARD DROP",
            ],
            script: "c:4000 > g:22 S = accept delivered NEW rule:INPUT:1
                     g:22 > c:4000 SA = accept sent ESTABLISHED out:eth1 rule:OUTPUT:1
                     c:4000 > g:23 S = drop delivered chain-policy
                     g:4000 > c:22 S = drop sent chain-policy
                     c:4000 > s:22 S = drop forwarded chain-policy out:eth0",
            ..LINUX
        },
        Case {
            name: "the hop limit ends before FORWARD, which sees it counted down",
            rules: &["iptables -A FORWARD -m ttl --ttl-eq 1 -j DROP"],
            script: "c:4000 > s:80 S ttl=1 = drop hop-limit forwarded
                     connections 0
                     c:4000 > s:80 S ttl=2 = drop rule
                     c:4000 > s:80 S ttl=3 = accept
                     c:4000 > g:80 S ttl=1 = accept delivered",
            ..LINUX
        },
        Case {
            name: "no connection before its first packet has passed",
            rules: &["iptables -t mangle -A POSTROUTING -p tcp --dport 80 -j DROP"],
            script: "c:4000 > s:80 S = drop NEW rule
                     connections 0
                     s:80 > c:4000 SA = accept INVALID tcp-not-opening",
            ..LINUX
        },
        Case {
            name: "raw ends a packet before tracking",
            rules: &["iptables -t raw -A PREROUTING -s 10.1.0.2 -j DROP"],
            script: "c:4000 > s:80 S = drop unrouted rule -NEW
                     d:4000 > s:80 S = accept NEW",
            ..LINUX
        },
        Case {
            name: "reject and queue",
            rules: &[
                "iptables -A FORWARD -p tcp --dport 80 -j REJECT --reject-with tcp-reset",
                "iptables -A FORWARD -p udp -j REJECT",
                "iptables -A FORWARD -p tcp --dport 81 -j NFQUEUE --queue-num 5",
            ],
            script: "c:4000 > s:80 S = reject tcp-reset rule:FORWARD:1
                     udp c:4000 > s:53 \"?\" = reject icmp-port-unreachable
                     c:4000 > s:81 S = queue queue:5
                     connections 1",
            ..LINUX
        },
        Case {
            name: "a rule that cannot be evaluated",
            rules: &[
                "iptables -A FORWARD -p tcp --dport 80 -m tcp --syn -j SYNPROXY --mss 1460",
                "iptables -P FORWARD DROP",
            ],
            script: "c:4000 > s:80 S = unknown rule:FORWARD:1
                     connections 0
                     c:4000 > s:81 S = drop",
            ..LINUX
        },
        Case {
            name: "a rule that cannot be evaluated, assumed not to match",
            rules: &["iptables -A FORWARD -p tcp --dport 80 -j SYNPROXY --mss 1460"],
            assume: &[(1, false)],
            script: "c:4000 > s:80 S = accept",
            ..LINUX
        },
    ]);
}

#[test]
fn spoofed_and_impossible_sources() {
    let of = |rp_filter: &'static [&'static str], script: &'static str| Case {
        name: rp_filter.first().copied().unwrap_or("rp_filter=0"),
        settings: rp_filter,
        script,
        ..LINUX
    };
    check(&[
        of(&[], "c:4000 > s:80 S via=eth0 = accept\nx:4000 > s:80 S via=eth1 = accept"),
        of(
            &["net.ipv4.conf.eth0.rp_filter=1"],
            "c:4000 > s:80 S via=eth0 = drop reverse-path\nx:4000 > s:80 S via=eth1 = accept",
        ),
        of(
            &["net.ipv4.conf.all.rp_filter=1"],
            "c:4000 > s:80 S via=eth0 = drop reverse-path
             x:4000 > s:80 S via=eth1 = drop reverse-path
             c6:4000 > s6:80 S via=eth0 = accept",
        ),
        of(
            &["net.ipv4.conf.all.rp_filter=2"],
            "c:4000 > s:80 S via=eth0 = accept\nx:4000 > s:80 S via=eth1 = accept",
        ),
        of(
            &["net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.eth0.rp_filter=2"],
            "c:4000 > s:80 S via=eth0 = accept\nx:4000 > s:80 S via=eth1 = drop reverse-path",
        ),
        Case {
            name: "martians",
            script: "[127.0.0.1]:4000 > s:80 S via=eth0 = drop martian
                     c:4000 > [127.0.0.1]:80 S = drop martian
                     [224.0.0.5]:4000 > c:80 S via=eth0 = drop martian
                     [255.255.255.255]:4000 > c:80 S via=eth0 = drop martian
                     [0.0.0.0]:4000 > c:80 S via=eth0 = drop martian
                     [::1]:4000 > c6:80 S via=eth0 = drop martian
                     [ff02::1]:4000 > c6:80 S via=eth0 = drop martian
                     connections 0",
            ..LINUX
        },
        Case {
            name: "one's own address from outside",
            script: "h:4000 > c:80 S via=eth0 = drop martian
                     g:4000 > s:80 S via=eth0 = drop martian",
            ..LINUX
        },
        Case {
            name: "rpfilter in raw, both families",
            rules: &[
                "iptables -t raw -A PREROUTING -m rpfilter --invert -j DROP",
                "ip6tables -t raw -A PREROUTING -m rpfilter --invert -j DROP",
            ],
            script: "c:4000 > s:80 S via=eth0 = drop unrouted rule
                     c6:4000 > s6:80 S via=eth0 = drop unrouted rule
                     c:4000 > s:80 S = accept
                     c6:4000 > s6:80 S = accept",
            ..LINUX
        },
    ]);
}

#[test]
fn fragments_meet_before_any_rule() {
    check(&[
        Case {
            name: "raw and filter see the datagram, not its pieces",
            rules: &[
                "iptables -t raw -A PREROUTING -f -j DROP",
                "iptables -A FORWARD -p udp --dport 53 -m length --length 60 -j ACCEPT",
                "iptables -P FORWARD DROP",
            ],
            script:
                "udp c:4000 > s:53 \"abcdefghijklmnopqrstuvwxyz012345\" frag=8 = accept reassembled
                     udp c:4000 > s:54 \"abcdefghijklmnopqrstuvwxyz012345\" frag=8 = drop
                     connections 1",
            ..LINUX
        },
        Case {
            name: "IPv6",
            rules: &[
                "ip6tables -A FORWARD -p udp --dport 53 -j ACCEPT",
                "ip6tables -P FORWARD DROP",
            ],
            script: "udp c6:4000 > s6:53 \"abcdefghijklmnop\" frag=8 = accept reassembled NEW",
            ..LINUX
        },
        Case {
            name: "the gateway's own",
            script: "udp h:4000 > s:53 \"abcdefghijklmnop\" frag=8 = accept sent reassembled NEW",
            ..LINUX
        },
    ]);
}
