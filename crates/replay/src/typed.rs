//! A packet typed by hand, as `kinwall explain` takes it.
//!
//! ```text
//! [in IFACE | local] PROTOCOL SOURCE[:PORT] -> DESTINATION[:PORT] [WORD...]
//!
//! in eth0 tcp 203.0.113.9:4000 -> 192.0.2.10:2121 syn
//! in eth1 udp [fd00::2]:4000 -> [fd00:1::1]:53 established reply
//! local icmp 192.0.2.2 -> 203.0.113.9 echo-request
//! in eth0 tcp 203.0.113.9:4000 -> 192.0.2.10:50000 syn related by ftp
//! ```
//!
//! A source port that is left out is 40000; a destination port must be there where the protocol
//! has ports.
//!
//! Words: TCP flags (`syn ack fin rst psh urg none`; without one, `syn`, or `ack` where a
//! connection is presumed to be established or the packet a reply), `type N[/CODE]`,
//! `echo-request`, `echo-reply`, `id N`, `call N` (GRE: PPTP's, with the call id of its receiver),
//! `ttl N`, `tos N`, `mark N`, `mac ADDRESS`, `length N` (payload bytes), `payload TEXT` (to the
//! end, with `\r`, `\n`, `\t`, `\0`, `\\` and `\xHH`), and what to presume of its connection:
//! `new`, `established`, `related`, `invalid`, `untracked`, `by HELPER`, `reply`.

use kinwall_terms::{CtState, Direction, Family, InterfaceName, L4Proto};
use kinwall_topology::MacAddr;
use kinwall_wire::emit::{Dccp, Gre, Icmp, Packet, Sctp, Tcp, Transport, Udp, UdpLite, sctp_chunk};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::net::{IpAddr, SocketAddr};

/// A packet typed by hand, and what to presume of it.
#[derive(Clone, Debug)]
pub struct Typed {
    /// The interface it comes in by, when one was typed.
    pub input: Option<InterfaceName>,
    /// Whether the gateway itself sends it.
    pub local: bool,
    /// Its bytes, from the network header on.
    pub bytes: Vec<u8>,
    /// Its link layer.
    pub link: LinkFacts,
    /// Its mark on arrival.
    pub mark: u32,
    /// The ct state to presume; `None`: as an empty table decides.
    pub ct_state: Option<CtState>,
    /// The helper of the master to presume.
    pub helper: Option<String>,
    /// The direction to presume.
    pub direction: Direction,
}

/// What cannot be understood of a typed packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotAPacket {
    /// Which word, from 0; the number of words when something is missing at the end.
    pub word: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Typed {
    /// Reads the words of the module's grammar.
    ///
    /// # Errors
    ///
    /// The first word that is not understood.
    pub fn parse(text: &str) -> Result<Typed, NotAPacket> {
        let (text, payload) = match text.split_once(" payload ") {
            Some((head, payload)) => (head, Some(payload)),
            None => (text, None),
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut reader = Reader { words: &words, next: 0 };
        let mut draft = reader.head()?;
        while reader.next < words.len() {
            reader.word(&mut draft)?;
        }
        if let Some(payload) = payload {
            let bytes = unescape(payload).ok_or_else(|| {
                reader.wrong("a payload escape is \\r, \\n, \\t, \\0, \\\\ or \\xHH")
            })?;
            draft.payload = bytes;
        }
        draft.finish(&reader)
    }
}

struct Draft {
    input: Option<InterfaceName>,
    local: bool,
    proto: L4Proto,
    src: IpAddr,
    dst: IpAddr,
    /// Source and destination port, of a protocol that has ports.
    ports: (u16, u16),
    /// The TCP flags, once some were typed.
    flags: Option<TcpFlags>,
    icmp: (u8, u8),
    id: u16,
    /// The call id, for GRE that is PPTP's.
    call: Option<u16>,
    ttl: u8,
    tos: u8,
    mark: u32,
    link: LinkFacts,
    payload: Vec<u8>,
    ct_state: Option<CtState>,
    helper: Option<String>,
    direction: Direction,
}

struct Reader<'a> {
    words: &'a [&'a str],
    next: usize,
}

impl<'a> Reader<'a> {
    fn head(&mut self) -> Result<Draft, NotAPacket> {
        let mut input = None;
        let mut local = false;
        match self.peek() {
            Some("in") => {
                self.next += 1;
                let name = self.take("an interface name after `in`")?;
                input = Some(
                    InterfaceName::new(name)
                        .ok_or_else(|| self.wrong(&format!("`{name}` is no interface name")))?,
                );
            }
            Some("local") => {
                self.next += 1;
                local = true;
            }
            _ => {}
        }
        let name = self.take("a protocol (tcp, udp, icmp, icmpv6, sctp, gre, esp or a number)")?;
        let proto = protocol(name)
            .ok_or_else(|| self.wrong(&format!("`{name}` is no protocol (tcp, udp, icmp, ...)")))?;
        let (src, sport) = self.end(proto, "a source address")?;
        let arrow = self.take("`->` and a destination address")?;
        if arrow != "->" {
            return Err(self.wrong(&format!("`->` belongs here, not `{arrow}`")));
        }
        let (dst, dport) = self.end(proto, "a destination address")?;
        if Family::of(src) != Family::of(dst) {
            return Err(self.wrong("source and destination are of different families"));
        }
        if dport.is_none() && has_ports(proto) {
            let example = SocketAddr::new(dst, 80);
            return Err(self.wrong(&format!("{proto} goes to a port: write {example}")));
        }
        let echo = if Family::of(dst) == Family::Ipv4 { 8 } else { 128 };
        Ok(Draft {
            input,
            local,
            proto,
            src,
            dst,
            ports: (sport.unwrap_or(SPORT_DEFAULT), dport.unwrap_or(0)),
            flags: None,
            icmp: (echo, 0),
            id: 1,
            ttl: 64,
            tos: 0,
            call: None,
            mark: 0,
            link: LinkFacts::default(),
            payload: Vec::new(),
            ct_state: None,
            helper: None,
            direction: Direction::Original,
        })
    }

    fn end(&mut self, proto: L4Proto, what: &str) -> Result<(IpAddr, Option<u16>), NotAPacket> {
        let word = self.take(what)?;
        if let Ok(address) = word.parse::<IpAddr>() {
            return Ok((address, None));
        }
        match word.parse::<SocketAddr>() {
            Ok(end) if has_ports(proto) => Ok((end.ip(), Some(end.port()))),
            Ok(end) => Err(self.wrong(&format!("{proto} has no ports: write {}", end.ip()))),
            Err(_) => Err(self.wrong(&format!(
                "`{word}` is no address: write 192.0.2.1, 192.0.2.1:80, fd00::1 or [fd00::1]:80"
            ))),
        }
    }

    fn word(&mut self, draft: &mut Draft) -> Result<(), NotAPacket> {
        let word = self.take("a word")?;
        let parts: Option<TcpFlags> = word.split(['-', ',', '+']).map(tcp_flag).collect();
        if let (Some(flags), L4Proto::TCP) = (parts, draft.proto) {
            draft.flags = Some(draft.flags.unwrap_or_default() | flags);
            return Ok(());
        }
        match word {
            "none" => draft.flags = Some(TcpFlags::empty()),
            "new" => draft.ct_state = Some(CtState::New),
            "established" => draft.ct_state = Some(CtState::Established),
            "related" => draft.ct_state = Some(CtState::Related),
            "invalid" => draft.ct_state = Some(CtState::Invalid),
            "untracked" => draft.ct_state = Some(CtState::Untracked),
            "reply" => draft.direction = Direction::Reply,
            "original" => draft.direction = Direction::Original,
            "by" => draft.helper = Some(self.take("a helper's name after `by`")?.to_owned()),
            "echo-request" => draft.icmp = (if v4(draft) { 8 } else { 128 }, 0),
            "echo-reply" => draft.icmp = (if v4(draft) { 0 } else { 129 }, 0),
            "type" => draft.icmp = self.icmp_type()?,
            "id" => draft.id = self.number("id")?,
            "call" if draft.proto == L4Proto::GRE => draft.call = Some(self.number("call")?),
            "ttl" => draft.ttl = self.number("ttl")?,
            "tos" => draft.tos = self.number("tos")?,
            "mark" => draft.mark = self.number("mark")?,
            "length" => {
                let length: u16 = self.number("length")?;
                draft.payload = vec![0; usize::from(length)];
            }
            "mac" => {
                let text = self.take("a MAC address after `mac`")?;
                let mac = MacAddr::parse(text)
                    .ok_or_else(|| self.wrong(&format!("`{text}` is no MAC address")))?;
                draft.link.src_mac = Some(mac.0);
            }
            _ => return Err(self.wrong(&format!("`{word}` means nothing here; {WORDS}"))),
        }
        Ok(())
    }

    fn icmp_type(&mut self) -> Result<(u8, u8), NotAPacket> {
        let text = self.take("a number after `type`")?;
        let (kind, code) = text.split_once('/').unwrap_or((text, "0"));
        match (kind.parse(), code.parse()) {
            (Ok(kind), Ok(code)) => Ok((kind, code)),
            _ => Err(self.wrong(&format!("`{text}` is no ICMP type: write 3 or 3/4"))),
        }
    }

    fn number<N: TryFrom<u32>>(&mut self, of: &str) -> Result<N, NotAPacket> {
        let text = self.take(&format!("a number after `{of}`"))?;
        let parsed = match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => text.parse(),
        };
        let fits = parsed.ok().and_then(|number| N::try_from(number).ok());
        fits.ok_or_else(|| self.wrong(&format!("`{text}` is no {of}")))
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    fn take(&mut self, what: &str) -> Result<&'a str, NotAPacket> {
        let Some(word) = self.peek() else {
            let message = format!("the packet ends where {what} belongs");
            return Err(NotAPacket { word: self.words.len(), message });
        };
        self.next += 1;
        Ok(word)
    }

    /// A mistake in the word taken last.
    fn wrong(&self, message: &str) -> NotAPacket {
        NotAPacket { word: self.next.saturating_sub(1), message: message.to_owned() }
    }
}

const WORDS: &str = "words are syn ack fin rst psh urg none, type N[/CODE], echo-request, \
                     echo-reply, id, call, ttl, tos, mark, mac, length, payload, new, established, \
                     related, invalid, untracked, by HELPER, reply";

fn v4(draft: &Draft) -> bool {
    Family::of(draft.dst) == Family::Ipv4
}

fn protocol(name: &str) -> Option<L4Proto> {
    if name == "ipv6-icmp" {
        return Some(L4Proto::ICMPV6);
    }
    let named = (0..=u8::MAX).map(L4Proto).find(|proto| proto.name() == Some(name));
    named.or_else(|| name.parse().ok().map(L4Proto))
}

fn tcp_flag(name: &str) -> Option<TcpFlags> {
    Some(match name {
        "syn" => TcpFlags::SYN,
        "ack" => TcpFlags::ACK,
        "fin" => TcpFlags::FIN,
        "rst" => TcpFlags::RST,
        "psh" => TcpFlags::PSH,
        "urg" => TcpFlags::URG,
        _ => return None,
    })
}

/// The bytes of a payload as it is typed: text with the escapes `\r`, `\n`, `\t`, `\0`, `\\` and
/// `\xHH`; `None` when it holds another.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

impl Draft {
    /// The flags that were typed; else those that such a packet has.
    fn tcp_flags(&self) -> TcpFlags {
        let running = self.ct_state == Some(CtState::Established);
        self.flags.unwrap_or(match running || self.direction == Direction::Reply {
            true => TcpFlags::ACK,
            false => TcpFlags::SYN,
        })
    }

    fn finish(self, reader: &Reader<'_>) -> Result<Typed, NotAPacket> {
        let (sport, dport) = self.ports;
        let transport = match self.proto {
            L4Proto::TCP => Transport::Tcp(Tcp::new(sport, dport).flags(self.tcp_flags())),
            L4Proto::UDP => Transport::Udp(Udp::new(sport, dport)),
            L4Proto::UDPLITE => Transport::UdpLite(UdpLite::new(sport, dport)),
            L4Proto::ICMP | L4Proto::ICMPV6 => Transport::Icmp(Icmp {
                rest: u32::from(self.id) << 16,
                ..Icmp::new(self.icmp.0, self.icmp.1)
            }),
            L4Proto::SCTP => Transport::Sctp(Sctp::new(sport, dport, 0)),
            // A packet that opens a connection.
            L4Proto::DCCP => Transport::Dccp(Dccp {
                sport,
                dport,
                kind: DCCP_REQUEST,
                seq: 1,
                ack: 0,
                options: DCCP_SERVICE.to_vec(),
            }),
            L4Proto::GRE => Transport::Gre(match self.call {
                Some(call) => Gre::pptp(call, 0),
                None => Gre::new(ETHERTYPE_IPV4),
            }),
            proto => Transport::Raw(proto),
        };
        if self.helper.is_some() && self.ct_state.is_none() {
            let message = "`by` belongs to a packet that is `related` or `established`".to_owned();
            return Err(NotAPacket { word: reader.words.len(), message });
        }
        let packet = Packet::new(self.src, self.dst, transport);
        let payload = match self.proto {
            // A packet that opens an association.
            L4Proto::SCTP if self.payload.is_empty() => sctp_chunk(SCTP_INIT, 0, &[0; 16]),
            _ => self.payload,
        };
        let packet = packet.payload(payload).ttl(self.ttl).tos(self.tos);
        Ok(Typed {
            input: self.input,
            local: self.local,
            bytes: packet.build(),
            link: self.link,
            mark: self.mark,
            ct_state: self.ct_state,
            helper: self.helper,
            direction: self.direction,
        })
    }
}

fn has_ports(proto: L4Proto) -> bool {
    use L4Proto as P;
    [P::TCP, P::UDP, P::UDPLITE, P::SCTP, P::DCCP].contains(&proto)
}

/// The source port of who names none: one that clients have.
const SPORT_DEFAULT: u16 = 40_000;

/// Packet type Request (RFC 4340, section 5.1).
const DCCP_REQUEST: u8 = 0;
/// The service code of a Request that names no service (RFC 4340, section 8.1.2).
const DCCP_SERVICE: [u8; 4] = [0; 4];
const ETHERTYPE_IPV4: u16 = 0x0800;
/// Chunk type INIT (RFC 9260, section 3.2).
const SCTP_INIT: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use kinwall_wire::{Headers, L4};

    #[test]
    fn a_typed_packet_is_the_packet() {
        let typed = Typed::parse("in eth0 tcp 203.0.113.9:4000 -> 192.0.2.10:2121 syn").unwrap();
        let headers = Headers::parse(&typed.bytes).unwrap();
        assert_eq!(headers.ports(), Some((4000, 2121)));
        assert!(matches!(headers.l4, L4::Tcp(tcp) if tcp.flags == TcpFlags::SYN));
        assert!(headers.verify_checksum(&typed.bytes));
        assert_eq!(typed.input, InterfaceName::new("eth0"));
    }

    #[test]
    fn a_packet_without_flags_has_the_usual_ones() {
        let rows = [
            ("", TcpFlags::SYN),
            ("related", TcpFlags::SYN),
            ("established", TcpFlags::ACK),
            ("new reply", TcpFlags::ACK),
            ("none", TcpFlags::empty()),
            ("fin ack", TcpFlags::FIN | TcpFlags::ACK),
        ];
        for (words, flags) in rows {
            let typed = Typed::parse(&format!("tcp 10.0.0.1:4 -> 10.0.0.2:5 {words}")).unwrap();
            let headers = Headers::parse(&typed.bytes).unwrap();
            assert!(matches!(headers.l4, L4::Tcp(tcp) if tcp.flags == flags), "{words}");
        }
    }

    #[test]
    fn words_after_the_ends_are_read() {
        let text = "local udp [fd00::2]:4000 -> [fd00::3]:53 established reply by sip ttl 3 \
                    mark 0x10 payload a\\r\\n\\x41";
        let typed = Typed::parse(text).unwrap();
        let headers = Headers::parse(&typed.bytes).unwrap();
        assert!(typed.local);
        assert_eq!(headers.ttl, 3);
        assert_eq!(headers.payload(&typed.bytes), b"a\r\nA");
        assert_eq!((typed.mark, typed.ct_state), (16, Some(CtState::Established)));
        assert_eq!(typed.helper.as_deref(), Some("sip"));
        assert_eq!(typed.direction, Direction::Reply);
    }

    #[test]
    fn what_is_left_out_is_as_usual() {
        for proto in ["tcp", "udp", "udplite", "sctp", "dccp"] {
            let typed = Typed::parse(&format!("{proto} 10.0.0.1 -> 10.0.0.2:80")).unwrap();
            let headers = Headers::parse(&typed.bytes).unwrap();
            assert_eq!(headers.ports(), Some((40_000, 80)), "{proto}");
            assert!(headers.verify_checksum(&typed.bytes), "{proto}");
        }
    }

    #[test]
    fn gre_may_be_the_data_of_a_call() {
        for (words, call) in [("", None), (" call 7", Some(7)), (" call 0", Some(0))] {
            let typed = Typed::parse(&format!("gre 10.0.0.1 -> 10.0.0.2{words}")).unwrap();
            let headers = Headers::parse(&typed.bytes).unwrap();
            assert!(matches!(headers.l4, L4::Gre(gre) if gre.call_id == call), "{words}");
        }
    }

    #[test]
    fn a_mistake_names_its_word() {
        let rows = [
            ("", 0, "the packet ends where a protocol"),
            ("in eth0 tpc 1.2.3.4 -> 1.2.3.5", 2, "`tpc` is no protocol"),
            ("tcp 1.2.3.4:x -> 1.2.3.5", 1, "is no address"),
            ("tcp 1.2.3.4 1.2.3.5", 2, "`->` belongs here"),
            ("tcp 1.2.3.4 -> fd00::1", 3, "different families"),
            ("tcp 1.2.3.4:5 -> 1.2.3.5", 3, "tcp goes to a port: write 1.2.3.5:80"),
            ("udp fd00::2 -> fd00::1", 3, "udp goes to a port: write [fd00::1]:80"),
            ("gre 1.2.3.4 -> 1.2.3.5:6", 3, "gre has no ports: write 1.2.3.5"),
            ("udp 1.2.3.4 -> 1.2.3.5:6 syn", 4, "means nothing here"),
            ("udp 1.2.3.4 -> 1.2.3.5:6 call 7", 4, "means nothing here"),
            ("gre 1.2.3.4 -> 1.2.3.5 call 65536", 5, "`65536` is no call"),
            ("tcp 1.2.3.4 -> 1.2.3.5:6 ttl 999", 5, "`999` is no ttl"),
            ("tcp 1.2.3.4 -> 1.2.3.5:6 by ftp", 6, "`by` belongs"),
        ];
        for (text, word, says) in rows {
            let error = Typed::parse(text).unwrap_err();
            assert_eq!(error.word, word, "{text}: {error}");
            assert!(error.message.contains(says), "{text}: {error}");
        }
    }
}
