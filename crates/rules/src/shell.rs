//! Scripts of `iptables` and `ip6tables` commands.
//!
//! ```text
//! OUT=eth0
//! modprobe nf_conntrack nf_conntrack_helper=0
//! echo 0 > /proc/sys/net/netfilter/nf_conntrack_helper
//! iptables -A FORWARD -m conntrack --ctstate RELATED -m helper \
//!     --helper ftp -d $MY_FTP_SERVER -p tcp --dport 1024: -j ACCEPT
//! ```
//!
//! A name stands for what the script assigned to it, or for what the user defined. A value may
//! hold addresses of both families: each command takes those of its own. Everything that is not
//! such a command is an error at its line.

mod words;

use crate::apply::apply;
use crate::diagnostic::{Diagnostic, Mistakes, Origin, Span};
use crate::lex::Word;
use crate::load::{Loaded, SettingLine, Source};
use crate::parse::{self, Setting};
use crate::value::parse_network;
use kinwall_terms::{Family, Table};
use std::collections::BTreeMap;
use words::{Piece, Raw, Script, Token, is_name};

/// What names stand for.
pub(crate) type Names = BTreeMap<String, String>;

/// Reads a script into `loaded`; mistakes are reported and the rest is read on.
pub(crate) fn read(
    source: &Source<'_>,
    defines: &Names,
    loaded: &mut Loaded,
    mistakes: &mut Mistakes,
) {
    let mut script = Script::new(source.text);
    let mut reader = Reader { names: defines.clone(), only: source.family, loaded, mistakes };
    while let Some(tokens) = script.command(reader.mistakes) {
        if let Some((first, rest)) = tokens.split_first() {
            reader.command(first, rest);
        }
    }
}

struct Reader<'a> {
    names: Names,
    /// The family whose commands alone may stand in the script.
    only: Option<Family>,
    loaded: &'a mut Loaded,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn command(&mut self, first: &Token, rest: &[Token]) {
        let Token::Word(raw) = first else {
            let mistake = Diagnostic::new(first.span(), "no command stands before this >");
            return self.mistakes.push(mistake);
        };
        if let Some((name, value)) = assignment(raw) {
            return self.assign(name, &value, raw.span, rest);
        }
        let before = self.mistakes.count();
        let mut words = self.expand(raw, None);
        if words.first().is_some_and(|word| word.text == "sudo") {
            let Some((Token::Word(next), rest)) = rest.split_first() else { return };
            words = self.expand(next, None);
            return self.run(words, rest, before);
        }
        self.run(words, rest, before);
    }

    /// Runs a command whose own word, or words, are `words`.
    fn run(&mut self, mut words: Vec<Word>, rest: &[Token], before: usize) {
        let Some(name) = words.first().cloned() else { return };
        let program = name.text.rsplit('/').next().unwrap_or_default();
        let family = match program {
            "iptables" | "iptables-nft" | "iptables-legacy" => Some(Family::Ipv4),
            "ip6tables" | "ip6tables-nft" | "ip6tables-legacy" => Some(Family::Ipv6),
            _ => None,
        };
        let mut into = None;
        for token in rest {
            match token {
                Token::Into(span) => into = Some((*span, words.len())),
                Token::Word(raw) => words.extend(self.expand(raw, family)),
            }
        }
        if self.mistakes.count() > before {
            return;
        }
        if let Some((span, _)) = into.filter(|_| program != "echo") {
            let mistake = Diagnostic::new(span, "only echo writes into files here");
            return self.mistakes.push(mistake.help("remove the redirection"));
        }
        let arguments = &words[1..];
        match (program, family) {
            (_, Some(family)) => self.tables(family, &name, arguments),
            ("modprobe", _) => self.modprobe(&name, arguments),
            ("sysctl", _) => self.sysctl(&name, arguments),
            ("echo", _) => self.echo(&name, arguments, into.map(|(_, index)| index - 1)),
            ("set", _) if arguments.iter().all(|w| w.text.starts_with(['-', '+'])) => {}
            _ => self.not_understood(&name),
        }
    }

    fn not_understood(&mut self, name: &Word) {
        let message = format!("{:?} is not understood here", name.text);
        let known = ["iptables", "ip6tables", "modprobe", "sysctl", "echo"];
        let help = match name.text.as_str() {
            "iptables-restore" | "ip6tables-restore" => {
                "give the file it reads to this command as well".to_owned()
            }
            "for" | "while" | "if" | "case" | "function" | "done" | "fi" | "do" | "then" => {
                "write the commands out, one a line".to_owned()
            }
            text => match crate::suggest::closest(text, known.into_iter()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("a line is one of {}, NAME=VALUE or a comment", known.join(", ")),
            },
        };
        self.mistakes.push(name.mistake(message).help(help));
    }

    fn assign(&mut self, name: String, value: &[Piece], span: Span, rest: &[Token]) {
        if let Some(token) = rest.first() {
            let mistake = Diagnostic::new(token.span(), "nothing may follow an assignment");
            return self.mistakes.push(mistake.help("quote a value with blanks"));
        }
        let before = self.mistakes.count();
        let mut text = String::new();
        for piece in value {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Name(name, _) => {
                    text.push_str(&self.value_of(name, span).unwrap_or_default());
                }
            }
        }
        if self.mistakes.count() == before {
            self.names.insert(name, text);
        }
    }

    fn value_of(&mut self, name: &str, span: Span) -> Option<String> {
        let value = self.names.get(name).cloned();
        if value.is_none() {
            let known = self.names.keys().map(String::as_str);
            let help = match crate::suggest::closest(name, known) {
                Some(near) => format!("did you mean ${near}? Else add --define {name}=VALUE"),
                None => format!("add --define {name}=VALUE, or a line {name}=VALUE before"),
            };
            self.mistakes.push(Diagnostic::new(span, format!("${name} is not defined")).help(help));
        }
        value
    }

    /// The words a word stands for. Of a name that stands for addresses only those of `family`
    /// remain, as one list; another value outside quotes is split at its blanks.
    fn expand(&mut self, raw: &Raw, family: Option<Family>) -> Vec<Word> {
        let mut words = Words::default();
        for piece in &raw.pieces {
            match piece {
                Piece::Text(text) => words.join(text),
                Piece::Name(name, in_quotes) => {
                    let Some(value) = self.value_of(name, raw.span) else { return Vec::new() };
                    match (family, addresses(&value)) {
                        (Some(family), Some(all)) => {
                            words.join(&self.of_family(name, family, &all, raw.span));
                        }
                        _ if *in_quotes => words.join(&value),
                        _ => words.split(&value),
                    }
                }
            }
        }
        let (span, quoted) = (raw.span, raw.quoted);
        words.list.into_iter().map(|text| Word { text, span, quoted }).collect()
    }

    fn of_family(&mut self, name: &str, family: Family, all: &[&str], span: Span) -> String {
        let own: Vec<&str> =
            all.iter().filter(|text| family_of(text) == Some(family)).copied().collect();
        if own.is_empty() {
            let message = format!("${name} holds no {family} address");
            let help = format!("add one to its value, {}, or leave the command out", all.join(","));
            self.mistakes.push(Diagnostic::new(span, message).help(help));
        }
        own.join(",")
    }

    fn tables(&mut self, family: Family, name: &Word, words: &[Word]) {
        let origin = Origin { file: self.mistakes.file, line: name.span.line };
        if self.only.is_some_and(|only| only != family) {
            let mistake = name.mistake(format!("this is a command for {family}"));
            return self.mistakes.push(mistake.help("give the script without saying a family"));
        }
        let table = Table::Filter;
        let setting = Setting { family, table, table_fixed: false, origin, counters: None };
        if words.is_empty() {
            let mistake = name.mistake("this command does nothing");
            return self.mistakes.push(mistake.help("such as -A CHAIN to append a rule"));
        }
        if let Some(command) = parse::command(words, setting, self.mistakes) {
            apply(self.loaded.ruleset_mut(family), command, origin, self.mistakes);
        }
    }

    fn modprobe(&mut self, name: &Word, words: &[Word]) {
        let mut words = words.iter().filter(|word| !word.text.starts_with('-'));
        let Some(module) = words.next() else {
            let mistake = name.mistake("modprobe needs a module");
            return self.mistakes.push(mistake.help("such as modprobe nf_conntrack_ftp ports=21"));
        };
        let module_name = module.text.replace('-', "_");
        let mut count = 0;
        for word in words {
            count += 1;
            match word.text.split_once('=') {
                Some((option, value)) if !option.is_empty() => {
                    self.set(format!("{module_name}.{option}"), value, word.span);
                }
                _ => self.mistakes.push(
                    word.mistake(format!("{:?} is no option of a module", word.text))
                        .help("NAME=VALUE, such as ports=21"),
                ),
            }
        }
        if count == 0 {
            self.loaded.modules.push(module_name);
        }
    }

    fn sysctl(&mut self, name: &Word, words: &[Word]) {
        let before = self.loaded.settings.len();
        let mut words = words.iter().filter(|word| !word.text.starts_with('-'));
        while let Some(word) = words.next() {
            match word.text.split_once('=') {
                Some((key, value)) if !key.is_empty() => {
                    self.set(sysctl_name(key), value, word.span);
                }
                _ => {
                    // `KEY = VALUE` in three words.
                    let value = words.next().filter(|w| w.text == "=").and_then(|_| words.next());
                    match value {
                        Some(value) => self.set(sysctl_name(&word.text), &value.text, word.span),
                        None => self.mistakes.push(
                            word.mistake("this is no KEY=VALUE")
                                .help("such as net.netfilter.nf_conntrack_helper=0"),
                        ),
                    }
                }
            }
        }
        if self.loaded.settings.len() == before {
            let mistake = name.mistake("this sysctl command sets nothing");
            self.mistakes.push(mistake.help("sysctl -w KEY=VALUE"));
        }
    }

    /// `echo VALUE > /proc/sys/...`; `into` tells behind how many arguments the `>` stood.
    fn echo(&mut self, name: &Word, words: &[Word], into: Option<usize>) {
        let help = "echo N > /proc/sys/..., or leave the line out";
        let Some(at) = into else {
            return self.mistakes.push(name.mistake("this only prints").help(help));
        };
        let (value, path) = words.split_at(at.min(words.len()));
        let [path] = path else {
            return self.mistakes.push(name.mistake("echo writes into one file here").help(help));
        };
        let Some(key) = path.text.strip_prefix("/proc/sys/") else {
            let mistake = path.mistake("only settings under /proc/sys/ can be written");
            return self.mistakes.push(mistake.help(help));
        };
        if key.contains(['*', '?']) {
            let mistake = path.mistake("this stands for several files");
            return self.mistakes.push(mistake.help("name each, or conf/all"));
        }
        let value: Vec<&str> = value.iter().map(|word| word.text.as_str()).collect();
        self.set(sysctl_name(key), &value.join(" "), path.span);
    }

    fn set(&mut self, key: String, value: &str, span: Span) {
        let origin = Origin { file: self.mistakes.file, line: span.line };
        let value = value.to_owned();
        self.loaded.settings.push(SettingLine { key, value, origin, span });
    }
}

/// Words as they grow out of the pieces of one.
#[derive(Default)]
struct Words {
    list: Vec<String>,
    /// Whether the last word may still grow.
    open: bool,
}

impl Words {
    /// Adds text to the word that is open.
    fn join(&mut self, text: &str) {
        if !self.open {
            self.list.push(String::new());
        }
        self.list.last_mut().into_iter().for_each(|last| last.push_str(text));
        self.open = true;
    }

    /// Adds text whose blanks end words.
    fn split(&mut self, text: &str) {
        for (index, part) in text.split(char::is_whitespace).enumerate() {
            self.open &= index == 0;
            if !part.is_empty() {
                self.join(part);
            }
        }
    }
}

/// The dotted name of a sysctl written as a path: a dot within a part becomes a slash, as
/// `sysctl` has it.
fn sysctl_name(text: &str) -> String {
    if !text.contains('/') || text.find('.').is_some_and(|dot| Some(dot) < text.find('/')) {
        return text.to_owned();
    }
    let swap = |c| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    text.chars().map(swap).collect()
}

/// `NAME=VALUE` as an assignment: the name, and the pieces of the value.
fn assignment(raw: &Raw) -> Option<(String, Vec<Piece>)> {
    let Some((Piece::Text(first), rest)) = raw.pieces.split_first() else { return None };
    let (name, value) = first.split_once('=')?;
    let legal = !name.is_empty()
        && name.chars().all(is_name)
        && !name.starts_with(|c: char| c.is_ascii_digit());
    let value = std::iter::once(Piece::Text(value.to_owned())).chain(rest.iter().cloned());
    legal.then(|| (name.to_owned(), value.collect()))
}

/// The addresses and networks `value` consists of, when it consists of nothing else.
fn addresses(value: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> =
        value.split([',', ' ', '\t', '\n']).filter(|part| !part.is_empty()).collect();
    let all = !parts.is_empty() && parts.iter().all(|part| family_of(part).is_some());
    all.then_some(parts)
}

/// The family of an address or network; `None` for other text. A bare number is none.
fn family_of(text: &str) -> Option<Family> {
    if !text.contains(['.', ':']) {
        return None;
    }
    let word = Word { text: String::new(), span: Span::default(), quoted: false };
    Family::ALL.into_iter().find(|family| parse_network(&word, text, *family).is_ok())
}
