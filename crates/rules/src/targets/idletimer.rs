//! `-j IDLETIMER --timeout 60 --label eth0-out`: a timer of that name starts again; the walk goes
//! on. When it runs out, user space is told.

use super::name;
use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::number;

/// What the target declares.
pub const SPEC: Spec = Spec::new("IDLETIMER").passive().options(&[
    value("timeout").required(),
    value("label").required(),
    flag("alarm"),
]);

/// The timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idletimer {
    /// Seconds.
    pub timeout_s: u32,
    /// Its name.
    pub label: Box<str>,
    /// Whether it goes on while the system sleeps.
    pub alarm: bool,
}

impl Idletimer {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Idletimer> {
        let timeout_s = args.plain("timeout", number(1..=TIMEOUT_MAX));
        let label = args.plain("label", name(27));
        let alarm = args.has("alarm");
        Some(Idletimer { timeout_s: timeout_s? as u32, label: label?, alarm })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("timeout", self.timeout_s).value("label", &self.label);
        out.flag("alarm", self.alarm);
    }

    /// Changes nothing that rules can see.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Continue
    }
}

/// The longest time, in seconds.
const TIMEOUT_MAX: u64 = 2_147_482;
