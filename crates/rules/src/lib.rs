//! The iptables language, both ways, and what it means.
//!
//! Text becomes a [`ruleset::Ruleset`] ([`load`]), a rule set becomes text
//! ([`mod@print`]), and a rule set becomes a [`program::Program`] that takes packets through its
//! chains. Extensions live in [`mod@matches`] and [`targets`], one file and one registry row each.
//!
//! Nothing here does I/O or panics on any input. The connection table is out of sight: rules see
//! the [`facts::Facts`] of a packet, change its [`facts::PacketState`], and remember in a
//! [`memory::Memory`] that is passed in.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod apply;
mod check;
mod compile;
pub mod diagnostic;
pub mod eval;
pub mod facts;
mod file;
mod index;
mod key;
mod keyed;
pub mod lex;
pub mod load;
pub mod log_line;
pub mod matches;
pub mod memory;
pub mod naive;
mod nft;
pub mod option;
mod parse;
pub mod print;
pub mod program;
pub mod protocols;
pub mod ruleset;
pub mod services;
pub mod sets;
mod shell;
mod sieve;
mod suggest;
pub mod targets;
pub mod value;
