//! `-p mh -m mh --mh-type binding-update:binding-error`: the type of a mobility header
//! (RFC 6275).

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Range, parse_number};
use kinwall_terms::{Family, L4Proto};

/// The protocol number of the mobility header.
const MOBILITY: L4Proto = L4Proto(135);

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("mh").only(Family::Ipv6).needs(&[MOBILITY]).options(&[value("mh-type").invert()]);

/// Which types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mh {
    /// A range.
    pub types: Test<Range<u8>>,
}

const ANY: Test<Range<u8>> = Test { invert: false, value: Range { min: 0, max: 0xff } };

const NAMES: [(&str, &str); 8] = [
    ("binding-refresh-request", "brr"),
    ("home-test-init", "hoti"),
    ("careof-test-init", "coti"),
    ("home-test", "hot"),
    ("careof-test", "cot"),
    ("binding-update", "bu"),
    ("binding-acknowledgement", "ba"),
    ("binding-error", "be"),
];

/// Next header 59: nothing follows, as it must be.
const NOTHING: u8 = 59;

impl Mh {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Mh> {
        let types = args.read("mh-type", types).unwrap_or(ANY);
        if types == (Test { invert: true, ..ANY }) {
            let message = "! --mh-type with the whole range matches no packet";
            args.report_at("mh-type", message, "iptables-save prints it as all: remove it");
        }
        Some(Mh { types })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("mh-type", &Some(self.types).filter(|types| *types != ANY));
    }

    /// Compares the type; a header that is cut short, or that something follows, drops the
    /// packet, as in Linux.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let headers = scene.facts.headers;
        if headers.is_later_fragment() {
            return Answer::No;
        }
        match *headers.transport(scene.facts.bytes) {
            [NOTHING, _, kind, _, _, _, ..] => {
                self.types.holds(|range| range.contains(kind)).into()
            }
            _ => Answer::HotDrop,
        }
    }
}

fn types(word: &Word) -> Result<Range<u8>, Diagnostic> {
    let range = match word.text.split_once(':') {
        None => kind(word, &word.text).map(|kind| Range { min: kind, max: kind })?,
        Some((min, max)) => {
            let min = if min.is_empty() { 0 } else { kind(word, min)? };
            let max = if max.is_empty() { 0xff } else { kind(word, max)? };
            Range { min, max }
        }
    };
    match range.min <= range.max {
        true => Ok(range),
        false => Err(word
            .mistake("this range ends before it begins")
            .help(format!("write {}:{}", range.max, range.min))),
    }
}

/// A type by number, by name, or by the beginning of one name.
fn kind(word: &Word, text: &str) -> Result<u8, Diagnostic> {
    let lower = text.to_ascii_lowercase();
    let exact = NAMES.iter().position(|(long, short)| lower == *long || lower == *short);
    let begins = |name: &(usize, &(&str, &str))| name.1.0.starts_with(&lower);
    let mut near = NAMES.iter().enumerate().filter(begins);
    let abbreviated = near.next().filter(|_| !lower.is_empty()).map(|name| name.0);
    let number = || parse_number(text).and_then(|number| u8::try_from(number).ok());
    let named = exact.or(abbreviated).map(|kind| kind as u8);
    named.or_else(number).ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().map(|name| name.0).collect();
        word.mistake(format!("{text:?} is not a type of mobility header"))
            .help(format!("a number from 0 to 255 or one of {}", names.join(", ")))
    })
}
