//! Fragments in, datagrams out, bounded.
//!
//! Reassembly as Linux does it before any rule sees a packet:
//!
//! | event | IPv4 | IPv6 |
//! |---|---|---|
//! | within what one run of fragments already covers | ignored, whatever its bytes | same |
//! | partly over what is there | the whole datagram is dropped | same |
//! | ends beyond the last fragment, or two different ends | the whole datagram | only this one |
//! | not the last, and no multiple of 8 bytes | cut down to one | datagram dropped, passes on |
//! | no bytes | the whole datagram | only this one |
//! | result above 65535 bytes | dropped | dropped; a fragment that ends beyond, alone |
//! | ECN-capable and not ECN-capable fragments mixed | dropped when complete | same |
//! | too many fragments of the same sender in between | begins again | (not counted) |
//! | first fragment without its transport header | | passes on, for others to refuse |
//! | fragment that is the whole datagram | | joins what has its id |
//! | more memory than `high_bytes` | fragment dropped, nothing is evicted | same |
//!
//! A *run* is a chain of fragments that arrived in order. A datagram lives for its timeout from
//! its first fragment on, whatever comes later.
//!
//! Memory grows with the bytes received and never with the offsets claimed. A fragment costs one
//! hash lookup and one search among the runs of its datagram.

use crate::settings::FragmentLimits;
use kinwall_terms::{Family, Hook, InterfaceName, L4Proto, Reason, Time};
use kinwall_wire::headers::Fragment;
use kinwall_wire::{ExtensionKind, Headers, L4, checksum, ipv6_ext};
use siphasher::sip::SipHasher13;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

/// What an incomplete datagram is charged beyond its fragments, in bytes.
pub const DATAGRAM_COST_BYTES: u64 = 512;

/// What a fragment is charged beyond its payload, in bytes: its place in the books, and what a
/// growing buffer holds in reserve.
pub const FRAGMENT_COST_BYTES: u64 = 512;

/// Largest datagram, in bytes: what the length fields can state.
pub const DATAGRAM_MAX_BYTES: usize = 65535;

/// Where fragments meet: those of different places never make one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The hook they are reassembled at: [`Hook::Output`] for the gateway's own packets, any
    /// other one counts as [`Hook::Prerouting`].
    pub hook: Hook,
    /// The interface they came by; counts for IPv6 only.
    pub interface: Option<InterfaceName>,
    /// The conntrack zone they are in so far.
    pub zone: u16,
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defragmented {
    /// It is no fragment, or one that is not reassembled: it goes on as it is.
    Whole,
    /// It is held, or repeats one that is held.
    Held,
    /// It completed its datagram.
    Complete {
        /// The datagram, as if it had never been cut: lengths and IPv4 header checksum are
        /// right, the IPv6 fragment header is gone. The transport checksum was not looked at.
        datagram: Vec<u8>,
        /// The packets it was made of, in order of arrival, this one last.
        packets: Vec<u64>,
    },
    /// It is dropped; where the table at the top says so, with the rest of its datagram.
    Dropped(Reason),
}

/// The incomplete datagrams.
#[derive(Debug)]
pub struct Defragmenter {
    families: [Waiting; 2],
}

/// The incomplete datagrams of one family.
#[derive(Debug)]
struct Waiting {
    limits: FragmentLimits,
    by_key: HashMap<Key, Partial, Keyed>,
    /// Deadline and number of each, oldest first.
    deadlines: BTreeMap<(Time, u64), Key>,
    senders: HashMap<IpAddr, Sender, Keyed>,
    memory_bytes: u64,
    next_number: u64,
}

/// What all fragments of a datagram share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    /// 0 for IPv6, where fragments of one datagram may name different next headers.
    proto: u8,
    output: bool,
    zone: u16,
    interface: Option<InterfaceName>,
}

/// An incomplete datagram.
#[derive(Debug)]
struct Partial {
    deadline: Time,
    number: u64,
    /// How many fragments the sender had sent when the latest one of this datagram came.
    sender_count: u32,
    pieces: Pieces,
}

/// What is there of a datagram.
#[derive(Debug, Default)]
struct Pieces {
    /// The headers of the first fragment, up to its payload.
    head: Vec<u8>,
    /// The payloads, in order of arrival.
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// Start to end of each run. They neither overlap nor merge.
    runs: BTreeMap<u32, u32>,
    /// Where the last run begins and where it ends.
    last_run: Option<(u32, u32)>,
    /// Highest end so far; the length of the datagram once `has_last`.
    length: u32,
    has_first: bool,
    has_last: bool,
    /// One bit for each ECN codepoint that occurred.
    ecn_seen: u8,
    /// Longest fragment, and longest one with the don't-fragment bit, headers included.
    longest: u32,
    longest_unfragmentable: u32,
    memory_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    length: u32,
    packet: u64,
}

/// Fragments seen from one sender, as long as one of its datagrams is incomplete.
#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    fragments: u32,
    partials: u32,
}

/// Makes keyed hashers.
#[derive(Clone, Copy, Debug)]
struct Keyed(u64, u64);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// One fragment, measured.
struct Arrival<'a> {
    fragment: Fragment,
    /// The headers before the payload.
    head: &'a [u8],
    payload: &'a [u8],
    tos: u8,
    dont_fragment: bool,
    packet: u64,
}

/// What a fragment did to its datagram.
enum Added {
    Waiting,
    Repeated,
    Complete,
    /// This one alone is bad.
    Refused(Reason),
    /// The whole datagram is bad.
    Spoiled(Reason),
    /// The datagram is bad, but this packet goes on.
    SpoiledAndPassed,
}

impl Defragmenter {
    /// Nothing is waiting. `seed` keys the hash, so that no sender can aim at one bucket.
    pub fn new(ipv4: FragmentLimits, ipv6: FragmentLimits, seed: u128) -> Defragmenter {
        let keyed = Keyed(seed as u64, (seed >> 64) as u64);
        Defragmenter { families: [ipv4, ipv6].map(|limits| Waiting::new(limits, keyed)) }
    }

    /// Other limits from now on; what is already waiting keeps its deadline.
    pub fn set_limits(&mut self, ipv4: FragmentLimits, ipv6: FragmentLimits) {
        for (waiting, limits) in self.families.iter_mut().zip([ipv4, ipv6]) {
            waiting.limits = limits;
        }
    }

    /// Takes in the packet `bytes`, which `packet` stands for and whose headers are `headers`.
    /// What has timed out by `now` is dropped first; see [`Defragmenter::expire`].
    pub fn take(
        &mut self,
        now: Time,
        packet: u64,
        place: Place,
        headers: &Headers,
        bytes: &[u8],
    ) -> Defragmented {
        let Some(fragment) = headers.fragment else { return Defragmented::Whole };
        let arrival = match measure(headers, fragment, bytes, packet) {
            Ok(arrival) => arrival,
            Err(outcome) => return outcome,
        };
        self.expire(now, |_| {});
        let ipv6 = headers.family == Family::Ipv6;
        let key = Key {
            src: headers.src,
            dst: headers.dst,
            id: fragment.id,
            proto: if ipv6 { 0 } else { headers.proto.0 },
            output: place.hook == Hook::Output,
            zone: place.zone,
            interface: if ipv6 { place.interface } else { None },
        };
        match self.families.get_mut(headers.family.index()) {
            Some(waiting) => waiting.take(now, key, &arrival, headers.family),
            None => Defragmented::Whole,
        }
    }

    /// Drops the datagrams whose time is over; `lost` is told the packets they were made of.
    pub fn expire(&mut self, now: Time, mut lost: impl FnMut(u64)) {
        for waiting in &mut self.families {
            while let Some(entry) = waiting.deadlines.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                let key = entry.remove();
                if let Some(partial) = waiting.by_key.remove(&key) {
                    waiting.forget(&key, &partial);
                    partial.pieces.pieces.iter().for_each(|piece| lost(piece.packet));
                }
            }
        }
    }

    /// When [`Defragmenter::expire`] has something to do next.
    pub fn next_deadline(&self) -> Option<Time> {
        let firsts = self.families.iter().filter_map(|waiting| waiting.deadlines.first_key_value());
        firsts.map(|((deadline, _), _)| *deadline).min()
    }

    /// How many datagrams are incomplete.
    pub fn count(&self) -> usize {
        self.families.iter().map(|waiting| waiting.by_key.len()).sum()
    }

    /// What the incomplete datagrams of `family` are charged, in bytes.
    pub fn memory_bytes(&self, family: Family) -> u64 {
        self.families.get(family.index()).map_or(0, |waiting| waiting.memory_bytes)
    }
}

impl Waiting {
    fn new(limits: FragmentLimits, keyed: Keyed) -> Waiting {
        Waiting {
            limits,
            by_key: HashMap::with_hasher(keyed),
            deadlines: BTreeMap::new(),
            senders: HashMap::with_hasher(keyed),
            memory_bytes: 0,
            next_number: 0,
        }
    }

    fn take(&mut self, now: Time, key: Key, arrival: &Arrival<'_>, family: Family) -> Defragmented {
        if self.limits.high_bytes == 0 || self.memory_bytes > self.limits.high_bytes {
            return Defragmented::Dropped(Reason::FragmentLimit);
        }
        let partial = match self.by_key.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let deadline = now.after_s(self.limits.timeout_s);
                let number = self.next_number;
                self.next_number += 1;
                self.deadlines.insert((deadline, number), key);
                self.memory_bytes += DATAGRAM_COST_BYTES;
                self.senders.entry(key.src).or_default().partials += 1;
                let pieces = Pieces { memory_bytes: DATAGRAM_COST_BYTES, ..Pieces::default() };
                entry.insert(Partial { deadline, number, sender_count: 0, pieces })
            }
        };
        if family == Family::Ipv4 {
            let sender = self.senders.entry(key.src).or_default();
            sender.fragments = sender.fragments.wrapping_add(1);
            let between = sender.fragments.wrapping_sub(partial.sender_count);
            partial.sender_count = sender.fragments;
            let max = self.limits.max_distance;
            if max != 0 && between > max && !partial.pieces.pieces.is_empty() {
                self.deadlines.remove(&(partial.deadline, partial.number));
                partial.deadline = now.after_s(self.limits.timeout_s);
                self.deadlines.insert((partial.deadline, partial.number), key);
                self.memory_bytes -= partial.pieces.memory_bytes - DATAGRAM_COST_BYTES;
                partial.pieces = Pieces { memory_bytes: DATAGRAM_COST_BYTES, ..Pieces::default() };
            }
        }
        let before = partial.pieces.memory_bytes;
        let added = partial.pieces.add(arrival, family);
        self.memory_bytes += partial.pieces.memory_bytes - before;
        match added {
            Added::Waiting | Added::Repeated => Defragmented::Held,
            Added::Refused(reason) => Defragmented::Dropped(reason),
            Added::Spoiled(reason) => {
                self.remove(&key);
                Defragmented::Dropped(reason)
            }
            Added::SpoiledAndPassed => {
                self.remove(&key);
                Defragmented::Whole
            }
            Added::Complete => match self.remove(&key).map(|pieces| pieces.join(family)) {
                Some(Ok((datagram, packets))) => Defragmented::Complete { datagram, packets },
                Some(Err(reason)) => Defragmented::Dropped(reason),
                None => Defragmented::Held,
            },
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Pieces> {
        let partial = self.by_key.remove(key)?;
        self.deadlines.remove(&(partial.deadline, partial.number));
        self.forget(key, &partial);
        Some(partial.pieces)
    }

    /// Takes a datagram that is no longer waiting off the books.
    fn forget(&mut self, key: &Key, partial: &Partial) {
        self.memory_bytes -= partial.pieces.memory_bytes;
        if let Entry::Occupied(mut sender) = self.senders.entry(key.src) {
            sender.get_mut().partials -= 1;
            if sender.get().partials == 0 {
                sender.remove();
            }
        }
    }
}

/// Finds the payload of a fragment; `Err` for what never joins a datagram.
fn measure<'a>(
    headers: &Headers,
    fragment: Fragment,
    bytes: &'a [u8],
    packet: u64,
) -> Result<Arrival<'a>, Defragmented> {
    let whole = headers.packet(bytes);
    let head_length = match headers.family {
        Family::Ipv4 => headers.header_length,
        Family::Ipv6 => {
            // A missing length belongs to a jumbogram, which cannot be a fragment.
            let at = headers.extensions.offset(ExtensionKind::Fragment);
            match at.filter(|_| !headers.length_missing) {
                Some(at) if !lacks_transport(headers, fragment, whole) => at.saturating_add(8),
                _ => return Err(Defragmented::Whole),
            }
        }
    };
    let (head, payload) = whole.split_at_checked(usize::from(head_length)).unwrap_or_default();
    let end = usize::from(fragment.offset) + payload.len();
    if headers.family == Family::Ipv6 && end > DATAGRAM_MAX_BYTES {
        return Err(Defragmented::Dropped(Reason::FragmentBad));
    }
    Ok(Arrival {
        fragment,
        head,
        payload,
        tos: headers.tos,
        dont_fragment: headers.dont_fragment,
        packet,
    })
}

/// Whether a first IPv6 fragment ends before its transport header does (RFC 8200 section 4.5).
fn lacks_transport(headers: &Headers, fragment: Fragment, packet: &[u8]) -> bool {
    let rest = packet.get(usize::from(headers.header_length)..).unwrap_or(&[]);
    if fragment.offset != 0 || headers.proto.0 == ipv6_ext::NO_NEXT_HEADER {
        return false;
    }
    match ExtensionKind::from_number(headers.proto.0) {
        // The chain itself is cut short. Only a next header that is no extension header any
        // more tells that a transport header is missing.
        Some(_) => match rest {
            [next, _, ..] => {
                ExtensionKind::from_number(*next).is_none() && *next != ipv6_ext::NO_NEXT_HEADER
            }
            _ => false,
        },
        None => match headers.proto {
            L4Proto::TCP | L4Proto::UDP | L4Proto::ICMPV6 => headers.l4 == L4::Truncated,
            _ => rest.is_empty(),
        },
    }
}

impl Pieces {
    fn add(&mut self, arrival: &Arrival<'_>, family: Family) -> Added {
        let bad = |reason| match family {
            Family::Ipv4 => Added::Spoiled(reason),
            Family::Ipv6 => Added::Refused(reason),
        };
        let start = u32::from(arrival.fragment.offset);
        let mut end = start + arrival.payload.len() as u32;
        if arrival.fragment.more {
            if !end.is_multiple_of(8) {
                match family {
                    Family::Ipv4 => end &= !7,
                    Family::Ipv6 => return Added::SpoiledAndPassed,
                }
            }
            if end > self.length {
                if self.has_last {
                    return bad(Reason::FragmentBad);
                }
                self.length = end;
            }
        } else {
            if end < self.length || (self.has_last && end != self.length) {
                return bad(Reason::FragmentBad);
            }
            self.has_last = true;
            self.length = end;
        }
        if end == start {
            return bad(Reason::FragmentBad);
        }
        match self.place(start, end) {
            Placed::New => {}
            Placed::Repeated => return Added::Repeated,
            Placed::Overlap => return Added::Spoiled(Reason::FragmentOverlap),
        }
        self.keep(arrival, start, end);
        let whole = self.has_first && self.has_last && self.bytes.len() == self.length as usize;
        if whole { Added::Complete } else { Added::Waiting }
    }

    /// Enters `start..end` among the runs, if it does not touch what is covered.
    fn place(&mut self, start: u32, end: u32) -> Placed {
        let Some((last_start, last_end)) = self.last_run else {
            self.runs.insert(start, end);
            self.last_run = Some((start, end));
            return Placed::New;
        };
        if end > last_end {
            if start < last_end {
                return Placed::Overlap;
            }
            // In order: the run grows. Only the last one does.
            let run = if start == last_end { last_start } else { start };
            self.runs.insert(run, end);
            self.last_run = Some((run, end));
            return Placed::New;
        }
        // The run that begins last before `end` is the only one that can be touched without an
        // earlier one being touched as well.
        match self.runs.range(..end).next_back() {
            Some((run_start, run_end)) if start < *run_end => {
                if start >= *run_start && end <= *run_end {
                    Placed::Repeated
                } else {
                    Placed::Overlap
                }
            }
            _ => {
                self.runs.insert(start, end);
                Placed::New
            }
        }
    }

    fn keep(&mut self, arrival: &Arrival<'_>, start: u32, end: u32) {
        let length = end - start;
        let payload = arrival.payload.get(..length as usize).unwrap_or(arrival.payload);
        self.bytes.extend_from_slice(payload);
        self.pieces.push(Piece { start, length, packet: arrival.packet });
        self.memory_bytes += FRAGMENT_COST_BYTES + u64::from(length);
        self.ecn_seen |= 1 << (arrival.tos & 3);
        let fragment_length = length + arrival.head.len() as u32;
        self.longest = self.longest.max(fragment_length);
        if arrival.dont_fragment {
            self.longest_unfragmentable = self.longest_unfragmentable.max(fragment_length);
        }
        if start == 0 {
            self.has_first = true;
            self.memory_bytes += arrival.head.len() as u64;
            self.head = arrival.head.to_vec();
        }
    }

    /// The datagram, and the packets it was made of.
    fn join(self, family: Family) -> Result<(Vec<u8>, Vec<u64>), Reason> {
        let ecn = joint_ecn(self.ecn_seen).ok_or(Reason::FragmentBad)?;
        let mut datagram = self.head;
        let stated = match family {
            Family::Ipv4 => datagram.len() + self.length as usize,
            Family::Ipv6 => {
                let named = ipv6_ext::named_at(&datagram, ExtensionKind::Fragment);
                let at = datagram.len().saturating_sub(8);
                let next = datagram.get(at).copied().ok_or(Reason::FragmentBad)?;
                datagram.truncate(at);
                put(&mut datagram, usize::from(named.ok_or(Reason::FragmentBad)?), &[next]);
                datagram.len().saturating_sub(40) + self.length as usize
            }
        };
        if stated > DATAGRAM_MAX_BYTES {
            return Err(Reason::FragmentBad);
        }
        let head_length = datagram.len();
        match family {
            Family::Ipv4 => {
                let unfragmentable = self.longest_unfragmentable == self.longest;
                let flags = if unfragmentable { 0x4000u16 } else { 0 };
                let tos = datagram.get(1).copied().unwrap_or(0) | ecn;
                put(&mut datagram, 1, &[tos]);
                put(&mut datagram, 2, &(stated as u16).to_be_bytes());
                put(&mut datagram, 6, &flags.to_be_bytes());
                put(&mut datagram, 10, &[0, 0]);
                let sum = checksum::internet(&datagram);
                put(&mut datagram, 10, &sum.to_be_bytes());
            }
            Family::Ipv6 => {
                // The two ECN bits end the traffic class, in the upper half of the second byte.
                let second = datagram.get(1).copied().unwrap_or(0) | ecn << 4;
                put(&mut datagram, 1, &[second]);
                put(&mut datagram, 4, &(stated as u16).to_be_bytes());
            }
        }
        datagram.resize(head_length + self.length as usize, 0);
        let mut from = 0;
        for piece in &self.pieces {
            let to = from + piece.length as usize;
            let place = head_length + piece.start as usize;
            put(&mut datagram, place, self.bytes.get(from..to).unwrap_or(&[]));
            from = to;
        }
        Ok((datagram, self.pieces.iter().map(|piece| piece.packet).collect()))
    }
}

enum Placed {
    New,
    Repeated,
    Overlap,
}

/// The ECN bits to add to those of the first fragment, from the set of codepoints that occurred
/// (RFC 3168 section 5.3): congestion experienced by one was experienced by all. `None` where
/// capable and not capable fragments are mixed.
fn joint_ecn(seen: u8) -> Option<u8> {
    const NOT_CAPABLE: u8 = 1 << 0;
    const CONGESTION: u8 = 1 << 3;
    match seen {
        NOT_CAPABLE => Some(0),
        _ if seen & NOT_CAPABLE != 0 => None,
        _ if seen & CONGESTION != 0 => Some(3),
        _ => Some(0),
    }
}

/// Writes `value` at `at`, if it fits.
fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinwall_wire::emit::{self, Packet, Tcp, Udp, fragment_piece};
    use proptest::prelude::*;

    const LIMITS: FragmentLimits =
        FragmentLimits { timeout_s: 30, high_bytes: 1 << 20, low_bytes: 1 << 19, max_distance: 4 };
    const PLACE: Place = Place { hook: Hook::Prerouting, interface: None, zone: 0 };

    fn defragmenter() -> Defragmenter {
        Defragmenter::new(LIMITS, FragmentLimits { timeout_s: 60, ..LIMITS }, 7)
    }

    /// A UDP datagram whose payload after the IP header is `length` bytes, all different enough.
    fn datagram(family: Family, length: usize) -> Vec<u8> {
        let payload: Vec<u8> = (0..length - 8).map(|n| (n / 8) as u8 ^ n as u8).collect();
        let udp = Udp::new(1000, 2000);
        match family {
            Family::Ipv4 => Packet::new([10, 0, 0, 1], [10, 0, 0, 2], udp),
            Family::Ipv6 => Packet::new([1u16; 8], [2u16; 8], udp),
        }
        .id(9)
        .payload(payload)
        .build()
    }

    impl Defragmenter {
        fn give(&mut self, packet: u64, bytes: &[u8]) -> Defragmented {
            self.take(Time(0), packet, PLACE, &Headers::parse(bytes).unwrap(), bytes)
        }
    }

    /// `start..end` and whether more follow.
    type Cut = (u16, u16, bool);

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fate {
        Held,
        Complete,
        /// Dropped alone.
        Refused,
        /// Dropped, and so is what was held.
        Spoiled,
        /// Passes on, but what was held is dropped.
        PassedAndSpoiled,
    }
    use Fate::*;

    #[track_caller]
    fn check(family: Family, rows: &[(Cut, Fate)]) {
        let whole = datagram(family, 40);
        let mut defragmenter = defragmenter();
        for (number, ((start, end, more), fate)) in rows.iter().enumerate() {
            let piece = fragment_piece(&whole, *start, *end, *more, 9).unwrap();
            let outcome = defragmenter.give(number as u64, &piece);
            let waiting = defragmenter.count() == 1;
            let found = match outcome {
                Defragmented::Held => Held,
                Defragmented::Complete { datagram, .. } => {
                    assert_eq!(datagram, whole);
                    Complete
                }
                Defragmented::Dropped(_) if waiting => Refused,
                Defragmented::Dropped(_) => Spoiled,
                Defragmented::Whole => PassedAndSpoiled,
            };
            assert_eq!(found, *fate, "{family}, fragment {number} of {rows:?}");
            assert_eq!(waiting, matches!(fate, Held | Refused), "{family}, {number} of {rows:?}");
        }
    }

    #[test]
    fn order_does_not_matter() {
        let pieces = [(0, 16, true), (16, 32, true), (32, 40, false)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let [a, b, c] = order.map(|index: usize| pieces[index]);
            for family in Family::ALL {
                check(family, &[(a, Held), (b, Held), (c, Complete)]);
            }
        }
    }

    #[test]
    fn repetitions_and_overlaps() {
        for family in Family::ALL {
            // The same again, or within what arrived in order.
            let [first, second, last] = [(0, 16, true), (16, 32, true), (32, 40, false)];
            check(family, &[(first, Held), (first, Held), (second, Held), (last, Complete)]);
            check(
                family,
                &[(first, Held), (second, Held), ((8, 24, true), Held), (last, Complete)],
            );
            check(family, &[(first, Held), ((0, 8, true), Held), ((8, 16, true), Held)]);
            // Covered, but not by one run: an overlap.
            check(family, &[(second, Held), (first, Held), ((8, 24, true), Spoiled)]);
            check(family, &[(first, Held), ((8, 24, true), Spoiled)]);
            check(family, &[(second, Held), ((8, 24, true), Spoiled)]);
            check(family, &[(second, Held), ((8, 32, true), Spoiled)]);
            check(family, &[(second, Held), ((8, 40, false), Spoiled)]);
            check(family, &[(last, Held), ((24, 40, false), Spoiled)]);
        }
    }

    #[test]
    fn contradictory_ends() {
        let [first, last] = [(0, 16, true), (16, 24, false)];
        for (family, bad) in [(Family::Ipv4, Spoiled), (Family::Ipv6, Refused)] {
            check(family, &[(last, Held), ((16, 32, false), bad)]);
            check(family, &[(last, Held), ((24, 32, true), bad)]);
            check(family, &[((0, 32, true), Held), (last, bad)]);
            check(family, &[(first, Held), ((16, 16, true), bad)]);
        }
    }

    #[test]
    fn lengths_that_are_no_multiple_of_8() {
        check(Family::Ipv4, &[((0, 21, true), Held), ((16, 40, false), Complete)]);
        check(Family::Ipv4, &[((16, 40, false), Held), ((8, 13, true), Spoiled)]);
        check(Family::Ipv6, &[((16, 40, false), Held), ((0, 12, true), PassedAndSpoiled)]);
    }

    #[test]
    fn packets_are_told_in_order_of_arrival() {
        let whole = datagram(Family::Ipv4, 40);
        let mut defragmenter = defragmenter();
        for (packet, start, end) in [(5, 16, 40), (6, 16, 40)] {
            let piece = fragment_piece(&whole, start, end, end != 40, 1).unwrap();
            assert_eq!(defragmenter.give(packet, &piece), Defragmented::Held);
        }
        match defragmenter.give(9, &fragment_piece(&whole, 0, 16, true, 1).unwrap()) {
            Defragmented::Complete { packets, .. } => assert_eq!(packets, [5, 9]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn datagrams_do_not_mix() {
        let whole = datagram(Family::Ipv6, 40);
        let pieces = emit::fragment(&whole, 16, 5).unwrap();
        let place =
            |hook, name: &str, zone| Place { hook, interface: InterfaceName::new(name), zone };
        let places = [
            place(Hook::Prerouting, "eth0", 0),
            place(Hook::Prerouting, "eth1", 0),
            place(Hook::Output, "eth0", 0),
            place(Hook::Prerouting, "eth0", 1),
        ];
        let mut defragmenter = defragmenter();
        for place in places {
            for piece in &pieces[..2] {
                let headers = Headers::parse(piece).unwrap();
                let outcome = defragmenter.take(Time(0), 1, place, &headers, piece);
                assert_eq!(outcome, Defragmented::Held, "{place:?}");
            }
        }
        assert_eq!(defragmenter.count(), 4);
    }

    #[test]
    fn time_runs_from_the_first_fragment() {
        let mut lost = Vec::new();
        let mut defragmenter = defragmenter();
        let v4 = emit::fragment(&datagram(Family::Ipv4, 40), 16, 5).unwrap();
        let v6 = emit::fragment(&datagram(Family::Ipv6, 40), 16, 5).unwrap();
        for (second, packet, piece) in [(0, 1, &v4[0]), (1, 2, &v6[0]), (29, 3, &v4[1])] {
            let headers = Headers::parse(piece).unwrap();
            let now = Time(0).after_s(second);
            assert_eq!(defragmenter.take(now, packet, PLACE, &headers, piece), Defragmented::Held);
        }
        assert_eq!(defragmenter.next_deadline(), Some(Time(0).after_s(30)));
        defragmenter.expire(Time(29_999_999_999), |packet| lost.push(packet));
        assert_eq!(lost, []);
        defragmenter.expire(Time(0).after_s(30), |packet| lost.push(packet));
        assert_eq!(lost, [1, 3]);
        assert_eq!(defragmenter.next_deadline(), Some(Time(0).after_s(61)));
        // The last fragment of a datagram whose beginning is forgotten begins a new one.
        let headers = Headers::parse(&v4[2]).unwrap();
        let late = Time(0).after_s(31);
        assert_eq!(defragmenter.take(late, 4, PLACE, &headers, &v4[2]), Defragmented::Held);
    }

    #[test]
    fn memory_is_bounded() {
        let mut defragmenter = defragmenter();
        let whole = datagram(Family::Ipv4, 40);
        let mut id = 0;
        let refused = loop {
            match defragmenter.give(0, &fragment_piece(&whole, 8, 16, true, id).unwrap()) {
                Defragmented::Held => id += 1,
                other => break other,
            }
        };
        assert_eq!(refused, Defragmented::Dropped(Reason::FragmentLimit));
        assert!(defragmenter.memory_bytes(Family::Ipv4) < LIMITS.high_bytes + 2000);
        // Nothing is evicted, and the other family has its own memory.
        assert_eq!(defragmenter.count(), id as usize);
        let other = emit::fragment(&datagram(Family::Ipv6, 40), 16, 5).unwrap();
        assert_eq!(defragmenter.give(0, &other[0]), Defragmented::Held);
        defragmenter.expire(Time(0).after_s(60), |_| {});
        assert_eq!(defragmenter.memory_bytes(Family::Ipv4), 0);
        assert_eq!(defragmenter.memory_bytes(Family::Ipv6), 0);
        assert!(defragmenter.families.iter().all(|waiting| waiting.senders.is_empty()));
    }

    #[test]
    fn a_datagram_left_too_far_behind_begins_again() {
        let whole = datagram(Family::Ipv4, 40);
        let piece = |start, end, id| fragment_piece(&whole, start, end, end != 40, id).unwrap();
        for (others, complete) in [(3, true), (4, false)] {
            let mut defragmenter = defragmenter();
            defragmenter.give(0, &piece(0, 16, 1));
            for other in 0..others {
                defragmenter.give(0, &piece(0, 16, 100 + other));
            }
            let outcome = defragmenter.give(0, &piece(16, 40, 1));
            assert_eq!(matches!(outcome, Defragmented::Complete { .. }), complete);
            assert_eq!(outcome == Defragmented::Held, !complete);
        }
    }

    #[test]
    fn headers_of_the_datagram() {
        // Extension headers stay where they were; only the fragment header goes.
        let packet = Packet::new([1u16; 8], [2u16; 8], Udp::new(1, 2))
            .extension(ExtensionKind::HopByHop, [])
            .extension(ExtensionKind::Destination, [])
            .payload([9; 50]);
        let mut with_options = Packet::new([10, 0, 0, 1], [10, 0, 0, 2], Udp::new(1, 2));
        with_options = with_options.ipv4_options([148, 4, 0, 0]).id(3).payload([9; 50]);
        for whole in [packet.build(), with_options.build()] {
            let mut defragmenter = defragmenter();
            let mut last = Defragmented::Whole;
            for piece in emit::fragment(&whole, 24, 3).unwrap().iter().rev() {
                last = defragmenter.give(0, piece);
            }
            assert!(matches!(last, Defragmented::Complete { datagram, .. } if datagram == whole));
        }
    }

    #[test]
    fn congestion_marks_and_the_dont_fragment_bit() {
        // ECN of both halves, don't-fragment of both; ECN and flag of the datagram.
        let rows = [
            ([0, 0], [false, false], Some((0, false))),
            ([2, 3], [false, false], Some((3, false))),
            ([1, 2], [false, false], Some((1, false))),
            ([0, 3], [false, false], None),
            ([2, 0], [false, false], None),
            ([0, 0], [true, true], Some((0, true))),
            ([0, 0], [true, false], Some((0, true))),
            ([0, 0], [false, true], Some((0, false))),
        ];
        let whole = datagram(Family::Ipv4, 40);
        for (ecn, unfragmentable, wanted) in rows {
            let mut defragmenter = defragmenter();
            let mut last = Defragmented::Whole;
            for (index, (start, end)) in [(0, 24), (24, 40)].into_iter().enumerate() {
                let mut piece = fragment_piece(&whole, start, end, end != 40, 1).unwrap();
                piece[1] = 0xb8 | ecn[index];
                piece[6] |= if unfragmentable[index] { 0x40 } else { 0 };
                emit::repair_checksums(&mut piece).unwrap();
                last = defragmenter.give(0, &piece);
            }
            let found = match last {
                Defragmented::Complete { datagram, .. } => {
                    let headers = Headers::parse(&datagram).unwrap();
                    assert!(headers.verify_network_checksum(&datagram));
                    Some((headers.tos & 3, headers.dont_fragment))
                }
                _ => None,
            };
            assert_eq!(found, wanted, "{ecn:?} {unfragmentable:?}");
        }
    }

    #[test]
    fn too_long() {
        let piece = |family, start, more, length| {
            let packet = match family {
                Family::Ipv4 => Packet::new([10, 0, 0, 1], [10, 0, 0, 2], L4Proto(253)),
                Family::Ipv6 => Packet::new([1u16; 8], [2u16; 8], L4Proto(253)),
            };
            packet.payload(vec![0; length]).fragment(1, start, more).build()
        };
        let mut defragmenter = defragmenter();
        let bad = Defragmented::Dropped(Reason::FragmentBad);
        assert_eq!(defragmenter.give(0, &piece(Family::Ipv6, 65528, false, 8)), bad);
        let rows = [(0, true, 32760), (32760, true, 32760), (65520, false, 15)];
        for family in Family::ALL {
            let outcomes = rows.map(|(start, more, length)| {
                defragmenter.give(0, &piece(family, start, more, length))
            });
            // The IPv4 header counts, the IPv6 header does not.
            assert_eq!(outcomes[2] == bad, family == Family::Ipv4, "{family}");
        }
    }

    #[test]
    fn what_passes_on() {
        let mut defragmenter = defragmenter();
        let whole = datagram(Family::Ipv6, 40);
        assert_eq!(defragmenter.give(0, &whole), Defragmented::Whole);
        // A first fragment that ends within the transport header.
        let tcp = Packet::new([1u16; 8], [2u16; 8], Tcp::new(1, 2)).payload([0; 20]).build();
        let first = fragment_piece(&tcp, 0, 16, true, 1).unwrap();
        assert_eq!(defragmenter.give(0, &first), Defragmented::Whole);
        assert_eq!(defragmenter.count(), 0);
        // A fragment that is the whole datagram.
        let atomic = fragment_piece(&whole, 0, 40, false, 1).unwrap();
        match defragmenter.give(0, &atomic) {
            Defragmented::Complete { datagram, .. } => assert_eq!(datagram, whole),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn any_cut_in_any_order_comes_together(
            length in 16usize..600,
            unit in 8u16..200,
            ipv6: bool,
            order in any::<u64>(),
        ) {
            let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
            let whole = datagram(family, length);
            let mut pieces = emit::fragment(&whole, unit.max(8), 9).unwrap();
            let mut random = order;
            for index in (1..pieces.len()).rev() {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                pieces.swap(index, (random >> 33) as usize % (index + 1));
            }
            let mut defragmenter = defragmenter();
            let last = pieces.iter().map(|piece| defragmenter.give(0, piece)).last();
            match last {
                Some(Defragmented::Complete { datagram, packets }) => {
                    prop_assert_eq!(datagram, whole);
                    prop_assert_eq!(packets.len(), pieces.len());
                }
                other => prop_assert_eq!(other, Some(Defragmented::Whole)),
            }
            prop_assert_eq!(defragmenter.count(), 0);
        }

        /// Whatever is thrown at it: what comes out is the datagram, never a mixture, and the
        /// books stay balanced.
        #[test]
        fn storms(
            ipv6: bool,
            cuts in proptest::collection::vec((0u16..12, 1u16..6, any::<bool>(), 0u8..2), 1..60),
        ) {
            let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
            let wholes = [datagram(family, 96), {
                let mut other = datagram(family, 96);
                let length = other.len();
                other[length - 60..].fill(0xaa);
                other
            }];
            let mut defragmenter = defragmenter();
            for (number, (start, length, more, which)) in cuts.iter().enumerate() {
                let (start, end) = (start * 8, (start + length) * 8);
                let whole = &wholes[usize::from(*which)];
                let piece = fragment_piece(whole, start, end, *more, 1).unwrap();
                let outcome = defragmenter.give(number as u64, &piece);
                if let Defragmented::Complete { datagram, packets } = outcome {
                    prop_assert!(Headers::parse(&datagram).is_ok());
                    let covered: usize = packets.iter().map(|packet| {
                        let (start, length, ..) = cuts[*packet as usize];
                        usize::from((start + length).min(12) * 8).saturating_sub(usize::from(start * 8))
                    }).sum();
                    let head = if ipv6 { 40 } else { 20 };
                    prop_assert_eq!(datagram.len() - head, covered);
                }
                let waiting = &defragmenter.families[family.index()];
                let sum: u64 = waiting.by_key.values().map(|p| p.pieces.memory_bytes).sum();
                prop_assert_eq!(waiting.memory_bytes, sum);
                prop_assert_eq!(waiting.deadlines.len(), waiting.by_key.len());
            }
        }
    }
}
