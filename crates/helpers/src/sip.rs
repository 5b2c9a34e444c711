//! sip: session initiation (RFC 3261), and the media it describes (RFC 8866, RFC 3264).
//!
//! ```text
//! message     = (request-line / status-line) *(header CRLF) CRLF [body]
//! request     = method SP URI SP "SIP/2.0"
//! status      = "SIP/2.0" SP 3DIGIT SP text
//! header      = name *blank ":" value          a line that begins with a blank goes on with it
//! contact     = ("Contact" / "m") ":" [name] ["<"] "sip:" [user "@"] host [":" port] *(";" param)
//! description = "v=0" ... ["c=" connection] *("m=" kind SP port ... ["c=" connection])
//! ```
//!
//! | message | who sends it | what is announced |
//! |---|---|---|
//! | INVITE, UPDATE, PRACK, ACK and answers with a description | either end | RTP and RTCP |
//! | REGISTER, and the 2xx to it | the phone, and the registrar | calls to the phone's Contact |
//! | BYE, a new INVITE, and answers that refuse one | either end | the media are forgotten |
//!
//! RTP is expected at the even port, RTCP at the odd one above it. A media line with port 0 is not
//! in use. `a=rtcp:`, ICE candidates and everything encrypted are not understood; a `sendonly` or
//! `inactive` stream still has RTCP and is expected like any other.
//!
//! `linux` looks for headers behind any line end, the body's included, and over TCP only at whole
//! messages that begin with a segment. `strict` follows the stream from its first byte, reads one
//! message as a whole, and believes answers only to requests that it has seen.
//!
//! Tests: `tests/helpers/sip/` at the root of the repository, and `tests/` of this crate.

mod linux;
mod rewrite;
mod strict;

use crate::effects::{Pair, Proposal};
use crate::guard::GuardDefaults;
use crate::helper::{Class, Helper, Manual, PortsOption};
use crate::options::{OptionIndex, OptionKind, OptionSpec, Quantity};
use crate::registry::HelperKind;
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Family, L4Proto, Profile};
use serde::{Deserialize, Serialize};

/// The helper `sip`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Sip,
    name: "sip",
    module: "nf_conntrack_sip",
    l4: &[L4Proto::UDP, L4Proto::TCP],
    families: &Family::ALL,
    default_port: Some(5060),
    ports_option: PortsOption::NamedByIndex,
    options: OPTIONS,
    classes: &[class("signalling", 1), class("audio", 4), class("video", 4), class("image", 2)],
    rows: &[
        Row { options: &[("sip_direct_media", "1")], ..media("audio (RTP, RTCP)", 1) },
        Row { options: &[("sip_direct_media", "1")], ..media("video (RTP, RTCP)", 2) },
        Row { options: &[("sip_direct_media", "1")], ..media("image (RTP, RTCP)", 3) },
        third_party(media("audio (RTP, RTCP)", 1)),
        third_party(media("video (RTP, RTCP)", 2)),
        third_party(media("image (RTP, RTCP)", 3)),
        Row { options: DIRECT, ..REGISTER },
        Row { options: INDIRECT, src: Field::Any, document: INDIRECT_CELLS, ..REGISTER },
        Row { options: DIRECT, ..REGISTERED },
        Row { options: INDIRECT, src: Field::Any, document: INDIRECT_CELLS, ..REGISTERED },
        Row { options: DIRECT, ..TRANSLATED },
        Row { options: INDIRECT, src: Field::Any, ..TRANSLATED },
    ],
    // A call has audio, video and an image in both directions at most, and the phone is called.
    guard: GuardDefaults { per_master: 16, ..GuardDefaults::USUAL },
    unread_max_bytes: strict::MESSAGE_MAX_BYTES,
    linux: linux::inspect,
    strict: strict::inspect,
    ends_too: None,
    manual: MANUAL,
};

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "sip_timeout",
        kind: OptionKind::Number(0, u32::MAX),
        default: 3600,
        doc: "How long the signalling connection lives after a packet, in seconds.",
        dangerous: None,
    },
    OptionSpec {
        name: "sip_direct_signalling",
        kind: OptionKind::Number(0, 1),
        default: 1,
        doc: "Expect calls to a registered phone from its registrar only; 0: from anybody.",
        dangerous: Some(0),
    },
    OptionSpec {
        name: "sip_direct_media",
        kind: OptionKind::Number(0, 1),
        default: 1,
        doc: "Expect media only between the two ends of the signalling connection; 0: from \
              anybody, to any address that a description names.",
        dangerous: Some(0),
    },
    OptionSpec {
        name: "sip_external_media",
        kind: OptionKind::Number(0, 1),
        default: 0,
        doc: "With sip_direct_media=0: expect nothing at an address that is reached by the \
              interface by which the signalling leaves.",
        dangerous: None,
    },
];

const SIP_TIMEOUT: OptionIndex = OptionIndex(0);
const DIRECT_SIGNALLING: OptionIndex = OptionIndex(1);
const DIRECT_MEDIA: OptionIndex = OptionIndex(2);
const EXTERNAL_MEDIA: OptionIndex = OptionIndex(3);

const SIGNALLING: u8 = 0;
const MEDIA_CLASSES: [u8; 3] = [1, 2, 3];

const fn class(name: &'static str, limit: u32) -> Class {
    Class { name, limit: Quantity::Fixed(limit), timeout_s: Quantity::Fixed(180) }
}

/// The row of a kind of media.
const fn media(announcement: &'static str, class: u8) -> Row {
    Row {
        announcement,
        class,
        options: &[],
        profiles: &Profile::ALL,
        families: &Family::ALL,
        announcer: Announcer::Either,
        src: Field::Fixed(End::Receiver),
        sport: Field::Any,
        dst: Field::Fixed(End::Sender),
        dport: Field::PayloadRange(1024, 65535),
        proto: ProtoField::Fixed(L4Proto::UDP),
        child: None,
        document: Some(["Fixed", "0-65535", "Fixed", "In CMD", "UDP"]),
    }
}

const fn third_party(row: Row) -> Row {
    Row {
        options: &[("sip_direct_media", "0")],
        src: Field::Any,
        dst: Field::Payload,
        document: Some(["Full", "0-65535", "In CMD", "In CMD", "UDP"]),
        ..row
    }
}

const DIRECT: &[(&str, &str)] = &[("sip_direct_signalling", "1")];
const INDIRECT: &[(&str, &str)] = &[("sip_direct_signalling", "0")];
const INDIRECT_CELLS: Option<[&str; 5]> = Some(["Full", "0-65535", "In CMD", "In CMD", "In CMD"]);

const REGISTER: Row = Row {
    announcement: "REGISTER",
    class: SIGNALLING,
    options: &[],
    profiles: &[Profile::Linux],
    families: &Family::ALL,
    announcer: Announcer::Either,
    src: Field::Fixed(End::Receiver),
    sport: Field::Any,
    dst: Field::Fixed(End::Sender),
    dport: Field::PayloadRange(1024, 65535),
    proto: ProtoField::Master,
    child: Some("sip"),
    document: Some(["Fixed", "0-65535", "Fixed", "In CMD", "In CMD"]),
};

/// In `strict` it is the registrar's answer that announces.
const REGISTERED: Row = Row {
    announcement: "2xx to REGISTER",
    profiles: &[Profile::Strict],
    announcer: Announcer::Responder,
    src: Field::Fixed(End::Responder),
    dst: Field::Fixed(End::Originator),
    ..REGISTER
};

/// `strict`, where the phone is translated: the port is chosen with the request, which names it,
/// and opens when the registrar agrees.
const TRANSLATED: Row = Row {
    announcement: "REGISTER (NAT)",
    announcer: Announcer::Originator,
    document: None,
    ..REGISTERED
};

const MANUAL: Manual = Manual {
    about: "session initiation: the media of calls, and calls to registered phones",
    reads: "Signalling over UDP and TCP 5060, in both directions, IPv4 and IPv6. The session \
            descriptions in INVITE, UPDATE, PRACK and ACK and in the answers to them, and \
            REGISTER with its answer. In the linux profile headers wherever they stand, and over \
            TCP only messages that begin with a segment and end within it; in strict a stream of \
            whole messages from its first byte, and answers only to requests that were seen.",
    opens: "For each of the first three audio, video and image lines of a description RTP and \
            RTCP over UDP, from the other end of the signalling to the address and port that the \
            line names, within 180 seconds. For REGISTER connections from the registrar to the \
            phone's own address and the port of its Contact, as often as may be, for as long as \
            the registrar grants. With sip_direct_media=0 and sip_direct_signalling=0 from \
            anybody.",
    costs: "Who speaks SIP through the gateway chooses ports of its own address, and with \
            sip_direct_media=0 ports of any address, for anybody. A registration stays open for \
            hours. Every packet keeps the signalling alive for sip_timeout. A browser made to \
            send a REGISTER chooses its own host's port. Under TLS the helper is blind.",
    secure_use: "Assign it by rule between your phones and your provider's proxy only, accept \
                 RELATED only with the helper's name, to the provider's or your own media \
                 addresses and ports above 1023, and drop spoofed sources first. Leave \
                 sip_direct_media and sip_direct_signalling at 1 where the provider's proxy \
                 relays the media.",
    rules: &[
        "iptables -A PREROUTING -t raw -p udp --dport 5060 -s $MY_PHONES -d $ISP_SIP_SERVER \
         -j CT --helper sip",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper sip \
         -d $ISP_RTP_SERVER -p udp --dport 1024: -j ACCEPT",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper sip \
         -s $ISP_RTP_SERVER -d $MY_PHONES -p udp --dport 1024: -j ACCEPT",
    ],
};

/// What the helper remembers of a signalling connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    /// `strict`: how far the connection has come.
    reading: strict::Reading,
    /// `linux`, over UDP: the port at which the end that sends requests waits for answers, when it
    /// sends from another one.
    waits_at: Option<u16>,
}

/// The kinds of media that are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaKind {
    Audio,
    Video,
    Image,
}

impl MediaKind {
    const ALL: [MediaKind; 3] = [MediaKind::Audio, MediaKind::Video, MediaKind::Image];

    /// How a media line names it, with the blank behind it.
    fn word(self) -> &'static [u8] {
        match self {
            MediaKind::Audio => b"audio ",
            MediaKind::Video => b"video ",
            MediaKind::Image => b"image ",
        }
    }

    fn class(self) -> u8 {
        let [audio, video, image] = MEDIA_CLASSES;
        match self {
            MediaKind::Audio => audio,
            MediaKind::Video => video,
            MediaKind::Image => image,
        }
    }
}

/// RTP at the even port of what is proposed, RTCP at the odd one above it.
fn media_pair(proposal: Proposal) -> Pair {
    let at_port = |port| {
        let mut changed = proposal;
        changed.expected.tuple.dport = port;
        changed
    };
    let port = proposal.expected.tuple.dport;
    Pair { first: at_port(port & !1), second: at_port(port | 1), keymap: None }
}
