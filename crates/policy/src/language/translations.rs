//! Translations: sources that are not shown, and the list of all.

use super::ends::Known;
use super::file::TranslateEntry;
use super::intents::has;
use super::{Reader, is_name};
use crate::intent::{End, Intent, Segment, SourceTo, Translation, of};
use crate::services::Service;
use ipnet::IpNet;
use kinwall_terms::Family;
use std::net::IpAddr;
use std::ops::Range;
use toml::Spanned;

impl Reader<'_> {
    /// The translations of sources; what is published is added to the intents.
    pub(super) fn translations(
        &mut self,
        entries: &[TranslateEntry],
        known: &Known,
        services: &[Service],
        segments: &[Segment],
        intents: &mut Vec<Intent>,
    ) -> Vec<Translation> {
        let mut translations: Vec<Translation> = Vec::new();
        for (n, entry) in entries.iter().enumerate() {
            let before = self.problems.len();
            match &entry.publish {
                Some(host) => self.published(n, entry, host, (known, services, segments), intents),
                None => {
                    let found = self.source(n, entry, known, segments);
                    translations.extend(found.filter(|_| self.problems.len() == before));
                }
            }
            let last = translations.iter().rev().skip(1).map(|other| &other.name);
            let mut names = intents.iter().map(|intent| &intent.name).chain(last);
            let name = translations.last().filter(|_| entry.publish.is_none());
            if let Some(name) = name.filter(|one| names.any(|other| *other == one.name)) {
                let (span, message) = (at(entry), format!("`{}` is a name already", name.name));
                self.wrong(span, message, "each intent and translation has its own name");
            }
        }
        translations
    }

    fn source(
        &mut self,
        n: usize,
        entry: &TranslateEntry,
        known: &Known,
        segments: &[Segment],
    ) -> Option<Translation> {
        for (key, span) in only_published(entry) {
            let message = format!("`{key}` goes with `publish`");
            self.wrong(span, message, "drop it, or name the host to be published");
        }
        let (Some(to), Some(source)) = (&entry.to, &entry.source) else {
            let help = "from = \"lan\", to = \"wan\", source = \"masquerade\" (or an address); \
                        publish = \"host\" for a destination";
            self.wrong(at(entry), "this says nothing about what becomes what", help);
            return None;
        };
        let (from, ends) = (self.ends(&entry.from, known), self.ends(to, known));
        let source_to = self.source_to(source)?;
        let families = self.source_families(entry, source_to)?;
        let random = entry.random.as_ref().is_some_and(|random| *random.get_ref());
        if random && source_to == SourceTo::Unchanged {
            let span = entry.random.as_ref().map_or(0..0, Spanned::span);
            self.wrong(span, "a source that stays has its own port", "drop `random`");
        }
        self.senders(entry, &from, &families, segments);
        if ends.contains(&End::Gateway) {
            let help = "name the segments that packets leave to";
            self.wrong(to.span(), "what is for the gateway does not leave it", help);
        }
        for from in from.iter().filter_map(End::segment) {
            let same = ends.iter().any(|to| to.segment() == Some(from));
            if same && segments.get(from).is_some_and(|segment| segment.interfaces.len() == 1) {
                let name = segments.get(from).map_or("", |segment| &segment.name);
                let message = format!("both ends live in segment `{name}`");
                let help = "such packets do not pass the gateway; `publish` translates the source \
                            where a host is asked by its neighbours";
                self.wrong(to.span(), message, help);
            }
        }
        if let SourceTo::Addresses(first, last) = source_to {
            for address in [first, last] {
                self.lives_there(source.span(), address, &ends, segments);
            }
        }
        let served = |family: &&Family| {
            [&from, &ends].into_iter().all(|ends| ends.iter().any(|e| has(e, **family, segments)))
        };
        if !from.is_empty() && !ends.is_empty() && families.iter().find(served).is_none() {
            let families: Vec<String> = families.iter().map(Family::to_string).collect();
            let message = format!("no packet is of {} at both ends", families.join(" or "));
            self.wrong(to.span(), message, "give both ends addresses of the same family");
        }
        let name = self.named(entry, format!("translate-{}", n + 1));
        let why = entry.why.clone();
        Some(Translation { name, why, from, to: ends, source: source_to, random, families })
    }

    /// `masquerade`, `unchanged`, an address or a range of them.
    fn source_to(&mut self, word: &Spanned<String>) -> Option<SourceTo> {
        let text = word.get_ref().as_str();
        match text {
            "masquerade" => return Some(SourceTo::Masquerade),
            "unchanged" => return Some(SourceTo::Unchanged),
            _ => {}
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let read = |text: &str| text.trim().parse::<IpAddr>().ok();
        let help = "\"masquerade\", \"unchanged\", \"192.0.2.1\" or \"192.0.2.4-192.0.2.9\"";
        match (read(first), read(last)) {
            (Some(first), Some(last)) if Family::of(first) != Family::of(last) => {
                self.wrong(word.span(), "the range begins in one family, ends in another", help);
            }
            (Some(first), Some(last)) if first > last => {
                let help = format!("write \"{last}-{first}\"");
                self.wrong(word.span(), "the range ends before it begins", help);
            }
            (Some(first), Some(last)) => return Some(SourceTo::Addresses(first, last)),
            _ => self.wrong(word.span(), format!("`{text}` is no source"), help),
        }
        None
    }

    /// Without a word IPv4 alone is masqueraded: hosts of IPv6 have addresses of their own.
    fn source_families(&mut self, entry: &TranslateEntry, to: SourceTo) -> Option<Vec<Family>> {
        let own = match to {
            SourceTo::Addresses(first, _) => Some(Family::of(first)),
            _ => None,
        };
        let Some(word) = &entry.family else { return Some(vec![own.unwrap_or(Family::Ipv4)]) };
        let wanted = match word.get_ref().as_str() {
            "ipv4" => vec![Family::Ipv4],
            "ipv6" => vec![Family::Ipv6],
            "both" => Family::ALL.to_vec(),
            _ => {
                self.wrong(word.span(), "this is no family", "\"ipv4\", \"ipv6\" or \"both\"");
                return None;
            }
        };
        match own.filter(|own| wanted != [*own]) {
            Some(own) => {
                let message = format!("the address is one of {own}, and nothing else becomes it");
                self.wrong(word.span(), message, "drop `family`; write an entry for each family");
                None
            }
            None => Some(wanted),
        }
    }

    /// A source is asked by its address, as POSTROUTING does not know where a packet came in.
    fn senders(
        &mut self,
        entry: &TranslateEntry,
        from: &[End],
        families: &[Family],
        segments: &[Segment],
    ) {
        for end in from {
            let Some(segment) = end.segment().and_then(|n| segments.get(n)) else {
                let help = "drop `gateway`: its packets bear an address of their interface";
                self.wrong(entry.from.span(), "the gateway's own source needs no other", help);
                continue;
            };
            let default = families.iter().find(|family| segment.default.has(**family));
            if let (End::Segment(_), Some(family)) = (end, default) {
                let message = format!(
                    "the senders in `{}` have no addresses to be known by in {family}",
                    segment.name
                );
                let help = "where sources are translated nobody knows by which interface a packet \
                            came: name hosts or networks ([[host]])";
                self.wrong(entry.from.span(), message, help);
            }
        }
    }

    /// Answers come back to an address that lives where they come from.
    fn lives_there(
        &mut self,
        span: Range<usize>,
        address: IpAddr,
        to: &[End],
        segments: &[Segment],
    ) {
        let Some(home) = home(address, segments) else { return };
        if !to.is_empty() && !to.iter().any(|end| end.segment() == Some(home)) {
            let name = segments.get(home).map_or("", |segment| &segment.name);
            let message = format!("answers to {address} would go to segment `{name}`");
            let help = "take an address that the gateway has, or that is routed to it, where the \
                        packets leave";
            self.wrong(span, message, help);
        }
    }

    pub(super) fn named(&mut self, entry: &TranslateEntry, otherwise: String) -> String {
        let name = entry.name.as_ref().map_or(otherwise, |name| name.get_ref().clone());
        if !is_name(&name) {
            let help = "up to 32 letters, digits, `-`, `_` and `.`";
            self.wrong(at(entry), format!("`{name}` cannot name this translation"), help);
        }
        name
    }
}

/// Where a message about the whole entry points.
pub(super) fn at(entry: &TranslateEntry) -> Range<usize> {
    entry.name.as_ref().map_or(entry.from.span(), Spanned::span)
}

fn only_published(entry: &TranslateEntry) -> Vec<(&'static str, Range<usize>)> {
    let keys = [
        ("service", entry.service.as_ref().map(Spanned::span)),
        ("at", entry.at.as_ref().map(Spanned::span)),
        ("port", entry.port.as_ref().map(Spanned::span)),
        ("to-port", entry.to_port.as_ref().map(Spanned::span)),
        ("active", entry.active.as_ref().map(Spanned::span)),
        ("log", entry.log.as_ref().map(Spanned::span)),
        ("limit", entry.limit.as_ref().map(Spanned::span)),
        ("limit-per-source", entry.limit_per_source.as_ref().map(Spanned::span)),
    ];
    keys.into_iter().filter_map(|(key, span)| Some((key, span?))).collect()
}

/// The segment that an address lives in.
fn home(address: IpAddr, segments: &[Segment]) -> Option<usize> {
    let net = IpNet::from(address);
    let within = |segment: &Segment| segment.networks.iter().any(|known| known.contains(&net));
    let default = |segment: &Segment| segment.default.has(of(net));
    segments.iter().position(within).or_else(|| segments.iter().position(default))
}
