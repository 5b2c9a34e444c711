//! Captures that are written hold what was read, and another reader reads the same.

mod captures;

use captures::*;
use kinwall_replay::{Input, Source, Split, WriteError, Writer};
use kinwall_terms::Verdict;
use kinwall_wire::emit;
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader};
use proptest::prelude::*;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// A directory that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("kinwall-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn entries(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn source(files: &[Vec<u8>]) -> Source {
    let stream = |file: &Vec<u8>| Box::new(Cursor::new(file.clone())) as Box<dyn Read + Send>;
    let named = files.iter().map(|file| ("f".to_owned(), None, stream(file)));
    Source::from_streams(named.collect()).unwrap()
}

fn copy(files: &[Vec<u8>], to: &Path) -> Result<(), WriteError> {
    let mut source = source(files);
    let mut writer = Writer::create(to, source.fine_time())?;
    while let Some(frame) = source.next() {
        writer.write(&frame)?;
    }
    writer.finish()
}

/// Time, link type, bytes, original length and interface of every packet.
type Rows = Vec<(u64, u32, Vec<u8>, u32, Option<String>)>;

fn rows(mut source: Source) -> Rows {
    let mut rows = Vec::new();
    while let Some(frame) = source.next() {
        let interface = frame.interface.map(|name| name.to_string());
        let (bytes, original) = (frame.bytes.to_vec(), frame.original_length);
        rows.push((frame.time.0, frame.link_number, bytes, original, interface));
    }
    assert!(source.damages().is_empty());
    rows
}

/// What an independent reader finds in a file: seconds, fraction, bytes, original length.
fn independent(file: &[u8]) -> Vec<(u32, u32, Vec<u8>, u32)> {
    let mut found = Vec::new();
    let mut reader: Box<dyn PcapReaderIterator> = if file.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        Box::new(PcapNGReader::new(1 << 20, Cursor::new(file.to_vec())).unwrap())
    } else {
        Box::new(LegacyPcapReader::new(1 << 20, Cursor::new(file.to_vec())).unwrap())
    };
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::Legacy(b) => {
                        found.push((b.ts_sec, b.ts_usec, b.data.to_vec(), b.origlen));
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(b)) => {
                        let (seconds, fraction) = b.decode_ts(0, 1_000_000_000);
                        let bytes = b.packet_data().to_vec();
                        found.push((seconds, fraction, bytes, b.origlen));
                    }
                    _ => {}
                }
                reader.consume(used);
            }
            Err(PcapError::Eof) => return found,
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn ethernet() -> Vec<u8> {
    let packets =
        [Packet::new(1, 5, b"one"), Packet { original: 99, ..Packet::new(2, 7, b"two!") }];
    pcap(Order::Big, MICROSECONDS, 1, &packets)
}

#[test]
fn packets_keep_their_link_headers_and_times() {
    let folder = Folder::new("keep");
    let fine = pcap(Order::Little, NANOSECONDS, 113, &[Packet::new(1, 123_456_789, b"fine")]);
    let several = [
        section(Order::Big),
        interface(Order::Big, 1, Some("eth0"), Some(9), None),
        interface(Order::Big, 276, Some("any"), None, None),
        enhanced(Order::Big, 0, 1_000_000_001, b"a", 1),
        enhanced(Order::Big, 1, 2_000_000, b"bcde", 4),
    ]
    .concat();
    for name in ["a.pcap", "a.pcapng"] {
        for files in [vec![ethernet()], vec![fine.clone()], vec![ethernet(), ethernet()]] {
            let path = folder.0.join(name);
            copy(&files, &path).unwrap();
            let written = Source::open(&[Input::new(&path)]).unwrap();
            assert_eq!(rows(written), rows(source(&files)), "{name}");
        }
    }
    let path = folder.0.join("b.pcapng");
    copy(std::slice::from_ref(&several), &path).unwrap();
    assert_eq!(rows(Source::open(&[Input::new(&path)]).unwrap()), rows(source(&[several])));
}

#[test]
fn microseconds_stay_unless_more_is_needed() {
    let folder = Folder::new("units");
    let path = folder.0.join("a.pcap");
    copy(&[ethernet()], &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[..4], MICROSECONDS.to_le_bytes());
    let fine = pcap(Order::Little, NANOSECONDS, 1, &[Packet::new(1, 1, b"x")]);
    copy(&[ethernet(), fine], &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[..4], NANOSECONDS.to_le_bytes());
}

#[test]
fn nothing_is_left_of_what_was_not_finished() {
    let folder = Folder::new("failure");
    let path = folder.0.join("a.pcap");
    std::fs::write(&path, "precious").unwrap();
    let sll = pcap(Order::Little, MICROSECONDS, 113, &[Packet::new(3, 0, b"x")]);
    let error = copy(&[ethernet(), sll], &path).unwrap_err().to_string();
    assert!(error.contains("types 1 and 113; give a name that ends in .pcapng"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    assert_eq!(folder.entries(), 1);
    let late = [
        section(Order::Little),
        interface(Order::Little, 1, None, Some(0), None),
        enhanced(Order::Little, 0, 1 << 33, b"x", 1),
    ];
    let error = copy(&[late.concat()], &path).unwrap_err().to_string();
    assert!(error.ends_with("a pcap cannot hold the time of packet 1"), "{error}");
    let error = copy(&[ethernet()], &folder.0.join("no/such/folder.pcap")).unwrap_err().to_string();
    assert!(error.contains("folder.pcap: No such file"), "{error}");
    assert_eq!(folder.entries(), 1);
}

#[test]
fn fragments_are_kept_where_their_datagram_is() {
    let folder = Folder::new("split");
    let fragments = |src: [u8; 4]| {
        let whole = emit::Packet::new(src, [10, 0, 0, 9], emit::Udp::new(1, 2))
            .payload(vec![src[3]; 3000])
            .build();
        emit::fragment(&whole, 1000, 7).unwrap()
    };
    let [a, b, c] = [1, 2, 3].map(|last| fragments([10, 0, 0, last]));
    // Accepted, dropped, and never whole; their fragments take turns.
    let order = [&c[0], &a[0], &b[0], &b[1], &a[1], &a[2], &b[2], &b[3], &a[3]];
    let packets: Vec<Packet> =
        (1..).zip(order).map(|(n, bytes)| Packet::new(n, 0, bytes)).collect();
    let mut source = source(&[pcap(Order::Little, MICROSECONDS, 101, &packets)]);
    let paths = ["accepted.pcap", "others.pcap"].map(|name| folder.0.join(name));
    let [accepted, others] = paths.each_ref().map(|path| Writer::create(path, false).ok());
    let mut split = Split::new(accepted, others);
    while let Some(frame) = source.next() {
        let verdict = match frame.number {
            8 => Verdict::Drop,
            9 => Verdict::Accept,
            _ => Verdict::Consume,
        };
        split.write(&frame, verdict, None).unwrap();
    }
    split.finish().unwrap();
    let seconds = |path: &PathBuf| {
        let rows = rows(Source::open(&[Input::new(path)]).unwrap());
        rows.iter().map(|row| row.0 / 1_000_000_000).collect::<Vec<u64>>()
    };
    assert_eq!(seconds(&paths[0]), [2, 5, 6, 9]);
    assert_eq!(seconds(&paths[1]), [3, 4, 7, 8, 1]);
}

#[test]
fn a_capture_without_packets_is_one() {
    let folder = Folder::new("empty");
    for name in ["a.pcap", "a.pcapng"] {
        let path = folder.0.join(name);
        copy(&[pcap(Order::Little, MICROSECONDS, 1, &[])], &path).unwrap();
        assert_eq!(rows(Source::open(&[Input::new(&path)]).unwrap()), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn an_independent_reader_reads_the_same(
        packets in prop::collection::vec((any::<u32>(), 0u32..1_000_000, prop::collection::vec(any::<u8>(), 0..60)), 0..9),
    ) {
        let folder = Folder::new("independent");
        let packets: Vec<Packet> =
            packets.iter().map(|(s, us, bytes)| Packet::new(*s, *us, bytes)).collect();
        let file = pcap(Order::Little, MICROSECONDS, 1, &packets);
        for (name, unit) in [("a.pcap", 1), ("a.pcapng", 1000)] {
            let path = folder.0.join(name);
            copy(std::slice::from_ref(&file), &path).unwrap();
            let expected: Vec<_> = packets
                .iter()
                .map(|p| (p.seconds, p.fraction * unit, p.bytes.clone(), p.original))
                .collect();
            prop_assert_eq!(independent(&std::fs::read(&path).unwrap()), expected, "{}", name);
        }
    }
}
