//! Programs of the system that do a part of the work: iptables, nft.

use crate::failure::Failure;
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Runs `program` with `input` on its standard input.
///
/// # Errors
///
/// It is not there, could not be started, or refused: its own words.
pub(crate) fn run(program: &str, args: &[&str], input: &str) -> Result<String, Failure> {
    let spawned = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::Failed(format!("{program} is not installed (package {})", package(program)))
        }
        _ => Failure::Failed(format!("{program}: {error}")),
    })?;
    let mut stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // A program that refuses its input early closes the pipe; its message says why.
        let feed = move || stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        scope.spawn(feed);
        child.wait_with_output()
    });
    let output = output.map_err(|error| Failure::Failed(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = match words.trim() {
        "" => output.status.to_string(),
        words => words.to_owned(),
    };
    Err(Failure::Failed(format!("{program} {}: {words}", args.join(" "))))
}

fn package(program: &str) -> &'static str {
    match program {
        "nft" => "nftables",
        "unshare" => "util-linux",
        _ => "iptables",
    }
}
