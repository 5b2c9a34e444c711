//! The kernel's live connections, taken over from what `conntrack` lists of them.
//!
//! A listing tells less than the kernel knows, and so what is taken over is told less:
//!
//! | not told | then |
//! |---|---|
//! | TCP windows | as of a connection picked up in the middle: learnt anew, not held against it |
//! | what helpers have read | `linux` reads on; `strict` reads no stream whose beginning it has not seen |
//! | masters | children live on their own: NEW, not RELATED, until they are answered |
//! | tags of SCTP, sequence numbers of DCCP | left out: each packet would be held against them |
//! | helpers of children | expected children get none |
//! | own timeouts | those of the settings, from the next packet on |

use crate::listed::{ListedConnection, ListedExpectation, Misread};
use kinwall_engine::table::{ConnectionSnapshot, ExpectationSnapshot};
use kinwall_engine::{Announcement, HelperId, HelperName, ProtoState, Snapshot};
use kinwall_terms::expectation::{Expected, Span};
use kinwall_terms::{Direction, L4Proto, Status, Time, Tuple};
use std::collections::{HashMap, HashSet};
use std::io;
use std::process::Command;
use std::str::FromStr;

/// What was taken over.
#[derive(Clone, Debug)]
pub struct Imported {
    /// It, to be given to [`kinwall_engine::Engine::restore`].
    pub snapshot: Snapshot,
    /// What was not, and why.
    pub left_out: Vec<LeftOut>,
}

/// A line that was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The line.
    pub line: String,
    /// Why, in words.
    pub why: &'static str,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {misread}: {line:?}")]
pub struct Mistake {
    /// Which one, counted from 1.
    pub number: usize,
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub misread: Misread,
}

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The tool cannot be started.
    #[error("conntrack cannot be run ({0}); it is in the package conntrack")]
    Tool(io::Error),
    /// The tool refuses.
    #[error("`conntrack {words}` says: {message}")]
    Refused {
        /// Its words.
        words: String,
        /// What it says.
        message: String,
    },
    /// Lines that cannot be read.
    #[error("{}", .0.first().map_or_else(String::new, Mistake::to_string))]
    Mistakes(Vec<Mistake>),
}

/// Takes over what the kernel tracks in the network namespace of the calling thread.
///
/// # Errors
///
/// The tool is not there or refuses, or prints what cannot be read.
pub fn running(taken: Time) -> Result<Imported, ImportError> {
    let connections = listing(&["-L", "-o", "extended"])?;
    let mut expectations = listing(&["-L", "expect", "-f", "ipv4"])?;
    expectations += &listing(&["-L", "expect", "-f", "ipv6"])?;
    import(&connections, &expectations, taken).map_err(ImportError::Mistakes)
}

fn listing(words: &[&str]) -> Result<String, ImportError> {
    let output = Command::new("conntrack").args(words).output().map_err(ImportError::Tool)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(ImportError::Refused {
            words: words.join(" "),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}

/// Reads what `conntrack -L` (with `-o extended,id` or not) and `conntrack -L expect` have printed
/// at the instant `taken`.
///
/// # Errors
///
/// Every line that cannot be read.
pub fn import(
    connections: &str,
    expectations: &str,
    taken: Time,
) -> Result<Imported, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let connections: Vec<(&str, ListedConnection)> = read(connections, &mut mistakes);
    let expectations: Vec<(&str, ListedExpectation)> = read(expectations, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut import = Import::new(taken);
    for (line, listed) in &connections {
        if let Err(why) = import.connection(listed) {
            import.left_out.push(LeftOut { line: (*line).to_owned(), why });
        }
    }
    for (line, listed) in &expectations {
        if let Err(why) = import.expectation(listed) {
            import.left_out.push(LeftOut { line: (*line).to_owned(), why });
        }
    }
    Ok(Imported { snapshot: import.snapshot, left_out: import.left_out })
}

fn read<'a, T: FromStr<Err = Misread>>(
    text: &'a str,
    mistakes: &mut Vec<Mistake>,
) -> Vec<(&'a str, T)> {
    let mut lines = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        match line.parse() {
            _ if line.trim().is_empty() => {}
            Ok(listed) => lines.push((line, listed)),
            Err(misread) => mistakes.push(Mistake { number, line: line.to_owned(), misread }),
        }
    }
    lines
}

/// What was taken over so far.
struct Import {
    snapshot: Snapshot,
    left_out: Vec<LeftOut>,
    /// Whose tuples were seen, with the zone id of that direction: the kernel may list a
    /// connection twice that moves while it lists.
    seen: HashSet<(Tuple, u16)>,
    /// Connections that have a helper, by original tuple without protocol, and zone id.
    masters: HashMap<(Tuple, u16), u64>,
    expected: HashSet<Expected>,
}

impl Import {
    fn new(taken: Time) -> Import {
        Import {
            snapshot: Snapshot::empty(taken),
            left_out: Vec::new(),
            seen: HashSet::new(),
            masters: HashMap::new(),
            expected: HashSet::new(),
        }
    }

    fn connection(&mut self, listed: &ListedConnection) -> Result<(), &'static str> {
        let &ListedConnection { original, reply, zone, .. } = listed;
        let taken = self.snapshot.table.taken;
        let has_numbers = match original.proto {
            L4Proto::SCTP => true,
            // Newer versions have no tracker for it.
            L4Proto::DCCP => listed.state.is_some(),
            _ => false,
        };
        if has_numbers {
            return Err("the numbers that its packets are held against are not listed");
        }
        let state =
            ProtoState::told(original.proto, listed.state.as_deref(), listed.is_assured, taken);
        let state = state.ok_or("its protocol has no such state")?;
        let keys = Direction::ALL.map(|direction| {
            let tuple = if direction == Direction::Original { original } else { reply };
            (tuple, zone.id_for(direction))
        });
        if keys.iter().any(|key| self.seen.contains(key)) {
            return Err("one of its tuples was listed before");
        }
        let table = &mut self.snapshot.table;
        table.last_serial += 1;
        let serial = table.last_serial;
        self.seen.extend(keys);
        let helper = listed.helper.as_deref().map(|name| self.helper(name)).transpose()?;
        if helper.is_some() {
            self.masters.insert((without_proto(original), zone.id), serial);
        }
        self.snapshot.table.connections.push(ConnectionSnapshot {
            serial,
            original,
            reply,
            zone,
            status: status(listed),
            state,
            left_ns: listed.left_s.saturating_mul(1_000_000_000),
            mark: listed.mark,
            policy: None,
            counters: listed.counters,
            helper,
            scratch: None,
            master: None,
            moved: None,
            masqueraded_by: None,
        });
        Ok(())
    }

    fn expectation(&mut self, listed: &ListedExpectation) -> Result<(), &'static str> {
        let helper = self.helper(&listed.helper)?;
        let master = self.masters.get(&(without_proto(listed.master), listed.zone));
        let master = *master.ok_or("its master is not listed")?;
        if !self.expected.insert(listed.expected) {
            return Err("the same was listed before");
        }
        let table = &mut self.snapshot.table;
        table.last_expectation += 1;
        table.expectations.push(ExpectationSnapshot {
            serial: table.last_expectation,
            master,
            expected: listed.expected,
            class: listed.class,
            flags: listed.flags,
            left_ns: listed.left_s.saturating_mul(1_000_000_000),
            timeout_s: u32::try_from(listed.left_s).unwrap_or(u32::MAX),
            class_limit: 0,
            helper,
            child_helper: None,
            announced: Announcement { packet: 0, span: Span { offset: 0, length: 0 } },
            announcer: listed.expected.tuple.dst,
            saved: None,
            skip_master: false,
            partner: None,
        });
        Ok(())
    }

    /// The number of a helper.
    fn helper(&mut self, name: &str) -> Result<HelperId, &'static str> {
        let helpers = &mut self.snapshot.helpers;
        let known = helpers.iter().position(|helper| helper.name == name);
        let at = known.unwrap_or_else(|| {
            helpers.push(HelperName { name: name.to_owned(), port: None });
            helpers.len() - 1
        });
        u8::try_from(at).map(HelperId).map_err(|_| "there are too many helpers")
    }
}

/// What is told of masters.
fn without_proto(tuple: Tuple) -> Tuple {
    Tuple { proto: L4Proto(0), ..tuple }
}

/// The status bits that a line tells of. Whatever was decided of translation has been decided.
fn status(listed: &ListedConnection) -> Status {
    let &ListedConnection { original, reply, .. } = listed;
    let mut status = Status::CONFIRMED | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    status.set(Status::SEEN_REPLY, listed.is_answered);
    status.set(Status::ASSURED, listed.is_assured);
    status.set(Status::HELPER, listed.helper.is_some());
    if let Some(untranslated) = original.invert() {
        let Tuple { src, dst, sport, dport, proto } = untranslated;
        let is_icmp = matches!(proto, L4Proto::ICMP | L4Proto::ICMPV6);
        // The one id of an ICMP query is its sender's.
        let own_port = if is_icmp { reply.sport != sport } else { reply.dport != dport };
        let other_port = !is_icmp && reply.sport != sport;
        status.set(Status::SRC_NAT, reply.dst != dst || own_port);
        status.set(Status::DST_NAT, reply.src != src || other_port);
    }
    status
}
