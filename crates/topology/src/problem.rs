//! Mistakes in a topology file, each with its place.

use std::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column of its first character, from 1, in characters.
    pub column: u32,
    /// Length of what is wrong, in characters of that line; at least 1.
    pub length: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// Turns byte offsets of one text into lines and columns.
pub struct Lines<'a> {
    text: &'a str,
    /// Byte offset of each line's first byte.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// The lines of `text`.
    pub fn new(text: &'a str) -> Lines<'a> {
        let breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Lines { text, starts }
    }

    /// Line and column, both from 1, and the length in characters up to the end of the line.
    pub fn place(&self, span: std::ops::Range<usize>) -> (u32, u32, u32) {
        let start = self.floor(span.start);
        let line = self.starts.partition_point(|&first| first <= start).max(1);
        let first = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(first..start).unwrap_or("");
        let rest = self.text.get(start..self.floor(span.end.max(start))).unwrap_or("");
        let length = rest.lines().next().unwrap_or("").chars().count().max(1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (count(line), count(before.chars().count() + 1), count(length))
    }

    /// The line `offset` stands in, from 1.
    pub fn line(&self, offset: usize) -> u32 {
        self.place(offset..offset).0
    }

    /// The last character boundary that is not after `offset`.
    fn floor(&self, offset: usize) -> usize {
        (0..=offset.min(self.text.len()))
            .rev()
            .find(|&at| self.text.is_char_boundary(at))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_stay_within_the_line() {
        let text = "a = 1\nné = \"ü\"\n";
        let lines = Lines::new(text);
        let rows = [
            (0..1, (1, 1, 1)),
            (4..9, (1, 5, 1)),
            (6..9, (2, 1, 2)),
            (12..16, (2, 6, 3)),
            (100..200, (3, 1, 1)),
        ];
        for (span, expected) in rows {
            assert_eq!(lines.place(span.clone()), expected, "{span:?}");
        }
    }
}
