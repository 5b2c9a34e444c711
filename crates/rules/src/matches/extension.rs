//! What the matches of IPv6 extension headers share: ranges, lengths, options, and the header's
//! bytes.

use crate::diagnostic::Diagnostic;
use crate::eval::Scene;
use crate::lex::Word;
use crate::option::{Args, Test};
use crate::value::{Range, number_u8, range};
use kinwall_wire::ExtensionKind;
use std::fmt;

/// The range of an option, when it says something: not all of them. Its negation matches no
/// packet; Linux's tool prints it as if it matched all, so it is refused.
pub(super) fn narrow(args: &mut Args<'_>, name: &str) -> Option<Test<Range<u32>>> {
    let test = args.read(name, range_u32)?;
    if (test.value.min, test.value.max) != (0, u32::MAX) {
        return Some(test);
    }
    if test.invert {
        let message = format!("! --{name} with the whole range matches no packet");
        args.report_at(name, message, "iptables-save prints it as if it matched all: remove it");
    }
    None
}

/// A range of 32-bit numbers.
pub(super) fn range_u32(word: &Word) -> Result<Range<u32>, Diagnostic> {
    let Range { min, max } = range(0, u64::from(u32::MAX))(word)?;
    Ok(Range { min: min as u32, max: max as u32 })
}

/// The first header of a kind, from its first byte to the end of the packet.
pub(super) fn header<'a>(scene: &Scene<'a, '_>, kind: ExtensionKind) -> Option<&'a [u8]> {
    let facts = scene.facts;
    let offset = usize::from(facts.headers.extensions.offset(kind)?);
    facts.headers.packet(facts.bytes).get(offset..)
}

/// The 32-bit number at `offset`.
pub(super) fn number_at(header: &[u8], offset: usize) -> Option<u32> {
    let bytes = header.get(offset..offset + 4)?;
    Some(u32::from_be_bytes(<[u8; 4]>::try_from(bytes).ok()?))
}

/// An option of a hop-by-hop or destination options header: its type, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionOf {
    /// The type.
    pub kind: u8,
    /// The length of its content in bytes; `None`: any.
    pub length: Option<u8>,
}

impl fmt::Display for OptionOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Some(length) => write!(f, "{}:{length}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

/// The most options of a list.
pub const OPTIONS_MAX: usize = 16;

/// `TYPE[:LENGTH],...`
pub(super) fn options(word: &Word) -> Result<Vec<OptionOf>, Diagnostic> {
    let mut options = Vec::new();
    let number = |text: &str| number_u8(&Word { text: text.to_owned(), ..word.clone() });
    for part in word.text.split(',') {
        options.push(match part.split_once(':') {
            Some((kind, length)) => OptionOf { kind: number(kind)?, length: Some(number(length)?) },
            None => OptionOf { kind: number(part)?, length: None },
        });
    }
    match options.len() <= OPTIONS_MAX {
        true => Ok(options),
        false => Err(word.mistake("too many options").help(format!("at most {OPTIONS_MAX}"))),
    }
}

/// The list as it is written.
pub(super) fn print_options(options: &[OptionOf]) -> String {
    options.iter().map(OptionOf::to_string).collect::<Vec<_>>().join(",")
}

/// Whether a header's options begin with the wanted ones, in order and without gap; padding
/// counts as any option does. `header` begins with next header and length.
pub(super) fn begins_with(header: &[u8], wanted: &[OptionOf]) -> bool {
    let length = header.get(1).map_or(0, |length| (usize::from(*length) + 1) * 8);
    let mut rest = header.get(2..length.min(header.len())).unwrap_or(&[]);
    for option in wanted {
        let Some((kind, tail)) = rest.split_first() else { return false };
        if *kind != option.kind {
            return false;
        }
        // Pad1 (0) is a single byte.
        let Some(length) = (if *kind == 0 { Some(0) } else { tail.first().copied() }) else {
            return false;
        };
        if option.length.is_some_and(|wanted| *kind != 0 && wanted != length) {
            return false;
        }
        let taken = if *kind == 0 { 1 } else { 2 + usize::from(length) };
        rest = rest.get(taken..).unwrap_or(&[]);
    }
    true
}
