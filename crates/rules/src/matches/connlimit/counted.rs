//! The connections that one connlimit rule remembers.

use super::{CONNECTIONS_MAX, Own};
use crate::facts::Facts;
use crate::keyed::{Keyed, KeyedMap};
use kinwall_terms::{Time, Tuple, Zone, ZoneScope};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Addresses under the mask, and a zone.
type Network = (IpAddr, u16);

/// What a rule remembers: the connections of each network, in the order they were noted.
///
/// A packet costs no more than the connections that it finds to be over, and as many open ones as
/// the limit allows.
#[derive(Clone, Debug)]
pub struct Counted {
    networks: KeyedMap<Network, Noted>,
    /// Where each connection stands among those of its network.
    places: KeyedMap<(Network, Tuple), u64>,
    /// When all of them were last looked through.
    swept: Time,
}

#[derive(Clone, Debug, Default)]
struct Noted {
    order: BTreeMap<u64, Tuple>,
    next: u64,
}

/// How many connections of a network there are, compared with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// None, or too many to remember.
    Nobody,
    /// No more than the limit.
    Within,
    /// More.
    Above,
}

/// Seconds between two looks through all connections when there are too many.
const SWEEP_S: u32 = 1;

impl Counted {
    pub(super) fn new(key: Keyed) -> Counted {
        Counted {
            networks: KeyedMap::with_hasher(key),
            places: KeyedMap::with_hasher(key),
            swept: Time(0),
        }
    }

    /// Notes the connection, when it is to be noted, forgets those that are over, and counts.
    pub(super) fn count(
        &mut self,
        network: Network,
        own: &Own,
        limit: u32,
        facts: &Facts<'_>,
    ) -> Count {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut place = self.places.get(&(network, own.tuple)).copied();
        if !own.is_listed
            && let Some(unused) = place.take()
        {
            // It was noted for a packet that did not survive.
            self.forget(network, unused, own.tuple);
        }
        if !self.networks.contains_key(&network) {
            return self.note(network, own.tuple, facts, 0, limit);
        }
        let adds = !own.is_assured && place.is_none();
        // Linux looks no further than to the connection itself.
        let end = place.filter(|_| !own.is_assured);
        let there = self.look_through(network, end, usize::from(adds), limit, facts);
        match (adds, there) {
            (true, there) => self.note(network, own.tuple, facts, there, limit),
            (false, 0) => Count::Nobody,
            (false, there) if there > limit => Count::Above,
            (false, _) => Count::Within,
        }
    }

    /// Forgets the connections of a network that are over, from the first to `end`, until it is
    /// clear whether they and `more` others exceed the limit. How many are left.
    fn look_through(
        &mut self,
        network: Network,
        end: Option<u64>,
        more: usize,
        limit: usize,
        facts: &Facts<'_>,
    ) -> usize {
        let Some(noted) = self.networks.get_mut(&network) else { return 0 };
        let zone = Zone { id: network.1, scope: ZoneScope::Both };
        let (mut at, mut open) = (0, more + usize::from(end.is_some()));
        loop {
            let within = noted.order.len() + more <= limit && open > 0;
            let next = noted.order.range(at..end.unwrap_or(u64::MAX)).next();
            let Some((here, tuple)) = next.map(|(here, tuple)| (*here, *tuple)) else { break };
            if open > limit || within {
                break;
            }
            match facts.others.find(&tuple, zone) {
                Some(listed) if !listed.is_closed => open += 1,
                _ => {
                    noted.order.remove(&here);
                    self.places.remove(&(network, tuple));
                }
            }
            at = here + 1;
        }
        noted.order.len()
    }

    /// Notes a connection beside `others` of its network.
    fn note(
        &mut self,
        network: Network,
        tuple: Tuple,
        facts: &Facts<'_>,
        others: usize,
        limit: usize,
    ) -> Count {
        let most = self.places.len().max(self.networks.len());
        if most >= CONNECTIONS_MAX && !self.sweep(facts) {
            return Count::Nobody;
        }
        let noted = self.networks.entry(network).or_default();
        noted.order.insert(noted.next, tuple);
        self.places.insert((network, tuple), noted.next);
        noted.next += 1;
        if others < limit { Count::Within } else { Count::Above }
    }

    fn forget(&mut self, network: Network, place: u64, tuple: Tuple) {
        self.places.remove(&(network, tuple));
        if let Some(noted) = self.networks.get_mut(&network) {
            noted.order.remove(&place);
        }
    }

    /// Forgets all connections that are over, and networks without any, but not more often than
    /// once in [`SWEEP_S`]. Whether there is room then.
    fn sweep(&mut self, facts: &Facts<'_>) -> bool {
        if facts.now < self.swept.after_s(SWEEP_S) {
            return false;
        }
        self.swept = facts.now;
        let places = &mut self.places;
        self.networks.retain(|network, noted| {
            let zone = Zone { id: network.1, scope: ZoneScope::Both };
            noted.order.retain(|_, tuple| {
                let open = facts.others.find(tuple, zone).is_some_and(|found| !found.is_closed);
                if !open {
                    places.remove(&(*network, *tuple));
                }
                open
            });
            !noted.order.is_empty()
        });
        self.places.len().max(self.networks.len()) < CONNECTIONS_MAX
    }
}
