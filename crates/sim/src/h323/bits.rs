//! Packed encoding rules, aligned variant (ITU-T X.691), written.

/// An encoding in the making.
#[derive(Clone, Debug, Default)]
pub struct Bits {
    bytes: Vec<u8>,
    /// Bits of the last byte that are taken; 0: all.
    taken: u32,
}

impl Bits {
    /// Nothing yet.
    pub fn new() -> Bits {
        Bits::default()
    }

    /// The encoding, filled up to whole bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// The low `count` bits of `value`.
    pub fn bits(&mut self, value: u32, count: u32) -> &mut Bits {
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

    /// A BOOLEAN.
    pub fn flag(&mut self, value: bool) -> &mut Bits {
        self.bits(value.into(), 1)
    }

    /// Goes on at a whole byte.
    pub fn align(&mut self) -> &mut Bits {
        self.taken = 0;
        self
    }

    /// Whole bytes, aligned.
    pub fn octets(&mut self, bytes: &[u8]) -> &mut Bits {
        self.align().bytes.extend_from_slice(bytes);
        self
    }

    /// A number in two aligned bytes.
    pub fn two(&mut self, value: u16) -> &mut Bits {
        self.octets(&value.to_be_bytes())
    }

    /// A number of a range beyond 64 K, given as its distance from the least.
    pub fn long(&mut self, value: u32) -> &mut Bits {
        let bytes = value.to_be_bytes();
        let skip = bytes.iter().position(|&byte| byte != 0).unwrap_or(3);
        let bytes = bytes.get(skip..).unwrap_or_default();
        self.bits(bytes.len() as u32 - 1, 2).octets(bytes)
    }

    /// A length of up to 16383, aligned.
    pub fn length(&mut self, length: usize) -> &mut Bits {
        match length {
            0..128 => self.octets(&[length as u8]),
            _ => self.octets(&[0x80 | (length >> 8) as u8, length as u8]),
        }
    }

    /// Bytes of any number, with their length.
    pub fn open(&mut self, bytes: &[u8]) -> &mut Bits {
        self.length(bytes.len()).octets(bytes)
    }

    /// An object identifier, given as its contents.
    pub fn oid(&mut self, contents: &[u8]) -> &mut Bits {
        self.open(contents)
    }

    /// A BMPString whose length less one takes `count` bits.
    pub fn wide(&mut self, text: &str, count: u32) -> &mut Bits {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let length = units.len() as u32 / 2 - 1;
        if count == 8 {
            self.align();
        }
        self.bits(length, count).octets(&units)
    }

    /// Dialled digits of up to 128 characters.
    pub fn digits(&mut self, text: &str) -> &mut Bits {
        const ALPHABET: &str = "#*,0123456789";
        self.bits(text.len() as u32 - 1, 7).align();
        for digit in text.chars() {
            let code = ALPHABET.find(digit).unwrap_or(3);
            self.bits(code as u32, 4);
        }
        self
    }

    /// The head of a sequence: whether additions follow, and which optional fields are there.
    pub fn head(&mut self, extended: Option<bool>, optional: &[bool]) -> &mut Bits {
        if let Some(extended) = extended {
            self.flag(extended);
        }
        optional.iter().for_each(|&there| {
            self.flag(there);
        });
        self
    }

    /// The additions of a sequence, absent ones included; none at all write nothing, as the head
    /// must have said.
    pub fn additions(&mut self, additions: &[Option<Vec<u8>>]) -> &mut Bits {
        if additions.iter().all(Option::is_none) {
            return self;
        }
        self.bits(0, 1).bits(additions.len() as u32 - 1, 6);
        additions.iter().for_each(|addition| {
            self.flag(addition.is_some());
        });
        additions.iter().flatten().for_each(|addition| {
            self.open(addition);
        });
        self
    }

    /// An alternative of a choice among `count` plain ones.
    pub fn index(&mut self, index: u32, count: u32) -> &mut Bits {
        self.bits(index, u32::BITS - (count - 1).leading_zeros())
    }

    /// A plain alternative of a choice that has others.
    pub fn plain(&mut self, index: u32, count: u32) -> &mut Bits {
        self.flag(false).index(index, count)
    }

    /// One of the others, with its contents.
    pub fn other(&mut self, index: u32, contents: &[u8]) -> &mut Bits {
        self.flag(true).bits(0, 1).bits(index, 6).open(contents)
    }
}

/// Whether a sequence has additions.
pub fn extended(additions: &[Option<Vec<u8>>]) -> Option<bool> {
    Some(additions.iter().any(Option::is_some))
}

/// What `write` writes, as bytes.
pub fn encoded(write: impl FnOnce(&mut Bits)) -> Vec<u8> {
    let mut bits = Bits::new();
    write(&mut bits);
    let bytes = bits.finish();
    // A contained encoding is one byte at least.
    if bytes.is_empty() { vec![0] } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Write = fn(&mut Bits);

    #[test]
    fn bits_bytes_and_lengths() {
        let rows: &[(Write, &[u8])] = &[
            (
                |b| {
                    b.bits(5, 3).flag(true);
                },
                &[0xb0],
            ),
            (
                |b| {
                    b.flag(true).two(0x1234);
                },
                &[0x80, 0x12, 0x34],
            ),
            (
                |b| {
                    b.long(0);
                },
                &[0x00, 0x00],
            ),
            (
                |b| {
                    b.long(0x12345);
                },
                &[0x80, 0x01, 0x23, 0x45],
            ),
            (
                |b| {
                    b.length(5);
                },
                &[5],
            ),
            (
                |b| {
                    b.length(300);
                },
                &[0x81, 0x2c],
            ),
            (
                |b| {
                    b.wide("a", 7);
                },
                &[0x00, 0x00, 0x61],
            ),
            (
                |b| {
                    b.digits("12");
                },
                &[0x02, 0x45],
            ),
            (
                |b| {
                    b.additions(&[None, Some(vec![7])]);
                },
                &[0x02, 0x80, 1, 7],
            ),
            (
                |b| {
                    b.other(3, &[9]);
                },
                &[0x83, 1, 9],
            ),
            (
                |b| {
                    b.plain(2, 7);
                },
                &[0x20],
            ),
        ];
        for (write, bytes) in rows {
            assert_eq!(encoded(write), *bytes);
        }
    }
}
