//! The reading loop: each packet through the engine, and what is said of it.

use super::ReplayArgs;
use super::inputs::change;
use crate::failure::Failure;
use crate::{remarks, say};
use indicatif::{ProgressBar, ProgressStyle};
use kinwall_engine::{Engine, Outcome, RuleAt, Trace};
use kinwall_replay::output::{Output, Record};
use kinwall_replay::{self as reading, Frame, NEAR_MAX, Replay, Seen, Source, Split};
use kinwall_terms::{Family, Reason, Verdict};
use kinwall_wire::link::{self, Link};
use std::collections::HashMap;
use std::io::{self, IsTerminal};

/// A replay on its way.
pub(super) struct Session<'a> {
    replay: Replay,
    /// Names of the rule files.
    sources: Vec<String>,
    split: Split,
    args: &'a ReplayArgs,
    /// Number of the last packet read.
    last: u64,
    /// The rules that made packets `unknown`, and how many.
    unknown: HashMap<RuleAt, u64>,
    without_rules: WithoutRules,
}

impl<'a> Session<'a> {
    /// Before the first packet. `sources` are the names of the rule files.
    pub(super) fn new(
        replay: Replay,
        sources: Vec<String>,
        split: Split,
        args: &'a ReplayArgs,
    ) -> Session<'a> {
        Session {
            replay,
            sources,
            split,
            args,
            last: 0,
            unknown: HashMap::new(),
            without_rules: WithoutRules::default(),
        }
    }

    /// Reads all of it; `tell` writes how a verdict came about.
    pub(super) fn run<O: Output>(
        mut self,
        source: Source,
        mut out: O,
        tell: impl Fn(&mut O, &Replay, &Trace, &Outcome) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut trace = Trace::default();
        let mut count = 0_u64;
        let progress = Progress::new(&source, self.args);
        // Who watches a capture as it is made wants to see each packet.
        let watched = self.args.captures.iter().any(|capture| capture.as_os_str() == "-")
            && io::stdout().is_terminal();
        let one_by_one = watched || self.args.packet.is_some();
        let mut feed = self.replay.feed(source, one_by_one);
        'packets: while let Some(batch) = feed.next_batch() {
            for (at, (frame, seen)) in batch.frames().enumerate() {
                if at.is_multiple_of(NEAR_MAX) {
                    progress.show(count, || batch.progress());
                    self.replay.bring_near(batch, at);
                }
                if count == 0 && self.args.packet.is_some() {
                    out.start_at(frame.time);
                }
                count += 1;
                self.take(&frame, seen, &mut trace, &mut out, &tell)?;
                let number = frame.number;
                if self.args.packet == Some(number) {
                    break 'packets;
                }
                self.replay.drain_events(number, |record| out.record(record))?;
                if watched {
                    out.flush()?;
                }
            }
        }
        progress.end();
        self.finish(&feed.end(), out)
    }

    /// Takes a packet through the engine, and says what is to be said of it.
    #[inline]
    fn take<O: Output>(
        &mut self,
        frame: &Frame<'_>,
        seen: Option<&Seen>,
        trace: &mut Trace,
        out: &mut O,
        tell: impl Fn(&mut O, &Replay, &Trace, &Outcome) -> io::Result<()>,
    ) -> Result<(), Failure> {
        self.last = frame.number;
        self.without_rules.look(frame, self.replay.engine());
        let explained = self.args.why && self.args.packet.is_none_or(|n| n == frame.number);
        let handled = if explained {
            trace.steps.clear();
            self.replay.frame_traced(frame, seen, trace)
        } else {
            self.replay.frame_seen(frame, seen)
        };
        // By reference: an answer is large, and this is done for every packet.
        let outcome = match &handled {
            Ok(Some(outcome)) => outcome,
            Ok(None) => return Ok(()),
            Err(error) => {
                let number = frame.number;
                return Err(Failure::Usage(format!("--set-at, before packet {number}: {error}")));
            }
        };
        if let (Verdict::Unknown, Some(at)) = (outcome.verdict, outcome.rule) {
            *self.unknown.entry(at).or_default() += 1;
        }
        if self.split.keeps_any() {
            self.write(frame, outcome)?;
        }
        if self.wants(frame) {
            self.tell_packet(frame, outcome, out)?;
            if explained {
                tell(out, &self.replay, trace, outcome)?;
            }
        }
        Ok(())
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
        let written = self.split.write(frame, outcome.verdict, self.replay.left());
        written.map_err(|error| Failure::Failed(error.to_string()))
    }

    fn finish<O: Output>(self, source: &Source, mut out: O) -> Result<(), Failure> {
        let last = self.last;
        if let Some(number) = self.args.packet.filter(|number| *number > last) {
            return Err(Failure::Usage(format!(
                "--packet {number}: the captures hold {last} packets"
            )));
        }
        if self.args.packet.is_none() {
            let damage = source.damage_count();
            let summary = self.replay.summary(self.args.top, &self.sources, damage);
            out.record(&Record::Summary(Box::new(summary)))?;
        }
        out.flush()?;
        self.without_rules.tell();
        remarks::on_unknown(self.replay.engine(), &self.sources, self.unknown.iter());
        if self.args.packet.is_none() {
            never_set(self.args, last);
        }
        self.split.finish().map_err(|error| Failure::Failed(error.to_string()))?;
        on_captures(&self.replay, source)
    }
}

/// Says which changes came too late.
pub(super) fn never_set(args: &ReplayArgs, last: u64) {
    for change in args.set_at.iter().filter_map(|text| change(text).ok()) {
        if change.packet > last {
            say::note(format_args!(
                "--set-at {}:{}: the captures hold {last} packets; it was never set",
                change.packet, change.key
            ));
        }
    }
}

/// Says what is to be said of the captures; a failure when they are damaged.
pub(super) fn on_captures(replay: &Replay, source: &Source) -> Result<(), Failure> {
    let wrong = replay.engine().conntrack().stats().invalid(Reason::BadChecksum);
    if wrong > 0 {
        say::note(format_args!(
            "{wrong} packets are INVALID because of their checksum; where the capture \
             was taken before the network card filled it in, \
             --set nf_conntrack_checksum=0 passes over it"
        ));
    }
    let cut = replay.cut();
    if cut > 0 {
        say::note(format_args!(
            "{cut} packets were cut by the capture; what helpers would have read in the rest \
             of them is not known (tcpdump -s 0 keeps all)"
        ));
    }
    for (capture, name) in replay.strangers() {
        let file = source.file(*capture).unwrap_or_default();
        say::note(format_args!(
            "{file}: the topology has no interface `{name}`; its packets were taken to \
             come in where their senders live"
        ));
    }
    let damages = source.damages();
    damages.iter().for_each(say::line);
    let more = source.damage_count().saturating_sub(damages.len() as u64);
    if more > 0 {
        say::line(format_args!("and {more} more places like these"));
    }
    if damages.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

/// Families of which packets came and no rules were given.
#[derive(Default)]
pub(super) struct WithoutRules {
    families: Vec<Family>,
    looked: u64,
}

/// Frames that are looked at for families without rules: a capture that begins with so many of
/// one family is about that family.
const FAMILY_LOOK: u64 = 65_536;

impl WithoutRules {
    /// Notes the family of a packet.
    #[inline]
    pub(super) fn look(&mut self, frame: &Frame<'_>, engine: &Engine) {
        if self.looked >= FAMILY_LOOK {
            return;
        }
        self.looked += 1;
        let link = frame.link_type.map(|link_type| link::strip(link_type, frame.bytes));
        let Some(Ok(link)) = link.filter(|link| link.as_ref().is_ok_and(Link::is_ip)) else {
            return;
        };
        let family = match link.network(frame.bytes).first().map(|first| first >> 4) {
            Some(4) => Family::Ipv4,
            Some(6) => Family::Ipv6,
            _ => return,
        };
        if engine.program(family).is_none() && !self.families.contains(&family) {
            self.families.push(family);
        }
    }

    /// Says so.
    pub(super) fn tell(&self) {
        remarks::on_families_without_rules(&self.families);
    }
}

/// A bar on a terminal that is not also written to.
pub(super) struct Progress(Option<ProgressBar>);

/// Frames between two steps of the progress bar: a multiple of [`NEAR_MAX`].
const PROGRESS_EVERY: u64 = 65_536;

impl Progress {
    /// At nothing.
    pub(super) fn new(source: &Source, args: &ReplayArgs) -> Progress {
        let busy = io::stdout().is_terminal() && !args.summary;
        let total = source.progress().total.filter(|_| io::stderr().is_terminal() && !busy);
        let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left");
        let bar = total.zip(style.ok());
        Progress(bar.map(|(total, style)| ProgressBar::new(total).with_style(style)))
    }

    /// After `count` frames.
    pub(super) fn show(&self, count: u64, at: impl FnOnce() -> reading::Progress) {
        if count.is_multiple_of(PROGRESS_EVERY)
            && let Some(bar) = &self.0
        {
            bar.set_position(at().read);
        }
    }

    /// Takes it away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
