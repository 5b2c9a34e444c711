//! The standard error stream. Whoever reads it may have gone away (`2>&1 | head`); then nobody
//! is left to be told, and that is no failure.

use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::io::Write;

const BAD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const BOLD: Style = Style::new().bold();

/// A line as it is.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Why the command fails.
pub(crate) fn error(text: impl Display) {
    line(format_args!("{BAD}error:{BAD:#} {text}"));
}

/// What a reader of the answer should know.
pub(crate) fn note(text: impl Display) {
    line(format_args!("{BOLD}note:{BOLD:#} {text}"));
}
