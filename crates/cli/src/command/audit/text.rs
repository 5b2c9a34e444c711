//! Findings for people.

use super::{file_of, name_of};
use crate::failure::Failure;
use crate::rule_files::Rules;
use anstyle::{AnsiColor, Color, Style};
use kinwall_policy::audit::{Check, Finding, Place, Severity};
use std::io::Write;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn style(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::Cyan,
    };
    Style::new().bold().fg_color(Some(Color::Ansi(colour)))
}

/// Prints every finding and a line that counts them.
pub(super) fn print(findings: &[Finding], rules: &Rules) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let open = findings.iter().filter(|finding| finding.allowed.is_none());
    for finding in open.clone() {
        one(&mut out, finding, rules)?;
    }
    for finding in findings {
        let Some(reason) = &finding.allowed else { continue };
        let place = place(finding, rules);
        let reason = if reason.is_empty() { "no reason given" } else { reason };
        writeln!(out, "{DIM}allowed {} {place}: {reason}{DIM:#}", finding.check.code)?;
    }
    let count = |severity| open.clone().filter(|finding| finding.severity == severity).count();
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    writeln!(
        out,
        "{}, {}, {}",
        plural(count(Severity::Error), "error"),
        plural(count(Severity::Warning), "warning"),
        plural(count(Severity::Note), "note")
    )?;
    Ok(out.flush()?)
}

fn place(finding: &Finding, rules: &Rules) -> String {
    match (&finding.place, finding.family) {
        (Some(place), family) => format!(
            "{}:{} ({}{})",
            file_of(rules, finding).unwrap_or(""),
            place.origin.line,
            family.map_or(String::new(), |family| format!("{family} ")),
            in_chain(place)
        ),
        (None, Some(family)) => family.to_string(),
        (None, None) => String::from("settings"),
    }
}

/// Table, chain and number of a rule, or its handle.
fn in_chain(place: &Place) -> String {
    let handle = place.handle.map_or(String::new(), |handle| format!(", handle {handle}"));
    format!("{} {} {}{handle}", place.table, place.chain, place.number)
}

fn one(out: &mut impl Write, finding: &Finding, rules: &Rules) -> Result<(), Failure> {
    let severity = style(finding.severity);
    let check = finding.check;
    writeln!(
        out,
        "{severity}{}{severity:#} {BOLD}{}{BOLD:#} {}",
        finding.severity,
        check.code,
        place(finding, rules)
    )?;
    if let Some(rule) = &finding.rule {
        writeln!(out, "    {rule}")?;
    }
    writeln!(out, "  {}.", finding.message)?;
    for related in &finding.related {
        let name = name_of(rules, related.origin.file).unwrap_or("");
        writeln!(out, "  {DIM}with {name}:{} ({}){DIM:#}", related.origin.line, in_chain(related))?;
    }
    writeln!(out, "  why: {}", check.why)?;
    writeln!(out, "  exploit: {}", check.exploit)?;
    writeln!(out, "  instead: {}\n", finding.fix)?;
    Ok(())
}

/// Prints what a check is about.
pub(super) fn explain(check: &Check) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{BOLD}{} {}{BOLD:#}: {}", check.code, check.name, check.title)?;
    writeln!(out, "severity: {}", check.severity)?;
    writeln!(out, "why: {}", check.why)?;
    writeln!(out, "exploit: {}", check.exploit)?;
    writeln!(out, "in nft: {}", check.nft)?;
    Ok(out.flush()?)
}
