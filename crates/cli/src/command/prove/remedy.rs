//! The smallest change of rules that closes an exposure, and what is left after it.
//!
//! A line in front of all others of its chain refuses the children of the box, and nothing else.
//! Nothing is claimed of it: the rules with the lines in them are proved anew.

use super::{Found, prove, reach, too_large};
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::setup::Gateway;
use crate::source::Text;
use kinwall_prove::addresses::{self, AddressRange};
use kinwall_prove::exposure::{Exposure, Flows};
use kinwall_prove::rulebook::Rulebook;
use kinwall_terms::{Family, InterfaceName, L4Proto};
use std::fmt::Write as _;

/// Ports that `-m multiport` takes in one rule; a range counts as two.
const MULTIPORT_MAX: usize = 15;

/// What closes one exposure.
#[derive(Clone, Debug, Default)]
pub(super) struct Remedy {
    /// Commands of iptables or ip6tables, or of nft where the rules are of nftables.
    pub(super) lines: Vec<String>,
    /// What of the same kind is left with all lines of all exposures in place.
    pub(super) after: Vec<Flows>,
}

/// The remedies of all exposures of a family, and what is left of each after all of them.
pub(super) fn of_all(
    rules: &Rules,
    found: &Found<'_>,
    gateway: &Gateway<'_>,
) -> Result<Vec<Remedy>, Failure> {
    let name = |helper: u8| found.reach.given.instances.get(helper).map(|i| i.name.clone());
    if found.exposures.is_empty() {
        return Ok(Vec::new());
    }
    let refusals: Vec<Refusal<'_>> = found
        .exposures
        .iter()
        .map(|exposure| {
            let helper = name(exposure.helper).unwrap_or_default();
            Refusal { family: found.family, helper, child: &exposure.child }
        })
        .collect();
    let is_of_nft = found.book.rules().any(|rule| rule.native.is_some());
    let mut remedies: Vec<Remedy> = refusals
        .iter()
        .map(|refusal| {
            let lines = if is_of_nft { refusal.of_nft() } else { refusal.of_iptables() };
            Remedy { lines, after: Vec::new() }
        })
        .collect();
    // The model is that of iptables, whoever wrote the rules.
    let mut text = String::new();
    for line in refusals.iter().flat_map(Refusal::of_iptables) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    }
    let mut sources = rules.sources.clone();
    sources.push(Text { name: "the remedies".to_owned(), text, family: None });
    let changed = Rules::load(sources, gateway.defines())?;
    let engine = gateway.engine(&changed)?;
    let Some(ruleset) = changed.loaded.ruleset(found.family) else { return Ok(remedies) };
    let assumed = engine.program(found.family).into_iter().flat_map(|program| program.assumed());
    let book = Rulebook::new(ruleset, assumed).with_sets(&engine.memory().sets);
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

/// What refuses the children of an exposure.
struct Refusal<'a> {
    family: Family,
    helper: String,
    child: &'a Flows,
}

impl Refusal<'_> {
    /// As commands of iptables or ip6tables.
    fn of_iptables(&self) -> Vec<String> {
        let tool = match self.family {
            Family::Ipv4 => "iptables",
            Family::Ipv6 => "ip6tables",
        };
        let (child, chain) = (self.child, self.hook().to_ascii_uppercase());
        let ways = self.ways().map(|(of_nft, name)| match of_nft {
            "iifname" => format!(" -i {name}"),
            _ => format!(" -o {name}"),
        });
        let ways: String = ways.collect();
        let proto = child.proto.map(|proto| format!(" -p {proto}")).unwrap_or_default();
        let networks = |flag: &str, ranges| match networks(ranges) {
            Some(list) => format!(" {flag} {}", list.join(",")),
            None => String::new(),
        };
        let (from, to) = (networks("-s", &child.src), networks("-d", &child.dst));
        let [sports, dports] =
            [("sport", &child.sport), ("dport", &child.dport)].map(|(what, ranges)| {
                match self.has_ports() {
                    true => ports(what, ranges),
                    false => vec![String::new()],
                }
            });
        let mut lines = Vec::new();
        for sport in &sports {
            for dport in &dports {
                lines.push(format!(
                    "{tool} -I {chain}{ways}{from}{to}{proto}{sport}{dport} -m conntrack \
                     --ctstate RELATED -m helper --helper {} -j DROP",
                    self.helper
                ));
            }
        }
        lines
    }

    /// As commands of nft, in a table of their own: what is dropped in one is dropped, whatever
    /// other tables accept, and no other tool takes the table for its own.
    fn of_nft(&self) -> Vec<String> {
        let (child, hook) = (self.child, self.hook());
        let family = match self.family {
            Family::Ipv4 => "ip",
            Family::Ipv6 => "ip6",
        };
        let mut tests: Vec<String> =
            self.ways().map(|(what, name)| format!("{what} \"{name}\"")).collect();
        for (what, ranges) in [("saddr", &child.src), ("daddr", &child.dst)] {
            tests.extend(networks(ranges).map(|list| format!("{family} {what} {}", one_of(&list))));
        }
        if !tests.iter().any(|test| test.starts_with("ip ") || test.starts_with("ip6 ")) {
            tests.push(format!("meta nfproto {}", self.family.to_string().to_ascii_lowercase()));
        }
        match child.proto {
            Some(proto) if self.has_ports() => {
                let of = [("sport", &child.sport), ("dport", &child.dport)];
                let ports = of.into_iter().filter(|(_, ranges)| !is_every_port(ranges));
                let before = tests.len();
                tests.extend(ports.map(|(what, ranges)| {
                    let list: Vec<String> = ranges.iter().map(|port| range(port, '-')).collect();
                    format!("{proto} {what} {}", one_of(&list))
                }));
                if tests.len() == before {
                    tests.push(format!("meta l4proto {proto}"));
                }
            }
            Some(proto) => tests.push(format!("meta l4proto {proto}")),
            None => {}
        }
        let tests = tests.join(" ");
        vec![
            "nft add table inet kinwall".to_owned(),
            format!(
                "nft 'add chain inet kinwall {hook} {{ type filter hook {hook} priority filter; }}'"
            ),
            format!(
                "nft 'add rule inet kinwall {hook} {tests} ct state related ct helper \"{}\" drop'",
                self.helper
            ),
        ]
    }

    /// The hook that the children come by.
    fn hook(&self) -> &'static str {
        match (self.child.input, self.child.output) {
            (Some(_), Some(_)) => "forward",
            (Some(_), None) => "input",
            (None, _) => "output",
        }
    }

    /// The interfaces that they come by, in nft's words.
    fn ways(&self) -> impl Iterator<Item = (&'static str, InterfaceName)> {
        let ways = match (self.child.input, self.child.output) {
            (None, None) => (None, Some(InterfaceName::LOOPBACK)),
            ways => ways,
        };
        let input = ways.0.map(|name| ("iifname", name));
        input.into_iter().chain(ways.1.map(|name| ("oifname", name)))
    }

    fn has_ports(&self) -> bool {
        matches!(
            self.child.proto,
            Some(L4Proto::TCP | L4Proto::UDP | L4Proto::UDPLITE | L4Proto::SCTP | L4Proto::DCCP)
        )
    }
}

/// The networks; `None` for every address.
fn networks(ranges: &[AddressRange]) -> Option<Vec<String>> {
    let networks = addresses::networks(ranges);
    let is_everything = networks.iter().any(|network| network.prefix_len() == 0);
    (!is_everything).then(|| networks.iter().map(ToString::to_string).collect())
}

/// One thing, or a set of nft.
fn one_of(list: &[String]) -> String {
    match list {
        [one] => one.clone(),
        several => format!("{{ {} }}", several.join(", ")),
    }
}

fn is_every_port(ranges: &[(u16, u16)]) -> bool {
    ranges == [(0, u16::MAX)]
}

fn range(&(first, last): &(u16, u16), between: char) -> String {
    match first == last {
        true => first.to_string(),
        false => format!("{first}{between}{last}"),
    }
}

/// One match of iptables for each rule that it takes.
fn ports(what: &str, ranges: &[(u16, u16)]) -> Vec<String> {
    match ranges {
        all if is_every_port(all) => vec![String::new()],
        [one] => vec![format!(" --{what} {}", range(one, ':'))],
        several => several
            .chunks(MULTIPORT_MAX / 2)
            .map(|chunk| {
                let list: Vec<String> = chunk.iter().map(|port| range(port, ':')).collect();
                format!(" -m multiport --{what}s {}", list.join(","))
            })
            .collect(),
    }
}
