//! `-p tcp -j REDIRECT --to-ports 3128`: the destination becomes the gateway
//! itself.
//!
//! The target ends the chain. What it wants ([`super::nat::Wanted`]) is for the caller to do.

use super::nat::{self, Ports};
use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::PortRange;
use kinwall_terms::{Hook, Table};

/// What the target declares.
pub const SPEC: Spec = Spec::new("REDIRECT")
    .tables(&[Table::Nat])
    .hooks(&[Hook::Prerouting, Hook::Output])
    .options(&[value("to-ports"), flag("random")]);

/// How the destination port changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The new ports; `None`: chosen by the kernel as near to the old one as it can.
    pub ports: Option<PortRange>,
    /// Ports are chosen by chance.
    pub random: bool,
}

impl Redirect {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Redirect> {
        Some(Redirect { ports: nat::ports(args, "to-ports"), random: args.has("random") })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        if let Some(ports) = self.ports {
            out.value("to-ports", Ports(ports));
        }
        out.flag("random", self.random);
    }

    /// Ends the chain.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Accept)
    }
}
