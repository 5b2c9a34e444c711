//! `--why-not`: at which rule a connection loses its helper, and the line that brings it back.

use super::gateway::Read;
use super::{AuditFormat, name_of};
use crate::failure::Failure;
use crate::rule_files::Rules;
use anstyle::{AnsiColor, Color, Style};
use kinwall_policy::why_not::{self, Answer, Question};
use serde_json::{Value, json};
use std::io::Write;

const GOOD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Green)));
const BAD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red)));

/// Answers the question. A connection without its helper is a warning's exit status.
pub(super) fn run(read: &Read, text: &str, format: AuditFormat) -> Result<(), Failure> {
    let wrong = |what: String| {
        let example = "'ftp from eth1 to 192.0.2.10:2121'";
        Failure::Usage(format!("--why-not {text}: {what}; write such as {example}"))
    };
    let question: Question = text.parse().map_err(|unclear| wrong(format!("{unclear}")))?;
    let answer = why_not::ask(&mut read.engine(), &question).map_err(wrong)?;
    match format {
        AuditFormat::Text => print(&answer, &read.rules)?,
        AuditFormat::Json => {
            writeln!(std::io::stdout(), "{}", json(&question, &answer, &read.rules))?;
        }
        AuditFormat::Sarif => {
            return Err(Failure::Usage(String::from("--why-not answers as text or as JSON")));
        }
    }
    if answer.has { Ok(()) } else { Err(Failure::Found(3)) }
}

fn print(answer: &Answer, rules: &Rules) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", answer.packet)?;
    let (style, word) = if answer.has { (GOOD, "helped") } else { (BAD, "not helped") };
    writeln!(out, "{style}{word}{style:#}: {}", answer.reason)?;
    for (place, rule) in &answer.rules {
        let name = name_of(rules, place.file).unwrap_or("");
        let (table, chain, number) = (place.table, &place.chain, place.number);
        writeln!(out, "  {name}:{} ({table} {chain} {number})\n    {rule}", place.line)?;
    }
    if let Some(fix) = &answer.fix {
        writeln!(out, "  instead: {fix}")?;
    }
    Ok(out.flush()?)
}

fn json(question: &Question, answer: &Answer, rules: &Rules) -> Value {
    let rule = |(place, text): &(kinwall_rules::eval::RuleRef, String)| {
        json!({
            "file": name_of(rules, place.file),
            "line": place.line,
            "table": place.table.name(),
            "chain": place.chain,
            "number": place.number,
            "rule": text,
        })
    };
    json!({
        "type": "why-not",
        "helper": question.helper,
        "packet": answer.packet,
        "has": answer.has,
        "reason": answer.reason,
        "rules": answer.rules.iter().map(rule).collect::<Vec<_>>(),
        "fix": answer.fix,
    })
}
