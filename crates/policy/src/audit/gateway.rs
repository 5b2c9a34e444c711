//! What an audit looks at.

use kinwall_helpers::Instances;
use kinwall_rules::ruleset::Ruleset;
use kinwall_terms::{Family, KernelVersion};
use kinwall_topology::Topology;

/// Rules and settings of a gateway.
#[derive(Clone, Copy)]
pub struct Gateway<'a> {
    /// The rules by family; `None` where none were given.
    pub rulesets: [Option<&'a Ruleset>; 2],
    /// Interfaces, networks and their sysctls; `None` when they were not given.
    pub topology: Option<&'a Topology>,
    /// The helpers as their module options register them.
    pub instances: &'a Instances,
    /// Whether a connection without a CT rule gets the helper of its port.
    pub automatic_helpers: bool,
    /// The kernel that runs the rules.
    pub kernel: KernelVersion,
    /// Settings that this kernel does not have.
    pub refused: &'a [Refused],
}

/// A setting that the kernel does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its name.
    pub key: String,
    /// The value it was to get.
    pub value: String,
    /// Why it was not taken.
    pub why: String,
}

impl<'a> Gateway<'a> {
    /// The rules of `family`.
    pub fn rules(&self, family: Family) -> Option<&'a Ruleset> {
        self.rulesets[family.index()]
    }

    /// The families whose rules were given.
    pub fn families(&self) -> impl Iterator<Item = (Family, &'a Ruleset)> + use<'a> {
        self.rulesets.into_iter().flatten().map(|rules| (rules.family, rules))
    }

    /// Whether the rules were written for nftables.
    pub(crate) fn is_of_nft(&self) -> bool {
        let mut rules = self.families().flat_map(|(_, rules)| rules.rules());
        rules.any(|(_, _, rule)| rule.native.is_some())
    }

    /// An integer sysctl of the topology.
    pub fn sysctl(&self, name: &str) -> Option<i64> {
        self.topology?.sysctl().get(name)?.as_integer()
    }
}
