//! JSON lines: each is an object that `docs/replay.schema.json` describes.

mod common;

use common::{folder, root, run};
use jsonschema::Validator;
use serde_json::Value;

fn validator() -> Validator {
    let text = std::fs::read_to_string(root().join("docs/replay.schema.json")).expect("read");
    let schema = serde_json::from_str(&text).expect("the schema is JSON");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema")
}

#[test]
fn every_line_is_described() {
    let validator = validator();
    let bounce = "--topology examples/ftp-bounce-attack/topology.toml \
                  --rules examples/ftp-bounce-attack/careless.v4 \
                  --set nf_conntrack_ftp.loose=1 examples/ftp-bounce-attack/capture.pcapng";
    let ftp = "replay --format json --topology examples/ftp/topology.toml \
               --rules examples/ftp/rules.v4 --rules examples/ftp/rules.v6 \
               examples/ftp/capture.pcapng";
    let rows = [
        (ftp.to_owned(), vec!["packet", "connection", "expectation", "summary"]),
        (format!("{ftp} --why"), vec!["packet", "explanation", "summary"]),
        (format!("{ftp} --packet 13 --why"), vec!["packet", "explanation"]),
        (format!("{ftp} --summary"), vec!["summary"]),
        (
            format!("replay --format json --compare-profiles {bounce}"),
            vec!["difference", "comparison"],
        ),
        (format!("replay --format json --compare-profiles --summary {bounce}"), vec!["comparison"]),
        (
            "explain --format json --rules examples/ftp/rules.v4 'tcp 10.1.0.2:4 -> 10.2.0.1:21'"
                .to_owned(),
            vec!["explanation"],
        ),
    ];
    for (line, kinds) in rows {
        let ran = run(&line, &folder("json"), &[]);
        assert_eq!(ran.status, 0, "{line}\n{}", ran.err);
        let objects: Vec<Value> = ran
            .out
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect();
        for object in &objects {
            let errors: Vec<String> =
                validator.iter_errors(object).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{object:#}");
        }
        for kind in kinds {
            assert!(objects.iter().any(|object| object["type"] == kind), "{line}: no {kind}");
        }
    }
}

#[test]
fn a_helper_is_an_object_with_its_cells() {
    let ran = run("helpers --format json", &root(), &[]);
    assert_eq!(ran.status, 0);
    for line in ran.out.lines() {
        let row: Value = serde_json::from_str(line).expect("a line of JSON");
        assert_eq!(row["type"], "helper");
        assert!(row["freedom"]["destination_port"]["value"].is_string(), "{row}");
        assert!(!row["profiles"].as_array().expect("profiles").is_empty(), "{row}");
    }
}
