//! Packets whose steps somebody wants to see.

use kinwall_engine::{Outcome, Trace};
use kinwall_wire::Headers;

/// Traced packets that wait to be taken, at most; the rest is not kept.
const SEEN_MAX: usize = 256;

/// Which packets are meant, by their headers as they came.
pub type Wanted = Box<dyn Fn(&Headers) -> bool>;

/// A packet with its steps.
#[derive(Debug)]
pub struct Traced {
    /// As it came, or, behind routing, as it came back.
    pub headers: Headers,
    /// What became of it.
    pub outcome: Outcome,
    /// Its steps.
    pub trace: Trace,
}

/// Who wants to see which packets, and those that were seen.
#[derive(Default)]
pub struct Tracer {
    wanted: Option<Wanted>,
    seen: Vec<Traced>,
}

impl Tracer {
    /// From now on the steps of these packets are noted; `None`: of none.
    pub fn want(&mut self, wanted: Option<Wanted>) {
        self.wanted = wanted;
    }

    /// What was seen since the last time.
    pub fn take(&mut self) -> Vec<Traced> {
        std::mem::take(&mut self.seen)
    }

    pub(crate) fn wants(&self, payload: &[u8]) -> bool {
        let Some(wanted) = &self.wanted else { return false };
        Headers::parse(payload).is_ok_and(|headers| wanted(&headers))
    }

    pub(crate) fn saw(&mut self, payload: &[u8], outcome: Outcome, trace: Option<Trace>) {
        let Some(trace) = trace.filter(|_| self.seen.len() < SEEN_MAX) else { return };
        if let Ok(headers) = Headers::parse(payload) {
            self.seen.push(Traced { headers, outcome, trace });
        }
    }
}
