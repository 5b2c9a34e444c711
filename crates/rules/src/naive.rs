//! The reference walk: every rule of every chain, in order, straight from the rule set.
//!
//! [`crate::program::Program::walk`] must answer the same for every packet; property tests hold
//! it to that.

use crate::compile::{Options, slots_of};
use crate::eval::{self, Decision, Effect, Outcome, RuleId, Scene, Walk};
use crate::facts::{Facts, PacketState};
use crate::memory::{Memory, Slot};
use crate::ruleset::{Chain, Policy, Ruleset, TableRules};
use crate::targets::Target;
use kinwall_terms::{Reason, Table};

/// A rule set with its rules numbered as a program numbers them.
pub struct Naive<'a> {
    ruleset: &'a Ruleset,
    options: &'a Options,
}

/// How a chain ended for its caller.
enum End {
    /// The walk is over.
    Decided(Decision, RuleId),
    /// The caller goes on.
    Back,
}

impl<'a> Naive<'a> {
    /// To walk `ruleset`.
    pub fn new(ruleset: &'a Ruleset, options: &'a Options) -> Naive<'a> {
        Naive { ruleset, options }
    }

    /// As [`crate::program::Program::walk`], without a trace.
    pub fn walk(
        &self,
        table: Table,
        facts: &Facts<'_>,
        state: &mut PacketState,
        memory: &mut Memory,
    ) -> Walk {
        let chains = self.ruleset.table(table);
        let entry = chains.and_then(|rules| Some((rules, rules.chain(facts.hook.chain())?)));
        let Some((rules, chain)) = entry.filter(|(_, chain)| chain.hook == Some(facts.hook)) else {
            return Walk { decision: Decision::Accept, rule: None };
        };
        let family = self.ruleset.family;
        let mut scene =
            Scene { facts, state, memory, family, slot: Slot::default(), rule: RuleId(0) };
        match self.chain(rules, chain, &mut scene) {
            End::Decided(decision, rule) => Walk { decision, rule: Some(rule) },
            End::Back => Walk {
                decision: match chain.policy {
                    Some(Policy::Drop) => Decision::Drop(Reason::ChainPolicy),
                    _ => Decision::Accept,
                },
                rule: None,
            },
        }
    }

    /// The number and the first slot of the first rule of a chain: those of all rules before it.
    fn before(&self, wanted: &Chain) -> (u32, u32) {
        let chains = self.ruleset.tables().flat_map(|(_, rules)| &rules.chains);
        let before = chains.take_while(|chain| !std::ptr::eq(*chain, wanted));
        let rules = before.flat_map(|chain| &chain.rules);
        rules.fold((0, 0), |(count, slots), rule| (count + 1, slots + slots_of(rule)))
    }

    fn chain(&self, rules: &TableRules, chain: &Chain, scene: &mut Scene<'_, '_>) -> End {
        let (mut number, mut slots) = self.before(chain);
        for rule in &chain.rules {
            let (id, first_slot) = (RuleId(number), Slot(slots));
            (number, slots) = (number + 1, slots + slots_of(rule));
            scene.rule = id;
            let assume = self.options.assumed(rule);
            match eval::rule(rule, first_slot, assume, scene) {
                Outcome::Missed(_) | Outcome::Assumed(false) => continue,
                Outcome::HotDrop => return End::Decided(Decision::Drop(Reason::HotDrop), id),
                Outcome::Unknown(_) if rule.only_records() => continue,
                Outcome::Unknown(_) => return End::Decided(Decision::Unknown, id),
                Outcome::Matched | Outcome::Assumed(true) => {}
            }
            let bytes = u64::from(scene.facts.headers.total_length);
            scene.memory.count(scene.family, id, bytes);
            match &rule.target {
                Some(Target::Return) => return End::Back,
                Some(Target::Jump(name)) => {
                    match rules.chain(name).map(|to| self.chain(rules, to, scene)) {
                        Some(End::Decided(decision, by)) => return End::Decided(decision, by),
                        Some(End::Back) | None => {}
                    }
                }
                Some(Target::Goto(name)) => {
                    return rules.chain(name).map_or(End::Back, |to| self.chain(rules, to, scene));
                }
                Some(_) => {
                    if let Effect::Decide(decision) = eval::target(rule, assume, scene) {
                        return End::Decided(decision, id);
                    }
                }
                None => {}
            }
        }
        End::Back
    }
}
