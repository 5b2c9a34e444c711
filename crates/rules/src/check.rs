//! What can only be said of a whole table or rule set: chains that run in circles or too deep,
//! extensions reached from hooks where they are not allowed, and rules that share something by
//! name and do not agree on what it is.

use crate::diagnostic::{Diagnostic, Mistakes, Span};
use crate::matches::Match;
use crate::program::JUMP_DEPTH_MAX;
use crate::ruleset::{Rule, Ruleset, TableRules};
use crate::targets::Target;
use crate::targets::rateest::Rateest;
use kinwall_terms::Hook;
use std::collections::HashMap;

/// Reports what is wrong with the tables of `ruleset`.
pub(crate) fn check(ruleset: &Ruleset, mistakes: &mut Mistakes) {
    let file = mistakes.file;
    for (_, rules) in ruleset.tables() {
        let reach = depths(rules, mistakes);
        check_hooks(rules, &reach, mistakes);
    }
    check_shared(ruleset, mistakes);
    mistakes.file = file;
}

/// For each chain, from which hooks it is reached.
type Reach = Vec<[bool; 5]>;

/// Walks the jumps from each built-in chain. Each chain is visited again only when it is reached
/// deeper than before, or from another hook, so that the work is bounded by the depth limit.
fn depths(rules: &TableRules, mistakes: &mut Mistakes) -> Reach {
    let jumps: Vec<Vec<(usize, usize)>> =
        rules.chains.iter().map(|c| jumps_of(rules, &c.rules)).collect();
    let mut reach = vec![[false; 5]; rules.chains.len()];
    for (entry, chain) in rules.chains.iter().enumerate() {
        let Some(hook) = chain.hook else { continue };
        let mut deepest: Vec<Option<usize>> = vec![None; rules.chains.len()];
        let mut todo = vec![(entry, 0, None)];
        while let Some((at, depth, by)) = todo.pop() {
            if depth >= JUMP_DEPTH_MAX {
                too_deep(rules, &jumps, at, by, mistakes);
                break;
            }
            if deepest[at].is_some_and(|seen| seen >= depth) {
                continue;
            }
            deepest[at] = Some(depth);
            reach[at][hook.index()] = true;
            todo.extend(jumps[at].iter().map(|(rule, to)| (*to, depth + 1, Some((at, *rule)))));
        }
    }
    reach
}

/// The rules that jump, with the positions of the chains they jump to; one for each chain.
fn jumps_of(rules: &TableRules, list: &[Rule]) -> Vec<(usize, usize)> {
    let mut seen = std::collections::HashSet::new();
    let to = |rule: &Rule| match &rule.target {
        Some(Target::Jump(name) | Target::Goto(name)) => rules.position(name),
        _ => None,
    };
    let jumps = list.iter().enumerate().filter_map(|(n, rule)| Some((n, to(rule)?)));
    jumps.filter(|(_, to)| seen.insert(*to)).collect()
}

fn too_deep(
    rules: &TableRules,
    jumps: &[Vec<(usize, usize)>],
    at: usize,
    by: Option<(usize, usize)>,
    mistakes: &mut Mistakes,
) {
    let Some(rule) = by.and_then(|(chain, rule)| rules.chains.get(chain)?.rules.get(rule)) else {
        return;
    };
    let name = &rules.chains[at].name;
    if reaches_itself(jumps, at) {
        let message = format!("chain {name} comes back to itself");
        let help = "a walk through it would never end: remove one of the jumps";
        report(rule, message, help.to_owned(), mistakes);
    } else {
        let message = format!("chain {name} is reached through too many jumps");
        let help = format!("Linux allows {} one within the other", JUMP_DEPTH_MAX - 1);
        report(rule, message, help, mistakes);
    }
}

fn reaches_itself(jumps: &[Vec<(usize, usize)>], start: usize) -> bool {
    let mut seen = vec![false; jumps.len()];
    let mut todo = vec![start];
    while let Some(at) = todo.pop() {
        for (_, to) in &jumps[at] {
            if *to == start {
                return true;
            }
            if !std::mem::replace(&mut seen[*to], true) {
                todo.push(*to);
            }
        }
    }
    false
}

fn check_hooks(rules: &TableRules, reach: &Reach, mistakes: &mut Mistakes) {
    for (chain, hooks) in rules.chains.iter().zip(reach).filter(|(chain, _)| chain.hook.is_none()) {
        for rule in &chain.rules {
            let matches = rule.matches.iter().map(|found| found.kind().spec());
            let matches = matches.map(|spec| (spec.name, spec.hooks));
            let target = rule.target.iter();
            let target = target.filter_map(|t| Some((t.kind()?.spec().name, t.hooks())));
            for (name, allowed) in matches.chain(target) {
                check_extension(rule, name, allowed, hooks, mistakes);
            }
        }
    }
}

fn check_extension(
    rule: &Rule,
    name: &str,
    allowed: &[Hook],
    hooks: &[bool; 5],
    mistakes: &mut Mistakes,
) {
    let wrong = Hook::ALL.into_iter().find(|hook| hooks[hook.index()] && !allowed.contains(hook));
    let Some(hook) = wrong.filter(|_| !allowed.is_empty()) else { return };
    let allowed: Vec<&str> = allowed.iter().map(|hook| hook.chain()).collect();
    let message = format!("{name} is reached from {hook}, where it is not allowed");
    report(rule, message, format!("allowed from {}", allowed.join(", ")), mistakes);
}

/// The tables of hashlimit either limit or measure, and an estimator has one way to measure.
fn check_shared(ruleset: &Ruleset, mistakes: &mut Mistakes) {
    let mut measured: HashMap<&str, bool> = HashMap::new();
    let mut estimators: HashMap<&str, &Rateest> = HashMap::new();
    for (_, _, rule) in ruleset.rules() {
        for found in &rule.matches {
            let Match::Hashlimit(limit) = found else { continue };
            let measures = limit.rate_interval_s.is_some();
            if *measured.entry(&limit.name).or_insert(measures) != measures {
                let message =
                    format!("hashlimit table {} is both limited and measured", limit.name);
                let help = "--hashlimit-rate-match needs a --hashlimit-name of its own";
                report(rule, message, help.to_owned(), mistakes);
            }
        }
        let Some(Target::Rateest(estimator)) = &rule.target else { continue };
        let known = *estimators.entry(&estimator.name).or_insert(estimator);
        if known != estimator {
            let message = format!("another rule measures {} in another way", estimator.name);
            let help = "the same --rateest-interval and --rateest-ewmalog, or another name";
            report(rule, message, help.to_owned(), mistakes);
        }
    }
}

fn report(rule: &Rule, message: String, help: String, mistakes: &mut Mistakes) {
    mistakes.file = rule.origin.file;
    let span = Span { line: rule.origin.line, column: 1, length: 1 };
    mistakes.push(Diagnostic::new(span, message).help(help));
}
