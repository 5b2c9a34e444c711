//! `kinwall policy confirm`, `rollback`, `status`, `resume` and `unit`: what becomes of a change.

use crate::apply::{self, Record, Resumed, State, Tool};
use crate::failure::Failure;
use crate::say;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Where the state is.
#[derive(Args, Debug)]
pub(super) struct StateArgs {
    /// Where what was in force, what waits and what was confirmed are kept
    #[arg(long, value_name = "DIR", default_value = "/var/lib/kinwall")]
    pub(super) state: PathBuf,
}

/// Where the unit goes.
#[derive(Args, Debug)]
pub(super) struct UnitArgs {
    /// Write the systemd unit that resumes at boot here, and do not enable it. Otherwise it is
    /// installed and enabled where systemd runs
    #[arg(long, value_name = "FILE")]
    pub(super) unit: Option<PathBuf>,
}

/// Keep what `apply` loaded: it boots from now on
#[derive(Args, Debug)]
pub(super) struct ConfirmArgs {
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    unit: UnitArgs,
}

/// Put back what was in force before `apply`, at once
#[derive(Args, Debug)]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    state: StateArgs,
}

/// Say what waits for confirmation, what boots, and what happened last
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    state: StateArgs,
}

/// At boot: load what was confirmed, put back what was not
///
/// A change that was applied before a crash or a reboot and not confirmed is gone: what was
/// confirmed before it is loaded, or, when nothing was, what was in force.
#[derive(Args, Debug)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    state: StateArgs,
}

/// Print the systemd unit that resumes at boot
#[derive(Args, Debug)]
pub(super) struct UnitTextArgs {
    #[command(flatten)]
    state: StateArgs,
}

/// Put back what is not confirmed in time: `apply` starts this
#[derive(Args, Debug)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    state: StateArgs,
    /// The number of the change
    generation: u64,
}

/// Keeps what waits.
pub(super) fn confirm(args: &ConfirmArgs) -> Result<(), Failure> {
    needs_root()?;
    let state = State::open(&args.state.state)?;
    let record = apply::confirm(&state)?;
    say::line(format_args!("{} is confirmed and boots", record.policy));
    apply::announce(&state, args.unit.unit.as_deref())
}

/// Ends what waits.
pub(super) fn rollback(args: &RollbackArgs) -> Result<(), Failure> {
    needs_root()?;
    let record = apply::rollback(&State::open(&args.state.state)?)?;
    say::line(format_args!("{} is gone; everything is as before", record.policy));
    Ok(())
}

/// Resumes.
pub(super) fn resume(args: &ResumeArgs) -> Result<(), Failure> {
    needs_root()?;
    match apply::resume(&State::open(&args.state.state)?)? {
        Resumed::RolledBack(record) => {
            say::line(format_args!("{} was not confirmed; everything is as before", record.policy));
        }
        Resumed::Loaded(record, remarks) => {
            remarks.iter().for_each(say::note);
            say::line(format_args!("{} is in force", record.policy));
        }
        Resumed::Nothing => say::line("nothing was confirmed: nothing is loaded"),
    }
    Ok(())
}

/// Says how things stand.
pub(super) fn status(args: &StatusArgs) -> Result<(), Failure> {
    needs_root()?;
    let state = State::open(&args.state.state)?;
    let named = |record: &Record| {
        let tool = match record.tool {
            Tool::Iptables => "iptables",
            Tool::Nftables => "nftables",
        };
        format!("{} ({tool}, generation {})", record.policy, record.generation)
    };
    let mut out = std::io::stdout().lock();
    match state.pending()? {
        Some(record) if record.left_ms() > 0 => {
            let left = record.left_ms().div_ceil(1000);
            writeln!(out, "waits:     {}, {left} s left to confirm", named(&record))?;
        }
        Some(record) => writeln!(out, "waits:     {}, its time has run out", named(&record))?,
        None => writeln!(out, "waits:     nothing")?,
    }
    match state.confirmed()? {
        Some(record) => writeln!(out, "confirmed: {}", named(&record))?,
        None => writeln!(out, "confirmed: nothing")?,
    }
    if let Some(last) = state.last_logged() {
        writeln!(out, "last:      {last}")?;
    }
    Ok(out.flush()?)
}

/// Prints the unit.
pub(super) fn unit(args: &UnitTextArgs) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(apply::unit(&args.state.state).as_bytes())?;
    Ok(out.flush()?)
}

/// Watches over a change.
pub(super) fn watch(args: &WatchArgs) -> Result<(), Failure> {
    apply::watch(&State::open(&args.state.state)?, args.generation)
}

/// Only root changes rules.
pub(super) fn needs_root() -> Result<(), Failure> {
    match nix::unistd::geteuid().is_root() {
        true => Ok(()),
        false => Err(Failure::Failed("this needs root: rules are the kernel's".into())),
    }
}
