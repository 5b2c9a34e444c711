//! `-j TTL --ttl-dec 1`: changes the time to live of IPv4; the walk goes on. It stays within 0
//! and 255.

use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::{number, number_u8};
use kinwall_terms::{Family, Table};

/// What the target declares.
pub const SPEC: Spec = Spec::new("TTL").only(Family::Ipv4).tables(&[Table::Mangle]).options(&[
    value("ttl-set").excludes(&["ttl-inc", "ttl-dec"]),
    value("ttl-inc").excludes(&["ttl-dec"]),
    value("ttl-dec"),
]);

/// A change of the time to live, or of the hop limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It becomes this.
    Set(u8),
    /// It grows by this, at least 1.
    Increase(u8),
    /// It shrinks by this, at least 1.
    Decrease(u8),
}

impl Change {
    /// Reads one of three options: set, increase, decrease.
    pub(super) fn parse(args: &mut Args<'_>, names: [&str; 3]) -> Option<Change> {
        if !args.one_of(&names) {
            return None;
        }
        let [set, increase, decrease] = names;
        if let Some(value) = args.plain(set, number_u8) {
            return Some(Change::Set(value));
        }
        if let Some(by) = args.plain(increase, number(1..=0xff)) {
            return Some(Change::Increase(by as u8));
        }
        args.plain(decrease, number(1..=0xff)).map(|by| Change::Decrease(by as u8))
    }

    /// Writes what [`Change::parse`] reads.
    pub(super) fn print(self, out: &mut Line, names: [&str; 3]) {
        let [set, increase, decrease] = names;
        match self {
            Change::Set(value) => out.value(set, value),
            Change::Increase(by) => out.value(increase, by),
            Change::Decrease(by) => out.value(decrease, by),
        };
    }

    /// The value after the change.
    pub fn apply(self, value: u8) -> u8 {
        match self {
            Change::Set(value) => value,
            Change::Increase(by) => value.saturating_add(by),
            Change::Decrease(by) => value.saturating_sub(by),
        }
    }
}

const NAMES: [&str; 3] = ["ttl-set", "ttl-inc", "ttl-dec"];

/// How the time to live changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// The change.
    pub change: Change,
}

impl Ttl {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ttl> {
        Change::parse(args, NAMES).map(|change| Ttl { change })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        self.change.print(out, NAMES);
    }

    /// Changes the time to live.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.ttl = self.change.apply(scene.state.ttl);
        Effect::Continue
    }
}
