//! One pass over a packet: network header, extension headers, transport header.

use crate::ipv6_ext::Ipv6Extensions;
use crate::{Dccp, Gre, Icmp, Sctp, Tcp, Udp, ipv4, ipv6};
use kinwall_terms::{Family, L4Proto, Reason};
use std::net::IpAddr;

/// What one pass over a packet found, from the network header on.
///
/// It holds no reference to the packet: the functions that need the bytes again take them, and
/// answer with nothing when they are handed shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// The IP version.
    pub family: Family,
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// The protocol of the transport header; for IPv6, what stands after the extension headers
    /// (an extension header's own number where the chain is broken).
    pub proto: L4Proto,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service (DSCP and ECN), or traffic class.
    pub tos: u8,
    /// IPv4: the don't-fragment bit.
    pub dont_fragment: bool,
    /// The length field was zero although more bytes follow (segmentation offload in a capture,
    /// or a jumbogram): `total_length` is then what was there.
    pub length_missing: bool,
    /// IPv4: the identification field; 0 for IPv6.
    pub identification: u16,
    /// Length of the packet by its header, in bytes: IPv4 total length, IPv6 40 + payload length.
    pub total_length: u32,
    /// The place within its datagram; `None` when the packet is not a fragment. An IPv6 packet
    /// with a fragment header that holds the whole datagram (RFC 6946) has one.
    pub fragment: Option<Fragment>,
    /// Length of the network header in bytes, options or extension headers included: the offset
    /// of the transport header.
    pub header_length: u16,
    /// Which IPv6 extension headers stand where.
    pub extensions: Ipv6Extensions,
    /// The transport header.
    pub l4: L4,
}

/// The place of a fragment within its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset of its first byte, in bytes: a multiple of 8.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
    /// The identification that all fragments of the datagram share.
    pub id: u32,
}

impl Fragment {
    /// Whether the fragment is the whole datagram (RFC 6946).
    pub fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// The transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L4 {
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp(Udp),
    /// UDPlite; `length` is the checksum coverage.
    UdpLite(Udp),
    /// ICMP over IPv4, ICMPv6 over IPv6.
    Icmp(Icmp),
    /// SCTP.
    Sctp(Sctp),
    /// DCCP.
    Dccp(Dccp),
    /// GRE.
    Gre(Gre),
    /// Another protocol, or none (IPv6 next header 59).
    Other,
    /// A header that is cut short, a chain of extension headers that is, or a fragment that is
    /// not the first of its datagram.
    Truncated,
}

/// Why there are no headers: the network header itself cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// There are no bytes.
    #[error("empty packet")]
    Empty,
    /// The version is neither 4 nor 6.
    #[error("IP version {0}: neither 4 nor 6")]
    Version(u8),
    /// The packet ends within the network header.
    #[error("network header cut short: {available} of {needed} bytes")]
    HeaderTruncated {
        /// How long the header is, in bytes.
        needed: u16,
        /// How many bytes there are.
        available: u16,
    },
    /// The IPv4 header length is below 5 words.
    #[error("IPv4 header length {0} words: at least 5")]
    HeaderLength(u8),
    /// The length field exceeds the packet, or is shorter than the header.
    #[error("length field says {claimed} bytes, the packet has {available}")]
    TotalLength {
        /// What the header says, in bytes, itself included.
        claimed: u32,
        /// How many bytes there are.
        available: u32,
    },
    /// The IPv6 hop-by-hop options header is cut short.
    #[error("IPv6 hop-by-hop options cut short")]
    HopByHopTruncated,
    /// More than [`crate::ipv6_ext::EXTENSIONS_MAX`] extension headers.
    #[error("too many IPv6 extension headers")]
    TooManyExtensions,
}

impl ParseError {
    /// The reason to count the packet under.
    pub fn reason(self) -> Reason {
        match self {
            ParseError::TotalLength { .. } => Reason::BadLength,
            _ => Reason::MalformedNetworkHeader,
        }
    }

    /// The field that cannot be believed.
    pub fn field(self) -> &'static str {
        match self {
            ParseError::Empty | ParseError::Version(_) => "version",
            ParseError::HeaderTruncated { .. } => "header",
            ParseError::HeaderLength(_) => "header length",
            ParseError::TotalLength { .. } => "total length",
            ParseError::HopByHopTruncated => "hop-by-hop options",
            ParseError::TooManyExtensions => "next header",
        }
    }
}

impl Headers {
    /// Reads the headers of `bytes`, which begin at the network header. Bytes beyond the length
    /// the header states are link padding, and are ignored.
    ///
    /// # Errors
    ///
    /// Only when the network header itself is malformed, as when a Linux receiver would discard
    /// the packet before any rule. What is wrong behind it is told by [`L4::Truncated`].
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Headers, ParseError> {
        match bytes.first() {
            None => Err(ParseError::Empty),
            Some(first) if first >> 4 == 4 => ipv4::parse(bytes),
            Some(first) if first >> 4 == 6 => ipv6::parse(bytes),
            Some(first) => Err(ParseError::Version(first >> 4)),
        }
    }

    /// The packet without link padding.
    pub fn packet<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(..self.total_length as usize).unwrap_or(bytes)
    }

    /// From the transport header to the end of the packet.
    pub fn transport<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.packet(bytes).get(usize::from(self.header_length)..).unwrap_or(&[])
    }

    /// After the transport header, to the end of the packet. A UDP length field does not shorten
    /// it: trailing bytes are payload, as for Linux's helpers. Empty where there is no
    /// transport header, or where a TCP data offset points beyond the packet.
    pub fn payload<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self.transport_length() {
            Some(length) => self.transport(bytes).get(usize::from(length)..).unwrap_or(&[]),
            None => &[],
        }
    }

    /// Length of the transport header in bytes, as it states it itself; 0 for a protocol that is
    /// not read, `None` when there is no transport header. Not checked against the packet.
    pub fn transport_length(&self) -> Option<u16> {
        Some(match self.l4 {
            L4::Tcp(tcp) => u16::from(tcp.data_offset),
            L4::Udp(_) | L4::UdpLite(_) => Udp::LENGTH as u16,
            L4::Icmp(_) => Icmp::LENGTH as u16,
            L4::Sctp(_) => Sctp::LENGTH as u16,
            L4::Dccp(dccp) => dccp.data_offset,
            L4::Gre(gre) => gre.header_length(),
            L4::Other => 0,
            L4::Truncated => return None,
        })
    }

    /// The source and destination ports of the protocols that have them.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.l4 {
            L4::Tcp(tcp) => Some((tcp.sport, tcp.dport)),
            L4::Udp(udp) | L4::UdpLite(udp) => Some((udp.sport, udp.dport)),
            L4::Sctp(sctp) => Some((sctp.sport, sctp.dport)),
            L4::Dccp(dccp) => Some((dccp.sport, dccp.dport)),
            _ => None,
        }
    }

    /// Whether the packet is a fragment, but not the first.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset != 0)
    }
}

/// Reads the transport header at the beginning of `transport`.
#[inline]
pub(crate) fn parse_l4(proto: L4Proto, family: Family, transport: &[u8]) -> L4 {
    let l4 = match (proto, family) {
        (L4Proto::TCP, _) => Tcp::parse(transport).map(L4::Tcp),
        (L4Proto::UDP, _) => Udp::parse(transport).map(L4::Udp),
        (L4Proto::ICMP, Family::Ipv4) | (L4Proto::ICMPV6, Family::Ipv6) => {
            Icmp::parse(transport).map(L4::Icmp)
        }
        (L4Proto::UDPLITE, _) => Udp::parse(transport).map(L4::UdpLite),
        (L4Proto::SCTP, _) => Sctp::parse(transport).map(L4::Sctp),
        (L4Proto::DCCP, _) => Dccp::parse(transport).map(L4::Dccp),
        (L4Proto::GRE, _) => Gre::parse(transport).map(L4::Gre),
        _ => Some(L4::Other),
    };
    l4.unwrap_or(L4::Truncated)
}
