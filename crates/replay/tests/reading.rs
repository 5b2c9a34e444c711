//! Captures of every kind are read, and broken ones as far as they can be.

mod captures;

use captures::*;
use kinwall_replay::{DamageKind, Source};
use kinwall_terms::InterfaceName;
use proptest::prelude::*;
use std::io::{Cursor, Read};

/// What is asserted of a packet: time in nanoseconds, interface, link type number, bytes,
/// whether it is cut.
type Seen = (u64, Option<String>, u32, Vec<u8>, bool);

fn source(files: &[Vec<u8>]) -> Source {
    let stream = |file: &Vec<u8>| Box::new(Cursor::new(file.clone())) as Box<dyn Read + Send>;
    let named = files.iter().enumerate().map(|(at, file)| (format!("{at}"), None, stream(file)));
    Source::from_streams(named.collect()).unwrap()
}

/// Packet, offset, text, and whether it was fatal.
type Damaged<'a> = (u64, u64, &'a str, bool);

/// All packets, and all damage as packet, offset, text and whether it was fatal.
#[expect(clippy::type_complexity, reason = "rows to compare with")]
fn read(files: &[Vec<u8>]) -> (Vec<Seen>, Vec<(u64, u64, String, bool)>) {
    let mut source = source(files);
    let mut seen = Vec::new();
    while let Some(frame) = source.next() {
        assert_eq!(frame.number, seen.len() as u64 + 1);
        let interface = frame.interface.map(|name| name.to_string());
        let (bytes, cut) = (frame.bytes.to_vec(), frame.is_cut());
        seen.push((frame.time.0, interface, frame.link_number, bytes, cut));
    }
    assert!(source.next().is_none());
    let damages = source.damages();
    let damages = damages.into_iter().map(|d| (d.packet, d.offset, d.kind.to_string(), d.fatal));
    (seen, damages.collect())
}

fn refused(file: &[u8]) -> String {
    let stream = Box::new(Cursor::new(file.to_vec())) as Box<dyn Read + Send>;
    let opened = Source::from_streams(vec![("f".to_owned(), None, stream)]);
    opened.err().expect("it is refused").to_string()
}

#[test]
fn classic_captures_in_both_orders_and_all_units() {
    let packets = [
        Packet::new(1, 5, b"first"),
        Packet { original: 1500, ..Packet::new(2, 999_999, b"cut") },
        Packet::new(3, 0, b""),
        Packet::new(u32::MAX, 1, &[7; 3000]),
    ];
    for order in Order::ALL {
        for (magic, unit) in [(MICROSECONDS, 1000), (NANOSECONDS, 1), (PATCHED, 1000)] {
            let (seen, damages) = read(&[pcap(order, magic, 0x1000_0000 | 113, &packets)]);
            let expected: Vec<Seen> = packets
                .iter()
                .map(|p| {
                    let time = u64::from(p.seconds) * 1_000_000_000 + u64::from(p.fraction) * unit;
                    (time, None, 113, p.bytes.clone(), p.bytes.len() < p.original as usize)
                })
                .collect();
            assert_eq!(seen, expected, "{order:?} {magic:x}");
            assert_eq!(damages, [], "{order:?} {magic:x}");
        }
    }
}

#[test]
fn pcapng_with_several_sections_interfaces_and_units() {
    for (order, other) in [(Order::Little, Order::Big), (Order::Big, Order::Little)] {
        let file = [
            section(order),
            interface(order, 1, Some("eth0"), None, None),
            interface(order, 113, Some("any"), Some(9), Some(-5)),
            interface(order, 101, None, Some(0x80 | 10), Some(100)),
            block(order, 0x0bad_cafe, &[1; 30]),
            enhanced(order, 0, 1_000_001, b"a", 1),
            enhanced(order, 1, 7_000_000_000, b"bc", 3),
            enhanced(order, 2, 1536, b"", 0),
            simple(order, b"simple"),
            old_packet(order, 0, 3, b"old"),
            section(other),
            interface(other, 12, Some("a name that is too long"), Some(3), None),
            enhanced(other, 0, 2, b"z", 1),
        ]
        .concat();
        let eth0 = Some("eth0".to_owned());
        let expected = [
            (1_000_001_000, eth0.clone(), 1, b"a".to_vec(), false),
            (2_000_000_000, None, 113, b"bc".to_vec(), true),
            (101_500_000_000, None, 101, b"".to_vec(), false),
            (101_500_000_000, eth0.clone(), 1, b"simple".to_vec(), false),
            (3000, eth0, 1, b"old".to_vec(), false),
            (2_000_000, None, 12, b"z".to_vec(), false),
        ];
        let (seen, damages) = read(&[file]);
        assert_eq!(seen, expected, "{order:?}");
        assert_eq!(damages, [], "{order:?}");
    }
}

#[test]
fn compressed_captures_nested_and_concatenated() {
    let packets: Vec<Packet> = (0..2000).map(|n| Packet::new(n, 0, &n.to_be_bytes())).collect();
    let plain = pcap(Order::Little, MICROSECONDS, 1, &packets);
    let (first, second) = plain.split_at(5000);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"hey"].concat();
    let rows = [
        gzip(&plain),
        zstd(&plain),
        gzip(&zstd(&gzip(&zstd(&plain)))),
        [gzip(first), gzip(second)].concat(),
        [skippable.clone(), zstd(first), skippable.clone(), zstd(second), skippable].concat(),
    ];
    for (at, file) in rows.into_iter().enumerate() {
        let (seen, damages) = read(&[file]);
        assert_eq!((seen.len(), damages.len()), (2000, 0), "row {at}");
    }
    let deep = gzip(&gzip(&gzip(&gzip(&gzip(&plain)))));
    assert_eq!(refused(&deep), "f: it is compressed more than 4 times");
}

#[test]
fn broken_captures_are_read_up_to_the_damage() {
    let packet = |n: u32| Packet::new(n, 0, &[n as u8; 20]);
    let plain = pcap(Order::Little, MICROSECONDS, 1, &[packet(1), packet(2)]);
    let absurd = [&plain[..], &[0; 8], &[0xff; 8]].concat();
    let begin = [section(Order::Little), interface(Order::Little, 1, None, None, None)].concat();
    let ng = |blocks: &[&[u8]]| [&[begin.as_slice()], blocks].concat().concat();
    let good = enhanced(Order::Little, 0, 1, b"good", 4);
    let stranger = enhanced(Order::Little, 9, 1, b"bad", 3);
    let mut overlong = good.clone();
    overlong[20..24].copy_from_slice(&100u32.to_le_bytes());
    let mut huge = good.clone();
    huge[20..24].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let mut liar = good.clone();
    let last = liar.len() - 1;
    liar[last] = 1;
    let odd = [6u32.to_le_bytes(), 33u32.to_le_bytes()].concat();
    let zero = [6u32.to_le_bytes(), 0u32.to_le_bytes()].concat();
    let short = block(Order::Little, 6, &[0; 8]);
    let endless = [5u32.to_le_bytes(), 0xffff_fffcu32.to_le_bytes()].concat();
    let described = block(Order::Little, 1, &[1, 0]);
    let wide = interface(Order::Little, 1, None, Some(0xff), None);
    let big = block(Order::Little, 1, &vec![0; 300_000]);
    let b = begin.len() as u64;
    // File, packets read, damage: packet, offset, text, whether the rest was lost.
    let rows: Vec<(Vec<u8>, usize, Vec<Damaged<'_>>)> = vec![
        (
            plain[..10].to_vec(),
            0,
            vec![(1, 0, "the file ends within its header, after 10 b", true)],
        ),
        (plain[..24].to_vec(), 0, vec![]),
        (
            plain[..30].to_vec(),
            0,
            vec![(1, 24, "the file ends within a packet: 16 bytes wa", true)],
        ),
        (
            plain[..90].to_vec(),
            1,
            vec![(2, 60, "the file ends within a packet: 36 bytes wa", true)],
        ),
        (
            absurd,
            2,
            vec![(3, 96, "a packet of 4294967295 bytes cannot be: the most is 262144", true)],
        ),
        (gzip(&plain)[..gzip(&plain).len() - 4].to_vec(), 2, vec![(3, 96, "", true)]),
        (
            ng(&[&good, &stranger, &good]),
            2,
            vec![(2, b + 36, "the packet's interface 9 is n", false)],
        ),
        (
            ng(&[&overlong, &good]),
            1,
            vec![(1, b, "a packet longer than its block cannot be", false)],
        ),
        (ng(&[&huge, &good]), 1, vec![(1, b, "a packet of 2147483647 bytes cannot be", false)]),
        (ng(&[&good, &liar, &good]), 1, vec![(2, b + 36, "a block says at its end that it", true)]),
        (ng(&[&good, &odd]), 1, vec![(2, b + 36, "a block of 33 bytes cannot be", true)]),
        (ng(&[&good, &zero]), 1, vec![(2, b + 36, "a block of 0 bytes cannot be", true)]),
        (ng(&[&short, &good]), 1, vec![(1, b, "a packet block cannot be read", false)]),
        (
            ng(&[&good, &endless, &good]),
            1,
            vec![(2, b + 36, "the file ends within a packet", true)],
        ),
        (ng(&[&described, &good]), 1, vec![(1, b, "the description of an interface can", false)]),
        (ng(&[&wide, &good]), 1, vec![(1, b, "the timestamp unit of an interface can", false)]),
        (ng(&[&good, &big]), 1, vec![(2, b + 36, "a header block of 300012 bytes", true)]),
        (ng(&[&good, &good[..9]]), 1, vec![(2, b + 36, "the file ends within a packet: 36", true)]),
        (ng(&[&good, &good[..3]]), 1, vec![(2, b + 36, "the file ends within a packet: 12", true)]),
        (
            section(Order::Big)[..10].to_vec(),
            0,
            vec![(1, 0, "the file ends within its header", true)],
        ),
    ];
    for (at, (file, packets, expected)) in rows.into_iter().enumerate() {
        let (seen, damages) = read(&[file]);
        assert_eq!(seen.len(), packets, "row {at}: {damages:?}");
        assert_eq!(damages.len(), expected.len(), "row {at}: {damages:?}");
        for (damage, (packet, offset, text, fatal)) in damages.iter().zip(expected) {
            assert_eq!(
                (damage.0, damage.1, damage.3),
                (packet, offset, fatal),
                "row {at}: {damage:?}"
            );
            assert!(damage.2.starts_with(text), "row {at}: {damage:?}");
        }
    }
}

#[test]
fn what_is_no_capture_says_what_it_is() {
    assert_eq!(
        refused(b""),
        "f: it is empty; captures are pcap or pcapng files, as they are or in gzip or zstd"
    );
    let rows: [(&[u8], &str); 12] = [
        (b"hell\0", "f: it is text: rules are given with --rules, a topology with --topology; "),
        (b"\x01", "f: it is no pcap or pcapng capture: it begins with 01 00 00 00; "),
        (&gzip(&[9, 8, 7, 6]), "f: it is no pcap or pcapng capture: it begins with 09 08 07 06; "),
        (&gzip(b"some")[..12], "f: the gzip data end too early"),
        (&[&gzip(b"some")[..10], &[7; 9]].concat(), "f: the gzip data are damaged"),
        (&zstd(&[7; 99])[..12], "f: the zstd data end too early"),
        (b"\x28\xb5\x2f\xfd\x04\x00\xff\xff\xff", "f: the zstd data are damaged"),
        (b"\x28\xb5\x2f\xfd\x00\x98\x00\x00\x00", "f: its zstd window is larger than 100 MiB"),
        (b"\xfd7zXZ\0", "f: it is compressed with xz: decompress it first, `xz -dc FILE | kin"),
        (b"BZh91", "f: it is compressed with bzip2"),
        (b"snoop\0\0\0", "f: it is a snoop capture: `editcap -F pcapng` converts it; "),
        (b"PK\x03\x04", "f: it is a zip archive: unpack it first; "),
    ];
    for (file, expected) in rows {
        assert!(refused(file).starts_with(expected), "{expected}: {}", refused(file));
    }
    assert!(refused(&[0x1f, 0x8b, 0, 0]).starts_with("f: "));
    assert!(refused(&[0x28, 0xb5, 0x2f, 0xfd, 0xff]).starts_with("f: "));
}

#[test]
fn an_unread_link_type_is_reported_once_and_its_packets_are_marked() {
    let file =
        pcap(Order::Little, MICROSECONDS, 105, &[Packet::new(1, 0, b"x"), Packet::new(2, 0, b"y")]);
    let mut source = source(&[file]);
    while let Some(frame) = source.next() {
        assert_eq!((frame.link_type, frame.link_number), (None, 105));
    }
    let damages = source.damages();
    assert_eq!(damages.len(), 1);
    assert_eq!((damages[0].packet, &damages[0].kind), (1, &DamageKind::LinkType(105)));
    assert_eq!(
        damages[0].to_string(),
        "0: packet 1, byte 24: packets of link type 105 are not read"
    );
}

#[test]
fn captures_are_merged_by_time_and_stay_in_their_own_order() {
    let file = |times: &[u32]| {
        let packets: Vec<Packet> = times.iter().map(|&t| Packet::new(t, 0, &[t as u8])).collect();
        pcap(Order::Little, MICROSECONDS, 1, &packets)
    };
    let mut source = source(&[file(&[1, 4, 4, 9]), file(&[]), file(&[4, 2, 5]), file(&[1])]);
    let mut seen = Vec::new();
    while let Some(frame) = source.next() {
        seen.push((frame.capture, frame.bytes[0]));
    }
    assert_eq!(seen, [(0, 1), (3, 1), (0, 4), (0, 4), (2, 4), (2, 2), (2, 5), (0, 9)]);
}

#[test]
fn the_ingress_that_was_said_comes_before_the_captures_own() {
    let file = [
        section(Order::Little),
        interface(Order::Little, 1, Some("eth0"), None, None),
        enhanced(Order::Little, 0, 1, b"x", 1),
    ]
    .concat();
    let lan = InterfaceName::new("lan");
    let stream = Box::new(Cursor::new(file)) as Box<dyn Read + Send>;
    let mut source = Source::from_streams(vec![("f".to_owned(), lan, stream)]).unwrap();
    assert_eq!(source.next().unwrap().interface, lan);
    assert_eq!(source.interfaces(0)[0].name.as_deref(), Some("eth0"));
    assert!(source.fine_time());
}

/// A capture of packets without end.
struct Endless(Vec<u8>, usize, u64);

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = (into.len() as u64).min(self.2) as usize;
        for byte in &mut into[..count] {
            *byte = self.0[self.1];
            self.1 = (self.1 + 1) % self.0.len();
        }
        self.2 -= count as u64;
        Ok(count)
    }
}

#[test]
fn a_stream_of_faults_stays_bounded() {
    let begin = section(Order::Little);
    let stranger = enhanced(Order::Little, 9, 1, b"bad", 3);
    let count = 2_000_000 / stranger.len() as u64;
    let length = count * stranger.len() as u64;
    let stream = Cursor::new(begin).chain(Endless(stranger, 0, length));
    let stream: Box<dyn Read + Send> = Box::new(stream);
    let mut source = Source::from_streams(vec![("f".to_owned(), None, stream)]).unwrap();
    assert!(source.next().is_none());
    assert_eq!((source.damages().len(), source.damage_count()), (100, count));
}

fn packet() -> impl Strategy<Value = Packet> {
    (any::<u32>(), 0u32..1_000_000, prop::collection::vec(any::<u8>(), 0..100), 0u32..50).prop_map(
        |(seconds, fraction, bytes, more)| {
            let original = bytes.len() as u32 + more;
            Packet { seconds, fraction, bytes, original }
        },
    )
}

proptest! {
    #[test]
    fn any_packets_come_back(packets in prop::collection::vec(packet(), 0..20), big in any::<bool>()) {
        let order = if big { Order::Big } else { Order::Little };
        let classic = pcap(order, MICROSECONDS, 1, &packets);
        let mut blocks = vec![section(order), interface(order, 1, None, None, None)];
        blocks.extend(packets.iter().map(|p| {
            let ticks = u64::from(p.seconds) * 1_000_000 + u64::from(p.fraction);
            enhanced(order, 0, ticks, &p.bytes, p.original)
        }));
        let (one, damages) = read(&[classic]);
        prop_assert!(damages.is_empty());
        let (other, damages) = read(&[blocks.concat()]);
        prop_assert!(damages.is_empty());
        prop_assert_eq!(one.len(), packets.len());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn nothing_makes_it_panic(
        packets in prop::collection::vec(packet(), 0..6),
        ng in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let order = Order::Little;
        let mut file = pcap(order, NANOSECONDS, 1, &packets);
        if ng {
            let mut blocks = vec![section(order), interface(order, 1, Some("e"), Some(6), Some(1))];
            blocks.extend(packets.iter().map(|p| enhanced(order, 0, 1, &p.bytes, p.original)));
            blocks.extend(packets.iter().map(|p| simple(order, &p.bytes)));
            file = blocks.concat();
        }
        for (at, byte) in edits {
            let at = at.index(file.len());
            file[at] = byte;
        }
        file.truncate(cut.index(file.len()) + 1);
        let stream = Box::new(Cursor::new(file)) as Box<dyn Read + Send>;
        if let Ok(mut source) = Source::from_streams(vec![("f".to_owned(), None, stream)]) {
            while source.next().is_some() {}
        }
    }
}
