//! `iptables-save` text: tables, chains, rules, COMMIT.
//!
//! ```text
//! # a comment
//! *filter
//! :INPUT DROP [0:0]
//! :LOGDROP - [0:0]
//! [12:3456] -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
//! COMMIT
//! ```
//!
//! A table that is named is emptied first. The other commands of the tool (`-I`, `-D`, `-N`,
//! `-P`...) may stand where `-A` does.

use crate::apply::apply;
use crate::diagnostic::{Diagnostic, Mistakes, Origin, Span};
use crate::lex::{self, Word};
use crate::parse::{self, Setting, check_new_chain, policy, unknown_table};
use crate::ruleset::{Counters, Ruleset};
use kinwall_terms::Table;

/// Reads `text` into `ruleset`; mistakes are reported and the rest is read on.
pub(crate) fn read(text: &str, ruleset: &mut Ruleset, mistakes: &mut Mistakes) {
    let mut file = File { ruleset, mistakes, table: None, line: 0 };
    for (index, line) in text.lines().enumerate() {
        file.line = u32::try_from(index + 1).unwrap_or(u32::MAX);
        file.read_line(line);
    }
    if file.table.is_some() {
        file.wrong("COMMIT is missing at the end", "each table ends with a line COMMIT");
    }
}

struct File<'a> {
    ruleset: &'a mut Ruleset,
    mistakes: &'a mut Mistakes,
    table: Option<Table>,
    line: u32,
}

/// Stands for a table whose name is wrong, so that its lines are still read.
const TABLE_DEFAULT: Table = Table::Filter;

impl File<'_> {
    fn read_line(&mut self, line: &str) {
        if line.trim().is_empty() || line.starts_with('#') {
            return;
        }
        let words = match lex::words(line, self.line) {
            Ok(words) => words,
            Err(mistake) => return self.mistakes.push(mistake),
        };
        match (line.chars().next(), self.table) {
            (Some('*'), open) => self.open(&words, open),
            (_, None) => self.wrong(
                "this line stands outside of every table",
                "a table begins with a line such as *filter and ends with COMMIT",
            ),
            (Some(':'), Some(table)) => self.chain(table, &words),
            _ if words.first().is_some_and(|word| word.text == "COMMIT") => self.table = None,
            (_, Some(table)) => self.rule(table, line, words),
        }
    }

    fn wrong(&mut self, message: &str, help: &str) {
        let span = Span { line: self.line, column: 1, length: 1 };
        self.mistakes.push(Diagnostic::new(span, message).help(help));
    }

    fn open(&mut self, words: &[Word], open: Option<Table>) {
        if open.is_some() {
            self.wrong("the table before has no COMMIT", "add a line COMMIT before this one");
        }
        let Some(first) = words.first() else { return };
        let name = Word { text: first.text[1..].to_owned(), ..first.clone() };
        let table = Table::from_name(&name.text);
        match table {
            Some(table) => self.ruleset.reset(table),
            None => self.mistakes.push(unknown_table(&name)),
        }
        self.table = Some(table.unwrap_or(TABLE_DEFAULT));
    }

    fn chain(&mut self, table: Table, words: &[Word]) {
        let Some(first) = words.first() else { return };
        let mut name = Word { text: first.text[1..].to_owned(), ..first.clone() };
        name.span.column += 1;
        name.span.length = name.span.length.saturating_sub(1).max(1);
        let Some(given) = words.get(1) else {
            let help = "such as `:INPUT ACCEPT [0:0]`, or `:NAME - [0:0]` for a user chain";
            return self.mistakes.push(name.mistake("this chain has no policy").help(help));
        };
        let counters = words.get(2).map(|word| (word, read_counters(&word.text)));
        if let Some((word, None)) = counters {
            let mistake = word.mistake("these are no counters");
            self.mistakes.push(mistake.help("[PACKETS:BYTES], such as [0:0]"));
        }
        let counters = counters.and_then(|(_, counters)| counters).unwrap_or_default();
        let origin = Origin { file: self.mistakes.file, line: self.line };
        let rules = self.ruleset.table_mut(table);
        if let Some(chain) = rules.chain_mut(&name.text).filter(|chain| chain.hook.is_some()) {
            chain.counters = counters;
            chain.origin = origin;
            if given.text != "-" {
                chain.policy = policy(given, self.mistakes).or(chain.policy);
            }
        } else if check_new_chain(&name, self.mistakes) {
            let chain = rules.add_chain(&name.text, origin);
            chain.rules.clear();
            chain.counters = counters;
        }
    }

    fn rule(&mut self, table: Table, line: &str, mut words: Vec<Word>) {
        let mut counters = None;
        if line.starts_with('[') {
            let first = words.remove(0);
            let (text, rest) = match first.text.split_once(']') {
                Some((text, rest)) => (format!("{text}]"), rest.to_owned()),
                None => (first.text.clone(), String::new()),
            };
            counters = read_counters(&text);
            if counters.is_none() {
                let mistake = first.mistake("these are no counters");
                self.mistakes.push(mistake.help("[PACKETS:BYTES] before the rule, or nothing"));
            }
            if !rest.is_empty() {
                words.insert(0, Word { text: rest, ..first });
            }
        }
        let origin = Origin { file: self.mistakes.file, line: self.line };
        let family = self.ruleset.family;
        let setting = Setting { family, table, table_fixed: true, origin, counters };
        if let Some(command) = parse::command(&words, setting, self.mistakes) {
            apply(self.ruleset, command, origin, self.mistakes);
        }
    }
}

/// `[PACKETS:BYTES]`.
fn read_counters(text: &str) -> Option<Counters> {
    let (packets, bytes) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Counters { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
}
