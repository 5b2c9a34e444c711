//! `-j TRACE`: every rule the packet meets from here on is reported; the walk goes on.

use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec};
use crate::print::Line;

/// What the target declares.
pub const SPEC: Spec = Spec::new("TRACE").passive();

/// Tracing on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace;

impl Trace {
    /// It has no options.
    pub fn parse(_args: &mut Args<'_>) -> Option<Trace> {
        Some(Trace)
    }

    /// It has no options.
    pub fn print(&self, _out: &mut Line) {}

    /// Marks the packet as traced.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.traced = true;
        Effect::Continue
    }
}
