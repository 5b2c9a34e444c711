//! The kernel tier for H.323: sessions, and messages that were damaged on purpose, through the
//! kernel's decoder and ours.

use super::both::Both;
use kinwall_kernel::{Agreement, Case, Ingress, tier};
use kinwall_sim::traffic;
use kinwall_sim::{Random, World};

/// Sessions in one case.
const SESSIONS: usize = 12;
/// Cases of each kind, unless `KINWALL_CASES` says otherwise.
const CASES: u64 = 12;

#[test]
fn sessions_and_damaged_messages() {
    if !tier::is_wanted() {
        return;
    }
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let first: u64 = number("KINWALL_SEED", 1);
    let mut total = Agreement::default();
    for options in ["", OPTIONS] {
        let mut both = Both::default();
        for seed in first..first + number("KINWALL_CASES", CASES) {
            let case = case(seed, options);
            let agreement = both.compare(&case).unwrap_or_else(|refusal| panic!("{refusal:?}"));
            if !agreement.disagreements.is_empty() {
                let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(&case.name);
                case.write(&directory).expect("writing a case");
                println!("{agreement}");
            }
            total.merge(agreement);
        }
    }
    println!("{total}");
    let made: u64 = total.seen.values().sum();
    assert!(made > 1000, "{made} expectations and children");
    assert!(total.disagreements.is_empty(), "agreement {:.5}", total.figure());
}

/// The options that open more.
pub(super) const OPTIONS: &str = "
[modules.nf_conntrack_h323]
gkrouted_only = 0
callforward_filter = 0
default_rrq_ttl = 77
";

const RULES: &str = "*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p udp --dport 1719 -j CT --helper RAS
-A PREROUTING -p tcp --dport 1720 -j CT --helper Q.931
-A PREROUTING -p udp --dport 1721 -j CT --helper H.245
-A OUTPUT -p udp --dport 1719 -j CT --helper RAS
-A OUTPUT -p tcp --dport 1720 -j CT --helper Q.931
COMMIT
";

/// The sessions of a seed, with damage within their messages.
fn case(seed: u64, options: &str) -> Case {
    let world = World::new();
    let mut random = Random::new(seed);
    let packets = traffic::spoiled(&mut random, &world, SESSIONS, Some("h323"))
        .into_iter()
        .map(|sent| match sent.ingress {
            traffic::Ingress::Interface(name) => (Ingress::Interface(name), sent.bytes),
            traffic::Ingress::Local => (Ingress::Local, sent.bytes),
        })
        .collect();
    Case {
        name: format!("h323-{}{seed}", if options.is_empty() { "" } else { "open-" }),
        topology: format!("{}{options}", world.topology()),
        rules4: Some(RULES.to_string()),
        rules6: Some(RULES.to_string()),
        packets,
        ..Case::default()
    }
}
