//! What was proved, one JSON object a line; `docs/prove.schema.json` describes them.

mod exposure;

use super::Found;
use super::show::Shown;
use crate::failure::Failure;
use crate::rule_files::Rules;
use kinwall_prove::addresses::{self, AddressRange};
use kinwall_prove::exposure::{Flows, Hostile};
use kinwall_prove::space::Unknown;
use kinwall_prove::spoof::Spoofing;
use kinwall_prove::translation::Translation;
use kinwall_rules::eval::RuleId;
use kinwall_rules::print;
use kinwall_terms::Manip;
use serde_json::{Map, Value, json};
use std::io::{BufWriter, Write};

/// Prints everything found.
pub(super) fn print(rules: &Rules, found: &Found<'_>) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    for (at, spoofing) in found.spoofing.iter().enumerate() {
        let mut object = self::spoofing(rules, found, spoofing);
        witness(&mut object, found.spoofing_shown.get(at).filter(|_| !spoofing.is_none()));
        writeln!(out, "{object}")?;
    }
    for (one, passing) in &found.translations {
        writeln!(out, "{}", translation(rules, found, one, passing))?;
    }
    let mut lines = exposure::Lines::new(rules, found);
    for (at, exposure) in found.exposures.iter().enumerate() {
        let mut more = Value::Object(Map::new());
        witness(&mut more, found.exposures_shown.get(at));
        if let Some(remedy) = found.remedies.get(at) {
            let after: Vec<Value> = remedy.after.iter().map(flows).collect();
            more["remedy"] = json!({ "rules": remedy.lines, "after": after });
        }
        let compared = found.compared.as_ref();
        if let Some(intents) = compared.and_then(|compared| compared.wanted_by.get(at)) {
            more["intended_by"] = json!(intents);
        }
        lines.write(&mut out, exposure, more)?;
    }
    for one in found.compared.iter().flat_map(|compared| &compared.missing) {
        let line = json!({
            "type": "missing",
            "family": found.family.to_string(),
            "helper": one.helper,
            "intended_by": one.intents,
            "child": flows(&one.child),
        });
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Adds the witness, where one was asked for.
pub(super) fn witness(object: &mut Value, shown: Option<&Shown>) {
    if let (Some(shown), Some(fields)) = (shown, object.as_object_mut()) {
        fields.insert("witness".to_owned(), shown.file.clone().into());
        fields.insert("confirmed".to_owned(), shown.confirmed.into());
        if let Some(in_kernel) = shown.in_kernel {
            fields.insert("confirmed_in_kernel".to_owned(), in_kernel.into());
        }
        if let Some(instead) = &shown.instead {
            fields.insert("instead".to_owned(), instead.clone().into());
        }
    }
}

/// Prints what hostile parties are able to do, once for all answers.
pub(super) fn powers() -> Result<(), Failure> {
    let mut powers: serde_json::Map<String, Value> =
        Hostile::ALL.iter().map(|who| (who.name().to_owned(), who.powers().into())).collect();
    powers.insert("type".to_owned(), "powers".into());
    writeln!(std::io::stdout(), "{}", Value::from(powers))?;
    Ok(())
}

fn translation(rules: &Rules, found: &Found<'_>, one: &Translation, passing: &[Flows]) -> Value {
    let (addresses, ports) = found.reach.becomes(one);
    json!({
        "type": "translation",
        "family": found.family.to_string(),
        "end": match one.manip {
            Manip::Source => "source",
            Manip::Destination => "destination",
        },
        "addresses": networks(&addresses),
        "ports": ports.map(|ports| [ports]),
        "rule": rule(rules, found, one.rule),
        "passes": passing.iter().map(flows).collect::<Vec<_>>(),
    })
}

pub(super) fn flows(flows: &Flows) -> Value {
    json!({
        "in": flows.input.map(|name| name.to_string()),
        "out": flows.output.map(|name| name.to_string()),
        "src": networks(&flows.src),
        "dst": networks(&flows.dst),
        "at_home": flows.at_home,
        "proto": flows.proto.map(|proto| proto.to_string()),
        "sport": flows.sport,
        "dport": flows.dport,
        "but_new": flows.but_new,
    })
}

fn spoofing(rules: &Rules, found: &Found<'_>, spoofing: &Spoofing) -> Value {
    json!({
        "type": "spoofing",
        "family": found.family.to_string(),
        "in": spoofing.input.to_string(),
        "proved": spoofing.is_none(),
        "passes": networks(&spoofing.certain),
        "undecided": networks(&spoofing.possible),
        "unspecified": spoofing.unspecified,
        "rules": spoofing.rules.iter().map(|id| rule(rules, found, *id)).collect::<Vec<_>>(),
        "depends_on": depends_on(rules, found, &spoofing.undecided),
    })
}

/// Addresses as networks.
pub(super) fn networks(ranges: &[AddressRange]) -> Vec<String> {
    addresses::networks(ranges).iter().map(ToString::to_string).collect()
}

/// A rule with its place and its text.
pub(super) fn rule(rules: &Rules, found: &Found<'_>, id: RuleId) -> Value {
    let (Some(place), Some(rule)) = (found.book.reference(id), found.book.rule(id)) else {
        return Value::Null;
    };
    let file = rules.sources.get(usize::from(place.file)).map(|source| source.name.as_str());
    json!({
        "family": place.family.to_string(),
        "table": place.table.name(),
        "chain": place.chain,
        "number": place.number,
        "file": file,
        "line": place.line,
        "rule": print::rule(&place.chain, rule),
    })
}

/// What could not be decided, and the rules that ask for it.
pub(super) fn depends_on(rules: &Rules, found: &Found<'_>, unknowns: &[Unknown]) -> Vec<Value> {
    let questions = unknowns.iter().filter_map(|unknown| found.reach.unknowns.question(*unknown));
    questions
        .map(|question| {
            json!({
                "match": question.text,
                "rules": question.rules.iter().map(|id| rule(rules, found, *id))
                    .collect::<Vec<_>>(),
            })
        })
        .collect()
}
