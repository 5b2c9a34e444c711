//! `-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 0xdeadbeef`:
//! the share of this node in a cluster. It is read and printed; packets are not asked.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{number, number_u32};

/// What the match declares.
pub const SPEC: Spec = Spec::new("cluster").not_evaluated().options(&[
    value("cluster-total-nodes").required(),
    value("cluster-local-node").invert().excludes(&["cluster-local-nodemask"]),
    value("cluster-local-nodemask").invert(),
    value("cluster-hash-seed").required(),
]);

/// The most nodes.
pub const NODES_MAX: u64 = 32;

/// Which share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// How many nodes there are.
    pub nodes: u32,
    /// Which of them this is, one bit each.
    pub local: Test<u32>,
    /// The seed of the hash that shares.
    pub seed: u32,
}

impl Cluster {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Cluster> {
        args.one_of(&["cluster-local-node", "cluster-local-nodemask"]);
        let nodes = args.plain("cluster-total-nodes", number(1..=NODES_MAX))? as u32;
        let node = args.read("cluster-local-node", number(1..=u64::from(nodes)));
        let node = node.map(|node| Test { invert: node.invert, value: 1 << (node.value - 1) });
        let local = node.or(args.read("cluster-local-nodemask", number_u32))?;
        if local.value == 0 {
            let message = "this mask names no node";
            args.report_at("cluster-local-nodemask", message, "one bit for each node, such as 1");
        }
        if u64::from(local.value) >= 1 << nodes {
            let message = "this mask names nodes that are not there";
            args.report_at("cluster-local-nodemask", message, format!("there are {nodes}"));
        }
        Some(Cluster { nodes, local, seed: args.plain("cluster-hash-seed", number_u32)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.not(self.local.invert);
        out.value("cluster-local-nodemask", format_args!("{:#010x}", self.local.value));
        out.value("cluster-total-nodes", self.nodes);
        out.value("cluster-hash-seed", format_args!("{:#010x}", self.seed));
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
