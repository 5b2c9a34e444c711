//! What is known about connections: trackers, tables, expectations.
//!
//! [`Conntrack`] is one value, owned by one thread. A packet is [tracked](Conntrack::track): that
//! finds its connection or begins one, and says which state the rules will see. If the packet
//! survives the rules, a connection it began is [confirmed](Conntrack::confirm) and becomes
//! visible; otherwise it is [abandoned](Conntrack::abandon) and never was. What a connection's
//! helper reads announces other connections: those are [expected](Conntrack::expect).
//!
//! Time comes in with every call, and nothing happens by itself: [`Conntrack::expire`] collects
//! what has expired, which until then behaves as absent. With a clock that stands still nothing
//! expires.
//!
//! ```text
//! track.rs       a packet to its connection            proto/     one tracker a protocol
//! life.rs        confirmed, and how it ends            defrag.rs  fragments to datagrams
//! announce.rs    masters, expectations, children       stream.rs  segments to a stream
//! table.rs       what may be asked and changed         settings.rs  every sysctl by name
//! store.rs       records   index.rs  by tuple   wheel.rs  by deadline   slab.rs  in memory
//! ```
//!
//! This crate knows no application protocol and no rule; a helper is a number to it.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod announce;
mod copy;
pub mod defrag;
mod events;
mod expect;
mod icmp_error;
mod index;
mod key;
mod keymap;
mod life;
mod masquerade;
pub mod proto;
mod sequence;
pub mod settings;
mod slab;
pub mod snapshot;
mod stats;
mod store;
pub mod stream;
mod table;
mod track;
mod translate;
mod view;
mod wheel;

pub use copy::Copying;
pub use events::{Changes, ConnectionEnd, EVENTS_MAX, Event, ExpectationEnd};
pub use expect::{CLASSES_MAX, ExpId, Expectation, Refusal};
pub use keymap::KeymapTaken;
pub use proto::{ProtoState, Timeouts};
pub use sequence::{Growth, Moved, REWRITES_MAX};
pub use settings::{FragmentLimits, SettingError, Settings};
pub use stats::Stats;
pub use table::{
    CONNECTIONS_MAX, ConnId, ConnectionCursor, Conntrack, HelperId, POLICIES_MAX, PolicyId,
};
pub use track::{Candidate, Found, PacketCt, Prepared, Preparer, Template, Tracked};
pub use view::{Announcement, ExpectationView, Master, Saved, Summary, View};
