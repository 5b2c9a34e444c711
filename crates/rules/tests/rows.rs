//! Every row of `tests/rules/*.t`: what is printed for it, or that it is refused, and that what
//! is printed is read and printed the same again.

#![allow(clippy::disallowed_methods, reason = "the rows are files")]

mod common;

use common::{Row, rows};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::print;
use kinwall_terms::Table;

/// The printed rule lines, or the mistakes.
fn canonical(row: &Row, file: &str) -> Result<Vec<String>, String> {
    let source = Source { name: &row.place, text: file, family: Some(row.family) };
    let loaded = load(&[source], &Defines::default()).map_err(|mistakes| {
        mistakes.iter().map(|mistake| mistake.render(&row.place, file)).collect::<String>()
    })?;
    let table = Table::from_name(&row.table).unwrap();
    let rules = loaded.ruleset(row.family).and_then(|ruleset| ruleset.table(table)).unwrap();
    let text = print::table(rules, print::Options::default());
    Ok(text.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect())
}

#[test]
fn every_row_is_printed_as_expected_or_refused() {
    let rows = rows();
    assert!(rows.len() > 50, "only {} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let Row { place, family, chain, input, .. } = row;
        let found = canonical(row, &row.file());
        match (found, row.line()) {
            (Ok(lines), Some(line)) if lines == [line.clone()] => {
                let again = row.file().replace(&format!("-A {chain} {input}"), &line);
                if canonical(row, &again).as_ref() != Ok(&lines) {
                    wrong.push(format!(
                        "{place} ({family}, {chain}): {line}: not read the same again"
                    ));
                }
            }
            (Err(_), None) => {}
            (Ok(lines), expected) => {
                wrong
                    .push(format!("{place} ({family}, {chain}): {lines:?}, expected {expected:?}"));
            }
            (Err(mistakes), Some(_)) => {
                wrong.push(format!("{place} ({family}, {chain}): refused:\n{mistakes}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
