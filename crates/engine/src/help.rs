//! Helpers at work: which connection gets one, what it is shown, and what becomes of what it
//! wants.

use crate::engine::Engine;
use crate::expect::refused;
use crate::path::{Passage, Stage, Stop};
use crate::rewrite::{Kept, Own};
use crate::routes::{Routes, broadcast};
use crate::trace::{AssignedBy, Expecting, Step};
use kinwall_conntrack::stream::Stream;
use kinwall_conntrack::{ConnId, Conntrack, HelperId, PacketCt, View};
use kinwall_helpers::{Effect, Effects, Ending, Instance, Pending, Ports, Scratch, Segment};
use kinwall_rules::facts::CtTemplate;
use kinwall_terms::expectation::Span;
use kinwall_terms::{CtState, Direction, EndsToo, Profile, Reason, Status, Time, Tuple};
use kinwall_wire::{Headers, L4, Tcp, TcpFlags};
use std::net::IpAddr;

/// What is remembered for a connection with a helper.
#[derive(Debug)]
pub struct HelpState {
    /// The helper's own memory.
    pub(crate) scratch: Scratch,
    /// What the helper has asked to be remembered.
    pub(crate) remembered: [u32; 2],
    /// The two directions of a TCP connection, for a helper that reads streams.
    pub(crate) streams: [Stream; 2],
    /// The helper wants to see nothing more of this connection.
    pub(crate) blind: bool,
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
    pub(crate) helper: HelperId,
    /// Where in what the helper was shown the packet's own payload lies.
    pub(crate) own: Own,
    /// The address by which the packet's receiver knows its sender, if payload is rewritten.
    pub(crate) shown: Option<IpAddr>,
}

/// Why a guard refuses.
const GUARDS: [Reason; 4] =
    [Reason::GuardPort, Reason::GuardAddress, Reason::GuardNetwork, Reason::GuardLimit];

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
        self.media = None;
        self.deliver_at = None;
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
            if GUARDS.contains(&reason) {
                let index = usize::from(helper.0);
                self.guarded.resize(self.guarded.len().max(index + 1), 0);
                self.guarded[index] += 1;
            }
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
            behind_length: behind_length(&p.headers, &p.packet.bytes),
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
            Effect::Expect(proposal) if self.is_shared(work, proposal, p.now) => Applied::Done,
            Effect::Expect(proposal) => {
                let made = self.expect(p, work, proposal);
                expected.extend(self.expecting(proposal, made));
                refused(made.err(), proposal)
            }
            Effect::ExpectPair(pair) => self.expect_both(p, work, pair, expected),
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
            Effect::Write { span, text } => written(self.write(work, *span, texts.text(*text))),
            Effect::Overwrite { span, text } => {
                self.edits.keep_lengths();
                written(self.write(work, *span, texts.text(*text)))
            }
            Effect::WriteKept { named, port } => {
                self.write_kept(p, work, *named, *port);
                Applied::Done
            }
            Effect::WriteMediaAddress { span } => written(self.write_media_address(work, *span)),
            Effect::Deliver { port } => {
                self.deliver_at = Some(*port);
                Applied::Done
            }
            Effect::WriteLength { span, of } => written(self.write_length(work, *span, *of)),
            Effect::Drop { reason, .. } => Applied::Drop(*reason),
        }
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

/// How many bytes stand behind what a UDP header states as its length.
fn behind_length(headers: &Headers, bytes: &[u8]) -> u32 {
    let L4::Udp(udp) = headers.l4 else { return 0 };
    let length = headers.transport(bytes).len().saturating_sub(usize::from(udp.length));
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// What applying one effect brings.
pub(crate) enum Applied {
    /// On to the next.
    Done,
    /// On, leaving out this many.
    Skip(u8),
    /// The packet is dropped; on to the next.
    DropAndGoOn,
    /// The packet is dropped, and what follows does not apply.
    Drop(Reason),
}

/// What becomes of a packet whose payload should be written.
fn written(done: Result<(), Reason>) -> Applied {
    done.map_or_else(Applied::Drop, |()| Applied::Done)
}

/// What a connection and a packet's sender have pending.
fn pending(conntrack: &Conntrack<HelpState>, master: ConnId, sender: IpAddr, now: Time) -> Pending {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Pending {
        of_master: count(conntrack.expectations_of(master, now).count()),
        of_peer: count(conntrack.expectation_count_from(sender, now)),
    }
}
