//! The short way: what most packets need of the path, and no more.
//!
//! A packet of an open connection that follows a course (see [`crate::course`]), of whose headers
//! and checksums nothing is left to be asked, passes most stages of the path without anything
//! being done. Here they are left out: what is left is tracking and counting. Whatever is not as
//! usual is left to the path.

use crate::course::Course;
use crate::engine::Engine;
use crate::outcome::{Outcome, RuleAt};
use crate::packet::{Ingress, Packet};
use crate::path::{Aids, Passage, Stage, Stop, Sums};
use kinwall_conntrack::proto::Packet as Arrived;
use kinwall_conntrack::{Found, PacketCt, Tracked};
use kinwall_terms::{CtState, Time, Verdict, Zone};
use kinwall_wire::Headers;
use kinwall_wire::ipv6_ext::Ipv6Extensions;

/// Where the short way led a packet.
pub(crate) enum ShortWay {
    /// To its end.
    Arrived(Outcome),
    /// Away from the course: it is tracked, and not of an open connection after all.
    Left(Tracked),
    /// It is not for this packet, with which nothing was done.
    Closed,
}

impl Engine {
    /// Takes the short way with a packet, if it may.
    #[inline]
    pub(crate) fn short_way(
        &mut self,
        now: Time,
        packet: &Packet<'_>,
        headers: &Headers,
        aids: &Aids<'_>,
    ) -> ShortWay {
        let Some((found, number)) = self.find_short_way(packet, headers, aids) else {
            return ShortWay::Closed;
        };
        let (Some(prepared), Some(course)) = (aids.prepared, self.courses.get(number)) else {
            return ShortWay::Closed;
        };
        let &Course { path, in_iface, out_iface, rule, .. } = course;
        let length = headers.total_length;
        self.memory.count_all(headers.family, &course.before, length);
        let arrived = Arrived { headers, bytes: &packet.bytes, prerouting: false, now };
        let found = Some(found);
        let tracked = self.conntrack.track_found(&arrived, Zone::default().into(), prepared, found);
        let Tracked::Packet(ct @ PacketCt { state: CtState::Established, .. }) = tracked else {
            return ShortWay::Left(tracked);
        };
        self.memory.count_all(headers.family, &course.after, length);
        self.wish = None;
        self.observed = None;
        let told = ct.conn.filter(|_| self.details);
        ShortWay::Arrived(Outcome {
            verdict: Verdict::Accept,
            path,
            in_iface,
            out_iface,
            ct_state: Some(CtState::Established),
            reason: None,
            invalid: None,
            rule: rule.map(|rule| RuleAt { family: headers.family, rule }),
            connection: told.and_then(|id| self.connection_facts(id, ct.direction)),
            mark: packet.mark,
            length,
            translated: false,
        })
    }

    /// The connection of a packet and the number of its course, where the short way is open.
    #[inline]
    fn find_short_way(
        &self,
        packet: &Packet<'_>,
        headers: &Headers,
        aids: &Aids<'_>,
    ) -> Option<(Found, u16)> {
        let Ingress::Interface(in_iface) = packet.ingress else { return None };
        let is_usual = aids.sums == Sums::Right
            && aids.trace.is_none()
            && aids.presumed.is_none()
            && headers.extensions == Ipv6Extensions::NONE
            && headers.ports().is_some()
            && headers.ttl > 1
            && !self.translates[headers.family.index()];
        let prepared = aids.prepared.filter(|_| is_usual)?;
        let found = self.conntrack.find_near(prepared, aids.near)?;
        let number = self.conntrack.note(found);
        let course = self.courses.get(number)?;
        let is_open = course.in_iface == in_iface
            && !self.conntrack.has_ties(found)
            && self.topology.refused_on_arrival(headers.src, headers.dst, in_iface).is_none();
        is_open.then_some((found, number))
    }

    /// Takes a packet that has left the short way on, from tracking to the end of the path.
    pub(crate) fn go_on(&mut self, p: &mut Passage<'_, '_, '_>, tracked: Tracked) -> Stage {
        match tracked {
            Tracked::Drop(reason) => return Err(Stop::drop(reason)),
            Tracked::Packet(ct) => self.set_tracked(p, ct, None),
        }
        self.pass(p)?;
        self.finish(p)
    }
}
