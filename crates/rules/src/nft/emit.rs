//! The steps of a rule as rules of the model.
//!
//! What one rule of the model cannot say goes to a chain of its own, which the rule leads to: a set
//! of many elements, a second test of an interface, a test behind a limit. In such a chain each
//! element leads on for good (`-g`), and what matches none comes back.

use super::atom::{self, Added, Atom, Literal};
use super::steps::{Step, Verdict};
use crate::diagnostic::Origin;
use crate::matches::Match;
use crate::ruleset::{Native, Role, Rule};
use crate::targets::Target;
use crate::targets::ct::Ct;
use kinwall_terms::Family;
use std::sync::Arc;

/// Alternatives that stand as rules beside one another; what has more gets a chain.
const BESIDE_MAX: usize = 32;

/// Rules that one rule of nftables may become.
const RULES_MAX: usize = 200_000;

/// What is made of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum View {
    /// The verdicts, before connection tracking.
    Before,
    /// The verdicts, after it.
    After,
    /// Which new connections get a helper: nothing is dropped, and nothing written.
    Helpers,
}

/// Where rules are put.
pub(super) trait Chains {
    /// Makes a chain for what `of` cannot say, and gives its name.
    fn add(&mut self, rules: Vec<Rule>) -> Box<str>;
    /// The name of the chain with the rules behind the rule at hand, which goes on there.
    fn behind(&mut self) -> Box<str>;
    /// The target for a verdict.
    fn target(&mut self, verdict: &Verdict) -> Option<Target>;
}

/// Turns the steps of one rule into rules.
pub(super) struct Emitter<'c> {
    pub(super) chains: &'c mut dyn Chains,
    pub(super) family: Family,
    pub(super) view: View,
    /// Whether the rules stand where the interface a packet leaves by is not known yet, although
    /// they were written behind routing.
    pub(super) is_ahead_of_routing: bool,
    pub(super) native: Arc<Native>,
    pub(super) origin: Origin,
    /// Rules made so far.
    pub(super) made: usize,
    /// Where the rules behind this one stand, when it must lead there.
    pub(super) behind: Option<Box<str>>,
    /// What could not be said, and is left undecided.
    pub(super) undecided: Vec<String>,
}

impl Emitter<'_> {
    /// Adds the rules for `steps` to `out`.
    pub(super) fn rule(&mut self, steps: &[Step], out: &mut Vec<Rule>) {
        let mut first = Rule::new(self.origin);
        first.native = Some(Arc::clone(&self.native));
        if let Some(comment) = &self.native.comment {
            let text = comment.clone();
            first.matches.push(Match::Comment(crate::matches::comment::Comment { text }));
        }
        self.walk(vec![first], steps, out, false);
        if self.behind.is_some() {
            self.go_behind(out);
        }
    }

    /// What comes to the end of `out` goes on behind the rule.
    fn go_behind(&mut self, out: &mut Vec<Rule>) {
        let chain = self.behind_name();
        let made = Native { role: Role::Made, ..Native::clone(&self.native) };
        let native = Some(Arc::new(made));
        out.push(Rule { target: Some(Target::Goto(chain)), native, ..Rule::new(self.origin) });
    }

    fn behind_name(&mut self) -> Box<str> {
        let known = self.behind.take();
        let chain = known.unwrap_or_else(|| self.chains.behind());
        self.behind = Some(chain.clone());
        chain
    }

    fn empty(&self) -> Rule {
        let mut rule = Rule::new(self.origin);
        rule.native = Some(Arc::clone(&self.native));
        rule
    }

    /// `alternatives` are the rules under way: a packet goes on if it matches one of them.
    /// `is_inside`: they stand in a chain made for this rule.
    fn walk(
        &mut self,
        mut alternatives: Vec<Rule>,
        steps: &[Step],
        out: &mut Vec<Rule>,
        is_inside: bool,
    ) {
        for (at, step) in steps.iter().enumerate() {
            if alternatives.is_empty() {
                return;
            }
            let rest = steps.get(at + 1..).unwrap_or_default();
            match step {
                // A rate counts all packets of the rule together.
                Step::Ask(literal) if alternatives.len() > 1 && asks_memory(literal) => {
                    return self.lead(alternatives, steps.get(at..).unwrap_or_default(), out);
                }
                Step::Ask(literal) => {
                    let beside = match leaves(rest) {
                        // Who leaves the chain for good must stand in it.
                        true => RULES_MAX,
                        false => BESIDE_MAX,
                    };
                    match self.ask(&alternatives, literal, beside) {
                        Some(next) => alternatives = next,
                        None => return self.apart(alternatives, literal, rest, out),
                    }
                    let remembers = alternatives.iter().any(remembers);
                    if remembers && rest.iter().any(|step| !is_end(step)) {
                        return self.lead(alternatives, rest, out);
                    }
                }
                Step::Do(_) | Step::Helper(_) => {
                    let Some(target) = self.target_of(step) else { continue };
                    let goes_on = !rest.is_empty();
                    let changes = alternatives.iter().any(|rule| changes(rule, &target));
                    if goes_on && changes {
                        return self.lead(alternatives, steps.get(at..).unwrap_or_default(), out);
                    }
                    self.put(&alternatives, Some(target), out);
                }
                Step::End(verdict) => return self.end(alternatives, verdict, is_inside, out),
                Step::Map(entries) => {
                    for (atoms, verdict) in entries {
                        let all = Literal::Any(vec![atoms.clone()]);
                        match self.ask(&alternatives, &all, RULES_MAX) {
                            Some(next) => self.end(next, verdict, is_inside, out),
                            None => self.give_up(&alternatives, out),
                        }
                    }
                    return;
                }
            }
        }
    }

    fn end(
        &mut self,
        alternatives: Vec<Rule>,
        verdict: &Verdict,
        is_inside: bool,
        out: &mut Vec<Rule>,
    ) {
        if is_inside && matches!(verdict, Verdict::Return | Verdict::Goto(_)) {
            return self.give_up(&alternatives, out);
        }
        let target = self.chains.target(verdict);
        if target.is_some() {
            self.put(&alternatives, target, out);
        }
    }

    /// Whether the packet goes on from here nobody can say.
    fn give_up(&mut self, alternatives: &[Rule], out: &mut Vec<Rule>) {
        self.undecided.push(self.native.text.clone());
        let expression = self.native.text.clone();
        let unknown = Match::Nft(crate::matches::nft::Nft { expression });
        let mut alternatives = alternatives.to_vec();
        alternatives.iter_mut().for_each(|rule| rule.matches.push(unknown.clone()));
        self.put(&alternatives, Some(Target::Drop), out);
    }

    fn put(&mut self, alternatives: &[Rule], target: Option<Target>, out: &mut Vec<Rule>) {
        for rule in alternatives {
            if self.made >= RULES_MAX {
                return;
            }
            self.made += 1;
            out.push(Rule { target: target.clone(), ..rule.clone() });
        }
    }

    /// The alternatives with one more thing asked. `None`: rules beside one another cannot say it.
    fn ask(&self, before: &[Rule], literal: &Literal, beside: usize) -> Option<Vec<Rule>> {
        let one;
        let any: &[Vec<Atom>] = match literal {
            Literal::One(atom) => {
                one = [vec![atom.clone()]];
                &one
            }
            Literal::Any(any) => any,
            Literal::NoneOf(_) => return None,
        };
        if any.len() > 1 && before.len().saturating_mul(any.len()) > beside {
            return None;
        }
        let mut after = Vec::new();
        for rule in before {
            'next: for atoms in any {
                let mut rule = rule.clone();
                for atom in atoms {
                    match atom::add(&mut rule, &self.seen(atom), self.family) {
                        Added::Taken => {}
                        Added::Impossible => continue 'next,
                        Added::NoRoom => return None,
                    }
                }
                after.push(rule);
            }
        }
        Some(after)
    }

    /// A test as the first packet of a connection answers it, where only that counts.
    fn seen(&self, atom: &Atom) -> Atom {
        if self.is_ahead_of_routing
            && let Atom::Out(test) = atom
        {
            let expression = format!("oifname {}", test.value);
            return Atom::Match(Match::Nft(crate::matches::nft::Nft { expression }));
        }
        let constant = |truth: bool| if truth { Atom::Always } else { Atom::Never };
        let Atom::Match(found) = atom else { return atom.clone() };
        match (self.view, found) {
            (View::Helpers, Match::Conntrack(asked)) => {
                let states = asked.states.is_none_or(|test| {
                    test.holds(|states| states.contains(crate::matches::conntrack::States::NEW))
                });
                let direction = asked
                    .direction
                    .is_none_or(|direction| direction == kinwall_terms::Direction::Original);
                let status = asked.status.is_none_or(|test| test.invert);
                constant(states && direction && status)
            }
            (View::Helpers, Match::Helper(helper)) => constant(helper.name.invert),
            (View::Helpers, Match::Connmark(mark)) => {
                constant(mark.mark.holds(|mark| mark.matches(0)))
            }
            _ => atom.clone(),
        }
    }

    /// What is asked cannot stand beside: it gets a chain.
    fn apart(
        &mut self,
        alternatives: Vec<Rule>,
        literal: &Literal,
        rest: &[Step],
        out: &mut Vec<Rule>,
    ) {
        // Who may leave for good comes back nowhere: what stays goes on behind the rule.
        let leaves = leaves(rest);
        let mut inside = Vec::new();
        match literal {
            Literal::One(_) => {
                let mut steps = vec![Step::Ask(literal.clone())];
                steps.extend(rest.iter().cloned());
                self.walk(vec![self.empty()], &steps, &mut inside, !leaves);
            }
            Literal::Any(any) => {
                let mut then = Vec::new();
                self.walk(vec![self.empty()], rest, &mut then, !leaves);
                if leaves {
                    self.go_behind(&mut then);
                }
                let target = match then.as_slice() {
                    [] => return,
                    [only] if is_bare(only) => only.target.clone(),
                    _ => Some(Target::Goto(self.chains.add(then))),
                };
                self.each(any, target.as_ref(), &mut inside);
            }
            Literal::NoneOf(none) => {
                let back = match leaves {
                    true => Target::Goto(self.behind_name()),
                    false => Target::Return,
                };
                self.each(none, Some(&back), &mut inside);
                self.walk(vec![self.empty()], rest, &mut inside, !leaves);
            }
        }
        self.enter(&alternatives, inside, leaves, out);
    }

    /// Leads to a chain that holds the rest of the rule.
    fn enter(&mut self, from: &[Rule], mut inside: Vec<Rule>, leaves: bool, out: &mut Vec<Rule>) {
        if leaves {
            self.go_behind(&mut inside);
        }
        let chain = self.chains.add(inside);
        let target = if leaves { Target::Goto(chain) } else { Target::Jump(chain) };
        self.put(from, Some(target), out);
    }

    /// One rule for each element.
    fn each(&mut self, elements: &[Vec<Atom>], target: Option<&Target>, out: &mut Vec<Rule>) {
        for atoms in elements {
            let all = Literal::Any(vec![atoms.clone()]);
            match self.ask(&[self.empty()], &all, 1) {
                Some(rules) => self.put(&rules, target.cloned(), out),
                None => self.give_up(&[self.empty()], out),
            }
        }
    }

    /// The rest of the rule in a chain of its own, which is entered once.
    fn lead(&mut self, alternatives: Vec<Rule>, rest: &[Step], out: &mut Vec<Rule>) {
        let asks_on = rest.iter().any(|step| matches!(step, Step::Ask(_) | Step::Map(_)));
        let leaves = leaves(rest);
        let mut inside = Vec::new();
        self.walk(vec![self.empty()], rest, &mut inside, !leaves);
        if inside.is_empty() {
            return;
        }
        if leaves && asks_on {
            return self.enter(&alternatives, inside, true, out);
        }
        let chain = self.chains.add(inside);
        // The end of a chain that was led to for good is the end of this one: a return.
        let target = if leaves { Target::Goto(chain) } else { Target::Jump(chain) };
        self.put(&alternatives, Some(target), out);
    }

    fn target_of(&self, step: &Step) -> Option<Target> {
        match (self.view, step) {
            (View::Helpers, Step::Helper(name)) => {
                let helper = Some(name.as_str().into());
                Some(Target::Ct(Ct { helper, ..Ct::default() }))
            }
            (View::Helpers, _) => None,
            (View::After, Step::Do(Target::Notrack(_) | Target::Ct(_))) => None,
            (_, Step::Do(target)) => Some(target.clone()),
            _ => None,
        }
    }
}

/// Whether a rule may end by leaving its chain.
fn leaves(steps: &[Step]) -> bool {
    let leaving = |verdict: &Verdict| matches!(verdict, Verdict::Return | Verdict::Goto(_));
    steps.iter().any(|step| match step {
        Step::End(verdict) => leaving(verdict),
        Step::Map(entries) => entries.iter().any(|(_, verdict)| leaving(verdict)),
        _ => false,
    })
}

fn is_end(step: &Step) -> bool {
    matches!(step, Step::End(_))
}

fn asks_memory(literal: &Literal) -> bool {
    let stateful = |atom: &Atom| match atom {
        Atom::Match(found) => found.kind().spec().stateful,
        _ => false,
    };
    match literal {
        Literal::One(atom) => stateful(atom),
        Literal::Any(any) | Literal::NoneOf(any) => any.iter().flatten().any(stateful),
    }
}

/// Whether it asks nothing.
fn is_bare(rule: &Rule) -> bool {
    let bare =
        Rule { target: rule.target.clone(), native: rule.native.clone(), ..Rule::new(rule.origin) };
    *rule == bare
}

/// Whether asking it twice is not asking it once.
fn remembers(rule: &Rule) -> bool {
    rule.matches.iter().any(|found| found.kind().spec().stateful)
}

/// Whether the rule must not be asked again after `target`.
fn changes(rule: &Rule, target: &Target) -> bool {
    let marks =
        rule.matches.iter().any(|found| matches!(found, Match::Mark(_) | Match::Connmark(_)));
    let writes = matches!(target, Target::Mark(_) | Target::Connmark(_));
    remembers(rule) || marks && writes
}
