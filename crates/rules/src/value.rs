//! Readers of option values: one word to one typed value, or a mistake that says what is right.

use crate::diagnostic::Diagnostic;
use crate::lex::Word;
use crate::{protocols, services};
use kinwall_terms::{Family, InterfaceName, L4Proto};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// A whole number as C reads it: decimal, `0x` hexadecimal, or octal after a leading 0.
pub fn parse_number(text: &str) -> Option<u64> {
    let all_digits =
        |digits: &str, radix: u32| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if !all_digits(digits, radix) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A number within `range`.
pub fn number(range: RangeInclusive<u64>) -> impl Fn(&Word) -> Result<u64, Diagnostic> {
    move |word| match parse_number(&word.text) {
        Some(number) if range.contains(&number) => Ok(number),
        Some(_) => Err(word.mistake(format!("{} is out of range", word.text)).help(format!(
            "from {} to {}",
            range.start(),
            range.end()
        ))),
        None => Err(word.mistake(format!("{:?} is not a number", word.text)).help(format!(
            "a number from {} to {}",
            range.start(),
            range.end()
        ))),
    }
}

/// A number of 8 bits.
pub fn number_u8(word: &Word) -> Result<u8, Diagnostic> {
    number(0..=0xff)(word).map(|n| n as u8)
}

/// A number of 16 bits.
pub fn number_u16(word: &Word) -> Result<u16, Diagnostic> {
    number(0..=0xffff)(word).map(|n| n as u16)
}

/// A number of 32 bits.
pub fn number_u32(word: &Word) -> Result<u32, Diagnostic> {
    number(0..=0xffff_ffff)(word).map(|n| n as u32)
}

/// A number of 64 bits.
pub fn number_u64(word: &Word) -> Result<u64, Diagnostic> {
    number(0..=u64::MAX)(word)
}

/// An inclusive range; `min == max` for a single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range<T> {
    /// The first value.
    pub min: T,
    /// The last value.
    pub max: T,
}

/// An inclusive range of ports.
pub type PortRange = Range<u16>;

impl<T: PartialOrd + Copy> Range<T> {
    /// Whether `value` lies in the range.
    pub fn contains(&self, value: T) -> bool {
        self.min <= value && value <= self.max
    }
}

impl<T: fmt::Display + PartialEq> fmt::Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min == self.max {
            true => write!(f, "{}", self.min),
            false => write!(f, "{}:{}", self.min, self.max),
        }
    }
}

/// `N`, `N:M`, `:M` (from `least`) or `N:` (to `most`); the ends are numbers. A range that ends
/// before it begins holds nothing: where Linux's tool refuses one, see [`ascending`].
pub fn range(least: u64, most: u64) -> impl Fn(&Word) -> Result<Range<u64>, Diagnostic> {
    move |word| ends(word, least, most, |text| parse_number(text).filter(|n| *n <= most))
}

/// A range that begins before it ends.
pub fn ascending<T: PartialOrd + fmt::Display>(
    read: impl Fn(&Word) -> Result<Range<T>, Diagnostic>,
) -> impl Fn(&Word) -> Result<Range<T>, Diagnostic> {
    move |word| match read(word)? {
        Range { min, max } if min > max => Err(word
            .mistake(format!("the range {} ends before it begins", word.text))
            .help(format!("write {max}:{min}"))),
        range => Ok(range),
    }
}

/// A port or a range of ports, by number or service name of `proto`; as [`range`].
pub fn port_range(proto: Option<L4Proto>) -> impl Fn(&Word) -> Result<PortRange, Diagnostic> {
    move |word| {
        let read = |text: &str| parse_port(text, proto).map(u64::from);
        let range = ends(word, 0, 0xffff, read)?;
        Ok(Range { min: range.min as u16, max: range.max as u16 })
    }
}

/// A port by number or service name of `proto`.
pub fn port(proto: Option<L4Proto>) -> impl Fn(&Word) -> Result<u16, Diagnostic> {
    move |word| parse_port(&word.text, proto).ok_or_else(|| bad_port(word, &word.text))
}

/// A port by number or by service name of `proto`.
pub fn parse_port(text: &str, proto: Option<L4Proto>) -> Option<u16> {
    match parse_number(text) {
        Some(number) => u16::try_from(number).ok(),
        None => services::port(text, proto),
    }
}

/// A mistake about a port in `word`.
pub fn bad_port(word: &Word, text: &str) -> Diagnostic {
    let mistake = word.mistake(format!("{text:?} is not a port"));
    if text.contains(',') {
        return mistake.help("a list of ports needs -m multiport --dports (or --sports, --ports)");
    }
    if let Some((min, max)) = text.split_once('-').filter(|ends| parse_number(ends.0).is_some()) {
        return mistake.help(format!("a range is written {min}:{max}"));
    }
    match crate::suggest::closest(text, services::names()) {
        Some(name) if parse_number(text).is_none() => mistake
            .help(format!("a number from 0 to 65535 or a service name: did you mean {name}?")),
        _ => mistake.help("a number from 0 to 65535 or a known service name"),
    }
}

fn ends(
    word: &Word,
    least: u64,
    most: u64,
    read: impl Fn(&str) -> Option<u64>,
) -> Result<Range<u64>, Diagnostic> {
    let wrong = |text: &str| {
        word.mistake(format!("{text:?} is not a number in range"))
            .help(format!("N or N:M, each from {least} to {most}"))
    };
    let end = |text: &str, open: u64| match text {
        "" => Ok(open),
        _ => read(text).ok_or_else(|| match most {
            0xffff => bad_port(word, text),
            _ => wrong(text),
        }),
    };
    match word.text.split_once(':') {
        None => read(&word.text).map(|n| Range { min: n, max: n }).ok_or_else(|| match most {
            0xffff => bad_port(word, &word.text),
            _ => wrong(&word.text),
        }),
        Some((min, max)) => Ok(Range { min: end(min, least)?, max: end(max, most)? }),
    }
}

/// A value under a mask, as marks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Masked {
    /// The value.
    pub value: u32,
    /// Which bits count; all ones when no mask was written.
    pub mask: u32,
}

impl Masked {
    /// Whether `number` equals the value in the bits that count.
    pub fn matches(&self, number: u32) -> bool {
        number & self.mask == self.value
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mask {
            u32::MAX => write!(f, "{:#x}", self.value),
            mask => write!(f, "{:#x}/{mask:#x}", self.value),
        }
    }
}

/// `VALUE` or `VALUE/MASK`, 32 bits each.
pub fn masked(word: &Word) -> Result<Masked, Diagnostic> {
    let number = |text: &str| parse_number(text).and_then(|n| u32::try_from(n).ok());
    let (value, mask) = match word.text.split_once('/') {
        Some((value, mask)) => (number(value), number(mask)),
        None => (number(&word.text), Some(u32::MAX)),
    };
    match (value, mask) {
        (Some(value), Some(mask)) => Ok(Masked { value, mask }),
        _ => Err(word
            .mistake(format!("{:?} is not a mark", word.text))
            .help("VALUE or VALUE/MASK, 32-bit numbers such as 0x10/0xff")),
    }
}

/// As [`masked`]; `zero` is a name for 0, the only one that is the same on every system.
pub fn masked_or_zero(zero: &'static str) -> impl Fn(&Word) -> Result<Masked, Diagnostic> {
    move |word| match word.text == zero {
        true => Ok(Masked { value: 0, mask: u32::MAX }),
        false => masked(word).map_err(|_| {
            word.mistake(format!("{:?} is not a number", word.text)).help(format!(
                "NUMBER or NUMBER/MASK, or {zero} for 0; other names differ from system to system"
            ))
        }),
    }
}

/// Writes what [`masked_or_zero`] reads.
pub fn print_or_zero(masked: Masked, zero: &'static str) -> String {
    match masked {
        Masked { value: 0, mask: u32::MAX } => zero.to_owned(),
        masked => masked.to_string(),
    }
}

/// An address and the bits of it that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The address.
    pub address: IpAddr,
    /// The mask, of the same family; it need not be contiguous.
    pub mask: IpAddr,
}

impl Network {
    /// `address` under `mask`, its other bits cleared; both of one family (else the mask is all
    /// ones).
    pub fn new(address: IpAddr, mask: IpAddr) -> Network {
        match (address, mask) {
            (IpAddr::V4(a), IpAddr::V4(m)) => Network { address: (a & m).into(), mask },
            (IpAddr::V6(a), IpAddr::V6(m)) => Network { address: (a & m).into(), mask },
            _ => Network { address, mask: ones(Family::of(address)) },
        }
    }

    /// Whether `address` lies in the network; false for the other family.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, self.mask, address) {
            (IpAddr::V4(own), IpAddr::V4(mask), IpAddr::V4(other)) => other & mask == own & mask,
            (IpAddr::V6(own), IpAddr::V6(mask), IpAddr::V6(other)) => other & mask == own & mask,
            _ => false,
        }
    }

    /// The length of the mask in bits, when it is contiguous.
    pub fn prefix_length(&self) -> Option<u8> {
        let (bits, width) = match self.mask {
            IpAddr::V4(mask) => (u128::from(mask.to_bits()) << 96, 32),
            IpAddr::V6(mask) => (mask.to_bits(), 128),
        };
        let length = bits.leading_ones().min(width);
        (bits.count_ones() == length).then_some(length as u8)
    }

    /// As most extensions print it: the mask left out when it is all ones.
    pub fn short(&self) -> String {
        match self.mask == ones(Family::of(self.address)) {
            true => self.address.to_string(),
            false => self.to_string(),
        }
    }

    /// Whether every address lies in it.
    pub fn is_everything(&self) -> bool {
        self.mask.is_unspecified()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix_length() {
            Some(length) => write!(f, "{}/{length}", self.address),
            None => write!(f, "{}/{}", self.address, self.mask),
        }
    }
}

fn ones(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::BROADCAST.into(),
        Family::Ipv6 => Ipv6Addr::from([0xff; 16]).into(),
    }
}

/// The mask of `length` leading ones.
pub fn prefix_mask(family: Family, length: u8) -> Option<IpAddr> {
    match family {
        Family::Ipv4 if length <= 32 => {
            let bits = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Some(Ipv4Addr::from_bits(bits).into())
        }
        Family::Ipv6 if length <= 128 => {
            let bits = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            Some(Ipv6Addr::from_bits(bits).into())
        }
        _ => None,
    }
}

/// An address of `family`. Short IPv4 forms such as `10` or `10.1` are filled up with zeroes on
/// the right, as iptables does.
pub fn parse_address(text: &str, family: Family) -> Option<IpAddr> {
    match family {
        Family::Ipv4 => parse_ipv4(text).map(IpAddr::V4),
        Family::Ipv6 => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    }
}

fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    for (count, part) in text.split('.').enumerate() {
        *octets.get_mut(count)? = u8::try_from(parse_number(part)?).ok()?;
    }
    Some(octets.into())
}

/// An address of `family`.
pub fn address(family: Family) -> impl Fn(&Word) -> Result<IpAddr, Diagnostic> {
    move |word| {
        parse_address(&word.text, family).ok_or_else(|| bad_address(word, &word.text, family))
    }
}

/// As [`network`], but the bits outside the mask stay as they were written: some extensions
/// print them.
pub fn network_as_written(family: Family) -> impl Fn(&Word) -> Result<Network, Diagnostic> {
    move |word| {
        let network = parse_network(word, &word.text, family)?;
        let host = word.text.split('/').next().and_then(|host| parse_address(host, family));
        Ok(Network { address: host.unwrap_or(network.address), ..network })
    }
}

/// A network of `family`: an address, with `/LENGTH` or `/MASK` or alone.
pub fn network(family: Family) -> impl Fn(&Word) -> Result<Network, Diagnostic> {
    move |word| parse_network(word, &word.text, family)
}

/// As [`network`], for a part of a word.
pub fn parse_network(word: &Word, text: &str, family: Family) -> Result<Network, Diagnostic> {
    let (host, mask) = match text.split_once('/') {
        Some((host, mask)) => (host, Some(mask)),
        None => (text, None),
    };
    let Some(address) = parse_address(host, family) else {
        return Err(bad_address(word, host, family));
    };
    let mask = match mask {
        None => Some(ones(family)),
        Some(text) => parse_mask(text, family),
    };
    mask.map(|mask| Network::new(address, mask)).ok_or_else(|| {
        word.mistake(format!("{text:?} has no valid mask"))
            .help(format!("a length from 0 to {}, or a mask written as an address", family.bits()))
    })
}

/// A mask of `family`, by length or written as an address.
pub fn parse_mask(text: &str, family: Family) -> Option<IpAddr> {
    match text.parse::<u8>() {
        Ok(length) if text.bytes().all(|b| b.is_ascii_digit()) => prefix_mask(family, length),
        _ if family == Family::Ipv4 && text.split('.').count() != 4 => None,
        _ => parse_address(text, family),
    }
}

fn bad_address(word: &Word, text: &str, family: Family) -> Diagnostic {
    let other = match family {
        Family::Ipv4 => Family::Ipv6,
        Family::Ipv6 => Family::Ipv4,
    };
    if text == "!" {
        return word
            .mistake("the ! must stand before the option")
            .help("write `! -s ADDRESS` instead of `-s ! ADDRESS`");
    }
    if parse_address(text, other).is_some() && (other == Family::Ipv6 || text.contains('.')) {
        return word
            .mistake(format!("{text} is an {other} address in an {family} rule"))
            .help(format!("move the rule to the {other} rule set"));
    }
    let looks_numeric = text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'));
    if looks_numeric && !text.is_empty() && text.contains(['.', ':']) {
        return word.mistake(format!("{text:?} is not an {family} address")).help(match family {
            Family::Ipv4 => "four numbers from 0 to 255, such as 192.0.2.1",
            Family::Ipv6 => "such as 2001:db8::1",
        });
    }
    word.mistake(format!("{text:?} is not an address"))
        .help("host names are refused: what they stand for can change; write the address")
}

/// A protocol by name or number; 0 and `all` mean any.
pub fn protocol(word: &Word) -> Result<L4Proto, Diagnostic> {
    if word.text.eq_ignore_ascii_case("all") {
        return Ok(L4Proto(0));
    }
    if let Some(number) = parse_number(&word.text) {
        return u8::try_from(number).map(L4Proto).map_err(|_| {
            word.mistake(format!("protocol {number} is out of range")).help("from 0 to 255")
        });
    }
    protocols::from_name(&word.text).ok_or_else(|| {
        let mistake = word.mistake(format!("no protocol is called {:?}", word.text));
        match crate::suggest::closest(&word.text, protocols::names()) {
            Some(name) => mistake.help(format!("did you mean {name}?")),
            None => mistake.help("a name such as tcp, udp, icmp, or a number from 0 to 255"),
        }
    })
}

/// An interface, or all whose names begin with the text before a final `+`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InterfacePattern {
    name: [u8; 16],
    length: u8,
    prefix: bool,
}

impl InterfacePattern {
    /// From the text of `-i` and `-o`: at most 15 bytes without blank or `/`, `+` last for a
    /// prefix.
    pub fn new(text: &str) -> Option<InterfacePattern> {
        let (stem, prefix) = match text.strip_suffix('+') {
            Some(stem) => (stem, true),
            None => (text, false),
        };
        let bytes = stem.as_bytes();
        let illegal = |b: &u8| b.is_ascii_whitespace() || matches!(b, 0 | b'/');
        if text.len() > InterfaceName::LENGTH_MAX || text.is_empty() || bytes.iter().any(illegal) {
            return None;
        }
        let mut name = [0; 16];
        name[..bytes.len()].copy_from_slice(bytes);
        Some(InterfacePattern { name, length: bytes.len() as u8, prefix })
    }

    /// Whether it stands for every interface, even for none.
    pub fn is_everything(&self) -> bool {
        self.prefix && self.length == 0
    }

    /// Whether it ends in `+`.
    pub fn is_prefix(&self) -> bool {
        self.prefix
    }

    /// The text before the `+`, or the whole name.
    pub fn stem(&self) -> &str {
        std::str::from_utf8(&self.name[..usize::from(self.length)]).unwrap_or("?")
    }

    /// Whether `interface` is meant. Where there is no interface, the name is empty.
    pub fn matches(&self, interface: Option<InterfaceName>) -> bool {
        let zeroes = [0; 16];
        let name = interface.as_ref().map_or(&zeroes, InterfaceName::bytes);
        let length = usize::from(self.length);
        match self.prefix {
            true => name[..length] == self.name[..length],
            false => *name == self.name,
        }
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.stem(), if self.prefix { "+" } else { "" })
    }
}

impl fmt::Debug for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An interface or a prefix of interfaces.
pub fn interface(word: &Word) -> Result<InterfacePattern, Diagnostic> {
    InterfacePattern::new(&word.text).ok_or_else(|| {
        word.mistake(format!("{:?} is not an interface name", word.text))
            .help("1 to 15 characters, no blank or /; a + at the end stands for any rest")
    })
}

/// A text of at most `max` bytes.
pub fn text(max: usize) -> impl Fn(&Word) -> Result<String, Diagnostic> {
    move |word| match word.text.len() <= max {
        true => Ok(word.text.clone()),
        false => Err(word
            .mistake(format!("this text is {} bytes long", word.text.len()))
            .help(format!("at most {max} bytes"))),
    }
}

/// A text of which at most `max` bytes are kept; the rest is cut as Linux's tools do.
pub fn text_cut(max: usize) -> impl Fn(&Word) -> Result<String, Diagnostic> {
    move |word| {
        let end = (0..=max.min(word.text.len())).rev().find(|&n| word.text.is_char_boundary(n));
        Ok(word.text[..end.unwrap_or(0)].to_owned())
    }
}

/// One of a list of names.
pub fn choice<T: Copy>(names: &[(&'static str, T)]) -> impl Fn(&Word) -> Result<T, Diagnostic> {
    move |word| {
        let found = names.iter().find(|(name, _)| *name == word.text);
        found.map(|(_, value)| *value).ok_or_else(|| bad_choice(word, &word.text, names))
    }
}

/// The bits of a comma-separated list of names, in any case when `any_case`.
pub fn choices(
    names: &[(&'static str, u32)],
    any_case: bool,
) -> impl Fn(&Word) -> Result<u32, Diagnostic> {
    move |word| {
        let mut bits = 0;
        for part in word.text.split(',') {
            let same = |name: &str| name == part || (any_case && name.eq_ignore_ascii_case(part));
            match names.iter().find(|(name, _)| same(name)) {
                Some((_, bit)) => bits |= bit,
                None => return Err(bad_choice(word, part, names)),
            }
        }
        Ok(bits)
    }
}

/// As [`choices`] in any case, but empty parts of the list are skipped, as Linux's tool does in
/// some lists; one part there must be.
pub fn choices_and_gaps(
    names: &[(&'static str, u32)],
) -> impl Fn(&Word) -> Result<u32, Diagnostic> {
    move |word| {
        let filled = parts(&word.text).collect::<Vec<_>>().join(",");
        choices(names, true)(&Word { text: filled, ..word.clone() })
    }
}

/// The parts of a list that are not empty.
pub fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|part| !part.is_empty())
}

fn bad_choice<T>(word: &Word, text: &str, names: &[(&'static str, T)]) -> Diagnostic {
    let list: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    word.mistake(format!("{text:?} is not one of the words known here"))
        .help(format!("one of {}", list.join(", ")))
}
