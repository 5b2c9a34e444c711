//! What the targets of the nat table share: addresses and ports as they are written there.
//!
//! IPv4: `192.0.2.1`, `192.0.2.1-192.0.2.9`, `192.0.2.1:80`, `192.0.2.1:1000-2000`, `:80`.
//! IPv6: the same, with addresses in brackets before a port: `[2001:db8::1-2001:db8::9]:80`.
//! DNAT alone has a base after the range of ports: `192.0.2.1:1000-2000/5000` keeps the distance
//! of the packet's port from 5000.

use crate::diagnostic::Diagnostic;
use crate::lex::Word;
use crate::option::Args;
use crate::targets::Target;
use crate::value::{Network, PortRange, Range, bad_port, parse_number, parse_port};
use kinwall_terms::{Family, L4Proto, NatRange};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a rule of the nat table wants of the end of a connection that its chain translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It comes into this range.
    Range(NatRange),
    /// The source becomes the address of the interface that the packet leaves by (MASQUERADE).
    Masquerade {
        /// The new ports, `None`: the old one if it can be.
        ports: Option<[u16; 2]>,
        /// Ports are chosen by chance.
        random: bool,
    },
    /// The destination becomes the gateway itself (REDIRECT).
    Redirect {
        /// As for MASQUERADE.
        ports: Option<[u16; 2]>,
        /// As for MASQUERADE.
        random: bool,
    },
    /// The same host of another network (NETMAP).
    Netmap(Network),
}

impl Target {
    /// What the target wants to be translated; `None` for those that translate nothing.
    pub fn wanted(&self) -> Option<Wanted> {
        let both = |ports: PortRange| [ports.min, ports.max];
        let range = |to: &Translation, random, persistent| {
            Wanted::Range(NatRange {
                addresses: to.addresses.map(|addresses| [addresses.min, addresses.max]),
                ports: to.ports.map(both),
                base: to.base,
                random,
                persistent,
            })
        };
        Some(match self {
            Target::Snat(snat) => {
                range(&snat.to, snat.random || snat.random_fully, snat.persistent)
            }
            Target::Dnat(dnat) => range(&dnat.to, dnat.random, dnat.persistent),
            Target::Masquerade(target) => Wanted::Masquerade {
                ports: target.ports.map(both),
                random: target.random || target.random_fully,
            },
            Target::Redirect(target) => {
                Wanted::Redirect { ports: target.ports.map(both), random: target.random }
            }
            Target::Netmap(netmap) => Wanted::Netmap(netmap.to),
            _ => return None,
        })
    }
}

/// What an address, a port or both become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The new addresses; `None`: the address stays. The ends are as they were written, the
    /// first may be the higher one.
    pub addresses: Option<Range<IpAddr>>,
    /// The new ports; `None`: chosen by the kernel as near to the old one as it can.
    pub ports: Option<PortRange>,
    /// The port that becomes the first of `ports`, where one was written.
    pub base: Option<u16>,
}

impl fmt::Display for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brackets =
            self.ports.is_some() && self.addresses.is_some_and(|addresses| addresses.min.is_ipv6());
        if let Some(Range { min, max }) = self.addresses {
            f.write_str(if brackets { "[" } else { "" })?;
            write!(f, "{min}")?;
            if min != max {
                write!(f, "-{max}")?;
            }
            f.write_str(if brackets { "]" } else { "" })?;
        }
        if let Some(ports) = self.ports {
            write!(f, ":{}", Ports(ports))?;
        }
        match self.base {
            Some(base) => write!(f, "/{base}"),
            None => Ok(()),
        }
    }
}

/// Ports as the nat table prints them: `80` or `80-90`.
pub(super) struct Ports(pub PortRange);

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.min == self.0.max {
            true => write!(f, "{}", self.0.min),
            false => write!(f, "{}-{}", self.0.min, self.0.max),
        }
    }
}

/// Reads the new address and ports; `with_base` when a base may follow the ports.
pub(super) fn translation(
    args: &mut Args<'_>,
    option: &str,
    with_base: bool,
) -> Option<Translation> {
    let (family, proto) = (args.context.family, protocol(args));
    let found = args.plain(option, |word| parse(word, family, proto, with_base))?;
    if found.ports.is_some() {
        check_protocol(args, option);
    }
    Some(found)
}

/// Reads ports alone.
pub(super) fn ports(args: &mut Args<'_>, option: &str) -> Option<PortRange> {
    let proto = protocol(args);
    let found = args.plain(option, |word| parse_ports(word, &word.text, proto))?;
    check_protocol(args, option);
    Some(found)
}

fn protocol(args: &Args<'_>) -> Option<L4Proto> {
    args.context.proto.map(|test| test.value)
}

/// Ports need a `-p` that has some; a `!` before it does not matter to Linux's tool.
fn check_protocol(args: &mut Args<'_>, option: &str) {
    let with_ports = [L4Proto::TCP, L4Proto::UDP, L4Proto::SCTP, L4Proto::DCCP, L4Proto::ICMP];
    if !protocol(args).is_some_and(|proto| with_ports.contains(&proto)) {
        let message = "a port needs to know the protocol";
        args.report_at(option, message, "add -p tcp, udp, sctp or dccp to the rule");
    }
}

fn parse(
    word: &Word,
    family: Family,
    proto: Option<L4Proto>,
    with_base: bool,
) -> Result<Translation, Diagnostic> {
    if let Some(mistake) = of_another_family(word, family) {
        return Err(mistake);
    }
    let (addresses, ports) = split(word, family)?;
    let addresses = addresses.map(|text| parse_addresses(word, text, family)).transpose()?;
    let (ports, base) = match ports.and_then(|ports| ports.split_once('/')) {
        Some((range, base)) if with_base && range.contains('-') => (Some(range), Some(base)),
        Some(_) => {
            let help = match with_base {
                true => "a base stands after a range of ports: 192.0.2.1:1000-2000/5000",
                false => "a base after the ports goes with DNAT only",
            };
            return Err(word.mistake("the ports cannot be read").help(help));
        }
        None => (ports, None),
    };
    let base = base.map(|text| {
        let port = parse_port(text, proto).filter(|port| *port != 0);
        port.ok_or_else(|| bad_port(word, text))
    });
    Ok(Translation {
        addresses,
        ports: ports.map(|text| parse_ports(word, text, proto)).transpose()?,
        base: base.transpose()?,
    })
}

/// The mistake of an address, alone or in a range, that is of the other family.
fn of_another_family(word: &Word, family: Family) -> Option<Diagnostic> {
    let mut ends = word.text.split('-').filter_map(|text| text.parse::<IpAddr>().ok());
    let other = ends.find(|address| Family::of(*address) != family)?;
    let found = Family::of(other);
    let message = format!("{other} is an {found} address in an {family} rule");
    Some(word.mistake(message).help(format!("move the rule to the {found} rule set")))
}

/// The texts of the addresses and of the ports.
fn split(word: &Word, family: Family) -> Result<(Option<&str>, Option<&str>), Diagnostic> {
    let text = word.text.as_str();
    let some = |text: &'static str| word.mistake(text);
    if text.is_empty() {
        return Err(some("there is neither address nor port").help("ADDRESS, or ADDRESS:PORT"));
    }
    let filled = |text: &'_ str| !text.is_empty();
    if family == Family::Ipv4 {
        return Ok(match text.split_once(':') {
            Some((address, ports)) => (Some(address).filter(|text| filled(text)), Some(ports)),
            None => (Some(text), None),
        });
    }
    if let Some(rest) = text.strip_prefix('[') {
        let Some((addresses, rest)) = rest.split_once(']') else {
            return Err(some("the bracket is never closed").help("[2001:db8::1]:80"));
        };
        return match rest.strip_prefix(':') {
            Some(ports) => Ok((Some(addresses), Some(ports))),
            None if rest.is_empty() => Ok((Some(addresses), None)),
            None => Err(some("a port stands behind : after the bracket")
                .help("[2001:db8::1-2001:db8::9]:80")),
        };
    }
    match text.strip_prefix(':').filter(|rest| !rest.starts_with(':')) {
        Some(ports) => Ok((None, Some(ports))),
        None => Ok((Some(text), None)),
    }
}

fn parse_addresses(word: &Word, text: &str, family: Family) -> Result<Range<IpAddr>, Diagnostic> {
    let read = |text: &str| match family {
        Family::Ipv4 => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Family::Ipv6 => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    };
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    match (read(min), read(max)) {
        (Some(min), Some(max)) => Ok(Range { min, max }),
        _ => Err(word.mistake(format!("{text:?} is not an {family} address or range")).help(
            match family {
                Family::Ipv4 => "such as 192.0.2.1, 192.0.2.1-192.0.2.9 or 192.0.2.1:80",
                Family::Ipv6 => "such as 2001:db8::1, 2001:db8::1-2001:db8::9 or [2001:db8::1]:80",
            },
        )),
    }
}

/// `N`, `N-M` or the name of a service.
fn parse_ports(word: &Word, text: &str, proto: Option<L4Proto>) -> Result<PortRange, Diagnostic> {
    let number = |text: &str| parse_number(text).and_then(|n| u16::try_from(n).ok());
    if let Some(port) = parse_port(text, proto) {
        return Ok(Range { min: port, max: port });
    }
    let ends = text.split_once('-').and_then(|(min, max)| Some((number(min)?, number(max)?)));
    match ends {
        Some((min, max)) if min <= max => Ok(Range { min, max }),
        Some((min, max)) => Err(word
            .mistake(format!("the range {text} ends before it begins"))
            .help(format!("write {max}-{min}"))),
        None if text.contains([':', '-']) => Err(word
            .mistake(format!("{text:?} is not a port or a range of ports"))
            .help("here a range is written 1000-2000")),
        None => Err(bad_port(word, text)),
    }
}
