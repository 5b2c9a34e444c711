//! The licences of all dependencies, against the list of those we may ship.

use crate::Outcome;
use crate::workspace::{manifests, metadata, packages, text};

/// Licences by their SPDX names that ask for no more than their notice to be kept.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// `cargo xtask licences`.
pub(crate) fn run(_: &[String]) -> Outcome {
    let mut refused = Vec::new();
    let mut seen = 0;
    for manifest in manifests() {
        for package in packages(&metadata(&manifest)?) {
            seen += 1;
            let licence = text(package, "license");
            if !is_allowed(licence) {
                let (name, version) = (text(package, "name"), text(package, "version"));
                refused.push(format!("  {name} {version}: {licence:?}"));
            }
        }
    }
    if refused.is_empty() {
        eprintln!("licences: {seen} packages, all allowed");
        return Ok(());
    }
    Err(format!("licences that are not on the list:\n{}", refused.join("\n")))
}

/// Whether an SPDX expression can be met with allowed licences: one of those joined by OR (or the
/// old `/`), all of those joined by AND, which binds more tightly.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let tokens: Vec<&str> = expression
        .split_inclusive(['(', ')'])
        .flat_map(|part| match part.strip_suffix(['(', ')']) {
            Some(before) => [before, &part[before.len()..]],
            None => [part, ""],
        })
        .flat_map(str::split_whitespace)
        .collect();
    let mut rest = tokens.as_slice();
    let allowed = any_of(&mut rest);
    rest.is_empty() && allowed == Some(true)
}

fn any_of(tokens: &mut &[&str]) -> Option<bool> {
    let mut allowed = all_of(tokens)?;
    while let ["OR", rest @ ..] = *tokens {
        *tokens = rest;
        allowed |= all_of(tokens)?;
    }
    Some(allowed)
}

fn all_of(tokens: &mut &[&str]) -> Option<bool> {
    let mut allowed = licence(tokens)?;
    while let ["AND", rest @ ..] = *tokens {
        *tokens = rest;
        allowed &= licence(tokens)?;
    }
    Some(allowed)
}

fn licence(tokens: &mut &[&str]) -> Option<bool> {
    match *tokens {
        ["(", rest @ ..] => {
            *tokens = rest;
            let allowed = any_of(tokens)?;
            *tokens = tokens.strip_prefix(&[")"])?;
            Some(allowed)
        }
        [name, "WITH", exception, rest @ ..] => {
            *tokens = rest;
            Some(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()))
        }
        [name, rest @ ..] => {
            *tokens = rest;
            Some(ALLOWED.contains(name))
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn expressions() {
        let rows = [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("GPL-2.0-only", false),
            ("GPL-2.0-only OR MIT", true),
            ("MIT AND GPL-2.0-only", false),
            ("(MIT OR GPL-2.0-only) AND Unicode-3.0", true),
            ("MIT OR GPL-2.0-only AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND MPL-2.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", false),
            ("", false),
            ("(MIT", false),
            ("MIT)", false),
            ("MIT OR", false),
        ];
        for (expression, wanted) in rows {
            assert_eq!(is_allowed(expression), wanted, "{expression}");
        }
    }
}
