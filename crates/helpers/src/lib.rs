//! Payload in, proposed expectations out: one file per helper.
//!
//! A helper is data ([`Helper`]) and two plain functions, one for each profile. It looks at the
//! payload of one packet and at a small scratch of its own, and writes down what it wants
//! ([`Effects`]): it never touches a table, a timer or another packet. Adding a helper is one
//! file and one row in [`registry`].
//!
//! What the payload may choose is declared, row by row, in the helper's own file
//! ([`freedom`]); the manual, the auditor and the prover read these rows and a property test
//! holds every proposed expectation within them.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod effects;
pub mod freedom;
pub mod grammar;
pub mod guard;
pub mod helper;
pub mod instances;
pub mod manual;
pub mod options;
pub mod registry;
pub mod rewrite;

pub mod amanda;
mod broadcast;
pub mod ftp;
pub mod h323;
pub mod irc;
pub mod netbios_ns;
pub mod pptp;
pub mod sane;
pub mod sip;
pub mod snmp;
pub mod tftp;

pub use effects::{Effect, Effects, Note, OnRefusal, Pair, Proposal, Whose};
pub use guard::Guard;
pub use helper::{Broadcast, Ending, Helper, Pending, Routing, Segment};
pub use instances::{Instance, Instances, SettingError};
pub use options::OptionValues;
pub use registry::{HelperKind, Scratch};
pub use rewrite::{Following, Form, Ledger, Named, Ports};
