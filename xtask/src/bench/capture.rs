//! A large capture of small packets, made from a seed: TCP and UDP connections between clients
//! in 10.0.0.0/8 and servers outside, many at a time and met at random.
//!
//! Every packet is right: checksums, sequence numbers, the order of handshake and end. A
//! connection is a few dozen packets of 0 to 6 octets of payload.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const SEED: u64 = 0x6b69_6e77_616c_6c31;

/// Connections that are under way at a time, if there are as many.
const UNDER_WAY: usize = 100_000;

/// Of so many connections one is UDP.
const UDP_EVERY: u64 = 5;

/// The first instant, in seconds, and the time between two packets.
const START_S: u64 = 1_767_225_600;
const STEP_US: u64 = 5;

/// What a record takes on average: TCP and UDP, payload and none.
const MEAN_RECORD_BYTES: u64 = 70;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const TCP: usize = 20;
const UDP: usize = 8;
const RECORD: usize = 16;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Writes a capture of about `bytes` octets with exactly `connections` connections, and returns
/// the number of packets.
pub(super) fn write(path: &Path, bytes: u64, connections: u32) -> io::Result<u64> {
    // Written beside and renamed: what has the name is whole.
    let partial = path.with_extension("partial");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
    let packets = write_to(&mut out, bytes, connections)?;
    out.flush()?;
    std::fs::rename(&partial, path)?;
    Ok(packets)
}

fn write_to(out: &mut impl Write, bytes: u64, connections: u32) -> io::Result<u64> {
    out.write_all(&0xA1B2_C3D4_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?; // version 2.4
    out.write_all(&65_535_u32.to_le_bytes())?;
    out.write_all(&1_u32.to_le_bytes())?; // Ethernet

    let mut random = Random(SEED);
    let each = bytes / u64::from(connections) / MEAN_RECORD_BYTES;
    let mut open: Vec<Connection> = Vec::new();
    let (mut started, mut packets) = (0, 0);
    let mut frame = Frame::new();
    loop {
        while started < connections && open.len() < UNDER_WAY {
            open.push(Connection::new(started, each, &mut random));
            started += 1;
        }
        if open.is_empty() {
            return Ok(packets);
        }
        let index = random.below(open.len() as u64) as usize;
        let ends = open[index].next(&mut frame, &mut random);
        out.write_all(frame.record(packets * STEP_US))?;
        packets += 1;
        if ends {
            open.swap_remove(index);
        }
    }
}

/// One conversation, and how far it has come. `0` is the client's side, `1` the server's.
struct Connection {
    address: [[u8; 4]; 2],
    port: [u16; 2],
    /// The next sequence number of each side.
    seq: [u32; 2],
    is_tcp: bool,
    done: u64,
    /// Packets in all.
    total: u64,
}

impl Connection {
    fn new(number: u32, each: u64, random: &mut Random) -> Connection {
        // The number is in the client's address and port, so no two connections are the same.
        // The first addresses are left out: one of them is the gateway's.
        let [_, high, middle, low] = (256 + number / 8).to_be_bytes();
        let server = random.below(4096) as u16;
        let is_tcp = random.below(UDP_EVERY) != 0;
        Connection {
            address: [[10, high, middle, low], [198, 18, (server >> 8) as u8, server as u8]],
            port: [1024 + (number % 8) as u16 * 4001, if is_tcp { 443 } else { 4433 }],
            seq: [random.next() as u32, random.next() as u32],
            is_tcp,
            done: 0,
            total: (each / 2).max(8) + random.below(each.max(1) + 1),
        }
    }

    /// Composes the next packet; whether it was the last.
    fn next(&mut self, frame: &mut Frame, random: &mut Random) -> bool {
        let length = random.below(7) as usize;
        if self.is_tcp {
            self.next_tcp(frame, length);
        } else {
            frame.compose(self, (self.done % 2) as usize, UDP, length);
            frame.udp(length);
        }
        self.done += 1;
        self.done >= self.total
    }

    /// A handshake, data to and fro, and an end from the client's side.
    fn next_tcp(&mut self, frame: &mut Frame, length: usize) {
        let left = self.total - self.done;
        let (side, flags, length) = match (self.done, left) {
            (0, _) => (0, SYN, 0),
            (1, _) => (1, SYN | ACK, 0),
            (2, _) => (0, ACK, 0),
            (_, 3) => (0, FIN | ACK, 0),
            (_, 2) => (1, FIN | ACK, 0),
            (_, 1) => (0, ACK, 0),
            (done, _) => ((done % 2) as usize, if length > 0 { PSH | ACK } else { ACK }, length),
        };
        frame.compose(self, side, TCP, length);
        let ack = if flags & ACK == 0 { 0 } else { self.seq[1 - side] };
        frame.tcp(self.seq[side], ack, flags, length);
        let consumed = length as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.seq[side] = self.seq[side].wrapping_add(consumed);
    }
}

/// A record of the capture, in place.
struct Frame {
    bytes: [u8; RECORD + ETHERNET + IPV4 + TCP + 8],
    length: usize,
}

impl Frame {
    fn new() -> Frame {
        let mut frame = Frame { bytes: [0; RECORD + ETHERNET + IPV4 + TCP + 8], length: 0 };
        frame.ethernet_mut()[12..14].copy_from_slice(&[0x08, 0x00]);
        frame
    }

    fn ethernet_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[RECORD..]
    }

    fn ipv4_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[RECORD + ETHERNET..]
    }

    /// Everything but the transport header, whose ports are set all the same.
    fn compose(&mut self, connection: &Connection, from: usize, transport: usize, length: usize) {
        self.length = RECORD + ETHERNET + IPV4 + transport + length;
        let (source, destination) = (from as u8, 1 - from as u8);
        let ethernet = self.ethernet_mut();
        ethernet[..6].copy_from_slice(&[2, 0, 0, 0, 0, destination]);
        ethernet[6..12].copy_from_slice(&[2, 0, 0, 0, 0, source]);
        let total = (IPV4 + transport + length) as u16;
        let ip = self.ipv4_mut();
        ip[..2].copy_from_slice(&[0x45, 0]);
        ip[2..4].copy_from_slice(&total.to_be_bytes());
        ip[4..8].copy_from_slice(&[0, 0, 0x40, 0]); // do not fragment
        ip[8..12].copy_from_slice(&[63, if transport == TCP { 6 } else { 17 }, 0, 0]);
        ip[12..16].copy_from_slice(&connection.address[from]);
        ip[16..20].copy_from_slice(&connection.address[1 - from]);
        let header = !fold(sum(&ip[..IPV4]));
        ip[10..12].copy_from_slice(&header.to_be_bytes());
        ip[20..22].copy_from_slice(&connection.port[from].to_be_bytes());
        ip[22..24].copy_from_slice(&connection.port[1 - from].to_be_bytes());
        ip[IPV4 + transport..IPV4 + transport + length].fill(b'x');
    }

    fn tcp(&mut self, seq: u32, ack: u32, flags: u8, length: usize) {
        let segment = &mut self.ipv4_mut()[IPV4..];
        segment[4..8].copy_from_slice(&seq.to_be_bytes());
        segment[8..12].copy_from_slice(&ack.to_be_bytes());
        segment[12..20].copy_from_slice(&[0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        let checksum = self.transport_checksum(6, TCP + length);
        self.ipv4_mut()[IPV4 + 16..IPV4 + 18].copy_from_slice(&checksum.to_be_bytes());
    }

    fn udp(&mut self, length: usize) {
        let datagram = &mut self.ipv4_mut()[IPV4..];
        datagram[4..6].copy_from_slice(&((UDP + length) as u16).to_be_bytes());
        datagram[6..8].copy_from_slice(&[0, 0]);
        let checksum = self.transport_checksum(17, UDP + length);
        self.ipv4_mut()[IPV4 + 6..IPV4 + 8].copy_from_slice(&checksum.to_be_bytes());
    }

    fn transport_checksum(&mut self, protocol: u32, length: usize) -> u16 {
        let ip = self.ipv4_mut();
        let pseudo = sum(&ip[12..20]) + protocol + length as u32;
        !fold(pseudo + sum(&ip[IPV4..IPV4 + length]))
    }

    /// The record with its head, at a time after the start.
    fn record(&mut self, time_us: u64) -> &[u8] {
        let captured = ((self.length - RECORD) as u32).to_le_bytes();
        let seconds = (START_S + time_us / 1_000_000) as u32;
        let microseconds = (time_us % 1_000_000) as u32;
        self.bytes[..4].copy_from_slice(&seconds.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&microseconds.to_le_bytes());
        self.bytes[8..12].copy_from_slice(&captured);
        self.bytes[12..16].copy_from_slice(&captured);
        &self.bytes[..self.length]
    }
}

/// The sum of RFC 1071, not folded. An odd octet at the end counts as the upper half of a word.
fn sum(bytes: &[u8]) -> u32 {
    let pairs = bytes.chunks_exact(2);
    let last = pairs.remainder().first().map_or(0, |octet| u32::from(*octet) << 8);
    pairs.map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>() + last
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xFFFF) + (sum >> 16);
    ((once & 0xFFFF) + (once >> 16)) as u16
}

/// SplitMix64: small, fast, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinwall_wire::tcp::TcpFlags;
    use kinwall_wire::{Headers, L4};
    use std::collections::HashSet;

    #[test]
    fn every_packet_is_right() {
        let mut capture = Vec::new();
        let packets = write_to(&mut capture, 200_000, 100).expect("writes to memory");
        let mut tuples = HashSet::new();
        let (mut seen, mut syns, mut position) = (0, 0, 24);
        while position < capture.len() {
            let length = &capture[position + 8..position + 12];
            let length = u32::from_le_bytes(length.try_into().expect("four octets")) as usize;
            let bytes = &capture[position + RECORD + ETHERNET..position + RECORD + length];
            let headers = Headers::parse(bytes).expect("a packet");
            assert!(headers.verify_checksum(bytes), "packet {seen}");
            let ports = match headers.l4 {
                L4::Tcp(tcp) => {
                    syns += usize::from(tcp.flags == TcpFlags::SYN);
                    [tcp.sport, tcp.dport]
                }
                L4::Udp(udp) => [udp.sport, udp.dport],
                other => panic!("neither TCP nor UDP: {other:?}"),
            };
            let mut ends = [(headers.src, ports[0]), (headers.dst, ports[1])];
            ends.sort();
            tuples.insert(ends);
            position += RECORD + length;
            seen += 1;
        }
        assert_eq!((seen, tuples.len()), (packets, 100));
        assert!((70..90).contains(&syns), "{syns} of 100 are TCP");
        let difference = capture.len().abs_diff(200_000);
        assert!(difference < 20_000, "{} octets", capture.len());
    }
}
