//! Messages of the kernel's packet queue (nfnetlink_queue), read and written.
//!
//! The numbers are those of `linux/netfilter/nfnetlink_queue.h`. Everything in a header of
//! netlink is in the machine's byte order, everything in the queue's attributes in the network's.

/// The subsystem of queues in nfnetlink.
const SUBSYSTEM: u16 = 3;
const PACKET: u16 = SUBSYSTEM << 8;
const VERDICT: u16 = SUBSYSTEM << 8 | 1;
const CONFIG: u16 = SUBSYSTEM << 8 | 2;
/// netlink(7): an error, or with the number 0 an acknowledgement.
const ERROR: u16 = 2;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
/// A netlink header and the one of nfnetlink behind it.
const HEADERS: usize = 20;

/// Attributes of a packet and of a verdict.
mod attribute {
    pub(super) const PACKET_HEADER: u16 = 1;
    pub(super) const VERDICT_HEADER: u16 = 2;
    pub(super) const MARK: u16 = 3;
    pub(super) const IN: u16 = 5;
    pub(super) const OUT: u16 = 6;
    pub(super) const LINK_ADDRESS: u16 = 9;
    pub(super) const PAYLOAD: u16 = 10;
    pub(super) const CAPTURED: u16 = 13;
    pub(super) const BUFFER: u16 = 14;
    pub(super) const UID: u16 = 16;
    pub(super) const GID: u16 = 17;
}

/// The checksum of the packet is not there yet: the network card is to compute it.
const UNFINISHED: u32 = 1;

/// A packet that waits for a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queued<'a> {
    /// Its number in the queue.
    pub(crate) id: u32,
    /// The hook, as netfilter numbers them: 0 PREROUTING to 4 POSTROUTING.
    pub(crate) hook: u8,
    pub(crate) ethertype: u16,
    pub(crate) mark: u32,
    /// The interface it came in by, by number; 0 for none.
    pub(crate) inward: u32,
    /// The interface it leaves by.
    pub(crate) outward: u32,
    pub(crate) src_mac: Option<[u8; 6]>,
    /// User and group of the socket behind it.
    pub(crate) owner: Option<[u32; 2]>,
    /// Its checksum is left to the network card.
    pub(crate) is_unfinished: bool,
    /// The queue holds only its beginning.
    pub(crate) is_cut: bool,
    /// From its network header on.
    pub(crate) payload: &'a [u8],
}

/// What the kernel sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Packet(Queued<'a>),
    /// The answer to a request: 0, or the number of an error.
    Answer(i32),
    /// Something else.
    Other,
}

/// Calls `each` for the messages in what was received at once; what is cut short is left out.
pub(crate) fn messages<'a>(mut rest: &'a [u8], mut each: impl FnMut(Message<'a>)) {
    while let Some(length) = u32_at(rest, 0, u32::from_ne_bytes) {
        let length = length as usize;
        let Some(message) = rest.get(..length).filter(|_| length >= 16) else { return };
        let kind = message.get(4..6).map_or(0, |kind| u16::from_ne_bytes([kind[0], kind[1]]));
        each(match kind {
            PACKET => Message::Packet(packet(message.get(HEADERS..).unwrap_or_default())),
            ERROR => {
                let number = u32_at(message, 16, u32::from_ne_bytes).unwrap_or(0);
                Message::Answer((number as i32).wrapping_neg())
            }
            _ => Message::Other,
        });
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn packet(mut rest: &[u8]) -> Queued<'_> {
    let mut packet = Queued::default();
    let (mut uid, mut gid, mut captured) = (None, None, None);
    while let [low, high, kind_low, kind_high, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let kind = u16::from_ne_bytes([kind_low, kind_high]) & 0x3fff;
        let Some(value) = rest.get(4..length) else { break };
        let number = u32_at(value, 0, u32::from_be_bytes);
        match kind {
            attribute::PACKET_HEADER => {
                packet.id = number.unwrap_or(0);
                if let [_, _, _, _, high, low, hook, ..] = *value {
                    packet.ethertype = u16::from_be_bytes([high, low]);
                    packet.hook = hook;
                }
            }
            attribute::MARK => packet.mark = number.unwrap_or(0),
            attribute::IN => packet.inward = number.unwrap_or(0),
            attribute::OUT => packet.outward = number.unwrap_or(0),
            attribute::LINK_ADDRESS => {
                if let [0, 6, _, _, mac @ ..] = value {
                    packet.src_mac = mac.first_chunk::<6>().copied();
                }
            }
            attribute::PAYLOAD => packet.payload = value,
            attribute::CAPTURED => captured = number,
            attribute::BUFFER => {
                packet.is_unfinished = number.is_some_and(|bits| bits & UNFINISHED != 0);
            }
            attribute::UID => uid = number,
            attribute::GID => gid = number,
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    packet.owner = uid.zip(gid).map(|(uid, gid)| [uid, gid]);
    packet.is_cut = captured.is_some_and(|length| length as usize > packet.payload.len());
    packet
}

fn u32_at(bytes: &[u8], at: usize, read: fn([u8; 4]) -> u32) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().copied().map(read)
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sentence {
    Drop,
    Accept,
    /// To another queue.
    Queue(u16),
}

impl Sentence {
    fn number(self) -> u32 {
        match self {
            Sentence::Drop => 0,
            Sentence::Accept => 1,
            Sentence::Queue(number) => u32::from(number) << 16 | 3,
        }
    }
}

/// Appends the verdict on a packet: with a mark, and its bytes where they are others now.
pub(crate) fn verdict(
    out: &mut Vec<u8>,
    queue: u16,
    id: u32,
    sentence: Sentence,
    mark: Option<u32>,
    payload: Option<&[u8]>,
) {
    let begin = begin(out, VERDICT, REQUEST, queue);
    let mut header = [0; 8];
    header[..4].copy_from_slice(&sentence.number().to_be_bytes());
    header[4..].copy_from_slice(&id.to_be_bytes());
    put(out, attribute::VERDICT_HEADER, &header);
    if let Some(mark) = mark {
        put(out, attribute::MARK, &mark.to_be_bytes());
    }
    if let Some(payload) = payload {
        put(out, attribute::PAYLOAD, payload);
    }
    end(out, begin);
}

/// A request to set a queue up, to be acknowledged.
pub(crate) fn config(queue: u16, setting: Setting) -> Vec<u8> {
    let mut out = Vec::new();
    let begin = begin(&mut out, CONFIG, REQUEST | ACKNOWLEDGE, queue);
    match setting {
        Setting::Bind => put(&mut out, 1, &[1, 0, 0, 0]),
        Setting::Unbind => put(&mut out, 1, &[2, 0, 0, 0]),
        Setting::CopyWhole => put(&mut out, 2, &[0, 0, 0xff, 0xff, 2]),
        Setting::Length(length) => put(&mut out, 3, &length.to_be_bytes()),
        Setting::Flags { on, of } => {
            put(&mut out, 5, &on.to_be_bytes());
            put(&mut out, 4, &of.to_be_bytes());
        }
    }
    end(&mut out, begin);
    out
}

/// What can be set of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Setting {
    Bind,
    Unbind,
    /// Packets come with all their bytes.
    CopyWhole,
    /// How many packets wait at most.
    Length(u32),
    /// Flags: those of `of` that are in `on` are switched on, the others off.
    Flags {
        on: u32,
        of: u32,
    },
}

/// When the queue is full, packets pass.
pub(crate) const FAIL_OPEN: u32 = 1;
/// Packets come as large as they are, their checksums perhaps unfinished.
pub(crate) const GSO: u32 = 4;
/// Packets come with the user and group of their socket.
pub(crate) const UID_GID: u32 = 8;

fn begin(out: &mut Vec<u8>, kind: u16, flags: u16, queue: u16) -> usize {
    let begin = out.len();
    out.extend([0; 4]);
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    // Sequence number and port; then family, version, and the queue's number.
    out.extend([0; 10]);
    out.extend(queue.to_be_bytes());
    begin
}

fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // No value is longer than a packet in the queue, which is 65531 bytes and its length.
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    out.extend(length.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn end(out: &mut [u8], begin: usize) {
    let length = ((out.len() - begin) as u32).to_ne_bytes();
    if let Some(place) = out.get_mut(begin..begin + 4) {
        place.copy_from_slice(&length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet as the kernel sends it.
    fn told(payload: &[u8], more: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        let begin = begin(&mut out, PACKET, 0, 9);
        put(&mut out, attribute::PACKET_HEADER, &[0, 0, 1, 2, 8, 0, 3]);
        for (kind, value) in more {
            put(&mut out, *kind, value);
        }
        put(&mut out, attribute::PAYLOAD, payload);
        end(&mut out, begin);
        out
    }

    #[test]
    fn a_packet_is_read() {
        let more: &[(u16, &[u8])] = &[
            (attribute::MARK, &[0, 1, 0, 2]),
            (attribute::OUT, &[0, 0, 0, 7]),
            (attribute::LINK_ADDRESS, &[0, 6, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0]),
            (attribute::BUFFER, &[0, 0, 0, 3]),
            (attribute::UID, &[0, 0, 3, 232]),
            (attribute::GID, &[0, 0, 0, 100]),
        ];
        let bytes = [told(b"abcde", more), told(b"", &[])].concat();
        let mut read = Vec::new();
        messages(&bytes, |message| read.push(message));
        let expected = Queued {
            id: 258,
            hook: 3,
            ethertype: 0x800,
            mark: 0x0001_0002,
            inward: 0,
            outward: 7,
            src_mac: Some([2, 0, 0, 0, 0, 1]),
            owner: Some([1000, 100]),
            is_unfinished: true,
            is_cut: false,
            payload: b"abcde",
        };
        assert_eq!(read.len(), 2);
        assert_eq!(read[0], Message::Packet(expected));
    }

    #[test]
    fn what_is_cut_short_is_left_out() {
        let whole = told(b"abcde", &[(attribute::CAPTURED, &[0, 0, 0, 9])]);
        for length in 0..=whole.len() {
            let mut count = 0;
            messages(&whole[..length], |message| {
                count += 1;
                assert!(matches!(message, Message::Packet(Queued { is_cut: true, .. })));
            });
            assert_eq!(count, usize::from(length == whole.len()), "{length}");
        }
    }

    #[test]
    fn a_verdict_is_as_long_as_it_says() {
        let mut out = Vec::new();
        verdict(&mut out, 3, 7, Sentence::Queue(5), Some(1), Some(b"abc"));
        let first = out.len();
        verdict(&mut out, 3, 8, Sentence::Drop, None, None);
        assert_eq!(u32_at(&out, 0, u32::from_ne_bytes), Some(first as u32));
        assert_eq!(u32_at(&out, 24, u32::from_be_bytes), Some(5 << 16 | 3));
        assert_eq!(out.len() - first, 32);
    }
}
