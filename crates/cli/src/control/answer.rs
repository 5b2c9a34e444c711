//! What is answered to a question, in steps: nobody's question may keep packets waiting.

use crate::control::filter::Filter;
use crate::control::{Lines, Request, record};
use kinwall_engine::{ConnId, ConnectionCursor, Engine, Event, RuleId};
use kinwall_gateway::{Counts, Tracer};
use kinwall_terms::{Family, Time};
use serde_json::{Value, json};

/// Connections, expectations or rules looked at in one step, at most.
const STEP: usize = 512;

/// What an answer is made from.
pub(crate) struct Facts<'a> {
    pub(crate) engine: &'a mut Engine,
    pub(crate) counts: &'a Counts,
    pub(crate) tracer: &'a mut Tracer,
    pub(crate) now: Time,
    /// When the gateway began.
    pub(crate) since: Time,
    /// The names of the rule files.
    pub(crate) files: &'a [String],
    /// Somebody asked for rules and settings to be read again; what came of it.
    pub(crate) reload: &'a mut dyn FnMut(&mut Engine, Time) -> Result<(), String>,
    /// In how many seconds from the start it must be confirmed; 0 is never.
    pub(crate) confirm_s: &'a mut u32,
}

/// An answer that has begun.
pub(crate) enum Answer {
    Connections {
        filter: Filter,
        lines: Lines,
        from: ConnectionCursor,
    },
    Delete {
        filter: Filter,
        from: ConnectionCursor,
        deleted: u64,
    },
    Expectations {
        filter: Filter,
        lines: Lines,
        from: usize,
    },
    Rules {
        rules: Vec<(Family, RuleId)>,
        from: usize,
    },
    /// What happens from now on: never ends by itself.
    Events {
        filter: Filter,
        lines: Lines,
        expectations_only: bool,
    },
    /// The steps of packets from now on.
    Trace {
        filter: Filter,
    },
    /// All that there is to say.
    Lines(Vec<Value>),
}

/// The end of an answer that is not an error.
fn done() -> Value {
    json!({ "type": "done" })
}

/// The end of one that is.
pub(crate) fn error(message: impl std::fmt::Display) -> Value {
    json!({ "type": "error", "message": message.to_string() })
}

impl Answer {
    /// Begins to answer.
    pub(crate) fn begin(request: Request, facts: &mut Facts<'_>) -> Answer {
        let from = ConnectionCursor::default();
        let engine = &mut *facts.engine;
        let mut lines = match request {
            Request::Connections { filter, lines } => {
                return Answer::Connections { filter, lines, from };
            }
            Request::Delete { filter } => return Answer::Delete { filter, from, deleted: 0 },
            Request::Expectations { filter, lines } => {
                return Answer::Expectations { filter, lines, from: 0 };
            }
            Request::Events { filter, lines, expectations_only } => {
                return Answer::Events { filter, lines, expectations_only };
            }
            Request::Trace { filter } => return Answer::Trace { filter },
            Request::Rules => {
                let of = |family| {
                    let ids = engine.program(family).map(|program| program.rule_ids());
                    ids.into_iter().flatten().map(move |id| (family, id))
                };
                let rules = Family::ALL.into_iter().flat_map(of).collect();
                return Answer::Rules { rules, from: 0 };
            }
            Request::Stats => vec![record::stats(engine, facts.counts, facts.now, facts.since)],
            Request::Settings => record::settings(engine),
            Request::Helpers => record::helpers(engine, facts.now),
            Request::Set { key, value } => match engine.set(&key, &value) {
                Ok(()) => Vec::new(),
                Err(wrong) => return Answer::Lines(vec![error(wrong)]),
            },
            Request::Ipset { change: None } => {
                engine.memory().sets.overviews(facts.now).map(|set| record::set(&set)).collect()
            }
            Request::Ipset { change: Some(command) } => {
                match engine.change_set(&command, facts.now) {
                    Ok(set) => vec![record::set(&set)],
                    Err(wrong) => {
                        return Answer::Lines(vec![error(wrong.render("ipset", &command))]);
                    }
                }
            }
            Request::Flush => {
                engine.flush();
                Vec::new()
            }
            Request::Confirm if *facts.confirm_s == 0 => {
                return Answer::Lines(vec![error("there is nothing to confirm")]);
            }
            Request::Confirm => {
                *facts.confirm_s = 0;
                Vec::new()
            }
            Request::Reload => match (facts.reload)(engine, facts.now) {
                Ok(()) => Vec::new(),
                Err(wrong) => return Answer::Lines(vec![error(wrong)]),
            },
        };
        lines.push(done());
        Answer::Lines(lines)
    }

    /// Goes on for a step; `None` when everything is said.
    pub(crate) fn go_on(
        self,
        facts: &mut Facts<'_>,
        say: &mut dyn FnMut(&Value),
    ) -> Option<Answer> {
        match self {
            Answer::Connections { filter, lines, from } => {
                let next = each(facts.engine, from, facts.now, |view| {
                    if filter.fits(facts.engine, view) {
                        say(&record::connection(facts.engine, view, facts.now, lines));
                    }
                });
                let Some(from) = next else {
                    say(&done());
                    return None;
                };
                Some(Answer::Connections { filter, lines, from })
            }
            Answer::Delete { filter, from, mut deleted } => {
                let mut those: Vec<ConnId> = Vec::new();
                let next = each(facts.engine, from, facts.now, |view| {
                    if filter.fits(facts.engine, view) {
                        those.push(view.id);
                    }
                });
                deleted += those.into_iter().filter(|id| facts.engine.delete(*id)).count() as u64;
                let Some(from) = next else {
                    say(&json!({ "type": "deleted", "connections": deleted }));
                    say(&done());
                    return None;
                };
                Some(Answer::Delete { filter, from, deleted })
            }
            Answer::Expectations { filter, lines, from } => {
                let engine = &*facts.engine;
                let all = engine.conntrack().expectations(facts.now);
                let mut count = 0;
                for view in all.skip(from).take(STEP) {
                    count += 1;
                    let master = engine.conntrack().connection(view.master);
                    if master.is_some_and(|master| filter.fits(engine, &master)) {
                        say(&record::expectation(engine, &view, facts.now, lines));
                    }
                }
                if count < STEP {
                    say(&done());
                    return None;
                }
                Some(Answer::Expectations { filter, lines, from: from + STEP })
            }
            Answer::Rules { rules, from } => {
                for (family, id) in rules.iter().skip(from).take(STEP) {
                    let rule = record::rule(facts.engine, *family, *id, facts.files);
                    rule.iter().for_each(&mut *say);
                }
                if from + STEP >= rules.len() {
                    say(&done());
                    return None;
                }
                Some(Answer::Rules { rules, from: from + STEP })
            }
            endless @ (Answer::Events { .. } | Answer::Trace { .. }) => Some(endless),
            Answer::Lines(lines) => {
                lines.iter().for_each(say);
                None
            }
        }
    }

    /// Whether an event is to be told, and with which lines.
    pub(crate) fn wants(&self, engine: &Engine, event: &Event) -> Option<Lines> {
        let Answer::Events { filter, lines, expectations_only } = self else { return None };
        let fits = match event {
            Event::ConnectionNew(_)
            | Event::ConnectionUpdate(..)
            | Event::ConnectionDestroyed(..)
                if *expectations_only =>
            {
                false
            }
            Event::ConnectionNew(view)
            | Event::ConnectionUpdate(view, _)
            | Event::ConnectionDestroyed(view, _) => filter.fits(engine, view),
            Event::ExpectationNew(view)
            | Event::ExpectationMatched(view, _)
            | Event::ExpectationDestroyed(view, _) => {
                let master = engine.conntrack().connection(view.master);
                filter.is_empty() || master.is_some_and(|master| filter.fits(engine, &master))
            }
        };
        fits.then_some(*lines)
    }
}

/// Shows the connections of one step to `look`; where the next step begins.
fn each(
    engine: &Engine,
    from: ConnectionCursor,
    now: Time,
    mut look: impl FnMut(&kinwall_engine::View),
) -> Option<ConnectionCursor> {
    let mut next = None;
    let mut count = 0;
    for (behind, view) in engine.conntrack().connections_from(from, now).take(STEP) {
        look(&view);
        count += 1;
        next = Some(behind);
    }
    next.filter(|_| count == STEP)
}
