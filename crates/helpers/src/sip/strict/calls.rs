//! What was asked and what was answered: transactions and calls (RFC 3261, sections 12 and 17).

use super::register::Registration;
use super::{Letter, media, register};
use crate::effects::Effects;
use kinwall_terms::{Direction, Reason, Tuple};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};

use super::message::{Message, Method, Start};

/// Requests whose answers are believed; with more the oldest is forgotten.
const TRANSACTIONS_MAX_COUNT: usize = 64;

/// Calls of one connection, as a trunk between two exchanges has them; with more the oldest is
/// forgotten: what it has pending goes with its time.
const CALLS_MAX_COUNT: usize = 32;

/// What was said over a connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    transactions: VecDeque<Transaction>,
    calls: VecDeque<Call>,
    last_call: u32,
}

/// A request, by what its answers repeat.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Transaction {
    key: Key,
    /// Who asked.
    from: Direction,
    asked: Asked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    branch: u64,
    call_id: u64,
    from_tag: u64,
    cseq: u32,
    method: Method,
}

impl Key {
    fn of(message: &Message<'_>) -> Key {
        Key {
            branch: digest(message.branch),
            call_id: digest(message.call_id),
            from_tag: digest(message.from_tag),
            cseq: message.cseq,
            method: message.method,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Asked {
    /// Something about the call with this number.
    Call(u32),
    Registration(Registration),
    Nothing,
}

/// A call, by its Call-ID and its caller's tag: the called end may be several.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Call {
    number: u32,
    call_id: u64,
    caller: Direction,
    caller_tag: u64,
    /// It was answered with 2xx.
    established: bool,
    /// What is expected for each end, by who announced it.
    pub(super) announced: Vec<(Direction, Tuple)>,
}

impl Call {
    /// Whether a request that `from` sends belongs to this call.
    fn has(&self, message: &Message<'_>, from: Direction) -> bool {
        let tag = if from == self.caller { message.from_tag } else { message.to_tag };
        self.call_id == digest(message.call_id) && self.caller_tag == digest(tag)
    }
}

impl Session {
    /// Takes a message in. Of a contact that is expected, and becomes another one, where it stands
    /// in the message.
    pub(super) fn take(&mut self, letter: &Letter<'_>, effects: &mut Effects) -> Option<usize> {
        match letter.message.start {
            Start::Request => self.request(letter, effects),
            Start::Status(code) => {
                self.answer(letter, code, effects);
                None
            }
        }
    }

    fn request(&mut self, letter: &Letter<'_>, effects: &mut Effects) -> Option<usize> {
        let mut written = None;
        let asked = match letter.message.method {
            Method::Other => Asked::Nothing,
            Method::Register => {
                let asked = register::asked(letter, &mut written, effects);
                asked.map_or(Asked::Nothing, Asked::Registration)
            }
            _ => self.in_call(letter, effects).map_or(Asked::Nothing, Asked::Call),
        };
        if letter.message.method == Method::Ack {
            return written;
        }
        let (key, from) = (Key::of(&letter.message), letter.segment.direction);
        self.transactions.retain(|known| (known.key, known.from) != (key, from));
        if self.transactions.len() >= TRANSACTIONS_MAX_COUNT {
            self.transactions.pop_front();
        }
        self.transactions.push_back(Transaction { key, from, asked });
        written
    }

    /// A request about a call; the number of the call.
    fn in_call(&mut self, letter: &Letter<'_>, effects: &mut Effects) -> Option<u32> {
        let (message, from) = (&letter.message, letter.segment.direction);
        let known = self.calls.iter().position(|call| call.has(message, from));
        let at = match known {
            Some(at) => at,
            None if message.method == Method::Invite && message.to_tag.is_empty() => {
                self.begin(message, from)
            }
            None => {
                effects.note(Reason::HelperOrder, letter.whole());
                return None;
            }
        };
        let call = self.calls.get_mut(at)?;
        let number = call.number;
        if message.method == Method::Bye {
            media::forget(call, effects);
            self.calls.remove(at);
        } else {
            media::announce(letter, call, effects);
        }
        Some(number)
    }

    /// Enters a new call; where it stands.
    fn begin(&mut self, message: &Message<'_>, caller: Direction) -> usize {
        if self.calls.len() >= CALLS_MAX_COUNT {
            self.calls.pop_front();
        }
        self.last_call = self.last_call.wrapping_add(1);
        self.calls.push_back(Call {
            number: self.last_call,
            call_id: digest(message.call_id),
            caller,
            caller_tag: digest(message.from_tag),
            established: false,
            announced: Vec::new(),
        });
        self.calls.len() - 1
    }

    fn answer(&mut self, letter: &Letter<'_>, code: u16, effects: &mut Effects) {
        let key = Key::of(&letter.message);
        let asker = letter.segment.direction.opposite();
        let is_it = |known: &&Transaction| (known.key, known.from) == (key, asker);
        let Some(asked) = self.transactions.iter().find(is_it).map(|known| known.asked) else {
            effects.note(Reason::HelperOrder, letter.whole());
            return;
        };
        match asked {
            Asked::Call(number) => self.call_answered(letter, code, number, effects),
            Asked::Registration(asked) => register::answered(letter, code, &asked, effects),
            Asked::Nothing => {}
        }
    }

    fn call_answered(
        &mut self,
        letter: &Letter<'_>,
        code: u16,
        number: u32,
        effects: &mut Effects,
    ) {
        let Some(at) = self.calls.iter().position(|call| call.number == number) else { return };
        let Some(call) = self.calls.get_mut(at) else { return };
        let method = letter.message.method;
        if code < 300 {
            call.established |= method == Method::Invite && code >= 200;
            media::announce(letter, call, effects);
            return;
        }
        media::forget(call, effects);
        if method == Method::Invite && !call.established {
            self.calls.remove(at);
        }
    }
}

/// Names are compared by this; who could make two alike sees them both anyway.
fn digest(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}
