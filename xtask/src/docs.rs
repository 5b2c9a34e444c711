//! Documents that are generated from the program, so that they cannot go stale, and the
//! reference documentation of the crates, which must have no broken links.
//!
//! `docs/helpers/` holds the manual of each helper, as `kinwall helpers NAME` prints it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::Outcome;
use crate::command::{self, cargo};
use crate::workspace::{self, text};

/// Where the manuals of the helpers lie, from the root.
const FOLDER: &str = "docs/helpers";

/// `cargo xtask docs [--check]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let check = match arguments {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Err("takes no argument but --check".into()),
    };
    let wanted = manuals()?;
    let found = read()?;
    if check {
        let stale = wanted.iter().find(|(name, text)| found.get(*name) != Some(*text));
        let dead = found.keys().find(|name| !wanted.contains_key(*name));
        if let Some(name) = stale.map(|(name, _)| name).or(dead) {
            return Err(format!("{FOLDER}/{name} is stale; run `cargo xtask docs`"));
        }
    } else {
        write(&wanted, &found).map_err(|error| format!("{FOLDER}: {error}"))?;
    }
    // In the programs, comments are the text of --help and not of a reference.
    let mut command = cargo(&["doc", "--quiet", "--workspace", "--no-deps"]);
    command.args(["--exclude", "kinwall", "--exclude", "xtask"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command::run(command)
}

/// The manuals as they should be, by file name.
fn manuals() -> Result<BTreeMap<String, Vec<u8>>, String> {
    let rows = kinwall(&["helpers", "--format", "json"])?;
    let mut manuals = BTreeMap::new();
    for line in rows.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
        let row: Value = serde_json::from_slice(line)
            .map_err(|error| format!("kinwall helpers --format json: {error}"))?;
        let name = text(&row, "helper");
        manuals.insert(format!("{name}.txt"), kinwall(&["helpers", name])?);
    }
    Ok(manuals)
}

/// The manuals as they are, by file name.
fn read() -> Result<BTreeMap<String, Vec<u8>>, String> {
    let folder = workspace::root().join(FOLDER);
    let Ok(entries) = fs::read_dir(&folder) else {
        return Ok(BTreeMap::new());
    };
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
        })
        .collect::<std::io::Result<_>>()
        .map_err(|error| format!("{FOLDER}: {error}"))
}

fn write(
    wanted: &BTreeMap<String, Vec<u8>>,
    found: &BTreeMap<String, Vec<u8>>,
) -> std::io::Result<()> {
    let folder = workspace::root().join(FOLDER);
    fs::create_dir_all(&folder)?;
    for (name, text) in wanted.iter().filter(|(name, text)| found.get(*name) != Some(*text)) {
        fs::write(folder.join(name), text)?;
        eprintln!("docs: wrote {FOLDER}/{name}");
    }
    for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
        fs::remove_file(folder.join(name))?;
        eprintln!("docs: removed {FOLDER}/{name}");
    }
    Ok(())
}

fn kinwall(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let mut command = cargo(&["run", "--quiet", "--package", "kinwall", "--"]);
    command.args(arguments);
    command::output(command)
}
