//! `-m comment --comment "kinwall:allow KW003 the phones need it"`: a finding that the
//! administrator has seen and wants.

use super::finding::{Finding, Place};
use super::gateway::Gateway;
use kinwall_rules::matches::Match;

const MARK: &str = "kinwall:allow ";

/// Notes the reason when the rule at fault allows this finding.
pub(super) fn apply(gateway: &Gateway<'_>, finding: &mut Finding) {
    let (Some(family), Some(place)) = (finding.family, &finding.place) else { return };
    finding.allowed = reason(gateway, family, place, finding.check.code);
}

fn reason(
    gateway: &Gateway<'_>,
    family: kinwall_terms::Family,
    place: &Place,
    code: &str,
) -> Option<String> {
    let chain = gateway.rules(family)?.table(place.table)?.chain(&place.chain)?;
    let rule = chain.rules.get((place.number as usize).checked_sub(1)?)?;
    rule.matches.iter().find_map(|found| {
        let Match::Comment(comment) = found else { return None };
        let words = comment.text.trim().strip_prefix(MARK)?;
        let (codes, reason) = words.split_once(' ').unwrap_or((words, ""));
        codes.split(',').any(|one| one == code).then(|| reason.trim().to_owned())
    })
}
