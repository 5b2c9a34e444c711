//! What helpers announce becomes expectations, alone and in pairs; and ends.

use crate::engine::Engine;
use crate::help::{Applied, Work};
use crate::path::Passage;
use crate::trace::Expecting;
use kinwall_conntrack::{
    Announcement, ConnId, ExpId, Expectation, ExpectationView, HelperId, Refusal, Saved,
};
use kinwall_helpers::effects::Activation;
use kinwall_helpers::{OnRefusal, Pair, Proposal, Whose};
use kinwall_terms::expectation::Span;
use kinwall_terms::{ChildNat, Direction, KeymapRule, Reason, Time, Tuple};

impl Engine {
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
    pub(crate) fn expect(
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

    /// Makes two expectations, or none.
    pub(crate) fn expect_pair(
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

    pub(crate) fn activate(&mut self, now: Time, id: ConnId, wanted: &Activation) -> bool {
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
    pub(crate) fn end_child(&mut self, id: ConnId, tuple: &Tuple, whose: Whose, now: Time) {
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

    /// Takes back what `id` expects of `tuple`, at the port that became of that under
    /// translation.
    fn take_back(&mut self, id: ConnId, tuple: &Tuple, now: Time) {
        let awaited: Vec<ExpId> = self
            .conntrack
            .expectations_of(id, now)
            .filter(|view| {
                let tuples = [view.expected.tuple, announced(view)];
                tuples.contains(tuple)
            })
            .map(|view| view.id)
            .collect();
        for expectation in awaited {
            self.conntrack.remove_expectation(expectation);
        }
    }

    /// What the trace says of a proposal: nothing of one that was there already.
    pub(crate) fn expecting(
        &self,
        proposal: &Proposal,
        made: Result<Made, Reason>,
    ) -> Option<Expecting> {
        let number = |id| self.conntrack.expectation(id).map_or(0, |view| view.serial);
        let made = match made {
            Ok(Made::New(id)) => Ok(number(id)),
            Ok(Made::There) => return None,
            Err(reason) => Err(reason),
        };
        Some(Expecting { expected: proposal.expected, made })
    }
}

/// What was announced, before its port became another one: of what is announced by its address.
fn announced(view: &ExpectationView) -> Tuple {
    let tuple = view.expected.tuple;
    match view.saved {
        Some(Saved { port, nat: ChildNat::Announced { .. }, .. }) => Tuple { dport: port, ..tuple },
        _ => tuple,
    }
}

/// What became of a proposal that was not refused.
#[derive(Clone, Copy)]
pub(crate) enum Made {
    /// This is expected now.
    New(ExpId),
    /// The same was expected already, which is as good.
    There,
}

/// What becomes of a packet whose proposal failed. One that only cannot be rewritten passes as it
/// is: it would come again, and always in the same pieces.
pub(crate) fn refused(why: Option<Reason>, proposal: &Proposal) -> Applied {
    match (why, proposal.on_refusal) {
        (None | Some(Reason::NatSplit), _) | (_, OnRefusal::Ignore) => Applied::Done,
        (_, OnRefusal::Drop) => Applied::Drop(Reason::HelperRefused),
        (_, OnRefusal::DropAndGoOn) => Applied::DropAndGoOn,
    }
}
