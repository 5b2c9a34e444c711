//! Captures through the engine; the clock is the capture's.

mod announcements;
mod arrival;
mod capture;
mod compare;
mod feed;
pub mod output;
mod record;
mod replay;
mod sight;
mod source;
mod split;
mod tally;
pub mod typed;
mod watched;
mod write;

pub use capture::{Damage, DamageKind, Described, PACKET_BYTES_MAX};
pub use compare::{Compared, Profiles};
pub use feed::{Batch, Feed, Seen};
pub use kinwall_engine::NEAR_MAX;
pub use record::Names;
pub use replay::{Change, Clock, Replay};
pub use sight::{Shown, shown};
pub use source::{Frame, Input, OpenError, OpenErrorKind, Progress, Source};
pub use split::Split;
pub use write::{WriteError, Writer};
