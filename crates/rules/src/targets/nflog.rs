//! `-j NFLOG --nflog-prefix "new: " --nflog-group 5`: the packet goes to a netlink group of
//! listeners; the walk goes on.
//!
//! `--nflog-range` is read and has no effect, as in Linux.

use crate::diagnostic::Diagnostic;
use crate::eval::{Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::{number_u16, number_u32, text_cut};

/// What the target declares.
pub const SPEC: Spec = Spec::new("NFLOG").passive().options(&[
    value("nflog-prefix"),
    value("nflog-group"),
    value("nflog-size").excludes(&["nflog-range"]),
    value("nflog-range"),
    value("nflog-threshold"),
]);

/// The longest prefix, in bytes; the rest is cut.
pub const PREFIX_LENGTH_MAX: usize = 127;

/// What the listeners are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nflog {
    /// A text; empty for none.
    pub prefix: Box<str>,
    /// The netlink group.
    pub group: u16,
    /// How many bytes of the packet; `None`: all.
    pub size: Option<u32>,
    /// How many packets the kernel gathers before it tells; 0: its own choice.
    pub threshold: u16,
}

impl Nflog {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Nflog> {
        args.plain("nflog-range", number_u32);
        Some(Nflog {
            prefix: args.plain("nflog-prefix", prefix).unwrap_or_default().into(),
            group: args.plain("nflog-group", number_u16).unwrap_or(0),
            size: args.plain("nflog-size", number_u32),
            threshold: args.plain("nflog-threshold", number_u16).unwrap_or(0),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        if !self.prefix.is_empty() {
            out.quoted("nflog-prefix", &self.prefix);
        }
        if self.group != 0 {
            out.value("nflog-group", self.group);
        }
        if let Some(size) = self.size {
            out.value("nflog-size", size);
        }
        if self.threshold != 0 {
            out.value("nflog-threshold", self.threshold);
        }
    }

    /// Records the packet.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.logged.push(scene.rule);
        Effect::Continue
    }
}

/// A prefix that is not empty and has no line break.
fn prefix(word: &Word) -> Result<String, Diagnostic> {
    match word.text.as_str() {
        "" => Err(word.mistake("the prefix is empty").help("leave the option out")),
        text if text.contains('\n') => Err(word.mistake("a log prefix cannot hold a line break")),
        _ => text_cut(PREFIX_LENGTH_MAX)(word),
    }
}
