//! A small language for packets, and the gateway that takes them.
//!
//! ```text
//! # a remark
//! open c:4000 s:21                     the three packets of a TCP handshake, all accepted
//! c:4000 > s:21 "USER a\r\n"           a TCP segment with payload; sequence numbers are kept
//! c:4000 > s:21 "USER" @-4 = accept    ... that begins 4 bytes before the end of what was sent
//! s:20 > c:1025 S = RELATED by:ftp     flags (SAFRPU), and words that must describe the outcome
//! udp c:4000 > s:69 "..." frag=8       cut into fragments of 8 bytes: all but the last are held
//! c:4000 > s:1723 "\0\5" pptp=7         a PPTP message of this kind; its body begins so
//! gre c > s call=7                     the data of a PPTP call; without `call=`, plain GRE
//! icmp r > c unreachable about tcp c:4000 > s:21
//! x:1 > c:80 S via=eth2 ttl=1 bad      by another interface; with a hop limit; a bad checksum
//! wait 300                             seconds
//! set nf_conntrack_helper=1
//! connections 3 / expectations 0       what the tables hold
//!
//! = words                              in both profiles
//! linux= words  strict= words          in one; `-word`: this one must not be there
//! ```
//!
//! Every packet goes through two engines, one of which writes a trace: they must agree.

use kinwall_engine::{
    AssignedBy, Engine, Ingress, Outcome, Packet, Path, RuleId, Settings, Step, Trace,
};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_rules::ruleset::Counters;
use kinwall_terms::{Family, InterfaceName, KernelVersion, Profile, Reason, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Checksum, Gre, Icmp, Tcp, Udp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

/// The names of hosts in scripts, and the interface behind which each lives; `local` is the
/// gateway itself.
const HOSTS: &[(&str, &str, &str)] = &[
    ("c", "10.1.0.2", "eth1"),
    ("d", "10.1.0.3", "eth1"),
    ("w", "172.16.5.5", "eth2"),
    ("s", "192.0.2.9", "eth0"),
    ("x", "203.0.113.9", "eth0"),
    ("r", "192.0.2.254", "eth0"),
    ("g", "10.1.0.1", "local"),
    ("h", "192.0.2.2", "local"),
    ("c6", "fd00:1::2", "eth1"),
    ("d6", "fd00:1::3", "eth1"),
    ("s6", "2001:db8::9", "eth0"),
    ("x6", "2001:db8:9::9", "eth0"),
    ("g6", "fd00:1::1", "local"),
    ("h6", "2001:db8::2", "local"),
];

const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.2/24", "2001:db8::2/64"]
networks = ["192.0.2.0/24", "2001:db8::/64"]
default = true

[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24", "fd00:1::1/64"]
networks = ["10.1.0.0/24", "fd00:1::/64"]

[[interface]]
name = "eth2"
addresses = ["172.16.5.1/24"]
networks = ["172.16.5.0/24"]
"#;

/// Helpers by rule, for packets that pass and for the gateway's own; clients inside may open
/// connections, helpers may announce any.
pub(crate) const USUAL: &[&str] = &[
    "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
    "iptables -t raw -A PREROUTING -p tcp --dport 6667 -j CT --helper irc",
    "iptables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp",
    "iptables -t raw -A PREROUTING -p tcp --dport 1723 -j CT --helper pptp",
    "iptables -t raw -A OUTPUT -p tcp --dport 21 -j CT --helper ftp",
    "ip6tables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
    "ip6tables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp",
    "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "iptables -A FORWARD -i eth1 -m conntrack --ctstate NEW -j ACCEPT",
    "iptables -P FORWARD DROP",
    "ip6tables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "ip6tables -A FORWARD -i eth1 -m conntrack --ctstate NEW -j ACCEPT",
    "ip6tables -P FORWARD DROP",
];

/// One scenario.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) profiles: &'static [Profile],
    pub(crate) kernel: &'static str,
    pub(crate) settings: &'static [&'static str],
    pub(crate) rules: &'static [&'static str],
    /// Lines of rules that are assumed to match, or not, where they cannot be evaluated.
    pub(crate) assume: &'static [(u32, bool)],
    pub(crate) script: &'static str,
}

/// Both profiles, the usual rules.
pub(crate) const CASE: Case = Case {
    name: "",
    profiles: &Profile::ALL,
    kernel: "6.18",
    settings: &[],
    rules: USUAL,
    assume: &[],
    script: "",
};

/// Runs every case in its profiles and reports all that went wrong.
pub(crate) fn check(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        for &profile in case.profiles {
            let mut gateway = Gateway::new(case, profile);
            for (number, line) in case.script.lines().enumerate() {
                if let Err(what) = gateway.step(line.trim()) {
                    let at = number + 1;
                    let name = case.name;
                    failures.push(format!("{name} ({profile}), line {at}: {line}\n    {what}"));
                    break;
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failed\n{}", failures.len(), failures.join("\n"));
}

pub(crate) struct Gateway {
    pub(crate) traced: Engine,
    pub(crate) plain: Engine,
    pub(crate) now: Time,
    profile: Profile,
    number: u64,
    /// The next sequence number of each sender of a TCP connection.
    next: HashMap<(IpAddr, u16, IpAddr, u16), u32>,
}

impl Gateway {
    pub(crate) fn new(case: &Case, profile: Profile) -> Gateway {
        let mut topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
        let kernel: KernelVersion = case.kernel.parse().expect("a version");
        let mut settings = Settings::new(kernel, profile);
        for assignment in case.settings {
            let (key, value) = assignment.split_once('=').expect("KEY=VALUE");
            settings.set(&mut topology, key, value).expect("a setting");
        }
        let text = case.rules.join("\n");
        let source = Source { name: "rules", text: &text, family: None };
        let loaded = load(&[source], &Defines::default())
            .unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", case.name));
        let assume = case.assume.iter().map(|&(line, matches)| {
            kinwall_rules::program::Assumption { file: None, line, matches }
        });
        let options = Options { assume: assume.collect() };
        let engine = || {
            let programs =
                Family::ALL.map(|family| Some(Program::compile(loaded.ruleset(family)?, &options)));
            Engine::new(topology.clone(), settings.clone(), programs, 7)
        };
        Gateway {
            traced: engine(),
            plain: engine(),
            now: Time(1_700_000_000_000_000_000),
            profile,
            number: 0,
            next: HashMap::new(),
        }
    }

    /// Runs one line.
    fn step(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] | ["#", ..] => Ok(()),
            ["wait", seconds] => {
                self.now = self.now.after_s(number(seconds));
                Ok(())
            }
            ["set", assignment] => {
                let (key, value) = assignment.split_once('=').ok_or("KEY=VALUE")?;
                for engine in [&mut self.traced, &mut self.plain] {
                    engine.set(key, value).map_err(|error| error.to_string())?;
                }
                Ok(())
            }
            ["connections", count] => {
                let found = self.traced.conntrack().connections(self.now).count();
                same(found, count)
            }
            ["expectations", count] => {
                let found = self.traced.conntrack().expectations(self.now).count();
                same(found, count)
            }
            ["open", client, server] => {
                self.step(&format!("{client} > {server} S = accept NEW"))?;
                self.step(&format!("{server} > {client} SA = accept ESTABLISHED"))?;
                self.step(&format!("{client} > {server} A = accept ESTABLISHED"))
            }
            _ => self.packet(line),
        }
    }

    fn packet(&mut self, line: &str) -> Result<(), String> {
        let (payload, rest) = match line.split_once('"') {
            Some((before, after)) => {
                let (payload, after) = after.split_once('"').ok_or("a quote without an end")?;
                (unescape(payload), format!("{before} {after}"))
            }
            None => (Vec::new(), line.to_owned()),
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let end = words.iter().position(|word| word.ends_with('=')).unwrap_or(words.len());
        let (packet, wanted) = words.split_at(end);
        let built = self.build(packet, payload)?;
        let mut said = Vec::new();
        for (index, bytes) in built.pieces.iter().enumerate() {
            said = self.take(built.ingress, bytes)?;
            if index + 1 < built.pieces.len() && !said.contains(&"consume".to_owned()) {
                return Err(format!("fragment {index} was not held: {said:?}"));
            }
        }
        let mut counts = true;
        for word in wanted {
            match *word {
                "=" => counts = true,
                "linux=" => counts = self.profile == Profile::Linux,
                "strict=" => counts = self.profile == Profile::Strict,
                _ if !counts => {}
                word => {
                    let (word, present) =
                        word.strip_prefix('-').map_or((word, true), |w| (w, false));
                    if said.iter().any(|said| said == word) != present {
                        return Err(format!("{word:?}: said {said:?}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes one packet; what is said of it.
    fn take(&mut self, ingress: Ingress, bytes: &[u8]) -> Result<Vec<String>, String> {
        self.number += 1;
        self.now = Time(self.now.0 + 1_000_000);
        let packet = || Packet {
            number: self.number,
            ingress,
            link: LinkFacts::default(),
            mark: 0,
            bytes: Cow::Borrowed(bytes),
        };
        let mut trace = Trace::default();
        let outcome = self.traced.handle_traced(self.now, &mut packet(), &mut trace);
        let plain = self.plain.handle(self.now, &mut packet());
        if outcome != plain {
            return Err(format!("with a trace {outcome:?}, without {plain:?}"));
        }
        if let Some((rule, counted)) = self.counts_otherwise() {
            return Err(format!("{rule:?} counts {counted:?} with a trace and without"));
        }
        Ok(self.describe(&outcome, &trace))
    }

    /// A rule that has counted otherwise without a trace than with one.
    fn counts_otherwise(&self) -> Option<(RuleId, [Counters; 2])> {
        Family::ALL.into_iter().find_map(|family| {
            let rules = self.traced.program(family)?.rule_ids();
            let counters = |rule| {
                [&self.traced, &self.plain].map(|engine| engine.memory().counters(family, rule))
            };
            rules.map(|rule| (rule, counters(rule))).find(|(_, [one, other])| one != other)
        })
    }

    fn describe(&self, outcome: &Outcome, trace: &Trace) -> Vec<String> {
        let engine = &self.traced;
        let mut said = vec![outcome.verdict.name().to_owned()];
        if let Verdict::Reject(with) = outcome.verdict {
            said.push(with.name().to_owned());
        }
        if let Verdict::Queue(queue) = outcome.verdict {
            said.push(format!("queue:{queue}"));
        }
        said.push(match outcome.path {
            Path::Unrouted => "unrouted".to_owned(),
            Path::Delivered => "delivered".to_owned(),
            Path::Forwarded => "forwarded".to_owned(),
            Path::Sent => "sent".to_owned(),
        });
        said.extend(outcome.ct_state.map(|state| state.name().to_owned()));
        said.extend(outcome.reason.map(|reason| reason.name().to_owned()));
        said.extend(outcome.invalid.map(|reason| reason.name().to_owned()));
        said.extend(outcome.out_iface.map(|out| format!("out:{out}")));
        said.push(format!("mark:{}", outcome.mark));
        if let Some(at) = outcome.rule {
            let rule = engine.program(at.family).and_then(|program| program.reference(at.rule));
            let rule = rule.expect("a rule of the program");
            said.push(format!("rule:{}:{}", rule.chain, rule.number));
            said.push(format!("line:{}", rule.line));
        }
        if let Some(connection) = outcome.connection {
            said.push(format!("#{}", connection.number));
            said.push(connection.direction.name().to_owned());
            said.push(format!("connmark:{}", connection.mark));
            said.extend(connection.status.names().map(str::to_owned));
            said.extend(connection.master.map(|master| format!("master:{master}")));
            said.extend(connection.own_helper.map(|h| format!("own:{}", engine.helper_name(h))));
            said.extend(connection.master_helper.map(|h| format!("by:{}", engine.helper_name(h))));
            said.extend(connection.announced.map(|a| format!("at:{}+{}", a.offset, a.length)));
        }
        for step in &trace.steps {
            describe_step(step, &mut said);
        }
        said
    }

    fn build(&mut self, words: &[&str], payload: Vec<u8>) -> Result<Built, String> {
        let (proto, words) = match words {
            [proto @ ("udp" | "icmp" | "tcp" | "gre"), rest @ ..] => (*proto, rest),
            rest => ("tcp", rest),
        };
        let [from, ">", to, options @ ..] = words else {
            return Err(format!("no packet: {words:?}"));
        };
        let ((src, sport, iface), (dst, dport, _)) = (end(from)?, end(to)?);
        let about = options.iter().position(|word| *word == "about").unwrap_or(options.len());
        let (options, inner) = options.split_at(about);
        let option = |name: &str| options.iter().find_map(|word| word.strip_prefix(name));
        let mut packet = match proto {
            "udp" => emit::Packet::new(src, dst, Udp::new(sport, dport)).payload(payload),
            "icmp" => icmp(src, dst, options, inner)?,
            "gre" => {
                let call = option("call=").map(|id| Gre::pptp(number(id) as u16, 1));
                emit::Packet::new(src, dst, call.unwrap_or(Gre::new(0x0800)))
            }
            _ => {
                let payload = match option("pptp=") {
                    Some(kind) => pptp(number(kind) as u8, &payload),
                    None => payload,
                };
                let tcp = self.segment((src, sport, dst, dport), options, payload.len())?;
                emit::Packet::new(src, dst, tcp).payload(payload)
            }
        };
        if let Some(ttl) = option("ttl=") {
            packet = packet.ttl(number(ttl) as u8);
        }
        if options.contains(&"bad") {
            packet = packet.checksum(Checksum::Wrong);
        }
        let bytes = packet.build();
        let pieces = match option("frag=") {
            Some(unit) => {
                let id = self.number as u32 + 1;
                emit::fragment(&bytes, number(unit) as u16, id).map_err(|e| e.to_string())?
            }
            None => vec![bytes],
        };
        let ingress = match option("via=").unwrap_or(iface) {
            "local" => Ingress::Local { owner: None },
            name => Ingress::Interface(InterfaceName::new(name)),
        };
        Ok(Built { ingress, pieces })
    }

    /// The TCP header, with the sequence numbers of the connection.
    fn segment(
        &mut self,
        key @ (src, sport, dst, dport): (IpAddr, u16, IpAddr, u16),
        options: &[&str],
        length: usize,
    ) -> Result<Tcp, String> {
        let letters = |word: &&&str| word.chars().all(|c| "SAFRPU".contains(c));
        let letters = options.iter().find(letters).copied();
        let mut flags = TcpFlags::empty();
        for letter in letters.unwrap_or(if length > 0 { "PA" } else { "A" }).chars() {
            flags |= match letter {
                'S' => TcpFlags::SYN,
                'A' => TcpFlags::ACK,
                'F' => TcpFlags::FIN,
                'R' => TcpFlags::RST,
                'P' => TcpFlags::PSH,
                _ => TcpFlags::URG,
            };
        }
        let shift = options.iter().find_map(|word| word.strip_prefix('@'));
        let shift: i32 = shift.map_or(Ok(0), str::parse).map_err(|_| "a shift")?;
        let first = 1000 * u32::from(sport);
        let next = *self.next.entry(key).or_insert(first);
        let seq = next.wrapping_add_signed(shift);
        let counted = u32::from(flags.intersects(TcpFlags::SYN | TcpFlags::FIN));
        let end = seq.wrapping_add(length as u32 + counted);
        if (end.wrapping_sub(next) as i32) > 0 {
            self.next.insert(key, end);
        }
        let ack = match flags.contains(TcpFlags::ACK) {
            true => self.next.get(&(dst, dport, src, sport)).copied().unwrap_or(1),
            false => 0,
        };
        Ok(Tcp::new(sport, dport).seq(seq).ack(ack).flags(flags))
    }
}

/// A PPTP control message (RFC 2637, section 2) whose body begins with `body`.
fn pptp(kind: u8, body: &[u8]) -> Vec<u8> {
    const LENGTHS: [u8; 16] = [12, 156, 156, 16, 16, 16, 20, 168, 32, 220, 24, 28, 16, 148, 40, 24];
    let length = LENGTHS[usize::from(kind)];
    let mut message = vec![0, length, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, kind, 0, 0];
    message.extend_from_slice(body);
    message.resize(length.into(), 0);
    message
}

struct Built {
    ingress: Ingress,
    pieces: Vec<Vec<u8>>,
}

fn describe_step(step: &Step, said: &mut Vec<String>) {
    match step {
        Step::Assigned { by, .. } => said.push(match by {
            AssignedBy::Rule => "assigned:rule".to_owned(),
            AssignedBy::Port => "assigned:port".to_owned(),
            AssignedBy::Expectation => "assigned:expectation".to_owned(),
        }),
        Step::Helped { notes, blind, expected, drop, .. } => {
            let name = |reason: &Reason| reason.name();
            said.extend(notes.iter().map(|note| format!("note:{}", note.reason)));
            said.extend(blind.iter().map(|reason| format!("blind:{}", name(reason))));
            said.extend(drop.iter().map(|reason| format!("helper-drop:{}", name(reason))));
            for expecting in expected {
                let tuple = expecting.expected.tuple;
                let proto = tuple.proto;
                said.push(match expecting.made {
                    Ok(_) => format!("expect:{proto}:{}:{}", tuple.dst, tuple.dport),
                    Err(reason) => format!("refused:{reason}"),
                });
            }
        }
        Step::Reassembled { .. } => said.push("reassembled".to_owned()),
        _ => {}
    }
}

fn icmp(
    src: IpAddr,
    dst: IpAddr,
    options: &[&str],
    inner: &[&str],
) -> Result<emit::Packet, String> {
    let v6 = src.is_ipv6();
    let kind = |v4, of_v6| if v6 { of_v6 } else { v4 };
    if options.contains(&"echo") {
        return Ok(emit::Packet::new(src, dst, Icmp::query(kind(8, 128), 77, 1)));
    }
    if options.contains(&"reply") {
        return Ok(emit::Packet::new(src, dst, Icmp::query(kind(0, 129), 77, 1)));
    }
    let ["about", proto, from, ">", to, ..] = inner else {
        return Err("about PROTO A > B".to_owned());
    };
    let ((a, sport, _), (b, dport, _)) = (end(from)?, end(to)?);
    let inner = match *proto {
        "udp" => emit::Packet::new(a, b, Udp::new(sport, dport)),
        _ => emit::Packet::new(a, b, Tcp::new(sport, dport).flags(TcpFlags::ACK)),
    };
    let unreachable = Icmp::new(kind(3, 1), kind(1, 3));
    Ok(emit::icmp_error(src, dst, unreachable, &inner.build()))
}

/// `HOST`, `HOST:PORT`, or an address in brackets instead of a name.
fn end(word: &str) -> Result<(IpAddr, u16, &'static str), String> {
    let (host, port) = match word.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("[ADDRESS]:PORT")?;
            (host, rest.strip_prefix(':').unwrap_or("0"))
        }
        None => word.split_once(':').unwrap_or((word, "0")),
    };
    let port = port.parse().map_err(|_| format!("a port: {word}"))?;
    let named = HOSTS.iter().find(|(name, ..)| *name == host);
    let (address, interface) = named.map_or((host, "eth0"), |(_, a, i)| (*a, *i));
    let address = address.parse().map_err(|_| format!("a host: {word}"))?;
    Ok((address, port, interface))
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| panic!("a number: {text}"))
}

fn same(found: usize, wanted: &str) -> Result<(), String> {
    if found == number(wanted) as usize { Ok(()) } else { Err(format!("there are {found}")) }
}

/// `\r`, `\n`, `\0`, `\1` (the byte 1), `\2`.. `\5` likewise.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.bytes();
    while let Some(byte) = chars.next() {
        bytes.push(match byte {
            b'\\' => match chars.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(digit) => digit.wrapping_sub(b'0'),
                None => b'\\',
            },
            byte => byte,
        });
    }
    bytes
}
