//! Network management, asked by broadcast: the gateway asks a whole network, and every agent
//! answers from the port that was asked.

use super::{Kind, Related, Role, Scope, Signalling, When};
use kinwall_terms::{Family, L4Proto};

pub(super) static KIND: Kind = Kind {
    name: "snmp",
    about: "network management, asked by broadcast",
    families: &[Family::Ipv4],
    scope: Scope::GatewayAsks,
    signalling: &[Signalling { helper: "snmp", proto: L4Proto::UDP, port: 161, to: Role::Server }],
    related: &[Related {
        helper: "snmp",
        proto: L4Proto::UDP,
        from: Role::Server,
        to: Role::Client,
        sport: Some(161),
        unprivileged: false,
        when: When::Always,
        what: "every agent answers",
    }],
    translates: false,
    modules: &[("nf_conntrack_snmp", "")],
};
