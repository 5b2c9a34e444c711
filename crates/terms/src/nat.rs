//! Address translation: which end of a connection changes, and what it may become.

use crate::{Hook, Status};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The end of a packet that a translation changes ("manip" in Linux).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Manip {
    /// The source: behind routing, at POSTROUTING and INPUT.
    Source,
    /// The destination: before routing, at PREROUTING and OUTPUT.
    Destination,
}

impl Manip {
    /// What is translated at a hook; `None` at FORWARD.
    pub fn at(hook: Hook) -> Option<Manip> {
        match hook {
            Hook::Prerouting | Hook::Output => Some(Manip::Destination),
            Hook::Postrouting | Hook::Input => Some(Manip::Source),
            Hook::Forward => None,
        }
    }

    /// The other end.
    pub fn other(self) -> Manip {
        match self {
            Manip::Source => Manip::Destination,
            Manip::Destination => Manip::Source,
        }
    }

    /// The status bit that says that a connection's end is translated.
    pub fn status(self) -> Status {
        match self {
            Manip::Source => Status::SRC_NAT,
            Manip::Destination => Status::DST_NAT,
        }
    }

    /// The status bit that says that it was decided what a connection's end becomes, be it what
    /// it was.
    pub fn done(self) -> Status {
        match self {
            Manip::Source => Status::SRC_NAT_DONE,
            Manip::Destination => Status::DST_NAT_DONE,
        }
    }
}

/// What the translated end of a connection may become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatRange {
    /// The first and the last address; `None`: the address stays.
    pub addresses: Option<[IpAddr; 2]>,
    /// The first and the last port (or id); `None`: the port stays if it can.
    pub ports: Option<[u16; 2]>,
    /// The port that becomes the first of `ports`, those after it the following ones.
    pub base: Option<u16>,
    /// Ports are chosen by chance, without trying the old one.
    pub random: bool,
    /// The address is chosen by the source alone, not by source and destination.
    pub persistent: bool,
}

impl NatRange {
    /// One address, and nothing said of ports.
    pub fn address(address: IpAddr) -> NatRange {
        NatRange { addresses: Some([address; 2]), ..NatRange::default() }
    }
}
/// How the child of a translated connection is translated. What is saved of the announcement is
/// its direction, opposite to its packet's, and a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChildNat {
    /// Each end sees of the other what it sees of it in the master; the destination has the saved
    /// port.
    #[default]
    Master,
    /// The same, and what is saved is a call id: in the original direction that of the source, in
    /// the other one that of the destination (the data of a PPTP call).
    CallData,
    /// The destination as above; the source keeps its address, or has, where the announcement's
    /// direction is the original one, that which the child was sent to (a call of H.323 that
    /// anybody may make).
    Caller,
    /// The source as of a caller; the destination becomes this address (an H.323 call that was
    /// forwarded).
    Forwarded(IpAddr),
    /// The destination becomes this address, with the saved port (SIP). The source becomes what
    /// the master's receiver knows its sender by, where it comes from that sender's address; any
    /// other asks the nat table. Of a stream (`is_media`) it becomes, before that, what the port
    /// that the same master has announced there became.
    Announced {
        /// The address that was announced.
        address: IpAddr,
        /// A stream, not signalling.
        is_media: bool,
    },
}
