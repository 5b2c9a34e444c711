//! What of the stores is asked for before it is needed: of packets that come soon, and of
//! connections that end soon. Nothing changes by it, and no answer depends on it.

use super::{Probe, Slot, Store, Stores};
use crate::key::{AnyKey, Hasher, Key};
use kinwall_prefetch::prefetch;
use kinwall_terms::Family;

/// Connections that come up together, for which memory is asked, at most.
const ASKED_MAX: usize = 64;

impl<K: Key> Store<K> {
    /// Asks for what it takes to end the slots that come up next.
    fn ask_expired(&self, hasher: &Hasher) {
        let mut slots = [0; ASKED_MAX];
        let mut count = 0;
        for (place, slot) in slots.iter_mut().zip(self.wheel.up()) {
            *place = slot;
            count += 1;
            if let Some(record) = self.records.get(slot) {
                prefetch(record);
            }
        }
        for record in slots[..count].iter().filter_map(|slot| self.records.get(*slot)) {
            for key in &record.keys {
                self.index.ask(key.hash(hasher));
            }
        }
    }
}

impl Stores {
    /// Asks for the place where a search for `probe` begins.
    #[inline]
    pub(crate) fn ask_index(&self, probe: &Probe) {
        match &probe.key {
            AnyKey::V4(_) => self.v4.index.ask(probe.hash),
            AnyKey::V6(_) => self.v6.index.ask(probe.hash),
        }
    }

    /// Asks for the place where the answers to `probe` would be entered, if they are its inverse.
    pub(crate) fn ask_answer(&self, probe: &Probe) {
        let key = probe.key;
        let zone = match &key {
            AnyKey::V4(key) => key.zone(),
            AnyKey::V6(key) => key.zone(),
        };
        if let Some(answer) = key.tuple().invert() {
            self.ask_index(&self.probe(AnyKey::new(&answer, zone)));
        }
    }

    /// Asks for a record.
    #[inline]
    pub(crate) fn ask_record(&self, slot: Slot) {
        in_store!(self, slot, |store, number| {
            if let Some(record) = store.records.get(number) {
                prefetch(record);
            }
        });
    }

    /// Asks for what it takes to end the connections that come up next.
    pub(crate) fn ask_expired(&self) {
        self.v4.ask_expired(&self.hasher);
        self.v6.ask_expired(&self.hasher);
    }
}
