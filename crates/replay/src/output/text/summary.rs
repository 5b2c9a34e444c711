//! The summary: names and numbers in columns, one column a profile.

use super::{BAD, BOLD, FAINT, GOOD, ODD, Text};
use crate::output::{Comparison, RuleCount, Summary};
use std::fmt::{self, Write as _};
use std::io::Write;

/// A line: a name and its numbers.
struct Row {
    name: String,
    /// `None` for a heading.
    count: Option<u64>,
    colour: &'static str,
}

impl Row {
    fn new(name: impl Into<String>, count: u64, colour: &'static str) -> Row {
        Row { name: name.into(), count: Some(count), colour }
    }

    fn heading(name: &str) -> Row {
        Row { name: name.to_owned(), count: None, colour: "" }
    }
}

/// Rows that belong together, their heading first.
type Section = Vec<Row>;

impl<W: Write> Text<W> {
    pub(super) fn summary(&mut self, summary: &Summary) -> fmt::Result {
        for row in sections(summary).into_iter().flatten() {
            self.row(&row.name, &[row.count], row.colour)?;
        }
        self.end_of_table();
        Ok(())
    }

    pub(super) fn comparison(&mut self, comparison: &Comparison) -> fmt::Result {
        let Comparison { packets, differ, linux, strict } = comparison;
        writeln!(self.line, "{:NAME_WIDTH$} {:>14} {:>14}", "", "linux", "strict")?;
        for (linux, strict) in sections(linux).into_iter().zip(sections(strict)) {
            let also = |row: &&Row| !linux.iter().any(|known| known.name == row.name);
            for row in linux.iter().chain(strict.iter().filter(also)) {
                let count = |of: &Section| {
                    let found = of.iter().find(|known| known.name == row.name);
                    row.count.map(|_| found.and_then(|found| found.count).unwrap_or(0))
                };
                self.row(&row.name, &[count(&linux), count(&strict)], row.colour)?;
            }
        }
        self.row("packets treated alike", &[Some(packets - differ)], GOOD)?;
        self.row(
            "packets treated differently",
            &[Some(*differ)],
            if *differ > 0 { ODD } else { "" },
        )?;
        self.end_of_table();
        Ok(())
    }

    fn row(&mut self, name: &str, counts: &[Option<u64>], colour: &str) -> fmt::Result {
        self.line.push_str(name);
        let mut width = NAME_WIDTH.saturating_sub(name.chars().count());
        for count in counts.iter().flatten() {
            write!(self.line, "{:width$} ", "")?;
            self.coloured(colour, format_args!("{:>14}", Grouped(*count)))?;
            width = 0;
        }
        self.line.push('\n');
        Ok(())
    }

    /// Every line of a table ends itself; the caller ends the last one.
    fn end_of_table(&mut self) {
        self.line.truncate(self.line.trim_end_matches('\n').len());
        if self.start.is_some() {
            self.line.insert(0, '\n');
        }
    }
}

/// Columns of the names.
const NAME_WIDTH: usize = 38;

/// Everything there is to say, always the same number of sections.
fn sections(summary: &Summary) -> [Section; 6] {
    [
        packets(summary),
        section(
            Row::heading("ct states"),
            summary.ctstates.iter().map(|(state, count)| {
                let name = if *state == "none" { "never tracked" } else { state };
                Row::new(format!("  {name}"), *count, "")
            }),
        ),
        flows(summary),
        section(
            Row::heading("not believed by helpers"),
            summary
                .not_believed
                .iter()
                .map(|(reason, count)| Row::new(format!("  {reason}"), *count, ODD)),
        ),
        section(
            Row::heading("drops by reason"),
            summary
                .drops_by_reason
                .iter()
                .map(|counted| Row::new(format!("  {}", counted.reason), counted.packets, "")),
        ),
        section(Row::heading("drops by rule"), summary.drops_by_rule.iter().map(rule))
            .into_iter()
            .chain(
                (summary.damage > 0)
                    .then(|| Row::new("damage in the captures", summary.damage, BAD)),
            )
            .collect(),
    ]
}

/// The heading and its rows; nothing where there is no row.
fn section(heading: Row, rows: impl Iterator<Item = Row>) -> Section {
    let mut rows = rows.peekable();
    match rows.peek() {
        Some(_) => std::iter::once(heading).chain(rows).collect(),
        None => Vec::new(),
    }
}

fn packets(summary: &Summary) -> Section {
    let rows = [
        ("accepted", summary.accepted, GOOD),
        ("dropped", summary.dropped, BAD),
        ("rejected", summary.rejected, BAD),
        ("queued", summary.queued, ODD),
        ("unknown", summary.unknown, ODD),
        ("held fragments", summary.consumed, ODD),
        ("not IP", summary.skipped.not_ip, FAINT),
        ("not read", summary.skipped.unread, ODD),
        ("captured twice", summary.skipped.copies, FAINT),
        ("for other hosts", summary.skipped.other_host, FAINT),
    ];
    let told = rows
        .into_iter()
        .filter(|(name, count, _)| *count > 0 || matches!(*name, "accepted" | "dropped"))
        .map(|(name, count, colour)| Row::new(format!("  {name}"), count, colour));
    let cut = (summary.cut > 0).then(|| Row::new("cut by the capture", summary.cut, ODD));
    section(Row::new("packets", summary.packets, BOLD), told.chain(cut))
}

/// Connections and expectations.
fn flows(summary: &Summary) -> Section {
    let (connections, expectations) = (&summary.connections, summary.expectations);
    let mut rows = vec![
        Row::new("connections", connections.new, BOLD),
        Row::new("  at the end", connections.left, ""),
    ];
    let ended = connections.ended.iter();
    rows.extend(ended.map(|(cause, count)| Row::new(format!("  {cause}"), *count, "")));
    if expectations.new + expectations.refused > 0 {
        rows.push(Row::new("expectations", expectations.new, BOLD));
        rows.push(Row::new("  matched", expectations.matched, ""));
        if expectations.refused > 0 {
            rows.push(Row::new("  refused", expectations.refused, ODD));
        }
    }
    rows
}

fn rule(counted: &RuleCount) -> Row {
    let RuleCount { family, table, chain, number, line, file, packets } = counted;
    let place = match file {
        Some(file) => format!("{}:{line}", file.rsplit('/').next().unwrap_or(file)),
        None => format!("line {line}"),
    };
    Row::new(format!("  {family} {table} {chain} {number} ({place})"), *packets, "")
}

/// A number with commas: 1,234,567.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}
