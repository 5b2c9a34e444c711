//! Why a command ends without success, and with which exit status: 2 for usage, 1 for failure.

use crate::say;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A flag or an argument is wrong: exit status 2.
    Usage(String),
    /// The work failed: exit status 1.
    Failed(String),
    /// The answer is not good, and was given: this exit status.
    Found(u8),
    /// Everything was said already (diagnostics, damage): exit status 1.
    Reported,
    /// Whoever reads our output has gone away: not our failure.
    ClosedPipe,
}

impl Failure {
    /// A failure about a file.
    pub(crate) fn file(path: &std::path::Path, error: impl Display) -> Failure {
        Failure::Failed(format!("{}: {error}", path.display()))
    }

    /// Says it on the standard error stream.
    pub(crate) fn print(&self) {
        match self {
            Failure::Usage(text) | Failure::Failed(text) => say::error(text),
            Failure::Found(_) | Failure::Reported | Failure::ClosedPipe => {}
        }
    }

    /// The exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Found(status) => ExitCode::from(*status),
            _ => ExitCode::FAILURE,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Failed(error.to_string()),
        }
    }
}
