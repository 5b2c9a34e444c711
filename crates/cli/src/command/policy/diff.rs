//! `kinwall policy diff`: what the rules in force have beside the policy's, and what they lack.

use super::PolicyFile;
use super::compile::TargetArg;
use super::live::{self, Setting};
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::source::Text;
use anstyle::{AnsiColor, Color, Style};
use clap::Args;
use kinwall_policy::compile::{File, Target, compile};
use kinwall_policy::difference::{Change, Difference, differences};
use kinwall_terms::Family;
use std::io::Write;
use std::path::PathBuf;

/// Compare rules with what a policy comes to
///
/// `+` is what the policy has and the rules lack, `-` what the rules have beside it. Counters,
/// comments of the file and the order of the tables are no difference; the order of rules is.
/// With --live the rules and sysctls in force are compared, of both families; for that, root is
/// needed. Exit status: 0 when nothing differs, 3 when something does.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  iptables-save > now.v4; ip6tables-save > now.v6\n  kinwall \
    policy diff office.toml now.v4 now.v6\n  kinwall policy diff office.toml --live --target \
    nftables")]
pub(super) struct DiffArgs {
    #[command(flatten)]
    file: PolicyFile,
    /// Rules of either family, as iptables-save and ip6tables-save print them. A family without
    /// a file is not compared
    #[arg(required_unless_present = "live", value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// The rules and sysctls in force
    #[arg(long, conflicts_with = "rules")]
    live: bool,
    /// The tool that loaded the rules in force
    #[arg(long, value_enum, default_value_t = TargetArg::Iptables, requires = "live")]
    target: TargetArg,
}

/// Runs the command.
pub(super) fn run(mut args: DiffArgs) -> Result<(), Failure> {
    if args.live {
        args.file.kernel = args.file.kernel.or_else(kinwall_machine::kernel);
    }
    let policy = args.file.read()?;
    let written = compile(&policy, args.target.into(), &args.file.name());
    let (rules, settings) = if args.live {
        (live::rules(args.target.into(), &written)?, live::settings(&written))
    } else {
        let texts: Result<Vec<Text>, Failure> =
            args.rules.iter().map(|path| Text::read(path, None)).collect();
        (texts?, Vec::new())
    };
    let mut differ = !settings.is_empty();
    match args.target.into() {
        Target::Iptables => {
            let all = of_iptables(&written, rules)?;
            differ |= !all.is_empty();
            print(&all)?;
        }
        Target::Nftables => differ |= live::of_nftables(&written, &rules)?,
    }
    print_settings(&settings)?;
    if differ {
        return Err(Failure::Found(3));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "nothing differs")?;
    Ok(out.flush()?)
}

fn of_iptables(written: &[File], found: Vec<Text>) -> Result<Vec<Difference>, Failure> {
    let rules = written.iter().filter(|file| file.name.starts_with("rules."));
    let texts = rules.map(|file| {
        let family = if file.name.ends_with("v4") { Family::Ipv4 } else { Family::Ipv6 };
        Text { name: file.name.to_owned(), text: file.text.clone(), family: Some(family) }
    });
    let wanted = Rules::load(texts.collect(), &[])?;
    let found = Rules::load(found, &[])?;
    let mut all = Vec::new();
    for family in Family::ALL {
        if let (Some(wanted), Some(found)) =
            (wanted.loaded.ruleset(family), found.loaded.ruleset(family))
        {
            all.extend(differences(wanted, found));
        }
    }
    Ok(all)
}

fn print_settings(settings: &[Setting]) -> Result<(), Failure> {
    if settings.is_empty() {
        return Ok(());
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "sysctl")?;
    for Setting { name, wanted, found } in settings {
        writeln!(out, "{MISSING}+ {name} = {wanted}{MISSING:#}")?;
        writeln!(out, "{EXTRA}- {name} = {found}{EXTRA:#}")?;
    }
    Ok(out.flush()?)
}

const fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(colour)))
}

pub(super) const MISSING: Style = colour(AnsiColor::Green);
pub(super) const EXTRA: Style = colour(AnsiColor::Red);

fn print(all: &[Difference]) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let mut said = None;
    for difference in all {
        let place = (difference.family, difference.table);
        if said != Some(place) {
            writeln!(out, "{} {}", place.0, place.1.name())?;
            said = Some(place);
        }
        match &difference.change {
            Change::Missing(line) => writeln!(out, "{MISSING}+ {line}{MISSING:#}")?,
            Change::Extra(line) => writeln!(out, "{EXTRA}- {line}{EXTRA:#}")?,
            Change::Order(chain) => writeln!(out, "  {chain} has its rules in another order")?,
        }
    }
    Ok(out.flush()?)
}
