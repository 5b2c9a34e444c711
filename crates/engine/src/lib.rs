//! Where connection tracking, helpers and rules meet: the path of a packet.
//!
//! [`Engine`] is one value owned by one thread. Hand it packets with [`Engine::handle`]; it
//! answers with an [`Outcome`]. It has no I/O, clock, lock or global: what it answers depends on
//! its arguments alone. The path itself is in `path.rs`, one stage a line.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod check;
mod course;
mod engine;
mod expect;
mod foresee;
mod help;
mod interfaces;
mod known;
mod media;
mod nat;
pub mod outcome;
pub mod packet;
mod passage;
mod path;
mod ports;
mod prefix;
mod reload;
mod reset;
mod rewrite;
mod routes;
pub mod settings;
mod short;
pub mod snapshot;
pub mod trace;
pub mod visit;

pub use engine::Engine;
pub use foresee::{Foreseen, Foreseer, NEAR_MAX, Unfinished};
pub use help::HelpState;
pub use outcome::{Announced, ConnectionFacts, Outcome, Path, RuleAt};
pub use packet::{Ingress, Packet, Presumed};
pub use settings::{SettingError, Settings};
pub use snapshot::{CopyingState, HelperName, Restored, Snapshot};
pub use trace::{AssignedBy, Expecting, Rewritten, Step, Trace};
pub use visit::{FirstVisit, TOKENS_MAX, Token, Told, Way};

// What answers, events and rules are told in: who imports the engine needs no other crate.
pub use kinwall_conntrack::defrag::DATAGRAM_MAX_BYTES;
pub use kinwall_conntrack::snapshot as table;
pub use kinwall_conntrack::{
    Announcement, Changes, ConnId, ConnectionCursor, ConnectionEnd, Event, ExpId, ExpectationView,
    HelperId, ProtoState, View,
};
pub use kinwall_rules::eval::{RuleId, RuleRef};
