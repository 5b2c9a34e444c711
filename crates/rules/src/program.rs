//! Rules ready to be walked.
//!
//! A [`Program`] holds the rules of one family in one list, chain after chain, with jumps
//! resolved to positions. [`Program::walk`] takes a packet through the chains of one table. The
//! index of each longer chain finds the rules that may match, in order; the verdict is that of
//! [`crate::naive`], which tries them all.

pub use crate::compile::{Assumption, Options};
use crate::eval::{
    self, ChainId, Decision, Effect, Outcome, RuleId, RuleRef, Scene, Step, Trace, Walk,
};
use crate::facts::{Facts, PacketState};
use crate::index::{Candidates, Index, Key, Shapes};
use crate::matches::Match;
use crate::memory::{Memory, Slot};
use crate::ruleset::{Policy, Rule};
use kinwall_terms::{Family, Hook, Reason, Table};
use std::ops::Range;

/// The rules of one family, compiled.
#[derive(Debug)]
pub struct Program {
    pub(crate) family: Family,
    pub(crate) rules: Vec<Compiled>,
    pub(crate) chains: Vec<Chain>,
    /// The built-in chains, by table and hook.
    pub(crate) entries: [[Option<ChainId>; 5]; 5],
    pub(crate) slots: u32,
    pub(crate) index: Index,
}

#[derive(Debug)]
pub(crate) struct Compiled {
    pub rule: Rule,
    pub next: Next,
    pub chain: ChainId,
    pub first_slot: Slot,
    pub assume: Option<bool>,
}

/// What follows when a rule matches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    Rule,
    Return,
    Jump(ChainId),
    Goto(ChainId),
    Target,
}

#[derive(Debug)]
pub(crate) struct Chain {
    pub table: Table,
    pub name: String,
    pub policy: Option<Policy>,
    pub rules: Range<u32>,
    /// Up to this rule every rule is tried; from it on those that the index finds.
    pub one_by_one: u32,
    pub shapes: Shapes,
}

/// How many chains may be entered one within the other, the built-in one included: Linux's own
/// limit. Rule sets beyond it are refused when loaded.
pub const JUMP_DEPTH_MAX: usize = 16;

impl Program {
    /// The family of the rules.
    pub fn family(&self) -> Family {
        self.family
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many places in the memory the rules need.
    pub fn slots(&self) -> usize {
        self.slots as usize
    }

    /// Whether `table` has a chain at `hook`: where it has none, no walk is needed.
    pub fn has_chain(&self, table: Table, hook: Hook) -> bool {
        self.entries[table.index()][hook.index()].is_some()
    }

    /// The rule itself.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.0 as usize).map(|compiled| &compiled.rule)
    }

    /// The rule by name.
    pub fn reference(&self, id: RuleId) -> Option<RuleRef> {
        let compiled = self.rules.get(id.0 as usize)?;
        let chain = self.chains.get(compiled.chain.0 as usize)?;
        Some(RuleRef {
            family: self.family,
            table: chain.table,
            chain: chain.name.clone(),
            number: id.0 - chain.rules.start + 1,
            file: compiled.rule.origin.file,
            line: compiled.rule.origin.line,
        })
    }

    /// The table and name of a chain.
    pub fn chain(&self, id: ChainId) -> Option<(Table, &str)> {
        self.chains.get(id.0 as usize).map(|chain| (chain.table, chain.name.as_str()))
    }

    /// Whether a rule asks how much a connection has carried: counting must be on then, as Linux
    /// switches it on.
    pub fn needs_accounting(&self) -> bool {
        let asks = |found: &Match| matches!(found, Match::Connbytes(_));
        self.rules.iter().any(|compiled| compiled.rule.matches.iter().any(asks))
    }

    /// The rules that cannot be evaluated and of which nothing is assumed.
    pub fn not_evaluated(&self) -> impl Iterator<Item = RuleId> {
        let open = |compiled: &Compiled| {
            compiled.assume.is_none() && compiled.rule.not_evaluated().next().is_some()
        };
        self.rule_ids().filter(move |id| self.rules.get(id.0 as usize).is_some_and(open))
    }

    /// The rules of which something is assumed, and what.
    pub fn assumed(&self) -> impl Iterator<Item = (RuleId, bool)> {
        let numbered = (0..).map(RuleId).zip(&self.rules);
        numbered.filter_map(|(id, compiled)| Some((id, compiled.assume?)))
    }

    fn rules_of(&self, chain: ChainId) -> Range<u32> {
        self.chains.get(chain.0 as usize).map_or(0..0, |chain| chain.rules.clone())
    }

    /// Every rule, in order.
    pub fn rule_ids(&self) -> impl Iterator<Item = RuleId> + use<> {
        (0..self.rules.len() as u32).map(RuleId)
    }

    /// Takes a packet through the chains of `table` at the hook where it is. A table without
    /// chain at that hook accepts.
    pub fn walk(
        &self,
        table: Table,
        facts: &Facts<'_>,
        state: &mut PacketState,
        memory: &mut Memory,
        trace: Option<&mut Trace>,
    ) -> Walk {
        let Some(entry) = self.entries[table.index()][facts.hook.index()] else {
            return Walk { decision: Decision::Accept, rule: None };
        };
        let scene = Scene {
            facts,
            state,
            memory,
            family: self.family,
            slot: Slot::default(),
            rule: RuleId(0),
        };
        let mut walker = Walker {
            program: self,
            scene,
            trace,
            stack: Stack::default(),
            key: None,
            candidates: Candidates::NONE,
            loaded: None,
        };
        walker.run(entry)
    }
}

/// Where to go on after a chain has ended.
#[derive(Default)]
struct Stack {
    places: [(u32, u32); JUMP_DEPTH_MAX],
    depth: usize,
}

impl Stack {
    fn push(&mut self, chain: ChainId, next: u32) {
        if let Some(place) = self.places.get_mut(self.depth) {
            *place = (chain.0, next);
            self.depth += 1;
        }
    }

    fn pop(&mut self) -> Option<(ChainId, u32)> {
        self.depth = self.depth.checked_sub(1)?;
        let (chain, next) = self.places[self.depth];
        Some((ChainId(chain), next))
    }
}

struct Walker<'a, 'f, 't> {
    program: &'a Program,
    scene: Scene<'a, 'f>,
    trace: Option<&'t mut Trace>,
    stack: Stack,
    /// What the index is asked with; made when it is first asked.
    key: Option<Key>,
    candidates: Candidates,
    /// The chain that `candidates` belong to.
    loaded: Option<ChainId>,
}

impl Walker<'_, '_, '_> {
    fn run(&mut self, entry: ChainId) -> Walk {
        let program = self.program;
        let first_of = |chain: ChainId| program.rules_of(chain).start;
        let mut chain = entry;
        let mut next = first_of(chain);
        self.note(|| Step::Enter(chain));
        loop {
            let Some(id) = self.next_rule(chain, next) else {
                match self.stack.pop() {
                    Some(place) => (chain, next) = place,
                    None => return self.policy(entry),
                }
                self.loaded = None;
                self.note(|| Step::Return(chain));
                continue;
            };
            next = id.0 + 1;
            match self.try_rule(id) {
                Flow::Next => {}
                Flow::End(decision) => return Walk { decision, rule: Some(id) },
                Flow::Return => next = program.rules_of(chain).end,
                Flow::Enter { to, back } => {
                    if back {
                        self.stack.push(chain, next);
                    }
                    (chain, next) = (to, first_of(to));
                    self.loaded = None;
                    self.note(|| Step::Enter(chain));
                }
            }
        }
    }

    /// The first rule of `chain` from `next` on that may match.
    fn next_rule(&mut self, chain: ChainId, next: u32) -> Option<RuleId> {
        let program = self.program;
        let found = program.chains.get(chain.0 as usize)?;
        if next < found.one_by_one || (self.trace.is_some() && next < found.rules.end) {
            return Some(RuleId(next));
        }
        if next >= found.rules.end {
            return None;
        }
        if self.loaded != Some(chain) {
            let key = self.key.get_or_insert_with(|| Key::of(self.scene.facts));
            self.candidates.load(&program.index, &found.shapes, key, next..found.rules.end);
            self.loaded = Some(chain);
        }
        self.candidates.next(&program.index).map(RuleId)
    }

    fn note(&mut self, step: impl FnOnce() -> Step) {
        if let Some(trace) = &mut self.trace {
            trace.steps.push(step());
        }
    }

    fn policy(&mut self, entry: ChainId) -> Walk {
        self.note(|| Step::Policy(entry));
        let policy = self.program.chains.get(entry.0 as usize).and_then(|chain| chain.policy);
        let decision = match policy {
            Some(Policy::Drop) => Decision::Drop(Reason::ChainPolicy),
            _ => Decision::Accept,
        };
        Walk { decision, rule: None }
    }

    fn try_rule(&mut self, id: RuleId) -> Flow {
        let program = self.program;
        let Some(compiled) = program.rules.get(id.0 as usize) else { return Flow::Next };
        self.scene.rule = id;
        let outcome =
            eval::rule(&compiled.rule, compiled.first_slot, compiled.assume, &mut self.scene);
        self.note(|| match outcome {
            Outcome::Matched | Outcome::HotDrop => Step::Matched(id),
            Outcome::Missed(part) => Step::Missed(id, part),
            Outcome::Unknown(part) => Step::Unknown(id, part),
            Outcome::Assumed(answer) => Step::Assumed(id, answer),
        });
        match outcome {
            Outcome::Matched | Outcome::Assumed(true) => self.act(compiled),
            Outcome::Missed(_) | Outcome::Assumed(false) => Flow::Next,
            Outcome::HotDrop => Flow::End(Decision::Drop(Reason::HotDrop)),
            Outcome::Unknown(_) if compiled.rule.only_records() => Flow::Next,
            Outcome::Unknown(_) => Flow::End(Decision::Unknown),
        }
    }

    fn act(&mut self, compiled: &Compiled) -> Flow {
        let bytes = u64::from(self.scene.facts.headers.total_length);
        self.scene.memory.count(self.program.family, self.scene.rule, bytes);
        match compiled.next {
            Next::Rule => Flow::Next,
            Next::Return => Flow::Return,
            Next::Jump(to) => Flow::Enter { to, back: true },
            Next::Goto(to) => Flow::Enter { to, back: false },
            Next::Target => match eval::target(&compiled.rule, compiled.assume, &mut self.scene) {
                Effect::Decide(decision) => Flow::End(decision),
                Effect::Continue => Flow::Next,
            },
        }
    }
}

enum Flow {
    Next,
    Return,
    Enter { to: ChainId, back: bool },
    End(Decision),
}
