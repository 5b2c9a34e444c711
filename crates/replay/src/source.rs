//! Several captures as one stream of packets, ordered by time.

use crate::capture::{Damage, DamageKind, Described, NotACapture, Reader};
use kinwall_terms::{InterfaceName, Time};
use kinwall_wire::link::LinkType;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A capture to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// The interface all its packets came in by, when that was said.
    pub ingress: Option<InterfaceName>,
}

impl Input {
    /// A capture whose packets tell themselves where they came in.
    pub fn new(path: impl Into<PathBuf>) -> Input {
        Input { path: path.into(), ingress: None }
    }
}

/// A capture that cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {kind}")]
pub struct OpenError {
    /// The file, as given.
    pub file: String,
    /// Why.
    pub kind: OpenErrorKind,
}

/// Why a capture cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenErrorKind {
    /// The file cannot be opened or its beginning not be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// The file is no capture.
    #[error("{0}; captures are pcap or pcapng files, as they are or in gzip or zstd")]
    NotACapture(String),
    /// Standard input is named twice.
    #[error("standard input can be read only once")]
    Twice,
}

/// A packet of the merged stream.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the merged stream, from 1.
    pub number: u64,
    /// When it was captured.
    pub time: Time,
    /// Which of the captures it is from, from 0.
    pub capture: usize,
    /// Its number in the capture's list of interfaces.
    pub described: u32,
    /// The interface it came in by: as said for its capture, or as the capture names it.
    pub interface: Option<InterfaceName>,
    /// Its link type; `None` for one that is not read.
    pub link_type: Option<LinkType>,
    /// The number of its link type (`LINKTYPE_`).
    pub link_number: u32,
    /// Its bytes from the link header on, as many as were kept.
    pub bytes: &'a [u8],
    /// How many bytes it had on the wire.
    pub original_length: u32,
}

impl Frame<'_> {
    /// Whether the capture kept only its beginning.
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.original_length as usize
    }
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read, compressed ones as they are.
    pub read: u64,
    /// Bytes in all; `None` when one of the captures is no regular file.
    pub total: Option<u64>,
}

/// Several captures, merged by time. Packets of the same time come in the order of their
/// captures, and those of one capture in their own order even where its times go back.
pub struct Source {
    captures: Vec<Capture>,
    /// Time and number of the captures that have a packet ahead. With one capture it is not
    /// used.
    ahead: BinaryHeap<Reverse<(Time, usize)>>,
    /// Packets given.
    number: u64,
}

struct Capture {
    file: String,
    ingress: Option<InterfaceName>,
    reader: Reader,
    read: Arc<AtomicU64>,
    total: Option<u64>,
    /// Interfaces whose link type was complained about.
    unread: Vec<u32>,
}

/// Distinct interfaces of a capture whose link type is complained about, at most.
const UNREAD_KEPT_MAX: usize = 64;

impl Source {
    /// Opens the captures. Damage in their headers is left for [`Source::damages`].
    pub fn open(inputs: &[Input]) -> Result<Source, OpenError> {
        let mut captures = Vec::with_capacity(inputs.len());
        let mut stdin_used = false;
        for input in inputs {
            let file = input.path.display().to_string();
            let stdin = input.path == Path::new("-");
            if stdin && std::mem::replace(&mut stdin_used, true) {
                return Err(OpenError { file, kind: OpenErrorKind::Twice });
            }
            let opened = if stdin {
                Ok((Box::new(io::stdin()) as Box<dyn Read + Send>, None))
            } else {
                open(&input.path)
            };
            let (stream, total) =
                opened.map_err(|error| OpenError { file: file.clone(), kind: error.into() })?;
            captures.push(Capture::new(file, input.ingress, stream, total)?);
        }
        Ok(Source::of(captures))
    }

    /// The captures in `streams`, each with a name for messages.
    pub fn from_streams(
        streams: Vec<(String, Option<InterfaceName>, Box<dyn Read + Send>)>,
    ) -> Result<Source, OpenError> {
        let captures = streams
            .into_iter()
            .map(|(file, ingress, stream)| Capture::new(file, ingress, stream, None));
        Ok(Source::of(captures.collect::<Result<_, _>>()?))
    }

    fn of(captures: Vec<Capture>) -> Source {
        let mut source = Source { captures, ahead: BinaryHeap::new(), number: 0 };
        if source.captures.len() > 1 {
            for (number, capture) in source.captures.iter_mut().enumerate() {
                let time = capture.advance();
                source.ahead.extend(time.map(|time| Reverse((time, number))));
            }
        }
        source
    }

    /// The next packet; `None` at the end of all captures.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "a packet borrows the source it is in")]
    pub fn next(&mut self) -> Option<Frame<'_>> {
        let capture = match self.captures.as_mut_slice() {
            [] => return None,
            [only] => {
                if !only.reader.advance() {
                    return None;
                }
                0
            }
            _ => self.earliest()?,
        };
        self.number += 1;
        let number = self.number;
        let from = self.captures.get_mut(capture)?;
        from.frame(number, capture)
    }

    /// Whether a packet is known to come without a further read: in a single pcap.
    pub(crate) fn is_at_hand(&self) -> bool {
        match self.captures.as_slice() {
            [only] => only.reader.is_at_hand(),
            _ => false,
        }
    }

    /// Moves the capture that gave the last packet on, and finds the one to give the next.
    fn earliest(&mut self) -> Option<usize> {
        if self.number > 0 {
            let mut last = self.ahead.peek_mut()?;
            let Reverse((_, capture)) = *last;
            match self.captures.get_mut(capture).and_then(Capture::advance) {
                Some(time) => *last = Reverse((time, capture)),
                None => {
                    PeekMut::pop(last);
                }
            }
        }
        self.ahead.peek().map(|&Reverse((_, capture))| capture)
    }

    /// How far reading has come.
    pub fn progress(&self) -> Progress {
        let read = self.captures.iter().map(|capture| capture.read.load(Ordering::Relaxed)).sum();
        let total = self.captures.iter().map(|capture| capture.total).sum();
        Progress { read, total }
    }

    /// The name of a capture, as given.
    pub fn file(&self, capture: usize) -> Option<&str> {
        self.captures.get(capture).map(|capture| capture.file.as_str())
    }

    /// The interfaces that a capture has described so far.
    pub fn interfaces(&self, capture: usize) -> &[Described] {
        self.captures.get(capture).map_or(&[], |capture| capture.reader.interfaces())
    }

    /// Whether times may be finer than microseconds.
    pub fn fine_time(&self) -> bool {
        self.captures.iter().any(|capture| capture.reader.fine_time())
    }

    /// The damage found so far, by capture, at most a hundred each.
    pub fn damages(&self) -> Vec<Damage> {
        let of = |(capture, from): (usize, &Capture)| {
            let (damages, _) = from.reader.damages();
            let file = from.file.clone();
            let damages: Vec<Damage> = damages
                .iter()
                .map(|(packet, fault, fatal)| Damage {
                    capture,
                    file: file.clone(),
                    packet: *packet,
                    offset: fault.offset,
                    kind: fault.kind.clone(),
                    fatal: *fatal,
                })
                .collect();
            damages
        };
        self.captures.iter().enumerate().flat_map(of).collect()
    }

    /// How many damages were found, those beyond a hundred in a capture included.
    pub fn damage_count(&self) -> u64 {
        self.captures.iter().map(|capture| capture.reader.damages().1).sum()
    }
}

impl Capture {
    fn new(
        file: String,
        ingress: Option<InterfaceName>,
        stream: Box<dyn Read + Send>,
        total: Option<u64>,
    ) -> Result<Capture, OpenError> {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Box::new(Counted { stream, read: Arc::clone(&read) });
        let reader = Reader::open(counted).map_err(|error| OpenError {
            file: file.clone(),
            kind: match error {
                NotACapture::Read(error) => OpenErrorKind::Read(error),
                other => OpenErrorKind::NotACapture(other.to_string()),
            },
        })?;
        Ok(Capture { file, ingress, reader, read, total, unread: Vec::new() })
    }

    /// Moves on to the next packet, and says when it was captured.
    fn advance(&mut self) -> Option<Time> {
        if !self.reader.advance() {
            return None;
        }
        self.reader.current().map(|record| record.time)
    }

    #[inline]
    fn frame(&mut self, number: u64, capture: usize) -> Option<Frame<'_>> {
        let record = *self.reader.current()?;
        let described = self.reader.described(&record);
        let interface = self.ingress.or(described.and_then(|described| described.interface));
        let link_type = described.and_then(|described| described.link_type);
        let link_number = described.map_or(u32::MAX, |described| described.link_number);
        if link_type.is_none() {
            self.complain(record.interface);
        }
        Some(Frame {
            number,
            time: record.time,
            capture,
            described: record.interface,
            interface,
            link_type,
            link_number,
            bytes: self.reader.bytes(&record)?,
            original_length: record.original_length,
        })
    }

    /// Says once an interface that its packets are not read.
    #[cold]
    fn complain(&mut self, interface: u32) {
        if self.unread.len() < UNREAD_KEPT_MAX && !self.unread.contains(&interface) {
            self.unread.push(interface);
            let described = self.reader.interfaces().get(interface as usize);
            let number = described.map_or(u32::MAX, |described| described.link_number);
            self.reader.damaged_packet(DamageKind::LinkType(number));
        }
    }
}

/// Counts what is read.
struct Counted {
    stream: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(into)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn open(path: &Path) -> io::Result<(Box<dyn Read + Send>, Option<u64>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let total = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(file), total))
}
