//! Matches: one file each, one row each in [`registry`].

pub mod addrtype;
pub mod comment;
pub mod connmark;
pub mod conntrack;
pub mod helper;
pub mod hl;
pub mod icmp;
pub mod icmp6;
pub mod iprange;
pub mod length;
pub mod mark;
pub mod multiport;
pub mod registry;
pub mod rpfilter;
pub mod state;
pub mod tcp;
pub mod ttl;
pub mod udp;

pub use registry::Match;
