//! Scanners over the network: the image is fetched where the scanner says.

use super::{Kind, Related, Role, Scope, Signalling, When};
use kinwall_terms::{Family, L4Proto};

pub(super) static KIND: Kind = Kind {
    name: "sane",
    about: "scanners over the network",
    families: &[Family::Ipv4, Family::Ipv6],
    scope: Scope::NamedServers,
    signalling: &[Signalling { helper: "sane", proto: L4Proto::TCP, port: 6566, to: Role::Server }],
    related: &[Related {
        helper: "sane",
        proto: L4Proto::TCP,
        from: Role::Client,
        to: Role::Server,
        sport: None,
        unprivileged: true,
        when: When::Always,
        what: "the image, where the scanner says that it waits",
    }],
    translates: false,
    modules: &[("nf_conntrack_sane", "")],
};
