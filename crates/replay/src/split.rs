//! Accepted and other packets, kept in two captures. Fragments share the fate of their
//! datagram, which is known only when the last of them has come: until then they are held.

use crate::source::Frame;
use crate::write::{WriteError, Writer};
use kinwall_terms::{InterfaceName, Time, Verdict};
use kinwall_wire::emit;
use kinwall_wire::link::{self, LinkType};
use kinwall_wire::{Fragment, Headers};
use std::collections::HashMap;
use std::net::IpAddr;

/// Writes each packet where its verdict says.
#[derive(Debug, Default)]
pub struct Split {
    accepted: Option<Writer>,
    others: Option<Writer>,
    held: HashMap<Datagram, Vec<Held>>,
    /// Memory of the held fragments.
    held_bytes: usize,
}

/// What fragments of one datagram have in common.
type Datagram = (IpAddr, IpAddr, u8, u32);

/// A fragment that waits, with everything of its frame.
#[derive(Debug)]
struct Held {
    number: u64,
    time: Time,
    capture: usize,
    described: u32,
    interface: Option<InterfaceName>,
    link_type: Option<LinkType>,
    link_number: u32,
    bytes: Vec<u8>,
    original_length: u32,
}

/// Memory for held fragments at most; beyond it all of them count as not accepted.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Split {
    /// Accepted packets to one capture, all others to another; each may be absent.
    pub fn new(accepted: Option<Writer>, others: Option<Writer>) -> Split {
        Split { accepted, others, held: HashMap::new(), held_bytes: 0 }
    }

    /// Whether any packet is written.
    #[inline]
    pub fn keeps_any(&self) -> bool {
        self.accepted.is_some() || self.others.is_some()
    }

    /// Writes a packet, or holds it when its verdict is [`Verdict::Consume`]: as it came, or an
    /// accepted one as it leaves, where that is given (from its network header on). Of a datagram
    /// that came in fragments it is the whole, and is cut anew.
    ///
    /// # Errors
    ///
    /// Whatever writing meets.
    pub fn write(
        &mut self,
        frame: &Frame<'_>,
        verdict: Verdict,
        left: Option<&[u8]>,
    ) -> Result<(), WriteError> {
        if !self.keeps_any() {
            return Ok(());
        }
        let datagram = datagram(frame);
        if verdict == Verdict::Consume
            && let Some(datagram) = datagram
        {
            self.held_bytes += held_bytes(frame.bytes);
            self.held.entry(datagram).or_default().push(Held::new(frame));
            return if self.held_bytes > HELD_BYTES_MAX { self.give_up() } else { Ok(()) };
        }
        let accepted = verdict == Verdict::Accept;
        if let Some(left) = left.filter(|_| accepted) {
            return self.write_left(frame, datagram, left);
        }
        if let Some(datagram) = datagram {
            self.release(datagram, accepted)?;
        }
        self.put(frame, accepted)
    }

    /// Writes a packet as it leaves, behind the link header with which it came.
    fn write_left(
        &mut self,
        frame: &Frame<'_>,
        datagram: Option<Datagram>,
        left: &[u8],
    ) -> Result<(), WriteError> {
        let link = frame.link_type.and_then(|link_type| link::strip(link_type, frame.bytes).ok());
        let start = link.map_or(0, |link| link.offset);
        let header = frame.bytes.get(..start).unwrap_or_default();
        let came = frame.bytes.len() - header.len();
        let Some(datagram) = datagram else {
            // What the capture did not keep of it is not known now either.
            let cut = (frame.original_length as usize).saturating_sub(frame.bytes.len());
            let kept = if cut > 0 { left.get(..came).unwrap_or(left) } else { left };
            return self.write_behind(header, frame, kept, kept.len() + cut);
        };
        let (.., id) = datagram;
        let unit = self.forget(datagram).max(carried(frame));
        let pieces = emit::fragment(left, u16::try_from(unit).unwrap_or(u16::MAX), id);
        for piece in pieces.unwrap_or_default() {
            self.write_behind(header, frame, &piece, piece.len())?;
        }
        Ok(())
    }

    /// Writes an accepted packet of which `packet` is known, and which has `length` bytes.
    fn write_behind(
        &mut self,
        header: &[u8],
        frame: &Frame<'_>,
        packet: &[u8],
        length: usize,
    ) -> Result<(), WriteError> {
        let bytes = [header, packet].concat();
        let original_length = (header.len() + length) as u32;
        self.put(&Frame { bytes: &bytes, original_length, ..*frame }, true)
    }

    /// Forgets what was held of a datagram; the bytes that its longest fragment carried.
    fn forget(&mut self, datagram: Datagram) -> usize {
        let held = self.held.remove(&datagram).unwrap_or_default();
        self.held_bytes -= held.iter().map(|held| held_bytes(&held.bytes)).sum::<usize>();
        held.iter().map(|held| carried(&held.frame())).max().unwrap_or(0)
    }

    /// Ends both captures. Fragments whose datagram was never whole were not accepted.
    ///
    /// # Errors
    ///
    /// Whatever writing meets.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.give_up()?;
        for writer in [self.accepted, self.others].into_iter().flatten() {
            writer.finish()?;
        }
        Ok(())
    }

    /// Writes what was held of a datagram.
    fn release(&mut self, datagram: Datagram, accepted: bool) -> Result<(), WriteError> {
        for held in self.held.remove(&datagram).unwrap_or_default() {
            self.held_bytes -= held_bytes(&held.bytes);
            self.put(&held.frame(), accepted)?;
        }
        Ok(())
    }

    /// Writes everything that is held as not accepted, in its order.
    fn give_up(&mut self) -> Result<(), WriteError> {
        let mut held: Vec<Held> = self.held.drain().flat_map(|(_, held)| held).collect();
        held.sort_by_key(|held| held.number);
        self.held_bytes = 0;
        held.iter().try_for_each(|held| self.put(&held.frame(), false))
    }

    fn put(&mut self, frame: &Frame<'_>, accepted: bool) -> Result<(), WriteError> {
        let to = if accepted { &mut self.accepted } else { &mut self.others };
        to.as_mut().map_or(Ok(()), |writer| writer.write(frame))
    }
}

impl Held {
    fn new(frame: &Frame<'_>) -> Held {
        let Frame { number, time, capture, described, interface, .. } = *frame;
        let Frame { link_type, link_number, bytes, original_length, .. } = *frame;
        let bytes = bytes.to_vec();
        Held {
            number,
            time,
            capture,
            described,
            interface,
            link_type,
            link_number,
            bytes,
            original_length,
        }
    }

    fn frame(&self) -> Frame<'_> {
        Frame {
            number: self.number,
            time: self.time,
            capture: self.capture,
            described: self.described,
            interface: self.interface,
            link_type: self.link_type,
            link_number: self.link_number,
            bytes: &self.bytes,
            original_length: self.original_length,
        }
    }
}

/// The memory of a held fragment.
fn held_bytes(bytes: &[u8]) -> usize {
    size_of::<Held>() + bytes.len()
}

/// Bytes behind the headers of the packet in a frame.
fn carried(frame: &Frame<'_>) -> usize {
    let link = frame.link_type.and_then(|link_type| link::strip(link_type, frame.bytes).ok());
    let network = link.map_or(frame.bytes, |link| link.network(frame.bytes));
    Headers::parse(network).map_or(0, |headers| headers.transport(network).len())
}

/// The datagram that the frame holds a fragment of.
fn datagram(frame: &Frame<'_>) -> Option<Datagram> {
    let link = link::strip(frame.link_type?, frame.bytes).ok()?;
    let headers = Headers::parse(link.network(frame.bytes)).ok()?;
    let Fragment { id, .. } = headers.fragment?;
    // IPv6 tells datagrams apart by addresses and id alone.
    let proto = if headers.src.is_ipv4() { headers.proto.0 } else { 0 };
    Some((headers.src, headers.dst, proto, id))
}
