//! `-j DSCP --set-dscp-class AF11`: sets the differentiated services code point, the upper six
//! bits of the TOS or traffic class octet; the walk goes on. Classes are printed as numbers.

use crate::diagnostic::Diagnostic;
use crate::eval::{Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::number;
use kinwall_terms::Table;

/// What the target declares.
pub const SPEC: Spec = Spec::new("DSCP")
    .tables(&[Table::Mangle])
    .options(&[value("set-dscp").excludes(&["set-dscp-class"]), value("set-dscp-class")]);

/// The new code point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dscp {
    /// Six bits.
    pub dscp: u8,
}

/// Code points by name (RFC 2474, RFC 2597, RFC 3246).
const CLASSES: [(&str, u8); 22] = [
    ("CS0", 0x00),
    ("CS1", 0x08),
    ("CS2", 0x10),
    ("CS3", 0x18),
    ("CS4", 0x20),
    ("CS5", 0x28),
    ("CS6", 0x30),
    ("CS7", 0x38),
    ("BE", 0x00),
    ("AF11", 0x0a),
    ("AF12", 0x0c),
    ("AF13", 0x0e),
    ("AF21", 0x12),
    ("AF22", 0x14),
    ("AF23", 0x16),
    ("AF31", 0x1a),
    ("AF32", 0x1c),
    ("AF33", 0x1e),
    ("AF41", 0x22),
    ("AF42", 0x24),
    ("AF43", 0x26),
    ("EF", 0x2e),
];

impl Dscp {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Dscp> {
        if !args.one_of(&["set-dscp", "set-dscp-class"]) {
            return None;
        }
        let by_number = args.plain("set-dscp", number(0..=0x3f)).map(|dscp| dscp as u8);
        by_number.or(args.plain("set-dscp-class", class)).map(|dscp| Dscp { dscp })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("set-dscp", format_args!("{:#04x}", self.dscp));
    }

    /// Changes the octet.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.tos = (scene.state.tos & 0x03) | (self.dscp << 2);
        Effect::Continue
    }
}

pub(crate) fn class(word: &Word) -> Result<u8, Diagnostic> {
    let found = CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text));
    found.map(|(_, dscp)| *dscp).ok_or_else(|| {
        let names: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
        word.mistake(format!("{:?} is not a class", word.text))
            .help(format!("one of {}", names.join(", ")))
    })
}
