//! The states of an association and the chunks that move them, `[direction][chunk][state]`.

use kinwall_terms::Direction;
use kinwall_wire::sctp::chunk;
use serde::{Deserialize, Serialize};

/// The state of an association as the tracker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum SctpState {
    /// An INIT was seen, or the association is over.
    Closed,
    /// An INIT ACK was seen.
    CookieWait,
    /// A COOKIE ECHO was seen.
    CookieEchoed,
    /// Open.
    Established,
    /// The originator sent a SHUTDOWN.
    ShutdownSent,
    /// The responder sent a SHUTDOWN.
    ShutdownRecd,
    /// A SHUTDOWN ACK was seen.
    ShutdownAckSent,
    /// A HEARTBEAT without an INIT before it: a second path of an association.
    HeartbeatSent,
}

impl SctpState {
    /// The name as `conntrack -L` prints it.
    pub fn name(self) -> &'static str {
        match self {
            SctpState::Closed => "CLOSED",
            SctpState::CookieWait => "COOKIE_WAIT",
            SctpState::CookieEchoed => "COOKIE_ECHOED",
            SctpState::Established => "ESTABLISHED",
            SctpState::ShutdownSent => "SHUTDOWN_SENT",
            SctpState::ShutdownRecd => "SHUTDOWN_RECD",
            SctpState::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            SctpState::HeartbeatSent => "HEARTBEAT_SENT",
        }
    }

    /// Whether a SHUTDOWN was seen.
    pub fn is_closing(self) -> bool {
        matches!(
            self,
            SctpState::ShutdownSent | SctpState::ShutdownRecd | SctpState::ShutdownAckSent
        )
    }
}

/// The state after the first packet of an association, by its chunk; `None` when the chunk
/// opens none.
pub(super) fn opening(kind: u8) -> Option<SctpState> {
    match kind {
        chunk::SHUTDOWN_ACK => Some(SctpState::ShutdownAckSent),
        chunk::HEARTBEAT => Some(SctpState::HeartbeatSent),
        chunk::INIT
        | chunk::INIT_ACK
        | chunk::ABORT
        | chunk::SHUTDOWN
        | chunk::ERROR
        | chunk::COOKIE_ECHO
        | chunk::COOKIE_ACK
        | chunk::SHUTDOWN_COMPLETE
        | chunk::HEARTBEAT_ACK => Some(SctpState::Closed),
        // DATA, SACK and the rest belong to an association that is known.
        _ => None,
    }
}

/// The state after a chunk of a known association; `None` when the chunk cannot come.
pub(super) fn next(direction: Direction, kind: u8, state: SctpState) -> Option<SctpState> {
    match row(kind) {
        Some(row) => TABLE[direction.index()][row][state as usize],
        // DATA, SACK and the rest move nothing.
        None => Some(state),
    }
}

/// The row of a chunk in [`TABLE`].
fn row(kind: u8) -> Option<usize> {
    ROWS.iter().position(|&known| known == kind)
}

const ROWS: [u8; 11] = [
    chunk::INIT,
    chunk::INIT_ACK,
    chunk::ABORT,
    chunk::SHUTDOWN,
    chunk::SHUTDOWN_ACK,
    chunk::ERROR,
    chunk::COOKIE_ECHO,
    chunk::COOKIE_ACK,
    chunk::SHUTDOWN_COMPLETE,
    chunk::HEARTBEAT,
    chunk::HEARTBEAT_ACK,
];

const CL: Option<SctpState> = Some(SctpState::Closed);
const CW: Option<SctpState> = Some(SctpState::CookieWait);
const CE: Option<SctpState> = Some(SctpState::CookieEchoed);
const ES: Option<SctpState> = Some(SctpState::Established);
const SS: Option<SctpState> = Some(SctpState::ShutdownSent);
const SR: Option<SctpState> = Some(SctpState::ShutdownRecd);
const SA: Option<SctpState> = Some(SctpState::ShutdownAckSent);
const HS: Option<SctpState> = Some(SctpState::HeartbeatSent);
const INV: Option<SctpState> = None;

/// A row for each of [`ROWS`], a column for each [`SctpState`].
#[rustfmt::skip]
const TABLE: [[[Option<SctpState>; 8]; 11]; 2] = [
    // Original.
    [
        //                      CL  CW  CE  ES  SS  SR  SA  HS
        /* INIT              */ [CL, CW, CE, ES, CL, CL, SA, CW],
        /* INIT ACK          */ [CL, CW, CE, ES, SS, SR, SA, CL],
        /* ABORT             */ [CL, CL, CL, CL, CL, CL, CL, CL],
        /* SHUTDOWN          */ [CL, CW, CE, SS, SS, SR, SA, CL],
        /* SHUTDOWN ACK      */ [CL, CW, CE, ES, SA, SA, SA, SA],
        /* ERROR             */ [CL, CW, CE, ES, SS, SR, SA, CL],
        /* COOKIE ECHO       */ [CL, CE, CE, ES, SS, SR, SA, CL],
        /* COOKIE ACK        */ [CL, CW, ES, ES, SS, SR, SA, CL],
        /* SHUTDOWN COMPLETE */ [CL, CW, CE, ES, SS, SR, CL, CL],
        /* HEARTBEAT         */ [CL, CW, CE, ES, SS, SR, SA, HS],
        /* HEARTBEAT ACK     */ [CL, CW, CE, ES, SS, SR, SA, HS],
    ],
    // Reply.
    [
        //                      CL  CW  CE  ES  SS  SR  SA  HS
        /* INIT              */ [CL, CW, CE, ES, SS, SR, SA, INV],
        /* INIT ACK          */ [CW, CW, CE, ES, SS, SR, SA, INV],
        /* ABORT             */ [CL, CL, CL, CL, CL, CL, CL, INV],
        /* SHUTDOWN          */ [CL, CW, CE, SR, SS, SR, SA, INV],
        /* SHUTDOWN ACK      */ [CL, CW, CE, ES, SA, SA, SA, INV],
        /* ERROR             */ [CL, CW, CL, ES, SS, SR, SA, INV],
        /* COOKIE ECHO       */ [CL, CE, CE, ES, SS, SR, SA, INV],
        /* COOKIE ACK        */ [CL, CW, ES, ES, SS, SR, SA, INV],
        /* SHUTDOWN COMPLETE */ [CL, CW, CE, ES, SS, SR, CL, INV],
        /* HEARTBEAT         */ [CL, CW, CE, ES, SS, SR, SA, HS],
        /* HEARTBEAT ACK     */ [CL, CW, CE, ES, SS, SR, SA, ES],
    ],
];
