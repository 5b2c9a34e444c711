//! A TCP segment as the tracker reads it, and the checks its header must pass.

use crate::proto::{Packet, Tunables};
use kinwall_terms::Reason;
use kinwall_wire::tcp::{self, Options};
use kinwall_wire::{L4, Tcp, TcpFlags};
use serde::{Deserialize, Serialize};

/// What a segment is, by its flags; the first that applies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(super) enum Class {
    Syn,
    SynAck,
    Fin,
    Ack,
    Rst,
    /// None of the flags above.
    None,
}

/// A segment with a sound header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) window: u16,
    pub(super) flags: TcpFlags,
    /// Bytes of payload.
    pub(super) length: u32,
    /// From the TCP header on.
    bytes: &'a [u8],
    /// Length of the header, in bytes.
    data_offset: usize,
}

impl<'a> Segment<'a> {
    /// The segment of a packet; an error when its header makes the packet INVALID: first its
    /// length, then the checksum, then the flags.
    pub(super) fn read(packet: &Packet<'a>, tunables: &Tunables) -> Result<Segment<'a>, Reason> {
        let L4::Tcp(tcp) = packet.headers.l4 else {
            return Err(Reason::TruncatedTransportHeader);
        };
        let bytes = packet.transport();
        let data_offset = usize::from(tcp.data_offset);
        if data_offset < Tcp::LENGTH || data_offset > bytes.len() {
            return Err(Reason::BadLength);
        }
        if packet.has_bad_checksum(tunables) {
            return Err(Reason::BadChecksum);
        }
        if !is_legal(tcp.flags) {
            return Err(Reason::TcpFlags);
        }
        // No packet is longer than 4 GiB.
        let length = (bytes.len() - data_offset) as u32;
        let (seq, ack, window, flags) = (tcp.seq, tcp.ack, tcp.window, tcp.flags);
        Ok(Segment { seq, ack, window, flags, length, bytes, data_offset })
    }

    pub(super) fn has(&self, flag: TcpFlags) -> bool {
        self.flags.contains(flag)
    }

    /// Whether there is anything behind the fixed part of the header.
    pub(super) fn has_options(&self) -> bool {
        self.data_offset > Tcp::LENGTH
    }

    /// Whether the options are the timestamps that most segments of an open connection carry,
    /// and nothing else.
    pub(super) fn has_only_timestamps(&self) -> bool {
        only_timestamps(self.bytes, self.data_offset)
    }

    pub(super) fn options(&self) -> Options<'a> {
        tcp::options(self.bytes)
    }

    pub(super) fn class(&self) -> Class {
        if self.has(TcpFlags::RST) {
            Class::Rst
        } else if self.has(TcpFlags::SYN) {
            if self.has(TcpFlags::ACK) { Class::SynAck } else { Class::Syn }
        } else if self.has(TcpFlags::FIN) {
            Class::Fin
        } else if self.has(TcpFlags::ACK) {
            Class::Ack
        } else {
            Class::None
        }
    }

    /// The sequence number after the segment: SYN and FIN take one each.
    pub(super) fn end(&self) -> u32 {
        self.seq
            .wrapping_add(self.length)
            .wrapping_add(u32::from(self.has(TcpFlags::SYN)))
            .wrapping_add(u32::from(self.has(TcpFlags::FIN)))
    }
}

/// Whether the options of a segment are two no-operations and the timestamps (RFC 7323, appendix
/// A). There is nothing else to find then.
#[inline]
pub(super) fn only_timestamps(segment: &[u8], data_offset: usize) -> bool {
    const ALIGNED: [u8; 4] = [1, 1, 8, 10];
    const LENGTH: usize = 12;
    data_offset == Tcp::LENGTH + LENGTH
        && segment.get(Tcp::LENGTH..).is_some_and(|options| options.starts_with(&ALIGNED))
}

/// Whether a segment with these flags is legal, and [`Class::Ack`].
#[inline]
pub(super) fn is_plain_acknowledgement(flags: TcpFlags) -> bool {
    let telling = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST | TcpFlags::ACK;
    flags & telling == TcpFlags::ACK
}

/// Which sets of flags a sane sender uses, PSH, ECE and CWR left aside.
fn is_legal(flags: TcpFlags) -> bool {
    const LEGAL: [TcpFlags; 9] = [
        TcpFlags::SYN,
        TcpFlags::SYN.union(TcpFlags::URG),
        TcpFlags::SYN.union(TcpFlags::ACK),
        TcpFlags::RST,
        TcpFlags::RST.union(TcpFlags::ACK),
        TcpFlags::FIN.union(TcpFlags::ACK),
        TcpFlags::FIN.union(TcpFlags::ACK).union(TcpFlags::URG),
        TcpFlags::ACK,
        TcpFlags::ACK.union(TcpFlags::URG),
    ];
    let aside = TcpFlags::PSH | TcpFlags::ECE | TcpFlags::CWR;
    LEGAL.contains(&flags.difference(aside))
}
