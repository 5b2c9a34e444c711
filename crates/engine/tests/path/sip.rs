//! SIP of translated connections: what arrives names what is opened, in both profiles.

use crate::script::{CASE, Case, Gateway, USUAL};
use kinwall_engine::{Engine, Ingress, Packet};
use kinwall_terms::{InterfaceName, Profile, Reason, Time, Verdict};
use kinwall_wire::{Headers, LinkFacts, TcpFlags, emit};
use std::borrow::Cow;
use std::net::IpAddr;

const PROXY: (&str, u16) = ("192.0.2.9", 5060);
const SHOWN: &str = "192.0.2.2";

fn gateway(profile: Profile, settings: &'static [&'static str]) -> Engine {
    let mut rules = USUAL.to_vec();
    rules.push("iptables -t raw -A PREROUTING -p udp --dport 5060 -j CT --helper sip");
    rules.push("iptables -t raw -A PREROUTING -p tcp --dport 5060 -j CT --helper sip");
    rules.push("iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE");
    let case = Case { rules: rules.leak(), settings, ..CASE };
    let mut engine = Gateway::new(&case, profile).plain;
    engine.set_translation(true);
    engine
}

/// A packet as it leaves: source, destination and payload.
type Left = ((IpAddr, u16), (IpAddr, u16), String);

fn pass(engine: &mut Engine, interface: &str, packet: emit::Packet) -> Result<Left, Reason> {
    let bytes = packet.build();
    let mut packet = Packet {
        number: 1,
        ingress: Ingress::Interface(InterfaceName::new(interface)),
        link: LinkFacts::default(),
        mark: 0,
        bytes: Cow::Borrowed(&bytes),
    };
    let outcome = engine.handle(Time(1_700_000_000_000_000_000), &mut packet);
    if outcome.verdict != Verdict::Accept {
        return Err(outcome.reason.expect("a reason"));
    }
    let headers = Headers::parse(&packet.bytes).expect("a packet");
    assert!(headers.verify_checksum(&packet.bytes));
    let (sport, dport) = headers.ports().expect("ports");
    let payload = String::from_utf8_lossy(headers.payload(&packet.bytes)).into_owned();
    Ok(((headers.src, sport), (headers.dst, dport), payload))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A datagram from inside or from outside.
fn datagram(
    engine: &mut Engine,
    interface: &str,
    [from, to]: [(&str, u16); 2],
    payload: &str,
) -> Result<Left, Reason> {
    let udp = emit::Udp::new(from.1, to.1);
    let packet = emit::Packet::new(address(from.0), address(to.0), udp);
    pass(engine, interface, packet.payload(payload.as_bytes()))
}

/// What a phone says when it calls, or registers.
fn request(method: &str, over: &str, phone: &str, port: u16) -> String {
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 {phone}\r\ns=-\r\nc=IN IP4 {phone}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\n"
    );
    let body = if method == "INVITE" { body } else { String::new() };
    format!(
        "{method} sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/{over} {phone}:5060;branch=1\r\n\
         From: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.net>\r\nCall-ID: 1\r\n\
         CSeq: 1 {method}\r\nContact: <sip:a@{phone}:5060>\r\nExpires: 60\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_call_is_heard_from_both_ends() {
    for profile in Profile::ALL {
        let mut engine = gateway(profile, &[]);
        let phone = ("10.1.0.2", 5060);
        let invite = request("INVITE", "UDP", phone.0, 20_000);
        let (_, _, seen) =
            datagram(&mut engine, "eth1", [phone, PROXY], &invite).expect("it passes");
        assert_eq!(seen, request("INVITE", "UDP", SHOWN, 20_000), "{profile}");
        for port in [20_000, 20_001] {
            let from = (PROXY.0, 7000);
            let (_, to, _) =
                datagram(&mut engine, "eth0", [from, (SHOWN, port)], "sound").expect("it passes");
            assert_eq!(to, (address(phone.0), port), "{profile}");
            let (own, _, _) =
                datagram(&mut engine, "eth1", [(phone.0, port), from], "sound").expect("it passes");
            assert_eq!(own, (address(SHOWN), port), "{profile}");
        }
    }
}

/// Two phones behind one address announce the same port: the second one's message is dropped in
/// Linux, and names another pair of ports in strict.
#[test]
fn two_phones_with_the_same_port() {
    for profile in Profile::ALL {
        let mut engine = gateway(profile, &[]);
        let mut left = Vec::new();
        for phone in ["10.1.0.2", "10.1.0.3"] {
            let invite = request("INVITE", "UDP", phone, 20_000);
            left.push(datagram(&mut engine, "eth1", [(phone, 5060), PROXY], &invite));
        }
        match (profile, left.pop().expect("two")) {
            (Profile::Linux, left) => assert_eq!(left, Err(Reason::HelperRefused)),
            (Profile::Strict, left) => {
                let (_, _, seen) = left.expect("it passes");
                assert!(seen.contains("\r\nc=IN IP4 192.0.2.2\r\n"), "{seen}");
                assert!(seen.contains("\r\nm=audio 20002 "), "{seen}");
                let to = (SHOWN, 20_002);
                let heard = datagram(&mut engine, "eth0", [(PROXY.0, 7000), to], "sound");
                let (_, to, _) = heard.expect("it passes");
                assert_eq!(to, (address("10.1.0.3"), 20_000));
            }
        }
    }
}

#[test]
fn rewriting_can_be_forbidden() {
    for profile in Profile::ALL {
        let mut engine = gateway(profile, &["guard.sip.no_mangle=1"]);
        let phone = ("10.1.0.2", 5060);
        let invite = request("INVITE", "UDP", phone.0, 20_000);
        let (_, _, seen) =
            datagram(&mut engine, "eth1", [phone, PROXY], &invite).expect("it passes");
        assert_eq!(seen, invite, "{profile}");
        let now = Time(1_700_000_000_000_000_000);
        assert_eq!(engine.conntrack().expectations(now).count(), 2, "{profile}");
    }
}

/// The registrar calls the phone at the contact that it has read, once it has agreed.
#[test]
fn a_registered_phone_is_called() {
    for profile in Profile::ALL {
        let mut engine = gateway(profile, &[]);
        let phone = ("10.1.0.2", 5060);
        let register = request("REGISTER", "UDP", phone.0, 0);
        let sent = datagram(&mut engine, "eth1", [phone, PROXY], &register);
        let ((_, shown), _, seen) = sent.expect("it passes");
        assert!(seen.contains(&format!("Contact: <sip:a@192.0.2.2:{shown}>")), "{seen}");
        let call = [(PROXY.0, 7000), (SHOWN, shown)];
        let delivered = |engine: &mut Engine| {
            let call = datagram(engine, "eth0", call, "OPTIONS sip:a@x SIP/2.0\r\n\r\n");
            call.is_ok_and(|(_, to, _)| to == (address(phone.0), 5060))
        };
        assert!(!delivered(&mut engine), "{profile}");
        let answer = seen.replacen("REGISTER sip:b@example.net SIP/2.0", "SIP/2.0 200 OK", 1);
        let (_, _, answer) =
            datagram(&mut engine, "eth0", [PROXY, (SHOWN, shown)], &answer).expect("it passes");
        assert!(answer.contains("Contact: <sip:a@10.1.0.2:5060>"), "{profile} {answer}");
        let call = [(PROXY.0, 7001), (SHOWN, shown)];
        let called = datagram(&mut engine, "eth0", call, "\r\n\r\n").expect("it passes");
        assert_eq!(called.1, (address(phone.0), 5060), "{profile}");
    }
}

/// Over TCP: two messages of one segment; and one in two segments, which opens nothing. In strict
/// it passes as it is; Linux takes its second part for a message.
#[test]
fn messages_of_a_stream() {
    for profile in Profile::ALL {
        let mut engine = gateway(profile, &[]);
        let phone = address("10.1.0.2");
        let proxy = address(PROXY.0);
        let tcp = |flags| emit::Tcp::new(5060, 5060).flags(flags);
        let syn = emit::Packet::new(phone, proxy, tcp(TcpFlags::SYN).seq(999));
        pass(&mut engine, "eth1", syn).expect("it passes");
        let both = tcp(TcpFlags::SYN | TcpFlags::ACK).seq(4999).ack(1000);
        let answer = emit::Packet::new(proxy, address(SHOWN), both);
        pass(&mut engine, "eth0", answer).expect("it passes");
        let mut at = 1000;
        let mut say = |engine: &mut Engine, text: &str| {
            let tcp = tcp(TcpFlags::ACK).seq(at).ack(5000);
            at += text.len() as u32;
            let packet = emit::Packet::new(phone, proxy, tcp).payload(text.as_bytes());
            pass(engine, "eth1", packet).expect("it passes").2
        };
        let [options, invite] = ["OPTIONS", "INVITE"].map(|method| {
            [&phone.to_string()[..], SHOWN].map(|who| request(method, "TCP", who, 20_000))
        });
        let seen = say(&mut engine, &(options[0].clone() + &invite[0]));
        assert_eq!(seen, options[1].clone() + &invite[1], "{profile}");
        let now = Time(1_700_000_000_000_000_000);
        assert_eq!(engine.conntrack().expectations(now).count(), 2, "{profile}");
        let bye = request("BYE", "TCP", "10.1.0.2", 0);
        say(&mut engine, &bye);
        assert_eq!(engine.conntrack().expectations(now).count(), 0, "{profile}");
        let (first, second) = invite[0].split_at(100);
        assert_eq!(say(&mut engine, first), first, "{profile}");
        let seen = say(&mut engine, second);
        assert!(profile == Profile::Linux || seen == second, "{seen}");
        assert_eq!(engine.conntrack().expectations(now).count(), 0, "{profile}");
    }
}
