//! Text for people: one line a packet, narrow, the same columns throughout.

use super::{
    AnnouncedBy, ConnectionEvent, ConnectionRecord, ExpectationEvent, Output, PacketRecord, Record,
    RuleCount, RuleName, Summary,
};
use kinwall_terms::{CtState, InterfaceName, L4Proto, Reason, Table, Time, Tuple, Verdict};
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::net::IpAddr;

/// How text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// With the colours of a terminal.
    pub colour: bool,
    /// With a line for each new, met or ended expectation and connection.
    pub events: bool,
}

/// Writes records as text.
#[derive(Debug)]
pub struct Text<W> {
    to: W,
    style: Style,
    /// Time of the first packet; the times of the lines count from it.
    start: Option<Time>,
    line: String,
}

/// Colours, by what they say.
const GOOD: &str = "\x1b[32m";
const BAD: &str = "\x1b[31m";
const ODD: &str = "\x1b[33m";
const FAINT: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

impl<W: Write> Text<W> {
    /// Text to `to`, which should be buffered.
    pub fn new(to: W, style: Style) -> Text<W> {
        Text { to, style, start: None, line: String::new() }
    }

    /// The writer, for lines of other kinds between the records.
    pub fn writer(&mut self) -> &mut W {
        &mut self.to
    }

    fn packet(&mut self, packet: &PacketRecord<'_>) -> fmt::Result {
        let Time(start) = *self.start.get_or_insert(packet.time.0);
        let passed = packet.time.0.0.saturating_sub(start);
        let micros = passed % 1_000_000_000 / 1000;
        write!(self.line, "{:>5} {:>5}.{micros:06} ", packet.packet, passed / 1_000_000_000)?;
        let colour = match packet.verdict {
            Verdict::Accept => GOOD,
            Verdict::Drop | Verdict::Reject(_) => BAD,
            Verdict::Queue(_) | Verdict::Unknown | Verdict::Consume => ODD,
        };
        self.coloured(colour, format_args!("{:<7}", packet.verdict.name()))?;
        let state = packet.ctstate.map_or("-", CtState::name);
        let colour = match packet.ctstate {
            Some(CtState::Related) => BOLD,
            Some(CtState::Invalid) => BAD,
            Some(CtState::New) => "",
            _ => FAINT,
        };
        self.line.push(' ');
        self.coloured(colour, format_args!("{state:<11}"))?;
        self.line.push(' ');
        if let Some(ends) = interfaces(packet) {
            self.coloured(FAINT, format_args!("{ends} "))?;
        }
        match packet.tuple {
            Some(tuple) => write!(self.line, "{}", Flow(tuple))?,
            None => self.line.push_str("unreadable"),
        }
        if packet.cut {
            self.coloured(ODD, format_args!(" cut"))?;
        }
        self.because(packet)
    }

    /// The end of the line: who decided and why; and a line about what announced the packet.
    fn because(&mut self, packet: &PacketRecord<'_>) -> fmt::Result {
        match (packet.rule, packet.reason) {
            (Some(rule), _) => self.coloured(FAINT, format_args!(" by {}", By(rule)))?,
            (None, Some(Reason::ChainPolicy)) => {
                self.coloured(FAINT, format_args!(" by policy"))?
            }
            (None, Some(reason)) => self.coloured(BAD, format_args!(" {reason}"))?,
            (None, None) => {}
        }
        let told = packet.rule.is_none() && packet.reason == packet.invalid;
        if let Some(reason) = packet.invalid.filter(|_| !told) {
            self.coloured(BAD, format_args!(" ({reason})"))?;
        }
        if let (Some(CtState::Related), Some(from)) = (packet.ctstate, &packet.announced_by) {
            let end = from.offset.saturating_add(from.length);
            write!(self.line, "\n{:>18} ", "")?;
            let AnnouncedBy { packet: number, offset, .. } = from;
            let bytes = format_args!("announced by packet {number}, bytes {offset}..{end}");
            self.coloured(BOLD, bytes)?;
            if let Some(text) = &from.text {
                write!(self.line, ": \"{text}\"")?;
            }
            if let Some(helper) = packet.helper {
                write!(self.line, " ({helper})")?;
            }
        }
        Ok(())
    }

    /// A line about an expectation or a connection, in the columns of the packets.
    fn aside(&mut self, packet: u64, text: fmt::Arguments<'_>) -> fmt::Result {
        write!(self.line, "{packet:>5} {:>12} ", "")?;
        self.coloured(FAINT, text)
    }

    fn coloured(&mut self, colour: &str, text: fmt::Arguments<'_>) -> fmt::Result {
        if !self.style.colour || colour.is_empty() {
            return self.line.write_fmt(text);
        }
        self.line.push_str(colour);
        self.line.write_fmt(text)?;
        self.line.push_str(PLAIN);
        Ok(())
    }

    fn line(&mut self, record: &Record<'_>) -> fmt::Result {
        match record {
            Record::Packet(packet) => self.packet(packet),
            Record::Expectation(record) if self.style.events => {
                let (number, helper, expected) =
                    (record.expectation, record.helper, &record.expected);
                let what = event_name(&record.event);
                let flow = Expecting(expected);
                self.aside(
                    record.packet,
                    format_args!("expectation {number} {what}: {helper} {flow}"),
                )
            }
            Record::Connection(record) if self.style.events => {
                let what = connection_event_name(&record.event);
                let flow = Flow(record.original.0);
                let number = record.connection;
                let now = Now(record);
                self.aside(record.packet, format_args!("connection {number} {what}: {flow}{now}"))
            }
            Record::Summary(summary) => self.summary(summary),
            Record::Expectation(_) | Record::Connection(_) => Ok(()),
        }
    }

    fn summary(&mut self, summary: &Summary) -> fmt::Result {
        if self.start.is_some() {
            self.line.push('\n');
        }
        let rows = [
            ("accepted", summary.accepted, GOOD),
            ("dropped", summary.dropped, BAD),
            ("rejected", summary.rejected, BAD),
            ("queued", summary.queued, ODD),
            ("unknown", summary.unknown, ODD),
            ("held fragments", summary.consumed, ODD),
            ("not IP", summary.skipped.not_ip, FAINT),
            ("not read", summary.skipped.unread, ODD),
            ("captured twice", summary.skipped.copies, FAINT),
            ("for other hosts", summary.skipped.other_host, FAINT),
        ];
        self.row("packets", summary.packets, BOLD)?;
        for (name, count, colour) in rows {
            if count > 0 || matches!(name, "accepted" | "dropped") {
                self.row(&format!("  {name}"), count, colour)?;
            }
        }
        if summary.cut > 0 {
            self.row("cut by the capture", summary.cut, ODD)?;
        }
        if !summary.ctstates.is_empty() {
            self.line.push_str("ct states\n");
        }
        for (state, count) in &summary.ctstates {
            let state = if *state == "none" { "never tracked" } else { state };
            self.row(&format!("  {state}"), *count, "")?;
        }
        let connections = &summary.connections;
        self.row("connections", connections.new, BOLD)?;
        self.row("  at the end", connections.left, "")?;
        for (cause, count) in &connections.ended {
            self.row(&format!("  {cause}"), *count, "")?;
        }
        let expectations = summary.expectations;
        if expectations.new + expectations.refused > 0 {
            self.row("expectations", expectations.new, BOLD)?;
            self.row("  matched", expectations.matched, "")?;
            if expectations.refused > 0 {
                self.row("  refused", expectations.refused, ODD)?;
            }
        }
        self.refusals(summary)?;
        if summary.damage > 0 {
            self.row("damage in the captures", summary.damage, BAD)?;
        }
        // Every line ends itself here; the caller ends the last one.
        self.line.truncate(self.line.trim_end_matches('\n').len());
        Ok(())
    }

    /// What was not believed, and what was dropped.
    fn refusals(&mut self, summary: &Summary) -> fmt::Result {
        if !summary.not_believed.is_empty() {
            self.line.push_str("not believed by helpers\n");
        }
        for (reason, count) in &summary.not_believed {
            self.row(&format!("  {reason}"), *count, ODD)?;
        }
        if !summary.drops_by_reason.is_empty() {
            self.line.push_str("drops by reason\n");
            for counted in &summary.drops_by_reason {
                self.row(&format!("  {}", counted.reason), counted.packets, "")?;
            }
        }
        if !summary.drops_by_rule.is_empty() {
            self.line.push_str("drops by rule\n");
            for rule in &summary.drops_by_rule {
                let RuleCount { family, table, chain, number, line, file, packets } = rule;
                let place = match file {
                    Some(file) => format!("{file}:{line}"),
                    None => format!("line {line}"),
                };
                let name = format!("  {family} {table} {chain} {number} ({place})");
                self.row(&name, *packets, "")?;
            }
        }
        Ok(())
    }

    fn row(&mut self, name: &str, count: u64, colour: &str) -> fmt::Result {
        write!(self.line, "{name:<38} ")?;
        self.coloured(colour, format_args!("{:>14}", Grouped(count)))?;
        self.line.push('\n');
        Ok(())
    }
}

impl<W: Write> Output for Text<W> {
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.line.clear();
        self.line(record).map_err(io::Error::other)?;
        if self.line.is_empty() {
            return Ok(());
        }
        self.line.push('\n');
        self.to.write_all(self.line.as_bytes())
    }

    fn start_at(&mut self, first: Time) {
        self.start.get_or_insert(first);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// `eth0>eth1`, `eth0>` for the gateway, `>eth1` from it; `None` when neither is known.
fn interfaces(packet: &PacketRecord<'_>) -> Option<String> {
    let name = |name: Option<InterfaceName>| name.map(|name| name.to_string()).unwrap_or_default();
    (packet.in_iface.is_some() || packet.out_iface.is_some())
        .then(|| format!("{}>{}", name(packet.in_iface), name(packet.out_iface)))
}

fn event_name(event: &ExpectationEvent<'_>) -> String {
    match event {
        ExpectationEvent::New => "new".to_owned(),
        ExpectationEvent::Matched { connection } => format!("met by connection {connection}"),
        ExpectationEvent::Destroyed { reason } => format!("ended ({reason})"),
    }
}

fn connection_event_name(event: &ConnectionEvent<'_>) -> String {
    match event {
        ConnectionEvent::New => "new".to_owned(),
        ConnectionEvent::Update => "changed".to_owned(),
        ConnectionEvent::Destroyed { reason } => format!("ended ({reason})"),
    }
}

/// What a connection has become: ` (ESTABLISHED: SEEN_REPLY ASSURED)`.
struct Now<'a>(&'a ConnectionRecord<'a>);

impl fmt::Display for Now<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.event != ConnectionEvent::Update {
            return Ok(());
        }
        // Every connection that is told of is confirmed.
        let told = self.0.status.iter().filter(|status| **status != "CONFIRMED");
        let words: Vec<&str> = self.0.state.into_iter().chain(told.copied()).collect();
        write!(f, " ({})", words.join(" "))
    }
}

/// A rule, with its table unless it is the filter.
struct By<'a>(RuleName<'a>);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RuleName { table, chain, number, .. } = self.0;
        if table != Table::Filter {
            write!(f, "{table} ")?;
        }
        write!(f, "{chain} {number}")
    }
}

/// A tuple on a line: `tcp 10.0.0.1:80 > 10.0.0.2:4000`.
struct Flow(Tuple);

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuple { src, dst, sport, dport, proto } = self.0;
        match proto {
            L4Proto::ICMP | L4Proto::ICMPV6 => {
                write!(f, "{proto} {src} > {dst} type {} code {}", dport >> 8, dport & 0xff)
            }
            _ if (sport, dport) == (0, 0) => write!(f, "{proto} {src} > {dst}"),
            _ => write!(f, "{proto} {} > {}", End(src, sport), End(dst, dport)),
        }
    }
}

struct End(IpAddr, u16);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.1),
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.1),
        }
    }
}

/// An expected tuple; what may be anything is `*`.
struct Expecting<'a>(&'a kinwall_terms::expectation::Expected);

impl fmt::Display for Expecting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tuple = self.0.tuple;
        let mask = self.0.mask;
        write!(f, "{} ", tuple.proto)?;
        if mask.address.is_unspecified() {
            f.write_str("*")?;
        } else {
            write!(f, "{}", tuple.src)?;
        }
        if mask.port == 0 {
            f.write_str(":*")?
        } else {
            write!(f, ":{}", tuple.sport)?
        }
        write!(f, " > {}", End(tuple.dst, tuple.dport))
    }
}

/// A number with commas: 1,234,567.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}
