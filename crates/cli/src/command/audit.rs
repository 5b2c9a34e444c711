//! `kinwall audit`: what is unsafe in rules and settings, where, and what to write instead.

mod gateway;
mod json;
mod sarif;
mod text;
mod why_not;

use crate::failure::Failure;
use crate::rule_files::Rules;
use clap::{Args, ValueEnum};
use kinwall_policy::audit::{self, CHECKS, Check, Finding, Severity};
use kinwall_terms::KernelVersion;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  iptables-save | kinwall audit -
  nft -j list ruleset | kinwall audit -
  sudo kinwall audit --live
  kinwall audit --rules4 rules.v4 --rules6 rules.v6 --topology topology.toml \\
      --sysctl /etc/sysctl.conf
  kinwall audit --explain KW004
  kinwall audit --rules4 rules.v4 --topology topology.toml \\
      --why-not 'ftp from eth1 to 192.0.2.10:2121'";

/// Find what is unsafe in rules and settings
///
/// Each finding names the rule, says why it matters, and what to write instead. Exit status: 0
/// nothing worse than notes, 3 warnings, 4 errors; 1 and 2 are failures of the audit itself. A
/// comment in a rule allows a finding: -m comment --comment "kinwall:allow KW003 the reason".
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    /// Rule files: iptables-save, scripts of iptables commands, or JSON of nft; `-` is the
    /// standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Audit the machine this runs on, in the network namespace this runs in: its rules (of both
    /// kinds of iptables and of nftables), interfaces, sysctls, modules and kernel. Needs root
    #[arg(long, conflicts_with_all = ["files", "rules", "rules4", "rules6", "topology"])]
    live: bool,
    /// A rule file, as if it were named alone
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// A rule file for IPv4, whatever its name
    #[arg(long, value_name = "FILE")]
    rules4: Vec<PathBuf>,
    /// A rule file for IPv6, whatever its name
    #[arg(long, value_name = "FILE")]
    rules6: Vec<PathBuf>,
    /// Value of $NAME in rule scripts
    #[arg(long = "define", value_name = "NAME=VALUE")]
    defines: Vec<String>,
    /// The gateway's interfaces, networks, sysctls and module options
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Settings as in sysctl.conf: `key = value` lines
    #[arg(long, value_name = "FILE")]
    sysctl: Vec<PathBuf>,
    /// Module options as in modprobe.d: `options MODULE NAME=VALUE` lines
    #[arg(long, value_name = "FILE")]
    modprobe: Vec<PathBuf>,
    /// A sysctl or a module option
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The Linux version that runs the rules [default: 6.18, or with --live the machine's]
    #[arg(long, value_name = "VERSION")]
    kernel: Option<KernelVersion>,
    /// Say at which rule a connection loses its helper: 'ftp from eth1 to 192.0.2.10:2121'
    ///
    /// HELPER from INTERFACE, ADDRESS, NETWORK or `gateway` to ADDRESS[:PORT]. Exit status: 0
    /// when it has its helper and RELATED is accepted, else 3.
    #[arg(long, value_name = "QUESTION")]
    why_not: Option<String>,
    /// Explain a finding by its code
    #[arg(long, value_name = "CODE", exclusive = true)]
    explain: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = AuditFormat::Text)]
    format: AuditFormat,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AuditFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
}

/// Runs the command.
pub(crate) fn run(args: AuditArgs) -> Result<(), Failure> {
    if let Some(code) = &args.explain {
        return text::explain(by_code(code)?);
    }
    let read = gateway::read(&args)?;
    if let Some(question) = &args.why_not {
        return why_not::run(&read, question, args.format);
    }
    let findings = audit::audit(&read.gateway());
    match args.format {
        AuditFormat::Text => text::print(&findings, &read.rules)?,
        AuditFormat::Json => json::print(&findings, &read.rules)?,
        AuditFormat::Sarif => sarif::print(&findings, &read.rules)?,
    }
    match findings.iter().filter(|f| f.allowed.is_none()).map(|f| f.severity).max() {
        None | Some(Severity::Note) => Ok(()),
        Some(Severity::Warning) => Err(Failure::Found(3)),
        Some(Severity::Error) => Err(Failure::Found(4)),
    }
}

fn by_code(code: &str) -> Result<&'static Check, Failure> {
    Check::by_code(code).ok_or_else(|| {
        let codes: Vec<&str> = CHECKS.iter().map(|check| check.code).collect();
        Failure::Usage(format!("no finding has the code `{code}`; there are {}", codes.join(", ")))
    })
}

/// The name of the file a finding stands in.
fn file_of<'a>(rules: &'a Rules, finding: &Finding) -> Option<&'a str> {
    name_of(rules, finding.origin()?.file)
}

fn name_of(rules: &Rules, file: u16) -> Option<&str> {
    rules.sources.get(usize::from(file)).map(|source| source.name.as_str())
}
