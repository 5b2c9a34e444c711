//! Chains of iptables before chains of nftables, where both stand at one hook.

use crate::ruleset::{Native, Policy, Role, Rule, Ruleset, TableRules};
use crate::targets::Target;
use kinwall_terms::{Hook, Table};
use std::collections::HashMap;
use std::sync::Arc;

/// Makes what the built-in chain of `table` at `hook` accepts go on in the chain called `next`.
///
/// The chains that it leads to may serve other hooks too: it gets copies of its own.
pub(super) fn lead_on(ruleset: &mut Ruleset, table: Table, hook: Hook, next: &str) {
    let rules = ruleset.table_mut(table);
    let Some(position) = rules.position(hook.chain()) else { return };
    let mut copies = HashMap::new();
    let mut own = changed(rules, position, &mut copies, next);
    let policy = rules.chains.get(position).and_then(|chain| chain.policy);
    for rule in own.iter_mut().filter(|rule| rule.target == Some(Target::Return)) {
        rule.target = Some(end(policy, next));
    }
    let mut last =
        Rule::new(rules.chains.get(position).map(|chain| chain.origin).unwrap_or_default());
    last.target = Some(end(policy, next));
    last.native = Some(Arc::new(Native {
        chain: hook.chain().into(),
        number: 0,
        handle: None,
        text: format!("policy {}", policy.map_or("ACCEPT", Policy::name)),
        comment: None,
        role: Role::Made,
    }));
    own.push(last);
    if let Some(chain) = rules.chain_mut(hook.chain()) {
        chain.rules = own;
    }
}

fn end(policy: Option<Policy>, next: &str) -> Target {
    match policy {
        Some(Policy::Drop) => Target::Drop,
        _ => Target::Goto(next.into()),
    }
}

/// The rules of a chain, with the copies they lead to.
fn changed(
    rules: &mut TableRules,
    position: usize,
    copies: &mut HashMap<String, Box<str>>,
    next: &str,
) -> Vec<Rule> {
    let mut own = rules.chains.get(position).map(|chain| chain.rules.clone()).unwrap_or_default();
    for rule in &mut own {
        match &mut rule.target {
            Some(target @ Target::Accept) => *target = Target::Goto(next.into()),
            Some(Target::Jump(to) | Target::Goto(to)) => *to = copy(rules, to, copies, next),
            _ => {}
        }
    }
    own
}

fn copy(
    rules: &mut TableRules,
    name: &str,
    copies: &mut HashMap<String, Box<str>>,
    next: &str,
) -> Box<str> {
    if let Some(known) = copies.get(name) {
        return known.clone();
    }
    let Some(position) = rules.position(name) else { return name.into() };
    let new: Box<str> = format!("{name} before {next}").into();
    copies.insert(name.to_owned(), new.clone());
    let origin = rules.chains.get(position).map(|chain| chain.origin).unwrap_or_default();
    rules.add_chain(&new, origin);
    let own = changed(rules, position, copies, next);
    if let Some(chain) = rules.chain_mut(&new) {
        chain.rules = own;
    }
    new
}
