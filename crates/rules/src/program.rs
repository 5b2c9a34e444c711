//! Rules ready to be walked.
//!
//! A [`Program`] holds the rules of one family in one list, chain after chain, with jumps
//! resolved to positions. [`Program::walk`] takes a packet through the chains of one table.

use crate::eval::{
    self, ChainId, Decision, Effect, Outcome, RuleId, RuleRef, Scene, Step, Trace, Walk,
};
use crate::facts::{Facts, PacketState};
use crate::memory::{Memory, Slot};
use crate::ruleset::{Policy, Rule, Ruleset};
use crate::targets::Target;
use kinwall_terms::{Family, Hook, Reason, Table};
use std::ops::Range;

/// Answers for rules that cannot be evaluated: the user's word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// Index of the source; `None`: any.
    pub file: Option<u16>,
    /// Line of the rule in its source, from 1.
    pub line: u32,
    /// Whether what cannot be evaluated is taken to match.
    pub matches: bool,
}

/// How to compile.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Answers for rules that cannot be evaluated.
    pub assume: Vec<Assumption>,
}

/// The rules of one family, compiled.
#[derive(Debug)]
pub struct Program {
    family: Family,
    rules: Vec<Compiled>,
    chains: Vec<CompiledChain>,
    /// The built-in chains, by table and hook.
    entries: [[Option<ChainId>; 5]; 5],
    slots: u32,
}

#[derive(Debug)]
struct Compiled {
    rule: Rule,
    next: Next,
    chain: ChainId,
    first_slot: Slot,
    assume: Option<bool>,
}

/// What follows when a rule matches.
#[derive(Clone, Copy, Debug)]
enum Next {
    Rule,
    Return,
    Jump(ChainId),
    Goto(ChainId),
    Target,
}

#[derive(Debug)]
struct CompiledChain {
    table: Table,
    name: String,
    policy: Option<Policy>,
    rules: Range<u32>,
}

/// How many chains may be entered one within the other, the built-in one included: Linux's own
/// limit. Rule sets beyond it are refused when loaded.
pub const JUMP_DEPTH_MAX: usize = 16;

impl Program {
    /// Compiles a rule set that was loaded without mistakes.
    pub fn compile(ruleset: &Ruleset, options: &Options) -> Program {
        let mut program = Program {
            family: ruleset.family,
            rules: Vec::with_capacity(ruleset.len()),
            chains: Vec::new(),
            entries: [[None; 5]; 5],
            slots: 0,
        };
        for (table, rules) in ruleset.tables() {
            let first = program.chains.len() as u32;
            let chain_of = |name: &str| rules.position(name).map(|n| ChainId(first + n as u32));
            for chain in &rules.chains {
                let id = ChainId(program.chains.len() as u32);
                if let Some(hook) = chain.hook {
                    program.entries[table.index()][hook.index()] = Some(id);
                }
                let start = program.rules.len() as u32;
                for rule in &chain.rules {
                    program.add(rule, id, &chain_of, options);
                }
                program.chains.push(CompiledChain {
                    table,
                    name: chain.name.clone(),
                    policy: chain.policy,
                    rules: start..program.rules.len() as u32,
                });
            }
        }
        program
    }

    fn add(
        &mut self,
        rule: &Rule,
        chain: ChainId,
        chain_of: &dyn Fn(&str) -> Option<ChainId>,
        options: &Options,
    ) {
        let next = match &rule.target {
            None => Next::Rule,
            Some(Target::Return) => Next::Return,
            Some(Target::Jump(name)) => chain_of(name).map_or(Next::Rule, Next::Jump),
            Some(Target::Goto(name)) => chain_of(name).map_or(Next::Rule, Next::Goto),
            Some(_) => Next::Target,
        };
        let here = |a: &&Assumption| {
            a.line == rule.origin.line && a.file.is_none_or(|file| file == rule.origin.file)
        };
        let first_slot = Slot(self.slots);
        self.slots += slots_of(rule);
        self.rules.push(Compiled {
            rule: rule.clone(),
            next,
            chain,
            first_slot,
            assume: options.assume.iter().find(here).map(|a| a.matches),
        });
    }

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
        Walker { program: self, scene, trace, stack: Stack::default() }.run(entry)
    }
}

/// How many of the rule's matches remember something.
pub(crate) fn slots_of(rule: &Rule) -> u32 {
    rule.matches.iter().map(|found| u32::from(found.kind().spec().stateful)).sum()
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
}

impl Walker<'_, '_, '_> {
    fn run(mut self, entry: ChainId) -> Walk {
        let mut chain = entry;
        let mut next = self.rules_of(chain).start;
        self.note(|| Step::Enter(chain));
        loop {
            let Some(id) = (next < self.rules_of(chain).end).then_some(RuleId(next)) else {
                match self.stack.pop() {
                    Some(place) => (chain, next) = place,
                    None => return self.policy(entry),
                }
                self.note(|| Step::Return(chain));
                continue;
            };
            next += 1;
            match self.try_rule(id) {
                Flow::Next => {}
                Flow::End(decision) => return Walk { decision, rule: Some(id) },
                Flow::Return => next = self.rules_of(chain).end,
                Flow::Enter { to, back } => {
                    if back {
                        self.stack.push(chain, next);
                    }
                    chain = to;
                    next = self.rules_of(chain).start;
                    self.note(|| Step::Enter(chain));
                }
            }
        }
    }

    fn rules_of(&self, chain: ChainId) -> Range<u32> {
        self.program.chains.get(chain.0 as usize).map_or(0..0, |chain| chain.rules.clone())
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
            Outcome::Unknown(_) if compiled.rule.target.is_none() => Flow::Next,
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
            Next::Target => match compiled.rule.target.as_ref().map(|t| t.eval(&mut self.scene)) {
                Some(Effect::Decide(decision)) => Flow::End(decision),
                _ => Flow::Next,
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
