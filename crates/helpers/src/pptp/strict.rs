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
//!
//! Where the originator's address is translated, others may come from the same address, so its
//! ids become others for the responder: that of its first call the port that the control
//! connection comes from there, which nobody else has. Ids are changed back where the responder
//! names them. The responder's own stay.

use super::message::{self, Found, Kind, Message, RESULT_YES};
use super::{Announced, CallIds, STRICT_CLASS, rewrite};
use crate::effects::{Effect, Effects, Whose, span};
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::expectation::Span;
use kinwall_terms::{Direction, KeymapRule, Reason};
use serde::{Deserialize, Serialize};

/// Calls of a control connection that are followed; one more is not.
pub(super) const CALLS_MAX_COUNT: usize = 8;

/// The version of PPTP that there is: 1.0.
const VERSION: u16 = 0x0100;

/// How far the control connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Control {
    #[default]
    None,
    AskedFor,
    There,
    Over,
}

/// What is remembered of a control connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    control: Control,
    /// At most [`CALLS_MAX_COUNT`].
    calls: Vec<Call>,
}

/// A call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Call {
    /// The end that is its PNS; the other one is its PAC.
    pns: Direction,
    /// The id that each end has chosen, as far as it was heard.
    ids: [Option<u16>; 2],
    /// The originator's as the responder knows it, where that is another one.
    shown: Option<u16>,
    /// Its data is expected, or has come.
    there: bool,
}

impl Call {
    /// A call that `from` asks for, under an id of its own.
    fn asked_by(from: Direction, pns: Direction, id: u16) -> Call {
        let mut ids = [None; 2];
        ids[from.index()] = Some(id);
        Call { pns, ids, shown: None, there: false }
    }

    /// The id that `end` has chosen.
    fn id_of(&self, end: Direction) -> Option<u16> {
        self.ids[end.index()]
    }

    fn ids(&self) -> Option<CallIds> {
        let [originator, responder] = self.ids;
        Some(CallIds { originator: originator?, responder: responder?, shown: self.shown()? })
    }

    /// The originator's id as the responder knows it.
    fn shown(&self) -> Option<u16> {
        self.shown.or(self.id_of(Direction::Original))
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
        let mut heard = Heard { segment, message, at, named: None };
        heard.named = session.named(&heard);
        let known = heard.named.and_then(|named| session.shown(named));
        let result = session.hear(&heard, effects);
        if let Some(named) = heard.named {
            heard.rename(known.or_else(|| session.shown(named)), effects);
        }
        if let Err(reason) = result {
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
    /// The originator's id, if the message names it and another one is shown to the responder.
    named: Option<Named>,
}

/// An id of the originator's in a message.
#[derive(Clone, Copy, Debug)]
struct Named {
    /// Where it stands.
    place: Span,
    /// As the originator knows it.
    own: u16,
    /// As it stands there.
    written: u16,
}

impl Heard<'_> {
    /// The first id of the message, as the end that chose it knows it.
    fn first_id(&self) -> u16 {
        self.own_or(0, self.message.first_id())
    }

    /// The second one.
    fn second_id(&self) -> u16 {
        self.own_or(1, self.message.second_id())
    }

    fn own_or(&self, index: usize, written: u16) -> u16 {
        let named = self.named.filter(|named| named.place == rewrite::place(self.at, index));
        named.map_or(written, |named| named.own)
    }

    /// Puts the id there that the receiver of the message knows.
    fn rename(&self, shown: Option<u16>, effects: &mut Effects) {
        let Some(Named { place, own, written }) = self.named else { return };
        let right = match self.from() {
            Direction::Original => shown.unwrap_or(written),
            Direction::Reply => own,
        };
        if right != written {
            effects.write(place, |text| text.extend(right.to_be_bytes()));
        }
    }

    /// Another id for the originator's `own` one in the eyes of the responder, if that has to be,
    /// and this message, which is the first to name it, can still be changed.
    fn show(&self, own: u16, calls: &[Call]) -> Option<u16> {
        let is_own = self.named.is_some_and(|named| named.own == own);
        if !is_own || self.has_left() {
            return None;
        }
        let port = self.segment.reply.dport;
        let later = (1..).map(|n| port.wrapping_add(n)).take(CALLS_MAX_COUNT);
        let is_free = |id: &u16| !calls.iter().any(|call| call.shown() == Some(*id));
        [port, own].into_iter().chain(later).find(is_free)
    }

    /// Whether the id that the message names has left with an earlier segment.
    fn has_left(&self) -> bool {
        self.named.is_some_and(|named| named.place.offset < self.segment.packet_at)
    }

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
    /// The id of a translated originator that the message names.
    fn named(&self, heard: &Heard<'_>) -> Option<Named> {
        let Heard { segment, message, at, .. } = *heard;
        let is_shown_otherwise = segment.original.src != segment.reply.dst;
        if !segment.translated || !is_shown_otherwise || self.control != Control::There {
            return None;
        }
        let place = rewrite::originators_place(at, message.kind, segment.direction)?;
        let written = match place == rewrite::place(at, 0) {
            true => message.first_id(),
            false => message.second_id(),
        };
        let known = self.calls.iter().find(|call| call.shown() == Some(written));
        let own = match segment.direction {
            Direction::Original => written,
            Direction::Reply => {
                known.and_then(|call| call.id_of(Direction::Original)).unwrap_or(written)
            }
        };
        Some(Named { place, own, written })
    }

    /// What the responder knows the originator's id as.
    fn shown(&self, named: Named) -> Option<u16> {
        let is_it = |call: &&Call| call.id_of(Direction::Original) == Some(named.own);
        self.calls.iter().find(is_it).and_then(Call::shown)
    }

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
        let first = heard.first_id();
        match heard.message.kind {
            Kind::OutgoingRequest => self.begin(heard, Call::asked_by(from, from, first)),
            Kind::IncomingRequest => self.begin(heard, Call::asked_by(from, peer, first)),
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
    fn begin(&mut self, heard: &Heard<'_>, asked: Call) -> Passed {
        in_order(self.is_free(&asked))?;
        if self.calls.len() >= CALLS_MAX_COUNT {
            return Err(Reason::HelperLimit);
        }
        let own = asked.id_of(Direction::Original);
        let shown = own.and_then(|own| heard.show(own, &self.calls));
        self.calls.push(Call { shown, ..asked });
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
        let asked = heard.second_id();
        let mut call = self.take(|call| {
            call.pns == pns && call.id_of(from).is_none() && call.id_of(peer) == Some(asked)
        })?;
        if !heard.is_yes() {
            return Ok(None);
        }
        call.ids[from.index()] = Some(heard.first_id());
        in_order(self.is_free(&call))?;
        if from == Direction::Original {
            call.shown = heard.show(heard.first_id(), &self.calls);
        }
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
