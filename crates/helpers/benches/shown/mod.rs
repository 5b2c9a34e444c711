//! A helper that is shown packets, as the engine shows them.

use divan::black_box;
use kinwall_helpers::{Broadcast, Effect, Effects, HelperKind, Instance, Instances, Segment};
use kinwall_terms::{Direction, KernelVersion, L4Proto, Profile, Tuple};
use std::net::{IpAddr, Ipv4Addr};

/// One packet: who sends it, and its payload.
pub(crate) type Packet = (Direction, Vec<u8>);

/// A helper and how it reads.
pub(crate) struct Shown {
    instance: Instance,
    profile: Profile,
}

impl Shown {
    pub(crate) fn new(kind: HelperKind, profile: Profile) -> Shown {
        let instances = Instances::new(KernelVersion::DEFAULT, profile);
        let of = |instance: &&Instance| instance.helper.kind == kind;
        let instance = instances.list().iter().find(of).expect("every helper is registered");
        Shown { instance: instance.clone(), profile }
    }
}

/// The network that the originator asks, where a helper wants one.
const ASKED: Broadcast = Broadcast {
    address: IpAddr::V4(Ipv4Addr::new(10, 2, 0, 255)),
    netmask: IpAddr::V4(Ipv4Addr::new(255, 255, 255, 0)),
};

/// Shows a connection's packets to its helper; how many expectations it proposes. Without a
/// protocol the connection is of the first that the helper reads.
pub(crate) fn inspect_all(
    shown: &Shown,
    l4: Option<L4Proto>,
    packets: &[Packet],
    effects: &mut Effects,
) -> usize {
    let original = Tuple {
        src: [10, 1, 0, 2].into(),
        dst: [10, 2, 0, 2].into(),
        sport: 40000,
        dport: shown.instance.port.unwrap_or(0),
        // Only children of TCP get a helper without a port.
        proto: l4
            .or(shown.instance.port.map(|_| shown.instance.helper.l4[0]))
            .unwrap_or(L4Proto::TCP),
    };
    let reply = original.invert().expect("TCP and UDP invert");
    let mut scratch = shown.instance.helper.kind.scratch();
    let (mut seqs, mut unread) = ([0u32; 2], [Vec::new(), Vec::new()]);
    let is_stream = original.proto == L4Proto::TCP && shown.profile == Profile::Strict;
    let streams = is_stream && shown.instance.helper.unread_max_bytes > 0;
    let mut remembered = [0; 2];
    let mut count = 0;
    for (direction, packet) in packets {
        let i = direction.index();
        let payload = if streams && !unread[i].is_empty() {
            unread[i].extend_from_slice(packet);
            &unread[i]
        } else {
            packet
        };
        let segment = Segment {
            payload,
            behind_length: 0,
            packet_at: 0,
            direction: *direction,
            original,
            reply,
            seq: seqs[i],
            established: true,
            expected: false,
            translated: false,
            remembered,
            port: original.dport,
            options: &shown.instance.options,
            kernel: KernelVersion::DEFAULT,
            broadcast: Some(ASKED),
            routing: None,
        };
        let consumed = shown.instance.inspect(shown.profile, &segment, &mut scratch, effects);
        for effect in black_box(effects.list()) {
            match effect {
                Effect::Expect(_) => count += 1,
                Effect::ExpectPair(_) => count += 2,
                Effect::Remember { index, value } => remembered[*index] = *value,
                _ => {}
            }
        }
        if streams {
            let rest = payload.get(consumed..).unwrap_or_default().to_vec();
            unread[i] = rest;
        }
        seqs[i] = seqs[i].wrapping_add(u32::try_from(packet.len()).unwrap_or(0));
        if effects.blind_reason().is_some() {
            break;
        }
    }
    count
}
