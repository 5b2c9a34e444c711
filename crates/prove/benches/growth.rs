//! How the time and the memory of an analysis grow with the rules: made rule sets over a hundred
//! interfaces, spoofing, exposure and a matrix, in both families, one core.
//!
//! `cargo bench -p kinwall-prove --bench growth`; `-- 20000` adds rule sets of that many.

use kinwall_engine::{Engine, Settings};
use kinwall_prove::matrix::Service;
use kinwall_prove::reach::{Given, Reach};
use kinwall_prove::rulebook::Rulebook;
use kinwall_prove::space::TooLarge;
use kinwall_prove::universe::UniverseBuilder;
use kinwall_rules::load::{Defines, Source, load};
use kinwall_sim::Random;
use kinwall_terms::{Family, KernelVersion, Profile};
use kinwall_topology::Topology;
use std::fmt::Write;
use std::time::Instant;

const INTERFACES: u32 = 100;

fn main() {
    let more = std::env::args().filter_map(|argument| argument.parse().ok());
    println!("rules   family  spoofing  exposure  matrix   exposures  nodes      peak memory");
    for count in [500, 1_000, 2_000, 5_000].into_iter().chain(more) {
        for family in Family::ALL {
            match analyse(count, family) {
                Ok(line) => println!("{count:<7} {family}    {line}"),
                Err(error) => println!("{count:<7} {family}    {error}"),
            }
        }
    }
}

fn analyse(count: u32, family: Family) -> Result<String, TooLarge> {
    let text = rules(count, family);
    let source = Source { name: "rules", text: &text, family: Some(family) };
    let loaded = load(&[source], &Defines::default()).expect("rules");
    let book = Rulebook::new(loaded.ruleset(family).expect("rules of the family"), []);
    let topology = Topology::from_toml(&topology(), "topology").expect("a topology");
    let settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    let engine = Engine::new(topology, settings, [None, None], 0);
    let given = Given {
        book: &book,
        topology: engine.topology(),
        instances: engine.instances(),
        profile: Profile::Linux,
        automatic: false,
        tcp_loose: true,
        work: &|_| (),
    };
    let service: Service = Service::parse("tcp 22").expect("a service");
    let mut builder = UniverseBuilder::new(family, engine.topology());
    builder.rulebook(&book);
    builder.helpers(engine.instances());
    service.prepare(&mut builder);
    let start = Instant::now();
    let mut reach = Reach::new(given, builder.build())?;
    reach.spoofing()?;
    let spoofing = start.elapsed();
    let exposures = reach.exposures()?;
    let exposure = start.elapsed() - spoofing;
    reach.matrix(&service)?;
    let matrix = start.elapsed() - spoofing - exposure;
    Ok(format!(
        "{:>6.2} s  {:>6.2} s  {:>6.2} s  {:<9}  {:<9}  {} MB",
        spoofing.as_secs_f64(),
        exposure.as_secs_f64(),
        matrix.as_secs_f64(),
        exposures.len(),
        reach.space.node_count(),
        peak_kb() / 1024,
    ))
}

/// The most memory this program has had so far.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn topology() -> String {
    (0..INTERFACES).fold(String::new(), |mut text, i| {
        let default = if i == 0 { "default = true\n" } else { "" };
        writeln!(
            text,
            "[[interface]]\nname = \"e{i}\"\n\
             addresses = [\"10.{i}.0.1/16\", \"fd00:0:{i:x}::1/48\"]\n{default}"
        )
        .expect("a string takes it");
        text
    })
}

/// Rules that differ in interfaces, addresses and ports, and a few for helpers: nearly every pair
/// of interfaces may open children.
fn rules(count: u32, family: Family) -> String {
    let mut random = Random::new(7);
    let mut text = String::from("*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
    for i in 0..20 {
        text += &format!("-A PREROUTING -i e{i} -p tcp -m tcp --dport 21 -j CT --helper ftp\n");
    }
    text += &format!(
        "-A PREROUTING -d {} -p udp -m udp --dport 5060 -j CT --helper sip\nCOMMIT\n\
         *filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
         -A FORWARD -p tcp -m conntrack --ctstate RELATED -m helper --helper ftp -m tcp \
         --dport 1024: -j ACCEPT\n\
         -A FORWARD -p udp -m conntrack --ctstate RELATED -m helper --helper sip -j ACCEPT\n",
        network(3, family, &mut random)
    );
    const PORTS: [u16; 9] = [21, 22, 25, 53, 80, 443, 3306, 5432, 8080];
    for _ in 0..count {
        let [from, to] = [0; 2].map(|_| random.below(INTERFACES as usize) as u32);
        let mut interface = |option: &str, number: u32| match random.percent(50) {
            true => format!(" {option} e{number}"),
            false => String::new(),
        };
        let ways = interface("-i", from) + &interface("-o", to);
        let [src, dst] = [from, to].map(|number| network(number, family, &mut random));
        let proto = random.pick(&["tcp", "tcp", "udp"]);
        let port = if random.percent(80) { random.pick(&PORTS) } else { random.port() };
        let last =
            if random.percent(13) { port.saturating_add(random.port() % 3000) } else { port };
        let target = random.pick(&["ACCEPT", "ACCEPT", "ACCEPT", "ACCEPT", "DROP"]);
        text += &format!(
            "-A FORWARD{ways} -s {src} -d {dst} -p {proto} -m {proto} --dport {port}:{last} \
             -j {target}\n"
        );
    }
    text + "COMMIT\n"
}

/// A network behind an interface.
fn network(interface: u32, family: Family, random: &mut Random) -> String {
    match family {
        Family::Ipv4 => {
            let length = random.pick(&[16, 24, 24, 28, 32, 32]);
            let [a, b] = [random.byte(), random.byte()];
            format!("10.{interface}.{a}.{b}/{length}")
        }
        Family::Ipv6 => {
            let length = random.pick(&[48, 64, 64, 96, 128, 128]);
            let [a, b, c] = [0; 3].map(|_| random.between(0, 0xffff));
            format!("fd00:0:{interface:x}:{a:x}:{b:x}:{c:x}::/{length}")
        }
    }
}
