//! The one bounds-checked cursor: it checks, then moves.
//!
//! Every read returns `None` and leaves the cursor where it was when the bytes are not there.
//! Numbers are big-endian, as protocols write them; the few little-endian ones say so.

/// A cursor over bytes that nobody vouches for.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, position: 0 }
    }

    /// A reader at `offset`; `None` when that lies beyond the end.
    pub fn at(bytes: &'a [u8], offset: usize) -> Option<Reader<'a>> {
        (offset <= bytes.len()).then_some(Reader { bytes, position: offset })
    }

    /// How many bytes lie before the cursor.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes lie after the cursor.
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The bytes after the cursor, which stays.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or(&[])
    }

    /// The next byte, without moving.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    /// The next `length` bytes.
    #[inline]
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.position.checked_add(length)?;
        let taken = self.bytes.get(self.position..end)?;
        self.position = end;
        Some(taken)
    }

    /// The next `N` bytes, as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let taken = array_at(self.bytes, self.position)?;
        self.position += N;
        Some(taken)
    }

    /// A reader over the next `length` bytes, which this one leaves behind.
    pub fn sub(&mut self, length: usize) -> Option<Reader<'a>> {
        self.take(length).map(Reader::new)
    }

    /// Passes over `length` bytes.
    pub fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_| ())
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|&[byte]| byte)
    }

    /// Two bytes, big-endian.
    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(|&bytes| u16::from_be_bytes(bytes))
    }

    /// Two bytes, little-endian.
    pub fn u16_le(&mut self) -> Option<u16> {
        self.array().map(|&bytes| u16::from_le_bytes(bytes))
    }

    /// Three bytes, big-endian.
    pub fn u24(&mut self) -> Option<u32> {
        self.array().map(|&[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Four bytes, big-endian.
    #[inline]
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(|&bytes| u32::from_be_bytes(bytes))
    }

    /// Four bytes, little-endian.
    pub fn u32_le(&mut self) -> Option<u32> {
        self.array().map(|&bytes| u32::from_le_bytes(bytes))
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(|&bytes| u64::from_be_bytes(bytes))
    }
}

/// The `N` bytes at `offset`; `None` when they are not all there.
#[inline]
pub fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<&[u8; N]> {
    bytes.get(offset..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_big_endian_and_moves() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Some(1));
        assert_eq!(reader.u16(), Some(0x0203));
        assert_eq!(reader.u24(), Some(0x04_0506));
        assert_eq!(reader.u32(), Some(0x0708_090a));
        assert_eq!(reader.position(), 10);
        assert!(reader.is_empty());
        assert_eq!(Reader::new(&bytes).u16_le(), Some(0x0201));
        assert_eq!(Reader::new(&bytes).u32_le(), Some(0x0403_0201));
        assert_eq!(Reader::new(&bytes).u64(), Some(0x0102_0304_0506_0708));
    }

    #[test]
    fn a_read_beyond_the_end_leaves_the_cursor() {
        let mut reader = Reader::at(&[1, 2, 3], 1).unwrap();
        assert_eq!(reader.u32(), None);
        assert_eq!(reader.take(3), None);
        assert_eq!(reader.take(usize::MAX), None);
        assert_eq!(reader.position(), 1);
        assert_eq!(reader.rest(), [2, 3]);
        assert!(Reader::at(&[1, 2, 3], 4).is_none());
    }

    #[test]
    fn a_part_is_read_by_itself() {
        let mut reader = Reader::new(&[1, 2, 3, 4]);
        let mut part = reader.sub(2).unwrap();
        assert_eq!((part.u16(), part.u8()), (Some(0x0102), None));
        assert_eq!(reader.peek(), Some(3));
        assert_eq!(reader.skip(2), Some(()));
        assert_eq!(reader.peek(), None);
    }
}
