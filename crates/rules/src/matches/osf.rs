//! `-p tcp -m osf --genre Linux --ttl 1`: the operating system that sent a SYN, by its
//! fingerprint. It is read and printed; packets are not asked: the fingerprints are the system's.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{number, text_cut};
use kinwall_terms::{Hook, L4Proto};

/// What the match declares.
pub const SPEC: Spec = Spec::new("osf")
    .not_evaluated()
    .needs(&[L4Proto::TCP])
    .hooks(&[Hook::Prerouting, Hook::Input, Hook::Forward])
    .options(&[value("genre").invert().required(), value("ttl"), value("log")]);

/// The longest name, in bytes; the rest is cut.
pub const GENRE_LENGTH_MAX: usize = 31;

/// Which system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Osf {
    /// Its name.
    pub genre: Test<String>,
    /// How the hop count takes part: 0 to 2.
    pub ttl: Option<u8>,
    /// What is logged: 0 to 2.
    pub log: Option<u8>,
}

impl Osf {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Osf> {
        let level = |word: &Word| -> Result<u8, Diagnostic> {
            number(0..=2)(word).map(|level| level as u8)
        };
        Some(Osf {
            genre: args.read("genre", genre)?,
            ttl: args.plain("ttl", level),
            log: args.plain("log", level),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.not(self.genre.invert).quoted("genre", &self.genre.value);
        for (name, level) in [("ttl", self.ttl), ("log", self.log)] {
            if let Some(level) = level {
                out.value(name, level);
            }
        }
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}

/// A name; Linux's tool prints it without quotes, so it must have no blank.
fn genre(word: &Word) -> Result<String, Diagnostic> {
    match word.text.contains(char::is_whitespace) {
        true => Err(word.mistake("this name has a blank").help("one word, such as Linux")),
        false => text_cut(GENRE_LENGTH_MAX)(word),
    }
}
