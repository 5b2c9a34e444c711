//! The gateway that is attacked, and what it says.

use kinwall_engine::trace::Expecting;
use kinwall_engine::{Engine, Packet, Settings, Step, Trace};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_sim::attack::{Attack, Hosts};
use kinwall_sim::traffic::Ingress;
use kinwall_terms::{Family, KernelVersion, Profile, Time, Verdict};
use kinwall_wire::LinkFacts;
use std::borrow::Cow;
use std::fmt;

/// How an attack is run.
pub(crate) struct Run {
    profile: Profile,
    /// With the dangerous options.
    dangerous: bool,
}

impl Run {
    /// The runs of an attack: both profiles, without and with its dangerous options.
    pub(crate) fn of(attack: &Attack) -> Vec<Run> {
        let dangers = if attack.dangers.is_empty() { &[false][..] } else { &[false, true] };
        let run = |profile: &Profile| {
            let profile = *profile;
            dangers.iter().map(move |&dangerous| Run { profile, dangerous })
        };
        Profile::ALL.iter().flat_map(run).collect()
    }

    /// Whether a word of a claim means this run.
    pub(crate) fn is(&self, word: &str) -> bool {
        match word {
            "default" => !self.dangerous,
            "dangerous" => self.dangerous,
            profile => self.profile.to_string() == profile,
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.profile, if self.dangerous { " dangerous" } else { "" })
    }
}

/// The gateway of the attacks.
pub(crate) struct Gateway<'a> {
    engine: Engine,
    hosts: &'a Hosts,
    now: Time,
    number: u64,
}

const START: Time = Time(1_700_000_000_000_000_000);

impl<'a> Gateway<'a> {
    /// With rules in a script, to which those come that the attack brings.
    pub(crate) fn new(attack: &Attack, run: &Run, rules: &str, hosts: &'a Hosts) -> Gateway<'a> {
        let settings = Settings::new(KernelVersion::DEFAULT, run.profile);
        let rules = attack.rules(rules, &settings.instances);
        Gateway::with_rules(attack, run, &[("rules", &rules)], hosts)
    }

    /// With rule files alone.
    pub(crate) fn with_rules(
        attack: &Attack,
        run: &Run,
        rules: &[(&str, &str)],
        hosts: &'a Hosts,
    ) -> Gateway<'a> {
        let mut topology = hosts.topology().clone();
        let mut settings = Settings::new(KernelVersion::DEFAULT, run.profile);
        let dangers = attack.dangers.iter().filter(|_| run.dangerous);
        for (key, value) in attack.settings.iter().chain(dangers) {
            let set = settings.set(&mut topology, key, value);
            set.unwrap_or_else(|error| panic!("{}: {error}", attack.name));
        }
        let sources: Vec<Source<'_>> =
            rules.iter().map(|(name, text)| Source { name, text, family: None }).collect();
        let loaded = load(&sources, &Defines::default());
        let loaded = loaded.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", attack.name));
        let program = |f| Some(Program::compile(loaded.ruleset(f)?, &Options::default()));
        let engine = Engine::new(topology, settings, Family::ALL.map(program), 7);
        Gateway { engine, hosts, now: START, number: 0 }
    }

    /// What the gateway says of these packets: of each in order, or of `many` each different
    /// thing once and nothing of what is as it should be.
    pub(crate) fn send(
        &mut self,
        packets: &[(Ingress, Vec<u8>)],
        tried: bool,
        many: bool,
    ) -> Vec<String> {
        let mut all = Vec::new();
        for (ingress, bytes) in packets {
            for said in self.take(*ingress, bytes, tried) {
                let said = match said.split_whitespace().next() {
                    Some("expect") if many => continue,
                    Some("refuse") if many => said.split(" of ").take(1).collect(),
                    _ => said,
                };
                if !many || !all.contains(&said) {
                    all.push(said);
                }
            }
        }
        all
    }

    pub(crate) fn wait(&mut self, seconds: u32) -> Vec<String> {
        self.now = self.now.after_s(seconds);
        Vec::new()
    }

    /// How many expectations are pending.
    pub(crate) fn pending(&self) -> usize {
        let table = self.engine.conntrack();
        table.expectations(self.now).count()
    }

    fn take(&mut self, ingress: Ingress, bytes: &[u8], tried: bool) -> Vec<String> {
        self.number += 1;
        self.now = Time(self.now.0 + 1_000_000);
        let ingress = match ingress {
            Ingress::Interface(name) => kinwall_engine::Ingress::Interface(Some(name)),
            Ingress::Local => kinwall_engine::Ingress::Local { owner: None },
        };
        let mut packet = Packet {
            number: self.number,
            ingress,
            link: LinkFacts::default(),
            mark: 0,
            bytes: Cow::Borrowed(bytes),
        };
        let mut trace = Trace::default();
        let outcome = self.engine.handle_traced(self.now, &mut packet, &mut trace);
        let mut said = Vec::new();
        let mut refused = None;
        for step in &trace.steps {
            if let Step::Helped { notes, blind, expected, drop, .. } = step {
                said.extend(expected.iter().map(|expecting| self.expects(expecting)));
                said.extend(notes.iter().map(|note| format!("note {}", note.reason)));
                said.extend(blind.iter().map(|reason| format!("blind {reason}")));
                refused = *drop;
            }
        }
        let state = outcome.ct_state.map_or("untracked".to_owned(), |state| state.to_string());
        match (outcome.verdict, refused) {
            (Verdict::Accept, _) if !tried => {}
            (verdict, Some(reason)) => said.push(format!("{verdict} {reason}")),
            (verdict, None) => {
                let reason = outcome.reason.map_or(String::new(), |reason| format!(" {reason}"));
                said.push(format!("{verdict} {state}{reason}"));
            }
        }
        said
    }

    fn expects(&self, expecting: &Expecting) -> String {
        let (tuple, mask) = (&expecting.expected.tuple, &expecting.expected.mask);
        let port = |port: u16, any: bool| if any { "*".to_owned() } else { port.to_string() };
        let src = match mask.address {
            none if none.is_unspecified() => "*".to_owned(),
            all if all == exact(tuple.src) => self.hosts.name(tuple.src),
            mask => format!("{}/{mask}", self.hosts.name(tuple.src)),
        };
        let what = match expecting.made {
            Ok(_) => "expect".to_owned(),
            Err(reason) => format!("refuse {reason} of"),
        };
        format!(
            "{what} {} {src}:{} -> {}:{}",
            tuple.proto,
            port(tuple.sport, mask.port == 0),
            self.hosts.name(tuple.dst),
            tuple.dport,
        )
    }
}

fn exact(address: std::net::IpAddr) -> std::net::IpAddr {
    match address {
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::BROADCAST.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::from([0xff; 16]).into(),
    }
}
