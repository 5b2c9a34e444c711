//! Reading takes time in proportion to the payload: every message of the transcripts
//! in `tests/helpers/`, repeated until a packet is full, shown to its helper.

mod session;

use kinwall_helpers::HelperKind;
use kinwall_terms::{Direction, Family, KernelVersion, Profile};
use session::definitions::{Said, messages};
use session::{Session, unescape};
use std::time::{Duration, Instant};

/// A short packet's length, and how many times as long the long one is.
const SHORT_BYTES: usize = 1024;
const TIMES: u32 = 32;

/// How many times as long the long one may take: a search that is quadratic takes a thousand
/// times as long.
const TIMES_MAX: u32 = 8 * TIMES;

/// What takes less says nothing.
const SHORT_MIN: Duration = Duration::from_micros(20);

/// A helper, how a packet begins, and what goes on and on: wherever something is searched for that
/// does not come, and what was searched could be searched again.
const HOSTILE: &[(&str, &str, &str)] = &[
    ("amanda", r"Amanda 3.5 REP HANDLE 0 SEQ 1\nCONNECT ", "DATA "),
    ("amanda", r"Amanda 3.5 REP HANDLE 0 SEQ 1\n", r"CONNECT \n"),
    ("ftp", r"PORT ", "1,"),
    ("ftp", r"EPRT |1|", "1.1.1.1|"),
    ("ftp", r"227 ", "(1,1,1,1,1"),
    ("ftp", r"220-", r"220-\r\n"),
    ("H.245", "", r"\x03\0\0\x04"),
    ("H.245", "", r"\x03\0\0\x05\x40"),
    ("H.245", r"\x03\0\x7f\xff\x03\0\0\0\x04\x80\xbf\xff\x7f\xf0", r"\0\x01\x09\0"),
    ("Q.931", "", r"\x03\0\0\x04"),
    ("Q.931", "", r"\x03\0\0\x08\x08\x02\0\x05"),
    ("Q.931", r"\x03\0\x7f\xff\x08\x02\0\x05\x05", r"\x01\0"),
    ("RAS", r"\x0c\0\0\x08\x06\0\x08\x91\x4a\0\x05\x80\xbf\xff", r"\0\x0a\x09\x09\x09\x06\xb8"),
    ("irc", r"PRIVMSG ", " "),
    ("irc", r"PRIVMSG a :", r"\x01DCC SEND "),
    ("irc", r"PRIVMSG a :\x01DCC SEND ", r#"" "#),
    ("irc", r"NICK a\nUSER a\n", r"NICK a\n"),
    ("netbios-ns", r"\x5a\x1c\x01\x10\0\x01\0\0\0\0\0\0", r"\x01x"),
    ("pptp", "", r"\0\x10\0\x01\x1a\x2b\x3c\x4d\0\x0c\0\0\0\x05\0\0"),
    ("sane", "", r"\0\0\0\x01"),
    ("sip", r"REGISTER sip:x SIP/2.0\r\nCSeq: 2 REGISTER\r\nm:sip:10.1.0.2", ",sip:"),
    ("sip", r"REGISTER sip:x SIP/2.0\r\nCSeq: 2 REGISTER\r\n", r"m:sip:\r\n"),
    ("sip", r"REGISTER sip:x SIP/2.0\r\nCSeq: 2 REGISTER\r\n", r"m:\r\n "),
    ("sip", r"SIP/2.0 200 OK\r\nCSeq: 0 REGISTER\r\nExpires: 9\r\nm:sip:10.1.0.2", ",sip:10.1.0.2"),
    ("sip", r"SIP/2.0 200 OK\r\nCSeq: 0 REGISTER\r\nExpires: 9\r\nm:sip:10.1.0.2", ",sip:"),
    ("sip", r"SIP/2.0 200 OK\r\nCSeq: 0 REGISTER\r\n", r"m:sip:10.1.0.2\r\n "),
    ("sip", r"INVITE sip:b SIP/2.0\r\nCSeq: 1 INVITE\r\n", r"\r\nv=0\r\nm=audio 4"),
    ("sip", r"INVITE sip:b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0", r"\r\nm=text 4000 x"),
    ("sip", r"INVITE sip:b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0", r"\r\nc=IN IP4 "),
    ("sip", r"INVITE sip:b SIP/2.0\r\n", r"\r\n \r\n"),
    ("snmp", r"\x30", r"\x84\0\0\0"),
    ("tftp", r"\0\x01a\0octet\0", r"a\0b\0"),
];

#[test]
fn a_long_packet_takes_no_longer_per_byte() {
    let mut count = 0;
    for kind in HelperKind::ALL {
        let name = kind.helper().name;
        for (opening, (direction, message)) in messages(name) {
            if message.len() > SHORT_BYTES {
                continue;
            }
            count += 1;
            for profile in Profile::ALL {
                check(name, profile, &opening, (direction, b""), &message);
            }
        }
    }
    for (name, head, piece) in HOSTILE {
        for profile in Profile::ALL {
            let said = (Direction::Original, unescape(head));
            check(name, profile, &[], (said.0, &said.1), &unescape(piece));
            check(name, profile, &[said], (Direction::Reply, &unescape(head)), &unescape(piece));
        }
    }
    assert!(count > 300, "only {count} messages were found");
}

fn check(
    name: &str,
    profile: Profile,
    opening: &[Said],
    (direction, head): (Direction, &[u8]),
    piece: &[u8],
) {
    let fill = |bytes: usize| -> Vec<u8> {
        let pieces = piece.iter().cycle();
        head.iter().chain(pieces).copied().take(bytes).collect()
    };
    let short = fill(SHORT_BYTES);
    let long = fill(SHORT_BYTES * usize::try_from(TIMES).unwrap());
    // What happened once because of the machine does not happen three times.
    let fastest = |packet: &[u8]| {
        let once = || once(name, profile, opening, (direction, packet));
        once().min(once())
    };
    let exceeds = || fastest(&long) > fastest(&short).max(SHORT_MIN) * TIMES_MAX;
    let slow = (0..3).all(|_| exceeds());
    assert!(!slow, "{name}, {profile}: {direction:?} \"{}\"", piece.escape_ascii());
}

/// How long a fresh connection reads the packet, behind its opening.
fn once(
    name: &str,
    profile: Profile,
    opening: &[Said],
    (direction, packet): (Direction, &[u8]),
) -> Duration {
    let mut session = Session::new(name, Family::Ipv4, profile, KernelVersion::DEFAULT, &[]);
    for (direction, line) in opening {
        session.send(*direction, line);
    }
    let start = Instant::now();
    session.send(direction, packet);
    start.elapsed()
}
