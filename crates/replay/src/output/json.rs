//! JSON lines: one object a line.

use super::{Output, Record};
use std::io::{self, Write};

/// Writes records as JSON lines.
#[derive(Debug)]
pub struct JsonLines<W> {
    to: W,
}

impl<W: Write> JsonLines<W> {
    /// Records to `to`, which should be buffered.
    pub fn new(to: W) -> JsonLines<W> {
        JsonLines { to }
    }

    /// The writer, for objects of other kinds between the records.
    pub fn writer(&mut self) -> &mut W {
        &mut self.to
    }
}

impl<W: Write> Output for JsonLines<W> {
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, record)?;
        self.to.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
