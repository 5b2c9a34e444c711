//! What happened to connections and expectations, for whoever listens.
//!
//! The queue holds [`EVENTS_MAX`] events; when it is full, further ones are lost and counted.
//! With events off nothing is composed.

use crate::{ExpectationView, View};
use std::collections::VecDeque;

/// Most events that wait to be drained.
pub const EVENTS_MAX: usize = 65_536;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A connection was confirmed.
    ConnectionNew(View),
    /// A confirmed connection changed.
    ConnectionUpdate(View, Changes),
    /// A connection left the table.
    ConnectionDestroyed(View, ConnectionEnd),
    /// An expectation was made.
    ExpectationNew(ExpectationView),
    /// An expectation met the first packet of a child, whose serial number is given.
    ExpectationMatched(ExpectationView, u64),
    /// An expectation is no more.
    ExpectationDestroyed(ExpectationView, ExpectationEnd),
}

bitflags::bitflags! {
    /// What changed about a connection.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Changes: u8 {
        /// The first answer was seen.
        const REPLY = 1 << 0;
        /// It is ASSURED.
        const ASSURED = 1 << 1;
        /// The tracker's state.
        const STATE = 1 << 2;
        /// The mark.
        const MARK = 1 << 3;
        /// The helper.
        const HELPER = 1 << 4;
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionEnd {
    /// Its deadline passed.
    Timeout,
    /// The table was full, and it was not ASSURED or was closing.
    EarlyDrop,
    /// A RST was the only answer.
    Reset,
    /// A SYN reopened it: a new connection takes its place.
    Reopened,
    /// It was removed on request.
    Killed,
    /// Its master ended, or hung up, and its kind does not outlive that.
    MasterEnded,
    /// The interface whose address it shows has lost that, or is gone, or its packets leave by
    /// another one.
    InterfaceChanged,
}

impl ConnectionEnd {
    /// All of them.
    pub const ALL: [ConnectionEnd; 7] = [
        ConnectionEnd::Timeout,
        ConnectionEnd::EarlyDrop,
        ConnectionEnd::Reset,
        ConnectionEnd::Reopened,
        ConnectionEnd::Killed,
        ConnectionEnd::MasterEnded,
        ConnectionEnd::InterfaceChanged,
    ];

    /// The stable name, in kebab case.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionEnd::Timeout => "timeout",
            ConnectionEnd::EarlyDrop => "early-drop",
            ConnectionEnd::Reset => "reset",
            ConnectionEnd::Reopened => "reopened",
            ConnectionEnd::Killed => "killed",
            ConnectionEnd::MasterEnded => "master-ended",
            ConnectionEnd::InterfaceChanged => "interface-changed",
        }
    }
}

/// Why an expectation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExpectationEnd {
    /// It was for one child, who came.
    Matched,
    /// Its deadline passed.
    Timeout,
    /// The same was announced again.
    Replaced,
    /// Its class was full, and it was the oldest.
    Evicted,
    /// Its master ended.
    MasterEnded,
    /// Its helper, or somebody else, took it back.
    Removed,
    /// The child of the other expectation of its pair came.
    PairMatched,
}

impl ExpectationEnd {
    /// The stable name, in kebab case.
    pub fn name(self) -> &'static str {
        match self {
            ExpectationEnd::Matched => "matched",
            ExpectationEnd::Timeout => "timeout",
            ExpectationEnd::Replaced => "replaced",
            ExpectationEnd::Evicted => "evicted",
            ExpectationEnd::MasterEnded => "master-ended",
            ExpectationEnd::Removed => "removed",
            ExpectationEnd::PairMatched => "pair-matched",
        }
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) on: bool,
    queue: VecDeque<Event>,
    pub(crate) lost: u64,
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        if self.queue.len() < EVENTS_MAX {
            self.queue.push_back(event);
        } else {
            self.lost += 1;
        }
    }

    pub(crate) fn has_some(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.queue.drain(..)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.queue.capacity() * size_of::<Event>()
    }
}
