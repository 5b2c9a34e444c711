//! What is in a set, for an analysis that asks no single packet.

use super::set::{Dimension, Entry, Key, Life, Set, prefix};
use super::{Element, Sets};
use crate::targets::set::Side;
use kinwall_terms::{Family, L4Proto};

/// So many members are told; what has more is for packets to ask.
pub const MEMBERS_MAX: usize = 4096;

/// Packets that fall into a set, or are excepted from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Sides of the packet, and the first and last address there as numbers, IPv4 in the lowest
    /// bits.
    pub addresses: Vec<(Side, [u128; 2])>,
    /// A side of the packet, the first and last port there, and whose ports they are.
    pub ports: Option<(Side, [u16; 2], Vec<L4Proto>)>,
    /// Whether it is excepted from wider members (`nomatch`).
    pub exception: bool,
}

impl Sets {
    /// The members of the set that `element` names, for packets of `family`: a later member
    /// decides where it meets earlier ones. Of a list of sets those of each, a packet being in the
    /// list when it is in one of them. `None`: there is no such set, members come and go by time,
    /// they hold what is no address and no port, or there are more than [`MEMBERS_MAX`].
    pub fn members(&self, element: &Element, family: Family) -> Option<Vec<Vec<Member>>> {
        let set = self.sets.get(self.index(&element.set)? as usize)?;
        if !set.kind.is_list() {
            return Some(vec![set.all(&element.sides, family)?]);
        }
        if !set.members.iter().all(|(_, entry)| is_forever(entry)) {
            return None;
        }
        let sets = set.members.iter().map(|(at, _)| self.sets.get(*at as usize));
        let all = sets.map(|set| set?.all(&element.sides, family)).collect::<Option<Vec<_>>>()?;
        (all.iter().map(Vec::len).sum::<usize>() <= MEMBERS_MAX).then_some(all)
    }
}

fn is_forever(entry: &Entry) -> bool {
    entry.life == Life::Forever
}

impl Set {
    fn all(&self, sides: &[Side], family: Family) -> Option<Vec<Member>> {
        let dimensions = self.kind.dimensions;
        if self.family.is_some_and(|of| of != family) || sides.len() < dimensions.len() {
            return Some(Vec::new());
        }
        let is_told = |dimension: &Dimension| {
            dimension.is_address() || matches!(dimension, Dimension::Port | Dimension::BarePort)
        };
        let is_plain = self.mask == u128::MAX && dimensions.iter().all(is_told);
        if !is_plain || !self.elements.values().all(is_forever) {
            return None;
        }
        let mut elements: Vec<(&Key, bool)> =
            self.elements.iter().map(|(key, entry)| (key, entry.exception)).collect();
        elements.sort_unstable_by_key(|(key, exception)| {
            (key.lengths, *exception, key.proto, key.addresses[1], key.addresses[0], key.port)
        });
        let mut members: Vec<Member> = Vec::new();
        for (key, exception) in elements {
            let member = self.member(key, exception, sides, family)?;
            if members.last_mut().is_some_and(|last| last.takes(&member)) {
                continue;
            }
            if members.len() == MEMBERS_MAX {
                return None;
            }
            members.push(member);
        }
        Some(members)
    }

    fn member(&self, key: &Key, exception: bool, sides: &[Side], family: Family) -> Option<Member> {
        let mut member = Member { addresses: Vec::new(), ports: None, exception };
        for (dimension, side) in self.kind.dimensions.iter().zip(sides) {
            match dimension {
                Dimension::Network => {
                    let place = member.addresses.len();
                    let (first, length) = (key.addresses.get(place)?, *key.lengths.get(place)?);
                    let hosts = prefix(family, family.bits()) & !prefix(family, length);
                    member.addresses.push((*side, [*first, first | hosts]));
                }
                Dimension::Address => {
                    let first = *key.addresses.get(member.addresses.len())?;
                    member.addresses.push((*side, [first; 2]));
                }
                Dimension::BarePort => {
                    let both = vec![L4Proto::TCP, L4Proto::UDP];
                    member.ports = Some((*side, [key.port; 2], both));
                }
                Dimension::Port => {
                    let of = [L4Proto::TCP, L4Proto::UDP, L4Proto::UDPLITE, L4Proto::SCTP];
                    let proto = of.into_iter().find(|proto| proto.0 == key.proto)?;
                    member.ports = Some((*side, [key.port; 2], vec![proto]));
                }
                _ => return None,
            }
        }
        Some(member)
    }
}

impl Member {
    /// Grows by `next`, where the two are one range of ports or, of nothing but an address, one of
    /// addresses; whether it did.
    fn takes(&mut self, next: &Member) -> bool {
        if self.exception != next.exception {
            return false;
        }
        if let (Some((_, range, of)), Some((_, more, of_more))) = (&mut self.ports, &next.ports) {
            let follows = range[1].checked_add(1) == Some(more[0]) && of == of_more;
            if follows && self.addresses == next.addresses {
                range[1] = more[1];
                return true;
            }
            return false;
        }
        match (self.addresses.as_mut_slice(), next.addresses.as_slice()) {
            ([(_, range)], [(_, more)]) if range[1].checked_add(1) == Some(more[0]) => {
                range[1] = more[1];
                true
            }
            _ => false,
        }
    }
}
