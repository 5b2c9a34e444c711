//! Packets in one line, and what tracking says of them in a few characters.

use kinwall_conntrack::{
    Announcement, ConnId, Conntrack, Event, Expectation, HelperId, Settings, Template, Tracked,
};
use kinwall_terms::expectation::{ExpectationFlags, Expected, Span};
use kinwall_terms::{Direction, L4Proto, Time, Zone};
use kinwall_wire::emit::{Gre, Icmp, Packet, Tcp, Transport, Udp, UdpLite};
use kinwall_wire::{Headers, TcpFlags};
use std::net::{IpAddr, SocketAddr};

/// When tests begin.
pub(crate) const START: Time = Time(1_700_000_000_000_000_000);

/// A table and a clock.
pub(crate) struct Wall {
    pub(crate) ct: Conntrack<u32>,
    pub(crate) now: Time,
    pub(crate) template: Template,
    pub(crate) prerouting: bool,
}

impl Wall {
    pub(crate) fn new() -> Wall {
        Wall::with(&[])
    }

    /// With sysctls set.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Wall {
        Wall::of("6.18", settings)
    }

    /// Of a Linux version.
    pub(crate) fn of(kernel: &str, settings: &[(&str, &str)]) -> Wall {
        let mut all = Settings::new(kernel.parse().expect("a version"));
        for (name, value) in settings {
            all.set(name, value).expect("a setting");
        }
        let ct = Conntrack::new(all, 7);
        Wall { ct, now: START, template: Template::default(), prerouting: true }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: u32) {
        self.now = self.now.after_s(seconds);
    }

    /// Tracks a packet; a connection it begins stays unconfirmed.
    pub(crate) fn track(&mut self, packet: &Packet) -> Tracked {
        let bytes = packet.build();
        let headers = Headers::parse(&bytes).expect("a packet");
        self.ct.track(self.now, &headers, &bytes, self.prerouting, self.template)
    }

    /// Tracks and accepts a packet.
    pub(crate) fn pass(&mut self, packet: &Packet) -> String {
        let tracked = self.track(packet);
        let seen = self.describe(tracked);
        if let Tracked::Packet(ct) = tracked
            && let (true, Some(id)) = (ct.new, ct.conn)
            && let Err(reason) = self.ct.confirm(self.now, id)
        {
            return format!("{seen}, dropped: {reason}");
        }
        seen
    }

    /// Tracks a packet that the rules then drop.
    pub(crate) fn drop(&mut self, packet: &Packet) -> String {
        let tracked = self.track(packet);
        let seen = self.describe(tracked);
        if let Tracked::Packet(ct) = tracked
            && let (true, Some(id)) = (ct.new, ct.conn)
        {
            self.ct.abandon(id);
        }
        seen
    }

    /// State, serial number and direction: `NEW 1 >`, `ESTABLISHED 1 <`, `INVALID tcp-flags`.
    pub(crate) fn describe(&self, tracked: Tracked) -> String {
        let ct = match tracked {
            Tracked::Drop(reason) => return format!("DROP {reason}"),
            Tracked::Packet(ct) => ct,
        };
        let Some(id) = ct.conn else {
            return match ct.reason {
                Some(reason) => format!("{} {reason}", ct.state),
                None => ct.state.to_string(),
            };
        };
        let serial = self.ct.connection(id).map_or(0, |view| view.serial);
        let arrow = if ct.direction == Direction::Original { '>' } else { '<' };
        format!("{} {serial} {arrow}", ct.state)
    }

    /// The connection with this serial number.
    pub(crate) fn id(&self, serial: u64) -> ConnId {
        let view = self.ct.connections(self.now).find(|view| view.serial == serial);
        view.expect("a connection").id
    }

    /// Passes the packet, whose connection gets helper 1, and returns it.
    pub(crate) fn master(&mut self, packet: &Packet) -> ConnId {
        let Tracked::Packet(ct) = self.track(packet) else { panic!("dropped") };
        let id = ct.conn.expect("a connection");
        if ct.new {
            self.ct.confirm(self.now, id).expect("confirmed");
        }
        self.ct.set_helper(id, HelperId(1), 0);
        id
    }

    /// What happened, in a word each.
    pub(crate) fn events(&mut self) -> Vec<String> {
        let tell = |event| match event {
            Event::ConnectionNew(view) => format!("new {}", view.serial),
            Event::ConnectionUpdate(view, changes) => {
                let names: Vec<_> = changes.iter_names().map(|(name, _)| name).collect();
                format!("update {} {}", view.serial, names.join(","))
            }
            Event::ConnectionDestroyed(view, end) => format!("end {} {}", view.serial, end.name()),
            Event::ExpectationNew(view) => format!("expect {}", view.serial),
            Event::ExpectationMatched(view, child) => format!("match {} {child}", view.serial),
            Event::ExpectationDestroyed(view, end) => {
                format!("unexpect {} {}", view.serial, end.name())
            }
        };
        self.ct.drain_events().map(tell).collect()
    }
}

pub(crate) fn ip(address: &str) -> IpAddr {
    address.parse().expect("an address")
}

fn ends(src: &str, dst: &str) -> [SocketAddr; 2] {
    [src, dst].map(|end| end.parse().expect("an address and a port"))
}

pub(crate) fn udp(src: &str, dst: &str) -> Packet {
    let [src, dst] = ends(src, dst);
    Packet::new(src.ip(), dst.ip(), Udp::new(src.port(), dst.port())).payload(*b"x")
}

pub(crate) fn udplite(src: &str, dst: &str) -> Packet {
    let [src, dst] = ends(src, dst);
    Packet::new(src.ip(), dst.ip(), UdpLite::new(src.port(), dst.port()))
}

/// A segment; `flags` are the letters of the flags that are set.
pub(crate) fn tcp(src: &str, dst: &str, flags: &str, seq: u32, ack: u32) -> Packet {
    let [src, dst] = ends(src, dst);
    let flag = |letter| match letter {
        'S' => TcpFlags::SYN,
        'A' => TcpFlags::ACK,
        'F' => TcpFlags::FIN,
        'R' => TcpFlags::RST,
        _ => panic!("no such flag: {letter}"),
    };
    let flags = flags.chars().map(flag).collect();
    let tcp = Tcp::new(src.port(), dst.port()).flags(flags).seq(seq).ack(ack);
    Packet::new(src.ip(), dst.ip(), tcp)
}

pub(crate) fn icmp(src: &str, dst: &str, kind: u8, id: u16) -> Packet {
    Packet::new(ip(src), ip(dst), Icmp::query(kind, id, 1))
}

pub(crate) fn gre(src: &str, dst: &str, call_id: u16) -> Packet {
    Packet::new(ip(src), ip(dst), Gre::pptp(call_id, 1)).payload(*b"ppp")
}

pub(crate) fn raw(src: &str, dst: &str, proto: u8) -> Packet {
    Packet::new(ip(src), ip(dst), Transport::Raw(L4Proto(proto))).payload(*b"payload")
}

/// A child to `dst` from `src`, whose port may be left out as 0; `*` is anybody.
pub(crate) fn expected(src: &str, dst: &str, proto: L4Proto) -> Expected {
    let dst: SocketAddr = dst.parse().expect("an address and a port");
    let src: Option<SocketAddr> = (src != "*").then(|| src.parse().expect("an address and a port"));
    let sport = src.map(|src| src.port()).filter(|&port| port != 0);
    Expected::new(src.map(|src| src.ip()), sport, dst.ip(), dst.port(), proto)
}

/// An expectation of class 0 for 300 seconds, with a limit of 1.
pub(crate) fn expect(expected: Expected) -> Expectation {
    Expectation {
        expected,
        class: 0,
        flags: ExpectationFlags::empty(),
        timeout_s: 300,
        class_limit: 1,
        helper: HelperId(1),
        child_helper: None,
        announced: Announcement { packet: 9, span: Span { offset: 5, length: 12 } },
        announcer: expected.tuple.dst,
        saved: None,
        skip_master: false,
    }
}

pub(crate) fn zone(id: u16, scope: kinwall_terms::ZoneScope) -> Template {
    Template::from(Zone { id, scope })
}
