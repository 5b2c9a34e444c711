//! `kinwall run`: a live gateway.

use crate::control::answer::Facts;
use crate::control::server::Server;
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::run_file::RunFile;
use crate::source::Text;
use crate::{say, sets, setup};
use clap::Args;
use kinwall_engine::{Engine, Settings};
use kinwall_gateway::{Counts, Host, chains, check, serve};
use kinwall_rules::program::{Options, Program};
use kinwall_rules::sets::Sets;
use kinwall_terms::{Family, KernelVersion, Time};
use kinwall_topology::Topology;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// Decide about the packets of this machine: a live gateway
///
/// Packets are handed out by the kernel (NFQUEUE), which routes and sends them; kinwall tracks
/// connections, reads what helpers read, applies the rules, translates and rewrites. Chains of its
/// own (KINWALL_*) bring the packets here; they are taken away when it ends (SIGTERM, SIGINT).
/// SIGHUP has the rules and settings read again: connections stay.
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
}

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
    let mut live = Live {
        path: args.config,
        file,
        seed,
        files: build.files.into(),
        control: Some(control),
        since: Time(0),
    };
    let counts = serve(engine, &plan, &mut live).map_err(failed)?;
    say::note(format_args!(
        "ended: {} packets came, {} passed, {} were dropped, {} refused",
        counts.arrived,
        counts.passed,
        counts.dropped + counts.strayed,
        counts.refused
    ));
    Ok(())
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

/// What an engine is made of.
struct Build {
    topology: Topology,
    settings: Settings,
    programs: [Option<Program>; 2],
    sets: Sets,
    /// The names of the rule files.
    files: Vec<String>,
}

impl Build {
    /// Reads everything that the file names, and shows every mistake.
    fn new(file: &RunFile) -> Result<Build, Failure> {
        let machine = super::topology::read()?;
        let kernel = machine.kernel.unwrap_or(KernelVersion::DEFAULT);
        let mut topology = machine.topology;
        let settings = Settings::of(kernel, file.profile, &mut topology);
        let mut settings = settings.map_err(|errors| {
            for (_, error) in &errors {
                say::error(format_args!("a setting of this machine: {error}"));
            }
            Failure::Reported
        })?;
        let mut wrong = false;
        for setting in &file.settings {
            if let Err(error) = settings.set(&mut topology, &setting.key, &setting.value) {
                file.show_setting(setting, &error.to_string(), None);
                wrong = true;
            }
        }
        if wrong {
            return Err(Failure::Reported);
        }
        let (programs, sets) = programs(file, &settings)?;
        let files = file.rules.iter().flatten().map(|path| path.display().to_string()).collect();
        Ok(Build { topology, settings, programs, sets, files })
    }
}

/// The rules, compiled. Each must be one that can be evaluated: nobody is there to ask.
fn programs(file: &RunFile, settings: &Settings) -> Result<([Option<Program>; 2], Sets), Failure> {
    let named = file.rules.iter().zip(Family::ALL);
    let named = named.filter_map(|(path, family)| Some((path.as_ref()?, family)));
    let texts = named.map(|(path, family)| Text::read(path, Some(family)));
    let rules = Rules::load(texts.collect::<Result<_, _>>()?, &[])?;
    let sets = sets::read(&file.sets)?;
    sets::check_names(&rules, &file.sets, &sets)?;
    let programs = Family::ALL.map(|family| {
        let ruleset = rules.loaded.ruleset(family);
        ruleset.map(|ruleset| Program::compile(ruleset, &Options::default()))
    });
    setup::check_helpers(&rules, &programs, settings)?;
    let mut wrong = false;
    for program in programs.iter().flatten() {
        for place in program.not_evaluated().filter_map(|rule| program.reference(rule)) {
            let name = rules.sources.get(usize::from(place.file)).map_or("", |text| &text.name);
            say::error(format_args!(
                "{name}:{}: {} {} {} cannot be evaluated here; packets that reach it could only be \
                 dropped: take it out, or say it in other words",
                place.line, place.table, place.chain, place.number
            ));
            wrong = true;
        }
    }
    if wrong { Err(Failure::Reported) } else { Ok((programs, sets)) }
}

/// The process around the loop.
struct Live {
    path: PathBuf,
    file: RunFile,
    seed: u64,
    /// The names of the rule files.
    files: Arc<[String]>,
    control: Option<Server>,
    since: Time,
}

impl Live {
    /// Reads everything again, and puts it in force as a whole or not at all.
    fn read_again(&mut self, engine: &mut Engine) -> Result<(), String> {
        let read = RunFile::read(&self.path);
        let built = read.and_then(|file| Build::new(&file).map(|build| (file, build)));
        let (file, build) = match built {
            Ok(both) => both,
            Err(failure) => {
                failure.print();
                let message = "nothing was reloaded: the rules and settings before stay in force";
                say::error(message);
                return Err(format!("{message}; `kinwall run --check` says why"));
            }
        };
        engine.set_rules(build.programs, build.sets, self.seed);
        self.files = build.files.into();
        engine.set_topology(build.topology);
        for setting in &file.settings {
            if let Err(error) = engine.set(&setting.key, &setting.value) {
                say::note(format_args!("not before the next start: {error}"));
            }
        }
        let plan = self.file.plan.clone();
        self.file = file;
        self.file.plan = plan;
        say::note("rules and settings are reloaded; the queue and its chains are as at the start");
        Ok(())
    }
}

impl Host for Live {
    fn topology(&mut self) -> Option<Topology> {
        let machine = match super::topology::read() {
            Ok(machine) => machine,
            Err(failure) => {
                failure.print();
                return None;
            }
        };
        let mut topology = machine.topology;
        let kernel = machine.kernel.unwrap_or(KernelVersion::DEFAULT);
        let mut settings = Settings::new(kernel, self.file.profile);
        for setting in &self.file.settings {
            // It was taken at the start; an interface that it names may be gone.
            let _ = settings.set(&mut topology, &setting.key, &setting.value);
        }
        Some(topology)
    }

    fn ready(&mut self, engine: &mut Engine, now: Time) {
        self.since = now;
        let names: Vec<&str> =
            engine.topology().interfaces().iter().map(|known| known.name.as_str()).collect();
        say::note(format_args!(
            "packets of queue {} are decided about; interfaces: {}",
            self.file.plan.queue,
            names.join(", ")
        ));
    }

    fn reload(&mut self, engine: &mut Engine, _: Time) {
        // What is wrong was said.
        let _ = self.read_again(engine);
    }

    fn wakes(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(Server::fd)
    }

    fn between(&mut self, engine: &mut Engine, counts: &Counts, now: Time) -> bool {
        let Some(mut control) = self.control.take() else { return false };
        let (since, files) = (self.since, self.files.clone());
        let mut reload = |engine: &mut Engine, _: Time| self.read_again(engine);
        let mut facts = Facts { engine, counts, now, since, files: &files, reload: &mut reload };
        let more = control.turn(&mut facts);
        self.control = Some(control);
        more
    }

    fn ending(&mut self, _: &mut Engine, _: Time) {}
}
