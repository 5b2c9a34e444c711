//! The machine it runs on, read: interfaces, addresses and routes by netlink (rtnetlink(7)),
//! sysctls from `/proc/sys`, module options from `/sys/module`.
//!
//! [`read`] gives the [`Topology`] of the network namespace of the calling thread. Nothing is
//! changed, and no privilege is needed: what only root may see is left out and said in
//! [`Machine::remarks`].
#![allow(clippy::disallowed_methods)] // Files and sockets are this crate's business.

mod assemble;
mod modules;
mod netlink;
mod seen;
mod sysctls;

pub use modules::modules;
pub use sysctls::sysctls;

use kinwall_terms::KernelVersion;
use kinwall_topology::{Contradiction, Topology};
use std::io;

/// The machine, as it was when it was read.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The Linux version, such as 6.18.44; `None` when `/proc` does not tell a version.
    pub kernel: Option<KernelVersion>,
    /// Interfaces, routes, sysctls and module options.
    pub topology: Topology,
    /// What a topology cannot hold, or what was left out, one sentence each.
    pub remarks: Vec<String>,
}

/// Why the machine could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Netlink: `doing` is what was asked for.
    #[error("{doing}: {source}")]
    Netlink {
        /// Such as "asking for the routes".
        doing: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A message that the library cannot read.
    #[error("{doing}: the kernel's answer was not understood: {message}")]
    Message {
        /// Such as "asking for the routes".
        doing: &'static str,
        /// The library's word for it.
        message: String,
    },
    /// The tables changed each time they were read.
    #[error("{0}: the answer changed while it was read, ten times in a row; try again")]
    Unsteady(&'static str),
    /// What the kernel said contradicts itself as a topology.
    #[error("this machine cannot be written as a topology:\n{}", lines(.0))]
    Contradictions(Vec<Contradiction>),
}

fn lines(all: &[Contradiction]) -> String {
    let lines: Vec<String> = all.iter().map(|one| format!("  {one}")).collect();
    lines.join("\n")
}

/// Reads the machine.
///
/// # Errors
///
/// Netlink refused, or what was read contradicts itself ([`Topology::new`]).
pub fn read() -> Result<Machine, MachineError> {
    let seen = netlink::read()?;
    let mut assembled = assemble::assemble(&seen);
    for interface in &mut assembled.parts.interfaces {
        interface.rp_filter = sysctls::rp_filter(interface.name.as_str());
    }
    let names = assembled.parts.interfaces.iter().map(|interface| interface.name);
    assembled.parts.sysctl = sysctls::sysctls(&names.collect::<Vec<_>>());
    assembled.parts.modules = modules::modules();
    let topology = Topology::new(assembled.parts).map_err(MachineError::Contradictions)?;
    Ok(Machine { kernel: kernel(), topology, remarks: assembled.remarks })
}

/// The running kernel's version: the numbers at the head of `/proc/sys/kernel/osrelease`.
pub fn kernel() -> Option<KernelVersion> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let end = release.find(|c| !is_number(c)).unwrap_or(release.len());
    release.get(..end)?.trim_end_matches('.').parse().ok()
}
