//! Matches: one file each, one row each in [`registry`].

pub mod comment;
pub mod conntrack;
pub mod helper;
pub mod multiport;
pub mod registry;
pub mod rpfilter;
pub mod state;
pub mod tcp;
pub mod udp;

pub use registry::Match;
