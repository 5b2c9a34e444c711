//! Makes a case smaller as long as it shows the same difference.

use super::both::Both;
use kinwall_kernel::{Case, Difference, Disagreement};

/// The smallest case found that still shows a difference in the same field, and the difference.
pub(crate) fn smaller(both: &mut Both, case: &Case, first: &Disagreement) -> (Case, Disagreement) {
    let field = first.differences.first().map_or("", |difference| difference.field);
    let mut best = case.clone();
    best.packets.truncate(first.packet);
    let mut shown = first.clone();
    let mut budget = ATTEMPTS_MAX;
    let mut try_out = |best: &mut Case, candidate: Case, budget: &mut usize| {
        *budget = budget.saturating_sub(1);
        if *budget == 0 {
            return false;
        }
        let Ok(agreement) = both.compare(&candidate) else { return false };
        let same = |d: &Disagreement| d.differences.iter().any(|d: &Difference| d.field == field);
        let Some(found) = agreement.disagreements.into_iter().find(same) else { return false };
        *best = candidate;
        best.packets.truncate(found.packet);
        shown = found;
        true
    };
    let mut chunk = best.packets.len() / 2;
    while chunk > 0 {
        let mut at = 0;
        while at + 1 < best.packets.len() {
            let mut candidate = best.clone();
            let end = (at + chunk).min(candidate.packets.len() - 1);
            candidate.packets.drain(at..end);
            if !try_out(&mut best, candidate, &mut budget) {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    for family in 0..2 {
        let mut at = 0;
        while let Some(candidate) = without_line(&best, family, at) {
            if candidate.is_none_or(|case| !try_out(&mut best, case, &mut budget)) {
                at += 1;
            }
        }
    }
    (best, shown)
}

/// Runs through both engines, at most, for one case.
const ATTEMPTS_MAX: usize = 200;

/// The case without one line of its rules; `Some(None)` when the line must stay, `None` when
/// there is none.
fn without_line(case: &Case, family: usize, at: usize) -> Option<Option<Case>> {
    let mut smaller = case.clone();
    let rules = if family == 0 { &mut smaller.rules4 } else { &mut smaller.rules6 };
    let text = rules.as_deref()?;
    let line = text.lines().nth(at)?;
    if !line.starts_with("-A") {
        return Some(None);
    }
    let kept: Vec<&str> =
        text.lines().enumerate().filter(|&(n, _)| n != at).map(|(_, line)| line).collect();
    *rules = Some(kept.join("\n") + "\n");
    Some(Some(smaller))
}
