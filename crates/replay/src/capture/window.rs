//! The bytes of a stream, read ahead in large pieces and looked at in place.

use std::io::{self, ErrorKind, Read};

/// Bytes of look-ahead at most: the largest block that is read as a whole.
pub(crate) const LOOK_AHEAD_BYTES_MAX: usize = 256 * 1024 + 64;

/// Bytes asked of the stream at once: large enough that the copy of what is left over at the
/// end of a piece does not count, small enough to stay in a core's own cache.
const PIECE_BYTES: usize = 256 * 1024;

/// Bytes of memory to begin with: many captures are small.
const FIRST_BYTES: usize = 8 * 1024;

/// Bytes of memory at most.
const MEMORY_BYTES_MAX: usize = LOOK_AHEAD_BYTES_MAX + PIECE_BYTES;

/// A stream with look-ahead. Its memory grows with what the stream gives, up to a limit.
pub(crate) struct Window {
    stream: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    /// `bytes[start..end]` is read and not yet consumed.
    start: usize,
    end: usize,
    /// Offset of `bytes[0]` in the stream.
    base: u64,
}

impl Window {
    pub(crate) fn new(stream: Box<dyn Read + Send>) -> Window {
        Window { stream, bytes: vec![0; FIRST_BYTES], start: 0, end: 0, base: 0 }
    }

    /// Offset in the stream of the first byte that is not consumed.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Everything that was read ahead.
    #[inline]
    pub(crate) fn ahead(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Everything ahead, after an attempt to have at least `length` bytes there (at most
    /// [`LOOK_AHEAD_BYTES_MAX`]): fewer only at the end of the stream.
    #[inline]
    pub(crate) fn need(&mut self, length: usize) -> io::Result<&[u8]> {
        if self.end - self.start < length {
            self.fill(length)?;
        }
        Ok(self.ahead())
    }

    /// Moves on by `length` bytes, which must be ahead.
    #[inline]
    pub(crate) fn consume(&mut self, length: usize) {
        debug_assert!(length <= self.end - self.start);
        self.start = (self.start + length).min(self.end);
    }

    /// Moves on by `length` bytes, ahead or not; how many there were.
    pub(crate) fn skip(&mut self, length: u64) -> io::Result<u64> {
        let mut left = length;
        while left > 0 {
            let ahead = self.need(1)?.len();
            if ahead == 0 {
                break;
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(ahead);
            self.consume(step);
            left -= step as u64;
        }
        Ok(length - left)
    }

    #[cold]
    fn fill(&mut self, length: usize) -> io::Result<()> {
        let length = length.min(LOOK_AHEAD_BYTES_MAX);
        self.bytes.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < length {
            let Some(free) = self.bytes.get_mut(self.end..) else { break };
            match self.stream.read(free) {
                Ok(0) => break,
                Ok(read) => {
                    self.end = (self.end + read).min(self.bytes.len());
                    if self.end == self.bytes.len() {
                        self.grow();
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A stream that fills what there is has more.
    fn grow(&mut self) {
        let length = (self.bytes.len() * 2).min(MEMORY_BYTES_MAX);
        self.bytes.resize(length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that gives one to seven bytes at a time.
    struct Trickle(u64, u64);

    impl Read for Trickle {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = (self.0 % 7 + 1).min(self.1 - self.0).min(into.len() as u64) as usize;
            for byte in &mut into[..count] {
                *byte = self.0 as u8;
                self.0 += 1;
            }
            Ok(count)
        }
    }

    #[test]
    fn every_byte_is_seen_once_and_in_place() {
        let total = 3 * LOOK_AHEAD_BYTES_MAX as u64 + 17;
        let mut window = Window::new(Box::new(Trickle(0, total)));
        let mut at = 0;
        for step in (1..).map(|n: u64| n * 37 % 5000) {
            assert_eq!(window.offset(), at);
            let ahead = window.need(step as usize).unwrap();
            if (ahead.len() as u64) < step {
                assert_eq!(at + ahead.len() as u64, total);
                break;
            }
            assert!(ahead.iter().zip(at..).all(|(&byte, at)| byte == at as u8));
            if step % 3 == 0 {
                assert_eq!(window.skip(step).unwrap(), step);
            } else {
                window.consume(step as usize);
            }
            at += step;
        }
        assert_eq!(window.skip(u64::MAX).unwrap(), total - at);
        assert_eq!(window.need(1).unwrap(), b"");
    }
}
