//! Interfaces, addresses, networks and routes: what a rule may ask of the FIB.
//!
//! A [`Topology`] is read from a TOML file ([`Topology::from_toml`]) or built from its parts
//! ([`Topology::new`]), checked once, and then only asked: which way a packet goes
//! ([`Topology::route_input`]), which interface stands before an address
//! ([`Topology::interface_behind`]), what kind of address it is
//! ([`Topology::address_type`]) and whether a source came the way its answers would go
//! ([`Topology::rpfilter`], [`Topology::rp_filter`]). Every answer is the Linux kernel's for a
//! machine that has these addresses, routes and sysctls, with one routing table: rules of
//! policy routing, and so packet marks, change nothing here.
//!
//! # The empty topology
//!
//! [`Topology::default`] knows no interface and stands for a gateway of which nothing is known
//! but that it forwards: every unicast address outside 127.0.0.0/8 and ::1 is reached by a
//! default route through one interface without a name, so `out` is `None`, no address is the
//! gateway's own, the reverse path is always the right one, and no sysctl is set.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod address_type;
mod check;
mod fib;
mod interface;
mod print;
mod problem;
mod read;
mod reverse_path;
mod routing;
mod sysctl;
mod topology;

pub use address_type::AddressTypes;
pub use check::{Contradiction, Place};
pub use fib::{Route, RouteKind};
pub use interface::{Defaults, Interface, MacAddr, StaticRoute};
pub use problem::{Lines, Problem};
pub use read::Places;
pub use reverse_path::RpfilterOptions;
pub use routing::Destination;
pub use sysctl::{SettingError, Value};
pub use topology::{Origin, Parts, Topology};
