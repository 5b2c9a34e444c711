//! The commonest step, by itself: a segment of an open connection that has nothing but an
//! acknowledgement and perhaps data, and lies within the window.
//!
//! It is the same step as [`super::track`] and [`super::window`] take, without what such a
//! segment cannot meet, on the state as it is packed. Where a segment is anything else this
//! leaves it, and the state, alone.

use super::segment::{Class, is_plain_acknowledgement, only_timestamps};
use super::settings;
use super::state::{State, TcpState, Traits};
use super::track::{Signs, timeout};
use super::window::{self, Claim, InWindow};
use crate::proto::{Change, Judgement, Packet, Standing, Tunables};
use kinwall_wire::{L4, Tcp};

/// Judges a segment of the commonest kind; `None` for others.
#[inline]
pub(super) fn packet(
    state: &mut State,
    standing: &Standing,
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &settings::Timeouts,
) -> Option<Judgement> {
    let L4::Tcp(tcp) = packet.headers.l4 else { return None };
    let bytes = packet.transport();
    let data_offset = usize::from(tcp.data_offset);
    let length = bytes.len().checked_sub(data_offset)? as u32;
    let is_believed = !packet.prerouting || !tunables.checksum;
    let is_plain = data_offset == Tcp::LENGTH || only_timestamps(bytes, data_offset);
    let is_common = state.state == TcpState::Established
        && is_plain_acknowledgement(tcp.flags)
        && is_believed
        && is_plain
        && standing.moved == 0
        && standing.has_reply();
    if !is_common {
        return None;
    }

    let (own, other) = (standing.direction, standing.direction.opposite());
    let (mut sender, mut receiver) = (state.side(own), state.side(other));
    let (seq, ack, end) = (tcp.seq, tcp.ack, tcp.seq.wrapping_add(length));
    let claim = Claim { seq, end, ack, sack: ack };
    let is_known = sender.max_window != 0 && receiver.max_window != 0;
    if !is_known || window::judge(&mut sender, &receiver, &claim) != InWindow::Yes {
        return None;
    }
    let window = u32::from(tcp.window) << sender.scale;
    window::learn(&mut sender, &mut receiver, window, true, &claim);
    state.set_side(own, &sender);
    state.set_side(other, &receiver);

    let before = (state.last_direction(), state.last_seq, state.last_ack, state.last_end);
    let is_repeated = before == (own, seq, ack, end) && state.last_window == tcp.window;
    state.repetitions = if is_repeated { state.repetitions.wrapping_add(1) } else { 0 };
    (state.last_seq, state.last_ack, state.last_end) = (seq, ack, end);
    state.last_window = tcp.window;
    state.set_last_direction(own);
    state.last_class = Class::Ack;

    let signs = Signs {
        repetitions: state.repetitions,
        is_unacknowledged: (sender.traits | receiver.traits).contains(Traits::UNACKNOWLEDGED),
        last_window: tcp.window,
    };
    let timeout_s = timeout(&signs, TcpState::Established, Class::Ack, tunables, timeouts);
    Some(Judgement::Accept(Change { timeout_s: Some(timeout_s), assured: true, state: false }))
}

#[cfg(test)]
mod tests {
    use super::super::track::{any_packet, open};
    use super::*;
    use crate::proto::ProtoState;
    use kinwall_terms::{Direction, KernelVersion, Status, Time};
    use kinwall_wire::emit::{self, Tcp as Composed};
    use kinwall_wire::{Headers, TcpFlags};
    use proptest::prelude::*;

    /// Direction, flags, sequence number, acknowledgement, window, options, payload.
    type Row = (bool, u8, u32, u32, u16, u8, usize);

    /// Mostly acknowledgements near the numbers that the two ends have.
    fn row() -> impl Strategy<Value = Row> {
        let flags = prop_oneof![8 => Just(0x10_u8), 4 => Just(0x18), 1 => any::<u8>()];
        let near = prop_oneof![9 => 0..2_000_u32, 1 => any::<u32>()];
        let window = prop_oneof![Just(0_u16), Just(2_000), any::<u16>()];
        (any::<bool>(), flags, near.clone(), near, window, 0..4_u8, 0..600_usize)
    }

    fn bytes(&(is_reply, flags, seq, ack, window, options, length): &Row) -> Vec<u8> {
        const OPTIONS: [&[u8]; 4] = [
            &[],
            &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            &[1, 1, 5, 10, 0, 0, 0, 200, 0, 0, 2, 0],
            &[1, 3, 3, 2],
        ];
        let ends = [([10, 0, 0, 1], 4000), ([10, 0, 0, 2], 80)];
        let [(src, sport), (dst, dport)] = if is_reply { [ends[1], ends[0]] } else { ends };
        let tcp = Composed::new(sport, dport).flags(TcpFlags::from_bits_retain(flags));
        let tcp = tcp.seq(seq).ack(ack).window(window).options(OPTIONS[usize::from(options)]);
        emit::Packet::new(src, dst, tcp).payload(vec![0; length]).build()
    }

    proptest! {
        /// What is judged here is judged as it would be elsewhere, and leaves the same state.
        #[test]
        fn is_a_short_cut(rows in prop::collection::vec(row(), 1..40), sack in any::<bool>()) {
            let tunables = Tunables::new(KernelVersion::DEFAULT);
            let timeouts = &tunables.timeouts.tcp;
            let options = if sack { 2 } else { 3 };
            let handshake: [Row; 3] = [
                (false, 0x02, 1_000, 0, 2_000, options, 0),
                (true, 0x12, 1_000, 1_001, 2_000, options, 0),
                (false, 0x10, 1_001, 1_001, 2_000, 0, 0),
            ];
            let mut state = None;
            let mut status = Status::empty();
            for row in handshake.iter().chain(&rows) {
                let bytes = bytes(row);
                let headers = Headers::parse(&bytes).expect("a segment");
                let arrived =
                    Packet { headers: &headers, bytes: &bytes, prerouting: false, now: Time(1) };
                let Some(known) = &mut state else {
                    match open(&arrived, &tunables, timeouts).expect("a SYN").state {
                        ProtoState::Tcp(opened) => state = Some(opened),
                        other => panic!("{other:?}"),
                    }
                    continue;
                };
                let direction = if row.0 { Direction::Reply } else { Direction::Original };
                let standing = Standing { direction, status, deadline: Time(2), moved: 0 };
                let mut short = *known;
                let judged = packet(&mut short, &standing, &arrived, &tunables, timeouts);
                let before = *known;
                let wanted = any_packet(known, &standing, &arrived, &tunables, timeouts);
                match judged {
                    Some(judged) => prop_assert_eq!((judged, short), (wanted, *known)),
                    None => prop_assert_eq!(short, before),
                }
                if row.0 {
                    status |= Status::SEEN_REPLY;
                }
            }
        }
    }
}
