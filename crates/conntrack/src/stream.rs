//! Bounded in-order payload for helpers that read TCP as a stream.
//!
//! One [`Stream`] follows one direction of a connection. Each segment is offered with
//! [`Stream::offer`]; when it brings new bytes that connect to what is there, the answer is an
//! [`Unread`] view of everything the reader has not consumed. A segment in order, with nothing
//! left over from before, is shown as the packet's own bytes, without a copy; only what the
//! reader leaves unread is copied.
//!
//! | segment | then |
//! |---|---|
//! | continues the stream | shown, together with what was waiting behind it |
//! | repeats bytes that are still here, unchanged | its new part counts |
//! | repeats them changed | [`Reason::StreamConflict`]: the two ends may read different things |
//! | repeats consumed bytes | ignored, whatever they are now: nobody can compare them |
//! | lies ahead of a gap | kept, within [`AHEAD_MAX_COUNT`] and [`AHEAD_MAX_BYTES`] |
//! | lies further ahead than [`GAP_MAX_BYTES`] | [`Reason::StreamLimit`] |
//!
//! After an error the stream is broken: it holds nothing and every offer gets the same error.
//! A stream that holds nothing owns no heap memory.

use kinwall_terms::Reason;
use serde::{Deserialize, Serialize};

/// Most bytes that wait behind a gap, in one direction.
pub const AHEAD_MAX_BYTES: usize = 16 * 1024;

/// Most segments that wait behind a gap, in one direction.
pub const AHEAD_MAX_COUNT: usize = 16;

/// How far a segment may reach beyond the next expected byte.
pub const GAP_MAX_BYTES: usize = 64 * 1024;

/// Most bytes a reader may leave unread, whatever it asks for.
pub const UNREAD_MAX_BYTES: usize = 64 * 1024;

/// One direction of a TCP connection, as its helper reads it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stream {
    state: State,
    held: Option<Box<Held>>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
enum State {
    /// The beginning was not seen.
    #[default]
    Unknown,
    /// The sequence number after the last byte that connects to the beginning, and how many
    /// bytes were consumed.
    Open {
        next: u32,
        consumed: u64,
    },
    Broken(Reason),
}

/// What is kept between packets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Held {
    /// Bytes that connect to the beginning, not consumed; they end at `next`.
    unread: Vec<u8>,
    /// Segments behind a gap, in order, neither overlapping nor adjacent to `next`.
    ahead: Vec<Ahead>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ahead {
    seq: u32,
    bytes: Vec<u8>,
}

/// The bytes of a stream that are not consumed, new ones at their end.
///
/// Dropping it takes the packet back, for one that will not reach its receiver: the stream is as
/// it was before, and a retransmission of the packet will be read like a new one.
/// [`Unread::consume`] keeps the packet and says how much of the stream is done with.
#[derive(Debug)]
#[must_use = "a packet that is not consumed counts as not seen"]
pub struct Unread<'a> {
    stream: &'a mut Stream,
    /// The part of the packet that is new, while nothing else is unread.
    own: Option<&'a [u8]>,
    /// Sequence number of the packet's first byte.
    packet_seq: u32,
    packet_length: usize,
    /// How many bytes were unread before, and how many of the new ones are the packet's.
    before: usize,
    fresh: usize,
    kept: bool,
}

impl Stream {
    /// A stream whose beginning was not seen.
    pub const fn new() -> Stream {
        Stream { state: State::Unknown, held: None }
    }

    /// The stream that somebody has kept, if it is one that could have come about; else one that
    /// is not read.
    pub fn sound(self) -> Stream {
        let is_sound = match (self.state, &self.held) {
            (State::Open { next, .. }, Some(held)) => held.is_sound(next),
            (_, held) => held.is_none(),
        };
        if is_sound { self } else { Stream::new() }
    }

    /// The stream begins at `seq`: one after the sequence number of the SYN. A stream that was
    /// begun before, by a repeated SYN or one that opens the connection anew, begins again.
    pub fn begin(&mut self, seq: u32) {
        *self = Stream { state: State::Open { next: seq, consumed: 0 }, held: None };
    }

    /// Whether the beginning was seen, and nothing broke the stream since.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Gives the stream up for `reason`; it holds nothing any more.
    pub fn give_up(&mut self, reason: Reason) {
        *self = Stream { state: State::Broken(reason), held: None };
    }

    /// Bytes consumed since the beginning.
    pub fn consumed(&self) -> u64 {
        match self.state {
            State::Open { consumed, .. } => consumed,
            _ => 0,
        }
    }

    /// The sequence number after the last byte that connects to the beginning.
    pub fn next(&self) -> Option<u32> {
        match self.state {
            State::Open { next, .. } => Some(next),
            _ => None,
        }
    }

    /// The bytes kept from earlier packets that connect to the beginning and were not consumed.
    pub fn contiguous(&self) -> &[u8] {
        self.held.as_ref().map_or(&[], |held| &held.unread)
    }

    /// Heap memory in use, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |held| {
            let ahead: usize = held.ahead.iter().map(|ahead| ahead.bytes.capacity()).sum();
            size_of::<Held>() + held.unread.capacity() + ahead
        })
    }

    /// Takes in the segment `payload`, whose first byte has sequence number `seq`. `Ok(None)`
    /// when it adds nothing that could be read now: it is empty, repeated or ahead of a gap.
    ///
    /// # Errors
    ///
    /// [`Reason::HelperNotProtocol`] while the beginning was not seen; [`Reason::StreamConflict`]
    /// and [`Reason::StreamLimit`] as the table at the top says, and ever after.
    pub fn offer<'a>(
        &'a mut self,
        seq: u32,
        payload: &'a [u8],
    ) -> Result<Option<Unread<'a>>, Reason> {
        let next = match self.state {
            State::Open { next, .. } => next,
            State::Unknown => return Err(Reason::HelperNotProtocol),
            State::Broken(reason) => return Err(reason),
        };
        match self.sort(next, seq, payload) {
            Ok(Sorted::Nothing) => Ok(None),
            Ok(Sorted::Alone(new)) => Ok(Some(Unread {
                stream: self,
                own: Some(new),
                packet_seq: seq,
                packet_length: payload.len(),
                before: 0,
                fresh: new.len(),
                kept: false,
            })),
            Ok(Sorted::Joined(new)) => {
                let held = self.held.get_or_insert_default();
                let before = held.unread.len();
                held.unread.extend_from_slice(new);
                let end = next.wrapping_add(new.len() as u32);
                held.connect(end);
                Ok(Some(Unread {
                    stream: self,
                    own: None,
                    packet_seq: seq,
                    packet_length: payload.len(),
                    before,
                    fresh: new.len(),
                    kept: false,
                }))
            }
            Err(reason) => {
                self.give_up(reason);
                Err(reason)
            }
        }
    }

    /// Compares `payload` with what is held, and tells where it belongs.
    fn sort<'a>(&mut self, next: u32, seq: u32, payload: &'a [u8]) -> Result<Sorted<'a>, Reason> {
        // Where the packet begins, counted from `next`: negative for what was seen before.
        let distance = i64::from(seq.wrapping_sub(next) as i32);
        let end = distance + payload.len() as i64;
        if payload.is_empty() {
            return Ok(Sorted::Nothing);
        }
        if end > GAP_MAX_BYTES as i64 {
            return Err(Reason::StreamLimit);
        }
        if let Some(held) = &self.held {
            let unread_at = -(held.unread.len() as i64);
            if !agree(distance, payload, unread_at, &held.unread) {
                return Err(Reason::StreamConflict);
            }
            for ahead in &held.ahead {
                let at = i64::from(ahead.seq.wrapping_sub(next) as i32);
                if !agree(distance, payload, at, &ahead.bytes) {
                    return Err(Reason::StreamConflict);
                }
            }
        }
        if end <= 0 {
            return Ok(Sorted::Nothing);
        }
        if distance > 0 {
            self.held.get_or_insert_default().put_ahead(next, distance as u32, payload)?;
            return Ok(Sorted::Nothing);
        }
        let new = payload.get(distance.unsigned_abs() as usize..).unwrap_or(&[]);
        let joins = self.held.as_ref().is_some_and(|held| {
            let behind = held.ahead.first().map(|ahead| ahead.seq.wrapping_sub(next) as usize);
            !held.unread.is_empty() || behind.is_some_and(|at| at <= new.len())
        });
        Ok(if joins { Sorted::Joined(new) } else { Sorted::Alone(new) })
    }

    /// Moves on by `count` bytes that connect, `consumed` of everything unread being done with.
    fn advance(&mut self, count: usize, by: usize) {
        if let State::Open { next, consumed } = &mut self.state {
            *next = next.wrapping_add(count as u32);
            *consumed += by as u64;
        }
        if self.held.as_ref().is_some_and(|held| held.is_empty()) {
            self.held = None;
        }
    }
}

enum Sorted<'a> {
    Nothing,
    /// These new bytes are all there is to read.
    Alone(&'a [u8]),
    /// These new bytes come with others.
    Joined(&'a [u8]),
}

impl<'a> Unread<'a> {
    /// The bytes to read, oldest first.
    pub fn bytes(&self) -> &[u8] {
        self.own.unwrap_or_else(|| self.stream.contiguous())
    }

    /// Sequence number of the first of [`Unread::bytes`].
    pub fn seq(&self) -> u32 {
        let next = self.stream.next().unwrap_or(0);
        next.wrapping_sub(self.before as u32)
    }

    /// Where in [`Unread::bytes`] the packet's own bytes begin, new or repeated.
    pub fn packet_at(&self) -> usize {
        (self.packet_seq.wrapping_sub(self.seq()) as i32).max(0) as usize
    }

    /// Where the byte at `at` of [`Unread::bytes`] stands in the payload of the packet; `None`
    /// when another packet brought it.
    pub fn in_packet(&self, at: usize) -> Option<usize> {
        let offset = self.seq().wrapping_add(at as u32).wrapping_sub(self.packet_seq) as i32;
        usize::try_from(offset).ok().filter(|offset| *offset < self.packet_length)
    }

    /// The reader is done with the first `count` bytes; the rest is kept for the next packet, if
    /// it is no more than `keep_max_bytes` (and [`UNREAD_MAX_BYTES`]).
    ///
    /// # Errors
    ///
    /// [`Reason::StreamLimit`] when too much is left; the stream is broken then.
    pub fn consume(mut self, count: usize, keep_max_bytes: usize) -> Result<(), Reason> {
        let length = self.bytes().len();
        let count = count.min(length);
        self.kept = true;
        if length - count > keep_max_bytes.min(UNREAD_MAX_BYTES) {
            self.stream.give_up(Reason::StreamLimit);
            return Err(Reason::StreamLimit);
        }
        match self.own {
            Some(own) => {
                let rest = own.get(count..).unwrap_or(&[]);
                if !rest.is_empty() {
                    self.stream.held.get_or_insert_default().unread = rest.to_vec();
                }
            }
            None => {
                if let Some(held) = &mut self.stream.held {
                    held.unread.drain(..count);
                }
            }
        }
        self.stream.advance(length - self.before, count);
        Ok(())
    }
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        if self.kept || self.own.is_some() {
            return;
        }
        let end = self.seq().wrapping_add((self.before + self.fresh) as u32);
        if let Some(held) = &mut self.stream.held {
            let behind = held.unread.split_off((self.before + self.fresh).min(held.unread.len()));
            held.unread.truncate(self.before);
            if !behind.is_empty() {
                held.ahead.insert(0, Ahead { seq: end, bytes: behind });
            }
        }
    }
}

impl Held {
    fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.ahead.is_empty()
    }

    /// Whether it is within its limits, and what lies ahead of `next` in order.
    fn is_sound(&self, next: u32) -> bool {
        let mut end = 0;
        let in_order = self.ahead.iter().all(|ahead| {
            let at = ahead.seq.wrapping_sub(next) as usize;
            let follows = at >= end.max(1) && !ahead.bytes.is_empty() && at <= GAP_MAX_BYTES;
            end = at + ahead.bytes.len();
            follows
        });
        let kept: usize = self.ahead.iter().map(|ahead| ahead.bytes.len()).sum();
        in_order
            && end <= GAP_MAX_BYTES
            && self.unread.len() <= UNREAD_MAX_BYTES
            && self.ahead.len() <= AHEAD_MAX_COUNT
            && kept <= AHEAD_MAX_BYTES
    }

    /// Moves to `unread`, which now ends at `end`, the segments that connect to it.
    fn connect(&mut self, mut end: u32) {
        let mut count = 0;
        for ahead in &self.ahead {
            // How much of it lies before `end`, and is there already.
            let known = end.wrapping_sub(ahead.seq) as i32;
            let Ok(known) = usize::try_from(known) else { break };
            if let Some(new) = ahead.bytes.get(known..) {
                self.unread.extend_from_slice(new);
                end = end.wrapping_add(new.len() as u32);
            }
            count += 1;
        }
        self.ahead.drain(..count);
    }

    /// Keeps the segment `payload` at `distance` from `next`: its bytes that are not here yet.
    /// That they agree with those that are was seen before.
    fn put_ahead(&mut self, next: u32, distance: u32, payload: &[u8]) -> Result<(), Reason> {
        let mut start = distance as usize;
        let end = start + payload.len();
        let mut index = 0;
        while start < end {
            let neighbour = self.ahead.get(index).map(|ahead| {
                let at = ahead.seq.wrapping_sub(next) as usize;
                (at, at + ahead.bytes.len())
            });
            let stop = neighbour.map_or(end, |(at, _)| at.min(end));
            if start < stop {
                let from = start - distance as usize;
                let part = payload.get(from..from + (stop - start)).unwrap_or(&[]);
                let kept: usize = self.ahead.iter().map(|ahead| ahead.bytes.len()).sum();
                if self.ahead.len() >= AHEAD_MAX_COUNT || kept + part.len() > AHEAD_MAX_BYTES {
                    return Err(Reason::StreamLimit);
                }
                let seq = next.wrapping_add(start as u32);
                self.ahead.insert(index, Ahead { seq, bytes: part.to_vec() });
                index += 1;
            }
            let Some((_, neighbour_end)) = neighbour else { break };
            start = start.max(neighbour_end);
            index += 1;
        }
        Ok(())
    }
}

/// Whether two pieces of a stream, each with its place, hold the same bytes where they overlap.
fn agree(a_at: i64, a: &[u8], b_at: i64, b: &[u8]) -> bool {
    let start = a_at.max(b_at);
    let end = (a_at + a.len() as i64).min(b_at + b.len() as i64);
    if start >= end {
        return true;
    }
    part(a, start - a_at, end - a_at) == part(b, start - b_at, end - b_at)
}

fn part(bytes: &[u8], from: i64, to: i64) -> Option<&[u8]> {
    bytes.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Just before the wrap, so that every test crosses it.
    const START: u32 = u32::MAX - 9;

    fn begun() -> Stream {
        let mut stream = Stream::new();
        stream.begin(START);
        stream
    }

    /// What a segment that begins `at` bytes behind the start shows, without consuming any of it.
    fn keep(stream: &mut Stream, at: u32, payload: &[u8]) -> Result<Option<String>, Reason> {
        let Some(unread) = stream.offer(START.wrapping_add(at), payload)? else { return Ok(None) };
        let shown = String::from_utf8(unread.bytes().to_vec()).unwrap();
        unread.consume(0, usize::MAX)?;
        Ok(Some(shown))
    }

    #[test]
    fn segments() {
        type Row<'a> = (u32, &'a [u8], Result<Option<&'a str>, Reason>);
        let lists: &[&[Row]] = &[
            &[(0, b"PORT ", Ok(Some("PORT "))), (5, b"1,2", Ok(Some("PORT 1,2")))],
            // Repeated, wholly or in part.
            &[(0, b"abcd", Ok(Some("abcd"))), (0, b"abcd", Ok(None)), (2, b"cd", Ok(None))],
            &[(0, b"abcd", Ok(Some("abcd"))), (2, b"cdef", Ok(Some("abcdef")))],
            // Ahead, then the gap is filled, with and without overlap.
            &[(4, b"ef", Ok(None)), (0, b"abcd", Ok(Some("abcdef")))],
            &[(4, b"ef", Ok(None)), (0, b"abcdefg", Ok(Some("abcdefg")))],
            &[(4, b"efgh", Ok(None)), (2, b"cdef", Ok(None)), (0, b"ab", Ok(Some("abcdefgh")))],
            &[(6, b"g", Ok(None)), (2, b"c", Ok(None)), (0, b"abcdef", Ok(Some("abcdefg")))],
            &[(6, b"g", Ok(None)), (3, b"d", Ok(None)), (0, b"ab", Ok(Some("ab")))],
            // Changed.
            &[(0, b"abcd", Ok(Some("abcd"))), (2, b"cX", Err(Reason::StreamConflict))],
            &[(4, b"efgh", Ok(None)), (0, b"abcdXfgh", Err(Reason::StreamConflict))],
            &[(4, b"efgh", Ok(None)), (5, b"X", Err(Reason::StreamConflict))],
            // Broken for good.
            &[
                (0, b"ab", Ok(Some("ab"))),
                (0, b"X", Err(Reason::StreamConflict)),
                (2, b"cd", Err(Reason::StreamConflict)),
            ],
            // Keep-alives and empty segments say nothing.
            &[(0, b"", Ok(None)), (0, b"ab", Ok(Some("ab"))), (1, b"", Ok(None))],
            &[(GAP_MAX_BYTES as u32 + 1, b"x", Err(Reason::StreamLimit))],
        ];
        for list in lists {
            let mut stream = begun();
            for (at, payload, shown) in *list {
                let found = keep(&mut stream, *at, payload);
                assert_eq!(found, shown.map(|o| o.map(str::to_owned)), "{at} of {list:?}");
            }
        }
    }

    #[test]
    fn a_stream_without_beginning_is_not_believed() {
        let mut stream = Stream::new();
        assert_eq!(stream.offer(5, b"220 hello").err(), Some(Reason::HelperNotProtocol));
        stream.begin(5);
        assert!(stream.is_open());
        assert!(stream.offer(5, b"220 hello").unwrap().is_some());
    }

    #[test]
    fn a_packet_in_order_is_not_copied() {
        let mut stream = begun();
        let packet = b"USER me\r\n".to_vec();
        let unread = stream.offer(START, &packet).unwrap().unwrap();
        assert_eq!(unread.bytes().as_ptr(), packet.as_ptr());
        unread.consume(packet.len(), 100).unwrap();
        assert_eq!((stream.memory_bytes(), stream.consumed()), (0, 9));
        assert_eq!(stream.next(), Some(START.wrapping_add(9)));
        // Consumed bytes that come again are ignored, even changed: nothing is left to compare.
        assert!(stream.offer(START, b"QUIT me\r\n").unwrap().is_none());
        assert!(stream.offer(START, b"USER me\r\nPASS").unwrap().is_some());
    }

    #[test]
    fn places_in_the_packet() {
        let mut stream = begun();
        stream.offer(START, b"abcdef").unwrap().unwrap().consume(2, 100).unwrap();
        let unread = stream.offer(START.wrapping_add(1), b"bcdefgh").unwrap().unwrap();
        assert_eq!(unread.bytes(), b"cdefgh");
        assert_eq!(unread.seq(), START.wrapping_add(2));
        assert_eq!((unread.packet_at(), unread.in_packet(0)), (0, Some(1)));
        unread.consume(1, 100).unwrap();

        let unread = stream.offer(START.wrapping_add(8), b"ij").unwrap().unwrap();
        assert_eq!(unread.bytes(), b"defghij");
        assert_eq!((unread.packet_at(), unread.in_packet(5)), (5, Some(0)));
        assert_eq!((unread.in_packet(4), unread.in_packet(7)), (None, None));
        unread.consume(7, 0).unwrap();
        assert_eq!((stream.consumed(), stream.memory_bytes()), (10, 0));
    }

    #[test]
    fn a_dropped_packet_was_not_seen() {
        let mut stream = begun();
        drop(stream.offer(START, b"ab").unwrap());
        assert_eq!(stream.next(), Some(START));
        assert_eq!(keep(&mut stream, 0, b"AB"), Ok(Some("AB".into())));
        assert_eq!(keep(&mut stream, 4, b"ef"), Ok(None));
        drop(stream.offer(START.wrapping_add(2), b"cd").unwrap());
        assert_eq!((stream.contiguous(), stream.next()), (&b"AB"[..], Some(START.wrapping_add(2))));
        assert_eq!(keep(&mut stream, 2, b"CD"), Ok(Some("ABCDef".into())));
    }

    #[test]
    fn limits() {
        let mut stream = begun();
        let unread = stream.offer(START, b"abc").unwrap().unwrap();
        assert_eq!(unread.consume(0, 2), Err(Reason::StreamLimit));
        assert_eq!(stream.offer(START, b"abc").err(), Some(Reason::StreamLimit));
        assert_eq!(stream.memory_bytes(), 0);

        let mut stream = begun();
        for index in 0..AHEAD_MAX_COUNT as u32 {
            assert_eq!(keep(&mut stream, 2 + 2 * index, b"x"), Ok(None));
        }
        assert_eq!(keep(&mut stream, 100, b"x"), Err(Reason::StreamLimit));

        let mut stream = begun();
        assert_eq!(keep(&mut stream, 1, &[b'x'; AHEAD_MAX_BYTES]), Ok(None));
        assert_eq!(keep(&mut stream, 1 + AHEAD_MAX_BYTES as u32, b"x"), Err(Reason::StreamLimit));
    }

    #[test]
    fn an_idle_stream_is_small() {
        assert!(size_of::<Stream>() <= 32, "{}", size_of::<Stream>());
    }

    proptest! {
        /// Whatever the order and the overlaps, the reader sees the stream, each byte once.
        #[test]
        fn the_reader_sees_the_stream(
            segments in proptest::collection::vec((0u32..60, 0usize..12, 0usize..20, any::<bool>()), 1..80),
        ) {
            let whole: Vec<u8> = (0..80).collect();
            let mut stream = begun();
            let mut read = Vec::new();
            for (at, length, count, keeps) in segments {
                let payload = &whole[at as usize..at as usize + length];
                let unread = match stream.offer(START.wrapping_add(at), payload) {
                    Ok(Some(unread)) => unread,
                    Ok(None) => continue,
                    // Too many pieces ahead of a gap.
                    Err(reason) => {
                        prop_assert_eq!(reason, Reason::StreamLimit);
                        break;
                    }
                };
                prop_assert!(whole[read.len()..].starts_with(unread.bytes()));
                prop_assert_eq!(unread.seq(), START.wrapping_add(read.len() as u32));
                for (index, byte) in unread.bytes().iter().enumerate() {
                    if let Some(offset) = unread.in_packet(index) {
                        prop_assert_eq!(payload[offset], *byte);
                    }
                }
                if keeps {
                    let count = count.min(unread.bytes().len());
                    read.extend_from_slice(&unread.bytes()[..count]);
                    unread.consume(count, usize::MAX).unwrap();
                } else {
                    drop(unread);
                }
                prop_assert_eq!(stream.consumed(), read.len() as u64);
            }
            prop_assert!(whole.starts_with(&read));
        }

        #[test]
        fn anything_at_all_is_bounded(
            segments in proptest::collection::vec(
                (prop_oneof![any::<u32>(), 0u32..70_000], 0usize..3000, 0usize..4000, any::<u8>()),
                1..60,
            ),
        ) {
            let mut stream = begun();
            for (at, length, count, byte) in segments {
                if let Ok(Some(unread)) = stream.offer(START.wrapping_add(at), &vec![byte; length]) {
                    let _ = unread.consume(count, 5000);
                }
                prop_assert!(stream.contiguous().len() <= 5000);
                let most = 2 * (AHEAD_MAX_BYTES + UNREAD_MAX_BYTES) + 1000;
                prop_assert!(stream.memory_bytes() <= most);
            }
        }
    }
}
