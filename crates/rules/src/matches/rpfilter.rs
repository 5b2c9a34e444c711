//! `-m rpfilter --loose --validmark --accept-local --invert`: the source came the way its
//! answers would go.
//!
//! Matches a packet that passes the test; with `--invert` one that fails. The answer is
//! [`kinwall_topology::Topology::rpfilter`]'s; `--validmark` has the packet mark take part in
//! the lookup, which with one routing table changes nothing.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, flag};
use crate::print::Line;
use kinwall_terms::{Hook, Table};
use kinwall_topology::RpfilterOptions;

/// What the match declares.
pub const SPEC: Spec = Spec::new("rpfilter")
    .passive()
    .steady()
    .tables(&[Table::Raw, Table::Mangle])
    .hooks(&[Hook::Prerouting])
    .options(&[flag("loose"), flag("validmark"), flag("accept-local"), flag("invert")]);

/// How the source is tested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rpfilter {
    /// Any interface will do.
    pub loose: bool,
    /// The packet mark takes part in the lookup.
    pub validmark: bool,
    /// The gateway's own addresses are valid sources.
    pub accept_local: bool,
    /// Packets that fail match.
    pub invert: bool,
}

impl Rpfilter {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Rpfilter> {
        Some(Rpfilter {
            loose: args.has("loose"),
            validmark: args.has("validmark"),
            accept_local: args.has("accept-local"),
            invert: args.has("invert"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.flag("loose", self.loose).flag("validmark", self.validmark);
        out.flag("accept-local", self.accept_local).flag("invert", self.invert);
    }

    /// Asks the topology.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let facts = scene.facts;
        let options = RpfilterOptions { loose: self.loose, accept_local: self.accept_local };
        let (src, dst) = (facts.headers.src, facts.headers.dst);
        let passes = facts.topology.rpfilter(src, dst, facts.in_iface, options);
        (passes != self.invert).into()
    }
}
