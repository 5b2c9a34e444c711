//! `kinwall policy init`: a policy to begin with.

use crate::command::topology;
use crate::failure::Failure;
use crate::say;
use crate::topology_file::TopologyFile;
use clap::Args;
use kinwall_policy::beginning::{Beginning, Wish, beginning, inhabited};
use kinwall_policy::language;
use kinwall_terms::InterfaceName;
use kinwall_topology::{Defaults, Interface, Topology};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

/// Print a policy to begin with: a segment for each interface of a topology
///
/// What lives behind each interface is taken over; names and intents are for you to write. On a
/// terminal, with neither --topology nor --live, it asks for them, for the interfaces of the
/// running machine.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  kinwall policy init --topology topology.toml > policy.toml\n  \
    kinwall policy init --live -o policy.toml\n  kinwall policy init -o policy.toml"
)]
pub(super) struct InitArgs {
    /// The gateway's interfaces and networks
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Those of the running machine, and its kernel's version
    #[arg(long, conflicts_with = "topology")]
    live: bool,
    /// File to write to; the standard output otherwise
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    let text = match (&args.topology, args.live) {
        (Some(path), _) => {
            beginning(&TopologyFile::read(Some(path))?.topology, &Beginning::default())
        }
        (None, true) => live(false)?,
        (None, false) if std::io::stdin().is_terminal() => live(true)?,
        (None, false) => {
            return Err(Failure::Usage(
                "nobody can be asked: the standard input is no terminal; give --topology FILE \
                 or --live"
                    .into(),
            ));
        }
    };
    match &args.output {
        Some(path) => std::fs::write(path, text).map_err(|error| Failure::file(path, error)),
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes())?;
            Ok(out.flush()?)
        }
    }
}

fn live(asks: bool) -> Result<String, Failure> {
    let machine = topology::read()?;
    machine.remarks.iter().for_each(say::note);
    let mut with = Beginning { kernel: machine.kernel, ..Beginning::default() };
    if asks {
        ask(&machine.topology, &mut with)?;
    }
    Ok(beginning(&machine.topology, &with))
}

/// Asks for the names of the segments, then for intents until there is no more.
fn ask(topology: &Topology, with: &mut Beginning) -> Result<(), Failure> {
    with.names = names(topology)?;
    with.intents = Some(Vec::new());
    let names: Vec<&str> = with.names.values().filter_map(Option::as_deref).collect();
    say::line(format_args!(
        "Who may use what? A service is ssh, web, dns, ... or a protocol with a helper such as \
         ftp; the ends are {} or gateway. Several have commas between them.",
        names.join(", ")
    ));
    loop {
        let Some(services) = list("service (nothing to end)")? else { return Ok(()) };
        let Some(from) = list("  from")? else { continue };
        let Some(to) = list("  to")? else { continue };
        let mut tried = with.clone();
        tried.intents.get_or_insert_default().push(Wish { services, from, to });
        match language::read(&beginning(topology, &tried), "policy", with.kernel) {
            Ok(_) => *with = tried,
            Err(problems) => {
                for problem in problems {
                    let help = problem.help.map(|help| format!(" ({help})")).unwrap_or_default();
                    say::line(format_args!("  {}{help}; this one is left out", problem.message));
                }
            }
        }
    }
}

fn names(topology: &Topology) -> Result<BTreeMap<InterfaceName, Option<String>>, Failure> {
    say::line("What are the segments called? Nothing takes what is proposed, - leaves one out.");
    let mut names: BTreeMap<InterfaceName, Option<String>> = BTreeMap::new();
    for interface in inhabited(topology) {
        let own = interface.name.as_str();
        let usual = if interface.default == Defaults::NONE { "lan" } else { "wan" };
        let is_taken = |name: &str| names.values().flatten().any(|taken| taken == name);
        let proposed = if is_taken(usual) { own } else { usual };
        let name = loop {
            let question = format!("{} [{proposed}]", described(interface));
            let answer = line(&question)?;
            let name = if answer.is_empty() { proposed.to_owned() } else { answer };
            let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            if is_taken(&name) {
                say::line(format_args!("  `{name}` is the name of another"));
            } else if is_word {
                break name;
            } else {
                say::line("  letters, digits, - and _ make a name");
            }
        };
        names.insert(interface.name, (name != "-").then_some(name));
    }
    Ok(names)
}

fn described(interface: &Interface) -> String {
    let mut what: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
    what.extend((interface.default != Defaults::NONE).then(|| "the default route".to_owned()));
    format!("{} ({})", interface.name, what.join(", "))
}

/// An answer of several words; `None` for nothing.
fn list(question: &str) -> Result<Option<Vec<String>>, Failure> {
    let answer = line(question)?;
    let words = answer.split([',', ' ']).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_owned).collect();
    Ok((!words.is_empty()).then_some(words))
}

/// One line from the terminal.
///
/// # Errors
///
/// The terminal was closed.
fn line(question: &str) -> Result<String, Failure> {
    let mut screen = std::io::stderr().lock();
    write!(screen, "{question}: ")?;
    screen.flush()?;
    let mut answer = String::new();
    if std::io::stdin().lock().read_line(&mut answer)? == 0 {
        return Err(Failure::Failed("no more answers: nothing was written".into()));
    }
    Ok(answer.trim().to_owned())
}
