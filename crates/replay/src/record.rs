//! From the engine's answers and events to records.

use crate::output::{
    AnnouncedBy, ConnectionEvent, ConnectionRecord, Ends, ExpectationEvent, ExpectationRecord,
    Instant, PacketRecord, Record, RuleName,
};
use crate::replay::{Replay, tuple};
use crate::source::Frame;
use kinwall_engine::{Event, ExpectationView, HelperId, Outcome, RuleRef, View};
use kinwall_terms::{Time, Verdict};

/// What a record about a packet borrows: the names of its rule.
#[derive(Clone, Debug, Default)]
pub struct Names {
    rule: Option<RuleRef>,
}

impl Replay {
    /// Looks up the names that [`Replay::packet_record`] needs.
    pub fn names(&self, outcome: &Outcome) -> Names {
        let rule = outcome.rule.and_then(|at| {
            self.engine.program(at.family).and_then(|program| program.reference(at.rule))
        });
        Names { rule }
    }

    /// The record of a packet. `sources` are the names of the rule files; they are told where
    /// there are several.
    pub fn packet_record<'a>(
        &'a self,
        frame: &Frame<'_>,
        outcome: &Outcome,
        names: &'a Names,
        sources: &'a [String],
    ) -> PacketRecord<'a> {
        let connection = outcome.connection;
        // A connection whose first packet was dropped never was; who announced it still counts.
        let lives = matches!(outcome.verdict, Verdict::Accept | Verdict::Queue(_));
        let is_known =
            |facts: &kinwall_engine::ConnectionFacts| lives || facts.status.bits() & CONFIRMED != 0;
        PacketRecord {
            packet: frame.number,
            time: Instant(frame.time),
            in_iface: outcome.in_iface,
            out_iface: outcome.out_iface,
            verdict: outcome.verdict,
            ctstate: outcome.ct_state,
            ctstatus: connection.map(|c| c.status.names().collect()).unwrap_or_default(),
            direction: connection.map(|c| c.direction),
            helper: connection.and_then(|c| c.master_helper).map(|id| self.helper(id)),
            own_helper: connection.and_then(|c| c.own_helper).map(|id| self.helper(id)),
            connection: connection.filter(is_known).map(|c| c.number),
            master: connection.and_then(|c| c.master),
            announced_by: connection.and_then(|c| c.announced).map(|announced| AnnouncedBy {
                packet: announced.packet,
                offset: announced.offset,
                length: announced.length,
                expectation: announced.expectation,
                text: self.announcements.text(&announced),
            }),
            rule: names.rule.as_ref().map(|rule| RuleName::new(rule, sources)),
            reason: outcome.reason,
            invalid: outcome.invalid,
            translated: self.translated.map(Ends),
            reject_with: match outcome.verdict {
                Verdict::Reject(with) => Some(with),
                _ => None,
            },
            queue: match outcome.verdict {
                Verdict::Queue(queue) => Some(queue),
                _ => None,
            },
            cut: frame.is_cut(),
            tuple: tuple(frame),
        }
    }

    /// Hands every event since the last call to `take`, as a record about packet `packet`.
    ///
    /// # Errors
    ///
    /// The first error of `take`.
    #[inline]
    pub fn drain_events<E>(
        &mut self,
        packet: u64,
        mut take: impl FnMut(&Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.engine.has_events() {
            return Ok(());
        }
        let now = self.now();
        let events: Vec<Event> = self.engine.events().collect();
        for event in &events {
            take(&self.event_record(event, packet, now))?;
        }
        Ok(())
    }

    fn event_record(&self, event: &Event, packet: u64, now: Time) -> Record<'_> {
        match event {
            Event::ConnectionNew(view) => self.connection(view, ConnectionEvent::New, packet),
            Event::ConnectionUpdate(view, _) => {
                self.connection(view, ConnectionEvent::Update, packet)
            }
            Event::ConnectionDestroyed(view, end) => {
                self.connection(view, ConnectionEvent::Destroyed { reason: end.name() }, packet)
            }
            Event::ExpectationNew(view) => {
                self.expectation(view, ExpectationEvent::New, packet, now)
            }
            Event::ExpectationMatched(view, child) => {
                let event = ExpectationEvent::Matched { connection: *child };
                self.expectation(view, event, packet, now)
            }
            Event::ExpectationDestroyed(view, end) => {
                let event = ExpectationEvent::Destroyed { reason: end.name() };
                self.expectation(view, event, packet, now)
            }
        }
    }

    fn connection<'a>(
        &'a self,
        view: &View,
        event: ConnectionEvent<'a>,
        packet: u64,
    ) -> Record<'a> {
        Record::Connection(ConnectionRecord {
            event,
            packet,
            connection: view.serial,
            proto: view.original.proto,
            original: Ends(view.original),
            reply: Ends(view.reply),
            status: view.status.names().collect(),
            state: view.state,
            mark: view.mark,
            helper: view.helper.map(|id| self.helper(id)),
            master: view.master.map(|master| master.serial),
        })
    }

    fn expectation<'a>(
        &'a self,
        view: &ExpectationView,
        event: ExpectationEvent<'a>,
        packet: u64,
        now: Time,
    ) -> Record<'a> {
        let instance = self.engine.instances().get(view.helper.0);
        let class = instance
            .and_then(|instance| instance.helper.classes.get(usize::from(view.class)))
            .map_or("", |class| class.name);
        Record::Expectation(ExpectationRecord {
            event,
            packet,
            expectation: view.serial,
            helper: self.helper(view.helper),
            class,
            expected: view.expected,
            timeout: view.deadline.since(now).as_secs(),
            flags: view.flags.iter_names().map(|(name, _)| name).collect(),
            master: view.master_serial,
        })
    }

    fn helper(&self, id: HelperId) -> &str {
        self.engine.helper_name(id)
    }
}

impl<'a> RuleName<'a> {
    /// The name of a rule; `sources` are the names of the rule files.
    pub fn new(rule: &'a RuleRef, sources: &'a [String]) -> RuleName<'a> {
        RuleName {
            family: rule.family,
            table: rule.table,
            chain: &rule.chain,
            number: rule.number,
            line: rule.line,
            file: match sources {
                [_, _, ..] => sources.get(usize::from(rule.file)).map(String::as_str),
                _ => None,
            },
        }
    }
}

const CONFIRMED: u16 = kinwall_terms::Status::CONFIRMED.bits();
