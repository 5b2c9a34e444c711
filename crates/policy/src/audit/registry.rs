//! The list of checks.
//!
//! # How to add a check
//!
//! 1. Create `checks/NAME.rs` with `pub(super) fn run(&Gateway, &Visits, &mut Report)`. Its module
//!    doc says what is found and what is not.
//! 2. Add its `mod` line in `checks.rs` and its row there: a new code (codes are never used
//!    twice), the severity, a title, why it matters in two sentences, the exploit in one.
//! 3. Write the rows of its test: rules that have it, the nearest rules that do not.

use super::{Gateway, Report, Severity, Visits};
use std::fmt;

pub use super::checks::CHECKS;

/// A kind of finding.
pub struct Check {
    /// Its code, for good: `KW001`.
    pub code: &'static str,
    /// Its name in words with dashes.
    pub name: &'static str,
    /// How bad it is as a rule; a finding may say less.
    pub severity: Severity,
    /// What it finds, in half a sentence.
    pub title: &'static str,
    /// Why it matters, in two sentences.
    pub why: &'static str,
    /// How it is exploited, in one sentence.
    pub exploit: &'static str,
    /// What is to be written, in the words of nft.
    pub nft: &'static str,
    /// Looks for it.
    pub(crate) run: fn(&Gateway<'_>, &Visits<'_>, &mut Report),
}

impl Check {
    /// The check whose code is `code`, in any case.
    pub fn by_code(code: &str) -> Option<&'static Check> {
        CHECKS.iter().find(|check| check.code.eq_ignore_ascii_case(code))
    }
}

impl PartialEq for Check {
    fn eq(&self, other: &Check) -> bool {
        self.code == other.code
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}
