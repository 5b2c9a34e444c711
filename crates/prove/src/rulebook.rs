//! The rules of one family, chain by chain, with jumps resolved.

use crate::members::Known;
use crate::predicate::is_of_situation;
use kinwall_rules::eval::{RuleId, RuleRef};
use kinwall_rules::matches::Match;
use kinwall_rules::ruleset::{Policy, Rule, Ruleset};
use kinwall_rules::targets::Target;
use kinwall_rules::targets::connmark::{Action, Shift};
use kinwall_terms::{Family, Hook, Table};
use std::collections::BTreeMap;

/// The rules, numbered as a program numbers them.
pub struct Rulebook<'a> {
    family: Family,
    rules: Vec<&'a Rule>,
    chains: Vec<Chain<'a>>,
    entries: [[Option<usize>; 5]; 5],
    assumed: BTreeMap<RuleId, bool>,
    /// Whether any rule changes the TOS octet or the time to live.
    pub(crate) rewrites_header: bool,
    /// The bits of connection marks that rules read.
    pub(crate) connmark_bits: u32,
    /// What is in the sets that rules ask, where that is known.
    pub(crate) known: Known<'a>,
}

/// A chain.
pub(crate) struct Chain<'a> {
    pub(crate) table: Table,
    pub(crate) name: &'a str,
    pub(crate) policy: Option<Policy>,
    pub(crate) first: u32,
    pub(crate) steps: Vec<Step>,
    /// Whether its rules, or those of a chain it leads to, ask for marks or change them.
    pub(crate) has_marks: bool,
    /// By rule, whether it does the same in every situation: it asks nothing of connections, nor
    /// does a chain it leads to.
    pub(crate) plain: Vec<bool>,
}

/// What a rule does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing that matters.
    Pass,
    /// Something that the walk looks up in its target.
    Act,
    /// Leads to a chain and comes back.
    Jump(usize),
    /// Leads to a chain for good.
    Goto(usize),
}

impl<'a> Rulebook<'a> {
    /// Of `ruleset`. `assumed` says of rules whether what cannot be evaluated counts as matching.
    pub fn new(
        ruleset: &'a Ruleset,
        assumed: impl IntoIterator<Item = (RuleId, bool)>,
    ) -> Rulebook<'a> {
        let mut book = Rulebook {
            family: ruleset.family,
            rules: Vec::with_capacity(ruleset.len()),
            chains: Vec::new(),
            entries: [[None; 5]; 5],
            assumed: assumed.into_iter().collect(),
            rewrites_header: false,
            connmark_bits: 0,
            known: Known::new(),
        };
        for (table, rules) in ruleset.tables() {
            let first = book.chains.len();
            for chain in &rules.chains {
                if let Some(hook) = chain.hook {
                    book.entries[table.index()][hook.index()] = Some(book.chains.len());
                }
                let position = |name: &str| rules.position(name).map(|at| first + at);
                let steps = chain.rules.iter().map(|rule| step(rule, position)).collect();
                book.chains.push(Chain {
                    table,
                    name: &chain.name,
                    policy: chain.policy,
                    first: book.rules.len() as u32,
                    steps,
                    has_marks: chain.rules.iter().any(has_marks),
                    plain: chain.rules.iter().map(is_plain).collect(),
                });
                book.rules.extend(&chain.rules);
            }
        }
        book.rewrites_header = book.rules.iter().any(|rule| rewrites_header(rule));
        book.connmark_bits = book.rules.iter().fold(0, |bits, rule| bits | connmark_bits(rule));
        book.spread_marks();
        book.spread_situations();
        book
    }

    /// A rule that leads to a chain with a rule that is not plain is not plain either.
    fn spread_situations(&mut self) {
        loop {
            let is_plain = |chain: &Chain<'_>| chain.plain.iter().all(|plain| *plain);
            let known: Vec<bool> = self.chains.iter().map(is_plain).collect();
            let mut changed = false;
            for chain in &mut self.chains {
                for (step, plain) in chain.steps.iter().zip(&mut chain.plain) {
                    let leads_on = match step {
                        Step::Jump(to) | Step::Goto(to) => known.get(*to) == Some(&true),
                        Step::Pass | Step::Act => true,
                    };
                    changed |= *plain && !leads_on;
                    *plain &= leads_on;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// A chain that leads to one with marks has them too.
    fn spread_marks(&mut self) {
        loop {
            let leads = |chain: &Chain<'_>| {
                chain.steps.iter().any(|step| match step {
                    Step::Jump(to) | Step::Goto(to) => self.chains[*to].has_marks,
                    Step::Pass | Step::Act => false,
                })
            };
            let found = self.chains.iter().position(|chain| !chain.has_marks && leads(chain));
            match found {
                Some(at) => self.chains[at].has_marks = true,
                None => return,
            }
        }
    }

    /// The family of the rules.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Every rule, in order.
    pub fn rules(&self) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().copied()
    }

    /// A rule.
    pub fn rule(&self, id: RuleId) -> Option<&'a Rule> {
        self.rules.get(id.0 as usize).copied()
    }

    /// The rule by name.
    pub fn reference(&self, id: RuleId) -> Option<RuleRef> {
        let rule = self.rule(id)?;
        let after = self.chains.partition_point(|chain| chain.first <= id.0);
        // Empty chains begin where the next one does: the last that begins here has the rule.
        let chain = self.chains.get(after.checked_sub(1)?)?;
        let (name, number) = rule.known_as(chain.name, id.0 - chain.first + 1);
        Some(RuleRef {
            family: self.family,
            table: chain.table,
            chain: name,
            number,
            file: rule.origin.file,
            line: rule.origin.line,
        })
    }

    pub(crate) fn chain(&self, at: usize) -> &Chain<'a> {
        &self.chains[at]
    }

    /// The built-in chain that `table` has at `hook`.
    pub(crate) fn entry(&self, table: Table, hook: Hook) -> Option<usize> {
        self.entries[table.index()][hook.index()]
    }

    /// What is assumed of a rule that cannot be evaluated.
    pub(crate) fn assumed(&self, id: RuleId) -> Option<bool> {
        self.assumed.get(&id).copied()
    }
}

fn step(rule: &Rule, position: impl Fn(&str) -> Option<usize>) -> Step {
    match &rule.target {
        Some(Target::Jump(name)) => position(name).map_or(Step::Pass, Step::Jump),
        Some(Target::Goto(name)) => position(name).map_or(Step::Pass, Step::Goto),
        _ if rule.only_records() => Step::Pass,
        _ => Step::Act,
    }
}

fn has_marks(rule: &Rule) -> bool {
    let asks = |found: &Match| matches!(found, Match::Mark(_) | Match::Connmark(_));
    let changes = matches!(
        rule.target,
        Some(Target::Mark(_) | Target::Connmark(_) | Target::Hmark(_) | Target::Set(_))
    );
    changes || rule.matches.iter().any(asks)
}

fn is_plain(rule: &Rule) -> bool {
    !has_marks(rule) && !rule.matches.iter().any(is_of_situation)
}

fn rewrites_header(rule: &Rule) -> bool {
    matches!(
        rule.target,
        Some(
            Target::Tos(_)
                | Target::Dscp(_)
                | Target::Ecn(_)
                | Target::Ttl(_)
                | Target::Hl(_)
                | Target::Tcpmss(_)
                | Target::Tcpoptstrip(_)
        )
    )
}

fn connmark_bits(rule: &Rule) -> u32 {
    let tested = rule.matches.iter().fold(0, |bits, found| match found {
        Match::Connmark(connmark) => bits | connmark.mark.value.mask,
        _ => bits,
    });
    let read = match &rule.target {
        Some(Target::Connmark(target)) => match (target.action, target.shift) {
            (Action::Restore(masks), _) => masks.connection,
            (Action::Set { .. }, Shift::Left(0)) | (Action::Save(_), _) => 0,
            (Action::Set { .. }, _) => u32::MAX,
        },
        _ => 0,
    };
    tested | read
}
