//! Reasoning about rules.
//!
//! [`mod@audit`] reads the rules and settings of a gateway and says what is unsafe about them,
//! where, why, and what to write instead. It never guesses: a finding names the rule at fault.
//! [`why_not`] asks the engine at which rule a connection loses its helper.
//!
//! [`mod@language`] reads what an administrator wants ([`mod@intent`]), [`mod@plan`] turns it into
//! rules of no tool in particular, and [`mod@compile`] writes them for iptables or nftables.

pub mod audit;
pub mod beginning;
pub mod compile;
pub mod difference;
pub mod intent;
pub mod kinds;
pub mod language;
pub mod plan;
pub mod services;
pub mod why_not;
