//! A conversation, packet by packet.

use super::{Ends, From, Line};
use kinwall_terms::{Direction, L4Proto, Tuple};
use kinwall_wire::TcpFlags;
use kinwall_wire::emit::{Gre, Icmp, Packet, Sctp, Tcp, Transport, Udp, UdpLite};

/// The conversation with this first packet.
pub(super) struct Talk {
    tuple: Tuple,
    from: Ends,
    /// The next sequence number of each end.
    seqs: [u32; 2],
    lines: Vec<Line>,
}

/// Sequence number of the first byte of either end.
const FIRST_SEQS: [u32; 2] = [1001, 5001];

impl Talk {
    pub(super) fn new(tuple: Tuple, from: Ends) -> Talk {
        Talk { tuple, from, seqs: FIRST_SEQS, lines: Vec::new() }
    }

    /// SYN, SYN+ACK, ACK; nothing for what is not TCP.
    pub(super) fn handshake(&mut self) {
        if self.tuple.proto != L4Proto::TCP {
            return;
        }
        let [first, second] = FIRST_SEQS.map(|seq| seq - 1);
        self.segment(Direction::Original, TcpFlags::SYN, [first, 0], &[], None);
        let both = TcpFlags::SYN | TcpFlags::ACK;
        self.segment(Direction::Reply, both, [second, FIRST_SEQS[0]], &[], None);
        self.segment(Direction::Original, TcpFlags::ACK, FIRST_SEQS, &[], None);
    }

    /// One end says something, or `forger` does in its name; the other end acknowledges it.
    pub(super) fn say(&mut self, direction: Direction, payload: &[u8], forger: Option<From>) {
        if self.tuple.proto != L4Proto::TCP {
            self.datagram(direction, payload, forger);
            return;
        }
        let (own, other) = (direction.index(), direction.opposite().index());
        let seqs = [self.seqs[own], self.seqs[other]];
        self.segment(direction, TcpFlags::PSH | TcpFlags::ACK, seqs, payload, forger);
        self.seqs[own] = self.seqs[own].wrapping_add(payload.len() as u32);
        let seqs = [self.seqs[other], self.seqs[own]];
        self.segment(direction.opposite(), TcpFlags::ACK, seqs, &[], None);
    }

    /// What was said.
    pub(super) fn finish(self) -> Vec<Line> {
        self.lines
    }

    fn datagram(&mut self, direction: Direction, payload: &[u8], forger: Option<From>) {
        let Tuple { sport, dport, proto, .. } = self.tuple;
        let [kind, code] = dport.to_be_bytes();
        let answered = self.tuple.invert().map_or(dport, |answer| answer.dport);
        let [from, to] = match direction {
            Direction::Original => [sport, dport],
            Direction::Reply => [dport, sport],
        };
        let transport: Transport = match proto {
            L4Proto::UDP => Udp::new(from, to).into(),
            L4Proto::UDPLITE => UdpLite::new(from, to).into(),
            L4Proto::SCTP => Sctp::new(from, to, 0).into(),
            L4Proto::GRE => Gre::pptp(to, 1).into(),
            L4Proto::ICMP | L4Proto::ICMPV6 => {
                let kind = match direction {
                    Direction::Original => kind,
                    Direction::Reply => answered.to_be_bytes()[0],
                };
                Transport::Icmp(Icmp { code, ..Icmp::query(kind, sport, 1) })
            }
            other => Transport::Raw(other),
        };
        self.send(direction, transport, payload, forger);
    }

    fn segment(
        &mut self,
        direction: Direction,
        flags: TcpFlags,
        [seq, ack]: [u32; 2],
        payload: &[u8],
        forger: Option<From>,
    ) {
        let Tuple { sport, dport, .. } = self.tuple;
        let [from, to] = match direction {
            Direction::Original => [sport, dport],
            Direction::Reply => [dport, sport],
        };
        let header = Tcp::new(from, to).flags(flags).seq(seq).ack(ack);
        self.send(direction, header.into(), payload, forger);
    }

    fn send(
        &mut self,
        direction: Direction,
        transport: Transport,
        payload: &[u8],
        forger: Option<From>,
    ) {
        let Tuple { src, dst, .. } = self.tuple;
        let (src, dst, own) = match direction {
            Direction::Original if self.lines.is_empty() => (src, dst, self.from.first),
            Direction::Original => (src, dst, self.from.later),
            Direction::Reply => (dst, src, self.from.answers),
        };
        let (input, mac) = forger.unwrap_or(own);
        let bytes = Packet::new(src, dst, transport).payload(payload).build();
        self.lines.push(Line { input, mac, bytes });
    }
}
