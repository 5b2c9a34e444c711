//! All helpers: the source document's table as it is built. What differs only in who announces
//! it is one row here.

use kinwall_helpers::manual::TableRow;
use kinwall_terms::{Family, Profile};
use std::io::{self, Write};

/// Rows that the document's table would show as one.
struct Group<'a> {
    first: &'a TableRow,
    announcements: Vec<&'a str>,
    profiles: Vec<Profile>,
}

/// Prints the table.
pub(super) fn print(out: &mut impl Write, rows: &[TableRow]) -> io::Result<()> {
    let (bold, dim) = (anstyle::Style::new().bold(), anstyle::Style::new().dimmed());
    let [a, b, c, d, e] = HEADS;
    writeln!(out, "{dim}{:INDENT$}{a:15}{b:15}{c:15}{d:15}{e}{dim:#}", "")?;
    for group in groups(rows) {
        let TableRow { helper, options, is_default, families, .. } = group.first;
        let mut title = vec![joined(&group.announcements)];
        match (options.is_empty(), is_default) {
            (true, _) => {}
            (false, true) => title.push(format!("{options} (default)")),
            (false, false) => title.push(options.clone()),
        }
        if let [only] = families {
            title.push(format!("{} only", family(*only)));
        }
        if let [only] = group.profiles.as_slice() {
            title.push(format!("{only} profile only"));
        }
        let title = super::wrap(&title.join("; "), 80 - INDENT);
        for (line, name) in title.iter().zip([*helper].into_iter().chain(std::iter::repeat(""))) {
            writeln!(out, "{bold}{name:<INDENT$}{bold:#}{line}")?;
        }
        cells(out, "", group.first.cells.iter().map(|cell| short(cell)))?;
        if group.first.document.iter().any(Option::is_some) {
            let cells_of_document = group.first.document.iter().map(|cell| cell.unwrap_or(""));
            write!(out, "{dim}")?;
            cells(out, "  document:", cells_of_document)?;
            write!(out, "{dim:#}")?;
        }
    }
    writeln!(out)?;
    super::legend(out)?;
    for line in super::wrap(DOCUMENT, 80) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

const HEADS: [&str; 5] = ["source", "port", "destination", "port", "protocol"];

/// Columns of the helper's name.
const INDENT: usize = 12;

const DOCUMENT: &str = "document: the cell of \"Secure use of iptables and connection tracking \
                        helpers\", where the kernel, and kinwall, do otherwise. `kinwall helpers \
                        NAME` tells who announces what, limits, options and secure rules.";

fn cells<'a>(
    out: &mut impl Write,
    name: &str,
    cells: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    let mut line = format!("{name:INDENT$}");
    cells.for_each(|cell| line.push_str(&format!("{cell:15}")));
    writeln!(out, "{}", line.trim_end())
}

fn groups(rows: &[TableRow]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|group| is_alike(group.first, row)) {
            Some(group) => {
                if !group.announcements.contains(&row.announcement) {
                    group.announcements.push(row.announcement);
                }
                let new = row.profiles.iter().filter(|p| !group.profiles.contains(p));
                let new: Vec<Profile> = new.copied().collect();
                group.profiles.extend(new);
            }
            None => groups.push(Group {
                first: row,
                announcements: vec![row.announcement],
                profiles: row.profiles.to_vec(),
            }),
        }
    }
    groups
}

fn is_alike(a: &TableRow, b: &TableRow) -> bool {
    let shown = |row: &TableRow| row.cells.each_ref().map(|cell| short(cell).to_owned());
    (a.helper, &a.options, a.families, a.document) == (b.helper, &b.options, b.families, b.document)
        && shown(a) == shown(b)
}

/// The announcements with what several in a row say in brackets said once, behind the last.
fn joined(announcements: &[&str]) -> String {
    let mut words = Vec::new();
    for (i, each) in announcements.iter().enumerate() {
        let next = announcements.get(i + 1).and_then(|next| next.split_once(" ("));
        match (each.split_once(" ("), next) {
            (Some((name, rest)), Some((_, same))) if rest == same => words.push(name),
            _ => words.push(each),
        }
    }
    words.join(", ")
}

/// The cell without the word about whose it is, and without the range: as the document has it.
fn short(cell: &str) -> &str {
    let word = cell.split_once(" (").map_or(cell, |(word, _)| word);
    word.split_once(", ").map_or(word, |(word, _)| word)
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}
