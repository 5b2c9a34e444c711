//! GRE (RFC 2784, RFC 2637): one connection per pair of addresses, or per call for PPTP.
//!
//! Telling the versions apart and finding the call ids is the tuple's business. What is left is
//! a pair of timeouts, taken when the connection opens: later changes of the settings do not
//! reach it.

use super::{Change, Judgement, Opening, ProtoState, Standing};
use kinwall_terms::Status;
use serde::{Deserialize, Serialize};

/// The GRE timeouts, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// `nf_conntrack_gre_timeout`: until an answer was seen.
    pub one_way_s: u32,
    /// `nf_conntrack_gre_timeout_stream`: after it.
    pub stream_s: u32,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { one_way_s: 30, stream_s: 180 }
    }
}

/// The timeouts that hold for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    timeouts: Timeouts,
}

impl State {
    /// With the timeouts there are when nobody says otherwise.
    pub(crate) fn told() -> State {
        State { timeouts: Timeouts::default() }
    }
}

/// Any packet with a tuple opens.
pub(crate) fn open(timeouts: &Timeouts) -> Opening {
    let state = State { timeouts: *timeouts };
    Opening { state: ProtoState::Gre(state), timeout_s: timeouts.one_way_s }
}

/// ASSURED with the first packet after the answer.
pub(crate) fn packet(state: &State, standing: &Standing) -> Judgement {
    if !standing.has_reply() {
        return Judgement::refresh(state.timeouts.one_way_s);
    }
    Judgement::Accept(Change {
        timeout_s: Some(state.timeouts.stream_s),
        assured: !standing.status.contains(Status::NAT_CLASH),
        state: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinwall_terms::{Direction, Time};

    #[test]
    fn assured_with_the_first_packet_after_the_answer() {
        let opening = open(&Timeouts::default());
        assert_eq!(opening.timeout_s, 30);
        let ProtoState::Gre(state) = opening.state else { panic!("not GRE") };
        let clash = Status::SEEN_REPLY | Status::NAT_CLASH;
        let rows = [
            (Direction::Original, Status::CONFIRMED, 30, false),
            // The answer itself: judged before SEEN_REPLY is set.
            (Direction::Reply, Status::CONFIRMED, 30, false),
            (Direction::Original, Status::SEEN_REPLY, 180, true),
            (Direction::Reply, Status::SEEN_REPLY, 180, true),
            (Direction::Reply, clash, 180, false),
        ];
        for (direction, status, timeout_s, assured) in rows {
            let standing = Standing { direction, status, deadline: Time(0), moved: 0 };
            let change = Change { timeout_s: Some(timeout_s), assured, state: false };
            let expected = Judgement::Accept(change);
            assert_eq!(packet(&state, &standing), expected, "{direction} {status:?}");
        }
    }
}
