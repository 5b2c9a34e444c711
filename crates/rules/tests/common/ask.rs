//! One rule asked about packets: `Rule::new("-p tcp --dport 22").ask(&Scene { .. })`.

use kinwall_rules::eval::Decision;
use kinwall_rules::facts::{Connections, Facts, LazyCt, Owner, PacketState};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::memory::Memory;
use kinwall_rules::program::{Options, Program};
use kinwall_terms::ct::{CtFacts, Listed};
use kinwall_terms::{CtState, Family, Hook, InterfaceName, Reason, Table, Time, Tuple, Zone};
use kinwall_topology::Topology;
use kinwall_wire::{Headers, LinkFacts};

/// A packet and all that is known of it.
pub(crate) struct Scene<'a> {
    pub bytes: Vec<u8>,
    pub input: &'a str,
    pub output: &'a str,
    pub ct_state: CtState,
    pub ct: Option<CtFacts<'a>>,
    pub link: LinkFacts,
    pub now: Time,
    pub local: bool,
    pub owner: Option<Owner>,
    /// The packet mark before the rule.
    pub mark: u32,
    /// The connection table.
    pub table: Vec<Listed>,
}

impl Connections for Scene<'_> {
    fn find(&self, tuple: &Tuple, _zone: Zone) -> Option<Listed> {
        let is = |listed: &&Listed| {
            listed.original == *tuple || listed.original.invert() == Some(*tuple)
        };
        self.table.iter().find(is).copied()
    }
}

impl Scene<'_> {
    /// A NEW packet from eth1 to eth0.
    pub(crate) fn new(bytes: Vec<u8>) -> Scene<'static> {
        Scene {
            bytes,
            input: "eth1",
            output: "eth0",
            ct_state: CtState::New,
            ct: None,
            link: LinkFacts::default(),
            now: Time(1_700_000_000_000_000_000),
            local: false,
            owner: None,
            mark: 0,
            table: Vec::new(),
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    No,
    HotDrop,
    Unknown,
}

/// A rule, its memory, and the gateway it stands in.
pub(crate) struct Rule {
    program: Program,
    memory: Memory,
    table: Table,
    hook: Hook,
    pub topology: Topology,
}

impl Rule {
    /// A rule behind `-A FORWARD`, of the filter table.
    pub(crate) fn new(family: Family, rule: &str) -> Rule {
        Rule::at(family, Table::Filter, Hook::Forward, &format!("{rule} -j ACCEPT"))
    }

    /// A rule with its target at any place.
    pub(crate) fn at(family: Family, table: Table, hook: Hook, rule: &str) -> Rule {
        let text = format!("*{table}\n:{hook} DROP [0:0]\n-A {hook} {rule}\nCOMMIT\n");
        let source = Source { name: "rule", text: &text, family: Some(family) };
        let loaded = load(&[source], &Defines::default()).unwrap_or_else(|mistakes| {
            panic!("{}", mistakes.iter().map(|m| m.render("rule", &text)).collect::<String>())
        });
        let program = Program::compile(loaded.ruleset(family).unwrap(), &Options::default());
        let memory = Memory::new(&[&program], 1);
        Rule { program, memory, table, hook, topology: Topology::default() }
    }

    /// Walks one packet; what the rule set decided, and what it changed.
    pub(crate) fn walk(&mut self, scene: &Scene<'_>) -> (Decision, PacketState) {
        let headers = Headers::parse(&scene.bytes).expect("a packet");
        let mut state = PacketState { mark: scene.mark, ..PacketState::new(&headers) };
        let ask = || scene.ct.expect("asked only where there is one");
        let ct = LazyCt::new(&ask);
        let facts = Facts {
            headers: &headers,
            bytes: &scene.bytes,
            link: &scene.link,
            hook: self.hook,
            in_iface: InterfaceName::new(scene.input),
            out_iface: InterfaceName::new(scene.output),
            local: scene.local,
            ct_state: scene.ct_state,
            ct: scene.ct.is_some().then_some(&ct),
            now: scene.now,
            topology: &self.topology,
            others: scene,
            owner: scene.owner,
        };
        let walk = self.program.walk(self.table, &facts, &mut state, &mut self.memory, None);
        (walk.decision, state)
    }

    /// Whether the rule matches, its target being ACCEPT.
    pub(crate) fn ask(&mut self, scene: &Scene<'_>) -> Said {
        match self.walk(scene).0 {
            Decision::Accept => Said::Yes,
            Decision::Drop(Reason::ChainPolicy) => Said::No,
            Decision::Drop(Reason::HotDrop) => Said::HotDrop,
            Decision::Unknown | Decision::Readdress => Said::Unknown,
            other => panic!("{other:?}"),
        }
    }
}
