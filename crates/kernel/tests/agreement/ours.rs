//! kinwall's side of the comparison.

use kinwall_conntrack::{Event, ExpectationView, View};
use kinwall_engine::{Engine, Ingress, Packet, Path, Settings};
use kinwall_kernel::Event as KernelEvent;
use kinwall_kernel::{Answer, Case, Change, Observed, ObservedConnection, ObservedExpectation};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_rules::sets::Sets;
use kinwall_state::show;
use kinwall_terms::{
    Family, InterfaceName, KernelVersion, L4Proto, Profile, Reason, Time, Tuple, Verdict,
};
use kinwall_topology::Topology;
use kinwall_wire::{Headers, L4, LinkFacts};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// kinwall's engine with the settings of a case. Its clock is the kernel's: the time since the
/// case began.
pub(crate) struct Ours {
    engine: Engine,
    began: Instant,
    number: u64,
    /// Original tuples of connections by serial number, also of those that are gone.
    tuples: HashMap<u64, Tuple>,
    /// The packet as it leaves.
    left: Vec<u8>,
    /// The tuple of the packet: of a master that was never confirmed nothing else is left.
    packet: Option<Tuple>,
    /// What `conntrack -E` and `conntrack -E expect` would have told.
    told: [Vec<String>; 2],
    follower: show::Follower,
}

/// The time at which a case begins.
const START: Time = Time(1_000_000_000_000);

impl Ours {
    /// Builds the engine; the text says what it does not accept.
    pub(crate) fn new(case: &Case) -> Result<Ours, String> {
        let mut topology = Topology::from_toml(&case.topology, &case.name)
            .map_err(|problems| format!("topology: {problems:?}"))?;
        let mut settings = Settings::of(KernelVersion::DEFAULT, Profile::Linux, &mut topology)
            .map_err(|errors| format!("settings: {errors:?}"))?;
        // The kernel has the module that rewrites SNMP.
        for helper in ["snmp", "snmp_trap"] {
            let key = format!("guard.{helper}.no_mangle");
            settings.set(&mut topology, &key, "0").map_err(|e| format!("{key}: {e}"))?;
        }
        for (name, value) in &case.sysctls {
            settings.set(&mut topology, name, value).map_err(|e| format!("{name}: {e}"))?;
        }
        let loaded = load(&sources(case), &Defines::default())
            .map_err(|mistakes| format!("rules: {mistakes:?}"))?;
        let compile = |family: Family| {
            loaded.ruleset(family).map(|ruleset| Program::compile(ruleset, &Options::default()))
        };
        let files: Vec<&str> = case.ipsets.as_deref().into_iter().collect();
        let sets = Sets::read(&files).map_err(|mistakes| format!("sets: {mistakes:?}"))?;
        let mut engine =
            Engine::new(topology, settings, Family::ALL.map(compile), 1).with_sets(sets);
        engine.set_events(true);
        engine.set_translation(true);
        let began = Instant::now();
        Ok(Ours {
            engine,
            began,
            number: 0,
            tuples: HashMap::new(),
            left: Vec::new(),
            packet: None,
            told: Default::default(),
            follower: show::Follower::default(),
        })
    }

    /// The next packet left the kernel like this: where a port is chosen by chance, this one is.
    pub(crate) fn wish(&mut self, left: &[u8]) {
        let Ok(headers) = Headers::parse(left) else { return };
        if let Some((source, destination)) = headers.ports() {
            self.engine.wish_ports([source, destination]);
        } else if let L4::Icmp(icmp) = headers.l4 {
            self.engine.wish_ports([icmp.id; 2]);
        }
    }

    /// The engine, to be asked and changed.
    pub(crate) fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Connections in the table: both tuples of each.
    pub(crate) fn connections(&self) -> BTreeSet<[Tuple; 2]> {
        let now = START.after(self.began.elapsed());
        let connections = self.engine.conntrack().connections(now);
        connections.map(|view| [view.original, view.reply]).collect()
    }

    /// The same of a packet that stays in the gateway, or leaves in fragments: its connection tells.
    pub(crate) fn wish_born(&mut self, answer: &Answer) {
        let born = answer.events.iter().find_map(|event| match event {
            KernelEvent::Connection(Change::New, connection) => Some(connection.reply),
            _ => None,
        });
        let has_ports = |reply: &Tuple| {
            matches!(reply.proto, L4Proto::TCP | L4Proto::UDP | L4Proto::UDPLITE | L4Proto::SCTP)
        };
        if let Some(reply) = born.filter(has_ports) {
            self.engine.wish_ports([reply.dport, reply.sport]);
        }
    }

    /// The latest packet as it left.
    pub(crate) fn left(&self) -> &[u8] {
        &self.left
    }

    /// What kinwall does with a packet now.
    pub(crate) fn send(
        &mut self,
        ingress: kinwall_kernel::Ingress,
        link: LinkFacts,
        bytes: &[u8],
    ) -> Observed {
        self.send_at(START.after(self.began.elapsed()), ingress, link, bytes)
    }

    /// What kinwall does with a packet.
    pub(crate) fn send_at(
        &mut self,
        now: Time,
        ingress: kinwall_kernel::Ingress,
        link: LinkFacts,
        bytes: &[u8],
    ) -> Observed {
        self.number += 1;
        self.packet = Headers::parse(bytes).ok().and_then(|headers| {
            let (sport, dport) = headers.ports()?;
            let Headers { src, dst, proto, .. } = headers;
            Some(Tuple { src, dst, sport, dport, proto })
        });
        let ingress = match ingress {
            kinwall_kernel::Ingress::Interface(name) => Ingress::Interface(Some(name)),
            kinwall_kernel::Ingress::Local => Ingress::Local { owner: None },
        };
        let mut packet =
            Packet { number: self.number, ingress, link, mark: 0, bytes: Cow::Borrowed(bytes) };
        let outcome = self.engine.handle(now, &mut packet);
        self.left = packet.bytes.into_owned();
        let events: Vec<Event> = self.engine.events().collect();
        let passed = (outcome.verdict == Verdict::Accept).then_some(outcome.connection).flatten();
        self.tell(&events, passed.map(|connection| connection.number), now);
        let rule = outcome.rule.and_then(|at| self.engine.program(at.family)?.reference(at.rule));
        let left = matches!(outcome.path, Path::Forwarded | Path::Sent);
        let accepted = outcome.verdict == Verdict::Accept;
        let helper = outcome.connection.and_then(|connection| connection.master_helper);
        let mut observed = Observed {
            verdict: outcome.verdict,
            out: outcome
                .out_iface
                .filter(|name| left && accepted && *name != InterfaceName::LOOPBACK),
            ct_state: outcome.ct_state,
            direction: outcome.connection.map(|connection| connection.direction),
            status: outcome.connection.map(|connection| connection.status),
            helper: helper.map(|helper| self.engine.helper_name(helper).to_string()),
            decided_by: match (outcome.reason, outcome.verdict) {
                (Some(Reason::ChainPolicy), _) => Some(String::from("policy")),
                (Some(Reason::Rule | Reason::HotDrop), _)
                | (_, Verdict::Reject(_) | Verdict::Queue(_)) => {
                    rule.map(|rule| match rule.chain.split_once(' ') {
                        // Of nftables: the family goes without saying, and 0 is the policy.
                        Some(_) if rule.number == 0 => String::from("policy"),
                        Some((_, chain)) => format!("{chain} {}", rule.number),
                        None => format!("{} {} {}", rule.table, rule.chain, rule.number),
                    })
                }
                _ => None,
            },
            mark: accepted.then_some(outcome.mark),
            connections: Vec::new(),
            expectations: Vec::new(),
        };
        for event in events {
            self.note(&mut observed, event, now);
        }
        observed
    }

    /// Takes the rules that kinwall does not accept out of `case`, and says which they were.
    pub(crate) fn remove_refused(case: &mut Case) -> Vec<String> {
        let mut refused = Vec::new();
        while let Err(mistakes) = load(&sources(case), &Defines::default()) {
            let families = sources(case).iter().map(|source| source.family).collect::<Vec<_>>();
            let mut lines = mistakes
                .iter()
                .map(|m| (families[usize::from(m.file)], m.span.line as usize, &m.message))
                .collect::<Vec<_>>();
            // Of several mistakes in a line a match that is not there is the cause of the others.
            lines.sort_by_key(|(family, line, message)| {
                (*family, *line, !message.starts_with("no match is called"), *message)
            });
            lines.dedup_by_key(|&mut (family, line, _)| (family, line));
            for (family, line, message) in lines.into_iter().rev() {
                let rules = match family {
                    Some(Family::Ipv4) => &mut case.rules4,
                    _ => &mut case.rules6,
                };
                let mut kept: Vec<&str> = rules.as_deref().unwrap_or("").lines().collect();
                refused.push(format!("{message}: {}", kept.remove(line - 1)));
                *rules = Some(kept.join("\n") + "\n");
            }
        }
        refused
    }

    fn tell(&mut self, events: &[Event], passed: Option<u64>, now: Time) {
        let (engine, options) = (&self.engine, show::Options::default());
        let [connections, expectations] = &mut self.told;
        connections.extend(self.follower.packet(engine, events, passed, now, options));
        let lines = events.iter().map(|e| show::expectation_event(engine, e, now, options));
        expectations.extend(lines.flatten());
    }

    /// What `conntrack -E` and `conntrack -E expect` would have told until now.
    pub(crate) fn told(&self) -> &[Vec<String>; 2] {
        &self.told
    }

    /// What `conntrack -L` and `conntrack -L expect` would print.
    pub(crate) fn listed(&self, options: show::Options) -> [Vec<String>; 2] {
        let (engine, now) = (&self.engine, START.after(self.began.elapsed()));
        let table = engine.conntrack();
        let connections = table.connections(now);
        let expectations = table.expectations(now);
        [
            connections.map(|view| show::connection(engine, &view, now, options)).collect(),
            expectations.map(|view| show::expectation(engine, &view, now, options)).collect(),
        ]
    }

    fn note(&mut self, observed: &mut Observed, event: Event, now: Time) {
        match event {
            Event::ConnectionNew(view) => {
                self.tuples.insert(view.serial, view.original);
                let connection = self.connection(&view, true, now);
                observed.connections.push((Change::New, connection));
            }
            Event::ConnectionDestroyed(view, _) => {
                let connection = self.connection(&view, false, now);
                observed.connections.push((Change::Destroy, connection));
            }
            Event::ConnectionUpdate(..) | Event::ExpectationMatched(..) => {}
            Event::ExpectationNew(view) => {
                let expectation = self.expectation(&view, true, now);
                observed.expectations.push((Change::New, expectation));
            }
            Event::ExpectationDestroyed(view, _) => {
                let expectation = self.expectation(&view, false, now);
                observed.expectations.push((Change::Destroy, expectation));
            }
        }
    }

    fn connection(&self, view: &View, born: bool, now: Time) -> ObservedConnection {
        let master = view.master.and_then(|master| self.tuples.get(&master.serial).copied());
        ObservedConnection {
            original: view.original,
            reply: view.reply,
            master: master.filter(|_| born),
            mark: born.then_some(view.mark),
            timeout_s: view.deadline.filter(|_| born).map(|at| at.since(now).as_secs() as u32),
        }
    }

    fn expectation(
        &mut self,
        view: &ExpectationView,
        born: bool,
        now: Time,
    ) -> ObservedExpectation {
        // A master may announce before it is confirmed itself.
        if let Some(master) = self.engine.conntrack().connection(view.master) {
            self.tuples.insert(view.master_serial, master.original);
        }
        let unknown = self.packet.unwrap_or(view.expected.tuple);
        ObservedExpectation {
            tuple: view.expected.tuple,
            mask: view.expected.mask,
            master: self.tuples.get(&view.master_serial).copied().unwrap_or(unknown),
            timeout_s: born.then(|| view.deadline.since(now).as_secs() as u32),
            flags: view.flags,
            class: view.class.into(),
            helper: self.engine.helper_name(view.helper).to_string(),
        }
    }
}

/// The rules of a case, for kinwall's reader.
fn sources(case: &Case) -> Vec<Source<'_>> {
    let texts = [
        (&case.rules4, Some(Family::Ipv4)),
        (&case.rules6, Some(Family::Ipv6)),
        (&case.listing, None),
    ];
    texts
        .into_iter()
        .filter_map(|(text, family)| Some(Source { name: "rules", text: text.as_deref()?, family }))
        .collect()
}
