//! `-j SNAT --to-source 192.0.2.1-192.0.2.9`: the source of the
//! connection becomes another.
//!
//! The target ends the chain. What it wants ([`super::nat::Wanted`]) is for the caller to do.

use super::nat::{Translation, translation};
use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use kinwall_terms::{Hook, Table};

/// What the target declares.
pub const SPEC: Spec =
    Spec::new("SNAT").tables(&[Table::Nat]).hooks(&[Hook::Input, Hook::Postrouting]).options(&[
        value("to-source").required(),
        flag("random"),
        flag("random-fully"),
        flag("persistent"),
    ]);

/// How the source changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snat {
    /// The new address and ports.
    pub to: Translation,
    /// Ports are chosen by chance.
    pub random: bool,
    /// Ports are chosen by chance, and not near to the old one.
    pub random_fully: bool,
    /// One client always gets the same address.
    pub persistent: bool,
}

impl Snat {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Snat> {
        let to = translation(args, "to-source", false)?;
        Some(Snat {
            to,
            random: args.has("random"),
            random_fully: args.has("random-fully"),
            persistent: args.has("persistent"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("to-source", self.to)
            .flag("random", self.random)
            .flag("random-fully", self.random_fully)
            .flag("persistent", self.persistent);
    }

    /// Ends the chain.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Accept)
    }
}
