//! The values of headers: parameters, addresses, contacts.
//!
//! ```text
//! via     = "SIP/2.0/" ("UDP" / "TCP") 1*blank sent-by *(";" parameter)
//! contact = (["name"] "<" uri ">" / uri) *(";" parameter)      parted by commas
//! uri     = "sip:" [user "@"] host [":" port] *(";" parameter) ["?" headers]
//! ```
//!
//! Commas, semicolons and brackets within quotes mean nothing, and neither do commas and
//! semicolons within `< >`.

use crate::grammar::{address, line, number};
use kinwall_terms::{Family, L4Proto};
use std::net::IpAddr;
use std::ops::Range;

/// Without the blanks around it; line ends within a value are blanks.
pub(super) fn trimmed(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

/// Whether a CR and a LF only stand together, and nothing stands that is no text.
pub(super) fn has_whole_line_ends(value: &[u8]) -> bool {
    let mut after_cr = false;
    let whole = value.iter().all(|byte| {
        let right = (*byte == b'\n') == after_cr && *byte != 0;
        after_cr = *byte == b'\r';
        right
    });
    whole && !after_cr
}

/// Whether the first Via says UDP (else TCP), and its branch.
pub(super) fn via(value: &[u8]) -> Option<(bool, &[u8])> {
    let value = trimmed(value);
    let first = Parts::of(value, b',').next().and_then(|part| value.get(part))?;
    let sent = first.strip_prefix(b"SIP/2.0/")?;
    let protocol = sent.get(..3)?;
    let over_udp = protocol.eq_ignore_ascii_case(b"UDP");
    let known = over_udp || protocol.eq_ignore_ascii_case(b"TCP");
    sent.get(3).filter(|byte| byte.is_ascii_whitespace() && known)?;
    Some((over_udp, parameter(first, b"branch")?))
}

/// The value of a header's parameter, outside of quotes and `< >`.
pub(super) fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    Parts::of(value, b';').skip(1).find_map(|part| named(value.get(part)?, name))
}

/// The value of `name=value`.
fn named<'a>(parameter: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let equals = parameter.iter().position(|byte| *byte == b'=')?;
    let found = trimmed(parameter.get(..equals)?).eq_ignore_ascii_case(name);
    found.then(|| trimmed(parameter.get(equals + 1..).unwrap_or_default()))
}

/// A contact that is an address of the connection's family and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// Offset and length of the address in the value, and of the digits of the port.
    pub(super) address_at: (usize, usize),
    pub(super) port_at: Option<(usize, usize)>,
    pub(super) expires: Option<u32>,
}

/// The contacts of one header value that can be read, in order.
pub(super) fn contacts(
    value: &[u8],
    family: Family,
    proto: L4Proto,
) -> impl Iterator<Item = Contact> + '_ {
    Parts::of(value, b',').filter_map(move |part| {
        let mut contact = contact(value.get(part.clone())?, family, proto)?;
        contact.address_at.0 += part.start;
        if let Some((at, _)) = &mut contact.port_at {
            *at += part.start;
        }
        Some(contact)
    })
}

fn contact(text: &[u8], family: Family, proto: L4Proto) -> Option<Contact> {
    let name = Parts::of(text, b'<').next()?.end;
    let (uri_at, uri_end) = match text.get(name) {
        Some(b'<') => {
            let length = text.get(name + 1..)?.iter().position(|byte| *byte == b'>')?;
            (name + 1, name + 1 + length)
        }
        _ => {
            let blanks = text.len() - text.trim_ascii_start().len();
            let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
            (blanks, end.max(blanks))
        }
    };
    let mut contact = uri(text.get(uri_at..uri_end)?, family, proto)?;
    contact.address_at.0 += uri_at;
    if let Some((at, _)) = &mut contact.port_at {
        *at += uri_at;
    }
    if let Some(expires) = parameter(text, b"expires") {
        let (seconds, digits) = number::checked(expires, u64::MAX)?;
        let whole = digits == expires.len();
        contact.expires = Some(u32::try_from(seconds).ok().filter(|_| whole)?);
    }
    Some(contact)
}

fn uri(text: &[u8], family: Family, proto: L4Proto) -> Option<Contact> {
    let text = text.trim_ascii_end();
    line::starts_with_any_case(text, b"sip:").then_some(())?;
    let mut users = text.iter().enumerate().filter(|(_, byte)| **byte == b'@');
    let host_at = users.next().map_or(4, |(at, _)| at + 1);
    if users.next().is_some() {
        return None;
    }
    let host = text.get(host_at..)?;
    let (address, length): (IpAddr, usize) = match family {
        Family::Ipv4 => address::ipv4(host).map(|(address, length)| (address.into(), length))?,
        Family::Ipv6 => {
            let (address, length) = address::ipv6_before(host.strip_prefix(b"[")?, b']')?;
            (host.get(length + 1) == Some(&b']')).then_some((address.into(), length + 2))?
        }
    };
    let behind = host.get(length..)?;
    let (port, digits) = match behind.strip_prefix(b":") {
        Some(digits) => number::checked(digits, u16::MAX.into())?,
        None => (5060, 0),
    };
    let port_at = (digits > 0).then_some((host_at + length + 1, digits));
    let rest = behind.get(port_at.map_or(0, |(_, digits)| digits + 1)..)?;
    let parameters = match rest.first() {
        None => rest,
        Some(b';' | b'?') => rest.split(|byte| *byte == b'?').next()?,
        Some(_) => return None,
    };
    let own: &[u8] = if proto == L4Proto::TCP { b"tcp" } else { b"udp" };
    let mut transport = parameters.split(|byte| *byte == b';');
    let transport = transport.find_map(|parameter| named(parameter, b"transport"));
    if transport.is_some_and(|transport| !transport.eq_ignore_ascii_case(own)) {
        return None;
    }
    let port = u16::try_from(port).ok().filter(|port| *port != 0)?;
    Some(Contact { address, port, address_at: (host_at, length), port_at, expires: None })
}

/// The parts of a value between `mark`, outside of quotes and of `< >`.
struct Parts<'a> {
    value: &'a [u8],
    mark: u8,
    at: Option<usize>,
}

impl<'a> Parts<'a> {
    fn of(value: &'a [u8], mark: u8) -> Parts<'a> {
        Parts { value, mark, at: Some(0) }
    }
}

impl Iterator for Parts<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let from = self.at?;
        let (mut quoted, mut escaped, mut angle) = (false, false, false);
        let rest = self.value.get(from..)?;
        let end = rest.iter().position(|&byte| {
            let ends = byte == self.mark && !quoted && !angle;
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' if !angle => quoted = !quoted,
                b'<' if !quoted => angle = true,
                b'>' if !quoted => angle = false,
                _ => {}
            }
            ends
        });
        self.at = end.map(|end| from + end + 1);
        Some(from..end.map_or(self.value.len(), |end| from + end))
    }
}
