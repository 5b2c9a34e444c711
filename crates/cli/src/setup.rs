//! From flags and files to an engine.

use crate::args::{GatewayArgs, RuleArgs};
use crate::failure::Failure;
use crate::render::Mistake;
use crate::topology_file::TopologyFile;
use crate::{place, say, sets};
use kinwall_conntrack::settings::SettingError as SysctlError;
use kinwall_engine::settings::split_assignment;
use kinwall_engine::{Engine, SettingError, Settings, check};
use kinwall_rules::diagnostic::Diagnostic;
use kinwall_rules::load::{self, Defines, Loaded, Source};
use kinwall_rules::program::{Assumption, Options, Program};
use kinwall_rules::ruleset::Rule;
use kinwall_rules::sets::Sets;
use kinwall_rules::targets::Target;
use kinwall_terms::{Family, InterfaceName, KernelVersion, Profile};
use kinwall_topology::Topology;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A text and the name it is spoken of by.
pub(crate) struct Text {
    /// The file name as it was given.
    pub name: String,
    /// What it holds.
    pub text: String,
    /// The family the user said it is of.
    pub family: Option<Family>,
}

/// The rules as they were read, and the sources they stand in.
pub(crate) struct Rules {
    /// The sources, in the order of [`kinwall_rules::diagnostic::Origin::file`].
    pub sources: Vec<Text>,
    /// What they say.
    pub loaded: Loaded,
}

impl Rules {
    /// The names of the sources, in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.name.clone()).collect()
    }
}

/// Reads a file, or the standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let outcome = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    outcome.map_err(|error| Failure::file(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
        Failure::file(path, format!("line {line} is not text: byte {} is not UTF-8", good + 1))
    })
}

/// Reads the rule files, and shows every mistake in them.
pub(crate) fn rules(args: &RuleArgs) -> Result<Rules, Failure> {
    let families = [(&args.rules, None)]
        .into_iter()
        .chain([(&args.rules4, Some(Family::Ipv4)), (&args.rules6, Some(Family::Ipv6))]);
    let mut sources = Vec::new();
    for (paths, family) in families {
        for path in paths {
            let name = path.display().to_string();
            sources.push(Text { name, text: read(path)?, family });
        }
    }
    load_texts(sources, &args.defines)
}

/// Reads rules from texts, and shows every mistake in them.
pub(crate) fn load_texts(sources: Vec<Text>, defines: &[String]) -> Result<Rules, Failure> {
    let mut named = Defines::default();
    for define in defines {
        named.add(define).map_err(|error| Failure::Usage(format!("--define: {error}")))?;
    }
    let texts: Vec<Source<'_>> = sources
        .iter()
        .map(|source| Source { name: &source.name, text: &source.text, family: source.family })
        .collect();
    match load::load(&texts, &named) {
        Ok(loaded) => Ok(Rules { sources, loaded }),
        Err(mistakes) => Err(show_all(&sources, &mistakes, "rules")),
    }
}

/// Shows every mistake, and how many there are in `what`.
pub(crate) fn show_all(sources: &[Text], mistakes: &[Diagnostic], what: &str) -> Failure {
    for mistake in mistakes {
        let source = sources.get(usize::from(mistake.file));
        Mistake::at(source, mistake.span, &mistake.message).help(mistake.help.as_deref()).show();
    }
    let count = mistakes.len();
    let plural = if count == 1 { "" } else { "s" };
    say::line(format_args!("{count} mistake{plural} in the {what}"));
    Failure::Reported
}

/// Reads the topology; without one, a gateway of which nothing is known.
pub(crate) fn topology(path: Option<&PathBuf>) -> Result<Topology, Failure> {
    Ok(TopologyFile::read(path)?.topology)
}

/// Builds the engine that the flags describe.
pub(crate) fn engine(
    rules: &Rules,
    rule_args: &RuleArgs,
    args: &GatewayArgs,
) -> Result<Engine, Failure> {
    let mut engines = engines(rules, rule_args, args, &[args.profile.into()])?;
    Ok(engines.remove(0))
}

/// Builds engines that differ in their profile only, in the order of `profiles`.
pub(crate) fn engines(
    rules: &Rules,
    rule_args: &RuleArgs,
    args: &GatewayArgs,
    profiles: &[Profile],
) -> Result<Vec<Engine>, Failure> {
    let file = TopologyFile::read(args.topology.as_ref())?;
    let sets = sets::read(&rule_args.sets)?;
    sets::check_names(rules, &rule_args.sets, &sets)?;
    let options = Options { assume: assumptions(rules, &sets, &rule_args.assume)? };
    let build = |profile: &Profile| {
        let mut topology = file.topology.clone();
        let settings = settings(rules, args, *profile, &file, &mut topology)?;
        let compile = |family: Family| {
            rules.loaded.ruleset(family).map(|ruleset| Program::compile(ruleset, &options))
        };
        let programs = Family::ALL.map(compile);
        check_helpers(rules, &programs, &settings)?;
        Ok(Engine::new(topology, settings, programs, args.seed).with_sets(sets.clone()))
    };
    profiles.iter().map(build).collect()
}

/// The settings of one profile: those of the topology, of scripts and of flags, in this order.
fn settings(
    rules: &Rules,
    args: &GatewayArgs,
    profile: Profile,
    file: &TopologyFile,
    topology: &mut Topology,
) -> Result<Settings, Failure> {
    let mut settings = Settings::of(args.kernel, profile, topology).map_err(|errors| {
        for (place, error) in &errors {
            file.show(place, error.to_string(), another_kernel(error));
        }
        Failure::Reported
    })?;
    let mut wrong = false;
    for line in &rules.loaded.settings {
        if let Err(error) = settings.set(topology, &line.key, &line.value) {
            let source = rules.sources.get(usize::from(line.origin.file));
            let help = another_kernel(&error);
            Mistake::at(source, line.span, &error.to_string()).help(help.as_deref()).show();
            wrong = true;
        }
    }
    if wrong {
        return Err(Failure::Reported);
    }
    for assignment in &args.set {
        let set = split_assignment(assignment)
            .and_then(|(key, value)| settings.set(topology, key, value));
        set.map_err(|error| {
            let help = another_kernel(&error).map(|help| format!("; {help}")).unwrap_or_default();
            Failure::Usage(format!("--set {assignment}: {error}{help}"))
        })?;
    }
    Ok(settings)
}

/// What to do about a switch that the Linux of the day has not.
fn another_kernel(error: &SettingError) -> Option<String> {
    let SettingError::Sysctl(SysctlError::NotInVersion { was, .. }) = error else { return None };
    let has = [KernelVersion::new(5, 10, 0), KernelVersion::new(4, 4, 0), KernelVersion::DEFAULT];
    let version = has.into_iter().find(|version| was.has(*version))?;
    Some(format!("--kernel {version} answers for a Linux that has it"))
}

fn check_helpers(
    rules: &Rules,
    programs: &[Option<Program>; 2],
    settings: &Settings,
) -> Result<(), Failure> {
    let mut wrong = false;
    for program in programs.iter().flatten() {
        for mistake in check::unknown_helpers(program, &settings.instances) {
            let Some(place) = program.reference(mistake.rule) else { continue };
            let source = rules.sources.get(usize::from(place.file));
            let text = source.map_or("", |source| source.text.as_str());
            let named = match program.rule(mistake.rule).and_then(|rule| rule.target.as_ref()) {
                Some(Target::Ct(ct)) => ct.helper.as_deref().unwrap_or(""),
                _ => "",
            };
            let at = place::of_value(text, place.line, "helper", named);
            Mistake::at(source, at, &mistake.error.to_string()).show();
            wrong = true;
        }
    }
    if wrong { Err(Failure::Reported) } else { Ok(()) }
}

/// Reads `LINE=match` and `FILE:LINE=no-match`.
fn assumptions(rules: &Rules, sets: &Sets, assume: &[String]) -> Result<Vec<Assumption>, Failure> {
    let read = |text: &String| {
        let wrong = |what: &str| {
            Failure::Usage(format!(
                "--assume {text}: {what}; write LINE=match, LINE=no-match or FILE:LINE=match"
            ))
        };
        let (place, answer) = text.rsplit_once('=').ok_or_else(|| wrong("no `=`"))?;
        let matches = match answer {
            "match" => true,
            "no-match" => false,
            _ => return Err(wrong("neither `match` nor `no-match`")),
        };
        let (file, line) = match place.rsplit_once(':') {
            None => (None, place),
            Some((name, line)) => {
                let at = rules.sources.iter().position(|source| source.name == name);
                let at = at.ok_or_else(|| wrong("no rule file has that name"))?;
                (u16::try_from(at).ok(), line)
            }
        };
        let line = line.parse().map_err(|_| wrong("the line is no number"))?;
        let assumption = Assumption { file, line, matches };
        match settled(rules, sets, &assumption) {
            Some(true) => {}
            Some(false) => {
                say::note(format_args!(
                    "--assume {text}: that rule is evaluated; nothing is assumed"
                ));
            }
            None => return Err(wrong("no rule stands on that line")),
        }
        Ok(assumption)
    };
    assume.iter().map(read).collect()
}

/// Whether a rule on the line of `assumption` has anything to assume; `None`: there is no rule.
fn settled(rules: &Rules, sets: &Sets, assumption: &Assumption) -> Option<bool> {
    let here = rules.loaded.rulesets.iter().flatten().flat_map(|ruleset| ruleset.rules()).filter(
        |(_, _, rule)| {
            rule.origin.line == assumption.line
                && assumption.file.is_none_or(|file| file == rule.origin.file)
        },
    );
    let open = |rule: &Rule| {
        rule.not_evaluated().next().is_some()
            || rule.set_elements().any(|element| !sets.answers(&element.set))
    };
    here.map(|(_, _, rule)| open(rule)).reduce(|a, b| a || b)
}

/// The interface `name`, which the topology must have unless nothing is known of interfaces.
pub(crate) fn known_interface(engine: &Engine, name: InterfaceName) -> Result<(), String> {
    let topology = engine.topology();
    if topology.is_empty() || topology.interface(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = topology.interfaces().iter().map(|known| known.name.as_str()).collect();
    Err(format!("the topology has no such interface; it has {}", known.join(", ")))
}
