//! What one command does.

use crate::diagnostic::{Mistakes, Span};
use crate::lex::Word;
use crate::ruleset::{CHAIN_NAME_LENGTH_MAX, Policy, Rule};
use crate::targets;
use kinwall_terms::{Hook, Table};

/// A command, ready to be applied.
pub(crate) struct Command {
    pub table: Table,
    pub action: Action,
    /// The word that names the target, when it is a chain.
    pub jump: Option<Word>,
}

/// What is done. Chains come with the word that names them; numbers count rules from 1.
pub(crate) enum Action {
    Append {
        chain: Word,
        rules: Vec<Rule>,
    },
    Insert {
        chain: Word,
        at: usize,
        number: Option<Word>,
        rules: Vec<Rule>,
    },
    Delete {
        chain: Word,
        rules: Vec<Rule>,
    },
    DeleteAt {
        chain: Word,
        number: Word,
        at: usize,
    },
    Replace {
        chain: Word,
        number: Word,
        at: usize,
        rule: Box<Rule>,
    },
    New(Word),
    Remove(Option<Word>),
    Rename(Word, Word),
    Flush(Option<Word>),
    Policy(Word, Policy),
    /// Shows or resets counters: nothing that matters here.
    Nothing,
}

/// A name that a new chain may have; reports what is wrong with it.
pub(crate) fn check_new_chain(word: &Word, mistakes: &mut Mistakes) -> bool {
    let name = word.text.as_str();
    let mistake = if name.is_empty() || name.starts_with(['-', '!']) {
        Some(("a chain's name cannot begin like this", "begin with a letter".to_owned()))
    } else if name.len() > CHAIN_NAME_LENGTH_MAX {
        let help = format!("at most {CHAIN_NAME_LENGTH_MAX} bytes, this has {}", name.len());
        Some(("this chain's name is too long", help))
    } else if name.contains(char::is_whitespace) {
        Some(("a chain's name cannot hold blanks", "use _ or -".to_owned()))
    } else if targets::registry::BUILT_IN.contains(&name) {
        Some(("this is the name of a target", "give the chain another name".to_owned()))
    } else {
        None
    };
    match mistake {
        Some((message, help)) => mistakes.push(word.mistake(message).help(help)),
        None => return true,
    }
    false
}

/// A policy by name.
pub(crate) fn policy(word: &Word, mistakes: &mut Mistakes) -> Option<Policy> {
    match word.text.as_str() {
        "ACCEPT" => Some(Policy::Accept),
        "DROP" => Some(Policy::Drop),
        text => {
            let message = format!("{text:?} is not a chain policy");
            mistakes.push(word.mistake(message).help("ACCEPT or DROP"));
            None
        }
    }
}

/// The position of a rule: a number from 1.
pub(crate) fn number(word: &Word, mistakes: &mut Mistakes) -> Option<usize> {
    match crate::value::number(1..=u64::from(u32::MAX))(word) {
        Ok(number) => Some(number as usize),
        Err(mistake) => {
            mistakes.push(mistake.help("the position of a rule, from 1"));
            None
        }
    }
}

/// Reports interfaces that cannot be known in a built-in chain.
pub(crate) fn check_interfaces(
    chain: &str,
    in_iface: Option<Span>,
    out_iface: Option<Span>,
    mistakes: &mut Mistakes,
) {
    let rows = [
        (in_iface, "-i", [Hook::Output, Hook::Postrouting]),
        (out_iface, "-o", [Hook::Input, Hook::Prerouting]),
    ];
    for (span, option, hooks) in rows {
        let Some(span) = span else { continue };
        if hooks.iter().any(|hook| hook.chain() == chain) {
            let message = format!("{option} cannot be used in {chain}");
            let why = match option {
                "-i" => "the packet came in by no interface there, or it is no longer known",
                _ => "the packet is not routed yet there",
            };
            mistakes.push(crate::diagnostic::Diagnostic::new(span, message).help(why));
        }
    }
}
