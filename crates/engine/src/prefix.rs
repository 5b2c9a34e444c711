//! Rules that give packets another prefix (DNPT, SNPT; RFC 6296), in the middle of a walk.
//!
//! Nothing is remembered: tracking has seen the packet as it came, and what comes back has to be
//! changed back by a rule of its own. Where translation is not applied, what the rules behind
//! would make of the packet is not known.

use crate::engine::Engine;
use crate::path::Passage;
use crate::trace::Step;
use kinwall_rules::eval::{Decision, RuleId, Walk};
use kinwall_terms::{Hook, Manip, Reason, Table};
use kinwall_wire::translate::readdress;
use std::net::IpAddr;

impl Engine {
    /// Goes on with a walk whose latest rule gives the packet another address, until it ends.
    pub(crate) fn walk_readdressed(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        (table, hook): (Table, Hook),
        mut walk: Walk,
    ) -> Option<Walk> {
        while walk.decision == Decision::Readdress {
            let changed = match self.readdresses {
                true => self.readdress(p, walk.rule?),
                false => Err(Decision::Unknown),
            };
            if let Err(decision) = changed {
                p.state.paused = None;
                return Some(Walk { decision, ..walk });
            }
            walk = self.walk_once(p, table, hook)?;
        }
        Some(walk)
    }

    /// Changes the packet as the rule says; how the walk ends if that is not possible.
    fn readdress(&self, p: &mut Passage<'_, '_, '_>, rule: RuleId) -> Result<(), Decision> {
        let target = self.programs[p.headers.family.index()]
            .as_ref()
            .and_then(|program| program.rule(rule)?.target.as_ref()?.prefix_change());
        let (manip, change) = target.ok_or(Decision::Unknown)?;
        let quoted = |address| change.from.contains(IpAddr::V6(address));
        let headers = p.headers;
        let map = |address| change.map(address);
        if !readdress(p.packet.bytes.to_mut(), &headers, manip, map, quoted) {
            return Err(Decision::Drop(Reason::HotDrop));
        }
        p.reread().map_err(|_| Decision::Drop(Reason::HotDrop))?;
        let port = |(source, destination)| match manip {
            Manip::Source => source,
            Manip::Destination => destination,
        };
        let address = match manip {
            Manip::Source => p.headers.src,
            Manip::Destination => p.headers.dst,
        };
        let port = p.headers.ports().map_or(0, port);
        p.note(|| Step::Translated { manip, to: (address, port) });
        Ok(())
    }
}
