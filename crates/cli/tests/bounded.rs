//! Captures made to exhaust memory, through the whole command: what it takes at its highest stays
//! below a limit, whatever comes in. In a release build the floods are of a million packets and
//! the limits of the tables those of Linux; in a debug build both are smaller.

mod common;

use common::root;
use kinwall_wire::TcpFlags;
use kinwall_wire::emit::{self, Tcp, Udp};
use std::io::{self, BufWriter, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Child, Command, Stdio};

const FLOOD: u32 = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };

/// `nf_conntrack_max`: far below the flood.
const MAX: u32 = if cfg!(debug_assertions) { 2_048 } else { 262_144 };

/// What any of the floods may take: the program, its tables, the buffers of reading and writing.
const MEMORY_MAX_BYTES: u64 = if cfg!(debug_assertions) { 64 << 20 } else { 512 << 20 };

/// A capture made to exhaust memory: how it is replayed, and its packets by number.
struct Flood {
    name: &'static str,
    flags: &'static str,
    packet: fn(u32) -> Vec<u8>,
}

const FLOODS: &[Flood] = &[
    Flood { name: "half-open connections", flags: "--summary", packet: syn },
    Flood { name: "the same, told of", flags: "--format json", packet: syn },
    Flood { name: "announcements", flags: "--summary", packet: request },
    Flood { name: "the same, strict", flags: "--profile strict --summary", packet: request },
    Flood { name: "the same, compared", flags: "--compare-profiles", packet: request },
    Flood { name: "first fragments", flags: "--write DIR/kept.pcap --summary", packet: fragment },
    Flood { name: "a line without end", flags: "--summary", packet: endless_line },
    Flood { name: "the same, strict", flags: "--profile strict --why", packet: endless_line },
    Flood { name: "noise", flags: "--events", packet: noise },
];

const RULES: &str = "*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp
-A PREROUTING -p udp -m udp --dport 69 -j CT --helper tftp
-A PREROUTING -m recent --set --name everybody
-A PREROUTING -m hashlimit --hashlimit-upto 1000000/sec --hashlimit-mode srcip,srcport \
 --hashlimit-name each -j ACCEPT
COMMIT
";

#[test]
fn memory_stays_bounded_whatever_the_capture() {
    let dir = common::folder("bounded");
    std::fs::write(dir.join("rules.v4"), RULES.replace("\\\n", "")).expect("written");
    for flood in FLOODS {
        let line =
            format!("replay - --rules DIR/rules.v4 --set nf_conntrack_max={MAX} {}", flood.flags);
        let words = line.split_whitespace();
        let mut child = Command::new(env!("CARGO_BIN_EXE_kinwall"))
            .args(words.map(|word| word.replace("DIR", &dir.display().to_string())))
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kinwall runs");
        let written = feed(&mut child, flood.packet);
        let highest = highest_bytes(&child);
        drop(child.stdin.take());
        let mut said = String::new();
        let stderr = child.stderr.take().expect("a pipe");
        stderr.take(4096).read_to_string(&mut said).expect("text");
        let status = child.wait().expect("kinwall ends").code();
        assert_eq!((status, written.is_ok()), (Some(0), true), "{}: {said}", flood.name);
        if let Some(highest) = highest {
            let flags = flood.flags;
            assert!(highest < MEMORY_MAX_BYTES, "{} ({flags}): {highest} bytes", flood.name);
        }
    }
}

/// Writes the flood as a capture of raw packets, a microsecond apart.
fn feed(child: &mut Child, packet: fn(u32) -> Vec<u8>) -> io::Result<()> {
    let stdin = child.stdin.as_mut().expect("a pipe");
    let mut to = BufWriter::with_capacity(1 << 16, stdin);
    for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 262_144, 101] {
        to.write_all(&word.to_le_bytes())?;
    }
    for number in 0..FLOOD {
        let bytes = packet(number);
        let length = bytes.len() as u32;
        for word in [1_700_000_000 + number / 1_000_000, number % 1_000_000, length, length] {
            to.write_all(&word.to_le_bytes())?;
        }
        to.write_all(&bytes)?;
    }
    to.flush()
}

/// The most memory the process had so far, where the system says so. It still waits for more.
fn highest_bytes(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

/// A client of its own for each number.
fn client(number: u32) -> (Ipv4Addr, u16) {
    (Ipv4Addr::from_bits(0x0a00_0001 + number / 50_000), 1024 + (number % 50_000) as u16)
}

fn syn(number: u32) -> Vec<u8> {
    let (src, sport) = client(number);
    emit::Packet::new(src, SERVER, Tcp::new(sport, 80).flags(TcpFlags::SYN)).build()
}

/// A TFTP request, for which an expectation is made.
fn request(number: u32) -> Vec<u8> {
    let (src, sport) = client(number);
    let request = emit::Packet::new(src, SERVER, Udp::new(sport, 69));
    request.payload(*b"\0\x01boot\0octet\0").build()
}

/// The first fragment of a datagram that never comes, in turn of IPv4 and IPv6.
fn fragment(number: u32) -> Vec<u8> {
    let filler = [0; 1400];
    let whole = match number % 2 {
        0 => emit::Packet::new(client(number).0, SERVER, Udp::new(1, 2)).payload(filler).build(),
        _ => {
            let src = Ipv6Addr::from_bits((0xfd00 << 112) + u128::from(number));
            let dst = Ipv6Addr::from_bits((0xfd01 << 112) + 1);
            emit::Packet::new(src, dst, Udp::new(1, 2)).payload(filler).build()
        }
    };
    emit::fragment_piece(&whole, 0, 1024, true, number).expect("a fragment")
}

/// An FTP session whose client sends a line that never ends, and whose server acknowledges it.
fn endless_line(number: u32) -> Vec<u8> {
    let (client, server) = (Ipv4Addr::new(10, 0, 0, 1), SERVER);
    let [ask, answer] = [Tcp::new(4000, 21), Tcp::new(21, 4000)];
    let sent = |number: u32| 101 + number / 2 * PIECE.len() as u32;
    let greeting = b"220 ready\r\n";
    let told = 501 + greeting.len() as u32;
    let (from, to, tcp, payload): (_, _, _, &[u8]) = match number {
        0 => (client, server, ask.seq(100).flags(TcpFlags::SYN), b""),
        1 => (server, client, answer.seq(500).ack(101).flags(TcpFlags::SYN | TcpFlags::ACK), b""),
        2 => (client, server, ask.seq(101).ack(501).flags(TcpFlags::ACK), b""),
        3 => (server, client, answer.seq(501).ack(101).flags(TcpFlags::ACK), greeting),
        _ if number.is_multiple_of(2) => {
            (client, server, ask.seq(sent(number - 4)).ack(told).flags(TcpFlags::ACK), PIECE)
        }
        _ => (server, client, answer.seq(told).ack(sent(number - 3)).flags(TcpFlags::ACK), b""),
    };
    emit::Packet::new(from, to, tcp).payload(payload).build()
}

const PIECE: &[u8] = &[b'X'; 1000];

/// Bytes that are no packet but for the version in the first.
fn noise(number: u32) -> Vec<u8> {
    let byte = |at: u32| (number.wrapping_add(at).wrapping_mul(0x9e37_79b1) >> 11) as u8;
    let mut bytes: Vec<u8> = (0..number % 90).map(byte).collect();
    if let Some(first) = bytes.first_mut() {
        *first = if number.is_multiple_of(3) { 0x60 } else { 0x45 };
    }
    bytes
}
