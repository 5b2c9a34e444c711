//! `-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff`: sets the mark of the connection,
//! saves the packet mark in it, or restores the packet mark from it; the walk goes on.
//!
//! A packet without connection is left alone. A shift moves what is set, saved or restored; of
//! what is set, the whole new mark.

use super::mark::change;
use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::{number, number_u32};

/// What the target declares.
pub const SPEC: Spec = Spec::new("CONNMARK").options(&[
    value("set-xmark").excludes(&[
        "set-mark",
        "and-mark",
        "or-mark",
        "xor-mark",
        "save-mark",
        "restore-mark",
    ]),
    value("set-mark").excludes(&["and-mark", "or-mark", "xor-mark", "save-mark", "restore-mark"]),
    value("and-mark").excludes(&["or-mark", "xor-mark", "save-mark", "restore-mark"]),
    value("or-mark").excludes(&["xor-mark", "save-mark", "restore-mark"]),
    value("xor-mark").excludes(&["save-mark", "restore-mark"]),
    flag("save-mark").excludes(&["restore-mark"]),
    flag("restore-mark"),
    value("nfmask"),
    value("ctmask"),
    value("mask").excludes(&["nfmask", "ctmask"]),
    value("left-shift-mark").excludes(&["right-shift-mark"]),
    value("right-shift-mark"),
]);

const SET: [&str; 5] = ["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"];

/// What happens to the marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connmark {
    /// Which mark is written, and from what.
    pub action: Action,
    /// How far it is shifted.
    pub shift: Shift,
}

/// Which mark is written, and from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The connection's mark: the bits of the mask are cleared, then the value is exclusive-ored
    /// in.
    Set {
        /// What is exclusive-ored in.
        value: u32,
        /// Which bits are cleared before.
        mask: u32,
    },
    /// The connection's mark, from the packet mark.
    Save(Masks),
    /// The packet mark, from that of the connection.
    Restore(Masks),
}

/// Which bits take part when a mark is saved or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masks {
    /// Those of the packet mark.
    pub packet: u32,
    /// Those of the connection's.
    pub connection: u32,
}

/// A shift of up to 31 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// To the left; 0 for none.
    Left(u8),
    /// To the right, by at least 1.
    Right(u8),
}

impl Shift {
    fn apply(self, mark: u32) -> u32 {
        match self {
            Shift::Left(bits) => mark.checked_shl(bits.into()).unwrap_or(0),
            Shift::Right(bits) => mark.checked_shr(bits.into()).unwrap_or(0),
        }
    }
}

impl Connmark {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Connmark> {
        let [a, b, c, d, e] = SET;
        if !args.one_of(&[a, b, c, d, e, "save-mark", "restore-mark"]) {
            return None;
        }
        let action = if SET.iter().any(|name| args.has(name)) {
            for name in ["mask", "nfmask", "ctmask"] {
                if args.has(name) {
                    let message = format!("--{name} goes with --save-mark and --restore-mark only");
                    args.report_at(name, message, "to set some bits write --set-xmark VALUE/MASK");
                }
            }
            let (value, mask) = change(args)?;
            Action::Set { value, mask }
        } else {
            let both = args.plain("mask", number_u32);
            let mut mask = |name| both.or(args.plain(name, number_u32)).unwrap_or(u32::MAX);
            let masks = Masks { packet: mask("nfmask"), connection: mask("ctmask") };
            match args.has("save-mark") {
                true => Action::Save(masks),
                false => Action::Restore(masks),
            }
        };
        let bits = number(0..=31);
        let left = args.plain("left-shift-mark", &bits).map(|n| Shift::Left(n as u8));
        let right = args.plain("right-shift-mark", &bits).filter(|n| *n > 0);
        let shift = left.or(right.map(|n| Shift::Right(n as u8))).unwrap_or(Shift::Left(0));
        Some(Connmark { action, shift })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let masks = |out: &mut Line, masks: Masks| {
            out.value("nfmask", format_args!("{:#x}", masks.packet))
                .value("ctmask", format_args!("{:#x}", masks.connection));
        };
        match self.action {
            Action::Set { value, mask } => {
                out.value("set-xmark", format_args!("{value:#x}/{mask:#x}"));
            }
            Action::Save(bits) => masks(out.flag("save-mark", true), bits),
            Action::Restore(bits) => masks(out.flag("restore-mark", true), bits),
        }
        match self.shift {
            Shift::Left(0) => {}
            Shift::Left(bits) => drop(out.value("left-shift-mark", bits)),
            Shift::Right(bits) => drop(out.value("right-shift-mark", bits)),
        }
    }

    /// Writes the mark.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        let restores = matches!(self.action, Action::Restore(_));
        if scene.facts.ct.is_none() && !(scene.state.has_template() && restores) {
            return Effect::Continue;
        }
        let connmark = scene.state.connmark(scene.facts);
        let mark = scene.state.mark;
        match self.action {
            Action::Set { value, mask } => {
                scene.state.connmark = Some(self.shift.apply((connmark & !mask) ^ value));
            }
            Action::Save(masks) => {
                let saved = self.shift.apply(mark & masks.packet);
                scene.state.connmark = Some((connmark & !masks.connection) ^ saved);
            }
            Action::Restore(masks) => {
                let restored = self.shift.apply(connmark & masks.connection);
                scene.state.mark = (mark & !masks.packet) ^ restored;
            }
        }
        Effect::Continue
    }
}
