//! The guard: what a helper is not allowed to expect, whatever the payload says.
//!
//! | setting | refuses | reason |
//! |---|---|---|
//! | `guard.ftp.min_port=1024` | TCP and UDP destination ports below it | `guard-port` |
//! | `guard.ftp.peer_only=1` | a payload address other than its sender's | `guard-address` |
//! | `guard.sip.networks=10.0.0.0/8,fd00::/8` | destinations outside | `guard-network` |
//! | `guard.*.per_master=8` | more pending expectations of one master | `guard-limit` |
//! | `guard.*.per_peer=64` | more pending expectations announced from one address | `guard-limit` |
//!
//! `guard.sip.no_mangle=1` leaves the payload of translated connections as it is, or of those with
//! a connmark (`=0x10/0x10`: this value in these bits).
//!
//! (snmp starts so, in either profile.)
//!
//! A refused proposal never reaches the table; the packet passes and a note says why. All is off
//! in the `linux` profile unless set; `strict` starts with each helper's own [`GuardDefaults`].

use crate::effects::{Effect, Effects, Note, Pair, Proposal};
use crate::helper::Pending;
use crate::instances::SettingError;
use ipnet::IpNet;
use kinwall_terms::{ChildNat, L4Proto, Profile, Reason};
use std::net::IpAddr;

/// What the `strict` profile starts with. 0 and `false` are off.
#[derive(Clone, Copy, Debug)]
pub struct GuardDefaults {
    /// Least destination port, TCP and UDP.
    pub min_port: u16,
    /// Only the sender's own address.
    pub peer_only: bool,
    /// Most pending expectations of one master.
    pub per_master: u32,
    /// Most pending expectations announced from one address.
    pub per_peer: u32,
    /// Payload stays as it is until that is allowed, in either profile.
    pub no_mangle: bool,
}

impl GuardDefaults {
    /// What suits nearly every helper.
    pub const USUAL: GuardDefaults = GuardDefaults {
        min_port: 1024,
        peer_only: true,
        per_master: 8,
        per_peer: 64,
        no_mangle: false,
    };
}

/// The limits in force. 0, `false` and an empty list are off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Least destination port, TCP and UDP.
    pub min_port: u16,
    /// An address read from the payload must be the sender's own.
    pub peer_only: bool,
    /// Destinations must lie in one of these, unless there are none.
    pub networks: Vec<IpNet>,
    /// Most pending expectations of one master.
    pub per_master: u32,
    /// Most pending expectations announced from one address, over all masters.
    pub per_peer: u32,
    /// Payload stays as it is, whatever is translated: always, or of connections with a mark.
    pub no_mangle: NoMangle,
}

/// Whose payload is not rewritten: that of connections whose mark has this value in these bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoMangle(Option<(u32, u32)>);

impl NoMangle {
    fn parse(text: &str) -> Option<NoMangle> {
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        match (text, text.split_once('/')) {
            ("0" | "false", _) => Some(NoMangle(None)),
            ("1" | "true", _) => Some(NoMangle(Some((0, 0)))),
            (_, Some((value, mask))) => Some(NoMangle(Some((number(value)?, number(mask)?)))),
            _ => None,
        }
    }
}

impl Guard {
    /// Whether payload of connections with this connmark stays as it is.
    pub fn forbids_rewriting(&self, mark: u32) -> bool {
        self.no_mangle.0.is_some_and(|(value, mask)| mark & mask == value)
    }

    /// The guard that `profile` starts with.
    pub fn of(profile: Profile, defaults: &GuardDefaults) -> Guard {
        let GuardDefaults { min_port, peer_only, per_master, per_peer, no_mangle } = *defaults;
        let no_mangle = NoMangle(no_mangle.then_some((0, 0)));
        let networks = Vec::new();
        match profile {
            Profile::Linux => Guard { no_mangle, ..Guard::default() },
            Profile::Strict => {
                Guard { min_port, peer_only, networks, per_master, per_peer, no_mangle }
            }
        }
    }

    /// Sets one limit by name; `key` is what the user wrote.
    pub(crate) fn set(&mut self, key: &str, limit: &str, value: &str) -> Result<(), SettingError> {
        let bad = |expected: &str| SettingError::BadValue {
            key: key.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        let count = || value.parse().map_err(|_| bad("a number; 0 is off"));
        match limit {
            "min_port" => {
                self.min_port = value.parse().map_err(|_| bad("a port from 0 to 65535"))?;
            }
            "peer_only" => {
                self.peer_only = match value {
                    "1" | "true" => true,
                    "0" | "false" => false,
                    _ => return Err(bad("1 or 0")),
                };
            }
            "networks" => {
                let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
                let networks: Result<_, _> = words.map(str::parse).collect();
                self.networks =
                    networks.map_err(|_| bad("networks such as 10.0.0.0/8,fd00::/8"))?;
            }
            "per_master" => self.per_master = count()?,
            "per_peer" => self.per_peer = count()?,
            "no_mangle" => {
                let expected = "1, 0, or the connmark as VALUE/MASK, such as 0x10/0x10";
                self.no_mangle = NoMangle::parse(value).ok_or_else(|| bad(expected))?;
            }
            _ => return Err(SettingError::UnknownGuard(key.to_owned())),
        }
        Ok(())
    }

    /// Takes out of `effects` what is not allowed, and notes why. `sender` are the addresses of
    /// the packet's sender ([`Segment::sender`](crate::Segment::sender)). `pending` is asked when
    /// a limit counts and something is proposed, and then once.
    pub fn hold(
        &self,
        sender: &[IpAddr],
        pending: impl FnOnce() -> Pending,
        effects: &mut Effects,
    ) {
        let proposes =
            |effect: &Effect| matches!(effect, Effect::Expect(_) | Effect::ExpectPair(_));
        if *self == Guard::default() || !effects.list().iter().any(proposes) {
            return;
        }
        let counts = self.per_master != 0 || self.per_peer != 0;
        let pending = if counts { pending() } else { Pending::default() };
        let mut added = 0;
        effects.retain(|effect| match effect {
            Effect::Expect(proposal) => self.admit(sender, pending, &[proposal], &mut added),
            Effect::ExpectPair(Pair { first, second, .. }) => {
                self.admit(sender, pending, &[first, second], &mut added)
            }
            _ => Ok(()),
        });
    }

    /// Whether these may be expected together, `added` others having been admitted before.
    fn admit(
        &self,
        sender: &[IpAddr],
        pending: Pending,
        proposals: &[&Proposal],
        added: &mut u32,
    ) -> Result<(), Note> {
        for proposal in proposals {
            self.check(sender, proposal)
                .map_err(|reason| Note { reason, span: proposal.announcement })?;
        }
        let more = *added + u32::try_from(proposals.len()).unwrap_or(u32::MAX);
        let over = |limit: u32, pending: u32| limit != 0 && pending.saturating_add(more) > limit;
        if over(self.per_master, pending.of_master) || over(self.per_peer, pending.of_peer) {
            let span = proposals.first().map(|proposal| proposal.announcement);
            let span = span.unwrap_or(crate::effects::span(0, 0));
            return Err(Note { reason: Reason::GuardLimit, span });
        }
        *added = more;
        Ok(())
    }

    fn check(&self, sender: &[IpAddr], proposal: &Proposal) -> Result<(), Reason> {
        let tuple = &proposal.expected.tuple;
        let has_ports = matches!(tuple.proto, L4Proto::TCP | L4Proto::UDP);
        if has_ports && tuple.dport < self.min_port {
            return Err(Reason::GuardPort);
        }
        let ends = match proposal.following.map(|following| following.nat) {
            Some(ChildNat::Forwarded(to)) => [to; 2],
            Some(ChildNat::Announced { address, .. }) => [address, tuple.dst],
            _ => [tuple.dst; 2],
        };
        let [announced, dst] = ends;
        if self.peer_only && proposal.address.is_some() && !sender.contains(&announced) {
            return Err(Reason::GuardAddress);
        }
        // The sender's own address counts as the one by which it is known.
        let ends = if sender.contains(&announced) { [dst; 2] } else { ends };
        let lies_within = |dst: &IpAddr| self.networks.iter().any(|n| n.contains(dst));
        if !self.networks.is_empty() && !ends.iter().all(lies_within) {
            return Err(Reason::GuardNetwork);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::{Pair, span};
    use kinwall_terms::expectation::Expected;

    fn proposal(dst: [u8; 4], dport: u16, proto: L4Proto, from_payload: bool) -> Proposal {
        let expected = Expected::new(Some([10, 2, 0, 2].into()), None, dst.into(), dport, proto);
        let address = from_payload.then(|| span(5, 8));
        Proposal { address, ..Proposal::new(expected, span(0, 20)) }
    }

    /// What the guard makes of `effects` when the originator 10.1.0.2 proposes them.
    fn held(settings: &[(&str, &str)], pending: Pending, list: &[Effect]) -> (usize, Vec<Reason>) {
        let mut guard = Guard::default();
        for (limit, value) in settings {
            guard.set(limit, limit, value).unwrap();
        }
        let mut effects = Effects::new();
        list.iter().for_each(|effect| effects.push(*effect));
        guard.hold(&[[10, 1, 0, 2].into()], || pending, &mut effects);
        let reasons = effects.notes().iter().map(|note| note.reason).collect();
        (effects.list().len(), reasons)
    }

    #[test]
    fn each_limit_refuses_by_its_name() {
        let own = [10, 1, 0, 2];
        let tcp = |dst, dport| Effect::Expect(proposal(dst, dport, L4Proto::TCP, true));
        let fixed = Effect::Expect(proposal([10, 9, 9, 9], 1024, L4Proto::TCP, false));
        let gre = Effect::Expect(proposal(own, 7, L4Proto::GRE, false));
        let rows: &[(&str, &str, Effect, Option<Reason>)] = &[
            ("min_port", "1024", tcp(own, 1024), None),
            ("min_port", "1024", tcp(own, 1023), Some(Reason::GuardPort)),
            ("min_port", "1024", gre, None),
            ("min_port", "0", tcp(own, 0), None),
            ("peer_only", "1", tcp(own, 22), None),
            ("peer_only", "1", tcp([10, 9, 9, 9], 22), Some(Reason::GuardAddress)),
            ("peer_only", "1", fixed, None),
            ("peer_only", "0", tcp([10, 9, 9, 9], 22), None),
            ("networks", "10.1.0.0/16, fd00::/8", tcp(own, 22), None),
            ("networks", "10.2.0.0/16", tcp(own, 22), Some(Reason::GuardNetwork)),
            ("networks", "", tcp(own, 22), None),
        ];
        for (limit, value, effect, refused) in rows {
            let expected = (usize::from(refused.is_none()), refused.iter().copied().collect());
            let held = held(&[(limit, value)], Pending::default(), &[*effect]);
            assert_eq!(held, expected, "{limit}={value} {effect:?}");
        }
    }

    #[test]
    fn counts_take_in_what_is_pending_and_what_was_just_admitted() {
        let one = Effect::Expect(proposal([10, 1, 0, 2], 1025, L4Proto::TCP, true));
        let Effect::Expect(proposal) = one else { unreachable!("it was built so") };
        let pair = Effect::ExpectPair(Pair { first: proposal, second: proposal, keymap: None });
        let rows: &[(&str, u32, u32, &[Effect], usize)] = &[
            ("per_master", 0, 0, &[one, one, one], 2),
            ("per_master", 1, 0, &[one, one], 1),
            ("per_master", 2, 0, &[one], 0),
            ("per_master", 0, 9, &[one], 1),
            ("per_master", 1, 0, &[pair, one], 1),
            ("per_master", 0, 0, &[pair, one], 1),
            ("per_peer", 9, 1, &[one, one], 1),
            ("per_peer", 0, 2, &[one], 0),
        ];
        for (limit, of_master, of_peer, effects, kept) in rows {
            let pending = Pending { of_master: *of_master, of_peer: *of_peer };
            let (count, reasons) = held(&[(limit, "2")], pending, effects);
            assert_eq!(count, *kept, "{limit} {pending:?}");
            assert_eq!(reasons, vec![Reason::GuardLimit; effects.len() - kept]);
        }
    }

    #[test]
    fn half_a_pair_is_no_pair() {
        let good = proposal([10, 1, 0, 2], 1024, L4Proto::UDP, true);
        let bad = proposal([10, 1, 0, 2], 1023, L4Proto::UDP, true);
        let pair = Effect::ExpectPair(Pair { first: good, second: bad, keymap: None });
        let settings = [("min_port", "1024")];
        let held = held(&settings, Pending::default(), &[pair, Effect::Refresh { seconds: 5 }]);
        assert_eq!(held, (1, vec![Reason::GuardPort]));
    }
}
