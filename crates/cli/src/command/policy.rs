//! `kinwall policy`: from what an administrator wants to the rules that the kernel runs.

mod apply;
mod compile;
mod diff;
mod init;
mod live;
mod standing;

use crate::failure::Failure;
use crate::render::Mistake;
use crate::{say, source};
use clap::{Args, Subcommand};
use kinwall_policy::intent::Policy;
use kinwall_policy::language;
use kinwall_terms::KernelVersion;
use std::path::{Path, PathBuf};

/// Write hardened rules from what the network is and what it is to be used for
///
/// A policy names segments (interfaces and the networks behind them), hosts, and intents: who may
/// use which service of whom. Helpers are assigned by rule, to one protocol, port and destination;
/// what they announce passes by the helper's name, between the addresses that its protocol leaves,
/// to unprivileged ports; forged sources are dropped before tracking, in both families.
#[derive(Args, Debug)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Compile(compile::CompileArgs),
    Diff(diff::DiffArgs),
    Init(init::InitArgs),
    Apply(apply::ApplyArgs),
    Confirm(standing::ConfirmArgs),
    Rollback(standing::RollbackArgs),
    Status(standing::StatusArgs),
    Resume(standing::ResumeArgs),
    Unit(standing::UnitTextArgs),
    #[command(hide = true)]
    Watch(standing::WatchArgs),
}

/// The policy, and the kernel it is for.
#[derive(Args, Debug)]
struct PolicyFile {
    /// The policy; `-` is the standard input
    #[arg(value_name = "POLICY.toml")]
    policy: PathBuf,
    /// The Linux version that runs the rules, whatever the policy says
    #[arg(long, value_name = "VERSION")]
    kernel: Option<KernelVersion>,
}

impl PolicyFile {
    /// Reads it, and shows every mistake in it.
    fn read(&self) -> Result<Policy, Failure> {
        let text = source::read(&self.policy)?;
        let name = self.policy.display().to_string();
        let problems = match language::read(&text, &name, self.kernel) {
            Ok(policy) => return Ok(policy),
            Err(problems) => problems,
        };
        for problem in &problems {
            let mistake = Mistake {
                name: &problem.file,
                text: &text,
                line: problem.line,
                column: problem.column,
                length: problem.length,
                message: &problem.message,
                help: problem.help.as_deref(),
            };
            mistake.show();
        }
        let (count, plural) = (problems.len(), if problems.len() == 1 { "" } else { "s" });
        say::line(format_args!("{count} mistake{plural} in the policy"));
        Err(Failure::Reported)
    }

    /// The file's name, without its folder: for headings.
    fn name(&self) -> String {
        let name = self.policy.file_name().unwrap_or(self.policy.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

/// Reads a policy for a kernel, and what it is called in headings.
pub(crate) fn read(
    path: &Path,
    kernel: Option<KernelVersion>,
) -> Result<(Policy, String), Failure> {
    let file = PolicyFile { policy: path.to_owned(), kernel };
    Ok((file.read()?, file.name()))
}

/// Runs the command.
pub(crate) fn run(args: PolicyArgs) -> Result<(), Failure> {
    match args.command {
        Command::Compile(args) => compile::run(&args),
        Command::Diff(args) => diff::run(args),
        Command::Init(args) => init::run(&args),
        Command::Apply(args) => apply::run(args),
        Command::Confirm(args) => standing::confirm(&args),
        Command::Rollback(args) => standing::rollback(&args),
        Command::Status(args) => standing::status(&args),
        Command::Resume(args) => standing::resume(&args),
        Command::Unit(args) => standing::unit(&args),
        Command::Watch(args) => standing::watch(&args),
    }
}
