//! Connections, expectations, rules and counters as lines of JSON.

use crate::control::Lines;
use crate::why;
use kinwall_conntrack::{ConnectionEnd, Stats};
use kinwall_engine::{Engine, Event, ExpectationView, HelperId, RuleId, View};
use kinwall_gateway::{Counts, Traced};
use kinwall_replay::output::Ends;
use kinwall_rules::print;
use kinwall_rules::sets::Overview;
use kinwall_terms::{Direction, Family, Reason, Time, ZoneScope};
use serde_json::{Value, json};
use std::io::Write;

fn family(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

/// A connection.
pub(crate) fn connection(engine: &Engine, view: &View, now: Time, lines: Lines) -> Value {
    let mut value = connection_facts(engine, view, now);
    if let Some(options) = lines.options() {
        value["line"] = json!(kinwall_state::show::connection(engine, view, now, options));
    }
    value
}

fn connection_facts(engine: &Engine, view: &View, now: Time) -> Value {
    let counters = view
        .counters
        .map(|both| both.map(|one| json!({ "packets": one.packets, "bytes": one.bytes })));
    let master = view.master;
    json!({
        "type": "connection",
        "connection": view.serial,
        "family": family(view.original.family()),
        "proto": view.original.proto.to_string(),
        "protonum": view.original.proto.0,
        "timeout": view.deadline.map(|deadline| deadline.since(now).as_secs()),
        "state": view.state,
        "original": Ends(view.original),
        "reply": Ends(view.reply),
        "status": view.status.names().collect::<Vec<_>>(),
        "mark": view.mark,
        "zone": match view.zone.id {
            0 => Value::Null,
            id => json!({
                "id": id,
                "direction": match view.zone.scope {
                    ZoneScope::Both => None,
                    ZoneScope::Original => Some(Direction::Original.name()),
                    ZoneScope::Reply => Some(Direction::Reply.name()),
                },
            }),
        },
        "helper": view.helper.map(|id| engine.helper_name(id)),
        "master": master.map(|master| master.serial),
        "master_helper": master.and_then(|master| master.helper).map(|id| engine.helper_name(id)),
        "counters": counters,
    })
}

/// An expectation, with the ends of its master where that is still known.
pub(crate) fn expectation(
    engine: &Engine,
    view: &ExpectationView,
    now: Time,
    lines: Lines,
) -> Value {
    let mut value = expectation_facts(engine, view, now);
    if let Some(options) = lines.options() {
        value["line"] = json!(kinwall_state::show::expectation(engine, view, now, options));
    }
    value
}

fn expectation_facts(engine: &Engine, view: &ExpectationView, now: Time) -> Value {
    let class = engine
        .instances()
        .get(view.helper.0)
        .and_then(|instance| instance.helper.classes.get(usize::from(view.class)));
    let master = engine.conntrack().connection(view.master);
    let tuple = view.expected.tuple;
    json!({
        "type": "expectation",
        "expectation": view.serial,
        "family": family(tuple.family()),
        "proto": tuple.proto.to_string(),
        "protonum": tuple.proto.0,
        "timeout": view.deadline.since(now).as_secs(),
        "tuple": Ends(tuple),
        "mask": { "src": view.expected.mask.address, "sport": view.expected.mask.port },
        "master": view.master_serial,
        "master_original": master.map(|master| Ends(master.original)),
        "helper": engine.helper_name(view.helper),
        "class": view.class,
        "class_name": class.map(|class| class.name),
        "child_helper": view.child_helper.map(|id| engine.helper_name(id)),
        "flags": view.flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>(),
        "zone": view.zone,
    })
}

/// An event, by the same words and `event`.
pub(crate) fn event(engine: &Engine, event: &Event, now: Time, lines: Lines) -> Value {
    let (mut value, word, reason) = match event {
        Event::ConnectionNew(view) => (connection_facts(engine, view, now), "new", None),
        Event::ConnectionUpdate(view, _) => (connection_facts(engine, view, now), "update", None),
        Event::ConnectionDestroyed(view, end) => {
            (connection_facts(engine, view, now), "destroyed", Some(end.name()))
        }
        Event::ExpectationNew(view) => (expectation_facts(engine, view, now), "new", None),
        Event::ExpectationMatched(view, child) => {
            let mut value = expectation_facts(engine, view, now);
            value["connection"] = json!(child);
            (value, "matched", None)
        }
        Event::ExpectationDestroyed(view, end) => {
            (expectation_facts(engine, view, now), "destroyed", Some(end.name()))
        }
    };
    value["event"] = json!(word);
    if let Some(reason) = reason {
        value["reason"] = json!(reason);
    }
    let line = lines.options().and_then(|options| match event {
        Event::ConnectionNew(view)
        | Event::ConnectionUpdate(view, _)
        | Event::ConnectionDestroyed(view, _) => {
            let mut follower = kinwall_state::show::Follower::default();
            let events = std::slice::from_ref(event);
            follower.packet(engine, events, Some(view.serial), now, options).pop()
        }
        expectation => kinwall_state::show::expectation_event(engine, expectation, now, options),
    });
    if let Some(line) = line {
        value["line"] = json!(line);
    }
    value
}

/// The steps of a packet, for programs and, as `text`, for people.
pub(crate) fn traced(engine: &Engine, traced: &Traced) -> Value {
    let Traced { headers, outcome, trace } = traced;
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = writeln!(text, "{}", why::headline(headers, outcome.in_iface));
    let _ = why::write(&mut text, engine, trace, false);
    let _ = why::write_verdict(&mut text, engine, outcome);
    let text = String::from_utf8_lossy(&text);
    let mut value = crate::json::explained(engine, outcome, trace);
    value["text"] = json!(anstream::adapter::strip_str(text.trim_end()).to_string());
    value
}

/// A rule and its counters.
pub(crate) fn rule(engine: &Engine, of: Family, id: RuleId, files: &[String]) -> Option<Value> {
    let program = engine.program(of)?;
    let place = program.reference(id)?;
    let counters = engine.memory().counters(of, id);
    Some(json!({
        "type": "rule",
        "family": family(of),
        "table": place.table.name(),
        "chain": place.chain,
        "number": place.number,
        "file": files.get(usize::from(place.file)),
        "line": place.line,
        "packets": counters.packets,
        "bytes": counters.bytes,
        "rule": print::rule(&place.chain, program.rule(id)?),
    }))
}

/// A set that rules ask.
pub(crate) fn set(set: &Overview) -> Value {
    json!({
        "type": "set",
        "name": set.name,
        "kind": set.kind,
        "family": set.family.map(family),
        "elements": set.elements,
    })
}

/// The helpers, each with what it holds at the moment.
pub(crate) fn helpers(engine: &Engine, now: Time) -> Vec<Value> {
    let list = engine.instances().list();
    let mut connections = vec![0u64; list.len()];
    let mut expectations = vec![0u64; list.len()];
    for view in engine.conntrack().connections(now) {
        if let Some(count) = view.helper.and_then(|id| connections.get_mut(usize::from(id.0))) {
            *count += 1;
        }
    }
    for view in engine.conntrack().expectations(now) {
        if let Some(count) = expectations.get_mut(usize::from(view.helper.0)) {
            *count += 1;
        }
    }
    let counts = connections.into_iter().zip(expectations).zip(0..);
    let rows = list.iter().zip(counts).map(|(instance, ((connections, expectations), id))| {
        json!({
            "type": "helper",
            "name": instance.name,
            "port": instance.port,
            "connections": connections,
            "expectations": expectations,
            "guarded": engine.guarded(HelperId(id)),
        })
    });
    rows.collect()
}

/// Everything, counted.
pub(crate) fn stats(engine: &Engine, counts: &Counts, now: Time, since: Time) -> Value {
    let conntrack = engine.conntrack();
    let stats: Stats = conntrack.stats();
    let by_reason = |of: &dyn Fn(Reason) -> u64| {
        let rows = Reason::ALL.iter().map(|reason| (reason.name().to_owned(), of(*reason)));
        rows.filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name, Value::from(count)))
            .collect::<serde_json::Map<_, _>>()
    };
    let ended = ConnectionEnd::ALL.iter().map(|end| (end.name().to_owned(), stats.ended(*end)));
    json!({
        "type": "stats",
        "seconds": now.since(since).as_secs(),
        "packets": {
            "arrived": counts.arrived,
            "passed": counts.passed,
            "dropped": counts.dropped,
            "refused": counts.refused,
            "strayed": counts.strayed,
        },
        "connections": conntrack.count(),
        "connections_max": conntrack.settings().max,
        "expectations": conntrack.expectation_count(),
        "table_bytes": conntrack.memory_bytes(),
        "found": stats.found,
        "created": stats.created,
        "confirmed": stats.confirmed,
        "clashes_resolved": stats.clashes_resolved,
        "untracked": stats.untracked,
        "icmp_errors": stats.icmp_errors,
        "expectations_created": stats.expectations_created,
        "expectations_refused": stats.expectations_refused,
        "expectations_matched": stats.expectations_matched,
        "events_lost": stats.events_lost,
        "ended": ended.collect::<std::collections::BTreeMap<_, _>>(),
        "invalid": by_reason(&|reason| stats.invalid(reason)),
        "dropped": by_reason(&|reason| stats.dropped(reason)),
        "doubts": by_reason(&|reason| engine.doubts(reason)),
    })
}

/// The sysctls that are known, with their values.
pub(crate) fn settings(engine: &Engine) -> Vec<Value> {
    let tracking = engine.conntrack().settings();
    let rows = tracking.names().filter_map(|name| {
        let value = tracking.get(name).ok()?;
        Some(json!({ "type": "setting", "key": name, "value": value }))
    });
    rows.collect()
}
