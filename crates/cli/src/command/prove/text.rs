//! What was proved, for people.

mod exposure;
mod translation;

pub(super) use exposure::{flows, name_of};

use super::Found;
use super::show::Shown;
use crate::failure::Failure;
use crate::rule_files::Rules;
use anstyle::{AnsiColor, Style};
use kinwall_prove::addresses::AddressRange;
use kinwall_prove::space::Unknown;
use kinwall_rules::eval::RuleId;
use std::io::Write;

const GOOD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const BAD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const ODD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Rules and addresses that are listed of one finding; programs get all of them.
const LISTED_MAX_COUNT: usize = 12;

/// Prints everything found.
pub(super) fn print(rules: &Rules, found: &Found<'_>) -> Result<(), Failure> {
    spoofing(rules, found)?;
    translation::print(rules, found)?;
    exposure::print(rules, found)
}

fn spoofing(rules: &Rules, found: &Found<'_>) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{BOLD}{}: spoofing{BOLD:#}", found.family)?;
    let width = found.spoofing.iter().map(|s| s.input.as_str().len()).max().unwrap_or(0);
    for (at, spoofing) in found.spoofing.iter().enumerate() {
        write!(out, "  {:width$}  ", spoofing.input)?;
        if spoofing.is_none() {
            writeln!(out, "{GOOD}none: proved{GOOD:#}{}", nobody(spoofing.unspecified))?;
            continue;
        }
        let mut first = true;
        let mut indent = |out: &mut dyn Write| -> std::io::Result<()> {
            match std::mem::replace(&mut first, false) {
                true => Ok(()),
                false => write!(out, "  {:width$}  ", ""),
            }
        };
        if !spoofing.certain.is_empty() {
            indent(&mut out)?;
            let list = listed(&spoofing.certain);
            writeln!(out, "{BAD}passes{BAD:#} {list}{}", nobody(spoofing.unspecified))?;
        }
        if !spoofing.possible.is_empty() {
            indent(&mut out)?;
            writeln!(out, "{ODD}may pass{ODD:#} {}", listed(&spoofing.possible))?;
        }
        let because = because(rules, found, &spoofing.rules);
        indent(&mut out)?;
        writeln!(out, "{DIM}by {because}{DIM:#}")?;
        for question in undecided(rules, found, &spoofing.undecided) {
            indent(&mut out)?;
            writeln!(out, "{DIM}depends on {question}{DIM:#}")?;
        }
        if let Some(shown) = found.spoofing_shown.get(at) {
            indent(&mut out)?;
            writeln!(out, "{}", witness(shown))?;
        }
    }
    Ok(out.flush()?)
}

/// Where the witness is, and who confirms it.
pub(super) fn witness(shown: &Shown) -> String {
    let Some(file) = &shown.file else {
        let why = shown.instead.as_deref();
        let why = why.unwrap_or("no packets were found that do it, one by one");
        return format!("{ODD}no witness{ODD:#}: {why}");
    };
    let by_kernel = match shown.in_kernel {
        Some(true) => " and by the kernel",
        Some(false) => ", not by the kernel",
        None => "",
    };
    let word = match shown.confirmed {
        true => format!("{DIM}confirmed by replay{by_kernel}{DIM:#}"),
        false => format!("{ODD}not confirmed{by_kernel}{ODD:#}"),
    };
    let instead = shown.instead.as_deref().map(|what| format!(": {what}")).unwrap_or_default();
    format!("{DIM}witness {file}{DIM:#} {word}{instead}")
}

fn nobody(passes: bool) -> &'static str {
    if passes { "  (packets without source address pass)" } else { "" }
}

fn listed(ranges: &[AddressRange]) -> String {
    list(ranges.iter().map(ToString::to_string))
}

/// As many as are listed, and how many there are beyond.
fn list(items: impl ExactSizeIterator<Item = String>) -> String {
    let count = items.len();
    let mut list: Vec<String> = items.take(LISTED_MAX_COUNT).collect();
    if count > LISTED_MAX_COUNT {
        list.push(format!("and {} more", count - LISTED_MAX_COUNT));
    }
    list.join(", ")
}

/// Rules by place; the policies when there is none.
pub(super) fn because(rules: &Rules, found: &Found<'_>, ids: &[RuleId]) -> String {
    match ids {
        [] => "the chains' policies".to_owned(),
        ids => list(ids.iter().map(|id| place(rules, found, *id))),
    }
}

/// `FORWARD 4 (line 17)`, with the file when there are several.
fn place(rules: &Rules, found: &Found<'_>, id: RuleId) -> String {
    let Some(place) = found.book.reference(id) else { return String::new() };
    let file = match rules.sources.get(usize::from(place.file)) {
        Some(source) if rules.sources.len() > 1 => format!("{}:", source.name),
        _ => "line ".to_owned(),
    };
    format!("{} {} ({file}{})", place.chain, place.number, place.line)
}

pub(super) fn undecided(rules: &Rules, found: &Found<'_>, unknowns: &[Unknown]) -> Vec<String> {
    let questions = unknowns.iter().filter_map(|unknown| found.reach.unknowns.question(*unknown));
    questions
        .map(|question| match question.rules.as_slice() {
            [] => question.text.clone(),
            ids => format!("{} in {}", question.text, because(rules, found, ids)),
        })
        .collect()
}
