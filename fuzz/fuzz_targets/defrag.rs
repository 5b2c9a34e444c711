//! Fragments of any shape, in any order, over any time: nothing but the bytes received comes
//! out, and memory stays within its limit.

#![no_main]

use kinwall_conntrack::FragmentLimits;
use kinwall_conntrack::defrag::{Defragmented, Defragmenter, Place};
use kinwall_terms::{Family, Hook, L4Proto, Time};
use kinwall_wire::emit::Packet;
use kinwall_wire::{ExtensionKind, Headers, Reader};
use libfuzzer_sys::fuzz_target;

const LIMITS: FragmentLimits =
    FragmentLimits { timeout_s: 30, high_bytes: 1 << 16, low_bytes: 1 << 15, max_distance: 8 };

/// Longest payload of one fragment, in bytes.
const PAYLOAD_MAX_BYTES: usize = 255 * 8 + 7;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let mut defragmenter = Defragmenter::new(LIMITS, LIMITS, 1);
    let mut now = Time(0);
    let mut fragments = Vec::new();
    while let Some(packet) = fragment(&mut reader, &mut now) {
        let number = fragments.len() as u64;
        let Ok(headers) = Headers::parse(&packet) else { return };
        let place = Place { hook: Hook::Prerouting, interface: None, zone: 0 };
        let outcome = defragmenter.take(now, number, place, &headers, &packet);
        fragments.push(packet);
        if let Defragmented::Complete { datagram, packets } = outcome {
            check(&datagram, &packets, &fragments);
        }
        for family in Family::ALL {
            let most = LIMITS.high_bytes + 2 * (PAYLOAD_MAX_BYTES as u64 + 2048);
            assert!(defragmenter.memory_bytes(family) <= most);
        }
    }
    defragmenter.expire(Time(u64::MAX), |number| assert!(number < fragments.len() as u64));
    assert_eq!((defragmenter.count(), defragmenter.next_deadline()), (0, None));
    assert!(Family::ALL.iter().all(|family| defragmenter.memory_bytes(*family) == 0));
});

/// The next fragment to send. Its payload tells which fragment it came from and where it stood.
fn fragment(reader: &mut Reader, now: &mut Time) -> Option<Vec<u8>> {
    let &[shape, start, length, later] = reader.array()?;
    *now = now.after_s(u32::from(later) / 16);
    let id = u32::from(shape >> 5);
    let proto = L4Proto(253);
    let (packet, unit) = match shape & 1 {
        0 => (Packet::new([10, 0, 0, 1], [10, 0, 0, 2], proto), 8),
        _ if shape & 2 == 0 => (Packet::new([1u16; 8], [2u16; 8], proto), 8),
        _ => {
            let packet = Packet::new([1u16; 8], [2u16; 8], proto);
            (packet.extension(ExtensionKind::Destination, []), 8)
        }
    };
    let mut length = usize::from(length) * unit;
    if shape & 8 != 0 {
        length += usize::from(later & 7);
    }
    // Both ends of the range of offsets.
    let start = u16::from(start) * 8 + if shape & 16 != 0 { 0xf800 } else { 0 };
    let payload: Vec<u8> = (0..length).map(|at| at as u8 ^ later).collect();
    Some(packet.payload(payload).tos(shape >> 6).fragment(id, start, shape & 4 != 0).build())
}

/// Every byte of `datagram` is one that a fragment put there.
fn check(datagram: &[u8], packets: &[u64], fragments: &[Vec<u8>]) {
    let headers = Headers::parse(datagram).expect("a complete datagram is a packet");
    assert_eq!(headers.fragment, None);
    assert_eq!(headers.total_length as usize, datagram.len());
    assert!(headers.verify_network_checksum(datagram));
    let content = headers.transport(datagram);
    let mut covered = 0;
    for number in packets {
        let packet = &fragments[*number as usize];
        let piece = Headers::parse(packet).expect("it was one before");
        let place = piece.fragment.expect("it was one before");
        let mut payload = piece.packet(packet);
        payload = &payload[usize::from(match piece.family {
            Family::Ipv4 => piece.header_length,
            Family::Ipv6 => piece.extensions.offset(ExtensionKind::Fragment).unwrap_or(0) + 8,
        })..];
        if place.more {
            payload = &payload[..payload.len() / 8 * 8];
        }
        let start = usize::from(place.offset);
        assert_eq!(&content[start..start + payload.len()], payload);
        covered += payload.len();
    }
    assert_eq!(covered, content.len());
}
