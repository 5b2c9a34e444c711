//! `-j NOTRACK`: the packet is not tracked; the older spelling of `-j CT --notrack`.

use super::ct::template;
use crate::eval::{Effect, Scene};
use crate::facts::CtTemplate;
use crate::option::{Args, Spec};
use crate::print::Line;
use kinwall_terms::{Hook, Table};

/// What the target declares.
pub const SPEC: Spec =
    Spec::new("NOTRACK").tables(&[Table::Raw]).hooks(&[Hook::Prerouting, Hook::Output]);

/// Tracking off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notrack;

impl Notrack {
    /// It has no options.
    pub fn parse(_args: &mut Args<'_>) -> Option<Notrack> {
        Some(Notrack)
    }

    /// It has no options.
    pub fn print(&self, _out: &mut Line) {}

    /// Marks the packet, unless an earlier rule said how to track it.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        template(scene, || CtTemplate { notrack: true, ..CtTemplate::default() })
    }
}
