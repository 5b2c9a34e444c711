//! The READMEs, run as they stand: what they show is what the program says.
//!
//! A block that is fenced as `console` is a session in the folder of the repository: `$ cd FOLDER`
//! goes elsewhere, `$ kinwall ...` is run (a backslash at the end continues the line), and what
//! follows is what it says; `...` stands for any number of lines. In other blocks each
//! `cargo run --release -- ...` is run and must succeed.

mod common;

use common::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The texts that show commands, from the root.
fn texts() -> Vec<PathBuf> {
    let mut texts = vec![root().join("README.md"), root().join("examples/README.md")];
    for entry in fs::read_dir(root().join("examples")).expect("a folder") {
        let readme = entry.expect("an entry").path().join("README.md");
        if readme.exists() {
            texts.push(readme);
        }
    }
    texts
}

/// The blocks of a text: how they are fenced, and their lines.
fn blocks(text: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| !line.starts_with("```"));
            blocks.push((kind.to_owned(), inside.map(str::to_owned).collect()));
        }
    }
    blocks
}

/// Lines that end in a backslash, with those that follow them.
fn joined(lines: &[String]) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    let mut open = false;
    for line in lines {
        match (open, joined.last_mut()) {
            (true, Some(last)) => last.push_str(line.trim_start()),
            _ => joined.push(line.clone()),
        }
        open = joined.last().is_some_and(|last| last.ends_with('\\') && is_command(last));
        if let (true, Some(last)) = (open, joined.last_mut()) {
            last.pop();
        }
    }
    joined
}

fn is_command(line: &str) -> bool {
    line.starts_with("$ ") || line.starts_with("cargo ")
}

/// Runs a command line in a folder by the shell; the exit status and everything it said.
fn run(line: &str, folder: &Path) -> (Option<i32>, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_kinwall"));
    let names = program.parent().expect("a folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {line}")])
        .env("PATH", format!("{names}:{path}"))
        .current_dir(folder)
        .output()
        .expect("a shell");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `said` is what is `shown`.
fn is_shown(shown: &[String], said: &[&str]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((line, rest)) if line.trim() == "..." => {
            (0..=said.len()).any(|skipped| is_shown(rest, &said[skipped..]))
        }
        Some((line, rest)) => {
            said.split_first().is_some_and(|(first, said)| first == line && is_shown(rest, said))
        }
    }
}

#[test]
fn sessions_go_as_they_are_shown() {
    let mut commands = 0;
    for path in texts() {
        let text = fs::read_to_string(&path).expect("a text");
        for (_, lines) in blocks(&text).into_iter().filter(|(kind, _)| kind == "console") {
            let mut folder = root();
            let lines = joined(&lines);
            let mut rest = lines.as_slice();
            while let Some((line, after)) = rest.split_first() {
                let command = line.strip_prefix("$ ").expect("a command first");
                let end = after.iter().position(|line| is_command(line)).unwrap_or(after.len());
                let (shown, next) = after.split_at(end);
                rest = next;
                if let Some(name) = command.strip_prefix("cd ") {
                    folder.push(name);
                    continue;
                }
                commands += 1;
                let (_, said) = run(command, &folder);
                let said_lines: Vec<&str> = said.lines().collect();
                let same = is_shown(shown, &said_lines);
                assert!(same, "{}: {command} says\n{said}", path.display());
            }
        }
    }
    assert!(commands >= 5, "only {commands} commands are shown");
}

#[test]
fn every_example_runs_as_its_readme_says() {
    let mut commands = 0;
    for path in texts() {
        let text = fs::read_to_string(&path).expect("a text");
        let lines = blocks(&text).into_iter().flat_map(|(_, lines)| joined(&lines));
        for line in lines {
            let Some(rest) = line.strip_prefix("cargo run --release -- ") else { continue };
            commands += 1;
            let (status, said) = run(&format!("kinwall {rest}"), &root());
            assert_eq!(status, Some(0), "{}: {line}\n{said}", path.display());
        }
    }
    assert!(commands >= 5, "only {commands} commands are shown");
}
