//! The topology file: read once, with the places of what only others can find wrong in it.

use crate::failure::Failure;
use crate::render::Mistake;
use crate::source;
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
        let text = source::read(path)?;
        match Topology::from_toml_with_places(&text, &path.display().to_string()) {
            Ok((topology, places)) => Ok(TopologyFile { topology, text, places }),
            Err(problems) => {
                problems.iter().for_each(|problem| show(problem, &text));
                Err(Failure::Reported)
            }
        }
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
