//! Reasoning about rules.
//!
//! [`mod@audit`] reads the rules and settings of a gateway and says what is unsafe about them,
//! where, why, and what to write instead. It never guesses: a finding names the rule at fault.
//! [`why_not`] asks the engine at which rule a connection loses its helper.

pub mod audit;
pub mod why_not;
