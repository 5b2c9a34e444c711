//! `-m connlimit --connlimit-above 10 --connlimit-mask 24 --connlimit-saddr`: how many
//! connections of one host, or of one network, are open.
//!
//! Each rule counts for itself: the connections whose packets it was asked about, and that are
//! still in the table (for TCP, neither in TIME_WAIT nor closed). As in Linux a connection is
//! noted when its packet is the first of its network, or while it is not yet ASSURED; once it is,
//! it is only counted. So a packet may find nobody counted, not even itself: it is dropped.
//!
//! At most [`CONNECTIONS_MAX`] connections are remembered a rule; when there are more the packet is
//! dropped, as when Linux runs out of memory.

mod counted;

use super::tcp::any_ports;
use crate::eval::{Answer, Scene};
use crate::facts::Facts;
use crate::memory::Remembered;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{Network, number, number_u32, prefix_mask};
use counted::Count;
pub use counted::Counted;
use kinwall_terms::ct::Listed;
use kinwall_terms::{Status, Tuple, Zone, ZoneScope};
use kinwall_wire::{Headers, L4};

/// What the match declares.
pub const SPEC: Spec = Spec::new("connlimit").stateful().options(&[
    value("connlimit-upto").invert().excludes(&["connlimit-above"]),
    value("connlimit-above").invert(),
    value("connlimit-mask"),
    flag("connlimit-saddr").excludes(&["connlimit-daddr"]),
    flag("connlimit-daddr"),
]);

/// The most connections one rule remembers: Linux's default size of the connection table.
pub const CONNECTIONS_MAX: usize = 262_144;

/// How many connections may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connlimit {
    /// At most so many match; inverted, more than so many.
    pub limit: Test<u32>,
    /// How many leading bits of the address tell hosts apart.
    pub mask: u8,
    /// Whether destinations are counted, not sources.
    pub destination: bool,
}

impl Connlimit {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Connlimit> {
        args.one_of(&["connlimit-upto", "connlimit-above"]);
        let upto = args.read("connlimit-upto", number_u32);
        let above = args.read("connlimit-above", number_u32);
        let above = above.map(|test| Test { invert: !test.invert, ..test });
        let bits = args.context.family.bits();
        let mask = args.plain("connlimit-mask", number(0..=u64::from(u32::MAX)));
        if let Some(mask) = mask.filter(|mask| *mask > u64::from(bits)) {
            let message = format!("/{mask} is longer than an address");
            args.report_at("connlimit-mask", message, format!("from 0 to {bits}"));
        }
        Some(Connlimit {
            limit: upto.or(above)?,
            mask: mask.map_or(bits, |mask| mask.min(u64::from(bits)) as u8),
            destination: args.has("connlimit-daddr"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let name = if self.limit.invert { "connlimit-above" } else { "connlimit-upto" };
        out.value(name, self.limit.value).value("connlimit-mask", self.mask);
        out.flag("connlimit-saddr", !self.destination);
        out.flag("connlimit-daddr", self.destination);
    }

    /// Counts the packet's connection among those of its network.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let facts = scene.facts;
        let Some(own) = Own::of(facts) else { return Answer::HotDrop };
        let headers = facts.headers;
        let address = if self.destination { headers.dst } else { headers.src };
        let Some(mask) = prefix_mask(headers.family, self.mask) else { return Answer::No };
        let network = (Network::new(address, mask).address, own.zone.id);
        let key = scene.memory.key;
        let slot = scene.memory.slot(scene.family, scene.slot);
        if !matches!(slot, Remembered::Connlimit(_)) {
            *slot = Remembered::Connlimit(Box::new(Counted::new(key)));
        }
        let Remembered::Connlimit(counted) = slot else { return Answer::No };
        match counted.count(network, &own, self.limit.value, facts) {
            Count::Nobody => Answer::HotDrop,
            Count::Within => (!self.limit.invert).into(),
            Count::Above => self.limit.invert.into(),
        }
    }
}

/// The connection of the packet that is asked about.
pub(super) struct Own {
    pub(super) tuple: Tuple,
    pub(super) zone: Zone,
    /// Whether it is in the table.
    pub(super) is_listed: bool,
    pub(super) is_assured: bool,
}

impl Own {
    /// That of the packet, else the one that its own tuple finds, else one that is not there yet.
    /// `None` when the packet has no tuple.
    fn of(facts: &Facts<'_>) -> Option<Own> {
        if let Some(ct) = facts.ct {
            return Some(Own {
                tuple: ct.original,
                zone: Zone { id: ct.zone[0], scope: ZoneScope::Both },
                is_listed: ct.status.contains(Status::CONFIRMED),
                is_assured: ct.status.contains(Status::ASSURED),
            });
        }
        let tuple = tuple(facts.headers, facts.bytes)?;
        let zone = Zone::default();
        Some(match facts.others.find(&tuple, zone) {
            Some(Listed { original, is_assured, .. }) => {
                Own { tuple: original, zone, is_listed: true, is_assured }
            }
            None => Own { tuple, zone, is_listed: false, is_assured: false },
        })
    }
}

/// The tuple of a packet that is not tracked, where it has one.
fn tuple(headers: &Headers, bytes: &[u8]) -> Option<Tuple> {
    if headers.is_later_fragment() {
        return None;
    }
    let (sport, dport) = match headers.l4 {
        L4::Truncated => any_ports(headers, bytes)?,
        _ => headers.ports().unwrap_or((0, 0)),
    };
    Some(Tuple { src: headers.src, dst: headers.dst, sport, dport, proto: headers.proto })
}
