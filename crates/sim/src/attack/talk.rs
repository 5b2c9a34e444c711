//! A conversation whose every byte is written down.

use super::hosts::Hosts;
use crate::traffic::Ingress;
use kinwall_terms::{InterfaceName, L4Proto};
use kinwall_wire::emit::{Packet, Tcp, Udp};
use kinwall_wire::{Headers, TcpFlags};
use std::net::IpAddr;

/// A TCP or UDP conversation; end 0 opens it.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    proto: L4Proto,
    ends: [(IpAddr, u16); 2],
    /// The next sequence number of each end.
    seqs: [u32; 2],
    /// Where the packets of each end reach the gateway.
    ingress: [Ingress; 2],
}

/// Sequence number of the first byte of either end.
const FIRST_SEQS: [u32; 2] = [1001, 5001];

impl Talk {
    /// The conversation that this packet would open.
    pub(super) fn new(packet: &(Ingress, Vec<u8>), hosts: &Hosts) -> Result<Talk, String> {
        let (ingress, packet) = packet;
        let headers = Headers::parse(packet).map_err(|error| error.to_string())?;
        let (sport, dport) = headers.ports().ok_or("a conversation has ports")?;
        let ends = [(headers.src, sport), (headers.dst, dport)];
        // A broadcast address answers nobody.
        let ingress = [*ingress, hosts.ingress(headers.dst).unwrap_or(*ingress)];
        Ok(Talk { proto: headers.proto, ends, seqs: FIRST_SEQS, ingress })
    }

    pub(super) fn is_same(&self, other: &Talk) -> bool {
        (self.proto, self.ends) == (other.proto, other.ends)
    }

    /// SYN, SYN+ACK, ACK; nothing for UDP.
    pub(super) fn handshake(&self) -> Vec<(Ingress, Vec<u8>)> {
        if self.proto != L4Proto::TCP {
            return Vec::new();
        }
        let [opener, responder] = self.ingress;
        let seqs = self.seqs.map(|seq| seq - 1);
        let both = TcpFlags::SYN | TcpFlags::ACK;
        vec![
            (opener, self.segment(0, TcpFlags::SYN, [seqs[0], 0], &[])),
            (responder, self.segment(1, both, [seqs[1], self.seqs[0]], &[])),
            (opener, self.segment(0, TcpFlags::ACK, self.seqs, &[])),
        ]
    }

    /// A packet with `payload`. `how` is `>` or `<` for who sends it, then perhaps `@IFACE` for
    /// where it reaches the gateway in truth, or a number of bytes to go back (`-6`) or to leave
    /// out (`+6`).
    pub(super) fn say(&mut self, how: &str, payload: &[u8]) -> Result<(Ingress, Vec<u8>), String> {
        let from = usize::from(how.starts_with('<'));
        let option = how.get(1..).unwrap_or_default();
        let own = self.ingress[from];
        let (ingress, shift) = match option.strip_prefix('@') {
            Some(name) => {
                let name = InterfaceName::new(name).ok_or("no name of an interface")?;
                (Ingress::Interface(name), 0)
            }
            None if option.is_empty() => (own, 0),
            None => (own, option.parse().map_err(|_| format!("`{option}`: bytes to shift by"))?),
        };
        let seq = self.seqs[from].wrapping_add_signed(shift);
        let flags = TcpFlags::PSH | TcpFlags::ACK;
        let bytes = self.segment(from, flags, [seq, self.seqs[1 - from]], payload);
        let end = seq.wrapping_add(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        if end.wrapping_sub(self.seqs[from]).cast_signed() > 0 {
            self.seqs[from] = end;
        }
        Ok((ingress, bytes))
    }

    /// The other end confirms what was said by `how`, so that no window ever closes.
    pub(super) fn acknowledge(&self, how: &str) -> Option<(Ingress, Vec<u8>)> {
        let from = usize::from(how.starts_with('>'));
        let seqs = [self.seqs[from], self.seqs[1 - from]];
        let segment = || self.segment(from, TcpFlags::ACK, seqs, &[]);
        (self.proto == L4Proto::TCP).then(|| (self.ingress[from], segment()))
    }

    /// A packet of end `from`, with its sequence and acknowledgement numbers.
    fn segment(&self, from: usize, flags: TcpFlags, seqs: [u32; 2], payload: &[u8]) -> Vec<u8> {
        let [(src, sport), (dst, dport)] = [self.ends[from], self.ends[1 - from]];
        let packet = if self.proto == L4Proto::TCP {
            let header = Tcp::new(sport, dport).flags(flags).seq(seqs[0]).ack(seqs[1]);
            Packet::new(src, dst, header)
        } else {
            Packet::new(src, dst, Udp::new(sport, dport))
        };
        packet.payload(payload).build()
    }
}
