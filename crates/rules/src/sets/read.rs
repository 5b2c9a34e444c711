//! What `ipset save` writes: `create NAME TYPE OPTIONS...` and `add NAME ELEMENT OPTIONS...`.

use super::element;
use super::set::{Dimension, Entry, Info, Key, Kind, Life, Set, number_of, prefix};
use super::{ELEMENTS_MAX, SETS_MAX, Sets};
use crate::diagnostic::{Diagnostic, Mistakes};
use crate::lex::{self, Word};
use crate::targets::set::NAME_LENGTH_MAX;
use crate::value::{parse_address, parse_number};
use kinwall_terms::Family;
use std::collections::BTreeSet;

/// The types of sets and their dimensions.
const KINDS: &[Kind] = {
    use Dimension::*;
    const fn kind(name: &'static str, dimensions: &'static [Dimension]) -> Kind {
        Kind { name, dimensions }
    }
    &[
        kind("bitmap:ip", &[Address]),
        kind("bitmap:ip,mac", &[Address, MacToLearn]),
        kind("bitmap:port", &[BarePort]),
        kind("hash:ip", &[Address]),
        kind("hash:mac", &[Mac]),
        kind("hash:ip,mac", &[Address, Mac]),
        kind("hash:net", &[Network]),
        kind("hash:net,net", &[Network, Network]),
        kind("hash:ip,port", &[Address, Port]),
        kind("hash:net,port", &[Network, Port]),
        kind("hash:ip,port,ip", &[Address, Port, Address]),
        kind("hash:ip,port,net", &[Address, Port, Network]),
        kind("hash:ip,mark", &[Address, Mark]),
        kind("hash:net,port,net", &[Network, Port, Network]),
        kind("hash:net,iface", &[Network, Interface]),
        kind("list:set", &[Sets]),
    ]
};

/// The longest timeout, in seconds.
const TIMEOUT_MAX: u64 = 2_147_483;
/// The most addresses of a bitmap, and the largest port.
const BITMAP_MAX: u128 = 65_536;

/// The words of a line behind the first three.
type Rest<'a> = std::slice::Iter<'a, &'a Word>;

impl Sets {
    /// Reads the text of several files; what is wrong with any of them is reported at once.
    ///
    /// # Errors
    /// All mistakes, by file and place.
    pub fn read(files: &[&str]) -> Result<Sets, Vec<Diagnostic>> {
        let mut reader = Reader::default();
        let mut mistakes = Mistakes::default();
        for (index, text) in files.iter().enumerate() {
            mistakes.file = u16::try_from(index).unwrap_or(u16::MAX);
            for (line, number) in text.lines().zip(1..) {
                if let Err(mistake) = reader.line(line, number) {
                    mistakes.push(mistake);
                }
            }
        }
        match mistakes.into_sorted() {
            list if list.is_empty() => Ok(reader.sets),
            list => Err(list),
        }
    }
}

/// The sets so far.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) sets: Sets,
    /// The names of sets whose own lines are wrong: nothing more is said of them.
    pub(super) broken: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str, number: u32) -> Result<(), Diagnostic> {
        if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
            return Ok(());
        }
        let words = lex::words(line, number)?;
        let mut words: Vec<&Word> = words.iter().collect();
        if words.first().is_some_and(|word| word.text == "ipset") {
            words.remove(0);
        }
        let before = words.len();
        words.retain(|word| !is(word, &["-exist", "-!"]));
        let again = words.len() < before;
        words.retain(|word| !is(word, &["-q", "-quiet"]));
        match words.as_slice() {
            [command, name, kind, rest @ ..] if is(command, &["create", "-N", "--create", "n"]) => {
                let created = self.create(name, kind, rest.iter(), again);
                if created.is_err() {
                    self.broken.insert(name.text.clone());
                }
                created
            }
            [_, name, ..] if self.broken.contains(&name.text) => Ok(()),
            [command, name, element, rest @ ..] if is(command, &["add", "-A", "--add"]) => {
                self.element(name, element, rest.iter(), again)
            }
            [command, name] if is(command, &["flush", "-F", "--flush"]) => self.flush(name),
            [command] if is(command, &["COMMIT"]) => Ok(()),
            [command, ..] if is(command, &["create", "-N", "--create", "n"]) => {
                Err(command.mistake("create needs a name and a type behind it"))
            }
            [command, ..] if is(command, &["add", "-A", "--add"]) => {
                Err(command.mistake("add needs a name and an element behind it"))
            }
            [command, ..] => Err(command
                .mistake(format!("{:?} is not understood in a file of sets", command.text))
                .help(
                    "create NAME TYPE ..., add NAME ELEMENT ... or flush NAME, as in ipset save",
                )),
            [] => Ok(()),
        }
    }

    fn create(
        &mut self,
        name: &Word,
        kind: &Word,
        mut rest: Rest<'_>,
        again: bool,
    ) -> Result<(), Diagnostic> {
        if name.text.is_empty() || name.text.len() > NAME_LENGTH_MAX {
            let help = format!("1 to {NAME_LENGTH_MAX} characters");
            return Err(name.mistake("this cannot be the name of a set").help(help));
        }
        let Some(kind) = KINDS.iter().find(|known| known.name == kind.text) else {
            let names: Vec<&str> = KINDS.iter().map(|known| known.name).collect();
            return Err(kind
                .mistake(format!("{:?} is not a type of set", kind.text))
                .help(format!("one of {}", names.join(", "))));
        };
        let mut set = Set::new(kind);
        let options: Vec<&Word> = rest.clone().copied().collect();
        if let Some(at) = options.iter().position(|word| word.text == "family") {
            set.family = family(&set, options[at], options.get(at + 1).copied())?;
        }
        while let Some(option) = rest.next() {
            set.option(option, &mut rest)?;
        }
        if kind.is_bitmap() && set.range.is_none() {
            let example = if kind.name == "bitmap:port" { "0-65535" } else { "10.0.0.0/16" };
            return Err(name
                .mistake(format!("{} needs a range", kind.name))
                .help(format!("such as range {example}")));
        }
        let hosts = (!set.mask & prefix(Family::Ipv4, 32)) + 1;
        if set.range.is_some_and(|(first, last)| (last - first) / hosts >= BITMAP_MAX) {
            return Err(name
                .mistake("this range is too large for a bitmap")
                .help(format!("at most {BITMAP_MAX} elements; a set of type hash holds more")));
        }
        match self.sets.index(&name.text) {
            Some(_) if again => Ok(()),
            Some(_) => Err(name
                .mistake(format!("{} exists already", name.text))
                .help("give it another name, or remove one of the two lines")),
            None if self.sets.sets.len() >= SETS_MAX => {
                Err(name.mistake("there are too many sets").help(format!("at most {SETS_MAX}")))
            }
            None => {
                let at = self.sets.sets.len() as u32;
                self.sets.names.insert(name.text.as_str().into(), at);
                self.sets.sets.push(set);
                Ok(())
            }
        }
    }

    pub(super) fn flush(&mut self, name: &Word) -> Result<(), Diagnostic> {
        let at = self.known(name)?;
        let set = &mut self.sets.sets[at as usize];
        self.sets.count -= set.elements.len();
        let keys: Vec<_> = set.elements.keys().copied().collect();
        keys.iter().for_each(|key| _ = set.remove(key));
        set.members.clear();
        Ok(())
    }

    pub(super) fn known(&self, name: &Word) -> Result<u32, Diagnostic> {
        self.sets.index(&name.text).ok_or_else(|| {
            let known: Vec<&str> = self.sets.names().collect();
            let near = crate::suggest::closest(&name.text, known.iter().copied());
            name.mistake(format!("there is no set {}", name.text)).help(match near {
                Some(near) => format!("did you mean {near}?"),
                None => format!("a line create {} TYPE must come before", name.text),
            })
        })
    }

    fn element(
        &mut self,
        name: &Word,
        text: &Word,
        rest: Rest<'_>,
        again: bool,
    ) -> Result<(), Diagnostic> {
        let at = self.known(name)?;
        let set = &mut self.sets.sets[at as usize];
        if set.kind.is_list() {
            return self.member(at, text, rest, again);
        }
        let (keys, entry) = set.read_element(text, rest)?;
        for key in keys {
            let known = set.elements.contains_key(&key);
            if known && !again {
                return Err(text
                    .mistake(format!("{} is in the set already", text.text))
                    .help("remove the line, or write add -exist to replace the element"));
            }
            if !known && set.elements.len() >= set.max && !set.makes_way {
                return Err(name.mistake(format!("{} is full", name.text)).help(format!(
                    "it holds {} elements: create it with a larger maxelem",
                    set.max
                )));
            }
            if !known && set.elements.len() >= set.max {
                continue;
            }
            if !known && self.sets.count >= ELEMENTS_MAX {
                return Err(name
                    .mistake("the sets have too many elements")
                    .help(format!("at most {ELEMENTS_MAX} together")));
            }
            self.sets.count += usize::from(!known);
            set.insert(key, entry.clone());
        }
        Ok(())
    }

    /// Adds a set to a list of sets.
    fn member(
        &mut self,
        list: u32,
        text: &Word,
        mut rest: Rest<'_>,
        again: bool,
    ) -> Result<(), Diagnostic> {
        let mut entry = self.sets.sets[list as usize].new_entry();
        let member = self.known(text)?;
        if self.sets.sets[member as usize].kind.is_list() {
            return Err(text
                .mistake("a list of sets cannot hold another list")
                .help("add the sets of that list one by one"));
        }
        let mut place = None;
        while let Some(option) = rest.next() {
            let step = match option.text.as_str() {
                "before" => 0,
                "after" => 1,
                _ => {
                    entry.option(&self.sets.sets[list as usize], option, &mut rest)?;
                    continue;
                }
            };
            let beside = value(option, rest.next())?;
            let other = self.known(beside)?;
            let members = &self.sets.sets[list as usize].members;
            let at = members.iter().position(|(known, _)| *known == other);
            place = Some(
                step + at.ok_or_else(|| {
                    beside
                        .mistake(format!("{} is not in the list", beside.text))
                        .help("add that set first")
                })?,
            );
        }
        let members = &mut self.sets.sets[list as usize].members;
        if let Some((_, known)) = members.iter_mut().find(|(known, _)| *known == member) {
            *known = entry;
            return match again {
                true => Ok(()),
                false => Err(text
                    .mistake(format!("{} is in the list already", text.text))
                    .help("remove the line")),
            };
        }
        members.insert(place.unwrap_or(members.len()), (member, entry));
        Ok(())
    }
}

pub(super) fn is(word: &Word, names: &[&str]) -> bool {
    names.contains(&word.text.as_str())
}

/// The word behind `option`.
fn value<'a>(option: &Word, word: Option<&&'a Word>) -> Result<&'a Word, Diagnostic> {
    word.copied().ok_or_else(|| {
        option.mistake(format!("{} needs a value", option.text)).help("add it behind")
    })
}

/// The number behind `option`, up to `most`.
fn number(option: &Word, word: Option<&&Word>, most: u64) -> Result<u64, Diagnostic> {
    let word = value(option, word)?;
    parse_number(&word.text).filter(|number| *number <= most).ok_or_else(|| {
        word.mistake(format!("{:?} does not fit {}", word.text, option.text))
            .help(format!("a number from 0 to {most}"))
    })
}

fn family(set: &Set, option: &Word, word: Option<&Word>) -> Result<Option<Family>, Diagnostic> {
    if set.family.is_none() || set.kind.is_bitmap() {
        return Err(option
            .mistake(format!("{} has no family", set.kind.name))
            .help("remove it: IPv6 addresses need a set of type hash"));
    }
    match word.map(|word| word.text.as_str()) {
        Some("inet") => Ok(Some(Family::Ipv4)),
        Some("inet6") => Ok(Some(Family::Ipv6)),
        _ => Err(word
            .unwrap_or(option)
            .mistake("this is not a family of addresses")
            .help("inet or inet6")),
    }
}

impl Set {
    /// An element without options.
    fn new_entry(&self) -> Entry {
        let life = self.timeout_s.filter(|s| *s > 0).map_or(Life::Forever, Life::Seconds);
        Entry { life, ..Entry::default() }
    }

    /// Reads an element and the options behind it.
    pub(super) fn read_element(
        &mut self,
        text: &Word,
        mut rest: Rest<'_>,
    ) -> Result<(Vec<Key>, Entry), Diagnostic> {
        let mut entry = self.new_entry();
        let mut wildcard = false;
        while let Some(option) = rest.next() {
            match option.text.as_str() {
                "nomatch" if self.kind.has_exceptions() => entry.exception = true,
                "wildcard" if self.kind.name == "hash:net,iface" => wildcard = true,
                _ => entry.option(self, option, &mut rest)?,
            }
        }
        let keys = element::keys(self, text, &mut entry, wildcard)?;
        Ok((keys, entry))
    }

    fn option(&mut self, option: &Word, rest: &mut Rest<'_>) -> Result<(), Diagnostic> {
        let is_hash = self.kind.name.starts_with("hash");
        match option.text.as_str() {
            // It was read before the others.
            "family" => _ = rest.next(),
            "timeout" => {
                self.timeout_s = Some(number(option, rest.next(), TIMEOUT_MAX)? as u32);
            }
            "counters" => self.counts = true,
            "comment" => self.comments = true,
            "skbinfo" => self.infos = true,
            "forceadd" if is_hash => self.makes_way = true,
            "maxelem" if is_hash => {
                self.max = number(option, rest.next(), u32::MAX.into())?.max(1) as usize;
            }
            "hashsize" | "bucketsize" | "initval" if is_hash => {
                number(option, rest.next(), u32::MAX.into())?;
            }
            "size" if self.kind.is_list() => _ = number(option, rest.next(), u32::MAX.into())?,
            "markmask" if self.kind.dimensions.contains(&Dimension::Mark) => {
                self.markmask = number(option, rest.next(), u32::MAX.into())? as u32;
            }
            "netmask" | "bitmask" if self.has_mask() => {
                let family = self.family.unwrap_or(Family::Ipv4);
                let word = value(option, rest.next())?;
                let length = parse_number(&word.text).filter(|n| *n <= family.bits().into());
                let mask = match option.text.as_str() {
                    "netmask" => length.filter(|n| *n > 0).map(|n| prefix(family, n as u8)),
                    _ => parse_address(&word.text, family).map(number_of),
                };
                self.mask = mask.ok_or_else(|| {
                    word.mistake(format!("{:?} is not a mask", word.text)).help(match family {
                        Family::Ipv4 => "netmask from 1 to 32, or bitmask 255.255.0.255",
                        Family::Ipv6 => "netmask from 1 to 128, or bitmask ffff::ffff",
                    })
                })?;
            }
            "range" if self.kind.is_bitmap() => {
                let word = value(option, rest.next())?;
                self.range = Some(self.bitmap_range(word)?);
            }
            text => {
                return Err(option
                    .mistake(format!("{} has no option {text:?}", self.kind.name))
                    .help(format!("it has {}", self.options().join(", "))));
            }
        }
        Ok(())
    }

    /// Whether addresses may be looked up under a mask.
    fn has_mask(&self) -> bool {
        matches!(self.kind.name, "bitmap:ip" | "hash:ip" | "hash:ip,port" | "hash:net,net")
    }

    /// The options that sets of this type have.
    fn options(&self) -> Vec<&'static str> {
        let is_hash = self.kind.name.starts_with("hash");
        let has_family = is_hash && self.family.is_some();
        let all = [
            ("family", has_family),
            ("range", self.kind.is_bitmap()),
            ("hashsize", is_hash),
            ("maxelem", is_hash),
            ("netmask", self.has_mask()),
            ("bitmask", self.has_mask()),
            ("markmask", self.kind.dimensions.contains(&Dimension::Mark)),
            ("size", self.kind.is_list()),
            ("timeout", true),
            ("counters", true),
            ("comment", true),
            ("skbinfo", true),
            ("forceadd", is_hash),
        ];
        all.into_iter().filter(|option| option.1).map(|option| option.0).collect()
    }

    /// `FIRST-LAST` or `NETWORK/LENGTH`: addresses, or ports.
    fn bitmap_range(&self, word: &Word) -> Result<(u128, u128), Diagnostic> {
        let is_port = self.kind.name == "bitmap:port";
        let one = |text: &str| match is_port {
            true => parse_number(text).filter(|n| *n <= 0xffff).map(u128::from),
            false => parse_address(text, Family::Ipv4).map(number_of),
        };
        let ends = match (word.text.split_once('-'), word.text.split_once('/')) {
            (Some((first, last)), _) => one(first).zip(one(last)),
            (None, Some((host, length))) if !is_port => {
                let length = parse_number(length).filter(|n| *n <= 32).map(|n| n as u8);
                one(host).zip(length).map(|(host, length)| {
                    let mask = prefix(Family::Ipv4, length);
                    (host & mask, host & mask | (prefix(Family::Ipv4, 32) & !mask))
                })
            }
            _ => None,
        };
        let example = if is_port { "0-1023" } else { "10.0.0.0/16 or 10.0.0.0-10.0.3.255" };
        match ends.filter(|(first, last)| first <= last) {
            Some(ends) => Ok(ends),
            None => Err(word
                .mistake(format!("{:?} is not a range", word.text))
                .help(format!("such as {example}"))),
        }
    }
}

impl Entry {
    /// Reads an option that elements of every type have, where the set was created with it.
    fn option(&mut self, set: &Set, option: &Word, rest: &mut Rest<'_>) -> Result<(), Diagnostic> {
        let text = option.text.as_str();
        let (needed, there) = match text {
            "timeout" => ("timeout 0", set.timeout_s.is_some()),
            "packets" | "bytes" => ("counters", set.counts),
            "comment" => ("comment", set.comments),
            "skbmark" | "skbprio" | "skbqueue" => ("skbinfo", set.infos),
            _ => {
                return Err(option
                    .mistake(format!("an element of {} has no option {text:?}", set.kind.name))
                    .help(
                        "timeout, packets, bytes, comment, skbmark, skbprio, skbqueue, nomatch",
                    ));
            }
        };
        if !there {
            return Err(option
                .mistake(format!("the set was created without {text}"))
                .help(format!("add {needed} to its create line")));
        }
        match text {
            "timeout" => {
                self.life = match number(option, rest.next(), TIMEOUT_MAX)? {
                    0 => Life::Forever,
                    seconds => Life::Seconds(seconds as u32),
                };
            }
            "packets" => {
                self.extra_mut().counts.packets = number(option, rest.next(), u64::MAX)?;
            }
            "bytes" => self.extra_mut().counts.bytes = number(option, rest.next(), u64::MAX)?,
            "comment" => _ = value(option, rest.next())?,
            _ => self.extra_mut().info.option(option, value(option, rest.next())?)?,
        }
        Ok(())
    }
}

impl Info {
    fn option(&mut self, option: &Word, word: &Word) -> Result<(), Diagnostic> {
        let number = |text: &str, most: u64| parse_number(text).filter(|n| *n <= most);
        let hex = |text: &str| u32::from_str_radix(text, 16).ok();
        let wrong = |help: &str| {
            let message = format!("{:?} does not fit {}", word.text, option.text);
            Err(word.mistake(message).help(help))
        };
        match (option.text.as_str(), word.text.split_once('/'), word.text.split_once(':')) {
            ("skbmark", None, _) => match number(&word.text, u32::MAX.into()) {
                Some(mark) => (self.mark, self.mark_mask) = (mark as u32, u32::MAX),
                None => return wrong("MARK or MARK/MASK, such as 0x10/0xff"),
            },
            ("skbmark", Some((mark, mask)), _) => {
                match number(mark, u32::MAX.into()).zip(number(mask, u32::MAX.into())) {
                    Some((mark, mask)) => {
                        (self.mark, self.mark_mask) = (mark as u32, mask as u32);
                    }
                    None => return wrong("MARK or MARK/MASK, such as 0x10/0xff"),
                }
            }
            ("skbprio", _, Some((major, minor))) => {
                match hex(major).zip(hex(minor)).filter(|(a, b)| *a <= 0xffff && *b <= 0xffff) {
                    Some((major, minor)) => self.class = major << 16 | minor,
                    None => return wrong("MAJOR:MINOR, hexadecimal, such as 1:10"),
                }
            }
            ("skbprio", ..) => return wrong("MAJOR:MINOR, hexadecimal, such as 1:10"),
            _ => match number(&word.text, 0xffff) {
                Some(queue) => self.queue = queue as u16,
                None => return wrong("the number of a queue, from 0 to 65535"),
            },
        }
        Ok(())
    }
}
