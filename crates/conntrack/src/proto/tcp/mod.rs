//! TCP (RFC 9293): the state machine, the windows and the timers.
//!
//! The tracker stands between the two ends and must guess what each of them will accept. It
//! follows Guido van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2000): from every
//! segment it learns how far its sender may go (`window`), and a table says what the segment
//! means for the connection (`table`). Where it may be wrong it lets the segment pass without
//! believing it, and remembers just enough of it to catch up with the two ends later (`track`).

mod options;
mod reset;
mod segment;
mod settings;
mod state;
mod steady;
mod table;
mod track;
mod window;

pub use settings::{Timeouts, Tunables};
pub use state::{State, TcpState};
pub(crate) use track::{open, packet};

#[cfg(test)]
mod tests;
