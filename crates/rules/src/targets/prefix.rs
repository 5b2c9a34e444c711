//! What the targets DNPT and SNPT share: an IPv6 prefix that becomes another (RFC 6296), without
//! a change of checksums.

use crate::targets::Target;
use crate::value::Network;
use kinwall_terms::Manip;
use std::net::{IpAddr, Ipv6Addr};

/// A prefix that becomes another, each of 1 to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixChange {
    /// The old one.
    pub from: Network,
    /// The new one.
    pub to: Network,
}

impl Target {
    /// Which end of a packet gets another prefix; `None` for targets that change none.
    pub fn prefix_change(&self) -> Option<(Manip, PrefixChange)> {
        match self {
            Target::Dnpt(target) => {
                Some((Manip::Destination, PrefixChange { from: target.src, to: target.dst }))
            }
            Target::Snpt(target) => {
                Some((Manip::Source, PrefixChange { from: target.src, to: target.dst }))
            }
            _ => None,
        }
    }
}

impl PrefixChange {
    /// What `address` becomes, whatever prefix it has (the kernel's behaviour): as many bits as
    /// the longer prefix has become the new one, zeroes where that is shorter. So that the sum of
    /// all words stays, the fourth one changes with prefixes of up to 48 bits, else the first one
    /// of the others that is not all ones. `None` when all are.
    pub fn map(&self, address: Ipv6Addr) -> Option<Ipv6Addr> {
        let (IpAddr::V6(from), IpAddr::V6(to)) = (self.from.address, self.to.address) else {
            return None;
        };
        let length = |network: &Network| network.prefix_length().unwrap_or_default();
        let length = length(&self.from).max(length(&self.to));
        let mask = !(u128::MAX.checked_shr(length.into()).unwrap_or_default());
        let mut words =
            Ipv6Addr::from_bits(address.to_bits() & !mask | to.to_bits() & mask).segments();
        let at = match length {
            0..=48 => 3,
            _ => (4..8).find(|at| words[*at] != u16::MAX)?,
        };
        let adjusted = [sum(from), !sum(to), words[at]].into_iter().fold(0, add);
        // Of the two zeroes of this arithmetic, that one.
        words[at] = if adjusted == u16::MAX { 0 } else { adjusted };
        Some(words.into())
    }
}

/// The sum of the words of a prefix.
fn sum(prefix: Ipv6Addr) -> u16 {
    prefix.segments().into_iter().fold(0, add)
}

/// Adds in one's complement.
fn add(one: u16, other: u16) -> u16 {
    let (sum, carry) = one.overflowing_add(other);
    sum.wrapping_add(carry.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinwall_terms::Family;

    #[test]
    fn addresses() {
        let rows = [
            // The example of RFC 6296, section 3.3, and the way back.
            (
                "fd01:203:405::/48",
                "2001:db8:1::/48",
                "fd01:203:405:1::1234",
                "2001:db8:1:d550::1234",
            ),
            (
                "2001:db8:1::/48",
                "fd01:203:405::/48",
                "2001:db8:1:d550::1234",
                "fd01:203:405:1::1234",
            ),
            // Another prefix than the old one; prefixes of different lengths.
            ("fd01::/48", "2001:db8:1::/48", "fe80::1", "2001:db8:1:cf47::1"),
            ("fd00::/8", "2001:db8::/32", "fd00:1:2:3::9", "2001:db8:2:cf4a::9"),
            ("fd00:1::/32", "fc00::/7", "fd00:1:2:3::9", "fc00:0:2:104::9"),
            // Longer than 48 bits: the first word behind that is not all ones.
            ("fd00:1:2:3::/64", "2001:db8:1:2::/64", "fd00:1:2:3::9", "2001:db8:1:2:cf4a::9"),
        ];
        for (from, to, old, new) in rows {
            let network = |text: &str| {
                let (address, length) = text.split_once('/').unwrap();
                let mask = !(u128::MAX.checked_shr(length.parse().unwrap()).unwrap());
                let mask = Ipv6Addr::from_bits(mask).into();
                Network::new(address.parse().unwrap(), mask)
            };
            let change = PrefixChange { from: network(from), to: network(to) };
            assert_eq!(Family::of(change.to.address), Family::Ipv6);
            let mapped = change.map(old.parse().unwrap()).unwrap();
            assert_eq!(mapped, new.parse::<Ipv6Addr>().unwrap(), "{from} {to} {old}");
        }
    }
}
