//! What is taken for granted of a packet while it goes through the rules.
//!
//! Rules ask about the connection as much as about the packet. A walk therefore answers for one
//! [`Situation`] at a time: which way the packet goes, and what tracking says of it. Questions of
//! rules about those are then answered once, and the sets stay small.

use kinwall_terms::{CtState, Direction, Status};

/// What is known of every packet of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Situation {
    /// Whether the gateway itself sends it.
    pub sent: bool,
    /// Whether the fields of a set are those of the tuple that the packet answers: its own source
    /// is then `dst`, and so on. So it is for packets of the reply direction, whose sets can then
    /// be compared with those of the first packets of their connections.
    pub swapped: bool,
    /// What tracking says.
    pub tracked: Tracked,
    /// The helper instance that announced its connection.
    pub master: Option<u8>,
}

/// What tracking says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tracked {
    /// Nothing yet: rules of the raw table.
    NotYet,
    /// Not yet, but a rule of the raw table has said how: that stands in for a connection.
    Template,
    /// It belongs to no connection and opens none.
    Invalid,
    /// Rules switched tracking off, or it is of a kind that is never tracked.
    Untracked,
    /// It is the first packet of a connection, announced if the situation has a master.
    First,
    /// It belongs to a connection that has been seen in both directions.
    Answered(Direction),
    /// It is an ICMP error about a connection.
    Error,
}

impl Situation {
    /// A packet that came by an interface.
    pub fn received(tracked: Tracked) -> Situation {
        let swapped = tracked == Tracked::Answered(Direction::Reply);
        Situation { sent: false, swapped, tracked, master: None }
    }

    /// The same for a connection that a helper announced.
    pub fn of(self, master: Option<u8>) -> Situation {
        Situation { master, ..self }
    }

    /// The same for a packet that the gateway sends, if `sent`.
    pub fn sent(self, sent: bool) -> Situation {
        Situation { sent, ..self }
    }

    /// What `--ctstate` compares with.
    pub fn state(self) -> CtState {
        match self.tracked {
            Tracked::NotYet | Tracked::Invalid => CtState::Invalid,
            Tracked::Untracked => CtState::Untracked,
            Tracked::Template => CtState::New,
            Tracked::First if self.master.is_some() => CtState::Related,
            Tracked::First => CtState::New,
            Tracked::Answered(_) => CtState::Established,
            Tracked::Error => CtState::Related,
        }
    }

    /// Whether there is a connection to ask about.
    pub fn has_connection(self) -> bool {
        matches!(self.tracked, Tracked::First | Tracked::Answered(_) | Tracked::Error)
    }

    /// The direction of the packet in its connection, where that is known.
    pub fn direction(self) -> Option<Direction> {
        match self.tracked {
            Tracked::First => Some(Direction::Original),
            Tracked::Answered(direction) => Some(direction),
            _ => None,
        }
    }

    /// The status bits that are surely set, and those that may be.
    pub fn status(self) -> (Status, Status) {
        let mut sure = Status::empty();
        sure.set(Status::EXPECTED, self.master.is_some());
        let established = matches!(self.tracked, Tracked::Answered(_));
        sure.set(Status::SEEN_REPLY, established);
        sure.set(Status::CONFIRMED, established || self.tracked == Tracked::Error);
        let may = match self.tracked {
            Tracked::Answered(_) => Status::ASSURED,
            Tracked::Error => Status::ASSURED | Status::SEEN_REPLY,
            _ => Status::empty(),
        };
        (sure, may)
    }
}
