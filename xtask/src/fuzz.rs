//! Every fuzz target, built with coverage and address checks and run for a while each.
//!
//! The targets are programs of the `fuzz` workspace. They are built with the nightly compiler and
//! the flags that libFuzzer wants, so nothing needs to be installed but that compiler.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Outcome;
use crate::command::{self, at_root};
use crate::workspace::{self, packages, text};

/// How long each target runs when nothing is said: five minutes shared by about twenty targets.
const SECONDS_PER_TARGET: u32 = 15;

/// A unit that takes this long is reported as a hang.
const UNIT_TIMEOUT_SECONDS: u32 = 10;

/// What the compiler must add to the code: counters for each edge, traced comparisons, checks.
const RUST_FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cdebug-assertions \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Zsanitizer=address -Ccodegen-units=1";

/// How much to run: until a time or a number of executions is reached.
enum Budget {
    Seconds(u32),
    Runs(u64),
}

/// `cargo xtask fuzz [--seconds N | --runs N] [TARGET...]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (budget, wanted) = parse(arguments)?;
    let manifest = workspace::root().join("fuzz/Cargo.toml");
    if !manifest.is_file() {
        return Err("there are no fuzz targets (fuzz/Cargo.toml is missing)".into());
    }
    let known = targets(&workspace::metadata(&manifest)?);
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        return Err(format!("no fuzz target is called {unknown}; there are {}", known.join(", ")));
    }

    let triple = host()?;
    let build = workspace::target().join("fuzz");
    let mut command = at_root("cargo", &["+nightly", "build", "--release", "--target", &triple]);
    command.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(&build);
    command.env("RUSTFLAGS", RUST_FLAGS);
    command::run(command)?;

    let programs = build.join(&triple).join("release");
    let chosen = if wanted.is_empty() { known } else { wanted };
    let mut failed = Vec::new();
    for name in &chosen {
        if let Err(why) = fuzz(&programs, name, &budget) {
            eprintln!("{why}");
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("{} failed; their inputs lie in fuzz/artifacts", failed.join(", ")))
}

fn fuzz(programs: &Path, name: &str, budget: &Budget) -> Outcome {
    let folder = workspace::root().join("fuzz");
    let corpus = folder.join("corpus").join(name);
    let artifacts = folder.join("artifacts").join(name);
    for each in [&corpus, &artifacts] {
        fs::create_dir_all(each).map_err(|error| format!("{}: {error}", each.display()))?;
    }
    let mut command =
        at_root(&programs.join(name).to_string_lossy(), &["-print_final_stats=1", "-verbosity=0"]);
    command.arg(format!("-timeout={UNIT_TIMEOUT_SECONDS}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(match budget {
        Budget::Seconds(seconds) => format!("-max_total_time={seconds}"),
        Budget::Runs(runs) => format!("-runs={runs}"),
    });
    command.arg(&corpus);
    command::run(command)
}

fn parse(arguments: &[String]) -> Result<(Budget, Vec<String>), String> {
    let mut budget = Budget::Seconds(SECONDS_PER_TARGET);
    let mut wanted = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut number = || {
            let value = rest.next().ok_or(format!("{argument} wants a number"))?;
            value.parse::<u64>().map_err(|_| format!("{argument} wants a number, not {value}"))
        };
        match argument.as_str() {
            "--seconds" => {
                let seconds = u32::try_from(number()?).map_err(|_| "too many seconds")?;
                budget = Budget::Seconds(seconds);
            }
            "--runs" => budget = Budget::Runs(number()?),
            option if option.starts_with('-') => return Err(format!("unknown option {option}")),
            name => wanted.push(name.to_owned()),
        }
    }
    Ok((budget, wanted))
}

/// The programs of the fuzz workspace.
fn targets(metadata: &Value) -> Vec<String> {
    let members = &metadata["workspace_members"];
    let is_member = |p: &&Value| members.as_array().is_some_and(|all| all.contains(&p["id"]));
    let mut names: Vec<String> = packages(metadata)
        .iter()
        .filter(is_member)
        .flat_map(|package| package["targets"].as_array().into_iter().flatten())
        .filter(|target| target["kind"].as_array().is_some_and(|k| k.contains(&"bin".into())))
        .map(|target| text(target, "name").to_owned())
        .collect();
    names.sort();
    names
}

/// The machine's own target, which must be named for the sanitizer not to reach build scripts.
fn host() -> Result<String, String> {
    let version = command::output(at_root("rustc", &["+nightly", "--version", "--verbose"]))?;
    let version = String::from_utf8_lossy(&version);
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).ok_or("rustc does not say its host".into())
}
