//! `-j RATEEST --rateest-name web --rateest-interval 250ms --rateest-ewmalog 500ms`: an estimator
//! of that name counts the packet; the walk goes on.
//!
//! The interval is one of six, the next one up; the averaging constant is the power of two of
//! intervals whose decay is the longest within the time asked for.

use super::name;
use crate::diagnostic::Diagnostic;
use crate::eval::{Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;

/// What the target declares.
pub const SPEC: Spec = Spec::new("RATEEST").passive().options(&[
    value("rateest-name").required(),
    value("rateest-interval").required(),
    value("rateest-ewmalog").required(),
]);

/// The estimator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rateest {
    /// Its name.
    pub name: Box<str>,
    /// How often it is updated, in milliseconds: 250, 500, 1000, 2000, 4000 or 8000.
    pub interval_ms: u32,
    /// Over how many intervals it averages, as a power of two, at least 1.
    pub ewma_log: u8,
}

const INTERVALS_MS: [u32; 6] = [250, 500, 1000, 2000, 4000, 8000];

/// The longest time, in microseconds.
const TIME_MAX: f64 = u32::MAX as f64;

impl Rateest {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Rateest> {
        let name = args.plain("rateest-name", name(15));
        let interval = args.plain("rateest-interval", time);
        let constant = args.plain("rateest-ewmalog", time);
        let (name, interval, constant) = (name?, interval?, constant?);
        let fits = |known: &u32| interval <= f64::from(*known) * 1000.0;
        let Some(interval_ms) = INTERVALS_MS.into_iter().find(fits) else {
            args.report_at("rateest-interval", "this interval is too long", "at most 8s");
            return None;
        };
        let decay = |log: u8| -interval / (1.0 - 1.0 / f64::from(1_u32 << log)).ln();
        let ewma_log = (1..=30).take_while(|log| decay(*log) <= constant).last();
        let Some(ewma_log) = ewma_log else {
            let help = "at least one and a half times the interval";
            args.report_at("rateest-ewmalog", "this time is too short for the interval", help);
            return None;
        };
        Some(Rateest { name, interval_ms, ewma_log })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let averaged = u64::from(self.interval_ms) << self.ewma_log;
        out.value("rateest-name", &self.name);
        out.value("rateest-interval", printed(self.interval_ms.into()));
        out.value("rateest-ewmalog", printed(averaged));
    }

    /// Changes nothing that rules can see.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Continue
    }
}

fn printed(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds}.0ms"),
        _ => format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100),
    }
}

/// A time in microseconds.
fn time(word: &Word) -> Result<f64, Diagnostic> {
    let end = word.text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = word.text.split_at(end.unwrap_or(word.text.len()));
    let scale = match unit {
        "s" | "sec" | "secs" => Some(1e6),
        "ms" | "msec" | "msecs" => Some(1e3),
        "" | "us" | "usec" | "usecs" => Some(1.0),
        _ => None,
    };
    let time = number.parse::<f64>().ok().zip(scale).map(|(number, scale)| number * scale);
    time.filter(|time| *time <= TIME_MAX).ok_or_else(|| {
        word.mistake(format!("{:?} is not a time known here", word.text))
            .help("such as 250ms or 2s, at most 4294s")
    })
}
