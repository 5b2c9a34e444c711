//! Payload of translated connections: conversations that announce a child, through the real
//! kernel and through kinwall. Each end believes what it sees, so that a wrong number would be
//! heard of. Packets must leave alike, byte by byte.

use super::nat::Pair;
use super::ours::Ours;
use kinwall_kernel::{Case, Gateway, Ingress, Scenario, tier};
use kinwall_sim::World;
use kinwall_terms::InterfaceName;
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Packet};
use kinwall_wire::{Headers, L4, TcpFlags};
use std::net::IpAddr;

/// What one end does.
pub(super) enum Turn {
    /// The client, or the server, says this.
    Client(&'static [u8]),
    Server(&'static [u8]),
    /// The last packet comes once more.
    Again,
    /// The receiver of what was said last has a hole before it: its acknowledgement says so.
    Hole,
    /// The receiver of what was said last opens, or answers from there, a connection to the port
    /// that it has read.
    Child(Reads),
    /// The same, over TCP in any case.
    Stream(Reads),
}

/// How a port is read from what arrived.
pub(super) type Reads = fn(&[u8]) -> Option<(Option<IpAddr>, u16)>;

use Turn::{Again, Child, Client, Hole, Server, Stream};

struct Row {
    helper: &'static str,
    proto: &'static str,
    port: u16,
    nat: &'static [&'static str],
    client: (&'static str, &'static str),
    server: &'static str,
    turns: &'static [Turn],
}

pub(super) const MASQUERADE: &[&str] = &["-A POSTROUTING -o eth0 -j MASQUERADE"];
pub(super) const PUBLISHED: &[&str] =
    &["-A PREROUTING -i eth0 -d 192.0.2.2 -j DNAT --to-destination 10.1.0.6"];
pub(super) const BOTH: &[&str] = &[
    "-A PREROUTING -d 192.0.2.2 -j DNAT --to-destination 10.1.0.6",
    "-A POSTROUTING -d 10.1.0.6 -j SNAT --to-source 10.1.0.1",
];
const INSIDE: (&str, &str) = ("eth1", "10.1.0.5");
const OUTSIDE: (&str, &str) = ("eth0", "203.0.113.9");

const ROWS: &[Row] = &[
    Row {
        helper: "ftp",
        proto: "tcp",
        port: 21,
        nat: MASQUERADE,
        client: INSIDE,
        server: "203.0.113.9",
        turns: &[
            Server(b"220 ready\r\n"),
            Client(b"USER anna\r\n"),
            Server(b"230 in\r\n"),
            Client(b"PORT 10,1,0,5,7,208\r\n"),
            Again,
            Hole,
            Child(six_numbers),
            Server(b"200 fine\r\n"),
            Client(b"LIST\r\n"),
            Server(b"150 here it comes\r\n"),
            Client(b"EPRT |1|10.1.0.5|2001|\r\n"),
            Child(extended),
            Again,
            Client(b"PORT 10,1,0,5,0,22\r\n"),
            Child(six_numbers),
            Client(b"NOOP\r\n"),
            Again,
            Hole,
            Server(b"226 done\r\n"),
        ],
    },
    Row {
        helper: "ftp",
        proto: "tcp",
        port: 21,
        nat: PUBLISHED,
        client: OUTSIDE,
        server: "192.0.2.2",
        turns: &[
            Server(b"220 ready\r\n"),
            Client(b"PASV\r\n"),
            Server(b"227 Entering Passive Mode (10,1,0,6,7,208).\r\n"),
            Child(six_numbers),
            Again,
            Client(b"EPSV\r\n"),
            Server(b"229 Entering Extended Passive Mode (|||2001|)\r\n"),
            Child(extended),
            Hole,
            Client(b"QUIT\r\n"),
            Server(b"227 split (10,1,0,6"),
            Server(b",7,208).\r\n"),
            Server(b"221 bye\r\n"),
        ],
    },
    Row {
        helper: "ftp",
        proto: "tcp",
        port: 21,
        nat: BOTH,
        client: INSIDE,
        server: "192.0.2.2",
        turns: &[
            Server(b"220 ready\r\n"),
            Client(b"USER anna\r\n"),
            Server(b"230 in\r\n"),
            Client(b"PORT 10,1,0,5,7,208\r\n"),
            Child(six_numbers),
            Client(b"PASV\r\n"),
            Server(b"227 Entering Passive Mode (10,1,0,6,7,209).\r\n"),
            Child(six_numbers),
            Client(b"NOOP\r\n"),
            Server(b"200 fine\r\n"),
        ],
    },
    Row {
        helper: "ftp",
        proto: "tcp",
        port: 21,
        nat: &["-A POSTROUTING -o eth0 -j MASQUERADE"],
        client: ("eth1", "fd00:1::5"),
        server: "2001:db8::9",
        turns: &[
            Server(b"220 ready\r\n"),
            Client(b"USER anna\r\n"),
            Client(b"EPRT |2|fd00:1::5|2001|\r\n"),
            Child(extended),
            Again,
            Client(b"EPRT |2|fd00:1::5|2002|\r\n"),
            Client(b"EPSV\r\n"),
            Server(b"229 Extended (|||2001|)\r\n"),
            Child(extended),
            Hole,
            Client(b"QUIT\r\n"),
        ],
    },
    Row {
        helper: "irc",
        proto: "tcp",
        port: 6667,
        nat: MASQUERADE,
        client: INSIDE,
        server: "203.0.113.9",
        turns: &[
            Client(b"NICK anna\r\nUSER anna 0 * :Anna\r\n"),
            Server(b":irc 001 anna :Welcome\r\n"),
            Client(b"PRIVMSG ben :\x01DCC SEND file 167837701 2000 1234\x01\r\n"),
            Child(integer),
            Again,
            Server(b":irc PING\r\n"),
            Client(b"PRIVMSG ben :\x01DCC CHAT chat 167837701 2001\x01\r\n"),
            Hole,
            Client(b"PONG\r\n"),
            Server(b":irc fine\r\n"),
        ],
    },
    Row {
        helper: "tftp",
        proto: "udp",
        port: 69,
        nat: MASQUERADE,
        client: INSIDE,
        server: "203.0.113.9",
        turns: &[Client(b"\0\x01file\0octet\0"), Child(sender), Client(b"\0\x01file\0octet\0")],
    },
    Row {
        helper: "tftp",
        proto: "udp",
        port: 69,
        nat: BOTH,
        client: INSIDE,
        server: "192.0.2.2",
        turns: &[Client(b"\0\x02file\0octet\0"), Child(sender)],
    },
    Row {
        helper: "amanda",
        proto: "udp",
        port: 10080,
        nat: MASQUERADE,
        client: INSIDE,
        server: "203.0.113.9",
        turns: &[
            Client(b"Amanda 2.4 REQ HANDLE 1 SEQ 2\nSERVICE sendbackup\n"),
            Server(b"Amanda 2.4 REP HANDLE 1 SEQ 2\nCONNECT DATA 2000 MESG 2001 INDEX 2002\n"),
            Stream(amanda),
        ],
    },
    Row {
        helper: "amanda",
        proto: "udp",
        port: 10080,
        nat: PUBLISHED,
        client: OUTSIDE,
        server: "192.0.2.2",
        turns: &[
            Client(b"Amanda 2.4 REQ HANDLE 1 SEQ 2\nSERVICE sendbackup\n"),
            Server(b"Amanda 2.4 REP HANDLE 1 SEQ 2\nCONNECT DATA 2000 MESG 2001 INDEX 2002\n"),
            Stream(amanda),
            Again,
        ],
    },
];

/// Numbers in a text, one after the other.
fn numbers(payload: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(payload);
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

fn six_numbers(payload: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let numbers = numbers(payload);
    let [.., a, b, c, d, high, low] = numbers.as_slice() else { return None };
    let address = [a, b, c, d].map(|octet| u8::try_from(*octet).unwrap_or_default());
    Some((Some(address.into()), u16::try_from(high * 256 + low).ok()?))
}

fn extended(payload: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let text = String::from_utf8_lossy(payload);
    let mut fields = text.rsplit('|').skip(1);
    let port = fields.next()?.parse().ok()?;
    Some((fields.next().and_then(|address| address.parse().ok()), port))
}

fn integer(payload: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let numbers = numbers(payload);
    let [address, port, ..] = numbers.as_slice() else { return None };
    let address = u32::try_from(*address).ok()?;
    Some((Some(address.to_be_bytes().into()), u16::try_from(*port).ok()?))
}

fn amanda(payload: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let text = String::from_utf8_lossy(payload);
    let (_, ports) = text.split_once("DATA ")?;
    Some((None, u16::try_from(*numbers(ports.as_bytes()).first()?).ok()?))
}

fn sender(_: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    Some((None, 0))
}

/// One end of a connection, and what it believes of the other.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) interface: InterfaceName,
    pub(super) own: (IpAddr, u16),
    pub(super) peer: (IpAddr, u16),
    next: u32,
    acknowledged: u32,
}

impl End {
    /// One that opens a connection.
    pub(super) fn opener(interface: &str, own: (&str, u16), peer: (&str, u16)) -> End {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        End {
            interface: InterfaceName::new(interface).expect("a name"),
            own: (address(own.0), own.1),
            peer: (address(peer.0), peer.1),
            next: 0xffff_ff80,
            acknowledged: 0,
        }
    }

    /// The same host when it opens another connection.
    pub(super) fn opening(&self, sport: u16, peer: (IpAddr, u16)) -> End {
        let own = (self.own.0, sport);
        End { own, peer, next: 7000, acknowledged: 0, ..self.clone() }
    }
}

pub(super) struct Talk<'p, 'g> {
    pub(super) both: &'p mut Pair<'g>,
    pub(super) is_tcp: bool,
    /// Client and server; the server once something has reached it.
    pub(super) ends: [Option<End>; 2],
    /// Who sent the last packet, and what it was, on both sides.
    pub(super) last: Option<(usize, Vec<u8>, Vec<u8>)>,
}

impl Talk<'_, '_> {
    /// `from` sends; the other one learns from what arrives.
    pub(super) fn send(&mut self, from: usize, flags: TcpFlags, options: Vec<u8>, payload: &[u8]) {
        let Some(end) = self.ends[from].clone() else { return };
        let ports = (end.own.1, end.peer.1);
        let packet = match self.is_tcp {
            true => {
                let tcp = emit::Tcp::new(ports.0, ports.1).flags(flags).options(options);
                let tcp = tcp.seq(end.next).ack(end.acknowledged);
                Packet::new(end.own.0, end.peer.0, tcp)
            }
            false => Packet::new(end.own.0, end.peer.0, emit::Udp::new(ports.0, ports.1)),
        };
        let bytes = packet.id(7).payload(payload).build();
        if let Some(end) = &mut self.ends[from] {
            let syn = u32::from(flags.contains(TcpFlags::SYN));
            end.next = end.next.wrapping_add(payload.len() as u32 + syn);
        }
        self.bring(from, bytes);
    }

    pub(super) fn bring(&mut self, from: usize, bytes: Vec<u8>) {
        let Some(interface) = self.ends[from].as_ref().map(|end| end.interface) else { return };
        let sent = self.both.send("", Ingress::Interface(interface), &bytes);
        let Some((interface, seen)) = sent else { return };
        let headers = Headers::parse(&seen).expect("a packet");
        let (sport, dport) = headers.ports().expect("ports");
        let receiver = &mut self.ends[1 - from];
        let start = End {
            interface,
            own: (headers.dst, dport),
            peer: (headers.src, sport),
            next: 0xffff_ff00,
            acknowledged: 0,
        };
        let receiver = receiver.get_or_insert(start);
        if let L4::Tcp(tcp) = headers.l4 {
            let syn = u32::from(tcp.flags.contains(TcpFlags::SYN));
            let length = headers.payload(&seen).len() as u32;
            receiver.acknowledged = tcp.seq.wrapping_add(length + syn);
        }
        self.last = Some((from, bytes, seen));
    }

    pub(super) fn take(&mut self, turn: &Turn) {
        let plain = Vec::new;
        match turn {
            Client(text) => self.send(0, TcpFlags::ACK, plain(), text),
            Server(text) => self.send(1, TcpFlags::ACK, plain(), text),
            Again => {
                let Some((from, bytes, _)) = self.last.clone() else { return };
                self.bring(from, bytes);
            }
            Hole => {
                let Some((from, _, seen)) = self.last.clone() else { return };
                let headers = Headers::parse(&seen).expect("a packet");
                let L4::Tcp(tcp) = headers.l4 else { return };
                let end = tcp.seq.wrapping_add(headers.payload(&seen).len() as u32);
                if let Some(receiver) = &mut self.ends[1 - from] {
                    receiver.acknowledged = tcp.seq;
                }
                let [left, right] = [tcp.seq, end].map(u32::to_be_bytes);
                let sack = [&[1, 1, 5, 10][..], &left, &right].concat();
                self.send(1 - from, TcpFlags::ACK, sack, b"");
                if let Some(receiver) = &mut self.ends[1 - from] {
                    receiver.acknowledged = end;
                }
            }
            Child(reads) => self.open_child(*reads, self.is_tcp),
            Stream(reads) => self.open_child(*reads, true),
        }
    }

    /// The receiver of the last packet opens what it has read there.
    fn open_child(&mut self, reads: Reads, is_tcp: bool) {
        let Some((from, _, seen)) = &self.last else { return };
        let headers = Headers::parse(seen).expect("a packet");
        let Some((address, port)) = reads(headers.payload(seen)) else {
            panic!("nothing is announced: {:?}", headers.payload(seen));
        };
        let Some(end) = &self.ends[1 - from] else { return };
        let port = if port == 0 { end.peer.1 } else { port };
        let opener = end.opening(3333, (address.unwrap_or(end.peer.0), port));
        let ends = [Some(opener), None];
        let mut child = Talk { both: &mut *self.both, is_tcp, ends, last: None };
        child.hello();
        child.take(&Client(b"data"));
        child.take(&Server(b"fine"));
    }

    pub(super) fn hello(&mut self) {
        if self.is_tcp {
            let sack = || vec![2, 4, 5, 180, 1, 1, 4, 2];
            self.send(0, TcpFlags::SYN, sack(), b"");
            self.send(1, TcpFlags::SYN | TcpFlags::ACK, sack(), b"");
            self.send(0, TcpFlags::ACK, Vec::new(), b"");
        }
    }
}

#[test]
fn rewritten_payload() {
    if !tier::is_wanted() {
        return;
    }
    let world = World::new();
    let topology = Topology::from_toml(world.topology(), "world").expect("a topology");
    let mut gateway: Option<Gateway> = None;
    let mut wrong = Vec::new();
    let [mut compared, mut rewritten] = [0; 2];
    for row in ROWS {
        let case = case(row, &world);
        let scenario = Scenario {
            rules4: case.rules4.as_deref(),
            rules6: case.rules6.as_deref(),
            ..Scenario::new(&topology)
        };
        match &mut gateway {
            Some(gateway) => gateway.reset(&scenario).unwrap_or_else(|error| panic!("{error}")),
            None => gateway = Some(Gateway::new(&scenario).unwrap_or_else(|e| panic!("{e}"))),
        }
        let kernel = gateway.as_mut().expect("a gateway");
        let mut both = Pair::new(kernel, Ours::new(&case).expect("rules"));
        let own = (row.client.1, 4000);
        let client = End::opener(row.client.0, own, (row.server, row.port));
        let is_tcp = row.proto == "tcp";
        let ends = [Some(client), None];
        let mut talk = Talk { both: &mut both, is_tcp, ends, last: None };
        talk.hello();
        row.turns.iter().for_each(|turn| talk.take(turn));
        let about = format!("{} {:?}", row.helper, row.nat);
        wrong.extend(both.wrong.into_iter().map(|what| format!("{about}: {what}")));
        compared += both.compared;
        rewritten += both.rewritten;
    }
    println!("{compared} packets were compared, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 130, "only {compared} packets were compared");
    assert!(rewritten >= 15, "only {rewritten} packets were rewritten");
}

fn case(row: &Row, world: &World) -> Case {
    let Row { helper, proto, port, nat, .. } = row;
    let rules = Some(format!(
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         -A PREROUTING -p {proto} --dport {port} -j CT --helper {helper}\nCOMMIT\n\
         *nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :POSTROUTING ACCEPT [0:0]\n{}\nCOMMIT\n",
        nat.join("\n")
    ));
    let is_v6 = row.client.1.contains(':');
    Case {
        name: "rewrite".to_owned(),
        topology: world.topology().to_owned(),
        rules4: rules.clone().filter(|_| !is_v6),
        rules6: rules.filter(|_| is_v6),
        ..Case::default()
    }
}
