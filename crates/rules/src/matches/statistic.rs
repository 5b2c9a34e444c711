//! `-m statistic --mode random --probability 0.5` and `-m statistic --mode nth --every 10
//! --packet 3`: some packets, by chance or by count.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::memory::Remembered;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{choice, number, number_u32};

/// What the match declares.
pub const SPEC: Spec = Spec::new("statistic").stateful().options(&[
    value("mode").required(),
    value("probability").invert().excludes(&["every", "packet"]),
    value("every").invert().requires(&["packet"]),
    value("packet").requires(&["every"]),
]);

/// Which packets match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// By chance: the probability in parts of 2 to the 31st.
    Random(Test<u32>),
    /// Each `every`th packet, beginning with number `packet` (from 0).
    Nth {
        /// One of so many.
        every: Test<u32>,
        /// The first that matches.
        packet: u32,
    },
}

/// The probability 1.
const ONE: u32 = 1 << 31;

impl Statistic {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Statistic> {
        let random = args.plain("mode", choice(&[("random", true), ("nth", false)]))?;
        if random {
            if !args.has("probability") {
                args.report_here("random needs --probability", "such as --probability 0.5");
            }
            return Some(Statistic::Random(args.read("probability", probability)?));
        }
        if !args.has("every") {
            args.report_here("nth needs --every and --packet", "such as --every 10 --packet 0");
        }
        let every = args.read("every", number(1..=u64::from(u32::MAX)));
        let packet = args.plain("packet", number_u32);
        let (every, packet) = (every?, packet?);
        let every = Test { invert: every.invert, value: every.value as u32 };
        if packet >= every.value {
            let help = format!("from 0 to {}", every.value - 1);
            args.report_at("packet", "--packet must be below --every", help);
        }
        Some(Statistic::Nth { every, packet })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        match self {
            Statistic::Random(test) => {
                let share = f64::from(test.value) / f64::from(ONE);
                let share = format_args!("{share:.11}").to_string();
                out.value("mode", "random").not(test.invert).value("probability", share);
            }
            Statistic::Nth { every, packet } => {
                out.value("mode", "nth").not(every.invert).value("every", every.value);
                out.value("packet", packet);
            }
        }
    }

    /// Throws the dice, or counts.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        match self {
            Statistic::Random(test) => {
                let thrown = (scene.memory.chance() >> 33) as u32;
                test.holds(|share| thrown < *share).into()
            }
            Statistic::Nth { every, packet } => {
                let slot = scene.memory.slot(scene.family, scene.slot);
                let count = match slot {
                    Remembered::Nth(count) => *count,
                    _ => every.value - 1 - (*packet).min(every.value - 1),
                };
                let next = if count + 1 >= every.value { 0 } else { count + 1 };
                *slot = Remembered::Nth(next);
                every.holds(|_| next == 0).into()
            }
        }
    }
}

fn probability(word: &Word) -> Result<u32, Diagnostic> {
    match word.text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => {
            Ok((share * f64::from(ONE)).round_ties_even() as u32)
        }
        _ => Err(word
            .mistake(format!("{:?} is not a probability", word.text))
            .help("a number from 0 to 1, such as 0.25")),
    }
}
