//! What a rule of nftables asks that the model has no words for: `-m nft --expr "meta cpu 3"`.
//!
//! No tool of iptables knows it, and it is not evaluated: whether it holds is unknown. It is made
//! when rules of nftables are read, and keeps the words of nft for messages.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::text;

/// What the match declares.
pub const SPEC: Spec = Spec::new("nft").not_evaluated().options(&[value("expr").required()]);

/// The longest expression, in bytes.
pub const EXPRESSION_LENGTH_MAX: usize = 4096;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nft {
    /// In the words of nft.
    pub expression: String,
}

impl Nft {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Nft> {
        Some(Nft { expression: args.plain("expr", text(EXPRESSION_LENGTH_MAX))? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.quoted("expr", &self.expression);
    }

    /// Nobody knows.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
