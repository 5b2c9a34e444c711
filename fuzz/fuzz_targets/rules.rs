//! Any text as rules: read, printed so that it reads the same, and walked by any packet with
//! the same answer from the compiled and the naive walk.

#![no_main]

use kinwall_rules::diagnostic::MISTAKES_MAX;
use kinwall_rules::facts::{Facts, NoConnections, PacketState};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::memory::Memory;
use kinwall_rules::naive::Naive;
use kinwall_rules::print;
use kinwall_rules::program::{Options, Program};
use kinwall_rules::ruleset::Ruleset;
use kinwall_terms::{CtState, Hook, InterfaceName, Table, Time};
use kinwall_topology::Topology;
use kinwall_wire::{Headers, LinkFacts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((packet, text)) = bytes.split_first_chunk::<64>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut defines = Defines::default();
    defines.add("X=10.0.0.0/8,fd00::/8").unwrap();
    let source = Source { name: "fuzz", text, family: None };
    let loaded = match load(&[source], &defines) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            assert!(!mistakes.is_empty() && mistakes.len() <= MISTAKES_MAX);
            assert!(mistakes.iter().all(|mistake| !mistake.render("fuzz", text).is_empty()));
            return;
        }
    };
    for ruleset in loaded.rulesets.iter().flatten() {
        reads_the_same(ruleset);
        if let Ok(headers) = Headers::parse(packet) {
            walks_the_same(ruleset, packet, &headers);
        }
    }
});

fn reads_the_same(ruleset: &Ruleset) {
    let printed = print::ruleset(ruleset, print::Options { counters: true });
    let source = Source { name: "printed", text: &printed, family: Some(ruleset.family) };
    let again = load(&[source], &Defines::default()).expect(&printed);
    let again = again.ruleset(ruleset.family);
    assert_eq!(again.map_or(0, Ruleset::len), ruleset.len(), "{printed}");
    let again = again.map(|again| print::ruleset(again, print::Options { counters: true }));
    assert_eq!(again.unwrap_or_default(), printed);
}

fn walks_the_same(ruleset: &Ruleset, bytes: &[u8], headers: &Headers) {
    let options = Options::default();
    let program = Program::compile(ruleset, &options);
    let naive = Naive::new(ruleset, &options);
    let mut memories = [Memory::new(&[&program], 1), Memory::new(&[&program], 1)];
    let [first, second] = &mut memories;
    let (link, topology) = (LinkFacts::default(), Topology::default());
    let places = Hook::ALL.into_iter().flat_map(|hook| Table::ALL.map(|table| (hook, table)));
    for (hook, table) in places.filter(|(hook, table)| program.has_chain(*table, *hook)) {
        let facts = Facts {
            headers,
            bytes,
            link: &link,
            hook,
            in_iface: InterfaceName::new("eth0"),
            out_iface: InterfaceName::new("eth1"),
            local: false,
            ct_state: CtState::New,
            ct: None,
            now: Time(1_000_000_000),
            topology: &topology,
            others: &NoConnections,
            owner: None,
        };
        let mut states = [PacketState::new(headers), PacketState::new(headers)];
        let compiled = program.walk(table, &facts, &mut states[0], first, None);
        assert_eq!(compiled, naive.walk(table, &facts, &mut states[1], second));
        assert_eq!(states[0], states[1]);
    }
}
