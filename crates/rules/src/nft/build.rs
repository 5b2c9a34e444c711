//! Base chains in the order of the packet's path, and the chains that they lead to.
//!
//! The model has one chain at a place where nftables may have several, one behind the other. All
//! but the first become chains that the one before leads to for good: what `accept` ends is its
//! own base chain, and the packet goes on in the next.
//!
//! nftables gives a helper to a connection behind connection tracking (`ct helper set`), the model
//! before it (`-j CT`). So each base chain that gives out helpers has a second view, put into the
//! raw table, with what a new connection meets on its way to the helper: see [`View::Helpers`].

use super::emit::{Chains, Emitter, View};
use super::index::{Index, label};
use super::json;
use super::notes::Notes;
use super::steps::{Reader, Verdict};
use crate::diagnostic::Origin;
use crate::matches::Match;
use crate::matches::addrtype::Addrtype;
use crate::option::Test;
use crate::ruleset::{Native, Policy, Role, Rule, Ruleset, TableRules};
use crate::targets::Target;
use kinwall_terms::{Family, Hook, Table};
use kinwall_topology::AddressTypes;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// A base chain at its place.
pub(super) struct Base<'a> {
    pub(super) chain: &'a json::Chain,
    pub(super) hook: Hook,
    pub(super) priority: i64,
}

/// Connection tracking's own priority.
const TRACKING: i64 = -200;
/// Up to here chains of the later hooks count as mangling, and behind it as filtering.
const MANGLING: i64 = -100;

impl Base<'_> {
    fn slot(&self) -> (Table, Hook) {
        let table = match self.hook {
            _ if self.chain.kind.as_deref() == Some("nat") => Table::Nat,
            Hook::Prerouting | Hook::Output if self.priority < TRACKING => Table::Raw,
            Hook::Prerouting | Hook::Postrouting => Table::Mangle,
            _ if self.priority < MANGLING => Table::Mangle,
            _ => Table::Filter,
        };
        (table, self.hook)
    }

    fn policy(&self) -> Policy {
        match self.chain.policy.as_deref() {
            Some("drop") => Policy::Drop,
            _ => Policy::Accept,
        }
    }
}

/// A base chain in one of its views.
struct Stage<'b, 'a> {
    base: &'b Base<'a>,
    view: View,
}

/// Builds the rules of one family.
pub(super) struct Builder<'i, 'a> {
    index: &'i Index<'a>,
    family: Family,
    notes: &'i mut Notes,
    ruleset: &'i mut Ruleset,
    /// The chains that were made, by what they were made of.
    known: HashMap<Key, Box<str>>,
    env: Env,
    /// The chains that drop as the policy of a base chain does, by that chain's name.
    dropping: Vec<(Box<str>, Box<str>)>,
    made: usize,
}

/// What a chain of the model is made of: the chain's own name, and its [`Env`].
type Key = (String, String, String, Table, View, bool, Option<Box<str>>);

/// Where rules are made for.
#[derive(Clone)]
struct Env {
    table: Table,
    view: View,
    /// Whether the chain was written behind routing and stands before it.
    is_ahead: bool,
    /// The family and name of the table of nftables.
    of: (String, String),
    /// The chain of the model that is being made.
    chain: Box<str>,
    /// Where a packet goes that the base chain accepts; `None`: out of the table.
    next: Option<Box<str>>,
    /// What `return` does in a base chain that stands behind another.
    policy: Option<Policy>,
}

impl Env {
    fn accept(&self) -> Target {
        match &self.next {
            Some(next) => Target::Goto(next.clone()),
            None => Target::Accept,
        }
    }
}

impl<'i, 'a> Builder<'i, 'a> {
    pub(super) fn new(
        index: &'i Index<'a>,
        family: Family,
        notes: &'i mut Notes,
        ruleset: &'i mut Ruleset,
    ) -> Builder<'i, 'a> {
        let env = Env {
            table: Table::Filter,
            view: View::After,
            is_ahead: false,
            of: (String::new(), String::new()),
            chain: Box::from(""),
            next: None,
            policy: None,
        };
        Builder {
            index,
            family,
            notes,
            ruleset,
            known: HashMap::new(),
            env,
            dropping: Vec::new(),
            made: 0,
        }
    }

    /// Puts the base chains, which are in order of their priority, into the tables.
    pub(super) fn build(&mut self, bases: &[Base<'a>]) {
        for table in Table::ALL {
            for &hook in table.hooks() {
                let mut stages: Vec<Stage<'_, 'a>> = bases
                    .iter()
                    .filter(|base| base.slot() == (table, hook))
                    .map(|base| {
                        let view = if table == Table::Raw { View::Before } else { View::After };
                        Stage { base, view }
                    })
                    .collect();
                if table == Table::Raw {
                    stages.extend(self.helper_stages(bases, hook));
                }
                self.place(table, hook, &stages);
            }
        }
    }

    /// The base chains behind tracking that give helpers to connections beginning at `hook`.
    fn helper_stages<'b>(&self, bases: &'b [Base<'a>], hook: Hook) -> Vec<Stage<'b, 'a>> {
        let begins = |base: &&Base<'a>| match base.hook {
            Hook::Output => hook == Hook::Output,
            Hook::Prerouting | Hook::Input | Hook::Forward => hook == Hook::Prerouting,
            Hook::Postrouting => false,
        };
        let later =
            |base: &&Base<'a>| base.slot().0 != Table::Raw && self.index.gives_helpers(base.chain);
        let stages = bases.iter().filter(begins).filter(later);
        stages.map(|base| Stage { base, view: View::Helpers }).collect()
    }

    fn place(&mut self, table: Table, hook: Hook, stages: &[Stage<'_, 'a>]) {
        let taken = self.ruleset.table(table).and_then(|rules| rules.chain(hook.chain()));
        let is_taken = taken
            .is_some_and(|chain| !chain.rules.is_empty() || chain.policy == Some(Policy::Drop));
        let name = |at: usize| -> Box<str> {
            match at {
                0 if !is_taken => hook.chain().into(),
                at => format!("{}@{}", hook.chain(), at + 1).into(),
            }
        };
        if is_taken && !stages.is_empty() {
            super::behind::lead_on(self.ruleset, table, hook, &name(0));
        }
        let single = stages.len() == 1 && !is_taken;
        for (at, stage) in stages.iter().enumerate() {
            let last = at + 1 == stages.len();
            let next = (!last).then(|| name(at + 1));
            self.stage(table, hook, stage, name(at), next, single);
        }
        let dropping = stages
            .iter()
            .any(|stage| stage.view != View::Helpers && stage.base.policy() == Policy::Drop);
        if dropping && let Some(chain) = self.table(table).chain_mut(hook.chain()) {
            chain.policy = Some(Policy::Drop);
        }
    }

    fn table(&mut self, table: Table) -> &mut TableRules {
        self.ruleset.table_mut(table)
    }

    fn stage(
        &mut self,
        table: Table,
        hook: Hook,
        stage: &Stage<'_, 'a>,
        name: Box<str>,
        next: Option<Box<str>>,
        single: bool,
    ) {
        let base = stage.base.chain;
        let helpers = stage.view == View::Helpers;
        let policy = if helpers { Policy::Accept } else { stage.base.policy() };
        self.env = Env {
            table,
            view: stage.view,
            is_ahead: helpers && stage.base.hook == Hook::Forward,
            of: (base.family.clone(), base.table.clone()),
            chain: name.clone(),
            next,
            policy: (!single).then_some(policy),
        };
        let mut rules = Vec::new();
        let end = (!single).then(|| {
            let mut end = self.made_rule(base, &format!("policy {};", word(policy)));
            end.target = Some(match policy {
                Policy::Accept => self.env.accept(),
                Policy::Drop => Target::Drop,
            });
            end
        });
        match self.guard(stage).filter(|_| helpers) {
            // What the chain accepts, leaves it for the next one; what it does not, comes back.
            Some(mut guard) => {
                let mut inside = Vec::new();
                self.rules_of(&base.name, end.clone(), &mut inside);
                guard.target = Some(Target::Jump(self.add(inside)));
                rules.push(guard);
                rules.extend(end);
            }
            None => self.rules_of(&base.name, end, &mut rules),
        }
        let origin = base.origin;
        let rules_of_table = self.table(table);
        let chain = match rules_of_table.position(&name) {
            Some(_) => rules_of_table.chain_mut(&name),
            None => Some(rules_of_table.add_chain(&name, origin)),
        };
        if let Some(chain) = chain {
            chain.origin = origin;
            chain.is_stage = chain.hook.is_none();
            chain.rules = rules;
            if chain.hook == Some(hook) && single {
                chain.policy = Some(policy);
            }
        }
    }

    /// Which of the packets ahead of routing will come to a base chain behind it.
    fn guard(&self, stage: &Stage<'_, 'a>) -> Option<Rule> {
        let base = stage.base;
        let here = AddressTypes::LOCAL | AddressTypes::BROADCAST | AddressTypes::MULTICAST;
        let invert = match base.hook {
            Hook::Input => false,
            Hook::Forward => true,
            _ => return None,
        };
        let mut rule = self.made_rule(base.chain, "comes to this chain only behind routing");
        let dst = Some(Test { invert, value: here });
        let (limit_in, limit_out) = (false, false);
        rule.matches.push(Match::Addrtype(Addrtype { src: None, dst, limit_in, limit_out }));
        Some(rule)
    }

    fn made_rule(&self, chain: &json::Chain, text: &str) -> Rule {
        let mut rule = Rule::new(chain.origin);
        rule.native = Some(Arc::new(Native {
            chain: label(&chain.family, &chain.table, &chain.name).into(),
            number: 0,
            handle: None,
            text: text.to_owned(),
            comment: None,
            role: Role::Made,
        }));
        rule
    }

    /// Adds the rules of a chain of the table at hand, and `end` behind them.
    fn rules_of(&mut self, name: &str, end: Option<Rule>, out: &mut Vec<Rule>) {
        let mut behind: Option<(Box<str>, Vec<Rule>)> = None;
        self.written(name, &mut behind, out);
        match &mut behind {
            Some((_, rules)) => rules.extend(end),
            None => out.extend(end),
        }
        self.close(behind);
    }

    /// Puts the rules that stand behind another rule into their chain.
    fn close(&mut self, behind: Option<(Box<str>, Vec<Rule>)>) {
        let Some((name, rules)) = behind else { return };
        let table = self.env.table;
        if let Some(chain) = self.table(table).chain_mut(&name) {
            chain.rules = rules;
        }
    }

    /// The rules as they were written. From the first that leads on behind itself, they go into a
    /// chain of their own.
    fn written(
        &mut self,
        name: &str,
        behind: &mut Option<(Box<str>, Vec<Rule>)>,
        out: &mut Vec<Rule>,
    ) {
        let index = self.index;
        let (family, table) = self.env.of.clone();
        let key = (family.as_str(), table.as_str(), name);
        let Some(mut rules) = index.rules.get(&key).map(Vec::as_slice) else { return };
        if self.env.view == View::Helpers {
            let last = rules.iter().rposition(|rule| index.helps(rule));
            rules = rules.get(..last.map_or(0, |last| last + 1)).unwrap_or_default();
        }
        let label: Arc<str> = label(&family, &table, name).into();
        for (rule, number) in rules.iter().zip(1..) {
            let reader = Reader {
                listing: index.listing,
                family: self.family,
                changing: &index.changing,
                table: (&rule.family, &rule.table),
            };
            let steps = reader.steps(&rule.expr);
            let text = super::text::rule(&rule.expr, rule.comment.as_deref());
            let helps = rule.expr.iter().any(|one| one.get("ct helper").is_some());
            let role = match self.env.view {
                View::Helpers if !helps && accepts(&rule.expr) => Role::Helping,
                View::Helpers if !helps => Role::Made,
                _ => Role::Written,
            };
            let comment = rule.comment.clone();
            let (chain, handle) = (Arc::clone(&label), rule.handle);
            let native = Arc::new(Native { chain, number, handle, text, comment, role });
            let to = match behind {
                Some((_, rules)) => rules,
                None => &mut *out,
            };
            if let Some(next) = self.one(&steps, native, rule.origin, to) {
                let before = behind.replace((next, Vec::new()));
                self.close(before);
            }
        }
    }

    fn one(
        &mut self,
        steps: &[super::steps::Step],
        native: Arc<Native>,
        origin: Origin,
        out: &mut Vec<Rule>,
    ) -> Option<Box<str>> {
        let (family, view) = (self.family, self.env.view);
        self.notes.look_at(steps, &native, view);
        let is_ahead_of_routing = self.env.is_ahead;
        let made = self.made;
        let mut emitter = Emitter {
            chains: self,
            family,
            view,
            is_ahead_of_routing,
            native,
            origin,
            made,
            behind: None,
            undecided: Vec::new(),
        };
        emitter.rule(steps, out);
        let Emitter { made, undecided, behind, .. } = emitter;
        self.made = made;
        self.notes.undecided(undecided);
        behind
    }

    /// The chain of the model for a chain of the table at hand, made when it is first asked for.
    fn chain(&mut self, name: &str) -> Box<str> {
        let env = &self.env;
        let (family, table) = env.of.clone();
        let key: Key = (
            family.clone(),
            table.clone(),
            name.to_owned(),
            env.table,
            env.view,
            env.is_ahead,
            env.next.clone(),
        );
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let plain = format!("{table}/{name}");
        let taken = |name: &str, ruleset: &Ruleset| {
            ruleset.table(env.table).is_some_and(|rules| rules.position(name).is_some())
        };
        let free = (1..).map(|n| if n == 1 { plain.clone() } else { format!("{plain}~{n}") });
        let mut free = free.skip_while(|name| taken(name, self.ruleset));
        let made: Box<str> = free.next().unwrap_or(plain.clone()).into();
        self.known.insert(key, made.clone());
        let origin = self
            .index
            .chains
            .get(&(family.as_str(), table.as_str(), name))
            .map_or(Origin::default(), |chain| chain.origin);
        let outer = self.env.clone();
        self.table(outer.table).add_chain(&made, origin);
        self.env = Env { chain: made.clone(), policy: None, ..outer.clone() };
        let mut rules = Vec::new();
        self.rules_of(name, None, &mut rules);
        self.env = outer;
        let table = self.env.table;
        if let Some(chain) = self.table(table).chain_mut(&made) {
            chain.rules = rules;
        }
        made
    }
}

impl Builder<'_, '_> {
    /// A chain that a base chain leads to for good ends with that base chain's policy.
    fn back_to_policy(&mut self, chain: Box<str>, policy: Policy) -> Box<str> {
        let mut there = self.made_here("leads on");
        there.target = Some(Target::Jump(chain));
        let mut end = self.made_here(&format!("policy {};", word(policy)));
        end.target = Some(match policy {
            Policy::Accept => self.env.accept(),
            Policy::Drop => Target::Drop,
        });
        self.add(vec![there, end])
    }

    /// A chain that does what the policy of a base chain does: to drop.
    fn policy_alone(&mut self) -> Box<str> {
        let chain = self.env.chain.clone();
        if let Some((_, known)) = self.dropping.iter().find(|(base, _)| *base == chain) {
            return known.clone();
        }
        let mut end = self.made_here("policy drop;");
        end.target = Some(Target::Drop);
        let made = self.add(vec![end]);
        self.dropping.push((chain, made.clone()));
        made
    }

    /// A rule that nobody wrote, in the base chain at hand.
    fn made_here(&self, text: &str) -> Rule {
        let base = json::Chain {
            family: self.env.of.0.clone(),
            table: self.env.of.1.clone(),
            name: self.env.chain.to_string(),
            ..json::Chain::default()
        };
        self.made_rule(&base, text)
    }
}

impl Chains for Builder<'_, '_> {
    fn add(&mut self, rules: Vec<Rule>) -> Box<str> {
        let (table, base) = (self.env.table, self.env.chain.clone());
        let rules_of_table = self.table(table);
        let number = (1usize..).find(|n| rules_of_table.position(&format!("{base}#{n}")).is_none());
        let name = format!("{base}#{}", number.unwrap_or(0));
        let origin = rules.first().map_or(Origin::default(), |rule| rule.origin);
        rules_of_table.add_chain(&name, origin).rules = rules;
        name.into()
    }

    fn behind(&mut self) -> Box<str> {
        self.add(Vec::new())
    }

    fn target(&mut self, verdict: &Verdict) -> Option<Target> {
        let helpers = self.env.view == View::Helpers;
        Some(match verdict {
            Verdict::Continue => return None,
            Verdict::Accept => self.env.accept(),
            Verdict::Stop(_) | Verdict::Translate(_) if helpers => self.env.accept(),
            // No other chain at the hook is asked about a connection that is translated.
            Verdict::Translate(target) => target.clone(),
            Verdict::Stop(target) => target.clone(),
            Verdict::Return => match self.env.policy {
                None => Target::Return,
                Some(Policy::Accept) => self.env.accept(),
                Some(Policy::Drop) => Target::Goto(self.policy_alone()),
            },
            Verdict::Jump(name) => Target::Jump(self.chain(name)),
            Verdict::Goto(name) => {
                let chain = self.chain(name);
                match self.env.policy {
                    None => Target::Goto(chain),
                    Some(policy) => Target::Goto(self.back_to_policy(chain, policy)),
                }
            }
        })
    }
}

/// Whether a rule may let a packet pass.
fn accepts(expr: &[Value]) -> bool {
    expr.iter().any(|one| one.get("accept").is_some() || one.get("vmap").is_some())
}

fn word(policy: Policy) -> &'static str {
    match policy {
        Policy::Accept => "accept",
        Policy::Drop => "drop",
    }
}
