//! What rules may ask of connections.

use crate::help::HelpState;
use crate::packet::Presumed;
use kinwall_conntrack::{Conntrack, HelperId, PacketCt};
use kinwall_helpers::Instances;
use kinwall_rules::facts::Connections;
use kinwall_terms::ct::{CtFacts, Listed};
use kinwall_terms::{Time, Tuple, Zone};
use kinwall_wire::Headers;

/// What rules may ask of connections.
pub(crate) struct Known<'a> {
    pub(crate) conntrack: &'a Conntrack<HelpState>,
    pub(crate) instances: &'a Instances,
    pub(crate) headers: &'a Headers,
    pub(crate) presumed: Option<&'a Presumed>,
    pub(crate) ct: PacketCt,
    pub(crate) now: Time,
}

impl<'a> Known<'a> {
    /// Whether the packet has a connection.
    pub(crate) fn has_connection(&self) -> bool {
        match self.presumed {
            Some(presumed) => presumed.has_connection(),
            None => self.ct.conn.is_some(),
        }
    }

    /// What is known of the packet's connection.
    pub(crate) fn facts(&self) -> CtFacts<'a> {
        let name = |helper: HelperId| Some(self.instances.get(helper.0)?.name.as_str());
        if let Some(presumed) = self.presumed {
            return presumed.facts(self.headers, presumed.master_helper.and_then(name));
        }
        let PacketCt { conn, direction, .. } = self.ct;
        let facts = conn.and_then(|id| self.conntrack.facts(id, direction, self.now, &name));
        // A connection does not vanish while its packet is under way.
        facts.unwrap_or_else(|| Presumed::of(&self.ct).facts(self.headers, None))
    }
}

impl Connections for Known<'_> {
    fn find(&self, tuple: &Tuple, zone: Zone) -> Option<Listed> {
        self.conntrack.listed(tuple, zone, self.now)
    }
}
