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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper::Helper;
    use kinwall_terms::{Family, L4Proto, Profile};

    const A: [u8; 4] = [10, 1, 0, 2];
    const B: [u8; 4] = [10, 2, 0, 2];
    const C: [u8; 4] = [10, 9, 9, 9];

    /// A master from A to B, without translation.
    fn master(announced: Direction) -> Master {
        let proto = L4Proto::TCP;
        let original = Tuple { src: A.into(), dst: B.into(), sport: 40000, dport: 21, proto };
        let broadcast =
            Some(Broadcast { address: [10, 2, 0, 255].into(), netmask: [255, 255, 255, 0].into() });
        Master { original, reply: original.invert().unwrap(), announced, broadcast }
    }

    fn expected(src: Option<[u8; 4]>, sport: Option<u16>, dst: [u8; 4], dport: u16) -> Expected {
        Expected::new(src.map(IpAddr::from), sport, dst.into(), dport, L4Proto::TCP)
    }

    fn ftp(loose: &str, announcer: Announcer) -> Row {
        let helper: &Helper = &crate::ftp::HELPER;
        let is = |row: &&Row| {
            row.announcer == announcer && row.options.iter().any(|(_, value)| *value == loose)
        };
        *helper.rows.iter().find(is).unwrap()
    }

    #[test]
    fn a_field_is_held_to_its_freedom() {
        use Direction::{Original, Reply};
        let port = ftp("0", Announcer::Originator);
        let passive = ftp("0", Announcer::Responder);
        let loose = ftp("1", Announcer::Originator);
        let constant = Row { sport: Field::Constant(137), ..port };
        let range = Row { dport: Field::PayloadRange(1024, 65535), ..port };
        let fixed = Row { dport: Field::Fixed(End::Originator), src: Field::Any, ..port };
        let claimed = Row { src: Field::Payload, ..port };
        let rows = [
            (port, Original, expected(Some(B), None, A, 1025), true),
            (port, Original, expected(Some(B), Some(20), A, 1025), true),
            (port, Original, expected(None, None, A, 1025), false),
            (port, Original, expected(Some(C), None, A, 1025), false),
            (port, Original, expected(Some(B), None, C, 1025), false),
            (port, Reply, expected(Some(B), None, A, 1025), false),
            (passive, Reply, expected(Some(A), None, B, 1025), true),
            (passive, Reply, expected(Some(B), None, A, 1025), false),
            (loose, Original, expected(Some(B), None, C, 1025), true),
            (loose, Original, expected(None, None, C, 1025), false),
            (constant, Original, expected(Some(B), Some(137), A, 1025), true),
            (constant, Original, expected(Some(B), None, A, 1025), false),
            (constant, Original, expected(Some(B), Some(138), A, 1025), false),
            (range, Original, expected(Some(B), None, A, 1024), true),
            (range, Original, expected(Some(B), None, A, 1023), false),
            (fixed, Original, expected(None, None, A, 40000), true),
            (fixed, Original, expected(None, None, A, 40001), false),
            (claimed, Original, expected(Some(C), None, A, 1025), true),
            (claimed, Original, expected(None, None, A, 1025), false),
        ];
        for (row, announced, expected, right) in rows {
            assert_eq!(within(&row, &master(announced), &expected), right, "{row:?} {expected:?}");
        }
    }

    #[test]
    fn an_interface_network_is_its_broadcast_address_under_its_netmask() {
        let row = Row {
            announcer: Announcer::Gateway,
            src: Field::InterfaceNetwork,
            sport: Field::Constant(137),
            ..ftp("0", Announcer::Originator)
        };
        let rows = [
            ([10, 2, 0, 255], [255, 255, 255, 0], true),
            ([10, 2, 0, 255], [255, 255, 0, 0], false),
            ([10, 3, 0, 255], [255, 255, 255, 0], false),
        ];
        let gateway = master(Direction::Original);
        for (network, netmask, right) in rows {
            let expected = Expected::from_network(
                network.into(),
                netmask.into(),
                137,
                A.into(),
                40000,
                L4Proto::TCP,
            );
            assert_eq!(within(&row, &gateway, &expected), right, "{network:?}");
            assert!(!within(&row, &Master { broadcast: None, ..gateway }, &expected));
        }
    }

    #[test]
    fn rows_depend_on_options_profile_and_family() {
        let mut options = crate::OptionValues::defaults(&crate::ftp::HELPER);
        let dst = |options: &crate::OptionValues| {
            let mut rows = crate::ftp::HELPER.rows(Profile::Linux, Family::Ipv4, options);
            rows.next().map(|row| row.dst)
        };
        assert_eq!(dst(&options), Some(Field::Fixed(End::Sender)));
        options.set(crate::options::OptionIndex(0), 1);
        assert_eq!(dst(&options), Some(Field::Payload));
        let tftp = |profile| {
            let options = crate::OptionValues::defaults(&crate::tftp::HELPER);
            let rows = crate::tftp::HELPER.rows(profile, Family::Ipv6, &options);
            rows.map(|row| row.announcer).collect::<Vec<_>>()
        };
        assert_eq!(tftp(Profile::Linux), [Announcer::Either]);
        assert_eq!(tftp(Profile::Strict), [Announcer::Originator]);
        let options = crate::OptionValues::defaults(&crate::irc::HELPER);
        assert_eq!(crate::irc::HELPER.rows(Profile::Linux, Family::Ipv6, &options).count(), 0);
    }
}
