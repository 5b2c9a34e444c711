//! The expectation a helper proposes.

use crate::{L4Proto, Tuple};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A piece of the payload: offset from its first byte, and length, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Offset of the first byte.
    pub offset: u32,
    /// Length in bytes.
    pub length: u32,
}

bitflags::bitflags! {
    /// Flags of an expectation, with Linux's bit numbers.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct ExpectationFlags: u8 {
        /// Stays after a match, until it times out.
        const PERMANENT = 1;
        /// Does not match packets yet, but takes part in clash and limit checks.
        const INACTIVE = 2;
        /// Made by a user-space program.
        const USERSPACE = 4;
    }
}

/// Which bits of the source of an expected tuple are compared. The destination, the protocol
/// and the family always compare exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceMask {
    /// Address mask: all ones (exact), all zeroes (anybody), or a netmask.
    pub address: IpAddr,
    /// Port mask: 0xffff or 0.
    pub port: u16,
}

/// An announced tuple, as a helper proposes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Expected {
    /// What the first packet of the child must look like, under `mask`.
    pub tuple: Tuple,
    /// Which bits of its source count.
    pub mask: SourceMask,
}

impl Expected {
    /// The one constructor: a source part that is given compares exactly, one that is absent
    /// matches anything. `dst`, `dport` and `proto` always compare exactly.
    pub fn new(
        src: Option<IpAddr>,
        sport: Option<u16>,
        dst: IpAddr,
        dport: u16,
        proto: L4Proto,
    ) -> Expected {
        let (none, all): (IpAddr, IpAddr) = match dst {
            IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into()),
            IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::from([0xff; 16]).into()),
        };
        Expected {
            tuple: Tuple { src: src.unwrap_or(none), dst, sport: sport.unwrap_or(0), dport, proto },
            mask: SourceMask {
                address: if src.is_some() { all } else { none },
                port: if sport.is_some() { 0xffff } else { 0 },
            },
        }
    }

    /// As [`Expected::new`] with an exact source port, and any source address that equals
    /// `network` under `netmask`.
    pub fn from_network(
        network: IpAddr,
        netmask: IpAddr,
        sport: u16,
        dst: IpAddr,
        dport: u16,
        proto: L4Proto,
    ) -> Expected {
        let mut expected = Expected::new(Some(network), Some(sport), dst, dport, proto);
        expected.mask.address = netmask;
        expected
    }
}
