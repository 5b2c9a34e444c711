//! `-m string --string "GET /" --algo bm --from 40 --to 100`: bytes anywhere in the packet.
//!
//! Offsets count from the network header; the whole text must lie between them. Both algorithms
//! find the same.

use super::current::Current;
use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{choice, number_u16};
use std::fmt::Write;

/// What the match declares.
pub const SPEC: Spec = Spec::new("string").passive().options(&[
    value("string").invert().excludes(&["hex-string"]),
    value("hex-string").invert(),
    value("algo").required(),
    value("from"),
    value("to"),
    flag("icase"),
]);

/// The longest text, in bytes.
pub const LENGTH_MAX: usize = 128;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The bytes.
    pub bytes: Test<Vec<u8>>,
    /// How Linux looks for them.
    pub algorithm: Algorithm,
    /// The first offset where they may begin.
    pub from: u16,
    /// The offset before which they must end.
    pub to: u16,
    /// Whether the case of ASCII letters does not matter.
    pub ignore_case: bool,
}

/// How Linux looks for the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Boyer and Moore.
    Bm,
    /// Knuth, Pratt and Morris.
    Kmp,
}

const ALGORITHMS: &[(&str, Algorithm)] = &[("bm", Algorithm::Bm), ("kmp", Algorithm::Kmp)];

impl Text {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Text> {
        args.one_of(&["string", "hex-string"]);
        let plain = args.read("string", |word| bounded(word, word.text.as_bytes().to_vec()));
        let bytes = plain.or(args.read("hex-string", |word| bounded(word, hex(word)?)));
        let text = Text {
            bytes: bytes?,
            algorithm: args.plain("algo", choice(ALGORITHMS))?,
            from: args.plain("from", number_u16).unwrap_or(0),
            to: args.plain("to", number_u16).unwrap_or(u16::MAX),
            ignore_case: args.has("icase"),
        };
        if text.from > text.to {
            args.report_at("from", "--from lies behind --to", "exchange them");
        }
        Some(text)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let bytes = &self.bytes.value;
        out.not(self.bytes.invert);
        let printable = |byte: &u8| matches!(byte, 0x20..=0x7e);
        if bytes.last() == Some(&b'\\') || !bytes.iter().all(printable) {
            let digits = bytes.iter().fold(std::string::String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
            out.value("hex-string", format_args!("\"|{digits}|\""));
        } else {
            let mut text = std::string::String::new();
            for byte in bytes {
                if matches!(byte, b'"' | b'\\') {
                    text.push('\\');
                }
                text.push(char::from(*byte));
            }
            out.value("string", format_args!("\"{text}\""));
        }
        let name = ALGORITHMS.iter().find(|(_, known)| *known == self.algorithm);
        out.value("algo", name.map_or("", |name| name.0));
        if self.from != 0 {
            out.value("from", self.from);
        }
        if self.to != u16::MAX {
            out.value("to", self.to);
        }
        out.flag("icase", self.ignore_case);
    }

    /// Looks for the text.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let (from, to) = (usize::from(self.from), usize::from(self.to));
        let packet = Current::new(scene);
        let found = packet.contains(&self.bytes.value, from, to, self.ignore_case);
        (found != self.bytes.invert).into()
    }
}

fn bounded(word: &Word, bytes: Vec<u8>) -> Result<Vec<u8>, Diagnostic> {
    match bytes.len() {
        1..=LENGTH_MAX => Ok(bytes),
        length => Err(word
            .mistake(format!("this text is {length} bytes long"))
            .help(format!("from 1 to {LENGTH_MAX} bytes"))),
    }
}

/// Text in which `|0d 0a|` stands for bytes, and a backslash outside of them takes the next
/// character as it is.
fn hex(word: &Word) -> Result<Vec<u8>, Diagnostic> {
    let wrong = |message: &str| word.mistake(message).help("such as \"GET |0d 0a|\"");
    let text = word.text.as_bytes();
    let (mut bytes, mut at, mut in_hex) = (Vec::new(), 0, false);
    while let Some(byte) = text.get(at).copied() {
        match byte {
            b'|' => {
                in_hex = !in_hex;
                at += 1;
            }
            b' ' if in_hex => at += 1,
            b'\\' if !in_hex && at + 1 < text.len() => {
                bytes.push(text[at + 1]);
                at += 2;
            }
            _ if in_hex => {
                let digits = text.get(at..at + 2).and_then(|pair| std::str::from_utf8(pair).ok());
                let value = digits
                    .filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|pair| u8::from_str_radix(pair, 16).ok());
                bytes.push(value.ok_or_else(|| wrong("this is not pairs of hexadecimal digits"))?);
                at += 2;
            }
            byte => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    match in_hex {
        true => Err(wrong("a | is missing at the end of the hexadecimal digits")),
        false => Ok(bytes),
    }
}
