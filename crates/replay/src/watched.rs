//! Packets read a second ahead, so that of each it is known how it left.

use crate::feed::{BATCH_PACKETS_MAX, Batch, Scout};
use crate::sight::{PASSAGE_NS, Pairs, Sight};
use crate::source::Source;
use std::collections::VecDeque;

/// Bytes of packets that wait, at most: beyond, reading is less than a second ahead.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A source that is read ahead.
pub struct Watched {
    source: Source,
    scout: Scout,
    pairs: Pairs,
    /// Read, in order; the first one is in use.
    held: VecDeque<Batch>,
    held_bytes: usize,
    /// Emptied ones.
    spare: Vec<Batch>,
    ended: bool,
}

impl Watched {
    pub(crate) fn new(source: Source, scout: Scout) -> Watched {
        Watched {
            source,
            scout,
            pairs: Pairs::default(),
            held: VecDeque::new(),
            held_bytes: 0,
            spare: Vec::new(),
            ended: false,
        }
    }

    /// The next packets; `None` at the end.
    pub(crate) fn next_batch(&mut self) -> Option<&Batch> {
        if let Some(used) = self.held.pop_front() {
            self.held_bytes -= used.size();
            self.spare.push(used);
        }
        while !self.ended && !self.sees_enough() {
            self.read();
        }
        self.held.front()
    }

    /// The source, after the last packet or before it.
    pub(crate) fn end(self) -> Source {
        self.source
    }

    /// Whether what was read goes on long enough behind the first batch.
    fn sees_enough(&self) -> bool {
        let bounds = |batch: Option<&Batch>| batch.and_then(Batch::bounds);
        let (Some([_, (_, end)]), Some([_, (_, last)])) =
            (bounds(self.held.front()), bounds(self.held.back()))
        else {
            return false;
        };
        self.held_bytes >= HELD_BYTES_MAX || last.since(end).as_nanos() > u128::from(PASSAGE_NS)
    }

    fn read(&mut self) {
        let mut batch = self.spare.pop().unwrap_or_default();
        // What comes by a pipe may be long in coming: what is there is taken at once.
        let is_file = self.source.progress().total.is_some();
        let go_on = |source: &Source| is_file || source.is_at_hand();
        if !batch.fill(&mut self.source, &self.scout, BATCH_PACKETS_MAX, go_on) {
            self.ended = true;
            return;
        }
        let pairs: Vec<_> = batch
            .frames()
            .filter_map(|(frame, _)| Some((frame.number, self.pairs.look(&frame)?)))
            .collect();
        self.held_bytes += batch.size();
        self.held.push_back(batch);
        for (number, pair) in pairs {
            self.set(number, Sight::Copy);
            self.set(pair.came, Sight::Left(pair.left));
        }
    }

    /// Notes what is known of a packet that waits.
    fn set(&mut self, number: u64, sight: Sight) {
        let first = |batch: &Batch| batch.bounds().is_some_and(|[(first, _), _]| first <= number);
        let after = self.held.partition_point(first);
        let batch = after.checked_sub(1).and_then(|at| self.held.get_mut(at));
        if let Some(place) = batch.and_then(|batch| batch.sight_mut(number)) {
            *place = sight;
        }
    }
}
