//! The house rules that a program can check: style as a test.
//!
//! [`imports`] reads the manifests: who may import whom. [`text`] reads every source line by
//! line: lengths, words. [`modules`] looks for files that nothing names. Each check takes what it
//! reads as arguments and returns problems, so each is tested on made-up sources; the last test
//! below runs them all on the tree itself.

mod imports;
mod modules;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::workspace;

/// A file of the tree: its path from the root, and its content if that is text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }

    /// Whether this is Rust that is built into a library or program, not a test beside it.
    fn is_rust_source(&self) -> bool {
        self.has_extension("rs") && self.path.components().any(|part| part.as_os_str() == "src")
    }
}

/// What holds nothing of ours: made by programs, or by other people.
const SKIPPED: &[&str] = &["target", ".git", "corpus", "artifacts"];

/// A text larger than this is data, and has no style.
const LARGEST_SOURCE_BYTES: u64 = 1 << 20;

/// `cargo xtask tidy`.
pub(crate) fn run(_: &[String]) -> Outcome {
    let problems = problems()?;
    if problems.is_empty() {
        eprintln!("tidy: nothing to remark");
        return Ok(());
    }
    Err(format!("{} problems:\n{}", problems.len(), problems.join("\n")))
}

/// Everything that is wrong with the tree, each as `path:line: what, and what instead`.
fn problems() -> Result<Vec<String>, String> {
    let mut sources = Vec::new();
    read(workspace::root(), Path::new(""), &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));

    let metadata = workspace::metadata(&workspace::root().join("Cargo.toml"))?;
    let mut problems = imports::check(&imports::edges(&metadata));
    problems.extend(imports::check_manifests(&sources));
    let tests = modules::only_for_tests(&sources);
    problems.extend(sources.iter().flat_map(|s| text::check(s, tests.contains(&s.path))));
    problems.extend(modules::check(&sources));
    Ok(problems)
}

fn read(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<(), String> {
    let path = root.join(folder);
    let entries = fs::read_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("{}: {error}", path.display()))?;
        let name = entry.file_name();
        let inside = folder.join(&name);
        let kind = entry.metadata().map_err(|error| format!("{}: {error}", inside.display()))?;
        // In a linked worktree .git is a file.
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if kind.is_dir() {
            read(root, &inside, sources)?;
        } else if kind.len() <= LARGEST_SOURCE_BYTES
            && let Ok(text) = fs::read_to_string(root.join(&inside))
        {
            sources.push(Source { path: inside, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let problems = super::problems().expect("the tree can be read");
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    }
}
