//! A rule behind another of the same chain that decides every packet it could match. Where both
//! do the same it is a note.

use crate::audit::visit::includes;
use crate::audit::{Gateway, Place, Report, Severity, Visits};
use kinwall_rules::matches::Match;
use kinwall_rules::option::Test;
use kinwall_rules::ruleset::{Role, Rule};
use kinwall_rules::targets::Target;
use kinwall_rules::value::{InterfacePattern, Network};

/// Rules before a rule that are compared with it.
const LOOK_BACK: usize = 2_000;

pub(super) fn run(gateway: &Gateway<'_>, _: &Visits<'_>, report: &mut Report) {
    for (family, rules) in gateway.families() {
        for (table, of_table) in rules.tables() {
            for chain in &of_table.chains {
                let mut ending: Vec<(u32, &Rule)> = Vec::new();
                for (rule, number) in chain.rules.iter().zip(1..) {
                    let looked_at = ending.iter().rev().take(LOOK_BACK);
                    let cover = looked_at.rev().find(|(_, earlier)| covers(earlier, rule));
                    let place = |number, rule: &Rule| Place::of(table, &chain.name, number, rule);
                    if let Some((at, earlier)) = cover.filter(|(_, by)| is_apart(by, rule)) {
                        let first = place(*at, earlier);
                        let message = format!(
                            "this rule is never reached: {} decides every packet it could match",
                            first.word()
                        );
                        let fix = format!("drop it, or move it before {}", first.word());
                        let here = place(number, rule);
                        let finding =
                            report.add(message, fix).at_rule(family, here, &chain.name, rule);
                        finding.related.push(first);
                        if earlier.target == rule.target {
                            finding.severity(Severity::Note);
                        }
                    }
                    if decides(rule) {
                        ending.push((number, rule));
                    }
                }
            }
        }
    }
}

/// Whether both were written, and not as one rule.
fn is_apart(earlier: &Rule, rule: &Rule) -> bool {
    match (&earlier.native, &rule.native) {
        (_, None) => true,
        (one, Some(two)) => two.role == Role::Written && one.as_ref().is_none_or(|one| one != two),
    }
}

fn decides(rule: &Rule) -> bool {
    matches!(
        rule.target,
        Some(Target::Accept | Target::Drop | Target::Reject(_) | Target::Return | Target::Goto(_))
    ) && rule.matches.iter().all(is_steady)
}

/// Whether the same packet is always answered alike.
fn is_steady(found: &Match) -> bool {
    let remembers = matches!(
        found,
        Match::Recent(_)
            | Match::Hashlimit(_)
            | Match::Statistic(_)
            | Match::Connlimit(_)
            | Match::Set(_)
    );
    !remembers && !found.kind().spec().stateful
}

/// Whether every packet that `part` matches is matched by `whole` too. Certain where true.
fn covers(whole: &Rule, part: &Rule) -> bool {
    let same = |a: &Option<Test<_>>, b: &Option<Test<_>>| a.is_none() || a == b;
    network_covers(&whole.src, &part.src)
        && network_covers(&whole.dst, &part.dst)
        && same_interface(&whole.in_iface, &part.in_iface)
        && same_interface(&whole.out_iface, &part.out_iface)
        && same(&whole.proto, &part.proto)
        && (whole.fragment.is_none() || whole.fragment == part.fragment)
        && whole
            .matches
            .iter()
            .all(|found| matches!(found, Match::Comment(_)) || part.matches.contains(found))
}

fn same_interface(
    whole: &Option<Test<InterfacePattern>>,
    part: &Option<Test<InterfacePattern>>,
) -> bool {
    match (whole, part) {
        (None, _) => true,
        (Some(a), Some(b)) if a == b => true,
        (Some(a), _) if a.value.is_everything() && !a.invert => true,
        (Some(a), Some(b)) => {
            let wider = a.value.is_prefix() && b.value.stem().starts_with(a.value.stem());
            !a.invert && !b.invert && wider
        }
        (Some(_), None) => false,
    }
}

fn network_covers(whole: &Option<Test<Network>>, part: &Option<Test<Network>>) -> bool {
    match (whole, part) {
        (None, _) => true,
        (Some(a), _) if !a.invert && a.value.is_everything() => true,
        (Some(_), None) => false,
        (Some(a), Some(b)) => match (a.invert, b.invert) {
            (false, false) => includes(&a.value, &b.value),
            (true, true) => includes(&b.value, &a.value),
            (true, false) => {
                !a.value.contains(b.value.address) && !b.value.contains(a.value.address)
            }
            (false, true) => false,
        },
    }
}
