//! Who is hostile, and what it can do.

use crate::announce::directions;
use kinwall_terms::Direction;
use kinwall_terms::freedom::{Announcer, Row};

/// Who announces what it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hostile {
    /// The end that opened the signalling connection.
    Client,
    /// The end that was called; of a broadcast query, whoever answers.
    Server,
    /// A third party that sends in the name of either.
    Spoofer,
}

impl Hostile {
    /// All of them.
    pub const ALL: [Hostile; 3] = [Hostile::Client, Hostile::Server, Hostile::Spoofer];

    /// `client`, `server` or `spoofer`.
    pub fn name(self) -> &'static str {
        match self {
            Hostile::Client => "client",
            Hostile::Server => "server",
            Hostile::Spoofer => "spoofer",
        }
    }

    /// What it is able to do.
    pub fn powers(self) -> &'static str {
        match self {
            Hostile::Client => "opens signalling connections and sends any bytes on them",
            Hostile::Server => "sends any bytes on the signalling connections it is called on",
            Hostile::Spoofer => {
                "sends any packet that anti-spoofing lets through from where its source cannot \
                 live, hears nothing, and knows sequence numbers"
            }
        }
    }

    /// The directions of signalling in which it can announce `row`.
    pub(crate) fn announces(self, row: &Row) -> &'static [Direction] {
        match (self, row.announcer) {
            (Hostile::Server, Announcer::Gateway) => &[Direction::Original],
            (_, Announcer::Gateway) => &[],
            (Hostile::Spoofer, announcer) => directions(announcer),
            (Hostile::Client, Announcer::Originator | Announcer::Either) => &[Direction::Original],
            (Hostile::Server, Announcer::Responder | Announcer::Either) => &[Direction::Reply],
            _ => &[],
        }
    }
}
