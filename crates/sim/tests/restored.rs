//! A gateway that was stopped and goes on from its state answers as one that was never stopped.
//!
//! An engine gets random packets. At some packet its state is copied, encoded, read back and given
//! to a fresh engine; from there on both get the same packets, and their answers, what they tell
//! and their tables stay the same.

use kinwall_engine::{CopyingState, Engine, Packet, Settings, View};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_sim::traffic::{self, Ingress, Sent};
use kinwall_sim::{Random, World, rules};
use kinwall_terms::{Family, KernelVersion, Manip, Profile, Time, Tuple};
use kinwall_topology::Topology;
use kinwall_wire::translate::{NewEnd, set_end};
use kinwall_wire::{Headers, L4, LinkFacts};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

/// Sessions of the traffic for one seed.
const SESSIONS: usize = 30;

#[test]
fn a_restored_engine_goes_on_as_the_kernel_would() {
    for seed in 0..15 {
        check(seed, Profile::Linux, None);
    }
}

#[test]
fn a_restored_engine_goes_on_reading_streams() {
    for seed in 100..120 {
        check(seed, Profile::Strict, None);
    }
}

/// Each helper's own memory, with traffic of its protocol alone.
#[test]
fn what_helpers_remember_is_restored() {
    let kinds = ["ftp", "irc", "tftp", "pptp", "amanda", "sane", "broadcast", "h323", "sip"];
    for (kind, at) in kinds.iter().zip(0..) {
        for seed in 0..4 {
            for profile in [Profile::Linux, Profile::Strict] {
                check(1000 + 100 * at + seed, profile, Some(kind));
            }
        }
    }
}

/// A copy that is made a little at a time, while packets pass, can be restored, and has everything
/// that was there all the time.
#[test]
fn a_copy_in_steps_is_a_state() {
    let mut settled = 0;
    for seed in 200..230 {
        let world = World::new();
        let mut random = Random::new(seed);
        let packets = traffic::traffic(&mut random, &world, 2 * SESSIONS, None);
        let mut one = engine(&world, Profile::Linux);
        let begins = random.below(packets.len() / 2);
        let mut copying = None;
        let mut at_first = BTreeSet::new();
        for (number, sent) in packets.iter().enumerate() {
            let bytes = as_answered(&one, sent);
            one.handle(sent.time, &mut packet(sent, &bytes));
            if number == begins {
                copying = Some(CopyingState::new(sent.time));
                at_first = serials(&one, sent.time);
            }
            let Some(under_way) = copying.take() else { continue };
            match one.snapshot_on(sent.time, under_way, 2) {
                Err(under_way) => copying = Some(under_way),
                Ok(mut snapshot) => {
                    snapshot.settle();
                    let bytes = kinwall_state::encode(&snapshot).expect("a state");
                    let snapshot = kinwall_state::decode(&bytes).expect("a state");
                    let mut other = engine(&world, Profile::Linux);
                    let restored = other.restore(sent.time, snapshot);
                    restored.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
                    let there = serials(&other, sent.time);
                    let stayed = &at_first & &serials(&one, sent.time);
                    let missing: Vec<_> = stayed.difference(&there).collect();
                    assert!(missing.is_empty(), "seed {seed}: {missing:?}");
                    settled += 1;
                    break;
                }
            }
        }
    }
    assert!(settled > 20, "only {settled} copies came to an end");
}

fn serials(engine: &Engine, now: Time) -> BTreeSet<u64> {
    engine.conntrack().connections(now).map(|view| view.serial).collect()
}

/// A file that this version has written is read by whoever says to be of this version, and is
/// written the same: when what is kept changes, so must the version (`kinwall_state::VERSION`).
/// `KINWALL_WRITE_EXPECTED` writes the file of a new version.
#[test]
fn files_of_this_version_can_be_read() {
    let name = format!("../../tests/state/version-{}", kinwall_state::VERSION);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("KINWALL_WRITE_EXPECTED").is_some() && !path.exists() {
        std::fs::write(&path, all_sorts()).expect("writable");
    }
    let kept = std::fs::read(&path).expect("tests/state has a file of this version");
    let snapshot = kinwall_state::decode(&kept).expect("a state");
    let again = kinwall_state::encode(&snapshot).expect("a state");
    assert!(again == kept, "what is read is not what was written");
    let (connections, now) = (snapshot.table.connections.len(), snapshot.table.taken);
    let helpers: BTreeSet<_> = snapshot.table.connections.iter().map(|c| c.helper).collect();
    assert!(connections > 100 && helpers.len() > 8, "{connections} connections, {helpers:?}");
    let restored = engine(&World::new(), Profile::Strict).restore(now, snapshot).expect("a state");
    assert_eq!(restored.connections as usize, connections);
    assert!(restored.expectations > 5, "{restored:?}");
}

/// The state after all sorts of traffic.
fn all_sorts() -> Vec<u8> {
    let world = World::new();
    let mut engine = engine(&world, Profile::Strict);
    let mut now = Time(0);
    for sent in traffic::traffic(&mut Random::new(9), &world, 200, None) {
        let bytes = as_answered(&engine, &sent);
        engine.handle(sent.time, &mut packet(&sent, &bytes));
        now = sent.time;
    }
    kinwall_state::encode(&engine.snapshot(now)).expect("a state")
}

/// Rules that give every connection its helper, translate what leaves, and have no memory of
/// their own, which no state holds.
fn ruleset(family: Family) -> String {
    let helpers = rules::only_helpers(family);
    let (inside, outside) = match family {
        Family::Ipv4 => ("-s 10.0.0.0/8", "-j MASQUERADE"),
        Family::Ipv6 => ("-p udp", "-j MASQUERADE --random"),
    };
    format!(
        "{helpers}\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {inside} {outside}\nCOMMIT\n"
    )
}

fn engine(world: &World, profile: Profile) -> Engine {
    let topology = Topology::from_toml(world.topology(), "topology").expect("a topology");
    let mut settings = Settings::new(KernelVersion::DEFAULT, profile);
    settings.tracking.acct = true;
    let texts = Family::ALL.map(ruleset);
    let sources: Vec<Source<'_>> = texts
        .iter()
        .zip(Family::ALL)
        .map(|(text, family)| Source { name: "rules", text, family: Some(family) })
        .collect();
    let loaded = load(&sources, &Defines::default());
    let loaded = loaded.unwrap_or_else(|mistakes| panic!("{texts:?}: {mistakes:?}"));
    let program = |f| Some(Program::compile(loaded.ruleset(f)?, &Options::default()));
    let mut engine = Engine::new(topology, settings, Family::ALL.map(program), 7);
    engine.set_translation(true);
    engine.set_events(true);
    engine
}

fn check(seed: u64, profile: Profile, only: Option<&str>) {
    let world = World::new();
    let mut random = Random::new(seed);
    let mut packets = traffic::traffic(&mut random, &world, SESSIONS, only);
    // Fragments that wait for others are not kept.
    packets.retain(|sent| Headers::parse(&sent.bytes).is_ok_and(|h| h.fragment.is_none()));
    let (before, after) = packets.split_at(random.below(packets.len().max(1)));
    let mut one = engine(&world, profile);
    for sent in before {
        let bytes = as_answered(&one, sent);
        one.handle(sent.time, &mut packet(sent, &bytes));
    }
    let Some(now) = before.last().map(|sent| sent.time) else { return };
    let bytes = kinwall_state::encode(&one.snapshot(now)).expect("a state");
    let told = one.events().count();
    let mut other = engine(&world, profile);
    let snapshot = kinwall_state::decode(&bytes).expect("a state");
    let restored = other.restore(now, snapshot).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    assert_eq!(restored.connections, one.conntrack().count(), "seed {seed}");
    assert_eq!((restored.expired, restored.helperless), (0, 0), "seed {seed}");
    assert!(told > 0 && other.events().next().is_none(), "seed {seed}");
    assert_eq!(tables(&one, now), tables(&other, now), "seed {seed}");
    for sent in after {
        let bytes = as_answered(&one, sent);
        let [answer, right] = [&mut other, &mut one].map(|engine| {
            let mut packet = packet(sent, &bytes);
            (format!("{:?}", engine.handle(sent.time, &mut packet)), packet.bytes.into_owned())
        });
        assert_eq!(answer, right, "seed {seed}, at {:?}", sent.time);
        let [told, right] = [&mut other, &mut one].map(events);
        assert_eq!(told, right, "seed {seed}, at {:?}", sent.time);
    }
    let end = packets.last().map_or(now, |sent| sent.time);
    for later_s in [0, 10, 40, 200, 700, 100_000, 1_000_000] {
        let at = end.after_s(later_s);
        let [held, right] = [&mut other, &mut one].map(|engine| {
            engine.expire(at, usize::MAX);
            (events(engine), tables(engine, at))
        });
        assert_eq!(held, right, "seed {seed}, {later_s} s later");
    }
}

/// What the engine has told since it was asked last. Handles are its own.
fn events(engine: &mut Engine) -> Vec<String> {
    let mut told: Vec<_> =
        engine.events().map(|event| without_handles(format!("{event:?}"))).collect();
    // What expires at once is told in the order of handles.
    told.sort();
    told
}

/// Everything that is in the tables, by serial number.
fn tables(engine: &Engine, now: Time) -> [Vec<String>; 2] {
    let table = engine.conntrack();
    let mut connections: Vec<_> = table.connections(now).collect();
    connections.sort_by_key(|view| view.serial);
    let mut expectations: Vec<_> = table.expectations(now).collect();
    expectations.sort_by_key(|view| view.serial);
    [
        connections.iter().map(|view| without_handles(format!("{view:?}"))).collect(),
        expectations.iter().map(|view| without_handles(format!("{view:?}"))).collect(),
    ]
}

/// A debug text without `ConnId { .. }` and `ExpId { .. }`.
fn without_handles(mut text: String) -> String {
    for name in ["ConnId {", "ExpId {"] {
        while let Some(start) = text.find(name) {
            let end = text[start..].find('}').map_or(text.len(), |end| start + end + 1);
            text.replace_range(start..end, "_");
        }
    }
    text
}

/// The packet as it comes where the gateway translates: who answers a translated connection
/// answers what he sees.
fn as_answered(engine: &Engine, sent: &Sent) -> Vec<u8> {
    let mut bytes = sent.bytes.clone();
    let Ok(headers) = Headers::parse(&bytes) else { return bytes };
    let ports = match headers.l4 {
        L4::Tcp(tcp) => (tcp.sport, tcp.dport),
        L4::Udp(udp) => (udp.sport, udp.dport),
        _ => return bytes,
    };
    let answered = |view: &View| {
        let Tuple { src, dst, sport, dport, proto } = view.original;
        proto == headers.proto && (dst, src, (dport, sport)) == (headers.src, headers.dst, ports)
    };
    let mut connections = engine.conntrack().connections(sent.time);
    if let Some(View { reply, .. }) = connections.find(answered) {
        let to = NewEnd { address: reply.dst, id: reply.dport };
        // A packet that is cut short stays as it is.
        _ = set_end(&mut bytes, &headers, Manip::Destination, to);
    }
    bytes
}

fn packet<'a>(sent: &Sent, bytes: &'a [u8]) -> Packet<'a> {
    let ingress = match sent.ingress {
        Ingress::Interface(name) => kinwall_engine::Ingress::Interface(Some(name)),
        Ingress::Local => kinwall_engine::Ingress::Local { owner: None },
    };
    let link = LinkFacts::default();
    Packet { number: 1, ingress, link, mark: 0, bytes: Cow::Borrowed(bytes) }
}
