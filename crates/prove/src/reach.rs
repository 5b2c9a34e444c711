//! The path of a packet, for all packets at once: what rules and routes let through.
//!
//! The stages are those of the engine's `path.rs`, in the same order. A [`Reach`] answers for one
//! family and one [`Situation`] at a time, and remembers what it has computed.

use crate::connections::Connections;
use crate::field::Field;
use crate::predicate::Sight;
use crate::readable::{Between, BetweenKey};
use crate::routes::Routes;
use crate::rulebook::Rulebook;
use crate::situation::{Situation, Tracked};
use crate::space::{Ranges, Set, Space, TooLarge};
use crate::translation::World;
use crate::universe::{Universe, joined, messages};
use crate::unknowns::{Topic, Unknowns};
use crate::walk::{Marks, Passed, Template, Walk, WalkKey};
use kinwall_helpers::Instances;
use kinwall_rules::eval::RuleId;
use kinwall_terms::{Family, Hook, InterfaceName, L4Proto, Profile, Table};
use kinwall_topology::Topology;
use std::collections::HashMap;
use std::rc::Rc;

/// What there is to know of a gateway in one family.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// Its rules.
    pub book: &'a Rulebook<'a>,
    /// Its interfaces and routes.
    pub topology: &'a Topology,
    /// Its helpers.
    pub instances: &'a Instances,
    /// How they read.
    pub profile: Profile,
    /// Whether a connection without a CT rule gets the helper of its port.
    pub automatic: bool,
    /// Whether a connection may be picked up in the middle (`nf_conntrack_tcp_loose`).
    pub tcp_loose: bool,
    /// Told now and then what is being computed.
    pub work: &'a dyn Fn(&str),
}

/// All packets of one family on their way.
pub struct Reach<'a> {
    /// Where sets are made.
    pub space: Space,
    /// What the numbers of fields mean.
    pub universe: Universe,
    /// What could not be decided so far.
    pub unknowns: Unknowns,
    /// What it was made of.
    pub given: Given<'a>,
    /// As packets go, and as their answers do.
    routes: [Routes; 2],
    pub(crate) stable: HashMap<(RuleId, Sight), Set>,
    pub(crate) walks: HashMap<WalkKey, Passed>,
    /// Runs of plain rules, by chain, position and end.
    pub(crate) runs: HashMap<(usize, usize, Sight), Walk>,
    /// By whether the gateway sends, fields are swapped, and connections were announced.
    starts: HashMap<(bool, bool, bool), Start>,
    passed: HashMap<Situation, Through>,
    pub(crate) connections: Option<Connections>,
    pub(crate) betweens: HashMap<BetweenKey, Rc<Between>>,
    /// The sources of packets by interface, and whether at home; numbers, and as a set.
    pub(crate) sources: HashMap<(Option<InterfaceName>, bool), (Ranges, Set)>,
    /// The destinations of packets by interface.
    pub(crate) destinations: HashMap<Option<InterfaceName>, (Ranges, Set)>,
    pub(crate) hosts: Option<Ranges>,
    pub(crate) world: World,
}

/// What the raw table leaves.
#[derive(Clone)]
pub(crate) struct Start {
    accept: Set,
    marks: Marks,
    /// Those whose tracking is switched off.
    notrack: Set,
    /// Those that a CT rule names a helper for, each packet once.
    pub(crate) helpers: Vec<(Template, Set)>,
}

/// What comes through.
#[derive(Clone)]
pub struct Through {
    /// To the gateway itself.
    pub delivered: Set,
    /// Through the gateway.
    pub forwarded: Set,
    /// From the gateway.
    pub sent: Set,
}

impl<'a> Reach<'a> {
    /// The packets that `universe` tells apart, at a gateway.
    pub fn new(given: Given<'a>, universe: Universe) -> Result<Reach<'a>, TooLarge> {
        let space = universe.space();
        let routes =
            [false, true].map(|swapped| Routes::new(&space, &universe, given.topology, swapped));
        let reach = Reach {
            space,
            universe,
            unknowns: Unknowns::default(),
            given,
            routes,
            stable: HashMap::new(),
            walks: HashMap::new(),
            runs: HashMap::new(),
            starts: HashMap::new(),
            passed: HashMap::new(),
            connections: None,
            betweens: HashMap::new(),
            sources: HashMap::new(),
            destinations: HashMap::new(),
            hosts: None,
            world: World::Plain,
        };
        reach.space.check()?;
        Ok(reach)
    }

    /// From now on connections of another world are meant: what was computed is forgotten.
    pub(crate) fn look(&mut self, world: World) {
        self.world = world;
        self.walks.clear();
        self.runs.clear();
        self.starts.clear();
        self.passed.clear();
        self.connections = None;
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.universe.family
    }

    /// The routes, in terms of the sets of a situation.
    pub fn routes(&self, situation: Situation) -> &Routes {
        &self.routes[usize::from(situation.swapped)]
    }

    /// What comes through in a situation. Of a situation with [`Tracked::First`] no more is said
    /// than that the rules let the packet pass: whether it can be is for the asker to know.
    pub fn through(&mut self, situation: Situation) -> Result<Through, TooLarge> {
        if let Some(known) = self.passed.get(&situation) {
            return Ok(known.clone());
        }
        let through = if situation.sent { self.sent(situation) } else { self.received(situation) };
        self.space.check()?;
        self.passed.insert(situation, through.clone());
        Ok(through)
    }

    /// Packets that came by an interface.
    fn received(&mut self, situation: Situation) -> Through {
        let start = self.start(situation);
        let mut marks = self.tracked_marks(situation, &start);
        let mut alive = self.tracked(situation, &start);
        self.stage(&mut alive, Table::Mangle, Hook::Prerouting, situation, &mut marks);
        let local = self.space.and(&alive, &self.routes(situation).local);
        let forward = self.space.and(&alive, &self.routes(situation).forward);
        let delivered = self.tables(local, &INPUT, situation, marks.clone());
        let forwarded = self.tables(forward, &FORWARD, situation, marks);
        Through { delivered, forwarded, sent: self.space.nothing() }
    }

    /// Packets that the gateway sends.
    fn sent(&mut self, situation: Situation) -> Through {
        let start = self.start(situation);
        let marks = self.tracked_marks(situation, &start);
        let alive = self.tracked(situation, &start);
        let alive = self.space.and(&alive, &self.routes(situation).sent);
        let sent = self.tables(alive, &OUTPUT, situation, marks);
        let nothing = self.space.nothing();
        Through { delivered: nothing.clone(), forwarded: nothing, sent }
    }

    /// The marks with which packets come to the filter table at `hook`.
    pub(crate) fn marks_at_filter(&mut self, situation: Situation, hook: Hook) -> Marks {
        let start = self.start(situation);
        let mut marks = self.tracked_marks(situation, &start);
        if hook != Hook::Output {
            marks = self.table(Table::Mangle, Hook::Prerouting, situation, &marks).marks;
        }
        self.table(Table::Mangle, hook, situation, &marks).marks
    }

    fn tables(
        &mut self,
        mut alive: Set,
        stages: &[(Table, Hook)],
        situation: Situation,
        mut marks: Marks,
    ) -> Set {
        for (table, hook) in stages {
            self.stage(&mut alive, *table, *hook, situation, &mut marks);
        }
        alive
    }

    fn stage(
        &mut self,
        alive: &mut Set,
        table: Table,
        hook: Hook,
        situation: Situation,
        marks: &mut Marks,
    ) {
        if self.space.is_empty(alive) {
            return;
        }
        let passed = self.table(table, hook, situation, marks);
        *alive = self.space.and(alive, &passed.accept);
        *marks = passed.marks;
    }

    /// The raw table, before tracking. Of an answer the sets hold the tuple answered, so that it
    /// is walked apart.
    pub(crate) fn start(&mut self, situation: Situation) -> Start {
        // Translation alone makes a difference before tracking.
        let master = situation.master.filter(|_| matches!(self.world, World::Translated(_)));
        let key = (situation.sent, situation.swapped, master.is_some());
        if let Some(known) = self.starts.get(&key) {
            return known.clone();
        }
        let hook = if situation.sent { Hook::Output } else { Hook::Prerouting };
        let before = Situation { tracked: Tracked::NotYet, master, ..situation };
        let passed = self.table(Table::Raw, hook, before, &Marks::default());
        let space = &self.space;
        let mut untold = space.everything();
        let mut notrack = space.nothing();
        let mut helpers = Vec::new();
        for (template, set) in passed.templates {
            let first = space.and(&set, &untold);
            untold = space.minus(&untold, &set);
            if template.notrack {
                notrack = space.or(&notrack, &first);
            } else {
                helpers.push((template, first));
            }
        }
        let start = Start { accept: passed.accept, marks: passed.marks, notrack, helpers };
        self.starts.insert(key, start.clone());
        start
    }

    /// Those that survive the raw table and of which tracking can say what the situation says.
    fn tracked(&mut self, situation: Situation, start: &Start) -> Set {
        let input = match (situation.sent, self.universe.local_input()) {
            (true, local) => self.space.numbers(Field::Input, &[(local, local)]),
            (false, 0) => self.space.nothing(),
            (false, local) => self.space.numbers(Field::Input, &[(0, local - 1)]),
        };
        let never = self.never_tracked();
        let untracked = self.space.or(&start.notrack, &never);
        let those = match situation.tracked {
            Tracked::Untracked => untracked,
            Tracked::NotYet | Tracked::Template => self.space.everything(),
            _ => self.space.not(&untracked),
        };
        self.space.all_of([&input, &start.accept, &those, &self.can_be(situation)])
    }

    /// Neighbour discovery and group membership: untracked without any rule.
    fn never_tracked(&self) -> Set {
        if self.family() == Family::Ipv4 {
            return self.space.nothing();
        }
        self.space.and(&self.proto(L4Proto::ICMPV6), &self.messages(messages::NEVER_TRACKED))
    }

    /// The protocols and messages of which tracking can say such a thing.
    fn can_be(&self, situation: Situation) -> Set {
        let (icmp, queries, errors) = match self.family() {
            Family::Ipv4 => (L4Proto::ICMP, messages::QUERIES4, messages::ERRORS4),
            Family::Ipv6 => (L4Proto::ICMPV6, messages::QUERIES6, messages::ERRORS6),
        };
        let icmp = self.proto(icmp);
        match situation.tracked {
            Tracked::NotYet | Tracked::Template | Tracked::Untracked | Tracked::Invalid => {
                self.space.everything()
            }
            Tracked::Error => self.space.and(&icmp, &self.messages(errors)),
            Tracked::First | Tracked::Answered(_) => {
                let other = self.flags_that_track(situation.tracked == Tracked::First);
                self.space.choose(&icmp, &self.messages(queries), &other)
            }
        }
    }

    /// ICMP messages of these types.
    fn messages(&self, kinds: &[(u8, u8)]) -> Set {
        let ranges = kinds.iter().flat_map(|(first, last)| {
            let [min, max] = [[*first, 0], [*last, 0xff]].map(u16::from_be_bytes);
            self.universe.port_range(min, max)
        });
        self.space.numbers(Field::Dport, &joined(ranges))
    }

    /// TCP flags that tracking does not find INVALID, and among them those that open a connection
    /// (in the middle of one too, where that is allowed).
    fn flags_that_track(&self, opening: bool) -> Set {
        let openers: &[u32] = match self.given.tcp_loose {
            true => &[SYN, SYN | URG, ACK, ACK | URG],
            false => &[SYN, SYN | URG],
        };
        let others =
            [SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK, ACK | URG];
        let legal = if opening { openers } else { &others[..] };
        let flags = legal.iter().flat_map(|flags| [*flags, flags | PSH]);
        let flags = self.space.numbers(Field::Flags, &joined(flags.map(|n| (n, n))));
        self.space.choose(&self.proto(L4Proto::TCP), &flags, &self.space.everything())
    }

    /// The marks after tracking: the connection's own comes in.
    pub(crate) fn tracked_marks(&mut self, situation: Situation, start: &Start) -> Marks {
        let mut marks = start.marks.clone();
        let fresh = situation.tracked == Tracked::First && situation.master.is_none();
        if situation.has_connection() && !fresh {
            let asked = self.given.book.connmark_bits;
            for bit in (0..32).filter(|bit| asked >> bit & 1 == 1) {
                let of_master = situation.tracked == Tracked::First;
                let topic = Topic::Connmark(of_master, bit);
                let whose = if of_master { "the announcing connection" } else { "a connection" };
                let set = self.ask(topic, None, || format!("bit {bit} of the mark of {whose}"));
                marks.connection.set_bit(&self.space, bit, set);
            }
        }
        marks
    }
}

const FIN: u32 = 0x01;
const SYN: u32 = 0x02;
const RST: u32 = 0x04;
const PSH: u32 = 0x08;
const ACK: u32 = 0x10;
const URG: u32 = 0x20;

const INPUT: [(Table, Hook); 3] =
    [(Table::Mangle, Hook::Input), (Table::Filter, Hook::Input), (Table::Security, Hook::Input)];
const FORWARD: [(Table, Hook); 4] = [
    (Table::Mangle, Hook::Forward),
    (Table::Filter, Hook::Forward),
    (Table::Security, Hook::Forward),
    (Table::Mangle, Hook::Postrouting),
];
const OUTPUT: [(Table, Hook); 4] = [
    (Table::Mangle, Hook::Output),
    (Table::Filter, Hook::Output),
    (Table::Security, Hook::Output),
    (Table::Mangle, Hook::Postrouting),
];
