//! The basic encoding rules of ASN.1 (X.690), as far as a message's outer shape needs them: tags
//! of one byte, lengths that are given.

/// A tag of one byte: class, form and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub u8);

impl Tag {
    /// `INTEGER`.
    pub const INTEGER: Tag = Tag(0x02);
    /// `OBJECT IDENTIFIER`.
    pub const OBJECT_IDENTIFIER: Tag = Tag(0x06);
    /// `OCTET STRING`.
    pub const OCTET_STRING: Tag = Tag(0x04);
    /// `SEQUENCE`.
    pub const SEQUENCE: Tag = Tag(0x30);
}

/// Reads one value after the other. Every length is held against what is there.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` begins in the message.
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the first.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, offset: 0 }
    }

    /// The next value and its tag. `None` when there is none, when it is cut short, when its tag
    /// has more than one byte, or when its length is left open or has more than four bytes.
    pub fn read(&mut self) -> Option<(Tag, &'a [u8])> {
        let (&tag, rest) = self.rest.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let long = usize::from(first & 0x7f);
        let (length, rest) = match first {
            0..0x80 => (long, rest),
            _ if (1..=4).contains(&long) => {
                let (digits, rest) = rest.split_at_checked(long)?;
                let digit = |sum: usize, digit: &u8| sum << 8 | usize::from(*digit);
                (digits.iter().fold(0, digit), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        let small = tag & 0x1f != 0x1f;
        self.offset += self.rest.len() - rest.len();
        self.rest = rest;
        small.then_some((Tag(tag), value))
    }

    /// The next value, which must have this tag.
    pub fn take(&mut self, tag: Tag) -> Option<&'a [u8]> {
        self.read().filter(|(found, _)| *found == tag).map(|(_, value)| value)
    }

    /// A reader of what is in the next value, and its tag.
    pub fn enter_any(&mut self) -> Option<(Tag, Reader<'a>)> {
        let (tag, rest) = self.read()?;
        Some((tag, Reader { rest, offset: self.offset - rest.len() }))
    }

    /// A reader of what is in the next value, which must have this tag.
    pub fn enter(&mut self, tag: Tag) -> Option<Reader<'a>> {
        self.enter_any().filter(|(found, _)| *found == tag).map(|(_, reader)| reader)
    }

    /// The tag of the next value.
    pub fn peek(&self) -> Option<Tag> {
        self.rest.first().copied().map(Tag)
    }

    /// Where in the message the next value begins.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Nothing is left.
    pub fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_held_against_what_is_there() {
        let long = [&[4, 0x82, 1, 0][..], &[7; 256]].concat();
        /// Bytes, and the tag and length of the value they begin with.
        type Row<'a> = (&'a [u8], Option<(u8, usize)>);
        let rows: &[Row<'_>] = &[
            (&[2, 1, 9], Some((2, 1))),
            (&[5, 0], Some((5, 0))),
            (&[4, 0x81, 2, 1, 1], Some((4, 2))),
            (&[4, 0x84, 0, 0, 0, 1, 1], Some((4, 1))),
            (&long, Some((4, 256))),
            (&[], None),
            (&[2], None),
            (&[2, 2, 9], None),
            (&[4, 0x81], None),
            (&[4, 0x82, 1], None),
            (&[4, 0x80, 0, 0], None),
            (&[4, 0x85, 0, 0, 0, 0, 1, 1], None),
            (&[4, 0x84, 0xff, 0xff, 0xff, 0xff], None),
            (&[0x1f, 1, 0], None),
        ];
        for (bytes, expected) in rows {
            let read = Reader::new(bytes).read().map(|(tag, value)| (tag.0, value.len()));
            assert_eq!(read, *expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_value_after_the_other() {
        let mut reader = Reader::new(&[2, 1, 9, 4, 0]);
        assert_eq!(reader.take(Tag::INTEGER), Some(&[9][..]));
        assert_eq!(reader.end(), None);
        assert_eq!(reader.take(Tag::OCTET_STRING), Some(&[][..]));
        assert_eq!(reader.end(), Some(()));
        assert_eq!(reader.take(Tag::INTEGER), None);
    }
}
