//! Segments of a stream, some of them lying: the reader sees the stream, each byte once, or an
//! error; and what it was shown while a byte was kept never changes under it.

#![no_main]

use kinwall_conntrack::stream::{AHEAD_MAX_BYTES, Stream, UNREAD_MAX_BYTES};
use kinwall_terms::Reason;
use kinwall_wire::Reader;
use libfuzzer_sys::fuzz_target;

/// Close to the wrap of sequence numbers.
const START: u32 = 0xffff_ff00;

/// Most bytes the reader asks to keep.
const KEEP_MAX_BYTES: usize = 600;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let mut stream = Stream::new();
    stream.begin(START);
    let mut read = 0usize;
    let mut kept: Vec<u8> = Vec::new();
    while let Some(&[shape, high, low, length, count]) = reader.array::<5>() {
        let at = usize::from(u16::from_be_bytes([high & 0x0f, low]));
        let mut segment: Vec<u8> = (at..at + usize::from(length)).map(|n| (n / 7) as u8).collect();
        let lies = shape & 7 == 7;
        if let (true, Some(byte)) = (lies, segment.get_mut(usize::from(count) / 2)) {
            *byte = byte.wrapping_add(100);
        }
        let far = if shape & 8 != 0 { 0x9000_0000u32 } else { 0 };
        let seq = START.wrapping_add(at as u32).wrapping_add(far);
        let taken = take(&mut stream, seq, &segment, (shape & 16 == 0).then_some(count), &mut kept);
        match taken {
            Ok(count) => read += count,
            Err(reason) => {
                assert_eq!(stream.memory_bytes(), 0);
                assert_eq!(stream.offer(seq, &segment).err(), Some(reason));
                return;
            }
        }
        assert_eq!(stream.next(), Some(START.wrapping_add((read + kept.len()) as u32)));
        assert_eq!(stream.contiguous(), kept);
        assert_eq!(stream.consumed(), read as u64);
        assert!(stream.memory_bytes() <= 2 * (AHEAD_MAX_BYTES + UNREAD_MAX_BYTES) + 1024);
    }
});

/// Offers a segment and reads up to `count` bytes of what it brings; `None` forgets it again.
fn take(
    stream: &mut Stream,
    seq: u32,
    segment: &[u8],
    count: Option<u8>,
    kept: &mut Vec<u8>,
) -> Result<usize, Reason> {
    let begin = START.wrapping_add(stream.consumed() as u32);
    let Some(unread) = stream.offer(seq, segment)? else { return Ok(0) };
    assert_eq!(unread.seq(), begin);
    assert!(unread.bytes().starts_with(kept));
    for (index, byte) in unread.bytes().iter().enumerate() {
        if let Some(place) = unread.in_packet(index) {
            assert_eq!(segment[place], *byte);
            assert!(index >= unread.packet_at());
        }
    }
    let Some(count) = count else { return Ok(0) };
    let count = usize::from(count).min(unread.bytes().len());
    *kept = unread.bytes()[count..].to_vec();
    unread.consume(count, KEEP_MAX_BYTES)?;
    assert!(kept.len() <= KEEP_MAX_BYTES);
    Ok(count)
}
