//! Whether an expectation lies within its degrees of freedom.

use crate::helper::Broadcast;
use kinwall_terms::expectation::Expected;
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Direction, Tuple};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The master, as far as a row may refer to it.
#[derive(Clone, Copy, Debug)]
pub struct Master {
    /// Tuple of its first packet.
    pub original: Tuple,
    /// Tuple of its answers.
    pub reply: Tuple,
    /// Direction of the packet that carried the announcement.
    pub announced: Direction,
    /// The network of the interface, for an announcement by the gateway itself.
    pub broadcast: Option<Broadcast>,
}

impl Master {
    /// Whether `end` is the originator; `Sender` and `Receiver` are those of the announcement.
    fn is_originator(&self, end: End) -> bool {
        match end {
            End::Originator => true,
            End::Responder => false,
            End::Sender => self.announced == Direction::Original,
            End::Receiver => self.announced == Direction::Reply,
        }
    }

    /// The address and port from which `end` is seen to send.
    fn source(&self, end: End) -> (IpAddr, u16) {
        let tuple = if self.is_originator(end) { &self.original } else { &self.reply };
        (tuple.src, tuple.sport)
    }

    /// The address and port at which `end` is reached.
    fn destination(&self, end: End) -> (IpAddr, u16) {
        let tuple = if self.is_originator(end) { &self.reply } else { &self.original };
        (tuple.dst, tuple.dport)
    }
}

/// Whether `expected`, announced on `master` by a packet of its `announced` direction, lies
/// within `row`. A field that is narrower than the row allows lies within it.
pub fn within(row: &Row, master: &Master, expected: &Expected) -> bool {
    let Expected { tuple, mask } = expected;
    let announcer = match row.announcer {
        Announcer::Originator => master.announced == Direction::Original,
        Announcer::Responder => master.announced == Direction::Reply,
        Announcer::Either => true,
        Announcer::Gateway => master.broadcast.is_some(),
    };
    let exact_src = mask.address == all_ones(tuple.src);
    let src = match row.src {
        Field::Any => true,
        Field::Fixed(end) => exact_src && tuple.src == master.source(end).0,
        Field::Payload => exact_src,
        Field::InterfaceNetwork => master
            .broadcast
            .is_some_and(|network| mask.address == network.netmask && tuple.src == network.address),
        Field::Constant(_) | Field::PayloadRange(..) => false,
    };
    let exact_sport = mask.port == 0xffff;
    let sport = match row.sport {
        Field::Any => true,
        field => exact_sport && port_within(field, tuple.sport, |end| master.source(end).1),
    };
    let dst = match row.dst {
        Field::Any | Field::Payload => true,
        Field::Fixed(end) => tuple.dst == master.destination(end).0,
        Field::InterfaceNetwork | Field::Constant(_) | Field::PayloadRange(..) => false,
    };
    let dport = port_within(row.dport, tuple.dport, |end| master.destination(end).1);
    let proto = match row.proto {
        ProtoField::Fixed(proto) => tuple.proto == proto,
        ProtoField::Master => tuple.proto == master.original.proto,
    };
    announcer && src && sport && dst && dport && proto
}

fn port_within(field: Field, port: u16, of: impl Fn(End) -> u16) -> bool {
    match field {
        Field::Any | Field::Payload => true,
        Field::Fixed(end) => port == of(end),
        Field::Constant(constant) => port == constant,
        Field::PayloadRange(low, high) => (low..=high).contains(&port),
        Field::InterfaceNetwork => false,
    }
}

fn all_ones(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::BROADCAST.into(),
        IpAddr::V6(_) => Ipv6Addr::from([0xff; 16]).into(),
    }
}
