//! What a helper costs: payload bytes per second on a real session and on the worst input known,
//! and expectations per second.

mod loads;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use kinwall_helpers::{Broadcast, Effect, Effects, HelperKind, Instance, Instances, Segment};
use kinwall_terms::{Direction, KernelVersion, L4Proto, Profile, Tuple};
use loads::{Packet, datagrams, sane, sip};
use std::net::{IpAddr, Ipv4Addr};

fn main() {
    divan::main();
}

/// A helper, a profile and what it is shown, one packet a segment.
#[derive(Debug)]
struct Load {
    name: &'static str,
    kind: HelperKind,
    profile: Profile,
    /// `None` for the first that the helper reads.
    l4: Option<L4Proto>,
    packets: fn() -> Vec<Packet>,
}

const LOADS: &[Load] = &[
    load("amanda session", HelperKind::Amanda, Profile::Linux, datagrams::amanda_session),
    load("amanda session, strict", HelperKind::Amanda, Profile::Strict, datagrams::amanda_session),
    load("amanda worst", HelperKind::Amanda, Profile::Linux, datagrams::amanda_worst),
    load("amanda worst, strict", HelperKind::Amanda, Profile::Strict, datagrams::amanda_worst),
    load("ftp session", HelperKind::Ftp, Profile::Linux, ftp_session),
    load("ftp session, strict", HelperKind::Ftp, Profile::Strict, ftp_session),
    load("ftp worst", HelperKind::Ftp, Profile::Linux, ftp_worst),
    load("ftp worst, strict", HelperKind::Ftp, Profile::Strict, ftp_worst_strict),
    load("H.245 session", HelperKind::H245, Profile::Linux, h245_session),
    load("H.245 session, strict", HelperKind::H245, Profile::Strict, h245_session),
    load("H.245 worst", HelperKind::H245, Profile::Linux, h245_worst),
    load("H.245 worst, strict", HelperKind::H245, Profile::Strict, h245_worst),
    load("Q.931 session", HelperKind::Q931, Profile::Linux, q931_session),
    load("Q.931 session, strict", HelperKind::Q931, Profile::Strict, q931_session),
    load("Q.931 worst", HelperKind::Q931, Profile::Linux, q931_worst),
    load("Q.931 worst, strict", HelperKind::Q931, Profile::Strict, q931_worst),
    load("RAS session", HelperKind::Ras, Profile::Linux, ras_session),
    load("RAS session, strict", HelperKind::Ras, Profile::Strict, ras_session),
    load("RAS worst", HelperKind::Ras, Profile::Linux, ras_worst),
    load("RAS worst, strict", HelperKind::Ras, Profile::Strict, ras_worst),
    load("irc session", HelperKind::Irc, Profile::Linux, irc_session),
    load("irc session, strict", HelperKind::Irc, Profile::Strict, irc_session),
    load("irc worst", HelperKind::Irc, Profile::Linux, irc_worst),
    load("irc worst, strict", HelperKind::Irc, Profile::Strict, irc_worst_strict),
    load("netbios-ns session", HelperKind::NetbiosNs, Profile::Linux, datagrams::netbios_session),
    load(
        "netbios-ns session, strict",
        HelperKind::NetbiosNs,
        Profile::Strict,
        datagrams::netbios_session,
    ),
    load("netbios-ns worst", HelperKind::NetbiosNs, Profile::Linux, datagrams::netbios_worst),
    load(
        "netbios-ns worst, strict",
        HelperKind::NetbiosNs,
        Profile::Strict,
        datagrams::netbios_worst,
    ),
    load("pptp session", HelperKind::Pptp, Profile::Linux, pptp_session),
    load("pptp session, strict", HelperKind::Pptp, Profile::Strict, pptp_session),
    load("pptp worst", HelperKind::Pptp, Profile::Linux, pptp_worst),
    load("pptp worst, strict", HelperKind::Pptp, Profile::Strict, pptp_worst),
    load("sane session", HelperKind::Sane, Profile::Linux, sane::session),
    load("sane session, strict", HelperKind::Sane, Profile::Strict, sane::session),
    load("sane worst", HelperKind::Sane, Profile::Linux, sane::worst),
    load("sane worst, strict", HelperKind::Sane, Profile::Strict, sane::worst),
    load("sip session", HelperKind::Sip, Profile::Linux, sip::session),
    load("sip session, strict", HelperKind::Sip, Profile::Strict, sip::session),
    load("sip worst", HelperKind::Sip, Profile::Linux, sip::worst),
    load("sip worst, strict", HelperKind::Sip, Profile::Strict, sip::worst_strict),
    over_tcp(load("sip session, TCP", HelperKind::Sip, Profile::Linux, sip::session_tcp)),
    over_tcp(load("sip session, TCP, strict", HelperKind::Sip, Profile::Strict, sip::session_tcp)),
    over_tcp(load("sip worst, TCP", HelperKind::Sip, Profile::Linux, sip::worst_tcp)),
    over_tcp(load(
        "sip worst, TCP, strict",
        HelperKind::Sip,
        Profile::Strict,
        sip::worst_strict_tcp,
    )),
    load("snmp session", HelperKind::Snmp, Profile::Linux, datagrams::snmp_session),
    load("snmp session, strict", HelperKind::Snmp, Profile::Strict, datagrams::snmp_session),
    load("snmp worst, strict", HelperKind::Snmp, Profile::Strict, datagrams::snmp_worst),
    load("tftp session", HelperKind::Tftp, Profile::Linux, tftp_session),
    load("tftp session, strict", HelperKind::Tftp, Profile::Strict, tftp_session),
    load("tftp worst", HelperKind::Tftp, Profile::Linux, tftp_worst),
    load("tftp worst, strict", HelperKind::Tftp, Profile::Strict, tftp_worst),
];

const fn load(
    name: &'static str,
    kind: HelperKind,
    profile: Profile,
    packets: fn() -> Vec<Packet>,
) -> Load {
    Load { name, kind, profile, l4: None, packets }
}

const fn over_tcp(load: Load) -> Load {
    Load { l4: Some(L4Proto::TCP), ..load }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[divan::bench(args = LOADS)]
fn bytes(bencher: Bencher<'_, '_>, load: &Load) {
    let packets = (load.packets)();
    let bytes: usize = packets.iter().map(|(_, payload)| payload.len()).sum();
    run(bencher.counter(BytesCount::new(bytes)), load, &packets);
}

#[divan::bench(args = LOADS.iter().filter(|load| load.name.contains("session")))]
fn expectations(bencher: Bencher<'_, '_>, load: &Load) {
    let packets = (load.packets)();
    let count = inspect_all(&instance(load), load, &packets, &mut Effects::new());
    run(bencher.counter(ItemsCount::new(count)), load, &packets);
}

fn run(bencher: Bencher<'_, '_>, load: &Load, packets: &[Packet]) {
    let instance = instance(load);
    let mut effects = Effects::new();
    bencher.bench_local(|| inspect_all(&instance, load, black_box(packets), &mut effects));
}

fn instance(load: &Load) -> Instance {
    let instances = Instances::new(KernelVersion::DEFAULT, load.profile);
    let of = |instance: &&Instance| instance.helper.kind == load.kind;
    instances.list().iter().find(of).expect("every helper is registered").clone()
}

/// The network that the originator asks, where a helper wants one.
const ASKED: Broadcast = Broadcast {
    address: IpAddr::V4(Ipv4Addr::new(10, 2, 0, 255)),
    netmask: IpAddr::V4(Ipv4Addr::new(255, 255, 255, 0)),
};

/// Shows a connection's packets to its helper; how many expectations it proposes.
fn inspect_all(
    instance: &Instance,
    load: &Load,
    packets: &[Packet],
    effects: &mut Effects,
) -> usize {
    let original = Tuple {
        src: [10, 1, 0, 2].into(),
        dst: [10, 2, 0, 2].into(),
        sport: 40000,
        dport: instance.port.unwrap_or(0),
        // Only children of TCP get a helper without a port.
        proto: load.l4.or(instance.port.map(|_| instance.helper.l4[0])).unwrap_or(L4Proto::TCP),
    };
    let reply = original.invert().expect("TCP and UDP invert");
    let mut scratch = instance.helper.kind.scratch();
    let (mut seqs, mut unread) = ([0u32; 2], [Vec::new(), Vec::new()]);
    let is_stream = original.proto == L4Proto::TCP && load.profile == Profile::Strict;
    let streams = is_stream && instance.helper.unread_max_bytes > 0;
    let mut remembered = [0; 2];
    let mut count = 0;
    for (direction, packet) in packets {
        let i = direction.index();
        let payload = if streams && !unread[i].is_empty() {
            unread[i].extend_from_slice(packet);
            &unread[i]
        } else {
            packet
        };
        let segment = Segment {
            payload,
            packet_at: 0,
            direction: *direction,
            original,
            reply,
            seq: seqs[i],
            established: true,
            expected: false,
            remembered,
            port: original.dport,
            options: &instance.options,
            kernel: KernelVersion::DEFAULT,
            broadcast: Some(ASKED),
            routing: None,
        };
        let consumed = instance.inspect(load.profile, &segment, &mut scratch, effects);
        for effect in black_box(effects.list()) {
            match effect {
                Effect::Expect(_) => count += 1,
                Effect::ExpectPair(_) => count += 2,
                Effect::Remember { index, value } => remembered[*index] = *value,
                _ => {}
            }
        }
        if streams {
            let rest = payload.get(consumed..).unwrap_or_default().to_vec();
            unread[i] = rest;
        }
        seqs[i] = seqs[i].wrapping_add(u32::try_from(packet.len()).unwrap_or(0));
        if effects.blind_reason().is_some() {
            break;
        }
    }
    count
}

fn dialogue(lines: &[(char, &str)]) -> Vec<Packet> {
    let direction = |mark| if mark == '>' { Direction::Original } else { Direction::Reply };
    lines.iter().map(|(mark, line)| (direction(*mark), line.as_bytes().to_vec())).collect()
}

/// A client that lists and fetches, active and passive, twenty times.
fn ftp_session() -> Vec<Packet> {
    let mut packets = dialogue(&[
        ('<', "220 (vsFTPd 3.0.3)\r\n"),
        ('>', "USER anonymous\r\n"),
        ('<', "331 Please specify the password.\r\n"),
        ('>', "PASS ftp@\r\n"),
        ('<', "230 Login successful.\r\n"),
        ('>', "TYPE I\r\n"),
        ('<', "200 Switching to Binary mode.\r\n"),
    ]);
    for _ in 0..20 {
        packets.extend(dialogue(&[
            ('>', "PASV\r\n"),
            ('<', "227 Entering Passive Mode (10,2,0,2,217,4).\r\n"),
            ('>', "LIST\r\n"),
            ('<', "150 Here comes the directory listing.\r\n"),
            ('<', "226 Directory send OK.\r\n"),
            ('>', "EPRT |1|10.1.0.2|43210|\r\n"),
            ('<', "200 EPRT command successful. Consider using EPSV.\r\n"),
            ('>', "RETR pub/a-file-with-a-name.tar.gz\r\n"),
            ('<', "150 Opening BINARY mode data connection.\r\n"),
            ('<', "226 Transfer complete.\r\n"),
        ]));
    }
    packets
}

/// Answers that begin like 227 and hold no digit, as long as a segment can be.
fn ftp_worst() -> Vec<Packet> {
    let mut packets = dialogue(&[('<', "220 ready\r\n")]);
    let answer = format!("227 {}\n", "x".repeat(1400));
    packets.extend((0..100).map(|_| (Direction::Reply, answer.clone().into_bytes())));
    packets
}

/// Commands of one letter's difference from the last verb that is looked up, a byte a segment at
/// the end.
fn ftp_worst_strict() -> Vec<Packet> {
    let mut packets = dialogue(&[('<', "220 ready\r\n"), ('>', "USER x\r\n")]);
    packets.extend((0..100).map(|_| (Direction::Original, b"XSHA512\r\n".repeat(150))));
    packets.extend((0..4000).map(|_| (Direction::Original, b"X".to_vec())));
    packets
}

fn irc_session() -> Vec<Packet> {
    let mut packets = dialogue(&[
        ('>', "NICK me\r\nUSER me 0 * :me\r\n"),
        ('<', ":irc.example 001 me :Welcome to the Internet Relay Network\r\n"),
    ]);
    for _ in 0..20 {
        packets.extend(dialogue(&[
            ('>', "PRIVMSG #rust :has anybody seen the release notes? they read very well\r\n"),
            ('<', ":you!u@host.example PRIVMSG #rust :they do, and they are short\r\n"),
            ('>', "PRIVMSG you :\u{1}DCC SEND notes.txt 167837698 1025 1234\u{1}\r\n"),
        ]));
    }
    packets
}

/// Messages without ` :`.
fn irc_worst() -> Vec<Packet> {
    let line = format!("PRIVMSG {}\r\n", " ".repeat(1400));
    (0..100).map(|_| (Direction::Original, line.clone().into_bytes())).collect()
}

/// Many short lines, and one that arrives a byte a segment.
fn irc_worst_strict() -> Vec<Packet> {
    let mut packets = irc_session();
    packets.truncate(2);
    packets.extend((0..100).map(|_| (Direction::Original, b"\n".repeat(1400))));
    packets.extend((0..4000).map(|_| (Direction::Original, b"X".to_vec())));
    packets
}

/// A control message of PPTP: kind, length, and how its body begins.
fn pptp_message(kind: u8, length: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0, length, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, kind, 0, 0];
    message.extend_from_slice(body);
    message.resize(length.into(), 0);
    message
}

/// Twenty calls, one after the other.
fn pptp_session() -> Vec<Packet> {
    use Direction::{Original, Reply};
    let mut packets =
        vec![(Original, pptp_message(1, 156, &[1, 0])), (Reply, pptp_message(2, 156, &[1, 0, 1]))];
    for id in 0..20 {
        packets.extend([
            (Original, pptp_message(7, 168, &[0, id])),
            (Reply, pptp_message(8, 32, &[1, id, 0, id, 1])),
            (Original, pptp_message(15, 24, &[1, id])),
            (Original, pptp_message(12, 16, &[0, id])),
            (Reply, pptp_message(13, 148, &[1, id])),
        ]);
    }
    packets
}

/// The shortest messages, about calls that are not there while as many others are as can be, and
/// one that arrives a byte a segment.
fn pptp_worst() -> Vec<Packet> {
    use Direction::Original;
    let mut packets = pptp_session();
    packets.truncate(2);
    packets.extend((0..8).map(|id| (Original, pptp_message(7, 168, &[0, id]))));
    packets.extend((0..100).map(|_| (Original, pptp_message(12, 16, &[9]).repeat(87))));
    let longest = pptp_message(9, 220, &[9, 9]).into_iter().map(|byte| (Original, vec![byte]));
    packets.extend(longest);
    packets
}

fn tftp_session() -> Vec<Packet> {
    let request = b"\0\x01boot/image-6.18.img\0octet\0blksize\x001428\0tsize\x000\0".to_vec();
    vec![(Direction::Original, request); 20]
}

/// Requests that are as long as can be and wrong at the end.
fn tftp_worst() -> Vec<Packet> {
    let mut request = b"\0\x01a\0octet\0".to_vec();
    request.extend_from_slice(&b"a\0b\0".repeat(125));
    request.pop();
    vec![(Direction::Original, request); 100]
}

/// Twenty times the messages of a transcript's definitions that `> NAME` and `< NAME` say.
fn defined(definitions: &str, talk: &str) -> Vec<Packet> {
    let meant = |name: &str| {
        let line = definitions.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let digits = line.expect("a definition").split("\\x").skip(1);
        digits.map(|hex| u8::from_str_radix(hex, 16).expect("a byte")).collect()
    };
    let packet = |line: &str| match line.split_at(2) {
        ("> ", name) => (Direction::Original, meant(name)),
        (_, name) => (Direction::Reply, meant(name)),
    };
    let lines: Vec<Packet> = talk.lines().map(packet).collect();
    (0..20).flat_map(|_| lines.clone()).collect()
}

/// Twenty negotiations on one connection.
fn h245_session() -> Vec<Packet> {
    let definitions = include_str!("../../../tests/helpers/H.245/definitions");
    let talk = "> $CAPABILITIES\n< $CAPABILITIES_BACK\n> $MASTER\n< $OPEN_BACK\n> $OPEN\n\
                < $ACK_BACK\n> $ACK\n";
    defined(definitions, talk)
}

/// Twenty calls on one connection, with H.245 in their signalling.
fn q931_session() -> Vec<Packet> {
    let definitions = include_str!("../../../tests/helpers/Q.931/definitions");
    let talk = "> $SETUP_TUNNEL\n< $ALERTING_OF_TUNNEL\n> $CAPABILITIES_OF_TUNNEL\n\
                < $CONNECT_OF_TUNNEL\n> $OPEN_OF_TUNNEL\n< $OPEN_BACK_OF_TUNNEL\n\
                > $ACK_OF_TUNNEL\n< $ACK_BACK_OF_TUNNEL\n> $RELEASE_OF_TUNNEL\n";
    defined(definitions, talk)
}

/// Twenty registrations and calls.
fn ras_session() -> Vec<Packet> {
    let definitions = include_str!("../../../tests/helpers/RAS/definitions");
    defined(definitions, "> $GRQ\n< $GCF\n> $RRQ\n< $RCF\n> $ARQ\n< $ACF\n> $IRR\n")
}

/// A message in a frame.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len() + 4).expect("a short message").to_be_bytes();
    [&[3, 0], &length[..], message].concat()
}

/// The shortest frames, whose messages say nothing, and long ones that say the same thing again and
/// again: addresses that are lists of hops.
fn h245_worst() -> Vec<Packet> {
    let mut packets = vec![(Direction::Original, frame(&[0x40]).repeat(280)); 20];
    // openLogicalChannel, H.2250, and thousands of parameters that are not standard.
    let mut open = vec![0x03, 0, 0, 0, 0x04, 0x80, 0xbf, 0xff];
    open.extend_from_slice(&0x3ff0u16.to_be_bytes());
    open.extend([0, 1, 9, 0].repeat(350));
    packets.extend(vec![(Direction::Original, frame(&open)); 20]);
    packets
}

/// Fast start of hundreds of channels, each of which says that it holds a list far longer than
/// itself, so that what follows is read again and again.
fn q931_worst() -> Vec<Packet> {
    let definitions = include_str!("../../../tests/helpers/Q.931/definitions");
    let mut packets = defined(definitions, "> $SETUP_TUNNEL\n");
    packets.truncate(1);
    let channel = [12, 0, 0, 1, 0x06, 0x00, 6, 0x40, 0, 0x83, 0xe8, 0, 0];
    let mut list = vec![0x81, 0x2c];
    list.extend(channel.repeat(300));
    list.resize(12_000, 0);
    // Alerting, with fastStart as its only addition.
    let mut body = vec![0x03, 0x80, 6, 0, 8, 0x91, 0x4a, 0, 4, 0x00, 0x04, 0x08];
    body.extend_from_slice(&(0x8000 | u16::try_from(list.len()).expect("short")).to_be_bytes());
    body.extend_from_slice(&list);
    let mut message = vec![8, 2, 0x80, 0x25, 1, 0x7e];
    message.extend_from_slice(&u16::try_from(body.len() + 1).expect("short").to_be_bytes());
    message.push(5);
    message.extend_from_slice(&body);
    packets.extend(vec![(Direction::Reply, frame(&message)); 20]);
    packets
}

/// Registrations with as many addresses as a datagram holds.
fn ras_worst() -> Vec<Packet> {
    let mut request = vec![0x0c, 0, 0, 8, 6, 0, 8, 0x91, 0x4a, 0, 5, 0x80, 0xbf, 0xff];
    request.extend([0, 10, 9, 9, 9, 6, 0xb8].repeat(200));
    vec![(Direction::Original, request); 100]
}
