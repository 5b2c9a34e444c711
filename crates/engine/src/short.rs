//! The short way: what most packets need of the path, and no more.
//!
//! A packet of an open connection that follows a course (see [`crate::course`]), of whose headers
//! and checksums nothing is left to be asked, passes most stages of the path without anything
//! being done. Here they are left out: what is left is tracking and counting. Whatever is not as
//! usual is left to the path.

use crate::course::Course;
use crate::engine::Engine;
use crate::foresee::{Foreseen, Unfinished};
use crate::outcome::{Outcome, RuleAt};
use crate::path::{Passage, Stage, Stop};
use kinwall_conntrack::proto::Packet as Arrived;
use kinwall_conntrack::{Found, PacketCt, Prepared, Tracked};
use kinwall_terms::{CtState, InterfaceName, Time, Verdict, Zone};
use kinwall_wire::Headers;
use kinwall_wire::ipv6_ext::Ipv6Extensions;

/// Whether a packet, whose checksums are right, is of the kind that may take the short way.
#[inline]
pub(crate) fn is_usual(headers: &Headers) -> bool {
    headers.extensions == Ipv6Extensions::NONE && headers.ports().is_some() && headers.ttl > 1
}

impl Engine {
    /// Takes the short way with a packet that came in by `in_iface`, if it may. It may leave it
    /// after tracking: it is not of an open connection after all.
    #[inline]
    pub(crate) fn short_way(
        &mut self,
        now: Time,
        in_iface: Option<InterfaceName>,
        bytes: &[u8],
        foreseen: &Foreseen,
    ) -> Result<Outcome, Unfinished> {
        let closed = Unfinished { tracked: None };
        let (Ok(headers), Some(prepared)) = (&foreseen.headers, &foreseen.prepared) else {
            return Err(closed);
        };
        let short_way = self.find_short_way(in_iface, headers, prepared, foreseen);
        let (found, number) = short_way.ok_or(closed)?;
        let course = self.courses.get(number).ok_or(closed)?;
        let &Course { path, out_iface, rule, .. } = course;
        let length = headers.total_length;
        self.memory.count_all(headers.family, &course.before, length);
        let arrived = Arrived { headers, bytes, prerouting: false, now };
        let found = Some(found);
        let tracked = self.conntrack.track_found(&arrived, Zone::default().into(), prepared, found);
        let Tracked::Packet(ct @ PacketCt { state: CtState::Established, .. }) = tracked else {
            return Err(Unfinished { tracked: Some(tracked) });
        };
        self.memory.count_all(headers.family, &course.after, length);
        self.wish = None;
        self.observed = None;
        let told = ct.conn.filter(|_| self.details);
        Ok(Outcome {
            verdict: Verdict::Accept,
            path,
            in_iface,
            out_iface,
            ct_state: Some(CtState::Established),
            reason: None,
            invalid: None,
            rule: rule.map(|rule| RuleAt { family: headers.family, rule }),
            connection: told.and_then(|id| self.connection_facts(id, ct.direction)),
            mark: 0,
            length,
            translated: false,
        })
    }

    /// The connection of a packet and the number of its course, where the short way is open.
    #[inline]
    fn find_short_way(
        &self,
        in_iface: Option<InterfaceName>,
        headers: &Headers,
        prepared: &Prepared,
        foreseen: &Foreseen,
    ) -> Option<(Found, u16)> {
        if !foreseen.is_usual || self.translates[headers.family.index()] {
            return None;
        }
        let found = self.conntrack.find_near(prepared, foreseen.near.get())?;
        let number = self.conntrack.note(found);
        let course = self.courses.get(number)?;
        let is_open = course.in_iface == in_iface
            && !self.conntrack.has_ties(found)
            && self.topology.refused_on_arrival(headers.src, headers.dst, in_iface).is_none();
        is_open.then_some((found, number))
    }

    /// Takes a packet that has left the short way on, from tracking to the end of the path.
    pub(crate) fn rejoin(&mut self, p: &mut Passage<'_, '_, '_>, tracked: Tracked) -> Stage {
        match tracked {
            Tracked::Drop(reason) => return Err(Stop::drop(reason)),
            Tracked::Packet(ct) => self.set_tracked(p, ct, None),
        }
        self.pass(p)?;
        self.finish(p)
    }
}
