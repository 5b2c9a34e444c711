//! The process that puts everything back when nobody confirms.
//!
//! It is started before anything is changed, leaves the terminal's session (setsid(2)), and reads
//! a pipe from the process that applies: `done` begins the time in which to confirm, and the end
//! of the pipe without it means that the other was killed half-way.

use super::state::State;
use super::{Record, put_back};
use crate::failure::Failure;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often the state is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often putting back is tried, a second apart.
const ATTEMPTS: usize = 30;

/// The other end of the pipe.
pub(super) struct Watchdog {
    pipe: ChildStdin,
}

impl Watchdog {
    /// Everything is loaded: the time in which to confirm begins.
    pub(super) fn done(mut self) -> Result<(), Failure> {
        let told = self.pipe.write_all(b"done\n");
        told.map_err(|error| Failure::Failed(format!("the watchdog is gone: {error}")))
    }
}

/// Starts the watchdog of a generation, and waits until it watches.
pub(super) fn start(state: &State, generation: u64) -> Result<Watchdog, Failure> {
    let failed = |error| Failure::Failed(format!("the watchdog does not start: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let child = Command::new(program)
        .args(["policy", "watch", "--state"])
        .arg(&state.directory)
        .arg(generation.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Child { stdin, stdout, .. } = child.map_err(failed)?;
    let mut answer = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut answer).map_err(failed)?;
    }
    match stdin {
        Some(pipe) if answer == "ready\n" => Ok(Watchdog { pipe }),
        _ => Err(Failure::Failed("the watchdog does not start".into())),
    }
}

/// Watches over `generation` until it is confirmed or put back.
pub(crate) fn watch(state: &State, generation: u64) -> Result<(), Failure> {
    nix::unistd::setsid().map_err(|error| Failure::Failed(format!("setsid: {error}")))?;
    let mut out = std::io::stdout().lock();
    out.write_all(b"ready\n")?;
    out.flush()?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut words = String::new();
        let is_done = std::io::stdin().read_to_string(&mut words).is_ok() && words == "done\n";
        // Nobody listens when everything is over already.
        let _ = tell.send(is_done);
    });
    let mut deadline: Option<Instant> = None;
    let why = loop {
        let Some(record) = waiting(state, generation)? else { return Ok(()) };
        match told.recv_timeout(TICK) {
            Ok(true) => {
                // The clock of the wall may be set meanwhile; this one is not.
                deadline = Some(Instant::now() + Duration::from_millis(record.left_ms()));
            }
            Ok(false) => break "apply was killed half-way",
            // The pipe was read to its end: only the time is waited for.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break "not confirmed in time";
        }
    };
    let _lock = state.wait_for_lock()?;
    for _ in 0..ATTEMPTS {
        let Some(record) = waiting(state, generation)? else { return Ok(()) };
        match put_back(state, &record, why) {
            Ok(()) => return Ok(()),
            Err(Failure::Failed(text)) => state.log(&format!("cannot roll back: {text}")),
            Err(_) => {}
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    Err(Failure::Reported)
}

/// The generation, while it waits for confirmation.
fn waiting(state: &State, generation: u64) -> Result<Option<Record>, Failure> {
    Ok(state.pending()?.filter(|record| record.generation == generation))
}
