//! `-m owner --uid-owner 1000-2000 ! --gid-owner 5`: the process behind one of the gateway's own
//! packets.
//!
//! A packet of somebody else has no owner: it only passes negated tests. Where the owner of an
//! own packet is not known the match cannot be evaluated. Users and groups are numbers: what
//! their names stand for differs from system to system.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{Range, parse_number};
use kinwall_terms::Hook;
use std::fmt;

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("owner").passive().hooks(&[Hook::Output, Hook::Postrouting]).options(&[
        flag("socket-exists").invert(),
        value("uid-owner").invert(),
        value("gid-owner").invert(),
        flag("suppl-groups").requires(&["gid-owner"]),
    ]);

/// Whose packets; every field that is given must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// There is a socket; `Some(true)`: there is none.
    pub socket: Option<bool>,
    /// User ids.
    pub uid: Option<Test<Ids>>,
    /// Group ids.
    pub gid: Option<Test<Ids>>,
    /// Whether the supplementary groups of the process count too.
    pub supplementary: bool,
}

/// A range of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids(pub Range<u32>);

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Range { min, max } if min == max => write!(f, "{min}"),
            Range { min, max } => write!(f, "{min}-{max}"),
        }
    }
}

impl Owner {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Owner> {
        args.one_of(&["uid-owner", "gid-owner", "socket-exists"]);
        Some(Owner {
            socket: args.flag("socket-exists"),
            uid: args.read("uid-owner", ids),
            gid: args.read("gid-owner", ids),
            supplementary: args.has("suppl-groups"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        if let Some(invert) = self.socket {
            out.not(invert).flag("socket-exists", true);
        }
        out.test("uid-owner", &self.uid).test("gid-owner", &self.gid);
        out.flag("suppl-groups", self.supplementary);
    }

    /// Compares the ids.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let facts = scene.facts;
        let Some(owner) = facts.owner else {
            let negated = |test: &Option<Test<Ids>>| test.is_none_or(|test| test.invert);
            return match facts.local {
                true => Answer::Unknown,
                false => {
                    let passes = self.socket != Some(false) && negated(&self.uid);
                    (passes && negated(&self.gid)).into()
                }
            };
        };
        let holds = |test: &Option<Test<Ids>>, id: u32| {
            test.is_none_or(|test| test.holds(|ids| ids.0.contains(id)))
        };
        if self.socket == Some(true) || !holds(&self.uid, owner.uid) {
            return Answer::No;
        }
        let primary = self.gid.is_none_or(|test| test.value.0.contains(owner.gid));
        match self.supplementary && !primary {
            true => Answer::Unknown,
            false => holds(&self.gid, owner.gid).into(),
        }
    }
}

fn ids(word: &Word) -> Result<Ids, Diagnostic> {
    let id = |text: &str| match text {
        "root" => Some(0),
        _ => parse_number(text).and_then(|n| u32::try_from(n).ok()).filter(|id| *id != u32::MAX),
    };
    let range = match word.text.split_once('-') {
        Some((min, max)) => id(min).zip(id(max)),
        None => id(&word.text).zip(id(&word.text)),
    };
    match range {
        Some((min, max)) if min <= max => Ok(Ids(Range { min, max })),
        _ => Err(word
            .mistake(format!("{:?} is not an id", word.text))
            .help("a number or MIN-MAX; names differ from system to system, so write the number")),
    }
}
