//! `-j QUEUE`: the packet goes to queue 0 of user space; the older spelling of `-j NFQUEUE`. Of the
//! backends of today only the legacy one has it.

use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec};
use crate::print::Line;

/// What the target declares.
pub const SPEC: Spec = Spec::new("QUEUE");

/// Queue 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue;

impl Queue {
    /// It has no options.
    pub fn parse(_args: &mut Args<'_>) -> Option<Queue> {
        Some(Queue)
    }

    /// It has no options.
    pub fn print(&self, _out: &mut Line) {}

    /// Hands the packet over.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Queue { num: 0, bypass: false })
    }
}
