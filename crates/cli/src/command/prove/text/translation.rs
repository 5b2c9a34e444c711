//! Translation, for people: what the nat table does, and what passes of it.

use super::super::Found;
use super::exposure::flows;
use super::{BOLD, DIM, GOOD, LISTED_MAX_COUNT, because, listed};
use crate::failure::Failure;
use crate::rule_files::Rules;
use kinwall_terms::Manip;
use std::io::Write;

/// Prints what is translated; nothing where nothing is.
pub(super) fn print(rules: &Rules, found: &Found<'_>) -> Result<(), Failure> {
    if found.translations.is_empty() {
        return Ok(());
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "{BOLD}{}: translation{BOLD:#}", found.family)?;
    for (translation, passing) in &found.translations {
        let (addresses, ports) = found.reach.becomes(translation);
        let ports = ports.map(|[min, max]| match min == max {
            true => format!(" port {min}"),
            false => format!(" port {min}-{max}"),
        });
        let end = match translation.manip {
            Manip::Source => "sources become",
            Manip::Destination => "destinations become",
        };
        let by = because(rules, found, &[translation.rule]);
        writeln!(
            out,
            "  {end} {}{} {DIM}by {by}{DIM:#}",
            listed(&addresses),
            ports.unwrap_or_default()
        )?;
        if passing.is_empty() {
            writeln!(out, "    {GOOD}nothing of it passes: proved{GOOD:#}")?;
        }
        for one in passing.iter().take(LISTED_MAX_COUNT) {
            writeln!(out, "    passes {}", flows(one))?;
        }
        if passing.len() > LISTED_MAX_COUNT {
            writeln!(out, "    and {} more", passing.len() - LISTED_MAX_COUNT)?;
        }
    }
    Ok(out.flush()?)
}
