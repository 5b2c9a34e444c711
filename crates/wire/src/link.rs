//! Link layers: where the network header begins, and what the link header says.
//!
//! [`strip`] reads the link header of a captured packet, by the link type its capture names.

use crate::reader::Reader;
use kinwall_terms::InterfaceName;

/// Ethertypes that kinwall knows by name.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// VLAN tag (IEEE 802.1Q).
    pub const VLAN: u16 = 0x8100;
    /// Service tag (IEEE 802.1ad).
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// The service tag of equipment older than IEEE 802.1ad.
    pub const OLD_SERVICE_VLAN: u16 = 0x9100;
}

/// The most VLAN tags that are read from one frame.
pub const VLAN_TAGS_MAX: usize = 2;

/// A link type, as captures name it (`LINKTYPE_` numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// BSD loopback: a 4-byte family in the byte order of whoever captured (0).
    Null,
    /// Ethernet (1).
    Ethernet,
    /// PPP, with or without HDLC-like framing (9, 50).
    Ppp,
    /// An IPv4 or IPv6 packet without link header (12, 14, 101).
    Raw,
    /// OpenBSD loopback: a 4-byte family, big-endian (108).
    Loop,
    /// Linux cooked capture (113).
    LinuxSll,
    /// Linux cooked capture, version 2 (276).
    LinuxSll2,
    /// IPv4 without link header (228).
    Ipv4,
    /// IPv6 without link header (229).
    Ipv6,
}

impl LinkType {
    /// The link type with this number; `None` for those that are not read.
    pub fn from_number(number: u32) -> Option<LinkType> {
        Some(match number {
            0 => LinkType::Null,
            1 => LinkType::Ethernet,
            9 | 50 => LinkType::Ppp,
            12 | 14 | 101 => LinkType::Raw,
            108 => LinkType::Loop,
            113 => LinkType::LinuxSll,
            228 => LinkType::Ipv4,
            229 => LinkType::Ipv6,
            276 => LinkType::LinuxSll2,
            _ => return None,
        })
    }

    /// The number to write into a capture.
    pub fn number(self) -> u32 {
        match self {
            LinkType::Null => 0,
            LinkType::Ethernet => 1,
            LinkType::Ppp => 9,
            LinkType::Raw => 101,
            LinkType::Loop => 108,
            LinkType::LinuxSll => 113,
            LinkType::Ipv4 => 228,
            LinkType::Ipv6 => 229,
            LinkType::LinuxSll2 => 276,
        }
    }
}

/// To whom a packet was addressed on the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// To this host; also where the link does not say.
    #[default]
    Host,
    /// To everybody.
    Broadcast,
    /// To a group.
    Multicast,
    /// To another host.
    OtherHost,
    /// From this host.
    Outgoing,
}

/// What rules may ask of the link layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// Source MAC address, where the link has one.
    pub src_mac: Option<[u8; 6]>,
    /// Destination MAC address, where the link has one.
    pub dst_mac: Option<[u8; 6]>,
    /// To whom the packet was addressed.
    pub packet_type: PacketType,
    /// Ethertype of the network packet; 0 when there was no link header.
    pub ethertype: u16,
    /// The bridge port the packet came by.
    pub physdev_in: Option<InterfaceName>,
    /// The bridge port the packet leaves by.
    pub physdev_out: Option<InterfaceName>,
}

/// A link header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Ethertype of what follows, after VLAN tags.
    pub ethertype: u16,
    /// Offset of the network header from the beginning of the capture, in bytes.
    pub offset: usize,
    /// Source MAC address.
    pub src_mac: Option<[u8; 6]>,
    /// Destination MAC address.
    pub dst_mac: Option<[u8; 6]>,
    /// VLAN tags (priority, drop eligibility and id as they stand), outermost first.
    pub vlan_tags: [Option<u16>; VLAN_TAGS_MAX],
    /// To whom the packet was addressed.
    pub packet_type: PacketType,
    /// Index of the interface, where the link header tells it.
    pub interface_index: Option<u32>,
}

impl Link {
    /// What follows the link header.
    pub fn network<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.offset..).unwrap_or(&[])
    }

    /// Whether an IPv4 or IPv6 packet follows.
    pub fn is_ip(&self) -> bool {
        matches!(self.ethertype, ethertype::IPV4 | ethertype::IPV6)
    }

    /// What rules may ask of it.
    pub fn facts(&self) -> LinkFacts {
        LinkFacts {
            src_mac: self.src_mac,
            dst_mac: self.dst_mac,
            packet_type: self.packet_type,
            ethertype: self.ethertype,
            physdev_in: None,
            physdev_out: None,
        }
    }

    fn plain(ethertype: u16, offset: usize) -> Link {
        Link {
            ethertype,
            offset,
            src_mac: None,
            dst_mac: None,
            vlan_tags: [None; VLAN_TAGS_MAX],
            packet_type: PacketType::Host,
            interface_index: None,
        }
    }
}

/// Why no network packet can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The link header is cut short.
    #[error("link header cut short")]
    Truncated,
    /// An IEEE 802.3 frame: a length stands in the place of the ethertype.
    #[error("IEEE 802.3 frame with LLC: no ethertype")]
    Llc,
    /// An address family or PPP protocol that is not an IP version.
    #[error("link header names protocol {0:#x}: neither IPv4 nor IPv6")]
    Protocol(u32),
    /// The IP version of a packet without link header is neither 4 nor 6.
    #[error("IP version {0}: neither 4 nor 6")]
    Version(u8),
}

/// Length of an Ethernet header without tags, in bytes.
const ETHERNET_LENGTH: usize = 14;

/// Reads the link header of `bytes`, captured on a link of type `link_type`.
///
/// # Errors
///
/// When the header is cut short or what follows cannot be told. A frame with an ethertype other
/// than IP's is no error: see [`Link::is_ip`].
pub fn strip(link_type: LinkType, bytes: &[u8]) -> Result<Link, LinkError> {
    match link_type {
        LinkType::Ethernet => ethernet(bytes),
        LinkType::LinuxSll => linux_sll(bytes).ok_or(LinkError::Truncated)?,
        LinkType::LinuxSll2 => linux_sll2(bytes).ok_or(LinkError::Truncated)?,
        LinkType::Raw => match bytes.first().map(|first| first >> 4) {
            None => Err(LinkError::Truncated),
            Some(4) => Ok(Link::plain(ethertype::IPV4, 0)),
            Some(6) => Ok(Link::plain(ethertype::IPV6, 0)),
            Some(version) => Err(LinkError::Version(version)),
        },
        LinkType::Ipv4 => Ok(Link::plain(ethertype::IPV4, 0)),
        LinkType::Ipv6 => Ok(Link::plain(ethertype::IPV6, 0)),
        LinkType::Null => loopback(bytes, true),
        LinkType::Loop => loopback(bytes, false),
        LinkType::Ppp => ppp(bytes),
    }
}

/// Where the IP packet begins behind a link header, and to whom it was addressed, as [`strip`]
/// would say; `None` where there is none.
#[inline]
pub fn find_ip(link_type: LinkType, bytes: &[u8]) -> Option<(usize, PacketType)> {
    let header = bytes.first_chunk::<ETHERNET_LENGTH>();
    if let (LinkType::Ethernet, Some([d0, d1, d2, d3, d4, d5, .., e0, e1])) = (link_type, header)
        && let ethertype::IPV4 | ethertype::IPV6 = u16::from_be_bytes([*e0, *e1])
    {
        return Some((ETHERNET_LENGTH, addressed([*d0, *d1, *d2, *d3, *d4, *d5])));
    }
    let link = strip(link_type, bytes).ok().filter(Link::is_ip)?;
    Some((link.offset, link.packet_type))
}

/// To whom a frame with this destination was addressed.
#[inline]
fn addressed(dst: [u8; 6]) -> PacketType {
    match dst {
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => PacketType::Broadcast,
        [first, ..] if first & 1 == 1 => PacketType::Multicast,
        _ => PacketType::Host,
    }
}

/// Ethernet: destination, source, ethertype.
fn ethernet(bytes: &[u8]) -> Result<Link, LinkError> {
    let mut reader = Reader::new(bytes);
    let (Some(&dst), Some(&src), Some(kind)) =
        (reader.array::<6>(), reader.array::<6>(), reader.u16())
    else {
        return Err(LinkError::Truncated);
    };
    let mut link = Link::plain(kind, 0);
    link.src_mac = Some(src);
    link.dst_mac = Some(dst);
    link.packet_type = addressed(dst);
    untag(link, &mut reader)
}

/// Linux cooked capture: packet type, device type, address length, address, ethertype.
fn linux_sll(bytes: &[u8]) -> Option<Result<Link, LinkError>> {
    let mut reader = Reader::new(bytes);
    let packet_type = cooked_packet_type(reader.u16()?);
    reader.skip(2)?;
    let length = reader.u16()?;
    let src_mac = cooked_address(reader.array::<8>()?, usize::from(length));
    let mut link = Link::plain(reader.u16()?, 0);
    link.src_mac = src_mac;
    link.packet_type = packet_type;
    Some(untag(link, &mut reader))
}

/// Linux cooked capture 2: ethertype, reserved, interface, device type, packet type, address
/// length, address.
fn linux_sll2(bytes: &[u8]) -> Option<Result<Link, LinkError>> {
    let mut reader = Reader::new(bytes);
    let mut link = Link::plain(reader.u16()?, 0);
    reader.skip(2)?;
    link.interface_index = Some(reader.u32()?);
    reader.skip(2)?;
    link.packet_type = cooked_packet_type(u16::from(reader.u8()?));
    let length = reader.u8()?;
    link.src_mac = cooked_address(reader.array::<8>()?, usize::from(length));
    Some(untag(link, &mut reader))
}

fn cooked_packet_type(number: u16) -> PacketType {
    match number {
        1 => PacketType::Broadcast,
        2 => PacketType::Multicast,
        3 => PacketType::OtherHost,
        4 => PacketType::Outgoing,
        _ => PacketType::Host,
    }
}

fn cooked_address(field: &[u8; 8], length: usize) -> Option<[u8; 6]> {
    if length == 6 { field.first_chunk().copied() } else { None }
}

/// Passes over VLAN tags; `reader` stands behind the ethertype.
fn untag(mut link: Link, reader: &mut Reader) -> Result<Link, LinkError> {
    for tag in &mut link.vlan_tags {
        if !matches!(
            link.ethertype,
            ethertype::VLAN | ethertype::SERVICE_VLAN | ethertype::OLD_SERVICE_VLAN
        ) {
            break;
        }
        *tag = Some(reader.u16().ok_or(LinkError::Truncated)?);
        link.ethertype = reader.u16().ok_or(LinkError::Truncated)?;
    }
    // Numbers up to 1500 are lengths; those up to 1535 are neither.
    if link.ethertype < 0x0600 {
        return Err(LinkError::Llc);
    }
    link.offset = reader.position();
    Ok(link)
}

/// A 4-byte address family: 2 is IPv4 everywhere; IPv6 is 24, 28 or 30 on the BSDs, 10 on Linux.
fn loopback(bytes: &[u8], either_order: bool) -> Result<Link, LinkError> {
    let family = Reader::new(bytes).u32().ok_or(LinkError::Truncated)?;
    let family = if either_order && family > 0xffff { family.swap_bytes() } else { family };
    match family {
        2 => Ok(Link::plain(ethertype::IPV4, 4)),
        10 | 24 | 28 | 30 => Ok(Link::plain(ethertype::IPV6, 4)),
        other => Err(LinkError::Protocol(other)),
    }
}

/// PPP (RFC 1661): the HDLC address and control bytes may be there, and the protocol number may
/// be compressed to one byte.
fn ppp(bytes: &[u8]) -> Result<Link, LinkError> {
    let mut reader = Reader::new(bytes);
    if bytes.starts_with(&[0xff, 0x03]) {
        reader.skip(2);
    }
    let first = reader.u8().ok_or(LinkError::Truncated)?;
    let protocol = match first & 1 {
        1 => u16::from(first),
        _ => u16::from_be_bytes([first, reader.u8().ok_or(LinkError::Truncated)?]),
    };
    match protocol {
        0x21 => Ok(Link::plain(ethertype::IPV4, reader.position())),
        0x57 => Ok(Link::plain(ethertype::IPV6, reader.position())),
        other => Err(LinkError::Protocol(u32::from(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

    /// Ethertype, offset and tags of a frame that begins with two addresses.
    fn check_ethernet(rest: &[u8]) -> Result<(u16, usize, [Option<u16>; 2]), LinkError> {
        strip(LinkType::Ethernet, &[&MACS, rest].concat())
            .map(|link| (link.ethertype, link.offset, link.vlan_tags))
    }

    #[test]
    fn ethernet_and_its_tags() {
        let none = [None, None];
        assert_eq!(check_ethernet(&[8, 0, 0x45]), Ok((0x800, 14, none)));
        assert_eq!(check_ethernet(&[8, 6]), Ok((0x806, 14, none)));
        assert_eq!(
            check_ethernet(&[0x81, 0, 0x20, 5, 0x86, 0xdd]),
            Ok((0x86dd, 18, [Some(0x2005), None]))
        );
        let two = [0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0];
        assert_eq!(check_ethernet(&two), Ok((0x800, 22, [Some(1), Some(2)])));
        let three = [0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 8, 0];
        assert_eq!(check_ethernet(&three), Ok((0x8100, 22, [Some(1), Some(2)])));
        assert_eq!(check_ethernet(&[0, 38, 0x42]), Err(LinkError::Llc));
        assert_eq!(check_ethernet(&[0x81, 0, 0, 1, 0, 38]), Err(LinkError::Llc));
        assert_eq!(check_ethernet(&[0x81, 0, 0, 1, 8]), Err(LinkError::Truncated));
        assert_eq!(check_ethernet(&[8]), Err(LinkError::Truncated));
    }

    #[test]
    fn ethernet_addresses() {
        let rows = [
            ([2, 0, 0, 0, 0, 1], PacketType::Host),
            ([0xff; 6], PacketType::Broadcast),
            ([0x33, 0x33, 0, 0, 0, 1], PacketType::Multicast),
        ];
        for (dst, packet_type) in rows {
            let link =
                strip(LinkType::Ethernet, &[&dst[..], &MACS[6..], &[8, 0]].concat()).unwrap();
            assert_eq!(link.packet_type, packet_type);
            let facts = link.facts();
            assert_eq!((facts.dst_mac, facts.src_mac), (Some(dst), Some([2, 0, 0, 0, 0, 2])));
            assert!(link.is_ip());
        }
    }

    #[test]
    fn cooked() {
        let sll = [0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0x45];
        let link = strip(LinkType::LinuxSll, &sll).unwrap();
        assert_eq!((link.ethertype, link.offset), (0x800, 16));
        assert_eq!(link.src_mac, Some([2, 0, 0, 0, 0, 1]));
        assert_eq!((link.dst_mac, link.packet_type), (None, PacketType::Outgoing));
        assert_eq!(link.network(&sll), [0x45]);

        let sll2 = [0x86, 0xdd, 0, 0, 0, 0, 0, 7, 0, 1, 2, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x60];
        let link = strip(LinkType::LinuxSll2, &sll2).unwrap();
        assert_eq!((link.ethertype, link.offset), (0x86dd, 20));
        assert_eq!((link.interface_index, link.packet_type), (Some(7), PacketType::Multicast));
        assert_eq!(strip(LinkType::LinuxSll2, &sll2[..19]), Err(LinkError::Truncated));
        assert_eq!(strip(LinkType::LinuxSll, &sll[..15]), Err(LinkError::Truncated));
    }

    #[test]
    fn without_addresses() {
        type Row<'a> = (LinkType, &'a [u8], Result<(u16, usize), LinkError>);
        let rows: &[Row] = &[
            (LinkType::Raw, &[0x45], Ok((0x800, 0))),
            (LinkType::Raw, &[0x60], Ok((0x86dd, 0))),
            (LinkType::Raw, &[0x50], Err(LinkError::Version(5))),
            (LinkType::Raw, &[], Err(LinkError::Truncated)),
            (LinkType::Ipv4, &[0x45], Ok((0x800, 0))),
            (LinkType::Ipv6, &[0x60], Ok((0x86dd, 0))),
            (LinkType::Null, &[2, 0, 0, 0], Ok((0x800, 4))),
            (LinkType::Null, &[0, 0, 0, 2], Ok((0x800, 4))),
            (LinkType::Null, &[30, 0, 0, 0], Ok((0x86dd, 4))),
            (LinkType::Null, &[0, 0, 0, 24], Ok((0x86dd, 4))),
            (LinkType::Null, &[7, 0, 0, 0], Err(LinkError::Protocol(7))),
            (LinkType::Null, &[2, 0, 0], Err(LinkError::Truncated)),
            (LinkType::Loop, &[0, 0, 0, 28], Ok((0x86dd, 4))),
            (LinkType::Loop, &[2, 0, 0, 0], Err(LinkError::Protocol(0x200_0000))),
            (LinkType::Ppp, &[0xff, 3, 0, 0x21], Ok((0x800, 4))),
            (LinkType::Ppp, &[0, 0x57], Ok((0x86dd, 2))),
            (LinkType::Ppp, &[0x21], Ok((0x800, 1))),
            (LinkType::Ppp, &[0xc0, 0x21], Err(LinkError::Protocol(0xc021))),
            (LinkType::Ppp, &[0xff, 3], Err(LinkError::Truncated)),
        ];
        for (link_type, bytes, wanted) in rows {
            let found = strip(*link_type, bytes).map(|link| (link.ethertype, link.offset));
            assert_eq!(found, *wanted, "{link_type:?} {bytes:?}");
        }
    }

    #[test]
    fn numbers_go_round() {
        let numbers: Vec<u32> = (0..300).filter(|n| LinkType::from_number(*n).is_some()).collect();
        assert_eq!(numbers, [0, 1, 9, 12, 14, 50, 101, 108, 113, 228, 229, 276]);
        for link_type in numbers.into_iter().filter_map(LinkType::from_number) {
            assert_eq!(LinkType::from_number(link_type.number()), Some(link_type));
        }
    }

    proptest! {
        #[test]
        fn never_panics(number in 0u32..300, bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(link) = LinkType::from_number(number).and_then(|t| strip(t, &bytes).ok()) {
                prop_assert!(link.offset <= bytes.len());
            }
        }
    }
}
