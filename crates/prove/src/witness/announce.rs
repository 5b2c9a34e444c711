//! What is said on a signalling connection to announce a child, helper by helper: what goes
//! before, the announcement, and what must follow.

use super::h323::{self, Announced, Channel, Ras};
use super::sip;
use kinwall_helpers::HelperKind;
use kinwall_terms::freedom::Row;
use kinwall_terms::{Direction, L4Proto, Tuple};
use std::net::{IpAddr, SocketAddr};

/// Something that one end says.
#[derive(Clone, Debug)]
pub(super) struct Saying {
    /// Which end: the originator says things in the original direction.
    pub(super) direction: Direction,
    /// The words.
    pub(super) payload: Vec<u8>,
    /// Whether this is the announcement.
    pub(super) announces: bool,
}

/// An announcement to be put into words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcement<'a> {
    /// The helper that reads it.
    pub(super) helper: HelperKind,
    /// What it is.
    pub(super) row: &'a Row,
    /// Who says it.
    pub(super) direction: Direction,
    /// The first packet of the signalling connection.
    pub(super) master: Tuple,
    /// The first packet of the child.
    pub(super) child: Tuple,
}

impl Saying {
    pub(super) fn by(direction: Direction, payload: impl Into<Vec<u8>>) -> Saying {
        Saying { direction, payload: payload.into(), announces: false }
    }

    pub(super) fn announcing(self) -> Saying {
        Saying { announces: true, ..self }
    }
}

impl Announcement<'_> {
    /// The words, in order; exactly one of them announces.
    pub(super) fn sayings(&self) -> Vec<Saying> {
        match self.helper {
            HelperKind::Ftp => self.ftp(),
            HelperKind::Irc => self.irc(),
            HelperKind::Tftp => self.tftp(),
            HelperKind::Amanda => self.amanda(),
            HelperKind::Sane => self.sane(),
            HelperKind::Pptp => self.pptp(),
            HelperKind::Sip => sip::sayings(self),
            // It announces nothing.
            HelperKind::SnmpTrap => Vec::new(),
            HelperKind::Snmp | HelperKind::NetbiosNs => {
                vec![Saying::by(Direction::Original, *b"a question").announcing()]
            }
            HelperKind::Ras => self.ras(),
            HelperKind::Q931 => self.q931(),
            HelperKind::H245 => {
                let channel = match self.child.proto {
                    L4Proto::TCP => Channel::T120(self.to()),
                    _ => Channel::Media(self.to()),
                };
                vec![self.say(h323::open(channel))]
            }
        }
    }

    /// Where the child goes.
    pub(super) fn to(&self) -> SocketAddr {
        SocketAddr::new(self.child.dst, self.child.dport)
    }

    /// The announcement.
    pub(super) fn say(&self, payload: impl Into<Vec<u8>>) -> Saying {
        Saying::by(self.direction, payload).announcing()
    }

    /// What the other end says.
    pub(super) fn other(&self, payload: impl Into<Vec<u8>>) -> Saying {
        Saying::by(self.direction.opposite(), payload)
    }

    /// RFC 959, RFC 2428.
    fn ftp(&self) -> Vec<Saying> {
        let (to, port) = (self.child.dst, self.child.dport);
        let [high, low] = port.to_be_bytes();
        let six = |ip: std::net::Ipv4Addr| {
            let [a, b, c, d] = ip.octets();
            format!("{a},{b},{c},{d},{high},{low}")
        };
        let greeting = [
            Saying::by(Direction::Reply, *b"220 ready\r\n"),
            Saying::by(Direction::Original, *b"USER anonymous\r\n"),
            Saying::by(Direction::Reply, *b"230 welcome\r\n"),
        ];
        let extended = self.row.announcement == "229" || to.is_ipv6();
        let rest = match (self.direction, to) {
            (Direction::Original, IpAddr::V4(ip)) => {
                vec![self.say(format!("PORT {}\r\n", six(ip)))]
            }
            (Direction::Original, IpAddr::V6(ip)) => {
                vec![self.say(format!("EPRT |2|{ip}|{port}|\r\n"))]
            }
            (Direction::Reply, IpAddr::V4(ip)) if !extended => vec![
                self.other(*b"PASV\r\n"),
                self.say(format!("227 Entering Passive Mode ({}).\r\n", six(ip))),
            ],
            (Direction::Reply, _) => vec![
                self.other(*b"EPSV\r\n"),
                self.say(format!("229 Entering Extended Passive Mode (|||{port}|)\r\n")),
            ],
        };
        greeting.into_iter().chain(rest).collect()
    }

    /// The Client-To-Client Protocol's DCC.
    fn irc(&self) -> Vec<Saying> {
        let number = match self.child.dst {
            IpAddr::V4(ip) => ip.to_bits(),
            IpAddr::V6(_) => 0,
        };
        let port = self.child.dport;
        let offer = format!("PRIVMSG you :\x01DCC SEND file {number} {port} 1\x01\r\n");
        vec![
            Saying::by(Direction::Original, *b"NICK me\r\nUSER me 0 * :me\r\n"),
            Saying::by(Direction::Reply, *b":irc 001 me :welcome\r\n"),
            self.say(offer),
        ]
    }

    /// RFC 1350. What comes before an answer of the server's is no request.
    fn tftp(&self) -> Vec<Saying> {
        let request = self.say(*b"\0\x01boot\0octet\0");
        match self.direction {
            Direction::Original => vec![request],
            Direction::Reply => vec![self.other(*b"\0\x04\0\x01"), request],
        }
    }

    fn amanda(&self) -> Vec<Saying> {
        let handle = "HANDLE 000-00000001 SEQ 1000";
        let reply = format!(
            "Amanda 3.5 REP {handle}\nCONNECT DATA {} MESG 0 INDEX 0\nOPTIONS features=ff;\n",
            self.child.dport
        );
        vec![self.other(format!("Amanda 3.5 REQ {handle}\nSERVICE sendbackup\n")), self.say(reply)]
    }

    fn sane(&self) -> Vec<Saying> {
        let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<_>>();
        vec![
            self.other(words(&[0, 0x0101_0003, 0])),
            Saying::by(self.direction, words(&[0, 0x0101_0003])),
            self.other(words(&[7, 0])),
            self.say(words(&[0, self.child.dport.into(), 0x1234, 0])),
        ]
    }

    /// RFC 2637: an outgoing call; the announcing end is the access concentrator.
    fn pptp(&self) -> Vec<Saying> {
        let message = |kind: u8, length: u8, body: &[u8]| {
            let head = [0, length, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, kind, 0, 0];
            let mut message = [&head, body].concat();
            message.resize(length.into(), 0);
            message
        };
        let Tuple { src, sport, dport, .. } = self.child;
        // A packet carries its receiver's id; its sender's is the one that comes back.
        let announcer = match self.direction {
            Direction::Original => self.master.src,
            Direction::Reply => self.master.dst,
        };
        let (pac, pns) = if src == announcer { (sport, dport) } else { (dport, sport) };
        let ([a, b], [c, d]) = (pac.to_be_bytes(), pns.to_be_bytes());
        vec![
            Saying::by(Direction::Original, message(1, 156, &[1, 0])),
            Saying::by(Direction::Reply, message(2, 156, &[1, 0, 1])),
            self.other(message(7, 168, &[c, d])),
            self.say(message(8, 32, &[a, b, c, d, 1])),
        ]
    }

    fn ras(&self) -> Vec<Saying> {
        let to = self.to();
        let ask = |ras| self.other(h323::ras(ras, 1));
        let say = |ras| self.say(h323::ras(ras, 1));
        let own = match self.direction {
            Direction::Original => SocketAddr::new(self.master.dst, self.master.dport),
            Direction::Reply => SocketAddr::new(self.master.src, self.master.sport),
        };
        let sayings = match self.row.announcement {
            "RRQ (calls)" => match self.direction {
                Direction::Original => vec![say(Ras::Register(to)), ask(Ras::Registered(own))],
                // Without a request before there is nothing to answer.
                Direction::Reply => {
                    vec![ask(Ras::Discover(own)), say(Ras::Register(to)), ask(Ras::Registered(own))]
                }
            },
            "RRQ and RCF (calls)" => vec![ask(Ras::Register(to)), say(Ras::Registered(own))],
            "GCF (RAS)" => vec![ask(Ras::Discover(own)), say(Ras::Discovered(to))],
            _ => vec![ask(Ras::Locate(own)), say(Ras::Located(to))],
        };
        // The originator has the first word, or it would not be the originator.
        let first = match sayings.first() {
            Some(Saying { direction: Direction::Reply, .. }) => Some(Saying::by(
                Direction::Original,
                h323::ras(Ras::Discover(self.originator()), 2),
            )),
            _ => None,
        };
        first.into_iter().chain(sayings).collect()
    }

    fn originator(&self) -> SocketAddr {
        SocketAddr::new(self.master.src, self.master.sport)
    }

    fn q931(&self) -> Vec<Saying> {
        let to = self.to();
        let announced = match (self.row.announcement, self.child.proto) {
            ("h245Address (H.245)", _) => Announced::H245(to),
            ("Facility callForwarded (call)", _) => Announced::Forwarded(to),
            (_, L4Proto::TCP) => Announced::Channel(Channel::T120(to)),
            _ => Announced::Channel(Channel::Media(to)),
        };
        let setup = Saying::by(Direction::Original, h323::call(false, Announced::Nothing));
        let said = self.say(h323::call(self.direction == Direction::Reply, announced));
        match (self.direction, announced) {
            (Direction::Original, Announced::Forwarded(_)) | (Direction::Reply, _) => {
                vec![setup, said]
            }
            (Direction::Original, _) => vec![said],
        }
    }
}
