//! The packets that stand for a connection and for what a helper announces.

use super::answer::Asked;
use super::{Opener, Question};
use kinwall_engine::{Engine, Ingress, Packet};
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Family, L4Proto};
use kinwall_wire::emit::{Packet as Built, Tcp, Transport, Udp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The client's port: what stands for "any".
pub(super) const CLIENT_PORT: u16 = 40_000;

impl Asked {
    /// The first packet of a flow as `row` announces it; `None` for protocols without ports.
    pub(super) fn child(&self, engine: &Engine, row: &Row) -> Option<(Ingress, Vec<u8>)> {
        let sender_is_originator = matches!(row.announcer, Announcer::Originator);
        let address = |field: Field| match field {
            Field::Fixed(End::Originator) => Some(self.src),
            Field::Fixed(End::Responder) => Some(self.dst),
            Field::Fixed(End::Sender) => Some(self.end(sender_is_originator)),
            Field::Fixed(End::Receiver) => Some(self.end(!sender_is_originator)),
            _ => None,
        };
        let other = |end: IpAddr| if end == self.src { self.dst } else { self.src };
        let (src, dst) = match (address(row.src), address(row.dst)) {
            (Some(src), Some(dst)) => (src, dst),
            (None, Some(dst)) => (other(dst), dst),
            (Some(src), None) => (src, other(src)),
            (None, None) => (self.dst, self.src),
        };
        let port = |field: Field, any: u16| match field {
            Field::Constant(port) => port,
            Field::PayloadRange(low, high) => any.clamp(low, high),
            Field::Fixed(End::Responder) => self.dport,
            _ => any,
        };
        let (sport, dport) = (port(row.sport, CLIENT_PORT + 1), port(row.dport, CLIENT_PORT + 2));
        let proto = match row.proto {
            ProtoField::Fixed(proto) => proto,
            ProtoField::Master => self.proto,
        };
        if !matches!(proto, L4Proto::TCP | L4Proto::UDP) {
            return None;
        }
        let ingress = match engine.topology().is_local(src) {
            true => Ingress::Local { owner: None },
            false => Ingress::Interface(engine.topology().interface_behind(src)),
        };
        Some((ingress, Built::new(src, dst, opening(proto, sport, dport)).build()))
    }

    fn end(&self, originator: bool) -> IpAddr {
        if originator { self.src } else { self.dst }
    }
}

pub(super) fn packet(ingress: Ingress, bytes: &[u8]) -> Packet<'_> {
    let link = LinkFacts::default();
    Packet { number: 1, ingress, link, mark: 0, bytes: Cow::Borrowed(bytes) }
}

pub(super) fn opening(proto: L4Proto, sport: u16, dport: u16) -> Transport {
    match proto {
        L4Proto::UDP => Udp::new(sport, dport).into(),
        _ => Tcp::new(sport, dport).flags(TcpFlags::SYN).into(),
    }
}

/// Where the first packet comes in, and from which address.
pub(super) fn opener(
    engine: &Engine,
    question: &Question,
    family: Family,
) -> Result<(Ingress, IpAddr), String> {
    let topology = engine.topology();
    match question.from {
        Opener::Gateway => {
            let out = topology.route(question.to).out;
            let own = topology
                .interfaces()
                .iter()
                .filter(|interface| out.is_none() || Some(interface.name) == out)
                .flat_map(|interface| &interface.addresses)
                .map(|net| net.addr())
                .find(|address| Family::of(*address) == family);
            let own = own.ok_or(format!("the gateway has no {family} address in the topology"))?;
            Ok((Ingress::Local { owner: None }, own))
        }
        Opener::Interface(name) => {
            let Some(interface) = topology.interface(name) else {
                let known = topology.interfaces().iter().map(|known| known.name.as_str());
                let known = known.collect::<Vec<_>>().join(", ");
                return Err(match known.as_str() {
                    "" => String::from("no topology was given, so no interface is known"),
                    known => format!("the topology has no interface `{name}`; it has {known}"),
                });
            };
            let nets = interface.networks.iter().copied();
            let nets = nets.chain(interface.addresses.iter().map(|net| net.trunc()));
            let mut hosts = nets
                .filter(|net| Family::of(net.addr()) == family)
                .filter_map(|net| net.hosts().take(8).find(|host| !topology.is_local(*host)));
            let host = hosts.next().or(interface.default.has(family).then_some(match family {
                Family::Ipv4 => IpAddr::V4(SOMEBODY4),
                Family::Ipv6 => IpAddr::V6(SOMEBODY6),
            }));
            let host = host.ok_or(format!("nobody with an {family} address is behind {name}"))?;
            Ok((Ingress::Interface(Some(name)), host))
        }
        Opener::Network(net) => {
            if Family::of(net.addr()) != family {
                return Err(format!("{net} and {} are of different families", question.to));
            }
            let host = match net.prefix_len() == net.max_prefix_len() {
                true => Some(net.addr()),
                false => net.hosts().take(8).find(|host| !topology.is_local(*host)),
            };
            let host = host.ok_or(format!("{net} has no host but the gateway"))?;
            match topology.is_local(host) {
                true => Ok((Ingress::Local { owner: None }, host)),
                false => Ok((Ingress::Interface(topology.interface_behind(host)), host)),
            }
        }
    }
}

/// Somebody on the other side of the default route (RFC 5737, RFC 3849).
const SOMEBODY4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const SOMEBODY6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 10);
