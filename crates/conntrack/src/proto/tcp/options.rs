//! What the tracker reads from TCP options: window scale (RFC 7323), SACK permitted and SACK
//! blocks (RFC 2018). A malformed list is read up to its first mistake, in silence.

use super::segment::Segment;
use crate::proto::serial::after;
use kinwall_wire::tcp::TcpOption;

/// Shifts above 14 count as 14 (RFC 7323, section 2.3).
const HIGHEST_SCALE: u8 = 14;

/// What the options of a SYN or SYN+ACK offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// The window scale, when it is offered.
    pub(super) scale: Option<u8>,
    /// Whether SACK is permitted.
    pub(super) sack: bool,
}

impl Offer {
    /// The offer of a segment; `None` when it has no options at all.
    pub(super) fn read(segment: &Segment<'_>) -> Option<Offer> {
        if !segment.has_options() {
            return None;
        }
        let mut offer = Offer::default();
        for option in segment.options() {
            match option {
                TcpOption::WindowScale(shift) => offer.scale = Some(shift.min(HIGHEST_SCALE)),
                TcpOption::SackPermitted => offer.sack = true,
                _ => (),
            }
        }
        Some(offer)
    }
}

/// The highest of the acknowledgement and the right edges in the first SACK option.
pub(super) fn highest_acknowledged(segment: &Segment<'_>) -> u32 {
    if segment.has_only_timestamps() {
        return segment.ack;
    }
    let sack = segment.options().find_map(|option| match option {
        TcpOption::Sack(blocks) => Some(blocks),
        _ => None,
    });
    let Some(sack) = sack else { return segment.ack };
    let edges = sack.blocks().map(|(_, right)| right);
    edges.fold(segment.ack, |highest, edge| if after(edge, highest) { edge } else { highest })
}
