//! `-j TOS --set-tos 0x10/0x3f`: changes the TOS or traffic class octet; the walk goes on.
//!
//! The bits of the mask are cleared, then the value is exclusive-ored in. A name stands for the
//! old meaning of the octet and leaves its upper two bits alone.

use crate::diagnostic::Diagnostic;
use crate::eval::{Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::{number_u8, parse_number};
use kinwall_terms::Table;

/// What the target declares.
pub const SPEC: Spec = Spec::new("TOS").tables(&[Table::Mangle]).options(&[
    value("set-tos").excludes(&["and-tos", "or-tos", "xor-tos"]),
    value("and-tos").excludes(&["or-tos", "xor-tos"]),
    value("or-tos").excludes(&["xor-tos"]),
    value("xor-tos"),
]);

/// A change of the octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tos {
    /// What is exclusive-ored in.
    pub value: u8,
    /// Which bits are cleared before.
    pub mask: u8,
}

/// The old names (RFC 1349).
const NAMES: [(&str, u8); 5] = [
    ("Minimize-Delay", 0x10),
    ("Maximize-Throughput", 0x08),
    ("Maximize-Reliability", 0x04),
    ("Minimize-Cost", 0x02),
    ("Normal-Service", 0x00),
];

const NAME_MASK: u8 = 0x3f;

impl Tos {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Tos> {
        if !args.one_of(&["set-tos", "and-tos", "or-tos", "xor-tos"]) {
            return None;
        }
        if let Some(tos) = args.plain("set-tos", set) {
            return Some(tos);
        }
        if let Some(bits) = args.plain("and-tos", number_u8) {
            return Some(Tos { value: 0, mask: !bits });
        }
        if let Some(bits) = args.plain("or-tos", number_u8) {
            return Some(Tos { value: bits, mask: bits });
        }
        args.plain("xor-tos", number_u8).map(|bits| Tos { value: bits, mask: 0 })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("set-tos", format_args!("{:#04x}/{:#04x}", self.value, self.mask));
    }

    /// Changes the octet.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.tos = (scene.state.tos & !self.mask) ^ self.value;
        Effect::Continue
    }
}

pub(crate) fn set(word: &Word) -> Result<Tos, Diagnostic> {
    let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text));
    if let Some((_, value)) = named {
        return Ok(Tos { value: *value, mask: NAME_MASK });
    }
    let number = |text: &str| parse_number(text).and_then(|n| u8::try_from(n).ok());
    let (value, mask) = match word.text.split_once('/') {
        Some((value, mask)) => (number(value), number(mask)),
        None => (number(&word.text), Some(0xff)),
    };
    match (value, mask) {
        (Some(value), Some(mask)) => Ok(Tos { value, mask }),
        _ => {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            Err(word.mistake(format!("{:?} is not a TOS value", word.text)).help(format!(
                "VALUE or VALUE/MASK, numbers from 0 to 255, or one of {}",
                names.join(", ")
            )))
        }
    }
}
