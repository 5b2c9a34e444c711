//! Packets of a few hosts and ports, time steps and settings, through an engine with a trace, one
//! without and one that foresees them, with address translation or not: they agree, the tables
//! hold what their events say and no more than they may, a packet that was dropped leaves no
//! connection, every RELATED child was announced, and no packet leaves that is none.

#![no_main]

use kinwall_engine::{Engine, Event, Ingress, Outcome, Packet, Settings, Step, Trace};
use kinwall_rules::load::{Defines, Loaded, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{CtState, Family, InterfaceName, KernelVersion, Profile, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Checksum, Icmp, Tcp, Udp};
use kinwall_wire::{LinkFacts, Reader, TcpFlags};
use libfuzzer_sys::fuzz_target;
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;

const CONNECTIONS_MAX: u32 = 12;
const EXPECTATIONS_MAX: u32 = 4;
/// Operations of one run.
const OPERATIONS_MAX: usize = 200;

const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.2/24", "2001:db8::2/64"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24", "fd00:1::1/64"]
"#;

const RULES: &str = "
iptables -t raw -A PREROUTING -s 10.1.0.66 -j NOTRACK
iptables -t raw -A PREROUTING -p udp --dport 2000 -j CT --zone 3
iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp
iptables -t raw -A PREROUTING -p tcp --dport 6667 -j CT --helper irc
iptables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp
iptables -t raw -A OUTPUT -p tcp --dport 21 -j CT --helper ftp
ip6tables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp
ip6tables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp
iptables -t mangle -A PREROUTING -p tcp --syn -j CONNMARK --set-mark 3
iptables -A FORWARD -p tcp --dport 22 -j REJECT --reject-with tcp-reset
iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
iptables -A FORWARD -p tcp --dport 2000 -m conntrack --ctstate RELATED -j DROP
iptables -A FORWARD -i eth0 -p tcp --dport 4000 -m conntrack --ctstate NEW -j DROP
iptables -t nat -A PREROUTING -d 192.0.2.2 -p tcp --dport 21 -j DNAT --to-destination 10.1.0.2
iptables -t nat -A PREROUTING -i eth0 -p udp --dport 69 -j DNAT --to-destination 10.1.0.3:2000
iptables -t nat -A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 4000
iptables -t nat -A OUTPUT -d 203.0.113.9 -j DNAT --to-destination 192.0.2.9
iptables -t nat -A POSTROUTING -o eth0 -s 10.1.0.3 -p tcp -j SNAT --to-source 192.0.2.2:1025-1026
iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE
iptables -t nat -A INPUT -s 203.0.113.9 -j SNAT --to-source 192.0.2.9
ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 21 -j DNAT --to-destination [fd00:1::2]:21
ip6tables -t nat -A POSTROUTING -o eth0 -s fd00:1::/64 -j MASQUERADE
";

static WORLD: LazyLock<(Topology, Loaded)> = LazyLock::new(|| {
    let topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
    let source = Source { name: "rules", text: RULES, family: None };
    (topology, load(&[source], &Defines::default()).expect("rules"))
});

const HOSTS: [[&str; 8]; 2] = [
    [
        "10.1.0.2",
        "10.1.0.3",
        "10.1.0.66",
        "192.0.2.9",
        "203.0.113.9",
        "192.0.2.2",
        "10.1.0.1",
        "127.0.0.1",
    ],
    [
        "fd00:1::2",
        "fd00:1::3",
        "fd00:1::66",
        "2001:db8::9",
        "2001:db8:9::9",
        "2001:db8::2",
        "fd00:1::1",
        "ff02::1",
    ],
];
const PORTS: [u16; 8] = [21, 69, 6667, 4000, 20, 1025, 2000, 22];
const FLAGS: [TcpFlags; 8] = [
    TcpFlags::SYN,
    TcpFlags::SYN.union(TcpFlags::ACK),
    TcpFlags::ACK,
    TcpFlags::ACK.union(TcpFlags::PSH),
    TcpFlags::FIN.union(TcpFlags::ACK),
    TcpFlags::RST,
    TcpFlags::RST.union(TcpFlags::ACK),
    TcpFlags::SYN.union(TcpFlags::FIN),
];
const PAYLOADS: [&[u8]; 24] = [
    b"",
    b"220 ready\r\n",
    b"USER a\r\n",
    b"331 password\r\n",
    b"PORT 10,1,0,2,4,1\r\n",
    b"PORT 10,1,0,3,15,160\r\n",
    b"PORT 192,0,2,9,7,208\r\n",
    b"PORT 10,1,0,",
    b"2,4,1\r\n",
    b"PASV\r\n",
    b"227 (192,0,2,9,7,208)\r\n",
    b"EPSV\r\n",
    b"229 (|||1025|)\r\n",
    b"EPRT |2|fd00:1::2|1025|\r\n",
    b"NICK a\r\nUSER a 0 * :a\r\n",
    b":s 001 a :welcome\r\n",
    b"PRIVMSG b :\x01DCC SEND f 167837698 1025\x01\r\n",
    b"PRIVMSG b :\x01DCC CHAT chat 3221226505 4000\x01\r\n",
    b"\0\x01boot\0octet\0",
    b"\0\x02boot\0netascii\0",
    b"\0\x03\0\x01data",
    b"AUTH TLS\r\n",
    b"234 go\r\n",
    b"\xff\xf4\xff\r\n\r\n\0",
];
const SETTINGS: [(&str, &str); 16] = [
    ("nf_conntrack_helper", "1"),
    ("nf_conntrack_helper", "0"),
    ("nf_conntrack_ftp.loose", "1"),
    ("nf_conntrack_ftp.loose", "0"),
    ("nf_conntrack_tcp_loose", "0"),
    ("nf_conntrack_tcp_loose", "1"),
    ("nf_conntrack_tcp_be_liberal", "1"),
    ("nf_conntrack_checksum", "0"),
    ("nf_conntrack_udp_timeout", "1"),
    ("nf_conntrack_max", "3"),
    ("nf_conntrack_expect_max", "1"),
    ("nf_conntrack_irc.max_dcc_channels", "2"),
    ("guard.*.min_port", "0"),
    ("guard.*.per_master", "1"),
    ("guard.*.peer_only", "0"),
    ("net.ipv4.conf.all.rp_filter", "1"),
];

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let Some(&[mode]) = reader.array::<1>() else { return };
    let mut run = Run::new(mode);
    for _ in 0..OPERATIONS_MAX {
        let Some(&[kind]) = reader.array::<1>() else { return };
        match kind & 15 {
            0 => run.wait(kind >> 4),
            1 => run.set(SETTINGS[usize::from(kind >> 4)]),
            _ => {
                let Some(&shape) = reader.array::<6>() else { return };
                run.packet(kind, shape);
            }
        }
        run.check_tables();
    }
});

struct Run {
    traced: Engine,
    plain: Engine,
    foreseeing: Engine,
    /// Whether connections are translated.
    translates: bool,
    now: Time,
    number: u64,
    /// The next sequence number of each sender of a TCP connection.
    next: HashMap<(IpAddr, u16, IpAddr, u16), u32>,
    last: Vec<u8>,
    /// What was announced: serial number, packet, destination and its port.
    announced: HashMap<u64, (u64, IpAddr, u16)>,
    /// What should be in the tables, by their events.
    connections: i64,
    expectations: i64,
}

impl Run {
    fn new(mode: u8) -> Run {
        let (topology, loaded) = &*WORLD;
        let kernel =
            if mode & 2 == 0 { KernelVersion::DEFAULT } else { KernelVersion::new(4, 4, 0) };
        let profile = Profile::ALL[usize::from(mode & 1)];
        let translates = mode & 4 == 0;
        let mut settings = Settings::new(kernel, profile);
        settings.tracking.max = CONNECTIONS_MAX;
        settings.tracking.expect_max = EXPECTATIONS_MAX;
        let engine = || {
            let program = |f| Some(Program::compile(loaded.ruleset(f)?, &Options::default()));
            let mut engine =
                Engine::new(topology.clone(), settings.clone(), Family::ALL.map(program), 1);
            engine.set_events(true);
            engine.set_translation(translates);
            engine
        };
        Run {
            traced: engine(),
            plain: engine(),
            foreseeing: engine(),
            translates,
            now: Time(1_700_000_000_000_000_000),
            number: 0,
            next: HashMap::new(),
            last: Vec::new(),
            announced: HashMap::new(),
            connections: 0,
            expectations: 0,
        }
    }

    fn wait(&mut self, steps: u8) {
        // From a millisecond to some days.
        self.now = Time(self.now.0 + (1_000_000u64 << (2 * steps).min(30)));
        if steps & 1 == 1 {
            let _ = self.traced.expire(self.now, 3);
            let _ = self.plain.expire(self.now, 3);
            let _ = self.foreseeing.expire(self.now, 3);
        }
    }

    fn set(&mut self, (key, value): (&str, &str)) {
        let set = self.traced.set(key, value);
        assert_eq!(set, self.plain.set(key, value));
        assert_eq!(set, self.foreseeing.set(key, value));
    }

    fn packet(&mut self, kind: u8, [hosts, ports, flags, payload, shift, cut]: [u8; 6]) {
        let family = usize::from(kind & 16 != 0);
        let host = |n: u8| -> IpAddr { HOSTS[family][usize::from(n & 7)].parse().expect("a host") };
        let (src, dst) = (host(hosts), host(hosts >> 3));
        let port = |n: u8| PORTS[usize::from(n & 7)];
        let (sport, dport) = (port(ports), port(ports >> 3));
        let payload = PAYLOADS[usize::from(payload) % PAYLOADS.len()];
        let built = match kind & 15 {
            2..=9 => {
                let key = (src, sport, dst, dport);
                let flags = FLAGS[usize::from(flags & 7)];
                emit::Packet::new(src, dst, self.segment(key, flags, payload.len(), shift as i8))
            }
            10..=12 => emit::Packet::new(src, dst, Udp::new(sport, dport)),
            13 => emit::Packet::new(src, dst, Icmp::query(flags, 7, 1)),
            14 => {
                let code = Icmp::new(if family == 0 { 3 } else { 1 }, flags & 3);
                emit::icmp_error(src, dst, code, &self.last)
            }
            _ => {
                let again = self.last.clone();
                return self.take(hosts, &again);
            }
        };
        let is_error = kind & 15 == 14;
        let mut built = if is_error { built } else { built.payload(payload) };
        if flags & 0xf0 == 0x70 {
            built = built.checksum(Checksum::Wrong);
        }
        if flags & 0xf8 == 0x88 {
            built = built.ttl(1);
        }
        let mut bytes = built.build();
        if cut & 0xf0 == 0xf0 {
            bytes.truncate(bytes.len().saturating_sub(usize::from(cut & 15) * 4));
        }
        if cut & 0xf0 == 0xe0 {
            let unit = 8 * u16::from(cut & 15);
            for piece in emit::fragment(&bytes, unit, 9).unwrap_or_default() {
                self.take(hosts, &piece);
            }
        } else {
            self.take(hosts, &bytes);
        }
        self.last = bytes;
    }

    fn segment(
        &mut self,
        key @ (src, sport, dst, dport): (IpAddr, u16, IpAddr, u16),
        flags: TcpFlags,
        length: usize,
        shift: i8,
    ) -> Tcp {
        let next = *self.next.entry(key).or_insert(0xffff_ff80);
        // Most segments come in order.
        let shift = if shift > 0 { 0 } else { i32::from(shift) / 2 };
        let seq = next.wrapping_add_signed(shift);
        let counted = u32::from(flags.intersects(TcpFlags::SYN | TcpFlags::FIN));
        let end = seq.wrapping_add(length as u32 + counted);
        if (end.wrapping_sub(next) as i32) > 0 {
            self.next.insert(key, end);
        }
        let known = self.next.get(&(dst, dport, src, sport)).copied();
        let ack = if flags.contains(TcpFlags::ACK) { known.unwrap_or(1) } else { 0 };
        Tcp::new(sport, dport).seq(seq).ack(ack).flags(flags)
    }

    fn take(&mut self, hosts: u8, bytes: &[u8]) {
        self.number += 1;
        let ingress = match hosts >> 6 {
            0 => Ingress::Interface(InterfaceName::new("eth0")),
            1 => Ingress::Interface(InterfaceName::new("eth1")),
            2 => Ingress::Local { owner: None },
            _ => Ingress::Interface(None),
        };
        let packet = || Packet {
            number: self.number,
            ingress,
            link: LinkFacts::default(),
            mark: 0,
            bytes: Cow::Borrowed(bytes),
        };
        let count = self.plain.conntrack().count();
        let mut trace = Trace::default();
        let [mut traced, mut plain, mut foreseen] = [packet(), packet(), packet()];
        let outcome = self.traced.handle_traced(self.now, &mut traced, &mut trace);
        let answer = self.plain.handle(self.now, &mut plain);
        assert_eq!(format!("{outcome:?}"), format!("{answer:?}"), "with and without a trace");
        assert_eq!(traced.bytes, plain.bytes, "with and without a trace");
        let ahead = self.foreseeing.foreseer().foresee(bytes);
        self.foreseeing.bring_near([&ahead].into_iter());
        let answer = self.foreseeing.handle_foreseen(self.now, &mut foreseen, &ahead);
        assert_eq!(format!("{outcome:?}"), format!("{answer:?}"), "foreseen or not");
        assert_eq!(foreseen.bytes, plain.bytes, "foreseen or not");
        if outcome.verdict == Verdict::Accept && plain.bytes != bytes {
            let left = kinwall_wire::Headers::parse(&plain.bytes);
            assert!(left.is_ok(), "{outcome:?}: {bytes:x?} left as {:x?}", plain.bytes);
        }
        let passed = matches!(outcome.verdict, Verdict::Accept | Verdict::Queue(_));
        assert!(passed || self.plain.conntrack().count() <= count, "{outcome:?}");
        self.check_related(&outcome, bytes);
        self.note_announced(&trace);
    }

    fn note_announced(&mut self, trace: &Trace) {
        for step in &trace.steps {
            let Step::Helped { expected, .. } = step else { continue };
            for expecting in expected {
                let tuple = expecting.expected.tuple;
                if let Ok(serial) = expecting.made {
                    self.announced.insert(serial, (self.number, tuple.dst, tuple.dport));
                }
            }
        }
    }

    /// A packet that opens a child was announced, by a packet before it, to where it goes.
    fn check_related(&self, outcome: &Outcome, bytes: &[u8]) {
        let Some(connection) = outcome.connection else { return };
        let opens = outcome.ct_state == Some(CtState::Related);
        let Ok(headers) = kinwall_wire::Headers::parse(bytes) else { return };
        let (true, Some((_, dport)), None) = (opens, headers.ports(), headers.fragment) else {
            return;
        };
        let announced = connection.announced.expect("a master");
        assert!(connection.master.is_some_and(|master| master < connection.number));
        let &(packet, dst, port) =
            self.announced.get(&announced.expectation).expect("an announcement");
        assert_eq!(packet, announced.packet);
        // What is translated is announced as what it will be, and comes as what it was.
        assert!(self.translates || (dst, port) == (headers.dst, dport), "{outcome:?}");
        assert!(packet < self.number);
    }

    fn check_tables(&mut self) {
        let events: Vec<Event> = self.plain.events().collect();
        let foreseen: Vec<Event> = self.foreseeing.events().collect();
        assert_eq!(format!("{events:?}"), format!("{foreseen:?}"), "foreseen or not");
        for event in events {
            match event {
                Event::ConnectionNew(_) => self.connections += 1,
                Event::ConnectionDestroyed(..) => self.connections -= 1,
                Event::ExpectationNew(_) => self.expectations += 1,
                Event::ExpectationDestroyed(..) => self.expectations -= 1,
                Event::ConnectionUpdate(..) | Event::ExpectationMatched(..) => {}
            }
        }
        self.traced.events().for_each(drop);
        let table = self.plain.conntrack();
        assert_eq!(i64::from(table.count()), self.connections);
        assert_eq!(i64::from(table.expectation_count()), self.expectations);
        assert!(table.count() <= CONNECTIONS_MAX);
        assert!(table.expectation_count() <= EXPECTATIONS_MAX);
        let alive: Vec<u64> = table.connections(self.now).map(|view| view.serial).collect();
        assert!(alive.len() <= table.count() as usize);
        for expectation in table.expectations(self.now) {
            assert!(alive.contains(&expectation.master_serial), "{expectation:?}");
            assert!(expectation.announced.packet <= self.number);
        }
    }
}
