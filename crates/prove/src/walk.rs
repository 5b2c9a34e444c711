//! All packets through a chain at once.
//!
//! A chain is walked with every packet, whoever may come to it; its answer ([`Passed`]) then
//! serves wherever the chain is entered. What rules change on the way (marks, the tracking
//! template) is a function of the packet and goes along.

use crate::marks::Mark;
use crate::predicate::{Sight, View};
use crate::reach::Reach;
use crate::rulebook::Step;
use crate::situation::{Situation, Tracked};
use crate::space::Set;
use crate::unknowns::Topic;
use kinwall_rules::eval::RuleId;
use kinwall_rules::ruleset::{Policy, Rule};
use kinwall_rules::targets::Target;
use kinwall_rules::targets::connmark::{Action, Connmark, Masks, Shift};
use kinwall_terms::{Hook, Table};
use std::ops::Range;
use std::sync::Arc;

/// Plain rules in a row that are worth walking apart.
const RUN_MIN_COUNT: usize = 4;

/// What a chain does with all packets.
#[derive(Clone)]
pub(crate) struct Passed {
    /// Those it accepts.
    pub(crate) accept: Set,
    /// Those it gives back to the chain that led to it.
    pub(crate) back: Phases,
    /// The marks after it.
    pub(crate) marks: Marks,
    /// The tracking templates it gives out: of those a packet meets the first counts.
    pub(crate) templates: Vec<(Template, Set)>,
}

/// Packet mark and connection mark.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Marks {
    pub(crate) packet: Mark,
    pub(crate) connection: Mark,
}

/// What a CT or NOTRACK rule says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Template {
    pub(crate) rule: RuleId,
    pub(crate) notrack: bool,
    pub(crate) helper: Option<Arc<str>>,
}

/// What a walk is remembered by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct WalkKey {
    chain: usize,
    hook: Hook,
    situation: Situation,
    marks: Option<Marks>,
}

/// Packets by what rules of the raw table have said until then of their tracking: nothing, how
/// they are tracked, that they are not. In every other table nothing is said.
pub(crate) type Phases = [Set; 3];

/// Where nothing was said yet.
const OPEN: usize = 0;
const TEMPLATE: usize = 1;
const NOTRACK: usize = 2;

/// A walk under way.
#[derive(Clone)]
pub(crate) struct Walk {
    /// Who is still in the chain.
    rest: Phases,
    passed: Passed,
}

impl Reach<'_> {
    /// Every packet through the chain that `table` has at `hook`; all are accepted where it has
    /// none. Nothing is given back.
    pub(crate) fn table(
        &mut self,
        table: Table,
        hook: Hook,
        situation: Situation,
        marks: &Marks,
    ) -> Passed {
        let Some(entry) = self.given.book.entry(table, hook) else {
            return Passed { accept: self.space.everything(), ..self.none_passed(marks.clone()) };
        };
        let mut passed = self.chain(entry, hook, situation, marks);
        if self.given.book.chain(entry).policy != Some(Policy::Drop) {
            let back = self.space.any_of(&passed.back);
            passed.accept = self.space.or(&passed.accept, &back);
        }
        passed.back = self.phases(self.space.nothing());
        passed
    }

    /// Nobody has passed.
    fn none_passed(&self, marks: Marks) -> Passed {
        let back = self.phases(self.space.nothing());
        Passed { accept: self.space.nothing(), back, marks, templates: Vec::new() }
    }

    /// Of these packets nothing was said yet.
    fn phases(&self, open: Set) -> Phases {
        [open, self.space.nothing(), self.space.nothing()]
    }

    /// The marks after a chain.
    pub(crate) fn marks_after(
        &mut self,
        chain: usize,
        hook: Hook,
        situation: Situation,
        marks: &Marks,
    ) -> Marks {
        match self.given.book.chain(chain).has_marks {
            true => self.chain(chain, hook, situation, marks).marks,
            false => marks.clone(),
        }
    }

    fn chain(&mut self, chain: usize, hook: Hook, situation: Situation, marks: &Marks) -> Passed {
        let has_marks = self.given.book.chain(chain).has_marks;
        let key = WalkKey { chain, hook, situation, marks: has_marks.then(|| marks.clone()) };
        if let Some(known) = self.walks.get(&key) {
            let mut known = known.clone();
            if !has_marks {
                known.marks = marks.clone();
            }
            return known;
        }
        let passed = self.none_passed(marks.clone());
        let mut walk = Walk { rest: self.phases(self.space.everything()), passed };
        let mut at = 0;
        while at < self.given.book.chain(chain).steps.len() && self.is_anybody(&walk.rest) {
            let plain = &self.given.book.chain(chain).plain;
            let run = plain.iter().skip(at).take_while(|plain| **plain).count();
            if run >= RUN_MIN_COUNT {
                self.run(chain, at..at + run, hook, situation, &mut walk);
                at += run;
            } else {
                self.rules(chain, at..at + 1, hook, situation, &mut walk);
                at += 1;
            }
        }
        let Walk { rest, mut passed } = walk;
        for (back, rest) in passed.back.iter_mut().zip(&rest) {
            *back = self.space.or(back, rest);
        }
        self.walks.insert(key, passed.clone());
        passed
    }

    fn is_anybody(&self, phases: &Phases) -> bool {
        phases.iter().any(|set| !self.space.is_empty(set))
    }

    /// The rules of a chain from one position to another.
    fn rules(
        &mut self,
        chain: usize,
        positions: Range<usize>,
        hook: Hook,
        situation: Situation,
        walk: &mut Walk,
    ) {
        for at in positions {
            let chain = self.given.book.chain(chain);
            let id = RuleId(chain.first + at as u32);
            let step = chain.steps.get(at).copied().unwrap_or(Step::Pass);
            if step != Step::Pass && self.is_anybody(&walk.rest) {
                (self.given.work)("what the rules let through");
                self.rule(id, step, hook, situation, walk);
            }
        }
    }

    /// Plain rules: they are walked once with every packet, whatever the situation.
    fn run(
        &mut self,
        chain: usize,
        positions: Range<usize>,
        hook: Hook,
        situation: Situation,
        walk: &mut Walk,
    ) {
        let key = (chain, positions.start, Sight::new(hook, situation));
        let run = match self.runs.get(&key) {
            Some(known) => known.clone(),
            None => {
                let passed = self.none_passed(Marks::default());
                let mut run = Walk { rest: self.phases(self.space.everything()), passed };
                self.rules(chain, positions, hook, situation, &mut run);
                self.runs.insert(key, run.clone());
                run
            }
        };
        let here = walk.rest.clone();
        walk.rest = self.phases(self.space.nothing());
        let all = self.space.any_of(&here);
        let accepted = self.space.and(&all, &run.passed.accept);
        walk.passed.accept = self.space.or(&walk.passed.accept, &accepted);
        for (phase, here) in here.iter().enumerate() {
            self.hand_on(here, phase, &run.passed.back, &mut walk.passed.back);
            self.hand_on(here, phase, &run.rest, &mut walk.rest);
        }
        for (template, set) in run.passed.templates {
            walk.passed.templates.push((template, self.space.and(&here[OPEN], &set)));
        }
    }

    /// Those in `here`, of a phase, that come out at `from` go to `to`. What was said of tracking
    /// before it counts.
    fn hand_on(&self, here: &Set, phase: usize, from: &Phases, to: &mut Phases) {
        for (after, from) in from.iter().enumerate() {
            let place = &mut to[if phase == OPEN { after } else { phase }];
            *place = self.space.or(place, &self.space.and(here, from));
        }
    }

    fn rule(&mut self, id: RuleId, step: Step, hook: Hook, situation: Situation, walk: &mut Walk) {
        let Some(rule) = self.given.book.rule(id) else { return };
        // Those whom the rule itself moves on have met it.
        for phase in [NOTRACK, TEMPLATE, OPEN] {
            if self.space.is_empty(&walk.rest[phase]) {
                continue;
            }
            let situation = match (situation.tracked, phase) {
                (Tracked::NotYet, TEMPLATE) => {
                    Situation { tracked: Tracked::Template, ..situation }
                }
                (Tracked::NotYet, NOTRACK) => {
                    Situation { tracked: Tracked::Untracked, ..situation }
                }
                _ => situation,
            };
            let marks = &walk.passed.marks;
            let view = View { hook, situation, mark: &marks.packet, connmark: &marks.connection };
            let matched = self.predicate(id, rule, &view);
            let here = self.space.and(&walk.rest[phase], &matched);
            if self.space.is_empty(&here) {
                continue;
            }
            match step {
                Step::Pass => {}
                Step::Jump(to) | Step::Goto(to) => {
                    let inner = self.chain(to, hook, situation, &walk.passed.marks);
                    self.enter(&here, phase, inner, step, walk);
                }
                Step::Act => self.act(id, rule, situation, (&here, phase), walk),
            }
        }
    }

    /// Those in `here` go through another chain.
    fn enter(&self, here: &Set, phase: usize, inner: Passed, step: Step, walk: &mut Walk) {
        let (space, passed) = (&self.space, &mut walk.passed);
        passed.accept = space.or(&passed.accept, &space.and(here, &inner.accept));
        walk.rest[phase] = space.minus(&walk.rest[phase], here);
        match step {
            Step::Goto(_) => self.hand_on(here, phase, &inner.back, &mut passed.back),
            _ => self.hand_on(here, phase, &inner.back, &mut walk.rest),
        }
        passed.marks.packet.choose(space, here, &inner.marks.packet);
        passed.marks.connection.choose(space, here, &inner.marks.connection);
        for (template, set) in inner.templates {
            passed.templates.push((template, space.and(here, &set)));
        }
    }

    /// What the target does with those in `here`.
    fn act(
        &mut self,
        id: RuleId,
        rule: &Rule,
        situation: Situation,
        (here, phase): (&Set, usize),
        walk: &mut Walk,
    ) {
        let Some(target) = &rule.target else { return };
        let passed = &mut walk.passed;
        let ends = match target {
            Target::Accept => {
                passed.accept = self.space.or(&passed.accept, here);
                true
            }
            Target::Drop | Target::Reject(_) => true,
            Target::Return => {
                passed.back[phase] = self.space.or(&passed.back[phase], here);
                true
            }
            // What a translation makes of the packet is not followed; the walk ends with it.
            Target::Snat(_)
            | Target::Dnat(_)
            | Target::Masquerade(_)
            | Target::Redirect(_)
            | Target::Netmap(_) => {
                passed.accept = self.space.or(&passed.accept, here);
                true
            }
            Target::Mark(mark) => {
                passed.marks.packet.change(&self.space, here, mark.value, mark.mask);
                false
            }
            Target::Connmark(Connmark { action: Action::Restore(masks), .. })
                if situation.tracked == Tracked::Template =>
            {
                // The template's mark is 0.
                passed.marks.packet.change(&self.space, here, 0, masks.packet);
                false
            }
            Target::Connmark(connmark) if situation.has_connection() => {
                self.connmark(connmark, here, &mut passed.marks);
                false
            }
            Target::Ct(ct) => {
                let helper = ct.helper.clone();
                let template = Template { rule: id, notrack: ct.notrack, helper };
                self.decide(template, here, walk);
                false
            }
            Target::Notrack(_) => {
                let template = Template { rule: id, notrack: true, helper: None };
                self.decide(template, here, walk);
                false
            }
            target => {
                let spec = target.kind().map(|kind| kind.spec());
                let queue = matches!(target, Target::Nfqueue(_));
                match spec {
                    Some(spec) if queue || !spec.evaluated || spec.readdresses => {
                        self.perhaps(id, rule, spec.name, here, passed)
                    }
                    _ => false,
                }
            }
        };
        if ends {
            walk.rest[phase] = self.space.minus(&walk.rest[phase], here);
        }
    }

    /// It is said how those in `here` are tracked, unless it was before.
    fn decide(&self, template: Template, here: &Set, walk: &mut Walk) {
        let here = self.space.and(&walk.rest[OPEN], here);
        let after = if template.notrack { NOTRACK } else { TEMPLATE };
        walk.rest[OPEN] = self.space.minus(&walk.rest[OPEN], &here);
        walk.rest[after] = self.space.or(&walk.rest[after], &here);
        walk.passed.templates.push((template, here));
    }

    /// A target of which it is not known whether the packet passes; whether the walk ends there.
    fn perhaps(
        &mut self,
        id: RuleId,
        rule: &Rule,
        name: &str,
        here: &Set,
        passed: &mut Passed,
    ) -> bool {
        if self.given.book.assumed(id) == Some(false) {
            return false;
        }
        let topic = Topic::Rule(id, rule.matches.len(), 0);
        let yes = self.ask(topic, Some(id), || format!("-j {name}"));
        let those = self.space.and(here, &yes);
        passed.accept = self.space.or(&passed.accept, &those);
        true
    }

    pub(crate) fn connmark(&self, target: &Connmark, here: &Set, marks: &mut Marks) {
        let space = &self.space;
        match target.action {
            Action::Set { value, mask } => {
                let mut new = marks.connection.clone();
                new.change(space, here, value, mask);
                let shifted = self.shifted(&new, target.shift, u32::MAX);
                marks.connection.choose(space, here, &shifted);
            }
            Action::Save(Masks { packet, connection }) => {
                let saved = self.shifted(&marks.packet, target.shift, packet);
                self.merge(here, &saved, connection, &mut marks.connection);
            }
            Action::Restore(Masks { packet, connection }) => {
                let restored = self.shifted(&marks.connection, target.shift, connection);
                self.merge(here, &restored, packet, &mut marks.packet);
            }
        }
    }

    /// The bits of `mask`, moved.
    fn shifted(&self, mark: &Mark, shift: Shift, mask: u32) -> Mark {
        let mut moved = Mark::default();
        for bit in (0..32u8).filter(|bit| mask >> bit & 1 == 1) {
            let to = match shift {
                Shift::Left(by) => bit.checked_add(by).filter(|to| *to < 32),
                Shift::Right(by) => bit.checked_sub(by),
            };
            if let Some(to) = to {
                moved.set_bit(&self.space, to, mark.bit(&self.space, bit));
            }
        }
        moved
    }

    /// For those in `here` the bits of `mask` are cleared, then `bits` are exclusive-ored in.
    fn merge(&self, here: &Set, bits: &Mark, mask: u32, mark: &mut Mark) {
        let space = &self.space;
        for bit in 0..32u8 {
            let old = mark.bit(space, bit);
            let kept = if mask >> bit & 1 == 1 { space.nothing() } else { old.clone() };
            let own = bits.bit(space, bit);
            let new = space.choose(&own, &space.not(&kept), &kept);
            mark.set_bit(space, bit, space.choose(here, &new, &old));
        }
    }
}
