//! Documents that are generated from the program, so that they cannot go stale, and the
//! reference documentation of the crates, which must have no broken links.

use std::fs;

use crate::Outcome;
use crate::command::{self, cargo};
use crate::workspace;

/// A document, and the arguments with which `kinwall` prints it.
struct Document {
    path: &'static str,
    arguments: &'static [&'static str],
}

const DOCUMENTS: &[Document] = &[];

/// `cargo xtask docs [--check]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let check = match arguments {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Err("takes no argument but --check".into()),
    };
    for document in DOCUMENTS {
        let path = workspace::root().join(document.path);
        let mut command = cargo(&["run", "--quiet", "--package", "kinwall", "--"]);
        command.args(document.arguments);
        let text = command::output(command)?;
        if !check {
            fs::write(&path, text).map_err(|error| format!("{}: {error}", document.path))?;
        } else if fs::read(&path).ok().as_deref() != Some(&text) {
            return Err(format!("{} is stale; run `cargo xtask docs`", document.path));
        }
    }
    let mut command = cargo(&["doc", "--quiet", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command::run(command)
}
