//! `-m helper --helper ftp`: the packet's connection was announced by this helper.
//!
//! Only children match, and it is their master's helper that counts: the signalling connection
//! itself never matches, and `! --helper` matches every ordinary packet. As in Linux the name
//! that is asked for must begin with the helper's own name, so `--helper ftp-2121` also matches
//! children of `ftp`; `--helper ""` matches the children of any helper.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::text_cut;

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("helper").passive().steady().options(&[value("helper").invert().required()]);

/// The longest name, in bytes; the rest is cut.
pub const NAME_LENGTH_MAX: usize = 29;

/// Which helper is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    /// Its name; empty: any.
    pub name: Test<String>,
}

impl Helper {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Helper> {
        Some(Helper { name: args.read("helper", text_cut(NAME_LENGTH_MAX))? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.not(self.name.invert).quoted("helper", &self.name.value);
    }

    /// Compares with the helper of the connection's master.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let master = scene.facts.ct.and_then(|ct| ct.master_helper);
        let found = master.is_some_and(|helper| {
            self.name.value.is_empty() || self.name.value.starts_with(helper)
        });
        (found != self.name.invert).into()
    }
}
