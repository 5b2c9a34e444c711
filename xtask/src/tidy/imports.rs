//! Who may import whom: the table that makes each crate's "never" true.

use serde_json::Value;

use super::Source;
use crate::workspace::{packages, text};

/// A crate, and those of our crates that it may import. Names are without their `kinwall-`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("terms", &[]),
    ("prefetch", &[]),
    ("wire", &["terms"]),
    ("topology", &["terms"]),
    ("conntrack", &["terms", "wire", "prefetch"]),
    ("helpers", &["terms", "wire"]),
    ("rules", &["terms", "wire", "topology", "prefetch"]),
    ("nat", &["terms", "wire", "topology", "conntrack"]),
    ("engine", &["terms", "wire", "topology", "conntrack", "nat", "helpers", "rules"]),
    ("policy", &["terms", "wire", "topology", "conntrack", "rules", "helpers", "engine"]),
    ("prove", &["terms", "wire", "topology", "rules", "helpers", "policy", "engine", "replay"]),
    ("kernel", &["terms", "wire", "topology"]),
    ("machine", &["terms", "topology"]),
    ("replay", &["terms", "wire", "topology", "engine"]),
    ("gateway", &["terms", "wire", "topology", "rules", "engine", "state"]),
    ("state", &["terms", "conntrack", "engine"]),
    ("cli", LIBRARIES),
    (
        "sim",
        &[
            "terms",
            "wire",
            "topology",
            "conntrack",
            "nat",
            "helpers",
            "rules",
            "engine",
            "policy",
            "prove",
            "kernel",
            "machine",
            "replay",
            "state",
        ],
    ),
    ("xtask", LIBRARIES),
];

/// Every library but `sim`, which only tests may import.
const LIBRARIES: &[&str] = &[
    "terms",
    "prefetch",
    "wire",
    "topology",
    "conntrack",
    "nat",
    "helpers",
    "rules",
    "engine",
    "policy",
    "prove",
    "kernel",
    "machine",
    "replay",
    "gateway",
    "state",
];

/// Nobody imports these, not even for tests: they are doors, not rooms.
const NEVER_IMPORTED: &[&str] = &["cli", "xtask"];

/// The crates that read no clock, file or socket and start no thread. `clippy.toml` lists the
/// calls; each of these crates turns the lints on.
const WITHOUT_IO: &[&str] =
    &["terms", "prefetch", "wire", "topology", "conntrack", "nat", "helpers", "rules", "engine"];

/// The line that turns them on.
const LINTS_ON: &str = "#![deny(clippy::disallowed_methods, clippy::disallowed_types)]";

/// The crates that may be unsafe, each for one thing; their lints are their own.
const MAY_BE_UNSAFE: &[&str] = &["prefetch"];

/// One of our crates names another in its manifest.
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: String,
    /// For tests, benches and examples only.
    pub(super) dev: bool,
}

/// The edges between our crates.
pub(super) fn edges(metadata: &Value) -> Vec<Edge> {
    let ours = |package: &&Value| package["source"].is_null();
    let mut edges = Vec::new();
    for package in packages(metadata).iter().filter(ours) {
        let dependencies = package["dependencies"].as_array();
        for dependency in dependencies.into_iter().flatten().filter(|d| d["path"].is_string()) {
            edges.push(Edge {
                from: short(text(package, "name")),
                to: short(text(dependency, "name")),
                dev: text(dependency, "kind") == "dev",
            });
        }
    }
    edges
}

/// `kinwall-wire` is `wire`; `kinwall`, the program, is `cli`.
fn short(name: &str) -> String {
    match name {
        "kinwall" => "cli".into(),
        _ => name.strip_prefix("kinwall-").unwrap_or(name).into(),
    }
}

/// The edges that are not in the table.
pub(super) fn check(edges: &[Edge]) -> Vec<String> {
    edges.iter().filter_map(problem).collect()
}

fn problem(edge: &Edge) -> Option<String> {
    let Edge { from, to, dev } = edge;
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| name == from) else {
        return Some(format!("{from}: a crate without a row in the table of who imports whom"));
    };
    let fine = if *dev {
        // Tests may use any library, sim above all.
        !NEVER_IMPORTED.contains(&to.as_str())
    } else {
        allowed.contains(&to.as_str())
    };
    (!fine).then(|| match allowed {
        [] => format!("{from} imports {to}, but may import none of our crates"),
        _ => format!("{from} imports {to}, but may import {} only", allowed.join(", ")),
    })
}

/// What every manifest and every crate without I/O must say.
pub(super) fn check_manifests(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let name = source.name();
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["crates", one, "Cargo.toml"] if MAY_BE_UNSAFE.contains(one) => {}
            ["crates", _, "Cargo.toml"] | ["xtask", "Cargo.toml"]
                if !source.text.contains("[lints]\nworkspace = true") =>
            {
                problems.push(format!("{name}: must take the workspace's lints"));
            }
            ["crates", one, "src", "lib.rs"]
                if WITHOUT_IO.contains(one) && !source.text.contains(LINTS_ON) =>
            {
                problems.push(format!("{name}: must say {LINTS_ON}"));
            }
            _ => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_in_and_out_of_the_table() {
        let rows = [
            ("wire", "terms", false, true),
            ("terms", "wire", false, false),
            ("helpers", "conntrack", false, false),
            ("rules", "helpers", false, false),
            ("rules", "sim", true, true),
            ("rules", "sim", false, false),
            ("kernel", "engine", false, false),
            ("kernel", "engine", true, true),
            ("engine", "cli", true, false),
            ("cli", "engine", false, true),
            ("cli", "sim", false, false),
            ("sim", "cli", false, false),
            ("stranger", "terms", false, false),
        ];
        for (from, to, dev, fine) in rows {
            let edge = Edge { from: from.into(), to: to.into(), dev };
            assert_eq!(problem(&edge).is_none(), fine, "{from} -> {to}, dev {dev}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(short("kinwall-wire"), "wire");
        assert_eq!(short("kinwall"), "cli");
        assert_eq!(short("xtask"), "xtask");
    }

    #[test]
    fn manifests_and_lints() {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let rows = [
            (source("crates/wire/Cargo.toml", "[lints]\nworkspace = true\n"), true),
            (source("crates/wire/Cargo.toml", "[package]\n"), false),
            (source("crates/wire/src/lib.rs", "//! Bytes.\n"), false),
            (source("crates/wire/src/lib.rs", &format!("{LINTS_ON}\n")), true),
            (source("crates/replay/src/lib.rs", "//! Captures.\n"), true),
        ];
        for (source, fine) in rows {
            assert_eq!(check_manifests(&[source]).is_empty(), fine);
        }
    }
}
