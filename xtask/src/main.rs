//! The project's own tasks, one file each: `cargo xtask TASK`.
//!
//! `cargo xtask test` is what continuous integration runs, and passes on a checkout that is fit
//! to be released.

mod bench;
mod command;
mod docs;
mod fuzz;
mod licences;
mod package;
mod test;
mod tidy;
mod tiers;
mod wasm;
mod workspace;

use std::process::ExitCode;

/// What a task returns: nothing, or the sentence that says why it failed.
type Outcome = Result<(), String>;

/// A task: its name, one line about it, and what it does with the rest of the command line.
struct Task {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

const TASKS: &[Task] = &[
    Task { name: "test", about: "everything that must pass, tests last", run: test::run },
    Task { name: "tidy", about: "the house rules that a program can check", run: tidy::run },
    Task { name: "licences", about: "the licences of all dependencies", run: licences::run },
    Task { name: "docs", about: "write generated documents (--check: compare)", run: docs::run },
    Task { name: "bench", about: "benchmarks, and replay beside tcpdump", run: bench::run },
    Task {
        name: "fuzz",
        about: "every fuzz target in turn [--seconds N | --runs N] [TARGET...]",
        run: fuzz::run,
    },
    Task { name: "package", about: "a package for Debian [--debug]", run: package::run_task },
    Task { name: "wasm", about: "build the engine where there is no I/O at all", run: wasm::run },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(task) = arguments.first().and_then(|name| TASKS.iter().find(|t| t.name == name))
    else {
        eprintln!("usage: cargo xtask TASK\n");
        for task in TASKS {
            eprintln!("  {:10} {}", task.name, task.about);
        }
        return ExitCode::from(2);
    };
    match (task.run)(&arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\nxtask {}: {why}", task.name);
            ExitCode::FAILURE
        }
    }
}
