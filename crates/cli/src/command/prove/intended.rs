//! `--policy`: what of everything found a policy wants.
//!
//! The policy is compiled, and its rules are proved like those that were given. What its intents
//! open is wanted; everything else that is open is not. Compared are boxes: one that lies in
//! several of the policy's is told as unwanted.

use super::{Found, prove, reach, too_large};
use crate::command::policy;
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::setup::Gateway;
use crate::source::Text;
use kinwall_policy::compile::{Target, compile};
use kinwall_prove::addresses::AddressRange;
use kinwall_prove::exposure::{Exposure, Flows, Peer};
use kinwall_prove::rulebook::Rulebook;
use kinwall_rules::matches::Match;
use kinwall_terms::Family;
use std::collections::BTreeSet;
use std::path::Path;

/// What was found, beside what is wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    /// By exposure, the intents that want it.
    pub(super) wanted_by: Vec<Vec<String>>,
    /// What intents want, and is not open.
    pub(super) missing: Vec<Missing>,
}

impl Compared {
    /// Whether something is open that no intent wants.
    pub(super) fn has_unwanted(&self) -> bool {
        self.wanted_by.iter().any(Vec::is_empty)
    }
}

/// What an intent wants and is not open.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    pub(super) helper: String,
    pub(super) intents: Vec<String>,
    pub(super) child: Flows,
}

/// The rules of a policy.
pub(super) fn read(path: &Path, gateway: &Gateway<'_>) -> Result<Rules, Failure> {
    let (policy, name) = policy::read(path, Some(gateway.kernel))?;
    let files = compile(&policy, Target::Iptables, &name);
    let families = [("rules.v4", Family::Ipv4), ("rules.v6", Family::Ipv6)];
    let texts = families.into_iter().filter_map(|(name, family)| {
        let file = files.iter().find(|file| file.name == name)?;
        Some(Text { name: name.to_owned(), text: file.text.clone(), family: Some(family) })
    });
    Rules::load(texts.collect(), &[])
}

/// Compares what was found in a family with what the policy's rules open.
pub(super) fn compare(
    wanted: &Rules,
    found: &Found<'_>,
    gateway: &Gateway<'_>,
) -> Result<Compared, Failure> {
    let mut engine = gateway.engine(wanted)?;
    engine.set_translation(true);
    let Some(ruleset) = wanted.loaded.ruleset(found.family) else {
        return Ok(Compared { wanted_by: vec![vec![]; found.exposures.len()], missing: vec![] });
    };
    let book = Rulebook::new(ruleset, []);
    let quiet = |_: &str| {};
    let reach = reach(&engine, &book, (&[], &[]), &quiet).map_err(too_large)?;
    let mut ours = Found::new(found.family, reach, &book);
    prove(&mut ours).map_err(too_large)?;
    let intents = |exposure: &Exposure| -> BTreeSet<String> {
        let rules = exposure.rules.iter().filter_map(|id| book.rule(*id));
        let comments = rules.flat_map(|rule| &rule.matches).filter_map(|found| match found {
            Match::Comment(comment) => Some(comment.text.to_string()),
            _ => None,
        });
        comments.collect()
    };
    let wanted_by = found.exposures.iter().map(|open| {
        let lies_in = ours.exposures.iter().filter(|wanted| lies_in(open, wanted));
        lies_in.flat_map(intents).collect::<BTreeSet<_>>().into_iter().collect()
    });
    let missing = ours.exposures.iter().filter(|wanted| {
        !found.exposures.iter().any(|open| kind(open) == kind(wanted) && meet(open, wanted))
    });
    let name = |helper: u8| ours.reach.given.instances.get(helper).map(|i| i.name.clone());
    let missing = missing.map(|wanted| Missing {
        helper: name(wanted.helper).unwrap_or_default(),
        intents: intents(wanted).into_iter().collect(),
        child: wanted.child.clone(),
    });
    Ok(Compared { wanted_by: wanted_by.collect(), missing: missing.collect() })
}

fn kind(exposure: &Exposure) -> impl PartialEq {
    let Exposure { helper, class, hostile, signalling, child, .. } = exposure;
    (*helper, *class, *hostile, signalling.parent, child.input, child.output, child.proto)
}

/// Whether everything of one exposure is among the other's.
fn lies_in(open: &Exposure, wanted: &Exposure) -> bool {
    let ends = |e: &Exposure| [e.signalling.from.clone(), e.signalling.to.clone()];
    let [a, b] = [&open.child, &wanted.child];
    kind(open) == kind(wanted)
        && ends(open).iter().zip(&ends(wanted)).all(|(a, b)| peer_in(a, b))
        && ports_in(&open.signalling.dport, &wanted.signalling.dport)
        && addresses_in(&a.src, &b.src)
        && addresses_in(&a.dst, &b.dst)
        && ports_in(&a.sport, &b.sport)
        && ports_in(&a.dport, &b.dport)
}

/// Whether any address of the children is among the other's.
fn meet(open: &Exposure, wanted: &Exposure) -> bool {
    let meet = |a: &[AddressRange], b: &[AddressRange]| {
        a.iter().any(|a| b.iter().any(|b| a.first <= b.last && b.first <= a.last))
    };
    let [a, b] = [&open.child, &wanted.child];
    meet(&a.src, &b.src) && meet(&a.dst, &b.dst)
}

fn peer_in(a: &Peer, b: &Peer) -> bool {
    a.interfaces.iter().all(|name| b.interfaces.contains(name))
        && addresses_in(&a.addresses, &b.addresses)
}

fn addresses_in(a: &[AddressRange], b: &[AddressRange]) -> bool {
    a.iter().all(|a| b.iter().any(|b| b.first <= a.first && a.last <= b.last))
}

fn ports_in(a: &[(u16, u16)], b: &[(u16, u16)]) -> bool {
    a.iter().all(|a| b.iter().any(|b| b.0 <= a.0 && a.1 <= b.1))
}
