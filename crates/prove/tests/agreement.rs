//! What a set says of a packet is what the engine does with it: random rules, random packets.

use kinwall_engine::{Engine, Ingress, Packet, Presumed, Settings, Trace};
use kinwall_prove::reach::{Given, Reach};
use kinwall_prove::rulebook::Rulebook;
use kinwall_prove::sample::Sample;
use kinwall_prove::situation::{Situation, Tracked};
use kinwall_prove::universe::UniverseBuilder;
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_rules::sets::Sets;
use kinwall_sim::{Random, World};
use kinwall_terms::{
    CtState, Direction, Family, InterfaceName, KernelVersion, L4Proto, Profile, Time, Tuple,
    Verdict,
};
use kinwall_topology::Topology;
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::net::IpAddr;

const SEEDS: u64 = if cfg!(debug_assertions) { 150 } else { 3000 };
const PACKETS: usize = 60;

#[test]
fn a_packet_is_in_the_set_when_the_engine_accepts_it() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let family = random.pick(&Family::ALL);
        check(seed, family, &mut random, &mut tally);
    }
    // A test whose packets never pass, or never fail, would tell nothing.
    assert!(tally.accepted > tally.packets / 10, "{tally:?}");
    assert!(tally.refused > tally.packets / 10, "{tally:?}");
    assert!(tally.decided > tally.packets / 2, "{tally:?}");
}

#[derive(Debug, Default)]
struct Tally {
    packets: usize,
    accepted: usize,
    refused: usize,
    decided: usize,
}

fn check(seed: u64, family: Family, random: &mut Random, tally: &mut Tally) {
    let world = World::new();
    let rules = kinwall_sim::rules::ruleset(random, &world, family);
    let mut topology = Topology::from_toml(world.topology(), "topology").expect("a topology");
    let mut settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    for (key, value) in kinwall_sim::rules::settings(random) {
        settings.set(&mut topology, &key, &value).expect("a setting");
    }
    let source = Source { name: "rules", text: &rules, family: Some(family) };
    let loaded = load(&[source], &Defines::default()).expect("rules");
    let ruleset = loaded.ruleset(family).expect("rules of the family");
    let program = Program::compile(ruleset, &Options::default());
    let mut programs = [None, None];
    programs[family.index()] = Some(program);

    let sets = Sets::read(&[kinwall_sim::rules::SETS]).expect("sets");
    let book = Rulebook::new(ruleset, []).with_sets(&sets);
    let instances = settings.instances.clone();
    let given = Given {
        book: &book,
        topology: &topology,
        instances: &instances,
        profile: Profile::Linux,
        automatic: false,
        tcp_loose: true,
        work: &|_| (),
    };
    let mut builder = UniverseBuilder::new(family, &topology);
    builder.rulebook(&book);
    let mut reach = Reach::new(given, builder.build()).expect("memory");
    let mut engine = Engine::new(topology.clone(), settings, programs, seed).with_sets(sets);
    for _ in 0..PACKETS {
        let (situation, sample) = packet(random, &world, family);
        if let Some(verdict) = ask_engine(&mut engine, situation, &sample) {
            compare(
                &mut reach,
                situation,
                &sample,
                verdict,
                &format!("seed {seed}\n{rules}"),
                tally,
            );
        }
    }
}

/// A situation, and a packet of which tracking can say that.
fn packet(random: &mut Random, world: &World, family: Family) -> (Situation, Sample) {
    let addresses = world.addresses(family);
    let src = random.pick(&addresses);
    let other: Vec<IpAddr> = addresses.iter().copied().filter(|a| *a != src).collect();
    let dst = random.pick(&other);
    let (icmp, query) = match family {
        Family::Ipv4 => (L4Proto::ICMP, 8),
        Family::Ipv6 => (L4Proto::ICMPV6, 128),
    };
    let protos = [L4Proto::TCP, L4Proto::TCP, L4Proto::UDP, L4Proto::UDP, icmp, L4Proto::SCTP];
    let proto = random.pick(&protos);
    let tracked = random.pick(&[
        Tracked::First,
        Tracked::First,
        Tracked::First,
        Tracked::Answered(Direction::Original),
        Tracked::Answered(Direction::Reply),
        Tracked::Invalid,
    ]);
    let master = (tracked != Tracked::Invalid && random.percent(40)).then(|| random.below(3) as u8);
    let situation = Situation::received(tracked).of(master);
    let (sport, dport) = match proto {
        proto if proto == icmp => (random.port(), u16::from_be_bytes([query, 0])),
        _ => (random.port(), random.port()),
    };
    let tuple = Tuple { src, dst, sport, dport, proto };
    let tuple = if situation.swapped { tuple.invert().expect("an answer") } else { tuple };
    let situation = situation.sent(world.is_gateway(tuple.src) && random.percent(80));
    let flags = match tracked {
        Tracked::First => TcpFlags::SYN,
        _ => TcpFlags::ACK,
    };
    let home = world.host_at(tuple.src).map(|host| host.interface);
    let any = InterfaceName::new(random.pick(&["eth0", "eth1", "eth2"]));
    let input = if random.percent(80) { home.or(any) } else { any };
    let mac = [2, 0, 0, 0, 0, random.below(4) as u8];
    let input = if situation.sent { None } else { input };
    (situation, Sample { input, tuple, mac, flags: flags.bits() })
}

/// Whether the engine lets the packet pass; `None` when it does not say.
fn ask_engine(engine: &mut Engine, situation: Situation, sample: &Sample) -> Option<bool> {
    let bytes = sample.packet().build();
    let ingress = match situation.sent {
        true => Ingress::Local { owner: None },
        false => Ingress::Interface(sample.input),
    };
    let mut packet = Packet {
        number: 1,
        ingress,
        link: LinkFacts { src_mac: Some(sample.mac), ..LinkFacts::default() },
        mark: 0,
        bytes: Cow::Owned(bytes),
    };
    let presumed = Presumed {
        state: situation.state(),
        direction: situation.direction().unwrap_or(Direction::Original),
        master_helper: situation.master.map(kinwall_engine::HelperId),
    };
    let outcome = engine.suppose(Time(0), &mut packet, &presumed, &mut Trace::default());
    // A packet whose tracking is switched off is not what was presumed.
    if outcome.ct_state.is_some_and(|state| state == CtState::Untracked) {
        return None;
    }
    match outcome.verdict {
        Verdict::Accept => Some(true),
        Verdict::Drop | Verdict::Reject(_) => Some(false),
        Verdict::Queue(_) | Verdict::Unknown | Verdict::Consume => None,
    }
}

fn compare(
    reach: &mut Reach<'_>,
    situation: Situation,
    sample: &Sample,
    accepted: bool,
    what: &str,
    tally: &mut Tally,
) {
    let through = reach.through(situation).expect("memory");
    let sets = [through.delivered, through.forwarded, through.sent];
    let set = reach.space.any_of(&sets);
    // The sets of answers hold the tuple answered.
    let tuple = match situation.swapped {
        true => sample.tuple.invert().expect("a question"),
        false => sample.tuple,
    };
    let numbers = Sample { tuple, ..*sample }.numbers(&reach.universe);
    let possible = reach.space.contains(&reach.space.possible(&set), &numbers, |_| false);
    let certain = reach.space.contains(&reach.space.certain(&set), &numbers, |_| false);
    assert!(
        possible || !accepted,
        "{situation:?} {sample:?} is accepted, and not in the set\n{what}"
    );
    assert!(accepted || !certain, "{situation:?} {sample:?} is refused, and in the set\n{what}");
    tally.packets += 1;
    tally.accepted += usize::from(accepted);
    tally.refused += usize::from(!accepted);
    tally.decided += usize::from(possible == certain);
}
