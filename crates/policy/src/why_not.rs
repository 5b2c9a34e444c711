//! Why a connection has no helper, or has one in vain: what administrators ask most.
//!
//! The engine is asked, not the text of the rules: the first packet of the connection goes through
//! them, and what became of it says at which rule the helper was lost.

mod answer;
mod packets;
mod question;

pub use answer::{Answer, ask};
pub use question::{Opener, Question, Unclear};
