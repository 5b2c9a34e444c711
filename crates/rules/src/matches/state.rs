//! `-m state --state RELATED,ESTABLISHED`: the ct state, as it was spelt before
//! `-m conntrack --ctstate`.

use super::conntrack::{States, state_of, states};
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;

/// What the match declares.
pub const SPEC: Spec = Spec::new("state").passive().options(&[value("state").invert().required()]);

/// Which states are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The states; never SNAT or DNAT.
    pub states: Test<States>,
}

impl State {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<State> {
        Some(State { states: args.read("state", states(States::REAL))? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.not(self.states.invert).value("state", self.states.value);
    }

    /// Compares the ct state.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let state = state_of(scene.state.ct_state(scene.facts));
        self.states.holds(|states| states.contains(state)).into()
    }
}
