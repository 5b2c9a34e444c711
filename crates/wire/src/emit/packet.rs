//! A packet to be composed: the network header around a transport header and a payload.

use super::Transport;
use crate::checksum::{Sum, internet};
use crate::headers::Fragment;
use crate::ipv4;
use crate::ipv6_ext::ExtensionKind;
use kinwall_terms::L4Proto;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What to write where a checksum belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// The right one.
    #[default]
    Right,
    /// One that is neither right nor zero.
    Wrong,
    /// Zero.
    Zero,
}

impl Checksum {
    /// The value to write when `right` is the right one.
    pub(super) fn choose(self, right: u16) -> u16 {
        match self {
            Checksum::Right => right,
            Checksum::Wrong if right == 0x5555 => 0xaaaa,
            Checksum::Wrong => right ^ 0x5555,
            Checksum::Zero => 0,
        }
    }
}

/// An IPv6 extension header to be composed. The fragment header comes from [`Packet::fragment`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Which one.
    pub kind: ExtensionKind,
    /// What follows the next header and length bytes; padded with zeroes to the unit of the
    /// header, which both kinds of options read as padding.
    pub content: Vec<u8>,
}

/// A packet to be composed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// IPv4: identification, when the packet is no fragment.
    pub id: u16,
    /// IPv4: the don't-fragment bit.
    pub dont_fragment: bool,
    /// The fragment this packet is; for IPv6 an atomic one too.
    pub fragment: Option<Fragment>,
    /// IPv4 options, padded with zeroes to a multiple of four bytes and cut at 40.
    pub ipv4_options: Vec<u8>,
    /// IPv6 extension headers before the fragment header.
    pub extensions: Vec<Extension>,
    /// The transport header.
    pub transport: Transport,
    /// What follows it.
    pub payload: Vec<u8>,
    /// The transport checksum.
    pub checksum: Checksum,
    /// The IPv4 header checksum.
    pub network_checksum: Checksum,
}

impl Packet {
    /// A packet without payload. Addresses of different families become IPv6 ones, the IPv4 one
    /// mapped.
    pub fn new(
        src: impl Into<IpAddr>,
        dst: impl Into<IpAddr>,
        transport: impl Into<Transport>,
    ) -> Packet {
        let (src, dst) = match (src.into(), dst.into()) {
            (IpAddr::V4(src), IpAddr::V6(dst)) => (src.to_ipv6_mapped().into(), dst.into()),
            (IpAddr::V6(src), IpAddr::V4(dst)) => (src.into(), dst.to_ipv6_mapped().into()),
            same => same,
        };
        Packet {
            src,
            dst,
            ttl: 64,
            tos: 0,
            id: 0,
            dont_fragment: false,
            fragment: None,
            ipv4_options: Vec::new(),
            extensions: Vec::new(),
            transport: transport.into(),
            payload: Vec::new(),
            checksum: Checksum::Right,
            network_checksum: Checksum::Right,
        }
    }

    /// With this payload: for SCTP the chunks, for an ICMP error the inner packet.
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Packet {
        self.payload = payload.into();
        self
    }

    /// With this time to live, or hop limit.
    pub fn ttl(mut self, ttl: u8) -> Packet {
        self.ttl = ttl;
        self
    }

    /// With this type of service, or traffic class.
    pub fn tos(mut self, tos: u8) -> Packet {
        self.tos = tos;
        self
    }

    /// With this IPv4 identification.
    pub fn id(mut self, id: u16) -> Packet {
        self.id = id;
        self
    }

    /// With the IPv4 don't-fragment bit.
    pub fn dont_fragment(mut self) -> Packet {
        self.dont_fragment = true;
        self
    }

    /// As this fragment of a larger datagram; `offset` in bytes.
    pub fn fragment(mut self, id: u32, offset: u16, more: bool) -> Packet {
        self.fragment = Some(Fragment { offset, more, id });
        self
    }

    /// With these IPv4 options.
    pub fn ipv4_options(mut self, options: impl Into<Vec<u8>>) -> Packet {
        self.ipv4_options = options.into();
        self
    }

    /// With one more IPv6 extension header, after those already there.
    pub fn extension(mut self, kind: ExtensionKind, content: impl Into<Vec<u8>>) -> Packet {
        self.extensions.push(Extension { kind, content: content.into() });
        self
    }

    /// With this transport checksum.
    pub fn checksum(mut self, checksum: Checksum) -> Packet {
        self.checksum = checksum;
        self
    }

    /// With this IPv4 header checksum.
    pub fn network_checksum(mut self, checksum: Checksum) -> Packet {
        self.network_checksum = checksum;
        self
    }

    /// The bytes of the packet, from its network header on. Length fields hold the low 16 bits
    /// of a length that does not fit.
    pub fn build(&self) -> Vec<u8> {
        let proto = self.transport.proto(self.src);
        let (mut bytes, src, dst) = match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                (self.ipv4_header(src, dst, proto), src.into(), dst.into())
            }
            (src, dst) => (self.ipv6_header(mapped(src), mapped(dst), proto), src, dst),
        };
        let start = bytes.len();
        let whole = self.transport.header(self.payload.len(), &mut bytes) + self.payload.len();
        bytes.extend_from_slice(&self.payload);
        let pseudo = Sum::new().add_pseudo_header(src, dst, proto, whole as u32);
        if let Some(transport) = bytes.get_mut(start..) {
            self.transport.fill_checksum(transport, pseudo, src.is_ipv4(), self.checksum);
        }
        let total = bytes.len();
        match src {
            IpAddr::V4(_) => {
                put(&mut bytes, 2, &(total as u16).to_be_bytes());
                let right = bytes.get(..start).map_or(0, internet);
                put(&mut bytes, 10, &self.network_checksum.choose(right).to_be_bytes());
            }
            IpAddr::V6(_) => {
                put(&mut bytes, 4, &((total - crate::ipv6::HEADER_LENGTH) as u16).to_be_bytes());
            }
        }
        bytes
    }

    /// The IPv4 header with length and checksum still zero.
    fn ipv4_header(&self, src: Ipv4Addr, dst: Ipv4Addr, proto: L4Proto) -> Vec<u8> {
        let mut options = self.ipv4_options.clone();
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        let words = (ipv4::HEADER_LENGTH + options.len()) / 4;
        let mut flags = if self.dont_fragment { ipv4::DONT_FRAGMENT } else { 0 };
        let mut id = self.id;
        if let Some(fragment) = self.fragment {
            flags |= fragment.offset >> 3;
            flags |= if fragment.more { ipv4::MORE_FRAGMENTS } else { 0 };
            id = fragment.id as u16;
        }
        let mut bytes = vec![0x40 | words as u8, self.tos, 0, 0];
        bytes.extend(id.to_be_bytes());
        bytes.extend(flags.to_be_bytes());
        bytes.extend([self.ttl, proto.0, 0, 0]);
        bytes.extend(src.octets());
        bytes.extend(dst.octets());
        bytes.extend(options);
        bytes
    }

    /// The IPv6 header and its extension headers, with the payload length still zero.
    fn ipv6_header(&self, src: Ipv6Addr, dst: Ipv6Addr, proto: L4Proto) -> Vec<u8> {
        let first_word = 6 << 28 | u32::from(self.tos) << 20;
        let mut kinds = self.extensions.iter().map(|extension| extension.kind.number());
        let behind = match self.fragment {
            Some(_) => ExtensionKind::Fragment.number(),
            None => proto.0,
        };
        let mut bytes = first_word.to_be_bytes().to_vec();
        bytes.extend([0, 0, kinds.next().unwrap_or(behind), self.ttl]);
        bytes.extend(src.octets());
        bytes.extend(dst.octets());
        for extension in &self.extensions {
            // The authentication header counts in words of four bytes, less two.
            let (unit, less) = match extension.kind {
                ExtensionKind::Authentication => (4, 2),
                _ => (8, 1),
            };
            let mut content = extension.content.clone();
            content.truncate(254 * unit);
            let length = (content.len() + 2).next_multiple_of(unit).max(unit * less).max(8);
            content.resize(length - 2, 0);
            bytes.extend([kinds.next().unwrap_or(behind), (length / unit - less) as u8]);
            bytes.extend(content);
        }
        if let Some(fragment) = self.fragment {
            bytes.extend([proto.0, 0]);
            bytes.extend((fragment.offset & !7 | u16::from(fragment.more)).to_be_bytes());
            bytes.extend(fragment.id.to_be_bytes());
        }
        bytes
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Writes `value` at `at`, if it fits.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}
