//! `-j CONNSECMARK --save`: copies the security context of the packet to its connection, or back;
//! the walk goes on.

use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, flag};
use crate::print::Line;
use kinwall_terms::Table;

/// What the target declares.
pub const SPEC: Spec = Spec::new("CONNSECMARK")
    .passive()
    .tables(&[Table::Mangle, Table::Security])
    .options(&[flag("save").excludes(&["restore"]), flag("restore")]);

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connsecmark {
    /// From the packet to the connection; else back.
    pub save: bool,
}

impl Connsecmark {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Connsecmark> {
        args.one_of(&["save", "restore"]).then(|| Connsecmark { save: args.has("save") })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.flag(if self.save { "save" } else { "restore" }, true);
    }

    /// Changes nothing that rules can see.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Continue
    }
}
