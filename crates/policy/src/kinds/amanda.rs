//! Backup over the network: the backup server asks a machine by UDP, and fetches the streams
//! by TCP where it says.

use super::{Kind, Related, Role, Scope, Signalling, When};
use kinwall_terms::{Family, L4Proto};

pub(super) static KIND: Kind = Kind {
    name: "amanda",
    about: "backup over the network",
    families: &[Family::Ipv4, Family::Ipv6],
    scope: Scope::NamedServers,
    signalling: &[Signalling {
        helper: "amanda",
        proto: L4Proto::UDP,
        port: 10080,
        to: Role::Server,
    }],
    related: &[Related {
        helper: "amanda",
        proto: L4Proto::TCP,
        from: Role::Client,
        to: Role::Server,
        sport: None,
        unprivileged: true,
        when: When::Always,
        what: "the streams of a backup, where the machine says that it waits",
    }],
    translates: true,
    modules: &[("nf_conntrack_amanda", "")],
};
