//! Prefixes that become others: the address and nothing else, the same way with and without a
//! trace, and not at all where translation is not applied.

use crate::script::{CASE, Case, Gateway};
use kinwall_engine::{Engine, Ingress, Packet, Step, Trace};
use kinwall_terms::{InterfaceName, Manip, Profile, Reason, Time, Verdict};
use kinwall_wire::emit::{self, Transport};
use kinwall_wire::{Headers, LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::net::IpAddr;

const RULES: &[&str] = &[
    "ip6tables -t mangle -N prefix",
    "ip6tables -t mangle -A POSTROUTING -o eth0 -j prefix",
    "ip6tables -t mangle -A POSTROUTING -s 2001:db8:7::/48 -p udp -j MARK --set-mark 7",
    "ip6tables -t mangle -A prefix -s fd00:1::/48 -j SNPT --src-pfx fd00:1::/48 \
     --dst-pfx 2001:db8:7::/48",
    "ip6tables -t mangle -A prefix -s fd00:1::/48 -j DROP",
    "ip6tables -t mangle -A PREROUTING -i eth0 -d 2001:db8:7::/48 -j DNPT \
     --src-pfx 2001:db8:7::/48 --dst-pfx fd00:1::/48",
];

fn gateway(profile: Profile, translation: bool) -> Engine {
    let mut engine = Gateway::new(&Case { rules: RULES, ..CASE }, profile).plain;
    engine.set_translation(translation);
    engine
}

fn pass(
    engine: &mut Engine,
    by: &str,
    bytes: &[u8],
    trace: Option<&mut Trace>,
) -> (Verdict, Option<Reason>, u32, Vec<u8>) {
    let mut packet = Packet {
        number: 1,
        ingress: Ingress::Interface(InterfaceName::new(by)),
        link: LinkFacts::default(),
        mark: 0,
        bytes: Cow::Borrowed(bytes),
    };
    let now = Time(1_700_000_000_000_000_000);
    let outcome = match trace {
        Some(trace) => engine.handle_traced(now, &mut packet, trace),
        None => engine.handle(now, &mut packet),
    };
    (outcome.verdict, outcome.reason, outcome.mark, packet.bytes.into_owned())
}

#[test]
fn out_and_back_again() {
    let [host, peer]: [IpAddr; 2] =
        ["fd00:1::5", "2001:db8:9::9"].map(|text| text.parse().expect("an address"));
    let transports: [(Transport, u32); 3] = [
        (emit::Tcp::new(4000, 80).flags(TcpFlags::SYN).seq(1).into(), 0),
        (emit::Udp::new(4000, 53).into(), 7),
        (emit::Icmp::query(128, 7, 1).into(), 0),
    ];
    for profile in Profile::ALL {
        for (transport, marked) in transports.clone() {
            let packet = emit::Packet::new(host, peer, transport).payload(*b"text").build();
            let (verdict, _, mark, left) = pass(&mut gateway(profile, true), "eth1", &packet, None);
            assert_eq!((verdict, mark), (Verdict::Accept, marked));
            let shown = Headers::parse(&left).expect("a packet");
            assert!(shown.verify_checksum(&left));
            // The sum of all words of the address stays, so that nothing but it changes.
            assert_eq!(shown.src, "2001:db8:7:cf41::5".parse::<IpAddr>().expect("an address"));
            assert_eq!((&left[..8], &left[24..]), (&packet[..8], &packet[24..]));
            let mut trace = Trace::default();
            let traced = pass(&mut gateway(profile, true), "eth1", &packet, Some(&mut trace));
            assert_eq!((traced.0, traced.2, &traced.3), (verdict, mark, &left));
            let to = (shown.src, shown.ports().map_or(0, |(source, _)| source));
            let told = |step: &Step| match step {
                Step::Translated { manip: Manip::Source, to } => Some(*to),
                _ => None,
            };
            assert_eq!(trace.steps.iter().find_map(told), Some(to));
            // The error of a router is brought back, and so is what it quotes.
            let router: IpAddr = "2001:db8:1::1".parse().expect("an address");
            let error = emit::icmp_error(router, shown.src, emit::Icmp::new(1, 1), &left).build();
            let (verdict, _, _, back) = pass(&mut gateway(profile, true), "eth0", &error, None);
            assert_eq!(verdict, Verdict::Accept);
            let headers = Headers::parse(&back).expect("a packet");
            assert_eq!(headers.dst, host);
            assert!(headers.verify_checksum(&back));
            assert_eq!(back[48..], packet[..back.len() - 48]);
        }
    }
}

#[test]
fn where_translation_is_not_applied_nothing_is_known() {
    let [host, peer]: [IpAddr; 2] =
        ["fd00:1::5", "2001:db8:9::9"].map(|text| text.parse().expect("an address"));
    let packet = emit::Packet::new(host, peer, emit::Udp::new(4000, 53)).build();
    for profile in Profile::ALL {
        let (verdict, .., left) = pass(&mut gateway(profile, false), "eth1", &packet, None);
        assert_eq!((verdict, left), (Verdict::Unknown, packet.clone()));
    }
}

#[test]
fn an_address_that_has_no_place_for_the_difference() {
    let rules = &["ip6tables -t mangle -A POSTROUTING -o eth0 -j SNPT --src-pfx fd00:1::/64 \
         --dst-pfx 2001:db8:7::/64"];
    let [host, peer]: [IpAddr; 2] = ["fd00:1::ffff:ffff:ffff:ffff", "2001:db8:9::9"]
        .map(|text| text.parse().expect("an address"));
    let packet = emit::Packet::new(host, peer, emit::Udp::new(4000, 53)).build();
    let mut engine = Gateway::new(&Case { rules, ..CASE }, Profile::Linux).plain;
    engine.set_translation(true);
    let (verdict, reason, ..) = pass(&mut engine, "eth1", &packet, None);
    assert_eq!((verdict, reason), (Verdict::Drop, Some(Reason::HotDrop)));
}
