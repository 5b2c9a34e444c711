//! Trivial file transfer: the server answers from a port of its own choice.

use super::{Kind, Related, Role, Scope, Signalling, When};
use kinwall_terms::{Family, L4Proto};

pub(super) static KIND: Kind = Kind {
    name: "tftp",
    about: "trivial file transfer",
    families: &[Family::Ipv4, Family::Ipv6],
    scope: Scope::NamedServers,
    signalling: &[Signalling { helper: "tftp", proto: L4Proto::UDP, port: 69, to: Role::Server }],
    related: &[Related {
        helper: "tftp",
        proto: L4Proto::UDP,
        from: Role::Server,
        to: Role::Client,
        sport: None,
        unprivileged: true,
        when: When::Always,
        what: "the transfer, to the port that the client asked from",
    }],
    translates: true,
    modules: &[("nf_conntrack_tftp", "")],
};
