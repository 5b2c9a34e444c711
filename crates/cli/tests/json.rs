//! JSON lines: each is an object that `docs/replay.schema.json` describes, field by field.

mod common;

use common::{folder, root, run};
use serde_json::Value;

fn schema() -> Value {
    let text = std::fs::read_to_string(root().join("docs/replay.schema.json")).expect("read");
    serde_json::from_str(&text).expect("the schema is JSON")
}

/// Holds the fields of `line` against its description: all that are required, none unknown.
fn check_fields(schema: &Value, line: &Value) {
    let kind = line["type"].as_str().expect("a type");
    let described = &schema["$defs"][kind];
    let object = line.as_object().expect("an object");
    for field in described["required"].as_array().expect("required fields") {
        let field = field.as_str().expect("a name");
        assert!(object.contains_key(field), "no {field} in {line}");
    }
    for field in object.keys() {
        assert!(described["properties"].get(field).is_some(), "{field} is not described: {line}");
    }
}

#[test]
fn every_line_is_described() {
    let schema = schema();
    let ftp = "replay --format json --topology examples/ftp/topology.toml \
               --rules examples/ftp/rules.v4 --rules examples/ftp/rules.v6 \
               examples/ftp/capture.pcapng";
    let rows = [
        (ftp.to_owned(), vec!["packet", "connection", "expectation", "summary"]),
        (format!("{ftp} --why"), vec!["packet", "explanation", "summary"]),
        (format!("{ftp} --packet 13 --why"), vec!["packet", "explanation"]),
        (format!("{ftp} --summary"), vec!["summary"]),
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
            check_fields(&schema, object);
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
