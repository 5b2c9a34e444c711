//! From a packet in the queue to its verdict.

use crate::links::Links;
use crate::marks::Marks;
use crate::message::{Queued, Sentence};
use crate::queue::Verdicts;
use crate::refused::Refused;
use crate::tracer::Tracer;
use kinwall_engine::{Engine, FirstVisit, Ingress, Outcome, Packet, Told, Way};
use kinwall_rules::facts::Owner;
use kinwall_terms::{RejectWith, Time, Verdict};
use kinwall_wire::LinkFacts;
use kinwall_wire::emit::repair_checksums;
use kinwall_wire::link::PacketType;
use std::borrow::Cow;
use std::collections::HashMap;

/// The hooks, as netfilter numbers them.
const PREROUTING: u8 = 0;
const INPUT: u8 = 1;
const OUTPUT: u8 = 3;
const POSTROUTING: u8 = 4;

/// The longest packet that a verdict can hold, in bytes.
const PAYLOAD_MAX: usize = u16::MAX as usize - 4;

/// How long fragments of IPv6 are kept in the queue, in seconds: longer than the engine waits for
/// the rest of their datagram by default (RFC 8200 section 4.5).
const HELD_S: u32 = 65;

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came to the queue for the first time.
    pub arrived: u64,
    /// Packets that passed.
    pub passed: u64,
    /// Packets that were dropped.
    pub dropped: u64,
    /// Packets that were refused with an answer.
    pub refused: u64,
    /// Packets that came back under a token that nobody waits for.
    pub strayed: u64,
}

/// The engine, and what lies between it and the queue.
pub(crate) struct Judge {
    pub(crate) engine: Engine,
    pub(crate) links: Links,
    pub(crate) counts: Counts,
    pub(crate) tracer: Tracer,
    marks: Marks,
    /// The number of the latest packet.
    number: u64,
    /// Fragments in the queue, by packet number.
    held: HashMap<u64, (u32, Time)>,
    refused: Refused,
}

impl Judge {
    pub(crate) fn new(mut engine: Engine, links: Links, marks: Marks) -> Judge {
        engine.set_visits(marks.tokens());
        Judge {
            engine,
            links,
            counts: Counts::default(),
            tracer: Tracer::default(),
            marks,
            number: 0,
            held: HashMap::new(),
            refused: Refused::default(),
        }
    }

    /// Judges a packet at either of its visits.
    pub(crate) fn judge(&mut self, now: Time, queued: &Queued<'_>, verdicts: &mut Verdicts<'_>) {
        match queued.hook {
            PREROUTING | OUTPUT => self.first(now, queued, verdicts),
            _ => self.second(now, queued, verdicts),
        }
    }

    fn first(&mut self, now: Time, queued: &Queued<'_>, verdicts: &mut Verdicts<'_>) {
        self.counts.arrived += 1;
        self.number += 1;
        let others = self.marks.others(queued.mark);
        if queued.hook == OUTPUT && self.refused.is_answer(now, queued.payload) {
            self.counts.passed += 1;
            return verdicts.give(queued.id, Sentence::Accept, Some(others), None);
        }
        let owner = queued.owner.map(|[uid, gid]| Owner { uid, gid });
        let ingress = match queued.hook {
            OUTPUT => Ingress::Local { owner },
            _ => Ingress::Interface(self.links.name(queued.inward)),
        };
        let out = self.links.name(queued.outward).filter(|_| queued.hook == OUTPUT);
        let bytes = Cow::Borrowed(queued.payload);
        let link = link_facts(queued);
        let mut packet = Packet { number: self.number, ingress, link, mark: others, bytes };
        let is_traced = self.tracer.wants(queued.payload);
        let told = Told { is_unfinished: queued.is_unfinished, out, is_traced };
        let mut visit = self.engine.first_visit(now, &mut packet, told);
        self.tracer.saw(queued.payload, visit.outcome, visit.trace.take());
        if visit.outcome.verdict == Verdict::Consume {
            return self.hold(now, queued, verdicts);
        }
        if is_v6(queued.payload) && !visit.pieces.is_empty() {
            return self.pieces(queued, &visit, verdicts);
        }
        let (sentence, mark) = self.first_sentence(now, queued, &visit);
        self.give(queued, (sentence, mark), packet.bytes, verdicts);
    }

    fn first_sentence(
        &mut self,
        now: Time,
        queued: &Queued<'_>,
        visit: &FirstVisit,
    ) -> (Sentence, u32) {
        let mark = visit.outcome.mark;
        match (visit.token, visit.outcome.verdict) {
            (Some(token), _) => (Sentence::Accept, self.marks.with_token(mark, token)),
            (None, Verdict::Reject(with)) if queued.hook == OUTPUT => {
                self.refuse(now, queued, mark, with)
            }
            _ => {
                self.counts.dropped += 1;
                (Sentence::Drop, 0)
            }
        }
    }

    fn refuse(
        &mut self,
        now: Time,
        queued: &Queued<'_>,
        mark: u32,
        with: RejectWith,
    ) -> (Sentence, u32) {
        self.counts.refused += 1;
        self.refused.note(now, queued.payload, with == RejectWith::TcpReset);
        (Sentence::Accept, self.marks.refused(mark, with))
    }

    /// A fragment is held by the engine. Of IPv4 the datagram goes on in its last fragment, as the
    /// kernel cuts it again. Of IPv6 only who sends it may cut it: all fragments wait.
    fn hold(&mut self, now: Time, queued: &Queued<'_>, verdicts: &mut Verdicts<'_>) {
        if is_v6(queued.payload) {
            self.held.insert(self.number, (queued.id, now));
        } else {
            verdicts.give(queued.id, Sentence::Drop, None, None);
        }
    }

    /// A datagram of IPv6 is complete: what becomes of it becomes of its fragments. They cannot
    /// be translated one by one.
    fn pieces(&mut self, queued: &Queued<'_>, visit: &FirstVisit, verdicts: &mut Verdicts<'_>) {
        let earlier: Vec<u32> = visit
            .pieces
            .iter()
            .filter_map(|number| self.held.remove(number))
            .map(|h| h.0)
            .collect();
        let token = visit.token.filter(|_| !visit.outcome.translated);
        self.counts.dropped += u64::from(token.is_none());
        for id in earlier.into_iter().chain([queued.id]) {
            match token {
                Some(token) => {
                    let mark = self.marks.with_token(visit.outcome.mark, token);
                    verdicts.give(id, Sentence::Accept, Some(mark), None);
                }
                None => verdicts.give(id, Sentence::Drop, None, None),
            }
        }
    }

    fn second(&mut self, now: Time, queued: &Queued<'_>, verdicts: &mut Verdicts<'_>) {
        let way = match queued.hook {
            INPUT => Way::In,
            _ => Way::Out(self.links.name(queued.outward)),
        };
        let mut bytes = Cow::Borrowed(queued.payload);
        let token = self.marks.token(queued.mark);
        let outcome = token.and_then(|token| self.engine.second_visit(now, token, way, &mut bytes));
        let Some(outcome) = outcome else {
            self.counts.strayed += 1;
            return verdicts.give(queued.id, Sentence::Drop, None, None);
        };
        let trace = self.engine.take_trace();
        self.tracer.saw(queued.payload, outcome, trace);
        let mark = self.marks.others(outcome.mark);
        let sentence = match outcome.verdict {
            Verdict::Accept if is_lost_translation(queued, &outcome) => Sentence::Drop,
            Verdict::Accept => Sentence::Accept,
            Verdict::Queue(number) => Sentence::Queue(number),
            Verdict::Reject(with) if queued.hook != POSTROUTING => {
                let sentence = self.refuse(now, queued, mark, with);
                return self.give(queued, sentence, Cow::Borrowed(queued.payload), verdicts);
            }
            _ => Sentence::Drop,
        };
        match sentence {
            Sentence::Drop => self.counts.dropped += 1,
            _ => self.counts.passed += 1,
        }
        self.give(queued, (sentence, mark), bytes, verdicts);
    }

    /// Gives a verdict, with the packet's bytes where they have changed.
    fn give(
        &mut self,
        queued: &Queued<'_>,
        (sentence, mark): (Sentence, u32),
        bytes: Cow<'_, [u8]>,
        verdicts: &mut Verdicts<'_>,
    ) {
        let changed = match bytes {
            Cow::Owned(bytes) if sentence != Sentence::Drop && bytes != queued.payload => bytes,
            _ => return verdicts.give(queued.id, sentence, Some(mark), None),
        };
        let mut changed = changed;
        let is_whole = !queued.is_cut && changed.len() <= PAYLOAD_MAX;
        let is_right = !queued.is_unfinished || repair_checksums(&mut changed).is_ok();
        if is_whole && is_right {
            verdicts.give(queued.id, sentence, Some(mark), Some(&changed));
        } else {
            self.counts.dropped += 1;
            verdicts.give(queued.id, Sentence::Drop, None, None);
        }
    }

    /// The numbers in the queue of fragments whose datagrams never became complete.
    pub(crate) fn forsaken(&mut self, now: Time) -> Vec<u32> {
        let is_old = |since: Time| since.after_s(HELD_S) <= now;
        let old: Vec<u64> = self
            .held
            .iter()
            .filter(|(_, held)| is_old(held.1))
            .map(|(number, _)| *number)
            .collect();
        old.into_iter().filter_map(|number| self.held.remove(&number)).map(|held| held.0).collect()
    }
}

/// A fragment of IPv6 whose datagram was translated behind routing: it was not.
fn is_lost_translation(queued: &Queued<'_>, outcome: &Outcome) -> bool {
    const FRAGMENT: u8 = 44;
    is_v6(queued.payload) && outcome.translated && queued.payload.get(6) == Some(&FRAGMENT)
}

fn is_v6(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| first >> 4 == 6)
}

fn link_facts(queued: &Queued<'_>) -> LinkFacts {
    let packet_type = match queued.payload {
        [first, ..] if first >> 4 == 4 => match queued.payload.get(16..20) {
            Some([255, 255, 255, 255]) => PacketType::Broadcast,
            Some([224..=239, ..]) => PacketType::Multicast,
            _ => PacketType::Host,
        },
        payload if payload.get(24) == Some(&0xff) => PacketType::Multicast,
        _ => PacketType::Host,
    };
    let (src_mac, ethertype) = (queued.src_mac, queued.ethertype);
    LinkFacts { src_mac, packet_type, ethertype, ..LinkFacts::default() }
}
