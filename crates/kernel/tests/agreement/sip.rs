//! The kernel tier for SIP alone, with the options of its module: sessions, and messages that were
//! changed on purpose, through the kernel's helper and ours.

use super::both::Both;
use kinwall_kernel::{Agreement, Case, Ingress, tier};
use kinwall_sim::{Random, World, rules, traffic};
use kinwall_terms::Family;
use kinwall_wire::Headers;

/// Sessions in one case.
const SESSIONS: usize = 10;
/// Cases of each kind, unless `KINWALL_CASES` says otherwise.
const CASES: u64 = 8;

#[test]
fn sip_sessions_and_changed_messages() {
    if !tier::is_wanted() {
        return;
    }
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let first: u64 = number("KINWALL_SEED", 1);
    let mut total = Agreement::default();
    for options in OPTIONS {
        let mut both = Both::default();
        for seed in first..first + number("KINWALL_CASES", CASES) {
            let case = case(seed, options);
            let agreement = both.compare(&case).unwrap_or_else(|refusal| panic!("{refusal:?}"));
            if !agreement.disagreements.is_empty() {
                let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(&case.name);
                case.write(&directory).expect("writing a case");
                println!("{}", told(&case, &agreement));
            }
            total.merge(agreement);
        }
    }
    println!("{:.5} of {} packets", total.figure(), total.packets);
    for (what, count) in &total.seen {
        println!("  seen: {count} {what}");
    }
    let made = total.seen.get("expectations of sip made").copied().unwrap_or(0);
    assert!(made > 400, "{made} expectations were made");
    assert!(total.disagreements.is_empty(), "agreement {:.5}", total.figure());
}

/// The first difference of a case, which the others may follow from, and what was said.
fn told(case: &Case, agreement: &Agreement) -> String {
    let Some(first) = agreement.disagreements.first() else { return String::new() };
    let mut text = format!("{} packet {}: {}\n", first.case, first.packet, first.about);
    for difference in &first.differences {
        text += &format!("  {difference}\n");
    }
    let bytes = case.packets.get(first.packet - 1).map_or(&[][..], |(_, bytes)| bytes);
    let said = Headers::parse(bytes).map_or(&[][..], |headers| headers.payload(bytes));
    format!("{text}  {}\n", said.escape_ascii())
}

/// None, and those that open more.
const OPTIONS: [&str; 3] = [
    "",
    "[modules.nf_conntrack_sip]\nsip_direct_media = 0\nsip_direct_signalling = 0\nsip_timeout = 77",
    "[modules.nf_conntrack_sip]\nsip_direct_media = 0\nsip_external_media = 1",
];

/// The sessions of a seed.
fn case(seed: u64, options: &str) -> Case {
    let world = World::new();
    let packets = traffic::traffic(&mut Random::new(seed), &world, SESSIONS, Some("sip"))
        .into_iter()
        .map(|sent| match sent.ingress {
            traffic::Ingress::Interface(name) => (Ingress::Interface(name), sent.bytes),
            traffic::Ingress::Local => (Ingress::Local, sent.bytes),
        })
        .collect();
    Case {
        name: format!("sip-{}-{seed}", OPTIONS.iter().position(|o| *o == options).unwrap_or(0)),
        topology: format!("{}{options}", world.topology()),
        rules4: Some(rules::only_helpers(Family::Ipv4)),
        rules6: Some(rules::only_helpers(Family::Ipv6)),
        packets,
        ..Case::default()
    }
}
