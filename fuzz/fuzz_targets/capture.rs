//! Any bytes as one or two captures, in any format and compression, read to the end.

#![no_main]

use kinwall_replay::{PACKET_BYTES_MAX, Source};
use kinwall_wire::link::strip;
use libfuzzer_sys::fuzz_target;
use std::io::{Cursor, Read};

fuzz_target!(|bytes: &[u8]| {
    let Some((&split, bytes)) = bytes.split_first() else { return };
    let (first, second) = bytes.split_at(bytes.len() * usize::from(split) / 255);
    let stream = |bytes: &[u8]| Box::new(Cursor::new(bytes.to_vec())) as Box<dyn Read + Send>;
    let mut streams = vec![("first".to_owned(), None, stream(first))];
    if !second.is_empty() {
        streams.push(("second".to_owned(), None, stream(second)));
    }
    let Ok(mut source) = Source::from_streams(streams) else { return };
    let mut packets = 0;
    while let Some(frame) = source.next() {
        packets += 1;
        assert_eq!(frame.number, packets);
        assert!(frame.bytes.len() <= PACKET_BYTES_MAX as usize);
        if let Some(link_type) = frame.link_type {
            let _ = strip(link_type, frame.bytes);
        }
    }
    assert!(source.next().is_none());
    let damages = source.damages();
    assert!(damages.len() as u64 <= source.damage_count());
    for damage in damages {
        assert!(!damage.to_string().is_empty());
    }
});
