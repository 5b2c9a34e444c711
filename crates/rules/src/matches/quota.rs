//! `-m quota --quota 1000000`: matches until so many bytes have matched.

use crate::eval::{Answer, Scene};
use crate::memory::Remembered;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::number_u64;

/// What the match declares.
pub const SPEC: Spec = Spec::new("quota").stateful().options(&[value("quota").invert().required()]);

/// How many bytes match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes, from the network header on; negated, packets match when they are used up.
    pub bytes: Test<u64>,
}

impl Quota {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Quota> {
        Some(Quota { bytes: args.read("quota", number_u64)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.not(self.bytes.invert).value("quota", self.bytes.value);
    }

    /// Takes the packet's length off what is left; a packet that is too long ends the quota.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let length = u64::from(scene.facts.headers.total_length);
        let slot = scene.memory.slot(scene.family, scene.slot);
        let left = match slot {
            Remembered::Quota(left) => *left,
            _ => self.bytes.value,
        };
        let rest = left.checked_sub(length);
        *slot = Remembered::Quota(rest.unwrap_or(0));
        (rest.is_some() != self.bytes.invert).into()
    }
}
