//! Names of the Windows network: the gateway asks a whole network, and whoever is meant answers
//! from the port that was asked.

use super::{Kind, Related, Role, Scope, Signalling, When};
use kinwall_terms::{Family, L4Proto};

pub(super) static KIND: Kind = Kind {
    name: "netbios-ns",
    about: "names of the Windows network",
    families: &[Family::Ipv4],
    scope: Scope::GatewayAsks,
    signalling: &[Signalling {
        helper: "netbios-ns",
        proto: L4Proto::UDP,
        port: 137,
        to: Role::Server,
    }],
    related: &[Related {
        helper: "netbios-ns",
        proto: L4Proto::UDP,
        from: Role::Server,
        to: Role::Client,
        sport: Some(137),
        unprivileged: false,
        when: When::Always,
        what: "whoever has the name answers",
    }],
    translates: false,
    modules: &[("nf_conntrack_netbios_ns", "")],
};
