//! The steps of a packet as JSON.

use kinwall_engine::{AssignedBy, Engine, Outcome, Path, Step, Trace};
use kinwall_replay::output;
use kinwall_rules::eval;
use kinwall_terms::{Manip, Verdict};
use serde_json::{Value, json};

/// `{"type":"explanation",...}`: the steps in order, and the verdict.
pub(crate) fn explained(engine: &Engine, outcome: &Outcome, trace: &Trace) -> Value {
    let rule = outcome.rule.and_then(|at| engine.program(at.family)?.reference(at.rule));
    json!({
        "type": "explanation",
        "verdict": outcome.verdict.name(),
        "reject_with": match outcome.verdict {
            Verdict::Reject(with) => Some(with.name()),
            _ => None,
        },
        "reason": outcome.reason.map(|reason| reason.name()),
        "ctstate": outcome.ct_state.map(|state| state.name()),
        "in": outcome.in_iface.map(|name| name.to_string()),
        "out": outcome.out_iface.map(|name| name.to_string()),
        "rule": rule.as_ref().map(place),
        "steps": trace.steps.iter().map(|step| self::step(engine, step)).collect::<Vec<_>>(),
    })
}

fn place(rule: &eval::RuleRef) -> Value {
    json!({
        "family": rule.family.to_string(),
        "table": rule.table.name(),
        "chain": rule.chain,
        "number": rule.number,
        "line": rule.line,
    })
}

/// What came of trying a rule, if the step is of that kind.
fn answer(step: &eval::Step) -> Option<(eval::RuleId, &'static str)> {
    Some(match step {
        eval::Step::Missed(rule, _) => (*rule, "missed"),
        eval::Step::Matched(rule) => (*rule, "matched"),
        eval::Step::Unknown(rule, _) => (*rule, "unknown"),
        eval::Step::Assumed(rule, true) => (*rule, "assumed-match"),
        eval::Step::Assumed(rule, false) => (*rule, "assumed-no-match"),
        _ => return None,
    })
}

fn step(engine: &Engine, step: &Step) -> Value {
    match step {
        Step::Reassembled { length } => json!({ "step": "reassembled", "length": length }),
        Step::Chain { family, table, hook, walk, steps } => {
            let program = engine.program(*family);
            let named = |id| program.and_then(|program| program.reference(id));
            let tried = steps.steps.iter().filter_map(|step| {
                let (rule, answer) = answer(step)?;
                Some(json!({ "rule": place(&named(rule)?), "answer": answer }))
            });
            json!({
                "step": "chain",
                "family": family.to_string(),
                "table": table.name(),
                "hook": hook.chain(),
                "decided_by": walk.rule.and_then(named).as_ref().map(place),
                "rules": tried.collect::<Vec<_>>(),
            })
        }
        Step::Tracked { ct, connection } => json!({
            "step": "tracked",
            "ctstate": ct.state.name(),
            "direction": ct.direction.name(),
            "reason": ct.reason.map(|reason| reason.name()),
            "connection": connection.map(|connection| connection.number),
            "master": connection.and_then(|connection| connection.master),
        }),
        Step::Assigned { helper, by } => json!({
            "step": "assigned",
            "helper": engine.helper_name(*helper),
            "by": match by {
                AssignedBy::Rule => "rule",
                AssignedBy::Port => "port",
                AssignedBy::Expectation => "expectation",
            },
        }),
        Step::Routed { path, out } => json!({
            "step": "routed",
            "path": match path {
                Path::Unrouted => "unrouted",
                Path::Delivered => "delivered",
                Path::Forwarded => "forwarded",
                Path::Sent => "sent",
            },
            "out": out.map(|name| name.to_string()),
        }),
        Step::Helped { helper, notes, blind, expected, drop } => json!({
            "step": "helped",
            "helper": engine.helper_name(*helper),
            "notes": notes.iter().map(|note| json!({
                "reason": note.reason.name(),
                "offset": note.span.offset,
                "length": note.span.length,
            })).collect::<Vec<_>>(),
            "blind": blind.map(|reason| reason.name()),
            "expected": expected.iter().map(|expecting| json!({
                "tuple": output::Expecting(&expecting.expected).to_string(),
                "expectation": expecting.made.ok(),
                "refused": expecting.made.err().map(|reason| reason.name()),
            })).collect::<Vec<_>>(),
            "drop": drop.map(|reason| reason.name()),
        }),
        Step::Bound { .. } | Step::Translated { .. } => translation(engine, step),
        Step::Rewritten { .. } | Step::Adjusted { .. } => payload(step),
        Step::Confirmed => json!({ "step": "confirmed" }),
    }
}

/// What translation does beyond the addresses.
fn payload(step: &Step) -> Value {
    match step {
        Step::Rewritten { pieces } => json!({
            "step": "rewritten",
            "pieces": pieces.iter().map(|piece| json!({
                "offset": piece.offset,
                "before": String::from_utf8_lossy(&piece.before),
                "after": String::from_utf8_lossy(&piece.after),
            })).collect::<Vec<_>>(),
        }),
        Step::Adjusted { seq, ack } => json!({ "step": "adjusted", "seq": seq, "ack": ack }),
        _ => Value::Null,
    }
}

/// A step of address translation.
fn translation(engine: &Engine, step: &Step) -> Value {
    let (word, manip, rule, to) = match step {
        Step::Bound { manip, rule, to } => ("bound", manip, *rule, *to),
        Step::Translated { manip, to } => ("translated", manip, None, Some(*to)),
        _ => return Value::Null,
    };
    let rule = rule.and_then(|at| engine.program(at.family)?.reference(at.rule));
    json!({
        "step": word,
        "end": end(*manip),
        "rule": rule.as_ref().map(place),
        "address": to.map(|to| to.0),
        "port": to.map(|to| to.1),
    })
}

fn end(manip: Manip) -> &'static str {
    match manip {
        Manip::Source => "source",
        Manip::Destination => "destination",
    }
}
