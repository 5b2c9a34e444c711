//! Streams that several connections announce, where addresses are translated: a call that reaches
//! more than one connection, or whose ends are both behind the same address.
//!
//! Who announces a stream at the address and port by which another connection's stream is known
//! speaks of that one. Where the other one is translated, this connection's receiver may reach it
//! directly, and is told so (the kernel's behaviour).

use crate::engine::Engine;
use crate::help::{Applied, Work};
use crate::nat::change;
use crate::path::{Passage, Stage};
use crate::trace::Expecting;
use kinwall_conntrack::{ExpectationView, Saved, View};
use kinwall_helpers::{Following, Form, Pair, Proposal};
use kinwall_terms::expectation::Span;
use kinwall_terms::{ChildNat, Direction, Family, Manip, NatRange, Profile, Reason, Time, Tuple};
use kinwall_wire::L4;
use kinwall_wire::translate::{NewEnd, set_end};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is known of a stream that is announced.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Where it ends in truth, when another connection's announcement tells.
    direct: Option<(IpAddr, u16)>,
    /// It is expected already.
    is_expected: bool,
}

impl Engine {
    /// Whether another master with the same helper has already announced the same.
    pub(crate) fn is_shared(&self, work: Work, proposal: &Proposal, now: Time) -> bool {
        let found = proposal.shared.and_then(|tuple| self.announced_by_another(work, &tuple, now));
        found.is_some_and(|pending| pending.class == proposal.class)
    }

    /// What another master with the same helper expects at `tuple`.
    fn announced_by_another(
        &self,
        work: Work,
        tuple: &Tuple,
        now: Time,
    ) -> Option<ExpectationView> {
        let own = self.conntrack.connection(work.id)?;
        let pending = self.conntrack.pending_expectation(tuple, own.zone, now)?;
        let master = self.conntrack.connection(pending.master)?;
        // A helper for two protocols counts as two.
        let same_helper =
            pending.helper == work.helper && master.original.proto == own.original.proto;
        (same_helper && master.id != own.id).then_some(pending)
    }

    fn known(&self, work: Work, proposal: &Proposal, now: Time) -> Known {
        let mut known = Known { direct: None, is_expected: false };
        let Some(mut tuple) = proposal.shared else { return known };
        while !known.is_expected
            && let Some(found) = self.announced_by_another(work, &tuple, now)
            && found.class == proposal.class
        {
            let (address, port) = (found.expected.tuple.dst, found.expected.tuple.dport);
            // Of a connection that is not translated nothing is saved; Linux reads that as zeroes.
            let none = match Family::of(address) {
                Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
                Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
            };
            let saved = found.saved.map_or((none, 0), |saved| (saved.address, saved.port));
            // Nobody but the ends themselves says where they are (`strict`).
            let is_told = self.settings.profile == Profile::Linux;
            if known.direct.is_some() || saved == (address, port) || !is_told {
                known.is_expected = true;
            } else {
                known.direct = Some(saved);
                (tuple.dst, tuple.dport) = saved;
            }
        }
        known
    }

    /// Expects two children, where another master has not announced the same.
    pub(crate) fn expect_both(
        &mut self,
        p: &Passage<'_, '_, '_>,
        work: Work,
        pair: &Pair,
        expected: &mut Vec<Expecting>,
    ) -> Applied {
        match &pair.first.following {
            Some(following) if work.shown.is_some() => {
                self.expect_media(p, work, (pair, following), expected)
            }
            _ if self.is_shared(work, &pair.first, p.now) => Applied::Done,
            _ => self.expect_pair(p, work, pair, expected),
        }
    }

    /// Expects a stream that a translated connection announces.
    fn expect_media(
        &mut self,
        p: &Passage<'_, '_, '_>,
        work: Work,
        (pair, following): (&Pair, &Following),
        expected: &mut Vec<Expecting>,
    ) -> Applied {
        let ChildNat::Announced { address: announced, .. } = following.nat else {
            return self.expect_pair(p, work, pair, expected);
        };
        let Known { direct, is_expected } = self.known(work, &pair.first, p.now);
        self.media = match direct {
            None if is_expected => Some(announced),
            None => Some(pair.first.expected.tuple.dst),
            Some((address, _)) => Some(address),
        };
        let Some((address, port)) = direct else {
            return match is_expected {
                true => Applied::Done,
                false => self.expect_pair(p, work, pair, expected),
            };
        };
        if let Some(place) = following.named.and_then(|named| work.own.place(named.span)) {
            self.edits.push(place, |text| Form::Port.write(address, port & !1, text));
        }
        if is_expected {
            return Applied::Done;
        }
        let at = |proposal: &Proposal, port| {
            let mut direct = Proposal { following: None, ..*proposal };
            (direct.expected.tuple.dst, direct.expected.tuple.dport) = (address, port);
            direct
        };
        let [first, second] = [at(&pair.first, port & !1), at(&pair.second, port | 1)];
        self.expect_pair(p, work, &Pair { first, second, keymap: None }, expected)
    }

    /// Writes the address at which the last stream is expected.
    pub(crate) fn write_media_address(&mut self, work: Work, span: Span) -> Result<(), Reason> {
        match self.media {
            Some(address) => self.write(work, span, address.to_string().as_bytes()),
            None => Ok(()),
        }
    }

    /// What the source of an announced child becomes: what the master's receiver knows it by.
    /// `None`: the nat table decides.
    pub(crate) fn source_of_announced(
        &self,
        now: Time,
        saved: &Saved,
        is_media: bool,
        master: &View,
        child: &View,
    ) -> Option<NatRange> {
        let Tuple { src, sport, proto, .. } = child.original;
        let from_there = |view: &ExpectationView| {
            let known = view.saved.map(|saved| (saved.address, saved.port));
            known == Some((src, sport)) && view.expected.tuple.proto == proto
        };
        let announced = || self.conntrack.expectations_of(master.id, now).filter(from_there);
        if is_media && let Some(paired) = announced().max_by_key(|view| view.serial) {
            let Tuple { dst, dport, .. } = paired.expected.tuple;
            return Some(NatRange { ports: Some([dport; 2]), ..NatRange::address(dst) });
        }
        let (own_way, other_way) = match saved.direction {
            Direction::Original => (master.original, master.reply),
            Direction::Reply => (master.reply, master.original),
        };
        (src == own_way.src).then(|| NatRange::address(other_way.dst))
    }

    /// Sends a datagram to another port of its destination.
    pub(crate) fn deliver(&mut self, p: &mut Passage<'_, '_, '_>, port: u16) -> Stage {
        if !matches!(p.headers.l4, L4::Udp(_)) {
            return Ok(());
        }
        let to = NewEnd { address: p.headers.dst, id: port };
        change(p, Manip::Destination, to, |bytes, headers| {
            set_end(bytes, headers, Manip::Destination, to)
        })
    }
}
