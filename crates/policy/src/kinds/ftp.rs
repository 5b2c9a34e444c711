//! File transfer: the helper reads the control connection.
//!
//! Passive mode, in which the client opens the data connections, passes; active mode, in which
//! the server does, only on demand: it opens ports of the clients.

use super::{Kind, Related, Role, Scope, Signalling, When};
use kinwall_terms::{Family, L4Proto};

pub(super) static KIND: Kind = Kind {
    name: "ftp",
    about: "file transfer",
    families: &[Family::Ipv4, Family::Ipv6],
    scope: Scope::Any,
    signalling: &[Signalling { helper: "ftp", proto: L4Proto::TCP, port: 21, to: Role::Server }],
    related: &[
        Related {
            helper: "ftp",
            proto: L4Proto::TCP,
            from: Role::Client,
            to: Role::Server,
            sport: None,
            unprivileged: true,
            when: When::Always,
            what: "passive data connections, where the server says that it waits",
        },
        Related {
            helper: "ftp",
            proto: L4Proto::TCP,
            from: Role::Server,
            to: Role::Client,
            sport: None,
            unprivileged: true,
            when: When::Active,
            what: "active data connections, where the client says that it waits",
        },
    ],
    translates: true,
    modules: &[("nf_conntrack_ftp", "loose=0")],
};
