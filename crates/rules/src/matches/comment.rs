//! `-m comment --comment "alpha to omega"`: a remark; it matches every packet.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::text;

/// What the match declares.
pub const SPEC: Spec = Spec::new("comment").passive().options(&[value("comment").required()]);

/// The longest comment, in bytes.
pub const LENGTH_MAX: usize = 255;

/// The remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its text.
    pub text: String,
}

impl Comment {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Comment> {
        Some(Comment { text: args.plain("comment", text(LENGTH_MAX))? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.quoted("comment", &self.text);
    }

    /// Always yes.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Yes
    }
}
