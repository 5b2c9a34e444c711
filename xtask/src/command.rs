//! Running other programs, seen and checked.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Outcome, workspace};

/// A program to be run at the root of the workspace.
pub(crate) fn at_root(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace::root());
    command
}

/// Cargo, the one that runs this task.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    at_root(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments)
}

/// Runs a command with its output where ours goes; an error unless it succeeds.
pub(crate) fn run(mut command: Command) -> Outcome {
    let line = line(&command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

/// What a command prints; an error unless it succeeds.
pub(crate) fn output(mut command: Command) -> Result<Vec<u8>, String> {
    let line = line(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("`{line}` failed ({})", output.status))
    }
}

/// Whether a program of this name can be found, in the places where root has its tools too.
pub(crate) fn exists(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"])
        .any(|folder| Path::new(folder).join(program).is_file())
}

/// Whether this process is root's.
pub(crate) fn is_root() -> bool {
    output(at_root("id", &["-u"])).is_ok_and(|id| id.trim_ascii() == b"0")
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
