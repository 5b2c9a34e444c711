//! The left side of a comparison: what of the packet is looked at.

use super::atom::Atom;
use super::value::{self, Stretch, test};
use crate::matches::addrtype::Addrtype;
use crate::matches::connmark::Connmark;
use crate::matches::conntrack::{Conntrack, States};
use crate::matches::dccp::Dccp;
use crate::matches::dscp::Dscp;
use crate::matches::helper::Helper;
use crate::matches::icmp::Icmp;
use crate::matches::icmp::Message;
use crate::matches::icmp6::Icmp6;
use crate::matches::iprange::Iprange;
use crate::matches::length::Length;
use crate::matches::mac::Mac;
use crate::matches::mark::Mark;
use crate::matches::multiport::{Multiport, Side};
use crate::matches::pkttype::Pkttype;
use crate::matches::rpfilter::Rpfilter;
use crate::matches::sctp::Sctp;
use crate::matches::tcp::{Flags, Tcp};
use crate::matches::ttl::{Compare, Ttl};
use crate::matches::udp::Udp;
use crate::matches::{Match, hl::Hl};
use crate::value::{InterfacePattern, Masked, Network, PortRange, Range};
use kinwall_terms::{Direction, Family, L4Proto, Status};
use kinwall_topology::AddressTypes;
use kinwall_wire::PacketType;
use serde_json::Value;
use std::net::IpAddr;

/// What is looked at.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    /// The source address, or else the destination, under a mask.
    Address { source: bool, mask: Option<IpAddr> },
    /// The protocol above IP.
    Proto,
    /// The family, by the names it has here.
    FamilyName,
    /// The source port, or else the destination, of a protocol or of any that has ports.
    Port { source: bool, proto: Option<L4Proto> },
    /// Flags of TCP under a mask.
    Flags { mask: Option<u8> },
    /// The type of an ICMP message.
    IcmpType,
    /// Its code.
    IcmpCode,
    /// The interface the packet came by, or else leaves by.
    Interface { input: bool },
    /// The packet mark under a mask, or else the connection's.
    Mark { packet: bool, mask: u32 },
    /// The sender on the link.
    Mac,
    /// To whom the link addressed it.
    PacketType,
    /// The ct state.
    State,
    /// The status of the connection.
    Status,
    /// The direction within the connection.
    Direction,
    /// The helper of the announcing connection.
    Helper,
    /// An address of the connection: original source, destination, reply source, destination.
    CtAddress(usize),
    /// A port of it, likewise.
    CtPort(usize),
    /// Its protocol.
    CtProto,
    /// The length of the packet.
    Length,
    /// Time to live, or hop limit.
    Hops,
    /// The code point.
    Dscp,
    /// Whether the source came the way its answers would go.
    ReversePath { loose: bool, mark: bool },
    /// The type of an address, as far as one interface counts.
    AddressType { source: bool, limit_in: bool, limit_out: bool },
    /// A field that packets of this family do not have.
    Elsewhere,
}

/// A comparison with one value: what must hold beside, and the test.
pub(super) struct Compared {
    pub(super) beside: Vec<Atom>,
    pub(super) atom: Atom,
}

impl From<Atom> for Compared {
    fn from(atom: Atom) -> Compared {
        Compared { beside: Vec::new(), atom }
    }
}

const STATES: &[(&str, u32)] = &[
    ("invalid", States::INVALID.bits() as u32),
    ("new", States::NEW.bits() as u32),
    ("related", States::RELATED.bits() as u32),
    ("established", States::ESTABLISHED.bits() as u32),
    ("untracked", States::UNTRACKED.bits() as u32),
];

const STATUSES: &[(&str, u32)] = &[
    ("expected", Status::EXPECTED.bits() as u32),
    ("seen-reply", Status::SEEN_REPLY.bits() as u32),
    ("assured", Status::ASSURED.bits() as u32),
    ("confirmed", Status::CONFIRMED.bits() as u32),
    ("snat", Status::SRC_NAT.bits() as u32),
    ("dnat", Status::DST_NAT.bits() as u32),
];

const ADDRESS_TYPES: &[(&str, AddressTypes)] = &[
    ("unspec", AddressTypes::UNSPEC),
    ("unicast", AddressTypes::UNICAST),
    ("local", AddressTypes::LOCAL),
    ("broadcast", AddressTypes::BROADCAST),
    ("anycast", AddressTypes::ANYCAST),
    ("multicast", AddressTypes::MULTICAST),
    ("blackhole", AddressTypes::BLACKHOLE),
    ("unreachable", AddressTypes::UNREACHABLE),
    ("prohibit", AddressTypes::PROHIBIT),
];

const PACKET_TYPES: &[(&str, PacketType)] = &[
    ("host", PacketType::Host),
    ("unicast", PacketType::Host),
    ("broadcast", PacketType::Broadcast),
    ("multicast", PacketType::Multicast),
    ("other", PacketType::OtherHost),
];

impl Field {
    /// Of the left side of a comparison; `None`: it is not known here.
    pub(super) fn of(left: &Value, family: Family) -> Option<Field> {
        let (key, inner) = super::text::only(left)?;
        let word = |name: &str| inner.get(name).and_then(Value::as_str);
        match key {
            "payload" => payload(word("protocol")?, word("field")?, family),
            "meta" => meta(word("key")?),
            "ct" => connection(word("key")?, word("dir"), family),
            "fib" => fib(inner),
            "&" => {
                let [field, mask] = inner.as_array()?.as_slice() else { return None };
                Field::of(field, family)?.masked(mask, family)
            }
            _ => None,
        }
    }

    fn masked(self, value: &Value, family: Family) -> Option<Field> {
        match self {
            Field::Address { source, mask: None } => {
                Some(Field::Address { source, mask: Some(value::mask(value, family)?) })
            }
            Field::Mark { packet, mask: u32::MAX } => {
                let mask = u32::try_from(value::number(value, &[])?).ok()?;
                Some(Field::Mark { packet, mask })
            }
            Field::Flags { mask: None } => {
                let mask = u8::try_from(value::bits(value, value::TCP_FLAGS)?).ok()?;
                Some(Field::Flags { mask: Some(mask) })
            }
            Field::Elsewhere => Some(Field::Elsewhere),
            _ => None,
        }
    }

    /// The test for one value. `None`: the value is not known here.
    pub(super) fn compare(&self, value: &Value, invert: bool, family: Family) -> Option<Compared> {
        Some(match self {
            Field::Address { source, mask } => {
                address(*source, *mask, value, invert, family)?.into()
            }
            Field::Proto => Atom::Proto(test(value::protocol(value)?, invert)).into(),
            Field::FamilyName => {
                let own = match (value.as_str()?, family) {
                    ("ipv4" | "ip", Family::Ipv4) | ("ipv6" | "ip6", Family::Ipv6) => true,
                    ("ipv4" | "ip" | "ipv6" | "ip6" | "arp" | "vlan" | "bridge", _) => false,
                    _ => return None,
                };
                if own != invert { Atom::Always.into() } else { Atom::Never.into() }
            }
            Field::Port { source, proto } => port(*source, *proto, value, invert)?,
            Field::Flags { mask } => flags(*mask, value, invert)?,
            Field::IcmpType | Field::IcmpCode => self.message(value, invert, family)?,
            Field::Interface { input } => {
                let pattern = interface(value)?;
                match input {
                    true => Atom::In(test(pattern, invert)).into(),
                    false => Atom::Out(test(pattern, invert)).into(),
                }
            }
            Field::Mark { packet, mask } => {
                let value = u32::try_from(value::number(value, &[])?).ok()?;
                let mark = test(Masked { value, mask: *mask }, invert);
                Atom::Match(match packet {
                    true => Match::Mark(Mark { mark }),
                    false => Match::Connmark(Connmark { mark }),
                })
                .into()
            }
            Field::Mac => {
                Atom::Match(Match::Mac(Mac { source: test(value::mac(value)?, invert) })).into()
            }
            Field::PacketType => {
                let named = PACKET_TYPES.iter().find(|(name, _)| Some(*name) == value.as_str())?;
                Atom::Match(Match::Pkttype(Pkttype { kind: test(named.1, invert) })).into()
            }
            Field::ReversePath { loose, mark } => {
                let fails = match value {
                    Value::Bool(exists) => !exists,
                    value => value.as_u64()? == 0,
                };
                let invert = fails != invert;
                let (loose, validmark) = (*loose, *mark);
                let options = Rpfilter { loose, validmark, accept_local: false, invert };
                Atom::Match(Match::Rpfilter(options)).into()
            }
            Field::AddressType { source, limit_in, limit_out } => {
                let named = ADDRESS_TYPES.iter().find(|(name, _)| Some(*name) == value.as_str())?;
                let types = Some(test(named.1, invert));
                let (src, dst) = if *source { (types, None) } else { (None, types) };
                let (limit_in, limit_out) = (*limit_in, *limit_out);
                Atom::Match(Match::Addrtype(Addrtype { src, dst, limit_in, limit_out })).into()
            }
            Field::Length => length(value, invert)?.into(),
            Field::Hops => hops(value, invert, family)?.into(),
            Field::Dscp => {
                let dscp = u8::try_from(value::number(value, &[])?).ok()?;
                Atom::Match(Match::Dscp(Dscp { dscp: test(dscp, invert) })).into()
            }
            Field::Elsewhere => Atom::Never.into(),
            _ => self.of_connection(value, invert, family)?,
        })
    }

    /// As [`Field::compare`], for what connection tracking says.
    fn of_connection(&self, value: &Value, invert: bool, family: Family) -> Option<Compared> {
        let mut asked = Conntrack::default();
        match self {
            Field::State => {
                let states = States::from_bits_truncate(value::bits(value, STATES)? as u8);
                asked.states = Some(test(states, invert));
            }
            Field::Status => {
                let status = Status::from_bits_truncate(value::bits(value, STATUSES)? as u16);
                asked.status = Some(test(status, invert));
            }
            Field::Direction => {
                let is_reply = match value {
                    Value::String(word) => word == "reply",
                    value => value.as_u64()? == 1,
                };
                let original = is_reply == invert;
                asked.direction =
                    Some(if original { Direction::Original } else { Direction::Reply });
            }
            Field::Helper => {
                let helper = |name: &str, invert| {
                    Match::Helper(Helper { name: test(name.to_owned(), invert) })
                };
                let name = value.as_str()?;
                // Other than in iptables, a connection that nobody announced never matches.
                let beside = match invert {
                    true => vec![Atom::Match(helper("", false))],
                    false => Vec::new(),
                };
                return Some(Compared { beside, atom: Atom::Match(helper(name, invert)) });
            }
            Field::CtAddress(at) => match value::addresses(value, family)? {
                Stretch::Network(network) => {
                    *asked.addresses.get_mut(*at)? = Some(test(network, invert));
                }
                Stretch::Range(_) => return None,
            },
            Field::CtPort(at) => {
                *asked.ports.get_mut(*at)? = Some(test(value::ports(value, None)?, invert));
            }
            Field::CtProto => asked.proto = Some(test(value::protocol(value)?, invert)),
            _ => return None,
        }
        Some(Atom::Match(Match::Conntrack(asked)).into())
    }

    fn message(&self, value: &Value, invert: bool, family: Family) -> Option<Compared> {
        let (types, codes, proto) = match family {
            Family::Ipv4 => (value::ICMP_TYPES, value::ICMP_CODES, L4Proto::ICMP),
            Family::Ipv6 => (value::ICMPV6_TYPES, value::ICMPV6_CODES, L4Proto::ICMPV6),
        };
        let beside = vec![Atom::Proto(test(proto, false))];
        if *self == Field::IcmpCode {
            let (min, max) = value::numbers(value, codes)?;
            let codes = Range { min: u8::try_from(min).ok()?, max: u8::try_from(max).ok()? };
            return Some(Compared { beside, atom: Atom::Code(test(codes, invert)) });
        }
        let kind = Some(u8::try_from(value::number(value, types)?).ok()?);
        let message = test(Message { kind, ..Message::ANY }, invert);
        let atom = message_of(message, family);
        Some(Compared { beside, atom })
    }

    /// One test for several values, where there is such a test.
    pub(super) fn compare_all(&self, values: &[&Value], invert: bool) -> Option<Compared> {
        match self {
            Field::Port { source, proto } => {
                let mut ranges: Vec<PortRange> =
                    values.iter().map(|one| value::ports(one, *proto)).collect::<Option<_>>()?;
                ranges.sort_by_key(|range| range.min);
                let side = if *source { Side::Source } else { Side::Destination };
                let ports = Multiport { side, ports: test(ranges, invert) };
                let beside = proto.map(|proto| Atom::Proto(test(proto, false))).into_iter();
                Some(Compared {
                    beside: beside.collect(),
                    atom: Atom::Match(Match::Multiport(ports)),
                })
            }
            Field::State | Field::Status => {
                let names = if *self == Field::State { STATES } else { STATUSES };
                let all =
                    values.iter().try_fold(0, |all, one| Some(all | value::bits(one, names)?));
                let all = Value::from(all?);
                self.of_connection(&all, invert, Family::Ipv4)
            }
            _ => None,
        }
    }
}

/// The test of an ICMP message.
pub(super) fn message_of(message: crate::option::Test<Message>, family: Family) -> Atom {
    Atom::Match(match family {
        Family::Ipv4 => Match::Icmp(Icmp { message }),
        Family::Ipv6 => Match::Icmp6(Icmp6 { message }),
    })
}

fn payload(protocol: &str, field: &str, family: Family) -> Option<Field> {
    let own = match protocol {
        "ip" | "icmp" => family == Family::Ipv4,
        "ip6" | "icmpv6" => family == Family::Ipv6,
        "arp" | "vlan" => false,
        _ => true,
    };
    if !own {
        return Some(Field::Elsewhere);
    }
    let proto = || match protocol {
        "th" => Some(None),
        name => value::protocol(&Value::from(name)).map(Some),
    };
    Some(match (protocol, field) {
        ("ip" | "ip6", "saddr" | "daddr") => {
            Field::Address { source: field == "saddr", mask: None }
        }
        ("ip", "protocol") => Field::Proto,
        ("ip" | "ip6", "ttl" | "hoplimit") => Field::Hops,
        ("ip" | "ip6", "dscp") => Field::Dscp,
        ("ip", "length") => Field::Length,
        ("icmp" | "icmpv6", "type") => Field::IcmpType,
        ("icmp" | "icmpv6", "code") => Field::IcmpCode,
        ("tcp", "flags") => Field::Flags { mask: None },
        ("th" | "tcp" | "udp" | "udplite" | "sctp" | "dccp", "sport" | "dport") => {
            Field::Port { source: field == "sport", proto: proto()? }
        }
        ("ether", "saddr") => Field::Mac,
        ("ether", "type") => Field::FamilyName,
        _ => return None,
    })
}

fn meta(key: &str) -> Option<Field> {
    Some(match key {
        "iif" | "iifname" => Field::Interface { input: true },
        "oif" | "oifname" => Field::Interface { input: false },
        "l4proto" => Field::Proto,
        "nfproto" | "protocol" => Field::FamilyName,
        "mark" => Field::Mark { packet: true, mask: u32::MAX },
        "pkttype" => Field::PacketType,
        "length" => Field::Length,
        _ => return None,
    })
}

fn connection(key: &str, dir: Option<&str>, family: Family) -> Option<Field> {
    let at = |side: usize| match dir? {
        "original" => Some(side),
        "reply" => Some(side + 2),
        _ => None,
    };
    let other = match family {
        Family::Ipv4 => "ip6 ",
        Family::Ipv6 => "ip ",
    };
    if key.starts_with(other) {
        return Some(Field::Elsewhere);
    }
    Some(match key {
        "state" => Field::State,
        "status" => Field::Status,
        "direction" => Field::Direction,
        "helper" => Field::Helper,
        "mark" => Field::Mark { packet: false, mask: u32::MAX },
        "l3proto" => Field::FamilyName,
        "protocol" => Field::CtProto,
        "saddr" | "ip saddr" | "ip6 saddr" => Field::CtAddress(at(0)?),
        "daddr" | "ip daddr" | "ip6 daddr" => Field::CtAddress(at(1)?),
        "proto-src" => Field::CtPort(at(0)?),
        "proto-dst" => Field::CtPort(at(1)?),
        _ => return None,
    })
}

fn fib(inner: &Value) -> Option<Field> {
    let flags: Vec<&str> = match inner.get("flags")? {
        Value::String(flag) => vec![flag],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let has = |flag: &str| flags.contains(&flag);
    let source = has("saddr");
    match inner.get("result").and_then(Value::as_str)? {
        "oif" if source && !has("oif") => {
            Some(Field::ReversePath { loose: !has("iif"), mark: has("mark") })
        }
        "type" => Some(Field::AddressType { source, limit_in: has("iif"), limit_out: has("oif") }),
        _ => None,
    }
}

fn address(
    source: bool,
    mask: Option<IpAddr>,
    value: &Value,
    invert: bool,
    family: Family,
) -> Option<Atom> {
    let place = |network: Network| match source {
        true => Atom::Src(test(network, invert)),
        false => Atom::Dst(test(network, invert)),
    };
    Some(match (value::addresses(value, family)?, mask) {
        (Stretch::Network(network), None) => place(network),
        (Stretch::Network(network), Some(mask)) => {
            let masked = Network::new(network.address, mask);
            match masked.address == network.address {
                true => place(masked),
                false if invert => Atom::Always,
                false => Atom::Never,
            }
        }
        (Stretch::Range(range), None) => {
            let range = Some(test(range, invert));
            let (src, dst) = if source { (range, None) } else { (None, range) };
            Atom::Match(Match::Iprange(Iprange { src, dst }))
        }
        (Stretch::Range(_), Some(_)) => return None,
    })
}

fn port(source: bool, proto: Option<L4Proto>, value: &Value, invert: bool) -> Option<Compared> {
    let range = test(value::ports(value, proto)?, invert);
    let (sport, dport) = if source { (Some(range), None) } else { (None, Some(range)) };
    let found = match proto {
        Some(L4Proto::TCP) => Match::Tcp(Tcp { sport, dport, flags: None, option: None }),
        Some(L4Proto::UDP) => Match::Udp(Udp { sport, dport }),
        Some(L4Proto::SCTP) => Match::Sctp(Sctp { sport, dport, chunks: None }),
        Some(L4Proto::DCCP) => Match::Dccp(Dccp { sport, dport, types: None, option: None }),
        _ => {
            let side = if source { Side::Source } else { Side::Destination };
            Match::Multiport(Multiport { side, ports: test(vec![range.value], invert) })
        }
    };
    let beside = proto.map(|proto| Atom::Proto(test(proto, false))).into_iter().collect();
    Some(Compared { beside, atom: Atom::Match(found) })
}

fn flags(mask: Option<u8>, value: &Value, invert: bool) -> Option<Compared> {
    let mask = mask?;
    // Two bits of congestion notification lie beyond those that the model has.
    let set = u8::try_from(value::bits(value, value::TCP_FLAGS)?).ok().filter(|_| mask < 0x40)?;
    let flags = Some(test(Flags { mask, set }, invert));
    let found = Match::Tcp(Tcp { sport: None, dport: None, flags, option: None });
    let beside = vec![Atom::Proto(test(L4Proto::TCP, false))];
    Some(Compared { beside, atom: Atom::Match(found) })
}

fn length(value: &Value, invert: bool) -> Option<Atom> {
    let (min, max) = value::numbers(value, &[])?;
    let length = Range { min: u16::try_from(min).ok()?, max: u16::try_from(max).ok()? };
    Some(Atom::Match(Match::Length(Length { length: test(length, invert) })))
}

fn hops(value: &Value, invert: bool, family: Family) -> Option<Atom> {
    let value = u8::try_from(value::number(value, &[])?).ok()?;
    let compare = if invert { Compare::Other } else { Compare::Equal };
    Some(Atom::Match(match family {
        Family::Ipv4 => Match::Ttl(Ttl { compare, value }),
        Family::Ipv6 => Match::Hl(Hl { compare, value }),
    }))
}

/// An interface by name, with a final `*` for any rest.
fn interface(value: &Value) -> Option<InterfacePattern> {
    let name = value.as_str()?;
    if name.contains('+') {
        return None;
    }
    match name.strip_suffix('*') {
        Some(stem) => InterfacePattern::new(&format!("{stem}+")),
        None => InterfacePattern::new(name),
    }
}
