//! Findings for programs: one JSON object a line (`docs/audit.schema.json`).

use super::{file_of, name_of};
use crate::failure::Failure;
use crate::rule_files::Rules;
use kinwall_policy::audit::{Finding, Place};
use serde_json::{Value, json};
use std::io::Write;

/// Prints every finding.
pub(super) fn print(findings: &[Finding], rules: &Rules) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for finding in findings {
        writeln!(out, "{}", one(finding, rules))?;
    }
    Ok(out.flush()?)
}

fn one(finding: &Finding, rules: &Rules) -> Value {
    json!({
        "type": "finding",
        "code": finding.check.code,
        "name": finding.check.name,
        "severity": finding.severity.name(),
        "family": finding.family.map(|family| family.to_string()),
        "file": file_of(rules, finding),
        "line": finding.origin().map(|origin| origin.line),
        "rule": finding.rule,
        "place": finding.place.as_ref().map(|at| place(at, rules)),
        "related": finding.related.iter().map(|at| place(at, rules)).collect::<Vec<_>>(),
        "message": finding.message,
        "why": finding.check.why,
        "exploit": finding.check.exploit,
        "fix": finding.fix,
        "allowed": finding.allowed,
    })
}

fn place(place: &Place, rules: &Rules) -> Value {
    json!({
        "file": name_of(rules, place.origin.file),
        "line": place.origin.line,
        "table": place.table,
        "chain": place.chain,
        "number": place.number,
        "handle": place.handle,
    })
}
