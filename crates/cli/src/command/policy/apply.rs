//! `kinwall policy apply`: the rules of a policy, in the running kernel.

use super::PolicyFile;
use super::compile::TargetArg;
use super::standing::{StateArgs, UnitArgs, needs_root};
use crate::apply::{self, Change, State, Tool};
use crate::failure::Failure;
use crate::say;
use clap::Args;
use kinwall_policy::compile::{Target, compile};
use std::path::PathBuf;
use std::time::Duration;

/// Load a policy's rules into the running kernel, until they are confirmed
///
/// Both families are tested, what is in force is saved, and then everything is loaded: rules,
/// sysctls, options of modules. When anything is refused, everything is put back. `kinwall policy
/// confirm` has to follow in time, from a connection that works; else everything is as before
/// again. A process of its own sees to that: it outlives the terminal and this command. What was
/// saved is on the disk, so `kinwall policy resume`, run at boot, rolls back too.
///
/// Connections that exist go on: those that were let begin stay ESTABLISHED, and keep the helper
/// they have. New rules decide about new connections. Tables that the policy has no rules for
/// (nat, mangle) and rules of other nftables tables stay as they are.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  kinwall policy apply office.toml --timeout 60s\n  kinwall \
    policy confirm")]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    file: PolicyFile,
    /// The tool that loads the rules
    #[arg(long, value_enum, default_value_t = TargetArg::Iptables)]
    target: TargetArg,
    /// How long to wait for confirmation, from 1s to 24h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    timeout: Duration,
    /// Confirm at once: no way back
    #[arg(long)]
    no_confirm: bool,
    /// Where modprobe reads the options of modules
    #[arg(long, value_name = "FILE", default_value = "/etc/modprobe.d/kinwall.conf")]
    modprobe: PathBuf,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    unit: UnitArgs,
}

/// Runs the command.
pub(super) fn run(mut args: ApplyArgs) -> Result<(), Failure> {
    args.file.kernel = args.file.kernel.or_else(kinwall_machine::kernel);
    let policy = args.file.read()?;
    needs_root()?;
    let target = Target::from(args.target);
    let files = compile(&policy, target, &args.file.name());
    let state = State::open(&args.state.state)?;
    let change = Change {
        policy: args.file.name(),
        tool: Tool::from(target),
        files,
        modprobe: args.modprobe,
        timeout: args.timeout,
    };
    let (record, remarks) = apply::apply(&state, change)?;
    remarks.iter().for_each(say::note);
    if args.no_confirm {
        apply::confirm(&state)?;
        say::line(format_args!("{} is in force and boots", record.policy));
    } else {
        let seconds = record.left_ms().div_ceil(1000);
        say::line(format_args!(
            "{} is in force for {seconds} s; `kinwall policy confirm` keeps it, `kinwall policy \
             rollback` ends it at once",
            record.policy
        ));
    }
    apply::announce(&state, args.unit.unit.as_deref())
}

/// `60s`, `2m`, `1h` or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| "a time is such as 60s or 2m".to_owned())?;
    match number.checked_mul(unit) {
        Some(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("a time is between 1s and 24h".to_owned()),
    }
}
