//! Which rules let packets of a set pass: the walk again, with these packets alone.

use crate::predicate::View;
use crate::reach::Reach;
use crate::rulebook::Step;
use crate::situation::Situation;
use crate::space::{Set, TooLarge};
use crate::walk::Marks;
use kinwall_rules::eval::RuleId;
use kinwall_rules::ruleset::Rule;
use kinwall_rules::targets::Target;
use kinwall_terms::{Hook, Table};

/// A part of a set, and the rule that accepts it in the filter table; `None` is the policy.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The rule.
    pub rule: Option<RuleId>,
    /// The packets it accepts.
    pub set: Set,
}

impl Reach<'_> {
    /// The parts of `set` by the rule of the filter table that accepts them. All packets of `set`
    /// come through.
    pub fn accepted(&mut self, set: &Set, situation: Situation) -> Result<Vec<Accepted>, TooLarge> {
        let routes = self.routes(situation);
        let paths = match situation.sent {
            true => vec![(Hook::Output, set.clone())],
            false => vec![
                (Hook::Input, self.space.and(set, &routes.local)),
                (Hook::Forward, self.space.and(set, &routes.forward)),
            ],
        };
        let mut parts = Vec::new();
        for (hook, set) in paths {
            if self.space.is_empty(&set) {
                continue;
            }
            let marks = self.marks_at_filter(situation, hook);
            let Some(entry) = self.given.book.entry(Table::Filter, hook) else {
                parts.push(Accepted { rule: None, set });
                continue;
            };
            let rest = self.descend(entry, hook, situation, &marks, set, &mut parts);
            if !self.space.is_empty(&rest) {
                parts.push(Accepted { rule: None, set: rest });
            }
        }
        self.space.check()?;
        Ok(parts)
    }

    /// Takes `set` through a chain; what comes back from it.
    fn descend(
        &mut self,
        chain: usize,
        hook: Hook,
        situation: Situation,
        marks: &Marks,
        set: Set,
        parts: &mut Vec<Accepted>,
    ) -> Set {
        let (mut rest, mut back) = (set, self.space.nothing());
        let mut marks = marks.clone();
        let chain = self.given.book.chain(chain);
        for (id, step) in (chain.first..).map(RuleId).zip(&chain.steps) {
            let Some(rule) = self.given.book.rule(id).filter(|_| *step != Step::Pass) else {
                continue;
            };
            (self.given.work)("which rules let it through");
            let view = View { hook, situation, mark: &marks.packet, connmark: &marks.connection };
            let matched = self.predicate(id, rule, &view);
            let here = self.space.and(&rest, &matched);
            if self.space.is_empty(&here) {
                continue;
            }
            match step {
                Step::Pass => {}
                Step::Jump(to) | Step::Goto(to) => {
                    let after = self.marks_after(*to, hook, situation, &marks);
                    let came = self.descend(*to, hook, situation, &marks, here.clone(), parts);
                    rest = self.space.minus(&rest, &here);
                    let side = if matches!(step, Step::Goto(_)) { &mut back } else { &mut rest };
                    *side = self.space.or(side, &came);
                    marks.packet.choose(&self.space, &here, &after.packet);
                    marks.connection.choose(&self.space, &here, &after.connection);
                }
                Step::Act => match &rule.target {
                    Some(Target::Mark(mark)) => {
                        marks.packet.change(&self.space, &here, mark.value, mark.mask);
                    }
                    Some(Target::Connmark(target)) if situation.has_connection() => {
                        self.connmark(target, &here, &mut marks);
                    }
                    Some(Target::Return) => {
                        back = self.space.or(&back, &here);
                        rest = self.space.minus(&rest, &here);
                    }
                    _ if ends(rule) => {
                        rest = self.space.minus(&rest, &here);
                        parts.push(Accepted { rule: Some(id), set: here });
                    }
                    _ => {}
                },
            }
        }
        self.space.or(&rest, &back)
    }
}

/// Whether a packet that passes may have ended its walk here. The set holds packets that pass
/// only: what a rule drops of them is nothing.
fn ends(rule: &Rule) -> bool {
    match &rule.target {
        Some(Target::Accept | Target::Nfqueue(_)) => true,
        Some(target) => target.kind().is_some_and(|kind| {
            let spec = kind.spec();
            !spec.evaluated || spec.readdresses
        }),
        None => false,
    }
}
