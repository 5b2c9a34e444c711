//! pptp as it should be read: every message of the stream, and only what its course allows.
//!
//! | seen | then |
//! |---|---|
//! | the originator's Start-Request, the responder's yes | either end may set up calls |
//! | Outgoing-Request | its sender is the PNS of a call |
//! | Outgoing-Reply, yes | the data of that call |
//! | Incoming-Request | its sender is the PAC of a call |
//! | Incoming-Reply, yes | the PNS of that call has answered |
//! | Incoming-Connected | the data of that call |
//! | a no | no such call |
//! | Clear-Request | a call that is not there yet never will be |
//! | Disconnect-Notify | the end of that call's data |
//! | Stop-Request | the end of every call (RFC 2637, section 2.3) |
//! | what is not PPTP, or another length | blind: the borders of messages are lost |
//!
//! An answer must name the call it answers, and an id that its sender uses for another call is
//! refused.

use super::message::{self, Found, Kind, Message, RESULT_YES};
use super::{Announced, CallIds, STRICT_CLASS};
use crate::effects::{Effect, Effects, Whose, span};
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::expectation::Span;
use kinwall_terms::{Direction, KeymapRule, Reason};

/// Calls of a control connection that are followed; one more is not.
pub(super) const CALLS_MAX_COUNT: usize = 8;

/// The version of PPTP that there is: 1.0.
const VERSION: u16 = 0x0100;

/// How far the control connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Control {
    #[default]
    None,
    AskedFor,
    There,
    Over,
}

/// What is remembered of a control connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    control: Control,
    /// At most [`CALLS_MAX_COUNT`].
    calls: Vec<Call>,
}

/// A call.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// The end that is its PNS; the other one is its PAC.
    pns: Direction,
    /// The id that each end has chosen, as far as it was heard.
    ids: [Option<u16>; 2],
    /// Its data is expected, or has come.
    there: bool,
}

impl Call {
    /// A call that `from` asks for, under an id of its own.
    fn asked_by(from: Direction, pns: Direction, id: u16) -> Call {
        let mut ids = [None; 2];
        ids[from.index()] = Some(id);
        Call { pns, ids, there: false }
    }

    /// The id that `end` has chosen.
    fn id_of(&self, end: Direction) -> Option<u16> {
        self.ids[end.index()]
    }

    fn ids(&self) -> Option<CallIds> {
        let [originator, responder] = self.ids;
        Some(CallIds { originator: originator?, responder: responder? })
    }
}

/// Reads the messages that are complete.
pub(super) fn inspect(
    segment: &Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> usize {
    let Scratch::Pptp(scratch) = scratch else { return segment.payload.len() };
    let session = &mut scratch.strict;
    let mut at = 0;
    while let Some(rest) = segment.payload.get(at..).filter(|rest| !rest.is_empty()) {
        let message = match message::first(rest) {
            Found::Message(message) if length_is_right(&message) => message,
            Found::Partial => break,
            Found::Other => {
                effects.blind(Reason::HelperNotProtocol, span(at, rest.len()));
                break;
            }
            Found::Message(_) | Found::Unknown => {
                effects.blind(Reason::HelperMalformed, span(at, rest.len()));
                break;
            }
        };
        let length = message.kind.length();
        let heard = Heard { segment, message, at };
        if let Err(reason) = session.hear(&heard, effects) {
            effects.note(reason, span(at, length));
        }
        at += length;
        if effects.blind_reason().is_some() {
            break;
        }
    }
    at
}

fn length_is_right(message: &Message<'_>) -> bool {
    usize::from(message.length_field) == message.kind.length()
}

/// A message, who sent it, and where it stands.
struct Heard<'a> {
    segment: &'a Segment<'a>,
    message: Message<'a>,
    at: usize,
}

impl Heard<'_> {
    fn from(&self) -> Direction {
        self.segment.direction
    }

    fn is_yes(&self) -> bool {
        self.message.result() == RESULT_YES
    }

    fn span(&self) -> Span {
        span(self.at, self.message.kind.length())
    }
}

/// Why a message is passed over.
type Passed = Result<(), Reason>;

fn in_order(condition: bool) -> Passed {
    if condition { Ok(()) } else { Err(Reason::HelperOrder) }
}

impl Session {
    fn hear(&mut self, heard: &Heard<'_>, effects: &mut Effects) -> Passed {
        match (self.control, heard.message.kind, heard.from()) {
            (Control::None, Kind::StartRequest, Direction::Original)
            | (Control::AskedFor, Kind::StartReply, Direction::Reply) => {
                self.start(heard, effects);
                Ok(())
            }
            (Control::None | Control::AskedFor, ..) => {
                effects.blind(Reason::HelperOrder, heard.span());
                Ok(())
            }
            (Control::There, ..) => self.talk(heard, effects),
            (Control::Over, Kind::StopReply | Kind::EchoRequest | Kind::EchoReply, _) => Ok(()),
            (Control::Over, ..) => Err(Reason::HelperOrder),
        }
    }

    /// The two messages that open the control connection.
    fn start(&mut self, heard: &Heard<'_>, effects: &mut Effects) {
        let message = &heard.message;
        let is_reply = message.kind == Kind::StartReply;
        if is_reply && !heard.is_yes() {
            self.control = Control::Over;
        } else if message.version() != VERSION {
            effects.blind(Reason::HelperNotProtocol, heard.span());
        } else if is_reply {
            self.control = Control::There;
        } else {
            self.control = Control::AskedFor;
        }
    }

    /// A message on a control connection that is there.
    fn talk(&mut self, heard: &Heard<'_>, effects: &mut Effects) -> Passed {
        let (from, peer) = (heard.from(), heard.from().opposite());
        let first = heard.message.first_id();
        match heard.message.kind {
            Kind::OutgoingRequest => self.begin(Call::asked_by(from, from, first)),
            Kind::IncomingRequest => self.begin(Call::asked_by(from, peer, first)),
            Kind::OutgoingReply => {
                let call = self.take_answered(heard, peer)?;
                self.connect(heard, call, effects)
            }
            Kind::IncomingReply => {
                let call = self.take_answered(heard, from)?;
                self.calls.extend(call);
                Ok(())
            }
            Kind::IncomingConnected => {
                let is_it = |call: &Call| {
                    let is_answered = call.id_of(from).is_some() && !call.there;
                    call.pns == peer && call.id_of(peer) == Some(first) && is_answered
                };
                let call = self.take(is_it)?;
                self.connect(heard, Some(call), effects)
            }
            Kind::ClearRequest => {
                let is_it = |call: &Call| call.pns == from && call.id_of(from) == Some(first);
                let call = self.take(is_it)?;
                self.calls.extend(Some(call).filter(|call| call.there));
                Ok(())
            }
            Kind::DisconnectNotify => {
                let is_it = |call: &Call| call.pns == peer && call.id_of(from) == Some(first);
                let call = self.take(is_it)?;
                end(heard, &call, effects);
                Ok(())
            }
            Kind::StopRequest => {
                self.control = Control::Over;
                self.calls.drain(..).for_each(|call| end(heard, &call, effects));
                Ok(())
            }
            Kind::StartRequest | Kind::StartReply | Kind::StopReply => Err(Reason::HelperOrder),
            Kind::EchoRequest | Kind::EchoReply | Kind::WanErrorNotify | Kind::SetLinkInfo => {
                Ok(())
            }
        }
    }

    /// Somebody asks for a call.
    fn begin(&mut self, asked: Call) -> Passed {
        in_order(self.is_free(&asked))?;
        if self.calls.len() >= CALLS_MAX_COUNT {
            return Err(Reason::HelperLimit);
        }
        self.calls.push(asked);
        Ok(())
    }

    /// Whether no other call has an id of `asked`, end by end.
    fn is_free(&self, asked: &Call) -> bool {
        let same = |(one, other): (&Option<u16>, &Option<u16>)| one.is_some() && one == other;
        !self.calls.iter().any(|call| call.ids.iter().zip(&asked.ids).any(same))
    }

    /// Takes out the call that `is_it`.
    fn take(&mut self, is_it: impl Fn(&Call) -> bool) -> Result<Call, Reason> {
        let at = self.calls.iter().position(is_it).ok_or(Reason::HelperOrder)?;
        Ok(self.calls.swap_remove(at))
    }

    /// Takes out the call whose request is answered, which has both ids then; `None` when the
    /// answer is no. `pns` is the end that is the PNS of such a call.
    fn take_answered(&mut self, heard: &Heard<'_>, pns: Direction) -> Result<Option<Call>, Reason> {
        let (from, peer) = (heard.from(), heard.from().opposite());
        let asked = heard.message.second_id();
        let mut call = self.take(|call| {
            call.pns == pns && call.id_of(from).is_none() && call.id_of(peer) == Some(asked)
        })?;
        if !heard.is_yes() {
            return Ok(None);
        }
        call.ids[from.index()] = Some(heard.message.first_id());
        in_order(self.is_free(&call))?;
        Ok(Some(call))
    }

    /// Expects the data of a call, if it is one.
    fn connect(&mut self, heard: &Heard<'_>, call: Option<Call>, effects: &mut Effects) -> Passed {
        let Some(call) = call else { return Ok(()) };
        let ids = call.ids().ok_or(Reason::HelperOrder)?;
        self.calls.push(Call { there: true, ..call });
        let announced = Announced {
            ids,
            message: heard.span(),
            id_spans: super::id_spans(heard.at, heard.message.kind, heard.from()),
            class: STRICT_CLASS,
            keymap: KeymapRule::EveryCall,
        };
        super::propose(heard.segment, &announced, effects);
        Ok(())
    }
}

/// Ends the data of a call, if it has any.
fn end(heard: &Heard<'_>, call: &Call, effects: &mut Effects) {
    let Some(ids) = call.ids().filter(|_| call.there) else { return };
    for tuple in ids.tuples(&heard.segment.original, &heard.segment.reply) {
        effects.push(Effect::EndChild { tuple, whose: Whose::Own });
    }
}
