//! Addresses and ports, as people and programs read them.

use crate::universe::{Universe, to_address};
use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};
use kinwall_terms::Family;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    /// The first.
    pub first: IpAddr,
    /// The last, of the same family.
    pub last: IpAddr,
}

impl AddressRange {
    /// The fewest networks that make up the range.
    pub fn networks(&self) -> Vec<IpNet> {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Ipv4Subnets::new(first, last, 0).map(IpNet::from).collect()
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Ipv6Subnets::new(first, last, 0).map(IpNet::from).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A network, an address, or `first-last` where that is shorter.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.networks().as_slice() {
            [one] if one.prefix_len() == one.max_prefix_len() => write!(f, "{}", one.addr()),
            [one] => write!(f, "{one}"),
            [one, other] => write!(f, "{one}, {other}"),
            _ => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// The addresses behind pieces.
pub fn ranges(universe: &Universe, pieces: &[(u32, u32)]) -> Vec<AddressRange> {
    let family = universe.family;
    let values = universe.addresses.values(pieces).into_iter();
    values
        .map(|(first, last)| AddressRange {
            first: to_address(family, first),
            last: to_address(family, last),
        })
        .collect()
}

/// The fewest networks that make up the ranges.
pub fn networks(ranges: &[AddressRange]) -> Vec<IpNet> {
    ranges.iter().flat_map(AddressRange::networks).collect()
}

/// The ports behind pieces.
pub fn ports(universe: &Universe, pieces: &[(u32, u32)]) -> Vec<(u16, u16)> {
    let port = |value| u16::try_from(value).unwrap_or(u16::MAX);
    let values = universe.ports.values(pieces).into_iter();
    values.map(|(first, last)| (port(first), port(last))).collect()
}

/// The address that is none.
pub(crate) fn unspecified(family: Family) -> IpNet {
    match family {
        Family::Ipv4 => Ipv4Net::from(Ipv4Addr::UNSPECIFIED).into(),
        Family::Ipv6 => Ipv6Net::from(Ipv6Addr::UNSPECIFIED).into(),
    }
}

/// Every address of a family.
pub fn everything(family: Family) -> AddressRange {
    let last = match family {
        Family::Ipv4 => u32::MAX.into(),
        Family::Ipv6 => u128::MAX,
    };
    AddressRange { first: to_address(family, 0), last: to_address(family, last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_said_briefly() {
        let rows = [
            ("10.0.0.0", "10.255.255.255", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
            ("10.0.0.0", "10.0.2.255", "10.0.0.0/23, 10.0.2.0/24"),
            ("10.0.0.1", "10.0.0.254", "10.0.0.1-10.0.0.254"),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
        ];
        for (first, last, text) in rows {
            let [first, last] = [first, last].map(|a| a.parse().unwrap());
            assert_eq!(AddressRange { first, last }.to_string(), text);
        }
    }
}
