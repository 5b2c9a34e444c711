//! sip, over UDP and over TCP.

use super::{answered, asked};
use crate::shown::Packet;
use kinwall_terms::Direction;

/// What the messages of a call have in common.
struct Call {
    via: &'static str,
    number: usize,
}

impl Call {
    fn head(&self, first: &str, tag: &str, cseq: &str) -> String {
        let Call { via, number } = self;
        format!(
            "{first}\r\nVia: SIP/2.0/{via} 10.1.0.2:40000;branch=z9hG4bK-{number}-{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@example.net>;tag=a{number}\r\n\
             To: <sip:bob@example.net>{tag}\r\nCall-ID: {number}a@10.1.0.2\r\nCSeq: {cseq}\r\n\
             User-Agent: telephone/1.0 (of nobody in particular)\r\n\
             Allow: INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,UPDATE,PRACK\r\nSupported: timer\r\n"
        )
        .replace(&format!("-{cseq};"), &format!("-{};", cseq.replace(' ', "")))
    }

    fn message(&self, direction: Direction, first: &str, tag: &str, cseq: &str) -> Packet {
        let head = self.head(first, tag, cseq);
        (direction, format!("{head}Content-Length: 0\r\n\r\n").into_bytes())
    }

    fn with_media(&self, direction: Direction, first: &str, tag: &str, cseq: &str) -> Packet {
        let address = if direction == Direction::Original { "10.1.0.2" } else { "10.2.0.2" };
        let body = format!(
            "v=0\r\no=- 17 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
             m=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let head = self.head(first, tag, cseq);
        let length = body.len();
        let kind = "Content-Type: application/sdp\r\n";
        (direction, format!("{head}{kind}Content-Length: {length}\r\n\r\n{body}").into_bytes())
    }
}

/// Twenty calls: taken, held, and ended.
fn calls(via: &'static str) -> Vec<Packet> {
    use Direction::{Original, Reply};
    let to = ";tag=b";
    let bob = "sip:bob@example.net SIP/2.0";
    let call = |number| {
        let call = Call { via, number };
        [
            call.with_media(Original, &format!("INVITE {bob}"), "", "1 INVITE"),
            call.message(Reply, "SIP/2.0 100 Trying", "", "1 INVITE"),
            call.message(Reply, "SIP/2.0 180 Ringing", to, "1 INVITE"),
            call.with_media(Reply, "SIP/2.0 200 OK", to, "1 INVITE"),
            call.message(Original, &format!("ACK {bob}"), to, "1 ACK"),
            call.with_media(Original, &format!("INVITE {bob}"), to, "2 INVITE"),
            call.with_media(Reply, "SIP/2.0 200 OK", to, "2 INVITE"),
            call.message(Original, &format!("ACK {bob}"), to, "2 ACK"),
            call.message(Original, &format!("BYE {bob}"), to, "3 BYE"),
            call.message(Reply, "SIP/2.0 200 OK", to, "3 BYE"),
        ]
    };
    (0..20).flat_map(call).collect()
}

pub(crate) fn session() -> Vec<Packet> {
    calls("UDP")
}

pub(crate) fn session_tcp() -> Vec<Packet> {
    calls("TCP")
}

/// What fills a datagram that crosses an Ethernet whole.
const DATAGRAM_BYTES: usize = 1472;

/// A message's headers, and filling up to the size of a datagram behind them.
fn filled(first: &str, cseq: &str, more: &str, filling: &str) -> String {
    let call = Call { via: "UDP", number: 1 };
    let mut text = call.head(first, "", cseq) + more;
    while text.len() + filling.len() + 4 < DATAGRAM_BYTES {
        text += filling;
    }
    text + "\r\n\r\n"
}

/// Answers to a registration with as many contacts as fit, each of which is looked through for
/// its parameters.
pub(crate) fn worst() -> Vec<Packet> {
    let register = filled("REGISTER sip:x SIP/2.0", "2 REGISTER", "m:sip:10.1.0.2", ";");
    let expires = "Expires: 9\r\nm:sip:10.1.0.2";
    let contacts = filled("SIP/2.0 200 OK", "2 REGISTER", expires, ",sip:10.1.0.2");
    let mut packets = vec![answered(contacts); 80];
    packets.insert(0, asked(register));
    packets
}

/// Over TCP: messages of four bytes' length and a few headers, many a segment.
pub(crate) fn worst_tcp() -> Vec<Packet> {
    let segment = "ACK s\nCSeq:1 A\nl:0\r\n\r\n".repeat(60);
    vec![asked(segment); 100]
}

/// Requests with many lines, of many calls, so that what is remembered is searched in vain; and
/// descriptions with more lines than are read.
pub(crate) fn worst_strict() -> Vec<Packet> {
    let mut packets = session();
    let lines = |first: &str, cseq: &str| {
        let call = Call { via: "UDP", number: 99 };
        let mut text = call.head(first, ";tag=c", cseq);
        while text.len() < DATAGRAM_BYTES {
            text += "a:\r\n";
        }
        text + "Content-Length: 0\r\n\r\n"
    };
    let register = |contact: &str| {
        let call = Call { via: "UDP", number: 98 };
        let mut text = call.head("REGISTER sip:x SIP/2.0", "", "7 REGISTER") + "Contact: <sip:x>";
        while text.len() + contact.len() < DATAGRAM_BYTES - 30 {
            text += contact;
        }
        text + "\r\nContent-Length: 0\r\n\r\n"
    };
    for _ in 0..20 {
        packets.push(asked(lines("BYE sip:bob@example.net SIP/2.0", "9 BYE")));
        packets.push(answered(lines("SIP/2.0 200 OK", "9 INVITE")));
        packets.push(asked(register(",<sip:@>")));
    }
    packets
}

/// The same over TCP, and a message that arrives a byte a segment.
pub(crate) fn worst_strict_tcp() -> Vec<Packet> {
    let mut packets = session_tcp();
    let call = Call { via: "TCP", number: 99 };
    let mut text = call.head("OPTIONS sip:bob@example.net SIP/2.0", "", "9 OPTIONS");
    while text.len() < 8000 {
        text += "a:\r\n";
    }
    text += "Content-Length: 0\r\n\r\n";
    packets.extend((0..20).map(|_| asked(text.clone())));
    packets.extend(text.bytes().map(|byte| asked([byte])));
    packets
}
