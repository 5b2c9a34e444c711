//! What `ipset save` writes: `create NAME TYPE OPTIONS...` and `add NAME ELEMENT OPTIONS...`.

use super::{Counts, DIMENSIONS_MAX, Dimension, ELEMENTS_MAX, Entry, Key, NOBODY, Set, Sets};
use crate::diagnostic::{Diagnostic, Mistakes};
use crate::lex::{self, Word};
use crate::matches::mac;
use crate::targets::set::NAME_LENGTH_MAX;
use crate::value::{Network, parse_address, parse_mask, parse_number, prefix_mask};
use crate::{protocols, services};
use kinwall_terms::{Family, InterfaceName, L4Proto};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

/// The types of sets and their dimensions.
const TYPES: &[(&str, &[Dimension])] = {
    use Dimension::*;
    &[
        ("bitmap:ip", &[Address]),
        ("bitmap:ip,mac", &[Address, Mac]),
        ("bitmap:port", &[BarePort]),
        ("hash:ip", &[Address]),
        ("hash:mac", &[Mac]),
        ("hash:ip,mac", &[Address, Mac]),
        ("hash:net", &[Network]),
        ("hash:net,net", &[Network, Network]),
        ("hash:ip,port", &[Address, Port]),
        ("hash:net,port", &[Network, Port]),
        ("hash:ip,port,ip", &[Address, Port, Address]),
        ("hash:ip,port,net", &[Address, Port, Network]),
        ("hash:ip,mark", &[Address, Mark]),
        ("hash:net,port,net", &[Network, Port, Network]),
        ("hash:net,iface", &[Network, Interface]),
        ("list:set", &[Sets]),
    ]
};

/// The most elements of a set that names no maximum: Linux's default.
const ELEMENTS_DEFAULT: usize = 65_536;
/// The most elements one line with a range makes.
const RANGE_MAX: u64 = 65_536;

impl Sets {
    /// Reads the text of several files; what is wrong with any of them is reported at once.
    ///
    /// # Errors
    /// All mistakes, by file and place.
    pub fn read(files: &[&str]) -> Result<Sets, Vec<Diagnostic>> {
        let mut sets = Sets::default();
        let mut mistakes = Mistakes::default();
        for (index, text) in files.iter().enumerate() {
            mistakes.file = u16::try_from(index).unwrap_or(u16::MAX);
            for (line, number) in text.lines().zip(1..) {
                if let Err(mistake) = sets.line(line, number) {
                    mistakes.push(mistake);
                }
            }
        }
        match mistakes.into_sorted() {
            list if list.is_empty() => Ok(sets),
            list => Err(list),
        }
    }

    fn line(&mut self, line: &str, number: u32) -> Result<(), Diagnostic> {
        if line.trim().is_empty() || line.starts_with('#') || line.trim() == "COMMIT" {
            return Ok(());
        }
        let words = lex::words(line, number)?;
        let words = match words.split_first() {
            Some((first, rest)) if first.text == "ipset" => rest,
            _ => &words,
        };
        let quiet = |word: &&Word| !matches!(word.text.as_str(), "-exist" | "-!" | "-q" | "-quiet");
        let words: Vec<&Word> = words.iter().filter(quiet).collect();
        match words.as_slice() {
            [command, name, kind, options @ ..] if is(command, &["create", "-N", "new"]) => {
                self.create(name, kind, options)
            }
            [command, name, element, options @ ..] if is(command, &["add", "-A"]) => {
                self.element(name, element, options)
            }
            [command, ..] if is(command, &["create", "-N", "new", "add", "-A"]) => Err(command
                .mistake(format!("{} needs two words behind it", command.text))
                .help("create NAME TYPE ... or add NAME ELEMENT ...")),
            [command, ..] => Err(command
                .mistake(format!("{:?} is not understood in a file of sets", command.text))
                .help("create NAME TYPE ... or add NAME ELEMENT ..., as ipset save writes them")),
            [] => Ok(()),
        }
    }

    fn create(&mut self, name: &Word, kind: &Word, options: &[&Word]) -> Result<(), Diagnostic> {
        if name.text.is_empty() || name.text.len() > NAME_LENGTH_MAX {
            let help = format!("1 to {NAME_LENGTH_MAX} characters");
            return Err(name.mistake("this cannot be the name of a set").help(help));
        }
        if self.sets.contains_key(name.text.as_str()) {
            return Err(name.mistake(format!("{} exists already", name.text)));
        }
        let Some((_, dimensions)) = TYPES.iter().find(|(known, _)| *known == kind.text) else {
            let names: Vec<&str> = TYPES.iter().map(|(known, _)| *known).collect();
            return Err(kind
                .mistake(format!("{:?} is not a type of set", kind.text))
                .help(format!("one of {}", names.join(", "))));
        };
        debug_assert!(dimensions.len() <= DIMENSIONS_MAX);
        let mut set = Set {
            family: Family::Ipv4,
            dimensions: dimensions.to_vec(),
            elements: HashMap::new(),
            lengths: BTreeSet::new(),
            members: Vec::new(),
            max: ELEMENTS_DEFAULT,
            timeout_s: None,
            counts: false,
            netmask: None,
            markmask: u32::MAX,
            opaque: false,
        };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            set.option(option, &mut options)?;
        }
        self.sets.insert(name.text.as_str().into(), set);
        Ok(())
    }

    fn element(&mut self, name: &Word, text: &Word, options: &[&Word]) -> Result<(), Diagnostic> {
        let exists = !text.text.is_empty() && self.sets.contains_key(text.text.as_str());
        let Some(set) = self.sets.get_mut(name.text.as_str()) else {
            return Err(name
                .mistake(format!("there is no set {}", name.text))
                .help("a line create NAME TYPE must come before"));
        };
        if set.dimensions == [Dimension::Sets] {
            if !exists {
                return Err(text.mistake(format!("there is no set {}", text.text)));
            }
            set.members.push(text.text.as_str().into());
            return Ok(());
        }
        let mut entry = Entry {
            exception: false,
            counts: set.counts.then(Counts::default),
            expires: None,
            timeout_s: set.timeout_s.filter(|s| *s > 0),
        };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            entry.option(option, &mut options, &mut set.opaque)?;
        }
        for key in set.keys(text)? {
            if set.elements.len() >= set.max || self.count >= ELEMENTS_MAX {
                return Err(name
                    .mistake(format!("{} has too many elements", name.text))
                    .help(format!("at most {}", set.max.min(ELEMENTS_MAX))));
            }
            set.lengths.insert(key.lengths);
            if set.elements.insert(key, entry.clone()).is_none() {
                self.count += 1;
            }
        }
        Ok(())
    }
}

fn is(word: &Word, names: &[&str]) -> bool {
    names.contains(&word.text.as_str())
}

/// The number behind `option`.
fn number(option: &Word, word: Option<&&Word>) -> Result<u64, Diagnostic> {
    word.and_then(|word| parse_number(&word.text)).ok_or_else(|| {
        let word = word.copied().unwrap_or(option);
        word.mistake(format!("{} needs a number", option.text))
    })
}

impl Set {
    fn option<'a>(
        &mut self,
        option: &Word,
        rest: &mut impl Iterator<Item = &'a &'a Word>,
    ) -> Result<(), Diagnostic> {
        match option.text.as_str() {
            "family" => {
                let word = rest.next().copied().unwrap_or(option);
                self.family = match word.text.as_str() {
                    "inet" => Family::Ipv4,
                    "inet6" => Family::Ipv6,
                    _ => return Err(word.mistake("family is inet or inet6")),
                }
            }
            "maxelem" => self.max = number(option, rest.next())? as usize,
            "timeout" => self.timeout_s = Some(number(option, rest.next())?.min(1 << 31) as u32),
            "netmask" => {
                let length = number(option, rest.next())?;
                let legal = length <= u64::from(self.family.bits());
                self.netmask = Some(length as u8).filter(|_| legal);
                if !legal {
                    return Err(option.mistake("this netmask is too long"));
                }
            }
            "markmask" => self.markmask = number(option, rest.next())? as u32,
            "counters" => self.counts = true,
            "range" | "hashsize" | "bucketsize" | "size" | "initval" | "bitmask" => {
                self.opaque |= option.text == "bitmask";
                rest.next();
            }
            "comment" | "skbinfo" | "forceadd" => {}
            text => {
                return Err(option
                    .mistake(format!("{text:?} is not an option of a set"))
                    .help("family, maxelem, timeout, counters, netmask and so on"));
            }
        }
        Ok(())
    }

    /// The elements a word stands for: one, or those of a range of addresses or ports.
    fn keys(&mut self, word: &Word) -> Result<Vec<Key>, Diagnostic> {
        let parts: Vec<&str> = word.text.split(',').collect();
        if parts.len() != self.dimensions.len() {
            return Err(word
                .mistake(format!("this element has {} parts", parts.len()))
                .help(format!("the set has {}", self.dimensions.len())));
        }
        let mut keys = vec![Key::NONE];
        let mut addresses = 0;
        for (part, dimension) in parts.into_iter().zip(self.dimensions.clone()) {
            let choices = self.choices(part, dimension, word)?;
            if keys.len().saturating_mul(choices.len()) as u64 > RANGE_MAX {
                let help = format!("at most {RANGE_MAX} elements a line");
                return Err(word.mistake("this range is too large").help(help));
            }
            let put = |key: &Key, choice: &Key| {
                let mut key = *key;
                match dimension {
                    Dimension::Address | Dimension::Network => {
                        key.addresses[addresses] = choice.addresses[0];
                        key.lengths[addresses] = choice.lengths[0];
                    }
                    Dimension::Port => (key.port, key.proto) = (choice.port, choice.proto),
                    Dimension::BarePort => key.port = choice.port,
                    Dimension::Mac => key.mac = choice.mac,
                    Dimension::Mark => key.mark = choice.mark,
                    Dimension::Interface => key.interface = choice.interface,
                    Dimension::Sets => {}
                }
                key
            };
            keys = keys.iter().flat_map(|key| choices.iter().map(move |c| put(key, c))).collect();
            addresses += usize::from(super::is_address(dimension));
        }
        Ok(keys)
    }

    /// What one part of an element stands for; only the dimension's own fields are filled.
    fn choices(
        &mut self,
        text: &str,
        dimension: Dimension,
        word: &Word,
    ) -> Result<Vec<Key>, Diagnostic> {
        let wrong = |what: &str| word.mistake(format!("{text:?} is not {what}"));
        match dimension {
            Dimension::Address => self.addresses(text).ok_or_else(|| {
                let what = format!("an {} address or a range of {RANGE_MAX} at most", self.family);
                wrong(&what)
            }),
            Dimension::Network => {
                let what = format!("an {} network", self.family);
                let network = self.network(text).ok_or_else(|| wrong(&what))?;
                let length = network.prefix_length().unwrap_or(0);
                let key = Key { addresses: [network.address, NOBODY], ..Key::NONE };
                Ok(vec![Key { lengths: [length, 0], ..key }])
            }
            Dimension::Port => ports(text).ok_or_else(|| wrong("PROTOCOL:PORT")),
            Dimension::BarePort => ports(text)
                .map(|keys| keys.into_iter().map(|key| Key { proto: 0, ..key }).collect())
                .ok_or_else(|| wrong("a port")),
            Dimension::Mac => {
                let part = Word { text: text.to_owned(), ..word.clone() };
                Ok(vec![Key { mac: mac::address(&part)?, ..Key::NONE }])
            }
            Dimension::Mark => {
                let mark = parse_number(text).and_then(|n| u32::try_from(n).ok());
                let mark = mark.ok_or_else(|| wrong("a mark"))? & self.markmask;
                Ok(vec![Key { mark, ..Key::NONE }])
            }
            Dimension::Interface => match text.strip_prefix("physdev:") {
                Some(_) => {
                    self.opaque = true;
                    Ok(vec![Key::NONE])
                }
                None => {
                    let name = InterfaceName::new(text).ok_or_else(|| wrong("an interface"))?;
                    Ok(vec![Key { interface: *name.bytes(), ..Key::NONE }])
                }
            },
            Dimension::Sets => Ok(Vec::new()),
        }
    }

    fn network(&self, text: &str) -> Option<Network> {
        let (host, mask) = match text.split_once('/') {
            Some((host, mask)) => (host, parse_mask(mask, self.family)?),
            None => (text, prefix_mask(self.family, self.family.bits())?),
        };
        Some(Network::new(parse_address(host, self.family)?, mask))
    }

    /// One address, the addresses of a network, or those of a range.
    fn addresses(&self, text: &str) -> Option<Vec<Key>> {
        let mask = prefix_mask(self.family, self.netmask.unwrap_or(self.family.bits()))?;
        let key = |address: IpAddr| Key {
            addresses: [Network::new(address, mask).address, NOBODY],
            ..Key::NONE
        };
        let (first, last) = match (text.split_once('-'), text.split_once('/')) {
            (Some((first, last)), _) => {
                (parse_address(first, self.family)?, parse_address(last, self.family)?)
            }
            (_, Some(_)) => {
                let network = self.network(text)?;
                let hosts = self.family.bits() - network.prefix_length()?;
                (network.address, offset(network.address, (1_u64.checked_shl(hosts.into())?) - 1)?)
            }
            _ => {
                let address = parse_address(text, self.family)?;
                return Some(vec![key(address)]);
            }
        };
        let count = distance(first, last)?.checked_add(1).filter(|count| *count <= RANGE_MAX)?;
        let mut keys: Vec<Key> = (0..count).filter_map(|n| offset(first, n)).map(key).collect();
        keys.dedup();
        Some(keys)
    }
}

fn offset(address: IpAddr, by: u64) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => IpAddr::V4(v4.to_bits().checked_add(u32::try_from(by).ok()?)?.into()),
        IpAddr::V6(v6) => IpAddr::V6(v6.to_bits().checked_add(u128::from(by))?.into()),
    })
}

fn distance(first: IpAddr, last: IpAddr) -> Option<u64> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            last.to_bits().checked_sub(first.to_bits()).map(u64::from)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            u64::try_from(last.to_bits().checked_sub(first.to_bits())?).ok()
        }
        _ => None,
    }
}

/// `PORT`, `PROTOCOL:PORT` or `PROTOCOL:MIN-MAX`; without protocol it is TCP.
fn ports(text: &str) -> Option<Vec<Key>> {
    let (proto, text) = match text.split_once(':') {
        Some((proto, text)) => (proto, text),
        None => ("tcp", text),
    };
    let number = parse_number(proto).and_then(|n| u8::try_from(n).ok()).map(L4Proto);
    let proto = protocols::from_name(proto).or(number)?;
    let key = |port: u16| Key { port, proto: proto.0, ..Key::NONE };
    if matches!(proto, L4Proto::ICMP | L4Proto::ICMPV6) {
        return icmp(text, proto).map(|port| vec![key(port)]);
    }
    let port = |text: &str| match parse_number(text) {
        Some(number) => u16::try_from(number).ok(),
        None => services::port(text, Some(proto)),
    };
    match (port(text), text.split_once('-')) {
        (Some(port), _) => Some(vec![key(port)]),
        (None, Some((min, max))) => Some((port(min)?..=port(max)?).map(key).collect()),
        _ => None,
    }
}

/// `TYPE/CODE` or a name.
fn icmp(text: &str, proto: L4Proto) -> Option<u16> {
    if let Some((kind, code)) = text.split_once('/') {
        let octet = |text: &str| parse_number(text).and_then(|n| u8::try_from(n).ok());
        return Some(u16::from_be_bytes([octet(kind)?, octet(code)?]));
    }
    let (kind, code) = match proto {
        L4Proto::ICMP => crate::matches::icmp::by_name(text)?,
        _ => crate::matches::icmp6::by_name(text)?,
    };
    Some(u16::from_be_bytes([kind, code.unwrap_or(0)]))
}

impl Entry {
    fn option<'a>(
        &mut self,
        option: &Word,
        rest: &mut impl Iterator<Item = &'a &'a Word>,
        opaque: &mut bool,
    ) -> Result<(), Diagnostic> {
        let counts = self.counts.unwrap_or_default();
        match option.text.as_str() {
            "timeout" => {
                let timeout = number(option, rest.next())?.min(1 << 31) as u32;
                self.timeout_s = Some(timeout).filter(|s| *s > 0);
            }
            "packets" => {
                self.counts = Some(Counts { packets: number(option, rest.next())?, ..counts });
            }
            "bytes" => self.counts = Some(Counts { bytes: number(option, rest.next())?, ..counts }),
            "nomatch" => self.exception = true,
            "wildcard" => *opaque = true,
            "comment" | "skbmark" | "skbprio" | "skbqueue" | "before" | "after" => {
                rest.next();
            }
            text => {
                return Err(option
                    .mistake(format!("{text:?} is not an option of an element"))
                    .help("timeout, packets, bytes, comment, nomatch and so on"));
            }
        }
        Ok(())
    }
}
