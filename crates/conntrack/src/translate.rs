//! Address translation: what the ends of a new connection become, and what its packets become
//! after that.
//!
//! A connection whose source is translated waits for its answers where the new source is: its
//! reply tuple is another than the inverse of its original one. What may be chosen is a
//! [`NatRange`]; what is chosen must make a reply tuple that no other connection has. Linux's
//! choice is rebuilt here, number by number: an address by a hash of the ends, the old port
//! where it can be kept, another of its kind by chance. Where Linux would ask for a random
//! number, so does this, from a seed, unless the caller knows which port was chosen (in a
//! capture of both sides, say).

use crate::masquerade::Masqueraded;
use crate::proto::{ProtoState, tcp::TcpState};
use crate::store::Slot;
use crate::{ConnId, ConnectionEnd, Conntrack};
use kinwall_terms::{
    Direction, InterfaceName, L4Proto, Manip, NatRange, Status, Time, Tuple, Zone,
};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How many ports are tried at first before a smaller number of others is.
const ATTEMPTS_MAX: u32 = 128;
/// A round of attempts that is smaller than this was the last.
const ATTEMPTS_MIN: u32 = 16;
/// When so few attempts are left, a translated connection that is over has to go.
const ATTEMPTS_PATIENT: u32 = 32;
/// Connections of one source that are looked at for the port it has there.
const SOURCES_MAX: usize = 64;

/// The original source of a connection and its zone, latest connection first.
type SourceKey = (IpAddr, u16, L4Proto, u16, Reverse<u64>);

/// What is known of translations as a whole.
#[derive(Debug, Default)]
pub(crate) struct Translations {
    /// Connections whose source is translated.
    by_source: BTreeMap<SourceKey, Slot>,
    /// Connections that show the address of an interface.
    pub(crate) masqueraded: Masqueraded,
    /// State of the generator (SplitMix64, a public-domain sequence).
    chance: u64,
}

impl Translations {
    pub(crate) fn new(seed: u128) -> Translations {
        let chance = (seed >> 64) as u64 ^ seed as u64;
        Translations { chance, ..Translations::default() }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.by_source.len() * (size_of::<SourceKey>() + size_of::<Slot>())
            + self.masqueraded.len() * size_of::<(Slot, InterfaceName)>()
    }

    /// Where the numbers that are chosen by chance stand.
    pub(crate) fn chance(&self) -> u64 {
        self.chance
    }

    /// Lets them go on from there.
    pub(crate) fn set_chance(&mut self, chance: u64) {
        self.chance = chance;
    }

    fn random(&mut self) -> u16 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.chance ^ self.chance >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as u16
    }
}

/// A connection whose translation is being chosen.
#[derive(Clone, Copy)]
struct Choice<'a> {
    slot: Slot,
    zone: Zone,
    manip: Manip,
    range: &'a NatRange,
    now: Time,
}

impl<H> Conntrack<H> {
    /// Decides what one end of an unconfirmed connection becomes. Where nothing in `range` is
    /// free, it stays as it was, and its confirmation will fail. `wish` is the port to choose
    /// where it would be by chance.
    pub fn bind(
        &mut self,
        now: Time,
        id: ConnId,
        manip: Manip,
        range: &NatRange,
        wish: Option<u16>,
    ) {
        let Some(slot) = self.resolve(id) else { return };
        if self.stores.body(slot).is_confirmed() {
            return;
        }
        let choice = Choice { slot, zone: self.zone(slot), manip, range, now };
        let Some(current) = self.stores.tuple(slot, Direction::Reply).invert() else { return };
        let chosen = self.unique(&choice, &current, wish);
        let mut status = manip.done();
        if chosen != current
            && let Some(reply) = chosen.invert()
        {
            self.stores.set_reply(slot, &reply);
            status |= manip.status();
            if manip == Manip::Source {
                self.note_source(slot);
            }
        }
        self.stores.body_mut(slot).status |= status;
    }

    /// Whether it was decided what this end of the connection becomes, or it is too late for
    /// that.
    pub fn is_bound(&self, id: ConnId, manip: Manip) -> bool {
        let Some(slot) = self.resolve(id) else { return true };
        let body = self.stores.body(slot);
        body.is_confirmed() || body.status.contains(manip.done())
    }

    /// What a packet in `direction` has to become at one of its ends: address and port (or id).
    /// `None`: that end stays.
    #[inline]
    pub fn translation(
        &self,
        id: ConnId,
        direction: Direction,
        manip: Manip,
    ) -> Option<(IpAddr, u16)> {
        let slot = self.resolve(id)?;
        let translated = match direction {
            Direction::Original => manip.status(),
            Direction::Reply => manip.other().status(),
        };
        if !self.stores.body(slot).status.contains(translated) {
            return None;
        }
        let target = self.stores.tuple(slot, direction.opposite()).invert()?;
        Some(end(&target, manip))
    }

    /// A number below `bound`, by chance; 0 when that is 0.
    pub fn chance_below(&mut self, bound: u16) -> u16 {
        match bound {
            0 => 0,
            bound => self.translations.random() % bound,
        }
    }

    /// Remembers a connection whose source is translated.
    pub(crate) fn note_source(&mut self, slot: Slot) {
        let key = self.source_key(slot);
        self.translations.by_source.insert(key, slot);
    }

    /// Forgets the translation of a connection that goes.
    pub(crate) fn unbind(&mut self, slot: Slot) {
        if !self.translations.masqueraded.is_empty() {
            self.translations.masqueraded.remove(&slot);
        }
        if self.stores.body(slot).status.contains(Status::SRC_NAT) {
            let key = self.source_key(slot);
            self.translations.by_source.remove(&key);
        }
    }

    fn source_key(&self, slot: Slot) -> SourceKey {
        let Tuple { src, sport, proto, .. } = self.stores.tuple(slot, Direction::Original);
        let zone = self.stores.zone(slot, Direction::Original);
        (src, sport, proto, zone, Reverse(self.stores.body(slot).serial))
    }

    /// A tuple whose answers nobody else waits for: `current`, changed at one end within the
    /// range.
    fn unique(&mut self, choice: &Choice<'_>, current: &Tuple, wish: Option<u16>) -> Tuple {
        let &Choice { manip, range, .. } = choice;
        if manip == Manip::Source && !range.random {
            if is_in_range(current, range) {
                if !self.is_taken(choice, current) {
                    return *current;
                }
            } else if let Some(tuple) = self.as_before(choice, current)
                && !self.is_taken(choice, &tuple)
            {
                return tuple;
            }
        }
        let mut tuple = *current;
        if let Some(addresses) = range.addresses {
            let address = spread(&tuple, choice, addresses);
            *address_mut(&mut tuple, manip) = address;
        }
        let is_fine = match range.ports {
            _ if range.random => false,
            Some([min, max]) => {
                let is_there = range.base.is_none() && has_port_in(&tuple, manip, [min, max]);
                is_there && (min == max || !self.is_taken(choice, &tuple))
            }
            None => !self.is_taken(choice, &tuple),
        };
        match is_fine {
            true => tuple,
            false => self.with_free_port(choice, &tuple, wish),
        }
    }

    /// The source that another connection of the same source was given, latest first: whoever
    /// talks to several shows the same port to all.
    fn as_before(&self, choice: &Choice<'_>, current: &Tuple) -> Option<Tuple> {
        let (src, sport, proto, zone, _) = self.source_key(choice.slot);
        let all =
            (src, sport, proto, zone, Reverse(u64::MAX))..=(src, sport, proto, zone, Reverse(0));
        let known = self.translations.by_source.range(all).take(SOURCES_MAX);
        known
            .filter(|&(_, &slot)| !self.stores.body(slot).is_dying())
            .filter_map(|(_, &slot)| self.stores.tuple(slot, Direction::Reply).invert())
            .map(|other| Tuple { src: other.src, sport: other.sport, ..*current })
            .find(|tuple| is_in_range(tuple, choice.range))
    }

    /// The tuple with another port, of the range's or of the old one's kind. When none is free,
    /// the last that was tried.
    fn with_free_port(&mut self, choice: &Choice<'_>, tuple: &Tuple, wish: Option<u16>) -> Tuple {
        let &Choice { manip, range, slot, .. } = choice;
        let mut tuple = *tuple;
        let has_master = self.extra(slot).is_some_and(|extra| extra.master.is_some());
        let Some(old) = port_mut(&mut tuple, manip, has_master).map(|port| *port) else {
            return tuple;
        };
        let Some((first, count)) = ports(tuple.proto, manip, range, old) else { return tuple };
        let by_chance = range.random || manip == Manip::Source;
        let mut offset = match range.base {
            Some(base) => old.wrapping_sub(base),
            None if by_chance => match wish.and_then(|wish| wish.checked_sub(first)) {
                Some(offset) if u32::from(offset) < count => offset,
                _ => self.translations.random(),
            },
            None => 0,
        };
        // Ports that are taken lie side by side, where they were found one after the other: with
        // each by chance, as many attempts find one sooner.
        let leaps = by_chance && range.base.is_none() && count > ATTEMPTS_MAX;
        let mut attempts = count.min(ATTEMPTS_MAX);
        loop {
            for attempt in 0..attempts {
                let port = (u32::from(first) + u32::from(offset) % count) as u16;
                if let Some(place) = port_mut(&mut tuple, manip, has_master) {
                    *place = port;
                }
                if !self.is_taken_for_long(choice, &tuple, attempts - attempt) {
                    return tuple;
                }
                offset = match leaps {
                    true => self.translations.random(),
                    false => offset.wrapping_add(1),
                };
            }
            if attempts >= count || attempts < ATTEMPTS_MIN {
                return tuple;
            }
            attempts /= 2;
            offset = self.translations.random();
        }
    }

    /// Whether another connection waits for the answers to `tuple`. One with the same original
    /// tuple does not count: one of them will have to give way in any case.
    fn is_taken(&self, choice: &Choice<'_>, tuple: &Tuple) -> bool {
        self.holder_of_answers(choice, tuple).is_some()
    }

    fn holder_of_answers(&self, choice: &Choice<'_>, tuple: &Tuple) -> Option<(Slot, Direction)> {
        let (holder, direction) = self.find_tuple(&tuple.invert()?, choice.zone)?;
        let original = |slot| self.stores.key(slot, Direction::Original);
        let counts = holder != choice.slot
            && self.stores.body(holder).deadline > choice.now
            && original(holder) != original(choice.slot);
        counts.then_some((holder, direction))
    }

    /// The same when `left` attempts are left: in the end a translated TCP connection that is
    /// over does not hold its port against a new one, and goes.
    fn is_taken_for_long(&mut self, choice: &Choice<'_>, tuple: &Tuple, left: u32) -> bool {
        let Some((holder, direction)) = self.holder_of_answers(choice, tuple) else {
            return false;
        };
        let state = |slot| match &self.stores.body(slot).state {
            ProtoState::Tcp(tcp) => Some(tcp.state()),
            _ => None,
        };
        if left > ATTEMPTS_PATIENT || state(choice.slot) != Some(TcpState::SynSent) {
            return true;
        }
        let status = self.stores.body(holder).status;
        let is_over = matches!(state(holder), Some(TcpState::TimeWait | TcpState::Close));
        let may_go = direction == Direction::Reply
            && is_over
            && status.contains(Status::SRC_NAT)
            && !status.contains(Status::FIXED_TIMEOUT);
        if may_go {
            self.end(holder, ConnectionEnd::Killed);
        }
        !may_go
    }
}

fn end(tuple: &Tuple, manip: Manip) -> (IpAddr, u16) {
    match (manip, tuple.proto) {
        (Manip::Source, _) => (tuple.src, tuple.sport),
        // An ICMP query has one id, whoever sends it.
        (Manip::Destination, L4Proto::ICMP | L4Proto::ICMPV6) => (tuple.dst, tuple.sport),
        (Manip::Destination, _) => (tuple.dst, tuple.dport),
    }
}

fn address_mut(tuple: &mut Tuple, manip: Manip) -> &mut IpAddr {
    match manip {
        Manip::Source => &mut tuple.src,
        Manip::Destination => &mut tuple.dst,
    }
}

/// The number that distinguishes connections between two addresses; `None` where there is none,
/// or none that may change: the call ids of GRE are its master's.
fn port_mut(tuple: &mut Tuple, manip: Manip, has_master: bool) -> Option<&mut u16> {
    match (tuple.proto, manip) {
        (L4Proto::ICMP | L4Proto::ICMPV6, _) => Some(&mut tuple.sport),
        (L4Proto::GRE, _) if !has_master => None,
        (
            L4Proto::GRE
            | L4Proto::TCP
            | L4Proto::UDP
            | L4Proto::UDPLITE
            | L4Proto::DCCP
            | L4Proto::SCTP,
            manip,
        ) => Some(match manip {
            Manip::Source => &mut tuple.sport,
            Manip::Destination => &mut tuple.dport,
        }),
        _ => None,
    }
}

/// The first port that may be chosen instead of `old`, and how many follow; `None` when it has
/// to stay.
fn ports(proto: L4Proto, manip: Manip, range: &NatRange, old: u16) -> Option<(u16, u32)> {
    if let Some([first, last]) = range.ports {
        let (first, last) = (first.min(last), first.max(last));
        return Some((first, u32::from(last - first) + 1));
    }
    match (proto, manip, old) {
        (L4Proto::ICMP | L4Proto::ICMPV6, ..) => Some((0, 65536)),
        (L4Proto::GRE, ..) => Some((1, 65535)),
        (_, Manip::Destination, _) => None,
        // Programs that trust low ports trust some lower ones more (rsh and its kin).
        (_, Manip::Source, 0..512) => Some((1, 511)),
        (_, Manip::Source, 512..1024) => Some((600, 424)),
        (_, Manip::Source, 1024..) => Some((1024, 64512)),
    }
}

/// Whether the source is within the range.
fn is_in_range(tuple: &Tuple, range: &NatRange) -> bool {
    let has_address = range.addresses.is_none_or(|[min, max]| min <= tuple.src && tuple.src <= max);
    has_address && range.ports.is_none_or(|ports| has_port_in(tuple, Manip::Source, ports))
}

fn has_port_in(tuple: &Tuple, manip: Manip, [min, max]: [u16; 2]) -> bool {
    let mut tuple = *tuple;
    port_mut(&mut tuple, manip, true).is_none_or(|port| (min..=max).contains(port))
}

/// The address of the range for these ends: always the same one for the same ends.
fn spread(tuple: &Tuple, choice: &Choice<'_>, [min, max]: [IpAddr; 2]) -> IpAddr {
    if min == max {
        return min;
    }
    let last = match min {
        IpAddr::V4(_) => 0,
        IpAddr::V6(_) => 3,
    };
    let zone = choice.zone.id;
    let initial = match choice.range.persistent {
        true => 0,
        false => words(tuple.dst)[last] ^ u32::from(zone),
    };
    let mut hash = lookup3(words(tuple.src), initial);
    let (min_words, max_words) = (words(min), words(max));
    let mut chosen = words(match choice.manip {
        Manip::Source => tuple.src,
        Manip::Destination => tuple.dst,
    });
    let mut is_full = false;
    for place in 0..=last {
        let (first, distance) = match is_full {
            true => (0, u32::MAX),
            false => {
                let first = u32::from_be(min_words[place]);
                let last = u32::from_be(max_words[place]);
                (first, last.wrapping_sub(first).wrapping_add(1))
            }
        };
        let scaled = (u64::from(hash) * u64::from(distance)) >> 32;
        chosen[place] = first.wrapping_add(scaled as u32).to_be();
        is_full |= chosen[place] != max_words[place];
        if !choice.range.persistent {
            let dst = match choice.manip {
                Manip::Source => words(tuple.dst)[place],
                Manip::Destination => chosen[place],
            };
            hash ^= dst;
        }
    }
    from_words(chosen, min)
}

/// An address as Linux hashes it: four words as they lie in the memory of a machine whose
/// numbers begin with the lowest byte.
fn words(address: IpAddr) -> [u32; 4] {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => bytes = address.octets(),
    }
    let (words, _) = bytes.as_chunks::<4>();
    let mut all = [0; 4];
    for (place, word) in all.iter_mut().zip(words) {
        *place = u32::from_le_bytes(*word);
    }
    all
}

fn from_words(words: [u32; 4], like: IpAddr) -> IpAddr {
    let mut bytes = [0; 16];
    let (places, _) = bytes.as_chunks_mut::<4>();
    for (place, word) in places.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    match like {
        IpAddr::V4(_) => IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]),
        IpAddr::V6(_) => IpAddr::from(bytes),
    }
}

/// The hash "lookup3" of four words (Bob Jenkins, 2006, public domain).
fn lookup3([k0, k1, k2, k3]: [u32; 4], initial: u32) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(16).wrapping_add(initial);
    let mut a = start.wrapping_add(k0);
    let mut b = start.wrapping_add(k1);
    let mut c = start.wrapping_add(k2);
    let step = |x: &mut u32, y: &mut u32, z: u32, turns: u32| {
        *x = x.wrapping_sub(*y) ^ y.rotate_left(turns);
        *y = y.wrapping_add(z);
    };
    step(&mut a, &mut c, b, 4);
    step(&mut b, &mut a, c, 6);
    step(&mut c, &mut b, a, 8);
    step(&mut a, &mut c, b, 16);
    step(&mut b, &mut a, c, 19);
    step(&mut c, &mut b, a, 4);
    a = a.wrapping_add(k3);
    let fold = |x: u32, y: u32, turns: u32| (x ^ y).wrapping_sub(y.rotate_left(turns));
    c = fold(c, b, 14);
    a = fold(a, c, 11);
    b = fold(b, a, 25);
    c = fold(c, b, 16);
    a = fold(a, c, 4);
    b = fold(b, a, 14);
    fold(c, b, 24)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, Tracked};
    use kinwall_terms::KernelVersion;
    use kinwall_wire::emit::{Packet, Tcp, Udp};
    use kinwall_wire::{Headers, TcpFlags};
    use proptest::prelude::*;

    const OUTSIDE: [u8; 4] = [192, 0, 2, 1];
    const SERVER: [u8; 4] = [203, 0, 113, 9];

    /// A UDP connection from a host inside, its source translated within `range`.
    fn open(table: &mut Conntrack<()>, host: u8, port: u16, range: &NatRange) -> Option<ConnId> {
        let bytes = Packet::new([10, 0, 0, host], SERVER, Udp::new(port, 53)).build();
        let headers = Headers::parse(&bytes).unwrap();
        let tracked = table.track(Time(1), &headers, &bytes, true, Zone::default());
        let Tracked::Packet(ct) = tracked else { panic!("dropped") };
        let id = ct.conn.unwrap();
        if ct.new {
            table.bind(Time(1), id, Manip::Source, range, None);
            return table.confirm(Time(1), id).ok();
        }
        Some(id)
    }

    fn table() -> Conntrack<()> {
        Conntrack::new(Settings::new(KernelVersion::DEFAULT), 7)
    }

    fn outside(ports: Option<[u16; 2]>) -> NatRange {
        NatRange { ports, ..NatRange::address(OUTSIDE.into()) }
    }

    proptest! {
        #[test]
        fn no_two_connections_wait_for_the_same_answers(
            hosts in proptest::collection::vec((2..200u8, 1..5000u16), 1..200),
            ports in proptest::option::of((1024..1100u16, 0..50u16)),
            random: bool,
        ) {
            let mut table = table();
            let ports = ports.map(|(first, more)| [first, first + more]);
            let range = NatRange { random, ..outside(ports) };
            let mut holders = BTreeMap::new();
            for (host, port) in hosts {
                let Some(id) = open(&mut table, host, port, &range) else { continue };
                let view = table.connection(id).unwrap();
                prop_assert_eq!(*holders.entry(view.reply).or_insert(view.original), view.original);
                prop_assert_eq!(view.reply.dst, IpAddr::from(OUTSIDE));
                let (_, now) = table.translation(id, Direction::Original, Manip::Source).unwrap();
                prop_assert_eq!(now, view.reply.dport);
                prop_assert!(ports.is_none_or(|[min, max]| (min..=max).contains(&now)));
                let back = table.translation(id, Direction::Reply, Manip::Destination);
                prop_assert_eq!(back, Some(([10, 0, 0, host].into(), view.original.sport)));
            }
        }
    }

    #[test]
    fn a_port_is_kept_where_it_is_free_and_another_of_its_kind_taken_where_not() {
        let mut table = table();
        for (port, kind) in [(4000, 1024..=65535), (600, 600..=1023), (300, 1..=511)] {
            let first = open(&mut table, 2, port, &outside(None)).unwrap();
            let second = open(&mut table, 3, port, &outside(None)).unwrap();
            let shown = |id| table.connection(id).unwrap().reply.dport;
            assert_eq!(shown(first), port);
            assert_ne!(shown(second), port);
            assert!(kind.contains(&shown(second)), "{port}: {}", shown(second));
        }
    }

    #[test]
    fn when_all_ports_are_taken_the_next_connection_is_refused() {
        let mut table = table();
        let range = outside(Some([5000, 5003]));
        let opened = (2..12).filter(|host| open(&mut table, *host, 4000, &range).is_some()).count();
        assert_eq!(opened, 4);
    }

    #[test]
    fn one_source_shows_one_port_to_all() {
        let mut table = table();
        let _ = open(&mut table, 2, 4000, &outside(None)).unwrap();
        let other = open(&mut table, 3, 4000, &outside(None)).unwrap();
        let shown = table.connection(other).unwrap().reply.dport;
        let bytes = Packet::new([10, 0, 0, 3], [198, 51, 100, 7], Udp::new(4000, 53)).build();
        let headers = Headers::parse(&bytes).unwrap();
        let tracked = table.track(Time(1), &headers, &bytes, true, Zone::default());
        let Tracked::Packet(ct) = tracked else { panic!("dropped") };
        table.bind(Time(1), ct.conn.unwrap(), Manip::Source, &outside(None), None);
        assert_eq!(table.connection(ct.conn.unwrap()).unwrap().reply.dport, shown);
    }

    #[test]
    fn nothing_is_remembered_of_what_is_over() {
        let mut table = table();
        for host in 2..50 {
            let id = open(&mut table, host, 4000, &outside(None)).unwrap();
            table.kill(id);
        }
        table.reap();
        assert!(table.translations.by_source.is_empty());
    }

    #[test]
    fn a_connection_that_is_over_gives_its_port_to_a_new_one() {
        let mut table = table();
        let range = outside(Some([5000, 5000]));
        let segment = |table: &mut Conntrack<()>, host: u8, flags, reply: bool| {
            let (src, dst) = ([10, 0, 0, host], SERVER);
            let packet = match reply {
                false => Packet::new(src, dst, Tcp::new(4000, 80).flags(flags).seq(1).ack(1)),
                true => Packet::new(dst, OUTSIDE, Tcp::new(80, 5000).flags(flags).seq(0).ack(2)),
            };
            let bytes = packet.build();
            let headers = Headers::parse(&bytes).unwrap();
            match table.track(Time(1), &headers, &bytes, true, Zone::default()) {
                Tracked::Packet(ct) => ct,
                Tracked::Drop(reason) => panic!("{reason}"),
            }
        };
        let first = segment(&mut table, 2, TcpFlags::SYN, false).conn.unwrap();
        table.bind(Time(1), first, Manip::Source, &range, None);
        table.confirm(Time(1), first).unwrap();
        let second = segment(&mut table, 3, TcpFlags::SYN, false).conn.unwrap();
        table.bind(Time(1), second, Manip::Source, &range, None);
        assert!(table.confirm(Time(1), second).is_err(), "the port is taken");
        segment(&mut table, 2, TcpFlags::SYN | TcpFlags::ACK, true);
        table.close(first, Time(1));
        let third = segment(&mut table, 3, TcpFlags::SYN, false).conn.unwrap();
        table.bind(Time(1), third, Manip::Source, &range, None);
        assert!(table.confirm(Time(1), third).is_ok(), "it is free again");
    }
}
