//! Session descriptions (RFC 8866) as the kernel reads them.
//!
//! ```text
//! description = "v=" 1*DIGIT line* media*
//! media       = "m=" ("audio " / "video " / "image ") port line*
//! line        = "c=" ... "IN IP4 " address
//! ```

use super::super::MediaKind;
use super::text::{Text, ends_line, is_letter};
use std::net::IpAddr;

/// Media lines of one message that count, at most: as many as there are kinds.
const USED_MAX_COUNT: usize = 3;

/// A media line that is in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Media {
    pub(super) kind: MediaKind,
    /// Offset of its line.
    pub(super) line_at: usize,
    pub(super) port_at: usize,
    pub(super) port_digits: usize,
    pub(super) port: u16,
    pub(super) address: IpAddr,
    pub(super) address_at: usize,
    pub(super) address_length: usize,
    /// The address is the media line's own, not the whole session's.
    pub(super) has_own_address: bool,
}

/// Why a description cannot be used, and where.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wrong {
    /// The port of a media line: its offset and length.
    Port(usize, usize),
    /// A media line without an address: its offset.
    NoAddress(usize),
}

/// The media lines in use of the first description in `text`, in order; an `Err` ends them.
pub(super) struct Description<'a> {
    text: &'a Text<'a>,
    /// The address of the whole session: where it stands, and its length.
    session: Option<Address>,
    /// Where its version stands.
    version_at: usize,
    at: usize,
    used: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    address: IpAddr,
    pub(super) at: usize,
    pub(super) length: usize,
}

impl<'a> Description<'a> {
    /// The first description, if there is one.
    pub(super) fn find(text: &'a Text<'a>) -> Option<Description<'a>> {
        let version_at = find_line(text, 0, b"v=", None)? + 2;
        text.byte(version_at).filter(u8::is_ascii_digit)?;
        let session = connection(text, version_at);
        Some(Description { text, session, version_at, at: version_at, used: 0 })
    }

    /// Where it begins.
    pub(super) fn begins_at(&self) -> usize {
        self.version_at - 2
    }

    /// Where all media are received that say nothing else.
    pub(super) fn session_address(&self) -> Option<IpAddr> {
        self.session.map(|session| session.address)
    }

    /// Who describes the session, and where all of its media are received.
    pub(super) fn session(&self) -> [Option<Address>; 2] {
        [address(self.text, self.version_at, b"o="), self.session]
    }

    /// The next media line that is in use.
    pub(super) fn next(&mut self) -> Option<Result<Media, Wrong>> {
        while self.used < USED_MAX_COUNT {
            let line_at = find_line(self.text, self.at, b"m=", None)?;
            let kind_at = line_at + 2;
            let word = self.text.count_from(kind_at, is_letter);
            if self.text.byte(kind_at + word) != Some(b' ') {
                return None;
            }
            let port_at = kind_at + word + 1;
            let port_digits = self.text.count_from(port_at, |byte| byte.is_ascii_digit());
            let named = |kind: &MediaKind| self.text.from(kind_at).starts_with(kind.word());
            let Some(kind) = MediaKind::ALL.into_iter().find(named) else {
                self.at = port_at + port_digits;
                continue;
            };
            self.at = port_at;
            let Some((port @ 1.., _)) = self.text.number(port_at) else { continue };
            self.used += 1;
            let wrong_port = Wrong::Port(port_at, port_digits);
            let Ok(port @ 1024..) = u16::try_from(port) else { return Some(Err(wrong_port)) };
            let own = connection(self.text, port_at);
            let Some(waits) = own.or(self.session) else {
                return Some(Err(Wrong::NoAddress(line_at)));
            };
            let Address { address, at: address_at, length: address_length } = waits;
            return Some(Ok(Media {
                kind,
                line_at,
                port_at,
                port_digits,
                port,
                address,
                address_at,
                address_length,
                has_own_address: own.is_some(),
            }));
        }
        None
    }
}

/// The first connection line behind `from` and before the next media line.
fn connection(text: &Text<'_>, from: usize) -> Option<Address> {
    address(text, from, b"c=")
}

/// The address in the first line of this kind behind `from` and before the next media line.
fn address(text: &Text<'_>, from: usize, name: &[u8]) -> Option<Address> {
    let line_at = find_line(text, from, name, Some(b"m="))?;
    let needle = text.network();
    let line = text.from(line_at + 2);
    let line = line.get(..text.count_from(line_at + 2, |byte| !ends_line(byte)))?;
    let before = line.windows(needle.len()).position(|window| window == needle)?;
    let at = line_at + 2 + before + needle.len();
    let (address, length) = text.bare_host(at)?;
    Some(Address { address, at, length })
}

/// Where the first line behind the next line end begins with `name`, before one that begins with
/// `stop`.
fn find_line(text: &Text<'_>, from: usize, name: &[u8], stop: Option<&[u8]>) -> Option<usize> {
    let mut at = from;
    while let Some(line_at) = text.next_raw_line(at) {
        if stop.is_some_and(|stop| text.has(line_at, stop)) {
            return None;
        }
        if text.has(line_at, name) {
            return Some(line_at);
        }
        at = line_at + 1;
    }
    None
}
