//! `-j SECMARK --selctx system_u:object_r:http_packet_t:s0`: sets the security context of the
//! packet; the walk goes on.

use super::name;
use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use kinwall_terms::Table;

/// What the target declares.
pub const SPEC: Spec = Spec::new("SECMARK")
    .passive()
    .tables(&[Table::Mangle, Table::Security])
    .options(&[value("selctx").required()]);

/// The context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secmark {
    /// As SELinux writes it.
    pub context: Box<str>,
}

impl Secmark {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Secmark> {
        args.plain("selctx", name(255)).map(|context| Secmark { context })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("selctx", &self.context);
    }

    /// Changes nothing that rules can see.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Continue
    }
}
