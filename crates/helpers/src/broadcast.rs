//! What the helpers of broadcast queries share: the gateway asks everybody on a network, and
//! anybody on that network may answer.
//!
//! Tracking alone knows no such answers: the query went to the broadcast address, and they come
//! from the hosts' own. The expectation stays until its time is over ([`PERMANENT`]), because
//! there may be many. Only what the gateway itself sends counts, and only to the broadcast
//! address that the interface has; queries that pass through it are none of these helpers'
//! business, and neither are 255.255.255.255 and multicast groups.
//!
//! [`PERMANENT`]: ExpectationFlags::PERMANENT

use crate::effects::{Effect, Effects, OnRefusal, Proposal, span};
use crate::guard::GuardDefaults;
use crate::helper::{Class, Segment};
use crate::options::{OptionIndex, OptionKind, OptionSpec, Quantity};
use kinwall_terms::expectation::{ExpectationFlags, Expected};
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Direction, Family, L4Proto, Profile};

/// The option `timeout`.
pub(crate) const TIMEOUT: OptionIndex = OptionIndex(0);

/// The option `timeout`, with its default in seconds.
pub(crate) const fn timeout(default: u32) -> OptionSpec {
    OptionSpec {
        name: "timeout",
        kind: OptionKind::Number(0, u32::MAX),
        default,
        doc: "How long answers are awaited after a query, in seconds.",
        dangerous: None,
    }
}

/// The one class.
pub(crate) const fn class(name: &'static str) -> Class {
    Class { name, limit: Quantity::Fixed(1), timeout_s: Quantity::Option(TIMEOUT) }
}

/// The gateway's own programs may ask from a privileged port: the answer goes back there, and the
/// payload has no say in it.
pub(crate) const GUARD: GuardDefaults = GuardDefaults { min_port: 0, ..GuardDefaults::USUAL };

/// The row of answers that come from `sport`.
pub(crate) const fn row(
    announcement: &'static str,
    profiles: &'static [Profile],
    sport: Field,
    document: Option<[&'static str; 5]>,
) -> Row {
    Row {
        announcement,
        class: 0,
        options: &[],
        profiles,
        families: &[Family::Ipv4],
        announcer: Announcer::Gateway,
        src: Field::InterfaceNetwork,
        sport,
        dst: Field::Fixed(End::Originator),
        dport: Field::Fixed(End::Originator),
        proto: ProtoField::Fixed(L4Proto::UDP),
        child: None,
        document,
    }
}

/// Whether the packet is a query as these helpers mean it.
pub(crate) fn is_asked(segment: &Segment<'_>) -> bool {
    segment.broadcast.is_some() && segment.direction == Direction::Original
}

/// Expects answers from port `sport` of the network that was asked, and lets the query's own
/// connection live as long.
pub(crate) fn propose(segment: &Segment<'_>, sport: u16, effects: &mut Effects) {
    let Some(network) = segment.broadcast else { return };
    let answer = &segment.reply;
    let expected = Expected::from_network(
        network.address,
        network.netmask,
        sport,
        answer.dst,
        answer.dport,
        L4Proto::UDP,
    );
    effects.push(Effect::Expect(Proposal {
        flags: ExpectationFlags::PERMANENT,
        on_refusal: OnRefusal::Ignore,
        ..Proposal::new(expected, span(0, segment.payload.len()))
    }));
    effects.push(Effect::Refresh { seconds: segment.options.number(TIMEOUT) });
}

/// The port from which the kernel awaits answers: the helper's, and in newer versions the one
/// that was asked.
pub(crate) fn kernel_sport(segment: &Segment<'_>) -> u16 {
    match segment.kernel.broadcast_answers_from_asked_port() {
        true => segment.original.dport,
        false => segment.port,
    }
}
