//! sip as the kernel reads it: a datagram or a segment at a time, header by header, as needed.
//!
//! | message | effect |
//! |---|---|
//! | INVITE | forgets the media of this connection, then reads SDP |
//! | UPDATE, PRACK, ACK, and 1xx and 2xx of INVITE, UPDATE, PRACK | reads SDP |
//! | other answers to the last INVITE's CSeq | forget the media |
//! | BYE | forgets the media |
//! | REGISTER | expects calls to its Contact, inactive |
//! | 2xx of REGISTER | brings that to life for as long as it says, or forgets it |
//! | other final answers of REGISTER | forget it |

pub(super) mod header;
mod sdp;
pub(super) mod text;

use super::rewrite::{Names, following, is_renamed};
use super::{
    DIRECT_MEDIA, DIRECT_SIGNALLING, EXTERNAL_MEDIA, MEDIA_CLASSES, SIGNALLING, SIP_TIMEOUT,
    media_pair,
};
use crate::effects::{Activation, ClassSet, Effect, Effects, Proposal, span};
use crate::helper::Segment;
use crate::registry::{HelperKind, Scratch};
use crate::rewrite::{Following, Form, Named};
use header::{Contact, Contacts, Found, Item};
use kinwall_terms::expectation::{ExpectationFlags, Expected, Span};
use kinwall_terms::{Direction, L4Proto, Reason, Tuple};

use sdp::{Description, Media, Wrong};
use std::net::IpAddr;
use text::Text;

/// Shortest payload that is looked at: `SIP/2.0 200`.
const MESSAGE_MIN_BYTES: usize = 11;

/// Contacts of one answer to REGISTER that are compared with what is expected, at most.
const CONTACTS_MAX_COUNT: usize = 250;

/// The two numbers that are remembered: the CSeq of the last INVITE and of the last REGISTER that
/// had their effect.
const LAST_INVITE: usize = 0;
const LAST_REGISTER: usize = 1;

/// Reads a datagram or a segment.
pub(super) fn inspect(segment: &Segment<'_>, scratch: &mut Scratch, effects: &mut Effects) {
    let Scratch::Sip(scratch) = scratch else { return };
    let stream = segment.original.proto == L4Proto::TCP;
    if segment.payload.is_empty() || (stream && !segment.established) {
        return;
    }
    effects.push(Effect::Refresh { seconds: segment.options.number(SIP_TIMEOUT) });
    if segment.payload.len() < MESSAGE_MIN_BYTES {
        return;
    }
    let mut last = segment.remembered;
    if !stream {
        let message = Message::new(segment, 0, segment.payload.len());
        message.note_port(&mut scratch.waits_at);
        message.read(&mut last, scratch.waits_at, effects);
        return;
    }
    let mut at = 0;
    while let Some(length) = message_length(segment, at) {
        Message::new(segment, at, length).read(&mut last, None, effects);
        if effects.drop_reason().is_some() {
            break;
        }
        at += length;
    }
}

/// The length of the message that begins at offset `at` of a segment, by its Content-Length, when
/// it is there as a whole.
fn message_length(segment: &Segment<'_>, at: usize) -> Option<usize> {
    let text = Text::new(segment.payload.get(at..)?, segment.family());
    let Found::Item(item) = header::find(&text, 0, &header::CONTENT_LENGTH) else { return None };
    let (content, digits) = text.number(item.at)?;
    let rest = text.from(item.at + digits);
    let behind = rest.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let length = item.at + digits + behind + usize::try_from(content).ok()?;
    (length <= text.len()).then_some(length)
}

fn remember(index: usize, cseq: u32, last: &mut [u32; 2], effects: &mut Effects) {
    last[index] = cseq;
    effects.push(Effect::Remember { index, value: cseq });
}

/// One message and where it stands.
struct Message<'a> {
    segment: &'a Segment<'a>,
    text: Text<'a>,
    /// Offset of its first byte in the payload.
    at: usize,
}

/// The methods that are looked at, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Invite,
    Update,
    Ack,
    Prack,
    Bye,
    Register,
}

const METHODS: [(&[u8], Method); 6] = [
    (b"INVITE", Method::Invite),
    (b"UPDATE", Method::Update),
    (b"ACK", Method::Ack),
    (b"PRACK", Method::Prack),
    (b"BYE", Method::Bye),
    (b"REGISTER", Method::Register),
];

const VERSION: &[u8] = b"SIP/2.0 ";

/// The address at which media are received, for the other end.
#[derive(Clone, Copy, Debug)]
enum Waits {
    /// As it stands in the message.
    AsAnnounced(IpAddr),
    /// Where they are expected.
    AsExpected,
}

/// Why a message, and its packet, are dropped.
type Drop = (Reason, Span);

impl<'a> Message<'a> {
    fn new(segment: &'a Segment<'a>, at: usize, length: usize) -> Message<'a> {
        let bytes = segment.payload.get(at..at + length).unwrap_or_default();
        Message { segment, text: Text::new(bytes, segment.family()), at }
    }

    fn read(&self, last: &mut [u32; 2], waits_at: Option<u16>, effects: &mut Effects) {
        let read = match self.text.has(0, VERSION) {
            true => self.response(*last, effects).map(|()| None),
            false => self.request(last, waits_at, effects),
        };
        match read {
            Ok(written) if self.segment.translated => self.rename(waits_at, written, effects),
            Ok(_) => {}
            Err((reason, span)) => effects.drop(reason, span),
        }
    }

    /// Who sends requests from another port than where it waits for answers says so in its Via.
    fn note_port(&self, waits_at: &mut Option<u16>) {
        let own = self.segment.tuple();
        if !self.text.has(0, VERSION)
            && let Some(via) = header::first(&self.text, &header::VIA_UDP)
            && via.address == own.src
            && via.port != own.sport
        {
            *waits_at = Some(via.port);
        }
    }

    /// Rewrites the headers of a translated connection, and sends an answer to where it is waited
    /// for.
    fn rename(
        &self,
        waits_at: Option<u16>,
        written: Option<(usize, usize)>,
        effects: &mut Effects,
    ) {
        let Message { segment, text, at } = self;
        Names { segment, text, at: *at, waits_at, written }.rewrite(effects);
        if segment.direction == Direction::Reply
            && let Some(port) = waits_at
        {
            effects.push(Effect::Deliver { port });
        }
    }

    /// A request line is a method, a space, and the letter that its URI begins with. Of a contact
    /// that becomes another one where it stands, and how long it becomes.
    fn request(
        &self,
        last: &mut [u32; 2],
        waits_at: Option<u16>,
        effects: &mut Effects,
    ) -> Result<Option<(usize, usize)>, Drop> {
        let text = &self.text;
        let is_it = |(name, _): &&(&[u8], Method)| {
            text.has(0, name)
                && text.byte(name.len()) == Some(b' ')
                && text.byte(name.len() + 1).is_some_and(text::is_letter)
        };
        let Some((_, method)) = METHODS.iter().find(is_it) else { return Ok(None) };
        let (cseq, _) = self.cseq()?;
        match method {
            Method::Invite => {
                effects.push(Effect::Flush(ClassSet::of(&MEDIA_CLASSES)));
                self.description(effects)?;
                remember(LAST_INVITE, cseq, last, effects);
            }
            Method::Update | Method::Ack | Method::Prack => self.description(effects)?,
            Method::Bye => effects.push(Effect::Flush(ClassSet::of(&MEDIA_CLASSES))),
            Method::Register => return self.register((cseq, last), waits_at, effects),
        }
        Ok(None)
    }

    /// A status line is the version, then a number that is not 0.
    fn response(&self, last: [u32; 2], effects: &mut Effects) -> Result<(), Drop> {
        if self.text.len() < MESSAGE_MIN_BYTES {
            return Ok(());
        }
        let Some((code @ 1.., _)) = self.text.number(VERSION.len()) else {
            return Err((Reason::HelperMalformed, self.span(0, MESSAGE_MIN_BYTES)));
        };
        let (cseq, method_at) = self.cseq()?;
        let answered = METHODS.iter().find(|(name, method)| {
            !matches!(method, Method::Ack | Method::Bye) && self.text.has(method_at, name)
        });
        let Some((_, method)) = answered else { return Ok(()) };
        match (method, code) {
            (Method::Register, _) => self.registered(last[LAST_REGISTER] == cseq, code, effects),
            (_, 100..=299) => self.description(effects)?,
            _ if last[LAST_INVITE] == cseq => {
                effects.push(Effect::Flush(ClassSet::of(&MEDIA_CLASSES)));
            }
            _ => {}
        }
        Ok(())
    }

    /// The number of CSeq, and where the method behind it stands.
    fn cseq(&self) -> Result<(u32, usize), Drop> {
        let item = match header::find(&self.text, 0, &header::CSEQ) {
            Found::Item(item) => Some(item),
            _ => None,
        };
        let number = item.and_then(|item| Some((self.text.number(item.at)?.0, item.end() + 1)));
        number.ok_or_else(|| (Reason::HelperPartial, self.span(0, self.first_line())))
    }

    /// The media lines of the first session description.
    fn description(&self, effects: &mut Effects) -> Result<(), Drop> {
        let Some(mut description) = Description::find(&self.text) else { return Ok(()) };
        let translated = self.segment.translated;
        let mut waits = description.session_address().map(Waits::AsAnnounced);
        while let Some(media) = description.next() {
            let media = media.map_err(|wrong| match wrong {
                Wrong::Port(at, digits) => (Reason::HelperBadPort, self.span(at, digits)),
                Wrong::NoAddress(at) => (Reason::HelperPartial, self.span(at, 2)),
            })?;
            let at = *waits.insert(self.media(&media, effects));
            if translated && media.has_own_address {
                self.write_address(media.address_at, media.address_length, at, effects);
                self.content_length()?;
            }
        }
        match waits {
            Some(waits) if translated => self.session(&description, waits, effects),
            _ => Ok(()),
        }
    }

    /// Writes the address of the last media into the description of the session, whose it may be
    /// or not; without media in use that of the session itself. A description without an owner,
    /// and a message without Content-Length, are dropped (the kernel's behaviour).
    fn session(
        &self,
        description: &Description<'_>,
        waits: Waits,
        effects: &mut Effects,
    ) -> Result<(), Drop> {
        let [owner, connection] = description.session();
        let begins_at = description.begins_at();
        let owner = owner.ok_or((Reason::HelperPartial, self.span(begins_at, 2)))?;
        for address in [Some(owner), connection].into_iter().flatten() {
            self.write_address(address.at, address.length, waits, effects);
        }
        let length = self.content_length()?;
        effects.push(Effect::WriteLength {
            span: self.span(length.at, length.length),
            of: self.span(begins_at, self.text.len() - begins_at),
        });
        Ok(())
    }

    fn content_length(&self) -> Result<Item, Drop> {
        match header::find(&self.text, 0, &header::CONTENT_LENGTH) {
            Found::Item(length) => Ok(length),
            _ => Err((Reason::HelperPartial, self.span(0, self.first_line()))),
        }
    }

    fn write_address(&self, at: usize, length: usize, waits: Waits, effects: &mut Effects) {
        let span = self.span(at, length);
        match waits {
            Waits::AsAnnounced(address) => {
                effects.write(span, |text| text.extend(address.to_string().bytes()));
            }
            Waits::AsExpected => effects.push(Effect::WriteMediaAddress { span }),
        }
    }

    /// Expects RTP and RTCP at what a media line names.
    fn media(&self, media: &Media, effects: &mut Effects) -> Waits {
        let segment = self.segment;
        let own = media.address == segment.tuple().src;
        let address = self.span(media.address_at, media.address_length);
        let direct = segment.options.flag(DIRECT_MEDIA);
        let refused = if direct {
            !own
        } else {
            let leaves = || segment.routing.is_some_and(|r| r.leaves_with_packet(media.address));
            segment.options.flag(EXTERNAL_MEDIA) && leaves()
        };
        if refused {
            effects.note(Reason::HelperForeignAddress, address);
            return Waits::AsAnnounced(media.address);
        }
        let child = segment.opposite();
        let dst = if own || is_renamed(segment) { child.dst } else { media.address };
        let src = direct.then_some(child.src);
        let rtp = Expected::new(src, None, dst, media.port, L4Proto::UDP);
        let line = media.port_at + media.port_digits - media.line_at;
        let port = self.span(media.port_at, media.port_digits);
        let announced = if segment.translated { media.address } else { dst };
        let mut pair = media_pair(Proposal {
            class: media.kind.class(),
            address: Some(address),
            port: Some(port),
            shared: Some(Tuple { dst: announced, dport: media.port, ..rtp.tuple }),
            ..Proposal::new(rtp, self.span(media.line_at, line))
        });
        if segment.translated {
            let named = Named { span: port, form: Form::MediaPort };
            let first = following(segment, (media.address, media.port & !1), true);
            pair.first.following = Some(Following { named: Some(named), ..first });
            pair.second.following = Some(Following { port: media.port | 1, ..first });
        }
        effects.push(Effect::ExpectPair(pair));
        Waits::AsExpected
    }

    /// Expects calls to the first Contact, when it is the sender's own. Of a contact that becomes
    /// another one where it stands, and how long it becomes.
    fn register(
        &self,
        (cseq, last): (u32, &mut [u32; 2]),
        waits_at: Option<u16>,
        effects: &mut Effects,
    ) -> Result<Option<(usize, usize)>, Drop> {
        let segment = self.segment;
        if segment.expected {
            return Ok(None);
        }
        let Some(contact) = Contacts::default().next(&self.text) else { return Ok(None) };
        let address = self.span(contact.address_at, contact.address_length);
        if contact.address != segment.tuple().src {
            effects.note(Reason::HelperForeignAddress, address);
            return Ok(None);
        }
        if !self.has_own_transport(&contact) {
            return Ok(None);
        }
        let mut written = None;
        if self.expires(&contact, self.expires_header())? != 0 {
            written = self.expect_calls(&contact, waits_at, effects);
        }
        remember(LAST_REGISTER, cseq, last, effects);
        Ok(written)
    }

    fn expect_calls(
        &self,
        contact: &Contact,
        waits_at: Option<u16>,
        effects: &mut Effects,
    ) -> Option<(usize, usize)> {
        let segment = self.segment;
        let child = segment.opposite();
        let src = segment.options.flag(DIRECT_SIGNALLING).then_some(child.src);
        let proto = segment.original.proto;
        // Who calls where answers are waited for calls by the port that the connection has there.
        let own_port = waits_at.unwrap_or(segment.tuple().sport);
        let port = match segment.translated && contact.port == own_port {
            true => child.dport,
            false => contact.port,
        };
        let expected = Expected::new(src, None, child.dst, port, proto);
        let announcement = self.span(contact.line_at, contact.end - contact.line_at);
        let span = self.span(contact.address_at, contact.end - contact.address_at);
        let named = Some(Named { span, form: Form::Endpoint });
        let following = segment.translated.then(|| Following {
            named,
            ..following(segment, (contact.address, contact.port), false)
        });
        effects.push(Effect::Expect(Proposal {
            class: SIGNALLING,
            flags: ExpectationFlags::PERMANENT | ExpectationFlags::INACTIVE,
            child: Some(HelperKind::Sip),
            address: Some(self.span(contact.address_at, contact.address_length)),
            port: contact.port_digits.map(|(at, digits)| self.span(at, digits)),
            following,
            ..Proposal::new(expected, announcement)
        }));
        following.map(|_| {
            let mut new = Vec::new();
            Form::Endpoint.write(child.dst, port, &mut new);
            (contact.address_at, new.len())
        })
    }

    /// The registrar's answer: the client's contacts that it lists live as long as it says.
    fn registered(&self, latest: bool, code: u32, effects: &mut Effects) {
        if !latest || (100..=199).contains(&code) {
            return;
        }
        let mut last = Effect::Flush(ClassSet::of(&[SIGNALLING]));
        let mut granted = Vec::new();
        if (200..=299).contains(&code)
            && let Err((reason, span)) = self.granted(&mut granted)
        {
            last = Effect::Drop { reason, span };
        }
        let proto = self.segment.original.proto;
        for (i, (contact, timeout_s)) in granted.iter().enumerate() {
            let left = u8::try_from(granted.len() - i).unwrap_or(u8::MAX);
            effects.push(Effect::Activate(Activation {
                class: SIGNALLING,
                dst: contact.address,
                dport: contact.port,
                proto,
                timeout_s: *timeout_s,
                skip_when_found: left,
            }));
        }
        effects.push(last);
    }

    /// The client's own contacts in an answer, up to one that is not to live, and how long each
    /// is to. The first that is expected comes to life, and nothing behind it counts.
    fn granted(&self, granted: &mut Vec<(Contact, u32)>) -> Result<(), Drop> {
        let client = self.segment.tuple().dst;
        let header = self.expires_header();
        let mut contacts = Contacts::default();
        while let Some(contact) = contacts.next(&self.text) {
            if contact.address != client || !self.has_own_transport(&contact) {
                continue;
            }
            let timeout_s = self.expires(&contact, header)?;
            if timeout_s == 0 || granted.len() == CONTACTS_MAX_COUNT {
                break;
            }
            granted.push((contact, timeout_s));
        }
        Ok(())
    }

    /// `transport=` of a contact is the connection's own protocol, or absent.
    fn has_own_transport(&self, contact: &Contact) -> bool {
        let Some(at) = self.parameter(contact, b"transport=") else { return true };
        let own: &[u8] = if self.segment.original.proto == L4Proto::TCP { b"TCP" } else { b"UDP" };
        self.text.has(at, own)
    }

    /// How long a contact is to live: its own `expires=`, else the header's.
    fn expires(&self, contact: &Contact, header: u32) -> Result<u32, Drop> {
        let Some(at) = self.parameter(contact, b"expires=") else { return Ok(header) };
        let number = self.text.number(at).map(|(number, _)| number);
        number.ok_or_else(|| (Reason::HelperPartial, self.span(at, 0)))
    }

    fn expires_header(&self) -> u32 {
        match header::find(&self.text, 0, &header::EXPIRES) {
            Found::Item(item) => self.text.number(item.at).map_or(0, |(number, _)| number),
            _ => 0,
        }
    }

    /// Where the value of a parameter stands, between a contact and the next comma.
    fn parameter(&self, contact: &Contact, name: &[u8]) -> Option<usize> {
        header::parameter(&self.text, contact.end, name)
    }

    fn first_line(&self) -> usize {
        self.text.count_from(0, |byte| !text::ends_line(byte))
    }

    /// The span of `length` bytes from offset `at` of the message.
    fn span(&self, at: usize, length: usize) -> Span {
        span(self.at + at, length)
    }
}
