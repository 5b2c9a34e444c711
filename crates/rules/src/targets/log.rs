//! `-j LOG --log-prefix "refused: " --log-level 6`: a line in the kernel log; the walk goes on.

use crate::diagnostic::Diagnostic;
use crate::eval::{Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::{parse_number, text_cut};

/// What the target declares.
pub const SPEC: Spec = Spec::new("LOG").passive().options(&[
    value("log-prefix"),
    value("log-level"),
    flag("log-tcp-sequence"),
    flag("log-tcp-options"),
    flag("log-ip-options"),
    flag("log-uid"),
    flag("log-macdecode"),
]);

/// The longest prefix, in bytes; the rest is cut.
pub const PREFIX_LENGTH_MAX: usize = 29;

/// How the line looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// What it begins with.
    pub prefix: String,
    /// Its syslog level; 4 (warning) by default.
    pub level: u8,
    /// Whether it tells TCP sequence numbers.
    pub tcp_sequence: bool,
    /// Whether it tells TCP options.
    pub tcp_options: bool,
    /// Whether it tells IP options.
    pub ip_options: bool,
    /// Whether it tells the user who sent the packet.
    pub uid: bool,
    /// Whether it tells the link-layer addresses in words.
    pub macdecode: bool,
}

const LEVELS: &[(&str, u8)] = &[
    ("emerg", 0),
    ("panic", 0),
    ("alert", 1),
    ("crit", 2),
    ("error", 3),
    ("warning", 4),
    ("notice", 5),
    ("info", 6),
    ("debug", 7),
];

const LEVEL_DEFAULT: u8 = 4;

impl Log {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Log> {
        let prefix = args.plain("log-prefix", prefix).unwrap_or_default();
        let level = args.plain("log-level", level).unwrap_or(LEVEL_DEFAULT);
        Some(Log {
            prefix,
            level,
            tcp_sequence: args.has("log-tcp-sequence"),
            tcp_options: args.has("log-tcp-options"),
            ip_options: args.has("log-ip-options"),
            uid: args.has("log-uid"),
            macdecode: args.has("log-macdecode"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        if !self.prefix.is_empty() {
            out.quoted("log-prefix", &self.prefix);
        }
        if self.level != LEVEL_DEFAULT {
            out.value("log-level", self.level);
        }
        out.flag("log-tcp-sequence", self.tcp_sequence).flag("log-tcp-options", self.tcp_options);
        out.flag("log-ip-options", self.ip_options).flag("log-uid", self.uid);
        out.flag("log-macdecode", self.macdecode);
    }

    /// Records the packet, and writes its line where lines are wanted.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        if scene.memory.log.is_on() {
            // Each packet has a line of its own: what one has shown tells nothing of the next.
            scene.memory.lose_lesson();
            scene.memory.log.write(self, scene.facts, scene.state);
        }
        scene.state.logged.push(scene.rule);
        Effect::Continue
    }
}

fn prefix(word: &Word) -> Result<String, Diagnostic> {
    if word.text.contains('\n') {
        return Err(word.mistake("a log prefix cannot hold a line break"));
    }
    text_cut(PREFIX_LENGTH_MAX)(word)
}

fn level(word: &Word) -> Result<u8, Diagnostic> {
    let named = LEVELS.iter().find(|(name, _)| *name == word.text).map(|(_, level)| *level);
    let number = || parse_number(&word.text).filter(|n| *n <= 7).map(|n| n as u8);
    named.or_else(number).ok_or_else(|| {
        let names: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
        word.mistake(format!("{:?} is not a log level", word.text))
            .help(format!("a number from 0 to 7 or one of {}", names.join(", ")))
    })
}
