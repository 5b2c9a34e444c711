//! H.323: whatever becomes of real messages, every expectation lies within a row of its helper, and
//! what `strict` believes comes of the messages alone.

mod session;

use kinwall_helpers::freedom::within;
use kinwall_helpers::{HelperKind, Instance, Proposal};
use kinwall_terms::freedom::Row;
use kinwall_terms::{Direction, Family, KernelVersion, Profile};
use proptest::prelude::*;
use session::{Session, unescape};
use std::collections::HashSet;
use std::path::Path;
use std::sync::LazyLock;

const KINDS: [HelperKind; 3] = [HelperKind::H245, HelperKind::Q931, HelperKind::Ras];

/// The messages that the transcripts are made of, by helper.
static MESSAGES: LazyLock<[Vec<Vec<u8>>; 3]> = LazyLock::new(|| {
    KINDS.map(|kind| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/helpers");
        let path = root.join(kind.helper().name).join("definitions");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        let lines = text.lines().filter(|line| line.starts_with('$'));
        lines.map(|line| unescape(line.split_once(' ').unwrap().1)).collect()
    })
});

/// Bytes that mean something in a packed encoding, and any others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        2 => prop::sample::select(&[0, 1, 0x7e, 0x7f, 0x80, 0xc0, 0xff, 10, 3, 4, 8][..]),
        1 => any::<u8>(),
    ]
}

/// Messages, whole ones: of those in frames, as long as these say.
fn sound(kind: usize) -> impl Strategy<Value = Vec<u8>> {
    let is_whole = |message: &&Vec<u8>| match (KINDS[kind], &message[..]) {
        (HelperKind::Ras, _) => true,
        (_, [_, _, high, low, ..]) => {
            usize::from(u16::from_be_bytes([*high, *low])) == message.len()
        }
        _ => false,
    };
    let whole: Vec<Vec<u8>> = MESSAGES[kind].iter().filter(is_whole).cloned().collect();
    assert!(whole.len() > 3, "{whole:02x?}");
    prop::collection::vec(prop::sample::select(whole), 1..4).prop_map(|messages| messages.concat())
}

/// A message, some of them, one with bytes replaced, a piece, or noise.
fn payload(kind: usize) -> impl Strategy<Value = Vec<u8>> {
    let message = prop::sample::select(&MESSAGES[kind][..]);
    let several = prop::collection::vec(message.clone(), 1..4).prop_map(|m| m.concat());
    let changes = prop::collection::vec((any::<u16>(), byte()), 1..6);
    let mutated = (message.clone(), changes).prop_map(|(mut bytes, changes)| {
        for (at, byte) in changes {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        bytes
    });
    let cut = (several.clone(), any::<u16>(), any::<u16>()).prop_map(|(bytes, from, to)| {
        let [a, b] = [from, to].map(|at| usize::from(at) % (bytes.len() + 1));
        bytes[a.min(b)..a.max(b)].to_vec()
    });
    let noise = prop::collection::vec(byte(), 0..80);
    prop_oneof![4 => message, 2 => several, 6 => mutated, 1 => cut, 1 => noise]
}

/// Direction, how far the bytes lie from the end of the stream, and they.
type Packet = (Direction, isize, Vec<u8>);

/// Packets for one of the first `kinds` helpers.
fn talk(kinds: usize) -> impl Strategy<Value = (usize, Vec<Packet>)> {
    talk_of(kinds, payload)
}

fn talk_of<P: Strategy<Value = Vec<u8>>>(
    kinds: usize,
    payload: impl Fn(usize) -> P,
) -> impl Strategy<Value = (usize, Vec<Packet>)> {
    (0..kinds).prop_flat_map(move |kind| {
        let direction = prop::sample::select(&Direction::ALL[..]);
        let shift = prop_oneof![12 => Just(0isize), 1 => -40isize..40];
        let packets = prop::collection::vec((direction, shift, payload(kind)), 1..16);
        (Just(kind), packets)
    })
}

fn settings() -> impl Strategy<Value = Vec<(String, String)>> {
    let rows = [
        ("nf_conntrack_h323.gkrouted_only", "0"),
        ("nf_conntrack_h323.callforward_filter", "0"),
        ("nf_conntrack_h323.default_rrq_ttl", "0"),
        ("guard.*.peer_only", "0"),
        ("guard.*.min_port", "0"),
        ("guard.*.per_master", "2"),
    ];
    let rows: Vec<_> = rows.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    prop::sample::subsequence(rows, 0..4)
}

fn is_right(instance: &Instance, session: &Session, direction: Direction) -> Result<(), String> {
    let family = Family::of(session.original.src);
    let rows: Vec<&Row> =
        instance.helper.rows(session.profile, family, &instance.options).collect();
    let master = session.master(direction);
    for proposal in session.proposals() {
        let child = proposal.child.map(|kind| kind.helper().name);
        let right = |row: &&Row| row.child == child && within(row, &master, &proposal.expected);
        if !rows.iter().any(right) {
            return Err(format!("{proposal:?}"));
        }
        for span in [Some(proposal.announcement), proposal.address, proposal.port] {
            span.map(|span| session.text(span));
        }
        if proposal.expected.tuple.dport < instance.guard.min_port {
            return Err(format!("a guarded port: {proposal:?}"));
        }
    }
    for note in session.effects.notes() {
        session.text(note.span);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn every_expectation_lies_within_a_row(
        (kind, packets) in talk(KINDS.len()),
        family in prop::sample::select(&Family::ALL[..]),
        profile in prop::sample::select(&Profile::ALL[..]),
        translated in any::<bool>(),
        settings in settings(),
    ) {
        let helper = KINDS[kind].helper();
        let kernel = KernelVersion::DEFAULT;
        let mut session = Session::new(helper.name, family, profile, kernel, &settings);
        if translated && family == Family::Ipv4 {
            session.reply.dst = [192, 0, 2, 2].into();
        }
        for (direction, shift, payload) in packets {
            let sent = session.sent(direction);
            session.send_at(direction, shift.max(-isize::try_from(sent).unwrap()), &payload);
            let instance = session.instances.get(session.index).unwrap().clone();
            let right = is_right(&instance, &session, direction);
            prop_assert!(right.is_ok(), "{} of {payload:02x?}", right.unwrap_err());
            prop_assert_eq!(session.effects.drop_reason(), None);
        }
    }

    #[test]
    fn the_rewritten_message_says_the_same_to_its_receiver(
        // In damaged ones what is written in one place may be read in another.
        (kind, packets) in talk_of(KINDS.len(), sound),
        profile in prop::sample::select(&Profile::ALL[..]),
    ) {
        // What strict opens for a registration it opens when that is confirmed.
        let profile = if KINDS[kind] == HelperKind::Ras { Profile::Linux } else { profile };
        let name = KINDS[kind].helper().name;
        // Forwarding is rewritten to the forwarder's own address.
        let guard = [("guard.*.peer_only".to_owned(), "0".to_owned())];
        let open = || {
            let kernel = KernelVersion::DEFAULT;
            Session::new(name, Family::Ipv4, profile, kernel, &guard)
        };
        // Inside, the endpoint is known by its own address; outside, by the translated one.
        let shown: std::net::IpAddr = [192, 0, 2, 2].into();
        let [mut inside, mut outside] = [open(), open()];
        inside.reply.dst = shown;
        outside.original.src = shown;
        outside.reply.dst = shown;
        for (direction, _, payload) in packets {
            if inside.unread(direction) + outside.unread(direction) > 0 {
                break;
            }
            inside.send(direction, &payload);
            let Some(written) = inside.written(shown, &payload) else { break };
            prop_assert_eq!(written.len(), payload.len());
            outside.send(direction, &written);
            if direction == Direction::Original {
                let expected = |session: &Session| -> HashSet<_> {
                    let named = |p: &Proposal| p.address.is_some();
                    session.proposals().iter().filter(|p| named(p)).map(|p| p.expected).collect()
                };
                prop_assert_eq!(expected(&inside), expected(&outside), "{:02x?}", payload);
            }
        }
    }

    #[test]
    fn strict_believes_the_stream_and_not_its_segments(
        // All but RAS, which has datagrams.
        (kind, packets) in talk(2),
        borders in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let name = KINDS[kind].helper().name;
        // How many are new in a packet counts for the guard, and what was just said is not said
        // again: what is expected at all is the same.
        let guard = [("guard.*.per_master".to_owned(), "0".to_owned())];
        let expected = |cut: bool| {
            let kernel = KernelVersion::DEFAULT;
            let mut session = Session::new(name, Family::Ipv4, Profile::Strict, kernel, &guard);
            let mut all = HashSet::new();
            for (direction, _, payload) in &packets {
                let mut borders: Vec<usize> = borders
                    .iter()
                    .filter(|_| cut)
                    .map(|at| usize::from(*at) % (payload.len() + 1))
                    .collect();
                borders.sort();
                let mut from = 0;
                for to in borders.into_iter().chain([payload.len()]) {
                    session.send(*direction, &payload[from..to]);
                    all.extend(session.proposals().iter().map(|p| p.expected));
                    from = to;
                }
            }
            all
        };
        prop_assert_eq!(expected(false), expected(true));
    }
}
