//! Witnesses replayed: does the engine do with the packets what the sets say?

use super::{Line, Witness};
use kinwall_engine::{Engine, Ingress, Outcome, Packet};
use kinwall_terms::{CtState, Time, Verdict};
use kinwall_wire::LinkFacts;
use kinwall_wire::link::PacketType;
use std::borrow::Cow;
use std::time::Duration;

/// What the engine makes of a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The last packet passes, as it was said to.
    Confirmed,
    /// It does not: what becomes of it instead.
    Refuted {
        /// Its verdict.
        verdict: Verdict,
        /// What tracking says of it.
        state: Option<CtState>,
    },
}

/// An engine that replays one witness after the other. Between them so much time passes that
/// nothing is left of the one before.
pub struct Replayer {
    engine: Engine,
    now: Time,
    number: u64,
}

/// Longer than any connection lives: a month.
const BETWEEN: Duration = Duration::from_secs(30 * 24 * 3600);

impl Replayer {
    /// Of an engine that has not seen anything yet.
    pub fn new(engine: Engine) -> Replayer {
        Replayer { engine, now: Time(0), number: 0 }
    }

    /// Replays a witness.
    pub fn confirm(&mut self, witness: &Witness) -> Confirmation {
        confirm(self, witness)
    }

    /// The name of a helper.
    pub fn helper_name(&self, helper: u8) -> Option<String> {
        self.engine.instances().get(helper).map(|instance| instance.name.clone())
    }

    fn send(&mut self, line: &Line) -> Outcome {
        self.number += 1;
        self.now = self.now.after(Duration::from_millis(1));
        let version = line.bytes.first().map_or(0, |byte| byte >> 4);
        let link = LinkFacts {
            src_mac: line.input.map(|_| line.mac),
            packet_type: PacketType::Host,
            ethertype: if version == 6 { 0x86dd } else { 0x0800 },
            ..LinkFacts::default()
        };
        let ingress = match line.input {
            Some(name) => Ingress::Interface(Some(name)),
            None => Ingress::Local { owner: None },
        };
        let bytes = Cow::Borrowed(line.bytes.as_slice());
        let mut packet = Packet { number: self.number, ingress, link, mark: 0, bytes };
        self.engine.handle(self.now, &mut packet)
    }
}

/// Replays a witness: whether its last packet passes in the state that was said, announced by the
/// helper that was said.
pub fn confirm(replayer: &mut Replayer, witness: &Witness) -> Confirmation {
    replayer.now = replayer.now.after(BETWEEN);
    while !replayer.engine.expire(replayer.now, usize::MAX) {}
    let outcomes = witness.lines.iter().map(|line| replayer.send(line));
    let Some(last) = outcomes.last() else {
        return Confirmation::Refuted { verdict: Verdict::Drop, state: None };
    };
    let helper = last.connection.and_then(|connection| connection.master_helper);
    let announced = witness.helper.is_none() || helper.map(|helper| helper.0) == witness.helper;
    if last.verdict == Verdict::Accept && last.ct_state == Some(witness.state) && announced {
        return Confirmation::Confirmed;
    }
    Confirmation::Refuted { verdict: last.verdict, state: last.ct_state }
}
