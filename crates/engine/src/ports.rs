//! Ports of translated connections that a helper remembers, and pairs of them: what was named once
//! gets the same name again, and RTP and RTCP get neighbouring ports.

use crate::engine::Engine;
use crate::help::Work;
use crate::path::Passage;
use crate::rewrite::saved;
use kinwall_conntrack::{ConnId, ExpId, Expectation, Refusal};
use kinwall_helpers::{Following, Named, Proposal};
use kinwall_terms::{Profile, Reason, Time};
use std::net::IpAddr;

/// Pairs that are tried in `strict`; Linux tries all that are left.
const PAIRS_MAX: u16 = 128;

impl Engine {
    /// The port to try first for what is announced, of a helper that remembers ports; an error
    /// when it remembers no more.
    pub(crate) fn first_port(
        &mut self,
        id: ConnId,
        following: &Following,
    ) -> Result<Option<u16>, Reason> {
        let Some(ledger) = following.ledger else { return Ok(None) };
        let sender = following.direction.opposite();
        let state = self.conntrack.helper_scratch_mut(id).map(|(_, state)| state);
        let ports = state.and_then(|state| state.ports_mut());
        let first = ports.map(|ports| ports.first(ledger, sender, following.port));
        first.map_or(Ok(None), |first| first.map(Some).ok_or(Reason::HelperLimit))
    }

    /// Remembers what the port became.
    pub(crate) fn keep_port(
        &mut self,
        id: ConnId,
        following: &Following,
        made: Result<ExpId, Refusal>,
    ) {
        let (Some(ledger), Ok(made)) = (following.ledger, made) else { return };
        let Some(view) = self.conntrack.expectation(made) else { return };
        let sender = following.direction.opposite();
        if let Some((_, state)) = self.conntrack.helper_scratch_mut(id)
            && let Some(ports) = state.ports_mut()
        {
            ports.keep(ledger, sender, following.port, view.expected.tuple.dport);
        }
    }

    /// Writes what a port of media became that this connection has announced.
    pub(crate) fn write_kept(
        &mut self,
        p: &Passage<'_, '_, '_>,
        work: Work,
        named: Named,
        port: u16,
    ) {
        let (Some(shown), Some(ct)) = (work.shown, p.ct) else { return };
        let Some((_, state)) = self.conntrack.helper_scratch_mut(work.id) else { return };
        let ports = state.ports_mut();
        let became = ports.and_then(|ports| ports.media(ct.direction, port));
        if let (Some(port), Some(place)) = (became, work.own.place(named.span)) {
            self.edits.push(place, |text| named.form.write(shown, port, text));
        }
    }

    /// Makes two expectations whose ports are searched together, the first one's place in the
    /// payload is written.
    pub(crate) fn expect_named_pair(
        &mut self,
        p: &Passage<'_, '_, '_>,
        work: Work,
        [first, second]: [(&Proposal, Following); 2],
        shown: IpAddr,
    ) -> Result<[ExpId; 2], Reason> {
        let requests = [
            (self.expectation(p, work, first.0)?, first.1),
            (self.expectation(p, work, second.0)?, second.1),
        ];
        self.first_port(work.id, &first.1)?;
        let made = self.expect_following_pair(p.now, work.id, requests);
        let pair = made.map_err(|refusal| refusal.reason())?;
        let [one, other] = pair;
        match self.name_anew(Ok(one), &first.1, work.own, shown) {
            Ok(named) => {
                self.keep_port(work.id, &first.1, named);
                Ok(pair)
            }
            Err(reason) => {
                self.conntrack.remove_expectation(other);
                Err(reason)
            }
        }
    }

    /// Expects a pair at the even port that was named, or at the next pair of ports that nobody
    /// waits at: the children of both follow. Linux tries all that are left.
    fn expect_following_pair(
        &mut self,
        now: Time,
        master: ConnId,
        requests: [(Expectation, Following); 2],
    ) -> Result<[ExpId; 2], Refusal> {
        let [mut first, mut second] = requests.map(|(request, following)| Expectation {
            saved: Some(saved(&request, &following)),
            ..request
        });
        let mut left = match self.settings.profile {
            Profile::Linux => u16::MAX,
            Profile::Strict => PAIRS_MAX,
        };
        let mut port = first.expected.tuple.dport;
        let distance = second.expected.tuple.dport.wrapping_sub(port);
        while port != 0 && left > 0 {
            left -= 1;
            let Some(next) = port.checked_add(distance) else { break };
            first.expected.tuple.dport = port;
            second.expected.tuple.dport = next;
            let one = match self.conntrack.expect(now, master, first) {
                Ok(one) => one,
                Err(Refusal::Clash) => {
                    port = port.wrapping_add(2);
                    continue;
                }
                Err(refusal) => return Err(refusal),
            };
            match self.conntrack.expect(now, master, second) {
                Ok(other) => return Ok([one, other]),
                Err(refusal) => {
                    self.conntrack.remove_expectation(one);
                    if refusal != Refusal::Clash {
                        return Err(refusal);
                    }
                }
            }
            port = port.wrapping_add(2);
        }
        Err(Refusal::Clash)
    }
}
