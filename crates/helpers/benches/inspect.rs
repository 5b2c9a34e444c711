//! What a helper costs: payload bytes per second on a real session and on the worst input known,
//! and expectations per second.

mod loads;
mod shown;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use kinwall_helpers::{Effects, HelperKind};
use kinwall_terms::{Direction, L4Proto, Profile};
use loads::{datagrams, sane, sip};
use shown::{Packet, Shown, inspect_all};

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

impl Load {
    fn helper(&self) -> Shown {
        Shown::new(self.kind, self.profile)
    }
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
    let count = inspect_all(&load.helper(), load.l4, &packets, &mut Effects::new());
    run(bencher.counter(ItemsCount::new(count)), load, &packets);
}

fn run(bencher: Bencher<'_, '_>, load: &Load, packets: &[Packet]) {
    let shown = load.helper();
    let mut effects = Effects::new();
    bencher.bench_local(|| inspect_all(&shown, load.l4, black_box(packets), &mut effects));
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
