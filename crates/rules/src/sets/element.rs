//! Elements as text: `10.0.0.0/8`, `10.0.0.1,tcp:80`, `10.0.0.0/8,eth0`.

use super::set::{Dimension, Entry, Key, Set, mac_number, number_of, prefix};
use crate::diagnostic::{Diagnostic, Span};
use crate::lex::Word;
use crate::matches::mac;
use crate::value::{parse_address, parse_number};
use crate::{protocols, services};
use kinwall_terms::{Family, InterfaceName, L4Proto};

/// The most elements one line with a range makes.
pub(super) const RANGE_MAX: usize = 65_536;

/// What one part of an element stands for: one thing, or those of a range.
enum Part {
    /// An address and its prefix length; 0 where the dimension has none.
    Addresses(Vec<(u128, u8)>),
    /// A protocol and ports.
    Ports(u8, Vec<u16>),
    Other(u64),
    Mac(u64),
    /// Nothing is said: an address without its link-layer address.
    Nothing,
}

/// The elements that a word stands for. `wildcard`: its interface stands for all that begin so.
pub(super) fn keys(
    set: &mut Set,
    word: &Word,
    entry: &mut Entry,
    wildcard: bool,
) -> Result<Vec<Key>, Diagnostic> {
    let parts = pieces(word);
    let dimensions = set.kind.dimensions;
    let least = dimensions.len() - usize::from(dimensions.ends_with(&[Dimension::MacToLearn]));
    if !(least..=dimensions.len()).contains(&parts.len()) {
        let count = |n: usize| if n == 1 { "1 part".to_owned() } else { format!("{n} parts") };
        return Err(word
            .mistake(format!("this element has {}", count(parts.len())))
            .help(format!("an element of {} has {}", set.kind.name, count(dimensions.len()))));
    }
    let mut keys = vec![Key::NONE];
    let mut addresses = 0;
    for (index, dimension) in dimensions.iter().enumerate() {
        let part = match parts.get(index) {
            Some(piece) => part(set, *dimension, piece, index, wildcard)?,
            None => Part::Nothing,
        };
        let count = match &part {
            Part::Addresses(list) => list.len(),
            Part::Ports(_, list) => list.len(),
            _ => 1,
        };
        if keys.len().saturating_mul(count) > RANGE_MAX {
            let help = format!("at most {RANGE_MAX} elements a line: split it");
            return Err(word.mistake("this range is too large").help(help));
        }
        keys = spread(&keys, &part, addresses, entry);
        addresses += usize::from(dimension.is_address());
    }
    Ok(keys)
}

/// Each key with each thing that a part stands for.
fn spread(keys: &[Key], part: &Part, place: usize, entry: &mut Entry) -> Vec<Key> {
    let with = |change: &dyn Fn(&mut Key)| {
        let changed = keys.iter().map(|key| {
            let mut key = *key;
            change(&mut key);
            key
        });
        changed.collect::<Vec<Key>>()
    };
    match part {
        Part::Addresses(list) => {
            let put = |(address, length): &(u128, u8)| {
                with(&|key| (key.addresses[place], key.lengths[place]) = (*address, *length))
            };
            list.iter().flat_map(put).collect()
        }
        Part::Ports(proto, ports) => {
            let put = |port: &u16| with(&|key| (key.port, key.proto) = (*port, *proto));
            ports.iter().flat_map(put).collect()
        }
        Part::Other(number) => with(&|key| key.other = *number),
        Part::Mac(mac) => {
            entry.extra_mut().mac = Some(*mac);
            keys.to_vec()
        }
        Part::Nothing => keys.to_vec(),
    }
}

/// The parts of a word between commas, each a word at its own place.
fn pieces(word: &Word) -> Vec<Word> {
    let mut column = word.span.column + u32::from(word.quoted);
    let piece = |text: &str| {
        let length = text.chars().count() as u32;
        let span = Span { column, length: length.max(1), ..word.span };
        column += length + 1;
        Word { text: text.to_owned(), span, quoted: false }
    };
    word.text.split(',').map(piece).collect()
}

fn part(
    set: &mut Set,
    dimension: Dimension,
    word: &Word,
    index: usize,
    wildcard: bool,
) -> Result<Part, Diagnostic> {
    match dimension {
        // Behind ports there is one address, not several.
        Dimension::Address => addresses(set, word, index == 0).map(Part::Addresses),
        Dimension::Network => networks(set, word).map(Part::Addresses),
        Dimension::Port => ports(word).map(|(proto, ports)| Part::Ports(proto, ports)),
        Dimension::BarePort => {
            let (_, ports) = ports(word)?;
            let inside = |port: &u16| in_range(set, u128::from(*port));
            match ports.iter().all(inside) {
                true => Ok(Part::Ports(0, ports)),
                false => Err(outside(set, word, &|port| port.to_string())),
            }
        }
        Dimension::Mac => link_address(word).map(Part::Other),
        Dimension::MacToLearn => link_address(word).map(Part::Mac),
        Dimension::Mark => {
            let mark = parse_number(&word.text).and_then(|n| u32::try_from(n).ok());
            let mark = mark.ok_or_else(|| {
                word.mistake(format!("{:?} is not a mark", word.text))
                    .help("a number of 32 bits, such as 0x10")
            })?;
            Ok(Part::Other((mark & set.markmask).into()))
        }
        Dimension::Interface => interface(set, word, wildcard).map(Part::Other),
        Dimension::Sets => Ok(Part::Nothing),
    }
}

fn link_address(word: &Word) -> Result<u64, Diagnostic> {
    match mac_number(mac::address(word)?) {
        0 => Err(word
            .mistake("no packet has the address of zeroes")
            .help("the address of a network card")),
        mac => Ok(mac),
    }
}

fn interface(set: &mut Set, word: &Word, wildcard: bool) -> Result<u64, Diagnostic> {
    let bridge_port = word.text.strip_prefix("physdev:");
    let text = bridge_port.unwrap_or(&word.text);
    let Some(name) = InterfaceName::new(text) else {
        return Err(word
            .mistake(format!("{text:?} is not an interface name"))
            .help("1 to 15 characters, no blank, : or /"));
    };
    let number = set.interface(*name.bytes(), bridge_port.is_some());
    if wildcard {
        set.add_wildcard(*name.bytes(), number);
    }
    Ok(number)
}

fn in_range(set: &Set, number: u128) -> bool {
    set.range.is_none_or(|(first, last)| (first..=last).contains(&number))
}

fn outside(set: &Set, word: &Word, show: &dyn Fn(u128) -> String) -> Diagnostic {
    let (first, last) = set.range.unwrap_or_default();
    word.mistake(format!("{} lies outside of the set", word.text)).help(format!(
        "its range is {} to {}",
        show(first),
        show(last)
    ))
}

/// The family of the set; sets without addresses do not ask.
fn family(set: &Set) -> Family {
    set.family.unwrap_or(Family::Ipv4)
}

fn address(set: &Set, word: &Word, text: &str) -> Result<u128, Diagnostic> {
    let family = family(set);
    let other = if family == Family::Ipv4 { Family::Ipv6 } else { Family::Ipv4 };
    let whole = family == Family::Ipv6 || text.split('.').count() == 4;
    if let Some(address) = parse_address(text, family).filter(|_| whole) {
        return Ok(number_of(address));
    }
    let mistake = word.mistake(format!("{text:?} is not an {family} address"));
    Err(match parse_address(text, other) {
        Some(_) if text.contains([':', '.']) => {
            mistake.help(format!("the set was created for {family}"))
        }
        _ => mistake.help("an address in numbers; host names are not looked up"),
    })
}

/// `ADDRESS/LENGTH` as its first address, its length, and the text of the address.
fn with_length(set: &Set, word: &Word) -> Result<Option<(u128, u8)>, Diagnostic> {
    let Some((host, length)) = word.text.split_once('/') else { return Ok(None) };
    let address = address(set, word, host)?;
    let bits = family(set).bits();
    let number = length.parse::<u8>().ok().filter(|length| *length <= bits);
    match number.filter(|_| length.bytes().all(|b| b.is_ascii_digit())) {
        Some(length) => Ok(Some((address & prefix(family(set), length), length))),
        None => Err(word
            .mistake(format!("{length:?} is not the length of a prefix"))
            .help(format!("a number from 0 to {bits}"))),
    }
}

/// `FIRST-LAST`.
fn range(set: &Set, word: &Word) -> Result<Option<(u128, u128)>, Diagnostic> {
    let Some((first, last)) = word.text.split_once('-') else { return Ok(None) };
    match (address(set, word, first)?, address(set, word, last)?) {
        (first, last) if first <= last => Ok(Some((first, last))),
        _ => Err(word
            .mistake(format!("the range {} ends before it begins", word.text))
            .help(format!("write {last}-{first}"))),
    }
}

/// One address, the addresses of a network, or those of a range.
fn addresses(set: &Set, word: &Word, several: bool) -> Result<Vec<(u128, u8)>, Diagnostic> {
    let network = with_length(set, word)?;
    let hosts = |length: u8| u128::MAX.checked_shr(128 - u32::from(family(set).bits() - length));
    let (first, last) = match (network, range(set, word)?) {
        (Some((first, length)), _) => (first, first + hosts(length).unwrap_or(0)),
        (None, Some(ends)) => ends,
        (None, None) => {
            let one = address(set, word, &word.text)?;
            (one, one)
        }
    };
    if first != last && (!several || set.family == Some(Family::Ipv6)) {
        return Err(word.mistake("one address must stand here").help("add each by itself"));
    }
    let mut list = Vec::new();
    let mut at = first;
    while at <= last {
        let masked = at & set.mask;
        if list.last() != Some(&(masked, 0)) {
            list.push((masked, 0));
        }
        if list.len() > RANGE_MAX {
            let help = format!("at most {RANGE_MAX} elements a line: split it");
            return Err(word.mistake("this range is too large").help(help));
        }
        // With a mask only one address of each masked network counts.
        let step = (!set.mask & prefix(family(set), family(set).bits())) + 1;
        at = (masked + step).max(at + 1);
    }
    if let Some((outside_one, _)) = list.iter().find(|(one, _)| !in_range(set, *one)) {
        let _ = outside_one;
        return Err(outside(set, word, &|n| shown(family(set), n)));
    }
    if set.kind.name == "hash:ip" && list.contains(&(0, 0)) {
        return Err(word
            .mistake("the address of zeroes cannot be in a set of addresses")
            .help("leave it out: no packet is looked up with it"));
    }
    Ok(list)
}

fn shown(family: Family, number: u128) -> String {
    match family {
        Family::Ipv4 => std::net::Ipv4Addr::from_bits(number as u32).to_string(),
        Family::Ipv6 => std::net::Ipv6Addr::from_bits(number).to_string(),
    }
}

/// One network, or those that make up a range.
fn networks(set: &Set, word: &Word) -> Result<Vec<(u128, u8)>, Diagnostic> {
    let bits = family(set).bits();
    let network = match (with_length(set, word)?, range(set, word)?) {
        (Some(network), _) => network,
        (None, Some((first, last))) => return Ok(cover(first, last, bits)),
        (None, None) => (address(set, word, &word.text)?, bits),
    };
    if network.1 == 0 && set.kind.name != "hash:net,iface" {
        let everything = if bits == 32 { "0.0.0.0/1 and 128.0.0.0/1" } else { "::/1 and 8000::/1" };
        return Err(word
            .mistake("a network of length 0 cannot be in this set")
            .help(format!("add {everything} instead")));
    }
    Ok(vec![(network.0 & set.mask, network.1)])
}

/// The fewest networks that make up a range of addresses.
fn cover(first: u128, last: u128, bits: u8) -> Vec<(u128, u8)> {
    let mut list = Vec::new();
    let mut at = first;
    loop {
        let mut hosts = at.trailing_zeros().min(u32::from(bits));
        while hosts > 0 && (hosts == 128 || at + ((1_u128 << hosts) - 1) > last) {
            hosts -= 1;
        }
        list.push((at, bits - hosts as u8));
        match at.checked_add(1_u128 << hosts) {
            Some(next) if next <= last => at = next,
            _ => return list,
        }
    }
}

/// `PORT`, `PROTOCOL:PORT` or `PROTOCOL:MIN-MAX`; without protocol it is TCP.
fn ports(word: &Word) -> Result<(u8, Vec<u16>), Diagnostic> {
    let (name, text) = word.text.split_once(':').unwrap_or(("tcp", &word.text));
    let number = parse_number(name).and_then(|n| u8::try_from(n).ok()).map(L4Proto);
    let Some(proto) = protocols::from_name(name).or(number) else {
        return Err(word
            .mistake(format!("no protocol is called {name:?}"))
            .help("PROTOCOL:PORT, such as tcp:80, udp:53 or icmp:echo-request"));
    };
    if matches!(proto, L4Proto::ICMP | L4Proto::ICMPV6) {
        return match icmp(text, proto) {
            Some(message) => Ok((proto.0, vec![message])),
            None => Err(word
                .mistake(format!("{text:?} is not a type and code of ICMP"))
                .help("TYPE/CODE, such as 8/0, or a name such as echo-request")),
        };
    }
    let has_ports = [L4Proto::TCP, L4Proto::UDP, L4Proto::UDPLITE, L4Proto::SCTP].contains(&proto);
    let port = |text: &str| match parse_number(text) {
        Some(number) => u16::try_from(number).ok(),
        None => services::port(text, Some(proto)),
    };
    let ends = match (port(text), text.split_once('-')) {
        (Some(port), _) => Some((port, port)),
        (None, Some((min, max))) => port(min).zip(port(max)),
        _ => None,
    };
    match ends {
        Some(ends) if !has_ports && ends != (0, 0) => {
            Err(word.mistake(format!("{name} has no ports")).help(format!("write {name}:0")))
        }
        Some((min, max)) if min <= max => Ok((proto.0, (min..=max).collect())),
        Some((min, max)) => Err(word
            .mistake(format!("the range {text} ends before it begins"))
            .help(format!("write {max}-{min}"))),
        None => Err(word
            .mistake(format!("{text:?} is not a port"))
            .help("a number from 0 to 65535, a known service name, or a range MIN-MAX")),
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
