//! `-m hashlimit --hashlimit-above 10/sec --hashlimit-mode srcip --hashlimit-name http`: a rate
//! for each source, destination or port.
//!
//! A table has a name, shared by the rules of a family; the first of them decides what tells its
//! groups apart and what the rate is, the others only whether packets within it match or those
//! above. Each group has a bucket of its own, full at first; a group idle for longer than the
//! table's expiry starts anew. Rates are packets, or bytes in pieces of 16. With
//! `--hashlimit-rate-match` nothing is held back: the packets of each interval are counted, and
//! those of the next match or not by that count.
//!
//! A table holds at most as many groups as Linux's: `--hashlimit-htable-max`, else eight for each
//! place of `--hashlimit-htable-size`. When it is full a packet of a new group is dropped.

pub(crate) mod rate;
mod table;

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::memory::Memory;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{number, number_u32};
pub use rate::Rate;
pub use table::Tables;

/// What the match declares.
pub const SPEC: Spec = Spec::new("hashlimit").stateful().options(&[
    value("hashlimit-upto").alias(&["hashlimit"]).invert().excludes(&["hashlimit-above"]),
    value("hashlimit-above").invert(),
    value("hashlimit-burst"),
    value("hashlimit-mode"),
    value("hashlimit-name").required(),
    value("hashlimit-htable-size"),
    value("hashlimit-htable-max"),
    value("hashlimit-htable-gcinterval"),
    value("hashlimit-htable-expire"),
    value("hashlimit-srcmask"),
    value("hashlimit-dstmask"),
    flag("hashlimit-rate-match"),
    value("hashlimit-rate-interval"),
]);

/// The places of a table that names no size: what Linux chooses on a machine with more than a
/// gigabyte of memory.
pub const SIZE_DEFAULT: u32 = 8192;
/// The most tables of a family.
pub const TABLES_MAX: usize = 4096;
/// The longest name of a table, in bytes.
pub const NAME_LENGTH_MAX: usize = 254;
const GC_INTERVAL_DEFAULT_MS: u32 = 1000;

/// How fast a group may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashlimit {
    /// The rate and the burst; inverted, packets above it match.
    pub rate: Test<Rate>,
    /// What tells groups apart.
    pub mode: Mode,
    /// The name of the table.
    pub name: Box<str>,
    /// Leading bits of the source that count.
    pub src_mask: u8,
    /// Leading bits of the destination that count.
    pub dst_mask: u8,
    /// Buckets of Linux's table; 0: as Linux chooses.
    pub size: u32,
    /// The most groups; 0: as many as fit.
    pub max: u32,
    /// How often Linux looks for idle groups, in milliseconds.
    pub gc_interval_ms: u32,
    /// After which time a group is idle, in milliseconds.
    pub expire_ms: u32,
    /// Whether the rate is measured, not limited: over so many seconds.
    pub rate_interval_s: Option<u32>,
}

bitflags::bitflags! {
    /// What tells groups apart, in the order it is printed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Mode: u8 {
        /// Source address.
        const SRCIP = 1 << 0;
        /// Source port.
        const SRCPORT = 1 << 1;
        /// Destination address.
        const DSTIP = 1 << 2;
        /// Destination port.
        const DSTPORT = 1 << 3;
    }
}

const MODES: &[(&str, u32)] = &[
    ("srcip", Mode::SRCIP.bits() as u32),
    ("srcport", Mode::SRCPORT.bits() as u32),
    ("dstip", Mode::DSTIP.bits() as u32),
    ("dstport", Mode::DSTPORT.bits() as u32),
    ("", 0),
];

impl Hashlimit {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Hashlimit> {
        args.one_of(&["hashlimit-upto", "hashlimit-above"]);
        let measured = args.has("hashlimit-rate-match");
        let read = |word: &Word| rate::read(word, measured);
        let upto = args.read("hashlimit-upto", read);
        let above = args.read("hashlimit-above", read);
        let above = above.map(|test| Test { invert: !test.invert, ..test });
        let Test { invert, value: (rate, unit_s) } = upto.or(above)?;
        let burst = args.first("hashlimit-burst").and_then(|given| given.values.first());
        let rate = match rate.with_burst(burst) {
            Ok(rate) => rate,
            Err(mistake) => {
                args.report(mistake);
                return None;
            }
        };
        let bits = args.context.family.bits();
        let mask = number(0..=u64::from(bits));
        let plain = |args: &mut Args<'_>, name: &str| args.plain(name, number_u32);
        let interval = plain(args, "hashlimit-rate-interval").unwrap_or(1);
        let mode = args.plain("hashlimit-mode", crate::value::choices(MODES, false));
        Some(Hashlimit {
            rate: Test { invert, value: rate },
            mode: Mode::from_bits_truncate(mode.unwrap_or(0) as u8),
            name: args.plain("hashlimit-name", name)?,
            src_mask: args.plain("hashlimit-srcmask", &mask).map_or(bits, |n| n as u8),
            dst_mask: args.plain("hashlimit-dstmask", &mask).map_or(bits, |n| n as u8),
            size: plain(args, "hashlimit-htable-size").unwrap_or(0),
            max: plain(args, "hashlimit-htable-max").unwrap_or(0),
            gc_interval_ms: plain(args, "hashlimit-htable-gcinterval")
                .unwrap_or(GC_INTERVAL_DEFAULT_MS),
            expire_ms: plain(args, "hashlimit-htable-expire")
                .unwrap_or(rate.idle_s(unit_s).saturating_mul(1000)),
            rate_interval_s: measured.then_some(interval),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let name = if self.rate.invert { "hashlimit-above" } else { "hashlimit-upto" };
        let quantum_ms = self.rate.value.print(name, out);
        if !self.mode.is_empty() {
            let names: Vec<&str> = MODES
                .iter()
                .filter(|m| u32::from(self.mode.bits()) & m.1 != 0)
                .map(|m| m.0)
                .collect();
            out.value("hashlimit-mode", names.join(","));
        }
        out.value("hashlimit-name", &self.name);
        let whole = |mask: u8| matches!(mask, 32 | 128);
        for (name, number, default) in [
            ("hashlimit-htable-size", self.size, 0),
            ("hashlimit-htable-max", self.max, 0),
            ("hashlimit-htable-gcinterval", self.gc_interval_ms, GC_INTERVAL_DEFAULT_MS),
            ("hashlimit-htable-expire", self.expire_ms, quantum_ms),
        ] {
            if number != default {
                out.value(name, number);
            }
        }
        for (name, mask) in
            [("hashlimit-srcmask", self.src_mask), ("hashlimit-dstmask", self.dst_mask)]
        {
            if !whole(mask) {
                out.value(name, mask);
            }
        }
        if let Some(interval) = self.rate_interval_s {
            out.flag("hashlimit-rate-match", true);
            if interval != 1 {
                out.value("hashlimit-rate-interval", interval);
            }
        }
    }

    /// Takes the packet's cost out of its group's bucket.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let (facts, family) = (scene.facts, scene.family);
        let declare = |memory: &mut Memory| memory.hashlimit.declare(family, self);
        let at = scene.memory.shared(family, scene.slot, declare);
        match scene.memory.hashlimit.take(family, at, facts.headers, facts.bytes, facts.now) {
            Some(within) => (within != self.rate.invert).into(),
            None => Answer::HotDrop,
        }
    }
}

fn name(word: &Word) -> Result<Box<str>, Diagnostic> {
    let legal = |c: char| !c.is_whitespace() && c != '/';
    match word.text.as_str() {
        text if !text.is_empty() && text.len() <= NAME_LENGTH_MAX && text.chars().all(legal) => {
            Ok(text.into())
        }
        text => Err(word
            .mistake(format!("{text:?} cannot be the name of a table"))
            .help(format!("1 to {NAME_LENGTH_MAX} characters, no blank or /"))),
    }
}
