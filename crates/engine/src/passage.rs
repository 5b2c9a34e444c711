//! What a packet under way is asked for, and how it begins.

use crate::outcome::{Path, RuleAt};
use crate::packet::{Ingress, Packet};
use crate::path::{Aids, Passage, Stage, Stop};
use crate::trace::Step;
use kinwall_rules::facts::{Key, Owner, PacketState};
use kinwall_terms::{Reason, Time, Verdict};
use kinwall_wire::Headers;

impl<'p, 'b, 't> Passage<'p, 'b, 't> {
    /// The beginning.
    pub(crate) fn new(
        now: Time,
        packet: &'p mut Packet<'b>,
        headers: &Headers,
        aids: Aids<'t>,
    ) -> Passage<'p, 'b, 't> {
        Passage {
            now,
            key: Key::new(headers, &packet.bytes),
            state: PacketState { mark: packet.mark, ..PacketState::new(headers) },
            headers: *headers,
            path: Path::Unrouted,
            in_iface: match packet.ingress {
                Ingress::Interface(name) => name,
                Ingress::Local { .. } => None,
            },
            out_iface: None,
            ct: None,
            rule: None,
            queued: None,
            sought: None,
            rules_before: 0,
            translated: false,
            pieces: Vec::new(),
            aids,
            packet,
        }
    }

    /// Adds a step to the trace, when there is one.
    pub(crate) fn note(&mut self, step: impl FnOnce() -> Step) {
        if let Some(trace) = &mut self.aids.trace {
            trace.steps.push(step());
        }
    }

    /// Whether the packet is such that it may follow the course of others.
    pub(crate) fn may_follow(&self) -> bool {
        self.aids.trace.is_none()
            && self.aids.presumed.is_none()
            && self.headers.fragment.is_none()
            && self.headers.ports().is_some()
    }

    /// A hop more. Linux counts before the FORWARD chains: their rules see the new value.
    pub(crate) fn count_down(&mut self) -> Stage {
        if self.state.ttl <= 1 {
            return Err(Stop::drop(Reason::HopLimit));
        }
        self.state.ttl -= 1;
        Ok(())
    }

    pub(crate) fn end_by(
        &mut self,
        rule: Option<RuleAt>,
        verdict: Verdict,
        reason: Option<Reason>,
    ) -> Stage {
        self.rule = rule;
        Err(Stop { verdict, reason })
    }

    pub(crate) fn owner(&self) -> Option<Owner> {
        match self.packet.ingress {
            Ingress::Local { owner } => owner,
            Ingress::Interface(_) => None,
        }
    }
}
