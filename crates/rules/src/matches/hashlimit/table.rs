//! The tables of `hashlimit`: groups of packets and their buckets.

use super::{Hashlimit, Mode, Rate, SIZE_DEFAULT, TABLES_MAX, rate};
use crate::keyed::{Keyed, KeyedMap};
use crate::value::{Network, prefix_mask};
use kinwall_terms::{Family, Time};
use kinwall_wire::Headers;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// All tables, of both families.
#[derive(Debug, Default)]
pub struct Tables {
    tables: [Vec<Table>; 2],
    pub(crate) key: Keyed,
}

#[derive(Debug)]
struct Table {
    name: Box<str>,
    mode: Mode,
    src_mask: u8,
    dst_mask: u8,
    rate: Rate,
    /// The interval over which packets are counted, when they are.
    interval: Option<Duration>,
    idle: Duration,
    sweep: Duration,
    max: usize,
    buckets: KeyedMap<Group, rate::Bucket>,
    /// When idle groups were last looked for.
    swept: Time,
}

/// What a group has in common; what does not count is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Group {
    src: IpAddr,
    dst: IpAddr,
    sport: u16,
    dport: u16,
}

/// Stands for an address that does not count.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// The fewest places of a table.
const SIZE_MIN: u32 = 16;
/// Groups for each place, where no maximum is named.
const GROUPS_PER_PLACE: u32 = 8;

impl Tables {
    /// The table of a rule, by its position. The first rule that names it makes it; beyond
    /// [`TABLES_MAX`] there is none.
    pub(crate) fn declare(&mut self, family: Family, limit: &Hashlimit) -> u32 {
        let tables = &mut self.tables[family.index()];
        let at = tables.iter().position(|table| table.name == limit.name).unwrap_or(tables.len());
        if at == tables.len() && at < TABLES_MAX {
            tables.push(Table::new(limit, self.key));
        }
        at as u32
    }

    /// Takes a packet's cost out of its group's bucket; whether it stayed within the rate.
    /// `None` when the packet has no ports to tell, or the table is full.
    pub(super) fn take(
        &mut self,
        family: Family,
        at: u32,
        headers: &Headers,
        bytes: &[u8],
        now: Time,
    ) -> Option<bool> {
        let table = self.tables[family.index()].get_mut(at as usize)?;
        let group = table.group(headers, bytes)?;
        let (rate, interval) = (table.rate, table.interval);
        let bucket = table.bucket(group, now)?;
        Some(match interval {
            None => bucket.take(&rate, headers.total_length, now),
            Some(interval) => bucket.count(&rate, interval, headers.total_length, now),
        })
    }
}

impl Table {
    fn new(limit: &Hashlimit, key: Keyed) -> Table {
        let size = if limit.size == 0 { SIZE_DEFAULT } else { limit.size.max(SIZE_MIN) };
        let max = match limit.max {
            0 => size.saturating_mul(GROUPS_PER_PLACE),
            max => max.max(size),
        };
        let ms = |ms: u32| Duration::from_millis(u64::from(ms));
        Table {
            name: limit.name.clone(),
            mode: limit.mode,
            src_mask: limit.src_mask,
            dst_mask: limit.dst_mask,
            rate: limit.rate.value,
            interval: limit.rate_interval_s.map(|s| Duration::from_secs(u64::from(s))),
            idle: ms(limit.expire_ms),
            sweep: ms(limit.gc_interval_ms),
            max: max as usize,
            buckets: KeyedMap::with_hasher(key),
            swept: Time(0),
        }
    }

    /// The group of a packet; `None` when its ports are asked for and not there.
    fn group(&self, headers: &Headers, bytes: &[u8]) -> Option<Group> {
        let address = |wanted: Mode, address: IpAddr, length: u8| {
            let mask = prefix_mask(headers.family, length).filter(|_| self.mode.contains(wanted));
            mask.map_or(NOBODY, |mask| Network::new(address, mask).address)
        };
        let (sport, dport) = match self.mode.intersects(Mode::SRCPORT | Mode::DSTPORT) {
            true => ports(headers, bytes)?,
            false => (0, 0),
        };
        let port = |wanted: Mode, port: u16| if self.mode.contains(wanted) { port } else { 0 };
        Some(Group {
            src: address(Mode::SRCIP, headers.src, self.src_mask),
            dst: address(Mode::DSTIP, headers.dst, self.dst_mask),
            sport: port(Mode::SRCPORT, sport),
            dport: port(Mode::DSTPORT, dport),
        })
    }

    /// The bucket of a group; a new one when there is none or it was idle. `None` when the
    /// table is full.
    fn bucket(&mut self, group: Group, now: Time) -> Option<&mut rate::Bucket> {
        let idle = self.idle;
        let fresh = |bucket: &rate::Bucket| now.since(bucket.last) < idle;
        if self.buckets.len() >= self.max && !self.buckets.contains_key(&group) {
            if now.since(self.swept) >= self.sweep {
                self.buckets.retain(|_, bucket| fresh(bucket));
                self.swept = now;
            }
            if self.buckets.len() >= self.max {
                return None;
            }
        }
        let rate = self.rate;
        let bucket = self.buckets.entry(group).or_insert_with(|| rate.full(now));
        if !fresh(bucket) {
            *bucket = rate.full(now);
        }
        Some(bucket)
    }
}

/// What stands where ports stand; zeroes for a protocol without. As in Linux the index of ESP and
/// AH counts too.
fn ports(headers: &Headers, bytes: &[u8]) -> Option<(u16, u16)> {
    let offset = match headers.proto.0 {
        6 | 17 | 33 | 50 | 132 | 136 => 0,
        51 => 4,
        _ => return Some((0, 0)),
    };
    let place = headers.transport(bytes).get(offset..)?;
    let [a, b, c, d, ..] = *place else { return None };
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}
