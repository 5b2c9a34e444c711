//! `-m iprange --src-range 10.0.0.5-10.0.0.20`: addresses between two others, both included.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::parse_address;
use kinwall_terms::Family;
use std::fmt;
use std::net::IpAddr;

/// What the match declares.
pub const SPEC: Spec = Spec::new("iprange")
    .passive()
    .steady()
    .options(&[value("src-range").invert(), value("dst-range").invert()]);

/// Which addresses are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iprange {
    /// Of the source.
    pub src: Option<Test<Addresses>>,
    /// Of the destination.
    pub dst: Option<Test<Addresses>>,
}

/// Two addresses of one family and all between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Addresses {
    /// The first.
    pub min: IpAddr,
    /// The last.
    pub max: IpAddr,
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

impl Iprange {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Iprange> {
        args.one_of(&["src-range", "dst-range"]);
        let family = args.context.family;
        let read = |word: &Word| addresses(word, family);
        Some(Iprange { src: args.read("src-range", read), dst: args.read("dst-range", read) })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("src-range", &self.src).test("dst-range", &self.dst);
    }

    /// Compares the addresses.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let headers = scene.facts.headers;
        let holds = |test: &Option<Test<Addresses>>, address: IpAddr| {
            test.is_none_or(|test| test.holds(|range| (range.min..=range.max).contains(&address)))
        };
        (holds(&self.src, headers.src) && holds(&self.dst, headers.dst)).into()
    }
}

fn addresses(word: &Word, family: Family) -> Result<Addresses, Diagnostic> {
    let (min, max) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
    match (parse_address(min, family), parse_address(max, family)) {
        // As for Linux's tool, a range may end before it begins: then it holds nothing.
        (Some(min), Some(max)) => Ok(Addresses { min, max }),
        _ => Err(word
            .mistake(format!("{:?} is not a range of {family} addresses", word.text))
            .help("FIRST-LAST, two addresses; host names are not looked up")),
    }
}
