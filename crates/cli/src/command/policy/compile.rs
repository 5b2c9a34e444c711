//! `kinwall policy compile`: the files of a tool.

use super::PolicyFile;
use crate::failure::Failure;
use clap::{Args, ValueEnum};
use kinwall_policy::compile::{self, File, Target};
use std::io::Write;
use std::path::PathBuf;

/// Write rules, settings, and a page that explains each rule by its intent
///
/// For iptables: rules.v4 and rules.v6 (iptables-restore, ip6tables-restore). For nftables:
/// rules.nft (nft -f), one table for both families. Beside them sysctl.conf, modprobe.conf,
/// topology.toml (for audit, prove and replay) and explain.md. Without --output everything is
/// printed, each file under its name.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  kinwall policy compile office.toml --target iptables -o out\n  \
    kinwall audit out/rules.v4 out/rules.v6 --topology out/topology.toml\n  iptables-restore \
    --test out/rules.v4 && ip6tables-restore --test out/rules.v6"
)]
pub(super) struct CompileArgs {
    #[command(flatten)]
    file: PolicyFile,
    /// The tool that loads the rules
    #[arg(long, value_enum, default_value_t = TargetArg::Iptables)]
    target: TargetArg,
    /// Folder to write to; it is made if it is not there
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// `--target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TargetArg {
    /// iptables-restore and ip6tables-restore.
    Iptables,
    /// nft, one table for both families.
    Nftables,
}

impl From<TargetArg> for Target {
    fn from(arg: TargetArg) -> Target {
        match arg {
            TargetArg::Iptables => Target::Iptables,
            TargetArg::Nftables => Target::Nftables,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &CompileArgs) -> Result<(), Failure> {
    let policy = args.file.read()?;
    let files = compile::compile(&policy, args.target.into(), &args.file.name());
    match &args.output {
        Some(folder) => write(folder, &files),
        None => print(&files),
    }
}

fn write(folder: &std::path::Path, files: &[File]) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, error))?;
    let mut out = std::io::stdout().lock();
    for file in files {
        let path = folder.join(file.name);
        std::fs::write(&path, &file.text).map_err(|error| Failure::file(&path, error))?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(out.flush()?)
}

fn print(files: &[File]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for (n, file) in files.iter().enumerate() {
        let gap = if n == 0 { "" } else { "\n" };
        write!(out, "{gap}==> {} <==\n{}", file.name, file.text)?;
    }
    Ok(out.flush()?)
}
