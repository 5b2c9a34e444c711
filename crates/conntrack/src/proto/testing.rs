//! A connection table with one place: what the trackers' tests play packets on.

use super::{Change, Judgement, Packet, ProtoState, Standing, Tunables, icmp, open, packet};
use kinwall_terms::{Direction, KernelVersion, L4Proto, Reason, Status, Time};
use kinwall_wire::{Headers, emit};

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It opened a connection, with this timeout.
    New(u32),
    /// It took the place of a connection that was over, with this timeout.
    Reopened(u32),
    /// It belongs to the connection, which has this timeout from now on.
    Accepted(u32),
    /// As `Accepted`, and the connection is ASSURED from now on.
    Assured(u32),
    /// It belongs to the connection, and refreshes nothing.
    Passed,
    /// It belongs to the connection, and ends it.
    Ended,
    Invalid(Reason),
    /// INVALID, and the connection's deadline was cut to this timeout.
    Cut(u32),
}

struct Connection {
    state: ProtoState,
    status: Status,
    deadline: Time,
    /// Address of the originator.
    originator: std::net::IpAddr,
}

/// The one connection, and its clock.
pub(crate) struct Bench {
    pub(crate) tunables: Tunables,
    pub(crate) now: Time,
    pub(crate) prerouting: bool,
    connection: Option<Connection>,
}

impl Bench {
    pub(crate) fn new(kernel: KernelVersion) -> Bench {
        let tunables = Tunables::new(kernel);
        Bench { tunables, now: Time(1 << 40), prerouting: true, connection: None }
    }

    /// The name of the connection's state, as long as there is a connection.
    pub(crate) fn state(&self) -> Option<&'static str> {
        self.connection.as_ref().and_then(|connection| connection.state.name())
    }

    pub(crate) fn status(&self) -> Status {
        self.connection.as_ref().map_or(Status::empty(), |connection| connection.status)
    }

    /// Plays a packet that was composed.
    pub(crate) fn play(&mut self, composed: &emit::Packet) -> Seen {
        self.play_bytes(&composed.build())
    }

    /// Plays a packet; one that cannot be parsed counts as malformed.
    pub(crate) fn play_bytes(&mut self, bytes: &[u8]) -> Seen {
        let Ok(headers) = Headers::parse(bytes) else {
            return Seen::Invalid(Reason::MalformedNetworkHeader);
        };
        let judged =
            Packet { headers: &headers, bytes, prerouting: self.prerouting, now: self.now };
        if matches!(headers.proto, L4Proto::ICMP | L4Proto::ICMPV6)
            && let Err(reason) = icmp::check(&judged, &self.tunables)
        {
            return Seen::Invalid(reason);
        }
        let Some(connection) = &mut self.connection else { return self.open(&judged) };
        let direction = match headers.src == connection.originator {
            true => Direction::Original,
            false => Direction::Reply,
        };
        let (status, deadline) = (connection.status, connection.deadline);
        let standing = Standing { direction, status, deadline, moved: 0 };
        let timeouts = &self.tunables.timeouts;
        let state = &mut connection.state;
        match packet(state, &standing, &judged, &self.tunables, timeouts) {
            Judgement::Accept(change) => {
                if direction == Direction::Reply {
                    connection.status |= Status::SEEN_REPLY;
                }
                connection.apply(&change, self.now)
            }
            Judgement::Invalid(reason, change) => match connection.apply(&change, self.now) {
                Seen::Accepted(timeout_s) => Seen::Cut(timeout_s),
                _ => Seen::Invalid(reason),
            },
            Judgement::Replace => {
                self.connection = None;
                match self.open(&judged) {
                    Seen::New(timeout_s) => Seen::Reopened(timeout_s),
                    other => other,
                }
            }
            Judgement::AcceptAndKill => {
                self.connection = None;
                Seen::Ended
            }
        }
    }

    fn open(&mut self, judged: &Packet<'_>) -> Seen {
        let opening = match open(judged, &self.tunables, &self.tunables.timeouts) {
            Ok(opening) => opening,
            Err(reason) => return Seen::Invalid(reason),
        };
        self.connection = Some(Connection {
            state: opening.state,
            status: Status::CONFIRMED,
            deadline: self.now.after_s(opening.timeout_s),
            originator: judged.headers.src,
        });
        Seen::New(opening.timeout_s)
    }
}

impl Connection {
    fn apply(&mut self, change: &Change, now: Time) -> Seen {
        let newly = change.assured && !self.status.contains(Status::ASSURED);
        self.status.set(Status::ASSURED, newly || self.status.contains(Status::ASSURED));
        let Some(timeout_s) = change.timeout_s else { return Seen::Passed };
        self.deadline = now.after_s(timeout_s);
        if newly { Seen::Assured(timeout_s) } else { Seen::Accepted(timeout_s) }
    }
}
