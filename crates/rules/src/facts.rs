//! What rules read of a packet, and what they change while it walks.

use crate::eval::RuleId;
pub use crate::key::Key;
use crate::program::Paused;
use kinwall_terms::ct::{CtFacts, Listed};
use kinwall_terms::{CtState, Hook, InterfaceName, Tuple, Zone};
use kinwall_topology::Topology;
use kinwall_wire::{Headers, LinkFacts};
use std::cell::LazyCell;
use std::sync::Arc;

/// Everything a rule may ask about a packet. The rules change nothing of it: what they do change
/// is in [`PacketState`].
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The headers.
    pub headers: &'a Headers,
    /// The packet from its network header on.
    pub bytes: &'a [u8],
    /// What the link layer said.
    pub link: &'a LinkFacts,
    /// The hook at which the packet is.
    pub hook: Hook,
    /// The interface it came in by; `None` for the gateway's own packets.
    pub in_iface: Option<InterfaceName>,
    /// The interface it leaves by, where that is known.
    pub out_iface: Option<InterfaceName>,
    /// Whether the gateway itself sent it.
    pub local: bool,
    /// Its ct state. [`CtState::Invalid`] before tracking.
    pub ct_state: CtState,
    /// Its connection, when it has one.
    pub ct: Option<&'a LazyCt<'a>>,
    /// The moment.
    pub now: kinwall_terms::Time,
    /// Interfaces, addresses and routes.
    pub topology: &'a Topology,
    /// The connection table, as far as connlimit asks.
    pub others: &'a dyn Connections,
    /// Who sent it, for the gateway's own packets, where that is known.
    pub owner: Option<Owner>,
}

/// What rules may ask of a packet's connection, put together when one of them does: most rules
/// ask for no more than the ct state.
pub type LazyCt<'a> = LazyCell<CtFacts<'a>, &'a dyn Fn() -> CtFacts<'a>>;

/// What connlimit asks of the connection table.
pub trait Connections {
    /// The connection in the table to which `tuple` belongs, in either direction.
    fn find(&self, tuple: &Tuple, zone: Zone) -> Option<Listed>;
}

/// No connections: for questions asked without a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoConnections;

impl Connections for NoConnections {
    fn find(&self, _tuple: &Tuple, _zone: Zone) -> Option<Listed> {
        None
    }
}

/// The process behind one of the gateway's own packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// What rules change while a packet walks, from table to table. Matches read marks, TOS and TTL
/// here, so that a later rule sees what an earlier one set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketState {
    /// The packet mark.
    pub mark: u32,
    /// The connmark to be: `Some` as soon as a rule wrote it.
    pub connmark: Option<u32>,
    /// The TOS or traffic class octet.
    pub tos: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// What the first CT or NOTRACK rule said; later ones change nothing.
    pub ct: Option<CtTemplate>,
    /// The maximum segment size a TCPMSS rule wrote into the packet's SYN.
    pub mss: Option<u16>,
    /// The traffic class of CLASSIFY, major and minor.
    pub class: Option<u32>,
    /// Whether a TRACE rule asked for every rule of this packet to be reported.
    pub traced: bool,
    /// Where a walk stands that goes on with another address.
    pub paused: Option<Box<Paused>>,
    /// The rules that recorded the packet (LOG, NFLOG, ULOG, AUDIT), in order; their targets say
    /// how.
    pub logged: Vec<RuleId>,
}

impl PacketState {
    /// The state of a packet that no rule has seen.
    pub fn new(headers: &Headers) -> PacketState {
        PacketState { tos: headers.tos, ttl: headers.ttl, ..PacketState::default() }
    }

    /// The ct state a rule sees: in the raw table, what an earlier rule there has decided about
    /// tracking stands in for it.
    pub fn ct_state(&self, facts: &Facts<'_>) -> CtState {
        match &self.ct {
            Some(template) if template.notrack => CtState::Untracked,
            Some(_) => CtState::New,
            None => facts.ct_state,
        }
    }

    /// Whether the packet has a template in the place of its connection. It has until tracking
    /// takes it.
    pub fn has_template(&self) -> bool {
        self.ct.as_ref().is_some_and(|template| !template.notrack)
    }

    /// The connmark a rule sees: what was written, else the connection's own, else 0.
    pub fn connmark(&self, facts: &Facts<'_>) -> u32 {
        self.connmark.or(facts.ct.map(|ct| ct.mark)).unwrap_or(0)
    }
}

/// What `-j CT` and `-j NOTRACK` say about tracking the packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CtTemplate {
    /// Tracking is switched off: the packet is UNTRACKED.
    pub notrack: bool,
    /// The helper for a new connection.
    pub helper: Option<Arc<str>>,
    /// The zone.
    pub zone: Zone,
    /// The name of a timeout policy.
    pub timeout: Option<Arc<str>>,
    /// Which connection events are reported; `None`: all.
    pub events: Option<u32>,
    /// Which expectation events are reported; `None`: all.
    pub expectation_events: Option<u32>,
}
