//! `-m connlimit --connlimit-above 10 --connlimit-mask 24 --connlimit-saddr`: how many
//! connections of one host, or of one network, are open.
//!
//! Each rule counts for itself: the connections whose packets it was asked about, and that are
//! still in the table (for TCP, neither in TIME_WAIT nor closed). A packet without connection is
//! counted by its own tuple. At most [`CONNECTIONS_MAX`] connections are remembered a rule; when
//! there are more the packet is dropped, as when Linux runs out of memory.

use crate::eval::{Answer, Scene};
use crate::facts::Facts;
use crate::memory::Remembered;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{Network, number, number_u32, prefix_mask};
use kinwall_terms::{Tuple, Zone, ZoneScope};
use std::collections::HashMap;
use std::net::IpAddr;

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

/// What a rule remembers: the open connections of each network.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    open: HashMap<(IpAddr, u16), Vec<Tuple>>,
    count: usize,
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
        let (tuple, zone) = connection(facts);
        let headers = facts.headers;
        let address = if self.destination { headers.dst } else { headers.src };
        let Some(mask) = prefix_mask(headers.family, self.mask) else { return Answer::No };
        let key = (Network::new(address, mask).address, zone.id);
        let slot = scene.memory.slot(scene.family, scene.slot);
        if !matches!(slot, Remembered::Connlimit(_)) {
            *slot = Remembered::Connlimit(Box::default());
        }
        let Remembered::Connlimit(counted) = slot else { return Answer::No };
        let Some(count) = counted.add(key, tuple, |known| facts.others.is_open(known, zone)) else {
            return Answer::HotDrop;
        };
        let limit = usize::try_from(self.limit.value).unwrap_or(usize::MAX);
        ((count <= limit) != self.limit.invert).into()
    }
}

impl Counted {
    /// Forgets the closed connections of a network and adds one; how many there are then.
    /// `None` when there are too many to remember.
    fn add(
        &mut self,
        key: (IpAddr, u16),
        tuple: Tuple,
        is_open: impl Fn(&Tuple) -> bool,
    ) -> Option<usize> {
        if self.count >= CONNECTIONS_MAX {
            self.open.retain(|_, list| {
                list.retain(&is_open);
                !list.is_empty()
            });
            self.count = self.open.values().map(Vec::len).sum();
        }
        if self.count >= CONNECTIONS_MAX {
            return None;
        }
        let list = self.open.entry(key).or_default();
        let before = list.len();
        list.retain(|known| *known == tuple || is_open(known));
        if !list.contains(&tuple) {
            list.push(tuple);
        }
        self.count = self.count + list.len() - before;
        Some(list.len())
    }
}

/// The original tuple of the packet's connection, else that of the packet, and its zone.
fn connection(facts: &Facts<'_>) -> (Tuple, Zone) {
    if let Some(ct) = facts.ct {
        let id = ct.zone[0];
        return (ct.original, Zone { id, scope: ZoneScope::Both });
    }
    let headers = facts.headers;
    let (sport, dport) = headers.ports().unwrap_or((0, 0));
    let tuple = Tuple { src: headers.src, dst: headers.dst, sport, dport, proto: headers.proto };
    (tuple, Zone::default())
}
