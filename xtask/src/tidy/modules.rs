//! Files that nothing names: a module file without a `mod` line is never compiled.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::Source;

/// The Rust files under a `src` folder that no `mod` line reaches.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut reached: HashSet<PathBuf> = HashSet::new();
    for source in sources.iter().filter(|source| source.is_rust_source()) {
        let folder = folder_of_children(&source.path);
        reached.extend(declared(&source.text).flat_map(|(name, _)| places(&folder, name)));
    }
    sources
        .iter()
        .filter(|source| source.is_rust_source() && !is_root(&source.path))
        .filter(|source| !reached.contains(&source.path))
        .map(|source| format!("{}: no `mod` line names this file", source.name()))
        .collect()
}

/// The files that are compiled for tests only: `#[cfg(test)]` stands before their `mod` line.
pub(super) fn only_for_tests(sources: &[Source]) -> HashSet<PathBuf> {
    let mut found = HashSet::new();
    for source in sources.iter().filter(|source| source.is_rust_source()) {
        let folder = folder_of_children(&source.path);
        let names = declared(&source.text).filter(|(_, before)| *before == "#[cfg(test)]");
        found.extend(names.flat_map(|(name, _)| places(&folder, name)));
    }
    found
}

/// Where the file of a module may lie.
fn places(folder: &Path, name: &str) -> [PathBuf; 2] {
    [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")]
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

/// The names in lines such as `mod tcp;` and `pub(crate) mod udp;`, each with the line before.
fn declared(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let before = std::iter::once("").chain(text.lines());
    text.lines().zip(before).filter_map(|(line, before)| {
        let (visible, name) = line.trim().strip_suffix(';')?.rsplit_once("mod ")?;
        let visible = visible.trim();
        (visible.is_empty() || visible.starts_with("pub")).then(|| (name.trim(), before.trim()))
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
            ("crates/a/src/b.rs", "pub(crate) mod d;\n#[cfg(test)]\nmod t;\n"),
            ("crates/a/src/b/d.rs", ""),
            ("crates/a/src/b/e.rs", ""),
            ("crates/a/src/b/t.rs", ""),
            ("crates/a/src/c/mod.rs", "mod f;\n"),
            ("crates/a/src/c/f.rs", ""),
            ("crates/a/src/bin/tool.rs", ""),
            ("crates/a/tests/g.rs", ""),
        ];
        let sources: Vec<Source> = files.into_iter().map(source).collect();
        assert_eq!(check(&sources), ["crates/a/src/b/e.rs: no `mod` line names this file"]);
        let for_tests = only_for_tests(&sources);
        assert!(for_tests.contains(Path::new("crates/a/src/b/t.rs")));
        assert!(!for_tests.contains(Path::new("crates/a/src/b/d.rs")));
    }
}
