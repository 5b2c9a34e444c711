//! What hosts answer when connections are translated: generated traffic knows nothing of that, and
//! its answers would meet nobody. Each packet is sent as its sender would that has seen what left.

use kinwall_kernel::Ingress;
use kinwall_terms::{InterfaceName, Manip, Tuple};
use kinwall_wire::translate::{NewEnd, set_end};
use kinwall_wire::{Headers, L4};
use std::borrow::Cow;
use std::collections::HashMap;

/// What became of tuples, seen from the other end.
#[derive(Default)]
pub(super) struct Peers {
    seen: HashMap<Tuple, (Tuple, InterfaceName)>,
}

impl Peers {
    /// The packet as its sender answers what has reached it.
    pub(super) fn answer<'p>(&self, ingress: Ingress, bytes: &'p [u8]) -> (Ingress, Cow<'p, [u8]>) {
        let known = tuple(bytes).and_then(|tuple| self.seen.get(&tuple));
        let (Some((to, by)), Ingress::Interface(_)) = (known, ingress) else {
            return (ingress, Cow::Borrowed(bytes));
        };
        let mut changed = bytes.to_vec();
        for (manip, address, id) in
            [(Manip::Source, to.src, to.sport), (Manip::Destination, to.dst, to.dport)]
        {
            let done = Headers::parse(&changed)
                .is_ok_and(|h| set_end(&mut changed, &h, manip, NewEnd { address, id }).is_ok());
            if !done {
                return (ingress, Cow::Borrowed(bytes));
            }
        }
        (Ingress::Interface(*by), Cow::Owned(changed))
    }

    /// A packet that was sent has left by `out` like this.
    pub(super) fn note(&mut self, sent: &[u8], out: InterfaceName, left: &[u8]) {
        if let (Some(sent), Some(left)) = (tuple(sent), tuple(left))
            && sent != left
        {
            self.seen.insert(opposite(&sent), (opposite(&left), out));
        }
    }
}

/// The ends of a packet of a protocol with ports, or of an ICMP query.
fn tuple(bytes: &[u8]) -> Option<Tuple> {
    let headers = Headers::parse(bytes).ok().filter(|headers| headers.fragment.is_none())?;
    let Headers { src, dst, proto, .. } = headers;
    let (sport, dport) = match headers.l4 {
        L4::Icmp(icmp) if matches!(icmp.kind, 0 | 8 | 128 | 129) => (icmp.id, icmp.id),
        L4::Tcp(_) | L4::Udp(_) | L4::UdpLite(_) | L4::Sctp(_) => headers.ports()?,
        _ => return None,
    };
    Some(Tuple { src, dst, sport, dport, proto })
}

fn opposite(tuple: &Tuple) -> Tuple {
    let Tuple { src, dst, sport, dport, proto } = *tuple;
    Tuple { src: dst, dst: src, sport: dport, dport: sport, proto }
}
