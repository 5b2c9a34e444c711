//! A packet as it comes to the engine.

use kinwall_conntrack::{HelperId, PacketCt};
use kinwall_rules::facts::Owner;
use kinwall_terms::{CtState, Direction, InterfaceName, Status};
use kinwall_wire::LinkFacts;
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

    /// Whether there is a connection to ask about.
    pub(crate) fn has_connection(&self) -> bool {
        !matches!(self.state, CtState::Invalid | CtState::Untracked)
    }

    /// The status bits of such a connection.
    pub(crate) fn status(&self) -> Status {
        let mut status = Status::empty();
        status.set(Status::EXPECTED, self.master_helper.is_some());
        status.set(Status::SEEN_REPLY, self.state == CtState::Established);
        status.set(Status::CONFIRMED, self.state == CtState::Established);
        status
    }
}
