//! Every row of `tests/rules/*.t`: what is printed for it, or that it is refused, and that what
//! is printed is read and printed the same again.

#![allow(clippy::disallowed_methods, reason = "the rows are files")]

mod common;

use common::{Row, rows};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::ruleset::Rule;
use kinwall_rules::{matches, print, targets};

/// The rules of the row's table with their printed lines, or the mistakes.
fn canonical(row: &Row, file: &str) -> Result<Vec<(String, Rule)>, String> {
    let source = Source { name: &row.place, text: file, family: Some(row.family) };
    let loaded = load(&[source], &Defines::default()).map_err(|mistakes| {
        mistakes.iter().map(|mistake| mistake.render(&row.place, file)).collect::<String>()
    })?;
    let rules = loaded.ruleset(row.family).into_iter().flat_map(|ruleset| ruleset.rules());
    Ok(rules.map(|(_, chain, rule)| (print::rule(&chain.name, rule), rule.clone())).collect())
}

#[test]
fn every_extension_has_rows() {
    let matches = matches::registry::Kind::ALL.iter().map(|kind| kind.spec().name);
    let targets = targets::registry::Kind::ALL.iter().map(|kind| kind.spec().name);
    let rows = rows();
    let file = |name: &str| format!("{name}.t:");
    let has = |name: &str| {
        let own = rows.iter().filter(|row| row.place.starts_with(&file(name)));
        let (good, bad): (Vec<&Row>, Vec<&Row>) = own.partition(|row| row.expected.is_some());
        !good.is_empty() && !bad.is_empty()
    };
    let without: Vec<&str> = matches.chain(targets).filter(|name| !has(name)).collect();
    assert!(without.is_empty(), "no rows, or none that are refused: {without:?}");
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
            (Ok(rules), Some(line)) if rules.len() == 1 && rules[0].0 == line => {
                let again = row.file().replace(&format!("-A {chain} {input}"), &line);
                let same = |again: &[(String, Rule)]| {
                    again.len() == 1 && again[0].0 == line && again[0].1.same_as(&rules[0].1)
                };
                if !canonical(row, &again).is_ok_and(|again| same(&again)) {
                    wrong.push(format!(
                        "{place} ({family}, {chain}): {line}: not read the same again"
                    ));
                }
            }
            (Err(_), None) => {}
            (Ok(rules), expected) => {
                let lines: Vec<&String> = rules.iter().map(|(line, _)| line).collect();
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
