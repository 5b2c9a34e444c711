//! From flags and files to an engine.

use crate::args::{GatewayArgs, RuleArgs};
use crate::command::topology;
use crate::failure::Failure;
use crate::render::Mistake;
use crate::rule_files::Rules;
use crate::topology_file::TopologyFile;
use crate::{place, say, sets};
use kinwall_conntrack::settings::SettingError as SysctlError;
use kinwall_engine::settings::split_assignment;
use kinwall_engine::{Engine, SettingError, Settings, check};
use kinwall_rules::program::{Assumption, Options, Program};
use kinwall_rules::ruleset::Rule;
use kinwall_rules::sets::Sets;
use kinwall_rules::targets::Target;
use kinwall_terms::{Family, InterfaceName, KernelVersion, Profile};
use kinwall_topology::Topology;

/// The gateway that flags describe.
pub(crate) struct Gateway<'a> {
    rules: &'a RuleArgs,
    args: &'a GatewayArgs,
    file: TopologyFile,
    /// The Linux that it is.
    pub(crate) kernel: KernelVersion,
}

impl<'a> Gateway<'a> {
    /// Reads the topology, that of the machine it runs on where it is asked for.
    pub(crate) fn read(rules: &'a RuleArgs, args: &'a GatewayArgs) -> Result<Self, Failure> {
        let machine = if rules.live { Some(topology::read()?) } else { None };
        let file = match &machine {
            Some(machine) if args.topology.is_none() => {
                machine.remarks.iter().for_each(say::note);
                TopologyFile::of_machine(machine)?
            }
            _ => TopologyFile::read(args.topology.as_ref())?,
        };
        let kernel = args.kernel.or(machine.and_then(|machine| machine.kernel));
        Ok(Gateway { rules, args, file, kernel: kernel.unwrap_or(KernelVersion::DEFAULT) })
    }

    /// The rules that its flags name.
    pub(crate) fn defines(&self) -> &[String] {
        &self.rules.defines
    }

    /// Builds its engine, with `rules`.
    pub(crate) fn engine(&self, rules: &Rules) -> Result<Engine, Failure> {
        let mut engines = self.engines(rules, &[self.args.profile.into()])?;
        Ok(engines.remove(0))
    }

    /// Builds engines that differ in their profile only, in the order of `profiles`.
    pub(crate) fn engines(
        &self,
        rules: &Rules,
        profiles: &[Profile],
    ) -> Result<Vec<Engine>, Failure> {
        let sets = sets::given(self.rules)?;
        sets::check_names(rules, &self.rules.sets, &sets)?;
        let options = Options { assume: assumptions(rules, &sets, &self.rules.assume)? };
        let build = |profile: &Profile| {
            let mut topology = self.file.topology.clone();
            let settings = self.settings(rules, *profile, &mut topology)?;
            let compile = |family: Family| {
                rules.loaded.ruleset(family).map(|ruleset| Program::compile(ruleset, &options))
            };
            let programs = Family::ALL.map(compile);
            check_helpers(rules, &programs, &settings)?;
            Ok(Engine::new(topology, settings, programs, self.args.seed).with_sets(sets.clone()))
        };
        profiles.iter().map(build).collect()
    }

    /// The settings of one profile: those of the topology, of scripts and of flags, in this order.
    fn settings(
        &self,
        rules: &Rules,
        profile: Profile,
        topology: &mut Topology,
    ) -> Result<Settings, Failure> {
        let mut settings = Settings::of(self.kernel, profile, topology).map_err(|errors| {
            for (place, error) in &errors {
                self.file.show(place, error.to_string(), another_kernel(error));
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
        for assignment in &self.args.set {
            let set = split_assignment(assignment)
                .and_then(|(key, value)| settings.set(topology, key, value));
            set.map_err(|error| {
                let help =
                    another_kernel(&error).map(|help| format!("; {help}")).unwrap_or_default();
                Failure::Usage(format!("--set {assignment}: {error}{help}"))
            })?;
        }
        Ok(settings)
    }
}

/// What to do about a switch that the Linux of the day has not.
fn another_kernel(error: &SettingError) -> Option<String> {
    let SettingError::Sysctl(SysctlError::NotInVersion { was, .. }) = error else { return None };
    let has = [KernelVersion::new(5, 10, 0), KernelVersion::new(4, 4, 0), KernelVersion::DEFAULT];
    let version = has.into_iter().find(|version| was.has(*version))?;
    Some(format!("--kernel {version} answers for a Linux that has it"))
}

pub(crate) fn check_helpers(
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
            || rule.set_elements().any(|element| !sets.has(&element.set))
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
