//! Rules ready to be walked.
//!
//! A [`Program`] holds the rules of one family in one list, chain after chain, with jumps
//! resolved to positions. [`Program::walk`] takes a packet through the chains of one table. What
//! a rule asks of plain numbers is compared first, in its sieve; of longer chains, an index
//! finds the rules that may match, in order. The verdict is that of [`crate::naive`], which
//! tries every rule as it was written.

pub use crate::compile::{Assumption, Options};
use crate::eval::{
    self, ChainId, Decision, Effect, Outcome, RuleId, RuleRef, Scene, Step, Trace, Walk,
};
use crate::facts::{Facts, PacketState};
use crate::index::{Candidates, Index, Shapes};
use crate::key::Key;
use crate::matches::Match;
use crate::memory::{Memory, Slot};
use crate::ruleset::{Policy, Rule};
use crate::sieve::Sieve;
use crate::targets::nat::Wanted;
use kinwall_terms::{Family, Hook, Reason, Table};
use std::ops::Range;

/// The rules of one family, compiled.
#[derive(Debug)]
pub struct Program {
    pub(crate) family: Family,
    pub(crate) rules: Vec<Compiled>,
    /// Beside each rule: what it asks of plain numbers.
    pub(crate) sieves: Vec<Sieve>,
    pub(crate) chains: Vec<Chain>,
    /// The built-in chains, by table and hook.
    pub(crate) entries: [[Option<ChainId>; 5]; 5],
    /// A bit for each of these chains, by [`entry_number`], that may do anything.
    pub(crate) busy: u32,
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
    /// Whether its sieve is all it asks.
    pub is_covered: bool,
    /// Whether all it asks beyond is steady, and its target only directs the walk.
    pub is_steady: bool,
}

/// What follows when a rule matches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    Rule,
    Return,
    Jump(ChainId),
    Goto(ChainId),
    Decide(Decision),
    Target,
}

#[derive(Debug)]
pub(crate) struct Chain {
    pub table: Table,
    pub name: String,
    pub policy: Option<Policy>,
    pub rules: Range<u32>,
    /// By ct state: the first rule that a packet of that state may match.
    pub starts: [u32; 5],
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

    /// Whether a walk through `table` at `hook` may do anything: not where there is no chain, or
    /// one without rules that accepts.
    #[inline]
    pub fn has_rules(&self, table: Table, hook: Hook) -> bool {
        self.busy >> entry_number(table, hook) & 1 == 1
    }

    /// The rule itself.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.0 as usize).map(|compiled| &compiled.rule)
    }

    /// What the rule wants to be translated.
    pub fn wanted(&self, id: RuleId) -> Option<Wanted> {
        self.rule(id)?.target.as_ref()?.wanted()
    }

    /// Whether there is a nat table: where there is, Linux looks for a free port for every
    /// connection, whether a rule wants it or not.
    pub fn has_nat(&self) -> bool {
        self.entries[Table::Nat.index()].iter().any(Option::is_some)
    }

    /// The rule by name.
    pub fn reference(&self, id: RuleId) -> Option<RuleRef> {
        let compiled = self.rules.get(id.0 as usize)?;
        let chain = self.chains.get(compiled.chain.0 as usize)?;
        let rule = &compiled.rule;
        let (name, number) = rule.known_as(&chain.name, id.0 - chain.rules.start + 1);
        Some(RuleRef {
            family: self.family,
            table: chain.table,
            chain: name,
            number,
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
        let key = Key::of(facts);
        if trace.is_some() {
            let place = Place { entry, next: self.rules_of(entry).start };
            return self.walk_on(place, &key, facts, state, memory, trace);
        }
        match self.glance(table, facts.hook, &key, memory, facts.headers.total_length) {
            Ok(walk) => walk,
            Err(place) => self.walk_on(place, &key, facts, state, memory, None),
        }
    }

    /// Begins a walk, and ends it where no more is needed than `key`: when the first rule that
    /// may match does, and decides. A packet of `bytes` is counted then. Else, the place from
    /// which [`Program::walk_on`] goes on.
    #[inline]
    pub fn glance(
        &self,
        table: Table,
        hook: Hook,
        key: &Key,
        memory: &mut Memory,
        bytes: u32,
    ) -> Result<Walk, Place> {
        let Some(entry) = self.entries[table.index()][hook.index()] else {
            return Ok(Walk { decision: Decision::Accept, rule: None });
        };
        let chain = &self.chains[entry.0 as usize];
        let place = |next| Place { entry, next };
        let first = self.first_of(entry, key);
        if first >= chain.rules.end {
            return Ok(chain.policy_walk());
        }
        let head = self.sieves.get(first as usize..chain.one_by_one as usize).unwrap_or_default();
        let Some(passed) = head.iter().position(|sieve| sieve.passes(key)) else {
            return match chain.one_by_one == chain.rules.end {
                true => Ok(chain.policy_walk()),
                false => Err(place(chain.one_by_one.max(first))),
            };
        };
        let id = RuleId(first + passed as u32);
        match self.rules.get(id.0 as usize) {
            Some(Compiled { next: Next::Decide(decision), is_covered: true, .. }) => {
                memory.count(self.family, id, u64::from(bytes));
                Ok(Walk { decision: *decision, rule: Some(id) })
            }
            _ => Err(place(id.0)),
        }
    }

    /// Takes a packet from a place in a chain to the end of the walk. `key` is that of `facts`.
    pub fn walk_on(
        &self,
        from: Place,
        key: &Key,
        facts: &Facts<'_>,
        state: &mut PacketState,
        memory: &mut Memory,
        trace: Option<&mut Trace>,
    ) -> Walk {
        let Place { entry, next } = from;
        let mut walker = self.walker(key, facts, state, memory, trace);
        walker.note(|| Step::Enter(entry));
        walker.run(entry, entry, next)
    }

    /// Takes a packet that got another address to the end of its walk, from where that stands
    /// ([`PacketState::paused`]). `key` is that of `facts`.
    pub fn go_on(
        &self,
        paused: Paused,
        key: &Key,
        facts: &Facts<'_>,
        state: &mut PacketState,
        memory: &mut Memory,
        trace: Option<&mut Trace>,
    ) -> Walk {
        let Paused { entry, chain, next, stack } = paused;
        let mut walker = self.walker(key, facts, state, memory, trace);
        walker.stack = stack;
        walker.run(entry, chain, next)
    }

    fn walker<'a, 'f, 't>(
        &'a self,
        key: &Key,
        facts: &'a Facts<'f>,
        state: &'a mut PacketState,
        memory: &'a mut Memory,
        trace: Option<&'t mut Trace>,
    ) -> Walker<'a, 'f, 't> {
        let (slot, rule) = (Slot::default(), RuleId(0));
        Walker {
            program: self,
            key: *key,
            scene: Scene { facts, state, memory, family: self.family, slot, rule },
            trace,
            stack: None,
            candidates: None,
            loaded: None,
        }
    }

    /// The first rule of a chain that a packet may match, as far as its ct state tells.
    #[inline]
    fn first_of(&self, chain: ChainId, key: &Key) -> u32 {
        let chain = self.chains.get(chain.0 as usize);
        chain.map_or(0, |chain| chain.starts[usize::from(key.state)])
    }
}

/// A place in a built-in chain, before a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    entry: ChainId,
    next: u32,
}

/// A walk that goes on with another packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// The built-in chain.
    entry: ChainId,
    /// The chain, and the rule of it that is next.
    chain: ChainId,
    next: u32,
    stack: Option<Stack>,
}

/// The number of a built-in chain.
#[inline]
pub(crate) fn entry_number(table: Table, hook: Hook) -> usize {
    table.index() * 5 + hook.index()
}

impl Chain {
    /// The end of a walk by the policy.
    fn policy_walk(&self) -> Walk {
        let decision = match self.policy {
            Some(Policy::Drop) => Decision::Drop(Reason::ChainPolicy),
            _ => Decision::Accept,
        };
        Walk { decision, rule: None }
    }
}

/// Where to go on after a chain has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    key: Key,
    scene: Scene<'a, 'f>,
    trace: Option<&'t mut Trace>,
    /// Made when the first chain is entered from another.
    stack: Option<Stack>,
    /// Made when the index is first asked.
    candidates: Option<Candidates>,
    /// The chain that `candidates` belong to.
    loaded: Option<ChainId>,
}

impl Walker<'_, '_, '_> {
    fn run(&mut self, entry: ChainId, mut chain: ChainId, mut next: u32) -> Walk {
        loop {
            let Some(id) = self.next_rule(chain, next) else {
                match self.stack.as_mut().and_then(Stack::pop) {
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
                Flow::End(decision) => {
                    if decision == Decision::Readdress {
                        let stack = self.stack.take();
                        let paused = Paused { entry, chain, next, stack };
                        self.scene.state.paused = Some(Box::new(paused));
                    }
                    return Walk { decision, rule: Some(id) };
                }
                Flow::Return => next = self.program.rules_of(chain).end,
                Flow::Enter { to, back } => {
                    if back {
                        self.stack.get_or_insert_default().push(chain, next);
                    }
                    (chain, next) = (to, self.first_of(to));
                    self.loaded = None;
                    self.note(|| Step::Enter(chain));
                }
            }
        }
    }

    /// The first rule of a chain that is tried.
    fn first_of(&self, chain: ChainId) -> u32 {
        match self.trace {
            Some(_) => self.program.rules_of(chain).start,
            None => self.program.first_of(chain, &self.key),
        }
    }

    /// The first rule of `chain` from `next` on that may match; for a trace, the next one.
    #[inline]
    fn next_rule(&mut self, chain: ChainId, next: u32) -> Option<RuleId> {
        let program = self.program;
        let found = program.chains.get(chain.0 as usize)?;
        if self.trace.is_some() {
            return (next < found.rules.end).then_some(RuleId(next));
        }
        if next < found.one_by_one {
            let sieves = program.sieves.get(next as usize..found.one_by_one as usize)?;
            if let Some(passed) = sieves.iter().position(|sieve| sieve.passes(&self.key)) {
                return Some(RuleId(next + passed as u32));
            }
        }
        let next = next.max(found.one_by_one);
        if next >= found.rules.end {
            return None;
        }
        self.next_candidate(chain, found, next)
    }

    /// As [`Walker::next_rule`], for rules that the index finds.
    fn next_candidate(&mut self, id: ChainId, chain: &Chain, next: u32) -> Option<RuleId> {
        let program = self.program;
        let candidates = self.candidates.get_or_insert(Candidates::NONE);
        if self.loaded != Some(id) {
            candidates.load(&program.index, &chain.shapes, &self.key, next..chain.rules.end);
            self.loaded = Some(id);
        }
        loop {
            let rule = candidates.next(&program.index)?;
            if program.sieves.get(rule as usize).is_some_and(|sieve| sieve.passes(&self.key)) {
                return Some(RuleId(rule));
            }
        }
    }

    #[inline]
    fn note(&mut self, step: impl FnOnce() -> Step) {
        if let Some(trace) = &mut self.trace {
            trace.steps.push(step());
        }
    }

    fn policy(&mut self, entry: ChainId) -> Walk {
        self.note(|| Step::Policy(entry));
        match self.program.chains.get(entry.0 as usize) {
            Some(chain) => chain.policy_walk(),
            None => Walk { decision: Decision::Accept, rule: None },
        }
    }

    #[inline]
    fn try_rule(&mut self, id: RuleId) -> Flow {
        let program = self.program;
        let Some(compiled) = program.rules.get(id.0 as usize) else { return Flow::Next };
        self.scene.rule = id;
        if !compiled.is_steady {
            self.scene.memory.lose_lesson();
        }
        let Compiled { rule, first_slot, assume, is_covered, .. } = compiled;
        let outcome = match program.sieves.get(id.0 as usize) {
            Some(_) if self.trace.is_none() && *is_covered => Outcome::Matched,
            Some(sieve) if self.trace.is_none() => {
                let covered = usize::from(sieve.covered);
                eval::matches(rule, covered, *first_slot, *assume, &mut self.scene)
            }
            _ => eval::rule(rule, *first_slot, *assume, &mut self.scene),
        };
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

    fn target(&mut self, compiled: &Compiled) -> Flow {
        let had_template = self.scene.state.ct.is_some();
        match eval::target(&compiled.rule, compiled.assume, &mut self.scene) {
            Effect::Decide(decision) => return Flow::End(decision),
            Effect::Continue => {}
        }
        if !had_template && self.scene.state.ct.is_some() {
            // Rules behind this one see another ct state, and others of them may match.
            self.key = self.key.tracked(self.scene.state.ct_state(self.scene.facts));
            self.loaded = None;
        }
        Flow::Next
    }

    #[inline]
    fn act(&mut self, compiled: &Compiled) -> Flow {
        let bytes = u64::from(self.scene.facts.headers.total_length);
        self.scene.memory.count(self.program.family, self.scene.rule, bytes);
        match compiled.next {
            Next::Rule => Flow::Next,
            Next::Return => Flow::Return,
            Next::Jump(to) => Flow::Enter { to, back: true },
            Next::Goto(to) => Flow::Enter { to, back: false },
            Next::Decide(decision) => Flow::End(decision),
            Next::Target => self.target(compiled),
        }
    }
}

enum Flow {
    Next,
    Return,
    Enter { to: ChainId, back: bool },
    End(Decision),
}
