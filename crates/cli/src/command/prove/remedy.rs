//! The smallest change of rules that closes an exposure, and what is left after it.
//!
//! A line in front of all others of its chain refuses the children of the box, and nothing else.
//! Nothing is claimed of it: the rules with the lines in them are proved anew.

use super::{Found, prove, reach, too_large};
use crate::args::{GatewayArgs, RuleArgs};
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::setup;
use crate::source::Text;
use kinwall_prove::addresses::{self, AddressRange};
use kinwall_prove::exposure::{Exposure, Flows};
use kinwall_prove::rulebook::Rulebook;
use kinwall_terms::{Family, L4Proto};
use std::fmt::Write as _;

/// Ports that `-m multiport` takes in one rule; a range counts as two.
const MULTIPORT_MAX: usize = 15;

/// What closes one exposure.
#[derive(Clone, Debug, Default)]
pub(super) struct Remedy {
    /// Commands of iptables or ip6tables.
    pub(super) lines: Vec<String>,
    /// What of the same kind is left with all lines of all exposures in place.
    pub(super) after: Vec<Flows>,
}

/// The remedies of all exposures of a family, and what is left of each after all of them.
pub(super) fn of_all(
    rules: &Rules,
    found: &Found<'_>,
    rule_args: &RuleArgs,
    gateway: &GatewayArgs,
) -> Result<Vec<Remedy>, Failure> {
    let name = |helper: u8| found.reach.given.instances.get(helper).map(|i| i.name.clone());
    let mut remedies: Vec<Remedy> = found
        .exposures
        .iter()
        .map(|exposure| {
            let helper = name(exposure.helper).unwrap_or_default();
            Remedy { lines: lines(found.family, &helper, &exposure.child), after: Vec::new() }
        })
        .collect();
    if remedies.is_empty() {
        return Ok(remedies);
    }
    let text =
        remedies.iter().flat_map(|remedy| &remedy.lines).fold(String::new(), |mut text, line| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{line}");
            text
        });
    let mut sources = rules.sources.clone();
    sources.push(Text { name: "the remedies".to_owned(), text, family: None });
    let changed = Rules::load(sources, &rule_args.defines)?;
    let engine = setup::engine(&changed, rule_args, gateway)?;
    let Some(ruleset) = changed.loaded.ruleset(found.family) else { return Ok(remedies) };
    let assumed = engine.program(found.family).into_iter().flat_map(|program| program.assumed());
    let book = Rulebook::new(ruleset, assumed);
    let quiet = |_: &str| {};
    let reach = reach(&engine, &book, (&[], &[]), &quiet).map_err(too_large)?;
    let mut after = Found::new(found.family, reach, &book);
    prove(&mut after).map_err(too_large)?;
    for (remedy, before) in remedies.iter_mut().zip(&found.exposures) {
        let same = after.exposures.iter().filter(|left| is_of(left, before));
        remedy.after = same.map(|left| left.child.clone()).collect();
    }
    Ok(remedies)
}

/// Whether what is left is of the same kind between the same places.
fn is_of(left: &Exposure, before: &Exposure) -> bool {
    let kind = |e: &Exposure| {
        (e.helper, e.class, e.hostile, e.signalling.parent, e.translated_by.is_empty())
    };
    let way = |e: &Exposure| (e.child.input, e.child.output, e.child.proto);
    kind(left) == kind(before) && way(left) == way(before)
}

/// The rules that refuse these children.
fn lines(family: Family, helper: &str, child: &Flows) -> Vec<String> {
    let tool = match family {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    };
    let (chain, ways) = match (child.input, child.output) {
        (Some(input), Some(output)) => ("FORWARD", format!(" -i {input} -o {output}")),
        (Some(input), None) => ("INPUT", format!(" -i {input}")),
        (None, Some(output)) => ("OUTPUT", format!(" -o {output}")),
        (None, None) => ("OUTPUT", " -o lo".to_owned()),
    };
    let proto = child.proto.map(|proto| format!(" -p {proto}")).unwrap_or_default();
    let from = networks(" -s ", &child.src);
    let to = networks(" -d ", &child.dst);
    let has_ports = matches!(
        child.proto,
        Some(L4Proto::TCP | L4Proto::UDP | L4Proto::UDPLITE | L4Proto::SCTP | L4Proto::DCCP)
    );
    let of = |what, ranges: &[(u16, u16)]| match has_ports {
        true => ports(what, ranges),
        false => vec![String::new()],
    };
    let (sports, dports) = (of("sport", &child.sport), of("dport", &child.dport));
    let mut lines = Vec::new();
    for sport in &sports {
        for dport in &dports {
            lines.push(format!(
                "{tool} -I {chain}{ways}{from}{to}{proto}{sport}{dport} -m conntrack \
                 --ctstate RELATED -m helper --helper {helper} -j DROP"
            ));
        }
    }
    lines
}

/// Nothing for every address.
fn networks(flag: &str, ranges: &[AddressRange]) -> String {
    let networks = addresses::networks(ranges);
    if networks.iter().any(|network| network.prefix_len() == 0) {
        return String::new();
    }
    let list: Vec<String> = networks.iter().map(ToString::to_string).collect();
    format!("{flag}{}", list.join(","))
}

/// One match for each rule that it takes.
fn ports(what: &str, ranges: &[(u16, u16)]) -> Vec<String> {
    let text = |&(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}:{last}"),
    };
    match ranges {
        [(0, u16::MAX)] => vec![String::new()],
        [one] => vec![format!(" --{what} {}", text(one))],
        several => several
            .chunks(MULTIPORT_MAX / 2)
            .map(|chunk| {
                let list: Vec<String> = chunk.iter().map(text).collect();
                format!(" -m multiport --{what}s {}", list.join(","))
            })
            .collect(),
    }
}
