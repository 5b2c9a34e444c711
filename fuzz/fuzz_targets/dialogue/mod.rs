//! A connection with a helper, fed from the fuzzer's bytes: nothing panics, every expectation
//! lies within a row of the helper, every span within what was shown.

use kinwall_helpers::freedom::{Master, within};
use kinwall_helpers::options::OptionIndex;
use kinwall_helpers::{
    Broadcast, Effect, Effects, HelperKind, Instance, Instances, Pending, Proposal, Segment,
};
use kinwall_terms::expectation::Span;
use kinwall_terms::{Direction, Family, KernelVersion, L4Proto, Profile, Tuple};
use std::sync::LazyLock;

/// The first byte chooses profile, family, version, guard, protocol and whether three options are
/// on, the second is the value of the option before them, and from 128
/// on the originator is translated; then come packets: one byte of
/// direction, two of length, the payload.
pub fn run(kind: HelperKind, bytes: &[u8]) {
    let [settings, option, packets @ ..] = bytes else { return };
    let helper = kind.helper();
    let profile = Profile::ALL[usize::from(settings & 1)];
    let family = Family::ALL[usize::from(settings >> 1 & 1)];
    if !helper.families.contains(&family) {
        return;
    }
    let variant = &VARIANTS[usize::from(settings & 13)];
    let Some(Variant { kernel, instances }) = variant else { return };
    let of = |i: &&Instance| i.helper.kind == kind;
    let mut instance = instances.list().iter().find(of).expect("every helper is there").clone();
    let spec = helper.options.first();
    if let Some(value) = spec.and_then(|spec| spec.kind.parse(&option.to_string())) {
        instance.options.set(OptionIndex(0), value);
    }
    for (bit, index) in (5..8).zip(1..) {
        let value = (settings >> bit & 1).to_string();
        let spec = helper.options.get(usize::from(index));
        if let Some(value) = spec.and_then(|spec| spec.kind.parse(&value)) {
            instance.options.set(OptionIndex(index), value);
        }
    }
    let proto = if settings & 16 == 0 { helper.l4.first() } else { helper.l4.last() };
    // Only children of TCP get a helper without a port.
    let proto = instance.port.map_or(Some(&L4Proto::TCP), |_| proto);
    let proto = *proto.expect("every helper has a protocol");
    let original = original(family, proto, instance.port.unwrap_or(0));
    let mut reply = original.invert().expect("TCP and UDP invert");
    let translated = option & 128 != 0 && family == Family::Ipv4;
    if translated {
        reply.dst = [192, 0, 2, 2].into();
    }
    let rows: Vec<_> = helper.rows(profile, family, &instance.options).collect();

    let mut scratch = kind.scratch();
    let mut effects = Effects::new();
    let (mut seqs, mut unread) = ([u32::MAX - 9; 2], [Vec::new(), Vec::new()]);
    let mut remembered = [0; 2];
    let mut rest = packets;
    while let [head, low, high, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (packet, later) = after.split_at(length);
        rest = later;
        let direction = Direction::ALL[usize::from(head & 1)];
        let i = direction.index();
        let streams = profile == Profile::Strict && original.proto == L4Proto::TCP;
        let begins = unread[i].len();
        let payload = if streams {
            unread[i].extend_from_slice(packet);
            unread[i].clone()
        } else {
            packet.to_vec()
        };
        let segment = Segment {
            payload: &payload,
            behind_length: 0,
            packet_at: if streams { u32::try_from(begins).unwrap_or(0) } else { 0 },
            direction,
            original,
            reply,
            seq: seqs[i],
            established: head & 2 == 0,
            expected: head & 4 != 0,
            translated,
            remembered,
            port: original.dport,
            options: &instance.options,
            kernel: *kernel,
            broadcast: (head & 16 != 0).then(|| broadcast(original.dst)),
            routing: None,
        };
        let consumed = instance.inspect(profile, &segment, &mut scratch, &mut effects);
        instance.guard.hold(&segment.sender(), Pending::default, &mut effects);
        for effect in effects.list() {
            if let Effect::Remember { index, value } = effect {
                remembered[*index] = *value;
            }
        }
        let master = Master { original, reply, announced: direction, broadcast: segment.broadcast };
        for proposal in proposals(&effects) {
            let right = |row: &&&kinwall_terms::freedom::Row| {
                row.class == proposal.class && within(row, &master, &proposal.expected)
            };
            assert!(rows.iter().any(|row| right(&row)), "{proposal:?}");
            let spans = [Some(proposal.announcement), proposal.address, proposal.port];
            spans.into_iter().flatten().for_each(|span| check(span, &payload));
        }
        effects.notes().iter().for_each(|note| check(note.span, &payload));
        assert!(profile == Profile::Linux || effects.drop_reason().is_none());
        if effects.blind_reason().is_some() {
            return;
        }
        if streams {
            unread[i].drain(..consumed);
            assert!(unread[i].len() < helper.unread_max_bytes.max(1));
        }
        let shift = u32::try_from(packet.len()).unwrap_or(0);
        seqs[i] = seqs[i].wrapping_add(if head & 8 == 0 { shift } else { 0 });
    }
}

/// What the settings byte chooses: profile (1), version (4) and guard (8).
struct Variant {
    kernel: KernelVersion,
    instances: Instances,
}

/// One for each settings byte without its other bits.
static VARIANTS: LazyLock<Vec<Option<Variant>>> = LazyLock::new(|| {
    (0..16).map(|settings| (settings & 2 == 0).then(|| Variant::of(settings))).collect()
});

impl Variant {
    fn of(settings: usize) -> Variant {
        let newer = settings & 4 != 0;
        let kernel = if newer { KernelVersion::new(6, 19, 0) } else { KernelVersion::DEFAULT };
        let mut instances = Instances::new(kernel, Profile::ALL[settings & 1]);
        if settings & 8 != 0 {
            for limit in ["min_port", "peer_only", "per_master", "per_peer"] {
                instances.set(&format!("guard.*.{limit}"), "0").expect("limits may be off");
            }
        }
        Variant { kernel, instances }
    }
}

fn original(family: Family, proto: L4Proto, dport: u16) -> Tuple {
    let [src, dst] = match family {
        Family::Ipv4 => [[10, 1, 0, 2].into(), [10, 2, 0, 2].into()],
        Family::Ipv6 => [0xfd01, 0xfd02].map(|net| [net, 0, 0, 0, 0, 0, 0, 2u16].into()),
    };
    Tuple { src, dst, sport: 40000, dport, proto }
}

/// As if the gateway had asked the network of which `address` is the broadcast address.
fn broadcast(address: std::net::IpAddr) -> Broadcast {
    Broadcast { address, netmask: [255, 255, 255, 0].into() }
}

fn proposals(effects: &Effects) -> impl Iterator<Item = Proposal> {
    effects.list().iter().flat_map(|effect| match effect {
        Effect::Expect(proposal) => vec![*proposal],
        Effect::ExpectPair(pair) => vec![pair.first, pair.second],
        _ => Vec::new(),
    })
}

fn check(span: Span, payload: &[u8]) {
    let end = u64::from(span.offset) + u64::from(span.length);
    assert!(end <= payload.len() as u64, "{span:?} of {} bytes", payload.len());
}
