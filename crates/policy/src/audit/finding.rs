//! One thing that is wrong: what, where, why, and what to write instead.

use super::allow;
use super::registry::Check;
use super::visit::Visit;
use kinwall_rules::diagnostic::Origin;
use kinwall_rules::print;
use kinwall_rules::ruleset::Rule;
use kinwall_terms::{Family, Table};
use std::fmt;

/// How bad it is. The worst one of an audit decides its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Weaker than it should be.
    Warning,
    /// A hole, or a protection that is not there although it seems so.
    Error,
}

impl Severity {
    /// `note`, `warning`, `error`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its table; of nftables with the family.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its number in the chain, from 1; 0 for the chain's policy.
    pub number: u32,
    /// Its handle in nftables.
    pub handle: Option<u64>,
    /// Its file and line.
    pub origin: Origin,
}

impl Place {
    /// Of a rule that stands in `chain` at `number`.
    pub(crate) fn of(table: Table, chain: &str, number: u32, rule: &Rule) -> Place {
        let origin = rule.origin;
        let native = rule.native.as_deref();
        let split = native.and_then(|native| {
            let (table, chain) = native.chain.rsplit_once(' ')?;
            Some((table.to_owned(), chain.to_owned(), native.number, native.handle))
        });
        let (table, chain, number, handle) =
            split.unwrap_or_else(|| (table.to_string(), chain.to_owned(), number, None));
        Place { table, chain, number, handle, origin }
    }

    /// The rule as messages speak of it: by its handle, or else by its line.
    pub(crate) fn word(&self) -> String {
        match self.handle {
            Some(handle) => format!("handle {handle}"),
            None => format!("line {}", self.origin.line),
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which check found it.
    pub check: &'static Check,
    /// How bad it is here.
    pub severity: Severity,
    /// The family it is about; `None` for both, or for a setting.
    pub family: Option<Family>,
    /// The rule at fault or robbed of its effect; `None` when no single rule is.
    pub place: Option<Place>,
    /// That rule, as `iptables-save` prints it.
    pub rule: Option<String>,
    /// The other rules that play a part.
    pub related: Vec<Place>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to write instead: a rule or a setting.
    pub fix: String,
    /// The reason a comment in the rule gives for allowing it.
    pub allowed: Option<String>,
    /// Whether the rules are those of nftables.
    pub(crate) is_of_nft: bool,
}

impl Finding {
    /// File and line of the rule at fault.
    pub fn origin(&self) -> Option<Origin> {
        self.place.as_ref().map(|place| place.origin)
    }

    pub(crate) fn at(&mut self, visit: &Visit<'_>) -> &mut Finding {
        self.at_rule(visit.family, visit.place(), visit.chain, visit.rule)
    }

    pub(crate) fn at_rule(
        &mut self,
        family: Family,
        place: Place,
        chain: &str,
        rule: &Rule,
    ) -> &mut Finding {
        self.family = Some(family);
        self.place = Some(place);
        self.rule = Some(print::rule(chain, rule));
        self.allowed = allow::reason(rule, self.check.code);
        self.is_of_nft = rule.native.is_some();
        self
    }

    /// What to write instead where the rules are those of nftables.
    pub(crate) fn nft(&mut self, fix: impl FnOnce() -> String) -> &mut Finding {
        if self.is_of_nft {
            self.fix = fix();
        }
        self
    }

    pub(crate) fn in_family(&mut self, family: Family) -> &mut Finding {
        self.family = Some(family);
        self
    }

    pub(crate) fn severity(&mut self, severity: Severity) -> &mut Finding {
        self.severity = severity;
        self
    }

    pub(crate) fn with<'a>(
        &mut self,
        others: impl IntoIterator<Item = &'a Visit<'a>>,
    ) -> &mut Finding {
        self.related.extend(others.into_iter().map(Visit::place));
        self
    }
}
