//! What is remembered of a TCP connection: packed for the table, unpacked for the work.

use super::options::Offer;
use super::segment::{Class, Segment};
use kinwall_terms::Direction;
use serde::{Deserialize, Serialize};

/// The state of a TCP connection as the tracker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum TcpState {
    /// A SYN was seen.
    SynSent,
    /// A SYN and its SYN+ACK were seen.
    SynRecv,
    /// Open.
    Established,
    /// One end sent a FIN.
    FinWait,
    /// The FIN was acknowledged.
    CloseWait,
    /// Both ends sent a FIN.
    LastAck,
    /// Both FINs were acknowledged.
    TimeWait,
    /// A RST was seen.
    Close,
    /// Both ends sent a SYN.
    SynSent2,
}

impl TcpState {
    const ALL: [TcpState; 9] = [
        TcpState::SynSent,
        TcpState::SynRecv,
        TcpState::Established,
        TcpState::FinWait,
        TcpState::CloseWait,
        TcpState::LastAck,
        TcpState::TimeWait,
        TcpState::Close,
        TcpState::SynSent2,
    ];

    /// The name as `conntrack -L` prints it.
    pub fn name(self) -> &'static str {
        match self {
            TcpState::SynSent => "SYN_SENT",
            TcpState::SynRecv => "SYN_RECV",
            TcpState::Established => "ESTABLISHED",
            TcpState::FinWait => "FIN_WAIT",
            TcpState::CloseWait => "CLOSE_WAIT",
            TcpState::LastAck => "LAST_ACK",
            TcpState::TimeWait => "TIME_WAIT",
            TcpState::Close => "CLOSE",
            TcpState::SynSent2 => "SYN_SENT2",
        }
    }

    /// Whether one end has finished, or a RST was seen.
    pub fn is_closing(self) -> bool {
        match self {
            TcpState::FinWait
            | TcpState::CloseWait
            | TcpState::LastAck
            | TcpState::TimeWait
            | TcpState::Close => true,
            TcpState::SynSent | TcpState::SynRecv | TcpState::Established | TcpState::SynSent2 => {
                false
            }
        }
    }
}

bitflags::bitflags! {
    /// Facts about one end, with the bit numbers ctnetlink shows.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub(super) struct Traits: u8 {
        /// It offered window scaling.
        const SCALES = 1 << 0;
        /// It permitted SACK.
        const SACK = 1 << 1;
        /// It sent the first FIN.
        const CLOSES = 1 << 2;
        /// Its segments may lie outside the window: the connection was picked up.
        const LIBERAL = 1 << 3;
        /// It sent data that was not acknowledged yet.
        const UNACKNOWLEDGED = 1 << 4;
        /// Its highest acknowledgement is known.
        const HAS_ACK = 1 << 5;
        /// Of the ignored SYN only: an ACK that answers it is no ACK of the last FIN.
        const CHALLENGE_EXPECTED = 1 << 6;
        /// Of the last segments only: both ends have sent a SYN.
        const SIMULTANEOUS_OPEN = 1 << 7;
    }
}

/// What one end has sent and may send; van Rooij's variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    /// The highest sequence number it sent, plus one.
    pub(super) end: u32,
    /// The highest sequence number its peer lets it send, plus one.
    pub(super) max_end: u32,
    /// The largest window it announced, scaled; 0 until something was seen of it.
    pub(super) max_window: u32,
    /// Its highest acknowledgement, under [`Traits::HAS_ACK`].
    pub(super) max_ack: u32,
    /// The shift of its windows, 0 to 14.
    pub(super) scale: u8,
    pub(super) traits: Traits,
}

impl Side {
    /// Learns from a SYN or SYN+ACK; one without any options changes nothing.
    pub(super) fn learn(&mut self, segment: &Segment<'_>) {
        let Some(offer) = Offer::read(segment) else { return };
        self.scale = offer.scale.unwrap_or(0);
        self.traits &= Traits::LIBERAL;
        self.traits.set(Traits::SCALES, offer.scale.is_some());
        self.traits.set(Traits::SACK, offer.sack);
    }

    /// Its highest acknowledgement, once there was one.
    pub(super) fn highest_ack(&self) -> Option<u32> {
        self.traits.contains(Traits::HAS_ACK).then_some(self.max_ack)
    }
}

/// What is remembered of the last segment that mattered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) end: u32,
    /// As announced, not scaled.
    pub(super) window: u16,
    pub(super) class: Class,
    pub(super) direction: Direction,
    /// The window scale an ignored SYN offered.
    pub(super) scale: u8,
    /// What an ignored SYN offered, and the two traits of the last segments.
    pub(super) traits: Traits,
}

/// A connection, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    /// `None` for a connection that is about to open.
    pub(super) state: Option<TcpState>,
    /// By direction.
    pub(super) sides: [Side; 2],
    pub(super) last: Last,
    /// How many times the last segment was repeated; wraps.
    pub(super) repetitions: u8,
}

impl Flow {
    /// A connection of which nothing was seen.
    pub(super) fn new() -> Flow {
        let last = Last {
            seq: 0,
            ack: 0,
            end: 0,
            window: 0,
            class: Class::None,
            direction: Direction::Original,
            scale: 0,
            traits: Traits::empty(),
        };
        Flow { state: None, sides: [Side::default(); 2], last, repetitions: 0 }
    }

    /// The traits of both ends together.
    pub(super) fn traits(&self) -> Traits {
        self.sides[0].traits | self.sides[1].traits
    }
}

/// A TCP connection as the table keeps it: 56 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) end: [u32; 2],
    pub(super) max_end: [u32; 2],
    pub(super) max_window: [u32; 2],
    pub(super) max_ack: [u32; 2],
    pub(super) last_seq: u32,
    pub(super) last_ack: u32,
    pub(super) last_end: u32,
    pub(super) last_window: u16,
    pub(super) traits: [Traits; 2],
    pub(super) last_traits: Traits,
    /// Four bits each: original low, reply high.
    pub(super) scales: u8,
    /// Four bits each: the scale of an ignored SYN low, direction of the last segment high.
    pub(super) last_scale_and_direction: u8,
    pub(super) last_class: Class,
    pub(super) repetitions: u8,
    pub(super) state: TcpState,
}

impl State {
    /// The state's name as `conntrack -L` prints it.
    pub fn name(&self) -> &'static str {
        self.state.name()
    }

    /// The state.
    pub fn state(&self) -> TcpState {
        self.state
    }

    /// Whether one end has finished, or a RST was seen.
    pub fn is_closing(&self) -> bool {
        self.state.is_closing()
    }

    /// A connection of which nothing but the name of its state is known: what it sends and may
    /// send is learnt from its next segments, and its windows are not believed.
    pub(crate) fn picked_up(name: &str) -> Option<State> {
        let state = TcpState::ALL.into_iter().find(|state| state.name() == name)?;
        let mut flow = Flow::new();
        for side in &mut flow.sides {
            side.traits = Traits::LIBERAL | Traits::SACK;
        }
        Some(State::pack(&flow, state))
    }

    /// The gateway itself has ended the connection with a RST.
    pub(crate) fn close(&mut self) {
        self.state = TcpState::Close;
    }

    /// Segments may have passed unseen: both ends are joined again in the middle of their
    /// conversation, with the scales of their windows known. What is joined first may be repeated,
    /// and acknowledged far beyond: from now on windows are watched but none is out of them
    /// (as connections are that conntrackd(8) brings back).
    pub(crate) fn miss(&mut self) {
        self.max_window = [0; 2];
        for traits in &mut self.traits {
            traits.remove(Traits::HAS_ACK);
            traits.insert(Traits::LIBERAL);
        }
    }

    /// The direction of the last segment that mattered.
    #[inline]
    pub(super) fn last_direction(&self) -> Direction {
        match self.last_scale_and_direction >> 4 {
            0 => Direction::Original,
            _ => Direction::Reply,
        }
    }

    #[inline]
    pub(super) fn set_last_direction(&mut self, direction: Direction) {
        let scale = self.last_scale_and_direction & 15;
        self.last_scale_and_direction = scale | (direction.index() as u8) << 4;
    }

    /// One end.
    #[inline]
    pub(super) fn side(&self, direction: Direction) -> Side {
        let index = direction.index();
        Side {
            end: self.end[index],
            max_end: self.max_end[index],
            max_window: self.max_window[index],
            max_ack: self.max_ack[index],
            scale: self.scales >> (4 * index) & 15,
            traits: self.traits[index],
        }
    }

    /// Replaces all that is known of one end but its scale.
    #[inline]
    pub(super) fn set_side(&mut self, direction: Direction, side: &Side) {
        let index = direction.index();
        self.end[index] = side.end;
        self.max_end[index] = side.max_end;
        self.max_window[index] = side.max_window;
        self.max_ack[index] = side.max_ack;
        self.traits[index] = side.traits;
    }

    pub(super) fn pack(flow: &Flow, state: TcpState) -> State {
        let Flow { sides: [original, reply], last, repetitions, .. } = *flow;
        State {
            end: [original.end, reply.end],
            max_end: [original.max_end, reply.max_end],
            max_window: [original.max_window, reply.max_window],
            max_ack: [original.max_ack, reply.max_ack],
            last_seq: last.seq,
            last_ack: last.ack,
            last_end: last.end,
            last_window: last.window,
            traits: [original.traits, reply.traits],
            last_traits: last.traits,
            scales: original.scale | reply.scale << 4,
            last_scale_and_direction: last.scale | (last.direction.index() as u8) << 4,
            last_class: last.class,
            repetitions,
            state,
        }
    }

    pub(super) fn unpack(&self) -> Flow {
        let last = Last {
            seq: self.last_seq,
            ack: self.last_ack,
            end: self.last_end,
            window: self.last_window,
            class: self.last_class,
            direction: self.last_direction(),
            scale: self.last_scale_and_direction & 15,
            traits: self.last_traits,
        };
        Flow {
            state: Some(self.state),
            sides: Direction::ALL.map(|direction| self.side(direction)),
            last,
            repetitions: self.repetitions,
        }
    }
}
