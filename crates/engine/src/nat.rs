//! Address translation on a packet's path.
//!
//! The first packet of a connection asks the nat table, at each of its hooks, what its end
//! becomes there; the answer holds for the connection ([`Conntrack::bind`]), and every packet is
//! changed accordingly, those of the other direction back. Destinations change before routing
//! (PREROUTING, OUTPUT), sources behind it (POSTROUTING, INPUT). An ICMP error is changed like
//! the packets of its connection, and so is the packet it quotes, the other way round.
//!
//! [`Conntrack::bind`]: kinwall_conntrack::Conntrack::bind

use crate::engine::Engine;
use crate::outcome::RuleAt;
use crate::path::{Passage, Stage, Stop};
use crate::trace::Step;
use kinwall_conntrack::PacketCt;
use kinwall_rules::eval::{Decision, RuleId};
use kinwall_rules::targets::nat::Wanted;
use kinwall_rules::value::Network;
use kinwall_terms::{CtState, Direction, Family, Hook, Manip, NatRange, Reason, Table, Tuple};
use kinwall_wire::translate::{CannotTranslate, NewEnd, set_end, set_error_ends};
use kinwall_wire::{Headers, L4};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// ICMP redirects, by family.
const REDIRECTS: [u8; 2] = [5, 137];

impl Engine {
    /// Translates the packet's end that belongs to the hook, and before that decides what it
    /// becomes where it is the first of its connection.
    #[inline]
    pub(crate) fn translate(&mut self, p: &mut Passage<'_, '_, '_>, hook: Hook) -> Stage {
        if !self.translates[p.headers.family.index()] {
            return Ok(());
        }
        match (p.ct, Manip::at(hook)) {
            (Some(ct @ PacketCt { conn: Some(_), .. }), Some(manip)) => {
                self.translate_tracked(p, ct, manip, hook)
            }
            _ => Ok(()),
        }
    }

    fn translate_tracked(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        ct: PacketCt,
        manip: Manip,
        hook: Hook,
    ) -> Stage {
        let Some(id) = ct.conn else { return Ok(()) };
        let is_error =
            ct.state == CtState::Related && !ct.new && matches!(p.headers.l4, L4::Icmp(_));
        if !is_error && ct.state != CtState::Established && !self.conntrack.is_bound(id, manip) {
            self.bind(p, ct, manip, hook)?;
        } else if !is_error {
            self.stays_on_its_way(p, ct, hook)?;
        }
        if is_error && self.is_useless_redirect(p, &ct) {
            return Err(Stop::drop(Reason::NatRedirect));
        }
        let Some((address, id)) = self.conntrack.translation(id, ct.direction, manip) else {
            return Ok(());
        };
        let to = NewEnd { address, id };
        change(p, manip, to, |bytes, headers| match is_error {
            // What is quoted went the other way: there it is the other end.
            true => set_error_ends(bytes, headers, (manip.other(), to), to),
            false => set_end(bytes, headers, manip, to),
        })
    }

    /// Whether it is an ICMP redirect about a translated connection: where to send packets instead
    /// is of no use to who does not know where they go.
    fn is_useless_redirect(&self, p: &Passage<'_, '_, '_>, ct: &PacketCt) -> bool {
        let L4::Icmp(icmp) = p.headers.l4 else { return false };
        let is_translated = |manip| {
            ct.conn.is_some_and(|id| self.conntrack.translation(id, ct.direction, manip).is_some())
        };
        icmp.kind == REDIRECTS[p.headers.family.index()]
            && (is_translated(Manip::Source) || is_translated(Manip::Destination))
    }

    /// Decides what one end of a new connection becomes: what a rule wants, or what it is, if
    /// nobody else waits for the answers to that.
    fn bind(
        &mut self,
        p: &mut Passage<'_, '_, '_>,
        ct: PacketCt,
        manip: Manip,
        hook: Hook,
    ) -> Stage {
        let Some(id) = ct.conn else { return Ok(()) };
        let mut rule = None;
        let mut wanted = None;
        if let Some(walk) = self.walked(p, Table::Nat, hook) {
            if walk.decision != Decision::Accept {
                return self.obey(p, Table::Nat, walk);
            }
            rule = walk.rule.filter(|rule| self.wanted(p.headers.family, *rule).is_some());
            wanted = rule.and_then(|rule| self.wanted(p.headers.family, rule));
        }
        let range = match wanted {
            Some(wanted) => self.range(p, &wanted, manip, hook)?,
            None => None,
        };
        let own = match manip {
            Manip::Source => p.headers.src,
            Manip::Destination => p.headers.dst,
        };
        let observed = self.observed.map(|left| exactly(&left, manip, &p.headers));
        let range = observed.or(range).unwrap_or(NatRange::address(own));
        let wish = self.wish.map(|[source, destination]| match manip {
            Manip::Source => source,
            Manip::Destination => destination,
        });
        if let (Some(Wanted::Masquerade { .. }), Some(by)) = (wanted, p.out_iface) {
            self.conntrack.set_masqueraded(id, by);
        }
        self.conntrack.bind(p.now, id, manip, &range, wish);
        let to = self.conntrack.translation(id, Direction::Original, manip);
        let rule = rule.map(|rule| RuleAt { family: p.headers.family, rule });
        p.note(|| Step::Bound { manip, rule, to });
        Ok(())
    }

    fn wanted(&self, family: Family, rule: RuleId) -> Option<Wanted> {
        self.programs[family.index()].as_ref()?.wanted(rule)
    }

    /// What a rule wants of this packet's connection; `None`: nothing.
    fn range(
        &self,
        p: &Passage<'_, '_, '_>,
        wanted: &Wanted,
        manip: Manip,
        hook: Hook,
    ) -> Result<Option<NatRange>, Stop> {
        let none = Stop::drop(Reason::NatNoAddress);
        Ok(Some(match *wanted {
            Wanted::Range(range) => range,
            Wanted::Masquerade { ports, random } => {
                if p.headers.src.is_unspecified() {
                    return Ok(None);
                }
                let out = p.out_iface.and_then(|name| self.topology.interface(name));
                let address = out.and_then(|out| out.address_towards(p.headers.dst));
                let range = NatRange::address(address.ok_or(none)?);
                NatRange { ports, random, ..range }
            }
            Wanted::Redirect { ports, random } => {
                let own = match (hook, p.headers.family) {
                    (Hook::Output, Family::Ipv4) => Some(Ipv4Addr::LOCALHOST.into()),
                    (Hook::Output, Family::Ipv6) => Some(Ipv6Addr::LOCALHOST.into()),
                    _ => self.first_address(p),
                };
                NatRange { ports, random, ..NatRange::address(own.ok_or(none)?) }
            }
            Wanted::Netmap(network) => {
                let old = match manip {
                    Manip::Source => p.headers.src,
                    Manip::Destination => p.headers.dst,
                };
                NatRange::address(host_of(network, old))
            }
        }))
    }

    /// The first address of the interface by which a packet came.
    fn first_address(&self, p: &Passage<'_, '_, '_>) -> Option<IpAddr> {
        let interface = self.topology.interface(p.in_iface?)?;
        let is_link_local = |address: IpAddr| match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let mut own = interface.addresses.iter().map(|network| network.addr());
        own.find(|address| {
            Family::of(*address) == p.headers.family
                && is_link_local(*address) == is_link_local(p.headers.dst)
        })
    }
}

/// The range that holds nothing but what an end of a packet became.
fn exactly(left: &Tuple, manip: Manip, headers: &Headers) -> NatRange {
    let (address, port) = match manip {
        Manip::Source => (left.src, left.sport),
        Manip::Destination => (left.dst, left.dport),
    };
    let has_port = match headers.l4 {
        // The identifier of a query stands for its source port.
        L4::Icmp(_) => manip == Manip::Source,
        _ => headers.ports().is_some(),
    };
    NatRange { ports: has_port.then_some([port; 2]), ..NatRange::address(address) }
}

/// Changes the packet, and what is known of it.
pub(crate) fn change(
    p: &mut Passage<'_, '_, '_>,
    manip: Manip,
    to: NewEnd,
    how: impl FnOnce(&mut [u8], &Headers) -> Result<(), CannotTranslate>,
) -> Stage {
    let truncated = |_| Stop::drop(Reason::NatTruncated);
    how(p.packet.bytes.to_mut(), &p.headers).map_err(truncated)?;
    p.reread()?;
    p.note(|| Step::Translated { manip, to: (to.address, to.id) });
    Ok(())
}

/// The host of `network` with the host part of `old`.
fn host_of(network: Network, old: IpAddr) -> IpAddr {
    match (network.address, network.mask, old) {
        (IpAddr::V4(to), IpAddr::V4(mask), IpAddr::V4(old)) => (to & mask | old & !mask).into(),
        (IpAddr::V6(to), IpAddr::V6(mask), IpAddr::V6(old)) => (to & mask | old & !mask).into(),
        _ => old,
    }
}
