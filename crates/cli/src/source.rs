//! Texts that are read whole: rules, sets, topologies.

use crate::failure::Failure;
use kinwall_terms::Family;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A text and the name it is spoken of by.
#[derive(Clone)]
pub(crate) struct Text {
    /// The file name as it was given.
    pub name: String,
    /// What it holds.
    pub text: String,
    /// The family the user said it is of.
    pub family: Option<Family>,
}

impl Text {
    /// Reads a file, or the standard input for `-`.
    pub(crate) fn read(path: &Path, family: Option<Family>) -> Result<Text, Failure> {
        let name = match path == Path::new("-") {
            true => "standard input".to_owned(),
            false => path.display().to_string(),
        };
        Ok(Text { name, text: read(path)?, family })
    }
}

/// A text that is longer than this is not read: sets of four million elements are smaller.
const TEXT_MAX_BYTES: u64 = 512 << 20;

/// Reads a file, or the standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let outcome = match path == Path::new("-") {
        true => read_from(io::stdin().lock()),
        false => File::open(path).and_then(read_from),
    };
    let mut bytes = outcome.map_err(|error| Failure::file(path, error))?;
    if bytes.len() as u64 > TEXT_MAX_BYTES {
        let most = TEXT_MAX_BYTES >> 20;
        return Err(Failure::file(path, format!("a text of more than {most} MiB is not read")));
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
        Failure::file(path, format!("line {line} is not text: byte {} is not UTF-8", good + 1))
    })
}

fn read_from(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(TEXT_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
