//! The policy file, read: TOML to a [`Policy`], every mistake with its place.

mod ends;
mod file;
mod intents;
mod published;
mod segments;
mod translations;

use crate::intent::{Policy, Rate, Unit};
pub(crate) use ends::bare;
use file::File;
use kinwall_terms::KernelVersion;
use kinwall_topology::{Lines, Problem};
use std::ops::Range;
use toml::Spanned;

/// Reads a policy. `name` is the file's, for the messages; `kernel` prevails over the file's own.
pub fn read(text: &str, name: &str, kernel: Option<KernelVersion>) -> Result<Policy, Vec<Problem>> {
    let mut reader = Reader { file: name, lines: Lines::new(text), problems: Vec::new() };
    let policy = match toml::from_str::<File>(text) {
        Ok(file) => reader.policy(&file, kernel),
        Err(error) => {
            let message = error.message().lines().next().unwrap_or("this is not TOML").to_owned();
            let help = file::KEYS.to_owned();
            reader.problem(error.span().unwrap_or(0..0), message, Some(help));
            None
        }
    };
    match policy {
        Some(policy) if reader.problems.is_empty() => Ok(policy),
        _ => {
            reader.problems.sort_by_key(|problem| (problem.line, problem.column));
            Err(reader.problems)
        }
    }
}

/// Collects mistakes with their places.
struct Reader<'a> {
    file: &'a str,
    lines: Lines<'a>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        let (line, column, length) = self.lines.place(span);
        let (file, message) = (self.file.to_owned(), message.into());
        self.problems.push(Problem { file, line, column, length, message, help });
    }

    /// A mistake with what would be right.
    fn wrong(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.problem(span, message, Some(help.into()));
    }

    fn policy(&mut self, file: &File, kernel: Option<KernelVersion>) -> Option<Policy> {
        let own = file.kernel.as_ref().and_then(|text| self.kernel(text));
        let segments = self.segments(&file.segment);
        let names = self.names(file, &segments);
        let services = self.services(&file.service);
        let mut intents = self.intents(&file.intent, &names, &services, &segments);
        let translations =
            self.translations(&file.translate, &names, &services, &segments, &mut intents);
        let log_dropped = match &file.log_dropped {
            Some(text) => self.rate(text),
            None => Some(Rate { count: 5, per: Unit::Second, burst: 10 }),
        };
        let log_dropped = log_dropped.filter(|rate| rate.count > 0);
        let kernel = kernel.or(own).unwrap_or(KernelVersion::DEFAULT);
        Some(Policy { kernel, segments, intents, translations, log_dropped })
    }

    fn kernel(&mut self, text: &Spanned<String>) -> Option<KernelVersion> {
        let version = text.get_ref().parse().ok();
        match version {
            None => self.wrong(text.span(), "this is no version of Linux", "such as \"6.18\""),
            Some(version) if !KernelVersion::has_ct_target(version) => self.wrong(
                text.span(),
                "this kernel has no CT target, so no rule can assign a helper",
                "Linux 2.6.34 or later",
            ),
            Some(_) => {}
        }
        version
    }

    /// `10/second`, `10/minute burst 20`, or `never`.
    fn rate(&mut self, text: &Spanned<String>) -> Option<Rate> {
        let rate = parse_rate(text.get_ref());
        if rate.is_none() {
            let help = "such as \"10/second\", \"30/minute burst 10\" or \"never\"";
            self.wrong(text.span(), format!("`{}` is no rate", text.get_ref()), help);
        }
        rate
    }
}

/// The most that iptables takes in a second.
const RATE_MAX: u32 = 10_000;

fn parse_rate(text: &str) -> Option<Rate> {
    if text == "never" {
        return Some(Rate { count: 0, per: Unit::Second, burst: 0 });
    }
    let mut words = text.split_whitespace();
    let (count, unit) = words.next()?.split_once('/')?;
    let count: u32 = count.parse().ok().filter(|count| (1..=RATE_MAX).contains(count))?;
    let per = match unit {
        "s" | "sec" | "second" => Unit::Second,
        "m" | "min" | "minute" => Unit::Minute,
        "h" | "hour" => Unit::Hour,
        _ => return None,
    };
    let burst = match (words.next(), words.next()) {
        (None, None) => 5,
        (Some("burst"), Some(burst)) => {
            burst.parse().ok().filter(|burst| (1..=RATE_MAX).contains(burst))?
        }
        _ => return None,
    };
    words.next().is_none().then_some(Rate { count, per, burst })
}

/// The name among `known` that shares most letters with `word`, as a question; else all of them.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let shared = |other: &str| {
        let mut rest: Vec<char> = other.chars().collect();
        let taken = word.chars().filter(|letter| {
            let at = rest.iter().position(|other| other == letter);
            at.map(|at| rest.swap_remove(at)).is_some()
        });
        let length = word.chars().count().max(other.chars().count());
        taken.count() * 100 / length.max(1)
    };
    match known.iter().max_by_key(|other| shared(other)).filter(|other| shared(other) >= 60) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Whether a word can name a segment, a host or an intent, and stand in a rule's comment.
fn is_name(word: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !word.is_empty() && word.len() <= 32 && word.chars().all(legal)
}
