//! The forwarding information base: longest prefix match over two tables, as in Linux.
//!
//! The local table (own addresses, broadcast and anycast addresses, routes of those kinds) is
//! asked first and decides alone when it has an answer; then the main table. Both are
//! flattened at construction into one sorted list of ranges a family. The first octet of an
//! address tells between which of them it lies; where that leaves more than one, a binary search
//! finds it. A lookup touches neither prefixes nor heap structure.

use ipnet::IpNet;
use kinwall_terms::InterfaceName;
use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;

/// What a route does with packets, named as in `ip route`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// Sent on to a neighbour.
    #[default]
    Unicast,
    /// Delivered to the gateway itself.
    Local,
    /// Delivered to the gateway itself, sent as link-layer broadcast.
    Broadcast,
    /// Delivered to the gateway itself, as one of several.
    Anycast,
    /// Delivered to those who joined the group.
    Multicast,
    /// Dropped in silence.
    Blackhole,
    /// Refused: host unreachable.
    Unreachable,
    /// Refused: administratively prohibited.
    Prohibit,
    /// Ends the lookup in this table, as if it had no route.
    Throw,
}

impl RouteKind {
    /// All kinds.
    pub const ALL: [RouteKind; 9] = [
        RouteKind::Unicast,
        RouteKind::Local,
        RouteKind::Broadcast,
        RouteKind::Anycast,
        RouteKind::Multicast,
        RouteKind::Blackhole,
        RouteKind::Unreachable,
        RouteKind::Prohibit,
        RouteKind::Throw,
    ];

    /// The name as in `ip route`.
    pub fn name(self) -> &'static str {
        match self {
            RouteKind::Unicast => "unicast",
            RouteKind::Local => "local",
            RouteKind::Broadcast => "broadcast",
            RouteKind::Anycast => "anycast",
            RouteKind::Multicast => "multicast",
            RouteKind::Blackhole => "blackhole",
            RouteKind::Unreachable => "unreachable",
            RouteKind::Prohibit => "prohibit",
            RouteKind::Throw => "throw",
        }
    }

    /// The kind called `name`.
    pub fn from_name(name: &str) -> Option<RouteKind> {
        RouteKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether a route of this kind leads out of, or in by, an interface.
    pub fn has_interface(self) -> bool {
        !matches!(
            self,
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw
        )
    }

    /// Whether routes of this kind stand in the local table, which is asked first.
    pub(crate) fn in_local_table(self) -> bool {
        matches!(self, RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast)
    }
}

impl fmt::Display for RouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The answer of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// What happens to packets.
    pub kind: RouteKind,
    /// The interface of the first next hop; of a local address, the interface that has it.
    /// `None` for kinds that lead nowhere and in a topology without interfaces.
    pub out: Option<InterfaceName>,
}

/// A route to be put in the tables.
pub(crate) struct Entry {
    pub(crate) prefix: IpNet,
    pub(crate) kind: RouteKind,
    pub(crate) interfaces: Vec<InterfaceName>,
}

/// What is kept of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hop {
    kind: RouteKind,
    interfaces: Box<[InterfaceName]>,
}

/// The tables of both families.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fib {
    hops: Vec<Hop>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// Disjoint ranges that cover the address space: range `i` begins at `starts[i]` and ends
/// before `starts[i + 1]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges<A> {
    starts: Vec<A>,
    hops: Vec<Option<u32>>,
    /// By first octet: the range in which its lowest address lies, and the one of its highest.
    octets: Vec<(u32, u32)>,
}

/// A found route with all its next hops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    hop: &'a Hop,
}

impl Found<'_> {
    #[inline]
    pub(crate) fn kind(self) -> RouteKind {
        self.hop.kind
    }

    pub(crate) fn uses(self, interface: InterfaceName) -> bool {
        self.hop.interfaces.contains(&interface)
    }

    pub(crate) fn route(self) -> Route {
        Route { kind: self.hop.kind, out: self.hop.interfaces.first().copied() }
    }
}

impl Fib {
    /// Builds the tables. Of two entries with the same prefix in the same table the first wins.
    pub(crate) fn new(entries: Vec<Entry>) -> Fib {
        let mut tables = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
        let mut hops = Vec::with_capacity(entries.len());
        for entry in entries {
            let index = u32::try_from(hops.len()).unwrap_or(u32::MAX);
            let (family, first, last) = bounds(entry.prefix);
            let table = usize::from(!entry.kind.in_local_table());
            tables[family][table].push(Span { first, last, hop: index });
            hops.push(Hop { kind: entry.kind, interfaces: entry.interfaces.into() });
        }
        let [[local4, main4], [local6, main6]] = tables;
        let v4 = merge(flatten(local4, u32::MAX.into()), flatten(main4, u32::MAX.into()));
        let v6 = merge(flatten(local6, u128::MAX), flatten(main6, u128::MAX));
        let narrow = |(start, hop)| (u32::try_from(start).unwrap_or(u32::MAX), hop);
        let (starts4, hops4) = v4.into_iter().map(narrow).unzip();
        let (starts6, hops6) = v6.into_iter().unzip();
        Fib {
            hops,
            v4: Ranges::new(starts4, hops4, |octet| (octet << 24, octet << 24 | 0x00ff_ffff)),
            v6: Ranges::new(starts6, hops6, |octet| {
                let first = u128::from(octet) << 120;
                (first, first | u128::MAX >> 8)
            }),
        }
    }

    /// The route to `address`; `None` when there is none, or a `throw` route ends the search.
    #[inline]
    pub(crate) fn lookup(&self, address: IpAddr) -> Option<Found<'_>> {
        let index = match address {
            IpAddr::V4(address) => self.v4.find(address.to_bits(), address.octets()[0]),
            IpAddr::V6(address) => self.v6.find(address.to_bits(), address.octets()[0]),
        };
        let hop = self.hops.get(index? as usize)?;
        (hop.kind != RouteKind::Throw).then_some(Found { hop })
    }
}

impl<A: Copy + Ord> Ranges<A> {
    /// `ends` gives the lowest and the highest address that begin with an octet.
    fn new(starts: Vec<A>, hops: Vec<Option<u32>>, ends: impl Fn(u32) -> (A, A)) -> Ranges<A> {
        let range_of = |address| {
            let after = starts.partition_point(|&start| start <= address);
            after.saturating_sub(1) as u32
        };
        let octets = (0..=0xff).map(ends).map(|(low, high)| (range_of(low), range_of(high)));
        let octets = octets.collect();
        Ranges { starts, hops, octets }
    }

    #[inline]
    fn find(&self, address: A, octet: u8) -> Option<u32> {
        let &(mut low, mut high) = self.octets.get(usize::from(octet))?;
        while low < high {
            let middle = high - (high - low) / 2;
            match self.starts.get(middle as usize) {
                Some(&start) if start <= address => low = middle,
                _ => high = middle - 1,
            }
        }
        *self.hops.get(low as usize)?
    }
}

/// A prefix as an inclusive range of its family's addresses.
struct Span {
    first: u128,
    last: u128,
    hop: u32,
}

/// Family index, first and last address of a prefix.
fn bounds(prefix: IpNet) -> (usize, u128, u128) {
    match prefix {
        IpNet::V4(net) => (0, net.network().to_bits().into(), net.broadcast().to_bits().into()),
        IpNet::V6(net) => (1, net.network().to_bits(), net.broadcast().to_bits()),
    }
}

/// Nested ranges to disjoint ones, the innermost winning.
fn flatten(mut spans: Vec<Span>, max: u128) -> Vec<(u128, Option<u32>)> {
    // The sort is stable, so that of equal prefixes the first entry stays.
    spans.sort_by_key(|span| (span.first, Reverse(span.last)));
    spans.dedup_by_key(|span| (span.first, span.last));
    let mut ranges = vec![(0, None)];
    let mut open: Vec<Span> = Vec::new();
    for span in spans {
        close(&mut open, &mut ranges, span.first, max);
        emit(&mut ranges, span.first, Some(span.hop));
        open.push(span);
    }
    while let Some(span) = open.pop() {
        if span.last < max {
            emit(&mut ranges, span.last + 1, open.last().map(|outer| outer.hop));
        }
    }
    ranges
}

/// Ends the ranges that lie before `first`, innermost first.
fn close(open: &mut Vec<Span>, ranges: &mut Vec<(u128, Option<u32>)>, first: u128, max: u128) {
    while let Some(span) = open.pop_if(|span| span.last < first) {
        if span.last < max {
            emit(ranges, span.last + 1, open.last().map(|outer| outer.hop));
        }
    }
}

/// Begins a range at `start`; one that began at the same address was empty.
fn emit(ranges: &mut Vec<(u128, Option<u32>)>, start: u128, hop: Option<u32>) {
    match ranges.last_mut() {
        Some(last) if last.0 == start => last.1 = hop,
        _ => ranges.push((start, hop)),
    }
}

/// The local table over the main one: its answer stands wherever it has one.
fn merge(
    local: Vec<(u128, Option<u32>)>,
    main: Vec<(u128, Option<u32>)>,
) -> Vec<(u128, Option<u32>)> {
    let mut merged = Vec::with_capacity(local.len() + main.len());
    let (mut l, mut m) = (0, 0);
    let (mut over, mut under) = (None, None);
    while l < local.len() || m < main.len() {
        let next = |list: &[(u128, Option<u32>)], at: usize| list.get(at).copied();
        let start = [next(&local, l), next(&main, m)].into_iter().flatten().map(|(s, _)| s).min();
        let Some(start) = start else { break };
        if let Some((s, hop)) = next(&local, l)
            && s == start
        {
            (over, l) = (hop, l + 1);
        }
        if let Some((s, hop)) = next(&main, m)
            && s == start
        {
            (under, m) = (hop, m + 1);
        }
        let hop = over.or(under);
        if merged.last().is_none_or(|&(_, last)| last != hop) {
            merged.push((start, hop));
        }
    }
    merged
}
