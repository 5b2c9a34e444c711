//! The attacks of `tests/attacks/` through the real kernel: what they claim of `linux` is what
//! Linux does.

use super::both::Both;
use kinwall_helpers::Instances;
use kinwall_kernel::{Case, Ingress, tier};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::print;
use kinwall_sim::attack::{Attack, Deed, Hosts};
use kinwall_sim::traffic;
use kinwall_terms::{Family, KernelVersion, Profile};
use std::path::Path;

#[test]
fn attacks_do_in_the_kernel_what_is_claimed() {
    if !tier::is_wanted() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/attacks");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let topology = read("gateway/topology.toml");
    let hosts = Hosts::read(&read("gateway/hosts"), &topology).unwrap();
    let rules = read("gateway/rules");
    let mut both = Both::default();
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.ends_with(".txt"))
        .collect();
    names.sort();
    let mut compared = 0;
    for name in &names {
        let attack = Attack::read(name, &read(name), &hosts).unwrap_or_else(|e| panic!("{e}"));
        for dangerous in [false, true] {
            if dangerous && attack.dangers.is_empty() {
                continue;
            }
            let Some(case) = case(&attack, dangerous, &topology, &rules) else {
                println!("LEFT OUT, a setting is one for the whole machine: {name}");
                continue;
            };
            let agreement = both.compare(&case).unwrap_or_else(|refusal| panic!("{refusal:?}"));
            assert!(agreement.disagreements.is_empty(), "{}: {agreement}", case.name);
            compared += agreement.packets;
        }
    }
    println!("{compared} packets of {} attacks agree", names.len());
    assert!(compared > 100, "only {compared} packets were compared");
}

/// An attack as a case, or `None` when a setting cannot be changed in a namespace. Guards are
/// nothing the kernel has. The kernel's clock is no matter of the harness: a case ends where time
/// has to pass.
fn case(attack: &Attack, dangerous: bool, topology: &str, rules: &str) -> Option<Case> {
    let mut topology = topology.to_owned();
    let mut sysctls = Vec::new();
    let dangers = attack.dangers.iter().filter(|_| dangerous);
    for (key, value) in attack.settings.iter().chain(dangers) {
        match key.rsplit_once('.') {
            _ if key.starts_with("guard.") => {}
            _ if key.starts_with("net.") => {
                sysctls.retain(|(known, _)| known != key);
                sysctls.push((key.clone(), value.clone()));
            }
            Some((module, option)) => {
                topology += &format!("[modules.{module}]\n{option} = {value}\n")
            }
            None => return None,
        }
    }
    let instances = Instances::new(KernelVersion::DEFAULT, Profile::Linux);
    let text = attack.rules(rules, &instances);
    let source = Source { name: "rules", text: &text, family: None };
    let loaded = load(&[source], &Defines::default()).expect("rules");
    let saved = |family| {
        loaded.ruleset(family).map(|ruleset| print::ruleset(ruleset, print::Options::default()))
    };
    let before_waiting =
        |step: &&kinwall_sim::attack::Step| !matches!(step.deed, Deed::Wait { .. });
    let mut packets = Vec::new();
    for step in attack.steps.iter().take_while(before_waiting) {
        if let Deed::Send { packets: sent, .. } = &step.deed {
            packets.extend(sent.iter().map(|(ingress, bytes)| match ingress {
                traffic::Ingress::Interface(name) => (Ingress::Interface(*name), bytes.clone()),
                traffic::Ingress::Local => (Ingress::Local, bytes.clone()),
            }));
        }
    }
    Some(Case {
        name: format!("{}{}", attack.name, if dangerous { ", dangerous" } else { "" }),
        topology,
        rules4: saved(Family::Ipv4),
        rules6: saved(Family::Ipv6),
        sysctls,
        packets,
        ..Case::default()
    })
}
