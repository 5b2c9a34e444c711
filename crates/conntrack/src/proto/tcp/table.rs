//! The state machine as a table: `[direction][class][state]`.
//!
//! It describes what the tracker sees between the two ends, so the states are those of neither:
//! a FIN moves the connection to FIN_WAIT for both directions. An empty place is a decision:
//! `INV` segments are INVALID, `IGN` segments pass without being believed, because the ends may
//! know better than the tracker.

use super::segment::Class;
use super::state::TcpState;
use kinwall_terms::Direction;

/// What a segment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// The connection is in this state afterwards (often the one it was in).
    To(TcpState),
    /// The segment passes and the state stays.
    Ignore,
    /// There is no such segment in this state.
    Invalid,
}

/// What a segment of `class` in `direction` does to a connection in `state`.
pub(super) fn transition(direction: Direction, class: Class, state: TcpState) -> Transition {
    TABLE[direction.index()][class as usize][state as usize]
}

const SS: Transition = Transition::To(TcpState::SynSent);
const SR: Transition = Transition::To(TcpState::SynRecv);
const ES: Transition = Transition::To(TcpState::Established);
const FW: Transition = Transition::To(TcpState::FinWait);
const CW: Transition = Transition::To(TcpState::CloseWait);
const LA: Transition = Transition::To(TcpState::LastAck);
const TW: Transition = Transition::To(TcpState::TimeWait);
const CL: Transition = Transition::To(TcpState::Close);
const S2: Transition = Transition::To(TcpState::SynSent2);
const IGN: Transition = Transition::Ignore;
const INV: Transition = Transition::Invalid;

/// A row for each [`Class`], a column for each [`TcpState`], in the order of their declaration.
#[rustfmt::skip]
const TABLE: [[[Transition; 9]; 6]; 2] = [
    // Original.
    [
        //           SS   SR   ES   FW   CW   LA   TW   CL   S2
        /* SYN    */ [SS,  IGN, IGN, IGN, IGN, IGN, SS,  SS,  S2 ],
        /* SYNACK */ [INV, SR,  INV, INV, INV, INV, INV, INV, SR ],
        /* FIN    */ [INV, FW,  FW,  LA,  LA,  LA,  TW,  CL,  INV],
        /* ACK    */ [INV, ES,  ES,  CW,  CW,  TW,  TW,  CL,  INV],
        /* RST    */ [CL,  CL,  CL,  CL,  CL,  CL,  CL,  CL,  CL ],
        /* none   */ [INV, INV, INV, INV, INV, INV, INV, INV, INV],
    ],
    // Reply.
    [
        //           SS   SR   ES   FW   CW   LA   TW   CL   S2
        /* SYN    */ [S2,  INV, INV, INV, INV, INV, SS,  INV, S2 ],
        /* SYNACK */ [SR,  IGN, IGN, IGN, IGN, IGN, IGN, IGN, SR ],
        /* FIN    */ [INV, FW,  FW,  LA,  LA,  LA,  TW,  CL,  INV],
        /* ACK    */ [IGN, SR,  ES,  CW,  CW,  TW,  TW,  CL,  IGN],
        /* RST    */ [CL,  CL,  CL,  CL,  CL,  CL,  CL,  CL,  CL ],
        /* none   */ [INV, INV, INV, INV, INV, INV, INV, INV, INV],
    ],
];
