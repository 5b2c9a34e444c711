//! Point to point tunnelling: GRE between the two ends of each call, whoever speaks first.

use super::{Kind, Related, Role, Scope, Signalling, When};
use kinwall_terms::{Family, L4Proto};

pub(super) static KIND: Kind = Kind {
    name: "pptp",
    about: "point to point tunnelling",
    families: &[Family::Ipv4],
    scope: Scope::NamedServers,
    signalling: &[Signalling { helper: "pptp", proto: L4Proto::TCP, port: 1723, to: Role::Server }],
    related: &[
        Related {
            helper: "pptp",
            proto: L4Proto::GRE,
            from: Role::Client,
            to: Role::Server,
            sport: None,
            unprivileged: false,
            when: When::Always,
            what: "the tunnel, to the server",
        },
        Related {
            helper: "pptp",
            proto: L4Proto::GRE,
            from: Role::Server,
            to: Role::Client,
            sport: None,
            unprivileged: false,
            when: When::Always,
            what: "the tunnel, from the server",
        },
    ],
    translates: true,
    modules: &[("nf_conntrack_pptp", "")],
};
