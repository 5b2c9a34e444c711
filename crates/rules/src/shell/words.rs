//! Script text to commands, a command to words: the plain part of a shell's grammar.
//!
//! Understood: blanks, `#` comments, single and double quotes, backslash, `$NAME` and `${NAME}`,
//! `>` and `>>`, and a line continued by one backslash at its end, or by two, as documents about
//! iptables print them.

use crate::diagnostic::{Diagnostic, Mistakes, Span};
use std::iter::Peekable;
use std::str::Chars;

/// A word before its names are replaced.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub pieces: Vec<Piece>,
    pub span: Span,
    /// Whether a part of it was quoted or escaped.
    pub quoted: bool,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// `$NAME`, and whether it stands in double quotes.
    Name(String, bool),
}

/// A part of a command.
#[derive(Clone, Debug)]
pub(super) enum Token {
    Word(Raw),
    /// `>` or `>>`.
    Into(Span),
}

impl Token {
    pub(super) fn span(&self) -> Span {
        match self {
            Token::Word(raw) => raw.span,
            Token::Into(span) => *span,
        }
    }
}

/// Reads a script command by command.
pub(super) struct Script<'a> {
    chars: Peekable<Chars<'a>>,
    line: u32,
    column: u32,
}

impl<'a> Script<'a> {
    pub(super) fn new(text: &'a str) -> Script<'a> {
        Script { chars: text.chars().peekable(), line: 1, column: 1 }
    }

    /// The next command; `None` at the end of the text. A command that cannot be read is
    /// reported and comes back empty, as blank lines do.
    pub(super) fn command(&mut self, mistakes: &mut Mistakes) -> Option<Vec<Token>> {
        self.chars.peek()?;
        let mut tokens = Vec::new();
        loop {
            match self.token() {
                Ok(Some(token)) => tokens.push(token),
                Ok(None) => return Some(tokens),
                Err(mistake) => {
                    mistakes.push(mistake);
                    self.skip_command();
                    return Some(Vec::new());
                }
            }
        }
    }

    /// The next token of this command; `None` at its end.
    fn token(&mut self) -> Result<Option<Token>, Diagnostic> {
        loop {
            let Some(c) = self.chars.peek().copied() else { return Ok(None) };
            match c {
                '\n' => {
                    self.next();
                    return Ok(None);
                }
                ' ' | '\t' | '\r' => {
                    self.next();
                }
                '#' => {
                    while self.chars.peek().is_some_and(|c| *c != '\n') {
                        self.next();
                    }
                }
                '\\' if self.continues() => {}
                '>' => {
                    let span = self.here();
                    self.next();
                    self.chars.next_if_eq(&'>').inspect(|_| self.column += 1);
                    return Ok(Some(Token::Into(span)));
                }
                _ => return self.word().map(Some),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        match c {
            '\n' => (self.line, self.column) = (self.line + 1, 1),
            _ => self.column += 1,
        }
        Some(c)
    }

    fn here(&self) -> Span {
        Span { line: self.line, column: self.column, length: 1 }
    }

    /// Skips one or two backslashes at the end of a line, and the line's end.
    fn continues(&mut self) -> bool {
        let ahead: String = self.chars.clone().take(4).collect();
        let length = ["\\\\\n", "\\\n", "\\\\\r\n", "\\\r\n"]
            .into_iter()
            .find(|end| ahead.starts_with(end))
            .map_or(0, str::len);
        for _ in 0..length {
            self.next();
        }
        length > 0
    }

    fn word(&mut self) -> Result<Token, Diagnostic> {
        let mut raw = Raw { pieces: Vec::new(), span: self.here(), quoted: false };
        let line = self.line;
        while let Some(c) = self.chars.peek().copied() {
            match c {
                ' ' | '\t' | '\r' | '\n' | '>' => break,
                '\\' if self.continues() => break,
                '\'' => self.single_quoted(&mut raw)?,
                '"' => self.double_quoted(&mut raw)?,
                '\\' => self.escaped(&mut raw)?,
                '$' => self.name(&mut raw, false)?,
                ';' | '&' | '|' | '<' | '(' | ')' | '`' => return Err(self.other_shell(c)),
                _ => {
                    self.next();
                    push(&mut raw.pieces, c);
                }
            }
        }
        if self.line == line {
            raw.span.length = self.column - raw.span.column;
        }
        Ok(Token::Word(raw))
    }

    fn other_shell(&self, c: char) -> Diagnostic {
        let help = match c {
            ';' | '&' | '|' => "write each command on a line of its own",
            '<' => "commands here read nothing",
            _ => "write out what it stands for",
        };
        Diagnostic::new(self.here(), format!("{c:?} is more shell than is understood here"))
            .help(help)
    }

    fn single_quoted(&mut self, raw: &mut Raw) -> Result<(), Diagnostic> {
        let start = self.here();
        self.next();
        raw.quoted = true;
        push_text(&mut raw.pieces, "");
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(c) => push(&mut raw.pieces, c),
                None => return Err(never_closed(start)),
            }
        }
    }

    fn double_quoted(&mut self, raw: &mut Raw) -> Result<(), Diagnostic> {
        let start = self.here();
        self.next();
        raw.quoted = true;
        push_text(&mut raw.pieces, "");
        loop {
            match self.chars.peek().copied() {
                Some('"') => {
                    self.next();
                    return Ok(());
                }
                Some('$') => self.name(raw, true)?,
                Some('`') => return Err(self.other_shell('`')),
                Some('\\') => {
                    self.next();
                    match self.next() {
                        Some(c @ ('$' | '`' | '"' | '\\')) => push(&mut raw.pieces, c),
                        Some('\n') => {}
                        Some(c) => push_text(&mut raw.pieces, &format!("\\{c}")),
                        None => return Err(never_closed(start)),
                    }
                }
                Some(c) => {
                    self.next();
                    push(&mut raw.pieces, c);
                }
                None => return Err(never_closed(start)),
            }
        }
    }

    fn escaped(&mut self, raw: &mut Raw) -> Result<(), Diagnostic> {
        let start = self.here();
        self.next();
        let mut rest = self.chars.clone().skip_while(|c| matches!(c, ' ' | '\t'));
        if matches!(self.chars.peek(), Some(' ' | '\t')) && matches!(rest.next(), Some('\n') | None)
        {
            return Err(Diagnostic::new(start, "blanks follow this backslash")
                .help("it continues the line only as its last character"));
        }
        raw.quoted = true;
        match self.next() {
            Some(c) => push(&mut raw.pieces, c),
            None => push(&mut raw.pieces, '\\'),
        }
        Ok(())
    }

    fn name(&mut self, raw: &mut Raw, in_quotes: bool) -> Result<(), Diagnostic> {
        let start = self.here();
        self.next();
        let braces = self.chars.peek() == Some(&'{');
        if braces {
            self.next();
        }
        let mut name = String::new();
        while let Some(c) = self.chars.peek().copied().filter(|c| is_name(*c)) {
            self.next();
            name.push(c);
        }
        let closed = !braces || self.chars.peek() == Some(&'}');
        if !closed || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Diagnostic::new(start, "only $NAME and ${NAME} are understood here")
                .help("write out what it stands for, or \\$ for a dollar sign"));
        }
        if braces {
            self.next();
        }
        raw.pieces.push(Piece::Name(name, in_quotes));
        Ok(())
    }

    /// Goes behind the end of this command.
    fn skip_command(&mut self) {
        loop {
            match self.chars.peek().copied() {
                Some('\\') if self.continues() => {}
                Some('\n') | None => break,
                _ => {
                    self.next();
                }
            }
        }
        self.next();
    }
}

fn never_closed(start: Span) -> Diagnostic {
    Diagnostic::new(start, "this quote is never closed").help("add the closing quote")
}

fn push(pieces: &mut Vec<Piece>, c: char) {
    push_text(pieces, c.encode_utf8(&mut [0; 4]));
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// Whether `c` may stand in a name.
pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
