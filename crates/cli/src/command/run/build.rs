//! What a gateway is made of, from its file: read as a whole, or not at all.

use crate::failure::Failure;
use crate::rule_files::Rules;
use crate::run_file::RunFile;
use crate::source::Text;
use crate::{say, sets, setup};
use kinwall_engine::Settings;
use kinwall_rules::program::{Options, Program};
use kinwall_rules::sets::Sets;
use kinwall_terms::{Family, KernelVersion};
use kinwall_topology::Topology;

/// What an engine is made of.
pub(super) struct Build {
    pub(super) topology: Topology,
    pub(super) settings: Settings,
    pub(super) programs: [Option<Program>; 2],
    pub(super) sets: Sets,
    /// The names of the rule files.
    pub(super) files: Vec<String>,
}

impl Build {
    /// Reads everything that the file names, and shows every mistake.
    pub(super) fn new(file: &RunFile) -> Result<Build, Failure> {
        let machine = crate::command::topology::read()?;
        let kernel = machine.kernel.unwrap_or(KernelVersion::DEFAULT);
        let mut topology = machine.topology;
        let settings = Settings::of(kernel, file.profile, &mut topology);
        let mut settings = settings.map_err(|errors| {
            for (_, error) in &errors {
                say::error(format_args!("a setting of this machine: {error}"));
            }
            Failure::Reported
        })?;
        let mut wrong = false;
        for setting in &file.settings {
            if let Err(error) = settings.set(&mut topology, &setting.key, &setting.value) {
                file.show_setting(setting, &error.to_string(), None);
                wrong = true;
            }
        }
        if wrong {
            return Err(Failure::Reported);
        }
        let (programs, sets) = programs(file, &settings)?;
        let files = file.rules.iter().flatten().map(|path| path.display().to_string()).collect();
        Ok(Build { topology, settings, programs, sets, files })
    }
}

/// The rules, compiled. Each must be one that can be evaluated: nobody is there to ask.
fn programs(file: &RunFile, settings: &Settings) -> Result<([Option<Program>; 2], Sets), Failure> {
    let named = file.rules.iter().zip(Family::ALL);
    let named = named.filter_map(|(path, family)| Some((path.as_ref()?, family)));
    let texts = named.map(|(path, family)| Text::read(path, Some(family)));
    let rules = Rules::load(texts.collect::<Result<_, _>>()?, &[])?;
    let sets = sets::read(&file.sets)?;
    sets::check_names(&rules, &file.sets, &sets)?;
    let programs = Family::ALL.map(|family| {
        let ruleset = rules.loaded.ruleset(family);
        ruleset.map(|ruleset| Program::compile(ruleset, &Options::default()))
    });
    setup::check_helpers(&rules, &programs, settings)?;
    let mut wrong = false;
    for program in programs.iter().flatten() {
        for place in program.not_evaluated().filter_map(|rule| program.reference(rule)) {
            let name = rules.sources.get(usize::from(place.file)).map_or("", |text| &text.name);
            say::error(format_args!(
                "{name}:{}: {} {} {} cannot be evaluated here; packets that reach it could only be \
                 dropped: take it out, or say it in other words",
                place.line, place.table, place.chain, place.number
            ));
            wrong = true;
        }
    }
    if wrong { Err(Failure::Reported) } else { Ok((programs, sets)) }
}
