//! `-m rateest --rateest1 RE1 --rateest-lt --rateest-bps --rateest2 RE2`: the rates that RATEEST
//! rules measure. It is read and printed; packets are not asked.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{number_u32, text};

/// What the match declares.
pub const SPEC: Spec = Spec::new("rateest").not_evaluated().options(&[
    value("rateest1").alias(&["rateest"]).required(),
    value("rateest2"),
    flag("rateest-delta"),
    value("rateest-bps1").alias(&["rateest-bps"]).optional(),
    value("rateest-bps2").optional(),
    value("rateest-pps1").alias(&["rateest-pps"]).optional(),
    value("rateest-pps2").optional(),
    flag("rateest-lt").invert().excludes(&["rateest-gt", "rateest-eq"]),
    flag("rateest-gt").invert().excludes(&["rateest-eq"]),
    flag("rateest-eq").invert(),
]);

/// The longest name of an estimator, in bytes.
pub const NAME_LENGTH_MAX: usize = 15;

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rateest {
    /// The estimator.
    pub first: String,
    /// The estimator it is compared with; `None`: with the numbers.
    pub second: Option<String>,
    /// Whether the differences to the numbers are compared.
    pub delta: bool,
    /// How: the option's name.
    pub mode: Test<&'static str>,
    /// Bytes a second, for the first and the second, where they are compared.
    pub bytes: Option<[u32; 2]>,
    /// Packets a second, likewise.
    pub packets: Option<[u32; 2]>,
}

impl Rateest {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Rateest> {
        if !args.one_of(&["rateest-lt", "rateest-gt", "rateest-eq"])
            || !args.one_of(&["rateest-bps1", "rateest-bps2", "rateest-pps1", "rateest-pps2"])
        {
            return None;
        }
        let modes = ["rateest-lt", "rateest-gt", "rateest-eq"];
        let mode =
            modes.iter().find_map(|name| Some(Test { invert: args.flag(name)?, value: *name }));
        let second = args.plain("rateest2", text(NAME_LENGTH_MAX));
        let delta = args.has("rateest-delta");
        let wanted = delta || second.is_none();
        let mut pair = |names: [&str; 2], read: fn(&Word) -> Result<u32, Diagnostic>| {
            let given = names.iter().any(|name| args.has(name));
            let values = names.map(|name| args.plain(name, read).filter(|_| wanted).unwrap_or(0));
            given.then_some(values)
        };
        let bytes = pair(["rateest-bps1", "rateest-bps2"], rate);
        let packets = pair(["rateest-pps1", "rateest-pps2"], number_u32);
        let first = args.plain("rateest1", text(NAME_LENGTH_MAX))?;
        Some(Rateest { first, second, delta, mode: mode?, bytes, packets })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.flag("rateest-delta", self.delta);
        let relative = self.second.is_some();
        out.value(if relative { "rateest1" } else { "rateest" }, &self.first);
        let bits = |rate: u32| match u64::from(rate) * 8 {
            bits @ 1_000_000_000.. => format!("{}Mbit", (bits + 500_000) / 1_000_000),
            bits @ 1_000_000.. => format!("{}Kbit", (bits + 500) / 1000),
            bits => format!("{bits}bit"),
        };
        let bytes = self.bytes.map(|rates| rates.map(bits));
        let packets = self.packets.map(|rates| rates.map(|rate| rate.to_string()));
        for (unit, rates) in [("bps", bytes), ("pps", packets)] {
            let Some([first, second]) = rates else { continue };
            if self.delta {
                out.value(&format!("rateest-{unit}1"), &first);
            }
            out.not(self.mode.invert).flag(self.mode.value, true);
            match (self.delta, relative) {
                (true, _) => out.value(&format!("rateest-{unit}2"), second),
                (false, true) => out.flag(&format!("rateest-{unit}"), true),
                (false, false) => out.value(&format!("rateest-{unit}"), first),
            };
        }
        if let Some(second) = &self.second {
            out.value("rateest2", second);
        }
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}

/// A rate of bits (`kbit`, `mbit`) or bytes (`kbps`, `mbps`) a second, as bytes a second.
fn rate(word: &Word) -> Result<u32, Diagnostic> {
    let units: [(&str, f64); 11] = [
        ("kibit", 1024.0),
        ("kbit", 1000.0),
        ("mibit", 1_048_576.0),
        ("mbit", 1_000_000.0),
        ("gbit", 1_000_000_000.0),
        ("kibps", 8192.0),
        ("kbps", 8000.0),
        ("mibps", 8_388_608.0),
        ("mbps", 8_000_000.0),
        ("gbps", 8_000_000_000.0),
        ("bps", 8.0),
    ];
    let lower = word.text.to_ascii_lowercase();
    let lower = lower
        .strip_suffix("bit")
        .filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(&lower);
    let found = units.iter().find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, *factor)));
    let (number, factor) = found.unwrap_or((lower, 1.0));
    let bytes = number.parse::<f64>().map(|number| number * factor / 8.0);
    match bytes {
        Ok(bytes) if (0.0..=f64::from(u32::MAX)).contains(&bytes) => Ok(bytes as u32),
        _ => Err(word
            .mistake(format!("{:?} is not a rate", word.text))
            .help("such as 512kbit (bits a second) or 64kbps (bytes a second)")),
    }
}
