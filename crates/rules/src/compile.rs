//! Rule sets to programs.

use crate::eval::{ChainId, Decision};
use crate::index::{Builder, HEAD_RULES, RULES_MIN};
use crate::memory::Slot;
use crate::program::{Chain, Compiled, Next, Program, entry_number};
use crate::ruleset::{self, Policy, Rule, Ruleset};
use crate::sieve::{STATES, Sieve};
use crate::targets::Target;
use kinwall_terms::Reason;

/// The answer for rules that cannot be evaluated: the user's word for it.
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

impl Options {
    /// What is assumed of `rule`.
    pub(crate) fn assumed(&self, rule: &Rule) -> Option<bool> {
        let here = |a: &&Assumption| {
            a.line == rule.origin.line && a.file.is_none_or(|file| file == rule.origin.file)
        };
        self.assume.iter().find(here).map(|a| a.matches)
    }
}

/// How many of the rule's matches remember something.
pub(crate) fn slots_of(rule: &Rule) -> u32 {
    rule.matches.iter().map(|found| u32::from(found.kind().spec().stateful)).sum()
}

impl Program {
    /// Compiles a rule set that was loaded without mistakes.
    pub fn compile(ruleset: &Ruleset, options: &Options) -> Program {
        let mut program = Program {
            family: ruleset.family,
            rules: Vec::with_capacity(ruleset.len()),
            sieves: Vec::with_capacity(ruleset.len()),
            chains: Vec::new(),
            entries: [[None; 5]; 5],
            busy: 0,
            slots: 0,
            index: Default::default(),
        };
        let mut index = Builder::default();
        for (table, rules) in ruleset.tables() {
            let first = program.chains.len() as u32;
            let chain_of = |name: &str| rules.position(name).map(|n| ChainId(first + n as u32));
            for chain in &rules.chains {
                let id = ChainId(program.chains.len() as u32);
                if let Some(hook) = chain.hook {
                    program.entries[table.index()][hook.index()] = Some(id);
                }
                let is_busy = !chain.rules.is_empty() || chain.policy == Some(Policy::Drop);
                if let (Some(hook), true) = (chain.hook, is_busy) {
                    program.busy |= 1 << entry_number(table, hook);
                }
                let start = program.rules.len() as u32;
                for rule in &chain.rules {
                    program.add(rule, id, &chain_of, options);
                }
                let end = program.rules.len() as u32;
                let own = program.sieves.get(start as usize..).unwrap_or_default();
                let starts = STATES.map(|state| {
                    let open = own.iter().position(|sieve| !sieve.excludes(state));
                    open.map_or(end, |position| start + position as u32)
                });
                let (one_by_one, shapes) = add_to_index(&mut index, chain, start, end);
                program.chains.push(Chain {
                    table,
                    name: chain.name.clone(),
                    policy: chain.policy,
                    rules: start..end,
                    starts,
                    one_by_one,
                    shapes,
                });
            }
        }
        program.index = index.build();
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
            Some(Target::Accept) => Next::Decide(Decision::Accept),
            Some(Target::Drop) => Next::Decide(Decision::Drop(Reason::Rule)),
            Some(Target::Jump(name)) => chain_of(name).map_or(Next::Rule, Next::Jump),
            Some(Target::Goto(name)) => chain_of(name).map_or(Next::Rule, Next::Goto),
            Some(_) => Next::Target,
        };
        let first_slot = Slot(self.slots);
        self.slots += slots_of(rule);
        let assume = options.assumed(rule);
        let sieve = Sieve::new(rule);
        self.sieves.push(sieve);
        let beyond = rule.matches.get(usize::from(sieve.covered)..).unwrap_or_default();
        let asks_steadily = beyond.iter().all(|found| found.kind().spec().steady);
        self.rules.push(Compiled {
            is_steady: asks_steadily && !matches!(next, Next::Target),
            rule: rule.clone(),
            next,
            chain,
            first_slot,
            assume,
            is_covered: usize::from(sieve.covered) == rule.matches.len(),
        });
    }
}

/// Up to which rule a chain is tried one by one, and the shapes of the others.
fn add_to_index(
    index: &mut Builder,
    chain: &ruleset::Chain,
    start: u32,
    end: u32,
) -> (u32, crate::index::Shapes) {
    if chain.rules.len() < RULES_MIN {
        return (end, 0..0);
    }
    let first = (start + HEAD_RULES).min(end);
    let rest = chain.rules.iter().skip((first - start) as usize);
    (first, index.add(rest, first))
}
