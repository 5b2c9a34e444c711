//! A packet as it comes to the engine.

use kinwall_conntrack::{HelperId, PacketCt};
use kinwall_rules::facts::Owner;
use kinwall_terms::ct::CtFacts;
use kinwall_terms::{CtState, Direction, InterfaceName, Status, Tuple};
use kinwall_wire::{Headers, LinkFacts};
use std::borrow::Cow;

/// Where a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// It came in by an interface; `None` when it is not known which.
    Interface(Option<InterfaceName>),
    /// The gateway itself sends it.
    Local {
        /// The process behind it, where that is known.
        owner: Option<Owner>,
    },
}

/// A packet on its way.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// Its number, for announcements and events to refer to: rising, from 1.
    pub number: u64,
    /// Where it comes from.
    pub ingress: Ingress,
    /// What the link layer said.
    pub link: LinkFacts,
    /// Its mark on arrival; 0 but for what is asked by hand.
    pub mark: u32,
    /// The packet from its network header on. Owned after the engine has changed it: a
    /// reassembled datagram, later a translated packet.
    pub bytes: Cow<'a, [u8]>,
}

/// What is to be taken for granted of a packet's connection, instead of looking it up: for
/// questions such as "an established packet of the ftp helper's child, what then?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presumed {
    /// Its ct state.
    pub state: CtState,
    /// Its direction.
    pub direction: Direction,
    /// The helper of its connection's master, for the child of one.
    pub master_helper: Option<HelperId>,
}

impl Presumed {
    pub(crate) fn packet_ct(&self) -> PacketCt {
        PacketCt { state: self.state, direction: self.direction, ..PacketCt::UNTRACKED }
    }

    /// The same as tracking has found.
    pub(crate) fn of(ct: &PacketCt) -> Presumed {
        Presumed { state: ct.state, direction: ct.direction, master_helper: None }
    }

    /// Whether there is a connection to ask about.
    pub(crate) fn has_connection(&self) -> bool {
        !matches!(self.state, CtState::Invalid | CtState::Untracked)
    }

    /// What rules may ask of the connection, for a packet with these headers.
    pub(crate) fn facts<'a>(
        &self,
        headers: &Headers,
        master_helper: Option<&'a str>,
    ) -> CtFacts<'a> {
        let (sport, dport) = headers.ports().unwrap_or_default();
        let &Headers { src, dst, proto, .. } = headers;
        let own = Tuple { src, dst, sport, dport, proto };
        let other = own.invert().unwrap_or(own);
        let (original, reply) = match self.direction {
            Direction::Original => (own, other),
            Direction::Reply => (other, own),
        };
        CtFacts {
            direction: self.direction,
            status: self.status(),
            original,
            reply,
            mark: 0,
            expires_s: 0,
            has_master: self.master_helper.is_some(),
            master_helper,
            counters: None,
            zone: [0; 2],
        }
    }

    /// The status bits of such a connection.
    fn status(&self) -> Status {
        let mut status = Status::empty();
        status.set(Status::EXPECTED, self.master_helper.is_some());
        status.set(Status::SEEN_REPLY, self.state == CtState::Established);
        status.set(Status::CONFIRMED, self.state == CtState::Established);
        status
    }
}
