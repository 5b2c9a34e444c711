//! `-m connlabel --label 40 --set`: a label of the connection. It is read and printed; packets
//! are not asked. Labels are numbers: their names differ from system to system.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::number;

/// What the match declares.
pub const SPEC: Spec = Spec::new("connlabel")
    .not_evaluated()
    .options(&[value("label").invert().required(), flag("set")]);

/// Which label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connlabel {
    /// Its number, up to 127.
    pub label: Test<u8>,
    /// Whether it is set, too.
    pub set: bool,
}

impl Connlabel {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Connlabel> {
        let label = args.read("label", |word| number(0..=127)(word).map(|label| label as u8));
        Some(Connlabel { label: label?, set: args.has("set") })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.not(self.label.invert).value("label", format_args!("\"{}\"", self.label.value));
        out.flag("set", self.set);
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
