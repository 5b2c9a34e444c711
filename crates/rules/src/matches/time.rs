//! `-m time --timestart 08:00 --timestop 17:30 --weekdays Mon,Tue`: the moment.
//!
//! Time is UTC; the kernel's own time zone (`--kerneltz`) is taken to be UTC too. A day time
//! that stops before it starts goes over midnight; with `--contiguous` the part after midnight
//! belongs to the day before.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::parts;

/// What the match declares.
pub const SPEC: Spec = Spec::new("time").passive().options(&[
    value("timestart"),
    value("timestop"),
    value("monthdays").invert(),
    value("weekdays").invert(),
    value("datestart"),
    value("datestop"),
    flag("kerneltz").alias(&["localtz"]).excludes(&["utc"]),
    flag("utc"),
    flag("contiguous"),
]);

/// Which moments; every field must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// First second of the day.
    pub day_start_s: u32,
    /// Last second of the day.
    pub day_stop_s: u32,
    /// Days of the month, bit 1 for the first.
    pub month_days: u32,
    /// Days of the week, bit 1 for Monday to bit 7 for Sunday.
    pub week_days: u8,
    /// First second, since 1970.
    pub date_start_s: u32,
    /// Last second, since 1970.
    pub date_stop_s: u32,
    /// Whether the kernel's time zone is used.
    pub kernel_zone: bool,
    /// Whether the time after midnight belongs to the day before.
    pub contiguous: bool,
}

const DAY_S: u32 = 86_400;
const ALL_MONTH_DAYS: u32 = 0xffff_fffe;
const ALL_WEEK_DAYS: u8 = 0xfe;
/// The last second Linux's tool writes when none is given: 2038-01-19T03:14:07.
const DATE_STOP_DEFAULT_S: u32 = i32::MAX as u32;
const WEEK_DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl Time {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Time> {
        let month_days = args.read("monthdays", month_days);
        let week_days = args.read("weekdays", week_days);
        let bits = |test: Option<Test<u32>>, all: u32| match test {
            Some(Test { invert: true, value }) => !value & all,
            Some(Test { value, .. }) => value,
            None => all,
        };
        let time = Time {
            day_start_s: args.plain("timestart", day_time).unwrap_or(0),
            day_stop_s: args.plain("timestop", day_time).unwrap_or(DAY_S - 1),
            month_days: bits(month_days, ALL_MONTH_DAYS),
            week_days: bits(week_days, u32::from(ALL_WEEK_DAYS)) as u8,
            date_start_s: args.plain("datestart", date).unwrap_or(0),
            date_stop_s: args.plain("datestop", date).unwrap_or(DATE_STOP_DEFAULT_S),
            kernel_zone: args.has("kerneltz"),
            contiguous: args.has("contiguous"),
        };
        if time.contiguous && time.day_start_s <= time.day_stop_s {
            let help = "--timestop must be before --timestart, so that midnight lies between";
            args.report_at("contiguous", "--contiguous has no meaning here", help);
        }
        Some(time)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let clock = |s: u32| format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
        if (self.day_start_s, self.day_stop_s) != (0, DAY_S - 1) {
            out.value("timestart", clock(self.day_start_s));
            out.value("timestop", clock(self.day_stop_s));
        }
        if self.month_days != ALL_MONTH_DAYS {
            let days = (1..32_u32).filter(|day| self.month_days & 1 << day != 0);
            out.value("monthdays", days.map(|day| day.to_string()).collect::<Vec<_>>().join(","));
        }
        if self.week_days != ALL_WEEK_DAYS {
            let set = |(index, _): &(usize, &&str)| self.week_days & 2 << index != 0;
            let days: Vec<&str> = WEEK_DAYS.iter().enumerate().filter(set).map(|d| *d.1).collect();
            out.value("weekdays", days.join(","));
        }
        for (name, s) in [("datestart", self.date_start_s), ("datestop", self.date_stop_s)] {
            if s != 0 {
                let (year, month, day) = date_of(s / DAY_S);
                let clock = clock(s % DAY_S);
                out.value(name, format_args!("{year:04}-{month:02}-{day:02}T{clock}"));
            }
        }
        out.flag("kerneltz", self.kernel_zone).flag("contiguous", self.contiguous);
    }

    /// Compares the moment.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let now = scene.facts.now.as_s();
        if now < u64::from(self.date_start_s) || now > u64::from(self.date_stop_s) {
            return Answer::No;
        }
        let (mut day, clock) = (now / u64::from(DAY_S), (now % u64::from(DAY_S)) as u32);
        if self.day_start_s < self.day_stop_s {
            if clock < self.day_start_s || clock > self.day_stop_s {
                return Answer::No;
            }
        } else {
            if clock < self.day_start_s && clock > self.day_stop_s {
                return Answer::No;
            }
            if self.contiguous && clock <= self.day_stop_s {
                day = day.saturating_sub(1);
            }
        }
        // 1970-01-01 was a Thursday.
        let week_day = (day + 3) % 7 + 1;
        let (_, _, month_day) = date_of(day as u32);
        (self.week_days & 1 << week_day != 0 && self.month_days & 1 << month_day != 0).into()
    }
}

fn day_time(word: &Word) -> Result<u32, Diagnostic> {
    clock(&word.text, 2).ok_or_else(|| {
        word.mistake(format!("{:?} is not a time of day", word.text))
            .help("HH:MM or HH:MM:SS, from 00:00:00 to 23:59:59")
    })
}

/// `HH`, `HH:MM` or `HH:MM:SS` with at least `least` parts, as seconds.
fn clock(text: &str, least: usize) -> Option<u32> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() < least || parts.len() > 3 {
        return None;
    }
    let mut seconds = 0;
    for (part, (below, worth)) in parts.iter().zip([(24, 3600), (60, 60), (60, 1)]) {
        seconds += digits(part, 2).filter(|n| *n < below)? * worth;
    }
    Some(seconds)
}

fn digits(text: &str, most: usize) -> Option<u32> {
    let legal = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    legal.then(|| text.parse().ok()).flatten()
}

fn date(word: &Word) -> Result<u32, Diagnostic> {
    read_date(&word.text).ok_or_else(|| {
        word.mistake(format!("{:?} is not a date", word.text))
            .help("YYYY[-MM[-DD[Thh[:mm[:ss]]]]] from 1970 to 2038, such as 2026-12-31T18:00")
    })
}

fn read_date(text: &str) -> Option<u32> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, clock(time, 1)?),
        None => (text, 0),
    };
    let parts: Vec<&str> = date.split('-').collect();
    if parts.len() > 3 || (parts.len() < 3 && text.contains('T')) {
        return None;
    }
    let year = digits(parts.first()?, 4).filter(|year| (1970..=2038).contains(year))?;
    let part = |index: usize, most: u32| match parts.get(index) {
        Some(text) => digits(text, 2).filter(|n| (1..=most).contains(n)),
        None => Some(1),
    };
    let (month, day) = (part(1, 12)?, part(2, 31)?);
    let days = (0..).find(|days| date_of(*days) >= (year, month, 1))? + day - 1;
    let seconds = u64::from(days) * u64::from(DAY_S) + u64::from(time);
    u32::try_from(seconds).ok().filter(|s| *s <= DATE_STOP_DEFAULT_S)
}

/// Year, month and day of the month, so many days after 1970-01-01 (the civil calendar, in
/// cycles of 400 years that begin in March).
fn date_of(days: u32) -> (u32, u32, u32) {
    let days = u64::from(days) + 719_468;
    let (cycle, in_cycle) = (days / 146_097, days % 146_097);
    let year = (in_cycle - in_cycle / 1460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let in_year = in_cycle - (365 * year + year / 4 - year / 100);
    let shifted = (5 * in_year + 2) / 153;
    let day = in_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + cycle * 400 + u64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

fn month_days(word: &Word) -> Result<u32, Diagnostic> {
    let mut bits = 0;
    for part in parts(&word.text) {
        match digits(part, 2).filter(|day| (1..=31).contains(day)) {
            Some(day) => bits |= 1 << day,
            None => {
                let mistake = word.mistake(format!("{part:?} is not a day of the month"));
                return Err(mistake.help("a list of numbers from 1 to 31"));
            }
        }
    }
    match bits {
        0 => Err(word.mistake("no day is named").help("a list of numbers from 1 to 31")),
        bits => Ok(bits),
    }
}

fn week_days(word: &Word) -> Result<u32, Diagnostic> {
    let mut bits = 0;
    for part in parts(&word.text) {
        let named =
            WEEK_DAYS.iter().position(|day| part.get(..2).is_some_and(|p| day.starts_with(p)));
        let numbered = digits(part, 1).filter(|day| (1..=7).contains(day));
        match numbered.or(named.map(|index| index as u32 + 1)) {
            Some(day) => bits |= 1 << day,
            None => {
                let mistake = word.mistake(format!("{part:?} is not a day of the week"));
                return Err(mistake.help(format!("a list of {} or 1 to 7", WEEK_DAYS.join(", "))));
            }
        }
    }
    match bits {
        0 => Err(word.mistake("no day is named").help("such as Mon,Tue")),
        bits => Ok(bits),
    }
}
