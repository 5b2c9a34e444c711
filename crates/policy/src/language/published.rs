//! Hosts that are published at another address.
//!
//! A published host becomes an intent, so that what leads to it is let pass by its inside address,
//! read by its helper, logged and limited as any other.

use super::Reader;
use super::ends::Known;
use super::file::{Names, TranslateEntry};
use super::intents::has;
use super::translations::at;
use crate::intent::{End, Intent, Published, Segment, What, of};
use crate::services::Service;
use ipnet::IpNet;
use kinwall_terms::Family;
use std::net::IpAddr;
use toml::Spanned;

impl Reader<'_> {
    /// Adds what is published to the intents.
    pub(super) fn published(
        &mut self,
        n: usize,
        entry: &TranslateEntry,
        host: &Spanned<String>,
        (known, services, segments): (&Known, &[Service], &[Segment]),
        intents: &mut Vec<Intent>,
    ) {
        let only_sources = [
            ("to", entry.to.as_ref().map(Spanned::span)),
            ("source", entry.source.as_ref().map(Spanned::span)),
            ("random", entry.random.as_ref().map(Spanned::span)),
        ];
        for (key, span) in only_sources {
            if let Some(span) = span {
                let message = format!("`{key}` goes with a source, not with `publish`");
                self.wrong(span, message, "drop it: the host and its port are where it leads");
            }
        }
        let Some(service) = &entry.service else {
            let help = "service = \"https\": a whole host is never published";
            return self.wrong(host.span(), "nothing says what of the host is published", help);
        };
        let from = self.ends(&entry.from, known);
        let names = Spanned::new(host.span(), Names::One(host.get_ref().clone()));
        let to = self.ends(&names, known);
        let found_at = self.outside(entry, known, segments);
        let several = service.get_ref().iter().count() > 1;
        for word in service.get_ref().iter() {
            let Some(what) = self.what(service, word, services) else { continue };
            let base = self.named(entry, format!("publish-{}", n + 1));
            let name = if several { format!("{base}-{word}") } else { base };
            if intents.iter().any(|other| other.name == name) {
                let (span, message) = (at(entry), format!("`{name}` is a name already"));
                self.wrong(span, message, "each intent and translation has its own name");
            }
            let families = self.families(entry.family.as_ref(), &what);
            let spoken =
                |family: &Family| found_at.iter().any(|address| Family::of(*address) == *family);
            let mut intent = Intent {
                name,
                why: entry.why.clone(),
                what,
                from: from.clone(),
                to: to.clone(),
                media: Vec::new(),
                port: None,
                active: entry.active.as_ref().is_some_and(|active| *active.get_ref()),
                log: entry.log.as_ref().is_some_and(|log| *log.get_ref()),
                limit: entry.limit.as_ref().and_then(|text| self.rate(text)),
                limit_per_source: entry.limit_per_source.as_ref().and_then(|t| self.rate(t)),
                families: families.into_iter().filter(spoken).collect(),
                published: Some(Published { at: found_at.clone(), ports: None }),
            };
            self.ports_of(entry, service, &mut intent);
            let before = self.problems.len();
            self.is_possible(entry, host, service, &intent, segments);
            if self.problems.len() == before {
                self.is_free(entry, &intent, intents, segments);
            }
            intents.push(intent);
        }
    }

    /// The addresses where the host is found; the gateway's own towards the world by default.
    fn outside(
        &mut self,
        entry: &TranslateEntry,
        known: &Known,
        segments: &[Segment],
    ) -> Vec<IpAddr> {
        let own = |segment: &Segment, family: Option<Family>| -> Vec<IpAddr> {
            let addresses = segment.addresses.iter().map(IpNet::addr);
            let wanted = |address: &IpAddr| {
                family.is_none_or(|family| Family::of(*address) == family) && !is_local(*address)
            };
            addresses.filter(wanted).collect()
        };
        let Some(words) = &entry.at else {
            let of = |family: Family| {
                let default = segments.iter().filter(move |one| one.default.has(family));
                default.flat_map(|segment| own(segment, Some(family))).collect::<Vec<_>>()
            };
            let all: Vec<IpAddr> = Family::ALL.into_iter().flat_map(of).collect();
            if all.is_empty() {
                let help = "add `at = \"192.0.2.1\"`, or the gateway's `addresses` to the segment \
                            with the default route";
                self.wrong(at(entry), "nothing says at which address the host is found", help);
            }
            return all;
        };
        let mut all = Vec::new();
        for word in words.get_ref().iter() {
            if let Ok(address) = word.parse::<IpAddr>() {
                all.push(address);
                continue;
            }
            let names = Spanned::new(words.span(), Names::One(word.to_owned()));
            for end in self.ends(&names, known) {
                let segment = match end {
                    End::Segment(n) => segments.get(n),
                    _ => None,
                };
                let found = segment.map_or(Vec::new(), |segment| own(segment, None));
                if found.is_empty() {
                    let message = format!("the gateway's addresses in `{word}` are not known");
                    let help = "write an address, or a segment that has `addresses`";
                    self.wrong(words.span(), message, help);
                }
                all.extend(found);
            }
        }
        all
    }

    /// The outside port and the inside one.
    fn ports_of(&mut self, entry: &TranslateEntry, word: &Spanned<Names>, intent: &mut Intent) {
        let outside = entry.port.as_ref().and_then(|port| self.port(port));
        let inside = entry.to_port.as_ref().and_then(|port| self.port(port));
        let key = entry.port.as_ref().or(entry.to_port.as_ref()).map(Spanned::span);
        let Some(span) = key else { return };
        let Some(own) = single_port(&intent.what) else {
            let name = intent.what.name();
            let message = format!("{name} has not one port: which of them is another?");
            let help = "drop `port` and `to-port`, or publish each service by itself";
            return self.wrong(span, message, help);
        };
        if word.get_ref().iter().count() > 1 {
            let help = "publish each service by itself";
            return self.wrong(span, "several services do not share one port", help);
        }
        let (outside, inside) = (outside.unwrap_or(own), inside.unwrap_or(own));
        match &mut intent.what {
            What::Helped(_) => intent.port = Some(inside),
            What::Plain(service) => {
                for (_, first, last) in &mut service.ports {
                    (*first, *last) = (inside, inside);
                }
            }
        }
        if let Some(published) = intent.published.as_mut().filter(|_| outside != inside) {
            published.ports = Some((outside, inside));
        }
    }

    /// Whether a host can be published so at all.
    fn is_possible(
        &mut self,
        entry: &TranslateEntry,
        host: &Spanned<String>,
        service: &Spanned<Names>,
        intent: &Intent,
        segments: &[Segment],
    ) {
        match &intent.what {
            What::Helped(kind) if !kind.translates => {
                let message = format!("the kernel's {} helper translates nothing", kind.name);
                let help = "what it announces would not be led to the host: let the client reach \
                            the host's own address with an [[intent]]";
                self.wrong(service.span(), message, help);
            }
            What::Plain(service_) if service_.name.starts_with(Service::DHCP) => {
                let help = "write an [[intent]] to the gateway";
                self.wrong(service.span(), "broadcasts are not led to another host", help);
            }
            _ => {}
        }
        if let Some(active) = &entry.active
            && intent.what.name() != "ftp"
        {
            let message = format!("{} has no active mode", intent.what.name());
            self.wrong(active.span(), message, "`active` is for ftp");
        }
        if intent.from.contains(&End::Gateway) {
            let help = "drop `gateway`: it reaches the host by an [[intent]], at its own address";
            self.wrong(entry.from.span(), "the gateway's own packets arrive nowhere", help);
        }
        self.is_one_host(host, intent);
        let published = intent.published.as_ref().map_or(&[][..], |published| &published.at);
        let own = |end: &End, address: IpAddr| match end {
            End::Hosts { nets, .. } => nets.contains(&IpNet::from(address)),
            _ => false,
        };
        for address in published {
            if intent.to.iter().any(|end| own(end, *address)) {
                let span = entry.at.as_ref().map_or(host.span(), Spanned::span);
                let message = format!("{address} is the host's own address");
                self.wrong(span, message, "nothing has to be translated: an [[intent]] lets it");
            }
        }
        for segment in intent.from.iter().filter_map(End::segment) {
            let back = intent.to.iter().any(|end| end.segment() == Some(segment));
            let several = segments.get(segment).filter(|one| one.interfaces.len() > 1);
            if let Some(several) = several.filter(|_| back) {
                let message = format!(
                    "`{}` has several interfaces, and nothing says which leads to the host",
                    several.name
                );
                let help = "make a segment of each interface, or let neighbours ask the host \
                            itself";
                self.wrong(entry.from.span(), message, help);
            }
        }
        self.is_served(host, intent, segments);
    }

    fn is_served(&mut self, host: &Spanned<String>, intent: &Intent, segments: &[Segment]) {
        let serves = |family: &&Family| {
            [&intent.from, &intent.to]
                .into_iter()
                .all(|ends| ends.iter().any(|end| has(end, **family, segments)))
        };
        let families = intent.families.iter().find(serves);
        if families.is_none() && !intent.from.is_empty() && !intent.to.is_empty() {
            let message = format!(
                "host, published address and those who ask have no family in common that {} has",
                intent.what.name()
            );
            let help = "an address of IPv4 leads to one of IPv4: give all three the same family";
            self.wrong(host.span(), message, help);
        }
    }

    /// A destination becomes one address.
    fn is_one_host(&mut self, host: &Spanned<String>, intent: &Intent) {
        let name = host.get_ref();
        let mut nets: Vec<IpNet> = Vec::new();
        for end in &intent.to {
            match end {
                End::Hosts { nets: more, .. } => nets.extend(more),
                _ => {
                    let help = "publish = \"web-server\", with a [[host]] of that name";
                    return self.wrong(host.span(), format!("`{name}` is no host"), help);
                }
            }
        }
        for family in Family::ALL {
            let own: Vec<&IpNet> = nets.iter().filter(|net| of(**net) == family).collect();
            let whole = own.iter().all(|net| net.prefix_len() == net.max_prefix_len());
            if own.len() > 1 || !whole {
                let message = format!("`{name}` has more than one address of {family}");
                let help = "a destination becomes one address: define a [[host]] with that alone";
                return self.wrong(host.span(), message, help);
            }
        }
    }

    /// Whether nobody else answers at the address and port already.
    fn is_free(
        &mut self,
        entry: &TranslateEntry,
        intent: &Intent,
        others: &[Intent],
        segments: &[Segment],
    ) {
        let Some(published) = &intent.published else { return };
        let span = entry.at.as_ref().map_or(at(entry), Spanned::span);
        let own: Vec<IpAddr> =
            segments.iter().flat_map(|segment| &segment.addresses).map(IpNet::addr).collect();
        for other in others {
            let shares = |address: &IpAddr| match &other.published {
                Some(theirs) => theirs.at.contains(address),
                None => other.to.contains(&End::Gateway) && own.contains(address),
            };
            let asked = intent.from.iter().any(|one| other.from.iter().any(|two| meet(one, two)));
            let clash = outside_ports(intent)
                .into_iter()
                .find(|one| outside_ports(other).iter().any(|two| overlap(*one, *two)));
            let address = published.at.iter().find(|address| shares(address));
            let (Some(address), Some(clash), true) = (address, clash, asked) else { continue };
            let port = match clash.1 {
                0 => String::from("ping"),
                port => format!("{} port {port}", clash.0),
            };
            let message =
                format!("{port} of {address} is what `{}` is reached at already", other.name);
            let help = "choose another `port` or address: a packet goes to one of them";
            return self.wrong(span, message, help);
        }
    }
}

/// The one port number of a service, over all its protocols.
fn single_port(what: &What) -> Option<u16> {
    let ports: Vec<u16> = match what {
        What::Helped(kind) => kind.signalling.iter().map(|read| read.port).collect(),
        What::Plain(service) => {
            let single = service.ports.iter().all(|(_, first, last)| first == last);
            single.then(|| service.ports.iter().map(|(_, first, _)| *first).collect())?
        }
    };
    let first = *ports.first()?;
    ports.iter().all(|port| *port == first).then_some(first)
}

/// Protocol, first and last port of what is asked for outside; 0 for echo requests.
fn outside_ports(intent: &Intent) -> Vec<(&'static str, u16, u16)> {
    let outside = intent.published.as_ref().and_then(Published::outside);
    match &intent.what {
        What::Helped(kind) => {
            let port = |own| outside.or(intent.port).unwrap_or(own);
            let read = kind.signalling.iter();
            read.map(|read| (read.proto.name().unwrap_or("tcp"), port(read.port)))
                .map(|(proto, port)| (proto, port, port))
                .collect()
        }
        What::Plain(service) => {
            let ports = service.ports.iter().map(|(proto, first, last)| {
                (proto.name().unwrap_or("tcp"), outside.unwrap_or(*first), outside.unwrap_or(*last))
            });
            ports.chain(service.ping.then_some(("icmp", 0, 0))).collect()
        }
    }
}

fn overlap(one: (&str, u16, u16), two: (&str, u16, u16)) -> bool {
    one.0 == two.0 && one.1 <= two.2 && two.1 <= one.2
}

/// Whether a packet may come from both.
fn meet(one: &End, two: &End) -> bool {
    match (one, two) {
        (End::Hosts { nets, .. }, End::Hosts { nets: others, .. }) => {
            nets.iter().any(|a| others.iter().any(|b| a.contains(b) || b.contains(a)))
        }
        _ => one.segment() == two.segment(),
    }
}

fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
