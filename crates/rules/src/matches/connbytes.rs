//! `-m connbytes --connbytes 10000:100000 --connbytes-mode bytes --connbytes-dir both`: how much
//! the connection has carried so far.
//!
//! A packet whose connection is not known or not counted does not match, negated or not. Linux
//! switches counting on when a rule asks.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Range, choice, parse_number};
use kinwall_terms::ct::Counter;

/// What the match declares.
pub const SPEC: Spec = Spec::new("connbytes").passive().options(&[
    value("connbytes").invert().required(),
    value("connbytes-mode").required(),
    value("connbytes-dir").required(),
]);

/// How much; every packet of a counted connection is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connbytes {
    /// The range.
    pub range: Test<Range<u64>>,
    /// What is counted.
    pub mode: Mode,
    /// In which direction.
    pub direction: Way,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Packets.
    Packets,
    /// Bytes, from the network header on.
    Bytes,
    /// Bytes a packet.
    Average,
}

/// Which direction counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// That of the first packet.
    Original,
    /// The other one.
    Reply,
    /// Both together.
    Both,
}

const MODES: &[(&str, Mode)] =
    &[("packets", Mode::Packets), ("bytes", Mode::Bytes), ("avgpkt", Mode::Average)];
const WAYS: &[(&str, Way)] =
    &[("original", Way::Original), ("reply", Way::Reply), ("both", Way::Both)];

impl Connbytes {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Connbytes> {
        let range = args.read("connbytes", range);
        let mode = args.plain("connbytes-mode", choice(MODES));
        let direction = args.plain("connbytes-dir", choice(WAYS));
        Some(Connbytes { range: range?, mode: mode?, direction: direction? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let Range { min, max } = self.range.value;
        out.not(self.range.invert);
        match max {
            u64::MAX => out.value("connbytes", min),
            max => out.value("connbytes", format_args!("{min}:{max}")),
        };
        let mode = MODES.iter().find(|(_, mode)| *mode == self.mode).map_or("", |m| m.0);
        let way = WAYS.iter().find(|(_, way)| *way == self.direction).map_or("", |w| w.0);
        out.value("connbytes-mode", mode).value("connbytes-dir", way);
    }

    /// Compares the connection's counters.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let Some([original, reply]) = scene.facts.ct.and_then(|ct| ct.counters) else {
            return Answer::No;
        };
        let Counter { packets, bytes } = match self.direction {
            Way::Original => original,
            Way::Reply => reply,
            Way::Both => Counter {
                packets: original.packets.saturating_add(reply.packets),
                bytes: original.bytes.saturating_add(reply.bytes),
            },
        };
        let what = match self.mode {
            Mode::Packets => packets,
            Mode::Bytes => bytes,
            Mode::Average => bytes.checked_div(packets).unwrap_or(0),
        };
        self.range.holds(|range| range.contains(what)).into()
    }
}

fn range(word: &Word) -> Result<Range<u64>, Diagnostic> {
    let end = |text: &str, open: u64| match text {
        "" => Some(open),
        text => parse_number(text),
    };
    let ends = match word.text.split_once(':') {
        Some((min, max)) => end(min, 0).zip(end(max, u64::MAX)),
        None => parse_number(&word.text).map(|min| (min, u64::MAX)),
    };
    match ends {
        Some((min, max)) if min <= max => Ok(Range { min, max }),
        Some((min, max)) => Err(word
            .mistake(format!("the range {} ends before it begins", word.text))
            .help(format!("write {max}:{min}"))),
        None => Err(word
            .mistake(format!("{:?} is not a range", word.text))
            .help("FROM or FROM:TO, whole numbers")),
    }
}
