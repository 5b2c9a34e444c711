//! The two directions of a connection.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Direction of a packet within its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// The direction of the first packet.
    Original,
    /// The other one.
    Reply,
}

impl Direction {
    /// Both directions, original first.
    pub const ALL: [Direction; 2] = [Direction::Original, Direction::Reply];

    /// The other direction.
    pub fn opposite(self) -> Direction {
        match self {
            Direction::Original => Direction::Reply,
            Direction::Reply => Direction::Original,
        }
    }

    /// 0 for original, 1 for reply.
    pub fn index(self) -> usize {
        self as usize
    }

    /// `original` or `reply`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Original => "original",
            Direction::Reply => "reply",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
