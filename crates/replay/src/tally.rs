//! Counting while packets pass: arrays and indexes only, no names; those come at the end.

use crate::output::{
    ConnectionCounts, Counted, ExpectationCounts, Instant, RuleCount, RuleName, Skipped, Summary,
};
use crate::source::Frame;
use kinwall_engine::{ConnectionEnd, Engine, Outcome, RuleId};
use kinwall_terms::{CtState, Family, Reason, Time, Verdict};

/// The counters of a replay.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    packets: u64,
    bytes: u64,
    pub(crate) cut: u64,
    pub(crate) skipped: Skipped,
    first: Option<Time>,
    last: Time,
    /// By kind of verdict, in the order of [`VERDICTS`].
    verdicts: [u64; 6],
    /// By ct state; the last for packets dropped before tracking.
    states: [u64; 6],
    /// Dropped and rejected packets by reason.
    reasons: Vec<u64>,
    /// Dropped and rejected packets by rule, by family.
    rules: [Vec<u64>; 2],
}

/// In the order of their declaration.
const STATES: [CtState; 5] =
    [CtState::Invalid, CtState::New, CtState::Related, CtState::Established, CtState::Untracked];

impl Tally {
    pub(crate) fn new(engine: &Engine) -> Tally {
        let rules = |family| engine.program(family).map_or(0, |program| program.len());
        Tally {
            packets: 0,
            bytes: 0,
            cut: 0,
            skipped: Skipped::default(),
            first: None,
            last: Time::default(),
            verdicts: [0; 6],
            states: [0; 6],
            reasons: vec![0; Reason::ALL.len()],
            rules: Family::ALL.map(|family| vec![0; rules(family)]),
        }
    }

    pub(crate) fn frame(&mut self, frame: &Frame<'_>) {
        self.packets += 1;
        self.bytes += u64::from(frame.original_length);
        self.cut += u64::from(frame.is_cut());
        self.first.get_or_insert(frame.time);
        self.last = self.last.max(frame.time);
    }

    pub(crate) fn outcome(&mut self, outcome: &Outcome) {
        self.verdicts[kind(outcome.verdict)] += 1;
        self.states[outcome.ct_state.map_or(STATES.len(), |state| state as usize)] += 1;
        if !matches!(outcome.verdict, Verdict::Drop | Verdict::Reject(_)) {
            return;
        }
        if let Some(count) = outcome.reason.and_then(|r| self.reasons.get_mut(r as usize)) {
            *count += 1;
        }
        if let Some(at) = outcome.rule
            && let Some(count) = self.rules[at.family.index()].get_mut(at.rule.0 as usize)
        {
            *count += 1;
        }
    }
}

/// The place of a verdict among the counters.
fn kind(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Accept => 0,
        Verdict::Drop => 1,
        Verdict::Reject(_) => 2,
        Verdict::Queue(_) => 3,
        Verdict::Unknown => 4,
        Verdict::Consume => 5,
    }
}

impl Tally {
    /// Everything so far, counted. At most `top` rows in each list; `sources` are the names of
    /// the rule files, told where there are several; `damage` is what reading met.
    pub(crate) fn summary(
        &self,
        engine: &Engine,
        top: usize,
        sources: &[String],
        damage: u64,
    ) -> Summary {
        let [accepted, dropped, rejected, queued, unknown, consumed] = self.verdicts;
        let conntrack = engine.conntrack();
        let stats = conntrack.stats();
        let names = STATES.iter().map(|state| state.name()).chain(["none"]);
        let ended = ConnectionEnd::ALL.iter().map(|end| (end.name(), stats.ended(*end)));
        Summary {
            packets: self.packets,
            bytes: self.bytes,
            accepted,
            dropped,
            rejected,
            queued,
            unknown,
            consumed,
            skipped: self.skipped,
            cut: self.cut,
            first: self.first.map(Instant),
            last: self.first.map(|_| Instant(self.last)),
            ctstates: names.zip(self.states).filter(|(_, count)| *count > 0).collect(),
            connections: ConnectionCounts {
                new: stats.confirmed,
                left: conntrack.count().into(),
                ended: ended.filter(|(_, count)| *count > 0).collect(),
            },
            expectations: ExpectationCounts {
                new: stats.expectations_created,
                matched: stats.expectations_matched,
                refused: stats.expectations_refused,
            },
            not_believed: Reason::ALL
                .iter()
                .map(|reason| (reason.name(), engine.doubts(*reason)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            drops_by_reason: self.drops_by_reason(top),
            drops_by_rule: self.drops_by_rule(engine, top, sources),
            damage,
        }
    }

    fn drops_by_reason(&self, top: usize) -> Vec<Counted> {
        let counted = Reason::ALL.iter().zip(&self.reasons).filter(|(_, n)| **n > 0);
        let mut rows: Vec<Counted> = counted
            .map(|(reason, packets)| Counted { reason: reason.name(), packets: *packets })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.packets));
        rows.truncate(top);
        rows
    }

    fn drops_by_rule(&self, engine: &Engine, top: usize, sources: &[String]) -> Vec<RuleCount> {
        let mut rows: Vec<(Family, RuleId, u64)> = Vec::new();
        for family in Family::ALL {
            let counts = self.rules[family.index()].iter().zip(0..);
            let hit = counts.filter(|(count, _)| **count > 0);
            rows.extend(hit.map(|(count, id)| (family, RuleId(id), *count)));
        }
        rows.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        rows.truncate(top);
        let named = |(family, id, count): (Family, RuleId, u64)| {
            let place = engine.program(family)?.reference(id)?;
            Some(RuleCount::new(&RuleName::new(&place, sources), count))
        };
        rows.into_iter().filter_map(named).collect()
    }
}
