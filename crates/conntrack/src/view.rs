//! What is shown of connections and expectations: plain copies, for output and for the engine.

use crate::{ConnId, ExpId, HelperId};
use kinwall_terms::ct::Counter;
use kinwall_terms::expectation::{ExpectationFlags, Expected, Span};
use kinwall_terms::{ChildNat, Direction, Status, Time, Tuple, Zone};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A connection at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Its handle.
    pub id: ConnId,
    /// Number in order of creation, from 1; never used twice.
    pub serial: u64,
    /// Tuple of its first packet.
    pub original: Tuple,
    /// Tuple of the answers.
    pub reply: Tuple,
    /// Status bits.
    pub status: Status,
    /// connmark.
    pub mark: u32,
    /// When it expires; `None` until it is confirmed.
    pub deadline: Option<Time>,
    /// Its zone.
    pub zone: Zone,
    /// The helper of its own.
    pub helper: Option<HelperId>,
    /// The connection that announced it.
    pub master: Option<Master>,
    /// The tracker's state, as `conntrack -L` prints it; `None` where the protocol has none.
    pub state: Option<&'static str>,
    /// Packets and bytes by direction; `None` unless it was created with accounting on.
    pub counters: Option<[Counter; 2]>,
}

/// What most packets tell of their connection: cheaper than a [`View`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Number in order of creation, from 1; never used twice.
    pub serial: u64,
    /// Status bits.
    pub status: Status,
    /// connmark.
    pub mark: u32,
    /// The helper of its own.
    pub helper: Option<HelperId>,
    /// The connection that announced it.
    pub master: Option<Master>,
}

/// What a child keeps of its master, for good: the master itself may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master {
    /// The master's handle; stale once the master is gone.
    pub id: ConnId,
    /// The master's serial number.
    pub serial: u64,
    /// The master's helper: what `-m helper` compares with.
    pub helper: Option<HelperId>,
    /// Serial number of the expectation.
    pub expectation: u64,
    /// Class of the expectation.
    pub class: u8,
    /// The helper the expectation has for the child.
    pub child_helper: Option<HelperId>,
    /// Where the child was announced.
    pub announced: Announcement,
    /// What was named before translation.
    pub saved: Option<Saved>,
}

/// The place where a packet's payload announced something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Announcement {
    /// Number of the packet.
    pub packet: u64,
    /// Which bytes of its payload.
    pub span: Span,
}

/// What a payload named before translation, for the translation of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Saved {
    /// Address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// Direction of the packet that announced, in the master.
    pub direction: Direction,
    /// How the child is translated.
    pub nat: ChildNat,
}

/// An expectation at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectationView {
    /// Its handle.
    pub id: ExpId,
    /// Number in order of creation, from 1; never used twice.
    pub serial: u64,
    /// What is expected.
    pub expected: Expected,
    /// Handle of the connection that announced it.
    pub master: ConnId,
    /// Serial number of that connection.
    pub master_serial: u64,
    /// Zone id: the master's.
    pub zone: u16,
    /// Class within the helper.
    pub class: u8,
    /// Flags.
    pub flags: ExpectationFlags,
    /// When it expires.
    pub deadline: Time,
    /// The helper that announced it.
    pub helper: HelperId,
    /// The helper the child gets.
    pub child_helper: Option<HelperId>,
    /// Where it was announced.
    pub announced: Announcement,
    /// What was named before translation.
    pub saved: Option<Saved>,
}
