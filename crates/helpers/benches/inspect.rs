//! What a helper costs: payload bytes per second on a real session and on the worst input known,
//! and expectations per second.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use kinwall_helpers::{Effects, HelperKind, Instance, Instances, Segment};
use kinwall_terms::{Direction, KernelVersion, Profile, Tuple};

fn main() {
    divan::main();
}

/// One packet: who sends it, and its payload.
type Packet = (Direction, Vec<u8>);

/// A helper, a profile and what it is shown, one packet a segment.
#[derive(Debug)]
struct Load {
    name: &'static str,
    kind: HelperKind,
    profile: Profile,
    packets: fn() -> Vec<Packet>,
}

const LOADS: &[Load] = &[
    load("ftp session", HelperKind::Ftp, Profile::Linux, ftp_session),
    load("ftp session, strict", HelperKind::Ftp, Profile::Strict, ftp_session),
    load("ftp worst", HelperKind::Ftp, Profile::Linux, ftp_worst),
    load("ftp worst, strict", HelperKind::Ftp, Profile::Strict, ftp_worst_strict),
    load("irc session", HelperKind::Irc, Profile::Linux, irc_session),
    load("irc session, strict", HelperKind::Irc, Profile::Strict, irc_session),
    load("irc worst", HelperKind::Irc, Profile::Linux, irc_worst),
    load("irc worst, strict", HelperKind::Irc, Profile::Strict, irc_worst_strict),
    load("pptp session", HelperKind::Pptp, Profile::Linux, pptp_session),
    load("pptp session, strict", HelperKind::Pptp, Profile::Strict, pptp_session),
    load("pptp worst", HelperKind::Pptp, Profile::Linux, pptp_worst),
    load("pptp worst, strict", HelperKind::Pptp, Profile::Strict, pptp_worst),
    load("tftp session", HelperKind::Tftp, Profile::Linux, tftp_session),
    load("tftp session, strict", HelperKind::Tftp, Profile::Strict, tftp_session),
    load("tftp worst, strict", HelperKind::Tftp, Profile::Strict, tftp_worst),
];

const fn load(
    name: &'static str,
    kind: HelperKind,
    profile: Profile,
    packets: fn() -> Vec<Packet>,
) -> Load {
    Load { name, kind, profile, packets }
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
    let count = inspect_all(&instance(load), load.profile, &packets, &mut Effects::new());
    run(bencher.counter(ItemsCount::new(count)), load, &packets);
}

fn run(bencher: Bencher<'_, '_>, load: &Load, packets: &[Packet]) {
    let instance = instance(load);
    let mut effects = Effects::new();
    bencher.bench_local(|| inspect_all(&instance, load.profile, black_box(packets), &mut effects));
}

fn instance(load: &Load) -> Instance {
    let instances = Instances::new(KernelVersion::DEFAULT, load.profile);
    let of = |instance: &&Instance| instance.helper.kind == load.kind;
    instances.list().iter().find(of).expect("every helper is registered").clone()
}

/// Shows a connection's packets to its helper; how many expectations it proposes.
fn inspect_all(
    instance: &Instance,
    profile: Profile,
    packets: &[Packet],
    effects: &mut Effects,
) -> usize {
    let original = Tuple {
        src: [10, 1, 0, 2].into(),
        dst: [10, 2, 0, 2].into(),
        sport: 40000,
        dport: instance.port.unwrap_or(0),
        proto: instance.helper.l4[0],
    };
    let reply = original.invert().expect("TCP and UDP invert");
    let mut scratch = instance.helper.kind.scratch();
    let (mut seqs, mut unread) = ([0u32; 2], [Vec::new(), Vec::new()]);
    let mut count = 0;
    for (direction, packet) in packets {
        let i = direction.index();
        let streams = profile == Profile::Strict && instance.helper.unread_max_bytes > 0;
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
            remembered: [0; 2],
            port: original.dport,
            options: &instance.options,
            kernel: KernelVersion::DEFAULT,
            broadcast: None,
            routing: None,
        };
        let consumed = instance.inspect(profile, &segment, &mut scratch, effects);
        count += black_box(effects.list()).len();
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
