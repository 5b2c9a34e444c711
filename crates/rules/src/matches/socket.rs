//! `-m socket --transparent`: a socket of the gateway would take the packet. It is read and
//! printed; packets are not asked.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, flag};
use crate::print::Line;
use kinwall_terms::Hook;

/// What the match declares.
pub const SPEC: Spec = Spec::new("socket")
    .not_evaluated()
    .hooks(&[Hook::Prerouting, Hook::Input])
    .options(&[flag("transparent"), flag("nowildcard"), flag("restore-skmark")]);

/// Which sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Only transparent ones.
    pub transparent: bool,
    /// Also those bound to every address.
    pub nowildcard: bool,
    /// Whether the packet takes the socket's mark.
    pub restore_mark: bool,
}

impl Socket {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Socket> {
        Some(Socket {
            transparent: args.has("transparent"),
            nowildcard: args.has("nowildcard"),
            restore_mark: args.has("restore-skmark"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.flag("transparent", self.transparent).flag("nowildcard", self.nowildcard);
        out.flag("restore-skmark", self.restore_mark);
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
