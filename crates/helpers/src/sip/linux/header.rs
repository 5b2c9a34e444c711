//! Headers as the kernel finds them: anywhere behind a line end, the body included.
//!
//! ```text
//! line     = ( CR | LF | CR LF ) header
//! header   = ( name | compact, no letter behind it ) [blank] ":" [blank] value
//! blank    = spaces and tabs, perhaps with a line end among them and at least one behind it
//! value    = ... needle item          what is searched for in the value, and what stands there
//! ```
//!
//! After a line that is not the header that is looked for, the search goes on one byte behind the
//! line's first: an empty line made of one byte hides the line that follows it.

use super::text::{self, Text};
use std::net::IpAddr;

/// A header that somebody looks for.
pub(in crate::sip) struct Header {
    name: &'static [u8],
    compact: Option<u8>,
    /// What stands before the item, in any case of letters.
    needle: &'static [u8],
    /// Where the item begins, counted from behind the needle, and its length; 0 for none.
    item: fn(&Text<'_>, usize) -> (usize, usize),
}

pub(in crate::sip) const CSEQ: Header =
    Header { name: b"CSeq", compact: None, needle: b"", item: digits };
pub(in crate::sip) const CONTACT: Header =
    Header { name: b"Contact", compact: Some(b'm'), needle: b"sip:", item: user_address };
pub(in crate::sip) const FROM: Header =
    Header { name: b"From", compact: Some(b'f'), needle: b"sip:", item: user_address };
pub(in crate::sip) const TO: Header =
    Header { name: b"To", compact: Some(b't'), needle: b"sip:", item: user_address };
pub(in crate::sip) const VIA_UDP: Header =
    Header { name: b"Via", compact: Some(b'v'), needle: b"UDP ", item: sent_by };
pub(in crate::sip) const VIA_TCP: Header =
    Header { name: b"Via", compact: Some(b'v'), needle: b"TCP ", item: sent_by };
pub(in crate::sip) const EXPIRES: Header =
    Header { name: b"Expires", compact: None, needle: b"", item: digits };
pub(in crate::sip) const CONTENT_LENGTH: Header =
    Header { name: b"Content-Length", compact: Some(b'l'), needle: b"", item: digits };

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Found {
    Nothing,
    /// The header is there, with a value that begins here, and without the item.
    Unreadable(usize),
    Item(Item),
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) struct Item {
    /// Offset of its header's line.
    pub(in crate::sip) line_at: usize,
    pub(in crate::sip) at: usize,
    pub(in crate::sip) length: usize,
}

impl Item {
    pub(in crate::sip) fn end(&self) -> usize {
        self.at + self.length
    }
}

/// The first of these headers behind the next line end from `from` on.
pub(in crate::sip) fn find(text: &Text<'_>, from: usize, header: &Header) -> Found {
    let mut at = from;
    while let Some(line_at) = text.next_line(at) {
        at = line_at + 1;
        let Some(after) = header.behind_name(text, line_at) else { continue };
        let Some(value_at) = value(text, after) else { return Found::Nothing };
        let Some(item_at) = text.search(value_at, text.len(), header.needle) else {
            return Found::Unreadable(value_at);
        };
        let item_at = item_at + header.needle.len();
        let (shift, length) = (header.item)(text, item_at);
        return match length {
            0 => Found::Unreadable(value_at),
            _ => Found::Item(Item { line_at, at: item_at + shift, length }),
        };
    }
    Found::Nothing
}

impl Header {
    /// Where this header's name ends, when it stands at `at`.
    fn behind_name(&self, text: &Text<'_>, at: usize) -> Option<usize> {
        if text.has(at, self.name) {
            return Some(at + self.name.len());
        }
        let compact = self.compact?;
        let stands = text.byte(at)?.eq_ignore_ascii_case(&compact);
        (stands && !text::is_letter(text.byte(at + 1)?)).then_some(at + 1)
    }
}

/// Where the value begins, behind the colon.
fn value(text: &Text<'_>, at: usize) -> Option<usize> {
    let colon = skip_blanks(text, at)?;
    if text.byte(colon) != Some(b':') || colon + 1 >= text.len() {
        return None;
    }
    skip_blanks(text, colon + 1)
}

fn skip_blanks(text: &Text<'_>, at: usize) -> Option<usize> {
    let at = at + text.count_from(at, text::is_blank);
    match text.byte(at) {
        Some(byte) if text::ends_line(byte) => text.follow(at, text.len()),
        _ => Some(at),
    }
}

/// `1*DIGIT`
fn digits(text: &Text<'_>, at: usize) -> (usize, usize) {
    (0, text.count_from(at, |byte| byte.is_ascii_digit()))
}

/// `[user "@"] address [":" digits]`; the user is no part of the item.
fn user_address(text: &Text<'_>, at: usize) -> (usize, usize) {
    let user = text.user(at);
    (user, address_length(text, at + user))
}

/// `address [":" port]`
fn sent_by(text: &Text<'_>, at: usize) -> (usize, usize) {
    (0, address_length(text, at))
}

/// `address [":" port]`; 0 when no address of the connection's family stands here, or behind it a
/// port that cannot be.
fn address_length(text: &Text<'_>, at: usize) -> usize {
    let Some((_, length)) = text.host(at) else { return 0 };
    match text.byte(at + length) {
        Some(b':') => port(text, at + length + 1).map_or(0, |(_, digits)| length + 1 + digits),
        _ => length,
    }
}

/// The port at `at` and how many digits it has: at most five, with something behind them.
fn port(text: &Text<'_>, at: usize) -> Option<(u16, usize)> {
    let (port, digits) = text.number(at)?;
    let port = u16::try_from(port).ok().filter(|port| *port >= PORT_MIN)?;
    (digits <= 5 && text.byte(at + digits).is_some()).then_some((port, digits))
}

/// Least port that a header may name.
const PORT_MIN: u16 = 1024;

/// An address and a port, and where they stand.
#[derive(Clone, Copy, Debug)]
pub(in crate::sip) struct Contact {
    /// Offset of its header's line.
    pub(in crate::sip) line_at: usize,
    pub(in crate::sip) address: IpAddr,
    pub(in crate::sip) port: u16,
    pub(in crate::sip) address_at: usize,
    pub(in crate::sip) address_length: usize,
    /// Where the digits of the port stand, and how many there are, if any.
    pub(in crate::sip) port_digits: Option<(usize, usize)>,
    /// Where it ends: parameters are looked for from here.
    pub(in crate::sip) end: usize,
}

/// The Contact headers of a message and the values in each, in order.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sip) struct Contacts {
    at: usize,
    /// The line of the header whose further values come next.
    within: Option<usize>,
}

/// The port that an address without one means (RFC 3261, section 19.1.2).
const DEFAULT_PORT: u16 = 5060;

impl Contacts {
    /// The next contact that can be read.
    pub(in crate::sip) fn next(&mut self, text: &Text<'_>) -> Option<Contact> {
        let contact = read(text, &self.walk(text)?)?;
        self.at = contact.end;
        Some(contact)
    }

    /// Goes on so many bytes later.
    pub(in crate::sip) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The next value with an address, of the same header or of a later one.
    fn walk(&mut self, text: &Text<'_>) -> Option<Item> {
        while let Some(line_at) = self.within {
            match next_value(text, self.at, line_at) {
                Found::Item(item) => return Some(item),
                Found::Unreadable(at) => self.at = at,
                Found::Nothing => self.within = None,
            }
        }
        let item = find_readable(text, self.at, &CONTACT)?;
        self.within = Some(item.line_at);
        Some(item)
    }
}

/// The first of these headers from `at` on in which the item is there.
fn find_readable(text: &Text<'_>, at: usize, header: &Header) -> Option<Item> {
    let mut at = at;
    loop {
        match find(text, at, header) {
            Found::Item(item) => return Some(item),
            Found::Unreadable(value_at) => at = value_at,
            Found::Nothing => return None,
        }
    }
}

/// The address in the first of these headers that can be read.
pub(in crate::sip) fn first(text: &Text<'_>, header: &Header) -> Option<Contact> {
    read(text, &find_readable(text, 0, header)?)
}

/// The address and port at `at`.
pub(in crate::sip) fn uri(text: &Text<'_>, at: usize) -> Option<Contact> {
    read(text, &Item { line_at: at, at, length: 0 })
}

/// Where the value of a parameter stands, between `from` and the next comma.
pub(in crate::sip) fn parameter(text: &Text<'_>, from: usize, name: &[u8]) -> Option<usize> {
    let limit = text.search(from, text.len(), b",").unwrap_or(text.len());
    Some(text.search(from, limit, name)? + name.len())
}

/// The value behind the next comma of the line.
fn next_value(text: &Text<'_>, from: usize, line_at: usize) -> Found {
    let comma = text.search(from, text.len(), b",");
    let scheme = comma.and_then(|comma| text.search(comma, text.len(), CONTACT.needle));
    let Some(scheme) = scheme else { return Found::Nothing };
    let at = scheme + CONTACT.needle.len();
    match user_address(text, at) {
        (_, 0) => Found::Unreadable(at),
        (user, length) => Found::Item(Item { line_at, at: at + user, length }),
    }
}

fn read(text: &Text<'_>, item: &Item) -> Option<Contact> {
    let (address, address_length) = text.host(item.at)?;
    let behind = item.at + address_length;
    let (port, port_digits, end) = match text.byte(behind) {
        Some(b':') => {
            let (port, digits) = port(text, behind + 1)?;
            (port, Some((behind + 1, digits)), behind + 1 + digits)
        }
        _ => (DEFAULT_PORT, None, behind),
    };
    Some(Contact {
        line_at: item.line_at,
        address,
        port,
        address_at: item.at,
        address_length,
        port_digits,
        end,
    })
}
