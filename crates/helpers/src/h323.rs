//! H.323: calls with audio, video and data (ITU-T H.323; H.225.0 and H.245 for what is said).
//!
//! Three helpers, one for each thing that is spoken, as the kernel has them:
//!
//! | helper | reads | announces |
//! |---|---|---|
//! | [`ras`] | datagrams between an endpoint and its gatekeeper | where calls may come in and go out |
//! | [`q931`] | the calls: TPKT frames of Q.931 messages, their user-user element H.225.0's | the H.245 connection, channels of fast start and tunnels, where a call is forwarded to |
//! | [`h245`] | the connection that negotiates channels, which a call announced | RTP and RTCP, T.120 |
//!
//! Everything but the outer layers is ASN.1 in its packed encoding (`per`), walked along tables
//! of its types (`tables`).
//!
//! Tests: `tests/helpers/RAS/`, `Q.931/` and `H.245/` at the root of the repository, and `tests/`
//! of this crate.

pub mod h245;
pub mod q931;
pub mod ras;

mod address;
mod channels;
mod marks;
mod per;
mod rewrite;
mod stream;
mod tables;
mod tpkt;

use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Family, L4Proto, Profile};

/// The module that holds all three.
const MODULE: &str = "nf_conntrack_h323";

/// How long an expectation of theirs lives, in seconds.
const TIMEOUT_S: u32 = 240;

const RTP: Row = Row {
    announcement: "mediaChannel, mediaControlChannel (RTP, RTCP)",
    class: 0,
    options: &[],
    profiles: &Profile::ALL,
    families: &Family::ALL,
    announcer: Announcer::Either,
    src: Field::Fixed(End::Receiver),
    sport: Field::Any,
    dst: Field::Fixed(End::Sender),
    dport: Field::Payload,
    proto: ProtoField::Fixed(L4Proto::UDP),
    child: None,
    document: Some(["Fixed", "0-65535", "Fixed", "In CMD", "UDP"]),
};

const T120: Row = Row {
    announcement: "separateStack (T.120)",
    proto: ProtoField::Fixed(L4Proto::TCP),
    document: None,
    ..RTP
};

/// The cells of the source document's row `h323 q931`.
const CALL_CELLS: Option<[&str; 5]> = Some(["Fixed", "0-65535", "In CMD", "In CMD", "UDP"]);
