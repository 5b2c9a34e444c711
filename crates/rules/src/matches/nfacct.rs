//! `-m nfacct --nfacct-name web`: counts the packet in a named account; matches while the
//! account's quota, if it has one, is not used up. It is read and printed; packets are not asked.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::text;

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("nfacct").not_evaluated().options(&[value("nfacct-name").required()]);

/// The longest name, in bytes.
pub const NAME_LENGTH_MAX: usize = 31;

/// Which account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nfacct {
    /// Its name.
    pub name: String,
}

impl Nfacct {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Nfacct> {
        Some(Nfacct { name: args.plain("nfacct-name", text(NAME_LENGTH_MAX))? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.quoted("nfacct-name", &self.name);
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
