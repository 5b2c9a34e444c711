//! ftp as it should be read: the session, line by line.
//!
//! | seen | then |
//! |---|---|
//! | the server's 220 | the client may speak |
//! | USER | PORT, EPRT, PASV and EPSV mean something |
//! | PORT, EPRT | a child to the client's own address |
//! | PASV, then 227; EPSV, then 229 | a child to the server's own address |
//! | EPSV ALL | PORT, EPRT and PASV are refused (RFC 2428, section 4) |
//! | AUTH, then 234 | encrypted from here: blind |
//! | a line that is not FTP | blind: somebody else speaks here |

use super::LOOSE;
use crate::effects::{Effect, Effects, Proposal, span};
use crate::grammar::line::{self, Line};
use crate::grammar::{address, number};
use crate::helper::Segment;
use crate::registry::Scratch;
use crate::rewrite::{self, Following, Form};
use kinwall_terms::expectation::{Expected, Span};
use kinwall_terms::{Direction, Family, L4Proto, Reason};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// Longest line that is read, with its end: a path of 4096 bytes and its verb.
pub(super) const LINE_MAX_BYTES: usize = 4608;

/// Commands that wait for their reply; with more the oldest is forgotten, and the answer to a
/// forgotten PASV or EPSV is not believed.
const WAITING_MAX_COUNT: usize = 16;

/// How far a session has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    /// How many unread bytes of either direction hold no line end.
    searched: [u16; 2],
    greeted: bool,
    user: bool,
    extended_passive_only: bool,
    /// The code of the multi-line reply that is being read.
    reply_open: Option<u16>,
    waiting: Waiting,
}

/// Reads the lines that are complete.
pub(super) fn inspect(
    segment: &Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> usize {
    let Scratch::Ftp(scratch) = scratch else { return segment.payload.len() };
    let session = &mut scratch.session;
    let mut at = 0;
    while let Some(rest) = segment.payload.get(at..).filter(|rest| !rest.is_empty()) {
        let searched = std::mem::take(&mut session.searched[segment.direction.index()]);
        match line::first_line(rest, searched.into(), LINE_MAX_BYTES) {
            Line::Partial => {
                let length = u16::try_from(rest.len()).unwrap_or(u16::MAX);
                session.searched[segment.direction.index()] = length;
                break;
            }
            Line::TooLong => {
                effects.blind(Reason::StreamLimit, span(at, LINE_MAX_BYTES));
                break;
            }
            Line::Complete { text, crlf, length } => {
                let line = Text { segment, text, crlf, at };
                match segment.direction {
                    Direction::Original => session.command(&line, effects),
                    Direction::Reply => session.reply(&line, effects),
                }
                at += length;
            }
        }
        if effects.blind_reason().is_some() {
            break;
        }
    }
    at
}

/// A line and where it stands.
struct Text<'a> {
    segment: &'a Segment<'a>,
    text: &'a [u8],
    crlf: bool,
    at: usize,
}

impl Text<'_> {
    fn span(&self) -> Span {
        span(self.at, self.text.len())
    }

    /// The span of `length` bytes from offset `from` of the line.
    fn part(&self, from: usize, length: usize) -> Span {
        span(self.at + from, length)
    }
}

impl Session {
    fn command(&mut self, line: &Text<'_>, effects: &mut Effects) {
        let text = without_telnet(line.text);
        let (word, argument) = line::first_word(text);
        let Some(verb) = Verb::of(word) else {
            effects.blind(Reason::HelperNotProtocol, line.span());
            return;
        };
        if !self.greeted {
            effects.blind(Reason::HelperOrder, line.span());
            return;
        }
        match verb {
            Verb::User => self.user = true,
            Verb::Reinitialize => {
                *self = Session {
                    searched: self.searched,
                    greeted: true,
                    waiting: self.waiting,
                    ..Session::default()
                };
            }
            Verb::ExtendedPassive if argument.eq_ignore_ascii_case(b"ALL") => {
                self.extended_passive_only = true;
            }
            Verb::Port | Verb::ExtendedPort => {
                let from = line.text.len() - argument.len();
                self.active(line, verb, from, effects);
            }
            Verb::Passive if !self.user || self.extended_passive_only => {
                effects.note(Reason::HelperOrder, line.span());
            }
            Verb::Passive | Verb::ExtendedPassive | Verb::Auth | Verb::Other => {}
        }
        self.waiting.push(verb);
    }

    /// PORT or EPRT; the argument begins at offset `from` of the line.
    fn active(&self, line: &Text<'_>, verb: Verb, from: usize, effects: &mut Effects) {
        if !self.user || self.extended_passive_only {
            effects.note(Reason::HelperOrder, line.span());
            return;
        }
        let argument = line.text.get(from..).unwrap_or_default();
        let named = match verb {
            Verb::Port => six_numbers(argument).filter(|named| named.length == argument.len()),
            _ => extended_port(argument).filter(|named| named.length == argument.len()),
        };
        match named.filter(|_| line.crlf) {
            Some(named) => propose(line, from, &named, effects),
            None => effects.note(Reason::HelperMalformed, line.span()),
        }
    }

    fn reply(&mut self, line: &Text<'_>, effects: &mut Effects) {
        let code = reply_code(line.text);
        if let Some(open) = self.reply_open {
            // Within a multi-line reply only its own last line counts.
            if code != Some((open, b' ')) {
                return;
            }
            self.reply_open = None;
        }
        let Some((code, mark)) = code else {
            effects.blind(Reason::HelperNotProtocol, line.span());
            return;
        };
        if mark == b'-' {
            self.reply_open = Some(code);
            return;
        }
        match code {
            // Preliminary: the final reply follows.
            100..=199 => {}
            220 if !self.greeted => self.greeted = true,
            _ if !self.greeted => effects.blind(Reason::HelperNotProtocol, line.span()),
            227 => self.passive(line, Verb::Passive, effects),
            229 => self.passive(line, Verb::ExtendedPassive, effects),
            234 if self.waiting.take(Verb::Auth) => {
                effects.blind(Reason::HelperEncrypted, line.span());
            }
            _ => self.waiting.answered(),
        }
    }

    /// The answer to `question`: 227 or 229.
    fn passive(&mut self, line: &Text<'_>, question: Verb, effects: &mut Effects) {
        let asked = self.waiting.take(question);
        let refused = question == Verb::Passive && self.extended_passive_only;
        if !asked || !self.user || refused {
            effects.note(Reason::HelperOrder, line.span());
            return;
        }
        let after_code = 4;
        let text = line.text.get(after_code..).unwrap_or_default();
        let named = match question {
            Verb::Passive => passive_numbers(text),
            _ => extended_passive(text),
        };
        match named.filter(|_| line.crlf) {
            Some((from, named)) => propose(line, after_code + from, &named, effects),
            None => effects.note(Reason::HelperMalformed, line.span()),
        }
    }
}

/// Expects the child. What is named begins at offset `from` of the line.
fn propose(line: &Text<'_>, from: usize, named: &Named, effects: &mut Effects) {
    let segment = line.segment;
    let part = |(at, length): (usize, usize)| line.part(from + at, length);
    if named.port == 0 {
        effects.note(Reason::HelperBadPort, part(named.port_at));
        return;
    }
    let child = segment.opposite();
    let own = named.address.is_none_or(|address| address == segment.tuple().src);
    let dst = match named.address {
        Some(address) if !own => {
            let same_family = Family::of(address) == segment.family();
            if !same_family || !segment.options.flag(LOOSE) {
                effects.note(Reason::HelperForeignAddress, part(named.address_at));
                return;
            }
            address
        }
        _ => child.dst,
    };
    let expected = Expected::new(Some(child.src), None, dst, named.port, L4Proto::TCP);
    effects.push(Effect::Expect(Proposal {
        address: named.address.map(|_| part(named.address_at)),
        port: Some(part(named.port_at)),
        following: Some(Following::master(
            segment.direction.opposite(),
            named.port,
            Some(rewrite::Named { span: part((0, named.length)), form: named.form }),
        )),
        ..Proposal::new(expected, line.part(0, from + named.length))
    }));
}

/// The commands that matter here; every other command of FTP is `Other`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Verb {
    #[default]
    Other,
    User,
    Reinitialize,
    Auth,
    Port,
    ExtendedPort,
    Passive,
    ExtendedPassive,
}

impl Verb {
    /// `None`: no command of FTP.
    fn of(word: &[u8]) -> Option<Verb> {
        let rows: [(&[u8], Verb); 7] = [
            (b"USER", Verb::User),
            (b"REIN", Verb::Reinitialize),
            (b"AUTH", Verb::Auth),
            (b"PORT", Verb::Port),
            (b"EPRT", Verb::ExtendedPort),
            (b"PASV", Verb::Passive),
            (b"EPSV", Verb::ExtendedPassive),
        ];
        let row = rows.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        let other = || OTHER_VERBS.iter().any(|name| word.eq_ignore_ascii_case(name));
        row.map(|(_, verb)| *verb).or_else(|| other().then_some(Verb::Other))
    }
}

/// RFC 959, 1639, 2228, 2389, 2428, 2640, 3659, 7151, and what servers and clients in use add.
const OTHER_VERBS: &[&[u8]] = &[
    b"ABOR", b"ACCT", b"ADAT", b"ALLO", b"APPE", b"AVBL", b"CCC", b"CDUP", b"CLNT", b"COMB",
    b"CONF", b"CSID", b"CWD", b"DELE", b"DSIZ", b"ENC", b"ESTA", b"ESTP", b"FEAT", b"HASH",
    b"HELP", b"HOST", b"LANG", b"LIST", b"LPRT", b"LPSV", b"MDTM", b"MFCT", b"MFF", b"MFMT",
    b"MIC", b"MKD", b"MLSD", b"MLST", b"MODE", b"NLST", b"NOOP", b"OPTS", b"PASS", b"PBSZ",
    b"PROT", b"PWD", b"QUIT", b"RANG", b"REST", b"RETR", b"RMD", b"RMDA", b"RNFR", b"RNTO",
    b"SITE", b"SIZE", b"SMNT", b"SPSV", b"STAT", b"STOR", b"STOU", b"STRU", b"SYST", b"THMB",
    b"TVFS", b"TYPE", b"XCRC", b"XCUP", b"XCWD", b"XMD5", b"XMKD", b"XPWD", b"XRMD", b"XSHA",
    b"XSHA1", b"XSHA256", b"XSHA512",
];

/// Commands without their final reply, oldest first.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Waiting {
    verbs: [Verb; WAITING_MAX_COUNT],
    count: u8,
}

impl Waiting {
    fn push(&mut self, verb: Verb) {
        if usize::from(self.count) == WAITING_MAX_COUNT {
            self.answered();
        }
        if let Some(place) = self.verbs.get_mut(usize::from(self.count)) {
            *place = verb;
            self.count += 1;
        }
    }

    /// The oldest has its reply.
    fn answered(&mut self) {
        if self.count > 0 {
            self.verbs.rotate_left(1);
            self.count -= 1;
        }
    }

    /// Whether `verb` waits; it and all before it have their reply now.
    fn take(&mut self, verb: Verb) -> bool {
        let known = self.verbs.iter().take(usize::from(self.count));
        let Some(at) = known.into_iter().position(|waiting| *waiting == verb) else {
            self.answered();
            return false;
        };
        (0..=at).for_each(|_| self.answered());
        true
    }
}

/// What an argument names. Places are offset and length within the argument.
struct Named {
    /// `None`: the sender's own.
    address: Option<IpAddr>,
    port: u16,
    address_at: (usize, usize),
    port_at: (usize, usize),
    /// Up to here the argument was read.
    length: usize,
    form: Form,
}

/// `h1,h2,h3,h4,p1,p2`, each from 0 to 255 in one to three digits (RFC 959, section 5.3.2).
fn six_numbers(bytes: &[u8]) -> Option<Named> {
    let (mut octets, mut ends) = ([0u8; 6], [0; 6]);
    let mut at = 0;
    for (i, (octet, end)) in octets.iter_mut().zip(&mut ends).enumerate() {
        if i > 0 {
            bytes.get(at).filter(|byte| **byte == b',')?;
            at += 1;
        }
        let (value, count) = number::checked(bytes.get(at..)?, 255)?;
        if count > 3 {
            return None;
        }
        *octet = u8::try_from(value).ok()?;
        at += count;
        *end = at;
    }
    let [a, b, c, d, p1, p2] = octets;
    let port_start = ends[3] + 1;
    Some(Named {
        address: Some(Ipv4Addr::from([a, b, c, d]).into()),
        port: u16::from_be_bytes([p1, p2]),
        address_at: (0, ends[3]),
        port_at: (port_start, at - port_start),
        length: at,
        form: Form::Numbers,
    })
}

/// The six numbers of a 227: in parentheses where there are some, else from the first digit on.
fn passive_numbers(text: &[u8]) -> Option<(usize, Named)> {
    let parenthesis = text.iter().position(|&byte| byte == b'(').map(|at| at + 1);
    let from = parenthesis.or_else(|| text.iter().position(u8::is_ascii_digit))?;
    let named = six_numbers(text.get(from..)?)?;
    let next = text.get(from + named.length);
    let closed = parenthesis.is_none() || next == Some(&b')');
    let ended = next.is_none_or(|byte| !byte.is_ascii_digit() && *byte != b',');
    (closed && ended).then_some((from, named))
}

/// `|1|10.1.0.2|1025|` or `|2|fd00::2|1025|` (RFC 2428, section 2).
fn extended_port(bytes: &[u8]) -> Option<Named> {
    let &[delimiter, family, second, ..] = bytes else { return None };
    if !is_delimiter(delimiter) || second != delimiter {
        return None;
    }
    let rest = bytes.get(3..)?;
    let (address, length): (IpAddr, usize) = match family {
        b'1' => address::ipv4(rest).map(|(address, length)| (address.into(), length))?,
        b'2' => address::ipv6_before(rest, delimiter)
            .map(|(address, length)| (address.into(), length))?,
        _ => return None,
    };
    bytes.get(3 + length).filter(|byte| **byte == delimiter)?;
    let port_start = 3 + length + 1;
    let (port, digits) = delimited_port(bytes.get(port_start..)?, delimiter)?;
    Some(Named {
        address: Some(address),
        port,
        address_at: (3, length),
        port_at: (port_start, digits),
        length: port_start + digits + 1,
        form: Form::Extended,
    })
}

/// `(|||1025|)` (RFC 2428, section 3).
fn extended_passive(text: &[u8]) -> Option<(usize, Named)> {
    let from = text.iter().position(|&byte| byte == b'(')? + 1;
    let &[first, second, third, ref rest @ ..] = text.get(from..)? else { return None };
    if !is_delimiter(first) || second != first || third != first {
        return None;
    }
    let (port, digits) = delimited_port(rest, first)?;
    rest.get(digits + 1).filter(|byte| **byte == b')')?;
    let named = Named {
        address: None,
        port,
        address_at: (0, 0),
        port_at: (3, digits),
        length: 4 + digits,
        form: Form::ExtendedPort,
    };
    Some((from, named))
}

/// A port and the delimiter after it.
fn delimited_port(bytes: &[u8], delimiter: u8) -> Option<(u16, usize)> {
    let (port, digits) = number::checked(bytes, u64::from(u16::MAX))?;
    bytes.get(digits).filter(|byte| **byte == delimiter)?;
    Some((u16::try_from(port).ok()?, digits))
}

fn is_delimiter(byte: u8) -> bool {
    (33..=126).contains(&byte) && !byte.is_ascii_digit()
}

/// The line after the telnet commands before it: clients send IAC IP IAC DM ahead of ABOR
/// (RFC 959, section 4.1.3).
fn without_telnet(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let [0xff, _, after @ ..] = rest {
        rest = after;
    }
    rest
}

/// Three digits and the mark after them: a space on the last line of a reply, `-` before more.
/// A code alone on its line is taken for a last line.
fn reply_code(text: &[u8]) -> Option<(u16, u8)> {
    let (code, count) = number::checked(text, 599)?;
    let mark = text.get(3).copied().unwrap_or(b' ');
    let right = count == 3 && code >= 100 && matches!(mark, b' ' | b'-');
    right.then_some((u16::try_from(code).ok()?, mark))
}
