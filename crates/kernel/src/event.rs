//! Events of connections and expectations, as the kernel reports them (ctnetlink).

use crate::netlink::{
    Attributes, CONNECTIONS, EXPECTATIONS, FLAG_CREATE, MSG_DELETE, MSG_NEW, Message,
};
use kinwall_terms::ct::Counter;
use kinwall_terms::expectation::{ExpectationFlags, SourceMask};
use kinwall_terms::{L4Proto, Status, Tuple};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It entered the table.
    New,
    /// Something about it changed (connections only).
    Update,
    /// It left the table.
    Destroy,
}

/// One event, in the order in which the kernel reports them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// About a connection.
    Connection(Change, Connection),
    /// About an expectation.
    Expectation(Change, Expectation),
}

/// A connection as the kernel describes it; which fields an event carries depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The kernel's identity of the connection, as in [`crate::Answer::connection`].
    pub id: u32,
    /// Tuple of the first packet.
    pub original: Tuple,
    /// Tuple of its answers.
    pub reply: Tuple,
    /// Status bits.
    pub status: Option<Status>,
    /// Seconds until it expires.
    pub timeout_s: Option<u32>,
    /// connmark; `None` when it is zero and the event is not about it.
    pub mark: Option<u32>,
    /// Zone in force for both directions, else 0.
    pub zone: u16,
    /// Name of the helper attached to this connection itself.
    pub helper: Option<String>,
    /// Original tuple of its master.
    pub master: Option<Tuple>,
    /// State number of the TCP tracker (1 SYN_SENT .. 9 SYN_SENT2).
    pub tcp_state: Option<u8>,
    /// Counters by direction, when accounting is on.
    pub counters: Option<[Counter; 2]>,
}

/// An expectation as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The kernel's identity of the expectation.
    pub id: u32,
    /// What the child's first packet must look like, under `mask`.
    pub tuple: Tuple,
    /// Which bits of its source count.
    pub mask: SourceMask,
    /// Original tuple of the master.
    pub master: Tuple,
    /// Seconds until it expires.
    pub timeout_s: u32,
    /// Flags.
    pub flags: ExpectationFlags,
    /// Class within its helper.
    pub class: u32,
    /// Name of the helper that made it.
    pub helper: Option<String>,
    /// Zone.
    pub zone: u16,
}

/// Attribute numbers of `enum ctattr_*`.
mod attribute {
    pub(super) const ORIGINAL: u16 = 1;
    pub(super) const REPLY: u16 = 2;
    pub(super) const STATUS: u16 = 3;
    pub(super) const PROTOINFO: u16 = 4;
    pub(super) const HELP: u16 = 5;
    pub(super) const TIMEOUT: u16 = 7;
    pub(super) const MARK: u16 = 8;
    pub(super) const COUNTERS_ORIGINAL: u16 = 9;
    pub(super) const COUNTERS_REPLY: u16 = 10;
    pub(super) const ID: u16 = 12;
    pub(super) const MASTER: u16 = 14;
    pub(super) const ZONE: u16 = 18;
    pub(super) const TUPLE_IP: u16 = 1;
    pub(super) const TUPLE_PROTO: u16 = 2;
    pub(super) const IP_V4_SRC: u16 = 1;
    pub(super) const IP_V4_DST: u16 = 2;
    pub(super) const IP_V6_SRC: u16 = 3;
    pub(super) const IP_V6_DST: u16 = 4;
    pub(super) const PROTO_NUMBER: u16 = 1;
    pub(super) const PROTO_SPORT: u16 = 2;
    pub(super) const PROTO_DPORT: u16 = 3;
    /// ICMP id, type and code; for ICMPv6 three higher.
    pub(super) const PROTO_ICMP: u16 = 4;
    pub(super) const PROTO_ICMPV6: u16 = 7;
    pub(super) const PROTOINFO_TCP: u16 = 1;
    pub(super) const PROTOINFO_TCP_STATE: u16 = 1;
    pub(super) const HELP_NAME: u16 = 1;
    pub(super) const COUNTERS_PACKETS: u16 = 1;
    pub(super) const COUNTERS_BYTES: u16 = 2;
    pub(super) const EXPECT_MASTER: u16 = 1;
    pub(super) const EXPECT_TUPLE: u16 = 2;
    pub(super) const EXPECT_MASK: u16 = 3;
    pub(super) const EXPECT_TIMEOUT: u16 = 4;
    pub(super) const EXPECT_ID: u16 = 5;
    pub(super) const EXPECT_HELP_NAME: u16 = 6;
    pub(super) const EXPECT_ZONE: u16 = 7;
    pub(super) const EXPECT_FLAGS: u16 = 8;
    pub(super) const EXPECT_CLASS: u16 = 9;
}

impl Event {
    /// Reads an event; `None` for a message that is none, or lacks what identifies its object.
    pub(crate) fn read(message: &Message<'_>) -> Option<Event> {
        let change = match (message.number, message.flags & FLAG_CREATE) {
            (MSG_NEW, 0) => Change::Update,
            (MSG_NEW, _) => Change::New,
            (MSG_DELETE, _) => Change::Destroy,
            _ => return None,
        };
        match message.subsystem {
            CONNECTIONS => Some(Event::Connection(change, Connection::read(message.attributes)?)),
            // The kernel knows no change of an expectation: a message about one is a birth.
            EXPECTATIONS if change == Change::Update => {
                Some(Event::Expectation(Change::New, Expectation::read(message.attributes)?))
            }
            EXPECTATIONS => {
                Some(Event::Expectation(change, Expectation::read(message.attributes)?))
            }
            _ => None,
        }
    }
}

impl Connection {
    /// Reads the attributes of a connection.
    pub(crate) fn read(a: Attributes<'_>) -> Option<Connection> {
        let counter = |kind| {
            let nested = a.nested(kind)?;
            Some(Counter {
                packets: nested.u64(attribute::COUNTERS_PACKETS)?,
                bytes: nested.u64(attribute::COUNTERS_BYTES)?,
            })
        };
        let counters = [counter(attribute::COUNTERS_ORIGINAL), counter(attribute::COUNTERS_REPLY)];
        let tcp = a.nested(attribute::PROTOINFO).and_then(|p| p.nested(attribute::PROTOINFO_TCP));
        let status = a.u32(attribute::STATUS).map(|bits| (bits & 0xffff) as u16);
        Some(Connection {
            id: a.u32(attribute::ID).unwrap_or(0),
            original: tuple(a.nested(attribute::ORIGINAL)?)?,
            reply: tuple(a.nested(attribute::REPLY)?)?,
            status: status.map(Status::from_bits_truncate),
            timeout_s: a.u32(attribute::TIMEOUT),
            mark: a.u32(attribute::MARK),
            zone: a.u16(attribute::ZONE).unwrap_or(0),
            helper: a
                .nested(attribute::HELP)
                .and_then(|help| help.text(attribute::HELP_NAME))
                .map(str::to_string),
            master: a.nested(attribute::MASTER).and_then(tuple),
            tcp_state: tcp.and_then(|tcp| tcp.u8(attribute::PROTOINFO_TCP_STATE)),
            counters: counters[0].zip(counters[1]).map(|(original, reply)| [original, reply]),
        })
    }
}

impl Expectation {
    /// Reads the attributes of an expectation.
    pub(crate) fn read(a: Attributes<'_>) -> Option<Expectation> {
        let expected = tuple(a.nested(attribute::EXPECT_TUPLE)?)?;
        let mask = tuple(a.nested(attribute::EXPECT_MASK)?)?;
        Some(Expectation {
            id: a.u32(attribute::EXPECT_ID).unwrap_or(0),
            tuple: expected,
            mask: SourceMask { address: mask.src, port: mask.sport },
            master: tuple(a.nested(attribute::EXPECT_MASTER)?)?,
            timeout_s: a.u32(attribute::EXPECT_TIMEOUT).unwrap_or(0),
            flags: ExpectationFlags::from_bits_truncate(
                (a.u32(attribute::EXPECT_FLAGS).unwrap_or(0) & 0xff) as u8,
            ),
            class: a.u32(attribute::EXPECT_CLASS).unwrap_or(0),
            helper: a.text(attribute::EXPECT_HELP_NAME).map(str::to_string),
            zone: a.u16(attribute::EXPECT_ZONE).unwrap_or(0),
        })
    }
}

/// Reads a tuple. The mask of an expectation is written as one, too.
fn tuple(a: Attributes<'_>) -> Option<Tuple> {
    let ip = a.nested(attribute::TUPLE_IP)?;
    let proto = a.nested(attribute::TUPLE_PROTO)?;
    let v4 = |kind| ip.u32(kind).map(|n| IpAddr::V4(Ipv4Addr::from_bits(n)));
    let v6 = |kind| -> Option<IpAddr> {
        let bytes: [u8; 16] = ip.get(kind)?.try_into().ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(bytes)))
    };
    let icmp = |first: u16| {
        let (kind, code) = (proto.u8(first + 1)?, proto.u8(first + 2)?);
        Some((proto.u16(first)?, u16::from_be_bytes([kind, code])))
    };
    let ports = || {
        let [sport, dport] = [attribute::PROTO_SPORT, attribute::PROTO_DPORT];
        Some((proto.u16(sport)?, proto.u16(dport)?))
    };
    let (sport, dport) = icmp(attribute::PROTO_ICMP)
        .or_else(|| icmp(attribute::PROTO_ICMPV6))
        .or_else(ports)
        .unwrap_or((0, 0));
    Some(Tuple {
        src: v4(attribute::IP_V4_SRC).or_else(|| v6(attribute::IP_V6_SRC))?,
        dst: v4(attribute::IP_V4_DST).or_else(|| v6(attribute::IP_V6_DST))?,
        sport,
        dport,
        proto: L4Proto(proto.u8(attribute::PROTO_NUMBER)?),
    })
}
