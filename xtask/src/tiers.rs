//! What the tests need beyond Rust: the Debian packages, and the tiers that cannot run without
//! them.

use crate::Outcome;
use crate::command::{at_root, exists, is_root, run};

/// A program that some test runs, and the Debian package that holds it.
struct Program {
    name: &'static str,
    package: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program { name: "conntrack", package: "conntrack" },
    Program { name: "curl", package: "curl" },
    Program { name: "ethtool", package: "ethtool" },
    Program { name: "ip", package: "iproute2" },
    Program { name: "ipset", package: "ipset" },
    Program { name: "iptables-restore", package: "iptables" },
    Program { name: "jq", package: "jq" },
    Program { name: "nft", package: "nftables" },
    Program { name: "ping", package: "iputils-ping" },
    Program { name: "pgrep", package: "procps" },
    Program { name: "python3", package: "python3" },
    Program { name: "script", package: "bsdutils" },
    Program { name: "setpriv", package: "util-linux" },
    Program { name: "sysctl", package: "procps" },
    Program { name: "tcpdump", package: "tcpdump" },
    Program { name: "unshare", package: "util-linux" },
    Program { name: "valgrind", package: "valgrind" },
    Program { name: "vsftpd", package: "vsftpd" },
];

/// A group of tests that needs more than an ordinary user has.
struct Tier {
    name: &'static str,
    programs: &'static [&'static str],
    /// A kernel facility that must be there: a path, and what it stands for.
    kernel: Option<(&'static str, &'static str)>,
}

const TIERS: &[Tier] = &[
    Tier {
        name: "real tools (our rule text through iptables-restore and iptables-save)",
        programs: &["ip", "ipset", "iptables-restore"],
        kernel: None,
    },
    Tier {
        name: "kernel agreement (packets and rules through the real kernel)",
        programs: &["conntrack", "ethtool", "ip", "ipset", "iptables-restore", "nft"],
        kernel: Some(("/proc/sys/net/netfilter", "connection tracking")),
    },
    Tier {
        name: "the machine itself (what is live is read, changed and put back, in namespaces)",
        programs: &[
            "ip",
            "ipset",
            "iptables-restore",
            "jq",
            "nft",
            "pgrep",
            "script",
            "setpriv",
            "sysctl",
            "unshare",
        ],
        kernel: Some(("/proc/sys/net/netfilter", "connection tracking")),
    },
    Tier {
        name: "the live gateway (its life, its faults), in namespaces",
        programs: &["curl", "ip", "iptables-restore", "ping", "python3", "setpriv", "vsftpd"],
        kernel: Some(("/proc/net/netfilter/nfnetlink_queue", "packet queues")),
    },
    Tier {
        name: "peers (real programs through the live gateway; examples/live.sh installs them)",
        programs: &["ip", "iptables-restore"],
        kernel: Some(("/proc/net/netfilter/nfnetlink_queue", "packet queues")),
    },
];

/// Installs the packages whose programs are missing, when that is possible.
pub(crate) fn install() -> Outcome {
    let mut missing: Vec<&str> =
        PROGRAMS.iter().filter(|p| !exists(p.name)).map(|p| p.package).collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() || !is_root() || !exists("apt-get") {
        return Ok(());
    }
    eprintln!("installing what the tests need: {}", missing.join(" "));
    run(at_root("apt-get", &["update", "-qq"]))?;
    let mut install = at_root("apt-get", &["install", "-y", "-qq", "--no-install-recommends"]);
    install.args(missing).env("DEBIAN_FRONTEND", "noninteractive");
    run(install)
}

/// Says, loudly, which tiers cannot run here and why; their tests pass without having asked.
pub(crate) fn announce() {
    for tier in TIERS {
        let mut lacking: Vec<String> = Vec::new();
        if !is_root() {
            lacking.push("root".into());
        }
        lacking.extend(tier.programs.iter().filter(|p| !exists(p)).map(|p| (*p).into()));
        if let Some((path, facility)) = tier.kernel
            && !std::path::Path::new(path).exists()
        {
            lacking.push(format!("{facility} in the kernel"));
        }
        if lacking.is_empty() {
            eprintln!("tier runs:     {}", tier.name);
        } else {
            eprintln!("############ TIER DOES NOT RUN: {}", tier.name);
            eprintln!("############ it lacks: {}", lacking.join(", "));
        }
    }
}
