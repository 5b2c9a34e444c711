//! One scene: packets, each at its moment, through rules of the kernel and of kinwall.
//!
//! Each rule of a scene sets a bit of the packet's mark when it matches.

use crate::ours::Ours;
use kinwall_kernel::{Case, Gateway, Ingress, Observed, Scenario, tier};
use kinwall_sim::World;
use kinwall_terms::{InterfaceName, Time, Verdict};
use kinwall_topology::Topology;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A packet, and how long nothing happens before it.
pub(crate) struct Step {
    pub(crate) wait_ms: u64,
    pub(crate) from: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Rules behind `-A FORWARD` in mangle, each of which sets a bit, and rules of the filter table.
pub(crate) fn rules(matches: &[&str], filter: &str) -> String {
    let mut text = String::from("*mangle\n");
    for (bit, found) in matches.iter().enumerate() {
        text += &format!("-A FORWARD {found} -j MARK --or-mark {:#x}\n", 1 << bit);
    }
    text + "COMMIT\n*filter\n" + filter + "COMMIT\n"
}

/// What is compared of a packet.
pub(crate) type Seen = (Verdict, Option<String>, Option<u32>);

fn seen(observed: Observed) -> Seen {
    (observed.verdict, observed.decided_by, observed.mark)
}

/// Sends the steps through both; the marks of those that passed.
pub(crate) fn compare(name: &str, rules4: &str, steps: &[Step]) -> Option<Vec<Option<u32>>> {
    compare_with_sets(name, rules4, None, steps)
}

/// The same with sets.
pub(crate) fn compare_with_sets(
    name: &str,
    rules4: &str,
    ipsets: Option<&str>,
    steps: &[Step],
) -> Option<Vec<Option<u32>>> {
    let mut differ = Vec::new();
    let mut marks = Vec::new();
    for (number, [theirs, own]) in play(name, rules4, ipsets, steps)?.into_iter().enumerate() {
        marks.push(theirs.2);
        if theirs != own {
            differ.push(format!("{}: kernel {theirs:?}, kinwall {own:?}", number + 1));
        }
    }
    assert!(differ.is_empty(), "{name}:\n{rules4}{}", differ.join("\n"));
    Some(marks)
}

/// Sends the steps through both; what the kernel and kinwall say of each.
pub(crate) fn play(
    name: &str,
    rules4: &str,
    ipsets: Option<&str>,
    steps: &[Step],
) -> Option<Vec<[Seen; 2]>> {
    if !tier::is_wanted() {
        return None;
    }
    let text = World::new().topology();
    let topology = Topology::from_toml(text, "world").expect("a topology");
    let scenario = Scenario { rules4: Some(rules4), ipsets, ..Scenario::new(&topology) };
    let mut gateway =
        Gateway::new(&scenario).unwrap_or_else(|error| panic!("{}\n{error}", tier::NOTICE));
    let case = Case {
        name: name.into(),
        topology: text.into(),
        rules4: Some(rules4.into()),
        ipsets: ipsets.map(str::to_owned),
        ..Case::default()
    };
    let mut ours = Ours::new(&case).expect("rules");
    let began = Instant::now();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let mut answers = Vec::new();
    for step in steps {
        std::thread::sleep(Duration::from_millis(step.wait_ms));
        let now = Time((wall + began.elapsed()).as_nanos() as u64);
        let name = InterfaceName::new(step.from).expect("a name");
        let link = gateway.link_facts(name, &step.bytes).expect("an interface");
        let ingress = Ingress::Interface(name);
        let theirs = seen(Observed::from(&gateway.send(ingress, &step.bytes).expect("an answer")));
        let own = seen(ours.send_at(now, ingress, link, &step.bytes));
        answers.push([theirs, own]);
    }
    Some(answers)
}
