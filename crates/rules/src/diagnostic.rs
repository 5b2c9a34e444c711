//! Mistakes in rule files: what is wrong, where, and what would be right.
//!
//! Every parser of this crate goes on after a mistake, so that all mistakes of all files are
//! reported at once. A [`Diagnostic`] knows its place; [`Diagnostic::render`] shows it with the
//! line and a caret.

use std::fmt::Write;

/// A place in a source text. Lines and columns count from 1, columns and length in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Line, from 1.
    pub line: u32,
    /// Column of the first character, from 1.
    pub column: u32,
    /// Length in characters; at least 1 when shown.
    pub length: u32,
}

impl Span {
    /// From the start of `self` to the end of `last`; `self` when they stand on different lines.
    pub fn to(self, last: Span) -> Span {
        if self.line != last.line || last.column < self.column {
            return self;
        }
        Span { length: last.column + last.length - self.column, ..self }
    }
}

/// Where a chain or rule was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Index of the source in the list that was loaded.
    pub file: u16,
    /// Line, from 1; 0 for what no source wrote.
    pub line: u32,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Index of the source in the list that was loaded.
    pub file: u16,
    /// The words that are wrong.
    pub span: Span,
    /// What is wrong, as one clause without a full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake at `span` of the current source (the collector fills in `file`).
    pub fn new(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { file: 0, span, message: message.into(), help: None }
    }

    /// The same with a word about what would be right.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The mistake as text: `NAME:LINE:COLUMN: message`, the line, a caret, the help.
    /// `text` is the whole source.
    pub fn render(&self, name: &str, text: &str) -> String {
        let Span { line, column, length } = self.span;
        let mut out = format!("{name}:{line}:{column}: {}\n", self.message);
        if let Some(source) = line.checked_sub(1).and_then(|n| text.lines().nth(n as usize)) {
            let (shown, caret) = excerpt(source, column, length);
            let _ = writeln!(out, "{line:>6} | {shown}\n       | {caret}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "       = {help}");
        }
        out
    }
}

/// The part of `source` around `column`, and the carets under it.
fn excerpt(source: &str, column: u32, length: u32) -> (String, String) {
    let start = (column.max(1) - 1) as usize;
    let from = start.saturating_sub(EXCERPT_BEFORE);
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = source.chars().skip(from).take(EXCERPT_LENGTH).map(printable).collect();
    let (lead, gap) = if from == 0 { ("", 0) } else { ("... ", 4) };
    let carets = (length.max(1) as usize).min(EXCERPT_LENGTH - (start - from)).max(1);
    (format!("{lead}{shown}"), " ".repeat(start - from + gap) + &"^".repeat(carets))
}

/// At most so many characters of a line are shown before the mistake.
const EXCERPT_BEFORE: usize = 60;
/// At most so many characters of a line are shown in all.
const EXCERPT_LENGTH: usize = 120;

/// The mistakes of one run over all sources, each stamped with its source.
#[derive(Debug, Default)]
pub struct Mistakes {
    /// Index of the source being read.
    pub file: u16,
    list: Vec<Diagnostic>,
}

/// More mistakes than this are counted but not kept: a source of nonsense must not fill memory.
pub const MISTAKES_MAX: usize = 10_000;

impl Mistakes {
    /// Adds a mistake of the current source.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        diagnostic.file = self.file;
        if self.list.len() < MISTAKES_MAX {
            self.list.push(diagnostic);
        }
    }

    /// How many there are: compare before and after to learn whether a part was sound.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// All of them, by source and place, without repetition.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort();
        self.list.dedup();
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_shows_its_line_and_a_caret() {
        let text = "*filter\n-A INPUT -p tpc -j DROP\nCOMMIT\n";
        let span = Span { line: 2, column: 13, length: 3 };
        let mistake = Diagnostic::new(span, "no protocol is called tpc").help("did you mean tcp?");
        let expected = "\
rules.v4:2:13: no protocol is called tpc
     2 | -A INPUT -p tpc -j DROP
       |             ^^^
       = did you mean tcp?
";
        assert_eq!(mistake.render("rules.v4", text), expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_mistake() {
        let text = "x".repeat(500);
        let shown =
            Diagnostic::new(Span { line: 1, column: 300, length: 900 }, "m").render("f", &text);
        assert!(shown.lines().all(|line| line.len() < 140), "{shown}");
    }
}
