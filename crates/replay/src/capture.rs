//! Captures, read: formats and compression told by their first bytes, streamed, in memory that
//! does not depend on the file.

mod compressed;
mod damage;
mod pcap;
mod pcapng;
mod window;

pub use damage::{Damage, DamageKind, PACKET_BYTES_MAX};

use damage::{Fault, KEPT_MAX};
use kinwall_terms::{InterfaceName, Time};
use kinwall_wire::link::LinkType;
use std::io::Read;
use window::Window;

/// An interface as a capture describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Number of its link type (`LINKTYPE_`).
    pub link_number: u32,
    /// Its link type, when packets of it are read.
    pub link_type: Option<LinkType>,
    /// Its name, as written.
    pub name: Option<String>,
    /// Its name, when a rule could have it.
    pub interface: Option<InterfaceName>,
    /// The most bytes that were kept of a packet; 0 for no limit.
    pub snap_length: u32,
    /// Whether its timestamps are finer than microseconds.
    pub fine_time: bool,
}

impl Described {
    fn new(link_number: u32, name: Option<String>, snap_length: u32, fine_time: bool) -> Described {
        Described {
            link_number,
            link_type: LinkType::from_number(link_number),
            interface: name.as_deref().and_then(pcapng::interface_name),
            name,
            snap_length,
            fine_time,
        }
    }
}

/// Where a packet lies in the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) time: Time,
    /// Number in the list of interfaces.
    pub(crate) interface: u32,
    pub(crate) original_length: u32,
    /// Bytes before the packet.
    head: usize,
    /// Bytes of the packet.
    captured: usize,
    /// Bytes of the whole record that are ahead.
    length: usize,
    /// Further bytes of the record.
    skip: u64,
}

enum Format {
    Pcap(pcap::Pcap),
    Pcapng(pcapng::Pcapng),
}

/// A stream that is no capture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotACapture {
    #[error("it is empty")]
    Empty,
    #[error("{}", foreign(.0))]
    Magic([u8; 4]),
    #[error("{0}")]
    Read(#[from] std::io::Error),
}

/// Beginnings of other files that people have, what they are and what to do.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\xfd7zX", "it is compressed with xz: decompress it first, `xz -dc FILE | kinwall ... -`"),
    (b"BZh", "it is compressed with bzip2: decompress it first, `bzip2 -dc FILE | kinwall ... -`"),
    (b"\x04\x22\x4d\x18", "it is compressed with lz4: decompress it first, `lz4 -dc FILE | ...`"),
    (b"PK\x03\x04", "it is a zip archive: unpack it first"),
    (b"snoo", "it is a snoop capture: `editcap -F pcapng` converts it"),
    (b"GMBU", "it is a capture of Network Monitor: `editcap -F pcapng` converts it"),
    (b"TRSN", "it is a capture of Sniffer: `editcap -F pcapng` converts it"),
];

/// What a file with this beginning is, if it is no capture.
fn foreign(magic: &[u8; 4]) -> String {
    let known = FOREIGN.iter().find(|(beginning, _)| magic.starts_with(beginning));
    match known {
        Some((_, what)) => (*what).to_owned(),
        None if magic.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')) => {
            "it is text: rules are given with --rules, a topology with --topology".to_owned()
        }
        None => {
            format!("it is no pcap or pcapng capture: it begins with {}", hexadecimal(magic))
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// One capture.
pub(crate) struct Reader {
    window: Window,
    format: Format,
    interfaces: Vec<Described>,
    /// The packet that is ahead, once it has been asked for.
    current: Option<Record>,
    /// How many packets were read.
    packets: u64,
    ended: bool,
    damages: Vec<(u64, Fault, bool)>,
    damage_count: u64,
}

impl Reader {
    pub(crate) fn open(stream: Box<dyn Read + Send>) -> Result<Reader, NotACapture> {
        let mut window = compressed::decompress(stream)?;
        let bytes = window.need(4)?;
        let Some(&magic) = bytes.first_chunk::<4>() else {
            let [a, b, c] = [0, 1, 2].map(|at| bytes.get(at).copied().unwrap_or(0));
            let empty = bytes.is_empty();
            return Err(if empty { NotACapture::Empty } else { NotACapture::Magic([a, b, c, 0]) });
        };
        let mut reader = Reader {
            window,
            format: Format::Pcapng(pcapng::Pcapng::default()),
            interfaces: Vec::new(),
            current: None,
            packets: 0,
            ended: false,
            damages: Vec::new(),
            damage_count: 0,
        };
        if pcap::recognises(magic) {
            match pcap::Pcap::open(&mut reader.window) {
                Ok((format, described)) => {
                    reader.format = Format::Pcap(format);
                    reader.interfaces.push(described);
                }
                Err(fault) => reader.end(fault),
            }
        } else if magic != pcapng::MAGIC {
            return Err(NotACapture::Magic(magic));
        }
        Ok(reader)
    }

    /// Moves on to the next packet; `false` at the end.
    #[inline]
    pub(crate) fn advance(&mut self) -> bool {
        if let Some(record) = self.current.take() {
            self.window.consume(record.length);
            if record.skip > 0 {
                self.skip_rest(record);
            }
        }
        if self.ended {
            return false;
        }
        let next = match &mut self.format {
            Format::Pcap(format) => format.next(&mut self.window),
            Format::Pcapng(format) => {
                let mut faults = Vec::new();
                let next = format.next(&mut self.window, &mut self.interfaces, &mut faults);
                faults.into_iter().for_each(|fault| self.damaged(fault, false));
                next
            }
        };
        match next {
            Ok(Some(record)) => {
                self.packets += 1;
                self.current = Some(record);
                true
            }
            Ok(None) => {
                self.ended = true;
                false
            }
            Err(fault) => {
                self.end(fault);
                false
            }
        }
    }

    /// The packet that [`Reader::advance`] moved to.
    #[inline]
    pub(crate) fn current(&self) -> Option<&Record> {
        self.current.as_ref()
    }

    /// The bytes of that packet.
    #[inline]
    pub(crate) fn bytes(&self, record: &Record) -> Option<&[u8]> {
        self.window.ahead().get(record.head..record.head + record.captured)
    }

    /// Whether the packet behind the current one was read as a whole already: in a pcap.
    pub(crate) fn is_at_hand(&self) -> bool {
        let Format::Pcap(format) = &self.format else { return false };
        let done = self.current.as_ref().map_or(0, |record| record.length);
        self.window.ahead().get(done..).is_some_and(|ahead| format.is_whole(ahead))
    }

    /// The interface of a packet.
    #[inline]
    pub(crate) fn described(&self, record: &Record) -> Option<&Described> {
        self.interfaces.get(record.interface as usize)
    }

    pub(crate) fn interfaces(&self) -> &[Described] {
        &self.interfaces
    }

    /// Whether timestamps may be finer than microseconds: always in a pcapng, where an
    /// interface may still be described after many packets.
    pub(crate) fn fine_time(&self) -> bool {
        match self.format {
            Format::Pcap(_) => self.interfaces.iter().any(|described| described.fine_time),
            Format::Pcapng(_) => true,
        }
    }

    /// Damage found so far, and how much there is in all: packet, fault, whether it was fatal.
    pub(crate) fn damages(&self) -> (&[(u64, Fault, bool)], u64) {
        (&self.damages, self.damage_count)
    }

    /// Damage to the packet that was read last which only others can see.
    pub(crate) fn damaged_packet(&mut self, kind: DamageKind) {
        let fault = Fault::new(self.window.offset(), kind);
        self.packets -= 1;
        self.damaged(fault, false);
        self.packets += 1;
    }

    #[cold]
    fn skip_rest(&mut self, record: Record) {
        let offset = self.window.offset();
        match self.window.skip(record.skip) {
            Ok(found) if found == record.skip => {}
            Ok(found) => {
                let whole = record.length as u64;
                let kind =
                    DamageKind::CutPacket { wanted: whole + record.skip, found: whole + found };
                self.end(Fault::new(offset, kind));
            }
            Err(error) => self.end(Fault::new(offset, DamageKind::Read(error.to_string()))),
        }
    }

    #[cold]
    fn end(&mut self, fault: Fault) {
        self.ended = true;
        self.damaged(fault, true);
    }

    #[cold]
    fn damaged(&mut self, fault: Fault, fatal: bool) {
        self.damage_count += 1;
        if self.damages.len() < KEPT_MAX || fatal {
            self.damages.push((self.packets + 1, fault, fatal));
        }
    }
}
