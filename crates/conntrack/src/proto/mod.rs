//! The trackers: what each transport protocol's packets mean for their connection.
//!
//! A tracker never touches the table. It is given a packet, what is known of its connection, and
//! its own compact state, and it answers with a [`Judgement`]. The caller's part:
//!
//! 1. ICMP and ICMPv6 go through [`icmp::check`] before anything is looked up.
//! 2. A packet that matches no connection gets a fresh one (its expectation is consumed then,
//!    and a full table drops it: both before the tracker has a say), and [`open`] judges it.
//!    On `Err` the fresh connection vanishes and the packet is INVALID.
//! 3. A packet of a known connection goes to [`packet`], with the status bits as they were
//!    before it. SEEN_REPLY is the caller's: set after an `Accept` or an `AcceptAndKill` in the
//!    reply direction, never before.
//!
//! Header checks (lengths, flags, checksum) are part of both calls and come first. They are not
//! done before the lookup, because a packet that fails them has consumed its expectation.

pub mod dccp;
pub mod generic;
pub mod gre;
pub mod icmp;
mod judge;
pub mod sctp;
pub(crate) mod serial;
pub mod tcp;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tunables;
pub mod udp;

pub use judge::{Change, Judgement, Opening, Packet, ProtoState, Standing, open, packet};
pub use tunables::{Timeouts, Tunables};
