//! Why a packet was dropped, or is INVALID, or a helper believed nothing.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A named cause. The names are stable: programs may compare them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason, in order of declaration.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// The stable name, in kebab case.
            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    // Headers.
    /// Not IPv4 or IPv6, or its header is cut short or inconsistent.
    MalformedNetworkHeader = "malformed-network-header",
    /// The transport header cannot be located or is cut short.
    TruncatedTransportHeader = "truncated-transport-header",
    /// A length field contradicts the packet.
    BadLength = "bad-length",
    /// The checksum of the network header is wrong.
    BadNetworkChecksum = "bad-network-checksum",
    /// The checksum of the transport header is wrong.
    BadChecksum = "bad-checksum",
    // Fragments.
    /// A fragment overlaps another one of its datagram.
    FragmentOverlap = "fragment-overlap",
    /// A fragment contradicts the others, is empty or ends beyond 65535 bytes.
    FragmentBad = "fragment-bad",
    /// Too many fragments are waiting.
    FragmentLimit = "fragment-limit",
    /// The datagram was not completed in time.
    FragmentTimeout = "fragment-timeout",
    // TCP.
    /// The combination of flags is not legal.
    TcpFlags = "tcp-flags",
    /// The state table has no transition.
    TcpState = "tcp-state",
    /// Outside the window.
    TcpWindow = "tcp-window",
    /// A RST outside what the peer acknowledged.
    TcpReset = "tcp-reset",
    /// The first packet seen does not open a connection.
    TcpNotOpening = "tcp-not-opening",
    // Other trackers.
    /// ICMP of a type that neither queries nor reports.
    IcmpType = "icmp-type",
    /// An ICMP error about no known connection.
    IcmpUnknownConnection = "icmp-unknown-connection",
    /// An ICMP error whose receiver is not the sender of the packet inside.
    IcmpWrongReceiver = "icmp-wrong-receiver",
    /// An ICMP error whose inner packet cannot be read.
    IcmpInner = "icmp-inner",
    /// The tuple has no inverse: the packet cannot open a connection.
    NotInvertible = "not-invertible",
    /// GRE version 1 that does not carry PPP.
    GreVersion = "gre-version",
    /// SCTP chunks contradict each other or the state.
    SctpChunk = "sctp-chunk",
    /// The SCTP verification tag is wrong.
    SctpTag = "sctp-tag",
    /// DCCP headers or state.
    Dccp = "dccp",
    // The table.
    /// The connection table is full and nothing could be evicted.
    TableFull = "table-full",
    /// Another connection took the same tuple first.
    Clash = "clash",
    // Address translation.
    /// The interface has no address that the connection could be given.
    NatNoAddress = "nat-no-address",
    /// The packet's transport header is cut short, so that it cannot be translated.
    NatTruncated = "nat-truncated",
    /// No port is free that a translated connection could be given.
    NatNoPort = "nat-no-port",
    /// A masqueraded connection's packet would leave by another interface than the one whose
    /// address it shows; the connection has ended.
    NatInterface = "nat-interface",
    /// An ICMP redirect about a translated connection.
    NatRedirect = "nat-redirect",
    /// What would have to be rewritten began in an earlier segment, which has left already.
    NatSplit = "nat-split",
    /// The rewritten packet would be too long.
    NatTooLong = "nat-too-long",
    /// TCP options that are malformed, where sequence numbers in them have to be adjusted.
    NatTcpOptions = "nat-tcp-options",
    // Routing.
    /// No route to the destination.
    NoRoute = "no-route",
    /// The `rp_filter` sysctl refused the source address.
    ReversePath = "reverse-path",
    /// A source or destination that routing refuses.
    Martian = "martian",
    /// The hop limit ran out.
    HopLimit = "hop-limit",
    // Rules.
    /// A rule dropped it.
    Rule = "rule",
    /// The chain's policy dropped it.
    ChainPolicy = "chain-policy",
    /// A match found the packet malformed and dropped it.
    HotDrop = "hot-drop",
    // Helpers.
    /// A recognised command that is incomplete or unparsable.
    HelperPartial = "helper-partial",
    /// The announced expectation was refused by the table.
    HelperRefused = "helper-refused",
    /// The payload names another address than its sender's.
    HelperForeignAddress = "helper-foreign-address",
    /// The payload names a port that cannot be.
    HelperBadPort = "helper-bad-port",
    /// The message breaks its protocol's grammar.
    HelperMalformed = "helper-malformed",
    /// The message comes out of its protocol's order.
    HelperOrder = "helper-order",
    /// More is going on at once on this connection than its helper follows.
    HelperLimit = "helper-limit",
    /// The stream has not begun as its protocol begins.
    HelperNotProtocol = "helper-not-protocol",
    /// The rest of the connection is encrypted: its helper is blind.
    HelperEncrypted = "helper-encrypted",
    /// Both parties are on the same side of the gateway: nothing is to be opened between them.
    HelperSameSide = "helper-same-side",
    /// A segment contradicts what was already read.
    StreamConflict = "stream-conflict",
    /// The stream has a gap or a line that exceed the limit.
    StreamLimit = "stream-limit",
    // Expectations.
    /// The same tuple is expected by another master.
    ExpectationClash = "expectation-clash",
    /// The expectation table is full.
    ExpectationTableFull = "expectation-table-full",
    /// The guard allows no port below its limit.
    GuardPort = "guard-port",
    /// The guard allows no other address than the peer's.
    GuardAddress = "guard-address",
    /// The guard allows only named networks.
    GuardNetwork = "guard-network",
    /// The guard allows no more expectations for this peer.
    GuardLimit = "guard-limit",
}

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(name: String) -> Result<Reason, String> {
        let found = Reason::ALL.iter().find(|reason| reason.name() == name);
        found.copied().ok_or_else(|| format!("there is no reason {name:?}"))
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> String {
        reason.name().to_owned()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
