//! A whole message, read in one pass over its headers (RFC 3261, section 7 and 25).
//!
//! Each header that decides something stands once, except Via, of which the first counts, and
//! Contact. Lines end in CR LF; one that begins with a blank continues the one before it.

use super::value;
use crate::grammar::{line, number};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Contact lines that a message may have.
const CONTACT_LINES_MAX_COUNT: usize = 8;

/// A message that is complete and well-formed as far as it was read.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) start: Start,
    /// `branch` of the first Via: which transaction.
    pub(super) branch: &'a [u8],
    /// Over UDP, by the first Via; over TCP otherwise.
    pub(super) over_udp: bool,
    pub(super) call_id: &'a [u8],
    pub(super) from_tag: &'a [u8],
    /// Empty when there is none.
    pub(super) to_tag: &'a [u8],
    pub(super) cseq: u32,
    pub(super) method: Method,
    /// Where the values of Contact stand, a line each.
    pub(super) contacts: Vec<Range<usize>>,
    pub(super) expires: Option<u32>,
    /// Where the session description stands.
    pub(super) description: Option<Range<usize>>,
    /// Where the body stands, description or not.
    pub(super) body: Range<usize>,
}

/// What a message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Request,
    /// The status code.
    Status(u16),
}

/// The methods that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Method {
    Invite,
    Ack,
    Bye,
    Update,
    Prack,
    Register,
    #[default]
    Other,
}

impl Method {
    /// Methods are written in capitals (RFC 3261, section 7.1).
    fn of(word: &[u8]) -> Method {
        match word {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"UPDATE" => Method::Update,
            b"PRACK" => Method::Prack,
            b"REGISTER" => Method::Register,
            _ => Method::Other,
        }
    }
}

/// How long a message is, as far as its headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The empty line that ends the headers was not seen yet.
    Headers,
    /// Headers and body together.
    Whole(usize),
    /// There is no Content-Length, two that differ, or one that cannot be.
    Unknown,
}

/// What is known of the first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstLine {
    /// A request line or a status line.
    Right,
    /// Neither.
    Wrong,
    /// Its end is not there yet.
    Partial,
}

/// Judges the line that `bytes` begin with. Of the first `searched` bytes it is known that they
/// are text and do not hold its end.
pub(super) fn first_line(bytes: &[u8], searched: usize) -> FirstLine {
    let window = bytes.get(..START_MAX_BYTES).unwrap_or(bytes);
    let unsearched = window.get(searched.min(window.len())..).unwrap_or_default();
    let end = unsearched.iter().position(|byte| byte.is_ascii_control() && *byte != b'\r');
    let Some(end) = end.map(|end| window.len() - unsearched.len() + end) else {
        let longer = bytes.len() >= START_MAX_BYTES;
        return if longer { FirstLine::Wrong } else { FirstLine::Partial };
    };
    let line = window.get(..=end).and_then(|line| line.strip_suffix(b"\r\n"));
    match line.and_then(start) {
        Some(_) => FirstLine::Right,
        None => FirstLine::Wrong,
    }
}

/// Longest first line.
const START_MAX_BYTES: usize = 1024;

/// How long the message that `bytes` begin with is. The first `searched` bytes are known not to
/// hold the end of its headers.
pub(super) fn extent(bytes: &[u8], searched: usize) -> Extent {
    let from = searched.saturating_sub(3).min(bytes.len());
    let unsearched = bytes.get(from..).unwrap_or_default();
    let Some(end) = unsearched.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Extent::Headers;
    };
    let head = from + end + 4;
    let mut length = None;
    for header in Headers::of(bytes.get(..head).unwrap_or_default()) {
        let Some(header) = header else { return Extent::Unknown };
        if header.name != Name::ContentLength {
            continue;
        }
        let read = whole_number(value::trimmed(header.value));
        if read.is_none() || length.replace(read).is_some_and(|before| before != read) {
            return Extent::Unknown;
        }
    }
    match length.flatten().and_then(|length| usize::try_from(length).ok()) {
        Some(body) => Extent::Whole(head.saturating_add(body)),
        None => Extent::Unknown,
    }
}

impl<'a> Message<'a> {
    /// Reads what is a whole message; `None` when it breaks the grammar. A body that is longer
    /// than Content-Length is cut there, as over UDP (RFC 3261, section 18.3).
    pub(super) fn read(bytes: &'a [u8]) -> Option<Message<'a>> {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let headers = bytes.get(..head)?;
        let first = headers.split(|byte| *byte == b'\n').next()?.strip_suffix(b"\r")?;
        let (start, requested) = start(first)?;
        let mut fields = Fields::default();
        for header in Headers::of(headers) {
            fields.take(&header?)?;
        }
        let (over_udp, branch) = value::via(fields.via?)?;
        let (cseq, method) = cseq(fields.cseq?)?;
        if requested.is_some_and(|requested| requested != method) {
            return None;
        }
        let rest = bytes.len() - head;
        let body = fields.length.map_or(Some(rest), |length| usize::try_from(length).ok())?;
        if body > rest {
            return None;
        }
        Some(Message {
            bytes,
            start,
            branch,
            over_udp,
            call_id: value::trimmed(fields.call_id?),
            from_tag: value::parameter(fields.from?, b"tag").unwrap_or_default(),
            to_tag: value::parameter(fields.to?, b"tag").unwrap_or_default(),
            cseq,
            method: Method::of(method),
            contacts: fields.contacts,
            expires: fields.expires,
            description: (fields.is_description && body > 0).then_some(head..head + body),
            body: head..head + body,
        })
    }
}

/// A request line with its method, or a status line.
fn start(line: &[u8]) -> Option<(Start, Option<&[u8]>)> {
    if let Some(status) = line.strip_prefix(VERSION) {
        let (code, digits) = number::checked(status.strip_prefix(b" ")?, 699)?;
        let code = u16::try_from(code).ok().filter(|code| *code >= 100 && digits == 3)?;
        let ends = status.get(4).is_none_or(|byte| *byte == b' ');
        return ends.then_some((Start::Status(code), None));
    }
    let (method, rest) = line::first_word(line);
    let (uri, version) = line::first_word(rest);
    let is_request = !method.is_empty()
        && method.iter().all(|byte| is_token(*byte))
        && uri.contains(&b':')
        && uri.iter().all(|byte| byte.is_ascii_graphic())
        && version == VERSION;
    is_request.then_some((Start::Request, Some(method)))
}

const VERSION: &[u8] = b"SIP/2.0";

/// `1*DIGIT method`
fn cseq(value: &[u8]) -> Option<(u32, &[u8])> {
    let value = value::trimmed(value);
    let (cseq, digits) = number::checked(value, CSEQ_MAX)?;
    let rest = value.get(digits..)?;
    let name = value::trimmed(rest);
    let parted = rest.len() > name.len() && name.iter().all(|byte| is_token(*byte));
    (parted && !name.is_empty()).then_some((u32::try_from(cseq).ok()?, name))
}

/// Sequence numbers lie below 2^31 (RFC 3261, section 8.1.1.5).
const CSEQ_MAX: u64 = (1 << 31) - 1;

/// What was found of the headers that matter.
#[derive(Default)]
struct Fields<'a> {
    via: Option<&'a [u8]>,
    from: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
    call_id: Option<&'a [u8]>,
    cseq: Option<&'a [u8]>,
    expires: Option<u32>,
    length: Option<u64>,
    content_type: Option<&'a [u8]>,
    is_description: bool,
    contacts: Vec<Range<usize>>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, header: &Header<'a>) -> Option<()> {
        let value = header.value;
        match header.name {
            Name::Via => {
                self.via.get_or_insert(value);
            }
            Name::From => only(&mut self.from, value)?,
            Name::To => only(&mut self.to, value)?,
            Name::CallId => only(&mut self.call_id, value)?,
            Name::CSeq => only(&mut self.cseq, value)?,
            Name::Expires => {
                // A number that is too large means the largest (RFC 3261, section 20.19).
                let seconds = whole_number(value::trimmed(value))?;
                only(&mut self.expires, u32::try_from(seconds).unwrap_or(u32::MAX))?;
            }
            Name::ContentLength => {
                let length = whole_number(value::trimmed(value))?;
                if *self.length.get_or_insert(length) != length {
                    return None;
                }
            }
            Name::ContentType => {
                only(&mut self.content_type, value)?;
                let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
                let kind = value::trimmed(value.get(..end)?);
                self.is_description = kind.eq_ignore_ascii_case(b"application/sdp");
            }
            Name::Contact => {
                if self.contacts.len() == CONTACT_LINES_MAX_COUNT {
                    return None;
                }
                self.contacts.push(header.at..header.at + value.len());
            }
            Name::Other => {}
        }
        Some(())
    }
}

/// Puts a value where none may be yet.
fn only<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// Digits and nothing else; too many of them mean the largest number.
fn whole_number(text: &[u8]) -> Option<u64> {
    let digits = number::digit_count(text);
    (digits > 0 && digits == text.len())
        .then(|| number::checked(text, u64::MAX).map_or(u64::MAX, |(number, _)| number))
}

/// The headers that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    Expires,
    ContentLength,
    ContentType,
    Other,
}

const NAMES: [(&[u8], &[u8], Name); 9] = [
    (b"Via", b"v", Name::Via),
    (b"From", b"f", Name::From),
    (b"To", b"t", Name::To),
    (b"Call-ID", b"i", Name::CallId),
    (b"CSeq", b"CSeq", Name::CSeq),
    (b"Contact", b"m", Name::Contact),
    (b"Expires", b"Expires", Name::Expires),
    (b"Content-Length", b"l", Name::ContentLength),
    (b"Content-Type", b"c", Name::ContentType),
];

/// A header with the lines that continue it.
struct Header<'a> {
    name: Name,
    /// Offset of the value in the message.
    at: usize,
    value: &'a [u8],
}

/// The headers behind the first line; `None` for what is none.
struct Headers<'a> {
    /// The message up to the empty line, that line included.
    head: &'a [u8],
    at: usize,
}

impl<'a> Headers<'a> {
    fn of(head: &'a [u8]) -> Headers<'a> {
        let first = head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
        Headers { head, at: first }
    }

    /// Where the header that begins at `at` ends, its last line end not counted.
    fn end(&self, at: usize) -> Option<usize> {
        let mut end = at;
        loop {
            end += self.head.get(end..)?.iter().position(|byte| *byte == b'\n')?;
            if !matches!(self.head.get(end + 1), Some(b' ' | b'\t')) {
                return Some(end);
            }
            end += 1;
        }
    }

    fn read(&self, end: usize) -> Option<Header<'a>> {
        let line = self.head.get(self.at..end)?.strip_suffix(b"\r")?;
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        let name = name.trim_ascii_end();
        let is_name = !name.is_empty() && name.iter().all(|byte| is_token(*byte));
        let is_value = value::has_whole_line_ends(value);
        let known = NAMES.iter().find(|(long, short, _)| {
            name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short)
        });
        let kind = known.map_or(Name::Other, |(_, _, kind)| *kind);
        (is_name && is_value).then_some(Header { name: kind, at: self.at + colon + 1, value })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Option<Header<'a>>;

    fn next(&mut self) -> Option<Option<Header<'a>>> {
        let rest = self.head.get(self.at..)?;
        if rest.is_empty() || rest == b"\r\n" {
            return None;
        }
        let Some(end) = self.end(self.at) else {
            self.at = self.head.len();
            return Some(None);
        };
        let header = self.read(end);
        self.at = end + 1;
        Some(header)
    }
}

/// RFC 3261, section 25.1: `token`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}
