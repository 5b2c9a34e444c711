//! Mistakes in files, shown with their line and a caret.

use crate::failure::Failure;
use crate::say;
use crate::source::Text;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use kinwall_rules::diagnostic::{Diagnostic, Span};
use std::borrow::Cow;

/// One mistake, whichever parser found it. Lines and columns count from 1, columns and length in
/// characters.
pub(crate) struct Mistake<'a> {
    /// Name of the source.
    pub name: &'a str,
    /// The whole source.
    pub text: &'a str,
    /// Line.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// Length in characters.
    pub length: u32,
    /// What is wrong.
    pub message: &'a str,
    /// What would be right.
    pub help: Option<&'a str>,
}

impl<'a> Mistake<'a> {
    /// A mistake in a source that is kept, at `place`.
    pub(crate) fn at(source: Option<&'a Text>, place: Span, message: &'a str) -> Mistake<'a> {
        Mistake {
            name: source.map_or("", |source| &source.name),
            text: source.map_or("", |source| &source.text),
            line: place.line,
            column: place.column,
            length: place.length,
            message,
            help: None,
        }
    }

    /// The same with a word about what would be right.
    pub(crate) fn help(self, help: Option<&'a str>) -> Mistake<'a> {
        Mistake { help, ..self }
    }

    /// Shows it on the standard error stream, in colour on a terminal.
    pub(crate) fn show(&self) {
        show(self);
    }
}

/// Shows every mistake, and how many there are in `what`.
pub(crate) fn show_all(sources: &[Text], mistakes: &[Diagnostic], what: &str) -> Failure {
    for mistake in mistakes {
        let source = sources.get(usize::from(mistake.file));
        Mistake::at(source, mistake.span, &mistake.message).help(mistake.help.as_deref()).show();
    }
    let count = mistakes.len();
    let plural = if count == 1 { "" } else { "s" };
    say::line(format_args!("{count} mistake{plural} in the {what}"));
    Failure::Reported
}

/// Characters of a message that are shown: it may quote a word as long as its file.
const MESSAGE_MAX: usize = 400;

fn show(mistake: &Mistake<'_>) {
    let first = mistake.line.max(1) as usize;
    let line = mistake.text.lines().nth(first - 1).unwrap_or("");
    let byte = |column: u32| {
        line.char_indices().nth(column as usize).map_or(line.len(), |(offset, _)| offset)
    };
    let start = byte(mistake.column.saturating_sub(1));
    let end = byte(mistake.column.saturating_sub(1) + mistake.length).max(start);
    let snippet = Snippet::source(line)
        .line_start(first)
        .path(mistake.name)
        .annotation(AnnotationKind::Primary.span(start..end));
    let mut group = Level::ERROR.primary_title(shortened(mistake.message)).element(snippet);
    if let Some(help) = mistake.help {
        group = group.element(Level::HELP.message(shortened(help)));
    }
    // Colours are taken out on the way where they do not belong.
    say::line(Renderer::styled().render(&[group]));
}

fn shortened(message: &str) -> Cow<'_, str> {
    match message.char_indices().nth(MESSAGE_MAX) {
        None => Cow::Borrowed(message),
        Some((cut, _)) => Cow::Owned(format!("{}...", &message[..cut])),
    }
}
