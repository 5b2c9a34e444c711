//! `-p tcp -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1460`: the gateway shakes
//! hands in the place of the server. What becomes of the packet is not known here.

use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::{number_u8, number_u16};
use kinwall_terms::{Hook, L4Proto};

/// What the target declares.
pub const SPEC: Spec = Spec::new("SYNPROXY")
    .not_evaluated()
    .needs(&[L4Proto::TCP])
    .hooks(&[Hook::Input, Hook::Forward])
    .options(&[flag("sack-perm"), flag("timestamp"), value("wscale"), value("mss"), flag("ecn")]);

/// What the gateway answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synproxy {
    /// It permits selective acknowledgements.
    pub sack_perm: bool,
    /// It sends timestamps.
    pub timestamp: bool,
    /// The window scale it announces.
    pub wscale: Option<u8>,
    /// The maximum segment size it announces.
    pub mss: Option<u16>,
    /// It answers congestion notification.
    pub ecn: bool,
}

impl Synproxy {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Synproxy> {
        Some(Synproxy {
            sack_perm: args.has("sack-perm"),
            timestamp: args.has("timestamp"),
            wscale: args.plain("wscale", number_u8),
            mss: args.plain("mss", number_u16),
            ecn: args.has("ecn"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.flag("sack-perm", self.sack_perm).flag("timestamp", self.timestamp);
        if let Some(wscale) = self.wscale {
            out.value("wscale", wscale);
        }
        if let Some(mss) = self.mss {
            out.value("mss", mss);
        }
        out.flag("ecn", self.ecn);
    }

    /// Cannot be said.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Unknown)
    }
}
