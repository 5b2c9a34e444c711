//! Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines.

use super::file_of;
use crate::failure::Failure;
use crate::rule_files::Rules;
use kinwall_policy::audit::{CHECKS, Finding, Severity};
use serde_json::{Value, json};
use std::io::Write;

/// Prints one log with one run.
pub(super) fn print(findings: &[Finding], rules: &Rules) -> Result<(), Failure> {
    let described: Vec<Value> = CHECKS
        .iter()
        .map(|check| {
            json!({
                "id": check.code,
                "name": check.name,
                "shortDescription": { "text": check.title },
                "fullDescription": { "text": check.why },
                "help": { "text": check.exploit },
                "defaultConfiguration": { "level": level(check.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, rules)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kinwall",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": described,
            } },
            "results": results,
        }],
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{log:#}")?;
    Ok(out.flush()?)
}

fn level(severity: Severity) -> &'static str {
    severity.name()
}

fn result(finding: &Finding, rules: &Rules) -> Value {
    let location = file_of(rules, finding).zip(finding.origin()).map(|(name, origin)| {
        json!({ "physicalLocation": {
            "artifactLocation": { "uri": name },
            "region": { "startLine": origin.line.max(1) },
        } })
    });
    let suppressions: Vec<Value> = finding
        .allowed
        .iter()
        .map(|reason| json!({ "kind": "inSource", "justification": reason }))
        .collect();
    json!({
        "ruleId": finding.check.code,
        "level": level(finding.severity),
        "message": { "text": format!("{}. Instead: {}", finding.message, finding.fix) },
        "locations": location.into_iter().collect::<Vec<_>>(),
        "suppressions": suppressions,
    })
}
