//! From files and flags to what an audit looks at.

use super::AuditArgs;
use crate::command::topology;
use crate::failure::Failure;
use crate::masked;
use crate::remarks;
use crate::rule_files::Rules;
use crate::source::{self, Text};
use crate::topology_file::TopologyFile;
use crate::{live, say};
use kinwall_engine::settings::split_assignment;
use kinwall_engine::{Engine, SettingError, Settings};
use kinwall_policy::audit::{Gateway, Refused};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{Family, KernelVersion, Profile};
use kinwall_topology::Topology;
use std::path::Path;

/// Everything that was read.
pub(super) struct Read {
    pub(super) rules: Rules,
    topology: Topology,
    settings: Settings,
    kernel: KernelVersion,
    refused: Vec<Refused>,
}

impl Read {
    /// What the audit sees.
    pub(super) fn gateway(&self) -> Gateway<'_> {
        Gateway {
            rulesets: Family::ALL.map(|family| self.rules.loaded.ruleset(family)),
            topology: Some(&self.topology),
            instances: &self.settings.instances,
            automatic_helpers: self.settings.automatic_assignment(),
            kernel: self.kernel,
            refused: &self.refused,
        }
    }

    /// An engine with these rules and settings, for what is asked of packets.
    pub(super) fn engine(&self) -> Engine {
        let compile = |family: Family| {
            let ruleset = self.rules.loaded.ruleset(family)?;
            Some(Program::compile(ruleset, &Options::default()))
        };
        let (topology, settings) = (self.topology.clone(), self.settings.clone());
        Engine::new(topology, settings, Family::ALL.map(compile), 0)
    }

    /// Sets one thing. What this kernel does not have is no mistake of the command line: the
    /// audit says so.
    fn set(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        match self.settings.set(&mut self.topology, key, value) {
            Err(error) if error.is_of_another_kernel() => {
                let (key, value) = (key.to_owned(), value.to_owned());
                self.refused.push(Refused { key, value, why: error.to_string() });
                Ok(())
            }
            outcome => outcome,
        }
    }
}

/// Reads files and flags.
pub(super) fn read(args: &AuditArgs) -> Result<Read, Failure> {
    let machine = if args.live { Some(topology::read()?) } else { None };
    let mut sources = if args.live { live::rules()? } else { Vec::new() };
    let families = [
        (&args.files, None),
        (&args.rules, None),
        (&args.rules4, Some(Family::Ipv4)),
        (&args.rules6, Some(Family::Ipv6)),
    ];
    for (paths, family) in families {
        for path in paths {
            sources.push(Text::read(path, family)?);
        }
    }
    if sources.is_empty() {
        return Err(Failure::Usage(String::from(
            "no rules: name a file, `-` for the standard input, --rules4, --rules6 or --live",
        )));
    }
    masked::replace(&mut sources);
    let rules = Rules::load(sources, &args.defines)?;
    let machine_kernel = machine.as_ref().and_then(|machine| machine.kernel);
    let topology = match machine {
        Some(machine) => {
            machine.remarks.iter().for_each(say::note);
            machine.topology
        }
        None => TopologyFile::read(args.topology.as_ref())?.topology,
    };
    if args.live || args.topology.is_some() {
        remarks::on_interfaces(&rules, &topology, &Family::ALL);
    }
    let kernel = args.kernel.or(machine_kernel).unwrap_or(KernelVersion::DEFAULT);
    let settings = Settings::new(kernel, Profile::Linux);
    let mut read = Read { rules, topology, settings, kernel, refused: Vec::new() };
    of_topology(&mut read, args)?;
    for path in &args.sysctl {
        from_lines(&mut read, path, sysctl_line)?;
    }
    for path in &args.modprobe {
        from_lines(&mut read, path, modprobe_line)?;
    }
    for line in read.rules.loaded.settings.clone() {
        let source = read.rules.sources.get(usize::from(line.origin.file));
        let name = source.map_or(String::new(), |source| source.name.clone());
        read.set(&line.key, &line.value)
            .map_err(|error| Failure::Failed(format!("{name}:{}: {error}", line.origin.line)))?;
    }
    for assignment in &args.set {
        split_assignment(assignment)
            .and_then(|(key, value)| read.set(key, value))
            .map_err(|error| Failure::Usage(format!("--set {assignment}: {error}")))?;
    }
    Ok(read)
}

fn of_topology(read: &mut Read, args: &AuditArgs) -> Result<(), Failure> {
    let sysctls = read.topology.sysctl().clone().into_iter();
    let modules = read.topology.modules().clone().into_iter().flat_map(|(module, options)| {
        options.into_iter().map(move |(name, value)| (format!("{module}.{name}"), value))
    });
    for (key, value) in sysctls.chain(modules) {
        let name = args.topology.as_ref().map(|path| path.display().to_string());
        read.set(&key, &value.to_string())
            .map_err(|error| Failure::Failed(format!("{}: {error}", name.unwrap_or_default())))?;
    }
    Ok(())
}

/// Settings on one line, or what is wrong with it.
type Line = Result<Vec<(String, String)>, String>;

fn from_lines(read: &mut Read, path: &Path, parse: fn(&str) -> Line) -> Result<(), Failure> {
    let text = source::read(path)?;
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let wrong = |what: String| Failure::file(path, format!("line {number}: {what}"));
        for (key, value) in parse(line).map_err(wrong)? {
            match read.set(&key, &value) {
                // A file of settings holds many that are nothing to us.
                Err(error) if !is_ours(&key) => drop(error),
                outcome => outcome.map_err(|error| wrong(error.to_string()))?,
            }
        }
    }
    Ok(())
}

fn is_ours(key: &str) -> bool {
    let key = key.replace('/', ".");
    key.contains("nf_conntrack") || key.ends_with("rp_filter") || key.ends_with("accept_local")
}

fn sysctl_line(line: &str) -> Line {
    let line = line.strip_prefix('-').unwrap_or(line);
    match line.split_once('=') {
        Some((key, value)) => Ok(vec![(key.trim().to_owned(), value.trim().to_owned())]),
        None => Err(format!("{line:?} is not `key = value`")),
    }
}

fn modprobe_line(line: &str) -> Line {
    let mut words = line.split_whitespace();
    if words.next() != Some("options") {
        return Ok(Vec::new());
    }
    let Some(module) = words.next() else {
        return Err(String::from("options needs a module: `options nf_conntrack_ftp loose=0`"));
    };
    let pair = |word: &str| match word.split_once('=') {
        Some((name, value)) => Ok((format!("{module}.{name}"), value.to_owned())),
        None => Ok((format!("{module}.{word}"), String::from("1"))),
    };
    words.map(pair).collect()
}
