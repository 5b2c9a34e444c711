//! Everything that must pass, in the order in which it fails fastest. The tests come last, so
//! that the output ends with their own lines.

use crate::command::{self, cargo};
use crate::{Outcome, docs, licences, package, tidy, tiers, wasm};

/// Installs what the tests need, checks form, style, licences and documents, and runs all tests.
pub(crate) fn run_all() -> Outcome {
    tiers::install()?;
    command::run(cargo(&["fmt", "--all", "--check"]))?;
    tidy::run(&[])?;
    licences::run(&[])?;
    command::run(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    wasm::run(&[])?;
    docs::run(&["--check".into()])?;
    tiers::announce();
    package::run_task(&["--debug".into()])?;
    command::run(cargo(&["test", "--workspace"]))
}

/// `cargo xtask test`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => run_all(),
        _ => Err("takes no arguments; single tests are run by `cargo test`".into()),
    }
}
