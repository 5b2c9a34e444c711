//! Connections that are masqueraded: they show the address of an interface, and end with it.

use crate::store::Slot;
use crate::{ConnId, ConnectionEnd, Conntrack};
use kinwall_terms::{Direction, InterfaceName};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// By which interface connections are masqueraded.
pub(crate) type Masqueraded = BTreeMap<Slot, InterfaceName>;

impl<H> Conntrack<H> {
    /// Notes that a connection shows an address of the interface `by`.
    pub fn set_masqueraded(&mut self, id: ConnId, by: InterfaceName) {
        if let Some(slot) = self.resolve(id) {
            self.translations.masqueraded.insert(slot, by);
        }
    }

    /// The interface whose address a connection shows; `None`: it is not masqueraded.
    pub fn masqueraded_by(&self, id: ConnId) -> Option<InterfaceName> {
        self.translations.masqueraded.get(&self.resolve(id)?).copied()
    }

    /// Ends the connections that are masqueraded by an interface; with an address, those that show
    /// it. Returns how many.
    pub fn end_masqueraded(&mut self, by: InterfaceName, address: Option<IpAddr>) -> usize {
        let shown = |slot| self.stores.tuple(slot, Direction::Reply).dst;
        let of = |slot: &Slot| address.is_none_or(|address| shown(*slot) == address);
        let masqueraded = self.translations.masqueraded.iter();
        let ends: Vec<Slot> =
            masqueraded.filter(|(slot, name)| **name == by && of(slot)).map(|(s, _)| *s).collect();
        for slot in &ends {
            self.end(*slot, ConnectionEnd::InterfaceChanged);
        }
        ends.len()
    }

    /// Ends a connection whose packets leave by another interface than the one whose address they
    /// show.
    pub fn end_strayed(&mut self, id: ConnId) {
        if let Some(slot) = self.resolve(id) {
            self.end(slot, ConnectionEnd::InterfaceChanged);
        }
    }
}
