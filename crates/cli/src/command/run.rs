//! `kinwall run`: a live gateway.

mod build;
mod keep;
mod live;
mod sandbox;

use crate::control::server::Server;
use crate::failure::Failure;
use crate::run_file::RunFile;
use crate::say;
use build::Build;
use clap::Args;
use kinwall_engine::Engine;
use kinwall_gateway::{End, chains, check, serve};
use live::Live;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Decide about the packets of this machine: a live gateway
///
/// Packets are handed out by the kernel (NFQUEUE), which routes and sends them; kinwall tracks
/// connections, reads what helpers read, applies the rules, translates and rewrites. Chains of its
/// own (KINWALL_*) bring the packets here; they are taken away when it ends (SIGTERM, SIGINT).
/// SIGHUP has the rules and settings read again: connections stay. After SIGUSR2 the chains stand
/// for the next process, and the exit status is 75.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  kinwall run --check\n  kinwall run --config \
    /etc/kinwall/kinwall.toml\n  kinwall run --remove\n\nThe least that the file must say:\n  \
    rules4 = \"/etc/kinwall/rules.v4\"")]
pub(crate) struct RunArgs {
    /// The file that says how
    #[arg(long, value_name = "FILE", default_value = "/etc/kinwall/kinwall.toml")]
    config: PathBuf,
    /// Only say what is missing on this machine, and who tracks connections besides
    #[arg(long, conflicts_with = "remove")]
    check: bool,
    /// Only take away what an earlier run left behind
    #[arg(long)]
    remove: bool,
    /// End after so many seconds unless `kinwall ctl confirm` follows: against locking oneself
    /// out. The first start from a terminal has 60; 0 is never
    #[arg(long, value_name = "SECONDS")]
    confirm: Option<u32>,
}

/// The exit status that asks to be started again (sysexits.h: a temporary failure).
const RESTART: u8 = 75;

/// How long the first start from a terminal waits to be confirmed, in seconds.
const CONFIRM_S: u32 = 60;

/// The key of hash tables is nobody's to know: what is in them comes from outside.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// Runs the command.
pub(crate) fn run(args: RunArgs) -> Result<(), Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::Failed(String::from(
            "packets are root's to decide about: run it as root (CAP_NET_ADMIN)",
        )));
    }
    if args.remove {
        let what = match chains::remove().map_err(failed)? {
            true => "the chains of an earlier run are gone",
            false => "there was nothing to take away",
        };
        say::note(what);
        return Ok(());
    }
    if !args.config.exists() {
        return Err(failed(format_args!(
            "{}: there is no such file; the least that it says is `rules4 = \"rules.v4\"`, and \
             --config names another",
            args.config.display()
        )));
    }
    let file = RunFile::read(&args.config)?;
    if args.check {
        return tell(&file);
    }
    let seed = seed();
    let build = Build::new(&file)?;
    let mut engine = Engine::new(build.topology, build.settings, build.programs, seed);
    engine = engine.with_sets(build.sets);
    engine.set_translation(true);
    let plan = file.plan.clone();
    let control = Server::new(&file.control).map_err(Failure::Failed)?;
    if file.sandbox {
        sandbox::enter(&file, &args.config).map_err(failed)?;
    }
    let is_first = !file.state.as_ref().is_some_and(|state| state.exists());
    let confirm_s = args.confirm.unwrap_or(match is_first && std::io::stdin().is_terminal() {
        true => CONFIRM_S,
        false => 0,
    });
    let mut live = Live::new(args.config, file, seed, build.files, control);
    live.wait_to_be_confirmed(confirm_s);
    let (end, counts) = serve(engine, &plan, &mut live).map_err(failed)?;
    say::note(format_args!(
        "ended: {} packets came, {} passed, {} were dropped, {} refused",
        counts.arrived,
        counts.passed,
        counts.dropped + counts.strayed,
        counts.refused
    ));
    if end == End::Restart {
        return Err(Failure::Found(RESTART));
    }
    match live.was_given_up() {
        true => Err(failed("nobody confirmed the first start: everything is as before")),
        false => Ok(()),
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// Says what the machine lacks.
fn tell(file: &RunFile) -> Result<(), Failure> {
    let mut good = Build::new(file).is_ok();
    for finding in check(&file.plan) {
        good &= !finding.stops;
        match finding.stops {
            true => say::error(format_args!("{}: {}", finding.about, finding.text)),
            false => say::note(format_args!("{}: {}", finding.about, finding.text)),
        }
    }
    if good { Ok(()) } else { Err(Failure::Reported) }
}
