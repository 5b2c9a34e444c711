//! The packet as it stands now, for matches that look at its bytes: the network header as earlier
//! rules and the countdown of hops left it.

use super::string::LENGTH_MAX;
use crate::eval::Scene;
use kinwall_terms::Family;

/// So many bytes at the beginning may have changed.
const HEAD: usize = 20;

/// A packet from its network header on.
pub(super) struct Current<'a> {
    packet: &'a [u8],
    /// The first bytes, when they are others than those that came in.
    head: Option<[u8; HEAD]>,
}

impl<'a> Current<'a> {
    pub(super) fn new(scene: &Scene<'a, '_>) -> Current<'a> {
        let headers = scene.facts.headers;
        let packet = headers.packet(scene.facts.bytes);
        let (tos, ttl) = (scene.state.tos, scene.state.ttl);
        let same = (tos, ttl) == (headers.tos, headers.ttl);
        let head = packet.first_chunk::<HEAD>().filter(|_| !same).copied();
        let changed = |mut head: [u8; HEAD]| {
            match headers.family {
                Family::Ipv4 => {
                    let sum = [10, 11].map(|at| head[at]);
                    let sum = replaced(sum, [head[0], head[1]], [head[0], tos]);
                    let sum = replaced(sum, [head[8], head[9]], [ttl, head[9]]);
                    (head[1], head[8]) = (tos, ttl);
                    (head[10], head[11]) = (sum[0], sum[1]);
                }
                Family::Ipv6 => {
                    head[0] = (head[0] & 0xf0) | tos >> 4;
                    head[1] = (head[1] & 0x0f) | tos << 4;
                    head[7] = ttl;
                }
            }
            head
        };
        Current { packet, head: head.map(changed) }
    }

    /// The 32-bit number at `at`; `None` outside of the packet.
    pub(super) fn number_at(&self, at: usize) -> Option<u32> {
        let mut bytes = *self.packet.get(at..)?.first_chunk::<4>()?;
        if let Some(changed) = self.head.as_ref().and_then(|head| head.get(at..)) {
            bytes.iter_mut().zip(changed).for_each(|(byte, changed)| *byte = *changed);
        }
        Some(u32::from_be_bytes(bytes))
    }

    /// Whether `text`, of at most [`LENGTH_MAX`] bytes, stands between two offsets.
    pub(super) fn contains(&self, text: &[u8], from: usize, to: usize, any_case: bool) -> bool {
        let to = to.min(self.packet.len());
        let find = |place: &[u8]| match any_case {
            true => finds_any_case(place, text),
            false => memchr::memmem::find(place, text).is_some(),
        };
        let Some(head) = self.head else { return find(self.packet.get(from..to).unwrap_or(&[])) };
        let mut beginning = [0; HEAD + LENGTH_MAX];
        // What begins in the head ends here.
        let length = to.min(HEAD + text.len().saturating_sub(1)).min(beginning.len());
        let copied = beginning.iter_mut().zip(self.packet).take(length);
        copied.for_each(|(copy, byte)| *copy = *byte);
        beginning.iter_mut().zip(head).for_each(|(copy, byte)| *copy = byte);
        let beginning = beginning.get(from..length).unwrap_or(&[]);
        let rest = self.packet.get(from.max(HEAD)..to).unwrap_or(&[]);
        find(beginning) || find(rest)
    }
}

/// A checksum after one of the words it covers was replaced (RFC 1624).
fn replaced(sum: [u8; 2], old: [u8; 2], new: [u8; 2]) -> [u8; 2] {
    let word = |bytes: [u8; 2]| u32::from(u16::from_be_bytes(bytes));
    let total = (!word(sum) & 0xffff) + (!word(old) & 0xffff) + word(new);
    let total = (total & 0xffff) + (total >> 16);
    let total = (total & 0xffff) + (total >> 16);
    (!(total as u16)).to_be_bytes()
}

fn finds_any_case(place: &[u8], text: &[u8]) -> bool {
    let Some(first) = text.first().map(|first| upper(*first)) else { return false };
    let mut rest = place;
    while let Some(at) = rest.iter().position(|byte| upper(*byte) == first) {
        let same = |there: &[u8]| there.iter().zip(text).all(|(a, b)| upper(*a) == upper(*b));
        match rest.get(at..at + text.len()) {
            Some(there) if same(there) => return true,
            Some(_) => rest = rest.get(at + 1..).unwrap_or(&[]),
            None => return false,
        }
    }
    false
}

/// A letter of Latin-1 as a capital, as Linux has it: not only of ASCII.
fn upper(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | 0xdf..=0xf6 | 0xf8..=0xff => byte - 0x20,
        byte => byte,
    }
}
