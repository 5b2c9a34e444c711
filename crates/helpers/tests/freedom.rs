//! Whatever arrives, every expectation lies within a row of its helper.

mod session;

use kinwall_helpers::freedom::within;
use kinwall_helpers::{HelperKind, Instances, OnRefusal, Proposal};
use kinwall_terms::{Direction, Family, KernelVersion, Profile};
use proptest::prelude::*;
use session::{Session, unescape};
use std::net::IpAddr;

/// Lines of real sessions, and hostile ones: mutated, cut and joined by the test.
const LINES: &[&str] = &[
    r"220 ready\r\n",
    r"220-a\r\n220 b\r\n",
    r"USER anonymous\r\n",
    r"331 password please\r\n",
    r"PASS x\r\n",
    r"230 hello\r\n",
    r"PORT 10,1,0,2,4,1\r\n",
    r"PORT 10,9,9,9,0,22\r\n",
    r"PORT 253,0,0,1,4,1\r\n",
    r"EPRT |1|10.1.0.2|1025|\r\n",
    r"EPRT |2|fd00:1::2|1025|\r\n",
    r"EPRT |2|fd00:9::9|1025|\r\n",
    r"PASV\r\n",
    r"EPSV\r\n",
    r"EPSV ALL\r\n",
    r"227 Entering Passive Mode (10,2,0,2,217,4).\r\n",
    r"227 Entering Passive Mode (10,9,9,9,217,4).\r\n",
    r"229 Entering Extended Passive Mode (|||1025|)\r\n",
    r"AUTH TLS\r\n",
    r"234 go on\r\n",
    r"POST / HTTP/1.1\r\n",
    r"NICK me\r\n",
    r"USER me 0 * :me\r\n",
    r":srv 001 me :welcome\r\n",
    r"PRIVMSG you :\x01DCC SEND f 167837698 1025\x01\r\n",
    r"PRIVMSG you :\x01DCC CHAT chat 3221226249 22\x01\r\n",
    r#"PRIVMSG you :\x01DCC SEND "a b" 167837698 1025 99\x01\r\n"#,
    r"\0\x9c\0\x01\x1a\x2b\x3c\x4d\0\x01\0\0\x01\0\0{142}",
    r"\0\x9c\0\x01\x1a\x2b\x3c\x4d\0\x02\0\0\x01\0\x01\0{141}",
    r"\0\x10\0\x01\x1a\x2b\x3c\x4d\0\x03\0\0\x01\0{3}",
    r"\0\xa8\0\x01\x1a\x2b\x3c\x4d\0\x07\0\0\0\x05\0{154}",
    r"\0\xa8\0\x01\x1a\x2b\x3c\x4d\0\x07\0\0\0\x06\0{154}",
    r"\0\x20\0\x01\x1a\x2b\x3c\x4d\0\x08\0\0\0\x07\0\x05\x01\0{15}",
    r"\0\x20\0\x01\x1a\x2b\x3c\x4d\0\x08\0\0\0\x08\0\x06\x01\0{15}",
    r"\0\xdc\0\x01\x1a\x2b\x3c\x4d\0\x09\0\0\0\x07\0{206}",
    r"\0\x18\0\x01\x1a\x2b\x3c\x4d\0\x0a\0\0\0\x05\0\x07\x01\0{7}",
    r"\0\x1c\0\x01\x1a\x2b\x3c\x4d\0\x0b\0\0\0\x05\0{14}",
    r"\0\x10\0\x01\x1a\x2b\x3c\x4d\0\x0c\0\0\0\x05\0{2}",
    r"\0\x94\0\x01\x1a\x2b\x3c\x4d\0\x0d\0\0\0\x07\0{134}",
    r"\0\x01boot.img\0octet\0",
    r"\0\x02boot.img\0octet\0blksize\01428\0",
    r"Amanda 2.6 REQ HANDLE 000-0A SEQ 7\nSERVICE sendbackup\n",
    r"Amanda 2.6 REP HANDLE 000-0A SEQ 7\nCONNECT DATA 11001 MESG 11002 INDEX 22 STATE 70000\n",
    r"Amanda 2.6 REP HANDLE 000-0A SEQ 7\nCONNECT DATA 11001 MESG 11002 INDEX -1\nOPTIONS ;\n",
    r"Amanda 2.6 ACK HANDLE 000-0A SEQ 7\n",
    r"\0\0\0\0\x01\0\0\x03\0\0\0\x03me\0",
    r"\0\0\0\0\x01\0\0\x03",
    r"\0\0\0\x02\0\0\0\x05test\0",
    r"\0\0\0\x05\0\0\0\0\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\0\0\x04\0\0\0\x01\0\0\0\x08",
    r"\0\0\0\x07\0\0\0\0",
    r"\0\0\0\0\0\0\x2b\x67\0\0\x12\x34\0\0\0\0",
    r"\0\0\0\0\0\0\0\x16\0\0\x12\x34\0\0\0\x05test\0",
    r"\0\0\0\x09\0\0\0\x05test\0\0\0\0\x03me\0\0\0\0\x02x\0",
    r"\x12\x34\x01\x10\0\x01\0\0\0\0\0\0 CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x20\0\x01",
    r"\x12\x34\x29\x10\0\x01\0\0\0\0\0\x01 FCEFFEEBEFFCCACACACACACACACACAAA\x03net\0\0\x20\0\x01",
    r"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x07\x02\x01\0\x02\x01\0\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x05\0\x05\0",
];

/// Messages of a phone and its proxy, by their first line, the rest of CSeq, and what follows.
const MESSAGES: &[(&str, &str, &str)] = &[
    ("INVITE sip:b@x SIP/2.0", "1 INVITE", OFFER),
    ("SIP/2.0 200 OK", "1 INVITE", ANSWER),
    ("SIP/2.0 486 Busy", "1 INVITE", ""),
    ("ACK sip:b@x SIP/2.0", "1 ACK", THIRD_HOST),
    ("INVITE sip:b@x SIP/2.0", "1 INVITE", MANY),
    ("UPDATE sip:b@x SIP/2.0", "2 UPDATE", HELD),
    ("BYE sip:b@x SIP/2.0", "3 BYE", ""),
    ("REGISTER sip:x SIP/2.0", "4 REGISTER", ""),
    ("SIP/2.0 200 OK", "4 REGISTER", ""),
];

const OFFER: &str = "v=0\r\nc=IN IP4 10.1.0.2\r\nm=audio 20001 RTP/AVP 0\r\n";
const ANSWER: &str = "v=0\r\nm=video 65535 RTP/AVP 0\r\nc=IN IP4 10.2.0.2\r\n";
const THIRD_HOST: &str = "v=0\r\nc=IN IP4 10.9.9.9\r\nm=audio 1024 RTP/AVP 0\r\n";
const MANY: &str = "v=0\r\nc=IN IP6 fd00:1::2\r\nm=audio 1022 RTP/AVP 0\r\n\
                    m=image 1 udptl t38\r\nm=video 4096 RTP/SAVP 0\r\nm=audio 4099 RTP/AVP 0\r\n";
const HELD: &str =
    "v=0\r\nc=IN IP6 fd00:9::9\r\na=sendonly\r\nm=audio 20000 RTP/AVP 0\r\na=recvonly\r\n";

fn message() -> impl Strategy<Value = Vec<u8>> {
    let contact = prop::sample::select(
        &[
            "",
            "m: <sip:a@10.1.0.2:5070>;expires=60, <sip:10.9.9.9>\r\n",
            "Contact: sip:10.1.0.2\r\nExpires: 3600\r\n",
            "Contact: <sip:a@[fd00:1::2]:1023>, <sip:[fd00:1::2]:65535>;expires=9\r\n",
        ][..],
    );
    let tag = prop::sample::select(&["", ";tag=2"][..]);
    let via = prop::sample::select(&["UDP", "TCP"][..]);
    (prop::sample::select(MESSAGES), contact, tag, via).prop_map(|(message, contact, tag, via)| {
        let (first, cseq, body) = message;
        let length = body.len();
        let head = format!(
            "{first}\r\nVia: SIP/2.0/{via} x;branch=1\r\nf: <sip:a@x>;tag=1\r\nt: sip:b@x{tag}\r\n"
        );
        let kind = "Call-ID: 1\r\nContent-Type: application/sdp\r\n";
        format!("{head}CSeq: {cseq}\r\n{kind}{contact}Content-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    })
}

#[derive(Clone, Debug)]
struct Packet {
    direction: Direction,
    shift: isize,
    payload: Vec<u8>,
}

/// A line, several, a piece of one, one with bytes replaced, or noise.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(LINES).prop_map(unescape);
    let line = prop_oneof![line, message()].boxed();
    let lines = prop::collection::vec(line.clone(), 1..6).prop_map(|lines| lines.concat());
    let mutated = (lines.clone(), prop::collection::vec((any::<u16>(), any::<u8>()), 1..4));
    let mutated = mutated.prop_map(|(mut bytes, changes)| {
        for (at, byte) in changes {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        bytes
    });
    let cut = (lines.clone(), any::<u16>(), any::<u16>()).prop_map(|(bytes, from, to)| {
        let [a, b] = [from, to].map(|at| usize::from(at) % (bytes.len() + 1));
        bytes[a.min(b)..a.max(b)].to_vec()
    });
    let digits =
        "[ -~]{0,8}(PORT|EPRT|227|229) [0-9,.|:a-f()]{0,40}\r\n".prop_map(String::into_bytes);
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![6 => line, 3 => lines, 3 => mutated, 3 => cut, 2 => digits, 1 => noise]
}

fn packet() -> impl Strategy<Value = Packet> {
    let direction = prop::sample::select(&Direction::ALL[..]);
    let shift = prop_oneof![8 => Just(0isize), 1 => -40isize..40];
    (direction, shift, payload()).prop_map(|(direction, shift, payload)| Packet {
        direction,
        shift,
        payload,
    })
}

fn settings() -> impl Strategy<Value = Vec<(String, String)>> {
    let rows = [
        ("nf_conntrack_ftp.loose", "1"),
        ("nf_conntrack_sip.sip_direct_media", "0"),
        ("nf_conntrack_sip.sip_direct_signalling", "0"),
        ("guard.*.peer_only", "0"),
        ("guard.*.min_port", "0"),
        ("guard.*.min_port", "1024"),
        ("guard.*.networks", "10.1.0.0/16,fd00:1::/32"),
        ("guard.*.per_master", "1"),
    ];
    let rows: Vec<_> = rows.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    prop::sample::subsequence(rows, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn every_expectation_lies_within_a_row(
        kind in prop::sample::select(HelperKind::ALL),
        family in prop::sample::select(&Family::ALL[..]),
        profile in prop::sample::select(&Profile::ALL[..]),
        newer in any::<bool>(),
        translated in any::<bool>(),
        asks in any::<bool>(),
        other_protocol in any::<bool>(),
        settings in settings(),
        packets in prop::collection::vec(packet(), 1..24),
    ) {
        let helper = kind.helper();
        prop_assume!(helper.families.contains(&family));
        let kernel = if newer { KernelVersion::new(6, 19, 0) } else { KernelVersion::DEFAULT };
        let mut session = Session::new(helper.name, family, profile, kernel, &settings);
        if asks && family == Family::Ipv4 {
            session.ask([10, 2, 0, 255].into(), [255, 255, 255, 0].into());
        }
        if other_protocol {
            session.over_other_protocol();
        }
        if translated {
            session.reply.dst = match family {
                Family::Ipv4 => [192, 0, 2, 2].into(),
                Family::Ipv6 => [0xfd09, 0, 0, 0, 0, 0, 0, 2u16].into(),
            };
            session.reply.dport = 61000;
        }
        for Packet { direction, shift, payload } in packets {
            let sent = session.sent(direction);
            session.send_at(direction, shift.max(-isize::try_from(sent).unwrap()), &payload);
            let instance = session.instances.get(session.index).unwrap().clone();
            let master = session.master(direction);
            for proposal in session.proposals() {
                if is_mixed(kind, direction, &session, &proposal) {
                    continue;
                }
                let rows: Vec<_> = helper.rows(profile, family, &instance.options).collect();
                let child = proposal.child.map(|kind| kind.helper().name);
                let right = |row: &&&kinwall_terms::freedom::Row| {
                    row.class == proposal.class
                        && row.child == child
                        && within(row, &master, &proposal.expected)
                };
                prop_assert!(rows.iter().any(|row| right(&row)), "{proposal:?} of {payload:?}");
                let tuple = proposal.expected.tuple;
                prop_assert!(tuple.dport >= instance.guard.min_port);
                let networks = &instance.guard.networks;
                let inside = networks.iter().any(|network| network.contains(&tuple.dst));
                prop_assert!(networks.is_empty() || inside);
                for span in [Some(proposal.announcement), proposal.address, proposal.port] {
                    span.map(|span| session.text(span));
                }
            }
            let notes = session.effects.notes().iter();
            for note in notes.copied().chain(session.effects.drop_reason()) {
                session.text(note.span);
            }
            prop_assert!(profile == Profile::Linux || session.effects.drop_reason().is_none());
        }
    }
}

/// Whether Linux expects an address that nobody has: it reads 227 over IPv6 too, and puts the four
/// bytes into the sender's address.
fn is_mixed(
    kind: HelperKind,
    direction: Direction,
    session: &Session,
    proposal: &Proposal,
) -> bool {
    let Direction::Reply = direction else { return false };
    let sender = session.original.dst;
    match (kind, proposal.expected.tuple.dst, sender) {
        (HelperKind::Ftp, IpAddr::V6(expected), IpAddr::V6(sender)) => {
            expected != sender && expected.octets()[4..] == sender.octets()[4..]
        }
        _ => false,
    }
}

#[test]
fn limits_and_timeouts_are_linuxs() {
    let rows = [
        ("sip", "nf_conntrack_sip.sip_timeout", "5", 1, 180),
        ("ftp", "", "", 1, 300),
        ("pptp", "", "", 2, 300),
        ("tftp", "", "", 1, 300),
        ("RAS", "", "", 32, 240),
        ("Q.931", "", "", 20, 240),
        ("H.245", "", "", 18, 240),
        ("irc", "", "", 8, 300),
        ("irc", "nf_conntrack_irc.max_dcc_channels", "255", 255, 300),
        ("irc", "nf_conntrack_irc.dcc_timeout", "60", 8, 60),
        ("amanda", "", "", 4, 180),
        ("amanda", "nf_conntrack_amanda.master_timeout", "60", 4, 180),
        ("sane", "", "", 1, 300),
        ("netbios-ns", "", "", 1, 3),
        ("netbios-ns", "nf_conntrack_netbios_ns.timeout", "5", 1, 5),
        ("snmp", "", "", 1, 30),
        ("snmp", "nf_conntrack_snmp.timeout", "0x10", 1, 16),
    ];
    for (name, key, value, limit, timeout_s) in rows {
        let mut instances = Instances::new(KernelVersion::DEFAULT, Profile::Linux);
        if !key.is_empty() {
            instances.set(key, value).unwrap();
        }
        let instance = instances.list().iter().find(|i| i.name == name).unwrap();
        let policy = instance.helper.policy(0, &instance.options);
        assert_eq!((policy.limit, policy.timeout_s), (limit, timeout_s), "{name} {key}={value}");
    }
}

#[test]
fn media_classes_have_linuxs_limits() {
    let helper = HelperKind::Sip.helper();
    let options = kinwall_helpers::OptionValues::defaults(helper);
    let policies = (0..).zip(helper.classes).map(|(class, named)| {
        let policy = helper.policy(class, &options);
        (named.name, policy.limit, policy.timeout_s)
    });
    let expected =
        [("signalling", 1, 180), ("audio", 4, 180), ("video", 4, 180), ("image", 2, 180)];
    assert_eq!(policies.collect::<Vec<_>>(), expected);
}

#[test]
fn a_refused_announcement_drops_its_packet() {
    let rows = [
        ("ftp", r"PORT 10,1,0,2,4,1\r\n"),
        ("irc", r"PRIVMSG you :\x01DCC SEND f 167837698 1025\x01\r\n"),
        ("tftp", r"\0\x01boot.img\0octet\0"),
    ];
    for (name, payload) in rows {
        let kernel = KernelVersion::DEFAULT;
        let mut session = Session::new(name, Family::Ipv4, Profile::Linux, kernel, &[]);
        session.send(Direction::Original, b"USER anonymous\r\n");
        session.send(Direction::Original, &unescape(payload));
        let proposals = session.proposals();
        assert_eq!(proposals.len(), 1, "{name}");
        assert!(proposals.iter().all(|proposal| proposal.on_refusal == OnRefusal::Drop));
    }
}

#[test]
fn what_a_helper_remembers_is_small() {
    assert!(size_of::<kinwall_helpers::Scratch>() <= 64);
}

#[test]
fn the_names_are_those_of_the_rules() {
    let instances = Instances::new(KernelVersion::DEFAULT, Profile::Linux);
    for instance in instances.list() {
        assert_eq!(HelperKind::by_name(&instance.name), Some(instance.helper.kind));
    }
}
