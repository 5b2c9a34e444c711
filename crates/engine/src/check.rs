//! What rules ask for that the gateway does not have.

use kinwall_helpers::Instances;
use kinwall_helpers::instances::NoSuchHelper;
use kinwall_rules::eval::RuleId;
use kinwall_rules::program::Program;
use kinwall_rules::targets::Target;
use kinwall_terms::L4Proto;

/// A CT rule whose `--helper` means nothing under the module settings: Linux refuses to load it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelperMistake {
    /// The rule.
    pub rule: RuleId,
    /// Why.
    pub error: NoSuchHelper,
}

/// Holds the `--helper` of every CT rule against the helpers that are registered.
pub fn unknown_helpers(program: &Program, instances: &Instances) -> Vec<HelperMistake> {
    let mistake = |id: RuleId| {
        let rule = program.rule(id)?;
        let Some(Target::Ct(ct)) = &rule.target else { return None };
        let l4 = rule.proto.as_ref().map_or(L4Proto(0), |proto| proto.value);
        let assigned = instances.assigned(ct.helper.as_deref()?, program.family(), l4);
        Some(HelperMistake { rule: id, error: assigned.err()? })
    };
    program.rule_ids().filter_map(mistake).collect()
}
