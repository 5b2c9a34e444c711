//! `kinwall replay`: captures through the engine.

use crate::args::{Format, GatewayArgs, RuleArgs};
use crate::failure::Failure;
use crate::{remarks, say, setup, why};
use anstream::adapter::strip_bytes;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use kinwall_engine::settings::split_assignment;
use kinwall_engine::{Outcome, RuleAt, Trace};
use kinwall_replay::output::{JsonLines, Output, Record, Style, Text};
use kinwall_replay::{Change, Clock, Frame, Input, LOOK_AHEAD, Replay, Source, Split, Writer};
use kinwall_terms::{Family, InterfaceName, Reason, Verdict};
use kinwall_wire::link::{self, Link};
use std::collections::HashMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Replay captures through the rules: what passes, as what, by which rule, and why
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The interface by which the packets of a capture came in
    #[arg(long, value_name = "NAME=CAPTURE")]
    ingress: Vec<String>,
    /// A setting that changes before a packet: 20:nf_conntrack_helper=1
    #[arg(long, value_name = "PACKET:KEY=VALUE")]
    set_at: Vec<String>,
    /// The clock: that of the capture, or one that stands still, so that nothing times out
    #[arg(long, value_enum, default_value_t = ClockArg::Capture)]
    clock: ClockArg,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Tell of each packet how its verdict came about
    #[arg(long)]
    why: bool,
    /// Tell of this packet only, in the state of the tables at that moment
    #[arg(long, value_name = "NUMBER")]
    packet: Option<u64>,
    /// Tell of connections and expectations as they come and go (JSON always does)
    #[arg(long)]
    events: bool,
    /// Only the summary
    #[arg(long)]
    summary: bool,
    /// Rows in each list of the summary
    #[arg(long, value_name = "ROWS", default_value_t = 10)]
    top: usize,
    /// Keep the accepted packets in this capture
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Keep the packets that were not accepted in this capture
    #[arg(long, value_name = "FILE")]
    write_dropped: Option<PathBuf>,
    /// The captures: pcap or pcapng, also compressed with gzip or zstd; `-` is the standard input
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ClockArg {
    Capture,
    Frozen,
}

const EXAMPLES: &str = "\
Examples:
  kinwall replay --rules rules.v4 --topology topology.toml capture.pcapng
  kinwall replay --rules rules.v4 --topology topology.toml --packet 27 --why capture.pcapng
  kinwall replay --rules rules.v4 --set nf_conntrack_ftp.loose=1 --summary capture.pcapng

Exit status: 0 when everything was read, 1 when something failed or a capture is damaged,
2 when a flag or argument is wrong.";

/// Runs the command.
pub(crate) fn run(args: ReplayArgs) -> Result<(), Failure> {
    let changes = args.set_at.iter().map(|text| change(text)).collect::<Result<Vec<_>, _>>()?;
    let inputs = inputs(&args)?;
    check_written(&args)?;
    if args.packet == Some(0) {
        return Err(Failure::Usage("--packet 0: packets count from 1".to_owned()));
    }
    let rules = setup::rules(&args.rules)?;
    let mut engine = setup::engine(&rules, &args.rules, &args.gateway)?;
    remarks::on_rules(&rules, &engine, &Family::ALL);
    for ingress in inputs.iter().filter_map(|input| input.ingress) {
        setup::known_interface(&engine, ingress)
            .map_err(|error| Failure::Usage(format!("--ingress {ingress}: {error}")))?;
    }
    let with_events =
        !args.summary && args.packet.is_none() && (args.events || args.format == Format::Json);
    engine.set_events(with_events);
    let clock = match args.clock {
        ClockArg::Capture => Clock::Capture,
        ClockArg::Frozen => Clock::Frozen,
    };
    let mut source = Source::open(&inputs).map_err(|error| Failure::Failed(error.to_string()))?;
    let session = Session {
        replay: Replay::new(engine, clock, changes),
        sources: rules.names(),
        split: Split::new(
            keep(args.write.as_ref(), &source)?,
            keep(args.write_dropped.as_ref(), &source)?,
        ),
        args: &args,
        last: 0,
        unknown: HashMap::new(),
        without_rules: Vec::new(),
    };
    let progress = progress(&source, &args);
    let stdout = io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let buffered = BufWriter::with_capacity(1 << 16, stdout.lock());
    match args.format {
        Format::Text => {
            let style = Style { colour, events: with_events };
            let mut out = Text::new(buffered, style);
            session.run(&mut source, &mut out, &progress, |out, replay, trace, outcome| {
                let mut told = Vec::new();
                tell(&mut told, replay, trace, outcome)?;
                let to = out.writer();
                match colour {
                    true => to.write_all(&told),
                    false => to.write_all(&strip_bytes(&told).into_vec()),
                }
            })
        }
        Format::Json => {
            let mut out = JsonLines::new(buffered);
            session.run(&mut source, &mut out, &progress, |out, replay, trace, outcome| {
                writeln!(
                    out.writer(),
                    "{}",
                    crate::json::explained(replay.engine(), outcome, trace)
                )
            })
        }
    }
}

/// A replay on its way.
struct Session<'a> {
    replay: Replay,
    /// Names of the rule files.
    sources: Vec<String>,
    split: Split,
    args: &'a ReplayArgs,
    /// Number of the last packet read.
    last: u64,
    /// The rules that made packets `unknown`, and how many.
    unknown: HashMap<RuleAt, u64>,
    /// Families of which packets came and no rules were given.
    without_rules: Vec<Family>,
}

impl Session<'_> {
    fn run<O: Output>(
        mut self,
        source: &mut Source,
        out: &mut O,
        progress: &Option<ProgressBar>,
        tell: impl Fn(&mut O, &Replay, &Trace, &Outcome) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut trace = Trace::default();
        let mut count = 0_u64;
        loop {
            if count.is_multiple_of(PROGRESS_EVERY)
                && let Some(bar) = progress
            {
                bar.set_position(source.progress().read);
            }
            if count.is_multiple_of(LOOK_AHEAD) {
                self.replay.look_ahead(source);
            }
            count += 1;
            let Some(frame) = source.next() else { break };
            if count == 1 && self.args.packet.is_some() {
                out.start_at(frame.time);
            }
            self.last = frame.number;
            if count <= FAMILY_LOOK {
                self.look_for_rules(&frame);
            }
            let explained = self.args.why && self.args.packet.is_none_or(|n| n == frame.number);
            let handled = if explained {
                trace.steps.clear();
                self.replay.frame_traced(&frame, &mut trace)
            } else {
                self.replay.frame(&frame)
            };
            let outcome = handled.map_err(|error| {
                Failure::Usage(format!("--set-at, before packet {}: {error}", frame.number))
            })?;
            if let Some(outcome) = &outcome {
                if let (Verdict::Unknown, Some(at)) = (outcome.verdict, outcome.rule) {
                    *self.unknown.entry(at).or_default() += 1;
                }
                self.write(&frame, outcome)?;
                if self.wants(&frame) {
                    self.tell_packet(&frame, outcome, out)?;
                    if explained {
                        tell(out, &self.replay, &trace, outcome)?;
                    }
                }
            }
            let number = frame.number;
            if self.args.packet == Some(number) {
                break;
            }
            self.replay.drain_events(number, |record| out.record(record))?;
        }
        if let Some(bar) = progress {
            bar.finish_and_clear();
        }
        self.finish(source, out)
    }

    /// Notes a family of which there are packets and no rules.
    fn look_for_rules(&mut self, frame: &Frame<'_>) {
        let link = frame.link_type.map(|link_type| link::strip(link_type, frame.bytes));
        let Some(Ok(link)) = link.filter(|link| link.as_ref().is_ok_and(Link::is_ip)) else {
            return;
        };
        let family = match link.network(frame.bytes).first().map(|first| first >> 4) {
            Some(4) => Family::Ipv4,
            Some(6) => Family::Ipv6,
            _ => return,
        };
        let lacks = self.replay.engine().program(family).is_none();
        if lacks && !self.without_rules.contains(&family) {
            self.without_rules.push(family);
        }
    }

    /// Whether there is anything to say of this packet.
    fn wants(&self, frame: &Frame<'_>) -> bool {
        match self.args.packet {
            Some(number) => number == frame.number,
            None => !self.args.summary,
        }
    }

    fn tell_packet<O: Output>(
        &self,
        frame: &Frame<'_>,
        outcome: &Outcome,
        out: &mut O,
    ) -> Result<(), Failure> {
        let names = self.replay.names(outcome);
        let record = self.replay.packet_record(frame, outcome, &names, &self.sources);
        Ok(out.record(&Record::Packet(record))?)
    }

    fn write(&mut self, frame: &Frame<'_>, outcome: &Outcome) -> Result<(), Failure> {
        let written = self.split.write(frame, outcome.verdict);
        written.map_err(|error| Failure::Failed(error.to_string()))
    }

    fn finish<O: Output>(self, source: &Source, out: &mut O) -> Result<(), Failure> {
        let last = self.last;
        if let Some(number) = self.args.packet.filter(|number| *number > last) {
            return Err(Failure::Usage(format!(
                "--packet {number}: the captures hold {last} packets"
            )));
        }
        let wrong = self.replay.engine().conntrack().stats().invalid(Reason::BadChecksum);
        if wrong > 0 {
            say::note(format_args!(
                "{wrong} packets are INVALID because of their checksum; where the capture \
                 was taken before the network card filled it in, \
                 --set nf_conntrack_checksum=0 passes over it"
            ));
        }
        let damage = source.damage_count();
        let cut = self.replay.cut();
        if cut > 0 {
            say::note(format_args!(
                "{cut} packets were cut by the capture; what helpers would have read in the rest \
                 of them is not known (tcpdump -s 0 keeps all)"
            ));
        }
        if self.args.packet.is_none() {
            let summary = self.replay.summary(self.args.top, &self.sources, damage);
            out.record(&Record::Summary(Box::new(summary)))?;
        }
        out.flush()?;
        remarks::on_families_without_rules(&self.without_rules);
        remarks::on_unknown(self.replay.engine(), &self.sources, self.unknown.iter());
        if self.args.packet.is_none() {
            for change in self.args.set_at.iter().filter_map(|text| change(text).ok()) {
                if change.packet > last {
                    say::note(format_args!(
                        "--set-at {}:{}: the captures hold {last} packets; it was never set",
                        change.packet, change.key
                    ));
                }
            }
        }
        let Session { replay, split, .. } = self;
        split.finish().map_err(|error| Failure::Failed(error.to_string()))?;
        for (capture, name) in replay.strangers() {
            let file = source.file(*capture).unwrap_or_default();
            say::note(format_args!(
                "{file}: the topology has no interface `{name}`; its packets were taken to \
                 come in where their senders live"
            ));
        }
        for found in source.damages() {
            say::line(found);
        }
        if damage > 0 { Err(Failure::Reported) } else { Ok(()) }
    }
}

/// Frames between two steps of the progress bar.
const PROGRESS_EVERY: u64 = 65_536;

/// Frames that are looked at for families without rules: a capture that begins with so many of
/// one family is about that family.
const FAMILY_LOOK: u64 = 65_536;

fn tell(out: &mut impl Write, replay: &Replay, trace: &Trace, outcome: &Outcome) -> io::Result<()> {
    why::write(out, replay.engine(), trace, true)?;
    why::write_verdict(out, replay.engine(), outcome)
}

/// Reads `PACKET:KEY=VALUE`.
fn change(text: &str) -> Result<Change, Failure> {
    let wrong = |what: String| Failure::Usage(format!("--set-at {text}: {what}"));
    let (packet, assignment) = text
        .split_once(':')
        .ok_or_else(|| wrong("write PACKET:KEY=VALUE, such as 20:nf_conntrack_helper=1".into()))?;
    let number = packet.parse().ok().filter(|number| *number > 0);
    let packet = number
        .ok_or_else(|| wrong(format!("`{packet}` is no packet number: packets count from 1")))?;
    let (key, value) = split_assignment(assignment).map_err(|error| wrong(error.to_string()))?;
    Ok(Change { packet, key: key.to_owned(), value: value.to_owned() })
}

/// The captures, with the interfaces that `--ingress` names.
fn inputs(args: &ReplayArgs) -> Result<Vec<Input>, Failure> {
    if args.captures.iter().filter(|capture| capture.as_os_str() == "-").count() > 1 {
        return Err(Failure::Usage("the standard input can be read only once".to_owned()));
    }
    let mut inputs: Vec<Input> = args.captures.iter().map(Input::new).collect();
    for text in &args.ingress {
        let wrong = |what: &str| Failure::Usage(format!("--ingress {text}: {what}"));
        let (name, path) = text.split_once('=').ok_or_else(|| wrong("write NAME=CAPTURE"))?;
        let name = InterfaceName::new(name).ok_or_else(|| wrong("no interface has such a name"))?;
        let input = args.captures.iter().position(|capture| capture.as_os_str() == path);
        match input.and_then(|at| inputs.get_mut(at)) {
            Some(input) => input.ingress = Some(name),
            None => return Err(wrong("that capture is not among the arguments")),
        }
    }
    Ok(inputs)
}

/// Refuses to write where something is read, or twice to one place.
fn check_written(args: &ReplayArgs) -> Result<(), Failure> {
    let same = |a: &Path, b: &Path| {
        a == b
            || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b && a.is_file())
    };
    for (flag, path) in [("--write", &args.write), ("--write-dropped", &args.write_dropped)] {
        let Some(path) = path else { continue };
        let wrong = |what: &str| Failure::Usage(format!("{flag} {}: {what}", path.display()));
        if path.as_os_str() == "-" {
            return Err(wrong("packets are kept in a file; give its name"));
        }
        if args.captures.iter().any(|capture| same(capture, path)) {
            return Err(wrong("that is the capture to be read; give another name"));
        }
    }
    match (&args.write, &args.write_dropped) {
        (Some(write), Some(dropped)) if same(write, dropped) => Err(Failure::Usage(
            "--write and --write-dropped name the same file; give two".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn keep(path: Option<&PathBuf>, source: &Source) -> Result<Option<Writer>, Failure> {
    let create = |path: &PathBuf| Writer::create(path, source.fine_time());
    path.map(create).transpose().map_err(|error| Failure::Failed(error.to_string()))
}

/// A bar on a terminal that is not also written to.
fn progress(source: &Source, args: &ReplayArgs) -> Option<ProgressBar> {
    let busy = io::stdout().is_terminal() && !args.summary;
    let total = source.progress().total?;
    if !io::stderr().is_terminal() || busy {
        return None;
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left");
    Some(ProgressBar::new(total).with_style(style.ok()?))
}
