//! The model of a rule set: tables of chains of rules.

use crate::diagnostic::Origin;
use crate::matches::Match;
use crate::option::Test;
use crate::targets::{Target, set};
use crate::value::{InterfacePattern, Network};
use kinwall_terms::{Family, Hook, L4Proto, Table};
use std::sync::Arc;

/// The rules of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// The family.
    pub family: Family,
    tables: [Option<TableRules>; 5],
}

impl Ruleset {
    /// No tables: every packet is accepted.
    pub fn new(family: Family) -> Ruleset {
        Ruleset { family, tables: [const { None }; 5] }
    }

    /// The rules of `table`, if it is there.
    pub fn table(&self, table: Table) -> Option<&TableRules> {
        self.tables[table.index()].as_ref()
    }

    /// The rules of `table`, which is created with empty built-in chains if it is not there.
    pub fn table_mut(&mut self, table: Table) -> &mut TableRules {
        self.tables[table.index()].get_or_insert_with(|| TableRules::new(table))
    }

    /// Empties `table`: built-in chains with policy ACCEPT, no user chains.
    pub fn reset(&mut self, table: Table) {
        self.tables[table.index()] = Some(TableRules::new(table));
    }

    /// The tables that are there, in order of priority.
    pub fn tables(&self) -> impl Iterator<Item = (Table, &TableRules)> {
        Table::ALL.into_iter().filter_map(|table| Some((table, self.table(table)?)))
    }

    /// Every rule with its table and chain, in order.
    pub fn rules(&self) -> impl Iterator<Item = (Table, &Chain, &Rule)> {
        self.tables().flat_map(|(table, rules)| {
            rules
                .chains
                .iter()
                .flat_map(move |chain| chain.rules.iter().map(move |rule| (table, chain, rule)))
        })
    }

    /// How many rules there are in all.
    pub fn len(&self) -> usize {
        self.tables().flat_map(|(_, rules)| &rules.chains).map(|chain| chain.rules.len()).sum()
    }

    /// Whether there is not one rule.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The chains of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRules {
    /// Which table.
    pub table: Table,
    /// The built-in chains in the order of [`Table::hooks`], then the user chains in the order
    /// of their creation.
    pub chains: Vec<Chain>,
    index: std::collections::HashMap<String, usize>,
}

impl TableRules {
    fn new(table: Table) -> TableRules {
        let chains: Vec<Chain> = table.hooks().iter().map(|hook| Chain::built_in(*hook)).collect();
        let index = chains.iter().enumerate().map(|(n, chain)| (chain.name.clone(), n)).collect();
        TableRules { table, chains, index }
    }

    /// Position of the chain called `name` in `chains`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The chain called `name`.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.get(self.position(name)?)
    }

    /// The chain called `name`.
    pub fn chain_mut(&mut self, name: &str) -> Option<&mut Chain> {
        let position = self.position(name)?;
        self.chains.get_mut(position)
    }

    /// Adds an empty user chain, or gives back the one of that name.
    pub fn add_chain(&mut self, name: &str, origin: Origin) -> &mut Chain {
        let position = *self.index.entry(name.to_owned()).or_insert(self.chains.len());
        if position == self.chains.len() {
            let name = name.to_owned();
            let counters = Counters::default();
            self.chains.push(Chain {
                name,
                hook: None,
                policy: None,
                counters,
                is_stage: false,
                rules: vec![],
                origin,
            });
        }
        &mut self.chains[position]
    }

    /// Removes the user chain called `name`; whether there was one.
    pub fn remove_chain(&mut self, name: &str) -> bool {
        let Some(position) = self.position(name).filter(|&n| self.chains[n].hook.is_none()) else {
            return false;
        };
        self.chains.remove(position);
        self.reindex();
        true
    }

    /// Gives the user chain `old` the name `new`, in the jumps to it too; whether there was one.
    pub fn rename_chain(&mut self, old: &str, new: &str) -> bool {
        let Some(position) = self.position(old).filter(|&n| self.chains[n].hook.is_none()) else {
            return false;
        };
        self.chains[position].name = new.to_owned();
        for rule in self.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            if let Some(Target::Jump(chain) | Target::Goto(chain)) = &mut rule.target
                && **chain == *old
            {
                *chain = new.into();
            }
        }
        self.reindex();
        true
    }

    fn reindex(&mut self) {
        let chains = self.chains.iter().enumerate();
        self.index = chains.map(|(n, chain)| (chain.name.clone(), n)).collect();
    }
}

/// A chain of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// The hook of a built-in chain; `None` for a user chain.
    pub hook: Option<Hook>,
    /// The verdict at the end of a built-in chain; `None` for a user chain.
    pub policy: Option<Policy>,
    /// The counters the file gave it.
    pub counters: Counters,
    /// Whether packets come to it that the built-in chain before it has accepted: nftables may
    /// have several base chains at one hook. It decides every packet.
    pub is_stage: bool,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
    /// Where it was declared.
    pub origin: Origin,
}

impl Chain {
    fn built_in(hook: Hook) -> Chain {
        Chain {
            name: hook.chain().to_owned(),
            hook: Some(hook),
            policy: Some(Policy::Accept),
            counters: Counters::default(),
            is_stage: false,
            rules: Vec::new(),
            origin: Origin::default(),
        }
    }
}

/// The longest name of a chain, in bytes.
pub const CHAIN_NAME_LENGTH_MAX: usize = 28;

/// What a built-in chain does with a packet that no rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Lets it pass.
    Accept,
    /// Drops it.
    Drop,
}

impl Policy {
    /// `ACCEPT` or `DROP`.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Accept => "ACCEPT",
            Policy::Drop => "DROP",
        }
    }
}

/// Packets and bytes, as `[packets:bytes]` in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the network header on.
    pub bytes: u64,
}

/// One rule: what it tests, in order, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `-s`; `None` for any.
    pub src: Option<Test<Network>>,
    /// `-d`.
    pub dst: Option<Test<Network>>,
    /// `-i`.
    pub in_iface: Option<Test<InterfacePattern>>,
    /// `-o`.
    pub out_iface: Option<Test<InterfacePattern>>,
    /// `-p`; never protocol 0 without `!`.
    pub proto: Option<Test<L4Proto>>,
    /// `-f` (IPv4): `Some(false)` second and further fragments only, `Some(true)` (`! -f`) no
    /// such fragments.
    pub fragment: Option<bool>,
    /// The matches, in order.
    pub matches: Vec<Match>,
    /// The target; `None`: the rule only counts.
    pub target: Option<Target>,
    /// The counters the file gave it.
    pub counters: Counters,
    /// Where it was written.
    pub origin: Origin,
    /// What it was written as, when that was not the language of iptables.
    pub native: Option<Arc<Native>>,
}

/// A rule of nftables, of which the model has one rule or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Native {
    /// Its chain: family, table and name, `inet filter forward`.
    pub chain: Arc<str>,
    /// Its position in the chain, from 1; 0 for the chain's policy.
    pub number: u32,
    /// Its handle.
    pub handle: Option<u64>,
    /// The rule in the words of nft.
    pub text: String,
    /// Its comment.
    pub comment: Option<String>,
    /// What it is to the rule that was written.
    pub role: Role,
}

/// What a rule of the model is to a rule of nftables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The rule, or a part of it.
    Written,
    /// What it lets pass on the way to the rules that give out helpers, which the model has ahead
    /// of connection tracking.
    Helping,
    /// Nobody wrote it: it leads from chain to chain.
    Made,
}

impl Rule {
    /// A rule that matches every packet and does nothing.
    pub fn new(origin: Origin) -> Rule {
        Rule {
            src: None,
            dst: None,
            in_iface: None,
            out_iface: None,
            proto: None,
            fragment: None,
            matches: Vec::new(),
            target: None,
            counters: Counters::default(),
            origin,
            native: None,
        }
    }

    /// Whether `other` tests and does the same, wherever it stands and whatever it counted.
    pub fn same_as(&self, other: &Rule) -> bool {
        let own = |rule: &Rule| {
            (rule.src, rule.dst, rule.in_iface, rule.out_iface, rule.proto, rule.fragment)
        };
        own(self) == own(other) && self.matches == other.matches && self.target == other.target
    }

    /// Whether it changes nothing of the packet's path: it counts, or records.
    pub fn only_records(&self) -> bool {
        match &self.target {
            None => true,
            Some(target) => target.kind().is_some_and(|kind| kind.spec().passive),
        }
    }

    /// The extensions of the rule that cannot be evaluated, by name.
    pub fn not_evaluated(&self) -> impl Iterator<Item = &'static str> {
        let matches = self.matches.iter().map(|found| found.kind().spec());
        let target = self.target.iter().filter_map(|target| Some(target.kind()?.spec()));
        matches.chain(target).filter(|spec| !spec.evaluated).map(|spec| spec.name)
    }

    /// What it asks of sets and puts into them.
    pub fn set_elements(&self) -> impl Iterator<Item = &set::Element> {
        let asked = self.matches.iter().filter_map(|found| match found {
            Match::Set(set) => Some(&set.element.value),
            _ => None,
        });
        let changed = match &self.target {
            Some(Target::Set(set)) => [&set.add, &set.del, &set.map],
            _ => [&None; 3],
        };
        asked.chain(changed.into_iter().flatten())
    }

    /// The chain and the number by which people know the rule, which stands in `chain` at
    /// `number`.
    pub fn known_as(&self, chain: &str, number: u32) -> (String, u32) {
        match &self.native {
            Some(native) => (native.chain.to_string(), native.number),
            None => (chain.to_owned(), number),
        }
    }

    /// The text of the first `-m comment`.
    pub fn comment(&self) -> Option<&str> {
        self.matches.iter().find_map(|found| match found {
            Match::Comment(comment) => Some(comment.text.as_str()),
            _ => None,
        })
    }
}
