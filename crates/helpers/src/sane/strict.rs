//! sane as it should be read: every request of a session, and the whole reply.
//!
//! Replies other than that to NET_START are not read: their ends are not known. That questions
//! and answers alternate stands in for it: a request counts only when something came back since
//! the one before, and then the next byte of the responder is the first of its reply.

use super::{NET_START, propose, word};
use crate::effects::{Effects, span};
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::{Direction, Reason};
use serde::{Deserialize, Serialize};

/// What is kept of either direction until it is whole: the longest head of a request, or a reply
/// with its string.
pub(super) const UNREAD_MAX_BYTES: usize = 1024;

/// Longest string that is read: names of users, devices and resources.
const STRING_MAX_BYTES: u32 = 512;

/// Elements of an option's value at most: a gamma table has 65536 at most.
const VALUES_MAX_COUNT: u32 = 1 << 20;

const NET_INIT: u32 = 0;
const NET_OPEN: u32 = 2;
const NET_CONTROL_OPTION: u32 = 5;
const NET_AUTHORIZE: u32 = 9;

/// `SANE_ACTION_SET_AUTO`: the value is left to the scanner.
const SET_AUTO: u32 = 2;

/// How the image's words may be ordered, in a reply.
const BYTE_ORDERS: [u32; 2] = [0x1234, 0x4321];

/// How far a session has come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    stage: Stage,
    /// Nothing has come back since the latest request.
    waits: bool,
    /// Bytes of the latest request that are still to come and say nothing.
    skip: u32,
}

/// What the responder says next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Nothing was asked yet.
    #[default]
    Beginning,
    /// The reply to NET_INIT.
    Greeting,
    /// Something that is not read.
    Session,
    /// The reply to NET_START.
    Start,
    /// Nothing, until the originator has authorized itself.
    Authorization,
    /// A word that means nothing, and then the reply to NET_START again.
    StartAfterAuthorization,
}

/// Reads what is complete.
pub(super) fn inspect(
    segment: &Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> usize {
    let Scratch::Sane(scratch) = scratch else { return segment.payload.len() };
    match segment.direction {
        Direction::Original => requests(segment.payload, &mut scratch.session, effects),
        Direction::Reply => reply(segment, &mut scratch.session, effects),
    }
}

/// Requests, one behind the other.
fn requests(payload: &[u8], session: &mut Session, effects: &mut Effects) -> usize {
    let mut at = 0;
    loop {
        let rest = payload.get(at..).unwrap_or_default();
        let skip = usize::try_from(session.skip).unwrap_or(usize::MAX).min(rest.len());
        session.skip -= u32::try_from(skip).unwrap_or(0);
        at += skip;
        let rest = payload.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return at;
        }
        match Request::read(rest) {
            Reading::Whole(request) => {
                let whole = span(at, request.length.min(rest.len()));
                let (begins, first) = (request.procedure == NET_INIT, session.stage);
                if begins != (first == Stage::Beginning) {
                    effects.blind(Reason::HelperNotProtocol, whole);
                    return at;
                }
                if !session.asked(&request) {
                    effects.note(Reason::HelperOrder, whole);
                }
                at += request.length;
                session.skip = request.skip;
            }
            Reading::Partial => return at,
            Reading::Wrong => {
                let reason = match session.stage {
                    Stage::Beginning => Reason::HelperNotProtocol,
                    _ => Reason::HelperMalformed,
                };
                effects.blind(reason, span(at, rest.len()));
                return at;
            }
        }
    }
}

impl Session {
    /// Takes note of a request. False when one for a scan comes before the reply to another
    /// request: then nobody knows where its own reply begins.
    fn asked(&mut self, request: &Request) -> bool {
        let in_turn = !std::mem::replace(&mut self.waits, true);
        let authorizes = self.stage == Stage::Authorization && request.procedure == NET_AUTHORIZE;
        self.stage = match request.procedure {
            NET_INIT => Stage::Greeting,
            NET_START if in_turn => Stage::Start,
            _ if authorizes => Stage::StartAfterAuthorization,
            _ => Stage::Session,
        };
        in_turn || request.procedure != NET_START
    }
}

/// The head of a request.
struct Request {
    procedure: u32,
    /// Bytes of it that were read.
    length: usize,
    /// Bytes that follow and are not looked at.
    skip: u32,
}

enum Reading {
    Whole(Request),
    /// More is to come.
    Partial,
    /// It breaks the grammar.
    Wrong,
}

impl Request {
    /// Reads the request that `bytes` begins with.
    fn read(bytes: &[u8]) -> Reading {
        let Some(procedure) = word(bytes, 0) else { return Reading::Partial };
        let mut reader = Words { bytes, at: 4, partial: false };
        let skip = match procedure {
            NET_INIT => reader.init(),
            // GET_DEVICES, EXIT
            1 | 10 => Some(0),
            NET_OPEN => reader.string(),
            // CLOSE, GET_OPTION_DESCRIPTORS, GET_PARAMETERS, START, CANCEL: of a handle
            3 | 4 | 6 | NET_START | 8 => reader.word().map(|_| 0),
            NET_CONTROL_OPTION => reader.control_option(),
            NET_AUTHORIZE => reader.strings(3),
            _ => None,
        };
        match skip {
            Some(skip) => Reading::Whole(Request { procedure, length: reader.at, skip }),
            None if reader.partial => Reading::Partial,
            None => Reading::Wrong,
        }
    }
}

/// A reader of words and strings. `None` is an end that comes too early (`partial`) or a mistake.
struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
    partial: bool,
}

impl Words<'_> {
    fn word(&mut self) -> Option<u32> {
        let word = word(self.bytes, self.at);
        self.partial = word.is_none();
        self.at += 4;
        word
    }

    /// A string; 0 bytes are left to skip.
    fn string(&mut self) -> Option<u32> {
        let length = self.word().filter(|length| *length <= STRING_MAX_BYTES)?;
        let length = usize::try_from(length).ok()?;
        self.partial = self.bytes.len() < self.at + length;
        self.at += length;
        (!self.partial).then_some(0)
    }

    fn strings(&mut self, count: usize) -> Option<u32> {
        (0..count).try_for_each(|_| self.string().map(|_| ()))?;
        Some(0)
    }

    /// A version of major number 1, and the name of the user.
    fn init(&mut self) -> Option<u32> {
        self.word().filter(|version| version >> 24 == 1)?;
        self.string()
    }

    /// A handle, an option, an action, and unless the value is left to the scanner its type, its
    /// size, and as many elements as an array says: words of the types BOOL, INT and FIXED, bytes
    /// of STRING, nothing of BUTTON and GROUP.
    fn control_option(&mut self) -> Option<u32> {
        let [_, _, action] = [self.word()?, self.word()?, self.word()?];
        if action == SET_AUTO {
            return Some(0);
        }
        let [kind, _size] = [self.word()?, self.word()?];
        let element_bytes = match kind {
            0..=2 => 4,
            3 => 1,
            4 | 5 => return Some(0),
            _ => return None,
        };
        let count = self.word().filter(|count| *count <= VALUES_MAX_COUNT)?;
        Some(count * element_bytes)
    }
}

/// What comes back. Only the reply to NET_INIT and that to NET_START are read.
fn reply(segment: &Segment<'_>, session: &mut Session, effects: &mut Effects) -> usize {
    let payload = segment.payload;
    if payload.is_empty() {
        return 0;
    }
    match session.stage {
        Stage::Beginning => effects.blind(Reason::HelperNotProtocol, span(0, payload.len())),
        Stage::Session | Stage::Authorization => session.waits = false,
        Stage::Greeting => return greeting(payload, session, effects),
        Stage::Start => return start(segment, 0, session, effects),
        Stage::StartAfterAuthorization => return start(segment, 4, session, effects),
    }
    payload.len()
}

/// A status and a version of major number 1.
fn greeting(payload: &[u8], session: &mut Session, effects: &mut Effects) -> usize {
    let [Some(_), Some(version)] = [word(payload, 0), word(payload, 4)] else { return 0 };
    if version >> 24 == 1 {
        session.stage = Stage::Session;
        session.waits = false;
    } else {
        effects.blind(Reason::HelperNotProtocol, span(0, payload.len()));
    }
    payload.len()
}

/// The reply to NET_START, from offset `at` of the payload on.
fn start(segment: &Segment<'_>, at: usize, session: &mut Session, effects: &mut Effects) -> usize {
    let payload = segment.payload;
    let mut words = Words { bytes: payload, at, partial: false };
    let mut read = || Some([words.word()?, words.word()?, words.word()?]);
    let read = read().and_then(|read| words.string().map(|_| read));
    let (length, partial) = (words.at, words.partial);
    if partial {
        return 0;
    }
    let whole = span(at, length.min(payload.len()) - at);
    session.waits = false;
    session.stage = Stage::Session;
    match read {
        // What follows the reply belongs to nothing that was asked.
        Some(_) if payload.len() > length => effects.note(Reason::HelperMalformed, whole),
        // The string is there: first the originator must say who it is.
        Some([0, _, _]) if length > at + 16 => session.stage = Stage::Authorization,
        Some([0, port, order]) => match u16::try_from(port) {
            Ok(port) if port != 0 && BYTE_ORDERS.contains(&order) => {
                propose(segment, port, whole, effects);
            }
            Ok(_) if BYTE_ORDERS.contains(&order) => effects.note(Reason::HelperBadPort, whole),
            _ => effects.note(Reason::HelperMalformed, whole),
        },
        // The scanner is busy, or there is none.
        Some(_) => {}
        None => effects.note(Reason::HelperMalformed, whole),
    }
    payload.len()
}
