//! `-j CLASSIFY --set-class 1:10`: sets the traffic class by which the packet is queued on its
//! way out; the walk goes on. Both numbers are hexadecimal.

use crate::diagnostic::Diagnostic;
use crate::eval::{Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use kinwall_terms::Hook;

/// What the target declares.
pub const SPEC: Spec = Spec::new("CLASSIFY")
    .hooks(&[Hook::Forward, Hook::Output, Hook::Postrouting])
    .options(&[value("set-class").required()]);

/// The class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classify {
    /// The number before the colon.
    pub major: u16,
    /// The number after it.
    pub minor: u16,
}

impl Classify {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Classify> {
        args.plain("set-class", class)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("set-class", format_args!("{:04x}:{:04x}", self.major, self.minor));
    }

    /// Notes the class.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.class = Some(u32::from(self.major) << 16 | u32::from(self.minor));
        Effect::Continue
    }
}

fn class(word: &Word) -> Result<Classify, Diagnostic> {
    let number = |text: &str| {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
    };
    let parts = word.text.split_once(':');
    let both = parts.and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    both.map(|(major, minor)| Classify { major, minor }).ok_or_else(|| {
        word.mistake(format!("{:?} is not a traffic class", word.text))
            .help("MAJOR:MINOR, hexadecimal numbers up to ffff, such as 1:10")
    })
}
