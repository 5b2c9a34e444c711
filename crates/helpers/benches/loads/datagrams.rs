//! amanda, netbios-ns and snmp.

use super::{answered, asked};
use crate::shown::Packet;

/// What fills a datagram that crosses an Ethernet whole.
const DATAGRAM_BYTES: usize = 1472;

/// Twenty backups of one machine.
pub(crate) fn amanda_session() -> Vec<Packet> {
    let backup = |n: usize| {
        let head = |kind: &str| format!("Amanda 3.5 {kind} HANDLE 000-{n:08} SEQ 1795487475\n");
        [
            asked(
                head("REQ")
                    + "SECURITY USER backup\nSERVICE sendbackup\nOPTIONS features=ffff;\n<dle>\n  \
                       <program>GNUTAR</program>\n  <disk>/home</disk>\n</dle>\n",
            ),
            answered(head("ACK")),
            answered(
                head("REP")
                    + "CONNECT DATA 50040 MESG 50041 INDEX 50042 STATE 50043\n\
                       OPTIONS features=ffff;\n",
            ),
            asked(head("ACK")),
        ]
    };
    (0..20).flat_map(backup).collect()
}

/// Answers whose CONNECT line is as long as can be and names no stream, but nearly.
pub(crate) fn amanda_worst() -> Vec<Packet> {
    let request = "Amanda 3.5 REQ HANDLE 000-1 SEQ 7\nSERVICE sendbackup\n";
    let mut reply = String::from("Amanda 3.5 REP HANDLE 000-1 SEQ 7\nCONNECT ");
    while reply.len() < DATAGRAM_BYTES - 7 {
        reply += "DATADA";
    }
    reply.push('\n');
    (0..100).flat_map(|_| [asked(request), answered(reply.clone())]).collect()
}

/// Twenty questions for a name.
pub(crate) fn netbios_session() -> Vec<Packet> {
    let mut question = b"\x5a\x1c\x01\x10\0\x01\0\0\0\0\0\0 ".to_vec();
    question.extend_from_slice(b"EGEJEMEFFDCACACACACACACACACACAAA\0\0\x20\0\x01");
    vec![asked(question); 20]
}

/// A name in a scope of as many labels as fit, and one more.
pub(crate) fn netbios_worst() -> Vec<Packet> {
    let mut question = b"\x5a\x1c\x01\x10\0\x01\0\0\0\0\0\0 ".to_vec();
    question.extend_from_slice(b"EGEJEMEFFDCACACACACACACACACACAAA");
    question.extend_from_slice(&b"\x01x".repeat(700));
    question.extend_from_slice(b"\0\0\x20\0\x01");
    vec![asked(question); 100]
}

/// Twenty questions for a printer.
pub(crate) fn snmp_session() -> Vec<Packet> {
    let mut question =
        b"\x30\x29\x02\x01\0\x04\x06public\xa0\x1c\x02\x01\x01\x02\x01\0\x02\x01\0".to_vec();
    question.extend_from_slice(
        b"\x30\x11\x30\x0f\x06\x0b\x2b\x06\x01\x02\x01\x19\x03\x02\x01\x02\x01\x05\0",
    );
    vec![asked(question); 20]
}

/// The least that is right in the most bytes: every length is written with as many as can be.
pub(crate) fn snmp_worst() -> Vec<Packet> {
    let long = |tag: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).expect("short").to_be_bytes();
        [&[tag, 0x84][..], &length, content].concat()
    };
    let pdu = [long(2, &[1]), long(2, &[0]), long(2, &[0]), long(0x30, &[])].concat();
    let message = [long(2, &[0]), long(4, b""), long(0xa0, &pdu)].concat();
    vec![asked(long(0x30, &message)); 100]
}
