//! Lines of `iptables-save` text to words.
//!
//! Words are split at blanks. Only the double quote groups; inside it a backslash takes the
//! next character as it is; outside, backslash and single quote are ordinary. A closing quote
//! ends the word, so `""` is an empty word. Shell quoting is another grammar: see
//! `shell`.

use crate::diagnostic::{Diagnostic, Span};

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The text without its quotes.
    pub text: String,
    /// Where it stands, quotes included.
    pub span: Span,
    /// Whether a part of it was quoted: a quoted word is a value, never an option or `!`.
    pub quoted: bool,
}

impl Word {
    /// A mistake about this word.
    pub fn mistake(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.span, message)
    }
}

/// The words of `line`, which is line number `number` of its source.
///
/// # Errors
/// A quote that is never closed.
pub fn words(line: &str, number: u32) -> Result<Vec<Word>, Diagnostic> {
    let mut words = Vec::new();
    let mut rest = Cursor { chars: line.chars(), column: 1 };
    while let Some(first) = rest.next() {
        if !is_blank(first) {
            words.push(word(first, &mut rest, number)?);
        }
    }
    Ok(words)
}

struct Cursor<'a> {
    chars: std::str::Chars<'a>,
    column: u32,
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        self.column += 1;
        Some(c)
    }
}

fn word(first: char, rest: &mut Cursor<'_>, line: u32) -> Result<Word, Diagnostic> {
    let column = rest.column - 1;
    let span = |end: u32| Span { line, column, length: end - column };
    let mut text = String::new();
    let mut next = Some(first);
    while let Some(c) = next {
        if is_blank(c) {
            return Ok(Word { text, span: span(rest.column - 1), quoted: false });
        }
        if c == '"' {
            return match quoted(&mut text, rest) {
                true => Ok(Word { text, span: span(rest.column), quoted: true }),
                false => Err(Diagnostic::new(span(rest.column), "this quote is never closed")
                    .help("add the closing \"; inside quotes write \\\" for a quote itself")),
            };
        }
        text.push(c);
        next = rest.next();
    }
    Ok(Word { text, span: span(rest.column), quoted: false })
}

/// Reads up to the closing quote; whether there was one.
fn quoted(text: &mut String, rest: &mut Cursor<'_>) -> bool {
    while let Some(c) = rest.next() {
        match c {
            '"' => return true,
            '\\' => match rest.next() {
                Some(escaped) => text.push(escaped),
                None => return false,
            },
            _ => text.push(c),
        }
    }
    false
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_at_blanks_and_double_quotes_group() {
        let rows: &[(&str, &[&str])] = &[
            ("-A INPUT\t-j  DROP ", &["-A", "INPUT", "-j", "DROP"]),
            ("--comment \"two words\"", &["--comment", "two words"]),
            ("--comment 'two words'", &["--comment", "'two", "words'"]),
            (r#"--helper """#, &["--helper", ""]),
            (r#""a \"b\" \\ it\'s""#, &[r#"a "b" \ it's"#]),
            (r"a\b", &[r"a\b"]),
            (r#"a"b c"d"#, &["ab c", "d"]),
            ("", &[]),
        ];
        for (line, expected) in rows {
            let found = words(line, 1).unwrap();
            let texts: Vec<&str> = found.iter().map(|w| w.text.as_str()).collect();
            assert_eq!(&texts, expected, "{line}");
        }
    }

    #[test]
    fn spans_cover_the_quotes_and_count_characters() {
        let found = words("é \"b c\" d", 7).unwrap();
        let spans: Vec<_> =
            found.iter().map(|w| (w.span.line, w.span.column, w.span.length)).collect();
        assert_eq!(spans, [(7, 1, 1), (7, 3, 5), (7, 9, 1)]);
    }

    #[test]
    fn an_open_quote_is_a_mistake() {
        for line in ["\"abc", "\"abc\\", "x \"abc\\\""] {
            assert!(words(line, 1).is_err(), "{line}");
        }
    }
}
