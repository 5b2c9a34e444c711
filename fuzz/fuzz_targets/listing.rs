//! What `conntrack` might list, in whatever bytes: it is read or refused. What is read restores an
//! engine or is refused, and what an engine prints of it is read again as the same.

#![no_main]

use kinwall_engine::{Engine, Settings};
use kinwall_state::import::import;
use kinwall_state::show::{self, Options};
use kinwall_terms::{KernelVersion, Profile, Time};
use kinwall_topology::Topology;
use libfuzzer_sys::fuzz_target;

const NOW: Time = Time(1_000_000_000_000);

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    // Expectations come behind an empty line.
    let (connections, expectations) = text.split_once("\n\n").unwrap_or((&text, ""));
    let Some(engine) = restored(connections, expectations) else { return };
    let [connections, expectations] = printed(&engine);
    let again = restored(&connections.join("\n"), &expectations.join("\n"));
    let again = again.expect("what an engine prints");
    assert_eq!(printed(&again), [connections, expectations]);
});

fn restored(connections: &str, expectations: &str) -> Option<Engine> {
    let imported = import(connections, expectations, NOW).ok()?;
    let topology = Topology::from_toml("", "topology").unwrap_or_default();
    let settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    let mut engine = Engine::new(topology, settings, [None, None], 1);
    engine.restore(NOW, imported.snapshot).ok()?;
    Some(engine)
}

/// All lines, those of connections in order of the alphabet.
fn printed(engine: &Engine) -> [Vec<String>; 2] {
    let (table, options) = (engine.conntrack(), Options::default());
    let connections = table.connections(NOW);
    let expectations = table.expectations(NOW);
    let mut connections: Vec<_> =
        connections.map(|view| show::connection(engine, &view, NOW, options)).collect();
    let mut expectations: Vec<_> =
        expectations.map(|view| show::expectation(engine, &view, NOW, options)).collect();
    connections.sort();
    expectations.sort();
    [connections, expectations]
}
