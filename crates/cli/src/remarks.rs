//! What is said once about rules, because it bears on every answer: what is not applied, what
//! is not known.

use crate::rule_files::Rules;
use crate::{say, sets};
use kinwall_engine::{Engine, RuleAt};
use kinwall_rules::ruleset::Rule;
use kinwall_rules::sets::Sets;
use kinwall_rules::targets::Target;
use kinwall_rules::value::InterfacePattern;
use kinwall_terms::{Family, InterfaceName, Table};
use kinwall_topology::Topology;
use std::collections::BTreeMap;

/// Lines of rules that are listed in a remark.
const LINES_MAX: usize = 20;

/// Says what there is to say of the rules of `families` before the first packet.
pub(crate) fn on_rules(rules: &Rules, engine: &Engine, families: &[Family]) {
    for &family in families {
        let translates = |table: Table, rule: &Rule| {
            let wanted = rule.target.as_ref().and_then(Target::wanted);
            table == Table::Nat && wanted.is_some()
        };
        if let Some(lines) = lines(rules, family, translates).filter(|_| !engine.translates(family))
        {
            say::note(format_args!(
                "{family}: address translation is not applied; rules of the nat table: {lines}"
            ));
        }
        let timeouts = |_: Table, rule: &Rule| match &rule.target {
            Some(Target::Ct(ct)) => ct.timeout.is_some(),
            _ => false,
        };
        if let Some(lines) = lines(rules, family, timeouts) {
            say::note(format_args!(
                "{family}: what the timeout policies of CT --timeout say is not known, and the \
                 timeouts of the sysctls are used: {lines}"
            ));
        }
        for remark in sets::asked_in_vain(rules, &engine.memory().sets, family) {
            say::note(remark);
        }
        let names_output = |_: Table, rule: &Rule| rule.out_iface.is_some();
        if engine.topology().is_empty()
            && let Some(lines) = lines(rules, family, names_output)
        {
            say::note(format_args!(
                "{family}: without --topology it is not known by which interface a packet \
                 leaves, and -o matches none: {lines}"
            ));
        }
    }
}

/// Says which interfaces the rules of `families` name and the topology does not have: such rules
/// concern no packet.
pub(crate) fn on_interfaces(rules: &Rules, topology: &Topology, families: &[Family]) {
    let interfaces = topology.interfaces();
    let unknown = |pattern: &InterfacePattern| {
        !interfaces.iter().any(|interface| pattern.matches(Some(interface.name)))
            && !pattern.matches(Some(InterfaceName::LOOPBACK))
    };
    for &family in families {
        let Some(ruleset) = rules.loaded.ruleset(family) else { continue };
        let mut named = BTreeMap::new();
        for (_, _, rule) in ruleset.rules() {
            let tests = [&rule.in_iface, &rule.out_iface].into_iter().flatten();
            for test in tests.filter(|test| unknown(&test.value)) {
                named.entry(test.value.to_string()).or_insert(rule.origin.line);
            }
        }
        if !named.is_empty() {
            let list: Vec<String> =
                named.iter().map(|(name, line)| format!("{name} (line {line})")).collect();
            say::note(format_args!(
                "{family}: the rules name interfaces that the topology does not have, and no \
                 packet comes or goes there: {}; add them to the topology if they exist",
                list.join(", ")
            ));
        }
    }
}

/// `line 3, 4`, for the rules of `family` that are `meant`.
fn lines(rules: &Rules, family: Family, meant: impl Fn(Table, &Rule) -> bool) -> Option<String> {
    let found: Vec<String> = rules
        .loaded
        .ruleset(family)?
        .rules()
        .filter(|(table, _, rule)| meant(*table, rule))
        .map(|(_, _, rule)| rule.origin.line.to_string())
        .collect();
    let shown = found.get(..LINES_MAX.min(found.len())).unwrap_or_default().join(", ");
    let more = if found.len() > LINES_MAX { ", ..." } else { "" };
    let plural = if found.len() == 1 { "" } else { "s" };
    (!found.is_empty()).then(|| format!("line{plural} {shown}{more}"))
}

/// Says that packets of `families` met no rule because there is none.
pub(crate) fn on_families_without_rules(families: &[Family]) {
    for family in families {
        say::note(format_args!("no rules for {family} were given: its packets all pass"));
    }
}

/// Says of each rule that made packets `unknown` what it is and how to settle it.
pub(crate) fn on_unknown<'a>(
    engine: &Engine,
    sources: &[String],
    unknown: impl Iterator<Item = (&'a RuleAt, &'a u64)>,
) {
    let mut unknown: Vec<_> = unknown.collect();
    unknown.sort_by_key(|(at, packets)| (std::cmp::Reverse(**packets), at.family, at.rule));
    for (at, packets) in unknown {
        let Some(program) = engine.program(at.family) else { continue };
        let (Some(rule), Some(place)) = (program.rule(at.rule), program.reference(at.rule)) else {
            continue;
        };
        let what = not_known(rule, &engine.memory().sets);
        let file = sources.get(usize::from(place.file)).map_or("", String::as_str);
        let line = match sources.len() {
            1 => place.line.to_string(),
            _ => format!("{file}:{}", place.line),
        };
        let plural = if *packets == 1 { "packet is" } else { "packets are" };
        say::note(format_args!(
            "{packets} {plural} unknown: {file}:{} ({} {} {}) cannot be evaluated: {}; settle it \
             with --assume {line}=match or --assume {line}=no-match",
            place.line,
            place.table,
            place.chain,
            place.number,
            what.join(", "),
        ));
    }
}

/// What of a rule cannot be evaluated.
fn not_known(rule: &Rule, sets: &Sets) -> Vec<String> {
    let open = rule.set_elements().filter(|element| !sets.has(&element.set));
    let asked = open.map(|element| format!("set {} (give it with --sets FILE)", element.set));
    rule.not_evaluated().map(str::to_owned).chain(asked).collect()
}
