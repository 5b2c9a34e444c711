//! Degrees of freedom: which fields of an expectation the payload may choose.
//!
//! A helper declares one [`Row`] per kind of announcement. The manual, the auditor and the
//! prover read the rows, and a property test holds every expectation within its row.

use crate::{Family, L4Proto, Profile};

/// Which attribute of the master a fixed field is copied from. `Sender` and `Receiver` are the
/// two ends of the packet that carried the announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The end that sent the announcement.
    Sender,
    /// The end that received the announcement.
    Receiver,
    /// The originator of the master.
    Originator,
    /// The responder of the master.
    Responder,
}

/// Freedom of one address or port field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Taken from the connection: no candidate for forgery.
    Fixed(End),
    /// A constant of the helper (its own well-known port).
    Constant(u16),
    /// Read from the payload: a candidate for forgery ("In CMD"), any value of its type.
    Payload,
    /// Read from the payload, within this inclusive range.
    PayloadRange(u16, u16),
    /// Matches everything ("Full", or the whole port range).
    Any,
    /// The networks of the interface the query left by.
    InterfaceNetwork,
}

/// Freedom of the protocol field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtoField {
    /// Always this protocol.
    Fixed(L4Proto),
    /// The master's own protocol.
    Master,
}

/// Who may announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announcer {
    /// Only the originator of the master.
    Originator,
    /// Only the responder of the master.
    Responder,
    /// Either end.
    Either,
    /// The gateway itself (broadcast queries it sends).
    Gateway,
}

/// One kind of announcement of a helper, under one setting of its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Short name of the announcement, such as `PORT, EPRT` or `RTP/RTCP`.
    pub announcement: &'static str,
    /// Index of the expectation class.
    pub class: u8,
    /// Options under which the row holds, as `name = value`; empty: always.
    pub options: &'static [(&'static str, &'static str)],
    /// Profiles in which the row holds.
    pub profiles: &'static [Profile],
    /// Families in which the row holds.
    pub families: &'static [Family],
    /// Who may announce it.
    pub announcer: Announcer,
    /// Source address.
    pub src: Field,
    /// Source port.
    pub sport: Field,
    /// Destination address.
    pub dst: Field,
    /// Destination port.
    pub dport: Field,
    /// Protocol.
    pub proto: ProtoField,
    /// The helper that the child gets, by its plain name: what announces in its turn.
    pub child: Option<&'static str>,
    /// The cells of the source document's table for this row (source address, source port,
    /// destination address, destination port, protocol), where it has the row.
    pub document: Option<[&'static str; 5]>,
}
