//! Captures composed by hand, of every kind.

#![allow(dead_code, reason = "each test binary uses a part")]

/// The byte order of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

use Order::{Big, Little};

impl Order {
    pub(crate) const ALL: [Order; 2] = [Little, Big];

    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        if self == Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        if self == Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn u64(self, value: u64) -> [u8; 8] {
        if self == Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// A packet to be captured: seconds, fraction in the file's units, bytes, original length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) seconds: u32,
    pub(crate) fraction: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) original: u32,
}

impl Packet {
    pub(crate) fn new(seconds: u32, fraction: u32, bytes: &[u8]) -> Packet {
        Packet { seconds, fraction, bytes: bytes.to_vec(), original: bytes.len() as u32 }
    }
}

pub(crate) const MICROSECONDS: u32 = 0xa1b2_c3d4;
pub(crate) const NANOSECONDS: u32 = 0xa1b2_3c4d;
pub(crate) const PATCHED: u32 = 0xa1b2_cd34;

pub(crate) fn pcap(order: Order, magic: u32, link: u32, packets: &[Packet]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(order.u32(magic));
    file.extend(order.u16(2));
    file.extend(order.u16(4));
    file.extend(order.u32(0));
    file.extend(order.u32(0));
    file.extend(order.u32(65535));
    file.extend(order.u32(link));
    for packet in packets {
        file.extend(order.u32(packet.seconds));
        file.extend(order.u32(packet.fraction));
        file.extend(order.u32(packet.bytes.len() as u32));
        file.extend(order.u32(packet.original));
        if magic == PATCHED {
            file.extend([0; 8]);
        }
        file.extend(&packet.bytes);
    }
    file
}

pub(crate) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = body.len().next_multiple_of(4) - body.len();
    let length = (12 + body.len() + padding) as u32;
    let mut block = Vec::new();
    block.extend(order.u32(kind));
    block.extend(order.u32(length));
    block.extend(body);
    block.extend(vec![0; padding]);
    block.extend(order.u32(length));
    block
}

pub(crate) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = Vec::new();
    option.extend(order.u16(code));
    option.extend(order.u16(value.len() as u16));
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

pub(crate) fn section(order: Order) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(order.u32(0x1a2b_3c4d));
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend(order.u64(u64::MAX));
    block(order, 0x0a0d_0d0a, &body)
}

/// An interface description; `resolution` is the byte of `if_tsresol`.
pub(crate) fn interface(
    order: Order,
    link: u16,
    name: Option<&str>,
    resolution: Option<u8>,
    offset: Option<i64>,
) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(order.u16(link));
    body.extend(order.u16(0));
    body.extend(order.u32(0));
    if let Some(name) = name {
        body.extend(option(order, 2, name.as_bytes()));
    }
    if let Some(resolution) = resolution {
        body.extend(option(order, 9, &[resolution]));
    }
    if let Some(offset) = offset {
        body.extend(option(order, 14, &order.u64(offset as u64)));
    }
    body.extend([0; 4]);
    block(order, 1, &body)
}

pub(crate) fn enhanced(
    order: Order,
    interface: u32,
    ticks: u64,
    bytes: &[u8],
    original: u32,
) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(order.u32(interface));
    body.extend(order.u32((ticks >> 32) as u32));
    body.extend(order.u32(ticks as u32));
    body.extend(order.u32(bytes.len() as u32));
    body.extend(order.u32(original));
    body.extend(bytes);
    block(order, 6, &body)
}

pub(crate) fn simple(order: Order, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(order.u32(bytes.len() as u32));
    body.extend(bytes);
    block(order, 3, &body)
}

pub(crate) fn old_packet(order: Order, interface: u16, ticks: u64, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(order.u16(interface));
    body.extend(order.u16(7));
    body.extend(order.u32((ticks >> 32) as u32));
    body.extend(order.u32(ticks as u32));
    body.extend(order.u32(bytes.len() as u32));
    body.extend(order.u32(bytes.len() as u32));
    body.extend(bytes);
    block(order, 2, &body)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}
