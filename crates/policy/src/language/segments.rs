//! Segments: what lives behind which interface.

use super::file::{SegmentEntry, Toggle};
use super::{Reader, is_name};
use crate::intent::{Segment, of};
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName};
use kinwall_topology::Defaults;
use std::net::IpAddr;
use std::ops::Range;
use toml::Spanned;

/// Names that mean something else.
pub(super) const RESERVED: [&str; 2] = ["gateway", "any"];

impl Reader<'_> {
    /// Every segment, and what contradicts among them.
    pub(super) fn segments(&mut self, entries: &[SegmentEntry]) -> Vec<Segment> {
        if entries.is_empty() {
            let help = "[[segment]]\nname = \"lan\"\ninterfaces = [\"eth1\"]\nnetworks = \
                        [\"10.1.0.0/24\"]";
            self.wrong(0..0, "the policy has no segment", help);
        }
        let segments: Vec<Segment> = entries.iter().map(|entry| self.segment(entry)).collect();
        for (n, (entry, segment)) in entries.iter().zip(&segments).enumerate() {
            for (earlier, other) in segments[..n].iter().enumerate() {
                self.apart(entry, segment, &entries[earlier], other);
            }
        }
        segments
    }

    fn segment(&mut self, entry: &SegmentEntry) -> Segment {
        let name = entry.name.get_ref();
        if !is_name(name) || RESERVED.contains(&name.as_str()) {
            let help = "letters, digits, `-`, `_` and `.`, and not `gateway`";
            self.wrong(entry.name.span(), format!("`{name}` cannot name a segment"), help);
        }
        let mut interfaces = Vec::new();
        for word in &entry.interfaces {
            match InterfaceName::new(word.get_ref()) {
                Some(name) if name != InterfaceName::LOOPBACK => interfaces.push(name),
                _ => {
                    let message = format!("`{}` is no interface of a segment", word.get_ref());
                    self.wrong(word.span(), message, "such as \"eth1\", up to 15 characters");
                }
            }
        }
        if entry.interfaces.is_empty() {
            let help = "interfaces = [\"eth1\"]";
            self.wrong(entry.name.span(), format!("segment `{name}` has no interface"), help);
        }
        let default = entry.default.as_ref().map_or(Defaults::NONE, |node| self.default(node));
        let mut networks = Vec::new();
        for word in &entry.networks {
            networks.extend(self.network(word, false));
        }
        let addresses: Vec<IpNet> =
            entry.addresses.iter().filter_map(|word| self.network(word, true)).collect();
        if networks.is_empty() && default == Defaults::NONE && entry.networks.is_empty() {
            let message = format!("nobody lives in segment `{name}`");
            let help = "add `networks = [...]`, or `default = true` where the rest of the world is";
            self.wrong(entry.name.span(), message, help);
        }
        let (name, asymmetric) = (name.clone(), entry.asymmetric);
        Segment { name, interfaces, networks, addresses, default, asymmetric }
    }

    fn default(&mut self, node: &Spanned<Toggle>) -> Defaults {
        match node.get_ref() {
            Toggle::Truth(true) => Defaults::BOTH,
            Toggle::Truth(false) => Defaults::NONE,
            Toggle::Family(word) if word == "ipv4" => Defaults { ipv4: true, ipv6: false },
            Toggle::Family(word) if word == "ipv6" => Defaults { ipv4: false, ipv6: true },
            Toggle::Family(_) => {
                let help = "`true`, `false`, `\"ipv4\"` or `\"ipv6\"`";
                self.wrong(node.span(), "this says nothing about the default route", help);
                Defaults::NONE
            }
        }
    }

    /// A network, or (with `host`) an address within one.
    pub(super) fn network(&mut self, word: &Spanned<String>, host: bool) -> Option<IpNet> {
        let text = word.get_ref();
        let Ok(net) = text.parse::<IpNet>() else {
            let help = match text.parse::<IpAddr>() {
                Ok(address) if address.is_ipv4() => format!("write {address}/24, say"),
                Ok(address) => format!("write {address}/64, say"),
                Err(_) => String::from("such as \"10.1.0.0/24\" or \"fd00:1::/64\""),
            };
            self.wrong(word.span(), format!("`{text}` is no address with its length"), help);
            return None;
        };
        if !host && net.trunc() != net {
            let message = format!("{net} has bits set beyond its length");
            self.wrong(word.span(), message, format!("write {}", net.trunc()));
        }
        if !host && net.prefix_len() == 0 {
            let help = "write `default = true` instead";
            self.wrong(word.span(), format!("{net} is the default route"), help);
        }
        if net.addr().is_multicast() || net.addr().is_loopback() {
            let help = "give the unicast network of the segment";
            self.wrong(word.span(), format!("{net} lives behind no interface"), help);
        }
        Some(net)
    }

    /// What two segments cannot both have.
    fn apart(
        &mut self,
        entry: &SegmentEntry,
        segment: &Segment,
        other_entry: &SegmentEntry,
        other: &Segment,
    ) {
        let first = other.name.clone();
        if segment.name == other.name {
            let line = self.lines.line(other_entry.name.span().start);
            let message = format!("a second segment is called `{first}`, the first on line {line}");
            self.wrong(entry.name.span(), message, "give it another name, or put both into one");
        }
        for (name, word) in segment.interfaces.iter().zip(&entry.interfaces) {
            if other.interfaces.contains(name) {
                let message = format!("`{name}` leads to segment `{first}` already");
                self.wrong(word.span(), message, "an interface leads to one segment");
            }
        }
        for family in Family::ALL {
            if segment.default.has(family) && other.default.has(family) {
                let span = entry.default.as_ref().map_or(entry.name.span(), Spanned::span);
                let line = self.default_line(other_entry);
                let message = format!(
                    "a second default route for {family}; segment `{first}` has it on line {line}"
                );
                let help = "say which family each has: `default = \"ipv4\"`, or keep one";
                self.wrong(span, message, help);
                break;
            }
        }
        for word in &entry.networks {
            let Ok(net) = word.get_ref().parse::<IpNet>() else { continue };
            let clash = other.networks.iter().find(|known| overlap(**known, net));
            if let Some(known) = clash {
                self.overlapping(word.span(), net, *known, &first);
            }
        }
    }

    fn default_line(&self, entry: &SegmentEntry) -> u32 {
        let span = entry.default.as_ref().map_or(entry.name.span(), Spanned::span);
        self.lines.line(span.start)
    }

    fn overlapping(&mut self, span: Range<usize>, net: IpNet, known: IpNet, first: &str) {
        let message = format!("{net} overlaps {known} of segment `{first}`");
        let help = "an address lives in one segment: split the wider network, or correct one";
        self.wrong(span, message, help);
    }
}

fn overlap(a: IpNet, b: IpNet) -> bool {
    of(a) == of(b) && (a.contains(&b) || b.contains(&a))
}
