//! The engine built for a target that has no clock, files, sockets or threads: proof that it
//! needs none.
//!
//! Where that target is not installed, `clippy.toml` still bans the calls, and this says so.

use std::path::Path;

use crate::Outcome;
use crate::command::{at_root, cargo, output, run as run_command};

const TARGET: &str = "wasm32-unknown-unknown";

/// `cargo xtask wasm`.
pub(crate) fn run(_: &[String]) -> Outcome {
    let libraries = output(at_root("rustc", &["--print", "target-libdir", "--target", TARGET]))?;
    let libraries = String::from_utf8_lossy(&libraries).trim().to_owned();
    if !Path::new(&libraries).is_dir() {
        eprintln!("wasm: {TARGET} is not installed; only clippy.toml keeps I/O out of the engine");
        return Ok(());
    }
    run_command(cargo(&["build", "--package", "kinwall-engine", "--target", TARGET]))
}
