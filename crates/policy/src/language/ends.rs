//! Hosts and groups: names for addresses, and the segment where each lives.

use super::file::{File, HostEntry, Names};
use super::segments::RESERVED;
use super::{Reader, is_name, nearest};
use crate::intent::{End, Segment, of};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use toml::Spanned;

/// What each name stands for.
pub(super) struct Known(BTreeMap<String, Vec<End>>);

impl Reader<'_> {
    /// Every name that an intent may use.
    pub(super) fn names(&mut self, file: &File, segments: &[Segment]) -> Known {
        let mut known = BTreeMap::from([(String::from("gateway"), vec![End::Gateway])]);
        for (n, segment) in segments.iter().enumerate() {
            known.insert(segment.name.clone(), vec![End::Segment(n)]);
        }
        for host in &file.host {
            let ends = self.host(host, segments);
            self.name(&host.name, ends, &mut known);
        }
        // Groups may hold groups that stand before them.
        for group in &file.group {
            let mut ends = Vec::new();
            for member in &group.members {
                match known.get(member.get_ref()) {
                    Some(found) => ends.extend(found.iter().cloned()),
                    None => self.unknown(member.span(), member.get_ref(), &known),
                }
            }
            if group.members.is_empty() {
                let help = "members = [\"first-host\", \"second-host\"]";
                self.wrong(group.name.span(), "the group has no members", help);
            }
            self.name(&group.name, ends, &mut known);
        }
        Known(known)
    }

    fn name(
        &mut self,
        name: &Spanned<String>,
        ends: Vec<End>,
        known: &mut BTreeMap<String, Vec<End>>,
    ) {
        let word = name.get_ref();
        if !is_name(word) || RESERVED.contains(&word.as_str()) {
            let help = "letters, digits, `-`, `_` and `.`, and not `gateway`";
            self.wrong(name.span(), format!("`{word}` cannot be a name"), help);
        } else if known.insert(word.clone(), ends).is_some() {
            let message = format!("`{word}` is the name of something else already");
            self.wrong(name.span(), message, "every segment, host and group has its own name");
        }
    }

    fn unknown(&mut self, span: Range<usize>, word: &str, known: &BTreeMap<String, Vec<End>>) {
        let message = format!("no segment, host or group is called `{word}`");
        self.wrong(span, message, nearest(word, known.keys().map(String::as_str)));
    }

    /// The ends of a host: its addresses, by segment.
    fn host(&mut self, entry: &HostEntry, segments: &[Segment]) -> Vec<End> {
        let said = entry.segment.as_ref().and_then(|word| {
            let found = segments.iter().position(|segment| segment.name == *word.get_ref());
            if found.is_none() {
                let message = format!("no segment is called `{}`", word.get_ref());
                let help = nearest(word.get_ref(), segments.iter().map(|s| s.name.as_str()));
                self.wrong(word.span(), message, help);
            }
            found
        });
        let mut by_segment: BTreeMap<usize, Vec<IpNet>> = BTreeMap::new();
        for word in &entry.addresses {
            let Some(net) = self.address(word) else { continue };
            let lives = segments
                .iter()
                .position(|segment| segment.networks.iter().any(|known| known.contains(&net)))
                .or_else(|| segments.iter().position(|segment| segment.default.has(of(net))));
            match (said, lives) {
                (None, Some(lives)) => by_segment.entry(lives).or_default().push(net),
                (Some(said), Some(lives)) if said == lives => {
                    by_segment.entry(said).or_default().push(net);
                }
                (said, lives) => {
                    let said = said.and_then(|n| segments.get(n));
                    let lives = lives.and_then(|n| segments.get(n));
                    self.misplaced(word, net, said, lives);
                }
            }
        }
        if entry.addresses.is_empty() {
            let help = "addresses = [\"192.0.2.10\"]";
            self.wrong(entry.name.span(), "the host has no address", help);
        }
        by_segment.into_iter().map(|(segment, nets)| End::Hosts { segment, nets }).collect()
    }

    fn misplaced(
        &mut self,
        word: &Spanned<String>,
        net: IpNet,
        said: Option<&Segment>,
        lives: Option<&Segment>,
    ) {
        let family = of(net);
        let (message, help) = match (said, lives) {
            (Some(said), _) if !said.has(family) => (
                format!(
                    "{} cannot live in segment `{}`, which has no {family}",
                    bare(net),
                    said.name
                ),
                format!("add an {family} network to `{}`, or drop the address", said.name),
            ),
            (Some(said), Some(lives)) => (
                format!("{} lives in segment `{}`, not in `{}`", bare(net), lives.name, said.name),
                format!("write `segment = \"{}\"`, or correct the address", lives.name),
            ),
            (Some(said), None) => (
                format!("{} lives in no network of segment `{}`", bare(net), said.name),
                String::from("add its network to the segment, or correct the address"),
            ),
            (None, _) => (
                format!("{} lives in no segment", bare(net)),
                format!("add its network to a segment, or give one the default route of {family}"),
            ),
        };
        self.wrong(word.span(), message, help);
    }

    fn address(&mut self, word: &Spanned<String>) -> Option<IpNet> {
        let text = word.get_ref();
        let net = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
        match net {
            Ok(net) if net.trunc() == net && net.prefix_len() > 0 => Some(net),
            Ok(net) => {
                let help = format!("write {} or {}", net.addr(), net.trunc());
                self.wrong(word.span(), format!("{net} is neither a host nor a network"), help);
                None
            }
            Err(_) => {
                let help = "such as \"192.0.2.10\", \"2001:db8::10\" or \"203.0.113.64/27\"";
                self.wrong(word.span(), format!("`{text}` is no address"), help);
                None
            }
        }
    }

    /// What names stand for.
    pub(super) fn ends(&mut self, names: &Spanned<Names>, known: &Known) -> Vec<End> {
        let mut ends: Vec<End> = Vec::new();
        for word in names.get_ref().iter() {
            match known.0.get(word) {
                Some(found) => {
                    for end in found {
                        if !ends.contains(end) {
                            ends.push(end.clone());
                        }
                    }
                }
                None => self.unknown(names.span(), word, &known.0),
            }
        }
        ends
    }
}

/// An address without the length that adds nothing.
pub(crate) fn bare(net: IpNet) -> String {
    match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    }
}
