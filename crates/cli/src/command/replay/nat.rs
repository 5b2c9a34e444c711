//! `--nat`: what to do with the nat table, and what is chosen where nothing is said.

use crate::failure::Failure;
use crate::say;
use clap::ValueEnum;
use kinwall_engine::Engine;
use kinwall_replay::{Input, Replay, Shown, Source, shown};
use kinwall_terms::Family;
use std::path::Path;

/// What to do with the nat table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReplayNat {
    /// Connections are translated as the nat table says: the captures show what came in, on both
    /// sides
    Apply,
    /// Nothing is translated: the captures show one side of the gateway
    Ignore,
    /// Connections are translated as packets left in truth, and packets do not count again as
    /// they leave: the captures show both sides
    Observe,
}

impl ReplayNat {
    pub(super) fn set(self, engine: &mut Engine) {
        match self {
            ReplayNat::Apply => engine.set_translation(true),
            ReplayNat::Ignore => engine.set_translation(false),
            ReplayNat::Observe => engine.set_observation(),
        }
    }

    /// Makes a replay ready; `keeps`: packets that are accepted are kept.
    pub(super) fn begin(self, replay: &mut Replay, keeps: bool) {
        if self == ReplayNat::Observe {
            replay.observe();
        }
        if keeps && self != ReplayNat::Ignore {
            replay.keep_left();
        }
    }
}

/// What was said, or what the beginning of the captures shows. What is chosen is told where it
/// matters.
pub(super) fn chosen(
    said: Option<ReplayNat>,
    inputs: &[Input],
    engine: &Engine,
) -> Result<ReplayNat, Failure> {
    let is_pipe = |input: &Input| input.path == Path::new("-") || !input.path.is_file();
    match said {
        Some(said) => return Ok(said),
        // What was read of a pipe is gone.
        None if inputs.iter().any(is_pipe) => return Ok(ReplayNat::Ignore),
        None => {}
    }
    let mut source = Source::open(inputs).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(match shown(&mut source, engine.topology()) {
        Shown::BothSides => {
            say::note(
                "the captures show packets before and after translation: connections are \
                 translated as was seen (--nat observe)",
            );
            ReplayNat::Observe
        }
        Shown::Arriving if Family::ALL.iter().any(|family| engine.has_nat(*family)) => {
            say::note(
                "the captures show answers to translated addresses: the nat table is applied \
                 (--nat apply)",
            );
            ReplayNat::Apply
        }
        Shown::Arriving | Shown::Nothing => ReplayNat::Ignore,
    })
}
