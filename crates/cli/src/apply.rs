//! Changing the rules of the running kernel, so that nobody locks himself out.
//!
//! A change is a transaction: both families are tested, what is in force is saved to the disk,
//! a watchdog process is started, and then both families are loaded; when anything is refused,
//! both are put back. The watchdog puts everything back when the process that applies dies in
//! between (its end of a pipe closes), or when nobody confirms in time. What is on the disk
//! decides, so [`resume`] does the same after a crash of everything.

mod boot;
mod kernel;
mod state;
mod watchdog;

pub(crate) use boot::{announce, unit};
pub(crate) use state::{Record, State, Tool, boot_id, now_ms};
pub(crate) use watchdog::watch;

use crate::failure::Failure;
use kernel::Texts;
use kinwall_policy::compile::File;
use std::path::PathBuf;
use std::time::Duration;

/// A change that is asked for.
pub(crate) struct Change {
    /// The file that the policy was read from.
    pub(crate) policy: String,
    /// The tool that loads the rules.
    pub(crate) tool: Tool,
    /// What the policy comes to.
    pub(crate) files: Vec<File>,
    /// Where modprobe reads the options of modules.
    pub(crate) modprobe: PathBuf,
    /// How long it waits for confirmation.
    pub(crate) timeout: Duration,
}

/// Loads a change. It waits for confirmation when this returns; the strings are remarks.
///
/// # Errors
///
/// Another change is under way or waits, or something was refused: then everything is as before.
pub(crate) fn apply(state: &State, change: Change) -> Result<(Record, Vec<String>), Failure> {
    let lock = state.lock()?;
    if let Some(pending) = state.pending()? {
        return Err(Failure::Failed(format!(
            "{} waits for confirmation: `kinwall policy confirm` or `kinwall policy rollback` \
             first",
            pending.policy
        )));
    }
    let Change { policy, tool, files, modprobe, timeout } = change;
    let texts = Texts::of(files);
    kernel::test(tool, &texts)?;
    let before = kernel::save(tool, &texts, &modprobe)?;
    let all = texts.clone().and(before.clone().within("before"));
    let generation = state.new_generation(&all)?;
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let deadline_ms = now_ms().saturating_add(timeout_ms);
    let mut record = Record { generation, policy, tool, deadline_ms, boot: boot_id(), modprobe };
    state.set_pending(&record)?;
    let watchdog = watchdog::start(state, generation).and_then(|watchdog| {
        // The tools keep the lock while they run, even when this process is killed meanwhile:
        // the watchdog waits until they are done.
        inherit(&lock)?;
        Ok(watchdog)
    });
    let loaded =
        watchdog.and_then(|watchdog| Ok((kernel::load(tool, &texts, &record.modprobe)?, watchdog)));
    let (remarks, watchdog) = match loaded {
        Ok(loaded) => loaded,
        Err(failure) => return Err(undo(state, &record, &texts, &before, failure)),
    };
    record.deadline_ms = now_ms().saturating_add(timeout_ms);
    state.set_pending(&record)?;
    watchdog.done()?;
    state.log(&format!("applied {} (generation {generation})", record.policy));
    Ok((record, remarks))
}

fn inherit(lock: &std::fs::File) -> Result<(), Failure> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    let set = fcntl(lock, FcntlArg::F_SETFD(FdFlag::empty()));
    set.map(drop).map_err(|error| Failure::Failed(format!("the lock: {error}")))
}

/// A change that failed is put back at once.
fn undo(
    state: &State,
    record: &Record,
    texts: &Texts,
    before: &Texts,
    failure: Failure,
) -> Failure {
    let why = match failure {
        Failure::Failed(text) | Failure::Usage(text) => text,
        _ => String::from("it was refused"),
    };
    let back = kernel::put_back(record.tool, texts, before, &record.modprobe)
        .and_then(|()| state.clear_pending());
    state.log(&format!("{} was refused (generation {})", record.policy, record.generation));
    match back {
        Ok(()) => Failure::Failed(format!("{why}\neverything is as before")),
        Err(Failure::Failed(text)) => Failure::Failed(format!(
            "{why}\nNOT everything could be put back: {text}\nwhat was in force is in {}",
            state.generation(record.generation).join("before").display()
        )),
        Err(other) => other,
    }
}

/// Confirms what waits: it boots from now on.
///
/// # Errors
///
/// Nothing waits, or its time has run out.
pub(crate) fn confirm(state: &State) -> Result<Record, Failure> {
    let _lock = state.lock()?;
    let Some(record) = state.pending()? else {
        return Err(Failure::Failed(match state.last_logged() {
            Some(last) => format!("nothing waits for confirmation; last: {last}"),
            None => "nothing waits for confirmation".into(),
        }));
    };
    if record.left_ms() == 0 {
        return Err(Failure::Failed(format!(
            "the time to confirm {} has run out; it is being put back (`kinwall policy rollback` \
             does so at once)",
            record.policy
        )));
    }
    state.set_confirmed(&record)?;
    state.clear_pending()?;
    state.log(&format!("confirmed {} (generation {})", record.policy, record.generation));
    Ok(record)
}

/// Puts back what was in force before the change that waits.
///
/// # Errors
///
/// Nothing waits, or not everything could be put back; then it still waits.
pub(crate) fn rollback(state: &State) -> Result<Record, Failure> {
    let _lock = state.wait_for_lock()?;
    let record = state.pending()?;
    let record = record
        .ok_or_else(|| Failure::Failed("nothing waits for confirmation: nothing changed".into()))?;
    put_back(state, &record, "asked to")?;
    Ok(record)
}

/// Puts back what was in force before `record`. The caller has the lock.
fn put_back(state: &State, record: &Record, why: &str) -> Result<(), Failure> {
    let directory = state.generation(record.generation);
    let texts = Texts::read(&directory)?;
    let before = Texts::read(&directory.join("before"))?;
    kernel::put_back(record.tool, &texts, &before, &record.modprobe)?;
    state.clear_pending()?;
    let Record { policy, generation, .. } = record;
    state.log(&format!("rolled back {policy} (generation {generation}): {why}"));
    Ok(())
}

/// What [`resume`] did.
pub(crate) enum Resumed {
    /// This was not confirmed and is gone.
    RolledBack(Record),
    /// This was confirmed and is in force; the strings are remarks.
    Loaded(Record, Vec<String>),
    /// Nothing waited, nothing was confirmed.
    Nothing,
}

/// At boot, and after a crash: what was not confirmed is put back, what was confirmed is loaded.
///
/// In the boot in which a change was applied, what was in force before it is put back. In a later
/// boot the change itself is gone with the old kernel: what was confirmed is loaded, or, when
/// nothing was, what was in force before the change.
pub(crate) fn resume(state: &State) -> Result<Resumed, Failure> {
    let _lock = state.wait_for_lock()?;
    let confirmed = state.confirmed()?;
    if let Some(pending) = state.pending()? {
        let of_confirmed = confirmed.as_ref().map(|record| record.generation);
        let same_boot = pending.boot == boot_id();
        if of_confirmed == Some(pending.generation) {
            // It was confirmed; only the last step was missing.
            state.clear_pending()?;
        } else if same_boot || confirmed.is_none() {
            put_back(state, &pending, "not confirmed, resumed")?;
            return Ok(Resumed::RolledBack(pending));
        } else {
            state.log(&format!("{} was not confirmed before the reboot", pending.policy));
        }
    }
    let Some(record) = confirmed else { return Ok(Resumed::Nothing) };
    let texts = Texts::read(&state.generation(record.generation))?;
    let before = kernel::save(record.tool, &texts, &record.modprobe)?;
    match kernel::load(record.tool, &texts, &record.modprobe) {
        Ok(remarks) => {
            state.clear_pending()?;
            state.log(&format!("loaded {} (generation {})", record.policy, record.generation));
            Ok(Resumed::Loaded(record, remarks))
        }
        Err(failure) => Err(undo(state, &record, &texts, &before, failure)),
    }
}
