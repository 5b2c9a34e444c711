//! SCTP (RFC 9260): associations, told by the chunks that open and close them.
//!
//! A packet's chunks are judged in order, and each may move the state. What keeps strangers out
//! is the verification tag: each end chooses the tag its peer must use, in INIT or INIT ACK.

mod chunks;
mod settings;
mod table;
mod track;

pub use settings::Timeouts;
pub use table::SctpState;
pub use track::State;
pub(crate) use track::{open, packet};

#[cfg(test)]
mod tests;
