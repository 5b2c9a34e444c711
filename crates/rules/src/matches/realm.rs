//! `-m realm --realm 0x1/0x2a`: the realm of the route, IPv4. It is read and printed; packets are
//! not asked. Realms are numbers, but for 0, which is printed as `cosmos`: other names differ from
//! system to system.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Masked, masked_or_zero, print_or_zero};
use kinwall_terms::{Family, Hook};

/// What the match declares.
pub const SPEC: Spec = Spec::new("realm")
    .not_evaluated()
    .only(Family::Ipv4)
    .hooks(&[Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting])
    .options(&[value("realm").invert().required()]);

/// The name of realm 0.
const ZERO: &str = "cosmos";

/// Which realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Realm {
    /// Its number.
    pub realm: Test<Masked>,
}

impl Realm {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Realm> {
        Some(Realm { realm: args.read("realm", masked_or_zero(ZERO))? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.not(self.realm.invert).value("realm", print_or_zero(self.realm.value, ZERO));
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
