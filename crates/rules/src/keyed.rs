//! Hash tables that a sender cannot fill unevenly: SipHash 1-3 under a key of the engine's.

use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Makes keyed hashers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keyed(pub(crate) u64);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, !self.0)
    }
}

/// A hash table under a key.
pub(crate) type KeyedMap<K, V> = HashMap<K, V, Keyed>;
