//! `kinwall policy init`: a policy to begin with.

use crate::failure::Failure;
use crate::topology_file::TopologyFile;
use clap::Args;
use kinwall_policy::beginning::beginning;
use std::io::Write;
use std::path::PathBuf;

/// Print a policy to begin with: a segment for each interface of a topology
///
/// What lives behind each interface is taken over; names and intents are for you to write.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  kinwall policy init --topology topology.toml > policy.toml")]
pub(super) struct InitArgs {
    /// The gateway's interfaces and networks
    #[arg(long, value_name = "FILE")]
    topology: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    let read = TopologyFile::read(Some(&args.topology))?;
    let mut out = std::io::stdout().lock();
    out.write_all(beginning(&read.topology).as_bytes())?;
    Ok(out.flush()?)
}
