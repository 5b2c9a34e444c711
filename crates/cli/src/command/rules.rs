//! `kinwall rules`: check rule files, and print them in canonical form.

use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::source::Text;
use crate::{say, sets};
use clap::{Args, Subcommand, ValueEnum};
use kinwall_rules::print::{self, Options};
use kinwall_rules::ruleset::Ruleset;
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
    Check {
        #[command(flatten)]
        files: Files,
        /// Sets that the rules may name, as `ipset save` writes them
        #[arg(long = "sets", value_name = "FILE")]
        sets: Vec<PathBuf>,
    },
    /// Print rule files as iptables-save would, ready for iptables-restore
    Fmt {
        #[command(flatten)]
        files: Files,
        /// Print the rules of this family: a script may hold both, iptables-restore and
        /// ip6tables-restore take one
        #[arg(long, value_name = "FAMILY")]
        only: Option<FamilyArg>,
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

/// `--only`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FamilyArg {
    Ipv4,
    Ipv6,
}

/// Runs the command.
pub(crate) fn run(args: RulesArgs) -> Result<(), Failure> {
    match args.command {
        Command::Check { files, sets } => {
            let rules = load(&files);
            let known = sets::read(&sets);
            let (rules, known) = (rules?, known?);
            sets::check_names(&rules, &sets, &known)?;
            for family in Family::ALL {
                sets::asked_in_vain(&rules, &known, family).into_iter().for_each(say::note);
            }
            check(&rules)
        }
        Command::Fmt { files, only, counters } => {
            let rules = load(&files)?;
            let ruleset = one_family(&rules, only)?;
            let text = ruleset.map(|ruleset| print::ruleset(ruleset, Options { counters }));
            let mut out = std::io::stdout().lock();
            out.write_all(text.unwrap_or_default().as_bytes())?;
            Ok(out.flush()?)
        }
    }
}

fn check(rules: &Rules) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for ruleset in rules.loaded.rulesets.iter().flatten() {
        let tables: Vec<&str> = ruleset.tables().map(|(table, _)| table.name()).collect();
        let (family, tables) = (ruleset.family, tables.join(", "));
        match ruleset.len() {
            0 => writeln!(out, "{family}: no rules")?,
            1 => writeln!(out, "{family}: 1 rule in {tables}")?,
            count => writeln!(out, "{family}: {count} rules in {tables}")?,
        }
    }
    match (rules.loaded.settings.len(), rules.loaded.rulesets.iter().flatten().count()) {
        (0, 0) => writeln!(out, "no rules")?,
        (0, _) => {}
        (1, _) => writeln!(out, "1 setting")?,
        (count, _) => writeln!(out, "{count} settings")?,
    }
    Ok(out.flush()?)
}

/// The one rule set to print: one output is for one tool.
fn one_family(rules: &Rules, only: Option<FamilyArg>) -> Result<Option<&Ruleset>, Failure> {
    let [v4, v6] = Family::ALL.map(|family| rules.loaded.ruleset(family));
    match (only, v4, v6) {
        (Some(FamilyArg::Ipv4), v4, _) => Ok(v4),
        (Some(FamilyArg::Ipv6), _, v6) => Ok(v6),
        (None, Some(_), Some(_)) => Err(Failure::Usage(
            "there are rules for ipv4 and for ipv6, and iptables-restore takes one family: add \
             --only ipv4 or --only ipv6"
                .to_owned(),
        )),
        (None, v4, v6) => Ok(v4.or(v6)),
    }
}

fn load(files: &Files) -> Result<Rules, Failure> {
    let family = match (files.ipv4, files.ipv6) {
        (true, _) => Some(Family::Ipv4),
        (_, true) => Some(Family::Ipv6),
        _ => None,
    };
    let mut sources = Vec::new();
    for path in &files.files {
        sources.push(Text::read(path, family)?);
    }
    Rules::load(sources, &files.defines)
}
