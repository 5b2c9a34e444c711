//! The payloads that announced connections, kept for a while: who sees the connection wants to
//! read what announced it.

use kinwall_engine::Announced;
use std::collections::VecDeque;

/// Payloads of packets that made expectations, in the order of the packets.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    kept: VecDeque<(u64, Box<[u8]>)>,
    bytes: usize,
}

/// What the kept payloads take at most, their places included; the oldest go first.
const KEPT_MAX_BYTES: usize = 8 << 20;

/// Bytes of one announcement that are shown.
const SHOWN_BYTES: usize = 60;

impl Announcements {
    /// Keeps the payload of packet `number`, which is later than all before.
    pub(crate) fn keep(&mut self, number: u64, payload: &[u8]) {
        self.bytes += cost(payload);
        self.kept.push_back((number, payload.into()));
        while self.bytes > KEPT_MAX_BYTES
            && let Some((_, oldest)) = self.kept.pop_front()
        {
            self.bytes -= cost(&oldest);
        }
    }

    /// The announcement as text, other bytes as `\xHH`; `None` when it is not kept any more.
    pub(crate) fn text(&self, announced: &Announced) -> Option<String> {
        let at = self.kept.binary_search_by_key(&announced.packet, |(number, _)| *number).ok()?;
        let (_, payload) = self.kept.get(at)?;
        let from = payload.get(announced.offset as usize..)?;
        let announcement = from.get(..announced.length as usize).unwrap_or(from);
        let shown = announcement.get(..SHOWN_BYTES).unwrap_or(announcement);
        let more = if shown.len() < announcement.len() { "..." } else { "" };
        Some(format!("{}{more}", shown.escape_ascii()))
    }
}

fn cost(payload: &[u8]) -> usize {
    size_of::<(u64, Box<[u8]>)>() + payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_announced_can_be_read_until_it_is_forgotten() {
        let mut kept = Announcements::default();
        let at = |packet, offset, length| Announced { expectation: 1, packet, offset, length };
        kept.keep(3, b"227 (10,0,0,1,4,5)\r\n");
        kept.keep(9, &[1, b'a', 0xff]);
        kept.keep(10, &[b'x'; 100]);
        let rows = [
            (at(3, 5, 12), Some("10,0,0,1,4,5".to_owned())),
            (at(3, 18, 90), Some("\\r\\n".to_owned())),
            (at(9, 0, 3), Some("\\x01a\\xff".to_owned())),
            (at(10, 0, 100), Some("x".repeat(60) + "...")),
            (at(9, 4, 1), None),
            (at(4, 0, 1), None),
        ];
        for (announced, expected) in rows {
            assert_eq!(kept.text(&announced), expected, "{announced:?}");
        }
        for number in 11..1000 {
            kept.keep(number, &[0; 65_535]);
            assert!(kept.bytes <= KEPT_MAX_BYTES);
        }
        assert_eq!(kept.text(&at(3, 5, 12)), None);
        assert!(kept.text(&at(999, 0, 1)).is_some());
    }
}
