//! What the kernel did with one packet, put together from traces and events.

use crate::KernelError;
use crate::event::Event;
use crate::netlink::{Message, NFTABLES};
use crate::probe::{
    self, CODE_DROP, CODE_QUEUE, CODE_STOLEN, MSG_TRACE, Point, Stage, Step, Trace,
};
use crate::rulebook::{RulePlace, Rulebook};
use kinwall_terms::{CtState, Direction, Family, Hook, InterfaceName, Status, Verdict};

/// What the kernel did with one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of it. [`Verdict::Consume`] for a fragment that was kept, or that the
    /// reassembly dropped: the kernel does not say which.
    pub verdict: Verdict,
    /// The interface it left by; `None` when it did not leave, or was delivered.
    pub out: Option<InterfaceName>,
    /// The last place where it was seen; `None` when the IP layer refused it.
    pub last_seen: Option<Stage>,
    /// What `--ctstate` matches; `None` when the packet did not get behind the tracking.
    pub ct_state: Option<CtState>,
    /// Its direction within its connection.
    pub direction: Option<Direction>,
    /// The status bits of its connection where it was last seen.
    pub status: Option<Status>,
    /// The kernel's identity of its connection, as in [`crate::Connection::id`].
    pub connection: Option<u32>,
    /// What `-m helper` matches: the name of the helper of its connection's master.
    pub helper_of_master: Option<&'static str>,
    /// The packet mark where a chain last ended.
    pub mark: u32,
    /// Where the rules dropped it.
    pub decided_by: Option<Decision>,
    /// What happened to connections and expectations, in order.
    pub events: Vec<Event>,
    /// What left the gateway, from the network header on: the packet itself, and what the
    /// gateway answered.
    pub emitted: Vec<(InterfaceName, Vec<u8>)>,
}

/// The rule, or the chain policy, that dropped a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A rule.
    Rule(RulePlace),
    /// The policy of this built-in chain.
    Policy {
        /// IPv4 or IPv6 tables.
        family: Family,
        /// Table.
        table: String,
        /// Chain.
        chain: String,
    },
}

/// Gathers messages until the answer can be given.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    /// The identity of the packet that was sent; the gateway's own answers have others.
    subject: Option<u32>,
    last_seen: Option<Stage>,
    ct_state: Option<CtState>,
    direction: Option<Direction>,
    status: Option<Status>,
    connection: Option<u32>,
    helper_of_master: Option<&'static str>,
    mark: u32,
    out_index: Option<u32>,
    end: Option<(Verdict, Option<Decision>)>,
    /// An unknown rule handle: the rules changed behind the harness.
    unknown_rule: bool,
    events: Vec<Event>,
    broken: Option<KernelError>,
}

/// What identifies the packet that was sent among everything the gateway does.
pub(crate) struct Subject<'a> {
    /// The hook at which it starts.
    pub(crate) hook: Hook,
    /// The packet, from the network header on.
    pub(crate) packet: &'a [u8],
}

impl Gathering {
    /// Takes one message of the listening socket.
    pub(crate) fn take(&mut self, message: &Message<'_>, subject: &Subject<'_>, book: &Rulebook) {
        if message.subsystem == NFTABLES {
            if message.number == MSG_TRACE {
                match Trace::read(message) {
                    Ok(trace) => self.trace(&trace, subject, book),
                    Err(error) => self.broken = Some(error),
                }
            }
        } else if let Some(event) = Event::read(message) {
            self.events.push(event);
        }
    }

    fn trace(&mut self, trace: &Trace<'_>, subject: &Subject<'_>, book: &Rulebook) {
        let probe = matches!(trace.table, probe::TABLE | probe::TABLE_LAST);
        let stage = if probe { probe::stage_of(trace.chain) } else { None };
        if self.subject.is_none() {
            let starts = stage == Some(Stage { hook: subject.hook, point: Point::First });
            if !starts || !subject.is_described_by(trace) {
                return;
            }
            self.subject = Some(trace.id);
        }
        if self.goes_on(stage, trace, subject) {
            self.subject = Some(trace.id);
        }
        if self.subject != Some(trace.id) {
            return;
        }
        if let Some(stage) = stage {
            self.last_seen = Some(stage);
        }
        if let Some(mark) = trace.mark {
            self.mark = mark;
        } else if matches!(trace.step, Step::Policy { .. } | Step::Return) {
            self.mark = 0;
        }
        if trace.network_header.is_some() {
            self.connection_facts(trace, stage);
        }
        match (probe, trace.step) {
            (true, _) => self.probe_step(trace, stage),
            (false, Step::Rule { handle, code }) => {
                let family = trace.family.or(subject.family());
                self.rule(family.map(|family| (family, trace.table)), handle, code, book);
            }
            (false, Step::Policy { code: CODE_DROP }) => {
                self.end = Some((
                    Verdict::Drop,
                    trace.family.or(subject.family()).map(|family| Decision::Policy {
                        family,
                        table: trace.table.to_string(),
                        chain: trace.chain.to_string(),
                    }),
                ));
            }
            (false, _) => {}
        }
    }

    /// Whether this is the subject under another identity: reassembly may continue with the
    /// buffer of another fragment, and what leaves by the loopback interface comes in again.
    fn goes_on(&self, stage: Option<Stage>, trace: &Trace<'_>, subject: &Subject<'_>) -> bool {
        match stage {
            Some(Stage { hook, point: Point::Whole }) => {
                self.last_seen == Some(Stage { hook, point: Point::First })
            }
            Some(Stage { hook: Hook::Prerouting, point: Point::First }) => {
                self.last_seen == Some(Stage { hook: Hook::Postrouting, point: Point::Confirmed })
                    && self.out_index == Some(LOOPBACK_INDEX)
                    && subject.is_described_by(trace)
            }
            _ => false,
        }
    }

    /// The first message of a base chain describes the packet and its connection. Before the
    /// tracking, the connection is at most the template of a CT rule.
    fn connection_facts(&mut self, trace: &Trace<'_>, stage: Option<Stage>) {
        let tracked = self.last_seen.is_some_and(|stage| {
            !matches!(stage.point, Point::First | Point::Whole)
                || !matches!(stage.hook, Hook::Prerouting | Hook::Output)
        });
        if tracked && let Some(facts) = trace.connection {
            self.direction = facts.direction.or(self.direction);
            self.connection = facts.id.or(self.connection);
            if facts.id.is_some() {
                self.status = Some(facts.status);
            }
        }
        if stage.is_some_and(|stage| stage.point == Point::Tracked) {
            // A packet without any connection is INVALID unless it is marked as untracked.
            let state = trace.connection.map_or(CtState::Invalid, |facts| facts.state);
            self.ct_state = Some(state);
        }
        if trace.out_index.is_some() {
            self.out_index = trace.out_index;
        }
    }

    fn probe_step(&mut self, trace: &Trace<'_>, stage: Option<Stage>) {
        if let Some(name) = probe::helper_of(trace.chain) {
            self.helper_of_master = Some(name);
        }
        match stage {
            Some(Stage { hook, point: Point::Confirmed }) => {
                if hook == Hook::Input {
                    self.out_index = None;
                }
                self.end = Some((Verdict::Accept, None));
            }
            // A packet to the gateway itself that it sent itself comes in again.
            Some(Stage { point: Point::First, .. }) => self.end = None,
            _ => {}
        }
    }

    fn rule(&mut self, table: Option<(Family, &str)>, handle: u64, code: i32, book: &Rulebook) {
        if handle == 0 {
            return;
        }
        let verdict = match code & 0xff {
            _ if code < 0 => return,
            CODE_DROP => Verdict::Drop,
            CODE_STOLEN => Verdict::Drop,
            CODE_QUEUE => Verdict::Queue((code >> 16) as u16),
            _ => return,
        };
        let rule = table.and_then(|(family, table)| book.find(family, table, handle));
        self.unknown_rule |= rule.is_none();
        let reject = rule.and_then(|rule| rule.reject).filter(|_| verdict == Verdict::Drop);
        let verdict = reject.map_or(verdict, Verdict::Reject);
        self.end = Some((verdict, rule.map(|rule| Decision::Rule(rule.place.clone()))));
    }

    /// The answer, once nothing more comes.
    pub(crate) fn finish(
        self,
        emitted: Vec<(InterfaceName, Vec<u8>)>,
        fragment: bool,
        name_of: impl Fn(u32) -> Option<InterfaceName>,
    ) -> Result<Answer, KernelError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if self.unknown_rule {
            return Err(KernelError::Message("a rule that was not loaded by the harness".into()));
        }
        // Fragments wait where a packet is seen first of all.
        let whole = self.last_seen.is_some_and(|stage| {
            stage.point != Point::First || !matches!(stage.hook, Hook::Prerouting | Hook::Output)
        });
        let (verdict, decided_by) = match self.end {
            Some(end) => end,
            None if fragment && self.last_seen.is_some() && !whole => (Verdict::Consume, None),
            None => (Verdict::Drop, None),
        };
        let left = verdict == Verdict::Accept;
        Ok(Answer {
            verdict,
            out: self.out_index.filter(|_| left).and_then(name_of),
            last_seen: self.last_seen,
            ct_state: self.ct_state,
            direction: self.direction,
            status: self.status,
            connection: self.connection,
            helper_of_master: self.helper_of_master,
            mark: self.mark,
            decided_by,
            events: self.events,
            emitted,
        })
    }
}

/// The loopback interface is always the first.
const LOOPBACK_INDEX: u32 = 1;

impl Subject<'_> {
    /// Its family: a table of both does not say.
    fn family(&self) -> Option<Family> {
        match self.packet.first().map(|byte| byte >> 4) {
            Some(4) => Some(Family::Ipv4),
            Some(6) => Some(Family::Ipv6),
            _ => None,
        }
    }

    /// Whether the trace is about a packet with the same addresses. What the gateway sends by
    /// itself (reports of group memberships) has others.
    fn is_described_by(&self, trace: &Trace<'_>) -> bool {
        let Some(header) = trace.network_header else { return false };
        let addresses = match header.first().map(|b| b >> 4) {
            Some(4) => 12..20,
            Some(6) => 8..40,
            _ => return false,
        };
        let same_version = header.first().map(|b| b >> 4) == self.packet.first().map(|b| b >> 4);
        same_version && header.get(addresses.clone()) == self.packet.get(addresses)
    }
}
