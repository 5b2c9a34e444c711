//! `-d 192.0.2.1/32 -i eth0 -j CLUSTERIP --new --hashmode sourceip --clustermac 01:00:5E:00:00:20
//! --total-nodes 2 --local-node 1`: several machines share one address, each takes the
//! connections of its hash. Which those are is not known here.

use crate::diagnostic::Diagnostic;
use crate::eval::{Decision, Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::{choice, number, number_u32};
use kinwall_terms::{Family, Hook};

/// What the target declares.
pub const SPEC: Spec =
    Spec::new("CLUSTERIP").not_evaluated().only(Family::Ipv4).hooks(&[Hook::Input]).options(&[
        flag("new").requires(&["hashmode", "clustermac", "total-nodes", "local-node"]),
        value("hashmode").requires(&["new"]),
        value("clustermac").requires(&["new"]),
        value("total-nodes").requires(&["new"]),
        value("local-node").requires(&["new"]),
        value("hash-init").requires(&["new"]),
    ]);

/// The cluster; `None` where an earlier rule made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clusterip {
    /// What is new.
    pub new: Option<Cluster>,
}

impl Clusterip {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Clusterip> {
        if !args.has("new") {
            return Some(Clusterip { new: None });
        }
        let mode = args.plain("hashmode", choice(&MODES));
        let mac = args.plain("clustermac", multicast);
        let nodes = args.plain("total-nodes", number(1..=16));
        let node = args.plain("local-node", number(1..=nodes.unwrap_or(16)));
        let init = args.plain("hash-init", number_u32).unwrap_or(0);
        let (nodes, node) = (nodes? as u8, node? as u8);
        Some(Clusterip { new: Some(Cluster { mode: mode?, mac: mac?, nodes, node, init }) })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let Some(Cluster { mode, mac, nodes, node, init }) = self.new else { return };
        let name = MODES.iter().find(|(_, known)| *known == mode).map_or("", |found| found.0);
        let [a, b, c, d, e, f] = mac;
        out.flag("new", true).value("hashmode", name);
        let mac = format!("{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{f:02X}");
        out.value("clustermac", mac).value("total-nodes", nodes).value("local-node", node);
        out.value("hash-init", init);
    }

    /// Cannot be said.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Unknown)
    }
}

/// A cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// What is hashed.
    pub mode: HashMode,
    /// The link-layer address that all share, a multicast one.
    pub mac: [u8; 6],
    /// How many machines there are, 1 to 16.
    pub nodes: u8,
    /// Which of them this one is, from 1.
    pub node: u8,
    /// What the hash begins with.
    pub init: u32,
}

/// What of a packet decides which machine takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashMode {
    /// The source address.
    Source,
    /// And the source port.
    SourcePort,
    /// And the destination port.
    BothPorts,
}

const MODES: [(&str, HashMode); 3] = [
    ("sourceip", HashMode::Source),
    ("sourceip-sourceport", HashMode::SourcePort),
    ("sourceip-sourceport-destport", HashMode::BothPorts),
];

fn multicast(word: &Word) -> Result<[u8; 6], Diagnostic> {
    let mut mac = [0; 6];
    let mut parts = word.text.split(':');
    let read = |part: &str| u8::from_str_radix(part, 16).ok().filter(|_| part.len() <= 2);
    let filled = mac.iter_mut().all(|byte| {
        let part = parts.next().and_then(read);
        part.map(|read| *byte = read).is_some()
    });
    match filled && parts.next().is_none() && mac[0] & 1 == 1 {
        true => Ok(mac),
        false => Err(word
            .mistake(format!("{:?} is not a multicast address", word.text))
            .help("six hexadecimal numbers, the first odd, such as 01:00:5E:00:00:20")),
    }
}
