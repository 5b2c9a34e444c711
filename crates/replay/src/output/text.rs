//! Text for people: one line a packet, narrow, the same columns throughout.

mod difference;
mod summary;

use super::{
    AnnouncedBy, ConnectionEvent, ConnectionRecord, Ends, ExpectationEvent, Expecting, Flow,
    Instant, Output, PacketRecord, Record, RuleName,
};
use kinwall_terms::{CtState, InterfaceName, Reason, Table, Time, Verdict};
use std::fmt::{self, Write as _};
use std::io::{self, Write};

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
        self.number_and_time(packet.packet, packet.time)?;
        let colour = verdict_colour(packet.verdict);
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
        if let Some(Ends(translated)) = packet.translated {
            write!(self.line, " now {}", Flow(translated))?;
        }
        if packet.cut {
            self.coloured(ODD, format_args!(" cut"))?;
        }
        self.because(packet)
    }

    /// The beginning of the line: the packet, and seconds since the first one.
    fn number_and_time(&mut self, number: u64, at: Instant) -> fmt::Result {
        let Time(start) = *self.start.get_or_insert(at.0);
        let passed = at.0.0.saturating_sub(start);
        let micros = passed % 1_000_000_000 / 1000;
        write!(self.line, "{number:>5} {:>5}.{micros:06} ", passed / 1_000_000_000)
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

    /// Who decided, or else why.
    fn decided(&mut self, rule: Option<RuleName<'_>>, reason: Option<Reason>) -> fmt::Result {
        match (rule, reason) {
            (Some(rule), _) => self.coloured(FAINT, format_args!(" by {}", By(rule))),
            (None, Some(Reason::ChainPolicy)) => self.coloured(FAINT, format_args!(" by policy")),
            (None, Some(reason)) => self.coloured(BAD, format_args!(" {reason}")),
            (None, None) => Ok(()),
        }
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
            Record::Difference(difference) if difference.again => Ok(()),
            Record::Difference(difference) => self.difference(difference),
            Record::Comparison(comparison) => self.comparison(comparison),
            Record::Expectation(_) | Record::Connection(_) => Ok(()),
        }
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

fn verdict_colour(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => GOOD,
        Verdict::Drop | Verdict::Reject(_) => BAD,
        Verdict::Queue(_) | Verdict::Unknown | Verdict::Consume => ODD,
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
