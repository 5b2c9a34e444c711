//! Session descriptions (RFC 8866), as offers and answers use them (RFC 3264).
//!
//! ```text
//! description = "v=0" line *line *media
//! media       = "m=" kind SP port ["/" count] SP protocol ... *line
//! line        = "c=IN IP4 " address ["/" ...] / "a=" direction / anything else
//! ```

use super::super::MediaKind;
use crate::grammar::{address, number};
use kinwall_terms::Family;
use std::net::IpAddr;

/// Media lines that are in use, of one description; later ones are left out.
pub(super) const MEDIA_MAX_COUNT: usize = 3;

/// A media line that is in use: its port is not 0, its address not unspecified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Media {
    pub(super) kind: MediaKind,
    /// Offset of the line, and of what follows its port.
    pub(super) line_at: usize,
    pub(super) line_end: usize,
    pub(super) port: u16,
    /// Offset and length.
    pub(super) port_at: (usize, usize),
    pub(super) address: IpAddr,
    pub(super) address_at: (usize, usize),
    /// The describing end receives: not `sendonly`, not `inactive`.
    pub(super) receives: bool,
    /// RTP, which RTCP accompanies; udptl otherwise.
    pub(super) is_rtp: bool,
}

/// Why a media line does not count, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Not a port, or one below 1024.
    Port(usize, usize),
    /// No address of the connection's family.
    Address(usize, usize),
    /// No kind, port and protocol.
    Words(usize, usize),
}

/// What a part of the description says of the media in it, or of all of them.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    connection: Option<(IpAddr, (usize, usize))>,
    receives: Option<bool>,
}

/// A media line, before the lines that follow it are read.
#[derive(Clone, Copy, Debug)]
struct Line {
    kind: MediaKind,
    at: usize,
    end: usize,
    port: Option<u16>,
    port_at: (usize, usize),
    is_rtp: bool,
}

/// The media lines in use, and what is wrong with others, in order; `None` when it is no
/// description.
pub(super) fn read(text: &[u8], family: Family) -> Option<Vec<Result<Media, Wrong>>> {
    let mut list = Vec::new();
    let (mut session, mut own) = (Said::default(), Said::default());
    // The media line that is being read; the outer level is the session's.
    let mut current: Option<Option<Line>> = None;
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        if at == 0 && bare != b"v=0" {
            return None;
        }
        let said = if current.is_some() { &mut own } else { &mut session };
        match (bare.first(), bare.get(1)) {
            (Some(b'm'), Some(b'=')) => {
                finish(&mut list, current.take().flatten(), session, own);
                current = Some(media_line(bare, at).unwrap_or_else(|wrong| {
                    add_wrong(&mut list, wrong);
                    None
                }));
                own = Said::default();
            }
            (Some(b'c'), Some(b'=')) if said.connection.is_none() => {
                said.connection = connection(bare, at, family);
            }
            (Some(b'a'), Some(b'=')) => {
                said.receives = direction(bare).or(said.receives);
            }
            _ => {}
        }
        at += line.len();
    }
    finish(&mut list, current.flatten(), session, own);
    (at > 0).then_some(list)
}

/// Adds a media line with what was said of it.
fn finish(list: &mut Vec<Result<Media, Wrong>>, line: Option<Line>, session: Said, own: Said) {
    let Some(line) = line.filter(|line| line.port != Some(0)) else { return };
    if list.iter().filter(|media| media.is_ok()).count() == MEDIA_MAX_COUNT
        || list.len() == WRONG_MAX_COUNT
    {
        return;
    }
    let Some(port @ 1024..) = line.port else {
        return add_wrong(list, Wrong::Port(line.port_at.0, line.port_at.1));
    };
    let Some((address, address_at)) = own.connection.or(session.connection) else {
        return add_wrong(list, Wrong::Address(line.at, line.end - line.at));
    };
    // Hold, as it was said before `sendonly` (RFC 3264, section 8.4).
    if address.is_unspecified() {
        return;
    }
    list.push(Ok(Media {
        kind: line.kind,
        line_at: line.at,
        line_end: line.end,
        port,
        port_at: line.port_at,
        address,
        address_at,
        receives: own.receives.or(session.receives).unwrap_or(true),
        is_rtp: line.is_rtp,
    }));
}

/// Media lines that are told of, right and wrong ones.
const WRONG_MAX_COUNT: usize = 8;

fn add_wrong(list: &mut Vec<Result<Media, Wrong>>, wrong: Wrong) {
    if list.len() < WRONG_MAX_COUNT {
        list.push(Err(wrong));
    }
}

/// A line of a kind that is expected, over UDP; `None` for another.
fn media_line(line: &[u8], at: usize) -> Result<Option<Line>, Wrong> {
    let value = line.get(2..).unwrap_or_default();
    if value.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).count() < 3 {
        return Err(Wrong::Words(at, line.len()));
    }
    Ok(expected_line(value, at))
}

/// What stands behind `m=` of the line at `at`, when its media are expected.
fn expected_line(value: &[u8], at: usize) -> Option<Line> {
    let kind = MediaKind::ALL.into_iter().find(|kind| value.starts_with(kind.word()))?;
    let port_at = 2 + kind.word().len();
    let text = value.get(kind.word().len()..)?;
    let (port, digits) = match number::checked(text, u16::MAX.into()) {
        Some((port, digits)) => (u16::try_from(port).ok(), digits),
        None => (None, number::digit_count(text)),
    };
    let rest = text.get(digits..)?;
    let protocol = rest.split(|byte| *byte == b' ').nth(1)?;
    let is_rtp = [&b"RTP/"[..], b"UDP/TLS/RTP/"].iter().any(|name| protocol.starts_with(name));
    let is_udptl = protocol.eq_ignore_ascii_case(b"udptl");
    (is_rtp || is_udptl).then_some(Line {
        kind,
        at,
        end: at + port_at + digits,
        port: port.filter(|_| matches!(rest.first(), Some(b' ' | b'/'))),
        port_at: (at + port_at, digits),
        is_rtp,
    })
}

/// `c=IN IP4 10.1.0.2` or `c=IN IP6 fd00:1::2`, perhaps with `/` and more.
fn connection(line: &[u8], at: usize, family: Family) -> Option<(IpAddr, (usize, usize))> {
    let (prefix, ends): (&[u8], _) = match family {
        Family::Ipv4 => (b"c=IN IP4 ", [b'/', b' ']),
        Family::Ipv6 => (b"c=IN IP6 ", [b'/', b' ']),
    };
    let text = line.strip_prefix(prefix)?;
    let length = text.iter().position(|byte| ends.contains(byte)).unwrap_or(text.len());
    let text = text.get(..length)?;
    let (address, read): (IpAddr, usize) = match family {
        Family::Ipv4 => address::ipv4(text).map(|(address, read)| (address.into(), read))?,
        Family::Ipv6 => address::ipv6_before(text, 0).map(|(a, read)| (a.into(), read))?,
    };
    (read == length).then_some((address, (at + prefix.len(), length)))
}

/// Whether the end that says this receives.
fn direction(line: &[u8]) -> Option<bool> {
    match line {
        b"a=sendrecv" | b"a=recvonly" => Some(true),
        b"a=sendonly" | b"a=inactive" => Some(false),
        _ => None,
    }
}
