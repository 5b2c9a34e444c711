//! The internet checksum (RFC 1071), and its incremental update (RFC 1624).

use kinwall_terms::L4Proto;
use std::net::IpAddr;

/// A one's complement sum in the making.
///
/// Bytes may be added piece by piece; each piece but the last must have an even length, because
/// the sum is of 16-bit words.
///
/// Words are summed as they lie in memory: a one's complement sum of swapped words is the swapped
/// sum (RFC 1071, section 2B), so that one swap at the end is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    #[inline]
    pub fn new() -> Sum {
        Sum(0)
    }

    /// Adds `bytes`; an odd last byte counts as the high half of a word.
    #[inline]
    pub fn add_bytes(self, bytes: &[u8]) -> Sum {
        // Eight bytes at a time, what is carried out of the top added at the bottom: 2^64 is 1
        // modulo 2^16 - 1, and so is 2^16, so that the words fold together later.
        let (words, rest) = bytes.as_chunks::<8>();
        let sum = words.iter().fold(0, |sum: u64, word| {
            let (sum, carry) = sum.overflowing_add(u64::from_ne_bytes(*word));
            sum + u64::from(carry)
        });
        let (half, rest) = match rest.split_first_chunk::<4>() {
            Some((half, rest)) => (u32::from_ne_bytes(*half), rest),
            None => (0, rest),
        };
        let rest = match *rest {
            [] => 0,
            [a] => u32::from_ne_bytes([a, 0, 0, 0]),
            [a, b] => u32::from_ne_bytes([a, b, 0, 0]),
            [a, b, c, ..] => u32::from_ne_bytes([a, b, c, 0]),
        };
        self.add((sum >> 32) + (sum & 0xffff_ffff) + u64::from(half) + u64::from(rest))
    }

    /// Adds one word.
    #[inline]
    pub fn add_u16(self, word: u16) -> Sum {
        self.add(u64::from(word.to_be()))
    }

    /// Adds four bytes.
    #[inline]
    fn add_u32(self, word: u32) -> Sum {
        self.add(u64::from(word.to_be()))
    }

    /// Adds the pseudo-header of RFC 793 or RFC 8200 section 8.1: both addresses, the length of
    /// transport header and payload in bytes, and the protocol.
    #[inline]
    pub fn add_pseudo_header(self, src: IpAddr, dst: IpAddr, proto: L4Proto, length: u32) -> Sum {
        let ends = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                self.add_u32(src.to_bits()).add_u32(dst.to_bits())
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                self.add_bytes(&src.octets()).add_bytes(&dst.octets())
            }
            // Both addresses of a packet are of one family.
            _ => self,
        };
        ends.add_u32(length).add_u16(u16::from(proto.0))
    }

    /// Adds less than 2^63: two halves of 32 bits remain, so that no number of additions can
    /// carry out of 64 bits.
    #[inline]
    fn add(self, sum: u64) -> Sum {
        let sum = self.0 + sum;
        Sum((sum & 0xffff_ffff) + (sum >> 32))
    }

    /// The sum, folded to 16 bits. Over bytes that hold their own right checksum it is 0xffff.
    #[inline]
    pub fn fold(self) -> u16 {
        let mut sum = self.0;
        for _ in 0..3 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::from_be(sum as u16)
    }

    /// The checksum: the complement of the folded sum.
    #[inline]
    pub fn checksum(self) -> u16 {
        !self.fold()
    }

    /// Whether the bytes summed hold their own right checksum.
    #[inline]
    pub fn is_right(self) -> bool {
        self.fold() == 0xffff
    }
}

/// The checksum of `bytes`, whose own checksum field must be zero.
pub fn internet(bytes: &[u8]) -> u16 {
    Sum::new().add_bytes(bytes).checksum()
}

/// The checksum after a 16-bit word it covers changed from `old` to `new` (RFC 1624, equation 3).
pub fn update_u16(checksum: u16, old: u16, new: u16) -> u16 {
    Sum::new().add_u16(!checksum).add_u16(!old).add_u16(new).checksum()
}

/// As [`update_u16`] for a 32-bit word at an even offset.
pub fn update_u32(checksum: u16, old: u32, new: u32) -> u16 {
    update(checksum, &old.to_be_bytes(), &new.to_be_bytes())
}

/// The checksum after bytes at an even offset changed from `old` to `new`, which need not be of
/// the same length when they are the last that the checksum covers.
pub fn update(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let removed = Sum::new().add_bytes(old).checksum();
    Sum::new().add_u16(!checksum).add_u16(removed).add_bytes(new).checksum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Word by word, as RFC 1071 defines it.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(internet(&bytes), !0xddf2);
    }

    #[test]
    fn the_example_of_rfc_1624() {
        assert_eq!(update_u16(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn a_right_checksum_sums_to_all_ones() {
        let mut header = vec![
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 192, 168, 0, 1, 192, 168, 0, 199,
        ];
        let checksum = internet(&header);
        assert_eq!(checksum, 0xb861);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        assert!(Sum::new().add_bytes(&header).is_right());
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_sum(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(internet(&bytes), naive(&bytes));
        }

        #[test]
        fn incremental_equals_full(
            mut bytes in proptest::collection::vec(any::<u8>(), 2..200),
            place in any::<prop::sample::Index>(),
            new in any::<u16>(),
        ) {
            // A sum of zero has two spellings, 0 and 0xffff: only all-zero bytes reach the first,
            // and no header is all zeroes.
            bytes.extend([0x45, 0]);
            if bytes.len() % 2 == 1 { bytes.insert(0, 1); }
            let before = internet(&bytes);
            let at = place.index(bytes.len() / 2 - 1) * 2;
            let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(update_u16(before, old, new), internet(&bytes));
            prop_assert_eq!(
                update(before, &old.to_be_bytes(), &new.to_be_bytes()),
                internet(&bytes)
            );
        }

        #[test]
        fn incremental_follows_a_new_tail(
            head in proptest::collection::vec(any::<u8>(), 1..50),
            old in proptest::collection::vec(any::<u8>(), 0..50),
            new in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let head = [&[0x45, 0], &head[..], &head[..]].concat();
            let before = internet(&[&head[..], &old].concat());
            let after = internet(&[&head[..], &new].concat());
            prop_assert_eq!(update(before, &old, &new), after);
        }
    }
}
