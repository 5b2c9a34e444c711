//! CRC32c, the checksum of SCTP (RFC 9260, appendix A).

/// The reversed Castagnoli polynomial.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// `TABLES[n][b]`: the effect of byte `b` followed by `n` zero bytes.
const TABLES: [[u32; 256]; 8] = tables();

/// A CRC in the making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc(u32);

impl Crc {
    /// The CRC of nothing yet.
    pub fn new() -> Crc {
        Crc(!0)
    }

    /// Goes on with `bytes`.
    pub fn add_bytes(self, bytes: &[u8]) -> Crc {
        let mut crc = self.0;
        let mut eights = bytes.chunks_exact(8);
        for eight in &mut eights {
            let mut word = [0; 8];
            word.copy_from_slice(eight);
            let mixed = (u64::from_le_bytes(word) ^ u64::from(crc)).to_le_bytes();
            crc = 0;
            for (byte, table) in mixed.iter().zip(TABLES.iter().rev()) {
                crc ^= table[usize::from(*byte)];
            }
        }
        for byte in eights.remainder() {
            crc = TABLES[0][usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
        }
        Crc(crc)
    }

    /// The CRC, as a number; SCTP writes it least significant byte first.
    pub fn finish(self) -> u32 {
        !self.0
    }
}

impl Default for Crc {
    fn default() -> Crc {
        Crc::new()
    }
}

/// The CRC32c of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    Crc::new().add_bytes(bytes).finish()
}

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { POLYNOMIAL ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut n = 1;
    while n < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[n - 1][byte];
            tables[n][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        n += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_3720() {
        let rows: [(&[u8], u32); 4] = [
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (b"123456789", 0xe306_9283),
            (b"", 0),
        ];
        for (bytes, crc) in rows {
            assert_eq!(crc32c(bytes), crc, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn piecewise_equals_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            cut in any::<prop::sample::Index>(),
        ) {
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(Crc::new().add_bytes(head).add_bytes(tail).finish(), crc32c(&bytes));
        }
    }
}
