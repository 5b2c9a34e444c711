//! The lists of the screen as rows of text: filtered, sorted, and nothing else.

use super::ask::Facts;
use super::screen::{Screen, Sort, Tab};
use crate::command::ctl::{about_expectation, flow};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::HashMap;

/// A list: the names of its columns, how wide they are (0: the rest), and its rows.
pub(super) struct List {
    pub(super) columns: &'static [(&'static str, u16)],
    pub(super) rows: Vec<Vec<String>>,
}

/// Rows of what is shown.
pub(super) fn count(screen: &Screen) -> usize {
    list(screen).rows.len()
}

/// What is shown, as a list; the overview has none.
pub(super) fn list(screen: &Screen) -> List {
    let mut list = match screen.tab {
        Tab::Overview => List { columns: &[], rows: Vec::new() },
        Tab::Connections => connections(screen),
        Tab::Expectations => expectations(screen),
        Tab::Helpers => helpers(screen),
        Tab::Rules => rules(screen),
    };
    // Options are the gateway's business.
    let is_for_gateway = screen.tab == Tab::Connections && screen.filter_is_options();
    if !screen.filter.is_empty() && !is_for_gateway {
        let wanted = screen.filter.to_lowercase();
        list.rows.retain(|row| row.iter().any(|cell| cell.to_lowercase().contains(&wanted)));
    }
    list
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn connections(screen: &Screen) -> List {
    let mut those: Vec<&Value> = screen.facts.connections.iter().collect();
    match screen.sort {
        Sort::Table => {}
        Sort::TimeLeft => those.sort_by_key(|one| one["timeout"].as_u64().unwrap_or(u64::MAX)),
        Sort::Bytes => those.sort_by_key(|one| Reverse(carried(one))),
    }
    let rows = those.into_iter().map(|one| {
        let status = one["status"].as_array().map_or(&[][..], Vec::as_slice);
        let mut state = text(&one["state"]);
        if !status.iter().any(|word| word == "SEEN_REPLY") {
            state = [state.as_str(), "UNREPLIED"].join(" ").trim_start().to_owned();
        }
        let master = one["master"].as_u64().map(|number| format!("of #{number}"));
        let helper = one["helper"].as_str().map(str::to_owned).or(master).unwrap_or_default();
        vec![
            format!("#{}", one["connection"]),
            text(&one["proto"]),
            flow(&one["original"]),
            state,
            helper,
            one["timeout"].as_u64().map_or(String::new(), |left| left.to_string()),
            carried(one).map_or_else(|| String::from("-"), |bytes| bytes.to_string()),
        ]
    });
    let rows = rows.collect();
    const COLUMNS: &[(&str, u16)] = &[
        ("number", 9),
        ("proto", 7),
        ("from -> to", 0),
        ("state", 21),
        ("helper", 10),
        ("s left", 8),
        ("bytes", 12),
    ];
    List { columns: COLUMNS, rows }
}

/// The bytes of both directions, where they are counted.
fn carried(connection: &Value) -> Option<u64> {
    let both = connection["counters"].as_array()?;
    both.iter().map(|one| one["bytes"].as_u64()).sum()
}

fn expectations(screen: &Screen) -> List {
    let rows = screen.events.iter().map(|(at_s, value)| {
        let ago = (screen.facts.at_s - at_s).max(0.0);
        let mut told = value.clone();
        // It has a column of its own.
        if let Some(map) = told.as_object_mut() {
            map.remove("event");
        }
        vec![format!("{ago:.0} s ago"), text(&value["event"]), about_expectation(&told)]
    });
    List { columns: &[("when", 10), ("event", 10), ("expectation", 0)], rows: rows.collect() }
}

fn helpers(screen: &Screen) -> List {
    let rows = screen.facts.helpers.iter().map(|one| {
        let name = text(&one["name"]);
        let [born, used] = screen.born.get(&name).copied().unwrap_or_default();
        vec![
            name,
            one["connections"].to_string(),
            one["expectations"].to_string(),
            born.to_string(),
            used.to_string(),
            one["guarded"].to_string(),
        ]
    });
    const COLUMNS: &[(&str, u16)] = &[
        ("helper", 18),
        ("connections", 12),
        ("expectations", 13),
        ("new *", 9),
        ("matched *", 10),
        ("refused by guard", 0),
    ];
    List { columns: COLUMNS, rows: rows.collect() }
}

fn rules(screen: &Screen) -> List {
    let key = |rule: &Value| {
        ["family", "table", "chain", "number", "rule"].map(|key| rule[key].to_string())
    };
    let packets = |rule: &Value| rule["packets"].as_u64().unwrap_or(0);
    let before = screen.before.as_ref().filter(|before| before.wanted.rules);
    let earlier: HashMap<_, _> = before
        .iter()
        .flat_map(|facts| &facts.rules)
        .map(|rule| (key(rule), packets(rule)))
        .collect();
    let mut hits: Vec<(Option<f64>, &Value)> = screen
        .facts
        .rules
        .iter()
        .map(|rule| {
            let rate = earlier.get(&key(rule)).and_then(|then| {
                // A reload may have set the counter back.
                let more = packets(rule).saturating_sub(*then);
                Some(more as f64 / elapsed_s(&screen.facts, before?)?)
            });
            (rate, rule)
        })
        .collect();
    hits.sort_by(|(a, one), (b, other)| {
        b.unwrap_or(0.0).total_cmp(&a.unwrap_or(0.0)).then(packets(other).cmp(&packets(one)))
    });
    let rows = hits.into_iter().map(|(rate, rule)| {
        vec![
            rate.map_or_else(|| String::from("-"), |rate| format!("{rate:.1}")),
            packets(rule).to_string(),
            text(&rule["family"]),
            text(&rule["table"]),
            text(&rule["rule"]),
        ]
    });
    const COLUMNS: &[(&str, u16)] =
        &[("hits/s", 10), ("packets", 12), ("family", 7), ("table", 9), ("rule", 0)];
    List { columns: COLUMNS, rows: rows.collect() }
}

/// The seconds between two answers, if any have passed.
pub(super) fn elapsed_s(now: &Facts, before: &Facts) -> Option<f64> {
    Some(now.at_s - before.at_s).filter(|seconds| *seconds > 0.0)
}
