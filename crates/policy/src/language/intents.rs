//! Services and intents.

use super::ends::Known;
use super::file::{IntentEntry, Ports, ServiceEntry};
use super::{Reader, is_name, nearest};
use crate::intent::{End, Intent, Segment, What, of};
use crate::kinds::{KINDS, Kind, Scope};
use crate::services::Service;
use kinwall_terms::{Family, L4Proto};
use toml::Spanned;

impl Reader<'_> {
    /// The services that the policy defines.
    pub(super) fn services(&mut self, entries: &[ServiceEntry]) -> Vec<Service> {
        let mut services: Vec<Service> = Vec::new();
        for entry in entries {
            let name = entry.name.get_ref();
            let taken = Kind::by_name(name).is_some()
                || Service::known(name).is_some()
                || services.iter().any(|known| known.name == *name);
            if taken || !is_name(name) {
                let message = format!("`{name}` cannot name a service of your own");
                self.wrong(entry.name.span(), message, "choose a name that is not taken");
            }
            let mut ports = Vec::new();
            for (proto, words) in [(L4Proto::TCP, &entry.tcp), (L4Proto::UDP, &entry.udp)] {
                for word in words {
                    ports.extend(self.ports(word).map(|(first, last)| (proto, first, last)));
                }
            }
            if entry.tcp.is_empty() && entry.udp.is_empty() {
                let help = "tcp = [8080], udp = [\"5000-5010\"]";
                self.wrong(entry.name.span(), "the service has no ports", help);
            }
            let (name, families) = (name.clone(), Family::ALL.to_vec());
            services.push(Service { name, ports, ping: false, families });
        }
        services
    }

    fn ports(&mut self, word: &Spanned<Ports>) -> Option<(u16, u16)> {
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let range = match word.get_ref() {
            Ports::One(number) => port(&number.to_string()).map(|port| (port, port)),
            Ports::Range(text) => match text.split_once('-') {
                Some((first, last)) => port(first).zip(port(last)),
                None => port(text).map(|port| (port, port)),
            },
        };
        let range = range.filter(|(first, last)| first <= last);
        if range.is_none() {
            let help = "a port from 1 to 65535, or a range such as \"5000-5010\"";
            self.wrong(word.span(), "these are no ports", help);
        }
        range
    }

    /// Every intent; one that names several services becomes one of each.
    pub(super) fn intents(
        &mut self,
        entries: &[IntentEntry],
        known: &Known,
        services: &[Service],
        segments: &[Segment],
    ) -> Vec<Intent> {
        let mut intents: Vec<Intent> = Vec::new();
        for (n, entry) in entries.iter().enumerate() {
            let (from, to) = (self.ends(&entry.from, known), self.ends(&entry.to, known));
            let media = entry.media.as_ref();
            let media = media.map_or(Vec::new(), |names| self.ends(names, known));
            for word in entry.service.get_ref().iter() {
                let Some(what) = self.what(&entry.service, word, services) else { continue };
                let several = entry.service.get_ref().iter().count() > 1;
                let name = match &entry.name {
                    Some(name) if several => format!("{}-{word}", name.get_ref()),
                    Some(name) => name.get_ref().clone(),
                    None => format!("{}-{word}", n + 1),
                };
                if !is_name(&name) || intents.iter().any(|other| other.name == name) {
                    let span = entry.name.as_ref().map_or(entry.service.span(), Spanned::span);
                    let help = "up to 32 letters, digits, `-`, `_` and `.`, each name once";
                    self.wrong(span, format!("`{name}` cannot name this intent"), help);
                }
                let intent = Intent {
                    name,
                    why: entry.why.clone(),
                    families: self.families(entry.family.as_ref(), &what),
                    what,
                    from: from.clone(),
                    to: to.clone(),
                    media: media.clone(),
                    port: entry.port.as_ref().and_then(|port| self.port(port)),
                    active: entry.active.as_ref().is_some_and(|active| *active.get_ref()),
                    log: entry.log,
                    limit: entry.limit.as_ref().and_then(|text| self.rate(text)),
                    limit_per_source: entry
                        .limit_per_source
                        .as_ref()
                        .and_then(|text| self.rate(text)),
                    published: None,
                };
                self.fits(entry, &intent, segments);
                intents.push(intent);
            }
        }
        intents
    }

    pub(super) fn what<T>(
        &mut self,
        at: &Spanned<T>,
        word: &str,
        services: &[Service],
    ) -> Option<What> {
        if let Some(kind) = Kind::by_name(word) {
            return Some(What::Helped(kind));
        }
        let own = services.iter().find(|service| service.name == word).cloned();
        let found = own.or_else(|| Service::known(word)).map(What::Plain);
        if found.is_none() {
            let known = KINDS.iter().map(|kind| kind.name).chain(Service::names());
            let mut names: Vec<&str> = Vec::new();
            known.for_each(|name| names.push(name));
            services.iter().for_each(|own| names.push(&own.name));
            let help = nearest(word, names.into_iter());
            self.wrong(at.span(), format!("no service is called `{word}`"), help);
        }
        found
    }

    pub(super) fn port(&mut self, port: &Spanned<i64>) -> Option<u16> {
        let number = u16::try_from(*port.get_ref()).ok().filter(|number| *number > 0);
        if number.is_none() {
            self.wrong(port.span(), "this is no port", "a number from 1 to 65535");
        }
        number
    }

    pub(super) fn families(&mut self, word: Option<&Spanned<String>>, what: &What) -> Vec<Family> {
        let possible = match what {
            What::Helped(kind) => kind.families.to_vec(),
            What::Plain(service) => service.families.clone(),
        };
        let Some(word) = word else { return possible };
        let wanted = match word.get_ref().as_str() {
            "ipv4" => Some(Family::Ipv4),
            "ipv6" => Some(Family::Ipv6),
            "both" => return possible,
            _ => None,
        };
        match wanted {
            Some(family) if possible.contains(&family) => vec![family],
            Some(family) => {
                let message = format!("{} has no {family}", what.name());
                self.wrong(word.span(), message, "drop `family`, or choose the other one");
                possible
            }
            None => {
                self.wrong(word.span(), "this is no family", "\"ipv4\", \"ipv6\" or \"both\"");
                possible
            }
        }
    }

    /// Whether an intent can be had at all.
    fn fits(&mut self, entry: &IntentEntry, intent: &Intent, segments: &[Segment]) {
        if intent.from.is_empty() || intent.to.is_empty() {
            return;
        }
        match &intent.what {
            What::Helped(kind) => self.helped(entry, intent, kind, segments),
            What::Plain(_) => self.plain(entry),
        }
        for from in &intent.from {
            let clash = intent.to.iter().find(|to| to.segment() == from.segment());
            if let Some(clash) = clash {
                let message = match clash.segment().and_then(|n| segments.get(n)) {
                    Some(segment) if segment.interfaces.len() > 1 => continue,
                    Some(segment) => {
                        format!("both ends live in segment `{}`", segment.name)
                    }
                    None => String::from("both ends are the gateway"),
                };
                let help = "such packets do not pass the gateway: name ends in two segments";
                self.wrong(entry.to.span(), message, help);
                return;
            }
        }
        self.common_family(entry, intent, segments);
    }

    fn plain(&mut self, entry: &IntentEntry) {
        let only_helped = [
            ("media", entry.media.as_ref().map(Spanned::span)),
            ("port", entry.port.as_ref().map(Spanned::span)),
            ("active", entry.active.as_ref().map(Spanned::span)),
        ];
        for (key, span) in only_helped {
            if let Some(span) = span {
                let message = format!("`{key}` is for protocols with a helper");
                self.wrong(span, message, "drop it; a [[service]] of your own has its own ports");
            }
        }
    }

    fn helped(&mut self, entry: &IntentEntry, intent: &Intent, kind: &Kind, all: &[Segment]) {
        let takes_media = kind.name == "sip" || kind.name == "h323";
        if let Some(media) = entry.media.as_ref().filter(|_| !takes_media) {
            let message = format!("{} has no media", kind.name);
            self.wrong(media.span(), message, "`media` is for sip and h323");
        }
        if let Some(active) = entry.active.as_ref().filter(|_| kind.name != "ftp") {
            let message = format!("{} has no active mode", kind.name);
            self.wrong(active.span(), message, "`active` is for ftp");
        }
        let several = kind.signalling.iter().any(|read| read.port != kind.signalling[0].port);
        if let Some(port) = entry.port.as_ref().filter(|_| several) {
            let message = format!("{} has several ports of its own", kind.name);
            self.wrong(port.span(), message, "drop `port`");
        }
        let gateway_asks = intent.from.iter().all(|end| *end == End::Gateway);
        if kind.scope == Scope::GatewayAsks && !gateway_asks {
            let message =
                format!("the {} helper reads broadcasts, which are not forwarded", kind.name);
            let help = "write `from = \"gateway\"`; requests to one host need no helper: define a \
                        [[service]] with their port";
            self.wrong(entry.from.span(), message, help);
        }
        let wide = intent.to.iter().find_map(|end| match end {
            End::Segment(n) => all.get(*n),
            _ => None,
        });
        if let Some(wide) = wide.filter(|_| kind.scope == Scope::NamedServers) {
            let message =
                format!("{} to all of `{}`: the servers have no names", kind.name, wide.name);
            let help = "define a [[host]] for each server: who answers may announce flows";
            self.wrong(entry.to.span(), message, help);
        }
        let own = intent.to.contains(&End::Gateway)
            && intent.from.iter().filter_map(End::segment).any(|n| all[n].addresses.is_empty());
        if own {
            let message = "the gateway's own addresses in that segment are not known";
            let help = "add `addresses = [\"10.1.0.1/24\"]` to the segment: a helper is \
                        assigned to named addresses only";
            self.wrong(entry.to.span(), message, help);
        }
    }

    /// Both ends must speak one family that the service has.
    fn common_family(&mut self, entry: &IntentEntry, intent: &Intent, segments: &[Segment]) {
        let speaks =
            |ends: &[End], family: Family| ends.iter().any(|end| has(end, family, segments));
        let served = intent
            .families
            .iter()
            .any(|family| speaks(&intent.from, *family) && speaks(&intent.to, *family));
        if !served {
            let families: Vec<String> = intent.families.iter().map(Family::to_string).collect();
            let message = format!(
                "no packet can do this: the two ends have no family in common that {} has ({})",
                intent.what.name(),
                families.join(", ")
            );
            self.wrong(entry.to.span(), message, "give both ends addresses of the same family");
        }
    }
}

/// Whether an end speaks a family.
pub(crate) fn has(end: &End, family: Family, segments: &[Segment]) -> bool {
    match end {
        End::Gateway => true,
        End::Segment(n) => segments.get(*n).is_some_and(|segment| segment.has(family)),
        End::Hosts { nets, .. } => nets.iter().any(|net| of(*net) == family),
    }
}
