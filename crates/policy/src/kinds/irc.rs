//! IRC: offers of files and chats between users (DCC).
//!
//! The helper cannot know who takes an offer: anybody in the server's segment may.

use super::{Kind, Related, Role, Scope, Signalling, When};
use kinwall_terms::{Family, L4Proto};

pub(super) static KIND: Kind = Kind {
    name: "irc",
    about: "chat, with files and chats offered between users (DCC)",
    families: &[Family::Ipv4],
    scope: Scope::NamedServers,
    signalling: &[Signalling { helper: "irc", proto: L4Proto::TCP, port: 6667, to: Role::Server }],
    related: &[Related {
        helper: "irc",
        proto: L4Proto::TCP,
        from: Role::SegmentOfServer,
        to: Role::Client,
        sport: None,
        unprivileged: true,
        when: When::Always,
        what: "whoever takes an offer; the protocol does not say who that is",
    }],
    translates: true,
    modules: &[("nf_conntrack_irc", "")],
};
