//! sane.

use super::{answered, asked};
use crate::shown::Packet;

/// Words as they are sent: four bytes, the most significant first.
fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn opening() -> Vec<Packet> {
    vec![
        asked(words(&[0, 0x0101_0003, 0])),
        answered(words(&[0, 0x0101_0003])),
        asked([words(&[2, 7]), b"test:0\0".to_vec()].concat()),
        answered(words(&[0, 0, 0])),
    ]
}

/// Twenty scans, each with its options asked and set.
pub(crate) fn session() -> Vec<Packet> {
    let mut packets = opening();
    for _ in 0..20 {
        packets.extend([
            asked(words(&[4, 0])),
            answered(
                [words(&[60]), b"Number of options and what they say, at length".repeat(20)]
                    .concat(),
            ),
            asked([words(&[5, 0, 2, 1, 3, 5, 5]), b"Gray\0".to_vec()].concat()),
            answered([words(&[0, 0, 3, 5, 5]), b"Gray\0\0\0\0\0".to_vec()].concat()),
            asked(words(&[7, 0])),
            answered(words(&[0, 40395, 0x1234, 0])),
            asked(words(&[6, 0])),
            answered(words(&[0, 0, 1, 39, 39, 39, 8])),
        ]);
    }
    packets
}

/// Requests of one word, hundreds a segment, and a name that arrives a byte a segment.
pub(crate) fn worst() -> Vec<Packet> {
    let mut packets = opening();
    for _ in 0..100 {
        packets.extend([asked(words(&[1; 350])), answered(words(&[0; 350]))]);
    }
    packets.push(asked(words(&[2, 512])));
    packets.extend((0..400).map(|_| asked(*b"x")));
    packets
}
