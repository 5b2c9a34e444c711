//! What an operator may tune: the trackers' share of the `net.netfilter.nf_conntrack_*` sysctls.

use super::{dccp, gre, sctp, tcp, udp};
use kinwall_terms::KernelVersion;

/// The trackers' settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunables {
    /// The Linux version whose exceptions hold.
    pub kernel: KernelVersion,
    /// `nf_conntrack_checksum`: verify transport checksums of packets that come in.
    pub checksum: bool,
    /// The `nf_conntrack_tcp_*` switches.
    pub tcp: tcp::Tunables,
    /// The timeouts of connections without a policy of their own.
    pub timeouts: Timeouts,
}

impl Tunables {
    /// The defaults of a Linux version.
    pub fn new(kernel: KernelVersion) -> Tunables {
        Tunables {
            kernel,
            checksum: true,
            tcp: tcp::Tunables::default(),
            timeouts: Timeouts::new(kernel),
        }
    }
}

/// Timeouts of every protocol, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `nf_conntrack_tcp_timeout_*`.
    pub tcp: tcp::Timeouts,
    /// `nf_conntrack_udp_timeout*`, for UDP and UDPlite.
    pub udp: udp::Timeouts,
    /// `nf_conntrack_icmp_timeout`.
    pub icmp_s: u32,
    /// `nf_conntrack_icmpv6_timeout`.
    pub icmpv6_s: u32,
    /// `nf_conntrack_sctp_timeout_*`.
    pub sctp: sctp::Timeouts,
    /// `nf_conntrack_gre_timeout*`.
    pub gre: gre::Timeouts,
    /// `nf_conntrack_dccp_timeout_*`.
    pub dccp: dccp::Timeouts,
    /// `nf_conntrack_generic_timeout`.
    pub generic_s: u32,
}

impl Timeouts {
    /// The defaults of a Linux version.
    pub fn new(kernel: KernelVersion) -> Timeouts {
        Timeouts {
            tcp: tcp::Timeouts::default(),
            udp: udp::Timeouts { stream_s: kernel.udp_stream_timeout_s(), ..Default::default() },
            icmp_s: 30,
            icmpv6_s: 30,
            sctp: sctp::Timeouts::default(),
            gre: gre::Timeouts::default(),
            dccp: dccp::Timeouts::default(),
            generic_s: 600,
        }
    }
}
