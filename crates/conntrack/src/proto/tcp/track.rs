//! The life of a TCP connection, segment by segment.

use super::reset::{self, Reset};
use super::segment::{Class, Segment};
use super::settings;
use super::state::{Flow, Last, Side, State, TcpState, Traits};
use super::steady;
use super::table::{Transition, transition};
use super::window::{self, InWindow};
use crate::proto::{Change, Judgement, Opening, Packet, ProtoState, Standing, Tunables};
use kinwall_terms::{Direction, Reason, Status};

/// An INVALID FIN or RST shortens no deadline that is nearer than this, in seconds.
const SHORT_DEADLINE_S: u32 = 120;

/// Judges the first segment: a SYN, or in loose mode an ACK.
pub(crate) fn open(
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &settings::Timeouts,
) -> Result<Opening, Reason> {
    let segment = Segment::read(packet, tunables)?;
    let mut flow = Flow::new();
    let state = match segment.class() {
        Class::Syn => {
            let [original, reply] = &mut flow.sides;
            window::synchronise(original, reply, Direction::Original, &segment);
            TcpState::SynSent
        }
        Class::Ack if tunables.tcp.loose => {
            pick_up(&mut flow, &segment);
            TcpState::Established
        }
        _ => return Err(Reason::TcpNotOpening),
    };
    // A SYN is always within the window it has just set, and a pickup is liberal.
    window::check(&mut flow, Direction::Original, &segment, 0, tunables.tcp.be_liberal);
    remember(&mut flow, &segment, Direction::Original);
    let timeout_s = timeout(&Signs::of(&flow), state, segment.class(), tunables, timeouts);
    let timeout_s = match state {
        TcpState::Established => timeout_s.min(timeouts.unacknowledged_s),
        _ => timeout_s,
    };
    Ok(Opening { state: ProtoState::Tcp(State::pack(&flow, state)), timeout_s })
}

/// Joins a connection in its middle: what was agreed at its beginning is unknown, so SACK is
/// assumed, and windows, whose scale is unknown, are not held against it.
fn pick_up(flow: &mut Flow, segment: &Segment<'_>) {
    let traits = Traits::SACK | Traits::LIBERAL;
    let end = segment.end();
    let max_window = u32::from(segment.window).max(1);
    let max_end = end.wrapping_add(max_window);
    let sender = Side { end, max_end, max_window, traits, ..Side::default() };
    flow.sides = [sender, Side { traits, ..Side::default() }];
}

/// Judges a further segment.
#[inline]
pub(crate) fn packet(
    packed: &mut State,
    standing: &Standing,
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &settings::Timeouts,
) -> Judgement {
    match steady::packet(packed, standing, packet, tunables, timeouts) {
        Some(judgement) => judgement,
        None => any_packet(packed, standing, packet, tunables, timeouts),
    }
}

/// Judges a further segment, of whatever kind.
#[inline(never)]
pub(super) fn any_packet(
    packed: &mut State,
    standing: &Standing,
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &settings::Timeouts,
) -> Judgement {
    let segment = match Segment::read(packet, tunables) {
        Ok(segment) => segment,
        Err(reason) => return Judgement::invalid(reason),
    };
    let old = packed.state();
    let mut flow = packed.unpack();
    let step = step(&mut flow, old, standing, &segment, tunables);
    let judgement = match step {
        Step::Invalid(reason) => return Judgement::invalid(reason),
        Step::Replace => return Judgement::Replace,
        Step::Pass => Judgement::PASS,
        Step::OutOfWindow => {
            let timeout_s = out_of_window(&mut flow, standing, &segment, packet, timeouts);
            Judgement::Invalid(Reason::TcpWindow, Change { timeout_s, ..Change::default() })
        }
        Step::Enter { old: seen_as, new } => {
            enter(&mut flow, standing, &segment, seen_as, new);
            let timeout_s = timeout(&Signs::of(&flow), new, segment.class(), tunables, timeouts);
            *packed = State::pack(&flow, new);
            return conclude(standing, &segment, seen_as, new, timeout_s, timeouts);
        }
    };
    *packed = State::pack(&flow, old);
    judgement
}

/// What becomes of a segment.
enum Step {
    /// It counts: the connection enters `new`.
    Enter {
        /// The state the connection turned out to be in.
        old: TcpState,
        new: TcpState,
    },
    /// It passes and counts for nothing.
    Pass,
    /// INVALID, and nothing is remembered.
    Invalid(Reason),
    /// INVALID by its numbers.
    OutOfWindow,
    /// It opens the connection anew.
    Replace,
}

/// The table and its exceptions, then the window.
fn step(
    flow: &mut Flow,
    old: TcpState,
    standing: &Standing,
    segment: &Segment<'_>,
    tunables: &Tunables,
) -> Step {
    let class = segment.class();
    let mut seen_as = old;
    let mut next = match transition(standing.direction, class, old) {
        Transition::Invalid => return Step::Invalid(Reason::TcpState),
        Transition::To(TcpState::SynSent) if old != TcpState::SynSent => {
            if is_over(flow, standing.direction) {
                return Step::Replace;
            }
            None
        }
        Transition::Ignore => None,
        Transition::To(next) => Some(next),
    };
    match next {
        None if answers_ignored_syn(flow, standing.direction, segment) => {
            resynchronise(flow, standing.direction);
            seen_as = TcpState::SynSent;
            next = Some(TcpState::SynRecv);
        }
        None => {
            ignore(flow, old, standing.direction, segment);
            return Step::Pass;
        }
        Some(TcpState::TimeWait) if is_challenge(flow, old, standing.direction, class) => {
            flow.last.traits -= Traits::CHALLENGE_EXPECTED;
            return Step::Pass;
        }
        Some(TcpState::SynSent2) => flow.last.traits |= Traits::SIMULTANEOUS_OPEN,
        Some(TcpState::SynRecv) if completes_simultaneous_open(flow, standing, class) => {
            next = Some(TcpState::Established);
        }
        Some(TcpState::Close) if class == Class::Rst => {
            let ignore_invalid = tunables.tcp.ignore_invalid_rst;
            match reset::judge(flow, old, standing, segment, ignore_invalid) {
                Reset::Believe => return Step::Enter { old, new: TcpState::Close },
                Reset::Refuse => return Step::Invalid(Reason::TcpReset),
                Reset::Check(state) => next = Some(state),
            }
        }
        Some(_) => (),
    }
    let new = next.unwrap_or(old);
    let be_liberal = tunables.tcp.be_liberal;
    match window::check(flow, standing.direction, segment, standing.moved, be_liberal) {
        InWindow::Yes => Step::Enter { old: seen_as, new },
        InWindow::Harmless => Step::Pass,
        InWindow::No => Step::OutOfWindow,
    }
}

/// Whether a SYN may reopen the connection: an end has closed it, or the sender of the SYN has
/// just reset it.
fn is_over(flow: &Flow, direction: Direction) -> bool {
    flow.traits().contains(Traits::CLOSES)
        || (flow.last.direction == direction && flow.last.class == Class::Rst)
}

/// Whether this SYN+ACK acknowledges exactly the SYN that was ignored before: then the two ends
/// agree, and the tracker is the one that is wrong.
fn answers_ignored_syn(flow: &Flow, direction: Direction, segment: &Segment<'_>) -> bool {
    segment.class() == Class::SynAck
        && flow.last.class == Class::Syn
        && flow.last.direction != direction
        && segment.ack == flow.last.end
}

/// Begins anew with what was remembered of the ignored SYN; the window check will take the rest
/// from the SYN+ACK.
fn resynchronise(flow: &mut Flow, direction: Direction) {
    flow.last.traits -= Traits::CHALLENGE_EXPECTED;
    let Last { end, window, scale, traits, .. } = flow.last;
    let sender = &mut flow.sides[direction.opposite().index()];
    sender.end = end;
    sender.max_end = end;
    sender.max_window = u32::from(window).max(1);
    sender.scale = scale;
    sender.traits = traits;
    let receiver = &mut flow.sides[direction.index()];
    *receiver = Side { traits: receiver.traits & Traits::LIBERAL, ..Side::default() };
}

/// Remembers an ignored segment: it may be the beginning of what the ends agree on.
fn ignore(flow: &mut Flow, old: TcpState, direction: Direction, segment: &Segment<'_>) {
    remember(flow, segment, direction);
    let class = segment.class();
    let last = &mut flow.last;
    last.seq = segment.seq;
    last.end = segment.end();
    last.window = segment.window;
    match (class, direction) {
        (Class::Syn, Direction::Original) => {
            let mut offer = Side::default();
            offer.learn(segment);
            last.scale = offer.scale;
            last.traits = offer.traits;
            last.traits.set(Traits::CHALLENGE_EXPECTED, old == TcpState::LastAck);
        }
        (Class::Ack, Direction::Reply) if old == TcpState::SynSent => last.ack = segment.ack,
        _ => (),
    }
}

/// Whether this ACK answers a SYN that was ignored (RFC 5961, section 4), and so does not
/// acknowledge the last FIN.
fn is_challenge(flow: &Flow, old: TcpState, direction: Direction, class: Class) -> bool {
    old == TcpState::LastAck
        && class == Class::Ack
        && flow.last.direction != direction
        && flow.last.class == Class::Syn
        && flow.last.traits.contains(Traits::CHALLENGE_EXPECTED)
}

/// After a SYN from both ends the acknowledgement of the reply direction may come last.
fn completes_simultaneous_open(flow: &Flow, standing: &Standing, class: Class) -> bool {
    standing.direction == Direction::Reply
        && class == Class::Ack
        && flow.last.traits.contains(Traits::SIMULTANEOUS_OPEN)
}

/// Notes what kind of segment came last.
fn remember(flow: &mut Flow, segment: &Segment<'_>, direction: Direction) {
    flow.last.class = segment.class();
    flow.last.direction = direction;
}

/// Enters a state with a segment that counts.
fn enter(
    flow: &mut Flow,
    standing: &Standing,
    segment: &Segment<'_>,
    old: TcpState,
    new: TcpState,
) {
    remember(flow, segment, standing.direction);
    if new == TcpState::FinWait && old != new {
        flow.sides[standing.direction.index()].traits |= Traits::CLOSES;
    }
}

/// Signs that the ends may have gone.
pub(super) struct Signs {
    pub(super) repetitions: u8,
    pub(super) is_unacknowledged: bool,
    /// As announced by the last segment, not scaled.
    pub(super) last_window: u16,
}

impl Signs {
    fn of(flow: &Flow) -> Signs {
        Signs {
            repetitions: flow.repetitions,
            is_unacknowledged: flow.traits().contains(Traits::UNACKNOWLEDGED),
            last_window: flow.last.window,
        }
    }
}

/// The timeout of a state, or a shorter one when there are signs that the ends have gone.
#[inline]
pub(super) fn timeout(
    signs: &Signs,
    state: TcpState,
    class: Class,
    tunables: &Tunables,
    timeouts: &settings::Timeouts,
) -> u32 {
    let regular = timeouts.of(state);
    if signs.repetitions >= tunables.tcp.max_retrans && regular > timeouts.max_retrans_s {
        timeouts.max_retrans_s
    } else if class == Class::Rst && tunables.kernel.inexact_rst_cuts_to_close() {
        timeouts.close_s
    } else if class == Class::Rst {
        regular.min(timeouts.unacknowledged_s)
    } else if signs.is_unacknowledged && regular > timeouts.unacknowledged_s {
        timeouts.unacknowledged_s
    } else if signs.last_window == 0 && regular > timeouts.max_retrans_s {
        timeouts.max_retrans_s
    } else {
        regular
    }
}

/// What an accepted segment means for the connection's entry.
fn conclude(
    standing: &Standing,
    segment: &Segment<'_>,
    old: TcpState,
    new: TcpState,
    timeout_s: u32,
    timeouts: &settings::Timeouts,
) -> Judgement {
    let mut change = Change { timeout_s: Some(timeout_s), assured: false, state: old != new };
    if !standing.has_reply() {
        match (segment.class(), new) {
            // Nobody is there.
            (Class::Rst, _) => return Judgement::AcceptAndKill,
            // Or else a client that tries the same port again and again keeps it forever.
            (Class::Syn, _) if old == TcpState::SynSent => change.timeout_s = None,
            (_, TcpState::Established) => {
                change.timeout_s = Some(timeout_s.min(timeouts.unacknowledged_s));
            }
            _ => (),
        }
    } else {
        change.assured = new == TcpState::Established
            && matches!(old, TcpState::SynRecv | TcpState::Established);
    }
    Judgement::Accept(change)
}

/// Two INVALID segments, one from each end, that would have ended an assured connection: the
/// tracker has probably lost track of it. The new timeout, when it must be shortened.
fn out_of_window(
    flow: &mut Flow,
    standing: &Standing,
    segment: &Segment<'_>,
    packet: &Packet<'_>,
    timeouts: &settings::Timeouts,
) -> Option<u32> {
    let ends = |class: Class| matches!(class, Class::Fin | Class::Rst);
    if !standing.is_assured()
        || standing.status.contains(Status::FIXED_TIMEOUT)
        || !ends(segment.class())
    {
        return None;
    }
    if flow.last.direction == standing.direction || !ends(flow.last.class) {
        remember(flow, segment, standing.direction);
        return None;
    }
    let is_far = standing.deadline >= packet.now.after_s(SHORT_DEADLINE_S)
        && standing.deadline > packet.now.after_s(timeouts.unacknowledged_s);
    is_far.then_some(timeouts.unacknowledged_s)
}
