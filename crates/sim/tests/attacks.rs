//! The attacks of `tests/attacks/` at the root of the repository, through the engine: as the
//! kernel's helpers see them (`linux`) and as ours do (`strict`), by default and with the
//! dangerous option.

mod gateway;

use gateway::{Gateway, Run};
use kinwall_sim::attack::{Attack, Deed, Hosts};
use std::path::Path;

#[test]
fn attacks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/attacks");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let hosts = Hosts::read(&read("gateway/hosts"), &read("gateway/topology.toml")).unwrap();
    let rules = read("gateway/rules");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.ends_with(".txt"))
        .collect();
    names.sort();
    let mut failures = Vec::new();
    for name in &names {
        let attack = Attack::read(name, &read(name), &hosts).unwrap_or_else(|e| panic!("{e}"));
        for run in Run::of(&attack) {
            failures.extend(failures_of(&attack, &run, &rules, &hosts));
        }
    }
    assert!(failures.is_empty(), "{} claims failed\n{}", failures.len(), failures.join("\n"));
    assert!(names.len() >= ATTACKS_MIN, "only {} attacks were found", names.len());
}

/// Attacks there are at least.
const ATTACKS_MIN: usize = 35;

/// Runs an attack, and says where it goes otherwise than claimed.
fn failures_of(attack: &Attack, run: &Run, rules: &str, hosts: &Hosts) -> Vec<String> {
    let mut gateway = Gateway::new(attack, run, rules, hosts);
    let mut failures = Vec::new();
    for step in &attack.steps {
        let said = match &step.deed {
            Deed::Send { packets, tried, many } => gateway.send(packets, *tried, *many),
            Deed::Wait { seconds } => gateway.wait(*seconds),
            Deed::Count => vec![gateway.pending().to_string()],
        };
        let applies = |words: &[String]| words.iter().all(|word| run.is(word));
        let claims = step.claims.iter().filter(|claim| applies(&claim.runs));
        let claimed: Vec<&str> = claims.map(|claim| claim.what.as_str()).collect();
        let as_claimed = said.len() == claimed.len()
            && said.iter().zip(&claimed).all(|(said, claimed)| begins_with(said, claimed));
        if !as_claimed {
            failures.push(format!(
                "{}:{}: {} ({run})\n  claimed {claimed:?}\n  said    {said:?}",
                attack.name, step.line, step.text
            ));
        }
    }
    failures
}

/// Whether the words of `said` begin with those of `claimed`.
fn begins_with(said: &str, claimed: &str) -> bool {
    said.strip_prefix(claimed).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}
