//! The control messages of PPTP (RFC 2637, section 2).
//!
//! All have a fixed length. The bodies hold two call ids at most, at their beginning, and a
//! result code at offset 4 of those that answer a call.

/// What the first bytes of every message say: its length, its type, the cookie.
const HEADER_BYTES: usize = 8;
/// The kind and a reserved field.
const CONTROL_HEADER_BYTES: usize = 4;
/// Where the body begins.
pub(super) const BODY_AT: usize = HEADER_BYTES + CONTROL_HEADER_BYTES;

const TYPE_CONTROL: u16 = 1;
const COOKIE: u32 = 0x1a2b_3c4d;

/// The longest message: Incoming-Call-Request.
pub(super) const MESSAGE_MAX_BYTES: usize = 220;

/// The result code that means yes, in every message that has one.
pub(super) const RESULT_YES: u8 = 1;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $length:literal;)*) => {
        /// Kinds of control messages, by their number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($(#[$doc])* $name = $number,)* }

        impl Kind {
            /// The kind of this number; `None` for one that RFC 2637 does not know.
            fn of(number: u16) -> Option<Kind> {
                match number {
                    $($number => Some(Kind::$name),)*
                    _ => None,
                }
            }

            /// Length of a message of this kind, its header included.
            pub(super) fn length(self) -> usize {
                match self { $(Kind::$name => $length,)* }
            }
        }
    };
}

kinds! {
    /// Start-Control-Connection-Request.
    StartRequest = 1, 156;
    /// Start-Control-Connection-Reply.
    StartReply = 2, 156;
    /// Stop-Control-Connection-Request.
    StopRequest = 3, 16;
    /// Stop-Control-Connection-Reply.
    StopReply = 4, 16;
    /// Echo-Request.
    EchoRequest = 5, 16;
    /// Echo-Reply.
    EchoReply = 6, 20;
    /// Outgoing-Call-Request.
    OutgoingRequest = 7, 168;
    /// Outgoing-Call-Reply.
    OutgoingReply = 8, 32;
    /// Incoming-Call-Request.
    IncomingRequest = 9, 220;
    /// Incoming-Call-Reply.
    IncomingReply = 10, 24;
    /// Incoming-Call-Connected.
    IncomingConnected = 11, 28;
    /// Call-Clear-Request.
    ClearRequest = 12, 16;
    /// Call-Disconnect-Notify.
    DisconnectNotify = 13, 148;
    /// WAN-Error-Notify.
    WanErrorNotify = 14, 40;
    /// Set-Link-Info.
    SetLinkInfo = 15, 24;
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A header that is not PPTP's.
    Other,
    /// Too few bytes for the message that they begin, or for any.
    Partial,
    /// A control message of a kind that does not exist.
    Unknown,
    /// A message.
    Message(Message<'a>),
}

/// A whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    /// What the header says of its length.
    pub(super) length_field: u16,
    body: &'a [u8],
}

impl Message<'_> {
    /// The first id of the body.
    pub(super) fn first_id(&self) -> u16 {
        u16_at(self.body, 0).unwrap_or(0)
    }

    /// The second id of the body: the peer's, in answers to a request.
    pub(super) fn second_id(&self) -> u16 {
        u16_at(self.body, 2).unwrap_or(0)
    }

    /// The version of PPTP, in messages that start a control connection.
    pub(super) fn version(&self) -> u16 {
        self.first_id()
    }

    /// The answer, in the messages that have one.
    pub(super) fn result(&self) -> u8 {
        let at = match self.kind {
            Kind::StartReply => 2,
            Kind::StopReply => 0,
            _ => 4,
        };
        self.body.get(at).copied().unwrap_or(0)
    }
}

/// Reads the message at the beginning of `bytes`; what follows it is not looked at. What the
/// header says of the length is left to the caller.
pub(super) fn first(bytes: &[u8]) -> Found<'_> {
    let (Some(length_field), Some(packet_type), Some(cookie)) =
        (u16_at(bytes, 0), u16_at(bytes, 2), u32_at(bytes, 4))
    else {
        return Found::Partial;
    };
    if packet_type != TYPE_CONTROL || cookie != COOKIE {
        return Found::Other;
    }
    // The kind is known only with the reserved field that follows it.
    let (Some(number), Some(_)) = (u16_at(bytes, HEADER_BYTES), u16_at(bytes, HEADER_BYTES + 2))
    else {
        return Found::Partial;
    };
    let Some(kind) = Kind::of(number) else { return Found::Unknown };
    match bytes.get(BODY_AT..kind.length()) {
        Some(body) => Found::Message(Message { kind, length_field, body }),
        None => Found::Partial,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 32, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d];
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn the_fields_of_an_answer() {
        let mut body = vec![0, 5, 1, 2, 1];
        body.resize(20, 0);
        let bytes = bytes(8, &body);
        let Found::Message(message) = first(&bytes) else { panic!("{:?}", first(&bytes)) };
        assert_eq!((message.kind, message.length_field), (Kind::OutgoingReply, 32));
        assert_eq!((message.first_id(), message.second_id()), (5, 0x102));
        assert_eq!(message.result(), RESULT_YES);
    }

    #[test]
    fn anything_else() {
        let whole = bytes(8, &[0; 20]);
        let with = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        assert_eq!(first(&with(3, 2)), Found::Other, "no control message");
        assert_eq!(first(&with(7, 0)), Found::Other, "another cookie");
        assert_eq!(first(&with(9, 0)), Found::Unknown);
        assert_eq!(first(&with(9, 16)), Found::Unknown);
        assert_eq!(first(&with(8, 1)), Found::Unknown);
        for length in 0..whole.len() {
            assert_eq!(first(&whole[..length]), Found::Partial, "{length} bytes");
        }
        let long = [&whole[..], b"more"].concat();
        assert!(matches!(first(&long), Found::Message(_)));
    }

    #[test]
    fn the_longest_is_the_limit() {
        let longest = (0..=16).filter_map(Kind::of).map(Kind::length).max();
        assert_eq!(longest, Some(MESSAGE_MAX_BYTES));
    }
}
