//! Files that nothing names: a module file without a `mod` line is never compiled.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::Source;

/// The Rust files under a `src` folder that no `mod` line reaches.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut reached: HashSet<PathBuf> = HashSet::new();
    for source in sources.iter().filter(|source| source.is_rust_source()) {
        let folder = folder_of_children(&source.path);
        for name in declared(&source.text) {
            reached.insert(folder.join(format!("{name}.rs")));
            reached.insert(folder.join(&name).join("mod.rs"));
        }
    }
    sources
        .iter()
        .filter(|source| source.is_rust_source() && !is_root(&source.path))
        .filter(|source| !reached.contains(&source.path))
        .map(|source| format!("{}: no `mod` line names this file", source.name()))
        .collect()
}

/// `src/lib.rs`, `src/main.rs` and the programs in `src/bin` begin a crate.
fn is_root(path: &Path) -> bool {
    let in_folder = |name: &str| path.parent().is_some_and(|folder| folder.ends_with(name));
    (in_folder("src") && (path.ends_with("lib.rs") || path.ends_with("main.rs")))
        || in_folder("src/bin")
}

/// Where the modules that a file declares must lie.
fn folder_of_children(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") | None => folder.into(),
        Some(stem) => folder.join(stem),
    }
}

/// The names in lines such as `mod tcp;` and `pub(crate) mod udp;`.
fn declared(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let name = line.trim().strip_suffix(';')?;
        let (before, name) = name.rsplit_once("mod ")?;
        let visible = before.trim();
        (visible.is_empty() || visible.starts_with("pub")).then(|| name.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_files() {
        let source = |(path, text): (&str, &str)| Source { path: path.into(), text: text.into() };
        let files = [
            ("crates/a/src/lib.rs", "//! A.\n\npub mod b;\nmod c;\n"),
            ("crates/a/src/b.rs", "pub(crate) mod d;\n"),
            ("crates/a/src/b/d.rs", ""),
            ("crates/a/src/b/e.rs", ""),
            ("crates/a/src/c/mod.rs", "mod f;\n"),
            ("crates/a/src/c/f.rs", ""),
            ("crates/a/src/bin/tool.rs", ""),
            ("crates/a/tests/g.rs", ""),
        ];
        let sources: Vec<Source> = files.into_iter().map(source).collect();
        assert_eq!(check(&sources), ["crates/a/src/b/e.rs: no `mod` line names this file"]);
    }
}
