//! Keys: tuples as the table compares them, compact, one shape a family.
//!
//! ```text
//! IPv4, 16 bytes   [ src 32 | dst 32 ] [ length 8 | sport 16 | dport 16 | proto 8 | zone 16 ]
//! IPv6, 40 bytes   [ src 128 ] [ dst 128 ] [ length 8 | sport 16 | dport 16 | proto 8 | zone 16 ]
//! ```
//!
//! The zone is the one in force for the tuple's direction. The hash is SipHash-1-3 under a seed:
//! who does not know the seed cannot aim connections at one bucket. The length, in bytes and
//! without itself, is what SipHash has at the end of a message, so that a key is a message as it
//! stands. No key is all zeroes.

use crate::keymap::Keymap;
use kinwall_terms::{Family, KernelVersion, L4Proto, Reason, Tuple};
use kinwall_wire::gre::PROTOCOL_PPP;
use kinwall_wire::reader::array_at;
use kinwall_wire::{Gre, Headers, L4};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// SipHash-1-3 (Aumasson and Bernstein, 2012) of 64-bit words, keyed once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher {
    state: [u64; 4],
}

impl Hasher {
    pub(crate) fn new(seed: u128) -> Hasher {
        let (k0, k1) = (seed as u64, (seed >> 64) as u64);
        let state = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        Hasher { state }
    }

    /// The hash of a message of `8 * N - 1` bytes: the last word has that number in its top byte.
    #[inline]
    pub(crate) fn hash<const N: usize>(&self, words: [u64; N]) -> u64 {
        let mut state = self.state;
        for word in words {
            state[3] ^= word;
            state = sip_round(state);
            state[0] ^= word;
        }
        state[2] ^= 0xff;
        let [a, b, c, d] = sip_round(sip_round(sip_round(state)));
        a ^ b ^ c ^ d
    }
}

#[inline]
fn sip_round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    [a, b, c, d]
}

/// A tuple and its zone, as one store compares them.
pub(crate) trait Key: Copy + Default + PartialEq {
    fn hash(&self, hasher: &Hasher) -> u64;
    fn tuple(&self) -> Tuple;
    fn zone(&self) -> u16;
}

/// Bytes of a key without its length: two addresses, and what both families share.
const LENGTH4: u64 = 2 * 4 + 7;
const LENGTH6: u64 = 2 * 16 + 7;

/// The part both families share: length, ports, protocol, zone.
#[inline]
fn low(length: u64, tuple: &Tuple, zone: u16) -> u64 {
    length << 56
        | u64::from(tuple.sport) << 40
        | u64::from(tuple.dport) << 24
        | u64::from(tuple.proto.0) << 16
        | u64::from(zone)
}

fn from_low(low: u64, src: IpAddr, dst: IpAddr) -> Tuple {
    let (sport, dport) = ((low >> 40) as u16, (low >> 24) as u16);
    Tuple { src, dst, sport, dport, proto: L4Proto((low >> 16) as u8) }
}

/// An IPv4 key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key4 {
    addresses: u64,
    low: u64,
}

impl Key for Key4 {
    #[inline]
    fn hash(&self, hasher: &Hasher) -> u64 {
        hasher.hash([self.addresses, self.low])
    }

    fn tuple(&self) -> Tuple {
        let src = Ipv4Addr::from_bits((self.addresses >> 32) as u32);
        let dst = Ipv4Addr::from_bits(self.addresses as u32);
        from_low(self.low, src.into(), dst.into())
    }

    #[inline]
    fn zone(&self) -> u16 {
        self.low as u16
    }
}

/// An IPv6 key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key6 {
    /// Two words an address: `u128` would round the record up to 16 bytes.
    src: [u64; 2],
    dst: [u64; 2],
    low: u64,
}

impl Key6 {
    /// IPv4 addresses as mapped ones.
    fn new(tuple: &Tuple, zone: u16) -> Key6 {
        let [src, dst] = [tuple.src, tuple.dst].map(|address| words6(mapped(address)));
        Key6 { src, dst, low: low(LENGTH6, tuple, zone) }
    }
}

impl Key for Key6 {
    #[inline]
    fn hash(&self, hasher: &Hasher) -> u64 {
        hasher.hash([self.src[0], self.src[1], self.dst[0], self.dst[1], self.low])
    }

    fn tuple(&self) -> Tuple {
        from_low(self.low, address6(self.src).into(), address6(self.dst).into())
    }

    #[inline]
    fn zone(&self) -> u16 {
        self.low as u16
    }
}

#[inline]
fn words6(address: Ipv6Addr) -> [u64; 2] {
    let bits = address.to_bits();
    [(bits >> 64) as u64, bits as u64]
}

fn address6([high, low]: [u64; 2]) -> Ipv6Addr {
    Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low))
}

/// A key of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnyKey {
    V4(Key4),
    V6(Key6),
}

impl AnyKey {
    #[inline]
    pub(crate) fn hash(&self, hasher: &Hasher) -> u64 {
        match self {
            AnyKey::V4(key) => key.hash(hasher),
            AnyKey::V6(key) => key.hash(hasher),
        }
    }

    pub(crate) fn tuple(&self) -> Tuple {
        match self {
            AnyKey::V4(key) => key.tuple(),
            AnyKey::V6(key) => key.tuple(),
        }
    }

    /// A tuple of mixed families (which no packet has) counts as IPv6, mapped.
    #[inline]
    pub(crate) fn new(tuple: &Tuple, zone: u16) -> AnyKey {
        match (tuple.src, tuple.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let addresses = u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits());
                AnyKey::V4(Key4 { addresses, low: low(LENGTH4, tuple, zone) })
            }
            _ => AnyKey::V6(Key6::new(tuple, zone)),
        }
    }

    /// As an IPv6 key, mapped where it is not one.
    pub(crate) fn wide(self) -> Key6 {
        match self {
            AnyKey::V6(key) => key,
            AnyKey::V4(key) => Key6::new(&key.tuple(), key.zone()),
        }
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// The key of a packet's tuple.
///
/// # Errors
///
/// Why the packet has none, and is INVALID: its transport header cannot be located, it is GRE
/// version 1 without PPP, or ICMP of the other family.
#[inline]
pub(crate) fn of_packet(
    headers: &Headers,
    bytes: &[u8],
    zone: u16,
    keymap: &Keymap,
    kernel: KernelVersion,
) -> Result<AnyKey, Reason> {
    let &Headers { src, dst, proto, family, .. } = headers;
    let (sport, dport) = match headers.l4 {
        L4::Tcp(tcp) => (tcp.sport, tcp.dport),
        L4::Udp(udp) | L4::UdpLite(udp) => (udp.sport, udp.dport),
        L4::Icmp(icmp) => (icmp.id, u16::from_be_bytes([icmp.kind, icmp.code])),
        L4::Truncated if headers.is_later_fragment() => {
            return Err(Reason::TruncatedTransportHeader);
        }
        _ => ids(proto, family, src, dst, headers.transport(bytes), keymap, kernel)?,
    };
    Ok(AnyKey::new(&Tuple { src, dst, sport, dport, proto }, zone))
}

/// The two ids of a tuple from the first bytes of a transport header: as few of them as Linux
/// needs, so that a packet quoted in an ICMP error, or one cut short, still has its tuple.
pub(crate) fn ids(
    proto: L4Proto,
    family: Family,
    src: IpAddr,
    dst: IpAddr,
    transport: &[u8],
    keymap: &Keymap,
    kernel: KernelVersion,
) -> Result<(u16, u16), Reason> {
    let pair = |&[a, b, c, d]: &[u8; 4]| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let truncated = Reason::TruncatedTransportHeader;
    match (proto, family) {
        (L4Proto::TCP | L4Proto::UDP | L4Proto::UDPLITE | L4Proto::SCTP, _) => {
            array_at::<4>(transport, 0).map(pair).ok_or(truncated)
        }
        (L4Proto::DCCP, _) if kernel.has_dccp_tracker() => {
            array_at::<4>(transport, 0).map(pair).ok_or(truncated)
        }
        (L4Proto::ICMP, Family::Ipv4) | (L4Proto::ICMPV6, Family::Ipv6) => {
            let &[kind, code, _, _, a, b, _, _] = array_at::<8>(transport, 0).ok_or(truncated)?;
            Ok((u16::from_be_bytes([a, b]), u16::from_be_bytes([kind, code])))
        }
        (L4Proto::ICMP | L4Proto::ICMPV6, _) => Err(Reason::IcmpType),
        (L4Proto::GRE, _) => gre_ids(src, dst, transport, keymap),
        // A chain of extension headers that breaks off leaves the number of its last one.
        (L4Proto(0 | 43 | 44 | 51 | 60), Family::Ipv6) => Err(truncated),
        _ => Ok((0, 0)),
    }
}

/// Call ids for PPTP, zeroes for anything else, and for a header that is cut short.
fn gre_ids(
    src: IpAddr,
    dst: IpAddr,
    transport: &[u8],
    keymap: &Keymap,
) -> Result<(u16, u16), Reason> {
    match Gre::parse(transport) {
        Some(gre) if gre.version() == 1 => {
            let Some(call_id) = gre.call_id else {
                return Ok((0, 0));
            };
            if gre.protocol != PROTOCOL_PPP {
                return Err(Reason::GreVersion);
            }
            Ok((keymap.source_key(src, dst, call_id), call_id))
        }
        _ => Ok((0, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(src: &str, dst: &str) -> Tuple {
        let [src, dst] = [src, dst].map(|address| address.parse().unwrap());
        Tuple { src, dst, sport: 0x1234, dport: 0xfedc, proto: L4Proto::TCP }
    }

    #[test]
    fn the_hash_is_siphash() {
        for seed in [0, 7, u128::MAX] {
            let reference = siphasher::sip::SipHasher13::new_with_key(&seed.to_le_bytes());
            let words = [0x0123_4567_89ab_cdef, 42, 23 << 56 | 0x12_3456];
            let bytes: Vec<u8> = words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
            assert_eq!(Hasher::new(seed).hash(words), reference.hash(&bytes[..23]));
            assert_eq!(Hasher::new(seed).hash([0]), reference.hash(&[]));
        }
    }

    #[test]
    fn keys_keep_tuple_and_zone() {
        let rows = [tuple("10.0.0.1", "192.0.2.255"), tuple("fd00::1", "2001:db8::ffff")];
        for expected in rows {
            let key = AnyKey::new(&expected, 0xabcd);
            let zone = match &key {
                AnyKey::V4(key) => key.zone(),
                AnyKey::V6(key) => key.zone(),
            };
            assert_eq!((key.tuple(), zone), (expected, 0xabcd));
        }
    }

    #[test]
    fn every_part_counts_in_the_hash() {
        let hasher = Hasher::new(7);
        let hash = |tuple: &Tuple, zone| AnyKey::new(tuple, zone).hash(&hasher);
        for base in [tuple("10.0.0.1", "10.0.0.2"), tuple("fd00::1", "fd00::2")] {
            let others = [
                (base, 1),
                (base.invert().unwrap(), 0),
                (Tuple { sport: 1, ..base }, 0),
                (Tuple { dport: 1, ..base }, 0),
                (Tuple { proto: L4Proto::UDP, ..base }, 0),
                (Tuple { src: base.dst, ..base }, 0),
                (Tuple { dst: base.src, ..base }, 0),
            ];
            for (other, zone) in others {
                assert_ne!(hash(&other, zone), hash(&base, 0), "{other} {zone}");
            }
            let key = AnyKey::new(&base, 0);
            assert_ne!(key.hash(&Hasher::new(8)), hash(&base, 0), "the seed counts");
        }
    }

    #[test]
    fn ids_by_protocol() {
        let keymap = Keymap::default();
        let pptp = [0x30, 0x01, 0x88, 0x0b, 0, 0, 0, 9];
        let etherip = [0x30, 0x01, 0x65, 0x58, 0, 0, 0, 9];
        let truncated = Err(Reason::TruncatedTransportHeader);
        type Row<'a> = (L4Proto, Family, &'a str, &'a [u8], Result<(u16, u16), Reason>);
        let rows: &[Row<'_>] = &[
            (L4Proto::TCP, Family::Ipv4, "6.18", &[1, 2, 3, 4], Ok((0x102, 0x304))),
            (L4Proto::SCTP, Family::Ipv6, "6.18", &[1, 2, 3], truncated),
            (L4Proto::DCCP, Family::Ipv4, "6.18", &[1, 2, 3, 4], Ok((0, 0))),
            (L4Proto::DCCP, Family::Ipv4, "6.12", &[1, 2, 3, 4], Ok((0x102, 0x304))),
            (L4Proto::ICMP, Family::Ipv4, "6.18", &[8, 5, 0, 0, 1, 2, 3, 4], Ok((0x102, 0x805))),
            (L4Proto::ICMP, Family::Ipv4, "6.18", &[8, 5, 0, 0, 1, 2, 3], truncated),
            (L4Proto::ICMP, Family::Ipv6, "6.18", &[8; 8], Err(Reason::IcmpType)),
            (L4Proto::ICMPV6, Family::Ipv4, "6.18", &[128; 8], Err(Reason::IcmpType)),
            (L4Proto::GRE, Family::Ipv4, "6.18", &[0x20, 0, 8, 0, 0, 0, 0, 9], Ok((0, 0))),
            (L4Proto::GRE, Family::Ipv4, "6.18", &pptp, Ok((0, 9))),
            (L4Proto::GRE, Family::Ipv4, "6.18", &pptp[..7], Ok((0, 0))),
            (L4Proto::GRE, Family::Ipv4, "6.18", &etherip, Err(Reason::GreVersion)),
            (L4Proto::GRE, Family::Ipv4, "6.18", &[0x30], Ok((0, 0))),
            (L4Proto::ESP, Family::Ipv4, "6.18", &[], Ok((0, 0))),
            (L4Proto(60), Family::Ipv6, "6.18", &[], truncated),
        ];
        let end = IpAddr::from([10, 0, 0, 1]);
        for &(proto, family, kernel, transport, wanted) in rows {
            let kernel = kernel.parse().unwrap();
            let found = ids(proto, family, end, end, transport, &keymap, kernel);
            assert_eq!(found, wanted, "{proto} {family} {transport:?}");
        }
    }
}
