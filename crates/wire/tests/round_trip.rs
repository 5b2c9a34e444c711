//! Emit, then parse: the same values, with right checksums; and parse of anything at all.

use kinwall_terms::{Family, L4Proto};
use kinwall_wire::emit::{self, Checksum, Packet, TcpOptions, Transport};
use kinwall_wire::tcp::TcpOption;
use kinwall_wire::{ExtensionKind, Headers, L4, TcpFlags, ipv4, sctp, tcp};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::IpAddr;

/// Two addresses of one family.
fn ends() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (a.into(), b.into())),
        any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| (a.into(), b.into())),
    ]
}

fn transport() -> impl Strategy<Value = Transport> {
    let ports = any::<(u16, u16)>();
    prop_oneof![
        (ports, any::<(u32, u32, u8, u16, u16)>(), vec(any::<u8>(), 0..41)).prop_map(
            |((sport, dport), (seq, ack, flags, window, urgent), options)| {
                let flags = TcpFlags::from_bits_retain(flags);
                emit::Tcp { sport, dport, seq, ack, flags, window, urgent, options }.into()
            }
        ),
        ports.prop_map(|(sport, dport)| emit::Udp::new(sport, dport).into()),
        (ports, prop_oneof![Just(0), Just(8u16)]).prop_map(|((sport, dport), coverage)| {
            emit::UdpLite { sport, dport, coverage }.into()
        }),
        any::<(u8, u8, u32)>()
            .prop_map(|(kind, code, rest)| emit::Icmp { kind, code, rest }.into()),
        (ports, any::<u32>())
            .prop_map(|((sport, dport), vtag)| { emit::Sctp { sport, dport, vtag }.into() }),
        (ports, 0u8..10, any::<(u64, u64)>(), vec(any::<u8>(), 0..20)).prop_map(
            |((sport, dport), kind, (seq, ack), options)| {
                let [seq, ack] = [seq >> 16, ack >> 16];
                emit::Dccp { sport, dport, kind, seq, ack, options }.into()
            }
        ),
        any::<(u16, Option<u32>, Option<u32>)>().prop_map(|(protocol, key, sequence)| {
            emit::Gre { key, sequence, ..emit::Gre::new(protocol) }.into()
        }),
        any::<(u16, u32, Option<u32>)>().prop_map(|(call_id, sequence, acknowledgement)| {
            emit::Gre { acknowledgement, ..emit::Gre::pptp(call_id, sequence) }.into()
        }),
        Just(Transport::Raw(L4Proto(253))),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    let kind = prop::sample::select(vec![
        ExtensionKind::Routing,
        ExtensionKind::Authentication,
        ExtensionKind::Destination,
    ]);
    let extensions = vec((kind, vec(any::<u8>(), 0..30)), 0..4);
    let rest = (vec(any::<u8>(), 0..100), any::<(u8, u8, u16, bool)>(), vec(any::<u8>(), 0..44));
    (ends(), transport(), extensions, rest).prop_map(
        |((src, dst), transport, extensions, (payload, (ttl, tos, id, hop_by_hop), options))| {
            let mut packet = Packet::new(src, dst, transport).payload(payload);
            if hop_by_hop {
                packet = packet.extension(ExtensionKind::HopByHop, []);
            }
            for (kind, content) in extensions {
                packet = packet.extension(kind, content);
            }
            packet.ttl(ttl).tos(tos).id(id).ipv4_options(options)
        },
    )
}

/// Whether the transport header that was read is the one that was written.
fn same_transport(written: &Transport, read: &L4, bytes: &[u8]) -> bool {
    match (written, read) {
        (Transport::Tcp(w), L4::Tcp(r)) => {
            (w.sport, w.dport, w.seq, w.ack, w.flags) == (r.sport, r.dport, r.seq, r.ack, r.flags)
                && (w.window, w.urgent) == (r.window, r.urgent)
                && usize::from(r.data_offset) == 20 + w.options.len().next_multiple_of(4).min(40)
        }
        (Transport::Udp(w), L4::Udp(r)) => {
            (w.sport, w.dport) == (r.sport, r.dport) && usize::from(r.length) == bytes.len()
        }
        (Transport::UdpLite(w), L4::UdpLite(r)) => {
            (w.sport, w.dport, w.coverage) == (r.sport, r.dport, r.length)
        }
        (Transport::Icmp(w), L4::Icmp(r)) => (w.kind, w.code, w.rest) == (r.kind, r.code, r.rest()),
        (Transport::Sctp(w), L4::Sctp(r)) => {
            (w.sport, w.dport, w.vtag) == (r.sport, r.dport, r.vtag)
        }
        (Transport::Dccp(w), L4::Dccp(r)) => {
            let ack = if matches!(w.kind, 0 | 2) { None } else { Some(w.ack) };
            (w.sport, w.dport, w.kind, w.seq) == (r.sport, r.dport, r.kind, r.seq)
                && ack == r.acknowledgement(bytes)
        }
        (Transport::Gre(w), L4::Gre(r)) => match w.call_id {
            Some(_) => (w.call_id, w.protocol) == (r.call_id, r.protocol),
            None => (w.key, w.protocol) == (r.key, r.protocol),
        },
        (Transport::Raw(_), L4::Other) => true,
        _ => false,
    }
}

proptest! {
    #[test]
    fn emit_then_parse(packet in packet()) {
        let bytes = packet.build();
        let headers = Headers::parse(&bytes).unwrap();
        prop_assert_eq!((headers.src, headers.dst), (packet.src, packet.dst));
        prop_assert_eq!((headers.ttl, headers.tos), (packet.ttl, packet.tos));
        prop_assert_eq!(headers.total_length as usize, bytes.len());
        prop_assert_eq!(headers.payload(&bytes), &packet.payload[..]);
        prop_assert!(same_transport(&packet.transport, &headers.l4, headers.transport(&bytes)));
        prop_assert!(headers.verify_checksum(&bytes));
        prop_assert!(headers.verify_network_checksum(&bytes));
        match headers.family {
            Family::Ipv4 => prop_assert_eq!(headers.identification, packet.id),
            Family::Ipv6 => for extension in &packet.extensions {
                prop_assert!(headers.extensions.has(extension.kind));
            },
        }
        // Link padding changes nothing.
        let padded = [&bytes[..], &[0xee; 7]].concat();
        prop_assert_eq!(Headers::parse(&padded), Ok(headers));
        prop_assert_eq!(headers.payload(&padded), &packet.payload[..]);
    }

    #[test]
    fn a_wrong_checksum_is_seen_and_repaired(packet in packet()) {
        let wrong = packet.clone().checksum(Checksum::Wrong).network_checksum(Checksum::Wrong);
        let mut bytes = wrong.build();
        let headers = Headers::parse(&bytes).unwrap();
        let summed = !matches!(headers.l4, L4::Gre(_) | L4::Other);
        prop_assert_eq!(headers.verify_checksum(&bytes), !summed);
        prop_assert_eq!(headers.verify_network_checksum(&bytes), headers.family == Family::Ipv6);
        emit::repair_checksums(&mut bytes).unwrap();
        prop_assert_eq!(bytes, packet.build());
    }

    #[test]
    fn a_longer_payload_is_repaired(mut packet in packet(), more in vec(any::<u8>(), 0..50)) {
        // The payload length in a PPTP header is the sender's own affair.
        prop_assume!(!matches!(packet.transport, Transport::Gre(_)));
        let mut bytes = packet.build();
        bytes.extend(&more);
        emit::repair(&mut bytes).unwrap();
        packet.payload.extend(&more);
        prop_assert_eq!(bytes, packet.build());
    }

    #[test]
    fn parse_never_panics(
        mut bytes in vec(any::<u8>(), 0..200),
        version in prop_oneof![Just(0x45u8), Just(0x46), Just(0x60), any::<u8>()],
        proto in prop::sample::select(vec![0u8, 1, 6, 17, 33, 43, 44, 47, 51, 58, 60, 132, 136]),
        length in any::<prop::sample::Index>(),
    ) {
        if bytes.len() >= 40 {
            bytes[0] = version;
            let length = length.index(bytes.len() + 1) as u16;
            let (at, next) = if version == 0x60 { (4, 6) } else { (2, 9) };
            bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
            bytes[next] = proto;
        }
        if let Ok(headers) = Headers::parse(&bytes) {
            let transport = headers.transport(&bytes);
            prop_assert!(headers.payload(&bytes).len() <= transport.len());
            headers.verify_checksum(&bytes);
            headers.verify_network_checksum(&bytes);
            tcp::options(transport).count();
            sctp::chunks(transport).count();
            ipv4::options(&bytes).count();
            headers.payload(&bytes[..bytes.len() / 2]);
            let _ = emit::fragment(&bytes, 16, 1);
            let _ = emit::repair(&mut bytes);
        }
    }

    #[test]
    fn fragments_carry_everything(packet in packet(), unit in 0u16..60) {
        let whole = packet.build();
        let mut found = Vec::new();
        let pieces = emit::fragment(&whole, unit, 99).unwrap();
        let last = pieces.len() - 1;
        for (number, piece) in pieces.iter().enumerate() {
            let headers = Headers::parse(piece).unwrap();
            prop_assert!(headers.verify_network_checksum(piece));
            let place = headers.fragment.map(|f| (usize::from(f.offset), f.more, f.id));
            // A packet that one IPv4 fragment holds is no fragment.
            if headers.family == Family::Ipv6 || last != 0 {
                prop_assert_eq!(place, Some((found.len(), number != last, 99)));
            }
            let start = match headers.extensions.offset(ExtensionKind::Fragment) {
                Some(offset) => usize::from(offset) + 8,
                None => usize::from(headers.header_length),
            };
            found.extend(&piece[start..]);
        }
        prop_assert!(whole.ends_with(&found));
        prop_assert_eq!(
            Headers::parse(&whole).unwrap().transport(&whole),
            &found[found.len() - Headers::parse(&whole).unwrap().transport(&whole).len()..]
        );
    }
}

#[test]
fn tcp_options_go_round() {
    let list = TcpOptions::new()
        .mss(1460)
        .sack_permitted()
        .window_scale(7)
        .timestamps(1, 2)
        .sack(&[(1, 2), (3, 4)]);
    let bytes =
        Packet::new([10, 0, 0, 1], [10, 0, 0, 2], emit::Tcp::new(1, 2).options(list)).build();
    let headers = Headers::parse(&bytes).unwrap();
    let kinds: Vec<u8> =
        tcp::options(headers.transport(&bytes)).map(|option| option.kind()).collect();
    assert_eq!(kinds, [2, 4, 3, 8, 5]);
    let blocks = tcp::options(headers.transport(&bytes)).find_map(|option| match option {
        TcpOption::Sack(sack) => Some(sack.blocks().collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(blocks, Some(vec![(1, 2), (3, 4)]));
}

#[test]
fn sctp_chunks_go_round() {
    let chunks = [emit::sctp_chunk(1, 0, &[0, 0, 0, 9, 1]), emit::sctp_chunk(11, 1, &[])].concat();
    let packet = Packet::new([10, 0, 0, 1], [10, 0, 0, 2], emit::Sctp::new(1, 2, 3));
    let bytes = packet.payload(chunks).build();
    let headers = Headers::parse(&bytes).unwrap();
    let read: Vec<_> = sctp::chunks(headers.transport(&bytes))
        .map(|chunk| (chunk.kind, chunk.flags, chunk.initiate_tag(), chunk.is_whole()))
        .collect();
    assert_eq!(read, [(1, 0, Some(9), true), (11, 1, None, true)]);
}

#[test]
fn an_icmp_error_quotes_a_packet() {
    let inner = Packet::new([10, 0, 0, 1], [10, 0, 0, 2], emit::Udp::new(53, 54))
        .payload(vec![7; 2000])
        .build();
    let error =
        emit::icmp_error([10, 0, 0, 9], [10, 0, 0, 1], emit::Icmp::new(3, 3), &inner).build();
    let headers = Headers::parse(&error).unwrap();
    assert_eq!(error.len(), 576);
    assert!(headers.verify_checksum(&error));
    assert_eq!(headers.payload(&error), &inner[..548]);
}

/// The headers of a packet stay within two cache lines.
#[test]
fn headers_are_small() {
    assert!(size_of::<Headers>() <= 128, "{}", size_of::<Headers>());
}
