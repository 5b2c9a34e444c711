//! Where a captured packet stands in the gateway's eyes: it came in by an interface, the
//! gateway sent it, or it is the copy of a forwarded packet, captured again as it left.
//!
//! A capture on the gateway itself sees forwarded packets twice, and seldom says which way they
//! went. What is known is used in this order: what the link header says (Linux cooked
//! captures), the gateway's own link-layer addresses (`mac` in the topology), its own network
//! addresses, and for copies the hop limit, which is one less as a packet leaves.

use crate::source::Frame;
use kinwall_terms::{InterfaceName, Time};
use kinwall_topology::{Origin, Topology};
use kinwall_wire::LinkFacts;
use kinwall_wire::link::{LinkType, PacketType};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// Where a packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It came in, by this interface where that is known.
    By(Option<InterfaceName>),
    /// The gateway sent it.
    Sent,
    /// It was seen before as it came in.
    Copy,
}

/// Judges packets one after the other.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    recent: Recent,
    /// Names of interfaces that the topology does not have, by capture.
    strangers: Vec<(usize, InterfaceName)>,
}

/// Strangers that are told of, at most.
const STRANGERS_MAX: usize = 64;

impl Arrivals {
    /// Where the packet in `frame` stands; `network` is it from its network header on.
    pub(crate) fn judge(
        &mut self,
        frame: &Frame<'_>,
        link: &LinkFacts,
        network: &[u8],
        topology: &Topology,
    ) -> Arrival {
        let named = frame.interface.filter(|name| self.is_known(frame, *name, topology));
        let cooked = is_cooked(frame);
        if (cooked || named.is_some() || frame.capture > 0)
            && addresses(network).is_some()
            && self.recent.is_copy(frame, network)
        {
            return Arrival::Copy;
        }
        let mac = named.and_then(|name| topology.interface(name)?.mac).map(|mac| mac.0);
        let is_mac = |address: Option<[u8; 6]>| mac.is_some() && address == mac;
        let left = link.packet_type == PacketType::Outgoing || is_mac(link.src_mac);
        let arrived = !left && (cooked || is_mac(link.dst_mac));
        Arrival::of(named, [left, arrived], network, topology)
    }

    /// The names of interfaces in the captures that the topology does not have, by number of
    /// the capture.
    pub(crate) fn strangers(&self) -> &[(usize, InterfaceName)] {
        &self.strangers
    }

    /// A name that the topology does not have is of no use: the capture was made elsewhere.
    fn is_known(&mut self, frame: &Frame<'_>, name: InterfaceName, topology: &Topology) -> bool {
        if topology.is_empty() || topology.interface(name).is_some() || name.as_str() == "lo" {
            return true;
        }
        let stranger = (frame.capture, name);
        if self.strangers.len() < STRANGERS_MAX && !self.strangers.contains(&stranger) {
            self.strangers.push(stranger);
        }
        false
    }
}

/// Whether the capture has link headers that say which way packets went.
fn is_cooked(frame: &Frame<'_>) -> bool {
    matches!(frame.link_type, Some(LinkType::LinuxSll | LinkType::LinuxSll2))
}

impl Arrival {
    /// Where a packet stands that names no interface and of which there is no copy to be
    /// expected, as [`Arrivals::judge`] would say; `None` for any other.
    #[inline]
    pub(crate) fn alone(
        frame: &Frame<'_>,
        packet_type: PacketType,
        network: &[u8],
        topology: &Topology,
    ) -> Option<Arrival> {
        let is_alone = frame.interface.is_none() && frame.capture == 0 && !is_cooked(frame);
        let left = packet_type == PacketType::Outgoing;
        is_alone.then(|| Arrival::of(None, [left, false], network, topology))
    }

    /// Where a packet stands that is no copy, and is known to have left or arrived, if it is.
    #[inline]
    fn of(
        named: Option<InterfaceName>,
        [left, arrived]: [bool; 2],
        network: &[u8],
        topology: &Topology,
    ) -> Arrival {
        let Some((src, dst)) = addresses(network) else { return Arrival::By(named) };
        let origin = topology.origin(src);
        if origin == Origin::Own && !src.is_loopback() {
            // What the gateway sends to itself leaves and arrives by its loopback interface.
            return match arrived {
                true if topology.is_local(dst) => Arrival::Copy,
                true => Arrival::By(named),
                false => Arrival::Sent,
            };
        }
        if left && topology.is_empty() {
            return Arrival::Sent;
        }
        // The interface by which a packet leaves says nothing about where it came in.
        let named = named.filter(|_| !left);
        Arrival::By(named.or(match origin {
            Origin::Own => None,
            Origin::Behind(interface) => interface,
        }))
    }
}

/// Source and destination of a packet, without reading the rest of it.
fn addresses(network: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let v4 = |at: usize| network.get(at..)?.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes));
    let v6 = |at: usize| network.get(at..)?.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes));
    match network.first()? >> 4 {
        4 => Some((v4(12)?, v4(16)?)),
        6 => Some((v6(8)?, v6(24)?)),
        _ => None,
    }
}

/// Packets that came in lately: a table that forgets what it has no room for.
#[derive(Debug, Default)]
struct Recent {
    /// Empty until the first packet.
    slots: Vec<Option<Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    print: u64,
    time: Time,
    /// Capture and interface.
    at: (usize, u32),
}

const SLOTS: usize = 1 << 14;

/// How long a packet may take through the gateway, in nanoseconds.
const PASSAGE_NS: u64 = 1_000_000_000;

/// Bytes behind the network header that tell packets apart.
const PRINT_BYTES: usize = 64;

impl Recent {
    /// Whether the packet was seen before with a hop limit one higher, at another place;
    /// otherwise it is kept.
    fn is_copy(&mut self, frame: &Frame<'_>, network: &[u8]) -> bool {
        let Some(hops) = hop_limit(network) else { return false };
        let at = (frame.capture, frame.described);
        let cooked = matches!(frame.link_type, Some(LinkType::LinuxSll | LinkType::LinuxSll2));
        if self.slots.is_empty() {
            self.slots = vec![None; SLOTS];
        }
        if let Some(before) = hops.checked_add(1) {
            let print = print(network, before);
            let seen = self.slots.get(print as usize % SLOTS).copied().flatten();
            let copied = seen.is_some_and(|seen| {
                seen.print == print
                    && (cooked || seen.at != at)
                    && frame.time.since(seen.time).as_nanos() <= u128::from(PASSAGE_NS)
            });
            if copied {
                return true;
            }
        }
        let print = print(network, hops);
        if let Some(slot) = self.slots.get_mut(print as usize % SLOTS) {
            *slot = Some(Seen { print, time: frame.time, at });
        }
        false
    }
}

fn hop_limit(network: &[u8]) -> Option<u8> {
    match network.first()? >> 4 {
        4 => network.get(8).copied(),
        6 => network.get(7).copied(),
        _ => None,
    }
}

/// A number for what stays the same of a packet as it passes, and this hop limit. The IPv4
/// header checksum changes and is left out.
fn print(network: &[u8], hops: u8) -> u64 {
    let part = |from: usize, to: usize| network.get(from..to.min(network.len()));
    let mut hasher = DefaultHasher::new();
    hops.hash(&mut hasher);
    match network.first().map(|first| first >> 4) {
        Some(6) => (part(0, 7), part(8, 40 + PRINT_BYTES)).hash(&mut hasher),
        _ => (part(0, 8), part(9, 10), part(12, 20 + PRINT_BYTES)).hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPOLOGY: &str = "
        [[interface]]
        name = \"lan\"
        addresses = [\"10.1.0.1/24\"]
        mac = \"02:00:00:00:00:01\"
        [[interface]]
        name = \"wan\"
        addresses = [\"192.0.2.2/24\"]
        default = true
    ";

    const HOST: [u8; 6] = [2, 0, 0, 0, 0, 9];
    const LAN: [u8; 6] = [2, 0, 0, 0, 0, 1];

    /// An IPv4 header and eight bytes.
    fn network(src: [u8; 4], dst: [u8; 4], hops: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 28, 1, 2, 0, 0, hops, 17, hops, 7];
        bytes.extend(src.into_iter().chain(dst).chain([0; 8]));
        bytes
    }

    struct Case {
        interface: Option<&'static str>,
        link_type: LinkType,
        kind: PacketType,
        macs: [Option<[u8; 6]>; 2],
        src: [u8; 4],
        dst: [u8; 4],
    }

    const ETHERNET: Case = Case {
        interface: None,
        link_type: LinkType::Ethernet,
        kind: PacketType::Host,
        macs: [Some(HOST), Some(HOST)],
        src: [10, 1, 0, 5],
        dst: [198, 51, 100, 1],
    };

    fn judge(arrivals: &mut Arrivals, topology: &Topology, case: &Case, hops: u8) -> Arrival {
        let network = network(case.src, case.dst, hops);
        let frame = Frame {
            number: 1,
            time: Time(0),
            capture: 0,
            described: u32::from(case.interface == Some("wan")),
            interface: case.interface.and_then(InterfaceName::new),
            link_type: Some(case.link_type),
            link_number: case.link_type.number(),
            bytes: &network,
            original_length: 28,
        };
        let [src_mac, dst_mac] = case.macs;
        let link = LinkFacts { src_mac, dst_mac, packet_type: case.kind, ..LinkFacts::default() };
        arrivals.judge(&frame, &link, &network, topology)
    }

    #[test]
    fn packets_arrive_are_sent_or_leave() {
        use LinkType::LinuxSll as Sll;
        use PacketType::Outgoing;
        let topology = Topology::from_toml(TOPOLOGY, "t").unwrap();
        let by = |name| Arrival::By(InterfaceName::new(name));
        let own = [10, 1, 0, 1];
        let lan = Some("lan");
        let rows = [
            // Nothing is said: the interface behind the source.
            (Case { ..ETHERNET }, by("lan")),
            (Case { src: [8, 8, 8, 8], ..ETHERNET }, by("wan")),
            // The capture's name comes first, if the topology has it.
            (Case { interface: Some("wan"), ..ETHERNET }, by("wan")),
            (Case { interface: Some("wlp3s0"), ..ETHERNET }, by("lan")),
            // Own addresses are sent, unless the packet is known to have come in.
            (Case { src: own, ..ETHERNET }, Arrival::Sent),
            (Case { src: own, interface: lan, ..ETHERNET }, Arrival::Sent),
            (
                Case { src: own, interface: lan, macs: [Some(HOST), Some(LAN)], ..ETHERNET },
                by("lan"),
            ),
            (Case { src: own, link_type: Sll, kind: Outgoing, ..ETHERNET }, Arrival::Sent),
            (Case { src: own, link_type: Sll, ..ETHERNET }, Arrival::By(None)),
            (Case { src: own, dst: [192, 0, 2, 2], link_type: Sll, ..ETHERNET }, Arrival::Copy),
            // What left by an interface did not come in by it.
            (Case { link_type: Sll, kind: Outgoing, ..ETHERNET }, by("lan")),
            (
                Case { src: [8, 8, 8, 8], interface: lan, macs: [Some(LAN), None], ..ETHERNET },
                by("wan"),
            ),
        ];
        for (at, (case, expected)) in rows.iter().enumerate() {
            let mut arrivals = Arrivals::default();
            assert_eq!(judge(&mut arrivals, &topology, case, 64), *expected, "row {at}");
        }
        let empty = Topology::default();
        let case = Case { link_type: Sll, kind: Outgoing, ..ETHERNET };
        assert_eq!(judge(&mut Arrivals::default(), &empty, &case, 64), Arrival::Sent);
        let case = Case { interface: Some("wlp3s0"), ..ETHERNET };
        assert_eq!(judge(&mut Arrivals::default(), &empty, &case, 64), by("wlp3s0"));
    }

    #[test]
    fn names_that_the_topology_lacks_are_told_once() {
        let topology = Topology::from_toml(TOPOLOGY, "t").unwrap();
        let mut arrivals = Arrivals::default();
        for name in ["wlp3s0", "lan", "wlp3s0", "lo"] {
            judge(&mut arrivals, &topology, &Case { interface: Some(name), ..ETHERNET }, 64);
        }
        assert_eq!(arrivals.strangers(), [(0, InterfaceName::new("wlp3s0").unwrap())]);
    }

    #[test]
    fn forwarded_packets_count_once() {
        let topology = Topology::from_toml(TOPOLOGY, "t").unwrap();
        let lan = || Case { interface: Some("lan"), ..ETHERNET };
        let wan = || Case { interface: Some("wan"), ..ETHERNET };
        let cooked = || Case { link_type: LinkType::LinuxSll2, ..ETHERNET };
        // The packet that came in, the packet in question, their hop limits, and the answer.
        let rows = [
            (lan(), wan(), [64, 63], true),
            (lan(), wan(), [64, 64], false),
            (lan(), wan(), [64, 62], false),
            (lan(), lan(), [64, 63], false),
            (lan(), Case { dst: [1, 2, 3, 4], ..wan() }, [64, 63], false),
            (cooked(), cooked(), [64, 63], true),
            (cooked(), cooked(), [63, 64], false),
            (lan(), wan(), [0, 255], false),
        ];
        for (at, (first, second, [before, after], copied)) in rows.iter().enumerate() {
            let mut arrivals = Arrivals::default();
            assert_ne!(judge(&mut arrivals, &topology, first, *before), Arrival::Copy, "row {at}");
            let answer = judge(&mut arrivals, &topology, second, *after);
            assert_eq!(answer == Arrival::Copy, *copied, "row {at}: {answer:?}");
        }
    }
}
