//! Flags that several commands share.

use clap::{Args, ValueEnum};
use kinwall_terms::{KernelVersion, Profile};
use std::path::PathBuf;

/// Where the rules come from.
#[derive(Args, Debug)]
pub(crate) struct RuleArgs {
    /// A rule file: iptables-save or ip6tables-save output, a shell script of iptables and
    /// ip6tables commands, or what `nft -j list ruleset` prints. IPv4 or IPv6 is told by name
    /// (`*.v6`, `ip6tables`) or by content; nftables may have both
    #[arg(long = "rules", value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// A rule file for IPv4, whatever its name
    #[arg(long, value_name = "FILE")]
    pub rules4: Vec<PathBuf>,
    /// A rule file for IPv6, whatever its name
    #[arg(long, value_name = "FILE")]
    pub rules6: Vec<PathBuf>,
    /// The rules that the kernel of this machine holds, of iptables and nftables, with its sets;
    /// and, unless --topology or --kernel say otherwise, its topology, settings and version. Needs
    /// root
    #[arg(long, conflicts_with_all = ["rules", "rules4", "rules6", "sets"])]
    pub live: bool,
    /// Value of $NAME in rule scripts. A list with commas may hold addresses of both families:
    /// each command takes those of its own
    #[arg(long = "define", value_name = "NAME=VALUE")]
    pub defines: Vec<String>,
    /// Sets for `-m set`, as `ipset save` writes them
    #[arg(long = "sets", value_name = "FILE")]
    pub sets: Vec<PathBuf>,
    /// Settle what kinwall cannot evaluate: every such match on this line of the rules (the line
    /// alone, or FILE:LINE) counts as matching or as not matching
    #[arg(long = "assume", value_name = "LINE=match|no-match")]
    pub assume: Vec<String>,
}

/// The gateway and how it is set.
#[derive(Args, Debug)]
pub(crate) struct GatewayArgs {
    /// The gateway's interfaces, networks, sysctls and module options
    #[arg(long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
    /// A sysctl (nf_conntrack_tcp_loose=0), a module option (nf_conntrack_ftp.loose=1) or a guard
    /// (guard.ftp.min_port=1024)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The Linux version to answer for, in the linux profile [default: 6.18, or with --live the
    /// machine's]
    #[arg(long, value_name = "VERSION")]
    pub kernel: Option<KernelVersion>,
    /// How helpers read: exactly as Linux does, or strictly
    #[arg(long, value_enum, default_value_t = ProfileArg::Linux)]
    pub profile: ProfileArg,
    /// Key of the hash tables; the same seed gives the same answers
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide = true)]
    pub seed: u64,
}

/// `--nat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NatArg {
    /// Connections are translated as the nat table says.
    Apply,
    /// The nat table is not looked at.
    Ignore,
}

/// `--profile`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProfileArg {
    /// As the Linux kernel's helpers, their weaknesses included.
    Linux,
    /// Bounded in-order streams, the protocol's own course required, guards on.
    Strict,
}

impl From<ProfileArg> for Profile {
    fn from(arg: ProfileArg) -> Profile {
        match arg {
            ProfileArg::Linux => Profile::Linux,
            ProfileArg::Strict => Profile::Strict,
        }
    }
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}
