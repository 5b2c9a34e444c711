//! Questions to rtnetlink: links, addresses, routes, and the rules of policy routing.

use crate::MachineError;
use crate::seen::{Address, Link, Route, Rule, Seen, TABLE_DEFAULT, TABLE_LOCAL, TABLE_MAIN};
use ipnet::IpNet;
use kinwall_terms::Family;
use kinwall_topology::{MacAddr, RouteKind};
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How often a table that changes while it is read is read again.
const ATTEMPTS: usize = 10;

/// Asks for everything.
pub(crate) fn read() -> Result<Seen, MachineError> {
    let mut seen = Seen::default();
    let links = RouteNetlinkMessage::GetLink(LinkMessage::default());
    for message in dump("asking for the interfaces", links)? {
        if let RouteNetlinkMessage::NewLink(message) = message {
            seen.links.extend(link(&message));
        }
    }
    let addresses = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    for message in dump("asking for the addresses", addresses)? {
        if let RouteNetlinkMessage::NewAddress(message) = message {
            seen.addresses.extend(address(&message));
        }
    }
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut question = RouteMessage::default();
        question.header.address_family = family;
        for message in dump("asking for the routes", RouteNetlinkMessage::GetRoute(question))? {
            if let RouteNetlinkMessage::NewRoute(message) = message {
                seen.routes.extend(route(&message));
            }
        }
        let mut question = RuleMessage::default();
        question.header.family = family;
        let rules = RouteNetlinkMessage::GetRule(question);
        for message in dump("asking for the rules of policy routing", rules)? {
            if let RouteNetlinkMessage::NewRule(message) = message {
                seen.rules.extend(rule(&message));
            }
        }
    }
    Ok(seen)
}

/// Everything of one kind, read again when it changed meanwhile.
fn dump(
    doing: &'static str,
    question: RouteNetlinkMessage,
) -> Result<Vec<RouteNetlinkMessage>, MachineError> {
    for _ in 0..ATTEMPTS {
        if let Some(answer) = ask(doing, question.clone())? {
            return Ok(answer);
        }
    }
    Err(MachineError::Unsteady(doing))
}

/// One dump; `None` when the table changed while it was read.
fn ask(
    doing: &'static str,
    question: RouteNetlinkMessage,
) -> Result<Option<Vec<RouteNetlinkMessage>>, MachineError> {
    let failed = |source| MachineError::Netlink { doing, source };
    let mut socket = Socket::new(NETLINK_ROUTE).map_err(failed)?;
    socket.bind_auto().map_err(failed)?;
    socket.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
    let mut request = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(question));
    request.header.flags = NLM_F_DUMP | NLM_F_REQUEST;
    request.header.sequence_number = 1;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0).map_err(failed)?;
    let mut answer = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full().map_err(failed)?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| MachineError::Message { doing, message: error.to_string() })?;
            if message.header.flags & NLM_F_DUMP_INTR != 0 {
                return Ok(None);
            }
            // Messages begin at multiples of four bytes.
            let length = (message.header.length as usize).max(16).next_multiple_of(4);
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(Some(answer)),
                NetlinkPayload::Error(error) => return Err(failed(error.to_io())),
                NetlinkPayload::InnerMessage(inner) => answer.push(inner),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

fn link(message: &LinkMessage) -> Option<Link> {
    let header = &message.header;
    let mut link = Link {
        index: header.index,
        name: String::new(),
        is_up: header.flags.contains(LinkFlags::Up),
        mtu: None,
        mac: None,
        controller: None,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = Some(*mtu),
            LinkAttribute::Controller(index) => link.controller = Some(*index),
            LinkAttribute::Address(bytes) => {
                link.mac = bytes.as_slice().try_into().ok().map(MacAddr);
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut of_link = None;
    let mut own = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(address) => of_link = Some(*address),
            AddressAttribute::Local(address) => own = Some(*address),
            _ => {}
        }
    }
    // Of two ends of a wire, `Local` is ours and `Address` the other; else they are the same.
    let ours = own.or(of_link)?;
    let is_wire = own.is_some() && of_link.is_some() && own != of_link;
    let length = if is_wire { Family::of(ours).bits() } else { message.header.prefix_len };
    let net = IpNet::new(ours, length).ok()?;
    Some(Address { link: message.header.index, net })
}

fn route(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let is_v4 = header.address_family == AddressFamily::Inet;
    let unspecified: IpAddr =
        if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let mut address = unspecified;
    let mut table = u32::from(header.table);
    let (mut links, mut metric) = (Vec::new(), 0);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(v4)) => address = (*v4).into(),
            RouteAttribute::Destination(RouteAddress::Inet6(v6)) => address = (*v6).into(),
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Oif(index) => links.push(*index),
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::MultiPath(hops) => {
                links.extend(hops.iter().map(|hop| hop.interface_index));
            }
            _ => {}
        }
    }
    if ![TABLE_LOCAL, TABLE_MAIN, TABLE_DEFAULT].contains(&table) {
        return None;
    }
    links.dedup();
    let destination = IpNet::new(address, header.destination_prefix_length).ok()?;
    let is_selective = header.tos != 0 || header.source_prefix_length != 0;
    let kind = kind(header.kind)?;
    Some(Route { table, destination, kind, links, metric, is_selective })
}

fn kind(kind: RouteType) -> Option<RouteKind> {
    Some(match kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::Local => RouteKind::Local,
        RouteType::Broadcast => RouteKind::Broadcast,
        RouteType::Anycast => RouteKind::Anycast,
        RouteType::Multicast => RouteKind::Multicast,
        RouteType::BlackHole => RouteKind::Blackhole,
        RouteType::Unreachable => RouteKind::Unreachable,
        RouteType::Prohibit => RouteKind::Prohibit,
        RouteType::Throw => RouteKind::Throw,
        _ => return None,
    })
}

fn rule(message: &RuleMessage) -> Option<Rule> {
    let header = &message.header;
    let family = match header.family {
        AddressFamily::Inet => Family::Ipv4,
        AddressFamily::Inet6 => Family::Ipv6,
        _ => return None,
    };
    let (mut table, mut priority) = (u32::from(header.table), 0);
    let mut is_plain = header.action == RuleAction::ToTable
        && (header.src_len, header.dst_len, header.tos) == (0, 0, 0)
        && header.flags.is_empty();
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Table(number) => table = *number,
            RuleAttribute::Priority(number) => priority = *number,
            RuleAttribute::Protocol(_) | RuleAttribute::Other(_) => {}
            // The kernel says -1 where nothing is suppressed.
            RuleAttribute::SuppressPrefixLen(u32::MAX) => {}
            _ => is_plain = false,
        }
    }
    Some(Rule { family, priority, table, is_plain })
}
