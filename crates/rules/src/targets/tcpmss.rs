//! `-p tcp -m tcp --syn -j TCPMSS --clamp-mss-to-pmtu`: the maximum segment size that a SYN
//! announces becomes another; the walk goes on.
//!
//! Needs `-p tcp`; clamping needs a way out, so it is not allowed before routing.

use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::number;
use kinwall_terms::{Family, Hook, L4Proto, Reason};
use kinwall_wire::L4;
use kinwall_wire::tcp::{Tcp, TcpOption};

/// What the target declares.
pub const SPEC: Spec = Spec::new("TCPMSS")
    .needs(&[L4Proto::TCP])
    .options(&[value("set-mss").excludes(&["clamp-mss-to-pmtu"]), flag("clamp-mss-to-pmtu")]);

/// Where the way out is known.
pub(crate) const CLAMP_HOOKS: &[Hook] = &[Hook::Forward, Hook::Output, Hook::Postrouting];

/// No TCP header is longer, in bytes.
const HEADER_MAX_LENGTH: usize = 60;

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

    /// Notes the new size; a packet that announces none gets one, if it has no payload and room in
    /// its header. One whose header is cut short is dropped. What fits the path is not known here,
    /// so clamping leaves what is announced; what it gives fits every path.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        let headers = scene.facts.headers;
        if headers.is_later_fragment() {
            return Effect::Continue;
        }
        let transport = headers.transport(scene.facts.bytes);
        let L4::Tcp(tcp) = &headers.l4 else {
            return Effect::Decide(Decision::Drop(Reason::HotDrop));
        };
        let length = usize::from(tcp.data_offset);
        if length < Tcp::LENGTH || transport.len() < length {
            return Effect::Decide(Decision::Drop(Reason::HotDrop));
        }
        let announced = tcp.options(transport).find_map(|option| match option {
            TcpOption::Mss(mss) => Some(mss),
            _ => None,
        });
        match (scene.state.mss.or(announced), *self) {
            (Some(mss), Tcpmss::Set(wanted)) if mss > wanted => scene.state.mss = Some(wanted),
            (None, _) if transport.len() == length && length < HEADER_MAX_LENGTH => {
                let default = match scene.family {
                    Family::Ipv4 => 536,
                    Family::Ipv6 => 1220,
                };
                scene.state.mss = match *self {
                    Tcpmss::Set(wanted) => Some(default.min(wanted)),
                    Tcpmss::Clamp => Some(default),
                };
            }
            _ => {}
        }
        Effect::Continue
    }
}
