//! What tells packets apart, as the analysis sees it.

/// A field of a packet. Their order is the order in which a set decides; measured on large real
/// and made rule sets, it gives the smallest sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Protocol.
    Proto,
    /// Destination port; of ICMP `type << 8 | code`, as in a tuple.
    Dport,
    /// Destination address.
    Dst,
    /// Source address.
    Src,
    /// Sender on the link.
    Mac,
    /// The interface it came in by; the last number is that of the gateway's own packets.
    Input,
    /// Source port; of ICMP the identifier.
    Sport,
    /// The flags of TCP, FIN to URG, one bit each.
    Flags,
}

impl Field {
    /// Every field, in order.
    pub const ALL: [Field; 8] = [
        Field::Proto,
        Field::Dport,
        Field::Dst,
        Field::Src,
        Field::Mac,
        Field::Input,
        Field::Sport,
        Field::Flags,
    ];

    /// Position in [`Field::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The field of an answer that holds what this one holds of the packet answered.
    pub fn swapped(self) -> Field {
        match self {
            Field::Src => Field::Dst,
            Field::Dst => Field::Src,
            Field::Sport => Field::Dport,
            Field::Dport => Field::Sport,
            same => same,
        }
    }
}
