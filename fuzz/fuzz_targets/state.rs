//! A state file of whatever bytes, and good ones with some bytes changed: they are read or
//! refused. What is read restores an engine or leaves it empty; what was restored takes packets,
//! can be kept and restored again, and expires to nothing.

#![no_main]

use kinwall_engine::{Engine, Ingress, Packet, Settings, Snapshot};
use kinwall_rules::load::{Defines, Loaded, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_sim::traffic::{self, Sent};
use kinwall_sim::{Random, World, rules};
use kinwall_state::{decode, decode_body, encode};
use kinwall_terms::{Family, KernelVersion, Profile, Time};
use kinwall_topology::Topology;
use kinwall_wire::LinkFacts;
use libfuzzer_sys::fuzz_target;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Sessions behind a good state.
const SESSIONS: usize = 12;
/// Bytes of it that are changed, at most.
const EDITS_MAX: usize = 12;
/// Packets that a restored engine gets.
const PACKETS: usize = 60;
/// Bytes of a header, before what is kept.
const HEADER_BYTES: usize = 28;
const PROFILES: [Profile; 2] = [Profile::Linux, Profile::Strict];

static RULES: LazyLock<Loaded> = LazyLock::new(|| {
    let texts = Family::ALL.map(|family| {
        let nat = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n";
        format!("{}\n{nat}", rules::only_helpers(family))
    });
    let sources: Vec<Source<'_>> = texts
        .iter()
        .zip(Family::ALL)
        .map(|(text, family)| Source { name: "rules", text, family: Some(family) })
        .collect();
    load(&sources, &Defines::default()).expect("rules")
});

/// Good bodies and the packets after them, by profile.
static GOOD: LazyLock<[(Vec<u8>, Vec<Sent>); 2]> = LazyLock::new(|| {
    PROFILES.map(|profile| {
        let world = World::new();
        let packets = traffic::traffic(&mut Random::new(3), &world, SESSIONS, None);
        let (before, after) = packets.split_at(packets.len() / 2);
        let mut engine = engine(profile);
        for sent in before {
            engine.handle(sent.time, &mut packet(sent));
        }
        let now = before.last().expect("packets").time;
        let file = encode(&engine.snapshot(now)).expect("a state");
        (file[HEADER_BYTES..].to_vec(), after[..PACKETS.min(after.len())].to_vec())
    })
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(snapshot) = decode(bytes) {
        go_on(0, snapshot);
    }
    let Some((mode, rest)) = bytes.split_first() else { return };
    let profile = usize::from(mode & 1);
    let body = match mode & 2 {
        0 => changed(&GOOD[profile].0, rest),
        _ => rest.to_vec(),
    };
    if let Ok(snapshot) = decode_body(&body) {
        go_on(profile, snapshot);
    }
});

/// Changes what four bytes each say: where, how, and to what.
fn changed(body: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    let (edits, _) = edits.as_chunks::<4>();
    for &[high, low, how, to] in edits.iter().take(EDITS_MAX) {
        let at = usize::from(u16::from_be_bytes([high, low])) % body.len();
        match how % 4 {
            0 => body[at] = to,
            1 => body[at] ^= 1 << (to % 8),
            2 => body.insert(at, to),
            _ => drop(body.remove(at)),
        }
    }
    body
}

fn go_on(profile: usize, snapshot: Snapshot) {
    let mut one = engine(PROFILES[profile]);
    let packets = &GOOD[profile].1;
    let now = packets.first().expect("packets").time;
    if one.restore(now, snapshot).is_err() {
        assert_eq!((one.conntrack().count(), one.conntrack().expectation_count()), (0, 0));
        return;
    }
    let file = encode(&one.snapshot(now)).expect("a state");
    let again = decode(&file).expect("a state that was just written");
    let mut other = engine(PROFILES[profile]);
    let restored = other.restore(now, again).expect("a state that was restored before");
    assert_eq!(restored.connections, one.conntrack().count());
    assert_eq!(restored.expectations, one.conntrack().expectation_count());
    for sent in packets {
        let answer = other.handle(sent.time, &mut packet(sent));
        assert_eq!(answer, one.handle(sent.time, &mut packet(sent)));
    }
    one.expire(Time(u64::MAX), usize::MAX);
    assert_eq!((one.conntrack().count(), one.conntrack().expectation_count()), (0, 0));
}

fn engine(profile: Profile) -> Engine {
    let topology = Topology::from_toml(World::new().topology(), "topology").expect("a topology");
    let settings = Settings::new(KernelVersion::DEFAULT, profile);
    let program = |f| Some(Program::compile(RULES.ruleset(f)?, &Options::default()));
    let mut engine = Engine::new(topology, settings, Family::ALL.map(program), 7);
    engine.set_translation(true);
    engine
}

fn packet(sent: &Sent) -> Packet<'_> {
    let ingress = match sent.ingress {
        traffic::Ingress::Interface(name) => Ingress::Interface(Some(name)),
        traffic::Ingress::Local => Ingress::Local { owner: None },
    };
    let link = LinkFacts::default();
    Packet { number: 1, ingress, link, mark: 0, bytes: Cow::Borrowed(&sent.bytes) }
}
