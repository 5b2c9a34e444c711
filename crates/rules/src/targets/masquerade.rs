//! `-p tcp -j MASQUERADE --to-ports 1024-65535`: the source
//! becomes the address of the interface by which the packet leaves.
//!
//! The target ends the chain. What it wants ([`super::nat::Wanted`]) is for the caller to do.

use super::nat::{self, Ports};
use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::PortRange;
use kinwall_terms::{Hook, Table};

/// What the target declares.
pub const SPEC: Spec = Spec::new("MASQUERADE")
    .tables(&[Table::Nat])
    .hooks(&[Hook::Postrouting])
    .options(&[value("to-ports"), flag("random"), flag("random-fully")]);

/// How the source port changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masquerade {
    /// The new ports; `None`: chosen by the kernel as near to the old one as it can.
    pub ports: Option<PortRange>,
    /// Ports are chosen by chance.
    pub random: bool,
    /// Ports are chosen by chance, and not near to the old one.
    pub random_fully: bool,
}

impl Masquerade {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Masquerade> {
        Some(Masquerade {
            ports: nat::ports(args, "to-ports"),
            random: args.has("random"),
            random_fully: args.has("random-fully"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        if let Some(ports) = self.ports {
            out.value("to-ports", Ports(ports));
        }
        out.flag("random", self.random).flag("random-fully", self.random_fully);
    }

    /// Ends the chain.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Accept)
    }
}
