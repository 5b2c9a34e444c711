//! `-m ttl --ttl-lt 5`: the time to live of IPv4.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::number_u8;
use kinwall_terms::Family;

/// What the match declares.
pub const SPEC: Spec = Spec::new("ttl").only(Family::Ipv4).options(&[
    value("ttl-eq").alias(&["ttl"]).invert().excludes(&["ttl-lt", "ttl-gt"]),
    value("ttl-lt").excludes(&["ttl-gt"]),
    value("ttl-gt"),
]);

/// How a hop count is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// Equal.
    Equal,
    /// Not equal.
    Other,
    /// Below.
    Less,
    /// Above.
    Greater,
}

impl Compare {
    /// Whether `found` compares so with `wanted`.
    pub fn holds(self, found: u8, wanted: u8) -> bool {
        match self {
            Compare::Equal => found == wanted,
            Compare::Other => found != wanted,
            Compare::Less => found < wanted,
            Compare::Greater => found > wanted,
        }
    }
}

/// What is asked of the time to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub value: u8,
}

impl Ttl {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ttl> {
        let (compare, value) = comparison(args, ["ttl-eq", "ttl-lt", "ttl-gt"])?;
        Some(Ttl { compare, value })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        print_comparison(out, ["ttl-eq", "ttl-lt", "ttl-gt"], self.compare, self.value);
    }

    /// Compares the time to live, as earlier rules left it.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        self.compare.holds(scene.state.ttl, self.value).into()
    }
}

/// Reads the one of three options that is given: equal, less, greater.
pub(super) fn comparison(args: &mut Args<'_>, names: [&str; 3]) -> Option<(Compare, u8)> {
    if !args.one_of(&names) {
        return None;
    }
    let read: fn(&Word) -> Result<u8, Diagnostic> = number_u8;
    let [equal, less, greater] = names.map(|name| args.read(name, read));
    if let Some(test) = equal {
        let compare = if test.invert { Compare::Other } else { Compare::Equal };
        return Some((compare, test.value));
    }
    match (less, greater) {
        (Some(test), _) => Some((Compare::Less, test.value)),
        (None, Some(test)) => Some((Compare::Greater, test.value)),
        (None, None) => None,
    }
}

/// Writes what [`comparison`] reads.
pub(super) fn print_comparison(out: &mut Line, names: [&str; 3], compare: Compare, value: u8) {
    let [equal, less, greater] = names;
    match compare {
        Compare::Equal => out.value(equal, value),
        Compare::Other => out.not(true).value(equal, value),
        Compare::Less => out.value(less, value),
        Compare::Greater => out.value(greater, value),
    };
}
