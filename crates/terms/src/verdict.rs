//! What happens to a packet.

use std::fmt;

/// The end of a packet's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Forwarded, delivered or sent.
    Accept,
    /// Dropped in silence.
    Drop,
    /// Dropped, and the sender is told.
    Reject(RejectWith),
    /// Handed to the user-space queue with this number.
    Queue(u16),
    /// A rule that cannot be evaluated was reached; it decides.
    Unknown,
    /// A fragment, held until its datagram is complete.
    Consume,
}

impl Verdict {
    /// `accept`, `drop`, `reject`, `queue`, `unknown` or `consume`.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
            Verdict::Reject(_) => "reject",
            Verdict::Queue(_) => "queue",
            Verdict::Unknown => "unknown",
            Verdict::Consume => "consume",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The answer of the REJECT target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectWith {
    /// IPv4: network unreachable.
    IcmpNetUnreachable,
    /// IPv4: host unreachable.
    IcmpHostUnreachable,
    /// IPv4: protocol unreachable.
    IcmpProtoUnreachable,
    /// IPv4: port unreachable (the default).
    IcmpPortUnreachable,
    /// IPv4: network administratively prohibited.
    IcmpNetProhibited,
    /// IPv4: host administratively prohibited.
    IcmpHostProhibited,
    /// IPv4: communication administratively prohibited.
    IcmpAdminProhibited,
    /// IPv6: no route to destination.
    Icmp6NoRoute,
    /// IPv6: administratively prohibited.
    Icmp6AdmProhibited,
    /// IPv6: address unreachable.
    Icmp6AddrUnreachable,
    /// IPv6: port unreachable (the default).
    Icmp6PortUnreachable,
    /// IPv6: source address failed policy.
    Icmp6PolicyFail,
    /// IPv6: reject route to destination.
    Icmp6RejectRoute,
    /// A TCP RST.
    TcpReset,
}

impl RejectWith {
    /// The name as `--reject-with` prints it.
    pub fn name(self) -> &'static str {
        match self {
            RejectWith::IcmpNetUnreachable => "icmp-net-unreachable",
            RejectWith::IcmpHostUnreachable => "icmp-host-unreachable",
            RejectWith::IcmpProtoUnreachable => "icmp-proto-unreachable",
            RejectWith::IcmpPortUnreachable => "icmp-port-unreachable",
            RejectWith::IcmpNetProhibited => "icmp-net-prohibited",
            RejectWith::IcmpHostProhibited => "icmp-host-prohibited",
            RejectWith::IcmpAdminProhibited => "icmp-admin-prohibited",
            RejectWith::Icmp6NoRoute => "icmp6-no-route",
            RejectWith::Icmp6AdmProhibited => "icmp6-adm-prohibited",
            RejectWith::Icmp6AddrUnreachable => "icmp6-addr-unreachable",
            RejectWith::Icmp6PortUnreachable => "icmp6-port-unreachable",
            RejectWith::Icmp6PolicyFail => "icmp6-policy-fail",
            RejectWith::Icmp6RejectRoute => "icmp6-reject-route",
            RejectWith::TcpReset => "tcp-reset",
        }
    }
}
