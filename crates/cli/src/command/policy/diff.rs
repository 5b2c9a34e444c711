//! `kinwall policy diff`: what the rules in force have beside the policy's, and what they lack.

use super::PolicyFile;
use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::source::Text;
use anstyle::{AnsiColor, Color, Style};
use clap::Args;
use kinwall_policy::compile::{Target, compile};
use kinwall_policy::difference::{Change, Difference, differences};
use kinwall_terms::Family;
use std::io::Write;
use std::path::PathBuf;

/// Compare rules with what a policy comes to
///
/// `+` is what the policy has and the rules lack, `-` what the rules have beside it. Counters,
/// comments of the file and the order of the tables are no difference; the order of rules is.
/// Exit status: 0 when nothing differs, 3 when something does.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  iptables-save > now.v4; ip6tables-save > now.v6\n  kinwall \
    policy diff office.toml now.v4 now.v6")]
pub(super) struct DiffArgs {
    #[command(flatten)]
    file: PolicyFile,
    /// Rules of either family, as iptables-save and ip6tables-save print them. A family without
    /// a file is not compared
    #[arg(required = true, value_name = "FILE")]
    rules: Vec<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &DiffArgs) -> Result<(), Failure> {
    let policy = args.file.read()?;
    let written = compile(&policy, Target::Iptables, &args.file.name());
    let rules = written.into_iter().filter(|file| file.name.starts_with("rules."));
    let texts = rules.map(|file| {
        let family = if file.name.ends_with("v4") { Family::Ipv4 } else { Family::Ipv6 };
        Text { name: file.name.to_owned(), text: file.text, family: Some(family) }
    });
    let wanted = Rules::load(texts.collect(), &[])?;
    let texts: Result<Vec<Text>, Failure> =
        args.rules.iter().map(|path| Text::read(path, None)).collect();
    let found = Rules::load(texts?, &[])?;
    let mut all = Vec::new();
    for family in Family::ALL {
        if let (Some(wanted), Some(found)) =
            (wanted.loaded.ruleset(family), found.loaded.ruleset(family))
        {
            all.extend(differences(wanted, found));
        }
    }
    print(&all)?;
    if all.is_empty() { Ok(()) } else { Err(Failure::Found(3)) }
}

const fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(colour)))
}

const MISSING: Style = colour(AnsiColor::Green);
const EXTRA: Style = colour(AnsiColor::Red);

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
    if all.is_empty() {
        writeln!(out, "nothing differs")?;
    }
    Ok(out.flush()?)
}
