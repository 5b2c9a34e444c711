//! pcapng captures (draft-ietf-opsawg-pcapng): sections of blocks, several interfaces.
//!
//! Of the blocks only section headers, interface descriptions and packets are read; all others
//! are passed over, whatever their length, without being held in memory.

use super::damage::{DamageKind, Fault, PACKET_BYTES_MAX};
use super::window::{LOOK_AHEAD_BYTES_MAX, Window};
use super::{Described, Record};
use kinwall_terms::{InterfaceName, Time};

/// Interfaces of one section at most.
const INTERFACES_MAX: usize = 65_536;

/// The first bytes of every pcapng file.
pub(crate) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
/// The packet block of the first drafts.
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Options of an interface description.
const END_OF_OPTIONS: u16 = 0;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// The shortest block: type, length, length.
const BLOCK_BYTES_MIN: u32 = 12;

/// The state of the current section.
#[derive(Debug, Default)]
pub(crate) struct Pcapng {
    big_endian: bool,
    /// Timestamp units of the interfaces of this section, and their places in the capture's
    /// list of interfaces.
    clocks: Vec<Clock>,
    /// Packets without a timestamp are given that of the packet before them.
    last: Time,
}

/// How an interface counts time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Number in the capture's list.
    interface: u32,
    snap_length: u32,
    unit: Unit,
    /// Seconds to add.
    offset_s: i64,
}

/// What is read of an interface description.
struct Description<'b> {
    link: u32,
    snap_length: u32,
    name: Option<&'b [u8]>,
    resolution: u8,
    offset_s: i64,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    /// This many nanoseconds each.
    Nanoseconds(u64),
    /// This many in a second.
    PerSecond(u64),
}

impl Pcapng {
    /// The next packet, whose bytes are ahead in the window; `None` at the end. Interfaces
    /// are added to `interfaces` as they are met, and damage that leaves the next block
    /// readable to `faults`.
    pub(crate) fn next(
        &mut self,
        window: &mut Window,
        interfaces: &mut Vec<Described>,
        faults: &mut Vec<Fault>,
    ) -> Result<Option<Record>, Fault> {
        loop {
            let offset = window.offset();
            let failed =
                |error: std::io::Error| Fault::new(offset, DamageKind::Read(error.to_string()));
            // The longest fixed part of a packet block, and the byte order of a section.
            let bytes = window.need(28).map_err(failed)?;
            let Some(&[t0, t1, t2, t3, l0, l1, l2, l3]) = bytes.first_chunk() else {
                let found = bytes.len() as u64;
                let cut = DamageKind::CutPacket { wanted: BLOCK_BYTES_MIN.into(), found };
                return if found == 0 { Ok(None) } else { Err(Fault::new(offset, cut)) };
            };
            if [t0, t1, t2, t3] == MAGIC {
                self.section(bytes.get(8..12), offset)?;
            }
            let length = self.word([l0, l1, l2, l3]);
            if length < BLOCK_BYTES_MIN || !length.is_multiple_of(4) {
                return Err(Fault::new(offset, DamageKind::BlockLength(length)));
            }
            match self.word([t0, t1, t2, t3]) {
                SECTION_HEADER => {}
                INTERFACE_DESCRIPTION => {
                    self.interface(window, length, interfaces, faults)?;
                }
                kind @ (ENHANCED_PACKET | OLD_PACKET | SIMPLE_PACKET) => {
                    match self.packet(window, kind, length) {
                        Ok(Some(record)) => return Ok(Some(record)),
                        Ok(None) => {}
                        Err((fault, true)) => return Err(fault),
                        Err((fault, false)) => faults.push(fault),
                    }
                }
                _ => {}
            }
            pass(window, length)?;
        }
    }

    /// A new section: its byte order, and no interfaces yet.
    fn section(&mut self, magic: Option<&[u8]>, offset: u64) -> Result<(), Fault> {
        self.big_endian = match magic {
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
            Some(_) => return Err(Fault::new(offset, DamageKind::Block("the section header"))),
            None => return Err(Fault::new(offset, DamageKind::CutHeader(8))),
        };
        self.clocks.clear();
        Ok(())
    }

    fn interface(
        &mut self,
        window: &mut Window,
        length: u32,
        interfaces: &mut Vec<Described>,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        let offset = window.offset();
        if length as usize > LOOK_AHEAD_BYTES_MAX {
            return Err(Fault::new(offset, DamageKind::HeaderBlock(length)));
        }
        if interfaces.len() >= INTERFACES_MAX {
            return Err(Fault::new(offset, DamageKind::Interfaces(INTERFACES_MAX)));
        }
        let bytes = window
            .need(length as usize)
            .map_err(|error| Fault::new(offset, DamageKind::Read(error.to_string())))?;
        let Some(block) = bytes.get(..length as usize) else {
            return Ok(()); // Cut; passing over the block says so.
        };
        let number = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
        // An interface that cannot be read is kept, so that the numbers of the others hold.
        let mut described = Described::new(u32::MAX, None, 0, false);
        let mut clock =
            Clock { interface: number, snap_length: 0, unit: Unit::new(1_000_000), offset_s: 0 };
        match self.description(block) {
            Some(read) => {
                let name = read.name.map(|name| String::from_utf8_lossy(name).into_owned());
                let per_second = ticks_per_second(read.resolution);
                let fine = per_second.is_none_or(|per_second| per_second > 1_000_000);
                described = Described::new(read.link, name, read.snap_length, fine);
                (clock.snap_length, clock.offset_s) = (read.snap_length, read.offset_s);
                match per_second {
                    Some(per_second) => clock.unit = Unit::new(per_second),
                    None => {
                        let kind = DamageKind::Block("the timestamp unit of an interface");
                        faults.push(Fault::new(offset, kind));
                    }
                }
            }
            None => {
                let kind = DamageKind::Block("the description of an interface");
                faults.push(Fault::new(offset, kind));
            }
        }
        interfaces.push(described);
        self.clocks.push(clock);
        Ok(())
    }

    /// Reads a whole interface description block. Of options that are repeated the first
    /// counts; `None` when there is no room for what every description has, or an option ends
    /// beyond the block.
    fn description<'b>(&self, block: &'b [u8]) -> Option<Description<'b>> {
        let body = block.get(8..block.len().checked_sub(4)?)?;
        let (fixed, mut options) = body.split_at_checked(8)?;
        let &[l0, l1, _, _, s0, s1, s2, s3] = fixed.first_chunk::<8>()?;
        let mut read = Description {
            link: self.half([l0, l1]).into(),
            snap_length: self.word([s0, s1, s2, s3]),
            name: None,
            resolution: 6,
            offset_s: 0,
        };
        while let Some((&[c0, c1, n0, n1], rest)) = options.split_first_chunk::<4>() {
            let (code, length) = (self.half([c0, c1]), usize::from(self.half([n0, n1])));
            if code == END_OF_OPTIONS {
                break;
            }
            let value = rest.get(..length)?;
            match (code, value) {
                (IF_NAME, name) if read.name.is_none() => {
                    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
                    read.name = name.get(..end);
                }
                (IF_TSRESOL, &[resolution]) => read.resolution = resolution,
                (IF_TSOFFSET, value) => {
                    let bytes = *value.first_chunk::<8>()?;
                    let big_endian = self.big_endian;
                    let from = if big_endian { i64::from_be_bytes } else { i64::from_le_bytes };
                    read.offset_s = from(bytes);
                }
                _ => {}
            }
            options = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(read)
    }

    /// A packet block. `Err` says whether the block's own length can no longer be believed.
    fn packet(
        &mut self,
        window: &mut Window,
        kind: u32,
        length: u32,
    ) -> Result<Option<Record>, (Fault, bool)> {
        let offset = window.offset();
        let fault = |kind| Fault::new(offset, kind);
        let head = match kind {
            SIMPLE_PACKET => 12,
            _ => 28,
        };
        let Some(body) = (length as usize).checked_sub(head + 4) else {
            return Err((fault(DamageKind::Block("a packet block")), false));
        };
        let bytes = window.ahead();
        let Some(header) = bytes.get(8..head) else {
            return Ok(None); // Cut; passing over the block says so.
        };
        let fixed = self.fixed(kind, header);
        let (number, ticks, captured, original_length) = match fixed {
            Some(fixed) => fixed,
            None => return Err((fault(DamageKind::Block("a packet block")), false)),
        };
        let clock = self.clocks.get(number as usize);
        let Some(clock) = clock.copied() else {
            return Err((fault(DamageKind::UnknownInterface(number)), false));
        };
        // A simple packet has all that fits into its block.
        let captured = captured.unwrap_or_else(|| {
            let limit = if clock.snap_length == 0 { u32::MAX } else { clock.snap_length };
            original_length.min(limit).min(u32::try_from(body).unwrap_or(u32::MAX))
        });
        if captured > PACKET_BYTES_MAX {
            return Err((fault(DamageKind::AbsurdLength(captured)), false));
        }
        let captured = captured as usize;
        if captured > body {
            return Err((fault(DamageKind::Block("a packet longer than its block")), false));
        }
        // Options and the second length are looked at only where the whole block is ahead.
        let wanted = (length as usize).min(LOOK_AHEAD_BYTES_MAX);
        let bytes = match window.need(wanted) {
            Ok(bytes) => bytes,
            Err(error) => return Err((fault(DamageKind::Read(error.to_string())), true)),
        };
        if bytes.len() < wanted {
            let (wanted, found) = (u64::from(length), bytes.len() as u64);
            return Err((fault(DamageKind::CutPacket { wanted, found }), true));
        }
        let (length, skip) = (wanted, length as usize - wanted);
        if skip == 0
            && let Some(last) = self.last_length(bytes, length)
        {
            let first = length as u32;
            return Err((fault(DamageKind::BlockLengths { first, last }), true));
        }
        let time = ticks.map_or(self.last, |ticks| clock.time(ticks));
        self.last = time;
        let interface = clock.interface;
        Ok(Some(Record {
            time,
            interface,
            original_length,
            head,
            captured,
            length,
            skip: skip as u64,
        }))
    }

    /// The length at the end of a block, if it is not the one at its beginning.
    fn last_length(&self, bytes: &[u8], length: usize) -> Option<u32> {
        let end: &[u8; 4] = bytes.get(length - 4..length)?.first_chunk()?;
        Some(self.word(*end)).filter(|last| *last as usize != length)
    }

    /// Interface, timestamp, captured length and original length of a packet block, from what
    /// follows its type and length.
    fn fixed(&self, kind: u32, header: &[u8]) -> Option<(u32, Option<u64>, Option<u32>, u32)> {
        let word = |at: usize| Some(self.word(*header.get(at..)?.first_chunk()?));
        if kind == SIMPLE_PACKET {
            return Some((0, None, None, word(0)?));
        }
        let ticks = u64::from(word(4)?) << 32 | u64::from(word(8)?);
        // The old block has a count of lost packets in the other half of the first word.
        let interface = match kind {
            OLD_PACKET if self.big_endian => word(0)? >> 16,
            OLD_PACKET => word(0)? & 0xffff,
            _ => word(0)?,
        };
        Some((interface, Some(ticks), Some(word(12)?), word(16)?))
    }

    fn half(&self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    #[inline]
    fn word(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

impl Clock {
    fn time(self, ticks: u64) -> Time {
        let ns = match self.unit {
            Unit::Nanoseconds(each) => ticks.saturating_mul(each),
            Unit::PerSecond(per_second) => {
                let ns = u128::from(ticks) * 1_000_000_000 / u128::from(per_second.max(1));
                u64::try_from(ns).unwrap_or(u64::MAX)
            }
        };
        let offset = self.offset_s.unsigned_abs().saturating_mul(1_000_000_000);
        Time(if self.offset_s < 0 { ns.saturating_sub(offset) } else { ns.saturating_add(offset) })
    }
}

impl Unit {
    fn new(per_second: u64) -> Unit {
        match 1_000_000_000u64.checked_rem(per_second) {
            Some(0) => Unit::Nanoseconds(1_000_000_000 / per_second),
            _ => Unit::PerSecond(per_second),
        }
    }
}

/// Ticks in a second, by `if_tsresol`: a power of ten, or of two when the upper bit is set.
/// `None` when there are more than fit.
fn ticks_per_second(resolution: u8) -> Option<u64> {
    match resolution {
        0..0x80 => 10u64.checked_pow(resolution.into()),
        _ => 1u64.checked_shl(u32::from(resolution & 0x7f)),
    }
}

/// Passes over a block.
fn pass(window: &mut Window, length: u32) -> Result<(), Fault> {
    let offset = window.offset();
    let failed = |error: std::io::Error| Fault::new(offset, DamageKind::Read(error.to_string()));
    let found = window.skip(length.into()).map_err(failed)?;
    if found < u64::from(length) {
        let kind = DamageKind::CutPacket { wanted: length.into(), found };
        return Err(Fault::new(offset, kind));
    }
    Ok(())
}

/// The interface's name, when it is one: `any` is the name of none, and other systems have
/// names that no rule could use.
pub(crate) fn interface_name(name: &str) -> Option<InterfaceName> {
    InterfaceName::new(name).filter(|name| name.as_str() != "any")
}
