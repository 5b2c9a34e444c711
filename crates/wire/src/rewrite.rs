//! The payload of a packet changed, and the numbers of a TCP connection in which that was done.
//!
//! A change of payload makes lengths and checksums anew, as Linux does: what was wrong before is
//! right after it. Only a UDP checksum of zero, which says that there is none, stays zero.

use crate::checksum::{Sum, update};
use crate::emit::put;
use crate::reader::array_at;
use crate::{Headers, L4, Tcp, ipv4, ipv6};
use kinwall_terms::{Family, L4Proto};
use std::ops::Range;

/// Most bytes of a packet, network header included.
const PACKET_MAX_BYTES: usize = 65_535;

/// Pieces of a payload, and what takes their place. Keep one and [`clear`](Edits::clear) it: its
/// memory is used again.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// In the order of their places.
    list: Vec<Edit>,
    text: Vec<u8>,
    keeps_lengths: bool,
}

#[derive(Clone, Debug)]
struct Edit {
    /// Which bytes of the payload.
    place: Range<usize>,
    /// Which bytes of `Edits::text` come there.
    text: Range<usize>,
}

impl Edits {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.text.clear();
        self.keeps_lengths = false;
    }

    /// Nothing becomes longer or shorter: lengths stay as they are, and checksums are brought up
    /// to date from what they were.
    pub fn keep_lengths(&mut self) {
        self.keeps_lengths = true;
    }

    /// Nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Replaces the bytes at `place` by what `write` adds. Places count in the payload as it was.
    pub fn push(&mut self, place: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len();
        write(&mut self.text);
        let edit = Edit { place, text: start..self.text.len() };
        let at = self.list.partition_point(|other| other.place.start <= edit.place.start);
        self.list.insert(at, edit);
    }

    /// What is replaced, by what, in the order of the payload.
    pub fn iter(&self) -> impl Iterator<Item = (Range<usize>, &[u8])> {
        let text = |edit: &Edit| self.text.get(edit.text.clone()).unwrap_or_default();
        self.list.iter().map(move |edit| (edit.place.clone(), text(edit)))
    }

    /// From the first byte that is replaced to the last; `None` when nothing is.
    pub fn bounds(&self) -> Option<Range<usize>> {
        Some(self.list.first()?.place.start..self.list.last()?.place.end)
    }

    /// By how many bytes the part of the payload that these bytes are grows.
    pub fn growth(&self, part: Range<usize>) -> isize {
        let inside = |edit: &&Edit| part.start <= edit.place.start && edit.place.end <= part.end;
        let growth = |edit: &Edit| edit.text.len() as isize - edit.place.len() as isize;
        self.list.iter().filter(inside).map(growth).sum()
    }

    /// The payload with the pieces replaced, at the end of `out`; false when two of them overlap
    /// or reach beyond it.
    fn write(&self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let mut at = 0;
        for (place, text) in self.iter() {
            let Some(between) = payload.get(at..place.start) else { return false };
            out.extend_from_slice(between);
            out.extend_from_slice(text);
            at = place.end;
        }
        let Some(rest) = payload.get(at..) else { return false };
        out.extend_from_slice(rest);
        true
    }
}

/// Why a packet cannot be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotRewrite {
    /// It would be longer than a packet can be.
    #[error("the packet would be longer than 65,535 bytes")]
    TooLong,
    /// Pieces overlap or reach beyond the payload, or there is no payload.
    #[error("what is to be replaced is not there")]
    Missing,
}

/// The packet with these headers, pieces of its payload replaced.
///
/// # Errors
///
/// When that is not possible.
pub fn with_payload(
    bytes: &[u8],
    headers: &Headers,
    edits: &Edits,
) -> Result<Vec<u8>, CannotRewrite> {
    let packet = headers.packet(bytes);
    let payload = headers.payload(bytes);
    let before = packet.len() - payload.len();
    let mut new = Vec::with_capacity(packet.len() + edits.text.len());
    new.extend_from_slice(packet.get(..before).unwrap_or_default());
    if !edits.write(payload, &mut new) {
        return Err(CannotRewrite::Missing);
    }
    if new.len() > PACKET_MAX_BYTES {
        return Err(CannotRewrite::TooLong);
    }
    if edits.keeps_lengths && new.len() == packet.len() {
        update_checksum(&mut new, headers, payload);
        return Ok(new);
    }
    set_lengths(&mut new, headers);
    let Ok(changed) = Headers::parse(&new) else { return Err(CannotRewrite::Missing) };
    set_checksum(&mut new, &changed);
    Ok(new)
}

/// The lengths that the headers state, and the checksum of the network header.
fn set_lengths(bytes: &mut [u8], headers: &Headers) {
    let transport = usize::from(headers.header_length);
    let of = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let length = bytes.len();
    match headers.family {
        Family::Ipv4 => {
            put(bytes, 2, &of(length));
            put(bytes, 10, &[0, 0]);
            let header = bytes.get(..transport).unwrap_or_default();
            let options = array_at::<{ ipv4::HEADER_LENGTH }>(header, 0)
                .and_then(|fixed| header.get(..usize::from(fixed[0] & 0x0f) * 4));
            let checksum = Sum::new().add_bytes(options.unwrap_or(header)).checksum();
            put(bytes, 10, &checksum.to_be_bytes());
        }
        Family::Ipv6 => put(bytes, 4, &of(length.saturating_sub(ipv6::HEADER_LENGTH))),
    }
    if let L4::Udp(_) = headers.l4 {
        put(bytes, transport + 4, &of(length.saturating_sub(transport)));
    }
}

/// The checksum of the transport header.
fn set_checksum(bytes: &mut [u8], headers: &Headers) {
    let transport = usize::from(headers.header_length);
    let at = match headers.proto {
        L4Proto::TCP => transport + 16,
        L4Proto::UDP if array_at::<2>(bytes, transport + 6) != Some(&[0, 0]) => transport + 6,
        _ => return,
    };
    put(bytes, at, &[0, 0]);
    let covered = headers.transport(bytes);
    let checksum = headers.pseudo_sum(covered).add_bytes(covered).checksum();
    // Zero says that there is none; for Linux in either protocol.
    let checksum = if checksum == 0 { 0xffff } else { checksum };
    put(bytes, at, &checksum.to_be_bytes());
}

/// The UDP checksum after the payload was `old`; one of zero stays.
fn update_checksum(bytes: &mut [u8], headers: &Headers, old: &[u8]) {
    let at = usize::from(headers.header_length) + 6;
    let L4::Udp(_) = headers.l4 else { return };
    let Some(checksum) = array_at::<2>(bytes, at).map(|sum| u16::from_be_bytes(*sum)) else {
        return;
    };
    if checksum != 0 {
        let new = bytes.get(bytes.len() - old.len()..).unwrap_or_default();
        let checksum = update(checksum, old, new);
        put(bytes, at, &checksum.to_be_bytes());
    }
}

/// Moves the sequence number of a TCP segment by `seq`, and what it acknowledges, SACK blocks
/// included, to what `ack` makes of it. False when its options are malformed.
pub fn move_numbers(
    bytes: &mut [u8],
    headers: &Headers,
    seq: u32,
    ack: impl Fn(u32) -> u32,
) -> bool {
    let L4::Tcp(tcp) = headers.l4 else { return true };
    let length = bytes.len().min(headers.total_length as usize);
    let Some(segment) = bytes.get_mut(usize::from(headers.header_length)..length) else {
        return false;
    };
    replace(segment, 4, tcp.seq.wrapping_add(seq));
    replace(segment, 8, ack(tcp.ack));
    let mut at = Tcp::LENGTH;
    let end = usize::from(tcp.data_offset);
    while at < end {
        let rest = segment.get(at..end).unwrap_or_default();
        let length = match rest {
            [0, ..] => return true,
            [1, ..] => 1,
            [_, length, ..] if (2..=rest.len()).contains(&usize::from(*length)) => {
                usize::from(*length)
            }
            _ => return false,
        };
        if rest.first() == Some(&5) && length >= 10 && (length - 2) % 8 == 0 {
            for edge in (at + 2..at + length).step_by(4) {
                let old = array_at::<4>(segment, edge).map(|edge| u32::from_be_bytes(*edge));
                replace(segment, edge, ack(old.unwrap_or_default()));
            }
        }
        at += length;
    }
    true
}

/// Puts a number into a TCP header, and brings the checksum up to date.
fn replace(segment: &mut [u8], at: usize, number: u32) {
    // The checksum counts in words of two bytes.
    let words = at & !1..(at + 5) & !1;
    let Some(old) = segment.get(words.clone()) else { return };
    let mut buffer = [0; 6];
    let Some(old) = buffer.get_mut(..words.len()).map(|copy| {
        copy.copy_from_slice(old);
        &*copy
    }) else {
        return;
    };
    let Some(checksum) = array_at::<2>(segment, 16).map(|sum| u16::from_be_bytes(*sum)) else {
        return;
    };
    put(segment, at, &number.to_be_bytes());
    let new = segment.get(words).unwrap_or_default();
    let checksum = update(checksum, old, new);
    put(segment, 16, &checksum.to_be_bytes());
}
