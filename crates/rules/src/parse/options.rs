//! The options of the tool itself, and the way an option's name is found.

use crate::diagnostic::Span;
use crate::lex::Word;
use crate::option::Opt;

/// An option of the tool itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    Append,
    Check,
    Delete,
    Insert,
    Replace,
    List,
    ListRules,
    Flush,
    Zero,
    New,
    Remove,
    Rename,
    Policy,
    Source,
    Destination,
    Protocol,
    InInterface,
    OutInterface,
    Fragment,
    Match,
    Jump,
    Goto,
    Table,
    Counters,
    Ipv4,
    Ipv6,
    /// Makes the tool talk more.
    Verbose,
    /// Changes how rules are shown; of `-L` and `-S` only.
    Show,
    /// How the tool waits, with a value that may be left out.
    Wait,
    /// Which program loads modules.
    Modprobe,
}

/// Long names (exact names win over abbreviations), letters, meaning.
const GLOBALS: &[(&str, char, Global)] = &[
    ("append", 'A', Global::Append),
    ("check", 'C', Global::Check),
    ("delete", 'D', Global::Delete),
    ("insert", 'I', Global::Insert),
    ("replace", 'R', Global::Replace),
    ("list", 'L', Global::List),
    ("list-rules", 'S', Global::ListRules),
    ("flush", 'F', Global::Flush),
    ("zero", 'Z', Global::Zero),
    ("new-chain", 'N', Global::New),
    ("delete-chain", 'X', Global::Remove),
    ("rename-chain", 'E', Global::Rename),
    ("policy", 'P', Global::Policy),
    ("source", 's', Global::Source),
    ("src", 's', Global::Source),
    ("destination", 'd', Global::Destination),
    ("dst", 'd', Global::Destination),
    ("protocol", 'p', Global::Protocol),
    ("in-interface", 'i', Global::InInterface),
    ("out-interface", 'o', Global::OutInterface),
    ("fragments", 'f', Global::Fragment),
    ("match", 'm', Global::Match),
    ("jump", 'j', Global::Jump),
    ("goto", 'g', Global::Goto),
    ("table", 't', Global::Table),
    ("set-counters", 'c', Global::Counters),
    ("ipv4", '4', Global::Ipv4),
    ("ipv6", '6', Global::Ipv6),
    ("numeric", 'n', Global::Show),
    ("verbose", 'v', Global::Verbose),
    ("exact", 'x', Global::Show),
    ("line-numbers", '0', Global::Show),
    ("wait", 'w', Global::Wait),
    ("wait-interval", 'W', Global::Wait),
    ("modprobe", 'M', Global::Modprobe),
];

impl Global {
    pub(crate) fn from_letter(letter: char) -> Option<Global> {
        let found = GLOBALS.iter().find(|(_, known, _)| *known == letter && letter != '0')?;
        Some(found.2)
    }

    /// How many values must follow.
    pub(crate) fn arity(self) -> u8 {
        use Global::*;
        match self {
            Fragment | Ipv4 | Ipv6 | Verbose | Show | Wait | List | ListRules | Flush | Zero
            | Remove => 0,
            _ => 1,
        }
    }

    /// How many further values may follow.
    pub(crate) fn optional_values(self) -> usize {
        use Global::*;
        match self {
            List | ListRules | Zero => 2,
            Delete | Insert | Replace | Flush | Remove | Rename | Policy | Wait | Counters => 1,
            _ => 0,
        }
    }

    /// Whether its value may be in the same word (`-mtcp`, `--match=tcp`). Of the others Linux's
    /// tool takes the whole word for the value.
    pub(crate) fn may_be_attached(self) -> bool {
        use Global::*;
        let apart = [Source, Destination, Protocol, InInterface, OutInterface, Jump, Goto];
        !apart.contains(&self)
    }

    /// Whether it describes a rule.
    pub(crate) fn describes_rule(self) -> bool {
        use Global::*;
        let rule = [
            Source,
            Destination,
            Protocol,
            InInterface,
            OutInterface,
            Jump,
            Goto,
            Fragment,
            Match,
            Counters,
        ];
        rule.contains(&self)
    }

    pub(crate) fn invertible(self) -> bool {
        use Global::*;
        matches!(self, Source | Destination | Protocol | InInterface | OutInterface | Fragment)
    }

    /// Whether, as a command, it is followed by a rule.
    pub(crate) fn takes_rule(self) -> bool {
        use Global::*;
        matches!(self, Append | Check | Delete | Insert | Replace)
    }

    /// Whether it is a command: each line has exactly one.
    pub(crate) fn is_command(self) -> bool {
        use Global::*;
        matches!(
            self,
            Append
                | Check
                | Delete
                | Insert
                | Replace
                | List
                | ListRules
                | Flush
                | Zero
                | New
                | Remove
                | Rename
                | Policy
        )
    }
}

/// An option of the tool as it was written.
pub(crate) struct GivenGlobal<'a> {
    pub global: Global,
    pub word: Word,
    /// The option's word with the `!` before it.
    pub span: Span,
    pub invert: bool,
    pub value: Option<Word>,
    pub more: Vec<&'a Word>,
}

/// What a long name stands for.
pub(crate) enum Resolved {
    Global(Global),
    Extension {
        /// Which of the loaded extensions (see `rule::Draft`).
        instance: usize,
        /// Position among its options.
        index: usize,
        option: &'static Opt,
    },
}

/// The long name `name`, exact or (if `abbreviated`) cut short. `extensions` are the loaded
/// extensions with their options, in the order in which they are asked: the latest first.
pub(crate) fn resolve(
    name: &str,
    abbreviated: bool,
    extensions: &[(usize, &'static [Opt])],
) -> Option<Resolved> {
    let globals = || GLOBALS.iter().map(|(long, _, global)| (*long, None, *global));
    let options = || {
        extensions.iter().flat_map(|(instance, options)| {
            options.iter().enumerate().flat_map(move |(index, option)| {
                option
                    .names()
                    .map(move |long| (long, Some((*instance, index, option)), Global::Verbose))
            })
        })
    };
    let all = || globals().chain(options());
    let meaning =
        |(_, option, global): (&str, Option<(usize, usize, &'static Opt)>, Global)| match option {
            Some((instance, index, option)) => Resolved::Extension { instance, index, option },
            None => Resolved::Global(global),
        };
    if let Some(exact) = all().find(|(long, ..)| *long == name) {
        return Some(meaning(exact));
    }
    let mut near =
        all().filter(|(long, ..)| abbreviated && !name.is_empty() && long.starts_with(name));
    let first = near.next()?;
    let key = |found: &(&str, Option<(usize, usize, &'static Opt)>, Global)| {
        (found.1.map(|(instance, index, _)| (instance, index)), found.2)
    };
    let same = near.all(|other| key(&other) == key(&first));
    same.then(|| meaning(first))
}
