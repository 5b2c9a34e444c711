//! Classic captures: a file header, then one record a packet.

use super::damage::{DamageKind, Fault, PACKET_BYTES_MAX};
use super::{Described, Record};
use crate::capture::window::Window;
use kinwall_terms::Time;

/// Bytes of the file header.
const HEADER_BYTES: usize = 24;

/// How the records of a file are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pcap {
    big_endian: bool,
    /// Nanoseconds in a unit of the second timestamp word.
    fraction_ns: u64,
    /// 16, or 24 in the format of Alexey Kuznetzov's patched libpcap.
    record_header: usize,
}

/// Whether a file that begins like this is a classic capture.
pub(crate) fn recognises(magic: [u8; 4]) -> bool {
    layout(u32::from_le_bytes(magic)).or(layout(u32::from_be_bytes(magic))).is_some()
}

/// Fraction and record header of the formats, by magic number.
fn layout(magic: u32) -> Option<(u64, usize)> {
    match magic {
        0xa1b2_c3d4 => Some((1000, 16)),
        0xa1b2_3c4d => Some((1, 16)),
        0xa1b2_cd34 => Some((1000, 24)),
        _ => None,
    }
}

impl Pcap {
    /// Reads the file header: the reader and the one interface.
    pub(crate) fn open(window: &mut Window) -> Result<(Pcap, Described), Fault> {
        let offset = window.offset();
        let read = |error: std::io::Error| Fault::new(offset, DamageKind::Read(error.to_string()));
        let bytes = window.need(HEADER_BYTES).map_err(read)?;
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Fault::new(offset, DamageKind::CutHeader(bytes.len() as u64)));
        };
        let [m0, m1, m2, m3, ..] = *header;
        let magic = [m0, m1, m2, m3];
        let big_endian = layout(u32::from_be_bytes(magic)).is_some();
        let found = layout(word(big_endian, magic));
        let Some((fraction_ns, record_header)) = found else {
            return Err(Fault::new(offset, DamageKind::Block("the file header")));
        };
        let [.., s0, s1, s2, s3, l0, l1, l2, l3] = *header;
        // The upper bits tell of a frame check sequence, which every packet's own length ends.
        let link = word(big_endian, [l0, l1, l2, l3]) & 0x03ff_ffff;
        let snap_length = word(big_endian, [s0, s1, s2, s3]);
        window.consume(HEADER_BYTES);
        let described = Described::new(link, None, snap_length, fraction_ns == 1);
        Ok((Pcap { big_endian, fraction_ns, record_header }, described))
    }

    /// The next packet, whose bytes are ahead in the window; `None` at the end.
    #[inline]
    pub(crate) fn next(&self, window: &mut Window) -> Result<Option<Record>, Fault> {
        let bytes = match window.need(self.record_header) {
            Ok(bytes) => bytes,
            Err(error) => return Err(failed(window, error)),
        };
        let header = bytes.first_chunk::<16>().filter(|_| bytes.len() >= self.record_header);
        let Some(&[s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, o0, o1, o2, o3]) = header else {
            let found = bytes.len() as u64;
            let wanted = self.record_header as u64;
            let cut = Fault::new(window.offset(), DamageKind::CutPacket { wanted, found });
            return if found == 0 { Ok(None) } else { Err(cut) };
        };
        let word = |bytes| word(self.big_endian, bytes);
        let captured = word([c0, c1, c2, c3]);
        if captured > PACKET_BYTES_MAX {
            return Err(Fault::new(window.offset(), DamageKind::AbsurdLength(captured)));
        }
        let fraction = u64::from(word([f0, f1, f2, f3])) * self.fraction_ns;
        let time = Time(u64::from(word([s0, s1, s2, s3])) * 1_000_000_000 + fraction);
        let original_length = word([o0, o1, o2, o3]);
        let length = self.record_header + captured as usize;
        if bytes.len() < length {
            let found = match window.need(length) {
                Ok(bytes) => bytes.len(),
                Err(error) => return Err(failed(window, error)),
            };
            if found < length {
                let (wanted, found) = (length as u64, found as u64);
                let kind = DamageKind::CutPacket { wanted, found };
                return Err(Fault::new(window.offset(), kind));
            }
        }
        Ok(Some(Record {
            time,
            interface: 0,
            original_length,
            head: self.record_header,
            captured: captured as usize,
            length,
            skip: 0,
        }))
    }
}

impl Pcap {
    /// Whether `bytes`, which begin at a record, hold all of it.
    pub(crate) fn is_whole(&self, bytes: &[u8]) -> bool {
        let captured = bytes.get(8..).and_then(<[u8]>::first_chunk);
        captured.is_some_and(|captured| {
            let captured = word(self.big_endian, *captured) as usize;
            bytes.len().checked_sub(self.record_header).is_some_and(|there| there >= captured)
        })
    }
}

#[cold]
fn failed(window: &Window, error: std::io::Error) -> Fault {
    Fault::new(window.offset(), DamageKind::Read(error.to_string()))
}

#[inline]
fn word(big_endian: bool, bytes: [u8; 4]) -> u32 {
    if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}
