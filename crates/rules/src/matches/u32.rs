//! `-m u32 --u32 "6&0xFF=1 && 0>>22&0x3C@4=0xdead:0xdeaf,7"`: 32-bit numbers anywhere in the
//! packet.
//!
//! A location reads the four bytes at an offset from the network header, then masks, shifts, or
//! (`@`) goes on from where the number points. Each test lists ranges; all tests must hold. A
//! location outside the packet makes the whole fail.

use super::current::Current;
use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Range, parse_number};
use std::fmt;

/// What the match declares.
pub const SPEC: Spec = Spec::new("u32").passive().options(&[value("u32").invert().required()]);

/// The most tests, steps of a location, and ranges of a test.
pub const PARTS_MAX: usize = 10;

/// The tests; all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct U32 {
    /// The tests.
    pub tests: Test<Vec<Comparison>>,
}

/// A location and the ranges its number must lie in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Where the first number stands.
    pub offset: u32,
    /// What is done with it.
    pub steps: Vec<(Step, u32)>,
    /// Any of these.
    pub ranges: Vec<Range<u32>>,
}

/// A step of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bits are kept.
    And,
    /// Shifted to the left.
    Left,
    /// Shifted to the right.
    Right,
    /// The number is added to the place, and another is read from there.
    At,
}

const STEPS: [(&str, Step); 4] =
    [("&", Step::And), ("<<", Step::Left), (">>", Step::Right), ("@", Step::At)];

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.offset)?;
        for (step, number) in &self.steps {
            let sign = STEPS.iter().find(|(_, known)| known == step).map_or("", |s| s.0);
            write!(f, "{sign}{number:#x}")?;
        }
        for (index, Range { min, max }) in self.ranges.iter().enumerate() {
            write!(f, "{}{min:#x}", if index == 0 { "=" } else { "," })?;
            if min != max {
                write!(f, ":{max:#x}")?;
            }
        }
        Ok(())
    }
}

impl U32 {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<U32> {
        Some(U32 { tests: args.read("u32", tests)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let tests: Vec<String> = self.tests.value.iter().map(Comparison::to_string).collect();
        out.not(self.tests.invert).value("u32", format_args!("\"{}\"", tests.join("&&")));
    }

    /// Compares the numbers.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let packet = Current::new(scene);
        let all = self.tests.value.iter().all(|test| test.holds(&packet).unwrap_or(false));
        (all != self.tests.invert).into()
    }
}

impl Comparison {
    /// Whether the number lies in a range; `None` when it is outside of the packet.
    fn holds(&self, packet: &Current<'_>) -> Option<bool> {
        let mut base = 0_u32;
        let mut number = read(packet, base, self.offset)?;
        for (step, operand) in &self.steps {
            number = match step {
                Step::And => number & operand,
                Step::Left => number.wrapping_shl(*operand),
                Step::Right => number.wrapping_shr(*operand),
                Step::At => {
                    base = base.checked_add(number)?;
                    read(packet, base, *operand)?
                }
            };
        }
        Some(self.ranges.iter().any(|range| range.contains(number)))
    }
}

fn read(packet: &Current<'_>, base: u32, offset: u32) -> Option<u32> {
    packet.number_at(usize::try_from(base.checked_add(offset)?).ok()?)
}

fn tests(word: &Word) -> Result<Vec<Comparison>, Diagnostic> {
    let mut reader = Reader { rest: &word.text, word };
    let mut tests = vec![reader.comparison()?];
    while reader.take("&&") {
        tests.push(reader.comparison()?);
    }
    if !reader.rest.trim().is_empty() {
        return Err(reader.wrong("something else stands here than expected"));
    }
    reader.few(tests.len(), "tests")?;
    Ok(tests)
}

struct Reader<'a> {
    rest: &'a str,
    word: &'a Word,
}

impl Reader<'_> {
    fn wrong(&self, message: &str) -> Diagnostic {
        let at = self.word.text.len() - self.rest.len();
        self.word
            .mistake(format!("{message} (at character {})", at + 1))
            .help("LOCATION=RANGE[,RANGE...], joined by &&, such as 6&0xFF=6")
    }

    fn few(&self, count: usize, what: &str) -> Result<(), Diagnostic> {
        match count <= PARTS_MAX {
            true => Ok(()),
            false => Err(self.wrong(&format!("more than {PARTS_MAX} {what}"))),
        }
    }

    fn take(&mut self, sign: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn number(&mut self) -> Result<u32, Diagnostic> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let number = parse_number(&rest[..end]).and_then(|number| u32::try_from(number).ok());
        self.rest = rest;
        let number = number.ok_or_else(|| self.wrong("a number of 32 bits is missing"))?;
        self.rest = &rest[end..];
        Ok(number)
    }

    fn comparison(&mut self) -> Result<Comparison, Diagnostic> {
        let offset = self.number()?;
        let mut steps = Vec::new();
        while !self.rest.trim_start().starts_with("&&") {
            let Some((_, step)) = STEPS.into_iter().find(|(sign, _)| self.take(sign)) else {
                break;
            };
            let number = self.number()?;
            if matches!(step, Step::Left | Step::Right) && number >= u32::BITS {
                return Err(self.wrong("a shift by more than 31 bits"));
            }
            steps.push((step, number));
        }
        self.few(steps.len() + 1, "steps")?;
        if !self.take("=") {
            return Err(self.wrong("= is missing"));
        }
        let mut ranges = Vec::new();
        loop {
            let min = self.number()?;
            let max = if self.take(":") { self.number()? } else { min };
            ranges.push(Range { min, max });
            if !self.take(",") {
                break;
            }
        }
        self.few(ranges.len(), "ranges")?;
        Ok(Comparison { offset, steps, ranges })
    }
}
