//! `-p tcp -j DNAT --to-destination 192.0.2.1:80`: the destination of the
//! connection becomes another.
//!
//! The target ends the chain. What it wants ([`super::nat::Wanted`]) is for the caller to do.

use super::nat::{Translation, translation};
use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use kinwall_terms::{Hook, Table};

/// What the target declares.
pub const SPEC: Spec = Spec::new("DNAT")
    .tables(&[Table::Nat])
    .hooks(&[Hook::Prerouting, Hook::Output])
    .options(&[value("to-destination").required(), flag("random"), flag("persistent")]);

/// How the destination changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dnat {
    /// The new address and ports.
    pub to: Translation,
    /// Ports are chosen by chance.
    pub random: bool,
    /// One client always gets the same address.
    pub persistent: bool,
}

impl Dnat {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Dnat> {
        let to = translation(args, "to-destination", true)?;
        Some(Dnat { to, random: args.has("random"), persistent: args.has("persistent") })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("to-destination", self.to)
            .flag("random", self.random)
            .flag("persistent", self.persistent);
    }

    /// Ends the chain.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Accept)
    }
}
