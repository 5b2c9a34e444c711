//! Verification of the checksums a packet carries.

use crate::checksum::Sum;
use crate::crc32c::Crc;
use crate::headers::{Headers, L4};
use crate::reader::array_at;
use crate::{Sctp, Udp};
use kinwall_terms::{Family, L4Proto};

impl Headers {
    /// Whether the transport checksum is right. True where there is none to verify: UDP with a
    /// checksum of zero (over IPv6 too, as the kernel's behaviour is), GRE and other protocols,
    /// fragments, and headers that are cut short.
    ///
    /// As Linux does, the sum of UDP goes over the whole IP payload, whatever its length field
    /// says, and the pseudo-header holds the destination address of the IP header even when a
    /// routing header names another one.
    #[inline]
    pub fn verify_checksum(&self, bytes: &[u8]) -> bool {
        if self.fragment.is_some_and(|fragment| !fragment.is_atomic()) {
            return true;
        }
        let transport = self.transport(bytes);
        match self.l4 {
            L4::Tcp(_) => self.pseudo_sum(transport).add_bytes(transport).is_right(),
            L4::Udp(Udp { checksum: 0, .. }) => true,
            L4::Udp(_) => self.pseudo_sum(transport).add_bytes(transport).is_right(),
            // UDPlite must have a checksum (RFC 3828 section 3.1).
            L4::UdpLite(Udp { checksum: 0, .. }) => false,
            L4::UdpLite(udp) => self.verify_covered(transport, usize::from(udp.length)),
            L4::Icmp(_) if self.family == Family::Ipv4 => {
                Sum::new().add_bytes(transport).is_right()
            }
            L4::Icmp(_) => self.pseudo_sum(transport).add_bytes(transport).is_right(),
            L4::Sctp(sctp) => sctp_checksum(transport) == Some(sctp.checksum.swap_bytes()),
            L4::Dccp(dccp) => {
                let covered = match usize::from(dccp.coverage) {
                    0 => 0,
                    words => usize::from(dccp.data_offset) + (words - 1) * 4,
                };
                self.verify_covered(transport, covered)
            }
            L4::Gre(_) | L4::Other | L4::Truncated => true,
        }
    }

    /// Whether the IPv4 header checksum is right; true for IPv6, which has none.
    #[inline]
    pub fn verify_network_checksum(&self, bytes: &[u8]) -> bool {
        match self.family {
            Family::Ipv6 => true,
            Family::Ipv4 => bytes
                .get(..usize::from(self.header_length))
                .is_some_and(|header| Sum::new().add_bytes(header).is_right()),
        }
    }

    /// A sum that only covers the first `covered` bytes of `transport`; 0 covers all.
    fn verify_covered(&self, transport: &[u8], covered: usize) -> bool {
        let end = if covered == 0 { transport.len() } else { covered };
        transport
            .get(..end)
            .is_some_and(|part| self.pseudo_sum(transport).add_bytes(part).is_right())
    }

    /// The sum of the pseudo-header of this packet, whose transport part is `transport`.
    #[inline]
    pub(crate) fn pseudo_sum(&self, transport: &[u8]) -> Sum {
        let length = u32::try_from(transport.len()).unwrap_or(u32::MAX);
        let proto = match self.l4 {
            L4::Icmp(_) => L4Proto::ICMPV6,
            _ => self.proto,
        };
        Sum::new().add_pseudo_header(self.src, self.dst, proto, length)
    }
}

/// The CRC32c of an SCTP packet as if its checksum field were zero.
pub(crate) fn sctp_checksum(transport: &[u8]) -> Option<u32> {
    let head = array_at::<8>(transport, 0)?;
    let chunks = transport.get(Sctp::LENGTH..)?;
    Some(Crc::new().add_bytes(head).add_bytes(&[0; 4]).add_bytes(chunks).finish())
}
