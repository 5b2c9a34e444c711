//! DCCP (RFC 4340), which Linux tracked up to 6.15; later versions treat it as any protocol
//! without a tracker.
//!
//! The client sends Request, the server Response, and the client's Ack or DataAck moves the
//! connection to PARTOPEN, where it stays until the server's next packet (section 8.1.5).
//! Sequence numbers are not checked, except that the connection is ASSURED only when the
//! client's first Ack acknowledges exactly the Response.

use super::{Change, Judgement, Opening, Packet, ProtoState, Standing, Tunables};
use kinwall_terms::{Direction, Reason};
use kinwall_wire::{Dccp, L4};
use serde::{Deserialize, Serialize};

/// The state of a connection as the tracker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum DccpState {
    /// A Request was seen.
    Request,
    /// A Response was seen.
    Respond,
    /// The client acknowledged the Response.
    PartOpen,
    /// Open.
    Open,
    /// The server asks the client to close.
    CloseReq,
    /// An end closes.
    Closing,
    /// A Reset was seen.
    TimeWait,
}

impl DccpState {
    /// The name as `conntrack -L` prints it.
    pub fn name(self) -> &'static str {
        match self {
            DccpState::Request => "REQUEST",
            DccpState::Respond => "RESPOND",
            DccpState::PartOpen => "PARTOPEN",
            DccpState::Open => "OPEN",
            DccpState::CloseReq => "CLOSEREQ",
            DccpState::Closing => "CLOSING",
            DccpState::TimeWait => "TIMEWAIT",
        }
    }
}

/// The DCCP timeouts, in seconds; two minutes are the maximum segment lifetime (section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `nf_conntrack_dccp_timeout_request`.
    pub request_s: u32,
    /// `nf_conntrack_dccp_timeout_respond`.
    pub respond_s: u32,
    /// `nf_conntrack_dccp_timeout_partopen`.
    pub partopen_s: u32,
    /// `nf_conntrack_dccp_timeout_open`.
    pub open_s: u32,
    /// `nf_conntrack_dccp_timeout_closereq`.
    pub closereq_s: u32,
    /// `nf_conntrack_dccp_timeout_closing`.
    pub closing_s: u32,
    /// `nf_conntrack_dccp_timeout_timewait`.
    pub timewait_s: u32,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            request_s: 240,
            respond_s: 480,
            partopen_s: 480,
            open_s: 43_200,
            closereq_s: 64,
            closing_s: 64,
            timewait_s: 240,
        }
    }
}

impl Timeouts {
    /// The timeout of a state.
    pub fn of(&self, state: DccpState) -> u32 {
        match state {
            DccpState::Request => self.request_s,
            DccpState::Respond => self.respond_s,
            DccpState::PartOpen => self.partopen_s,
            DccpState::Open => self.open_s,
            DccpState::CloseReq => self.closereq_s,
            DccpState::Closing => self.closing_s,
            DccpState::TimeWait => self.timewait_s,
        }
    }
}

/// What is remembered of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Sequence number of the Response.
    handshake_seq: u64,
    state: DccpState,
    /// Which direction the client's packets have.
    client: Direction,
    last_kind: u8,
    last_direction: Direction,
}

impl State {
    /// The state's name as `conntrack -L` prints it.
    pub fn name(&self) -> &'static str {
        self.state.name()
    }

    /// The state.
    pub fn state(&self) -> DccpState {
        self.state
    }

    /// Whether the connection may go early: an end closes, or a Reset was seen.
    pub fn is_closing(&self) -> bool {
        matches!(self.state, DccpState::CloseReq | DccpState::Closing | DccpState::TimeWait)
    }
}

/// Packet types (section 5.1).
mod kind {
    pub(super) const REQUEST: u8 = 0;
    pub(super) const RESPONSE: u8 = 1;
    pub(super) const ACK: u8 = 3;
    pub(super) const RESET: u8 = 7;
}

/// What a packet does to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transition {
    To(DccpState),
    /// It passes and moves nothing: the ends may know better.
    Ignore,
    Invalid,
}

const RQ: Transition = Transition::To(DccpState::Request);
const RS: Transition = Transition::To(DccpState::Respond);
const PO: Transition = Transition::To(DccpState::PartOpen);
const OP: Transition = Transition::To(DccpState::Open);
const CR: Transition = Transition::To(DccpState::CloseReq);
const CG: Transition = Transition::To(DccpState::Closing);
const TW: Transition = Transition::To(DccpState::TimeWait);
const IGN: Transition = Transition::Ignore;
const INV: Transition = Transition::Invalid;

/// `[sender is the server][packet type][state]`.
#[rustfmt::skip]
const TABLE: [[[Transition; 7]; 10]; 2] = [
    // Client.
    [
        //             RQ   RS   PO   OP   CR   CG   TW
        /* Request  */ [RQ,  RS,  IGN, IGN, IGN, IGN, RQ ],
        /* Response */ [IGN, IGN, IGN, IGN, IGN, IGN, INV],
        /* Data     */ [INV, INV, INV, OP,  CR,  CG,  INV],
        /* Ack      */ [INV, PO,  PO,  OP,  CR,  CG,  INV],
        /* DataAck  */ [INV, PO,  PO,  OP,  CR,  CG,  INV],
        // Only the server may ask for the close (section 5.5).
        /* CloseReq */ [INV, INV, INV, INV, INV, INV, INV],
        /* Close    */ [INV, INV, CG,  CG,  CG,  CG,  INV],
        /* Reset    */ [TW,  TW,  TW,  TW,  TW,  TW,  IGN],
        /* Sync     */ [IGN, IGN, IGN, IGN, IGN, IGN, IGN],
        /* SyncAck  */ [IGN, IGN, IGN, IGN, IGN, IGN, IGN],
    ],
    // Server.
    [
        //             RQ   RS   PO   OP   CR   CG   TW
        /* Request  */ [IGN, IGN, IGN, IGN, IGN, IGN, RQ ],
        /* Response */ [RS,  RS,  IGN, IGN, IGN, IGN, INV],
        /* Data     */ [INV, INV, OP,  OP,  INV, CG,  INV],
        /* Ack      */ [INV, INV, OP,  OP,  INV, CG,  INV],
        /* DataAck  */ [INV, INV, OP,  OP,  INV, CG,  INV],
        /* CloseReq */ [INV, INV, CR,  CR,  CR,  CR,  INV],
        /* Close    */ [INV, INV, CG,  CG,  INV, CG,  INV],
        /* Reset    */ [TW,  TW,  TW,  TW,  TW,  TW,  TW ],
        /* Sync     */ [IGN, IGN, IGN, IGN, IGN, IGN, IGN],
        /* SyncAck  */ [IGN, IGN, IGN, IGN, IGN, IGN, IGN],
    ],
];

/// Judges the first packet: only a Request opens.
pub(crate) fn open(
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Result<Opening, Reason> {
    let header = header(packet, tunables)?;
    if header.kind != kind::REQUEST {
        return Err(Reason::Dccp);
    }
    let state = State {
        handshake_seq: 0,
        state: DccpState::Request,
        client: Direction::Original,
        last_kind: kind::REQUEST,
        last_direction: Direction::Original,
    };
    Ok(Opening { state: ProtoState::Dccp(state), timeout_s: timeouts.request_s })
}

/// Judges a further packet.
pub(crate) fn packet(
    state: &mut State,
    standing: &Standing,
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Judgement {
    let header = match header(packet, tunables) {
        Ok(header) => header,
        Err(reason) => return Judgement::invalid(reason),
    };
    if header.kind == kind::RESET && !standing.has_reply() {
        return Judgement::AcceptAndKill;
    }
    let direction = standing.direction;
    let is_server = direction != state.client;
    let rows = TABLE[usize::from(is_server)];
    let Some(row) = rows.get(usize::from(header.kind)) else {
        return Judgement::invalid(Reason::Dccp);
    };
    let old = state.state;
    let answers_ignored = state.last_direction != direction
        && state.last_kind == kind::REQUEST
        && header.kind == kind::RESPONSE;
    let new = match row[old as usize] {
        Transition::Invalid => return Judgement::invalid(Reason::Dccp),
        Transition::Ignore if answers_ignored => {
            // The ends have agreed without the tracker.
            state.client = direction.opposite();
            state.handshake_seq = header.seq;
            DccpState::Respond
        }
        Transition::Ignore => {
            (state.last_kind, state.last_direction) = (header.kind, direction);
            return Judgement::PASS;
        }
        Transition::To(new) => new,
    };
    match (old, new) {
        // The former server opens the next connection.
        (DccpState::TimeWait, DccpState::Request) => state.client = direction,
        (DccpState::Request, DccpState::Respond) => state.handshake_seq = header.seq,
        _ => (),
    }
    let acknowledged = header.acknowledgement(packet.transport());
    let assured = (old, new) == (DccpState::Respond, DccpState::PartOpen)
        && header.kind == kind::ACK
        && acknowledged == Some(state.handshake_seq);
    (state.last_kind, state.last_direction) = (header.kind, direction);
    state.state = new;
    let timeout_s = Some(timeouts.of(new));
    Judgement::Accept(Change { timeout_s, assured, state: old != new })
}

/// The checked header: lengths, checksum, type (section 5.1).
fn header(packet: &Packet<'_>, tunables: &Tunables) -> Result<Dccp, Reason> {
    let L4::Dccp(header) = packet.headers.l4 else {
        return Err(Reason::TruncatedTransportHeader);
    };
    let length = packet.transport().len();
    let data_offset = usize::from(header.data_offset);
    if data_offset < Dccp::LENGTH || data_offset > length {
        return Err(Reason::BadLength);
    }
    let covered = usize::from(header.coverage.saturating_sub(1)) * 4;
    if covered > length {
        return Err(Reason::BadLength);
    }
    if packet.has_bad_checksum(tunables) {
        return Err(Reason::BadChecksum);
    }
    if usize::from(header.kind) >= TABLE[0].len() {
        return Err(Reason::Dccp);
    }
    Ok(header)
}
