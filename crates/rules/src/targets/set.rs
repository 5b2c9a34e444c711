//! `-j SET --add-set blocked src --timeout 600`: adds the packet's addresses to a set of ipset,
//! deletes them, or takes marks from it; the walk goes on.
//!
//! The set's type says what of the packet its dimensions take; each `src` or `dst` says which
//! side one dimension is.

use crate::diagnostic::Diagnostic;
use crate::eval::{Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, flag, value, words};
use crate::print::Line;
use crate::sets::{Ask, Query, Sets};
use crate::value::{number, text};
use kinwall_terms::{Hook, Table};

/// What the target declares.
pub const SPEC: Spec = Spec::new("SET").options(&[
    words("add-set", 2),
    words("del-set", 2),
    words("map-set", 2),
    flag("exist").requires(&["add-set"]),
    value("timeout").requires(&["add-set"]),
    flag("map-mark").requires(&["map-set"]),
    flag("map-prio").requires(&["map-set"]),
    flag("map-queue").requires(&["map-set"]),
]);

/// Where a packet's priority and queue may be set.
pub(crate) const MAP_HOOKS: &[Hook] = &[Hook::Forward, Hook::Output, Hook::Postrouting];

/// The longest name of a set, in bytes.
pub const NAME_LENGTH_MAX: usize = 31;
/// How many dimensions may be named.
pub const SIDES_MAX: usize = 6;

/// What happens to which sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The packet's element is added here.
    pub add: Option<Element>,
    /// It is deleted here.
    pub del: Option<Element>,
    /// What this set has beside the element goes to the packet.
    pub map: Option<Element>,
    /// Whether an element that is there already gets the new timeout.
    pub exist: bool,
    /// How long the element stays, in seconds; `None`: as the set says.
    pub timeout_s: Option<u32>,
    /// Whether the mark is taken.
    pub map_mark: bool,
    /// Whether the traffic class is taken.
    pub map_priority: bool,
    /// Whether the queue of the network card is taken.
    pub map_queue: bool,
}

/// An element of a set, made from the packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    /// The name of the set.
    pub set: Box<str>,
    /// Which side of the packet each dimension takes.
    pub sides: Box<[Side]>,
}

/// A side of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// `src`.
    Source,
    /// `dst`.
    Destination,
}

impl Set {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Set> {
        if !args.one_of(&["add-set", "del-set", "map-set"]) {
            return None;
        }
        let set = Set {
            add: element(args, "add-set"),
            del: element(args, "del-set"),
            map: element(args, "map-set"),
            exist: args.has("exist"),
            timeout_s: args.plain("timeout", number(0..=0xffff_fffe)).map(|s| s as u32),
            map_mark: args.has("map-mark"),
            map_priority: args.has("map-prio"),
            map_queue: args.has("map-queue"),
        };
        if args.has("map-set") {
            if !(set.map_mark || set.map_priority || set.map_queue) {
                let help = "add --map-mark, --map-prio or --map-queue";
                args.report_at("map-set", "--map-set says not what is taken", help);
            }
            if args.context.table != Table::Mangle {
                args.report_at("map-set", "--map-set works in table mangle only", "move the rule");
            }
            for option in ["map-prio", "map-queue"] {
                super::only_at(args, option, MAP_HOOKS);
            }
        }
        Some(set)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        print_element(out, "add-set", &self.add);
        out.flag("exist", self.exist);
        if let Some(timeout) = self.timeout_s {
            out.value("timeout", timeout);
        }
        print_element(out, "del-set", &self.del);
        print_element(out, "map-set", &self.map);
        out.flag("map-mark", self.map_mark).flag("map-prio", self.map_priority);
        out.flag("map-queue", self.map_queue);
    }

    /// Changes the sets, where they are known, then the packet.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        let (facts, mark) = (scene.facts, scene.state.mark);
        let sets = &mut scene.memory.sets;
        if let Some((at, Element { sides, .. })) = known(sets, &self.add) {
            sets.add(at, &Query::new(facts, sides, mark), self.timeout_s, self.exist);
        }
        if let Some((at, Element { sides, .. })) = known(sets, &self.del) {
            sets.remove(at, &Query::new(facts, sides, mark));
        }
        if let Some((at, Element { sides, .. })) = known(sets, &self.map)
            && let Some(Some(info)) =
                sets.test(at, &Query::new(facts, sides, mark), &Ask::default())
        {
            if self.map_mark {
                scene.state.mark = (mark & !info.mark_mask) ^ info.mark;
            }
            if self.map_priority {
                scene.state.class = Some(info.class);
            }
        }
        Effect::Continue
    }
}

/// The number of an element's set.
fn known<'a>(sets: &Sets, element: &'a Option<Element>) -> Option<(u32, &'a Element)> {
    let element = element.as_ref()?;
    Some((sets.index(&element.set)?, element))
}

/// Reads `--OPTION SET SIDES`.
pub(crate) fn element(args: &mut Args<'_>, option: &str) -> Option<Element> {
    let given = args.first(option)?;
    let [set, sides] = given.values.as_slice() else { return None };
    let read =
        || Ok(Element { set: text(NAME_LENGTH_MAX)(set)?.into(), sides: self::sides(sides)? });
    read().map_err(|mistake| args.report(mistake)).ok()
}

fn sides(word: &Word) -> Result<Box<[Side]>, Diagnostic> {
    let side = |text: &str| match text {
        "src" => Some(Side::Source),
        "dst" => Some(Side::Destination),
        _ => None,
    };
    let sides: Option<Box<[Side]>> = word.text.split(',').map(side).collect();
    sides.filter(|sides| sides.len() <= SIDES_MAX).ok_or_else(|| {
        word.mistake(format!("{:?} does not say which side is taken", word.text))
            .help("a list of src and dst, one for each dimension of the set, at most 6")
    })
}

fn print_element(out: &mut Line, option: &str, element: &Option<Element>) {
    let Some(Element { set, sides }) = element else { return };
    out.value(option, set).word(side_names(sides));
}

/// A list of `src` and `dst`.
pub(crate) fn side_names(sides: &[Side]) -> String {
    let name = |side: &Side| match side {
        Side::Source => "src",
        Side::Destination => "dst",
    };
    sides.iter().map(name).collect::<Vec<_>>().join(",")
}
