//! `-j AUDIT --type drop`: a record for the audit system; the walk goes on.

use crate::diagnostic::Diagnostic;
use crate::eval::{Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;

/// What the target declares.
pub const SPEC: Spec = Spec::new("AUDIT").passive().options(&[value("type").required()]);

/// The record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// What it says is done with the packet.
    pub kind: AuditKind,
}

impl Audit {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Audit> {
        args.plain("type", kind).map(|kind| Audit { kind })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("type", self.kind.name());
    }

    /// Records the packet.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.logged.push(scene.rule);
        Effect::Continue
    }
}

/// What the record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditKind {
    /// The packet is accepted.
    Accept,
    /// It is dropped.
    Drop,
    /// It is rejected.
    Reject,
}

impl AuditKind {
    const ALL: [AuditKind; 3] = [AuditKind::Accept, AuditKind::Drop, AuditKind::Reject];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            AuditKind::Accept => "accept",
            AuditKind::Drop => "drop",
            AuditKind::Reject => "reject",
        }
    }
}

fn kind(word: &Word) -> Result<AuditKind, Diagnostic> {
    let found = AuditKind::ALL.into_iter().find(|k| k.name().eq_ignore_ascii_case(&word.text));
    found.ok_or_else(|| {
        word.mistake(format!("{:?} is not a type of record", word.text))
            .help("one of accept, drop, reject")
    })
}
