//! `kinwall rules`: check rule files, and print them in canonical form.

use crate::failure::Failure;
use crate::setup::{self, Text};
use clap::{Args, Subcommand};
use kinwall_rules::print::{self, Options};
use kinwall_terms::Family;
use std::io::Write;
use std::path::PathBuf;

/// Check and format rule files
#[derive(Args, Debug)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Report every mistake in rule files, with its place and what would be right
    Check(Files),
    /// Print rule files as iptables-save would, ready for iptables-restore
    Fmt {
        #[command(flatten)]
        files: Files,
        /// Keep the rules' counters
        #[arg(short = 'c', long)]
        counters: bool,
    },
}

#[derive(Args, Debug)]
struct Files {
    /// iptables-save or ip6tables-save files, or shell scripts of iptables commands; `-` is the
    /// standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The files are for IPv4, whatever their names and contents
    #[arg(short = '4', conflicts_with = "ipv6")]
    ipv4: bool,
    /// The files are for IPv6, whatever their names and contents
    #[arg(short = '6')]
    ipv6: bool,
    /// Value of $NAME in rule scripts
    #[arg(long = "define", value_name = "NAME=VALUE")]
    defines: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: RulesArgs) -> Result<(), Failure> {
    match args.command {
        Command::Check(files) => {
            let rules = load(&files)?;
            for (family, ruleset) in Family::ALL.iter().zip(&rules.loaded.rulesets) {
                if let Some(ruleset) = ruleset {
                    let tables: Vec<&str> =
                        ruleset.tables().map(|(table, _)| table.name()).collect();
                    println!("{family}: {} rules in {}", ruleset.len(), tables.join(", "));
                }
            }
            Ok(())
        }
        Command::Fmt { files, counters } => {
            let rules = load(&files)?;
            let mut out = std::io::stdout().lock();
            let both = rules.loaded.rulesets.iter().all(Option::is_some);
            for ruleset in rules.loaded.rulesets.iter().flatten() {
                if both {
                    writeln!(out, "# {}", ruleset.family)?;
                }
                out.write_all(print::ruleset(ruleset, Options { counters }).as_bytes())?;
            }
            Ok(())
        }
    }
}

fn load(files: &Files) -> Result<setup::Rules, Failure> {
    let family = match (files.ipv4, files.ipv6) {
        (true, _) => Some(Family::Ipv4),
        (_, true) => Some(Family::Ipv6),
        _ => None,
    };
    let mut sources = Vec::new();
    for path in &files.files {
        let name = path.display().to_string();
        sources.push(Text { name, text: setup::read(path)?, family });
    }
    setup::load_texts(sources, &files.defines)
}
