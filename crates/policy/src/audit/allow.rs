//! `-m comment --comment "kinwall:allow KW003 the phones need it"`: a finding that the
//! administrator has seen and wants.

use kinwall_rules::matches::Match;
use kinwall_rules::ruleset::Rule;

const MARK: &str = "kinwall:allow ";

/// The reason that the rule at fault gives for allowing the finding with this code.
pub(super) fn reason(rule: &Rule, code: &str) -> Option<String> {
    rule.matches.iter().find_map(|found| {
        let Match::Comment(comment) = found else { return None };
        let words = comment.text.trim().strip_prefix(MARK)?;
        let (codes, reason) = words.split_once(' ').unwrap_or((words, ""));
        codes.split(',').any(|one| one == code).then(|| reason.trim().to_owned())
    })
}
