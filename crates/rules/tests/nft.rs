//! Rule sets of nftables in the model: what `tests/nft/NAME.json` becomes, printed as
//! `iptables-save` would, stands in `NAME.expected`, with the remarks before it. The listings were
//! printed by nft 1.0.6 out of `NAME.nft`.

#![allow(clippy::disallowed_methods, reason = "the listings are files")]

use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::print;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/nft")
}

/// Remarks and rules of both families.
fn translated(text: &str) -> String {
    let source = Source { name: "ruleset.json", text, family: None };
    let loaded = match load(&[source], &Defines::default()) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            return mistakes.iter().map(|one| one.render("ruleset.json", text)).collect();
        }
    };
    let mut out: String = loaded.remarks.iter().map(|one| format!("# {}\n", one.text)).collect();
    for ruleset in loaded.rulesets.iter().flatten() {
        out.push_str(&format!("# {}\n", ruleset.family));
        out.push_str(&print::ruleset(ruleset, print::Options::default()));
    }
    out
}

#[test]
fn every_listing_becomes_what_is_expected() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("tests/nft")
        .map(|e| e.expect("a file").path())
        .collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    names.sort();
    assert!(names.len() >= 5, "only {names:?}");
    let mut wrong = Vec::new();
    for path in names {
        let found = translated(&std::fs::read_to_string(&path).expect("a listing"));
        let expected = path.with_extension("expected");
        if std::env::var_os("KINWALL_WRITE_EXPECTED").is_some() {
            std::fs::write(&expected, &found).expect("writable");
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        if found != expected {
            let differing = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{}: {differing:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_listing_that_is_none_is_refused_with_its_place() {
    let rows: &[(&str, &str)] = &[
        ("{", "ruleset.json:1:1: this is not the JSON of nft: EOF while parsing"),
        ("{\"nftables\": [\n  {\"rule\": {\"family\": \"ip\"}}]}", "ruleset.json:2:3: this object"),
        ("{\"nftables\": [{\"add\": {}}]}", "`add` is a command"),
        ("{\"tables\": []}", "missing field `nftables`"),
        (
            r#"{"nftables":[{"chain":{"family":"ip","table":"t","name":"a"}},
{"rule":{"family":"ip","table":"t","chain":"a","handle":4,"expr":[{"jump":{"target":"b"}}]}}]}"#,
            "ruleset.json:2:1: ip t a (handle 4) leads to b, and there is no such chain",
        ),
        (
            r#"{"nftables":[{"chain":{"family":"ip","table":"t","name":"a"}},
{"rule":{"family":"ip","table":"t","chain":"a","expr":[{"goto":{"target":"a"}}]}}]}"#,
            "which comes back to itself",
        ),
    ];
    for (text, expected) in rows {
        let found = translated(text);
        assert!(found.contains(expected), "{text}: {found}");
    }
}
