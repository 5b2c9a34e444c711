//! Helpers at work: which connection gets one, what it is shown, and what becomes of what it
//! wants.

use crate::engine::Engine;
use crate::path::{Passage, Stage, Stop};
use crate::rewrite::{Kept, Own};
use crate::routes::{Routes, broadcast};
use crate::trace::{AssignedBy, Expecting, Step};
use kinwall_conntrack::stream::Stream;
use kinwall_conntrack::{
    Announcement, ConnId, Conntrack, ExpId, Expectation, HelperId, PacketCt, Refusal, View,
};
use kinwall_helpers::effects::Activation;
use kinwall_helpers::{
    Effect, Effects, Ending, Instance, OnRefusal, Pair, Pending, Ports, Proposal, Scratch, Segment,
    Whose,
};
use kinwall_rules::facts::CtTemplate;
use kinwall_terms::expectation::Span;
use kinwall_terms::{
    CtState, Direction, EndsToo, KeymapRule, Profile, Reason, Status, Time, Tuple,
};
use kinwall_wire::{L4, Tcp, TcpFlags};
use std::io::Write;
use std::net::IpAddr;

/// What is remembered for a connection with a helper.
#[derive(Debug)]
pub struct HelpState {
    /// The helper's own memory.
    scratch: Scratch,
    /// What the helper has asked to be remembered.
    remembered: [u32; 2],
    /// The two directions of a TCP connection, for a helper that reads streams.
    streams: [Stream; 2],
    /// The helper wants to see nothing more of this connection.
    blind: bool,
    /// What was rewritten, for when it is repeated: the helper reads it once.
    pub(crate) rewritten: Vec<Kept>,
}

impl HelpState {
    /// What the connection table asks when a connection of `profile` ends.
    pub(crate) fn ends_too(profile: Profile) -> fn(&HelpState, &[Tuple; 2]) -> EndsToo {
        match profile {
            Profile::Linux => |state, tuples| state.ending(Profile::Linux, tuples),
            Profile::Strict => |state, tuples| state.ending(Profile::Strict, tuples),
        }
    }

    /// The ports that the helper remembers.
    pub(crate) fn ports_mut(&mut self) -> Option<&mut Ports> {
        self.scratch.ports_mut()
    }

    fn ending(&self, profile: Profile, &[original, reply]: &[Tuple; 2]) -> EndsToo {
        let ends_too = self.scratch.kind().helper().ends_too;
        let ending = Ending { profile, original, reply };
        ends_too.map_or(EndsToo::Nothing, |ends_too| ends_too(&ending, &self.scratch))
    }
}

/// A helper at work on a packet.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// The connection.
    pub(crate) id: ConnId,
    /// Its helper.
    helper: HelperId,
    /// Where in what the helper was shown the packet's own payload lies.
    pub(crate) own: Own,
    /// The address by which the packet's receiver knows its sender, if payload is rewritten.
    pub(crate) shown: Option<IpAddr>,
}

impl Engine {
    /// Gives a new connection its helper: the one its expectation names, else the one the CT rule
    /// names, else, where the switch is on, the one of its port. Later packets change nothing.
    pub(crate) fn assign_helper(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        ct: PacketCt,
        template: Option<&CtTemplate>,
    ) {
        let Some(id) = ct.conn else { return };
        let Some(summary) = self.conntrack.summary(id) else { return };
        let instances = &self.settings.instances;
        let by_name = template.and_then(|template| template.helper.as_ref());
        let (helper, by) = if summary.status.contains(Status::EXPECTED) {
            let child = summary.master.and_then(|master| master.child_helper);
            (child.map(|helper| helper.0), AssignedBy::Expectation)
        } else if by_name.is_none() && !self.settings.automatic_assignment() {
            return;
        } else {
            let Some(View { original, reply, .. }) = self.conntrack.connection(id) else { return };
            match by_name {
                Some(name) => {
                    let found = instances.assigned(name, original.family(), original.proto);
                    (found.ok(), AssignedBy::Rule)
                }
                None => {
                    let found = instances.automatic(reply.family(), reply.proto, reply.sport);
                    (found, AssignedBy::Port)
                }
            }
        };
        let Some(helper) = helper else { return };
        let Some(instance) = instances.get(helper) else { return };
        let scratch = instance.helper.kind.scratch();
        let state = HelpState {
            scratch,
            remembered: [0; 2],
            streams: Default::default(),
            blind: false,
            rewritten: Vec::new(),
        };
        let helper = HelperId(helper);
        self.conntrack.set_helper(id, helper, state);
        p.ct = Some(PacketCt { has_ties: true, ..ct });
        if by == AssignedBy::Rule {
            self.conntrack.add_status(id, Status::HELPER);
        }
        p.note(|| Step::Assigned { helper, by });
    }

    /// Shows the payload to the connection's helper, and applies what it wants.
    pub(crate) fn help(&mut self, p: &mut Passage<'_, '_, '_>) -> Stage {
        let Some(ct @ PacketCt { conn: Some(id), has_ties: true, .. }) = p.ct else {
            return Ok(());
        };
        // ICMP errors about the connection carry nothing that its helper could read.
        if matches!(p.headers.l4, L4::Icmp(_)) {
            return Ok(());
        }
        let Some(helper) = self.conntrack.helper(id) else { return Ok(()) };
        let Some(view) = self.conntrack.connection(id) else { return Ok(()) };
        let translated = Engine::is_translated(&view) && self.may_rewrite(helper, view.mark);
        let repeats = self.repeats(p, ct)?;
        let own = self.inspect(p, ct, helper, &view, translated);
        self.edits.clear();
        if self.effects.is_empty() {
            return self.rewrite(p, ct, &repeats);
        }
        let receiver = match ct.direction {
            Direction::Original => view.reply,
            Direction::Reply => view.original,
        };
        let shown = translated.then_some(receiver.dst);
        let mut expected = Vec::new();
        let refused = self.apply(p, Work { id, helper, own, shown }, &mut expected);
        if self.effects.blind_reason().is_some()
            && let Some((_, state)) = self.conntrack.helper_scratch_mut(id)
        {
            state.blind = true;
            state.streams = Default::default();
        }
        let drop = self.effects.drop_reason().map(|note| note.reason).or(refused);
        let effects = &self.effects;
        let noted = effects.notes().iter().copied().chain(effects.blind_reason());
        let refusals = expected.iter().filter_map(|expecting| expecting.made.err());
        for reason in noted.map(|note| note.reason).chain(refusals) {
            self.doubts[reason as usize] += 1;
        }
        p.note(|| Step::Helped {
            helper,
            notes: effects.notes().to_vec(),
            blind: effects.blind_reason().map(|note| note.reason),
            expected,
            drop,
        });
        match drop {
            Some(reason) => Err(Stop::drop(reason)),
            None => self.rewrite(p, ct, &repeats),
        }
    }

    /// Shows the helper what there is to read, which fills `self.effects`. Returns where the
    /// packet's own payload lies in that.
    fn inspect(
        &mut self,
        p: &Passage<'_, '_, '_>,
        ct: PacketCt,
        helper: HelperId,
        view: &View,
        translated: bool,
    ) -> Own {
        self.effects.clear();
        let own = Own { at: 0, length: p.headers.payload(&p.packet.bytes).len() };
        let Engine { conntrack, settings, topology, effects, .. } = self;
        let Some(instance) = settings.instances.get(helper.0) else { return own };
        let Some((_, state)) = conntrack.helper_scratch_mut(view.id) else { return own };
        if state.blind {
            return own;
        }
        let routes = Routes { topology, out: p.out_iface };
        let mut segment = Segment {
            payload: p.headers.payload(&p.packet.bytes),
            packet_at: 0,
            direction: ct.direction,
            original: view.original,
            reply: view.reply,
            seq: 0,
            established: ct.state == CtState::Established,
            expected: view.status.contains(Status::EXPECTED),
            translated,
            remembered: state.remembered,
            port: instance.port.unwrap_or(0),
            options: &instance.options,
            kernel: settings.tracking.kernel(),
            broadcast: broadcast(topology, p),
            routing: Some(&routes),
        };
        let sender = segment.sender();
        let at = match (p.headers.l4, settings.profile) {
            (L4::Tcp(tcp), Profile::Strict) => {
                let stream = &mut state.streams[ct.direction.index()];
                read_stream(instance, stream, &tcp, ct, segment, &mut state.scratch, effects)
            }
            (l4, profile) => {
                if let L4::Tcp(tcp) = l4 {
                    segment.seq = tcp.seq;
                }
                instance.inspect(profile, &segment, &mut state.scratch, effects);
                0
            }
        };
        let pending = || pending(conntrack, view.id, p.headers.src, p.now);
        instance.guard.hold(&sender, pending, effects);
        Own { at, ..own }
    }

    /// Applies the effects in order; why the packet must be dropped, if it must.
    fn apply(
        &mut self,
        p: &Passage<'_, '_, '_>,
        work: Work,
        expected: &mut Vec<Expecting>,
    ) -> Option<Reason> {
        let effects = std::mem::take(&mut self.effects);
        let mut skip = 0;
        let mut drop = None;
        for effect in effects.list() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            match self.apply_one(p, work, effect, &effects, expected) {
                Applied::Done => {}
                Applied::Skip(count) => skip = count,
                Applied::DropAndGoOn => drop = Some(Reason::HelperRefused),
                Applied::Drop(reason) => {
                    drop = Some(reason);
                    break;
                }
            }
        }
        self.effects = effects;
        drop
    }

    fn apply_one(
        &mut self,
        p: &Passage<'_, '_, '_>,
        work: Work,
        effect: &Effect,
        texts: &Effects,
        expected: &mut Vec<Expecting>,
    ) -> Applied {
        let id = work.id;
        match effect {
            Effect::Expect(proposal) | Effect::ExpectPair(Pair { first: proposal, .. })
                if self.is_shared(work, proposal, p.now) =>
            {
                Applied::Done
            }
            Effect::Expect(proposal) => {
                let made = self.expect(p, work, proposal);
                expected.extend(self.expecting(proposal, made));
                refused(made.err(), proposal)
            }
            Effect::ExpectPair(pair) => self.expect_pair(p, work, pair, expected),
            Effect::Activate(activation) => match self.activate(p.now, id, activation) {
                true => Applied::Skip(activation.skip_when_found),
                false => Applied::Done,
            },
            Effect::Flush(classes) => {
                self.conntrack.remove_expectations(id, |class| classes.contains(class));
                Applied::Done
            }
            Effect::Refresh { seconds } => {
                self.conntrack.refresh(id, p.now, *seconds);
                Applied::Done
            }
            Effect::EndChild { tuple, whose } => {
                self.end_child(id, tuple, *whose, p.now);
                Applied::Done
            }
            Effect::ForgetKeymap => {
                self.conntrack.remove_keymap(id, None);
                Applied::Done
            }
            Effect::Remember { index, value } => {
                let state = self.conntrack.helper_scratch_mut(id).map(|(_, state)| state);
                if let Some(kept) = state.and_then(|state| state.remembered.get_mut(*index)) {
                    *kept = *value;
                }
                Applied::Done
            }
            Effect::Write { span, text } => {
                let place = work.own.place(*span).ok_or(Reason::NatSplit);
                let written = place.map(|place| {
                    self.edits.push(place, |out| out.extend_from_slice(texts.text(*text)));
                });
                written.map_or_else(Applied::Drop, |()| Applied::Done)
            }
            Effect::WriteKept { named, port } => {
                self.write_kept(p, work, *named, *port);
                Applied::Done
            }
            Effect::WriteLength { span, of } => {
                let places = [*span, *of].map(|span| work.own.place(span));
                let [Some(place), Some(part)] = places else {
                    return Applied::Drop(Reason::NatSplit);
                };
                let length = part.len().saturating_add_signed(self.edits.growth(part));
                // Writing to a vector does not fail.
                self.edits.push(place, |out| drop(write!(out, "{length}")));
                Applied::Done
            }
            Effect::Drop { reason, .. } => Applied::Drop(*reason),
        }
    }

    /// What the table is asked for.
    pub(crate) fn expectation(
        &self,
        p: &Passage<'_, '_, '_>,
        work: Work,
        proposal: &Proposal,
    ) -> Result<Expectation, Reason> {
        let Work { helper, own, .. } = work;
        let instances = &self.settings.instances;
        let Some(instance) = instances.get(helper.0) else { return Err(Reason::HelperRefused) };
        let policy = instance.helper.policy(proposal.class, &instance.options);
        let child = proposal.child.and_then(|kind| instances.child(helper.0, kind));
        let Span { offset, length } = proposal.announcement;
        let at = u32::try_from(own.at).unwrap_or_default();
        let span = Span { offset: offset.saturating_sub(at), length };
        Ok(Expectation {
            expected: proposal.expected,
            class: proposal.class,
            flags: proposal.flags,
            timeout_s: policy.timeout_s,
            class_limit: policy.limit,
            helper,
            child_helper: child.map(HelperId),
            announced: Announcement { packet: p.packet.number, span },
            announcer: p.headers.src,
            saved: None,
            skip_master: proposal.shared.is_some(),
        })
    }

    /// Makes one expectation.
    fn expect(
        &mut self,
        p: &Passage<'_, '_, '_>,
        work: Work,
        proposal: &Proposal,
    ) -> Result<Made, Reason> {
        let Work { id, own, shown, .. } = work;
        let mut expectation = self.expectation(p, work, proposal)?;
        let made = match (proposal.following, shown) {
            (Some(following), Some(shown)) => {
                let first = self.first_port(id, &following)?;
                expectation.expected.tuple.dport =
                    first.unwrap_or(expectation.expected.tuple.dport);
                let made = self.expect_following(p.now, id, expectation, &following);
                let made = self.name_anew(made, &following, own, shown)?;
                self.keep_port(id, &following, made);
                made
            }
            _ => self.conntrack.expect(p.now, id, expectation),
        };
        match made {
            Ok(new) => Ok(Made::New(new)),
            Err(Refusal::Already) if proposal.shared.is_some() => Ok(Made::There),
            Err(refusal) => Err(refusal.reason()),
        }
    }

    /// Whether another master with the same helper has already announced the same.
    fn is_shared(&self, work: Work, proposal: &Proposal, now: Time) -> bool {
        let pending = proposal.shared.and_then(|tuple| {
            let own = self.conntrack.connection(work.id)?;
            let pending = self.conntrack.pending_expectation(&tuple, own.zone, now)?;
            let master = self.conntrack.connection(pending.master)?;
            // A helper for two protocols counts as two.
            let same_helper =
                pending.helper == work.helper && master.original.proto == own.original.proto;
            (same_helper && master.id != own.id).then_some(pending)
        });
        pending.is_some_and(|pending| pending.class == proposal.class)
    }

    /// Makes two expectations, or none.
    fn expect_pair(
        &mut self,
        p: &Passage<'_, '_, '_>,
        work: Work,
        pair: &Pair,
        expected: &mut Vec<Expecting>,
    ) -> Applied {
        let id = work.id;
        let named = pair.first.following.filter(|following| following.named.is_some());
        if let (Some(shown), Some(one), Some(other)) = (work.shown, named, pair.second.following) {
            let both = [(&pair.first, one), (&pair.second, other)];
            let made = self.expect_named_pair(p, work, both, shown);
            for ((proposal, _), at) in both.into_iter().zip(0..2) {
                let made = made.map(|made| Made::New(made[at]));
                expected.extend(self.expecting(proposal, made));
            }
            return refused(made.err(), &pair.first);
        }
        let first = self.expect(p, work, &pair.first);
        let second = first.and_then(|_| self.expect(p, work, &pair.second));
        let keymap = match (first, second, pair.keymap) {
            (Ok(_), Ok(_), Some(rule)) => self.enter_keymap(id, pair, rule),
            _ => Ok(()),
        };
        let failed = first.err().or(second.err()).or(keymap.err());
        if failed.is_some() {
            for made in [first, second] {
                if let Ok(Made::New(made)) = made {
                    self.conntrack.remove_expectation(made);
                }
            }
        } else if let (Ok(Made::New(one)), Ok(Made::New(other)), Some(rule)) =
            (first, second, pair.keymap)
        {
            // The child of one direction of a call does away with the other's expectation.
            self.conntrack.removes(one, other);
            // Of a translated call, where the other one comes first, Linux looks for one whose
            // ids are both 0.
            let Tuple { sport, dport, .. } = pair.first.expected.tuple;
            let is_sought = (sport, dport) == (0, 0);
            if rule == KeymapRule::EveryCall || work.shown.is_none() || is_sought {
                self.conntrack.removes(other, one);
            }
        }
        for (proposal, made) in [(&pair.first, first), (&pair.second, second)] {
            let made = failed.map_or(made, Err);
            expected.extend(self.expecting(proposal, made));
        }
        refused(failed, &pair.first)
    }

    fn enter_keymap(&mut self, id: ConnId, pair: &Pair, rule: KeymapRule) -> Result<(), Reason> {
        let [first, second] = [&pair.first, &pair.second].map(|proposal| proposal.expected.tuple);
        let first = self.conntrack.add_keymap(id, rule, Direction::Original, &first);
        first.map_err(|_| Reason::ExpectationClash)?;
        let second = self.conntrack.add_keymap(id, rule, Direction::Reply, &second);
        second.map_err(|_| {
            // Linux then forgets the other call, too.
            self.conntrack.remove_keymap(id, None);
            Reason::ExpectationClash
        })
    }

    fn activate(&mut self, now: Time, id: ConnId, wanted: &Activation) -> bool {
        let Activation { class, dst, dport, proto, timeout_s, .. } = *wanted;
        let found: Vec<ExpId> = self
            .conntrack
            .expectations_of(id, now)
            .filter(|view| {
                let tuple = &view.expected.tuple;
                view.class == class && (tuple.dst, tuple.dport, tuple.proto) == (dst, dport, proto)
            })
            .map(|view| view.id)
            .collect();
        for expectation in &found {
            self.conntrack.activate(*expectation, now, timeout_s);
        }
        !found.is_empty()
    }

    /// Ends the child with `tuple`, or takes back the expectation of it.
    fn end_child(&mut self, id: ConnId, tuple: &Tuple, whose: Whose, now: Time) {
        self.conntrack.remove_keymap(id, Some(tuple));
        let Some(view) = self.conntrack.connection(id) else { return };
        let found = self.conntrack.find(tuple, view.zone, now).map(|(found, _)| found);
        match (found, whose) {
            (Some(child), Whose::Anybodys) => {
                self.conntrack.kill(child);
            }
            (Some(child), Whose::Own) if self.is_child(child, id) => {
                self.conntrack.kill(child);
            }
            (None, Whose::Anybodys) => {
                self.conntrack.remove_expectation_of(tuple, view.zone, now);
            }
            (_, Whose::Own) => self.take_back(id, tuple, now),
        }
    }

    fn is_child(&self, child: ConnId, master: ConnId) -> bool {
        let kept = self.conntrack.connection(child).and_then(|view| view.master);
        kept.is_some_and(|kept| kept.id == master)
    }

    /// Takes back what `id` expects of `tuple`.
    fn take_back(&mut self, id: ConnId, tuple: &Tuple, now: Time) {
        let awaited: Vec<ExpId> = self
            .conntrack
            .expectations_of(id, now)
            .filter(|view| view.expected.tuple == *tuple)
            .map(|view| view.id)
            .collect();
        for expectation in awaited {
            self.conntrack.remove_expectation(expectation);
        }
    }

    /// What the trace says of a proposal: nothing of one that was there already.
    fn expecting(&self, proposal: &Proposal, made: Result<Made, Reason>) -> Option<Expecting> {
        let number = |id| self.conntrack.expectation(id).map_or(0, |view| view.serial);
        let made = match made {
            Ok(Made::New(id)) => Ok(number(id)),
            Ok(Made::There) => return None,
            Err(reason) => Err(reason),
        };
        Some(Expecting { expected: proposal.expected, made })
    }
}

/// Lets the helper read the stream that the packet continues, and says where the packet's payload
/// begins in that. A stream begins with its SYN: one that was picked up in the middle is not read.
fn read_stream(
    instance: &Instance,
    stream: &mut Stream,
    tcp: &Tcp,
    ct: PacketCt,
    segment: Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> i64 {
    if tcp.flags.contains(TcpFlags::SYN) {
        if !stream.is_open() || (stream.consumed() == 0 && ct.state == CtState::New) {
            stream.begin(tcp.seq.wrapping_add(1));
        }
        return 0;
    }
    let unread = match stream.offer(tcp.seq, segment.payload) {
        Ok(Some(unread)) => unread,
        Ok(None) => return 0,
        Err(reason) => {
            effects.blind(reason, Span { offset: 0, length: 0 });
            return 0;
        }
    };
    let packet_at = u32::try_from(unread.packet_at()).unwrap_or(u32::MAX);
    let at = i64::from(tcp.seq.wrapping_sub(unread.seq()) as i32);
    let segment = Segment { payload: unread.bytes(), packet_at, seq: unread.seq(), ..segment };
    let consumed = instance.inspect(Profile::Strict, &segment, scratch, effects);
    // A packet that is dropped was not seen by its receiver: its retransmission is read again.
    if effects.drop_reason().is_none()
        && let Err(reason) = unread.consume(consumed, instance.helper.unread_max_bytes)
    {
        effects.blind(reason, Span { offset: 0, length: 0 });
    }
    at
}

/// What became of a proposal that was not refused.
#[derive(Clone, Copy)]
enum Made {
    /// This is expected now.
    New(ExpId),
    /// The same was expected already, which is as good.
    There,
}

/// What applying one effect brings.
enum Applied {
    /// On to the next.
    Done,
    /// On, leaving out this many.
    Skip(u8),
    /// The packet is dropped; on to the next.
    DropAndGoOn,
    /// The packet is dropped, and what follows does not apply.
    Drop(Reason),
}

/// What becomes of a packet whose proposal failed. One that only cannot be rewritten passes as it
/// is: it would come again, and always in the same pieces.
fn refused(why: Option<Reason>, proposal: &Proposal) -> Applied {
    match (why, proposal.on_refusal) {
        (None | Some(Reason::NatSplit), _) | (_, OnRefusal::Ignore) => Applied::Done,
        (_, OnRefusal::Drop) => Applied::Drop(Reason::HelperRefused),
        (_, OnRefusal::DropAndGoOn) => Applied::DropAndGoOn,
    }
}

/// What a connection and a packet's sender have pending.
fn pending(conntrack: &Conntrack<HelpState>, master: ConnId, sender: IpAddr, now: Time) -> Pending {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Pending {
        of_master: count(conntrack.expectations_of(master, now).count()),
        of_peer: count(conntrack.expectation_count_from(sender, now)),
    }
}
