//! The ends of an intent, as interfaces and addresses of one family.

use crate::intent::{End, Intent, Policy, of};
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName};

/// One end in one family.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// The segment; `None` for the gateway.
    pub(super) segment: Option<usize>,
    /// The interfaces that lead there; none to the gateway.
    pub(super) interfaces: Vec<InterfaceName>,
    /// Its addresses; empty for all that the interfaces lead to.
    pub(super) nets: Vec<IpNet>,
    /// Where the default route leads: what lives elsewhere and so not there.
    pub(super) except: Vec<IpNet>,
}

/// The end in `family`, or `None` if it has none of it.
pub(super) fn side(policy: &Policy, end: &End, family: Family) -> Option<Side> {
    let of_family = |nets: &[IpNet]| -> Vec<IpNet> {
        nets.iter().copied().filter(|net| of(*net) == family).collect()
    };
    let Some(n) = end.segment() else {
        let (segment, interfaces) = (None, Vec::new());
        return Some(Side { segment, interfaces, nets: Vec::new(), except: Vec::new() });
    };
    let segment = policy.segments.get(n)?;
    let interfaces = segment.interfaces.clone();
    let (nets, except) = match end {
        End::Hosts { nets, .. } => {
            let nets = of_family(nets);
            if nets.is_empty() {
                return None;
            }
            (nets, Vec::new())
        }
        _ if !segment.has(family) => return None,
        _ if segment.default.has(family) => (Vec::new(), elsewhere(policy, n, family)),
        _ => (of_family(&segment.networks), Vec::new()),
    };
    Some(Side { segment: Some(n), interfaces, nets, except })
}

/// What lives in other segments than the one of this index, and the gateway's own addresses.
pub(super) fn elsewhere(policy: &Policy, index: usize, family: Family) -> Vec<IpNet> {
    let others = policy.segments.iter().enumerate().filter(|(n, _)| *n != index);
    let mut nets: Vec<IpNet> = others.flat_map(|(_, segment)| segment.nets(family)).collect();
    for address in policy.segments.iter().flat_map(|segment| &segment.addresses) {
        let host = IpNet::from(address.addr());
        if of(host) == family && !nets.iter().any(|net| net.contains(&host)) {
            nets.push(host);
        }
    }
    nets
}

/// The pairs of ends of an intent; with a published host also those in the host's own segment,
/// whose packets come to the gateway and go back.
pub(super) fn pairs_of(
    policy: &Policy,
    intent: &Intent,
    from: &[End],
    to: &[End],
    family: Family,
) -> Vec<(Side, Side)> {
    match intent.published {
        Some(_) => all_pairs(policy, from, to, family),
        None => pairs(policy, from, to, family),
    }
}

/// The pairs of ends between which packets pass the gateway or end in it.
pub(super) fn pairs(
    policy: &Policy,
    from: &[End],
    to: &[End],
    family: Family,
) -> Vec<(Side, Side)> {
    let through = |(from, to): &(Side, Side)| {
        from.segment != to.segment || from.interfaces.len() > 1 && from.segment.is_some()
    };
    all_pairs(policy, from, to, family).into_iter().filter(through).collect()
}

fn all_pairs(policy: &Policy, from: &[End], to: &[End], family: Family) -> Vec<(Side, Side)> {
    let sides = |ends: &[End]| -> Vec<Side> {
        ends.iter().filter_map(|end| side(policy, end, family)).collect()
    };
    let to = sides(to);
    let pair = |from: Side| to.iter().map(move |to| (from.clone(), to.clone())).collect::<Vec<_>>();
    sides(from).into_iter().flat_map(pair).collect()
}
