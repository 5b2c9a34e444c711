//! Marks, as functions of the packet.
//!
//! A packet arrives with mark 0 and rules set bits of it. At each place in the rules every bit of
//! the mark is thus decided by the packet: it is the set of packets that have it.

use crate::space::{Set, Space};
use kinwall_rules::value::Masked;
use std::collections::BTreeMap;

/// Who has which bit of a mark. A bit that is not there is clear for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    bits: BTreeMap<u8, Set>,
}

impl Mark {
    /// Who has `bit`.
    pub(crate) fn bit(&self, space: &Space, bit: u8) -> Set {
        self.bits.get(&bit).cloned().unwrap_or_else(|| space.nothing())
    }

    pub(crate) fn set_bit(&mut self, space: &Space, bit: u8, who: Set) {
        if space.is_empty(&who) {
            self.bits.remove(&bit);
        } else {
            self.bits.insert(bit, who);
        }
    }

    /// Who has the value in the bits that count.
    pub(crate) fn equals(&self, space: &Space, wanted: Masked) -> Set {
        if wanted.value & !wanted.mask != 0 {
            return space.nothing();
        }
        let bits = (0..32).filter(|bit| wanted.mask >> bit & 1 == 1);
        bits.fold(space.everything(), |all, bit| {
            let who = self.bit(space, bit);
            space.and(&all, &space.held(who, wanted.value >> bit & 1 == 0))
        })
    }

    /// For the packets in `set`: the bits of `mask` are cleared, then `value` is exclusive-ored
    /// in.
    pub(crate) fn change(&mut self, space: &Space, set: &Set, value: u32, mask: u32) {
        let bits = (0..32).filter(|bit| (value | mask) >> bit & 1 == 1);
        for bit in bits {
            let old = self.bit(space, bit);
            let cleared = if mask >> bit & 1 == 1 { space.nothing() } else { old.clone() };
            let new = space.held(cleared, value >> bit & 1 == 1);
            self.set_bit(space, bit, space.choose(set, &new, &old));
        }
    }

    /// As `other` for the packets in `set`, as before for the others.
    pub(crate) fn choose(&mut self, space: &Space, set: &Set, other: &Mark) {
        let bits: Vec<u8> = self.bits.keys().chain(other.bits.keys()).copied().collect();
        for bit in bits {
            let who = space.choose(set, &other.bit(space, bit), &self.bit(space, bit));
            self.set_bit(space, bit, who);
        }
    }
}
