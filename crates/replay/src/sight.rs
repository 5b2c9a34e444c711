//! What a capture shows of packets as they left: where it was made on both sides of a gateway
//! that translates, each forwarded packet is there twice, with other addresses the second time.
//!
//! A packet is the other one's second sight when it has one hop less, comes within a second, and
//! says otherwise the same: the sequence number and flags of a TCP segment, the identification
//! and the first bytes of any other. Payload behind them may have been rewritten.

use crate::replay::tuple_of;
use crate::source::{Frame, Source};
use kinwall_terms::{Family, Time, Tuple};
use kinwall_topology::Topology;
use kinwall_wire::link::{self, Link, LinkType};
use kinwall_wire::{Headers, L4, ipv6};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// What the capture shows of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sight {
    /// No other packet is the same.
    #[default]
    Once,
    /// It came in, and left as this.
    Left(Tuple),
    /// It is another one, as that left.
    Copy,
}

/// What a capture shows of translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Packets before and after translation.
    BothSides,
    /// Packets before translation, of both sides: answers go to what was translated.
    Arriving,
    /// Neither.
    Nothing,
}

/// A packet that came in, and the one that is its second sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Number of the first.
    pub(crate) came: u64,
    /// As what it left.
    pub(crate) left: Tuple,
    /// Whether that is another tuple than its own.
    pub(crate) translated: bool,
}

/// Finds pairs among packets that come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// Empty until the first packet; a packet in the place of its print.
    recent: Vec<Option<Came>>,
}

#[derive(Clone, Copy, Debug)]
struct Came {
    print: u64,
    number: u64,
    time: Time,
    /// Capture and interface.
    at: (usize, u32),
    tuple: Tuple,
}

/// Packets that are remembered.
const RECENT: usize = 1 << 14;

/// How long a packet may take through the gateway, in nanoseconds.
pub(crate) const PASSAGE_NS: u64 = 1_000_000_000;

/// Bytes of payload that tell datagrams apart. Helpers rewrite what is behind them.
const PRINT_BYTES: usize = 8;

/// Packets that are looked at to say what a capture shows.
const LOOK_PACKETS: usize = 1 << 14;

impl Pairs {
    /// The pair whose second packet this is; otherwise it is kept as a first one.
    pub(crate) fn look(&mut self, frame: &Frame<'_>) -> Option<Pair> {
        let network = network(frame)?;
        let headers = Headers::parse(network).ok()?;
        let tuple = tuple_of(network)?;
        let cooked = matches!(frame.link_type, Some(LinkType::LinuxSll | LinkType::LinuxSll2));
        let at = (frame.capture, frame.described);
        if self.recent.is_empty() {
            self.recent = vec![None; RECENT];
        }
        if let Some(before) = headers.ttl.checked_add(1) {
            let print = print(&headers, network, before);
            let came = self.recent.get(print as usize % RECENT).copied().flatten();
            let came = came.filter(|came| {
                // A hairpin leaves by the interface that it came by, with other addresses.
                let is_passage = cooked || came.at != at || came.tuple != tuple;
                came.print == print
                    && frame.time.since(came.time).as_nanos() <= u128::from(PASSAGE_NS)
                    && is_passage
            });
            if let Some(came) = came {
                let translated = came.tuple != tuple;
                return Some(Pair { came: came.number, left: tuple, translated });
            }
        }
        let print = print(&headers, network, headers.ttl);
        let Frame { number, time, .. } = *frame;
        if let Some(slot) = self.recent.get_mut(print as usize % RECENT) {
            *slot = Some(Came { print, number, time, at, tuple });
        }
        None
    }
}

/// The packet behind the link header.
fn network<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    let link = link::strip(frame.link_type?, frame.bytes).ok().filter(Link::is_ip)?;
    Some(link.network(frame.bytes))
}

/// A number for what stays the same of a packet as it passes and is translated, and this hop
/// limit.
fn print(headers: &Headers, network: &[u8], hops: u8) -> u64 {
    let mut hasher = DefaultHasher::new();
    (hops, headers.proto.0, headers.fragment.map(|fragment| fragment.offset)).hash(&mut hasher);
    match headers.family {
        Family::Ipv4 => network.get(4..6).hash(&mut hasher),
        Family::Ipv6 => ipv6::flow_label(network).hash(&mut hasher),
    }
    match headers.l4 {
        L4::Tcp(tcp) => (tcp.seq, tcp.flags.bits(), tcp.window).hash(&mut hasher),
        _ => {
            let payload = headers.payload(network);
            payload.get(..PRINT_BYTES.min(payload.len())).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// What the beginning of a capture shows of translation.
pub fn shown(source: &mut Source, topology: &Topology) -> Shown {
    let mut pairs = Pairs::default();
    let mut met = Met::default();
    for _ in 0..LOOK_PACKETS {
        let Some(frame) = source.next() else { break };
        match pairs.look(&frame) {
            Some(pair) if pair.translated => return Shown::BothSides,
            Some(_) => {}
            None => met.extend(network(&frame).and_then(tuple_of)),
        }
    }
    match met.has_translated_answer(topology) {
        true => Shown::Arriving,
        false => Shown::Nothing,
    }
}

/// The tuples that a capture holds.
#[derive(Debug, Default)]
struct Met {
    all: HashSet<Tuple>,
}

impl Extend<Tuple> for Met {
    fn extend<T: IntoIterator<Item = Tuple>>(&mut self, tuples: T) {
        self.all.extend(tuples.into_iter().filter(|tuple| tuple.sport != 0 && tuple.dport != 0));
    }
}

impl Met {
    /// Whether an answer goes to an own address instead of who asked, or comes from somebody else
    /// than an own address that was asked.
    fn has_translated_answer(&self, topology: &Topology) -> bool {
        let is_answered =
            |tuple: &Tuple| tuple.invert().is_some_and(|answer| self.all.contains(&answer));
        let alone: Vec<&Tuple> = self.all.iter().filter(|tuple| !is_answered(tuple)).collect();
        let is_own = |address: IpAddr| topology.is_local(address);
        let mut askers = HashMap::new();
        let mut asked = HashMap::new();
        for tuple in &alone {
            let Tuple { src, dst, sport, dport, proto } = **tuple;
            match (is_own(src), is_own(dst)) {
                (false, false) => drop(asked.insert((dst, dport, proto), src)),
                (false, true) => drop(askers.insert((src, sport, proto), dst)),
                _ => {}
            }
        }
        alone.iter().any(|answer| {
            let from = (answer.src, answer.sport, answer.proto);
            let to = (answer.dst, answer.dport, answer.proto);
            (is_own(answer.dst) && asked.contains_key(&from))
                || (!is_own(answer.src) && askers.contains_key(&to))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Input;
    use kinwall_wire::TcpFlags;
    use kinwall_wire::emit::{Packet, Tcp, Transport, Udp};
    use std::path::Path;

    fn syn(sport: u16, seq: u32) -> Tcp {
        Tcp::new(sport, 80).flags(TcpFlags::SYN).seq(seq)
    }

    fn packet(src: [u8; 4], dst: [u8; 4], hops: u8, l4: impl Into<Transport>) -> Vec<u8> {
        Packet::new(src, dst, l4).id(7).ttl(hops).payload(*b"what is said").build()
    }

    /// The pair that two packets are, the second one so many milliseconds later.
    fn pair(first: &[u8], second: &[u8], same_interface: bool, later_ms: u64) -> Option<bool> {
        let mut pairs = Pairs::default();
        let frame = |number: u64, described: u32, bytes: &'static [u8]| Frame {
            number,
            time: Time((number - 1) * later_ms * 1_000_000),
            capture: 0,
            described,
            interface: None,
            link_type: Some(LinkType::Raw),
            link_number: 101,
            bytes,
            original_length: bytes.len() as u32,
        };
        let [first, second]: [&'static [u8]; 2] = [first.to_vec().leak(), second.to_vec().leak()];
        assert_eq!(pairs.look(&frame(1, 0, first)), None);
        let found = pairs.look(&frame(2, u32::from(!same_interface), second));
        found.map(|pair| pair.translated)
    }

    #[test]
    fn packets_are_known_again_behind_translation() {
        let (client, gateway, server) = ([10, 1, 0, 2], [192, 0, 2, 1], [192, 0, 2, 10]);
        let came = packet(client, server, 64, syn(40_000, 5));
        let udp = packet(client, server, 64, Udp::new(5060, 5060));
        let rows = [
            (&came, packet(gateway, server, 63, syn(1024, 5)), false, 1, Some(true)),
            // A hairpin, whose ends both change.
            (&came, packet(gateway, client, 63, syn(1024, 5)), true, 1, Some(true)),
            (&came, packet(client, server, 63, syn(40_000, 5)), false, 1, Some(false)),
            // The same again where it came: another one.
            (&came, packet(client, server, 63, syn(40_000, 5)), true, 1, None),
            (&came, packet(gateway, server, 63, syn(1024, 6)), false, 1, None),
            (&came, packet(gateway, server, 64, syn(1024, 5)), false, 1, None),
            (&came, packet(gateway, server, 63, syn(1024, 5)), false, 1_001, None),
            (&udp, packet(gateway, server, 63, Udp::new(1024, 5060)), false, 1, Some(true)),
            (&udp, packet(gateway, server, 63, syn(1024, 5)), false, 1, None),
        ];
        for (at, (first, second, same, later, expected)) in rows.iter().enumerate() {
            assert_eq!(pair(first, second, *same, *later), *expected, "row {at}");
        }
    }

    #[test]
    fn captures_say_what_they_show() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let rows = [
            ("masquerade", "both", Shown::BothSides),
            ("masquerade", "arriving", Shown::Arriving),
            ("ftp", "capture", Shown::Nothing),
            ("tftp", "capture", Shown::Nothing),
            ("sip", "capture", Shown::Nothing),
            ("netbios-ns", "capture", Shown::Nothing),
        ];
        for (example, capture, expected) in rows {
            let folder = examples.join(example);
            let text = std::fs::read_to_string(folder.join("topology.toml")).unwrap();
            let topology = Topology::from_toml(&text, "topology").unwrap();
            let input = Input::new(folder.join(format!("{capture}.pcapng")));
            let mut source = Source::open(&[input]).unwrap();
            assert_eq!(shown(&mut source, &topology), expected, "{example}");
        }
    }
}
