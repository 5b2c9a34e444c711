//! The nouns of kinwall as plain data.
//!
//! Every other crate speaks in these types. Nothing here decides anything: the behaviour is
//! construction, inversion, comparison and display.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod address;
pub mod ct;
pub mod direction;
pub mod ending;
pub mod expectation;
pub mod freedom;
pub mod hook;
pub mod interface;
pub mod kernel_version;
pub mod keymap;
pub mod l4;
pub mod nat;
pub mod profile;
pub mod reason;
pub mod time;
pub mod tuple;
pub mod verdict;
pub mod zone;

pub use address::Family;
pub use ct::{CtState, Status};
pub use direction::Direction;
pub use ending::EndsToo;
pub use hook::{Hook, Table};
pub use interface::InterfaceName;
pub use kernel_version::KernelVersion;
pub use keymap::KeymapRule;
pub use l4::L4Proto;
pub use nat::{ChildNat, Manip, NatRange};
pub use profile::Profile;
pub use reason::Reason;
pub use time::Time;
pub use tuple::Tuple;
pub use verdict::{RejectWith, Verdict};
pub use zone::{Zone, ZoneScope};
