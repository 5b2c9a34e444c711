//! Sources to rule sets: every file read, every mistake reported.

use crate::check::check;
use crate::diagnostic::{Diagnostic, Mistakes};
use crate::file;
use crate::ruleset::Ruleset;
use kinwall_terms::Family;

/// One source text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name, for messages and as a hint of its family.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Its family, when the user said so.
    pub family: Option<Family>,
}

/// What the sources say.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The rule sets by family; `None` where no source speaks of the family.
    pub rulesets: [Option<Ruleset>; 2],
}

impl Loaded {
    /// The rule set of `family`.
    pub fn ruleset(&self, family: Family) -> Option<&Ruleset> {
        self.rulesets[family.index()].as_ref()
    }
}

/// Reads all sources, in order.
///
/// # Errors
/// All mistakes of all sources, by source and place.
pub fn load(sources: &[Source<'_>]) -> Result<Loaded, Vec<Diagnostic>> {
    let mut mistakes = Mistakes::default();
    let mut loaded = Loaded::default();
    for (index, source) in sources.iter().enumerate() {
        mistakes.file = u16::try_from(index).unwrap_or(u16::MAX);
        let family = source.family.unwrap_or(Family::Ipv4);
        let ruleset = loaded.rulesets[family.index()].get_or_insert_with(|| Ruleset::new(family));
        file::read(source.text, ruleset, &mut mistakes);
    }
    for ruleset in loaded.rulesets.iter().flatten() {
        check(ruleset, &mut mistakes);
    }
    match mistakes.into_sorted() {
        list if list.is_empty() => Ok(loaded),
        list => Err(list),
    }
}
