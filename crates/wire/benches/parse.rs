//! What reading a packet costs: one pass over its headers, its options, its checksum.
//!
//! `cargo bench -p kinwall-wire` prints the time per packet.

use divan::{Bencher, black_box};
use kinwall_wire::emit::{Packet, Tcp, TcpOptions, Udp};
use kinwall_wire::{ExtensionKind, Headers, LinkType, TcpFlags, link, tcp};

fn main() {
    divan::main();
}

/// The packets by name.
const NAMES: [&str; 6] = [
    "ipv4_tcp_64",
    "ipv4_tcp_syn",
    "ipv4_udp_64",
    "ipv6_tcp_84",
    "ipv6_extensions",
    "ipv4_tcp_1500",
];

fn packet(name: &str) -> Vec<u8> {
    let ack = || Tcp::new(32768, 443).flags(TcpFlags::ACK | TcpFlags::PSH);
    let options = || TcpOptions::new().mss(1460).sack_permitted().timestamps(1, 0).window_scale(7);
    let [v4, peer4] = [[10, 1, 0, 2], [10, 2, 0, 2]];
    let [v6, peer6] = [[0xfd00, 1, 0, 0, 0, 0, 0, 2u16], [0xfd00, 2, 0, 0, 0, 0, 0, 2]];
    match name {
        "ipv4_tcp_syn" => {
            Packet::new(v4, peer4, Tcp::new(32768, 443).flags(TcpFlags::SYN).options(options()))
        }
        "ipv4_udp_64" => Packet::new(v4, peer4, Udp::new(32768, 53)).payload([7; 36]),
        "ipv6_tcp_84" => Packet::new(v6, peer6, ack()).payload([7; 24]),
        "ipv6_extensions" => Packet::new(v6, peer6, ack())
            .extension(ExtensionKind::HopByHop, [])
            .extension(ExtensionKind::Destination, [])
            .payload([7; 24]),
        "ipv4_tcp_1500" => Packet::new(v4, peer4, ack()).payload([7; 1460]),
        _ => Packet::new(v4, peer4, ack()).payload([7; 24]),
    }
    .build()
}

/// From the bytes to the headers.
#[divan::bench(args = NAMES)]
fn headers(bencher: Bencher, name: &str) {
    let bytes = packet(name);
    bencher.bench_local(|| Headers::parse(black_box(&bytes)));
}

/// From a frame to the headers.
#[divan::bench]
fn frame(bencher: Bencher) {
    let mut bytes = vec![2; 12];
    bytes.extend([8, 0]);
    bytes.extend(packet("ipv4_tcp_64"));
    bencher.bench_local(|| {
        let link = link::strip(LinkType::Ethernet, black_box(&bytes)).ok()?;
        Headers::parse(link.network(&bytes)).ok()
    });
}

/// All options of a SYN.
#[divan::bench]
fn tcp_options(bencher: Bencher) {
    let bytes = packet("ipv4_tcp_syn");
    let transport = Headers::parse(&bytes).map(|headers| headers.transport(&bytes)).unwrap_or(&[]);
    bencher.bench_local(|| tcp::options(black_box(transport)).count());
}

/// The transport checksum.
#[divan::bench(args = ["ipv4_tcp_64", "ipv4_tcp_1500"])]
fn checksum(bencher: Bencher, name: &str) {
    let bytes = packet(name);
    let Ok(headers) = Headers::parse(&bytes) else { return };
    bencher.bench_local(|| headers.verify_checksum(black_box(&bytes)));
}

/// CRC32c of SCTP over 1500 bytes.
#[divan::bench]
fn crc32c(bencher: Bencher) {
    let bytes = vec![7; 1500];
    bencher.bench_local(|| kinwall_wire::crc32c::crc32c(black_box(&bytes)));
}
