//! What LOG writes: the line of Linux's packet log (`IN=eth0 OUT=eth1 SRC=...`), which fail2ban and
//! its like read. A line tells of the packet as it is when the rule sees it.

use crate::facts::{Facts, PacketState};
use crate::targets::log::Log;
use kinwall_terms::{Family, L4Proto};
use kinwall_wire::tcp::TcpFlags;
use kinwall_wire::{Headers, Icmp, L4, LinkFacts, Tcp};
use std::fmt::Write;
use std::net::IpAddr;

/// Lines kept until they are fetched, at most.
pub const LINES_MAX: usize = 1_024;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The syslog level that the rule names: 0 (emergency) to 7 (debug).
    pub level: u8,
    /// The line, without its end.
    pub text: String,
}

/// The lines that LOG has written and nobody has fetched yet. Off at first: whoever never fetches
/// lines pays nothing for them.
#[derive(Debug, Default)]
pub struct LogBook {
    is_on: bool,
    lines: Vec<LogLine>,
    lost: u64,
}

impl LogBook {
    /// Writes lines from now on, or not.
    pub fn set(&mut self, on: bool) {
        self.is_on = on;
    }

    /// Whether lines are written.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The lines so far, and how many more there were than the book holds ([`LINES_MAX`]). The book
    /// is empty then.
    pub fn take(&mut self) -> (Vec<LogLine>, u64) {
        (std::mem::take(&mut self.lines), std::mem::take(&mut self.lost))
    }

    /// Writes the line of `log` about a packet.
    pub(crate) fn write(&mut self, log: &Log, facts: &Facts<'_>, state: &PacketState) {
        if self.lines.len() >= LINES_MAX {
            self.lost += 1;
            return;
        }
        self.lines.push(LogLine { level: log.level, text: line(log, facts, state) });
    }
}

/// The line of a packet, as Linux writes it. Its MAC field is empty where the link header is not
/// known whole.
fn line(log: &Log, facts: &Facts<'_>, state: &PacketState) -> String {
    let mut out = String::with_capacity(256);
    // Control characters of a prefix would forge lines.
    out.extend(log.prefix.chars().filter(|c| !c.is_control()));
    let name = |iface: Option<kinwall_terms::InterfaceName>| {
        iface.map_or(String::new(), |name| name.to_string())
    };
    put(&mut out, format_args!("IN={} OUT={} ", name(facts.in_iface), name(facts.out_iface)));
    for (key, port) in [("PHYSIN", facts.link.physdev_in), ("PHYSOUT", facts.link.physdev_out)] {
        if port.is_some() {
            put(&mut out, format_args!("{key}={} ", name(port)));
        }
    }
    if facts.in_iface.is_some() {
        mac(&mut out, log, facts.link);
    }
    let seen = Seen { headers: facts.headers, bytes: facts.bytes, is_inner: false };
    seen.print(&mut out, log, (state.tos, state.ttl));
    if let Some(owner) = facts.owner.filter(|_| log.uid) {
        put(&mut out, format_args!("UID={} GID={} ", owner.uid, owner.gid));
    }
    if state.mark != 0 {
        put(&mut out, format_args!("MARK={:#x} ", state.mark));
    }
    out
}

/// Writing into a string does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn joined(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn mac(out: &mut String, log: &Log, link: &LinkFacts) {
    match (link.dst_mac, link.src_mac) {
        (Some(dst), Some(src)) if log.macdecode => {
            let (src, dst) = (joined(&src), joined(&dst));
            let proto = link.ethertype;
            put(out, format_args!("MACSRC={src} MACDST={dst} MACPROTO={proto:04x} "));
        }
        (Some(dst), Some(src)) => {
            let header = [&dst[..], &src[..], &link.ethertype.to_be_bytes()].concat();
            put(out, format_args!("MAC={} ", joined(&header)));
        }
        _ => out.push_str("MAC= "),
    }
}

/// `OPT (020405B4) `.
fn options(out: &mut String, bytes: &[u8]) {
    out.push_str("OPT (");
    bytes.iter().for_each(|byte| put(out, format_args!("{byte:02X}")));
    out.push_str(") ");
}

/// A packet, or the one inside an ICMP error.
struct Seen<'a> {
    headers: &'a Headers,
    bytes: &'a [u8],
    is_inner: bool,
}

impl Seen<'_> {
    fn print(&self, out: &mut String, log: &Log, (tos, ttl): (u8, u8)) {
        match self.headers.family {
            Family::Ipv4 => self.ipv4(out, log, tos, ttl),
            Family::Ipv6 => self.ipv6(out, tos, ttl),
        }
        let is_later = self.headers.is_later_fragment();
        let proto = self.headers.proto;
        match protocol_name(proto) {
            Some(name) => put(out, format_args!("PROTO={name} ")),
            None => return put(out, format_args!("PROTO={} ", proto.0)),
        }
        if is_later {
            return;
        }
        match &self.headers.l4 {
            L4::Tcp(tcp) => self.tcp(out, log, tcp),
            L4::Udp(udp) | L4::UdpLite(udp) => {
                let (from, to, length) = (udp.sport, udp.dport, udp.length);
                put(out, format_args!("SPT={from} DPT={to} LEN={length} "));
            }
            L4::Icmp(icmp) => self.icmp(out, log, icmp),
            _ => {
                let length = self.headers.transport(self.bytes).len();
                put(out, format_args!("INCOMPLETE [{length} bytes] "));
            }
        }
    }

    fn ipv4(&self, out: &mut String, log: &Log, tos: u8, ttl: u8) {
        const TOS: u8 = 0x1e;
        const PRECEDENCE: u8 = 0xe0;
        const HEADER: usize = 20;
        let headers = self.headers;
        put(out, format_args!("SRC={} DST={} ", headers.src, headers.dst));
        let (tos, precedence) = (tos & TOS, tos & PRECEDENCE);
        let (length, id) = (headers.total_length, headers.identification);
        put(out, format_args!("LEN={length} TOS=0x{tos:02X} PREC=0x{precedence:02X} "));
        put(out, format_args!("TTL={ttl} ID={id} "));
        let flags = self.bytes.get(6).copied().unwrap_or(0);
        for (bit, name) in [(0x80, "CE "), (0x40, "DF "), (0x20, "MF ")] {
            out.push_str(if flags & bit != 0 { name } else { "" });
        }
        if let Some(fragment) = headers.fragment.filter(|fragment| fragment.offset != 0) {
            put(out, format_args!("FRAG:{} ", fragment.offset / 8));
        }
        let end = usize::from(self.bytes.first().copied().unwrap_or(0) & 15) * 4;
        if let Some(found) = self.bytes.get(HEADER..end).filter(|found| !found.is_empty())
            && log.ip_options
        {
            options(out, found);
        }
    }

    fn ipv6(&self, out: &mut String, tos: u8, ttl: u8) {
        let headers = self.headers;
        put(out, format_args!("SRC={} DST={} ", whole(headers.src), whole(headers.dst)));
        let label = match self.bytes.get(1..4) {
            Some([high, middle, low]) => u32::from_be_bytes([0, high & 15, *middle, *low]),
            _ => 0,
        };
        let length = headers.total_length;
        put(out, format_args!("LEN={length} TC={tos} HOPLIMIT={ttl} FLOWLBL={label} "));
        if let Some(fragment) = headers.fragment {
            let more = if fragment.more { "INCOMPLETE " } else { "" };
            put(out, format_args!("FRAG:{} {more}ID:{:08x} ", fragment.offset, fragment.id));
        }
    }

    fn tcp(&self, out: &mut String, log: &Log, tcp: &Tcp) {
        const NAMES: [(TcpFlags, &str); 8] = [
            (TcpFlags::CWR, "CWR "),
            (TcpFlags::ECE, "ECE "),
            (TcpFlags::URG, "URG "),
            (TcpFlags::ACK, "ACK "),
            (TcpFlags::PSH, "PSH "),
            (TcpFlags::RST, "RST "),
            (TcpFlags::SYN, "SYN "),
            (TcpFlags::FIN, "FIN "),
        ];
        put(out, format_args!("SPT={} DPT={} ", tcp.sport, tcp.dport));
        if log.tcp_sequence {
            put(out, format_args!("SEQ={} ACK={} ", tcp.seq, tcp.ack));
        }
        let transport = self.headers.transport(self.bytes);
        let reserved = (transport.get(12).copied().unwrap_or(0) & 15) << 2;
        put(out, format_args!("WINDOW={} RES=0x{reserved:02x} ", tcp.window));
        for (flag, name) in NAMES {
            out.push_str(if tcp.flags.contains(flag) { name } else { "" });
        }
        put(out, format_args!("URGP={} ", tcp.urgent));
        let found = transport.get(Tcp::LENGTH..usize::from(tcp.data_offset));
        if let Some(found) = found.filter(|found| !found.is_empty())
            && log.tcp_options
        {
            options(out, found);
        }
    }

    fn icmp(&self, out: &mut String, log: &Log, icmp: &Icmp) {
        put(out, format_args!("TYPE={} CODE={} ", icmp.kind, icmp.code));
        let rest = icmp.rest();
        match (self.headers.family, icmp.kind) {
            (Family::Ipv4, 0 | 8) | (Family::Ipv6, 128 | 129) => {
                put(out, format_args!("ID={} SEQ={} ", icmp.id, icmp.sequence));
            }
            (Family::Ipv4, 12) => put(out, format_args!("PARAMETER={} ", rest >> 24)),
            (Family::Ipv4, 5) => {
                put(out, format_args!("GATEWAY={} ", std::net::Ipv4Addr::from(rest)));
                self.inner(out, log);
            }
            (Family::Ipv4, 3 | 4 | 11) | (Family::Ipv6, 1 | 3) => self.inner(out, log),
            (Family::Ipv6, 4) => {
                put(out, format_args!("POINTER={rest:x} "));
                self.inner(out, log);
            }
            (Family::Ipv6, 2) => self.inner(out, log),
            _ => {}
        }
        match (self.headers.family, icmp.kind, icmp.code) {
            (Family::Ipv4, 3, 4) => put(out, format_args!("MTU={} ", icmp.sequence)),
            (Family::Ipv6, 2, _) => put(out, format_args!("MTU={rest} ")),
            _ => {}
        }
    }

    /// The packet that an ICMP error is about; of one inside another nothing is told.
    fn inner(&self, out: &mut String, log: &Log) {
        let transport = self.headers.transport(self.bytes);
        let Some(bytes) = transport.get(Icmp::LENGTH..).filter(|_| !self.is_inner) else { return };
        out.push('[');
        match quoted(bytes) {
            Some(headers) => {
                let seen = Seen { headers: &headers, bytes, is_inner: true };
                seen.print(out, log, (headers.tos, headers.ttl));
            }
            None => out.push_str("TRUNCATED"),
        }
        out.push_str("] ");
    }
}

/// The headers of the beginning of a packet. They state the length of the whole.
fn quoted(bytes: &[u8]) -> Option<Headers> {
    const IPV6_HEADER: usize = 40;
    let (field, before) = match bytes.first()? >> 4 {
        6 => (4..6, IPV6_HEADER),
        _ => (2..4, 0),
    };
    let there = u16::try_from(bytes.len().checked_sub(before)?).ok()?;
    let stated = u16::from_be_bytes(bytes.get(field.clone())?.try_into().ok()?);
    if stated <= there {
        return Headers::parse(bytes).ok();
    }
    let mut copy = bytes.to_vec();
    copy.get_mut(field)?.copy_from_slice(&there.to_be_bytes());
    let mut headers = Headers::parse(&copy).ok()?;
    headers.total_length = u32::from(stated) + before as u32;
    Some(headers)
}

fn protocol_name(proto: L4Proto) -> Option<&'static str> {
    Some(match proto {
        L4Proto::TCP => "TCP",
        L4Proto::UDP => "UDP",
        L4Proto::UDPLITE => "UDPLITE",
        L4Proto::ICMP => "ICMP",
        L4Proto::ICMPV6 => "ICMPv6",
        _ => return None,
    })
}

/// An IPv6 address with all its zeros.
fn whole(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let groups = address.segments().map(|group| format!("{group:04x}"));
            groups.join(":")
        }
    }
}
