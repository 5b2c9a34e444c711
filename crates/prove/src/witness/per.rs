//! Packed encoding rules, aligned variant (ITU-T X.691), written: as much as announcements need.

/// An encoding in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// Bits of the last byte that are taken; 0: all.
    taken: u32,
}

/// What `write` writes, as bytes.
pub(super) fn encoded(write: impl FnOnce(&mut Bits)) -> Vec<u8> {
    let mut bits = Bits::default();
    write(&mut bits);
    bits.bytes
}

impl Bits {
    /// The low `count` bits of `value`.
    pub(super) fn bits(&mut self, value: u32, count: u32) -> &mut Bits {
        for at in (0..count).rev() {
            if self.taken == 0 {
                self.bytes.push(0);
            }
            let bit = u8::from(value >> at & 1 == 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.taken);
            }
            self.taken = (self.taken + 1) % 8;
        }
        self
    }

    /// Booleans: optional fields that are there or not, among others.
    pub(super) fn flags(&mut self, flags: &[bool]) -> &mut Bits {
        flags.iter().fold(self, |bits, flag| bits.bits(u32::from(*flag), 1))
    }

    /// Whole bytes, aligned.
    pub(super) fn octets(&mut self, bytes: &[u8]) -> &mut Bits {
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A number in two aligned bytes.
    pub(super) fn two(&mut self, value: u16) -> &mut Bits {
        self.octets(&value.to_be_bytes())
    }

    /// A number of a range beyond 64 K, given as its distance from the least; below 64 K.
    pub(super) fn long(&mut self, value: u16) -> &mut Bits {
        self.bits(1, 2).two(value)
    }

    /// Bytes of any number, with their length.
    pub(super) fn open(&mut self, bytes: &[u8]) -> &mut Bits {
        let length = bytes.len();
        match length {
            0..128 => self.octets(&[length as u8]),
            _ => self.octets(&[0x80 | (length >> 8) as u8, length as u8]),
        };
        self.octets(bytes)
    }

    /// An alternative of a choice among `count` that has others.
    pub(super) fn plain(&mut self, index: u32, count: u32) -> &mut Bits {
        self.bits(0, 1).bits(index, u32::BITS - (count - 1).leading_zeros())
    }

    /// One of the others, with its contents.
    pub(super) fn other(&mut self, index: u32, contents: &[u8]) -> &mut Bits {
        self.bits(1, 1).bits(0, 1).bits(index, 6).open(contents)
    }

    /// The additions of a sequence, absent ones included, of which one is there at least.
    pub(super) fn additions(&mut self, additions: &[Option<Vec<u8>>]) -> &mut Bits {
        self.bits(0, 1).bits(additions.len() as u32 - 1, 6);
        additions.iter().for_each(|addition| {
            self.flags(&[addition.is_some()]);
        });
        additions.iter().flatten().for_each(|addition| {
            self.open(addition);
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_bytes_and_lengths() {
        type Write = fn(&mut Bits) -> &mut Bits;
        let rows: &[(Write, &[u8])] = &[
            (|b| b.bits(5, 3).flags(&[true]), &[0xb0]),
            (|b| b.flags(&[true]).two(0x1234), &[0x80, 0x12, 0x34]),
            (|b| b.long(0x1234), &[0x40, 0x12, 0x34]),
            (|b| b.open(&[7]), &[1, 7]),
            (|b| b.plain(2, 7), &[0x20]),
            (|b| b.other(3, &[9]), &[0x83, 1, 9]),
            (|b| b.additions(&[None, Some(vec![7])]), &[0x02, 0x80, 1, 7]),
        ];
        for (write, bytes) in rows {
            let written = encoded(|bits| {
                write(bits);
            });
            assert_eq!(written, *bytes);
        }
    }
}
