//! What is wrong with the rules and settings of a gateway today.
//!
//! One file per finding in `checks/`, one row each in [`registry`]. A check sees the gateway
//! through [`Gateway`] and the rules as [`Visit`]s, which put each rule behind the jumps that
//! lead to it, and reports [`Finding`]s.

mod allow;
mod checks;
pub mod finding;
pub mod gateway;
pub mod registry;
mod sources;
mod translation;
pub mod visit;

pub use finding::{Finding, Place, Severity};
pub use gateway::{Gateway, Refused};
pub use registry::{CHECKS, Check};
pub use visit::{Visit, Visits};

/// Everything that is wrong with `gateway`, the worst first, then by family and place.
pub fn audit(gateway: &Gateway<'_>) -> Vec<Finding> {
    let visits = Visits::of(gateway);
    let mut findings = Vec::new();
    for check in CHECKS {
        let mut report = Report { check, is_of_nft: gateway.is_of_nft(), found: Vec::new() };
        (check.run)(gateway, &visits, &mut report);
        findings.append(&mut report.found);
    }
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (std::cmp::Reverse(f.severity), f.check.code, f.family);
        key(a).cmp(&key(b)).then_with(|| a.origin().cmp(&b.origin()))
    });
    findings.dedup();
    findings
}

/// Where a check puts what it finds.
pub struct Report {
    check: &'static Check,
    is_of_nft: bool,
    found: Vec<Finding>,
}

impl Report {
    /// Starts a finding with the check's own severity; [`Finding`]'s builders say the rest.
    pub fn add(&mut self, message: impl Into<String>, fix: impl Into<String>) -> &mut Finding {
        self.found.push(Finding {
            check: self.check,
            severity: self.check.severity,
            family: None,
            place: None,
            rule: None,
            related: Vec::new(),
            message: message.into(),
            fix: fix.into(),
            allowed: None,
            is_of_nft: self.is_of_nft,
        });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }
}
