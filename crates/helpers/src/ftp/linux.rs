//! ftp as the kernel reads it: one segment at a time, its first line only.

use super::LOOSE;
use crate::effects::{Effect, Effects, Proposal, span};
use crate::grammar::{address, line, number};
use crate::helper::Segment;
use crate::registry::Scratch;
use crate::rewrite::{Following, Form, Named};
use kinwall_terms::expectation::{Expected, Span};
use kinwall_terms::{Direction, Family, L4Proto, Reason};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Sequence numbers at which a line of one direction begins. The first segment of a direction is
/// at none of them, so it is never parsed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct LineStarts {
    seqs: [u32; 2],
    count: u8,
}

impl LineStarts {
    fn contains(&self, seq: u32) -> bool {
        self.known().contains(&seq)
    }

    /// Keeps two: a third replaces the older one, and only when it is newer than that.
    fn remember(&mut self, seq: u32) {
        if self.contains(seq) {
            return;
        }
        if let Some(place) = self.seqs.get_mut(usize::from(self.count)) {
            *place = seq;
            self.count += 1;
            return;
        }
        let [first, second] = &mut self.seqs;
        let oldest = if is_before(*first, *second) { first } else { second };
        if is_before(*oldest, seq) {
            *oldest = seq;
        }
    }

    fn known(&self) -> &[u32] {
        self.seqs.get(..usize::from(self.count)).unwrap_or_default()
    }
}

/// Whether sequence number `one` lies before `other`, modulo 2^32 (RFC 9293, section 3.4).
fn is_before(one: u32, other: u32) -> bool {
    one.wrapping_sub(other) > u32::MAX / 2
}

/// Reads one segment.
pub(super) fn inspect(segment: &Segment<'_>, scratch: &mut Scratch, effects: &mut Effects) {
    let Scratch::Ftp(scratch) = scratch else { return };
    let Some(last) = segment.payload.last() else { return };
    if !segment.established {
        return;
    }
    let [original, reply] = &mut scratch.line_starts;
    let line_starts = match segment.direction {
        Direction::Original => original,
        Direction::Reply => reply,
    };
    match (recognise(segment), line_starts.contains(segment.seq)) {
        (Recognised::Nothing, _) => {}
        (Recognised::Partial(span), true) => {
            effects.drop(Reason::HelperPartial, span);
            return;
        }
        (Recognised::Announcement(announcement), true) => propose(segment, &announcement, effects),
        (
            Recognised::Announcement(Announcement { span, .. }) | Recognised::Partial(span),
            false,
        ) => {
            effects.note(Reason::HelperOrder, span);
        }
    }
    if *last == b'\n' {
        let length = u32::try_from(segment.payload.len()).unwrap_or(0);
        line_starts.remember(segment.seq.wrapping_add(length));
    }
}

/// Expects the child, unless the address is not the sender's and `loose` is 0.
fn propose(segment: &Segment<'_>, announcement: &Announcement, effects: &mut Effects) {
    let own = announcement.address == segment.tuple().src;
    if !own && !segment.options.flag(LOOSE) {
        let span = announcement.address_span.unwrap_or(announcement.span);
        effects.note(Reason::HelperForeignAddress, span);
        return;
    }
    let child = segment.opposite();
    let dst = if own { child.dst } else { announcement.address };
    let expected = Expected::new(Some(child.src), None, dst, announcement.port, L4Proto::TCP);
    effects.push(Effect::Expect(Proposal {
        address: announcement.address_span,
        port: Some(announcement.port_span),
        following: Some(Following::master(
            segment.direction.opposite(),
            announcement.port,
            Some(announcement.named),
        )),
        ..Proposal::new(expected, announcement.span)
    }));
}

/// What the first line of a segment is.
enum Recognised {
    /// None of the keywords.
    Nothing,
    /// A keyword, or the beginning of one, and then something that cannot be read.
    Partial(Span),
    Announcement(Announcement),
}

/// A whole command or reply.
struct Announcement {
    address: IpAddr,
    port: u16,
    span: Span,
    address_span: Option<Span>,
    port_span: Span,
    named: Named,
}

/// How a keyword's line is read.
struct Keyword {
    word: &'static [u8],
    /// What stands before the numbers: everything up to and with this byte is passed over.
    skip: Option<u8>,
    numbers: fn(&[u8], usize, &Rules) -> Option<Announcement>,
}

/// What the reading depends on beside the bytes.
struct Rules {
    /// The sender's own address.
    own: IpAddr,
    refuses_large_numbers: bool,
}

const KEYWORDS: [[Keyword; 2]; 2] = [
    [
        Keyword { word: b"PORT", skip: Some(b' '), numbers: port },
        Keyword { word: b"EPRT", skip: Some(b' '), numbers: extended_port },
    ],
    [
        Keyword { word: b"227 ", skip: None, numbers: passive },
        Keyword { word: b"229 ", skip: Some(b'('), numbers: extended_passive },
    ],
];

fn recognise(segment: &Segment<'_>) -> Recognised {
    let payload = segment.payload;
    let rules = Rules {
        own: segment.tuple().src,
        refuses_large_numbers: segment.kernel.ftp_refuses_large_numbers(),
    };
    let keywords = match segment.direction {
        Direction::Original => &KEYWORDS[0],
        Direction::Reply => &KEYWORDS[1],
    };
    for Keyword { word, skip, numbers } in keywords {
        if payload.len() <= word.len() {
            if line::starts_with_any_case(word, payload) {
                return Recognised::Partial(span(0, payload.len()));
            }
            continue;
        }
        if !line::starts_with_any_case(payload, word) {
            continue;
        }
        let at = skip.map_or(Some(word.len()), |skip| {
            let rest = payload.get(word.len()..)?;
            rest.iter().position(|byte| *byte == skip).map(|count| word.len() + count + 1)
        });
        return match at.and_then(|at| numbers(payload, at, &rules)) {
            Some(announcement) => Recognised::Announcement(announcement),
            None => Recognised::Partial(span(0, payload.len())),
        };
    }
    Recognised::Nothing
}

/// `h1,h2,h3,h4,p1,p2 CR`
fn port(payload: &[u8], at: usize, rules: &Rules) -> Option<Announcement> {
    six_numbers(payload, at, Some(b'\r'), rules)
}

/// `text h1,h2,h3,h4,p1,p2` and any other byte: the first digit begins the numbers.
fn passive(payload: &[u8], at: usize, rules: &Rules) -> Option<Announcement> {
    let text = payload.get(at..)?.iter().position(u8::is_ascii_digit)?;
    six_numbers(payload, at + text, None, rules)
}

fn six_numbers(payload: &[u8], at: usize, end: Option<u8>, rules: &Rules) -> Option<Announcement> {
    let ([h1, h2, h3, h4, p1, p2], ends) = numbers(payload, at, b',', end, rules)?;
    let [address_end, last] = [ends[3], ends[5]];
    let port_at = address_end + 1;
    Some(Announcement {
        address: with_ipv4(rules.own, h1 << 24 | h2 << 16 | h3 << 8 | h4),
        port: low_half(p1 << 8 | p2),
        span: span(0, last),
        address_span: Some(span(at, address_end - at)),
        port_span: span(port_at, last - port_at),
        named: Named { span: span(at, last - at), form: Form::Numbers },
    })
}

/// `|1|10.1.0.2|1025|` or `|2|fd00::2|1025|`, with any delimiter; the family is the connection's.
fn extended_port(payload: &[u8], at: usize, rules: &Rules) -> Option<Announcement> {
    let &[delimiter, family, second, _, ..] = payload.get(at..)? else { return None };
    if !is_delimiter(delimiter) || second != delimiter {
        return None;
    }
    let address_at = at + 3;
    let (address, address_end) = match (family, Family::of(rules.own)) {
        (b'1', Family::Ipv4) => {
            let ([a, b, c, d], ends) = numbers(payload, address_at, b'.', Some(delimiter), rules)?;
            (with_ipv4(rules.own, a << 24 | b << 16 | c << 8 | d), ends[3])
        }
        (b'2', Family::Ipv6) => {
            let (address, length) = address::ipv6_before(payload.get(address_at..)?, delimiter)?;
            (address.into(), address_at + length)
        }
        _ => return None,
    };
    let port_at = address_end + 1;
    let (port, port_length) = delimited_port(payload, port_at, delimiter, rules)?;
    Some(Announcement {
        address,
        port,
        span: span(0, port_at + port_length + 1),
        address_span: Some(span(address_at, address_end - address_at)),
        port_span: span(port_at, port_length),
        named: Named { span: span(at, port_at + port_length + 1 - at), form: Form::Extended },
    })
}

/// `|||1025|`, with any delimiter; the address is the sender's.
fn extended_passive(payload: &[u8], at: usize, rules: &Rules) -> Option<Announcement> {
    let &[first, second, third, _, ..] = payload.get(at..)? else { return None };
    if !is_delimiter(first) || second != first || third != first {
        return None;
    }
    let port_at = at + 3;
    let (port, port_length) = delimited_port(payload, port_at, first, rules)?;
    Some(Announcement {
        address: rules.own,
        port,
        span: span(0, port_at + port_length + 1),
        address_span: None,
        port_span: span(port_at, port_length),
        named: Named { span: span(at, port_at + port_length + 1 - at), form: Form::ExtendedPort },
    })
}

/// `N` numbers parted by `separator`, from offset `at` on; an absent number is 0. After the last
/// one `end` must follow, or any other byte when there is none. Also says where each ended.
fn numbers<const N: usize>(
    payload: &[u8],
    at: usize,
    separator: u8,
    end: Option<u8>,
    rules: &Rules,
) -> Option<([u32; N], [usize; N])> {
    let (mut values, mut ends) = ([0u32; N], [0; N]);
    let mut at = at;
    for i in 0..N {
        let rest = payload.get(at..)?;
        let (value, length) = number::wrapping(rest);
        if length > 0 && rules.refuses_large_numbers {
            number::checked(rest, 255)?;
        }
        at += length;
        // The kernel counts in 32 bits.
        *values.get_mut(i)? = u32::try_from(value & u64::from(u32::MAX)).ok()?;
        *ends.get_mut(i)? = at;
        let next = *payload.get(at)?;
        let is_last = i + 1 == N;
        let right = match end {
            _ if !is_last => next == separator,
            Some(end) => next == end && next != separator,
            None => next != separator,
        };
        if !right {
            return None;
        }
        at += 1;
    }
    Some((values, ends))
}

/// A port and the delimiter after it; not 0. Says how many digits it has.
fn delimited_port(payload: &[u8], at: usize, delimiter: u8, rules: &Rules) -> Option<(u16, usize)> {
    let rest = payload.get(at..)?;
    let (value, length) = number::wrapping(rest);
    let port = low_half(u32::try_from(value & u64::from(u32::MAX)).ok()?);
    let ended = rest.get(length) == Some(&delimiter);
    if rules.refuses_large_numbers {
        number::checked(rest, u64::from(u16::MAX))?;
    }
    (ended && port != 0).then_some((port, length))
}

fn is_delimiter(byte: u8) -> bool {
    (33..=126).contains(&byte) && !byte.is_ascii_digit()
}

/// The address that four numbers name. In an IPv6 connection they take the place of the first
/// four bytes of the sender's own address, which is the kernel's behaviour.
fn with_ipv4(own: IpAddr, bits: u32) -> IpAddr {
    match own {
        IpAddr::V4(_) => Ipv4Addr::from(bits).into(),
        IpAddr::V6(own) => {
            let rest = own.to_bits() & (u128::MAX >> 32);
            Ipv6Addr::from(u128::from(bits) << 96 | rest).into()
        }
    }
}

fn low_half(number: u32) -> u16 {
    let [_, _, high, low] = number.to_be_bytes();
    u16::from_be_bytes([high, low])
}
