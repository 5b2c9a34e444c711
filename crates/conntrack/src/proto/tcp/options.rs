//! The TCP options the tracker reads: window scale (RFC 7323), SACK permitted and SACK blocks
//! (RFC 2018). A malformed list is read up to its first mistake, in silence.

use crate::proto::serial::after;

/// Shifts above 14 count as 14 (RFC 7323, section 2.3).
const HIGHEST_SCALE: u8 = 14;

const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
/// Left and right edge of a SACK block, in bytes.
const SACK_BLOCK_LENGTH: usize = 8;

/// What the options of a SYN or SYN+ACK offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// The window scale, when it is offered.
    pub(super) scale: Option<u8>,
    /// Whether SACK is permitted.
    pub(super) sack: bool,
}

impl Offer {
    /// Reads an option list.
    pub(super) fn read(options: &[u8]) -> Offer {
        let mut offer = Offer::default();
        for (kind, body) in List(options) {
            match (kind, body) {
                (WINDOW_SCALE, &[scale]) => offer.scale = Some(scale.min(HIGHEST_SCALE)),
                (SACK_PERMITTED, []) => offer.sack = true,
                _ => (),
            }
        }
        offer
    }
}

/// The highest of `ack` and the right edges in the first well-formed SACK option.
pub(super) fn highest_acknowledged(options: &[u8], ack: u32) -> u32 {
    let is_sack = |kind: u8, body: &[u8]| {
        kind == SACK && !body.is_empty() && body.len().is_multiple_of(SACK_BLOCK_LENGTH)
    };
    let Some((_, blocks)) = List(options).find(|&(kind, body)| is_sack(kind, body)) else {
        return ack;
    };
    let edges = blocks
        .chunks_exact(SACK_BLOCK_LENGTH)
        .filter_map(|block| block.last_chunk().map(|edge| u32::from_be_bytes(*edge)));
    edges.fold(ack, |highest, edge| if after(edge, highest) { edge } else { highest })
}

/// Kinds and bodies of the options, up to the first malformed one.
struct List<'a>(&'a [u8]);

impl<'a> Iterator for List<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let (&kind, rest) = self.0.split_first()?;
            match kind {
                END_OF_LIST => return None,
                NO_OPERATION => self.0 = rest,
                _ => {
                    let body = usize::from(*rest.first()?).checked_sub(2)?;
                    let (body, after) = rest.get(1..)?.split_at_checked(body)?;
                    self.0 = after;
                    return Some((kind, body));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers() {
        let rows: [(&[u8], Option<u8>, bool); 9] = [
            (&[], None, false),
            (&[2, 4, 5, 180, 4, 2, 1, 3, 3, 7], Some(7), true),
            (&[3, 3, 15], Some(14), false),
            (&[3, 3, 255, 4, 2], Some(14), true),
            // An end of list, a length below 2 and a cut end the reading.
            (&[0, 3, 3, 7], None, false),
            (&[4, 2, 9, 1, 3, 3, 7, 0], None, true),
            (&[4, 2, 3, 3], None, true),
            // Lengths that do not fit the kind.
            (&[3, 4, 7, 7, 4, 3, 0], None, false),
            (&[3], None, false),
        ];
        for (options, scale, sack) in rows {
            assert_eq!(Offer::read(options), Offer { scale, sack }, "{options:?}");
        }
    }

    #[test]
    fn sack_blocks() {
        let rows: [(&[u8], u32); 6] = [
            (&[], 100),
            (&[1, 1, 5, 10, 0, 0, 0, 110, 0, 0, 0, 120], 120),
            (&[5, 18, 0, 0, 0, 110, 0, 0, 0, 120, 0, 0, 0, 130, 0, 0, 0, 140], 140),
            (&[5, 10, 0, 0, 0, 1, 0, 0, 0, 50], 100),
            // Not a whole number of blocks; cut short.
            (&[5, 9, 0, 0, 0, 110, 0, 0, 0], 100),
            (&[5, 10, 0, 0, 0, 110, 0, 0, 0], 100),
        ];
        for (options, expected) in rows {
            assert_eq!(highest_acknowledged(options, 100), expected, "{options:?}");
        }
    }
}
