//! The ends of a packet changed: addresses, ports and ids, and the checksums that cover them.
//!
//! Checksums are brought up to date from what they were (RFC 1624): a wrong one stays wrong by as
//! much as it was, and a UDP checksum of zero, which says that there is none, stays zero. SCTP's
//! has to be computed anew. Of a packet that an ICMP error quotes, often only the beginning is
//! there: what is not there is not changed.

use crate::checksum::{Sum, update};
use crate::emit::put;
use crate::reader::array_at;
use crate::verify::sctp_checksum;
use crate::{Headers, Icmp, L4, ipv4, ipv6, ipv6_ext};
use kinwall_terms::{Family, L4Proto, Manip};
use std::net::{IpAddr, Ipv6Addr};

/// What an end becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEnd {
    /// Its address.
    pub address: IpAddr,
    /// Its port; the identifier of an ICMP query, the call id of a PPTP packet (which only a
    /// destination has); of no meaning elsewhere.
    pub id: u16,
}

/// The packet cannot be changed: its transport header is cut short, or GRE of an unknown version,
/// or the address is of another family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transport header is cut short")]
pub struct CannotTranslate;

/// Changes one end of the packet with these headers.
///
/// # Errors
///
/// When that is not possible; the packet may have been changed in part.
pub fn set_end(
    bytes: &mut [u8],
    headers: &Headers,
    manip: Manip,
    to: NewEnd,
) -> Result<(), CannotTranslate> {
    let length = bytes.len().min(headers.total_length as usize);
    let packet = bytes.get_mut(..length).ok_or(CannotTranslate)?;
    let transport = usize::from(headers.header_length);
    let place = Place { family: headers.family, proto: headers.proto, transport };
    place.set_end(packet, manip, to)
}

/// Changes an ICMP error: the packet it quotes at the end `inner.0`, itself at the other one.
///
/// # Errors
///
/// As [`set_end`]; also when nothing is quoted.
pub fn set_error_ends(
    bytes: &mut [u8],
    headers: &Headers,
    inner: (Manip, NewEnd),
    outer: NewEnd,
) -> Result<(), CannotTranslate> {
    let message = usize::from(headers.header_length);
    let length = bytes.len().min(headers.total_length as usize);
    let packet = bytes.get_mut(..length).ok_or(CannotTranslate)?;
    let quote = packet.get_mut(message + Icmp::LENGTH..).ok_or(CannotTranslate)?;
    Place::of_quote(quote, headers.family)?.set_end(quote, inner.0, inner.1)?;
    // Linux computes this one anew, too.
    put(packet, message + 2, &[0, 0]);
    let sum = match headers.family {
        Family::Ipv4 => Sum::new(),
        Family::Ipv6 => headers.pseudo_sum(headers.transport(packet)),
    };
    let checksum = sum.add_bytes(headers.transport(packet)).checksum();
    put(packet, message + 2, &checksum.to_be_bytes());
    set_end(bytes, headers, inner.0.other(), outer)
}

/// Takes a hop off the packet, as whoever forwards it does. One that has none left stays.
pub fn count_hop(bytes: &mut [u8]) {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => {
            let Some(&old @ [hops, proto]) = array_at::<2>(bytes, 8) else { return };
            let new = [hops.saturating_sub(1), proto];
            put(bytes, 8, &new);
            update_at(bytes, 10, &old, &new);
        }
        Some(6) => {
            if let Some(hops) = bytes.get_mut(7) {
                *hops = hops.saturating_sub(1);
            }
        }
        _ => {}
    }
}

/// Gives one end of an IPv6 packet the address that `map` makes of it, and no checksum another
/// value: the addresses have the same sum. Of a packet that an ICMPv6 error quotes, the other end
/// is changed as well, if `quoted` says so of it. False when `map` makes nothing of the address.
pub fn readdress(
    bytes: &mut [u8],
    headers: &Headers,
    manip: Manip,
    map: impl Fn(Ipv6Addr) -> Option<Ipv6Addr>,
    quoted: impl Fn(Ipv6Addr) -> bool,
) -> bool {
    let place = |manip| Address::V6([0; 16]).offset(manip);
    let own = place(manip);
    let address =
        |at: usize, bytes: &[u8]| array_at::<16>(bytes, at).map(|octets| (*octets).into());
    let Some(new) = address(own, bytes).and_then(&map) else { return false };
    put(bytes, own, &new.octets());
    let is_error = matches!(headers.l4, L4::Icmp(icmp) if (1..=4).contains(&icmp.kind))
        && usize::from(headers.header_length) == ipv6::HEADER_LENGTH;
    let quote = usize::from(headers.header_length) + Icmp::LENGTH;
    if is_error && array_at::<{ ipv6::HEADER_LENGTH }>(bytes, quote).is_some() {
        let at = quote + place(manip.other());
        if let Some(new) = address(at, bytes).filter(|address| quoted(*address)).and_then(map) {
            put(bytes, at, &new.octets());
        }
    }
    true
}

/// What has to be known of a packet to change it.
struct Place {
    family: Family,
    proto: L4Proto,
    /// Offset of the transport header.
    transport: usize,
}

impl Place {
    /// Of a packet as an ICMP error quotes it: the length that it states means nothing.
    fn of_quote(quote: &[u8], family: Family) -> Result<Place, CannotTranslate> {
        match family {
            Family::Ipv4 => {
                let header =
                    array_at::<{ ipv4::HEADER_LENGTH }>(quote, 0).ok_or(CannotTranslate)?;
                let transport = usize::from(header[0] & 0x0f) * 4;
                Ok(Place { family, proto: L4Proto(header[9]), transport })
            }
            Family::Ipv6 => {
                let header =
                    array_at::<{ ipv6::HEADER_LENGTH }>(quote, 0).ok_or(CannotTranslate)?;
                let behind = quote.get(ipv6::HEADER_LENGTH..).unwrap_or_default();
                let found = ipv6_ext::skip_quoted(header[6], behind);
                let (proto, rest) = found.ok_or(CannotTranslate)?;
                Ok(Place { family, proto, transport: quote.len() - rest.len() })
            }
        }
    }

    fn set_end(&self, packet: &mut [u8], manip: Manip, to: NewEnd) -> Result<(), CannotTranslate> {
        let (old, new) = self.addresses(packet, manip, to.address).ok_or(CannotTranslate)?;
        let transport = packet.get_mut(self.transport..).ok_or(CannotTranslate)?;
        self.set_transport(transport, manip, to.id, (old.bytes(), new.bytes()))?;
        let at = old.offset(manip);
        put(packet, at, new.bytes());
        if self.family == Family::Ipv4 {
            update_at(packet, 10, old.bytes(), new.bytes());
        }
        Ok(())
    }

    /// The address there is at this end, and the one that comes there.
    fn addresses(&self, packet: &[u8], manip: Manip, to: IpAddr) -> Option<(Address, Address)> {
        let new = Address::from(to);
        let old = match new {
            Address::V4(_) => Address::V4(*array_at(packet, new.offset(manip))?),
            Address::V6(_) => Address::V6(*array_at(packet, new.offset(manip))?),
        };
        (Family::of(to) == self.family).then_some((old, new))
    }

    /// Changes port or id, and the checksum that covers that and the addresses.
    fn set_transport(
        &self,
        transport: &mut [u8],
        manip: Manip,
        id: u16,
        (old, new): (&[u8], &[u8]),
    ) -> Result<(), CannotTranslate> {
        let port_at = match manip {
            Manip::Source => 0,
            Manip::Destination => 2,
        };
        match (self.proto, self.family) {
            (L4Proto::TCP, _) => {
                let port = replace(transport, port_at, id)?;
                if transport.len() >= 20 {
                    update_at(transport, 16, old, new);
                    update_at(transport, 16, &port, &id.to_be_bytes());
                }
            }
            (L4Proto::UDP | L4Proto::UDPLITE, _) => {
                let port = replace(transport, port_at, id)?;
                let has_checksum = transport.get(6..8) != Some(&[0, 0]);
                if has_checksum || self.proto == L4Proto::UDPLITE {
                    update_at(transport, 6, old, new);
                    update_at(transport, 6, &port, &id.to_be_bytes());
                    if transport.get(6..8) == Some(&[0, 0]) {
                        put(transport, 6, &[0xff, 0xff]);
                    }
                }
            }
            (L4Proto::DCCP, _) => {
                let port = replace(transport, port_at, id)?;
                if transport.len() >= 12 {
                    update_at(transport, 6, old, new);
                    update_at(transport, 6, &port, &id.to_be_bytes());
                }
            }
            (L4Proto::SCTP, _) => {
                replace(transport, port_at, id)?;
                if let Some(checksum) = sctp_checksum(transport) {
                    put(transport, 8, &checksum.to_le_bytes());
                }
            }
            (L4Proto::ICMP, Family::Ipv4) => {
                let kind = query_kind(transport)?;
                // Echo, timestamp, information and address mask, and their replies.
                if matches!(kind, 0 | 8 | 13..=18) {
                    let old = replace(transport, 4, id)?;
                    update_at(transport, 2, &old, &id.to_be_bytes());
                }
            }
            (L4Proto::ICMPV6, Family::Ipv6) => {
                let kind = query_kind(transport)?;
                update_at(transport, 2, old, new);
                if matches!(kind, 128 | 129) {
                    let old = replace(transport, 4, id)?;
                    update_at(transport, 2, &old, &id.to_be_bytes());
                }
            }
            (L4Proto::GRE, _) => set_call_id(transport, manip, id)?,
            _ => {}
        }
        Ok(())
    }
}

/// Puts the call id of a PPTP packet where there is one. As much as that needs has to be there,
/// whether there is one or not (the kernel's behaviour).
fn set_call_id(transport: &mut [u8], manip: Manip, id: u16) -> Result<(), CannotTranslate> {
    let head = array_at::<8>(transport, 0).ok_or(CannotTranslate)?;
    match (manip, head[1] & 0x07) {
        // There is no id of the source.
        (Manip::Source, _) | (_, 0) => {}
        (Manip::Destination, 1) => put(transport, 6, &id.to_be_bytes()),
        (Manip::Destination, _) => return Err(CannotTranslate),
    }
    Ok(())
}

/// The type of an ICMP message whose header is whole.
fn query_kind(transport: &[u8]) -> Result<u8, CannotTranslate> {
    array_at::<{ Icmp::LENGTH }>(transport, 0).map(|head| head[0]).ok_or(CannotTranslate)
}

/// An address as it stands in a packet.
#[derive(Clone, Copy)]
enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Address {
        match address {
            IpAddr::V4(address) => Address::V4(address.octets()),
            IpAddr::V6(address) => Address::V6(address.octets()),
        }
    }
}

impl Address {
    fn bytes(&self) -> &[u8] {
        match self {
            Address::V4(bytes) => bytes,
            Address::V6(bytes) => bytes,
        }
    }

    /// Where it stands in a network header.
    fn offset(&self, manip: Manip) -> usize {
        match (self, manip) {
            (Address::V4(_), Manip::Source) => 12,
            (Address::V4(_), Manip::Destination) => 16,
            (Address::V6(_), Manip::Source) => 8,
            (Address::V6(_), Manip::Destination) => 24,
        }
    }
}

/// Puts a port where one was, which is returned. Eight bytes of the header must be there: as
/// many as an ICMP error quotes at least.
fn replace(transport: &mut [u8], at: usize, port: u16) -> Result<[u8; 2], CannotTranslate> {
    array_at::<8>(transport, 0).ok_or(CannotTranslate)?;
    let old = *array_at::<2>(transport, at).ok_or(CannotTranslate)?;
    put(transport, at, &port.to_be_bytes());
    Ok(old)
}

/// Brings the checksum at `at` up to date.
fn update_at(bytes: &mut [u8], at: usize, old: &[u8], new: &[u8]) {
    if let Some(checksum) = array_at::<2>(bytes, at) {
        let checksum = update(u16::from_be_bytes(*checksum), old, new);
        put(bytes, at, &checksum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TcpFlags;
    use crate::emit::{self, Checksum, Packet, Transport};
    use proptest::prelude::*;

    fn address(v6: bool, host: u8) -> IpAddr {
        match v6 {
            true => IpAddr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, host]),
            false => IpAddr::from([10, 1, 0, host]),
        }
    }

    /// What a packet of each kind looks like between these ends.
    fn packet(kind: u8, ends: [(IpAddr, u16); 2], payload: &[u8]) -> Packet {
        let [(src, sport), (dst, dport)] = ends;
        let query = if src.is_ipv4() { 8 } else { 128 };
        let transport: Transport = match kind {
            0 => emit::Tcp::new(sport, dport).flags(TcpFlags::ACK).seq(7).into(),
            1 => emit::Udp::new(sport, dport).into(),
            2 => emit::UdpLite::new(sport, dport).into(),
            3 => emit::Sctp::new(sport, dport, 9).into(),
            4 => emit::Icmp::query(query, sport, 1).into(),
            _ => L4Proto(253).into(),
        };
        Packet::new(src, dst, transport).payload(payload)
    }

    fn translated(bytes: &[u8], manip: Manip, address: IpAddr, id: u16) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let headers = Headers::parse(&bytes).unwrap();
        set_end(&mut bytes, &headers, manip, NewEnd { address, id }).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn it_is_the_packet_of_the_new_end(
            kind in 0..6u8, v6: bool, source: bool, host in 3..255u8, ports: [u16; 3],
            payload in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let ends = [(address(v6, 1), ports[0]), (address(v6, 2), ports[1])];
            let new = (address(v6, host), ports[2]);
            let before = packet(kind, ends, &payload).build();
            let (manip, changed) = match (source, kind) {
                (true, _) => (Manip::Source, [new, ends[1]]),
                // An ICMP query has one id.
                (false, 4) => (Manip::Destination, [(ends[0].0, new.1), (new.0, 0)]),
                (false, _) => (Manip::Destination, [ends[0], new]),
            };
            let after = translated(&before, manip, new.0, new.1);
            prop_assert_eq!(&after, &packet(kind, changed, &payload).build());
            let old = ends[usize::from(!source)];
            let id = if kind == 4 { ports[0] } else { old.1 };
            prop_assert_eq!(translated(&after, manip, old.0, id), before);
        }

        #[test]
        fn an_error_about_it_is_of_the_new_ends(
            kind in 0..6u8, v6: bool, host in 3..255u8, ports: [u16; 3], cut in 0..60usize,
        ) {
            let ends = [(address(v6, 1), ports[0]), (address(v6, 2), ports[1])];
            let new = (address(v6, host), ports[2]);
            let unreachable = if v6 { 1 } else { 3 };
            let error = |inner: &[u8], to| {
                emit::icmp_error(address(v6, 9), to, emit::Icmp::new(unreachable, 0), inner).build()
            };
            let whole = packet(kind, ends, b"abcdefgh").build();
            let length = Headers::parse(&whole).unwrap().header_length as usize + 8;
            let quote = &whole[..(length + cut).min(whole.len())];
            let mut bytes = error(quote, ends[0].0);
            let headers = Headers::parse(&bytes).unwrap();
            let to = NewEnd { address: new.0, id: new.1 };
            set_error_ends(&mut bytes, &headers, (Manip::Source, to), to).unwrap();
            let mut inner = translated(&whole, Manip::Source, new.0, new.1);
            inner.truncate(quote.len());
            // Linux leaves the checksum of a TCP header that is not quoted whole.
            if kind == 0 && cut < 12 {
                let checksum = length + 8..(length + 10).min(quote.len());
                let quoted = quote.get(checksum.clone()).unwrap_or_default();
                inner.get_mut(checksum).unwrap_or_default().copy_from_slice(quoted);
            }
            // The checksum of SCTP covers what is not quoted.
            if kind == 3 && quote.len() > length {
                let found = Headers::parse(&bytes).unwrap();
                prop_assert!(found.verify_checksum(&bytes));
                return Ok(());
            }
            prop_assert_eq!(bytes, error(&inner, new.0));
        }

        #[test]
        fn any_bytes_are_survived(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..120), v6: bool, error: bool,
        ) {
            if let Some(first) = bytes.first_mut() { *first = if v6 { 0x60 } else { 0x45 }; }
            if let Ok(headers) = Headers::parse(&bytes) {
                let to = NewEnd { address: address(v6, 7), id: 9 };
                let _ = match error {
                    true => set_error_ends(&mut bytes, &headers, (Manip::Source, to), to),
                    false => set_end(&mut bytes, &headers, Manip::Source, to),
                };
            }
        }
    }

    #[test]
    fn wrong_checksums_stay_wrong_and_none_stays_none() {
        for (checksum, right) in [(Checksum::Wrong, false), (Checksum::Zero, true)] {
            let ends = [(address(false, 1), 1), (address(false, 2), 2)];
            let bytes = packet(1, ends, b"abc").checksum(checksum).build();
            let after = translated(&bytes, Manip::Source, address(false, 7), 7);
            let headers = Headers::parse(&after).unwrap();
            assert_eq!(headers.verify_checksum(&after), right);
            assert!(headers.verify_network_checksum(&after));
        }
    }

    #[test]
    fn a_short_header_is_refused() {
        let ends = [(address(false, 1), 1), (address(false, 2), 2)];
        let whole = packet(0, ends, b"").build();
        let mut bytes = whole[..27].to_vec();
        bytes[3] = 27;
        let headers = Headers::parse(&bytes).unwrap();
        let to = NewEnd { address: address(false, 7), id: 7 };
        assert_eq!(set_end(&mut bytes, &headers, Manip::Source, to), Err(CannotTranslate));
        let to = NewEnd { address: address(true, 7), id: 7 };
        let mut bytes = whole;
        let headers = Headers::parse(&bytes).unwrap();
        assert_eq!(set_end(&mut bytes, &headers, Manip::Source, to), Err(CannotTranslate));
    }
}
