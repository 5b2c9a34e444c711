//! The GRE keymap: which call id the sender of a PPTP data packet uses.
//!
//! A GRE version 1 packet carries only its receiver's call id. What the other end's is, the
//! control connection told its helper, who leaves it here. Linux keeps at most one entry a
//! direction and control connection, and forgets both with any data connection of that control
//! connection; where every call counts, each has its own, and ends alone.

use crate::ConnId;
use kinwall_terms::{Direction, KeymapRule, L4Proto, Tuple};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is compared: source, destination, call id of the receiver. The number tells equal
/// entries of different masters apart; the oldest is found.
type Place = (IpAddr, IpAddr, u16, u64);

/// The entries, by what is compared, and by master.
#[derive(Debug, Default)]
pub(crate) struct Keymap {
    keys: BTreeMap<Place, u16>,
    masters: BTreeMap<ConnId, Calls>,
    added: u64,
}

/// The entries of one master; the few that a helper adds.
#[derive(Debug)]
struct Calls {
    rule: KeymapRule,
    places: Vec<(Direction, Place)>,
}

/// The master already has another entry for that direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection already has another call in this direction")]
pub struct KeymapTaken;

impl Keymap {
    /// Adds `tuple`, whose ports are the call ids of source and destination. Adding the same
    /// again changes nothing. (Linux does not compare the source's call id.)
    pub(crate) fn add(
        &mut self,
        master: ConnId,
        rule: KeymapRule,
        direction: Direction,
        tuple: &Tuple,
    ) -> Result<(), KeymapTaken> {
        let calls = self.masters.entry(master).or_insert(Calls { rule, places: Vec::new() });
        let is_same = |&(src, dst, dport, _): &Place| {
            (src, dst, dport) == (tuple.src, tuple.dst, tuple.dport)
        };
        let mut there = calls.places.iter().filter(|(d, _)| *d == direction);
        if there.clone().any(|(_, place)| is_same(place)) {
            return Ok(());
        }
        if rule == KeymapRule::OneCall && there.next().is_some() {
            return Err(KeymapTaken);
        }
        self.added += 1;
        let place = (tuple.src, tuple.dst, tuple.dport, self.added);
        self.keys.insert(place, tuple.sport);
        calls.places.push((direction, place));
        Ok(())
    }

    /// The call id of the sender; 0 when nobody told.
    pub(crate) fn source_key(&self, src: IpAddr, dst: IpAddr, dport: u16) -> u16 {
        let range = (src, dst, dport, 0)..=(src, dst, dport, u64::MAX);
        self.keys.range(range).next().map_or(0, |(_, &key)| key)
    }

    /// Removes what belongs to `master`.
    pub(crate) fn remove(&mut self, master: ConnId) {
        if self.masters.is_empty() {
            return;
        }
        for (_, place) in self.masters.remove(&master).into_iter().flat_map(|calls| calls.places) {
            self.keys.remove(&place);
        }
    }

    /// Removes what `master` has for the packets of `tuple`.
    pub(crate) fn remove_call(&mut self, master: ConnId, tuple: &Tuple) {
        let Some(calls) = self.masters.get_mut(&master) else { return };
        let keys = &mut self.keys;
        calls.places.retain(|(_, place)| {
            let &(src, dst, dport, _) = place;
            let sport = keys.get(place).copied();
            let is_it =
                (src, dst, sport, dport) == (tuple.src, tuple.dst, Some(tuple.sport), tuple.dport);
            if is_it {
                keys.remove(place);
            }
            !is_it
        });
        if calls.places.is_empty() {
            self.masters.remove(&master);
        }
    }

    /// A data connection of `master`, with these tuples, has ended.
    pub(crate) fn child_ended(&mut self, master: ConnId, tuples: &[Tuple; 2]) {
        match self.masters.get(&master).map(|calls| calls.rule) {
            Some(KeymapRule::OneCall) => self.remove(master),
            Some(KeymapRule::EveryCall) => {
                tuples.iter().for_each(|tuple| self.remove_call(master, tuple));
            }
            None => {}
        }
    }

    /// The calls, in the order in which they became known.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (ConnId, KeymapRule, Direction, Tuple)> {
        let mut all: Vec<_> = Vec::new();
        for (master, calls) in &self.masters {
            all.extend(calls.places.iter().map(|place| (*master, calls.rule, place)));
        }
        all.sort_unstable_by_key(|(_, _, (_, (_, _, _, added)))| *added);
        all.into_iter().map(|(master, rule, (direction, place))| {
            let &(src, dst, dport, _) = place;
            let sport = self.keys.get(place).copied().unwrap_or(0);
            let tuple = Tuple { src, dst, sport, dport, proto: L4Proto::GRE };
            (master, rule, *direction, tuple)
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use KeymapRule::{EveryCall, OneCall};

    const SRC: [u8; 4] = [10, 0, 0, 1];
    const DST: [u8; 4] = [10, 0, 0, 2];

    fn call(sport: u16, dport: u16) -> Tuple {
        Tuple { src: SRC.into(), dst: DST.into(), sport, dport, proto: L4Proto::GRE }
    }

    fn key(keymap: &Keymap, dport: u16) -> u16 {
        keymap.source_key(SRC.into(), DST.into(), dport)
    }

    #[test]
    fn one_entry_a_direction() {
        let [one, two] = [ConnId::new(1, 1), ConnId::new(2, 2)];
        let mut keymap = Keymap::default();
        let mut add =
            |master, tuple: Tuple| keymap.add(master, OneCall, Direction::Original, &tuple);
        assert_eq!(add(one, call(5, 9)), Ok(()));
        assert_eq!(add(one, call(5, 9)), Ok(()));
        assert_eq!(add(one, call(5, 8)), Err(KeymapTaken));
        // The same for Linux, which looks at the destination's call id only.
        assert_eq!(add(one, call(4, 9)), Ok(()));
        assert_eq!(add(two, call(6, 9)), Ok(()));
        assert_eq!(key(&keymap, 9), 5, "the oldest");
        assert_eq!(keymap.source_key(DST.into(), SRC.into(), 9), 0);
        keymap.remove(one);
        assert_eq!(key(&keymap, 9), 6);
        keymap.child_ended(two, &[call(77, 78), call(78, 77)]);
        assert_eq!((key(&keymap, 9), keymap.len(), keymap.masters.len()), (0, 0, 0));
    }

    #[test]
    fn every_call_has_its_own() {
        let one = ConnId::new(1, 1);
        let mut keymap = Keymap::default();
        for (pns, pac) in [(1, 11), (2, 12)] {
            for direction in Direction::ALL {
                let tuple = match direction {
                    Direction::Original => call(pns, pac),
                    Direction::Reply => call(pns, pac).invert().expect("GRE inverts"),
                };
                assert_eq!(keymap.add(one, EveryCall, direction, &tuple), Ok(()));
            }
        }
        assert_eq!((key(&keymap, 11), key(&keymap, 12), keymap.len()), (1, 2, 4));
        keymap.remove_call(one, &call(2, 11));
        assert_eq!(keymap.len(), 4, "of no call");
        keymap.child_ended(one, &[call(1, 11), call(1, 11).invert().expect("GRE inverts")]);
        assert_eq!((key(&keymap, 11), key(&keymap, 12), keymap.len()), (0, 2, 2));
        keymap.remove(one);
        assert_eq!((keymap.len(), keymap.masters.len()), (0, 0));
    }
}
