//! The kinwall command line: `main` is an exit-code policy, each command is a file in
//! `command/`.
#![allow(clippy::disallowed_methods)] // Files and streams are this crate's business.

mod apply;
mod args;
mod command;
mod control;
mod failure;
mod json;
mod live;
mod masked;
mod place;
mod remarks;
mod render;
mod rule_files;
mod run_file;
mod say;
mod sets;
mod settings_file;
mod setup;
mod source;
mod tool;
mod topology_file;
mod why;

use clap::{CommandFactory, Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// A firewall that knows its kin.
///
/// Some protocols (FTP, SIP, TFTP, IRC and others) open a second flow whose address and port
/// travel inside the first. kinwall follows them as a Linux gateway does, says of every packet
/// what the gateway would have done with it, and why.
#[derive(Parser)]
#[command(
    name = "kinwall",
    version,
    max_term_width = 100,
    subcommand_required = true,
    after_help = EXAMPLES
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Replay(command::replay::ReplayArgs),
    Explain(command::explain::ExplainArgs),
    Rules(command::rules::RulesArgs),
    Audit(command::audit::AuditArgs),
    Policy(command::policy::PolicyArgs),
    Prove(command::prove::ProveArgs),
    Topology(command::topology::TopologyArgs),
    Helpers(command::helpers::HelpersArgs),
    Run(command::run::RunArgs),
    Ctl(command::ctl::CtlArgs),
    Top(command::top::TopArgs),
    Metrics(command::metrics::MetricsArgs),
    Generate(command::generate::GenerateArgs),
}

const EXAMPLES: &str = "\
Examples:
  kinwall replay --rules rules.v4 --topology topology.toml capture.pcapng
  kinwall explain --rules rules.v4 'tcp 203.0.113.9 -> 192.0.2.10:21 syn'
  kinwall rules check rules.v4
  kinwall helpers ftp";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Replay(args) => command::replay::run(args),
        Command::Explain(args) => command::explain::run(args),
        Command::Rules(args) => command::rules::run(args),
        Command::Audit(args) => command::audit::run(args),
        Command::Policy(args) => command::policy::run(args),
        Command::Prove(args) => command::prove::run(args),
        Command::Topology(args) => command::topology::run(args),
        Command::Helpers(args) => command::helpers::run(args),
        Command::Run(args) => command::run::run(args),
        Command::Ctl(args) => command::ctl::run(args),
        Command::Top(args) => command::top::run(args),
        Command::Metrics(args) => command::metrics::run(args),
        Command::Generate(args) => command::generate::run(args, Cli::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}
