//! The places where rules stand: hooks and tables.

use std::fmt;

/// A netfilter hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// A packet arrived, before routing.
    Prerouting,
    /// A packet for the gateway itself.
    Input,
    /// A packet passing through.
    Forward,
    /// A packet the gateway itself sends.
    Output,
    /// A packet about to leave, after routing.
    Postrouting,
}

impl Hook {
    /// All hooks, in the order of their numbers in Linux.
    pub const ALL: [Hook; 5] =
        [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];

    /// The name of the built-in chain at this hook.
    pub fn chain(self) -> &'static str {
        match self {
            Hook::Prerouting => "PREROUTING",
            Hook::Input => "INPUT",
            Hook::Forward => "FORWARD",
            Hook::Output => "OUTPUT",
            Hook::Postrouting => "POSTROUTING",
        }
    }

    /// The hook whose built-in chain is called `name`.
    pub fn from_chain(name: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| hook.chain() == name)
    }

    /// Position in [`Hook::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.chain())
    }
}

/// A table of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Before tracking (priority -300).
    Raw,
    /// Marks and header changes (priority -150).
    Mangle,
    /// Address translation (priority -100 and 100).
    Nat,
    /// The filter (priority 0).
    Filter,
    /// Mandatory access control marks (priority 50).
    Security,
}

impl Table {
    /// All tables, in order of priority.
    pub const ALL: [Table; 5] =
        [Table::Raw, Table::Mangle, Table::Nat, Table::Filter, Table::Security];

    /// The name as in `*NAME` and `-t NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Table::Raw => "raw",
            Table::Mangle => "mangle",
            Table::Nat => "nat",
            Table::Filter => "filter",
            Table::Security => "security",
        }
    }

    /// The table called `name`.
    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The hooks at which this table has a built-in chain, in the order iptables-save prints.
    pub fn hooks(self) -> &'static [Hook] {
        use Hook::*;
        match self {
            Table::Raw => &[Prerouting, Output],
            Table::Mangle => &[Prerouting, Input, Forward, Output, Postrouting],
            Table::Nat => &[Prerouting, Input, Output, Postrouting],
            Table::Filter | Table::Security => &[Input, Forward, Output],
        }
    }

    /// Position in [`Table::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
