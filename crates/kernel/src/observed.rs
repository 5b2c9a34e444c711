//! What was observed of one packet, in words that both the kernel's and another engine's
//! answers translate to, and the comparison of two such observations.

use crate::answer::{Answer, Decision};
use crate::event::{Change, Connection, Event, Expectation};
use kinwall_terms::expectation::{ExpectationFlags, SourceMask};
use kinwall_terms::{CtState, Direction, InterfaceName, Status, Tuple, Verdict};
use std::fmt;

/// One packet's end, as far as two engines can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What became of it.
    pub verdict: Verdict,
    /// The interface it left by.
    pub out: Option<InterfaceName>,
    /// What `--ctstate` matches.
    pub ct_state: Option<CtState>,
    /// Its direction within its connection.
    pub direction: Option<Direction>,
    /// The status bits of its connection after it.
    pub status: Option<Status>,
    /// What `-m helper` matches.
    pub helper: Option<String>,
    /// What dropped or rejected it: `table chain rule-number`, or `policy`.
    pub decided_by: Option<String>,
    /// The packet mark at its end.
    pub mark: Option<u32>,
    /// Births and ends of connections.
    pub connections: Vec<(Change, ObservedConnection)>,
    /// Births and ends of expectations.
    pub expectations: Vec<(Change, ObservedExpectation)>,
}

/// What identifies a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedConnection {
    /// Tuple of the first packet.
    pub original: Tuple,
    /// Tuple of its answers.
    pub reply: Tuple,
    /// Original tuple of its master; unknown when it ends.
    pub master: Option<Tuple>,
    /// connmark; unknown when it ends.
    pub mark: Option<u32>,
    /// Seconds until it expires; unknown when it ends.
    pub timeout_s: Option<u32>,
}

/// What identifies an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedExpectation {
    /// What the child's first packet must look like.
    pub tuple: Tuple,
    /// Which bits of its source count.
    pub mask: SourceMask,
    /// Original tuple of its master.
    pub master: Tuple,
    /// Seconds until it expires; unknown when it ends.
    pub timeout_s: Option<u32>,
    /// Flags.
    pub flags: ExpectationFlags,
    /// Class within its helper.
    pub class: u32,
    /// Name of the helper.
    pub helper: String,
}

impl From<&Answer> for Observed {
    fn from(answer: &Answer) -> Observed {
        let mut observed = Observed {
            verdict: answer.verdict,
            out: answer.out,
            ct_state: answer.ct_state,
            direction: answer.direction,
            status: answer.status,
            helper: answer.helper_of_master.map(str::to_string),
            decided_by: answer.decided_by.as_ref().map(Decision::to_string),
            // Only the ends of chains tell the mark: behind a drop nothing does.
            mark: (answer.verdict == Verdict::Accept).then_some(answer.mark),
            connections: Vec::new(),
            expectations: Vec::new(),
        };
        for event in &answer.events {
            match event {
                Event::Connection(Change::Update, _) => {}
                Event::Connection(change, connection) => {
                    observed.connections.push((*change, connection_of(*change, connection)));
                }
                Event::Expectation(change, expectation) => {
                    observed.expectations.push((*change, expectation_of(*change, expectation)));
                }
            }
        }
        observed
    }
}

fn connection_of(change: Change, connection: &Connection) -> ObservedConnection {
    let born = change == Change::New;
    ObservedConnection {
        original: connection.original,
        reply: connection.reply,
        master: connection.master.filter(|_| born),
        mark: born.then(|| connection.mark.unwrap_or(0)),
        timeout_s: connection.timeout_s.filter(|_| born),
    }
}

fn expectation_of(change: Change, expectation: &Expectation) -> ObservedExpectation {
    ObservedExpectation {
        tuple: expectation.tuple,
        mask: expectation.mask,
        master: expectation.master,
        timeout_s: Some(expectation.timeout_s).filter(|_| change == Change::New),
        flags: expectation.flags,
        class: expectation.class,
        helper: expectation.helper.clone().unwrap_or_default(),
    }
}

/// One field in which two observations differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field of [`Observed`].
    pub field: &'static str,
    /// The kernel's answer.
    pub kernel: String,
    /// The other engine's.
    pub ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: kernel {}, kinwall {}", self.field, self.kernel, self.ours)
    }
}

impl Observed {
    /// The fields in which `ours` differs from the kernel's answer `self`. What one side does
    /// not know is not compared, and neither is the order of several events of one packet.
    pub fn differences(&self, ours: &Observed) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut field = |field, same: bool, kernel: String, ours: String| {
            if !same {
                found.push(Difference { field, kernel, ours });
            }
        };
        macro_rules! compare {
            ($($name:ident),*) => {
                $(field(
                    stringify!($name),
                    self.$name == ours.$name,
                    shown(&self.$name),
                    shown(&ours.$name),
                );)*
            };
        }
        // A match that drops the packet itself reads, in the trace, as the rule's own REJECT.
        let hot = matches!(self.verdict, Verdict::Reject(_)) && ours.verdict == Verdict::Drop;
        let same = self.verdict == ours.verdict || hot && self.decided_by == ours.decided_by;
        field("verdict", same, shown(&self.verdict), shown(&ours.verdict));
        compare!(out, ct_state, helper);
        // A packet that lost its connection to another at the confirmation has none any more.
        let lost = self.verdict == Verdict::Drop && self.decided_by.is_none();
        let same = self.direction == ours.direction || lost && ours.direction.is_none();
        field("direction", same, shown(&self.direction), shown(&ours.direction));
        let known = self.status.is_none() || ours.status.is_none() || self.status == ours.status;
        field("status", known, shown(&self.status), shown(&ours.status));
        let known = self.mark.is_none() || ours.mark.is_none() || self.mark == ours.mark;
        field("mark", known, shown(&self.mark), shown(&ours.mark));
        let dropped = !matches!(self.verdict, Verdict::Accept | Verdict::Consume);
        let same = !dropped || self.decided_by == ours.decided_by;
        field("decided_by", same, shown(&self.decided_by), shown(&ours.decided_by));
        list_difference("connections", &self.connections, &ours.connections, &mut found, |a, b| {
            let late = late(a.1.timeout_s, b.1.timeout_s);
            (a.0, ObservedConnection { timeout_s: late, ..a.1 }) == *b
        });
        list_difference(
            "expectations",
            &self.expectations,
            &ours.expectations,
            &mut found,
            |a, b| {
                let late = late(a.1.timeout_s, b.1.timeout_s);
                (a.0, ObservedExpectation { timeout_s: late, ..a.1.clone() }) == *b
            },
        );
        found
    }
}

/// The kernel's timeout, or that of ours if the kernel's clock was read one tick late.
fn late(kernel: Option<u32>, ours: Option<u32>) -> Option<u32> {
    if kernel.zip(ours).is_some_and(|(kernel, ours)| kernel + 1 == ours) { ours } else { kernel }
}

/// Compares two lists without regard to order.
fn list_difference<T: Clone + fmt::Debug>(
    field: &'static str,
    kernel: &[T],
    ours: &[T],
    found: &mut Vec<Difference>,
    same: impl Fn(&T, &T) -> bool,
) {
    let mut only_ours = ours.to_vec();
    let mut only_kernel = Vec::new();
    for item in kernel {
        match only_ours.iter().position(|other| same(item, other)) {
            Some(at) => {
                only_ours.remove(at);
            }
            None => only_kernel.push(item.clone()),
        }
    }
    if !only_kernel.is_empty() || !only_ours.is_empty() {
        let (kernel, ours) = (format!("{only_kernel:?}"), format!("{only_ours:?}"));
        found.push(Difference { field, kernel, ours });
    }
}

fn shown(value: &impl fmt::Debug) -> String {
    format!("{value:?}")
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Rule(place) => {
                write!(f, "{} {} {}", place.table, place.chain, place.number)
            }
            Decision::Policy { .. } => f.write_str("policy"),
        }
    }
}
