//! Whole conversations, segment by segment.
//!
//! Every row was played through Linux 6.18 with these settings and gave this state, this timeout
//! and this status there.

use super::settings::Tunables;
use crate::proto::testing::{Bench, Seen};
use kinwall_terms::{KernelVersion, L4Proto, Reason, Status};
use kinwall_wire::TcpFlags;
use kinwall_wire::emit::{Packet, Tcp};

/// The two ends; the first of them to send is the originator.
#[derive(Clone, Copy, Debug)]
enum End {
    A,
    B,
}
use End::{A, B};

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Opens a connection.
    New,
    /// Opens one in the place of the old one.
    Reopened,
    /// Accepted, with this timeout.
    Accepted,
    /// The same, and the connection becomes ASSURED.
    Assured,
    /// Passes without refreshing the deadline.
    Passed,
    /// Accepted, and the connection is gone.
    Ended,
    Invalid,
    /// INVALID, and the deadline is cut to this timeout.
    Cut,
}
const NEW: Fate = Fate::New;
const REO: Fate = Fate::Reopened;
const ACC: Fate = Fate::Accepted;
const ASR: Fate = Fate::Assured;
const PAS: Fate = Fate::Passed;
const END: Fate = Fate::Ended;
const INV: Fate = Fate::Invalid;
const CUT: Fate = Fate::Cut;

const NO: &str = "";
const SS: &str = "SYN_SENT";
const SR: &str = "SYN_RECV";
const ES: &str = "ESTABLISHED";
const FW: &str = "FIN_WAIT";
const CW: &str = "CLOSE_WAIT";
const LA: &str = "LAST_ACK";
const TW: &str = "TIME_WAIT";
const CL: &str = "CLOSE";
const S2: &str = "SYN_SENT2";

/// MSS, SACK permitted, window scale 7.
const SCALE_7: &[u8] = &[2, 4, 5, 180, 4, 2, 1, 3, 3, 7];
/// SACK permitted, window scale 2.
const SCALE_2: &[u8] = &[4, 2, 3, 3, 2, 1, 1, 1];
/// SACK permitted.
const SACK_OK: &[u8] = &[4, 2, 1, 1];
/// A SACK block of 1501 to 2001.
const SACK_SENT: &[u8] = &[1, 1, 5, 10, 0, 0, 5, 221, 0, 0, 7, 209];
/// A SACK block of 1501 to 67537.
const SACK_UNSENT: &[u8] = &[1, 1, 5, 10, 0, 0, 5, 221, 0, 1, 7, 209];

/// Sender, flags, payload length, sequence number, acknowledgement, window, options; then what
/// becomes of the segment, the state after it and the timeout.
type Row = (End, &'static str, usize, u32, u32, u16, &'static [u8], Fate, &'static str, u32);

struct Scenario {
    title: &'static str,
    tunables: Tunables,
    rows: &'static [Row],
}

const DEFAULT: Tunables =
    Tunables { loose: true, be_liberal: false, ignore_invalid_rst: false, max_retrans: 3 };

fn flags(names: &str) -> TcpFlags {
    names.chars().fold(TcpFlags::empty(), |flags, name| {
        flags
            | match name {
                'F' => TcpFlags::FIN,
                'S' => TcpFlags::SYN,
                'R' => TcpFlags::RST,
                'P' => TcpFlags::PSH,
                'A' => TcpFlags::ACK,
                'U' => TcpFlags::URG,
                'E' => TcpFlags::ECE,
                'C' => TcpFlags::CWR,
                other => panic!("flag {other}"),
            }
    })
}

fn segment(row: &Row) -> Packet {
    let &(end, names, length, seq, ack, window, options, ..) = row;
    let ends = [([10, 0, 0, 1], 40000), ([10, 0, 0, 2], 80)];
    let [(src, sport), (dst, dport)] = match end {
        A => ends,
        B => [ends[1], ends[0]],
    };
    let tcp = Tcp::new(sport, dport).flags(flags(names)).seq(seq).ack(ack);
    Packet::new(src, dst, tcp.window(window).options(options)).payload(vec![0; length])
}

/// Plays a scenario and compares every row.
fn check(scenario: &Scenario, bench: &mut Bench) {
    bench.tunables.tcp = scenario.tunables;
    for (number, row) in scenario.rows.iter().enumerate() {
        let &(.., fate, state, timeout_s) = row;
        let found = match bench.play(&segment(row)) {
            Seen::New(timeout_s) => (NEW, timeout_s),
            Seen::Reopened(timeout_s) => (REO, timeout_s),
            Seen::Accepted(timeout_s) => (ACC, timeout_s),
            Seen::Assured(timeout_s) => (ASR, timeout_s),
            Seen::Passed => (PAS, 0),
            Seen::Ended => (END, 0),
            Seen::Invalid(_) => (INV, 0),
            Seen::Cut(timeout_s) => (CUT, timeout_s),
        };
        let title = scenario.title;
        let found = (found.0, bench.state().unwrap_or(NO), found.1);
        assert_eq!(found, (fate, state, timeout_s), "{title}, row {number}: {row:?}");
    }
}

#[test]
fn scenarios() {
    for scenario in SCENARIOS {
        check(scenario, &mut Bench::new(KernelVersion::DEFAULT));
    }
}

#[test]
fn inexact_rst_before_6_18() {
    let mut bench = Bench::new(KernelVersion::new(6, 12, 0));
    let [open @ .., last] = INEXACT_RST else { panic!("no rows") };
    for row in open {
        bench.play(&segment(row));
    }
    assert_eq!(bench.play(&segment(last)), Seen::Accepted(300));
    assert_eq!(bench.state(), Some(ES));
}

#[rustfmt::skip]
const INEXACT_RST: &[Row] = &[
    (A, "S",  0, 1000,    0, 29200, &[], NEW, SS, 120),
    (B, "SA", 0, 5000, 1001, 28960, &[], ACC, SR, 60),
    (A, "A",  0, 1001, 5001, 29200, &[], ASR, ES, 432000),
    (B, "R",  0, 5002,    0,     0, &[], ACC, ES, 300),
];

/// What a header must be like, before its numbers count.
#[test]
fn headers() {
    let row: Row = (A, "S", 0, 1000, 0, 29200, &[], NEW, SS, 120);
    let good = segment(&row).build();
    let set = |offset: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[offset] = value;
        bytes
    };
    let cut = Packet::new([10, 0, 0, 1], [10, 0, 0, 2], L4Proto::TCP).payload(vec![0; 18]);
    let rows = [
        ("good", good.clone(), true, Ok(())),
        ("data offset 16", set(32, 0x40), true, Err(Reason::BadLength)),
        ("data offset beyond the packet", set(32, 0x60), true, Err(Reason::BadLength)),
        ("wrong checksum", set(36, 1), true, Err(Reason::BadChecksum)),
        ("wrong checksum, sent by the gateway itself", set(36, 1), false, Ok(())),
        ("cut short", cut.build(), true, Err(Reason::TruncatedTransportHeader)),
    ];
    for (title, bytes, prerouting, expected) in rows {
        let mut bench = Bench::new(KernelVersion::DEFAULT);
        bench.prerouting = prerouting;
        let found = match bench.play_bytes(&bytes) {
            Seen::New(_) => Ok(()),
            Seen::Invalid(reason) => Err(reason),
            other => panic!("{title}: {other:?}"),
        };
        assert_eq!(found, expected, "{title}");
    }
}

#[test]
fn checksums_are_not_verified_when_switched_off() {
    let row: Row = (A, "S", 0, 1000, 0, 29200, &[], NEW, SS, 120);
    let mut bytes = segment(&row).build();
    bytes[36] ^= 1;
    let mut bench = Bench::new(KernelVersion::DEFAULT);
    bench.tunables.checksum = false;
    assert_eq!(bench.play_bytes(&bytes), Seen::New(120));
}

/// The counter of repetitions has eight bits, and Linux lets it wrap.
#[test]
fn repetitions_wrap() {
    let mut bench = Bench::new(KernelVersion::DEFAULT);
    for row in &INEXACT_RST[..3] {
        bench.play(&segment(row));
    }
    let ack = segment(&INEXACT_RST[2]);
    let timeouts: Vec<bool> = (0..300).map(|_| bench.play(&ack) == Seen::Accepted(300)).collect();
    let short = |range: std::ops::Range<usize>| timeouts[range].iter().all(|&short| short);
    let long = |range: std::ops::Range<usize>| timeouts[range].iter().all(|&short| !short);
    assert!(long(0..2) && short(2..255) && long(255..258) && short(258..300), "{timeouts:?}");
}

#[test]
fn status() {
    let mut bench = Bench::new(KernelVersion::DEFAULT);
    let handshake = [Status::empty(), Status::SEEN_REPLY, Status::SEEN_REPLY | Status::ASSURED];
    for (row, added) in INEXACT_RST.iter().zip(handshake) {
        bench.play(&segment(row));
        assert_eq!(bench.status(), Status::CONFIRMED | added, "{row:?}");
    }
}

#[rustfmt::skip]
const SCENARIOS: &[Scenario] = &[
    Scenario {
        title: "the whole life",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "PA",     100,   1001,       5001, 29200, &[],         ACC, ES,    300),
            (B, "A",        0,   5001,       1101, 28960, &[],         ACC, ES, 432000),
            (B, "PA",     500,   5001,       1101, 28960, &[],         ACC, ES,    300),
            (A, "A",        0,   1101,       5501, 29200, &[],         ACC, ES, 432000),
            (A, "FA",       0,   1101,       5501, 29200, &[],         ACC, FW,    120),
            (B, "A",        0,   5501,       1102, 28960, &[],         ACC, CW,     60),
            (B, "FA",       0,   5501,       1102, 28960, &[],         ACC, LA,     30),
            (A, "A",        0,   1102,       5502, 29200, &[],         ACC, TW,    120),
            (A, "A",        0,   1102,       5502, 29200, &[],         ACC, TW,    120),
        ],
    },
    Scenario {
        title: "lost segments of the handshake",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (A, "S",        0,   1000,          0, 29200, &[],         PAS, SS,      0),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (B, "SA",       0,   5000,       1001, 28960, &[],         PAS, SR,      0),
            (A, "S",        0,   1000,          0, 29200, &[],         PAS, SR,      0),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (B, "A",        0,   5001,       1001, 28960, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "the originator gives up and tries with new numbers",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (A, "S",        0,   9000,          0, 29200, &[],         PAS, SS,      0),
            (B, "SA",       0,   5000,       9001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   9001,       5001, 29200, &[],         ASR, ES, 432000),
        ],
    },
    Scenario {
        title: "simultaneous open",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "S",        0,   5000,          0, 28960, &[],         PAS, S2,      0),
            (A, "SA",       0,   1000,       5001, 29200, &[],         ACC, SR,     60),
            (B, "SA",       0,   5000,       1001, 28960, &[],         PAS, SR,      0),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
        ],
    },
    Scenario {
        title: "simultaneous open, the last ACK from the responder",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "S",        0,   5000,          0, 28960, &[],         PAS, S2,      0),
            (A, "SA",       0,   1000,       5001, 29200, &[],         ACC, SR,     60),
            (B, "A",        0,   5001,       1001, 28960, &[],         ASR, ES, 432000),
            (A, "A",        0,   1001,       5001, 29200, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "what opens no connection",
        tunables: DEFAULT,
        rows: &[
            (A, "SA",       0,   1000,          1, 29200, &[],         INV, NO,      0),
            (A, "FA",       0,   1000,          1, 29200, &[],         INV, NO,      0),
            (A, "R",        0,   1000,          0, 29200, &[],         INV, NO,      0),
            (A, "RA",       0,   1000,          1, 29200, &[],         INV, NO,      0),
        ],
    },
    Scenario {
        title: "the responder still knows the old connection: challenge, RST, SYN",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "A",        0,   7000,        500, 28960, &[],         PAS, SS,      0),
            (A, "R",        0,    500,          0,     0, &[],         ACC, CL,     10),
            (A, "S",        0,   1000,          0, 29200, &[],         REO, SS,    120),
        ],
    },
    Scenario {
        title: "refused",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "RA",       0,      0,       1001,     0, &[],         END, NO,      0),
        ],
    },
    Scenario {
        title: "given up by its originator",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (A, "R",        0,   1001,          0,     0, &[],         END, NO,      0),
        ],
    },
    Scenario {
        title: "picked up in the middle",
        tunables: DEFAULT,
        rows: &[
            (A, "A",        0,   1001,       5001,   500, &[],         NEW, ES,    300),
            (A, "PA",     100,   1001,       5001,   500, &[],         ACC, ES,    300),
            (B, "A",        0,   5001,       1101, 28960, &[],         ACC, ES,    300),
            (A, "A",        0,   1101,       5001,   500, &[],         ASR, ES,    300),
            (B, "PA",    9000,   5001,       1101, 28960, &[],         ACC, ES,    300),
            (A, "A",        0,   1101,      14001,   500, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "not picked up in strict mode",
        tunables: Tunables { loose: false, ..DEFAULT },
        rows: &[
            (A, "A",        0,   1001,       5001,   500, &[],         INV, NO,      0),
        ],
    },
    Scenario {
        title: "the four window checks",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0,  1000, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001,  1000, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001,  1000, &[],         ASR, ES, 432000),
            (A, "A",     1000,   1001,       5001,  1000, &[],         ACC, ES,    300),
            (A, "A",     1000,   1001,       5001,  1000, &[],         ACC, ES,    300),
            (A, "A",        1,   2001,       5001,  1000, &[],         ACC, ES,    300),
            (A, "A",        1,   3003,       5001,  1000, &[],         INV, ES,      0),
            (B, "A",        0,   5001,       2002,  1000, &[],         ACC, ES, 432000),
            (B, "A",        0,   5001,       4000,  1000, &[],         INV, ES,      0),
            (B, "A",        0,   5001,       1001,  1000, &[],         ACC, ES, 432000),
            (A, "A",        1,      0,       5001,  1000, &[],         PAS, ES,      0),
            (A, "A",        1,   2002, 4294900000,  1000, &[],         PAS, ES,      0),
        ],
    },
    Scenario {
        title: "more than the window allows, and yet acknowledged",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0,  1000, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001,  1000, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001,  1000, &[],         ASR, ES, 432000),
            (A, "A",     1000,   1001,       5001,  1000, &[],         ACC, ES,    300),
            (A, "A",      500,   2002,       5001,  1000, &[],         PAS, ES,      0),
            (B, "A",        0,   5001,       2502,  1000, &[],         ACC, ES, 432000),
            (A, "A",        0,   2502,       5001,  1000, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "window scaling, offered by both ends",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0,  1000, SCALE_7,     NEW, SS,    120),
            (B, "SA",       0,   5000,       1001,  1000, SCALE_7,     ACC, SR,     60),
            (A, "A",        0,   1001,       5001,  1000, &[],         ASR, ES, 432000),
            (B, "A",        0,   5001,       1001,  1000, &[],         ACC, ES, 432000),
            (A, "A",    60000,   1001,       5001,  1000, &[],         ACC, ES,    300),
            (A, "A",    60000,  61001,       5001,  1000, &[],         ACC, ES,    300),
            (A, "A",    10000, 121001,       5001,  1000, &[],         ACC, ES,    300),
            (A, "A",        1, 300000,       5001,  1000, &[],         INV, ES,      0),
        ],
    },
    Scenario {
        title: "window scaling, offered by one end only",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0,  1000, SCALE_7,     NEW, SS,    120),
            (B, "SA",       0,   5000,       1001,  1000, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001,  1000, &[],         ASR, ES, 432000),
            (B, "A",        0,   5001,       1001,  1000, &[],         ACC, ES, 432000),
            (A, "A",    60000,   1001,       5001,  1000, &[],         ACC, ES,    300),
        ],
    },
    Scenario {
        title: "SACK edges count as acknowledgements",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0,  1000, SACK_OK,     NEW, SS,    120),
            (B, "SA",       0,   5000,       1001,  1000, SACK_OK,     ACC, SR,     60),
            (A, "A",        0,   1001,       5001,  1000, &[],         ASR, ES, 432000),
            (A, "A",      500,   1501,       5001,  1000, &[],         ACC, ES,    300),
            (B, "A",        0,   5001,       1001,  1000, SACK_SENT,   ACC, ES,    300),
            (B, "A",        0,   5001,       1001,  1000, SACK_UNSENT, INV, ES,      0),
            (A, "A",      500,   1001,       5001,  1000, &[],         ACC, ES,    300),
            (B, "A",        0,   5001,       2001,  1000, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "outside the window, but liberal",
        tunables: Tunables { be_liberal: true, ..DEFAULT },
        rows: &[
            (A, "S",        0,   1000,          0,  1000, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001,  1000, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001,  1000, &[],         ASR, ES, 432000),
            (A, "A",        1, 900000,       5001,  1000, &[],         ACC, ES, 432000),
            (B, "A",        0,   5001,     900001,  1000, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "a keep-alive probe opens",
        tunables: DEFAULT,
        rows: &[
            (A, "A",        0,   1000,       5001,  1000, &[],         NEW, ES,    300),
            (B, "A",        0,   5001,       1001,  1000, &[],         ACC, ES,    300),
        ],
    },
    Scenario {
        title: "the same ACK four times",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "PA",     100,   1001,       5001, 29200, &[],         ACC, ES,    300),
            (A, "PA",     100,   1001,       5001, 29200, &[],         ACC, ES,    300),
            (B, "A",        0,   5001,       1101, 28960, &[],         ACC, ES, 432000),
            (B, "A",        0,   5001,       1101, 28960, &[],         ACC, ES, 432000),
            (B, "A",        0,   5001,       1101, 28960, &[],         ACC, ES, 432000),
            (B, "A",        0,   5001,       1101, 28960, &[],         ACC, ES,    300),
            (A, "A",        0,   1101,       5001, 29200, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "a closed window",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (B, "A",        0,   5001,       1001,     0, &[],         ACC, ES,    300),
            (A, "A",        1,   1001,       5001, 29200, &[],         ACC, ES,    300),
            (B, "A",        0,   5001,       1001,     0, &[],         ACC, ES,    300),
            (B, "A",        0,   5001,       1002, 28960, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "SYN in an open connection: its SYN+ACK resynchronises",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "S",        0,   9000,          0,   700, SCALE_2,     PAS, ES,      0),
            (B, "SA",       0,  60000,       9001, 28960, SCALE_2,     ACC, SR,     60),
            (A, "A",        0,   9001,      60001,   700, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "SYN in an open connection: challenged",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "S",        0,   9000,          0,   700, &[],         PAS, ES,      0),
            (B, "A",        0,   5001,       1001, 28960, &[],         ACC, ES, 432000),
            (A, "R",        0,   1001,          0,     0, &[],         ACC, CL,     10),
        ],
    },
    Scenario {
        title: "a challenge is no ACK of the last FIN",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (B, "FA",       0,   5001,       1001, 28960, &[],         ACC, FW,    120),
            (A, "A",        0,   1001,       5002, 29200, &[],         ACC, CW,     60),
            (A, "FA",       0,   1001,       5002, 29200, &[],         ACC, LA,     30),
            (A, "S",        0,   9000,          0, 29200, &[],         PAS, LA,      0),
            (B, "A",        0,   5002,       1002, 28960, &[],         PAS, LA,      0),
            (B, "A",        0,   5002,       1002, 28960, &[],         ACC, TW,    120),
        ],
    },
    Scenario {
        title: "reopened in TIME_WAIT",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "FA",       0,   1001,       5001, 29200, &[],         ACC, FW,    120),
            (B, "FA",       0,   5001,       1002, 28960, &[],         ACC, LA,     30),
            (A, "A",        0,   1002,       5002, 29200, &[],         ACC, TW,    120),
            (A, "S",        0,   9000,          0, 29200, &[],         REO, SS,    120),
            (B, "SA",       0,  60000,       9001, 28960, &[],         ACC, SR,     60),
        ],
    },
    Scenario {
        title: "reopened by the other end",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "FA",       0,   1001,       5001, 29200, &[],         ACC, FW,    120),
            (B, "FA",       0,   5001,       1002, 28960, &[],         ACC, LA,     30),
            (A, "A",        0,   1002,       5002, 29200, &[],         ACC, TW,    120),
            (B, "S",        0,  70000,          0, 29200, &[],         REO, SS,    120),
        ],
    },
    Scenario {
        title: "only who sent the RST may reopen",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "R",        0,   1001,          0,     0, &[],         ACC, CL,     10),
            (B, "S",        0,  70000,          0, 29200, &[],         INV, CL,      0),
            (A, "S",        0,   9000,          0, 29200, &[],         REO, SS,    120),
        ],
    },
    Scenario {
        title: "SYN after the RST of the other end: ignored, then resynchronised",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (B, "R",        0,   5001,          0,     0, &[],         ACC, CL,     10),
            (A, "S",        0,   9000,          0, 29200, &[],         PAS, CL,      0),
            (B, "SA",       0,  60000,       9001, 28960, &[],         ACC, SR,     60),
        ],
    },
    Scenario {
        title: "RST: old, inexact, out of window, exact",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (B, "PA",     100,   5001,       1001, 28960, &[],         ACC, ES,    300),
            (A, "A",        0,   1001,       5101, 29200, &[],         ACC, ES, 432000),
            (B, "R",        0,   5100,          0,     0, &[],         INV, ES,      0),
            (B, "R",        0,   5102,          0,     0, &[],         ACC, ES,     10),
            (B, "R",        0,  90000,          0,     0, &[],         INV, ES,      0),
            (A, "A",        0,   1001,       5101, 29200, &[],         ACC, ES,    300),
            (B, "R",        0,   5101,          0,     0, &[],         ACC, CL,     10),
        ],
    },
    Scenario {
        title: "RST that is old, when that is not minded",
        tunables: Tunables { ignore_invalid_rst: true, ..DEFAULT },
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (B, "PA",     100,   5001,       1001, 28960, &[],         ACC, ES,    300),
            (A, "A",        0,   1001,       5101, 29200, &[],         ACC, ES, 432000),
            (B, "R",        0,   5100,          0,     0, &[],         ACC, ES,     10),
        ],
    },
    Scenario {
        title: "RST that follows its own data",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (B, "PA",     100,   5001,       1001, 28960, &[],         ACC, ES,    300),
            (B, "RA",       0,   5101,       1001, 28960, &[],         ACC, CL,     10),
        ],
    },
    Scenario {
        title: "RST of a closing connection: any number will do",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "FA",       0,   1001,       5001, 29200, &[],         ACC, FW,    120),
            (B, "R",        0, 777777,          0,     0, &[],         ACC, CL,     10),
            (A, "FA",       0,   1001,       5001, 29200, &[],         ACC, CL,     10),
        ],
    },
    Scenario {
        title: "a FIN out of window from both ends cuts the deadline",
        tunables: DEFAULT,
        rows: &[
            (A, "S",        0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (B, "SA",       0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "A",        0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "FA",       0, 900000,       5001, 29200, &[],         INV, ES,      0),
            (A, "FA",       0, 900000,       5001, 29200, &[],         INV, ES,      0),
            (B, "FA",       0, 900000,       1001, 28960, &[],         CUT, ES,    300),
            (A, "A",        0,   1001,       5001, 29200, &[],         ACC, ES, 432000),
        ],
    },
    Scenario {
        title: "sets of flags",
        tunables: DEFAULT,
        rows: &[
            (A, "SF",       0,   1000,          0, 29200, &[],         INV, NO,      0),
            (A, "SR",       0,   1000,          0, 29200, &[],         INV, NO,      0),
            (A, "F",        0,   1000,          0, 29200, &[],         INV, NO,      0),
            (A, "FPU",      0,   1000,          0, 29200, &[],         INV, NO,      0),
            (A, "PU",       0,   1000,          0, 29200, &[],         INV, NO,      0),
            (A, "SU",       0,   1000,          0, 29200, &[],         NEW, SS,    120),
            (A, "SEC",      0,   1000,          0, 29200, &[],         PAS, SS,      0),
            (B, "SAE",      0,   5000,       1001, 28960, &[],         ACC, SR,     60),
            (A, "APU",      0,   1001,       5001, 29200, &[],         ASR, ES, 432000),
            (A, "SAU",      0,   1001,       5001, 29200, &[],         INV, ES,      0),
        ],
    },
];
