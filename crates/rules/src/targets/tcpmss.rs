//! `-p tcp -m tcp --syn -j TCPMSS --clamp-mss-to-pmtu`: the maximum segment size that a SYN
//! announces becomes another; the walk goes on.
//!
//! Needs `-p tcp`; clamping needs a way out, so it is not allowed before routing.

use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::number;
use kinwall_terms::{Family, Hook, L4Proto};
use kinwall_wire::L4;
use kinwall_wire::tcp::{TcpFlags, TcpOption};

/// What the target declares.
pub const SPEC: Spec = Spec::new("TCPMSS")
    .needs(&[L4Proto::TCP])
    .options(&[value("set-mss").excludes(&["clamp-mss-to-pmtu"]), flag("clamp-mss-to-pmtu")]);

/// Where the way out is known.
pub(crate) const CLAMP_HOOKS: &[Hook] = &[Hook::Forward, Hook::Output, Hook::Postrouting];

/// The new maximum segment size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tcpmss {
    /// This one, where the packet announced a larger one or none.
    Set(u16),
    /// What fits the path, less the headers.
    Clamp,
}

impl Tcpmss {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Tcpmss> {
        if !args.one_of(&["set-mss", "clamp-mss-to-pmtu"]) {
            return None;
        }
        if args.has("clamp-mss-to-pmtu") {
            super::only_at(args, "clamp-mss-to-pmtu", CLAMP_HOOKS);
            return Some(Tcpmss::Clamp);
        }
        let most = match args.context.family {
            Family::Ipv4 => 65515,
            Family::Ipv6 => 65495,
        };
        args.plain("set-mss", number(0..=most)).map(|mss| Tcpmss::Set(mss as u16))
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        match self {
            Tcpmss::Set(mss) => out.value("set-mss", mss),
            Tcpmss::Clamp => out.flag("clamp-mss-to-pmtu", true),
        };
    }

    /// Notes the new size. What fits the path is not known here, so clamping changes nothing.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        let Tcpmss::Set(wanted) = *self else { return Effect::Continue };
        let L4::Tcp(tcp) = &scene.facts.headers.l4 else { return Effect::Continue };
        let transport = scene.facts.headers.transport(scene.facts.bytes);
        let announced = tcp.options(transport).find_map(|option| match option {
            TcpOption::Mss(mss) => Some(mss),
            _ => None,
        });
        match scene.state.mss.or(announced) {
            Some(mss) if mss > wanted => scene.state.mss = Some(wanted),
            None if tcp.flags.contains(TcpFlags::SYN) => {
                let default = match scene.family {
                    Family::Ipv4 => 536,
                    Family::Ipv6 => 1220,
                };
                scene.state.mss = Some(wanted.min(default));
            }
            _ => {}
        }
        Effect::Continue
    }
}
