//! `kinwall replay`: captures through the engine.

mod compare;
mod inputs;
mod nat;
mod session;

use crate::args::{Format, GatewayArgs, RuleArgs};
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::setup::{self, Gateway};
use crate::{remarks, why};
use anstream::adapter::strip_bytes;
use clap::{Args, ValueEnum};
use kinwall_engine::{Outcome, Trace};
use kinwall_replay::output::{JsonLines, Style, Text};
use kinwall_replay::{Clock, Profiles, Replay, Source, Split};
use kinwall_terms::{Family, Profile};
use nat::ReplayNat;
use session::Session;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

/// Replay captures through the rules: what passes, as what, by which rule, and why
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// The captures: pcap or pcapng, also compressed with gzip or zstd; `-` is the standard input
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    #[command(flatten, next_help_heading = "Rules")]
    rules: RuleArgs,
    #[command(flatten, next_help_heading = "Gateway")]
    gateway: GatewayArgs,
    /// The interface by which the packets of a capture came in
    #[arg(long, value_name = "NAME=CAPTURE", help_heading = "Captures")]
    ingress: Vec<String>,
    /// A setting that changes before a packet: 20:nf_conntrack_helper=1
    #[arg(long, value_name = "PACKET:KEY=VALUE", help_heading = "Captures")]
    set_at: Vec<String>,
    /// The clock: that of the capture, or one that stands still, so that nothing times out
    #[arg(long, value_enum, default_value_t = ClockArg::Capture, help_heading = "Captures")]
    clock: ClockArg,
    /// What to do with the nat table; chosen by what the captures show, where they are files
    #[arg(long, value_enum, help_heading = "Captures")]
    nat: Option<ReplayNat>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
    /// Tell of each packet how its verdict came about
    #[arg(long, help_heading = "Output")]
    why: bool,
    /// Tell of this packet only, in the state of the tables at that moment
    #[arg(long, help_heading = "Output", value_name = "NUMBER")]
    packet: Option<u64>,
    /// Tell of connections and expectations as they come and go (JSON always does)
    #[arg(long, help_heading = "Output")]
    events: bool,
    /// Only the summary
    #[arg(long, help_heading = "Output")]
    summary: bool,
    /// Read the captures in both profiles and tell where they differ: what linux opens and strict
    /// refuses, or the other way round, and why
    #[arg(long, help_heading = "Output", conflicts_with_all = [
        "profile", "why", "packet", "events", "write", "write_dropped",
    ])]
    compare_profiles: bool,
    /// Rows in each list of the summary
    #[arg(long, help_heading = "Output", value_name = "ROWS", default_value_t = 10)]
    top: usize,
    /// Keep the accepted packets in this capture: as they came with --nat ignore, otherwise as
    /// they leave
    #[arg(long, help_heading = "Output", value_name = "FILE")]
    write: Option<PathBuf>,
    /// Keep the packets that were not accepted in this capture
    #[arg(long, help_heading = "Output", value_name = "FILE")]
    write_dropped: Option<PathBuf>,
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
  kinwall replay --rules rules.v4 --topology topology.toml --compare-profiles capture.pcapng
  tcpdump -U -w - -i any | kinwall replay --rules rules.v4 --events -

Exit status: 0 when everything was read, 1 when something failed or a capture is damaged,
2 when a flag or argument is wrong.";

/// Runs the command.
pub(crate) fn run(args: ReplayArgs) -> Result<(), Failure> {
    let changes = args.set_at.iter().map(|text| inputs::change(text));
    let changes = changes.collect::<Result<Vec<_>, _>>()?;
    let inputs = inputs::captures(&args)?;
    inputs::check_written(&args)?;
    if args.packet == Some(0) {
        return Err(Failure::Usage("--packet 0: packets count from 1".to_owned()));
    }
    let rules = Rules::read(&args.rules)?;
    let profiles: &[Profile] = match args.compare_profiles {
        true => &Profile::ALL,
        false => &[args.gateway.profile.into()],
    };
    let mut engines = Gateway::read(&args.rules, &args.gateway)?.engines(&rules, profiles)?;
    let nat = nat::chosen(args.nat, &inputs, &engines[0])?;
    engines.iter_mut().for_each(|engine| nat.set(engine));
    remarks::on_rules(&rules, &engines[0], &Family::ALL);
    for ingress in inputs.iter().filter_map(|input| input.ingress) {
        setup::known_interface(&engines[0], ingress)
            .map_err(|error| Failure::Usage(format!("--ingress {ingress}: {error}")))?;
    }
    let with_events = !args.summary
        && args.packet.is_none()
        && !args.compare_profiles
        && (args.events || args.format == Format::Json);
    engines[0].set_events(with_events);
    let is_told = !args.summary || args.packet.is_some() || args.why || args.compare_profiles;
    engines[0].set_details(is_told);
    let clock = match args.clock {
        ClockArg::Capture => Clock::Capture,
        ClockArg::Frozen => Clock::Frozen,
    };
    let source = Source::open(&inputs).map_err(|error| Failure::Failed(error.to_string()))?;
    let mut replays = engines.into_iter().map(|engine| {
        let mut replay = Replay::new(engine, clock, changes.clone());
        nat.begin(&mut replay, args.write.is_some());
        replay
    });
    let sources = rules.names();
    let stdout = io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let to = BufWriter::with_capacity(1 << 16, stdout.lock());
    let text = |to| Text::new(to, Style { colour, events: with_events });
    match (replays.next(), replays.next(), args.format) {
        (Some(linux), Some(strict), format) => {
            let profiles = Profiles::new([linux, strict]);
            match format {
                Format::Text => compare::run(profiles, source, &args, &sources, text(to)),
                Format::Json => compare::run(profiles, source, &args, &sources, JsonLines::new(to)),
            }
        }
        (Some(replay), None, format) => {
            let split = Split::new(
                inputs::keep(args.write.as_ref(), &source)?,
                inputs::keep(args.write_dropped.as_ref(), &source)?,
            );
            let session = Session::new(replay, sources, split, &args);
            match format {
                Format::Text => session.run(source, text(to), |out, replay, trace, outcome| {
                    tell(out.writer(), colour, replay, trace, outcome)
                }),
                Format::Json => session.run(source, JsonLines::new(to), tell_json),
            }
        }
        (None, ..) => Ok(()),
    }
}

fn tell(
    out: &mut impl Write,
    colour: bool,
    replay: &Replay,
    trace: &Trace,
    outcome: &Outcome,
) -> io::Result<()> {
    let mut told = Vec::new();
    why::write(&mut told, replay.engine(), trace, true)?;
    why::write_verdict(&mut told, replay.engine(), outcome)?;
    match colour {
        true => out.write_all(&told),
        false => out.write_all(&strip_bytes(&told).into_vec()),
    }
}

fn tell_json<W: Write>(
    out: &mut JsonLines<W>,
    replay: &Replay,
    trace: &Trace,
    outcome: &Outcome,
) -> io::Result<()> {
    writeln!(out.writer(), "{}", crate::json::explained(replay.engine(), outcome, trace))
}
