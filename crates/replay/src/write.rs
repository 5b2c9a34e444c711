//! Captures, written: packets as they were captured, link headers and times included.

use crate::Frame;
use kinwall_terms::Time;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A capture that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file cannot be made or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A pcap holds packets of one link type only.
    #[error(
        "{}: a pcap holds packets of one link type, and these have types {first} and {second}; \
         give a name that ends in .pcapng",
        .path.display()
    )]
    LinkTypes {
        /// The file.
        path: PathBuf,
        /// Link type of the packets before.
        first: u32,
        /// Link type of this packet.
        second: u32,
    },
    /// The packet is from before 1970 or after 2106.
    #[error("{}: a pcap cannot hold the time of packet {packet}", .path.display())]
    Time {
        /// The file.
        path: PathBuf,
        /// Number of the packet.
        packet: u64,
    },
}

/// Writes a capture: pcap, or pcapng when the name ends in `.pcapng`. Until
/// [`Writer::finish`] is called the file has another name beside its own, and is removed when
/// that does not happen.
#[derive(Debug)]
pub struct Writer {
    /// Where it will be.
    path: PathBuf,
    /// Where it is until then; `None` when it is written in place, as devices and pipes are.
    partial: Option<PathBuf>,
    to: BufWriter<File>,
    format: Format,
    finished: bool,
    packets: u64,
}

#[derive(Debug)]
enum Format {
    /// The link type, once a packet has told it.
    Pcap { fine_time: bool, link: Option<u32> },
    /// The interfaces described so far: capture, its number there, link type.
    Pcapng { interfaces: Vec<(usize, u32)> },
}

/// The longest packet that will be written, told to readers.
const SNAP_LENGTH: u32 = 262_144;

impl Writer {
    /// A capture at `path`. With `fine_time` a pcap counts nanoseconds, otherwise microseconds.
    pub fn create(path: &Path, fine_time: bool) -> Result<Writer, WriteError> {
        let in_place = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let partial = (!in_place).then(|| {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".{}.partial", std::process::id()));
            path.with_file_name(name)
        });
        let file = File::create(partial.as_deref().unwrap_or(path));
        let file = file.map_err(|error| WriteError::Io { path: path.to_owned(), error })?;
        let pcapng = path.extension().is_some_and(|extension| extension == "pcapng");
        let format = if pcapng {
            Format::Pcapng { interfaces: Vec::new() }
        } else {
            Format::Pcap { fine_time, link: None }
        };
        let to = BufWriter::with_capacity(256 * 1024, file);
        let path = path.to_owned();
        let mut writer = Writer { path, partial, to, format, finished: false, packets: 0 };
        if pcapng {
            writer.block(SECTION_HEADER, &section_header())?;
        }
        Ok(writer)
    }

    /// Writes a packet.
    pub fn write(&mut self, frame: &Frame<'_>) -> Result<(), WriteError> {
        match &mut self.format {
            Format::Pcap { fine_time, link } => {
                let fine_time = *fine_time;
                let known = *link;
                match known {
                    Some(first) if first != frame.link_number => {
                        let (path, second) = (self.path.clone(), frame.link_number);
                        return Err(WriteError::LinkTypes { path, first, second });
                    }
                    Some(_) => {}
                    None => {
                        *link = Some(frame.link_number);
                        self.put(&pcap_header(fine_time, frame.link_number))?;
                    }
                }
                let Some(header) = record_header(frame, fine_time) else {
                    let (path, packet) = (self.path.clone(), frame.number);
                    return Err(WriteError::Time { path, packet });
                };
                self.put(&header)?;
                self.put(frame.bytes)?;
            }
            Format::Pcapng { interfaces } => {
                let key = (frame.capture, frame.described);
                let known = interfaces.iter().position(|known| *known == key);
                let number = known.unwrap_or_else(|| {
                    interfaces.push(key);
                    interfaces.len() - 1
                });
                if known.is_none() {
                    self.block(INTERFACE_DESCRIPTION, &description(frame))?;
                }
                self.packet_block(u32::try_from(number).unwrap_or(u32::MAX), frame)?;
            }
        }
        self.packets += 1;
        Ok(())
    }

    /// How many packets were written.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Ends the file and gives it its name. A pcap without packets is one of Ethernet.
    pub fn finish(mut self) -> Result<(), WriteError> {
        if let Format::Pcap { fine_time, link: None } = self.format {
            self.put(&pcap_header(fine_time, 1))?;
        }
        let written = self.to.flush();
        let named = written.and_then(|()| match &self.partial {
            Some(partial) => fs::rename(partial, &self.path),
            None => Ok(()),
        });
        self.finished = named.is_ok();
        named.map_err(|error| WriteError::Io { path: self.path.clone(), error })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = self.to.write_all(bytes);
        written.map_err(|error| WriteError::Io { path: self.path.clone(), error })
    }

    /// A pcapng block; `body` is a multiple of four bytes long.
    fn block(&mut self, kind: u32, body: &[u8]) -> Result<(), WriteError> {
        let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
        self.put(&kind.to_le_bytes())?;
        self.put(&length)?;
        self.put(body)?;
        self.put(&length)
    }

    /// An enhanced packet block, without a copy of the packet.
    fn packet_block(&mut self, interface: u32, frame: &Frame<'_>) -> Result<(), WriteError> {
        let captured = frame.bytes.len();
        let padding = captured.next_multiple_of(4) - captured;
        let length = u32::try_from(32 + captured + padding).unwrap_or(u32::MAX);
        let captured = u32::try_from(captured).unwrap_or(u32::MAX);
        let Time(ns) = frame.time;
        let (high, low) = ((ns >> 32) as u32, ns as u32);
        let words =
            [ENHANCED_PACKET, length, interface, high, low, captured, frame.original_length];
        for word in words {
            self.put(&word.to_le_bytes())?;
        }
        self.put(frame.bytes)?;
        self.put([0; 3].get(..padding).unwrap_or_default())?;
        self.put(&length.to_le_bytes())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let (false, Some(partial)) = (self.finished, &self.partial) {
            // Nobody is left to be told that it stays.
            let _ = fs::remove_file(partial);
        }
    }
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// The file header of a pcap, version 2.4.
fn pcap_header(fine_time: bool, link: u32) -> Vec<u8> {
    let magic: u32 = if fine_time { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let words = [magic, 4 << 16 | 2, 0, 0, SNAP_LENGTH, link];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// The record header of a packet; `None` when its seconds do not fit.
fn record_header(frame: &Frame<'_>, fine_time: bool) -> Option<[u8; 16]> {
    let Time(ns) = frame.time;
    let seconds = u32::try_from(ns / 1_000_000_000).ok()?;
    let fraction = (ns % 1_000_000_000) as u32 / if fine_time { 1 } else { 1000 };
    let captured = u32::try_from(frame.bytes.len()).ok()?;
    let mut header = [0; 16];
    let words = [seconds, fraction, captured, frame.original_length];
    for (to, word) in header.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    Some(header)
}

/// Version 1.0, of unknown length.
fn section_header() -> Vec<u8> {
    let words: [u32; 4] = [0x1a2b_3c4d, 1, u32::MAX, u32::MAX];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Link type, limit, the name where there is one, and nanoseconds.
fn description(frame: &Frame<'_>) -> Vec<u8> {
    let mut body: Vec<u8> =
        [frame.link_number & 0xffff, SNAP_LENGTH].into_iter().flat_map(u32::to_le_bytes).collect();
    if let Some(name) = frame.interface {
        let name = name.as_str().as_bytes();
        body.extend(2u16.to_le_bytes());
        body.extend(u16::try_from(name.len()).unwrap_or(0).to_le_bytes());
        body.extend(name);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    body.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    body
}
