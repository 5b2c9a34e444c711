//! Packets that are read ahead are the packets of the captures, and get the same answers.

mod captures;

use captures::{MICROSECONDS, Order, Packet, pcap};
use kinwall_engine::{Engine, Settings};
use kinwall_replay::{Clock, Input, NEAR_MAX, Replay, Source};
use kinwall_terms::{KernelVersion, Profile};
use kinwall_topology::Topology;
use std::fs;
use std::path::{Path, PathBuf};

/// More than the reading thread may be ahead.
const MANY: u32 = 5_000;

/// Every capture of the examples, all of them merged, and captures that try the limits.
fn inputs() -> Vec<Vec<Input>> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let files = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut captures: Vec<Input> = files(examples)
        .flat_map(|example| files(example.path()))
        .filter(|file| file.path().extension().is_some_and(|ext| ext == "pcapng"))
        .map(|file| Input::new(file.path()))
        .collect();
    assert!(captures.len() > 5, "{captures:?}");
    captures.sort_by_key(|input| input.path.clone());
    let mut all: Vec<Vec<Input>> = captures.iter().map(|input| vec![input.clone()]).collect();
    all.push(captures);
    all.extend([vec![written("many", many())], vec![written("none", pcap_of(&[]))]]);
    let mut broken = many();
    broken.truncate(broken.len() / 2 + 1);
    all.push(vec![written("broken", broken)]);
    all
}

/// Packets of every length there is room for in a few batches, some of them cut.
fn many() -> Vec<u8> {
    let bytes = vec![0x45; 500];
    let packet = |number: u32| Packet {
        original: 500,
        ..Packet::new(1, number, &bytes[..number as usize * 7 % 500])
    };
    pcap_of(&(0..MANY).map(packet).collect::<Vec<_>>())
}

fn pcap_of(packets: &[Packet]) -> Vec<u8> {
    pcap(Order::Little, MICROSECONDS, 101, packets)
}

fn written(name: &str, file: Vec<u8>) -> Input {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("feeding-{name}.pcap"));
    fs::write(&path, file).unwrap();
    Input::new(path)
}

fn replay() -> Replay {
    let settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    let topology = Topology::from_toml("", "topology").unwrap();
    Replay::new(Engine::new(topology, settings, [None, None], 1), Clock::Capture, Vec::new())
}

#[test]
fn what_is_fed_is_what_the_captures_hold() {
    for inputs in inputs() {
        for (one_by_one, observes) in [(false, false), (true, false), (false, true)] {
            let mut read = Source::open(&inputs).unwrap();
            let source = Source::open(&inputs).unwrap();
            let mut replay = replay();
            if observes {
                replay.observe();
            }
            let mut feed = replay.feed(source, one_by_one);
            while let Some(batch) = feed.next_batch() {
                for (fed, _) in batch.frames() {
                    let frame = read.next().expect("no more packets than there are");
                    assert_eq!(format!("{fed:?}"), format!("{frame:?}"), "{inputs:?}");
                }
            }
            assert!(read.next().is_none(), "{inputs:?}");
            let fed = feed.end();
            assert_eq!(fed.damages(), read.damages(), "{inputs:?}");
            assert_eq!(fed.progress(), read.progress(), "{inputs:?}");
        }
    }
}

#[test]
fn answers_are_those_of_packets_that_were_not_seen_before() {
    for inputs in inputs() {
        let [mut ahead, mut plain] = [replay(), replay()];
        let mut read = Source::open(&inputs).unwrap();
        let mut feed = ahead.feed(Source::open(&inputs).unwrap(), false);
        while let Some(batch) = feed.next_batch() {
            for (at, (frame, seen)) in batch.frames().enumerate() {
                if at.is_multiple_of(NEAR_MAX) {
                    ahead.bring_near(batch, at);
                }
                let answer = ahead.frame_seen(&frame, seen).unwrap();
                let right = plain.frame(&read.next().unwrap()).unwrap();
                assert_eq!(answer, right, "{inputs:?}, packet {}", frame.number);
            }
        }
    }
}

#[test]
fn a_feed_ends_before_its_packets_do() {
    for taken in 0..3 {
        let source = Source::open(&[written("unread", many())]).unwrap();
        let mut feed = replay().feed(source, false);
        for _ in 0..taken {
            assert!(feed.next_batch().is_some());
        }
        let file = feed.end().file(0).map(str::to_owned);
        assert!(file.is_some_and(|file| file.ends_with("feeding-unread.pcap")));
    }
}
