//! `-j LED --led-trigger-id ssh --led-delay 500`: a light of the machine blinks; the walk goes on.

use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::{number_u32, text};

/// What the target declares.
pub const SPEC: Spec = Spec::new("LED").passive().options(&[
    value("led-trigger-id").required(),
    value("led-delay"),
    flag("led-always-blink"),
]);

/// The light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// The name of its trigger, without `netfilter-`.
    pub id: Box<str>,
    /// How long it stays lit.
    pub delay: Delay,
    /// Whether it blinks when it is lit already.
    pub always_blink: bool,
}

impl Led {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Led> {
        let id = args.plain("led-trigger-id", text(16));
        let delay = args.plain("led-delay", |word| match word.text.as_str() {
            "inf" => Ok(Delay::Forever),
            _ => number_u32(word).map(Delay::Milliseconds),
        });
        let always_blink = args.has("led-always-blink");
        let delay = delay.unwrap_or(Delay::Milliseconds(0));
        Some(Led { id: id?.into(), delay, always_blink })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("led-trigger-id", format_args!("\"{}\"", self.id));
        match self.delay {
            Delay::Milliseconds(0) => {}
            Delay::Milliseconds(delay) => drop(out.value("led-delay", delay)),
            Delay::Forever => drop(out.value("led-delay", "inf")),
        }
        out.flag("led-always-blink", self.always_blink);
    }

    /// Changes nothing that rules can see.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Continue
    }
}

/// How long a light stays lit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// This long; 0: a flash.
    Milliseconds(u32),
    /// For ever.
    Forever,
}
