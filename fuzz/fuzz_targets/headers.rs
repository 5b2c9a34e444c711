//! Any bytes as a packet: parsed, asked everything, cut, quoted and repaired.

#![no_main]

use kinwall_terms::Family;
use kinwall_wire::tcp::TcpOption;
use kinwall_wire::{ExtensionKind, Headers, emit, ipv4, ipv6, ipv6_ext, sctp, tcp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(headers) = Headers::parse(bytes) else { return };
    assert_eq!(headers.family, Family::of(headers.src));
    assert_eq!(headers.family, Family::of(headers.dst));
    assert!(headers.total_length as usize <= bytes.len());
    let packet = headers.packet(bytes);
    let transport = headers.transport(bytes);
    assert!(packet.ends_with(transport));
    assert!(transport.ends_with(headers.payload(bytes)));

    // Padding changes nothing, and shorter bytes are no danger.
    if !headers.length_missing {
        assert_eq!(Headers::parse(packet), Ok(headers));
    }
    headers.payload(bytes.get(..bytes.len() / 2).unwrap_or(&[]));

    for kind in ExtensionKind::ALL {
        let place = headers.extensions.offset(kind);
        if let (Some(place), Some(name)) = (place, ipv6_ext::named_at(packet, kind)) {
            assert!(name < place);
            assert_eq!(packet[usize::from(name)], kind.number());
        }
    }
    assert!(tcp::options(transport).count() <= 40);
    for option in tcp::options(transport) {
        if let TcpOption::Sack(sack) = option {
            assert!((1..=4).contains(&sack.blocks().count()));
        }
    }
    assert!(sctp::chunks(transport).count() <= transport.len() / 4);
    assert!(ipv4::options(bytes).count() <= 40);
    ipv6::flow_label(bytes);
    headers.verify_checksum(bytes);
    headers.verify_network_checksum(bytes);

    // A repaired packet has right checksums.
    let mut repaired = packet.to_vec();
    if emit::repair_checksums(&mut repaired).is_ok() {
        let again = Headers::parse(&repaired).expect("checksums are no length");
        assert!(again.verify_network_checksum(&repaired));
    }
    let _ = emit::repair(&mut repaired);
    if let Ok(pieces) = emit::fragment(bytes, 64, 7) {
        assert!(pieces.iter().all(|piece| Headers::parse(piece).is_ok()));
    }
});
