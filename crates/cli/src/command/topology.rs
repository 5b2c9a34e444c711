//! `kinwall topology`: the topology of the running machine.

use crate::failure::Failure;
use crate::say;
use clap::Args;
use kinwall_machine::Machine;
use std::io::Write;
use std::path::PathBuf;

/// Print the topology of the running machine, as --topology takes it
///
/// Interfaces, addresses and routes (of the tables local, main and default) are asked for by
/// netlink; sysctls and the options of the helpers' modules are read from /proc/sys and
/// /sys/module. Nothing is changed, and root is not needed. What a topology cannot hold, such as
/// the rules of policy routing, is said in comments at its head and on the standard error.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  kinwall topology --live -o topology.toml\n  iptables-save | \
    kinwall audit - --topology topology.toml\n  ip netns exec blue kinwall topology --live")]
pub(crate) struct TopologyArgs {
    /// Read the machine this runs on, in the network namespace this runs in
    #[arg(long, required = true)]
    live: bool,
    /// File to write to; the standard output otherwise
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: TopologyArgs) -> Result<(), Failure> {
    let machine = read()?;
    machine.remarks.iter().for_each(say::note);
    let text = text(&machine);
    match &args.output {
        Some(path) => std::fs::write(path, text).map_err(|error| Failure::file(path, error)),
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes())?;
            Ok(out.flush()?)
        }
    }
}

/// The running machine.
pub(crate) fn read() -> Result<Machine, Failure> {
    kinwall_machine::read().map_err(|error| Failure::Failed(error.to_string()))
}

/// A topology file that says what `machine` is.
pub(crate) fn text(machine: &Machine) -> String {
    let mut text = String::from("# Written by `kinwall topology --live`");
    if let Some(kernel) = machine.kernel {
        text.push_str(&format!(" on Linux {kernel}"));
    }
    text.push_str(".\n");
    for remark in &machine.remarks {
        text.push_str(&format!("# {remark}\n"));
    }
    text.push('\n');
    text.push_str(&machine.topology.to_toml());
    text
}
