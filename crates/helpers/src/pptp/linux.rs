//! pptp as the kernel reads it: one message at the beginning of a segment, one call a control
//! connection, and the originator is the PNS.
//!
//! | sender | message | wants | then |
//! |---|---|---|---|
//! | originator | Start-Request | no control connection | asked for |
//! | responder | Start-Reply | asked for, or there | there, or failed |
//! | originator | Stop-Request | | to be stopped |
//! | responder | Stop-Reply | none, failed, to be stopped | none, or failed |
//! | originator | Outgoing-Request | control connection | the PNS's id |
//! | responder | Outgoing-Reply | control connection, outgoing call, the PNS's id | the PAC's id, data |
//! | responder | Incoming-Request | control connection | the PAC's id |
//! | originator | Incoming-Reply | incoming call, the PAC's id | the PNS's id |
//! | responder | Incoming-Connected | control connection, answered call, the PNS's id | data |
//! | originator | Clear-Request | control connection | |
//! | responder | Disconnect-Notify | | data ends |
//!
//! A message that does not have what it wants is passed over. Nothing is ever dropped.
//!
//! Where the control connection is translated, the PNS's id is another one for the PAC: the port
//! that the control connection comes from there. Every message of the PAC's that has an id of a
//! call gets the PNS's own one back, Disconnect-Notify too, which names the PAC's.

use super::message::{self, Found, Kind, Message, RESULT_YES};
use super::{Announced, CallIds, LINUX_CLASS, rewrite};
use crate::effects::{Effect, Effects, Whose, span};
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::{Direction, KeymapRule, Reason};
use serde::{Deserialize, Serialize};

/// The control connection, in the order in which Linux compares it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Control {
    #[default]
    None,
    Failed,
    ToBeStopped,
    AskedFor,
    There,
}

/// The last call that was heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Call {
    #[default]
    None,
    OutgoingAsked,
    OutgoingThere,
    IncomingAsked,
    IncomingAnswered,
    IncomingThere,
    Clearing,
}

/// What Linux remembers.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    control: Control,
    call: Call,
    /// As the PAC knows it.
    pns_id: u16,
    pac_id: u16,
    /// Of a translated connection: what the PNS calls itself, as far as it has asked for calls.
    own_pns_id: u16,
}

/// Reads one segment.
pub(super) fn inspect(segment: &Segment<'_>, scratch: &mut Scratch, effects: &mut Effects) {
    let Scratch::Pptp(scratch) = scratch else { return };
    if segment.payload.is_empty() || !segment.established {
        return;
    }
    let whole = span(0, segment.payload.len());
    let message = match message::first(segment.payload) {
        Found::Message(message) => message,
        Found::Other => return effects.note(Reason::HelperNotProtocol, whole),
        Found::Partial => return effects.note(Reason::HelperPartial, whole),
        Found::Unknown => return effects.note(Reason::HelperMalformed, whole),
    };
    let session = &mut scratch.linux;
    let in_order = match segment.direction {
        Direction::Original => session.hear_pns(&message),
        Direction::Reply => session.hear_pac(segment, &message, effects),
    };
    match in_order {
        Some(()) if segment.translated => session.rewrite(segment, message.kind, effects),
        Some(()) => {}
        None => effects.note(Reason::HelperOrder, span(0, message.kind.length())),
    }
}

/// `None`: the message does not have what it wants.
type InOrder = Option<()>;

fn wants(condition: bool) -> InOrder {
    condition.then_some(())
}

impl Session {
    /// The ids last named; 0 for one that was not.
    pub(super) fn ids(&self) -> CallIds {
        CallIds { originator: self.pns_id, responder: self.pac_id, shown: self.pns_id }
    }

    /// Each message with the id that its receiver knows: towards the PAC, of every call the port
    /// of the control connection there.
    fn rewrite(&mut self, segment: &Segment<'_>, kind: Kind, effects: &mut Effects) {
        if kind == Kind::OutgoingRequest && segment.direction == Direction::Original {
            self.own_pns_id = self.pns_id;
            self.pns_id = segment.reply.dport;
        }
        if let Some(place) = rewrite::linux_place(kind, segment.direction) {
            let id = match segment.direction {
                Direction::Original => self.pns_id,
                Direction::Reply => self.own_pns_id,
            };
            effects.write(place, |text| text.extend(id.to_be_bytes()));
        }
    }

    fn hear_pns(&mut self, message: &Message<'_>) -> InOrder {
        match message.kind {
            Kind::StartRequest => {
                wants(self.control == Control::None)?;
                self.control = Control::AskedFor;
            }
            Kind::StopRequest => self.control = Control::ToBeStopped,
            Kind::OutgoingRequest => {
                wants(self.control == Control::There)?;
                self.call = Call::OutgoingAsked;
                self.pns_id = message.first_id();
            }
            Kind::IncomingReply => {
                wants(matches!(self.call, Call::IncomingAsked | Call::IncomingAnswered))?;
                wants(message.second_id() == self.pac_id)?;
                if message.result() == RESULT_YES {
                    self.call = Call::IncomingAnswered;
                    self.pns_id = message.first_id();
                } else {
                    self.call = Call::None;
                }
            }
            Kind::ClearRequest => {
                wants(self.control == Control::There)?;
                self.call = Call::Clearing;
            }
            Kind::SetLinkInfo | Kind::EchoRequest | Kind::EchoReply => {}
            _ => return None,
        }
        Some(())
    }

    fn hear_pac(
        &mut self,
        segment: &Segment<'_>,
        message: &Message<'_>,
        effects: &mut Effects,
    ) -> InOrder {
        let yes = message.result() == RESULT_YES;
        match message.kind {
            Kind::StartReply => {
                wants(self.control >= Control::AskedFor)?;
                self.control = if yes { Control::There } else { Control::Failed };
            }
            Kind::StopReply => {
                wants(self.control <= Control::ToBeStopped)?;
                self.control = if yes { Control::None } else { Control::Failed };
            }
            Kind::OutgoingReply => {
                wants(self.control == Control::There)?;
                wants(matches!(self.call, Call::OutgoingAsked | Call::OutgoingThere))?;
                wants(message.second_id() == self.pns_id)?;
                if yes {
                    self.call = Call::OutgoingThere;
                    self.pac_id = message.first_id();
                    self.expect_data(segment, message, effects);
                } else {
                    self.call = Call::None;
                }
            }
            Kind::IncomingRequest => {
                wants(self.control == Control::There)?;
                self.call = Call::IncomingAsked;
                self.pac_id = message.first_id();
            }
            Kind::IncomingConnected => {
                wants(self.control == Control::There)?;
                wants(matches!(self.call, Call::IncomingAnswered | Call::IncomingThere))?;
                wants(message.first_id() == self.pns_id)?;
                self.call = Call::IncomingThere;
                self.expect_data(segment, message, effects);
            }
            Kind::DisconnectNotify => {
                self.call = Call::None;
                effects.push(Effect::ForgetKeymap);
                for tuple in self.ids().tuples(&segment.original, &segment.reply) {
                    effects.push(Effect::EndChild { tuple, whose: Whose::Anybodys });
                }
            }
            Kind::WanErrorNotify | Kind::SetLinkInfo | Kind::EchoRequest | Kind::EchoReply => {}
            _ => return None,
        }
        Some(())
    }

    fn expect_data(&self, segment: &Segment<'_>, message: &Message<'_>, effects: &mut Effects) {
        let ids = match segment.translated {
            true => CallIds { originator: self.own_pns_id, ..self.ids() },
            false => self.ids(),
        };
        let announced = Announced {
            ids,
            message: span(0, message.kind.length()),
            id_spans: super::id_spans(0, message.kind, Direction::Reply),
            class: LINUX_CLASS,
            keymap: KeymapRule::OneCall,
        };
        super::propose(segment, &announced, effects);
    }
}
