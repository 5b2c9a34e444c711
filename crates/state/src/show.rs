//! Connections, expectations and events as `conntrack` 1.4.7 prints them, for scripts that read
//! that.
//!
//! ```text
//! tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=21 src=10.0.0.2 dst=10
//!   .0.0.1 sport=21 dport=1000 [ASSURED] mark=0 helper=ftp use=1
//! 299 proto=6 src=10.0.0.2 dst=10.0.0.1 sport=0 dport=4000 mask-src=255.255.255.255 mask-dst=...
//!     [NEW] udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=53 [UNREPLIED] src=...
//! ```
//!
//! What the kernel tells in a list and what in an event differs, and so do their lines: marks of
//! 0, counters and helpers. What `conntrack` does not print (masters, timeouts of their own) is
//! not here either. The id, where it is wanted, is our serial number.

use kinwall_engine::{Changes, Engine, Event, ExpectationView, HelperId, View};
use kinwall_terms::expectation::{ExpectationFlags, Expected};
use kinwall_terms::{Direction, Family, L4Proto, Status, Time, Tuple, ZoneScope};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What lines hold beside the usual: the words of `conntrack -o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `extended`: the family in front.
    pub extended: bool,
    /// `id`: the number at the end.
    pub id: bool,
}

/// A line of `conntrack -L`.
pub fn connection(engine: &Engine, view: &View, now: Time, options: Options) -> String {
    let mut line = Line::default();
    line.head(view, options);
    line.word(view.deadline.map_or(0, |deadline| deadline.since(now).as_secs()));
    if let Some(state) = view.state {
        line.word(state);
    }
    line.tuples(view, true);
    line.word(format_args!("mark={}", view.mark));
    line.zone(view);
    line.helper(engine, view.helper);
    // One of the table, and one of each child.
    line.word(format_args!("use={}", 1 + engine.conntrack().child_count(view.id)));
    line.id(view.serial, options);
    line.end()
}

/// A line of `conntrack -L expect`.
pub fn expectation(engine: &Engine, view: &ExpectationView, now: Time, options: Options) -> String {
    let mut line = Line::default();
    line.word(view.deadline.since(now).as_secs());
    line.expected(engine, view);
    line.id(view.serial, options);
    line.end()
}

/// `conntrack -E`: what happens to connections, told as the kernel does. Changes are told when a
/// packet of their connection has passed all rules, in one line; until then they wait.
#[derive(Debug, Default)]
pub struct Follower {
    waiting: BTreeMap<u64, Changed>,
}

/// A connection that has changed in ways that were not told yet.
#[derive(Clone, Copy, Debug)]
struct Changed {
    changes: Changes,
    latest: View,
}

/// Most connections whose changes wait. With more, those that are gone are forgotten, and if none
/// are, all: a follower tells the present, not the past.
const WAITING_MAX_COUNT: usize = 1 << 16;

impl Follower {
    /// The lines of one packet, from the events since the last one. `passed`: the serial number of
    /// its connection, if the packet was accepted.
    pub fn packet(
        &mut self,
        engine: &Engine,
        events: &[Event],
        passed: Option<u64>,
        now: Time,
        options: Options,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        for event in events {
            match event {
                Event::ConnectionNew(view) => {
                    self.waiting.remove(&view.serial);
                    lines.push(happened("    [NEW]", engine, view, None, now, options));
                }
                Event::ConnectionUpdate(view, changes) => self.wait(engine, view, *changes),
                Event::ConnectionDestroyed(view, _) => {
                    self.waiting.remove(&view.serial);
                    lines.push(destroyed(view, now, options));
                }
                Event::ExpectationNew(_)
                | Event::ExpectationMatched(..)
                | Event::ExpectationDestroyed(..) => {}
            }
        }
        if let Some(Changed { changes, latest }) =
            passed.and_then(|serial| self.waiting.remove(&serial))
        {
            let view = engine.conntrack().connection(latest.id).unwrap_or(latest);
            lines.push(happened(" [UPDATE]", engine, &view, Some(changes), now, options));
        }
        lines
    }

    fn wait(&mut self, engine: &Engine, view: &View, changes: Changes) {
        if self.waiting.len() >= WAITING_MAX_COUNT {
            let table = engine.conntrack();
            self.waiting.retain(|_, changed| table.connection(changed.latest.id).is_some());
            if self.waiting.len() >= WAITING_MAX_COUNT {
                self.waiting.clear();
            }
        }
        let changed = self.waiting.entry(view.serial);
        let changed = changed.or_insert(Changed { changes: Changes::empty(), latest: *view });
        *changed = Changed { changes: changed.changes | changes, latest: *view };
    }
}

/// What happened to expectations, as `conntrack -E expect` prints it.
pub fn expectation_event(
    engine: &Engine,
    event: &Event,
    now: Time,
    options: Options,
) -> Option<String> {
    let (word, view) = match event {
        Event::ExpectationNew(view) => ("    [NEW]", view),
        Event::ExpectationDestroyed(view, _) => ("[DESTROY]", view),
        _ => return None,
    };
    let mut line = Line::default();
    line.word(word);
    line.word(view.deadline.since(now).as_secs());
    line.expected(engine, view);
    line.id(view.serial, options);
    Some(line.end())
}

/// A connection is new (`None`), or has changed so.
fn happened(
    word: &str,
    engine: &Engine,
    view: &View,
    changes: Option<Changes>,
    now: Time,
    options: Options,
) -> String {
    let mut line = Line::default();
    line.word(word);
    line.head(view, options);
    line.word(view.deadline.map_or(0, |deadline| deadline.since(now).as_secs()));
    let has_changed = |what| changes.is_none_or(|changes| changes.contains(what));
    if let Some(state) = view.state.filter(|_| has_changed(Changes::STATE)) {
        line.word(state);
    }
    line.tuples(view, false);
    if view.mark != 0 || changes.is_some_and(|changes| changes.contains(Changes::MARK)) {
        line.word(format_args!("mark={}", view.mark));
    }
    line.zone(view);
    line.helper(engine, view.helper);
    line.id(view.serial, options);
    line.end()
}

fn destroyed(view: &View, now: Time, options: Options) -> String {
    let mut line = Line::default();
    line.word("[DESTROY]");
    line.head(view, options);
    let left_s = view.deadline.map_or(0, |deadline| deadline.since(now).as_secs());
    if left_s > 0 {
        line.word(left_s);
    }
    if let Some(state) = view.state {
        line.word(state);
    }
    line.tuples(view, true);
    if view.mark != 0 {
        line.word(format_args!("mark={}", view.mark));
    }
    line.zone(view);
    line.id(view.serial, options);
    line.end()
}

/// Words with a blank behind each.
#[derive(Default)]
struct Line(String);

impl Line {
    fn word(&mut self, word: impl std::fmt::Display) {
        // Writing to a string does not fail.
        _ = write!(self.0, "{word} ");
    }

    fn end(mut self) -> String {
        self.0.truncate(self.0.trim_end().len());
        self.0
    }

    /// Family, where it is wanted, and protocol.
    fn head(&mut self, view: &View, options: Options) {
        let proto = view.original.proto;
        let (family, number) = match view.original.family() {
            Family::Ipv4 => ("ipv4", 2),
            Family::Ipv6 => ("ipv6", 10),
        };
        if options.extended {
            self.word(format_args!("{family:<8} {number}"));
        }
        self.word(format_args!("{:<8} {}", protocol_name(proto), proto.0));
    }

    fn tuples(&mut self, view: &View, counts: bool) {
        let counters = view.counters.filter(|_| counts);
        for direction in Direction::ALL {
            let (tuple, scope, word) = match direction {
                Direction::Original => (&view.original, ZoneScope::Original, "zone-orig"),
                Direction::Reply => (&view.reply, ZoneScope::Reply, "zone-reply"),
            };
            self.word(format_args!("src={} dst={}", Address(tuple.src), Address(tuple.dst)));
            self.ports(tuple);
            if view.zone.scope == scope && view.zone.id != 0 {
                self.word(format_args!("{word}={}", view.zone.id));
            }
            if let Some(counters) = counters {
                let counter = counters[direction.index()];
                self.word(format_args!("packets={} bytes={}", counter.packets, counter.bytes));
            }
            let answered = view.status.contains(Status::SEEN_REPLY);
            if direction == Direction::Original && !answered {
                self.word("[UNREPLIED]");
            }
        }
        if view.status.contains(Status::ASSURED) {
            self.word("[ASSURED]");
        }
    }

    fn ports(&mut self, tuple: &Tuple) {
        let Tuple { sport, dport, .. } = *tuple;
        match tuple.proto {
            L4Proto::TCP | L4Proto::UDP | L4Proto::UDPLITE | L4Proto::SCTP | L4Proto::DCCP => {
                self.word(format_args!("sport={sport} dport={dport}"));
            }
            L4Proto::ICMP | L4Proto::ICMPV6 => {
                let [kind, code] = dport.to_be_bytes();
                self.word(format_args!("type={kind} code={code} id={sport}"));
            }
            L4Proto::GRE => self.word(format_args!("srckey=0x{sport:x} dstkey=0x{dport:x}")),
            _ => {}
        }
    }

    fn zone(&mut self, view: &View) {
        if view.zone.scope == ZoneScope::Both && view.zone.id != 0 {
            self.word(format_args!("zone={}", view.zone.id));
        }
    }

    fn helper(&mut self, engine: &Engine, helper: Option<HelperId>) {
        if let Some(helper) = helper {
            self.word(format_args!("helper={}", engine.helper_name(helper)));
        }
    }

    fn id(&mut self, serial: u64, options: Options) {
        if options.id {
            self.word(format_args!("id={serial}"));
        }
    }

    /// All of an expectation behind its timeout.
    fn expected(&mut self, engine: &Engine, view: &ExpectationView) {
        let Expected { tuple, mask } = view.expected;
        self.word(format_args!("proto={}", tuple.proto.0));
        self.word(format_args!("src={} dst={}", Address(tuple.src), Address(tuple.dst)));
        self.ports(&tuple);
        let all: IpAddr = match tuple.family() {
            Family::Ipv4 => Ipv4Addr::BROADCAST.into(),
            Family::Ipv6 => Ipv6Addr::from([0xff; 16]).into(),
        };
        self.word(format_args!("mask-src={} mask-dst={}", Address(mask.address), Address(all)));
        self.ports(&Tuple { sport: mask.port, dport: u16::MAX, ..tuple });
        if let Some(master) = engine.conntrack().connection(view.master) {
            let Tuple { src, dst, .. } = master.original;
            self.word(format_args!("master-src={} master-dst={}", Address(src), Address(dst)));
            self.ports(&master.original);
        }
        if view.zone != 0 {
            self.word(format_args!("zone={}", view.zone));
        }
        let flags = [
            (ExpectationFlags::PERMANENT, "PERMANENT"),
            (ExpectationFlags::INACTIVE, "INACTIVE"),
            (ExpectationFlags::USERSPACE, "USERSPACE"),
        ];
        let named = flags.iter().filter(|(flag, _)| view.flags.contains(*flag));
        let names: Vec<_> = named.map(|(_, name)| *name).collect();
        if !names.is_empty() {
            self.word(names.join(","));
        }
        self.word(format_args!("class={}", view.class));
        self.helper(engine, Some(view.helper));
    }
}

/// An address as the C library writes it.
struct Address(IpAddr);

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            // An IPv4 address within IPv6 is written as one, if its first half is not zero.
            IpAddr::V6(address) => match address.segments() {
                [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
                    let [a, b] = high.to_be_bytes();
                    let [c, d] = low.to_be_bytes();
                    write!(f, "::{a}.{b}.{c}.{d}")
                }
                _ => address.fmt(f),
            },
            IpAddr::V4(address) => address.fmt(f),
        }
    }
}

/// The name that `conntrack` has for a protocol.
fn protocol_name(proto: L4Proto) -> &'static str {
    match proto {
        L4Proto::ESP | L4Proto::AH => "unknown",
        proto => proto.name().unwrap_or("unknown"),
    }
}
