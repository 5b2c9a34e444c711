//! Module options: their kinds, and their values.

use crate::helper::Helper;

/// Options a module has at most.
pub const OPTIONS_MAX_COUNT: usize = 8;

/// Position of an option in a helper's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionIndex(pub u8);

/// An option of a module, as `modprobe MODULE NAME=VALUE` sets it.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: OptionKind,
    /// What it holds unless set.
    pub default: u32,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// The value that takes away protection, if there is one.
    pub dangerous: Option<u32>,
}

/// What an option may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Yes or no.
    Bool,
    /// A number from the first to the second, inclusive.
    Number(u32, u32),
    /// One of these words; the value is its position.
    Word(&'static [&'static str]),
}

impl OptionKind {
    /// Reads `text`: numbers as the kernel reads them (decimal, `0x` hexadecimal, leading `0`
    /// octal), yes and no as 1, 0, y, n, yes, no, on, off, true, false.
    pub fn parse(self, text: &str) -> Option<u32> {
        match self {
            OptionKind::Bool => match text.to_ascii_lowercase().as_str() {
                "1" | "y" | "yes" | "on" | "true" => Some(1),
                "0" | "n" | "no" | "off" | "false" => Some(0),
                _ => None,
            },
            OptionKind::Number(low, high) => {
                parse_number(text).filter(|number| (low..=high).contains(number))
            }
            OptionKind::Word(words) => {
                words.iter().position(|word| *word == text).and_then(|i| u32::try_from(i).ok())
            }
        }
    }

    /// What would be right, for an error.
    pub fn expects(self) -> String {
        match self {
            OptionKind::Bool => "1 or 0".to_owned(),
            OptionKind::Number(low, high) => format!("a number from {low} to {high}"),
            OptionKind::Word(words) => format!("one of {}", words.join(", ")),
        }
    }
}

/// A number as the kernel reads one in a module option.
pub(crate) fn parse_number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None if lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
        None => (lower.as_str(), 10),
    };
    let digits_only = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if digits_only { u32::from_str_radix(digits, radix).ok() } else { None }
}

/// The values of a module's options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionValues([u32; OPTIONS_MAX_COUNT]);

impl OptionValues {
    /// The defaults of `helper`.
    pub fn defaults(helper: &Helper) -> OptionValues {
        let mut values = [0; OPTIONS_MAX_COUNT];
        for (value, spec) in values.iter_mut().zip(helper.options) {
            *value = spec.default;
        }
        OptionValues(values)
    }

    /// The value of an option; 0 beyond the list.
    pub fn number(&self, index: OptionIndex) -> u32 {
        self.0.get(usize::from(index.0)).copied().unwrap_or(0)
    }

    /// Whether an option is other than 0.
    pub fn flag(&self, index: OptionIndex) -> bool {
        self.number(index) != 0
    }

    /// Sets the option at `index` of the helper's list; nothing beyond the list.
    pub fn set(&mut self, index: OptionIndex, value: u32) {
        if let Some(place) = self.0.get_mut(usize::from(index.0)) {
            *place = value;
        }
    }

    /// Whether option `name` of `helper` holds what `value` says (as [`OptionKind::parse`] reads
    /// it). An option that does not exist holds nothing.
    pub fn is(&self, helper: &Helper, name: &str, value: &str) -> bool {
        let spec = helper.options.iter().zip(&self.0).find(|(spec, _)| spec.name == name);
        spec.is_some_and(|(spec, held)| spec.kind.parse(value) == Some(*held))
    }
}

/// A number that is fixed, or held by an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Always this.
    Fixed(u32),
    /// What the option holds.
    Option(OptionIndex),
}

impl Quantity {
    /// The number under `options`.
    pub fn value(self, options: &OptionValues) -> u32 {
        match self {
            Quantity::Fixed(number) => number,
            Quantity::Option(index) => options.number(index),
        }
    }
}
