//! Addresses of translated connections in the headers of a message: what stands for one of the
//! connection's ends becomes what the receiver knows that end by.
//!
//! | place | what is rewritten |
//! |---|---|
//! | request line, From, To | the address, where address and port are an end's |
//! | the first Via | the same, and then `maddr=`, `received=` and `rport=` |
//! | Contact | every one |
//! | Route, Record-Route and all other headers | nothing (the kernel's behaviour) |

use super::linux::header::{self, Contact, Contacts, Header};
use super::linux::text::{self, Text};
use crate::effects::{Effects, span};
use crate::helper::Segment;
use crate::rewrite::{Following, Form};
use kinwall_terms::{ChildNat, L4Proto, Tuple};
use std::net::IpAddr;
use std::ops::Range;

/// A message of a translated connection, or its headers.
pub(super) struct Names<'a> {
    pub(super) segment: &'a Segment<'a>,
    pub(super) text: &'a Text<'a>,
    /// Offset of its first byte in the payload.
    pub(super) at: usize,
    /// The port at which the originator waits for answers, when it sends from another one.
    pub(super) waits_at: Option<u16>,
    /// The offset of a contact that is written already, and the length of what it becomes.
    pub(super) written: Option<(usize, usize)>,
}

/// Whether the receiver knows the sender by another address.
pub(super) fn is_renamed(segment: &Segment<'_>) -> bool {
    let [own, shown] = segment.sender();
    segment.translated && own != shown
}

/// How the child follows that is announced at this address and port.
pub(super) fn following(
    segment: &Segment<'_>,
    (address, port): (IpAddr, u16),
    is_media: bool,
) -> Following {
    let nat = ChildNat::Announced { address, is_media };
    let following = Following::master(segment.direction.opposite(), port, None);
    Following { nat, ..following }
}

/// What begins a response, for what rewrites names.
const RESPONSE: &[u8] = b"SIP/2.0";

impl Names<'_> {
    /// Rewrites every name of the connection's ends.
    pub(super) fn rewrite(&self, effects: &mut Effects) {
        self.all_but_contacts(effects);
        self.contacts(effects);
    }

    /// The same without contacts.
    pub(super) fn all_but_contacts(&self, effects: &mut Effects) {
        let is_request = !self.text.has(0, RESPONSE);
        if is_request && let Some(uri) = request_uri(self.text) {
            self.map(&uri, effects);
        }
        self.via(is_request, effects);
        for header in [&header::FROM, &header::TO] {
            if let Some(uri) = header::first(self.text, header) {
                self.map(&uri, effects);
            }
        }
    }

    /// The tuples of the packet's way, and of the way back.
    fn ways(&self) -> [&Tuple; 2] {
        [self.segment.tuple(), self.segment.opposite()]
    }

    /// What an end of the connection becomes; `None` for what is none, or stays.
    fn mapped(&self, old: (IpAddr, u16)) -> Option<(IpAddr, u16)> {
        let [own, back] = self.ways();
        let new = if old == (own.src, own.sport) {
            (back.dst, back.dport)
        } else if old == (own.dst, own.dport) {
            (back.src, self.waits_at.unwrap_or(back.sport))
        } else {
            return None;
        };
        (new != old).then_some(new)
    }

    /// Writes what this address and port become, and says by how many bytes they shrink.
    fn map(&self, uri: &Contact, effects: &mut Effects) -> usize {
        let place = uri.address_at..uri.end;
        self.map_at(place, (uri.address, uri.port), effects)
    }

    /// Writes what the address and port at this place become, and says by how many bytes they
    /// shrink.
    pub(super) fn map_at(
        &self,
        place: Range<usize>,
        old: (IpAddr, u16),
        effects: &mut Effects,
    ) -> usize {
        let Some((address, port)) = self.mapped(old) else { return 0 };
        let mut new = Vec::with_capacity(place.len());
        Form::Endpoint.write(address, port, &mut new);
        self.write(place.start, place.len(), &new, effects);
        place.len().saturating_sub(new.len())
    }

    fn write(&self, at: usize, length: usize, new: &[u8], effects: &mut Effects) {
        effects.write(span(self.at + at, length), |text| text.extend_from_slice(new));
    }

    /// The first Via, where it names the end that sends requests, and what its parameters say of
    /// both ends.
    fn via(&self, is_request: bool, effects: &mut Effects) {
        let over_tcp = self.segment.original.proto == L4Proto::TCP;
        let header: &Header = if over_tcp { &header::VIA_TCP } else { &header::VIA_UDP };
        let Some(via) = header::first(self.text, header) else { return };
        let [own, back] = self.ways();
        let requester = if is_request { (own.src, own.sport) } else { (own.dst, own.dport) };
        if (via.address, via.port) != requester {
            return;
        }
        self.map(&via, effects);
        let parameter = |name| header::parameter(self.text, via.end, name);
        if let Some(at) = parameter(b"maddr=")
            && let Some((address, length)) = self.text.host(at)
            && address == own.src
            && address != back.dst
        {
            let new = match back.dst {
                IpAddr::V4(new) => new.to_string(),
                IpAddr::V6(new) => format!("[{new}]"),
            };
            self.write(at, length, new.as_bytes(), effects);
        }
        if let Some(at) = parameter(b"received=")
            && let Some((address, length)) = self.text.bare_host(at)
            && address == own.dst
            && address != back.src
        {
            self.write(at, length, back.src.to_string().as_bytes(), effects);
        }
        if let Some(at) = parameter(b"rport=")
            && let Some((port, digits)) = self.text.number(at)
            // The kernel compares the lower 16 bits.
            && port as u16 == own.dport
            && port as u16 != back.sport
        {
            self.write(at, digits, back.sport.to_string().as_bytes(), effects);
        }
    }

    /// Every contact. The search for the next one goes on where the last one ended before it was
    /// rewritten: when it shrinks, a part of what follows is passed over (the kernel's
    /// behaviour).
    fn contacts(&self, effects: &mut Effects) {
        let mut contacts = Contacts::default();
        while let Some(contact) = contacts.next(self.text) {
            let shrinks = match self.written {
                Some((at, length)) if at == contact.address_at => {
                    (contact.end - at).saturating_sub(length)
                }
                _ => self.map(&contact, effects),
            };
            contacts.skip(shrinks);
        }
    }
}

/// The address in a request line.
fn request_uri(text: &Text<'_>) -> Option<Contact> {
    let method = text.count_from(0, text::is_letter);
    if method == 0 {
        return None;
    }
    let scheme = b"sip:";
    let line = text.from(method + 1);
    let end = line.iter().position(|byte| text::ends_line(*byte)).unwrap_or(line.len());
    let line = line.get(..end)?;
    let found = line.windows(scheme.len()).position(|word| word.eq_ignore_ascii_case(scheme))?;
    let at = method + 1 + found + scheme.len();
    header::uri(text, at + text.user(at))
}
