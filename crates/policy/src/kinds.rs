//! The protocols with a helper, one file each: what is assigned to which connection, and which
//! of the flows that the helper announces may pass.

mod amanda;
mod ftp;
mod h323;
mod irc;
mod netbios_ns;
mod pptp;
mod sane;
mod sip;
mod snmp;
mod tftp;

use kinwall_terms::{Family, L4Proto};

/// Every kind, in the order of their names.
pub static KINDS: &[&Kind] = &[
    &amanda::KIND,
    &ftp::KIND,
    &h323::KIND,
    &irc::KIND,
    &netbios_ns::KIND,
    &pptp::KIND,
    &sane::KIND,
    &sip::KIND,
    &snmp::KIND,
    &tftp::KIND,
];

/// A protocol with a helper.
#[derive(Debug)]
pub struct Kind {
    /// The word for it in a policy.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The families its helpers read.
    pub families: &'static [Family],
    /// Who may begin and who may answer.
    pub scope: Scope,
    /// The connections that are read.
    pub signalling: &'static [Signalling],
    /// The flows that pass because they were announced.
    pub related: &'static [Related],
    /// Whether the kernel's helper translates what it announces, so that a server can be
    /// published.
    pub translates: bool,
    /// The kernel's module and the safe values of its dangerous options.
    pub modules: &'static [(&'static str, &'static str)],
}

impl Kind {
    /// The kind of this name.
    pub fn by_name(name: &str) -> Option<&'static Kind> {
        KINDS.iter().copied().find(|kind| kind.name == name)
    }
}

/// Who may take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Anybody.
    Any,
    /// The servers have to be named: a whole segment is too wide.
    NamedServers,
    /// Only the gateway asks, and the segment answers: the helper expects the answers to a
    /// broadcast, which is never forwarded.
    GatewayAsks,
}

/// A connection that a helper reads.
#[derive(Debug)]
pub struct Signalling {
    /// The helper's name.
    pub helper: &'static str,
    /// Its protocol.
    pub proto: L4Proto,
    /// The usual port of the one who answers.
    pub port: u16,
    /// Who answers.
    pub to: Role,
}

/// Announced flows that may begin.
#[derive(Debug)]
pub struct Related {
    /// The helper of the master.
    pub helper: &'static str,
    /// Their protocol.
    pub proto: L4Proto,
    /// Who begins them.
    pub from: Role,
    /// Who answers.
    pub to: Role,
    /// The port they come from, where the helper fixes it.
    pub sport: Option<u16>,
    /// Whether the destination port is the payload's choice, and so has to be unprivileged.
    pub unprivileged: bool,
    /// In which policies.
    pub when: When,
    /// What they are.
    pub what: &'static str,
}

/// A part that somebody plays in an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `from`.
    Client,
    /// `to`.
    Server,
    /// `media`, or `to` when none is given.
    Media,
    /// Whoever is in the segments of `to`: the protocol does not fix the peer.
    SegmentOfServer,
}

/// In which policies announced flows pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// With `active = true`.
    Active,
}
