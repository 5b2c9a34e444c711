//! A message as the kernel's SIP helper looks at it: what stands where, byte by byte.

use crate::grammar::{address, line, number};
use kinwall_terms::Family;
use std::cell::Cell;
use std::net::IpAddr;

/// A message and the family of its connection.
pub(in crate::sip) struct Text<'a> {
    bytes: &'a [u8],
    family: Family,
    /// From the first offset to the second there is neither `@` nor a line end: what was searched
    /// for a user is not searched again.
    no_user: Cell<(usize, usize)>,
}

impl<'a> Text<'a> {
    pub(in crate::sip) fn new(bytes: &'a [u8], family: Family) -> Text<'a> {
        Text { bytes, family, no_user: Cell::new((1, 0)) }
    }

    pub(in crate::sip) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(in crate::sip) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// What stands from `at` on.
    pub(in crate::sip) fn from(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Whether `word` stands at `at`, in any case of its letters.
    pub(in crate::sip) fn has(&self, at: usize, word: &[u8]) -> bool {
        line::starts_with_any_case(self.from(at), word)
    }

    /// How many bytes from `at` on satisfy `is`.
    pub(in crate::sip) fn count_from(&self, at: usize, is: impl Fn(u8) -> bool) -> usize {
        self.from(at).iter().take_while(|byte| is(**byte)).count()
    }

    /// Where the first line begins that follows a line end at or behind `at` and continues no
    /// other line.
    pub(in crate::sip) fn next_line(&self, at: usize) -> Option<usize> {
        let mut start = self.next_raw_line(at)?;
        while is_blank(self.byte(start)?) {
            start = self.next_raw_line(start + 1)?;
        }
        Some(start)
    }

    /// Where the first line begins that follows a line end at or behind `at`.
    pub(in crate::sip) fn next_raw_line(&self, at: usize) -> Option<usize> {
        let end = at + self.from(at).iter().position(|byte| ends_line(*byte))?;
        Some(self.behind_line_end(end)).filter(|start| *start < self.len())
    }

    /// Where the text goes on when the line that ends at `end` is continued on the next one, with
    /// its leading blanks skipped.
    pub(in crate::sip) fn follow(&self, end: usize, limit: usize) -> Option<usize> {
        let start = self.behind_line_end(end);
        let continues = start < limit && self.byte(start).is_some_and(is_blank);
        continues.then(|| (start + self.count_from(start, is_blank)).min(limit))
    }

    fn behind_line_end(&self, end: usize) -> usize {
        end + if self.from(end).starts_with(b"\r\n") { 2 } else { 1 }
    }

    /// Where `needle` stands, in any case of its letters, at or behind `at` in this line and those
    /// that continue it. It must end before `limit`, with at least one byte behind it; a
    /// continuation's first byte is passed over.
    pub(in crate::sip) fn search(&self, at: usize, limit: usize, needle: &[u8]) -> Option<usize> {
        if needle.is_empty() {
            return Some(at);
        }
        let limit = limit.checked_sub(needle.len())?;
        let mut at = at;
        while at < limit {
            if ends_line(self.byte(at)?) {
                at = self.follow(at, limit)? + 1;
                continue;
            }
            if self.has(at, needle) {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// The length of `user@` at `at`, or 0 when the line has no `@` behind `at`.
    pub(in crate::sip) fn user(&self, at: usize) -> usize {
        let (from, to) = self.no_user.get();
        let stop = if (from..=to).contains(&at) {
            to
        } else {
            at + self.count_from(at, |byte| byte != b'@' && !ends_line(byte))
        };
        self.no_user.set((at, stop));
        if self.byte(stop) == Some(b'@') { stop + 1 - at } else { 0 }
    }

    /// The address of the connection's family at `at`, in brackets if it is IPv6, and its length.
    pub(in crate::sip) fn host(&self, at: usize) -> Option<(IpAddr, usize)> {
        if self.family == Family::Ipv4 {
            return self.bare_host(at);
        }
        let (address, length) = self.ipv6(at + 1).filter(|_| self.byte(at) == Some(b'['))?;
        (self.byte(at + 1 + length)? == b']').then_some((address, length + 2))
    }

    /// The same with or without brackets, as in SDP.
    pub(in crate::sip) fn bare_host(&self, at: usize) -> Option<(IpAddr, usize)> {
        match self.family {
            Family::Ipv4 => {
                let (address, length) = address::ipv4(self.from(at))?;
                let goes_on = |byte: u8| byte == b'.' || byte.is_ascii_hexdigit();
                let ends = self.byte(at + length).is_none_or(|byte| !goes_on(byte));
                ends.then_some((address.into(), length))
            }
            Family::Ipv6 => {
                let before = usize::from(self.byte(at) == Some(b'['));
                let (address, length) = self.ipv6(at + before)?;
                let behind = usize::from(self.byte(at + before + length) == Some(b']'));
                Some((address, before + length + behind))
            }
        }
    }

    fn ipv6(&self, at: usize) -> Option<(IpAddr, usize)> {
        let length = self.ipv6_length(at);
        let text = self.from(at).get(..length)?;
        let (address, read) = address::ipv6_before(text, 0)?;
        (read == length).then_some((address.into(), length))
    }

    /// How many bytes from `at` on can be an IPv6 address; an IPv4 one at its end has no colon
    /// behind it.
    fn ipv6_length(&self, at: usize) -> usize {
        let dotted = Cell::new(false);
        self.count_from(at, |byte| {
            dotted.set(dotted.get() || byte == b'.');
            byte.is_ascii_hexdigit() || byte == b'.' || (byte == b':' && !dotted.get())
        })
    }

    /// How SDP announces an address of the connection's family.
    pub(in crate::sip) fn network(&self) -> &'static [u8] {
        match self.family {
            Family::Ipv4 => b"IN IP4 ",
            Family::Ipv6 => b"IN IP6 ",
        }
    }

    /// The decimal number at `at`, of at most 32 bits, and how many digits it has.
    pub(in crate::sip) fn number(&self, at: usize) -> Option<(u32, usize)> {
        let (number, count) = number::checked(self.from(at), u32::MAX.into())?;
        Some((u32::try_from(number).ok()?, count))
    }
}

pub(in crate::sip) fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

pub(in crate::sip) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether the kernel takes `byte` for a letter: those of Latin-1 included.
pub(in crate::sip) fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7)
}
