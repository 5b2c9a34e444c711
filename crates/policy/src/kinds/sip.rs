//! Telephones and their provider: calls to registered telephones, and media with the provider's
//! media farm.
//!
//! As long as the media farm is the provider's proxy itself `sip_direct_media=1` serves. Media of
//! other hosts the helper only announces with `sip_direct_media=0`, and then for anybody: the
//! rules name both ends, so that only the farm is let through.

use super::{Kind, Related, Role, Scope, Signalling, When};
use kinwall_terms::{Family, L4Proto};

pub(super) static KIND: Kind = Kind {
    name: "sip",
    about: "telephones and their provider",
    families: &[Family::Ipv4, Family::Ipv6],
    scope: Scope::NamedServers,
    signalling: &[
        Signalling { helper: "sip", proto: L4Proto::UDP, port: 5060, to: Role::Server },
        Signalling { helper: "sip", proto: L4Proto::TCP, port: 5060, to: Role::Server },
    ],
    related: &[
        Related {
            helper: "sip",
            proto: L4Proto::UDP,
            from: Role::Server,
            to: Role::Client,
            sport: None,
            unprivileged: true,
            when: When::Always,
            what: "calls from the proxy to a registered telephone",
        },
        Related {
            helper: "sip",
            proto: L4Proto::TCP,
            from: Role::Server,
            to: Role::Client,
            sport: None,
            unprivileged: true,
            when: When::Always,
            what: "calls from the proxy to a telephone registered over TCP",
        },
        Related {
            helper: "sip",
            proto: L4Proto::UDP,
            from: Role::Client,
            to: Role::Media,
            sport: None,
            unprivileged: true,
            when: When::Always,
            what: "media to the farm",
        },
        Related {
            helper: "sip",
            proto: L4Proto::UDP,
            from: Role::Media,
            to: Role::Client,
            sport: None,
            unprivileged: true,
            when: When::Always,
            what: "media from the farm",
        },
    ],
    translates: true,
    modules: &[("nf_conntrack_sip", "sip_direct_signalling=1")],
};
