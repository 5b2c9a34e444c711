//! Lines of `conntrack -L` and `conntrack -L expect`, read.
//!
//! ```text
//! line   = [ family ] protocol seconds [ STATE ] ends { flag | key "=" value } ends { .. }
//! family = ( "ipv4" | "ipv6" ) number
//! protocol = name number
//! ends   = "src=" "dst=" [ ports | type, code and id | keys ]
//! ```
//!
//! Words that are not known (labels, security contexts, times) are passed over. The ids of ICMP
//! and of the entry itself have one name: the first of a direction is the former.

use kinwall_terms::ct::Counter;
use kinwall_terms::expectation::{ExpectationFlags, Expected, SourceMask};
use kinwall_terms::{Family, L4Proto, Tuple, Zone, ZoneScope};
use std::net::IpAddr;
use std::str::FromStr;

/// A connection as `conntrack -L` tells of it, with or without `-o extended,id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedConnection {
    /// Seconds left.
    pub left_s: u64,
    /// The tracker's state, where the protocol has one.
    pub state: Option<String>,
    /// Tuple of the first packet.
    pub original: Tuple,
    /// Tuple of the answers.
    pub reply: Tuple,
    /// Its zone.
    pub zone: Zone,
    /// Packets and bytes, where they are counted.
    pub counters: Option<[Counter; 2]>,
    /// It was answered.
    pub is_answered: bool,
    /// It is ASSURED.
    pub is_assured: bool,
    /// connmark.
    pub mark: u32,
    /// Its helper.
    pub helper: Option<String>,
}

/// An expectation as `conntrack -L expect` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedExpectation {
    /// Seconds left.
    pub left_s: u64,
    /// What is expected.
    pub expected: Expected,
    /// The master's original tuple; its protocol is not told, and is that of `expected` here.
    pub master: Tuple,
    /// Zone id.
    pub zone: u16,
    /// Flags.
    pub flags: ExpectationFlags,
    /// Class within the helper.
    pub class: u8,
    /// The master's helper.
    pub helper: String,
}

/// Why a line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misread {
    /// It does not begin as lines do.
    #[error("no line of `conntrack -L`: a protocol, its number and the seconds left are wanted")]
    Head,
    /// Something that every line has is not there.
    #[error("there is no {0}=")]
    Missing(&'static str),
    /// A value that cannot be.
    #[error("{0:?} cannot be read")]
    Value(String),
    /// Addresses of two families.
    #[error("IPv4 and IPv6 addresses in one line")]
    Families,
}

impl FromStr for ListedConnection {
    type Err = Misread;

    fn from_str(line: &str) -> Result<ListedConnection, Misread> {
        let mut words = line.split_whitespace();
        let mut first = words.next();
        if let Some("ipv4" | "ipv6") = first {
            let _: u8 = number(words.next())?;
            first = words.next();
        }
        first.filter(|name| !name.contains('=')).ok_or(Misread::Head)?;
        let proto = L4Proto(number(words.next())?);
        let left_s = number(words.next())?;
        let mut rest = words.clone();
        let state = rest.next().filter(|word| !word.contains('=') && !word.starts_with('['));
        if state.is_some() {
            words = rest;
        }
        let mut reader = Reader::new(proto);
        let mut read = ListedConnection {
            left_s,
            state: state.map(str::to_owned),
            original: NOWHERE,
            reply: NOWHERE,
            zone: Zone::default(),
            counters: None,
            is_answered: true,
            is_assured: false,
            mark: 0,
            helper: None,
        };
        let mut counters = [Counter::default(); 2];
        let mut counted = false;
        for word in words {
            if reader.takes(word)? {
                continue;
            }
            let counter = &mut counters[reader.ends.len().clamp(1, 2) - 1];
            match word.split_once('=') {
                Some(("packets", value)) => (counter.packets, counted) = (decimal(value)?, true),
                Some(("bytes", value)) => (counter.bytes, counted) = (decimal(value)?, true),
                Some(("mark", value)) => read.mark = decimal(value)?,
                Some(("helper", value)) => read.helper = Some(value.to_owned()),
                Some(("zone", value)) => read.zone = zone(value, ZoneScope::Both)?,
                Some(("zone-orig", value)) => read.zone = zone(value, ZoneScope::Original)?,
                Some(("zone-reply", value)) => read.zone = zone(value, ZoneScope::Reply)?,
                None if word == "[UNREPLIED]" => read.is_answered = false,
                // What is offloaded has become a conversation, too.
                None if ["[ASSURED]", "[OFFLOAD]", "[HW_OFFLOAD]"].contains(&word) => {
                    read.is_assured = true;
                }
                _ => {}
            }
        }
        read.counters = counted.then_some(counters);
        let [original, reply] = reader.tuples(["src", "dst"])?;
        Ok(ListedConnection { original, reply, ..read })
    }
}

impl FromStr for ListedExpectation {
    type Err = Misread;

    fn from_str(line: &str) -> Result<ListedExpectation, Misread> {
        let mut words = line.split_whitespace();
        let left_s = number(words.next())?;
        let proto = words.next().and_then(|word| word.strip_prefix("proto="));
        let proto = L4Proto(decimal(proto.ok_or(Misread::Head)?)?);
        let mut reader = Reader::new(proto);
        let (mut zone, mut class) = (0, 0);
        let mut flags = ExpectationFlags::empty();
        let mut helper = None;
        for word in words {
            if reader.takes(word)? {
                continue;
            }
            match word.split_once('=') {
                Some(("zone", value)) => zone = decimal(value)?,
                Some(("class", value)) => class = decimal(value)?,
                Some(("helper", value)) => helper = Some(value.to_owned()),
                None => {
                    let named = word.split(',').filter_map(ExpectationFlags::from_name);
                    flags |= named.collect::<ExpectationFlags>();
                }
                _ => {}
            }
        }
        let [tuple, mask, master] = reader.tuples(["src", "mask-src", "master-src"])?;
        let mask = SourceMask { address: mask.src, port: mask.sport };
        let helper = helper.ok_or(Misread::Missing("helper"))?;
        let expected = Expected { tuple, mask };
        Ok(ListedExpectation { left_s, expected, master, zone, flags, class, helper })
    }
}

/// A tuple that is yet to be read.
const NOWHERE: Tuple = Tuple {
    src: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    dst: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    sport: 0,
    dport: 0,
    proto: L4Proto(0),
};

/// Collects tuples; each begins with a source.
struct Reader {
    proto: L4Proto,
    ends: Vec<Ends>,
}

#[derive(Clone, Copy)]
struct Ends {
    tuple: Tuple,
    has_dst: bool,
    /// An ICMP id is still to come.
    wants_id: bool,
}

impl Reader {
    fn new(proto: L4Proto) -> Reader {
        Reader { proto, ends: Vec::new() }
    }

    /// Takes a word that belongs to a tuple.
    fn takes(&mut self, word: &str) -> Result<bool, Misread> {
        let Some((key, value)) = word.split_once('=') else { return Ok(false) };
        if let "src" | "mask-src" | "master-src" = key {
            let tuple = Tuple { src: address(value)?, proto: self.proto, ..NOWHERE };
            let wants_id = matches!(self.proto, L4Proto::ICMP | L4Proto::ICMPV6);
            self.ends.push(Ends { tuple, has_dst: false, wants_id });
            return Ok(true);
        }
        let Some(Ends { tuple, has_dst, wants_id }) = self.ends.last_mut() else {
            return Ok(false);
        };
        match key {
            "dst" | "mask-dst" | "master-dst" => {
                (tuple.dst, *has_dst) = (address(value)?, true);
            }
            "sport" => tuple.sport = decimal(value)?,
            "dport" => tuple.dport = decimal(value)?,
            "srckey" => tuple.sport = hexadecimal(value)?,
            "dstkey" => tuple.dport = hexadecimal(value)?,
            "type" => tuple.dport |= u16::from(decimal::<u8>(value)?) << 8,
            "code" => tuple.dport |= u16::from(decimal::<u8>(value)?),
            "id" if *wants_id => (tuple.sport, *wants_id) = (decimal(value)?, false),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// As many tuples as there should be, all of one family.
    fn tuples<const N: usize>(self, names: [&'static str; N]) -> Result<[Tuple; N], Misread> {
        let mut tuples = [NOWHERE; N];
        for (at, (tuple, name)) in tuples.iter_mut().zip(names).enumerate() {
            let ends = self.ends.get(at).filter(|ends| ends.has_dst);
            *tuple = ends.ok_or(Misread::Missing(name))?.tuple;
        }
        let family = tuples.first().map_or(Family::Ipv4, Tuple::family);
        let is_other = |address: IpAddr| Family::of(address) != family;
        if tuples.iter().any(|tuple| is_other(tuple.src) || is_other(tuple.dst)) {
            return Err(Misread::Families);
        }
        Ok(tuples)
    }
}

fn number<T: FromStr>(word: Option<&str>) -> Result<T, Misread> {
    word.and_then(|word| word.parse().ok()).ok_or(Misread::Head)
}

fn decimal<T: FromStr>(value: &str) -> Result<T, Misread> {
    value.parse().map_err(|_| Misread::Value(value.to_owned()))
}

fn hexadecimal(value: &str) -> Result<u16, Misread> {
    let digits = value.strip_prefix("0x").unwrap_or(value);
    u16::from_str_radix(digits, 16).map_err(|_| Misread::Value(value.to_owned()))
}

fn address(value: &str) -> Result<IpAddr, Misread> {
    decimal(value)
}

fn zone(value: &str, scope: ZoneScope) -> Result<Zone, Misread> {
    Ok(Zone { id: decimal(value)?, scope })
}
