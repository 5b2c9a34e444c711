//! The process around the loop: what is read again, asked, and kept.

use super::build::Build;
use super::keep::Keeper;
use crate::control::answer::Facts;
use crate::control::server::Server;
use crate::run_file::RunFile;
use crate::say;
use kinwall_engine::{Engine, Settings};
use kinwall_gateway::{Counts, Host, Next, Tracer};
use kinwall_terms::{KernelVersion, Time};
use kinwall_topology::Topology;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// A gateway's surroundings.
pub(super) struct Live {
    path: PathBuf,
    file: RunFile,
    seed: u64,
    /// The names of the rule files.
    files: Arc<[String]>,
    control: Option<Server>,
    keeper: Option<Keeper>,
    since: Time,
    /// In how many seconds it must be confirmed; 0 once it is.
    confirm_s: u32,
    was_given_up: bool,
}

impl Live {
    pub(super) fn new(
        path: PathBuf,
        file: RunFile,
        seed: u64,
        files: Vec<String>,
        control: Server,
    ) -> Live {
        let keeper = file.state.clone().map(|state| Keeper::new(state, file.state_every_s));
        Live {
            path,
            file,
            seed,
            files: files.into(),
            control: Some(control),
            keeper,
            since: Time(0),
            confirm_s: 0,
            was_given_up: false,
        }
    }

    /// It ends after so many seconds unless it is confirmed; 0 is never.
    pub(super) fn wait_to_be_confirmed(&mut self, seconds: u32) {
        self.confirm_s = seconds;
    }

    /// Whether it ended because nobody confirmed it.
    pub(super) fn was_given_up(&self) -> bool {
        self.was_given_up
    }

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
        let machine = match crate::command::topology::read() {
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
        engine.set_log(true);
        if let Some(keeper) = &mut self.keeper {
            keeper.restore(engine, now);
        }
        let names: Vec<&str> =
            engine.topology().interfaces().iter().map(|known| known.name.as_str()).collect();
        say::note(format_args!(
            "packets of queue {} are decided about; interfaces: {}",
            self.file.plan.queue,
            names.join(", ")
        ));
        // Without a service manager there is nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        if self.confirm_s > 0 {
            say::note(format_args!(
                "`kinwall ctl confirm` within {} seconds lets it stay; else everything is put back",
                self.confirm_s
            ));
        }
    }

    fn reload(&mut self, engine: &mut Engine, _: Time) {
        // What is wrong was said.
        let _ = self.read_again(engine);
    }

    fn wakes(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(Server::fd)
    }

    fn between(
        &mut self,
        engine: &mut Engine,
        counts: &Counts,
        tracer: &mut Tracer,
        now: Time,
    ) -> Next {
        tell_log(engine);
        let Some(mut control) = self.control.take() else { return Next::Wait };
        let (since, files) = (self.since, Arc::clone(&self.files));
        let mut confirm_s = self.confirm_s;
        let mut reload = |engine: &mut Engine, _: Time| self.read_again(engine);
        let mut facts = Facts {
            engine,
            counts,
            tracer,
            now,
            since,
            files: &files,
            reload: &mut reload,
            confirm_s: &mut confirm_s,
        };
        let more = control.turn(&mut facts);
        self.confirm_s = confirm_s;
        self.control = Some(control);
        if let Some(keeper) = &mut self.keeper {
            keeper.look(engine, now);
        }
        self.was_given_up = confirm_s > 0 && since.after_s(confirm_s) <= now;
        match (self.was_given_up, more) {
            (true, _) => Next::End,
            (false, true) => Next::Again,
            (false, false) => Next::Wait,
        }
    }

    fn ending(&mut self, engine: &mut Engine, now: Time) {
        tell_log(engine);
        if let Some(keeper) = &mut self.keeper {
            keeper.end(engine, now);
        }
    }
}

/// Says what LOG has written. To the journal each line has its level before it (sd-daemon(3)).
fn tell_log(engine: &mut Engine) {
    let (lines, lost) = engine.log_lines();
    let is_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    for line in lines {
        match is_journal {
            true => say::line(format_args!("<{}>{}", line.level, line.text)),
            false => say::line(line.text),
        }
    }
    if lost > 0 {
        say::note(format_args!("{lost} lines of LOG were lost: packets came faster"));
    }
}
