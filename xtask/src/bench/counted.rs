//! `cargo xtask bench --check`: what packets cost in instructions, beside what was written down.
//!
//! Instructions are counted by Valgrind's callgrind, so that the figures do not depend on what
//! else the machine does. They do depend on the compiler and the C library: after a new one, and
//! after a change that is worth it, `--check --bless` writes them down anew.

use crate::Outcome;
use crate::command::{at_root, cargo, exists, output};
use crate::workspace;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// Scenarios of the benchmark `counted`, as it names them.
const SCENARIOS: [&str; 7] =
    ["established", "new", "churn", "expected", "rules-10", "rules-10000", "rules-100000"];

/// Packets a round of the benchmark.
const ROUND: f64 = 65_536.0;

/// How much more than written down is taken for a regression.
const TOLERANCE: f64 = 0.05;

/// Instructions a packet, by scenario.
type Counts = BTreeMap<String, f64>;

/// Counts, and compares.
pub(super) fn run(arguments: &[String]) -> Outcome {
    let (mut bless, mut as_json) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--bless" => bless = true,
            "--json" => as_json = true,
            other => return Err(format!("unknown option {other}: --check takes --bless, --json")),
        }
    }
    if !exists("valgrind") {
        return Err("valgrind, which counts instructions, is not installed".into());
    }
    let program = built()?;
    let counted = count_all(&program)?;
    let path = workspace::root().join("crates/engine/benches/counted.json");
    if bless {
        let text = serde_json::to_string_pretty(&counted).map_err(|error| error.to_string())?;
        return fs::write(&path, text + "\n")
            .map_err(|error| format!("{}: {error}", path.display()));
    }
    let known =
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let known: Counts =
        serde_json::from_str(&known).map_err(|error| format!("{}: {error}", path.display()))?;
    if as_json {
        println!("{}", serde_json::json!({ "instructions_per_packet": counted }));
    } else {
        print(&counted, &known);
    }
    let worse = regressions(&counted, &known);
    match worse.as_slice() {
        [] => Ok(()),
        _ => Err(format!(
            "more instructions a packet than written down: {}; where that is worth it, \
             `cargo xtask bench --check --bless` writes it down",
            worse.join(", ")
        )),
    }
}

/// The scenarios that cost more than they did, or that nobody has written down.
fn regressions(counted: &Counts, known: &Counts) -> Vec<String> {
    let is_worse = |(name, count): &(&String, &f64)| {
        known.get(*name).is_none_or(|known| **count > known * (1.0 + TOLERANCE))
    };
    counted.iter().filter(is_worse).map(|(name, _)| name.clone()).collect()
}

fn print(counted: &Counts, known: &Counts) {
    println!("instructions a packet, and what was written down:");
    for (name, count) in counted {
        match known.get(name) {
            Some(known) => println!("  {name:14} {count:9.1} {known:9.1} x{:.3}", count / known),
            None => println!("  {name:14} {count:9.1}"),
        }
    }
}

/// Builds the benchmark; where its program is.
fn built() -> Result<PathBuf, String> {
    let build = ["bench", "-p", "kinwall-engine", "--bench", "counted", "--no-run"];
    let messages = output(cargo(&[&build[..], &["--message-format=json"]].concat()))?;
    let messages = String::from_utf8_lossy(&messages).into_owned();
    let program = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == "counted";
        let program = message["executable"].as_str().filter(|_| is_it)?;
        Some(PathBuf::from(program))
    });
    program.ok_or_else(|| "cargo did not say where the benchmark `counted` is".into())
}

/// All scenarios, two at a time.
fn count_all(program: &Path) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for pair in SCENARIOS.chunks(2) {
        let found: Vec<Result<f64, String>> = thread::scope(|scope| {
            let running: Vec<_> =
                pair.iter().map(|name| scope.spawn(|| count(program, name))).collect();
            let panicked = || Err("a count did not end".to_owned());
            running.into_iter().map(|one| one.join().unwrap_or_else(|_| panicked())).collect()
        });
        for (name, count) in pair.iter().zip(found) {
            counts.insert((*name).to_owned(), (count? * 10.0).round() / 10.0);
        }
    }
    Ok(counts)
}

/// Instructions a packet: what two rounds take more than one.
fn count(program: &Path, scenario: &str) -> Result<f64, String> {
    let [one, two] = ["1", "2"].map(|rounds| instructions(program, scenario, rounds));
    Ok((two? - one?) / ROUND)
}

fn instructions(program: &Path, scenario: &str, rounds: &str) -> Result<f64, String> {
    let mut command = at_root("valgrind", &["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(program).args([scenario, rounds]);
    let done = command.output().map_err(|error| format!("cannot run valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.parse().ok());
    match count {
        Some(count) if done.status.success() => Ok(count),
        _ => Err(format!("valgrind failed on {scenario}:\n{said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, f64)]) -> Counts {
        rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn what_costs_a_twentieth_more_is_a_regression() {
        let known = counts(&[("established", 1000.0), ("new", 4000.0)]);
        assert!(
            regressions(&counts(&[("established", 1049.0), ("new", 100.0)]), &known).is_empty()
        );
        let worse = counts(&[("established", 1051.0), ("new", 4000.0), ("other", 1.0)]);
        assert_eq!(regressions(&worse, &known), ["established", "other"]);
    }
}
