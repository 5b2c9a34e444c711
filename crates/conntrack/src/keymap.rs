//! The GRE keymap: which call id the sender of a PPTP data packet uses.
//!
//! A GRE version 1 packet carries only its receiver's call id. What the other end's is, the
//! control connection told its helper, who leaves it here: at most one entry a direction and
//! control connection.

use crate::ConnId;
use kinwall_terms::{Direction, Tuple};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is compared: source, destination, call id of the receiver. The number tells equal
/// entries of different masters apart; the oldest is found.
type Place = (IpAddr, IpAddr, u16, u64);

/// The entries, by what is compared, and by master.
#[derive(Debug, Default)]
pub(crate) struct Keymap {
    keys: BTreeMap<Place, u16>,
    places: BTreeMap<(ConnId, Direction), Place>,
    added: u64,
}

/// The master already has another entry for that direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection already has another call in this direction")]
pub struct KeymapTaken;

impl Keymap {
    /// Adds `tuple`, whose ports are the call ids of source and destination. Adding the same
    /// again changes nothing.
    pub(crate) fn add(
        &mut self,
        master: ConnId,
        direction: Direction,
        tuple: &Tuple,
    ) -> Result<(), KeymapTaken> {
        if let Some(&(src, dst, dport, _)) = self.places.get(&(master, direction)) {
            let same = (src, dst, dport) == (tuple.src, tuple.dst, tuple.dport);
            return if same { Ok(()) } else { Err(KeymapTaken) };
        }
        self.added += 1;
        let place = (tuple.src, tuple.dst, tuple.dport, self.added);
        self.keys.insert(place, tuple.sport);
        self.places.insert((master, direction), place);
        Ok(())
    }

    /// The call id of the sender; 0 when nobody told.
    pub(crate) fn source_key(&self, src: IpAddr, dst: IpAddr, dport: u16) -> u16 {
        let range = (src, dst, dport, 0)..=(src, dst, dport, u64::MAX);
        self.keys.range(range).next().map_or(0, |(_, &key)| key)
    }

    /// Removes what belongs to `master`.
    pub(crate) fn remove(&mut self, master: ConnId) {
        if self.places.is_empty() {
            return;
        }
        for direction in Direction::ALL {
            if let Some(place) = self.places.remove(&(master, direction)) {
                self.keys.remove(&place);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinwall_terms::L4Proto;

    #[test]
    fn one_entry_a_direction() {
        let [src, dst] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
        let call = |sport, dport| Tuple { src, dst, sport, dport, proto: L4Proto::GRE };
        let [one, two] = [ConnId::new(1, 1), ConnId::new(2, 2)];
        let mut keymap = Keymap::default();
        assert_eq!(keymap.source_key(src, dst, 9), 0);
        assert_eq!(keymap.add(one, Direction::Original, &call(5, 9)), Ok(()));
        assert_eq!(keymap.add(one, Direction::Original, &call(5, 9)), Ok(()));
        assert_eq!(keymap.add(one, Direction::Original, &call(5, 8)), Err(KeymapTaken));
        assert_eq!(keymap.add(two, Direction::Original, &call(6, 9)), Ok(()));
        assert_eq!(keymap.source_key(src, dst, 9), 5, "the oldest");
        assert_eq!(keymap.source_key(dst, src, 9), 0);
        keymap.remove(one);
        assert_eq!(keymap.source_key(src, dst, 9), 6);
        keymap.remove(two);
        assert_eq!((keymap.source_key(src, dst, 9), keymap.len()), (0, 0));
    }
}
