//! `-j MARK --set-xmark 0x1/0xffffffff`: sets the packet mark; the walk goes on.
//!
//! The bits of the mask are cleared, then the value is exclusive-ored in. `--set-mark`,
//! `--and-mark`, `--or-mark` and `--xor-mark` are other spellings, printed as `--set-xmark`.

use crate::diagnostic::Diagnostic;
use crate::eval::{Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::{Masked, masked, number_u32};

/// What the target declares.
pub const SPEC: Spec = Spec::new("MARK").options(&[
    value("set-xmark").excludes(&["set-mark", "and-mark", "or-mark", "xor-mark"]),
    value("set-mark").excludes(&["and-mark", "or-mark", "xor-mark"]),
    value("and-mark").excludes(&["or-mark", "xor-mark"]),
    value("or-mark").excludes(&["xor-mark"]),
    value("xor-mark"),
]);

/// A change of the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What is exclusive-ored in.
    pub value: u32,
    /// Which bits are cleared before.
    pub mask: u32,
}

impl Mark {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Mark> {
        if !args.one_of(&["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"]) {
            return None;
        }
        change(args).map(|(value, mask)| Mark { value, mask })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("set-xmark", format_args!("{:#x}/{:#x}", self.value, self.mask));
    }

    /// Changes the mark.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.mark = (scene.state.mark & !self.mask) ^ self.value;
        Effect::Continue
    }
}

/// Reads the five ways to say a change: what is exclusive-ored in, and what is cleared before.
pub(super) fn change(args: &mut Args<'_>) -> Option<(u32, u32)> {
    let number: fn(&Word) -> Result<u32, Diagnostic> = number_u32;
    if let Some(Masked { value, mask }) = args.plain("set-xmark", as_written) {
        return Some((value, mask));
    }
    if let Some(Masked { value, mask }) = args.plain("set-mark", as_written) {
        return Some((value, mask | value));
    }
    if let Some(bits) = args.plain("and-mark", number) {
        return Some((0, !bits));
    }
    if let Some(bits) = args.plain("or-mark", number) {
        return Some((bits, bits));
    }
    args.plain("xor-mark", number).map(|bits| (bits, 0))
}

fn as_written(word: &Word) -> Result<Masked, Diagnostic> {
    masked(word)
}
