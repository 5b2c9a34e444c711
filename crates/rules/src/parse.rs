//! One command of `iptables`, words to meaning: `-A CHAIN` and its rule, `-N`, `-P` and so on.
//!
//! Words are read in order, as the tool does, because order has a meaning: an extension's options
//! are known from its `-m` on, those of the protocol's own match from `-p` on, and an option goes
//! to the latest match of its name. Long options may be abbreviated while that is unique.

mod command;
mod options;
mod rule;

pub(crate) use command::{Action, Command, check_new_chain, policy};
pub(crate) use rule::unknown_table;

use crate::diagnostic::{Diagnostic, Mistakes, Origin, Span};
use crate::lex::Word;
use crate::ruleset::Counters;
use kinwall_terms::{Family, Table};
use options::{Global, Resolved};
use rule::Draft;

/// Where a command stands and what it may assume.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    /// Family of the tool that runs the command.
    pub family: Family,
    /// The table when the command names none.
    pub table: Table,
    /// Whether `-t` is refused, as within `iptables-save` text.
    pub table_fixed: bool,
    /// Where the command begins.
    pub origin: Origin,
    /// The counters written before the command.
    pub counters: Option<Counters>,
}

/// Reads one command. `None` when it has mistakes (which are then in `mistakes`) or is meant for
/// the other family (`-4`, `-6`).
pub(crate) fn command(
    words: &[Word],
    setting: Setting,
    mistakes: &mut Mistakes,
) -> Option<Command> {
    let before = mistakes.count();
    let mut reader = Reader { words, next: 0, setting, mistakes, draft: Draft::new(setting) };
    while reader.step().is_some() {}
    let Reader { draft, mistakes, .. } = reader;
    let command = draft.finish(words, mistakes);
    command.filter(|_| mistakes.count() == before)
}

struct Reader<'a> {
    words: &'a [Word],
    next: usize,
    setting: Setting,
    mistakes: &'a mut Mistakes,
    draft: Draft,
}

impl<'a> Reader<'a> {
    /// Reads one option with its values; `None` at the end.
    fn step(&mut self) -> Option<()> {
        let mut word = self.take()?;
        let mut invert = None;
        while word.text == "!" && !word.quoted {
            if invert.is_some() {
                self.wrong(word, "a second !", "one ! negates the option after it");
            }
            invert = Some(word.span);
            let Some(next) = self.take() else {
                self.wrong(word, "this ! negates nothing", "an option must follow it");
                return None;
            };
            word = next;
        }
        let span = invert.map_or(word.span, |not| not.to(word.span));
        match word.text.as_str() {
            "-" | "--" => self.bare(word),
            text if text.starts_with("--") => self.long(word, span, invert.is_some()),
            text if text.starts_with('-') => self.short(word, span, invert.is_some()),
            _ => self.bare(word),
        }
        Some(())
    }

    fn take(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word)
    }

    /// The next word when it can be a value: not an option, not a `!`.
    fn take_value(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.next)?;
        let option = !word.quoted && (word.text.starts_with('-') || word.text == "!");
        if option { None } else { self.take() }
    }

    fn long(&mut self, word: &Word, span: Span, invert: bool) {
        let text = &word.text[2..];
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let mut resolved = self.draft.resolve(name);
        if resolved.is_none() && self.draft.load_protocol_match() {
            resolved = self.draft.resolve(name);
        }
        let Some(resolved) = resolved else {
            return self.unknown(word, name);
        };
        let arity = match &resolved {
            Resolved::Global(global) => global.arity(),
            Resolved::Extension { option, .. } => option.arity,
        };
        if arity == 0 && attached.is_some() {
            return self.wrong(
                word,
                &format!("--{name} takes no value"),
                "remove the = and all after it",
            );
        }
        let attached = attached.map(|text| attached_word(word, text));
        if let (Resolved::Global(global), Some(value)) = (&resolved, &attached)
            && !global.may_be_attached()
        {
            let help = format!("write --{name} {}", value.text);
            return self.wrong(word, "this option and its value must be two words", &help);
        }
        match resolved {
            Resolved::Global(global) => self.global(global, word, span, invert, attached),
            Resolved::Extension { instance, index, option } => {
                let values = match option.optional && attached.is_none() {
                    true => Some(self.take_value().cloned().into_iter().collect()),
                    false => self.values(word, option.arity, attached),
                };
                let Some(values) = values else { return };
                self.draft.give(instance, index, invert, span, values);
            }
        }
    }

    fn short(&mut self, word: &Word, span: Span, invert: bool) {
        let mut letters = word.text[1..].chars();
        let (Some(letter), rest) = (letters.next(), letters.as_str()) else { return };
        let Some(global) = Global::from_letter(letter) else {
            return self.unknown(word, &word.text[1..]);
        };
        let attached = (!rest.is_empty()).then(|| attached_word(word, rest));
        let together = match global.arity() {
            0 => rest.is_empty(),
            _ => rest.is_empty() || global.may_be_attached(),
        };
        if !together {
            let dash = if global.arity() == 0 { "-" } else { "" };
            let help = format!("write -{letter} {dash}{rest}");
            return self.wrong(word, "these must be two words", &help);
        }
        self.global(global, word, span, invert, attached);
    }

    /// Exactly `arity` values; reports what is missing, and the old form with `!` in between.
    fn values(&mut self, word: &Word, arity: u8, attached: Option<Word>) -> Option<Vec<Word>> {
        let mut values = Vec::from_iter(attached);
        while values.len() < usize::from(arity) {
            match self.words.get(self.next) {
                Some(bang) if bang.text == "!" && !bang.quoted => {
                    self.next += 1;
                    let value = self.take_value().map_or("VALUE", |value| value.text.as_str());
                    let help = format!("write `! {} {value}`", word.text);
                    self.wrong(bang, "the ! must stand before the option", &help);
                    return None;
                }
                Some(value)
                    if values.is_empty() || value.quoted || !value.text.starts_with('-') =>
                {
                    self.next += 1;
                    values.push(value.clone());
                }
                _ => {
                    let many = if arity == 1 { "a value" } else { "two values" };
                    self.wrong(word, &format!("{} needs {many}", word.text), "add it behind");
                    return None;
                }
            }
        }
        Some(values)
    }

    fn unknown(&mut self, word: &Word, name: &str) {
        while self.take_value().is_some() {}
        if self.draft.is_poisoned() {
            return;
        }
        let (message, help) = self.draft.explain_unknown(name);
        self.mistakes.push(Diagnostic { help, ..Diagnostic::new(word.span, message) });
    }

    fn bare(&mut self, word: &Word) {
        if self.draft.is_poisoned() {
            return;
        }
        let help = match self.next.checked_sub(2).and_then(|n| self.words.get(n)) {
            Some(before) if before.text.contains('\'') || word.text.contains('\'') => {
                "only double quotes group words here"
            }
            Some(before) if before.text.ends_with(',') || word.text.starts_with(',') => {
                "write the list without blanks"
            }
            _ => "an option begins with -; a value with blanks needs double quotes",
        };
        self.wrong(word, &format!("{:?} is not expected here", word.text), help);
    }

    fn wrong(&mut self, word: &Word, message: &str, help: &str) {
        self.mistakes.push(word.mistake(message).help(help));
    }

    fn global(
        &mut self,
        global: Global,
        word: &Word,
        span: Span,
        invert: bool,
        attached: Option<Word>,
    ) {
        if invert && !global.invertible() {
            self.wrong(word, &format!("{} cannot be negated", word.text), "remove the !");
        }
        let value = match global.arity() {
            0 => None,
            _ => match self.values(word, 1, attached) {
                Some(mut values) => values.pop(),
                None => return self.draft.poison(),
            },
        };
        let more = (0..global.optional_values()).map_while(|_| self.take_value()).collect();
        let given = options::GivenGlobal { global, word: word.clone(), span, invert, value, more };
        self.draft.global(given, self.setting, self.mistakes);
    }
}

fn attached_word(word: &Word, text: &str) -> Word {
    let skipped = (word.text.chars().count() - text.chars().count()) as u32;
    let span = Span {
        column: word.span.column + skipped,
        length: word.span.length.saturating_sub(skipped).max(1),
        ..word.span
    };
    Word { text: text.to_owned(), span, quoted: true }
}
