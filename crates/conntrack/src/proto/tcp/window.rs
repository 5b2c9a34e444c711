//! The window check: whether the two ends will believe a segment.
//!
//! From van Rooij's paper, for a segment that covers `seq..end`, acknowledges `ack` and
//! announces `window`, with S its sender and R its receiver:
//!
//! ```text
//! I    seq <= S.max_end                              R lets S send this far
//! II   end >= S.end - R.max_window                   S may still have to repeat this
//! III  ack <= R.end                                  R has sent what S acknowledges
//! IV   ack >= R.end - max(S.max_window, 66000)       not too old an acknowledgement
//! ```
//!
//! I and III make a segment INVALID. II and IV do not: an old repetition and a late
//! acknowledgement are harmless, and pass without being learnt from.
//!
//! The acknowledgement counts up to the highest SACK edge when R has permitted SACK.

use super::options::highest_acknowledged;
use super::segment::{Class, Segment};
use super::state::{Flow, Side, TcpState, Traits};
use crate::proto::serial::{after, before};
use kinwall_terms::Direction;
use kinwall_wire::TcpFlags;

/// The least distance an acknowledgement may lag behind: the largest window without scaling
/// and some room.
const LEAST_ACK_LAG: u32 = 66_000;

/// What the window check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InWindow {
    /// In window, or forgiven: the segment counts.
    Yes,
    /// Harmless: the segment passes and counts for nothing.
    Harmless,
    /// Neither end would believe it.
    No,
}

/// The numbers of a segment, once its quirks are taken into account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) seq: u32,
    pub(super) end: u32,
    pub(super) ack: u32,
    /// `ack`, or the highest SACK edge.
    pub(super) sack: u32,
}

/// Checks a segment and learns from it. What it acknowledges was moved by `moved` on its way to
/// the segment's sender.
pub(super) fn check(
    flow: &mut Flow,
    direction: Direction,
    segment: &Segment<'_>,
    moved: u32,
    be_liberal: bool,
) -> InWindow {
    let state = flow.state;
    let [original, reply] = &mut flow.sides;
    let (sender, receiver) = match direction {
        Direction::Original => (original, reply),
        Direction::Reply => (reply, original),
    };
    let mut claim =
        Claim { seq: segment.seq, end: segment.end(), ack: segment.ack, sack: segment.ack };
    if receiver.traits.contains(Traits::SACK) {
        claim.sack = highest_acknowledged(segment);
    }
    claim.ack = claim.ack.wrapping_sub(moved);
    claim.sack = claim.sack.wrapping_sub(moved);
    if let Some(done) = begin(sender, receiver, direction, segment, &claim, state) {
        return done;
    }
    settle(&mut claim, sender, receiver, segment, state);
    let verdict = judge(sender, receiver, &claim);
    if verdict != InWindow::Yes {
        let liberal = be_liberal || sender.traits.contains(Traits::LIBERAL);
        return if liberal { InWindow::Yes } else { verdict };
    }
    let window = match segment.has(TcpFlags::SYN) {
        true => u32::from(segment.window),
        false => scaled(segment, sender),
    };
    learn(sender, receiver, window, segment.has(TcpFlags::ACK), &claim);
    count_repetition(flow, direction, segment, &claim);
    InWindow::Yes
}

/// Begins with a sender of which nothing was seen, or that begins again before the connection
/// is open. `Some` when that settles the segment.
fn begin(
    sender: &mut Side,
    receiver: &mut Side,
    direction: Direction,
    segment: &Segment<'_>,
    claim: &Claim,
    state: Option<TcpState>,
) -> Option<InWindow> {
    let bare_syn = segment.has(TcpFlags::SYN) && !segment.has(TcpFlags::ACK);
    if sender.max_window == 0 {
        if segment.has(TcpFlags::SYN) {
            // The SYN+ACK, or the second SYN of a simultaneous open.
            synchronise(sender, receiver, direction, segment);
            return bare_syn.then_some(InWindow::Yes);
        }
        join(sender, receiver, segment, claim);
    } else if segment.has(TcpFlags::SYN)
        && after(claim.end, sender.end)
        && matches!(state, Some(TcpState::SynSent | TcpState::SynRecv))
    {
        // The sender gave up and tries with new numbers.
        synchronise(sender, receiver, direction, segment);
        return (bare_syn && direction == Direction::Reply).then_some(InWindow::Yes);
    }
    None
}

/// Takes the numbers and the options of a SYN or SYN+ACK. Its window is never scaled.
pub(super) fn synchronise(
    sender: &mut Side,
    receiver: &mut Side,
    direction: Direction,
    segment: &Segment<'_>,
) {
    sender.end = segment.end();
    sender.max_end = sender.end;
    sender.max_window = u32::from(segment.window).max(1);
    sender.learn(segment);
    let both = sender.traits & receiver.traits;
    if direction == Direction::Reply && !both.contains(Traits::SCALES) {
        // Both ends must offer window scaling, or neither scales.
        sender.scale = 0;
        receiver.scale = 0;
    }
}

/// Joins a sender in the middle of its conversation.
fn join(sender: &mut Side, receiver: &mut Side, segment: &Segment<'_>, claim: &Claim) {
    sender.end = claim.end;
    sender.max_window = scaled(segment, sender).max(1);
    sender.max_end = claim.end.wrapping_add(sender.max_window);
    if receiver.max_window == 0 {
        // Nothing was seen of the receiver: believe what is acknowledged.
        receiver.end = claim.sack;
        receiver.max_end = claim.sack;
    } else if claim.sack == receiver.end.wrapping_add(1) {
        // The answer to a keep-alive probe, which the receiver sent before it was known.
        receiver.end = receiver.end.wrapping_add(1);
    }
}

/// The window in bytes, by the scale its sender offered.
fn scaled(segment: &Segment<'_>, sender: &Side) -> u32 {
    u32::from(segment.window) << sender.scale
}

/// A segment without acknowledgement acknowledges everything, and so does a RST+ACK with 0, as
/// some stacks send it. A RST with sequence number 0 answers a SYN.
fn settle(
    claim: &mut Claim,
    sender: &Side,
    receiver: &Side,
    segment: &Segment<'_>,
    state: Option<TcpState>,
) {
    let reset = segment.has(TcpFlags::RST);
    if !segment.has(TcpFlags::ACK) || (reset && claim.ack == 0) {
        claim.ack = receiver.end;
        claim.sack = receiver.end;
    }
    if reset && claim.seq == 0 && state == Some(TcpState::SynSent) {
        claim.seq = sender.end;
        claim.end = sender.end;
    }
}

/// Checks I to IV.
#[inline]
pub(super) fn judge(sender: &mut Side, receiver: &Side, claim: &Claim) -> InWindow {
    let oldest_end = sender.end.wrapping_sub(receiver.max_window).wrapping_sub(1);
    let lag = sender.max_window.max(LEAST_ACK_LAG);
    let oldest_ack = receiver.end.wrapping_sub(lag).wrapping_sub(1);
    let recent_end = after(claim.end, oldest_end);
    let recent_ack = after(claim.sack, oldest_ack);
    let sent_ack = before(claim.sack, receiver.end.wrapping_add(1));
    if !before(claim.seq, sender.max_end.wrapping_add(1)) {
        let overshoot = claim.end.wrapping_sub(sender.max_end).wrapping_add(1);
        let bearable = receiver.max_window != 0 && overshoot <= receiver.max_window;
        if !(bearable && recent_end && recent_ack && sent_ack) {
            return InWindow::No;
        }
        // The receiver may take it and acknowledge it: that acknowledgement must pass.
        sender.end = claim.end;
        sender.traits |= Traits::UNACKNOWLEDGED;
        return InWindow::Harmless;
    }
    if !sent_ack {
        InWindow::No
    } else if (receiver.max_window != 0 && !recent_end) || !recent_ack {
        InWindow::Harmless
    } else {
        InWindow::Yes
    }
}

/// Learns from a segment in window, which announces a window of so many bytes.
#[inline]
pub(super) fn learn(
    sender: &mut Side,
    receiver: &mut Side,
    window: u32,
    has_ack: bool,
    claim: &Claim,
) {
    let reach = window.wrapping_add(claim.sack.wrapping_sub(claim.ack));
    sender.max_window = sender.max_window.max(reach);
    if after(claim.end, sender.end) {
        sender.end = claim.end;
        sender.traits |= Traits::UNACKNOWLEDGED;
    }
    if has_ack && sender.highest_ack().is_none_or(|ack| after(claim.ack, ack)) {
        sender.max_ack = claim.ack;
        sender.traits |= Traits::HAS_ACK;
    }
    if receiver.max_window != 0 && after(claim.end, sender.max_end) {
        // More than was announced, so the receiver's window must be larger than it looked.
        let more = claim.end.wrapping_sub(sender.max_end);
        receiver.max_window = receiver.max_window.wrapping_add(more);
    }
    let edge = claim.sack.wrapping_add(window);
    if after(edge, receiver.max_end.wrapping_sub(1)) {
        // A closed window still lets a probe of one byte through.
        receiver.max_end = edge.wrapping_add(u32::from(window == 0));
    }
    if claim.ack == receiver.end {
        receiver.traits -= Traits::UNACKNOWLEDGED;
    }
}

/// Counts how often the same acknowledgement or data comes in a row.
fn count_repetition(flow: &mut Flow, direction: Direction, segment: &Segment<'_>, claim: &Claim) {
    if segment.class() != Class::Ack {
        return;
    }
    let last = &mut flow.last;
    let before = (last.direction, last.seq, last.ack, last.end, last.window);
    let now = (direction, claim.seq, claim.ack, claim.end, segment.window);
    if before == now {
        flow.repetitions = flow.repetitions.wrapping_add(1);
    } else {
        (last.direction, last.seq, last.ack, last.end, last.window) = now;
        flow.repetitions = 0;
    }
}
