//! The same packets through both profiles at once: what the one opens and the other refuses.

use crate::feed::Seen;
use crate::output::{Comparison, Difference, Doubt, Instant, Proposed, Side};
use crate::record::Names;
use crate::replay::{Replay, tuple};
use crate::source::Frame;
use kinwall_engine::{HelperId, Outcome, SettingError, Step, Trace};
use kinwall_terms::expectation::Expected;
use kinwall_terms::{Profile, Reason, Tuple};
use std::collections::{HashMap, HashSet};

/// A replay in `linux` and one in `strict`.
pub struct Profiles {
    sides: [Replay; 2],
    traces: [Trace; 2],
    /// Connections of each side that their helper reads no more: since when and why.
    blind: [HashMap<u64, Doubting>; 2],
    /// Packets in which a helper of each side did not believe something.
    doubted: [HashMap<u64, Doubting>; 2],
    /// Conversations in which the sides differed.
    told: HashSet<Tuple>,
    packets: u64,
    differ: u64,
}

/// Connections, packets and conversations that are remembered, at most: what is beyond is told
/// each time, and without the packet since when.
const REMEMBERED_MAX: usize = 65_536;

/// A packet over which the sides differ.
pub struct Compared {
    again: bool,
    sides: [Answer; 2],
}

struct Answer {
    outcome: Outcome,
    names: Names,
    proposed: Vec<(HelperId, Expected, Option<Reason>)>,
    doubts: Vec<Doubting>,
}

#[derive(Clone, Copy)]
struct Doubting {
    helper: HelperId,
    reason: Reason,
    packet: u64,
    offset: u32,
    length: u32,
    blind: bool,
}

impl Profiles {
    /// Replays in which nothing was replayed yet, in the order of [`Profile::ALL`].
    pub fn new(sides: [Replay; 2]) -> Profiles {
        Profiles {
            sides,
            traces: Default::default(),
            blind: Default::default(),
            doubted: Default::default(),
            told: HashSet::new(),
            packets: 0,
            differ: 0,
        }
    }

    /// As [`Replay::observe`], in both.
    pub fn observe(&mut self) {
        self.sides.iter_mut().for_each(Replay::observe);
    }

    /// The replay in `profile`.
    pub fn side(&self, profile: Profile) -> &Replay {
        let [linux, strict] = &self.sides;
        match profile {
            Profile::Linux => linux,
            Profile::Strict => strict,
        }
    }

    /// Takes one frame through both. `None`: they agree over it.
    ///
    /// # Errors
    ///
    /// A change that is due is refused by an engine.
    pub fn frame(
        &mut self,
        frame: &Frame<'_>,
        seen: Option<&Seen>,
    ) -> Result<Option<Compared>, SettingError> {
        self.packets += 1;
        let mut outcomes = [None, None];
        for ((side, trace), outcome) in
            self.sides.iter_mut().zip(&mut self.traces).zip(&mut outcomes)
        {
            trace.steps.clear();
            *outcome = side.frame_traced(frame, seen, trace)?;
        }
        let [Some(linux), Some(strict)] = outcomes else { return Ok(None) };
        let mut linux = self.answer(0, frame.number, linux);
        let mut strict = self.answer(1, frame.number, strict);
        let proposals = made(&linux) != made(&strict);
        if !proposals && self.face(0, &linux) == self.face(1, &strict) {
            return Ok(None);
        }
        self.differ += 1;
        self.recall(0, &mut linux, &strict);
        self.recall(1, &mut strict, &linux);
        let new = match tuple(frame).map(conversation) {
            Some(_) if self.told.len() >= REMEMBERED_MAX => true,
            Some(tuple) => self.told.insert(tuple),
            None => true,
        };
        Ok(Some(Compared { again: !new && !proposals, sides: [linux, strict] }))
    }

    /// What one side says of a packet, from its trace.
    fn answer(&mut self, side: usize, packet: u64, outcome: Outcome) -> Answer {
        let (mut proposed, mut doubts) = (Vec::new(), Vec::new());
        let blind = &mut self.blind[side];
        let connection = outcome.connection.map(|connection| connection.number);
        for step in &self.traces[side].steps {
            let Step::Helped { helper, notes, blind: ended, expected, drop } = step else {
                continue;
            };
            let helper = *helper;
            let made = expected.iter().map(|one| (helper, one.expected, one.made.err()));
            proposed.extend(made);
            let noted = notes.iter().map(|note| (note.reason, note.span, false));
            let none = kinwall_terms::expectation::Span { offset: 0, length: 0 };
            let others = ended.map(|reason| (reason, none, true)).into_iter();
            let others = others.chain(drop.map(|reason| (reason, none, false)));
            for (reason, span, blind) in noted.chain(others) {
                let (offset, length) = (span.offset, span.length);
                doubts.push(Doubting { helper, reason, packet, offset, length, blind });
            }
            if let Some(first) = doubts.first()
                && self.doubted[side].len() < REMEMBERED_MAX
            {
                self.doubted[side].insert(packet, *first);
            }
            if let (Some(number), Some(last)) = (connection, doubts.last())
                && last.blind
                && blind.len() < REMEMBERED_MAX
            {
                blind.insert(number, *last);
            }
        }
        if doubts.is_empty() {
            doubts.extend(connection.and_then(|number| blind.get(&number)));
        }
        let names = self.sides[side].names(&outcome);
        Answer { outcome, names, proposed, doubts }
    }

    /// Adds to `answer` why its side did not believe the packet that announced the connection of
    /// `other`.
    fn recall(&self, side: usize, answer: &mut Answer, other: &Answer) {
        let announced = |answer: &Answer| answer.outcome.connection.and_then(|c| c.announced);
        if let (None, Some(announced)) = (announced(answer), announced(other))
            && answer.doubts.is_empty()
        {
            answer.doubts.extend(self.doubted[side].get(&announced.packet));
        }
    }

    /// What a rule, or whoever waits for the packet, notices of an answer.
    fn face<'a>(&'a self, side: usize, answer: &Answer) -> impl PartialEq + use<'a> {
        let Outcome { verdict, ct_state, rule, connection, .. } = answer.outcome;
        let engine = self.sides[side].engine();
        let helper = connection.and_then(|connection| connection.master_helper);
        (verdict, ct_state, rule, helper.map(|helper| engine.helper_name(helper)))
    }

    /// The record of a difference. `sources` are the names of the rule files.
    pub fn record<'a>(
        &'a self,
        frame: &Frame<'_>,
        compared: &'a Compared,
        sources: &'a [String],
    ) -> Difference<'a> {
        let [linux, strict] = &compared.sides;
        Difference {
            packet: frame.number,
            time: Instant(frame.time),
            in_iface: linux.outcome.in_iface,
            linux: self.side_record(0, frame, linux, sources),
            strict: self.side_record(1, frame, strict, sources),
            tuple: tuple(frame),
            again: compared.again,
        }
    }

    fn side_record<'a>(
        &'a self,
        side: usize,
        frame: &Frame<'_>,
        answer: &'a Answer,
        sources: &'a [String],
    ) -> Side<'a> {
        let replay = &self.sides[side];
        let name = |helper| replay.engine().helper_name(helper);
        let record = replay.packet_record(frame, &answer.outcome, &answer.names, sources);
        let proposed = answer.proposed.iter();
        let doubts = answer.doubts.iter();
        Side {
            verdict: record.verdict,
            ctstate: record.ctstate,
            helper: record.helper,
            rule: record.rule,
            reason: record.reason,
            announced_by: record.announced_by,
            expects: proposed
                .map(|(helper, expected, refused)| Proposed {
                    helper: name(*helper),
                    expected: *expected,
                    refused: *refused,
                })
                .collect(),
            not_believed: doubts
                .map(|doubt| Doubt {
                    helper: name(doubt.helper),
                    reason: doubt.reason,
                    packet: doubt.packet,
                    offset: doubt.offset,
                    length: doubt.length,
                    blind: doubt.blind,
                })
                .collect(),
        }
    }

    /// Everything so far, counted, as [`Replay::summary`] does.
    pub fn comparison(&self, top: usize, sources: &[String], damage: u64) -> Comparison {
        let [linux, strict] = self.sides.each_ref().map(|side| side.summary(top, sources, damage));
        Comparison { packets: self.packets, differ: self.differ, linux, strict }
    }
}

/// The expectations that came about.
fn made(answer: &Answer) -> Vec<Expected> {
    let made = answer.proposed.iter().filter(|(_, _, refused)| refused.is_none());
    made.map(|(_, expected, _)| *expected).collect()
}

/// The tuple of either direction.
fn conversation(tuple: Tuple) -> Tuple {
    tuple.invert().map_or(tuple, |inverse| tuple.min(inverse))
}
