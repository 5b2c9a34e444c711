//! `-m limit --limit 5/min --limit-burst 10`: at most so many packets a unit of time, for all
//! packets of the rule together.
//!
//! A bucket holds `burst` tokens at first; each packet that matches takes one; they come back at
//! the given rate. As in Linux's tool the rate is kept as a period in ten-thousandths of a
//! second, so that fast rates are rounded (3000/sec is 3333/sec).

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::memory::Remembered;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::number;
use kinwall_terms::Time;
use std::fmt;

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("limit").stateful().options(&[value("limit"), value("limit-burst")]);

/// The largest burst.
pub const BURST_MAX: u64 = 10_000;
const BURST_DEFAULT: u32 = 5;
/// Ten-thousandths of a second.
const SCALE: u64 = 10_000;

/// How many packets match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The rate.
    pub rate: Rate,
    /// How many packets may match at once.
    pub burst: u32,
}

/// So many a unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// The unit.
    pub unit: Unit,
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Unit {
    /// Long to short, as rates are printed.
    const ALL: [Unit; 4] = [Unit::Day, Unit::Hour, Unit::Minute, Unit::Second];

    /// Its length in seconds.
    pub fn seconds(self) -> u64 {
        match self {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3600,
            Unit::Day => 86_400,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Second => "sec",
            Unit::Minute => "min",
            Unit::Hour => "hour",
            Unit::Day => "day",
        }
    }

    /// By name or abbreviation, in any case.
    fn from_name(text: &str) -> Option<Unit> {
        let names = [
            ("second", Unit::Second),
            ("minute", Unit::Minute),
            ("hour", Unit::Hour),
            ("day", Unit::Day),
        ];
        let text = text.to_ascii_lowercase();
        let found = names.iter().find(|(name, _)| !text.is_empty() && name.starts_with(&text));
        found.map(|(_, unit)| *unit)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit.name())
    }
}

/// `COUNT` or `COUNT/UNIT`: the period of one packet, in parts of `1/scale` second, and the unit
/// it was written in.
pub(super) fn period(word: &Word, scale: u64) -> Result<(u64, Unit), Diagnostic> {
    let (count, unit) = match word.text.split_once('/') {
        Some((count, unit)) => (count, Unit::from_name(unit)),
        None => (word.text.as_str(), Some(Unit::Second)),
    };
    let count = count.parse::<u32>().ok().filter(|count| *count > 0);
    let (Some(count), Some(unit)) = (count, unit) else {
        return Err(word
            .mistake(format!("{:?} is not a rate", word.text))
            .help("COUNT/UNIT, the unit being second, minute, hour or day, such as 5/min"));
    };
    match scale * unit.seconds() / u64::from(count) {
        0 => Err(word
            .mistake(format!("{} is too fast a rate", word.text))
            .help(format!("at most {scale}/second"))),
        period => Ok((period, unit)),
    }
}

/// The rate whose period that is, in the longest unit that shows it well, as Linux's tool does.
pub(super) fn rate(period: u64, scale: u64) -> Rate {
    let ticks = |unit: Unit| scale * unit.seconds();
    let mut unit = Unit::Day;
    for shorter in Unit::ALL.into_iter().skip(1) {
        let ticks = ticks(shorter);
        if period > ticks || ticks / period < ticks % period {
            break;
        }
        unit = shorter;
    }
    Rate { count: ticks(unit) / period, unit }
}

/// What the match remembers.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Time saved up, in nanoseconds.
    tokens: u64,
    /// When it was last looked at.
    last: Time,
}

impl Limit {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Limit> {
        let period = match args.has("limit") {
            true => args.plain("limit", |word| period(word, SCALE))?.0,
            false => SCALE * 3600 / 3,
        };
        let burst = args.plain("limit-burst", number(0..=BURST_MAX)).unwrap_or(0) as u32;
        let burst = if burst == 0 { BURST_DEFAULT } else { burst };
        Some(Limit { rate: rate(period, SCALE), burst })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("limit", self.rate);
        if self.burst != BURST_DEFAULT {
            out.value("limit-burst", self.burst);
        }
    }

    /// Takes a token, if there is one.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let now = scene.facts.now;
        let cost = self.rate.unit.seconds() * 1_000_000_000 / self.rate.count.max(1);
        let most = cost * u64::from(self.burst);
        let slot = scene.memory.slot(scene.family, scene.slot);
        let bucket = match slot {
            Remembered::Limit(bucket) => bucket,
            _ => {
                *slot = Remembered::Limit(Bucket { tokens: most, last: now });
                return self.eval(scene);
            }
        };
        let saved = u64::try_from(now.since(bucket.last).as_nanos()).unwrap_or(u64::MAX);
        bucket.tokens = bucket.tokens.saturating_add(saved).min(most);
        bucket.last = bucket.last.max(now);
        match bucket.tokens.checked_sub(cost) {
            Some(left) => {
                bucket.tokens = left;
                Answer::Yes
            }
            None => Answer::No,
        }
    }
}
