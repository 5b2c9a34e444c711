//! Associations, packet by packet; every row was played through Linux 6.18.

use crate::proto::testing::{Bench, Seen};
use kinwall_terms::{KernelVersion, Reason, Status};
use kinwall_wire::emit::{Checksum, Packet, Sctp, sctp_chunk};
use kinwall_wire::sctp::chunk::*;

/// The two ends; the first of them to send is the originator.
#[derive(Clone, Copy, Debug)]
enum End {
    A,
    B,
}
use End::{A, B};

const CHUNK: Seen = Seen::Invalid(Reason::SctpChunk);
const TAG: Seen = Seen::Invalid(Reason::SctpTag);

const CL: &str = "CLOSED";
const CW: &str = "COOKIE_WAIT";
const CE: &str = "COOKIE_ECHOED";
const ES: &str = "ESTABLISHED";
const SS: &str = "SHUTDOWN_SENT";
const SR: &str = "SHUTDOWN_RECD";
const SA: &str = "SHUTDOWN_ACK_SENT";
const HS: &str = "HEARTBEAT_SENT";
const NO: &str = "";

/// A chunk: type, flags, and the tag that INIT and INIT ACK choose.
type Chunk = (u8, u8, u32);

/// Sender, verification tag, chunks; then what is seen and the state after it.
type Row<'a> = (End, u32, &'a [Chunk], Seen, &'static str);

fn packet(end: End, tag: u32, chunks: &[Chunk]) -> Packet {
    let ends = [([10, 0, 0, 1], 5000), ([10, 0, 0, 2], 2905)];
    let [(src, sport), (dst, dport)] = match end {
        A => ends,
        B => [ends[1], ends[0]],
    };
    let payload: Vec<u8> = chunks
        .iter()
        .flat_map(|&(kind, flags, tag)| match kind {
            INIT | INIT_ACK => {
                let [a, b, c, d] = tag.to_be_bytes();
                let fixed = [a, b, c, d, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1];
                sctp_chunk(kind, flags, &fixed)
            }
            _ => sctp_chunk(kind, flags, &[0; 4]),
        })
        .collect();
    Packet::new(src, dst, Sctp::new(sport, dport, tag)).payload(payload)
}

fn check(title: &str, rows: &[Row<'_>]) {
    let mut bench = Bench::new(KernelVersion::DEFAULT);
    for (number, &(end, tag, chunks, seen, state)) in rows.iter().enumerate() {
        let found = bench.play(&packet(end, tag, chunks));
        let found = (found, bench.state().unwrap_or(NO));
        assert_eq!(found, (seen, state), "{title}, row {number}: {chunks:?}");
    }
}

const fn one(kind: u8) -> Chunk {
    (kind, 0, 0)
}

/// A chooses the tag 100, B the tag 200: B sends 100, A sends 200.
#[rustfmt::skip]
const HANDSHAKE: [Row<'static>; 4] = [
    (A,   0, &[(INIT, 0, 100)],     Seen::New(10),      CL),
    (B, 100, &[(INIT_ACK, 0, 200)], Seen::Accepted(3),  CW),
    (A, 200, &[(COOKIE_ECHO, 0, 0)], Seen::Accepted(3),  CE),
    (B, 100, &[(COOKIE_ACK, 0, 0)],    Seen::Assured(210), ES),
];

fn after_handshake(title: &str, rows: &[Row<'_>]) {
    check(title, &[&HANDSHAKE[..], rows].concat());
}

#[test]
#[rustfmt::skip]
fn life() {
    after_handshake("shutdown by the originator", &[
        (A, 200, &[one(DATA), one(SACK)],      Seen::Accepted(210), ES),
        (B, 999, &[one(DATA)],                 TAG,                 ES),
        (B, 100, &[one(HEARTBEAT)],            Seen::Accepted(210), ES),
        (A, 200, &[one(SHUTDOWN)],             Seen::Accepted(3),   SS),
        (B, 100, &[one(SHUTDOWN_ACK)],         Seen::Accepted(3),   SA),
        (A, 200, &[one(SHUTDOWN_COMPLETE)],    Seen::Accepted(10),  CL),
    ]);
    after_handshake("shutdown by the responder", &[
        (B, 100, &[one(SHUTDOWN)],             Seen::Accepted(3),   SR),
        (A, 200, &[one(SHUTDOWN_ACK)],         Seen::Accepted(3),   SA),
        (B, 200, &[one(SHUTDOWN_COMPLETE)],    TAG,                 SA),
        (B, 200, &[(SHUTDOWN_COMPLETE, 1, 0)], Seen::Accepted(10),  CL),
    ]);
    after_handshake("abort", &[
        (B, 200, &[one(ABORT)],                TAG,                 ES),
        (B, 100, &[(ABORT, 1, 0)],             TAG,                 ES),
        (B, 100, &[one(ABORT)],                Seen::Accepted(10),  CL),
    ]);
}

#[test]
#[rustfmt::skip]
fn openings() {
    let rows: [(u32, &[Chunk], Seen, &str); 19] = [
        (0, &[(INIT, 0, 7)],                   Seen::New(10), CL),
        (7, &[(INIT, 0, 7)],                   TAG,           NO),
        (0, &[(INIT_ACK, 0, 7)],               Seen::New(10), CL),
        (7, &[(INIT_ACK, 0, 7)],               TAG,           NO),
        (0, &[one(SHUTDOWN)],                  Seen::New(10), CL),
        (7, &[one(SHUTDOWN)],                  TAG,           NO),
        (7, &[one(SHUTDOWN_ACK)],              Seen::New(3),  SA),
        (7, &[one(HEARTBEAT)],                 Seen::New(30), HS),
        (7, &[one(HEARTBEAT_ACK)],             Seen::New(10), CL),
        (7, &[one(HEARTBEAT), one(SHUTDOWN)],  Seen::New(10), CL),
        (7, &[one(COOKIE_ECHO)],               TAG,           NO),
        (0, &[one(COOKIE_ECHO)],               Seen::New(10), CL),
        (0, &[one(COOKIE_ACK)],                CHUNK,         NO),
        (0, &[one(ABORT)],                     CHUNK,         NO),
        (0, &[one(SHUTDOWN_COMPLETE)],         CHUNK,         NO),
        (0, &[one(DATA)],                      CHUNK,         NO),
        (7, &[one(HEARTBEAT), one(DATA)],      CHUNK,         NO),
        (0, &[one(64)],                        CHUNK,         NO),
        (0, &[],                               CHUNK,         NO),
    ];
    for (tag, chunks, seen, state) in rows {
        check("opening", &[(A, tag, chunks, seen, state)]);
    }
}

#[test]
#[rustfmt::skip]
fn chunks_that_stand_alone_or_first() {
    after_handshake("bundles", &[
        (A, 200, &[one(SHUTDOWN), one(COOKIE_ECHO)],        CHUNK,               ES),
        (A, 200, &[one(DATA), one(COOKIE_ACK)],             CHUNK,               ES),
        (A, 200, &[one(COOKIE_ECHO), one(DATA)],            Seen::Accepted(210), ES),
        (A,   0, &[(INIT, 0, 100), one(DATA)],              CHUNK,               ES),
        (A, 200, &[one(SHUTDOWN_COMPLETE), one(DATA)],      CHUNK,               ES),
        (A, 200, &[one(DATA), one(SHUTDOWN_COMPLETE)],      CHUNK,               ES),
        (A, 200, &[one(15), one(64), one(193)],             Seen::Accepted(210), ES),
    ]);
}

#[test]
#[rustfmt::skip]
fn repeated_init() {
    check("an INIT that is repeated does not refresh", &[
        (A,   0, &[(INIT, 0, 100)],      Seen::New(10),      CL),
        (A,   0, &[(INIT, 0, 100)],      Seen::Passed,       CL),
        (B, 100, &[(INIT_ACK, 0, 200)],  Seen::Accepted(3),  CW),
        (B, 100, &[(INIT_ACK, 0, 201)],  Seen::Accepted(3),  CW),
        (A, 200, &[one(COOKIE_ECHO)],    TAG,                CW),
        (A, 201, &[one(COOKIE_ECHO)],    Seen::Accepted(3),  CE),
    ]);
    after_handshake("an INIT with its old tag chooses nothing", &[
        (A,   0, &[(INIT, 0, 100)],      Seen::Accepted(210), ES),
        (B, 100, &[(INIT_ACK, 0, 201)],  TAG,                 ES),
        (B, 100, &[(INIT_ACK, 0, 200)],  Seen::Accepted(210), ES),
    ]);
    after_handshake("an INIT with another tag begins anew", &[
        (A,   0, &[(INIT, 0, 150)],      Seen::Accepted(210), ES),
        (B, 150, &[(INIT_ACK, 0, 201)],  Seen::Accepted(210), ES),
        (A, 201, &[one(DATA)],           Seen::Accepted(210), ES),
    ]);
    check("INIT from both ends", &[
        (A,   0, &[(INIT, 0, 100)],      Seen::New(10),      CL),
        (B,   0, &[(INIT, 0, 200)],      Seen::Passed,       CL),
        (A, 200, &[(INIT_ACK, 0, 101)],  TAG,                CL),
        (A, 200, &[(INIT_ACK, 0, 100)],  Seen::Accepted(10), CL),
        (B, 100, &[(INIT_ACK, 0, 200)],  Seen::Accepted(3),  CW),
    ]);
}

#[test]
#[rustfmt::skip]
fn heartbeats() {
    check("a second path", &[
        (A, 200, &[one(HEARTBEAT)],            Seen::New(30),       HS),
        (B, 100, &[one(HEARTBEAT_ACK)],        Seen::Assured(210),  ES),
        (A, 200, &[one(DATA)],                 Seen::Accepted(210), ES),
        (B, 100, &[one(DATA)],                 Seen::Accepted(210), ES),
    ]);
    check("an answer to a heartbeat must be one", &[
        (A, 200, &[one(HEARTBEAT)],            Seen::New(30),       HS),
        (B, 0,   &[(INIT, 0, 1)],              CHUNK,               HS),
        (B, 0,   &[one(DATA)],                 Seen::Accepted(30),  HS),
        (B, 100, &[one(DATA)],                 TAG,                 HS),
    ]);
    after_handshake("a heartbeat with an unknown tag, acknowledged", &[
        (A, 333, &[one(HEARTBEAT)],            Seen::Passed,        ES),
        (B, 444, &[one(HEARTBEAT_ACK)],        Seen::Accepted(210), ES),
        (B, 444, &[one(DATA)],                 Seen::Accepted(210), ES),
        (A, 333, &[one(HEARTBEAT)],            Seen::Accepted(210), ES),
        (A, 333, &[one(DATA)],                 Seen::Accepted(210), ES),
    ]);
    after_handshake("with data it is not believed, nor an answer to nothing", &[
        (A, 333, &[one(HEARTBEAT), one(DATA)], TAG,                 ES),
        (B, 444, &[one(HEARTBEAT_ACK)],        TAG,                 ES),
    ]);
}

#[test]
fn a_bad_chunk_does_not_undo_the_ones_before() {
    let rows: &[Row<'_>] = &[
        (A, 0, &[(INIT, 0, 100)], Seen::New(10), CL),
        (B, 100, &[(INIT_ACK, 0, 200)], Seen::Accepted(3), CW),
        (A, 200, &[one(COOKIE_ECHO)], Seen::Accepted(3), CE),
        (B, 7, &[one(COOKIE_ACK), one(ABORT)], TAG, ES),
    ];
    check("COOKIE ACK and a forged ABORT", rows);
}

#[test]
fn header() {
    let mut bench = Bench::new(KernelVersion::DEFAULT);
    let init = packet(A, 0, &[(INIT, 0, 100)]);
    let bad = init.clone().checksum(Checksum::Wrong);
    assert_eq!(bench.play(&bad), Seen::Invalid(Reason::BadChecksum));
    bench.prerouting = false;
    assert_eq!(bench.play(&bad), Seen::New(10));
    assert_eq!(bench.status(), Status::CONFIRMED);
    // A chunk of length zero; an INIT whose fixed part is cut.
    for (payload, expected) in [(vec![0, 0, 0, 0], CHUNK), (vec![1, 0, 0, 8, 0, 0, 0, 1], CHUNK)] {
        let mut bench = Bench::new(KernelVersion::DEFAULT);
        assert_eq!(bench.play(&init.clone().payload(payload)), expected);
    }
}
