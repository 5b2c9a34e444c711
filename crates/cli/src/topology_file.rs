//! The topology file: read once, with the places of what only others can find wrong in it.

use crate::command::topology;
use crate::failure::Failure;
use crate::render::Mistake;
use crate::source;
use kinwall_machine::Machine;
use kinwall_topology::{Place, Places, Problem, Topology};
use std::path::PathBuf;

/// A topology, and the file it was read from.
#[derive(Default)]
pub(crate) struct TopologyFile {
    /// What it says; without a file, a gateway of which nothing is known.
    pub topology: Topology,
    text: String,
    places: Places,
}

impl TopologyFile {
    /// Reads the file, and shows every mistake in it.
    pub(crate) fn read(path: Option<&PathBuf>) -> Result<TopologyFile, Failure> {
        let Some(path) = path else { return Ok(TopologyFile::default()) };
        TopologyFile::parse(source::read(path)?, &path.display().to_string())
    }

    fn parse(text: String, name: &str) -> Result<TopologyFile, Failure> {
        match Topology::from_toml_with_places(&text, name) {
            Ok((topology, places)) => Ok(TopologyFile { topology, text, places }),
            Err(problems) => {
                problems.iter().for_each(|problem| show(problem, &text));
                Err(Failure::Reported)
            }
        }
    }

    /// That of the machine it runs on, as text that mistakes can be shown in.
    pub(crate) fn of_machine(machine: &Machine) -> Result<TopologyFile, Failure> {
        TopologyFile::parse(topology::text(machine), "the topology of this machine")
    }

    /// Shows what is wrong at `place`.
    pub(crate) fn show(&self, place: &Place, message: String, help: Option<String>) {
        show(&self.places.problem(place, message, help), &self.text);
    }
}

fn show(problem: &Problem, text: &str) {
    let mistake = Mistake {
        name: &problem.file,
        text,
        line: problem.line,
        column: problem.column,
        length: problem.length,
        message: &problem.message,
        help: problem.help.as_deref(),
    };
    mistake.show();
}
