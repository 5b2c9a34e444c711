//! The bits of packet marks that are kinwall's: between two visits they hold a packet's token, or
//! how it is to be refused.

use kinwall_engine::{TOKENS_MAX, Token};
use kinwall_terms::{Family, RejectWith};

/// The bits, and what they can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    mask: u32,
}

/// Every way to refuse, each with a number of its own from the highest down.
const REFUSALS: &[RejectWith] = &[
    RejectWith::IcmpNetUnreachable,
    RejectWith::IcmpHostUnreachable,
    RejectWith::IcmpProtoUnreachable,
    RejectWith::IcmpPortUnreachable,
    RejectWith::IcmpNetProhibited,
    RejectWith::IcmpHostProhibited,
    RejectWith::IcmpAdminProhibited,
    RejectWith::Icmp6NoRoute,
    RejectWith::Icmp6AdmProhibited,
    RejectWith::Icmp6AddrUnreachable,
    RejectWith::Icmp6PortUnreachable,
    RejectWith::Icmp6PolicyFail,
    RejectWith::Icmp6RejectRoute,
    RejectWith::TcpReset,
];

impl Marks {
    /// The bits that nobody else uses as a rule: the highest twelve.
    pub const DEFAULT: Marks = Marks { mask: 0xfff0_0000 };

    /// How many bits there must be.
    const BITS_MIN: u32 = 8;

    /// These bits; `None` unless they are at least eight, side by side.
    pub fn new(mask: u32) -> Option<Marks> {
        let bits = mask.checked_shr(mask.trailing_zeros())?;
        let together = bits.checked_add(1).is_none_or(u32::is_power_of_two);
        (together && mask.count_ones() >= Marks::BITS_MIN).then_some(Marks { mask })
    }

    /// The bits.
    pub fn mask(self) -> u32 {
        self.mask
    }

    fn highest(self) -> u32 {
        self.mask >> self.mask.trailing_zeros()
    }

    /// How many tokens there are.
    pub(crate) fn tokens(self) -> Token {
        let free = self.highest() - REFUSALS.len() as u32;
        Token::try_from(free).unwrap_or(TOKENS_MAX).min(TOKENS_MAX)
    }

    /// What others say by the mark.
    pub(crate) fn others(self, mark: u32) -> u32 {
        mark & !self.mask
    }

    /// The mark with a token.
    pub(crate) fn with_token(self, mark: u32, token: Token) -> u32 {
        self.others(mark) | u32::from(token) << self.mask.trailing_zeros()
    }

    /// The token in a mark.
    pub(crate) fn token(self, mark: u32) -> Option<Token> {
        let held = (mark & self.mask) >> self.mask.trailing_zeros();
        Token::try_from(held).ok().filter(|token| (1..=self.tokens()).contains(token))
    }

    /// The mark that has a packet refused.
    pub(crate) fn refused(self, mark: u32, with: RejectWith) -> u32 {
        self.others(mark) | self.refusal(with)
    }

    fn refusal(self, with: RejectWith) -> u32 {
        let place = REFUSALS.iter().position(|known| *known == with).unwrap_or(0);
        (self.highest() - place as u32) << self.mask.trailing_zeros()
    }

    /// The ways to refuse a packet of a family, each with its bits.
    pub(crate) fn refusals(self, family: Family) -> impl Iterator<Item = (RejectWith, u32)> {
        let fits = move |with: &&RejectWith| match with {
            RejectWith::TcpReset => true,
            with => with.name().starts_with("icmp6-") == (family == Family::Ipv6),
        };
        REFUSALS.iter().filter(fits).map(move |with| (*with, self.refusal(*with)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_together_and_enough() {
        let rows = [
            (0xfff0_0000, true),
            (0xffff_ffff, true),
            (0x0000_0ff0, true),
            (0x0000_00fe, false),
            (0x0ff0_0ff0, false),
            (0, false),
        ];
        for (mask, taken) in rows {
            assert_eq!(Marks::new(mask).is_some(), taken, "{mask:#x}");
        }
    }

    #[test]
    fn a_token_comes_back_and_nothing_else_is_one() {
        for mask in [0xfff0_0000, 0xffff_ffff, 0x0000_ff00] {
            let marks = Marks::new(mask).unwrap();
            for token in [1, 2, marks.tokens()] {
                let mark = marks.with_token(0x1234_5678, token);
                assert_eq!(marks.token(mark), Some(token), "{mask:#x}");
                assert_eq!(marks.others(mark), 0x1234_5678 & !mask);
            }
            assert_eq!(marks.token(marks.others(u32::MAX)), None);
            for family in Family::ALL {
                for (with, bits) in marks.refusals(family) {
                    assert_eq!(marks.token(bits), None, "{with:?}");
                    assert_eq!(marks.refused(0, with), bits);
                    assert_eq!(bits & !mask, 0);
                }
            }
        }
    }
}
