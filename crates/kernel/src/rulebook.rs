//! Which rule of which chain a rule handle of a trace means, and what its target is.

use crate::KernelError;
use crate::netlink::{Attributes, NFTABLES, Socket};
use kinwall_terms::{Family, RejectWith};
use std::collections::HashMap;

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RulePlace {
    /// IPv4 or IPv6 tables.
    pub family: Family,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// Number within the chain, from 1.
    pub number: u32,
}

/// A rule, as far as its end matters.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) place: RulePlace,
    pub(crate) reject: Option<RejectWith>,
}

/// All rules of the loaded tables, by handle.
#[derive(Debug, Default)]
pub(crate) struct Rulebook {
    rules: HashMap<(Family, String, u64), Rule>,
}

/// Message number of `NFT_MSG_GETRULE`.
const MSG_GETRULE: u8 = 7;

/// Attribute numbers of `enum nft_rule_attributes` and of the expressions within.
mod attribute {
    pub(super) const TABLE: u16 = 1;
    pub(super) const CHAIN: u16 = 2;
    pub(super) const HANDLE: u16 = 3;
    pub(super) const EXPRESSIONS: u16 = 4;
    pub(super) const EXPRESSION_NAME: u16 = 1;
    pub(super) const EXPRESSION_PARTS: u16 = 2;
    pub(super) const TARGET_NAME: u16 = 1;
    pub(super) const TARGET_INFO: u16 = 3;
    pub(super) const REJECT_KIND: u16 = 1;
    pub(super) const REJECT_CODE: u16 = 2;
}

impl Rulebook {
    /// Reads the rules that are loaded now.
    pub(crate) fn read(ask: &mut Socket) -> Result<Rulebook, KernelError> {
        let mut rules = HashMap::new();
        let mut count: HashMap<(Family, String, String), u32> = HashMap::new();
        ask.dump(NFTABLES, MSG_GETRULE, |message| {
            let families: &[Family] = match message.family {
                1 => &Family::ALL,
                2 => &[Family::Ipv4],
                10 => &[Family::Ipv6],
                _ => return,
            };
            let a = message.attributes;
            let (Some(table), Some(chain), Some(handle)) =
                (a.text(attribute::TABLE), a.text(attribute::CHAIN), a.u64(attribute::HANDLE))
            else {
                return;
            };
            for &family in families {
                let chain = chain.to_string();
                let number = count.entry((family, table.to_string(), chain.clone())).or_insert(0);
                *number += 1;
                let number = *number;
                let reject = a.nested(attribute::EXPRESSIONS).and_then(|e| reject(family, e));
                let place = RulePlace { family, table: table.to_string(), chain, number };
                rules.insert((family, table.to_string(), handle), Rule { place, reject });
            }
        })?;
        Ok(Rulebook { rules })
    }

    /// The rule with this handle.
    pub(crate) fn find(&self, family: Family, table: &str, handle: u64) -> Option<&Rule> {
        self.rules.get(&(family, table.to_string(), handle))
    }
}

/// What a rule's REJECT says, when it has one: the last of its expressions.
fn reject(family: Family, expressions: Attributes<'_>) -> Option<RejectWith> {
    let (_, last) = expressions.iter().last()?;
    let last = Attributes::new(last);
    let parts = last.nested(attribute::EXPRESSION_PARTS)?;
    match last.text(attribute::EXPRESSION_NAME)? {
        "target" if parts.text(attribute::TARGET_NAME) == Some("REJECT") => {
            let number = *parts.get(attribute::TARGET_INFO)?.first_chunk::<4>()?;
            target_kind(family, u32::from_ne_bytes(number))
        }
        "reject" => native_kind(
            family,
            parts.u32(attribute::REJECT_KIND)?,
            parts.u8(attribute::REJECT_CODE),
        ),
        _ => None,
    }
}

/// The numbers of `enum ipt_reject_with` and `enum ip6t_reject_with`.
fn target_kind(family: Family, number: u32) -> Option<RejectWith> {
    use RejectWith::*;
    Some(match (family, number) {
        (Family::Ipv4, 0) => IcmpNetUnreachable,
        (Family::Ipv4, 1) => IcmpHostUnreachable,
        (Family::Ipv4, 2) => IcmpProtoUnreachable,
        (Family::Ipv4, 3) => IcmpPortUnreachable,
        (Family::Ipv4, 5) => IcmpNetProhibited,
        (Family::Ipv4, 6) => IcmpHostProhibited,
        (Family::Ipv4, 7) => TcpReset,
        (Family::Ipv4, 8) => IcmpAdminProhibited,
        (Family::Ipv6, 0) => Icmp6NoRoute,
        (Family::Ipv6, 1) => Icmp6AdmProhibited,
        (Family::Ipv6, 3) => Icmp6AddrUnreachable,
        (Family::Ipv6, 4) => Icmp6PortUnreachable,
        (Family::Ipv6, 6) => TcpReset,
        (Family::Ipv6, 7) => Icmp6PolicyFail,
        (Family::Ipv6, 8) => Icmp6RejectRoute,
        _ => return None,
    })
}

/// nftables' own reject: kind 0 with an ICMP code, kind 1 a TCP RST, kind 2 for both families.
fn native_kind(family: Family, kind: u32, code: Option<u8>) -> Option<RejectWith> {
    use RejectWith::*;
    Some(match (kind, family, code) {
        (1, _, _) => TcpReset,
        (0, Family::Ipv4, Some(0)) => IcmpNetUnreachable,
        (0, Family::Ipv4, Some(1)) => IcmpHostUnreachable,
        (0, Family::Ipv4, Some(2)) => IcmpProtoUnreachable,
        (0, Family::Ipv4, Some(3)) => IcmpPortUnreachable,
        (0, Family::Ipv4, Some(9)) => IcmpNetProhibited,
        (0, Family::Ipv4, Some(10)) => IcmpHostProhibited,
        (0, Family::Ipv4, Some(13)) => IcmpAdminProhibited,
        (0, Family::Ipv6, Some(0)) => Icmp6NoRoute,
        (0, Family::Ipv6, Some(1)) => Icmp6AdmProhibited,
        (0, Family::Ipv6, Some(3)) => Icmp6AddrUnreachable,
        (0, Family::Ipv6, Some(4)) => Icmp6PortUnreachable,
        (0, Family::Ipv6, Some(5)) => Icmp6PolicyFail,
        (0, Family::Ipv6, Some(6)) => Icmp6RejectRoute,
        // Kind 2 names what both families have (`enum nft_reject_inet_code`).
        (2, Family::Ipv4, Some(0)) => IcmpNetUnreachable,
        (2, Family::Ipv4, Some(1)) => IcmpPortUnreachable,
        (2, Family::Ipv4, Some(2)) => IcmpHostUnreachable,
        (2, Family::Ipv4, Some(3)) => IcmpAdminProhibited,
        (2, Family::Ipv6, Some(0)) => Icmp6NoRoute,
        (2, Family::Ipv6, Some(1)) => Icmp6PortUnreachable,
        (2, Family::Ipv6, Some(2)) => Icmp6AddrUnreachable,
        (2, Family::Ipv6, Some(3)) => Icmp6AdmProhibited,
        _ => return None,
    })
}
