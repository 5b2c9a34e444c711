//! Reasoning about rules without packets.
//!
//! [`mod@audit`] reads the rules and settings of a gateway and says what is unsafe about them,
//! where, why, and what to write instead. It never guesses: a finding names the rule at fault.

pub mod audit;
