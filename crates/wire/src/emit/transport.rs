//! Transport headers to be composed.

use super::packet::{Checksum, put};
use crate::checksum::Sum;
use crate::gre::PROTOCOL_PPP;
use crate::tcp::TcpFlags;
use crate::verify::sctp_checksum;
use kinwall_terms::L4Proto;
use std::net::IpAddr;

/// A transport header to be composed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp(Udp),
    /// UDPlite.
    UdpLite(UdpLite),
    /// ICMP or ICMPv6, as the addresses are.
    Icmp(Icmp),
    /// SCTP.
    Sctp(Sctp),
    /// DCCP.
    Dccp(Dccp),
    /// GRE.
    Gre(Gre),
    /// No header: the payload is all there is, under this protocol number.
    Raw(L4Proto),
}

macro_rules! transports {
    ($($name:ident,)*) => {
        $(impl From<$name> for Transport {
            fn from(header: $name) -> Transport {
                Transport::$name(header)
            }
        })*
    };
}

transports!(Tcp, Udp, UdpLite, Icmp, Sctp, Dccp, Gre,);

impl From<L4Proto> for Transport {
    fn from(proto: L4Proto) -> Transport {
        Transport::Raw(proto)
    }
}

/// A TCP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window, not scaled.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options, padded with zeroes to a multiple of four bytes and cut at 40.
    pub options: Vec<u8>,
}

impl Tcp {
    /// A header without flags and options, with a window of 65535.
    pub fn new(sport: u16, dport: u16) -> Tcp {
        Tcp {
            sport,
            dport,
            seq: 0,
            ack: 0,
            flags: TcpFlags::empty(),
            window: 65535,
            urgent: 0,
            options: Vec::new(),
        }
    }

    /// With exactly these flags.
    pub fn flags(mut self, flags: TcpFlags) -> Tcp {
        self.flags = flags;
        self
    }

    /// With this sequence number.
    pub fn seq(mut self, seq: u32) -> Tcp {
        self.seq = seq;
        self
    }

    /// With this acknowledgement number; the flag is set by [`Tcp::flags`].
    pub fn ack(mut self, ack: u32) -> Tcp {
        self.ack = ack;
        self
    }

    /// With this window.
    pub fn window(mut self, window: u16) -> Tcp {
        self.window = window;
        self
    }

    /// With these options.
    pub fn options(mut self, options: impl Into<Vec<u8>>) -> Tcp {
        self.options = options.into();
        self
    }
}

/// TCP options in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions(Vec<u8>);

impl TcpOptions {
    /// No options.
    pub fn new() -> TcpOptions {
        TcpOptions::default()
    }

    /// Maximum segment size, in bytes.
    pub fn mss(self, mss: u16) -> TcpOptions {
        self.raw(2, &mss.to_be_bytes())
    }

    /// Window scale.
    pub fn window_scale(self, shift: u8) -> TcpOptions {
        self.raw(3, &[shift])
    }

    /// Selective acknowledgements may be sent.
    pub fn sack_permitted(self) -> TcpOptions {
        self.raw(4, &[])
    }

    /// Selective acknowledgement blocks: left and right edges.
    pub fn sack(self, blocks: &[(u32, u32)]) -> TcpOptions {
        let edges = blocks.iter().flat_map(|(left, right)| [*left, *right]);
        self.raw(5, &edges.flat_map(u32::to_be_bytes).collect::<Vec<u8>>())
    }

    /// Timestamps.
    pub fn timestamps(self, value: u32, echo: u32) -> TcpOptions {
        self.raw(8, &[value.to_be_bytes(), echo.to_be_bytes()].concat())
    }

    /// Any option that has a length.
    pub fn raw(mut self, kind: u8, content: &[u8]) -> TcpOptions {
        self.0.extend([kind, (content.len() + 2) as u8]);
        self.0.extend(content);
        self
    }
}

impl From<TcpOptions> for Vec<u8> {
    fn from(options: TcpOptions) -> Vec<u8> {
        options.0
    }
}

/// A UDP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Length to state; `None` for the right one.
    pub length: Option<u16>,
}

impl Udp {
    /// A header that states the right length.
    pub fn new(sport: u16, dport: u16) -> Udp {
        Udp { sport, dport, length: None }
    }

    /// With this stated length.
    pub fn length(mut self, length: u16) -> Udp {
        self.length = Some(length);
        self
    }
}

/// A UDPlite header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpLite {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// How many bytes the checksum covers; 0 for all.
    pub coverage: u16,
}

impl UdpLite {
    /// A header whose checksum covers everything.
    pub fn new(sport: u16, dport: u16) -> UdpLite {
        UdpLite { sport, dport, coverage: 0 }
    }
}

/// An ICMP or ICMPv6 header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Bytes 4 to 7: id and sequence number, MTU, gateway or pointer.
    pub rest: u32,
}

impl Icmp {
    /// A header with zeroes in bytes 4 to 7.
    pub fn new(kind: u8, code: u8) -> Icmp {
        Icmp { kind, code, rest: 0 }
    }

    /// A query or reply with this identifier and sequence number.
    pub fn query(kind: u8, id: u16, sequence: u16) -> Icmp {
        Icmp { kind, code: 0, rest: u32::from(id) << 16 | u32::from(sequence) }
    }
}

/// An SCTP common header; the chunks are the payload (see [`sctp_chunk`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sctp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Verification tag.
    pub vtag: u32,
}

impl Sctp {
    /// A common header.
    pub fn new(sport: u16, dport: u16, vtag: u32) -> Sctp {
        Sctp { sport, dport, vtag }
    }
}

/// The bytes of an SCTP chunk, padded to a multiple of four.
pub fn sctp_chunk(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, flags];
    bytes.extend(((content.len() + 4) as u16).to_be_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A DCCP header with 48-bit sequence numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dccp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Packet type.
    pub kind: u8,
    /// Sequence number; its low 48 bits count.
    pub seq: u64,
    /// Acknowledgement number, for the kinds that have one: all but Request (0) and Data (2).
    pub ack: u64,
    /// What follows the generic header and the acknowledgement number: service code, reset
    /// code, options. Padded with zeroes to a multiple of four bytes, and cut at 400.
    pub options: Vec<u8>,
}

/// A GRE header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gre {
    /// Version 1: call id of the receiver. `None` makes it version 0.
    pub call_id: Option<u16>,
    /// Version 0: the key.
    pub key: Option<u32>,
    /// Sequence number.
    pub sequence: Option<u32>,
    /// Version 1: acknowledgement number.
    pub acknowledgement: Option<u32>,
    /// Ethertype of what is carried.
    pub protocol: u16,
}

impl Gre {
    /// Version 0, carrying `protocol`.
    pub fn new(protocol: u16) -> Gre {
        Gre { call_id: None, key: None, sequence: None, acknowledgement: None, protocol }
    }

    /// Version 1 carrying PPP, as PPTP does.
    pub fn pptp(call_id: u16, sequence: u32) -> Gre {
        Gre { call_id: Some(call_id), sequence: Some(sequence), ..Gre::new(PROTOCOL_PPP) }
    }

    /// With this key.
    pub fn key(mut self, key: u32) -> Gre {
        self.key = Some(key);
        self
    }
}

impl Transport {
    /// The protocol number between these addresses.
    pub(super) fn proto(&self, src: IpAddr) -> L4Proto {
        match self {
            Transport::Tcp(_) => L4Proto::TCP,
            Transport::Udp(_) => L4Proto::UDP,
            Transport::UdpLite(_) => L4Proto::UDPLITE,
            Transport::Icmp(_) if src.is_ipv4() => L4Proto::ICMP,
            Transport::Icmp(_) => L4Proto::ICMPV6,
            Transport::Sctp(_) => L4Proto::SCTP,
            Transport::Dccp(_) => L4Proto::DCCP,
            Transport::Gre(_) => L4Proto::GRE,
            Transport::Raw(proto) => *proto,
        }
    }

    /// Appends the header to `bytes`, its checksum zero; returns its length.
    pub(super) fn header(&self, payload_length: usize, bytes: &mut Vec<u8>) -> usize {
        let start = bytes.len();
        match self {
            Transport::Tcp(tcp) => tcp.write(bytes),
            Transport::Udp(udp) => {
                let length = udp.length.unwrap_or((payload_length + 8) as u16);
                words(bytes, &[udp.sport, udp.dport, length, 0]);
            }
            Transport::UdpLite(udp) => words(bytes, &[udp.sport, udp.dport, udp.coverage, 0]),
            Transport::Icmp(icmp) => {
                bytes.extend([icmp.kind, icmp.code, 0, 0]);
                bytes.extend(icmp.rest.to_be_bytes());
            }
            Transport::Sctp(sctp) => {
                words(bytes, &[sctp.sport, sctp.dport]);
                bytes.extend(sctp.vtag.to_be_bytes());
                bytes.extend([0; 4]);
            }
            Transport::Dccp(dccp) => dccp.write(bytes),
            Transport::Gre(gre) => gre.write(payload_length, bytes),
            Transport::Raw(_) => {}
        }
        bytes.len() - start
    }

    /// Writes the checksum into `transport`, the header and its payload.
    pub(super) fn fill_checksum(
        &self,
        transport: &mut [u8],
        pseudo: Sum,
        is_ipv4: bool,
        checksum: Checksum,
    ) {
        let covered = |count: usize| transport.get(..count).unwrap_or(transport);
        let (at, right) = match self {
            Transport::Tcp(_) => (16, pseudo.add_bytes(transport).checksum()),
            // A sum of zero is sent as all ones (RFC 768).
            Transport::Udp(_) => (6, never_zero(pseudo.add_bytes(transport).checksum())),
            Transport::UdpLite(UdpLite { coverage: 0, .. }) => {
                (6, never_zero(pseudo.add_bytes(transport).checksum()))
            }
            Transport::UdpLite(udp) => {
                let part = covered(usize::from(udp.coverage));
                (6, never_zero(pseudo.add_bytes(part).checksum()))
            }
            Transport::Icmp(_) if is_ipv4 => (2, Sum::new().add_bytes(transport).checksum()),
            Transport::Icmp(_) => (2, pseudo.add_bytes(transport).checksum()),
            Transport::Dccp(_) => (6, pseudo.add_bytes(transport).checksum()),
            Transport::Sctp(_) => {
                let right = sctp_checksum(transport).unwrap_or(0);
                let value = match checksum {
                    Checksum::Right => right,
                    Checksum::Wrong if right == u32::MAX => 1,
                    Checksum::Wrong => !right,
                    Checksum::Zero => 0,
                };
                return put(transport, 8, &value.to_le_bytes());
            }
            Transport::Gre(_) | Transport::Raw(_) => return,
        };
        put(transport, at, &checksum.choose(right).to_be_bytes());
    }
}

impl Tcp {
    fn write(&self, bytes: &mut Vec<u8>) {
        let mut options = self.options.clone();
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        words(bytes, &[self.sport, self.dport]);
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        let offset = (crate::Tcp::LENGTH + options.len()) / 4;
        bytes.extend([(offset as u8) << 4, self.flags.bits()]);
        words(bytes, &[self.window, 0, self.urgent]);
        bytes.extend(options);
    }
}

impl Dccp {
    fn write(&self, bytes: &mut Vec<u8>) {
        let mut options = self.options.clone();
        options.truncate(400);
        options.resize(options.len().next_multiple_of(4), 0);
        let has_ack = !matches!(self.kind, 0 | 2);
        let length = 16 + if has_ack { 8 } else { 0 } + options.len();
        words(bytes, &[self.sport, self.dport]);
        bytes.extend([(length / 4) as u8, 0, 0, 0]);
        bytes.extend([self.kind << 1 | 1, 0]);
        bytes.extend(self.seq.to_be_bytes().into_iter().skip(2));
        if has_ack {
            bytes.extend([0, 0]);
            bytes.extend(self.ack.to_be_bytes().into_iter().skip(2));
        }
        bytes.extend(options);
    }
}

impl Gre {
    fn write(&self, payload_length: usize, bytes: &mut Vec<u8>) {
        let bit = |present: bool, flag: u16| if present { flag } else { 0 };
        let sequence = bit(self.sequence.is_some(), crate::gre::SEQUENCE);
        let numbers = match self.call_id {
            Some(call_id) => {
                let acknowledgement =
                    bit(self.acknowledgement.is_some(), crate::gre::ACKNOWLEDGEMENT);
                let flags = 1 | crate::gre::KEY | sequence | acknowledgement;
                words(bytes, &[flags, self.protocol, payload_length as u16, call_id]);
                [self.sequence, self.acknowledgement]
            }
            None => {
                let key = bit(self.key.is_some(), crate::gre::KEY);
                words(bytes, &[key | sequence, self.protocol]);
                [self.key, self.sequence]
            }
        };
        bytes.extend(numbers.into_iter().flatten().flat_map(u32::to_be_bytes));
    }
}

fn words(bytes: &mut Vec<u8>, words: &[u16]) {
    bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
}

fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}
