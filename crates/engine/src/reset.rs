//! What REJECT does to connections when it answers with a RST.

use crate::engine::Engine;
use crate::path::Passage;
use kinwall_conntrack::Tracked;
use kinwall_terms::{Family, Zone};
use kinwall_wire::ipv6_ext::Ipv6Extensions;
use kinwall_wire::tcp::{Tcp, TcpFlags};
use kinwall_wire::{Headers, L4, ipv4, ipv6};

/// The longest RST, in bytes: without options, over IPv6.
const LENGTH_MAX: usize = ipv6::HEADER_LENGTH + Tcp::LENGTH;

impl Engine {
    /// A rule has answered a packet with a RST. The packet's connection is closed by it. If it has
    /// none, Linux tracks the RST like any packet that the gateway sends, and finds the connection
    /// that the packet would have belonged to: one that nobody has answered ends by it.
    pub(crate) fn reset(&mut self, p: &Passage<'_, '_, '_>) {
        if let Some(id) = p.ct.and_then(|ct| ct.conn) {
            self.conntrack.close(id, p.now);
            return;
        }
        if p.aids.presumed.is_some() || !p.headers.verify_checksum(&p.packet.bytes) {
            return;
        }
        let Some(answer) = answer_to(&p.headers) else { return };
        let bytes = [0; LENGTH_MAX];
        let tracked = self.conntrack.track(p.now, &answer, &bytes, false, Zone::default());
        if let Tracked::Packet(ct) = tracked
            && let (true, Some(id)) = (ct.new, ct.conn)
        {
            self.conntrack.abandon(id);
        }
    }
}

/// The headers of the RST; `None` where none is sent (RFC 9293 section 3.10.7.1).
fn answer_to(headers: &Headers) -> Option<Headers> {
    let L4::Tcp(tcp) = headers.l4 else { return None };
    if tcp.flags.contains(TcpFlags::RST) {
        return None;
    }
    let length = headers.total_length.saturating_sub(u32::from(headers.header_length));
    let payload = length.saturating_sub(u32::from(tcp.data_offset));
    let controls = [TcpFlags::SYN, TcpFlags::FIN].map(|flag| tcp.flags.contains(flag).into());
    let next = controls.iter().fold(tcp.seq.wrapping_add(payload), |at, one: &u32| at + one);
    let (seq, ack, flags) = match tcp.flags.contains(TcpFlags::ACK) {
        true => (tcp.ack, 0, TcpFlags::RST),
        false => (0, next, TcpFlags::RST | TcpFlags::ACK),
    };
    let header_length = match headers.family {
        Family::Ipv4 => ipv4::HEADER_LENGTH,
        Family::Ipv6 => ipv6::HEADER_LENGTH,
    };
    let (sport, dport, data_offset) = (tcp.dport, tcp.sport, Tcp::LENGTH as u8);
    let reset =
        Tcp { sport, dport, seq, ack, data_offset, flags, window: 0, checksum: 0, urgent: 0 };
    Some(Headers {
        src: headers.dst,
        dst: headers.src,
        total_length: (header_length + Tcp::LENGTH) as u32,
        fragment: None,
        header_length: header_length as u16,
        extensions: Ipv6Extensions::default(),
        l4: L4::Tcp(reset),
        ..*headers
    })
}
