//! Packets read, and looked at, before their turn: where the captures are files, by a thread of
//! its own.
//!
//! ```text
//! reading thread     read, copy into a batch, read the headers, hash the tuple, find the origin
//! the other          the engine: tables, rules, helpers
//! ```
//!
//! What the thread finds out depends on the packets alone: answers are the same however far
//! ahead it is. It is ahead by a few batches at most, each with a limit of its own; empty ones
//! come back to be filled again.

use crate::arrival::Arrival;
use crate::sight::Sight;
use crate::source::{Frame, Progress, Source};
use crate::watched::Watched;
use kinwall_engine::{Engine, Foreseen, Foreseer, NEAR_MAX};
use kinwall_terms::Time;
use kinwall_topology::Topology;
use kinwall_wire::link::{self, PacketType};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Packets in a batch, at most.
pub(crate) const BATCH_PACKETS_MAX: usize = 512;

/// Bytes in a batch after which it takes no further packet.
const BATCH_BYTES: usize = 128 * 1024;

/// Batches under way: filled ones that wait, one that is read, and one that is filled.
const BATCHES: usize = 6;

/// What was found out of an IP packet before its turn.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where its network header begins, behind the link header.
    pub(crate) offset: usize,
    /// Where it stands, if that can be said of it alone.
    pub(crate) arrival: Option<Arrival>,
    pub(crate) foreseen: Foreseen,
    /// What the capture shows of how it left, where that is looked for.
    pub(crate) sight: Sight,
}

/// Looks at frames before their turn.
#[derive(Debug)]
pub(crate) struct Scout {
    foreseer: Foreseer,
    /// As the engine's: no setting changes where addresses are.
    topology: Topology,
}

impl Scout {
    pub(crate) fn new(engine: &Engine) -> Scout {
        Scout { foreseer: engine.foreseer(), topology: engine.topology().clone() }
    }

    #[inline]
    fn look(&self, frame: &Frame<'_>) -> Option<Seen> {
        let (offset, packet_type) = link::find_ip(frame.link_type?, frame.bytes)?;
        if packet_type == PacketType::OtherHost {
            return None;
        }
        let network = frame.bytes.get(offset..)?;
        let arrival = Arrival::alone(frame, packet_type, network, &self.topology);
        let foreseen = self.foreseer.foresee(network);
        Some(Seen { offset, arrival, foreseen, sight: Sight::Once })
    }
}

/// Packets of a source, one after the other.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Frames, whose bytes are those of the range.
    frames: Vec<(Frame<'static>, Range<usize>)>,
    seen: Vec<Option<Seen>>,
    progress: Progress,
}

impl Batch {
    /// The packets, and what was found out of each, if anything.
    pub fn frames(&self) -> impl Iterator<Item = (Frame<'_>, Option<&Seen>)> {
        self.frames.iter().zip(&self.seen).map(|((frame, range), seen)| {
            let bytes = self.bytes.get(range.clone()).unwrap_or_default();
            (Frame { bytes, ..*frame }, seen.as_ref())
        })
    }

    /// What was found out of the packets from the one at `from` on: as many as
    /// [`kinwall_engine::Engine::bring_near`] takes.
    pub(crate) fn foreseen(&self, from: usize) -> impl Iterator<Item = &Foreseen> {
        let seen = self.seen.iter().skip(from).take(NEAR_MAX);
        seen.filter_map(|seen| Some(&seen.as_ref()?.foreseen))
    }

    /// Number and time of the first and of the last packet.
    pub(crate) fn bounds(&self) -> Option<[(u64, Time); 2]> {
        let place = |(frame, _): &(Frame<'_>, _)| (frame.number, frame.time);
        Some([self.frames.first().map(place)?, self.frames.last().map(place)?])
    }

    /// Bytes of its packets.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// What the capture shows of packet `number`.
    pub(crate) fn sight_mut(&mut self, number: u64) -> Option<&mut Sight> {
        let at = self.frames.binary_search_by_key(&number, |(frame, _)| frame.number).ok()?;
        Some(&mut self.seen.get_mut(at)?.as_mut()?.sight)
    }

    /// How far reading had come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Fills it anew with at least one packet and at most `packets`, as long as `go_on` says;
    /// false when there is none.
    pub(crate) fn fill(
        &mut self,
        source: &mut Source,
        scout: &Scout,
        packets: usize,
        go_on: impl Fn(&Source) -> bool,
    ) -> bool {
        self.bytes.clear();
        self.frames.clear();
        self.seen.clear();
        while self.frames.is_empty()
            || (self.frames.len() < packets && self.bytes.len() < BATCH_BYTES && go_on(source))
        {
            let Some(frame) = source.next() else { break };
            self.seen.push(scout.look(&frame));
            let start = self.bytes.len();
            self.bytes.extend_from_slice(frame.bytes);
            self.frames.push((Frame { bytes: &[], ..frame }, start..self.bytes.len()));
        }
        self.progress = source.progress();
        !self.frames.is_empty()
    }
}

/// The packets of a source, in batches.
pub enum Feed {
    /// Read when they are asked for.
    Here(Box<Here>),
    /// Read by a thread.
    Ahead(Ahead),
    /// Read as far ahead as packets need to leave.
    Watched(Box<Watched>),
}

/// A source that is read when packets are asked for.
pub struct Here {
    source: Source,
    scout: Scout,
    batch: Batch,
    packets: usize,
}

/// A thread that reads.
pub struct Ahead {
    filled: Receiver<Batch>,
    empty: SyncSender<Batch>,
    batch: Option<Batch>,
    reader: JoinHandle<Source>,
}

impl Feed {
    /// The packets of `source`, for the replay of `scout`. `one_by_one`: no packet is read
    /// before the one before it was taken.
    pub(crate) fn new(source: Source, scout: Scout, one_by_one: bool) -> Feed {
        // What comes by a pipe may be long in coming: what is there is taken at once.
        if one_by_one || source.progress().total.is_none() {
            let packets = if one_by_one { 1 } else { NEAR_MAX };
            Feed::Here(Box::new(Here { source, scout, batch: Batch::default(), packets }))
        } else {
            Feed::Ahead(Ahead::begin(source, scout))
        }
    }

    /// The packets of `source`, each with what the capture shows of how it left: reading is a
    /// second of the capture ahead.
    pub(crate) fn watched(source: Source, scout: Scout) -> Feed {
        Feed::Watched(Box::new(Watched::new(source, scout)))
    }

    /// The next packets; `None` at the end.
    pub fn next_batch(&mut self) -> Option<&Batch> {
        match self {
            Feed::Here(here) => {
                let Here { source, scout, batch, packets } = &mut **here;
                batch.fill(source, scout, *packets, Source::is_at_hand).then_some(batch)
            }
            Feed::Ahead(ahead) => ahead.next_batch(),
            Feed::Watched(watched) => watched.next_batch(),
        }
    }

    /// The source, after the last packet or before it.
    pub fn end(self) -> Source {
        match self {
            Feed::Here(here) => here.source,
            Feed::Watched(watched) => watched.end(),
            Feed::Ahead(Ahead { filled, empty, reader, .. }) => {
                // It ends when nobody takes its batches, or gives it any.
                drop((filled, empty));
                reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        }
    }
}

impl Ahead {
    fn begin(mut source: Source, scout: Scout) -> Ahead {
        let (empty, to_fill) = sync_channel(BATCHES);
        let (done, filled) = sync_channel(BATCHES);
        for _ in 0..BATCHES {
            // There is room for all of them.
            let _ = empty.try_send(Batch::default());
        }
        let reader = std::thread::spawn(move || {
            while let Ok(mut batch) = to_fill.recv() {
                let is_some = batch.fill(&mut source, &scout, BATCH_PACKETS_MAX, |_| true);
                if !is_some || done.send(batch).is_err() {
                    break;
                }
            }
            source
        });
        Ahead { filled, empty, batch: None, reader }
    }

    fn next_batch(&mut self) -> Option<&Batch> {
        if let Some(read) = self.batch.take() {
            // Whether the thread still wants it does not matter.
            let _ = self.empty.try_send(read);
        }
        self.batch = self.filled.recv().ok();
        self.batch.as_ref()
    }
}
