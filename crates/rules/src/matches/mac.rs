//! `-m mac --mac-source 00:11:22:33:44:55`: the sender on the link.
//!
//! Where the link layer is not known the match cannot be evaluated.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use kinwall_terms::Hook;

/// What the match declares.
pub const SPEC: Spec = Spec::new("mac")
    .passive()
    .hooks(&[Hook::Prerouting, Hook::Input, Hook::Forward])
    .options(&[value("mac-source").invert().required()]);

/// Which sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac {
    /// Its address.
    pub source: Test<[u8; 6]>,
}

impl Mac {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Mac> {
        Some(Mac { source: args.read("mac-source", address)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let [a, b, c, d, e, f] = self.source.value;
        let text = format_args!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}").to_string();
        out.not(self.source.invert).value("mac-source", text);
    }

    /// Compares the sender's address. What the gateway itself sends came by no link.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        if scene.facts.local {
            return Answer::No;
        }
        match scene.facts.link.src_mac {
            Some(mac) => self.source.holds(|wanted| *wanted == mac).into(),
            None => Answer::Unknown,
        }
    }
}

/// Six numbers of one or two hexadecimal digits.
pub(crate) fn address(word: &Word) -> Result<[u8; 6], Diagnostic> {
    let mut address = [0; 6];
    let mut parts = word.text.split(':');
    let digits = |part: &str| {
        let legal = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
        legal.then(|| u8::from_str_radix(part, 16).ok()).flatten()
    };
    let read = address.iter_mut().all(|octet| match parts.next().and_then(digits) {
        Some(value) => {
            *octet = value;
            true
        }
        None => false,
    });
    match read && parts.next().is_none() {
        true => Ok(address),
        false => Err(word.mistake(format!("{:?} is not a link-layer address", word.text)).help(
            match word.text.to_ascii_lowercase().as_str() {
                "xx:xx:xx:xx:xx:xx" => "it was masked out: write the address, or one nobody has",
                _ => "six hexadecimal numbers, such as 00:11:22:33:44:55",
            },
        )),
    }
}
