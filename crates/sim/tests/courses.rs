//! Whatever is cut short for packets of open connections, the answers stay those of a walk that
//! tries every rule in order, and so do the tables, what is told of them, and what rules count.
//!
//! Two engines with the same random rules get the same random packets: one as replay feeds it, a
//! batch foreseen at a time, the other packet by packet with a trace, for which nothing is passed
//! over.

use kinwall_engine::{Engine, Packet, Settings, Trace};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_rules::sets::Sets;
use kinwall_sim::traffic::{self, Ingress, Sent};
use kinwall_sim::{Random, World, rules};
use kinwall_terms::{Family, KernelVersion, Profile, Time};
use kinwall_topology::Topology;
use kinwall_wire::LinkFacts;
use std::borrow::Cow;

/// Sessions of the traffic for one rule set.
const SESSIONS: usize = 25;
/// Packets foreseen at once.
const BATCH: usize = 16;

#[test]
fn courses_change_no_answer() {
    for seed in 0..30 {
        check(seed, |text| text);
    }
}

/// With rules that ask only for what all packets of a connection have in common, most packets
/// follow a course; with others in between, few do.
#[test]
fn courses_change_no_answer_where_most_packets_follow_one() {
    for seed in 1000..1030 {
        check(seed, |text| only_steady(&text));
    }
}

/// What tests that are in a course may be made of, and where they lead.
const STEADY: &[&str] = &["conntrack", "state", "helper", "iprange", "addrtype", "comment"];
const STEADY_TARGETS: &[&str] = &["ACCEPT", "DROP", "RETURN"];

fn only_steady(text: &str) -> String {
    let is_steady = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        !line.starts_with("-A")
            || words.array_windows().all(|[flag, value]| match *flag {
                "-m" => STEADY.contains(value),
                "-j" | "-g" => STEADY_TARGETS.contains(value) || value.starts_with("user_"),
                _ => true,
            })
    };
    text.lines().filter(is_steady).flat_map(|line| [line, "\n"]).collect()
}

fn check(seed: u64, change: impl Fn(String) -> String) {
    let world = World::new();
    let mut random = Random::new(seed);
    let texts = Family::ALL.map(|family| change(rules::ruleset(&mut random, &world, family)));
    let changes = rules::settings(&mut random);
    let packets = traffic::traffic(&mut random, &world, SESSIONS, None);
    let [mut quick, mut naive] = [(); 2].map(|()| engine(&world, &texts));
    let foreseer = quick.foreseer();
    for (batch, number) in packets.chunks(BATCH).zip(0..) {
        // Halfway, what may be set while packets pass is set: courses noted before are void.
        if number == packets.len() / BATCH / 2 {
            for (key, value) in &changes {
                quick.set(key, value).expect("a setting");
                naive.set(key, value).expect("a setting");
            }
        }
        let ahead: Vec<_> = batch.iter().map(|sent| foreseer.foresee(&sent.bytes)).collect();
        quick.bring_near(ahead.iter());
        for (sent, foreseen) in batch.iter().zip(&ahead) {
            let answer = quick.handle_foreseen(sent.time, &mut packet(sent), foreseen);
            let mut trace = Trace::default();
            let right = naive.handle_traced(sent.time, &mut packet(sent), &mut trace);
            assert_eq!(answer, right, "seed {seed}, at {:?}: {trace:?}", sent.time);
            let [told, truth] = [&mut quick, &mut naive].map(events);
            assert_eq!(told, truth, "seed {seed}, at {:?}: {trace:?}", sent.time);
        }
    }
    let end = packets.last().map_or(Time(0), |sent| sent.time);
    let [held, right] = [&quick, &naive].map(|one| tables(one, end));
    assert_eq!(held, right, "seed {seed}");
    for family in Family::ALL {
        for rule in naive.program(family).into_iter().flat_map(Program::rule_ids) {
            let [counted, right] = [&quick, &naive].map(|one| one.memory().counters(family, rule));
            assert_eq!(counted, right, "seed {seed}: {family} {rule:?}");
        }
    }
}

/// What the engine has told since it was asked last.
fn events(engine: &mut Engine) -> String {
    format!("{:?}", engine.events().collect::<Vec<_>>())
}

/// Everything that is in the tables.
fn tables(engine: &Engine, now: Time) -> String {
    let table = engine.conntrack();
    let connections: Vec<_> = table.connections(now).collect();
    let expectations: Vec<_> = table.expectations(now).collect();
    format!("{connections:?} {expectations:?}")
}

fn engine(world: &World, texts: &[String; 2]) -> Engine {
    let topology = Topology::from_toml(world.topology(), "topology").expect("a topology");
    let settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    let sources: Vec<Source<'_>> = texts
        .iter()
        .zip(Family::ALL)
        .map(|(text, family)| Source { name: "rules", text, family: Some(family) })
        .collect();
    let loaded = load(&sources, &Defines::default());
    let loaded = loaded.unwrap_or_else(|mistakes| panic!("{texts:?}: {mistakes:?}"));
    let program = |f| Some(Program::compile(loaded.ruleset(f)?, &Options::default()));
    let sets = Sets::read(&[rules::SETS]).expect("sets");
    let mut engine = Engine::new(topology, settings, Family::ALL.map(program), 7).with_sets(sets);
    engine.set_events(true);
    engine
}

fn packet(sent: &Sent) -> Packet<'_> {
    let ingress = match sent.ingress {
        Ingress::Interface(name) => kinwall_engine::Ingress::Interface(Some(name)),
        Ingress::Local => kinwall_engine::Ingress::Local { owner: None },
    };
    let link = LinkFacts::default();
    Packet { number: 1, ingress, link, mark: 0, bytes: Cow::Borrowed(&sent.bytes) }
}
